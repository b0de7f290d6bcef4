//! Scores: points that are given for offences and leak away with time, for a bounded number of neighbours.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Leaky scores by key. A key without points takes no room; at the limit, the score that would be gone first gives way.
#[derive(Debug)]
pub(super) struct Scores<K, T = ()> {
    limit: usize,
    most: u32,
    /// How long a point lasts.
    point: Duration,
    entries: BTreeMap<K, Score<T>>,
    ends: BTreeSet<(Instant, K)>,
}

#[derive(Debug)]
struct Score<T> {
    /// When the last point will have leaked away.
    end: Instant,
    note: T,
}

impl<K: Ord + Copy, T: Default> Scores<K, T> {
    /// At most `limit` keys with at most `most` points each; a point lasts for `point`.
    pub(super) fn new(limit: usize, most: u32, point: Duration) -> Self {
        Self { limit, most, point, entries: BTreeMap::new(), ends: BTreeSet::new() }
    }

    /// Points of a key, begun ones included.
    pub(super) fn get(&self, now: Instant, key: K) -> u32 {
        self.entries.get(&key).map_or(0, |score| self.points(now, score.end))
    }

    /// Gives points, and returns what there is now together with the note of the key.
    pub(super) fn add(&mut self, now: Instant, key: K, points: u32) -> (u32, &mut T) {
        self.forget(now);
        let old = self.entries.get(&key).map(|score| score.end);
        if let Some(old) = old {
            self.ends.remove(&(old, key));
        } else if self.entries.len() >= self.limit
            && let Some((_, least)) = self.ends.pop_first()
        {
            self.entries.remove(&least);
        }
        let end = old.unwrap_or(now).max(now) + self.point * points;
        let end = end.min(now + self.point * self.most);
        self.ends.insert((end, key));
        let points = self.points(now, end);
        let score = self.entries.entry(key).or_insert_with(|| Score { end, note: T::default() });
        score.end = end;
        (points, &mut score.note)
    }

    /// Takes points away.
    pub(super) fn ease(&mut self, now: Instant, key: K, points: u32) {
        let Some(score) = self.entries.get_mut(&key) else { return };
        let end = score.end.checked_sub(self.point * points).unwrap_or(now);
        self.ends.remove(&(score.end, key));
        if end <= now {
            self.entries.remove(&key);
        } else {
            score.end = end;
            self.ends.insert((end, key));
        }
    }

    /// Takes all points away.
    pub(super) fn clear(&mut self, key: K) {
        if let Some(score) = self.entries.remove(&key) {
            self.ends.remove(&(score.end, key));
        }
    }

    /// Takes all points of a range of keys away.
    pub(super) fn clear_range(&mut self, from: K, to: K) {
        let keys: Vec<K> = self.entries.range(from..=to).map(|(key, _)| *key).collect();
        for key in keys {
            self.clear(key);
        }
    }

    /// How many keys have points.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    fn forget(&mut self, now: Instant) {
        while let Some((_, key)) = self.ends.first().filter(|(end, _)| *end <= now).copied() {
            self.clear(key);
        }
    }

    fn points(&self, now: Instant, end: Instant) -> u32 {
        let left = end.saturating_duration_since(now).as_millis();
        u32::try_from(left.div_ceil(self.point.as_millis().max(1))).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to begin at")]
    fn now() -> Instant {
        Instant::now() + Duration::from_secs(100_000)
    }

    #[test]
    fn points_leak_away_one_by_one() {
        let (now, mut scores) = (now(), Scores::<u8>::new(10, 100, SECOND));
        assert_eq!(scores.add(now, 1, 10).0, 10);
        assert_eq!(scores.add(now + 4 * SECOND, 1, 10).0, 16);
        assert_eq!(scores.get(now + 5 * SECOND, 1), 15);
        assert_eq!(scores.get(now + 20 * SECOND, 1), 0);
        assert_eq!(scores.add(now + 60 * SECOND, 1, 1).0, 1, "what has leaked away is not owed");
        assert_eq!(scores.add(now + 60 * SECOND, 1, 1_000).0, 100, "and there is a most");
    }

    #[test]
    fn a_note_lives_as_long_as_its_points() {
        let (now, mut scores) = (now(), Scores::<u8, u32>::new(10, 100, SECOND));
        *scores.add(now, 1, 10).1 += 1;
        *scores.add(now, 1, 10).1 += 1;
        assert_eq!(*scores.add(now, 1, 0).1, 2);
        assert_eq!(*scores.add(now + 100 * SECOND, 1, 1).1, 0);
    }

    #[test]
    fn success_eases_and_clears() {
        let (now, mut scores) = (now(), Scores::<u8>::new(10, 100, SECOND));
        scores.add(now, 1, 10);
        scores.ease(now, 1, 4);
        assert_eq!(scores.get(now, 1), 6);
        scores.ease(now, 1, 40);
        scores.ease(now, 2, 40);
        assert_eq!((scores.get(now, 1), scores.len()), (0, 0));
        for key in 1..=5 {
            scores.add(now, key, 10);
        }
        scores.clear_range(2, 4);
        assert_eq!((1..=5).map(|key| scores.get(now, key)).collect::<Vec<_>>(), [10, 0, 0, 0, 10]);
    }

    #[test]
    fn the_table_is_bounded_and_the_least_gives_way() {
        let (now, mut scores) = (now(), Scores::<u32>::new(100, 100, SECOND));
        scores.add(now, 0, 50);
        for key in 1..10_000 {
            scores.add(now, key, 1);
        }
        assert_eq!((scores.len(), scores.ends.len()), (100, 100));
        assert_eq!(scores.get(now, 0), 50, "who has offended most is remembered longest");
        scores.add(now + 2 * SECOND, 0, 1);
        assert_eq!(scores.len(), 1, "the others have leaked away");
    }
}
