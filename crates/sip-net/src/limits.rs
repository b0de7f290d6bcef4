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
