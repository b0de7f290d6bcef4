//! Recent: what has happened lately, for a bounded number of keys.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// Keys that hold until an instant of their own. At the limit, the one that would end first gives way.
#[derive(Debug)]
pub(super) struct Recent<K> {
    limit: usize,
    entries: BTreeMap<K, Instant>,
    ends: BTreeSet<(Instant, K)>,
}

impl<K: Ord + Copy> Recent<K> {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, entries: BTreeMap::new(), ends: BTreeSet::new() }
    }

    /// Whether the key holds at `now`.
    pub(super) fn holds(&self, now: Instant, key: K) -> bool {
        self.entries.get(&key).is_some_and(|end| *end > now)
    }

    /// Lets the key hold until `end`.
    pub(super) fn hold(&mut self, now: Instant, key: K, end: Instant) {
        while let Some(oldest) = self.ends.first().filter(|(end, _)| *end <= now).copied() {
            self.ends.remove(&oldest);
            self.entries.remove(&oldest.1);
        }
        match self.entries.insert(key, end) {
            Some(old) => {
                self.ends.remove(&(old, key));
            }
            None if self.entries.len() > self.limit => {
                if let Some((_, least)) = self.ends.pop_first() {
                    self.entries.remove(&least);
                }
            }
            None => {}
        }
        self.ends.insert((end, key));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to begin at")]
    fn keys_hold_until_their_end_and_the_first_to_end_gives_way() {
        let (now, mut recent) = (Instant::now(), Recent::<u32>::new(3));
        for key in 1..=3 {
            recent.hold(now, key, now + Duration::from_secs(u64::from(key)));
        }
        assert!(recent.holds(now, 1) && !recent.holds(now + Duration::from_secs(1), 1));
        recent.hold(now, 1, now + Duration::from_secs(9));
        recent.hold(now, 4, now + Duration::from_secs(9));
        assert_eq!((1..=4).map(|key| recent.holds(now, key)).collect::<Vec<_>>(), [true, false, true, true]);
        recent.hold(now + Duration::from_secs(5), 5, now + Duration::from_secs(9));
        assert_eq!(recent.entries.len(), 3, "what has ended leaves");
        assert_eq!(recent.ends.len(), 3);
    }
}
