//! Which counts of which nonce have been used: the guard against replays (RFC 7616 §3.4, `nc`).

use std::collections::BTreeMap;

use crate::limits::{NONCE_LIFETIME_MS, NONCES};

use super::nonce::{self, Order};

/// Use counts per nonce, bounded in number and in time.
///
/// Per nonce the highest count and the 63 below it are remembered, so that requests which overtook each other pass, and
/// each count passes once. At the limit the oldest nonce is forgotten, and from then on every nonce that is not younger
/// than it counts as used up: forgetting never opens a door for a replay.
#[derive(Clone, Debug)]
pub struct NonceCounts {
    limit: usize,
    used: BTreeMap<Order, Window>,
    /// The youngest nonce that was forgotten.
    forgotten: Option<Order>,
}

/// The last 64 counts of a nonce.
#[derive(Clone, Copy, Debug)]
struct Window {
    highest: u32,
    /// Bit n stands for `highest - n`.
    seen: u64,
}

impl Default for NonceCounts {
    fn default() -> NonceCounts {
        NonceCounts::new(NONCES)
    }
}

impl NonceCounts {
    /// Remembers at most `limit` nonces.
    pub fn new(limit: usize) -> NonceCounts {
        NonceCounts { limit, used: BTreeMap::new(), forgotten: None }
    }

    /// Whether this use of the nonce is its first. `false` is a replay, or a nonce that was forgotten; both deserve a new
    /// challenge with `stale=true`.
    ///
    /// Call it for a nonce that [`super::NonceKey::check`] found fresh, and for credentials that [`super::verify`] found
    /// right: what it is told it believes.
    pub fn accept(&mut self, nonce: &[u8], nc: u32, now_ms: u64) -> bool {
        self.forget_expired(now_ms);
        let Some(order) = nonce::order(nonce) else { return false };
        if nc == 0 || self.forgotten.is_some_and(|forgotten| order <= forgotten) {
            return false;
        }
        if let Some(window) = self.used.get_mut(&order) {
            return window.accept(nc);
        }
        if self.used.len() >= self.limit && !self.make_room(order) {
            return false;
        }
        self.used.insert(order, Window { highest: nc, seen: 1 });
        true
    }

    /// How many nonces are remembered.
    pub fn len(&self) -> usize {
        self.used.len()
    }

    /// Whether none is remembered.
    pub fn is_empty(&self) -> bool {
        self.used.is_empty()
    }

    fn forget_expired(&mut self, now_ms: u64) {
        while let Some(oldest) = self.used.first_entry()
            && now_ms.saturating_sub(oldest.key().issued_at_ms) >= NONCE_LIFETIME_MS
        {
            self.forgotten = Some(oldest.remove_entry().0);
        }
    }

    /// Forgets the oldest nonce, unless `newcomer` is older still.
    fn make_room(&mut self, newcomer: Order) -> bool {
        match self.used.first_entry() {
            Some(oldest) if *oldest.key() < newcomer => {
                self.forgotten = Some(oldest.remove_entry().0);
                true
            }
            Some(_) | None => false,
        }
    }
}

