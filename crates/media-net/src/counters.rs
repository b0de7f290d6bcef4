//! What a worker did and holds.

use std::sync::atomic::{AtomicU64, Ordering};

/// Figures of one worker; a snapshot, each figure read for itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Sessions open now.
    pub sessions: u64,
    /// Closed sessions whose ports still rest.
    pub resting: u64,
    /// Port pairs that can be given out now.
    pub free_ports: u64,
    /// Port pairs of the range.
    pub total_ports: u64,
    /// Datagrams received on ports of open sessions.
    pub received: u64,
    /// Datagrams that came after their session had ended.
    pub drained: u64,
    /// Datagrams sent.
    pub sent: u64,
    /// Datagrams that the system would not send.
    pub send_errors: u64,
    /// Sessions that could not be opened.
    pub open_failures: u64,
    /// Sessions that ended by a fault of ours.
    pub panics: u64,
}

/// The living figures. One thread writes them, so that a plain load and store will do where an atomic
/// addition would lock the cache line for every packet.
#[derive(Debug, Default)]
pub(crate) struct Counting {
    pub(crate) sessions: Count,
    pub(crate) resting: Count,
    pub(crate) free_ports: Count,
    pub(crate) total_ports: Count,
    pub(crate) received: Count,
    pub(crate) drained: Count,
    pub(crate) sent: Count,
    pub(crate) send_errors: Count,
    pub(crate) open_failures: Count,
    pub(crate) panics: Count,
}

impl Counting {
    pub(crate) fn snapshot(&self) -> Counters {
        Counters {
            sessions: self.sessions.value(),
            resting: self.resting.value(),
            free_ports: self.free_ports.value(),
            total_ports: self.total_ports.value(),
            received: self.received.value(),
            drained: self.drained.value(),
            sent: self.sent.value(),
            send_errors: self.send_errors.value(),
            open_failures: self.open_failures.value(),
            panics: self.panics.value(),
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn one(&self) {
        self.set(self.value() + 1);
    }

    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
