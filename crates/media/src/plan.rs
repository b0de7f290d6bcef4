//! Offer and answer between two legs (RFC 3264): which codecs are offered, what is answered, and the [`Plan`] that a
//! worker carries out. Pure functions over [`Negotiation`] values.

mod answer;
mod connect;
mod offer;

use std::net::{IpAddr, SocketAddr};

use crate::command::Leg;
use crate::dtls::{Fingerprint, Role};
use crate::ice::Pairing;
use crate::negotiation::Negotiation;
use crate::srtp::MasterKey;

pub use answer::{again, answer, terminate};
pub use offer::{invite, offer, propose, propose_only};

/// How many phones an offer goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// One; codecs we cannot decode may pass through.
    Single,
    /// Several; only codecs we can transcode, since each may answer differently.
    Forked,
}

/// Our own address as shown to a leg. RTCP is one port above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaAddress {
    /// The address that faces the peer.
    pub ip: IpAddr,
    /// The RTP port.
    pub rtp_port: u16,
    /// The port that browsers share; 0 when there is none.
    pub shared_port: u16,
}

/// An audio codec as the relay sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// G.711 µ-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// G.722 at 64 kbit/s: 16 kHz samples under an RTP clock of 8 kHz.
    G722,
    /// Opus (RFC 7587).
    Opus,
    /// Anything else: passed through, never decoded.
    Other,
}

impl Codec {
    /// Whether we can decode and encode it.
    pub fn is_known(self) -> bool {
        self != Codec::Other
    }

    /// Whether a packet of `self` becomes one of `other` byte by byte, or by being left alone.
    pub(crate) fn goes_as(self, other: Codec) -> bool {
        let g711 = |codec| matches!(codec, Codec::Pcmu | Codec::Pcma);
        self == other || (g711(self) && g711(other))
    }
}

/// What a payload type of an incoming packet means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carries {
    /// Audio in this codec.
    Audio(Codec),
    /// Comfort noise (RFC 3389): the speaker keeps silent.
    Noise,
    /// Telephone events (RFC 4733).
    Event {
        /// What their lengths are counted in.
        clock_hz: u32,
    },
}

/// One payload type that a leg may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accept {
    /// The number in the packet.
    pub payload_type: u8,
    /// What it means.
    pub carries: Carries,
}

/// Everything a worker must know about one leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegPlan {
    /// Where its description wants RTP; `None` while it gave no usable address (old-style hold).
    pub remote_rtp: Option<SocketAddr>,
    /// Where its description wants RTCP.
    pub remote_rtcp: Option<SocketAddr>,
    /// Whether audio may be sent to it.
    pub send: bool,
    /// Whether audio from it is wanted.
    pub receive: bool,
    /// Codec sent to it.
    pub codec: Codec,
    /// Name of that codec for records.
    pub codec_name: &'static str,
    /// RTP clock of that codec.
    pub clock_hz: u32,
    /// Payload type sent to it.
    pub payload_type: u8,
    /// What it said about that codec (`a=fmtp`).
    pub fmtp: Option<String>,
    /// Payload types it may send.
    pub accepts: Vec<Accept>,
    /// Payload type of telephone events sent to it; `None` when it does not know them.
    pub dtmf: Option<u8>,
    /// What the lengths of those events are counted in.
    pub dtmf_clock_hz: u32,
    /// Whether keys pressed as tones may reach it as tones.
    pub tones: bool,
    /// Packet length it asked for.
    pub ptime_ms: u16,
    /// Addresses its media may come from, any port.
    pub sources: Vec<IpAddr>,
    /// How its packets are protected.
    pub security: Security,
    /// Of a browser: how its checks are known. It lives at the port that all browsers share.
    pub ice: Option<Pairing>,
    /// Whether RTCP travels on the RTP port (RFC 5761).
    pub mux: bool,
}

/// How the packets of a leg are protected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Security {
    /// Not at all.
    #[default]
    Plain,
    /// With the keys of the descriptions.
    Sdes {
        /// Of what we send.
        send: MasterKey,
        /// Of what it sends.
        receive: MasterKey,
    },
    /// With keys that a handshake brings.
    Dtls {
        /// Our part in it.
        role: Role,
        /// Of the peer's certificate.
        fingerprint: Fingerprint,
    },
}

/// A finished agreement: one entry for each leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// In the order in which the legs were given.
    pub legs: Vec<LegPlan>,
}

impl Plan {
    /// The plan as a session of two legs carries it out when the first leg named here is its `first`: after a transfer the one who
    /// stayed may have the second pair of ports. A leg that ends here alone leaves the other pair silent.
    #[must_use]
    pub fn from_leg(mut self, first: Leg) -> Plan {
        if first == Leg::CALLEE {
            if let [only] = &self.legs[..] {
                let idle = LegPlan::idle(only);
                self.legs.push(idle);
            }
            self.legs.reverse();
        }
        self
    }
}

impl LegPlan {
    /// A leg that nobody is behind.
    fn idle(like: &LegPlan) -> LegPlan {
        LegPlan {
            remote_rtp: None,
            remote_rtcp: None,
            send: false,
            receive: false,
            accepts: Vec::new(),
            dtmf: None,
            sources: Vec::new(),
            security: Security::Plain,
            ice: None,
            mux: false,
            ..like.clone()
        }
    }
}