impl Window {
    fn accept(&mut self, nc: u32) -> bool {
        if let Some(ahead) = nc.checked_sub(self.highest).filter(|ahead| *ahead > 0) {
            self.seen = self.seen.checked_shl(ahead).unwrap_or(0) | 1;
            self.highest = nc;
            return true;
        }
        let behind = self.highest - nc;
        if behind >= u64::BITS || self.seen & (1 << behind) != 0 {
            return false;
        }
        self.seen |= 1 << behind;
        true
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::NonceKey;
    use super::*;

    const NOW: u64 = 1_000_000;

    fn nonces(count: u64) -> Vec<Bytes> {
        let mut key = NonceKey::new([3; 32]);
        (0..count).map(|n| key.issue(NOW + n, "a")).collect()
    }

    #[test]
    fn each_count_passes_once() {
        let (nonce, mut counts) = (nonces(1).remove(0), NonceCounts::default());
        for nc in 1..=200 {
            assert!(counts.accept(&nonce, nc, NOW));
            assert!(!counts.accept(&nonce, nc, NOW));
        }
        for nc in 0..=200 {
            assert!(!counts.accept(&nonce, nc, NOW), "{nc}");
        }
        assert_eq!(counts.len(), 1);
    }

    #[test]
    fn overtaken_counts_pass_within_the_window() {
        let (nonce, mut counts) = (nonces(1).remove(0), NonceCounts::default());
        assert!(counts.accept(&nonce, 100, NOW));
        assert!(!counts.accept(&nonce, 36, NOW), "64 behind");
        assert!(counts.accept(&nonce, 37, NOW), "63 behind");
        assert!(!counts.accept(&nonce, 37, NOW));
        assert!(counts.accept(&nonce, 99, NOW));
        assert!(counts.accept(&nonce, 101, NOW));
        assert!(!counts.accept(&nonce, 100, NOW) && !counts.accept(&nonce, 99, NOW));
        assert!(!counts.accept(&nonce, 37, NOW), "pushed out of the window");
    }

    #[test]
    fn jumps_and_the_largest_count() {
        let (nonce, mut counts) = (nonces(1).remove(0), NonceCounts::default());
        assert!(counts.accept(&nonce, 1, NOW));
        assert!(counts.accept(&nonce, 65, NOW), "exactly the window");
        assert!(!counts.accept(&nonce, 1, NOW));
        assert!(counts.accept(&nonce, u32::MAX, NOW));
        assert!(!counts.accept(&nonce, u32::MAX, NOW) && !counts.accept(&nonce, 65, NOW));
        assert!(counts.accept(&nonce, u32::MAX - 63, NOW));
    }

    #[test]
    fn count_zero_and_foreign_text_are_refused() {
        let mut counts = NonceCounts::default();
        assert!(!counts.accept(&nonces(1)[0], 0, NOW));
        assert!(!counts.accept(b"not one of ours", 1, NOW));
        assert!(counts.is_empty());
    }

    #[test]
    fn the_oldest_gives_way_and_stays_closed() {
        let (nonces, mut counts) = (nonces(4), NonceCounts::new(2));
        assert!(counts.accept(&nonces[1], 1, NOW) && counts.accept(&nonces[2], 1, NOW));
        assert!(counts.accept(&nonces[3], 1, NOW));
        assert_eq!(counts.len(), 2);
        for nc in [1, 2, 1_000] {
            assert!(!counts.accept(&nonces[1], nc, NOW), "forgotten");
            assert!(!counts.accept(&nonces[0], nc, NOW), "never used, but older than a forgotten one");
        }
        assert!(counts.accept(&nonces[2], 2, NOW) && counts.accept(&nonces[3], 2, NOW));
    }

    #[test]
    fn a_full_table_does_not_give_way_to_an_older_nonce() {
        let (nonces, mut counts) = (nonces(3), NonceCounts::new(2));
        assert!(counts.accept(&nonces[1], 1, NOW) && counts.accept(&nonces[2], 1, NOW));
        assert!(!counts.accept(&nonces[0], 1, NOW));
        assert!(counts.accept(&nonces[1], 2, NOW) && counts.accept(&nonces[2], 2, NOW));
    }

    #[test]
    fn expired_nonces_leave_and_stay_closed() {
        let (nonces, mut counts) = (nonces(2), NonceCounts::default());
        assert!(counts.accept(&nonces[0], 1, NOW) && counts.accept(&nonces[1], 1, NOW));
        assert!(counts.accept(&nonces[1], 2, NOW + NONCE_LIFETIME_MS));
        assert_eq!(counts.len(), 1);
        assert!(!counts.accept(&nonces[0], 2, NOW + NONCE_LIFETIME_MS));
        assert!(!counts.accept(&nonces[1], 3, NOW + NONCE_LIFETIME_MS + 1));
        assert!(counts.is_empty());
    }

    #[test]
    fn a_limit_of_zero_refuses_everything() {
        assert!(!NonceCounts::new(0).accept(&nonces(1)[0], 1, NOW));
    }
}
