//! Where a message came from and where one goes.

use std::fmt;
use std::net::SocketAddr;

use bytes::Bytes;

/// How bytes travel.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Transport {
    /// Plain datagrams.
    Udp,
}

impl Transport {
    /// The name as it stands in a Via.
    pub fn as_str(self) -> &'static str {
        match self {
            Transport::Udp => "UDP",
        }
    }

    /// Whether the transport itself repeats what was lost, so that transactions need not.
    pub fn is_reliable(self) -> bool {
        match self {
            Transport::Udp => false,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A pair of addresses and the transport between them (RFC 5626 calls it a flow).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Flow {
    /// The transport.
    pub transport: Transport,
    /// Our address that faces the peer; a concrete one, never a wildcard.
    pub local: SocketAddr,
    /// The peer's address as we see it, behind its NAT.
    pub remote: SocketAddr,
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}>{}", self.transport, self.remote, self.local)
    }
}

/// A rendered message on its way out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Transmit {
    /// The way it takes.
    pub flow: Flow,
    /// The whole message.
    pub bytes: Bytes,
}
