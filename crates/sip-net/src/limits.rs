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

/// Connections that wait in the kernel until they are accepted.
pub(crate) const BACKLOG: i32 = 1_024;

/// Taken from a stream by one call. The bytes lie on the stack, so that an idle connection holds no buffer.
pub(crate) const READ_BYTES: usize = 8_192;

/// Reads of one connection in a row before others have their turn.
pub(crate) const READS: usize = 8;

/// Written messages of one connection that may wait for the socket before more are taken out of its queue.
pub(crate) const OUT_BYTES: usize = 16 * 1024;

/// Answers to pings and the like that may wait for the socket; with more, nothing is read from that peer.
pub(crate) const OUT_HIGH_BYTES: usize = 64 * 1024;

/// Messages, and bytes of messages, that may wait for one connection. A peer that lets more pile up does not read and is
/// dropped.
pub(crate) const QUEUE_MESSAGES: usize = 4_096;
pub(crate) const QUEUE_BYTES: usize = 1024 * 1024;

/// Messages that may wait for a connection that is being opened.
pub(crate) const CONNECTING_MESSAGES: usize = 64;

/// Connections that may be in opening at once.
pub(crate) const CONNECTING: usize = 512;

/// Things that frame well and are no SIP, before a connection is closed for them.
pub(crate) const UNREADABLE: u32 = 16;

/// The longest request line and headers of a WebSocket's opening.
pub(crate) const UPGRADE_BYTES: usize = 8_192;

/// How long a connection rests from reading after the sink has refused a message of it.
pub(crate) const REFUSED_REST: Duration = Duration::from_millis(20);

/// How long accepting rests when there is no descriptor or no memory for a connection.
pub(crate) const ACCEPT_REST: Duration = Duration::from_millis(100);

/// How long goodbyes may take at the end.
pub(crate) const GOODBYE: Duration = Duration::from_secs(1);

/// Descriptors that connections leave to media, files and the database.
pub(crate) const DESCRIPTORS_FOR_OTHERS: u64 = 1_024;
/// How long the search for the addresses of one URI may take.
pub(crate) const LOCATE: Duration = Duration::from_secs(6);

/// Answers of name servers that are remembered.
pub(crate) const DNS_CACHE: u64 = 4_096;
