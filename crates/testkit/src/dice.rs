//! Chance that can be repeated.

use std::ops::Range;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};

/// A seeded source of chance (ChaCha8, the same on every machine).
///
/// Each user of chance takes a stream of its own, so that one more phone does not change the weather.
#[derive(Clone, Debug)]
pub struct Dice {
    generator: ChaCha8Rng,
}

impl Dice {
    /// The dice number `stream` of `seed`.
    pub fn new(seed: u64, stream: u64) -> Dice {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(stream);
        Dice { generator }
    }

    /// True with this probability: never at 0, always at 1.
    pub fn chance(&mut self, probability: f64) -> bool {
        // 53 bits fill the mantissa of a double exactly.
        let unit = (self.generator.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        unit < probability
    }

    /// One of `0..limit`, all equally likely (to within 2⁻⁶⁴ · limit); zero when there is nothing to choose from.
    pub fn below(&mut self, limit: u64) -> u64 {
        let product = u128::from(self.generator.next_u64()) * u128::from(limit);
        (product >> 64) as u64
    }

    /// A duration of the range, its end excluded; the start when the range is empty.
    pub fn duration(&mut self, range: &Range<Duration>) -> Duration {
        let width = range.end.saturating_sub(range.start);
        let width_ns = u64::try_from(width.as_nanos()).unwrap_or(u64::MAX);
        range.start + Duration::from_nanos(self.below(width_ns))
    }

    /// One of the choices.
    pub fn choose<'a, T>(&mut self, choices: &'a [T]) -> Option<&'a T> {
        let index = self.below(choices.len() as u64);
        choices.get(usize::try_from(index).ok()?)
    }

    /// Fills `room`, for secrets and for garbage.
    pub fn fill(&mut self, room: &mut [u8]) {
        self.generator.fill_bytes(room);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_one_sequence_and_streams_apart() {
        let roll = |seed, stream| {
            let mut dice = Dice::new(seed, stream);
            std::array::from_fn::<u64, 8, _>(|_| dice.below(1_000_000))
        };
        assert_eq!(roll(1, 0), roll(1, 0));
        assert_ne!(roll(1, 0), roll(1, 1));
        assert_ne!(roll(1, 0), roll(2, 0));
    }

    #[test]
    fn chances_hold_at_the_ends_and_on_average() {
        let mut dice = Dice::new(1, 0);
        assert!((0..1_000).all(|_| !dice.chance(0.0) && dice.chance(1.0)));
        let hits = (0..100_000).filter(|_| dice.chance(0.1)).count();
        assert!((9_500..10_500).contains(&hits), "{hits}");
    }

    #[test]
    fn ranges_are_kept_and_reached() {
        let mut dice = Dice::new(1, 0);
        let range = Duration::from_millis(5)..Duration::from_millis(8);
        let mut seen = [false; 3];
        for _ in 0..1_000 {
            let duration = dice.duration(&range);
            assert!(range.contains(&duration));
            seen[duration.as_millis() as usize - 5] = true;
        }
        assert_eq!(seen, [true; 3]);
        let point = Duration::from_millis(7)..Duration::from_millis(7);
        assert_eq!(dice.duration(&point), point.start);
        assert_eq!((dice.below(0), dice.below(1)), (0, 0));
        assert_eq!(dice.choose::<u8>(&[]), None);
        assert!((0..100).all(|_| dice.choose(&[1, 2]).is_some()));
    }
}
