//! Which RTP ports are free.

use std::collections::VecDeque;
use std::ops::RangeInclusive;

/// The even ports of a range, RTCP being the odd one above. Taking and returning cost the same however
/// many there are.
///
/// First in, first out: the port given out is the one that has been quiet the longest. The first round
/// goes through the range in shuffled order, since a restarted process should not greet the calls that
/// were cut with the very ports they still send to.
#[derive(Debug)]
pub(crate) struct Ports {
    free: VecDeque<u16>,
    total: usize,
}

impl Ports {
    pub(crate) fn new(range: &RangeInclusive<u16>, seed: u64) -> Ports {
        let pairs = range.clone().filter(|port| port % 2 == 0 && *port < *range.end());
        let mut free: Vec<u16> = pairs.collect();
        shuffle(&mut free, seed);
        Ports { total: free.len(), free: free.into() }
    }

    pub(crate) fn take(&mut self) -> Option<u16> {
        self.free.pop_front()
    }

    pub(crate) fn give_back(&mut self, port: u16) {
        debug_assert!(self.free.len() < self.total, "port {port} was returned twice");
        self.free.push_back(port);
    }

    pub(crate) fn free(&self) -> usize {
        self.free.len()
    }

    pub(crate) fn total(&self) -> usize {
        self.total
    }
}

/// Fisher and Yates, driven by SplitMix64. Ports are no secret: who may send is decided by the source.
fn shuffle(ports: &mut [u16], seed: u64) {
    let mut state = seed;
    for last in (1..ports.len()).rev() {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        ports.swap(last, (mixed % (last as u64 + 1)) as usize);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn only_pairs_inside_the_range_are_given_out() {
        let of = |range: RangeInclusive<u16>| {
            let mut ports = Ports::new(&range, 7);
            std::iter::from_fn(|| ports.take()).collect::<BTreeSet<_>>()
        };
        assert_eq!(of(10_000..=10_005), [10_000, 10_002, 10_004].into());
        assert_eq!(of(10_001..=10_004), [10_002].into());
        assert_eq!(of(10_000..=10_000), [].into());
        assert_eq!(of(65_534..=65_535), [65_534].into());
        assert_eq!(of(0..=65_535).len(), 32_768);
    }

    #[test]
    fn the_longest_free_is_the_next() {
        let mut ports = Ports::new(&(2000..=2005), 1);
        let first = ports.take().unwrap();
        ports.give_back(first);
        let (second, third) = (ports.take().unwrap(), ports.take().unwrap());
        assert!(second != first && third != first);
        assert_eq!(ports.take(), Some(first));
        assert_eq!((ports.take(), ports.free(), ports.total()), (None, 0, 3));
    }

    #[test]
    fn the_seed_decides_the_order() {
        let order = |seed| Ports::new(&(10_000..=20_000), seed).free;
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
    }
}
