//! The limits of this crate.

use std::time::Duration;

/// The largest datagram there is: a UDP length field counts to 65,535.
pub(crate) const MAX_DATAGRAM_BYTES: usize = 65_535;

/// Datagrams taken from the kernel by one call.
pub(crate) const BATCH: usize = quinn_udp::BATCH_SIZE;

/// Asked of the kernel for each socket, so that a burst (every phone of an office at once after a
/// power cut) waits in the queue while the shard works. Without privilege the kernel grants less.
pub(crate) const RECEIVE_BUFFER_BYTES: usize = 4 * 1024 * 1024;

/// How long a receiving thread rests after an error of the socket itself, so that a lasting error
/// (no memory) does not become a busy loop.
pub(crate) const ERROR_REST: Duration = Duration::from_millis(10);

/// Sockets that one transport may hold.
pub(crate) const MAX_SOCKETS: usize = 64;

/// Sources whose messages are counted; at the limit, the one that came first is forgotten.
pub(crate) const MAX_SOURCES: usize = 65_536;

/// Banned sources that are kept here. The list that they come from is no longer.
pub(crate) const MAX_BANS: usize = 65_536;

/// Flows of registered phones that are known; phones beyond it are treated like their neighbours.
pub(crate) const MAX_KNOWN_FLOWS: usize = 1_000_000;

/// Messages that are no SIP which one source may send at once and per second; and how many more make one report.
pub(crate) const MALFORMED_BURST: f64 = 500.0;
/// See [`MALFORMED_BURST`].
pub(crate) const MALFORMED_PER_S: f64 = 20.0;
/// See [`MALFORMED_BURST`].
pub(crate) const MALFORMED_PER_REPORT: f64 = 100.0;
