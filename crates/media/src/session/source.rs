//! Who may send to a leg: the first allowed address is believed, another one only after silence.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use crate::limits;

/// What becomes of a packet from some address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// The source we listen to.
    Known,
    /// Allowed, and from now on the source we listen to.
    Latched,
    /// Allowed, but another one is being heard.
    Other,
    /// Not allowed.
    Stranger,
}

#[derive(Clone, Copy, Debug)]
struct Heard {
    from: SocketAddr,
    at: Instant,
}

/// The source of one socket of a leg.
#[derive(Clone, Debug, Default)]
pub(super) struct Source {
    current: Option<Heard>,
    /// Where the leg sent from before its description moved: its last packets must not latch again.
    left: Option<Heard>,
}

impl Source {
    /// Where to send; `None` until someone was heard.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.current.map(|heard| heard.from)
    }

    /// Changes nothing; [`Source::accept`] follows once the packet is known to be good.
    pub(super) fn judge(&self, now: Instant, from: SocketAddr, allowed: &[IpAddr]) -> Judgement {
        if !allowed.contains(&from.ip().to_canonical()) {
            return Judgement::Stranger;
        }
        let recent = |heard: &Heard| now.saturating_duration_since(heard.at) < limits::TAKEOVER;
        match self.current {
            Some(heard) if heard.from == from => Judgement::Known,
            Some(heard) if recent(&heard) => Judgement::Other,
            None if self.left.is_some_and(|left| left.from == from && recent(&left)) => Judgement::Other,
            Some(_) | None => Judgement::Latched,
        }
    }

    pub(super) fn accept(&mut self, now: Instant, from: SocketAddr) {
        self.current = Some(Heard { from, at: now });
    }

    /// The leg announced another address: listen anew.
    pub(super) fn release(&mut self, now: Instant) {
        if let Some(heard) = self.current.take() {
            self.left = Some(Heard { at: now, ..heard });
        }
    }

    /// The allowed addresses changed: a source that is no longer among them loses its place.
    pub(super) fn restrict(&mut self, allowed: &[IpAddr]) {
        if let Some(heard) = self.current
            && !allowed.contains(&heard.from.ip().to_canonical())
        {
            self.current = None;
        }
    }
}
