//! What went through the sockets, transport by transport.

use std::sync::atomic::{AtomicU64, Ordering};

/// Totals of one transport since its start; a snapshot, each figure read for itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Datagrams taken from the kernel, of every kind; messages on a stream.
    pub received: u64,
    /// What only kept a NAT binding or a connection open, STUN included.
    pub keep_alives: u64,
    /// Datagrams, or messages framed in a stream, that were no SIP.
    pub unparsable: u64,
    /// Messages that the sink refused since its queue was full.
    pub refused: u64,
    /// Errors of the sockets while receiving; connections that broke.
    pub receive_errors: u64,
    /// Messages handed to the kernel.
    pub sent: u64,
    /// Messages lost since the socket's send buffer was full; connections ended since their peer does not read.
    pub send_overflows: u64,
    /// Messages that the kernel refused, or for which there was no connection.
    pub send_errors: u64,
    /// Connections that peers have opened.
    pub accepted: u64,
    /// Connections that we have opened.
    pub opened: u64,
    /// Connections turned away at once: too many in all or of one address, or no descriptors.
    pub turned_away: u64,
    /// Connections whose TLS or WebSocket opening failed or took too long.
    pub failed_openings: u64,
    /// Connections ended since nothing, or no complete message, came or could be written for too long.
    pub timeouts: u64,
}

/// The living figures. Relaxed everywhere: they are read by people, nothing is decided on them.
#[derive(Debug, Default)]
pub(crate) struct Counting {
    pub(crate) received: Count,
    pub(crate) keep_alives: Count,
    pub(crate) unparsable: Count,
    pub(crate) refused: Count,
    pub(crate) receive_errors: Count,
    pub(crate) sent: Count,
    pub(crate) send_overflows: Count,
    pub(crate) send_errors: Count,
    pub(crate) accepted: Count,
    pub(crate) opened: Count,
    pub(crate) turned_away: Count,
    pub(crate) failed_openings: Count,
    pub(crate) timeouts: Count,
}

impl Counting {
    pub(crate) fn add_to(&self, total: &mut Counters) {
        total.received += self.received.total();
        total.keep_alives += self.keep_alives.total();
        total.unparsable += self.unparsable.total();
        total.refused += self.refused.total();
        total.receive_errors += self.receive_errors.total();
        total.sent += self.sent.total();
        total.send_overflows += self.send_overflows.total();
        total.send_errors += self.send_errors.total();
        total.accepted += self.accepted.total();
        total.opened += self.opened.total();
        total.turned_away += self.turned_away.total();
        total.failed_openings += self.failed_openings.total();
        total.timeouts += self.timeouts.total();
    }
}

#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn one(&self) {
        self.more(1);
    }

    pub(crate) fn more(&self, number: u64) {
        self.0.fetch_add(number, Ordering::Relaxed);
    }

    fn total(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
