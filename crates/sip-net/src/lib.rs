//! SIP sockets: datagrams in, parsed messages out; rendered messages in, datagrams out.
//!
//! Which thread does what:
//!
//! ```text
//! wire ─▶ one thread per socket: poll, receive a batch, parse, stamp ─▶ sink (the shard's bounded queue)
//! shard's own thread ─▶ UdpTransport::send ─▶ wire
//! ```
//!
//! A message leaves this crate with a [`sip::Flow`] whose local address is the one the peer really
//! addressed, also on a socket bound to a wildcard, and an answer leaves from that same address.
//! Nothing that arrives stops a receiving thread: what cannot be parsed is counted and forgotten, and
//! when the sink is full the datagram is lost, as it might have been on the wire. SIP resends.

#![forbid(unsafe_code)]

mod counters;
mod guard;
mod limits;
mod receive;
mod socket;
mod transport;

pub use counters::Counters;
pub use guard::{Guard, GuardCounters, GuardLimits, Report, Standing, Taken};
pub use receive::Received;
pub use socket::{BindError, UdpSockets, bind};
pub use transport::{UdpTransport, start};
