//! Where a message came from and where one goes.

use std::fmt;
use std::net::SocketAddr;

use bytes::Bytes;

/// How bytes travel.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Transport {
    /// Plain datagrams.
    Udp,
    /// A stream.
    Tcp,
    /// An encrypted stream.
    Tls,
    /// A WebSocket (RFC 7118).
    Ws,
    /// A WebSocket inside TLS.
    Wss,
}

impl Transport {
    /// Every one.
    pub const ALL: [Transport; 5] = [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss];

    /// The name as it stands in a Via.
    pub fn as_str(self) -> &'static str {
        match self {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
            Transport::Tls => "TLS",
            Transport::Ws => "WS",
            Transport::Wss => "WSS",
        }
    }

    /// The name as it stands in a URI's `transport` parameter. RFC 3261 §26.2.2 would have `tls` gone, yet every phone reads it,
    /// and some read nothing else; a secure WebSocket has no name of its own (RFC 7118 §5.3).
    pub fn uri_param(self) -> &'static str {
        match self {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
            Transport::Tls => "tls",
            Transport::Ws | Transport::Wss => "ws",
        }
    }

    /// Whether nobody on the way can read what travels.
    pub fn is_secure(self) -> bool {
        match self {
            Transport::Udp | Transport::Tcp | Transport::Ws => false,
            Transport::Tls | Transport::Wss => true,
        }
    }

    /// Whether it is a WebSocket, as browsers use.
    pub fn is_web(self) -> bool {
        match self {
            Transport::Ws | Transport::Wss => true,
            Transport::Udp | Transport::Tcp | Transport::Tls => false,
        }
    }

    /// The port when none is named (RFC 3261 §19.1.2, RFC 7118 §5.5).
    pub fn default_port(self) -> u16 {
        match self {
            Transport::Udp | Transport::Tcp => 5060,
            Transport::Tls => 5061,
            Transport::Ws => 80,
            Transport::Wss => 443,
        }
    }

    /// Whether the transport itself repeats what was lost, so that transactions need not.
    pub fn is_reliable(self) -> bool {
        match self {
            Transport::Udp => false,
            Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss => true,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A pair of addresses and the transport between them (RFC 5626 calls it a flow).
///
/// On a stream the local address is the one we listen on, also where we opened the connection ourselves, so that Via and Contact
/// can name it. When a connection ends, its flow is reported closed before another connection may have the same flow.
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
