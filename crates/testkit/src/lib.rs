//! A simulated installation: virtual clock, bad network, phones and a switch, without a socket.
//!
//! Everything here is deterministic: from one seed and one sequence of calls follows one sequence of deliveries, byte
//! for byte and nanosecond for nanosecond. A failing run is repeated by its seed. A [`World`] holds all of it together;
//! its parts can be used alone.
//!
//! The parts obey the verbs of the machines they test (`handle_*`, `poll_timeout`, `poll_*`), so a world is one loop:
//!
//! ```
//! use std::net::SocketAddr;
//! use std::time::Duration;
//!
//! use bytes::Bytes;
//! use testkit::{Clock, Network, Weather};
//!
//! let (phone, switch): (SocketAddr, SocketAddr) = ("10.0.0.1:5060".parse()?, "10.0.0.9:5060".parse()?);
//! let mut clock = Clock::new();
//! let mut network = Network::new(42, Weather { delay: Duration::from_millis(5)..Duration::from_millis(30), ..Weather::CALM });
//!
//! network.send(clock.now(), phone, switch, Bytes::from_static(b"REGISTER"));
//! let mut heard = Vec::new();
//! // A real world adds the deadlines of its phones and of its switch to the list.
//! while clock.advance_to_first([network.poll_timeout()]) {
//!     while let Some(datagram) = network.poll_datagram(clock.now()) {
//!         heard.push((clock.elapsed(), datagram.bytes));
//!     }
//! }
//! assert_eq!(heard.len(), 1);
//! assert!((5..30).contains(&heard[0].0.as_millis()));
//! # Ok::<(), std::net::AddrParseError>(())
//! ```

#![forbid(unsafe_code)]

pub mod clock;
pub mod dice;
pub mod network;
pub mod phone;
pub mod tenant;
pub mod worker;
pub mod world;

pub use rsip::Method;

pub use clock::Clock;
pub use dice::Dice;
pub use network::{Counters, Datagram, Network, Weather};
pub use phone::audio::{Law, Sound, Voice};
pub use phone::description::Hold;
pub use phone::letter::{Letter, Letters};
pub use phone::skill::{Refreshes, Reliable, Skills, TimerSkill};
pub use phone::subscribe::{Answer, Told, Watch, told_within};
pub use phone::talk::{Role, Stage, Talk};
pub use phone::{DialogIds, Manner, Phone, PhoneSetup, Reaction};
pub use tenant::TenantBuilder;
pub use world::{Handset, SIP_PORT, SWITCH, Verb, World, WorldConfig};
