//! Media without I/O: SDP, offer/answer, RTP, RTCP, codecs and relay sessions.
//!
//! Nothing here owns a socket, a clock or a thread. [`Negotiation`] and [`plan`] decide what two legs say to each other
//! (RFC 3264); the result is a [`Plan`], plain data that a worker carries out with a [`Session`]. A session is driven from
//! outside: packets go in with the time they arrived, verdicts, packets and facts come out. The brain and the worker
//! talk in [`Command`]s and [`Fact`]s.
//!
//! Everything that comes from the network is bounded (see [`limits`]) and never panics.
#![forbid(unsafe_code)]

pub mod codec;
pub mod command;
pub mod conceal;
pub mod dtls;
pub mod dtmf;
pub mod g711;
pub mod ice;
pub mod jitter;
pub mod limits;
pub mod listen;
pub mod mixer;
pub mod negotiation;
pub mod plan;
pub mod probe;
pub mod profile;
pub mod quality;
pub mod resample;
pub mod rtcp;
pub mod rtp;
pub mod sdp;
pub mod session;
pub mod speak;
pub mod srtp;
pub mod stun;
pub mod tone;

pub use command::{
    Channel, Command, DirectionStats, Fact, Leg, LegAddress, LegStats, Playback, Recorded, RecordingChange,
    RecordingOrder, Reported, RoomId, RoomPart, RoomSeat, SessionId,
};
pub use negotiation::{Negotiation, Refusal, is_browser};
pub use plan::{Accept, Carries, Codec, LegPlan, MediaAddress, Plan, Reach, Security};
pub use profile::{Profile, Secret, SrtpKeys, SrtpPolicy};
pub use session::{DropReason, Outgoing, Samples, Session, Sides, Verdict};
