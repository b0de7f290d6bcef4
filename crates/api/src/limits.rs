//! Every limit of this crate.

use std::time::Duration;

/// Listening sockets, HTTP and HTTPS together.
pub(crate) const MAX_SOCKETS: usize = 32;
/// Connections that the kernel keeps for us until we accept them.
pub(crate) const BACKLOG: i32 = 128;
/// How long nothing is accepted after accepting has failed.
pub(crate) const ACCEPT_REST: Duration = Duration::from_millis(100);
/// The longest request line with all its headers, in bytes. A longer one is answered 431, or 414.
pub(crate) const HEAD_BYTES: usize = 16 * 1024;

/// How many may come, and how long they may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections in all. Whoever comes then is hung up on.
    pub connections: usize,
    /// Connections from one IPv4 address, or one IPv6 network of 64 bits.
    pub connections_per_address: usize,
    /// From accepting a connection to the end of its TLS handshake.
    pub handshake: Duration,
    /// From the moment a request may come to the end of its headers. It also ends a connection that asks for nothing more.
    pub head: Duration,
    /// After so long a connection takes no further request, and the browser opens another.
    pub lifetime: Duration,
    /// How long a connection that is to end may take to send its last answer.
    pub goodbye: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            connections_per_address: 64,
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(15),
            lifetime: Duration::from_secs(120),
            goodbye: Duration::from_secs(60),
        }
    }
}
