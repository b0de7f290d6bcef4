//! Session descriptions (RFC 8866): what we read of them, and how ours are written.
//!
//! Only what a softswitch acts on is kept. Attributes we do not know are not carried to the other side. Header extensions
//! (`a=extmap`), feedback messages (`a=rtcp-fb`, `a=rtcp-rsize`) and sources (`a=ssrc`) are among those: an answer that
//! takes none of what was offered is a lawful one.

mod keep;
mod parse;
mod render;
mod secure;

use std::net::IpAddr;

use thiserror::Error;

pub use keep::{mask_keys, summary};
pub use secure::{Crypto, Secret, Secure, Setup};

/// Why a body is no session description we can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SdpError {
    /// There is nothing in it.
    #[error("the description is empty")]
    Empty,
    /// It is longer, or has more of something, than we accept.
    #[error("the description has too many {0}")]
    TooMany(&'static str),
    /// A line that we need cannot be read.
    #[error("line {line} of the description cannot be read")]
    Malformed {
        /// Counted from 1.
        line: usize,
    },
}

/// A session description.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// `o=`; absent when missing or unreadable, since nothing hangs on it.
    pub origin: Option<Origin>,
    /// `c=` of the session.
    pub connection: Option<Connection>,
    /// Direction of the session, for streams without their own.
    pub direction: Option<Direction>,
    /// `a=group:BUNDLE`: the mids of the streams that share one transport.
    pub bundle: Vec<String>,
    /// `a=ice-lite`: the writer only answers connectivity checks.
    pub ice_lite: bool,
    /// Fingerprints and ICE credentials for streams without their own.
    pub secure: Secure,
    /// The `m=` sections in order.
    pub media: Vec<Media>,
}

/// The `o=` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// User name, `-` for none.
    pub username: String,
    /// Session id.
    pub id: u64,
    /// Session version.
    pub version: u64,
    /// Address of the originator.
    pub address: Host,
}

/// The `c=` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Where media is to be sent.
    pub host: Host,
}

/// An address or a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// A literal address.
    Ip(IpAddr),
    /// A host name; never looked up here.
    Name(String),
}

/// Which way media flows, seen from the side that wrote the description.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Both ways.
    #[default]
    SendReceive,
    /// Only from the writer.
    SendOnly,
    /// Only to the writer.
    ReceiveOnly,
    /// Neither way.
    Inactive,
}

impl Direction {
    /// The direction that does just this.
    pub fn of(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Direction::SendReceive,
            (true, false) => Direction::SendOnly,
            (false, true) => Direction::ReceiveOnly,
            (false, false) => Direction::Inactive,
        }
    }

    /// Whether the writer sends.
    pub fn sends(self) -> bool {
        matches!(self, Direction::SendReceive | Direction::SendOnly)
    }

    /// Whether the writer wants to receive.
    pub fn receives(self) -> bool {
        matches!(self, Direction::SendReceive | Direction::ReceiveOnly)
    }

    /// The same flow seen from the other side.
    #[must_use]
    pub fn reversed(self) -> Self {
        Direction::of(self.receives(), self.sends())
    }

    /// What is left of it within `bound`.
    #[must_use]
    pub fn within(self, bound: Direction) -> Self {
        Direction::of(self.sends() && bound.sends(), self.receives() && bound.receives())
    }
}

/// What an `m=` section carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Audio.
    Audio,
    /// Anything else, by its name.
    Other(String),
}

/// One `m=` section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// What it carries.
    pub kind: Kind,
    /// Port; 0 refuses or removes the stream.
    pub port: u16,
    /// Transport, such as `RTP/AVP`.
    pub protocol: String,
    /// Formats in order of preference; payload types for RTP.
    pub formats: Vec<String>,
    /// Its own `c=` line.
    pub connection: Option<Connection>,
    /// `a=rtpmap` lines.
    pub rtpmaps: Vec<RtpMap>,
    /// `a=fmtp` lines: payload type and parameters.
    pub fmtps: Vec<(u8, String)>,
    /// `a=ptime`.
    pub ptime_ms: Option<u16>,
    /// `a=maxptime`.
    pub maxptime_ms: Option<u16>,
    /// Its own direction.
    pub direction: Option<Direction>,
    /// Port of `a=rtcp`; the address in it is ignored.
    pub rtcp: Option<u16>,
    /// `a=rtcp-mux`: RTCP may come on the RTP port (RFC 5761).
    pub rtcp_mux: bool,
    /// `a=mid`.
    pub mid: Option<String>,
    /// `a=msid`: stream and track by which a browser hands out what it receives (RFC 8830).
    pub msid: Option<String>,
    /// `a=crypto` lines in order of preference.
    pub cryptos: Vec<Crypto>,
    /// Its fingerprints and ICE credentials.
    pub secure: Secure,
    /// `a=candidate` lines as they are written, without those of the local link.
    pub candidates: Vec<String>,
    /// `a=end-of-candidates`: there will be no more of them.
    pub end_of_candidates: bool,
}

impl Media {
    /// A section without attributes.
    pub fn new(kind: Kind, port: u16, protocol: &str) -> Self {
        Media {
            kind,
            port,
            protocol: protocol.to_owned(),
            formats: Vec::new(),
            connection: None,
            rtpmaps: Vec::new(),
            fmtps: Vec::new(),
            ptime_ms: None,
            maxptime_ms: None,
            direction: None,
            rtcp: None,
            rtcp_mux: false,
            mid: None,
            msid: None,
            cryptos: Vec::new(),
            secure: Secure::default(),
            candidates: Vec::new(),
            end_of_candidates: false,
        }
    }

    /// The same section refused: port 0, no attributes (RFC 3264, 6) but its name, by which browsers find it.
    #[must_use]
    pub fn refused(&self) -> Self {
        Media {
            formats: self.formats.clone(),
            mid: self.mid.clone(),
            ..Media::new(self.kind.clone(), 0, &self.protocol)
        }
    }
}

/// An `a=rtpmap` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RtpMap {
    /// The number.
    pub payload_type: u8,
    /// Its name.
    pub encoding: String,
    /// Its RTP clock.
    pub clock_hz: u32,
    /// Channels; 1 unless said otherwise.
    pub channels: u8,
}
