//! SIP sockets: UDP, TCP, TLS, WS and WSS. Bytes in, parsed messages out; rendered messages in, bytes out.
//!
//! Which thread does what:
//!
//! ```text
//! UDP     ─▶ one thread per socket: poll, receive a batch, parse, stamp ────────▶ sink (the shard's bounded queue)
//! streams ─▶ a runtime of its own, one task per connection: read, frame, parse ─▶ sink
//! shard's own thread ─▶ Transports::send ─▶ UDP: the wire; streams: the connection's bounded outbox ─▶ its task ─▶ wire
//! ```
//!
//! A message leaves this crate with a [`sip::Flow`] whose local address is the one the peer really
//! addressed, also on a socket bound to a wildcard, and an answer leaves from that same address.
//! Nothing that arrives stops a receiving thread: what cannot be parsed is counted and forgotten, and
//! when the sink is full a datagram is lost, as it might have been on the wire. SIP resends.
//!
//! A connection is known by its flow. Its end is told as [`Event::Closed`] before another connection may
//! have the same flow, and after its last message. Where nobody is connected, TCP and TLS connections are
//! opened on demand; to a browser none can be opened. A peer that does not read lets its outbox run full,
//! and is dropped; nobody else notices.

#![forbid(unsafe_code)]

mod certificate;
mod counters;
mod dns;
mod event;
mod guard;
mod limits;
mod receive;
mod socket;
mod stream;
mod tls;
mod transport;
mod transports;

pub use certificate::{Certificate, CertificateError};
pub use counters::Counters;
pub use dns::{Resolver, ResolverError};
pub use event::{Event, Sink};
pub use guard::{Allow, Guard, GuardCounters, GuardLimits, Report, Standing, Taken};
pub use receive::Received;
pub use socket::{BindError, UdpSockets, bind};
pub use stream::StreamConfig;
pub use tls::{install_crypto_provider, server_config};
pub use transport::{UdpTransport, start};
pub use transports::{Addresses, Sockets, Transports};
