//! SIP without I/O: message, transaction, dialog, digest, endpoint.
//!
//! Nothing in this crate opens a socket, reads a clock or starts a thread. Bytes and instants come in as arguments, bytes and
//! deadlines go out as values, so every exchange can be replayed on a virtual clock.
//!
//! The message layer keeps one [`bytes::Bytes`] per message. Header fields are ranges into it and become typed values only when
//! somebody asks for them; whatever nobody asks for travels on as it came.
//!
//! ```
//! use bytes::Bytes;
//! use sip::{Message, Method};
//!
//! let wire = Bytes::from_static(
//!     b"OPTIONS sip:pbx.example SIP/2.0\r\n\
//!       v: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa\r\n\
//!       f: <sip:a@pbx.example>;tag=1\r\nt: <sip:pbx.example>\r\ni: x@192.0.2.1\r\nCSeq: 1 OPTIONS\r\n\r\n",
//! );
//! let Ok(Message::Request(request)) = Message::parse_datagram(wire) else { panic!("a request") };
//! assert_eq!(request.method(), &Method::Options);
//! assert_eq!(request.from()?.tag().as_deref(), Some(&b"1"[..]));
//! request.validate()?;
//! # Ok::<(), sip::Error>(())
//! ```

#![forbid(unsafe_code)]

pub mod builder;
pub mod capability;
pub mod dialog;
pub mod digest;
pub mod endpoint;
pub mod error;
pub mod flow;
pub mod framing;
pub mod glance;
pub mod header;
pub mod limits;
pub mod locate;
pub mod message;
pub mod method;
pub mod network;
pub mod package;
mod scan;
pub mod stun;
pub mod transaction;
pub mod uri;

pub use builder::{RequestBuilder, ResponseBuilder, reason_phrase};
pub use capability::{ALLOW, SUPPORTED};
pub use dialog::{Dialog, DialogState};
pub use endpoint::{
    Admission, ClientId, ContactPolicy, Counts, DialogId, Endpoint, EndpointConfig, Event, Failure, Gate,
    OutgoingRequest, Reply, Scope, ServerId, TurnedAway,
};
pub use error::Error;
pub use flow::{Flow, Transmit, Transport};
pub use header::{Header, Name};
pub use message::{Headers, Message, Request, Response};
pub use method::Method;
pub use network::{Advertised, Prefix};
pub use uri::{Host, Scheme, Uri};
