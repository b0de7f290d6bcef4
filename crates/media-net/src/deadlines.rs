//! When which slot wants to be woken.

use std::collections::BTreeSet;
use std::time::Instant;

/// One ordered set, at most one deadline per slot. The slot keeps its own deadline (`kept`) so that it
/// can be found again.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    set: BTreeSet<(Instant, u32)>,
}

impl Deadlines {
    pub(crate) fn first(&self) -> Option<Instant> {
        self.set.first().map(|(at, _)| *at)
    }

    /// Takes one slot whose time has come.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<u32> {
        let (at, slot) = *self.set.first()?;
        (at <= now).then(|| {
            self.set.pop_first();
            slot
        })
    }

    /// Makes sure that the slot is woken by `wanted`. A kept deadline that is earlier stays: a packet
    /// moves the silence timer of its session back, and it is cheaper to wake once in vain than to
    /// reorder the set for every packet.
    pub(crate) fn not_later(&mut self, slot: u32, kept: &mut Option<Instant>, wanted: Option<Instant>) {
        let Some(wanted) = wanted else { return };
        if kept.is_some_and(|kept| kept <= wanted) {
            return;
        }
        self.forget(slot, kept);
        self.set.insert((wanted, slot));
        *kept = Some(wanted);
    }

    pub(crate) fn forget(&mut self, slot: u32, kept: &mut Option<Instant>) {
        if let Some(at) = kept.take() {
            self.set.remove(&(at, slot));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_earlier_deadline_is_kept_and_each_slot_has_one() {
        let start = Instant::now();
        let after = |seconds| Some(start + Duration::from_secs(seconds));
        let (mut deadlines, mut kept, mut other) = (Deadlines::default(), None, None);
        deadlines.not_later(1, &mut kept, after(5));
        deadlines.not_later(1, &mut kept, after(9));
        deadlines.not_later(2, &mut other, after(4));
        assert_eq!((kept, deadlines.first()), (after(5), after(4)));
        deadlines.not_later(1, &mut kept, after(2));
        deadlines.not_later(1, &mut kept, None);
        assert_eq!((kept, deadlines.first(), deadlines.set.len()), (after(2), after(2), 2));
        assert_eq!(deadlines.pop_due(start), None);
        assert_eq!(deadlines.pop_due(start + Duration::from_secs(3)), Some(1));
        deadlines.forget(2, &mut other);
        assert_eq!((other, deadlines.first()), (None, None));
    }
}
