//! What went through the sockets.

use std::sync::atomic::{AtomicU64, Ordering};

/// Totals of one transport since its start; a snapshot, each figure read for itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Datagrams taken from the kernel, of every kind.
    pub received: u64,
    /// Datagrams that only kept a NAT binding open.
    pub keep_alives: u64,
    /// Datagrams that were no SIP message.
    pub unparsable: u64,
    /// Messages that the sink refused since its queue was full.
    pub refused: u64,
    /// Errors of the sockets while receiving.
    pub receive_errors: u64,
    /// Messages handed to the kernel.
    pub sent: u64,
    /// Messages lost since the socket's send buffer was full.
    pub send_overflows: u64,
    /// Messages that the kernel refused.
    pub send_errors: u64,
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
