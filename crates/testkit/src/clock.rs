//! Time that passes only when a test says so.

use std::time::{Duration, Instant};

use jiff::Timestamp;

/// The wall-clock second at which every virtual clock starts: 2030-01-01, a Tuesday, at midnight UTC.
const WALL_START_S: i64 = 1_893_456_000;

/// A clock that stands still until it is advanced.
///
/// An [`Instant`] cannot be made out of nothing, so the real clock is read once, when the virtual one is made. Nothing
/// may depend on that value; what a test compares is [`Clock::elapsed`].
#[derive(Clone, Debug)]
pub struct Clock {
    start: Instant,
    now: Instant,
}

impl Default for Clock {
    fn default() -> Clock {
        Clock::new()
    }
}

impl Clock {
    /// A clock that shows zero elapsed time.
    pub fn new() -> Clock {
        let start = Instant::now();
        Clock { start, now: start }
    }

    /// The instant at which the clock was made.
    pub fn start(&self) -> Instant {
        self.start
    }

    /// The present instant.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Virtual time since the start.
    pub fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    /// Virtual milliseconds since the start, rounded down; the monotonic clock of nonces.
    pub fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The wall clock. It starts at 2030-01-01 00:00 UTC in every run and keeps step with [`Clock::now`].
    pub fn wall(&self) -> Timestamp {
        let start = Timestamp::from_second(WALL_START_S).unwrap_or(Timestamp::UNIX_EPOCH);
        start.saturating_add(self.elapsed()).unwrap_or(Timestamp::MAX)
    }

    /// Lets `step` pass.
    pub fn advance(&mut self, step: Duration) {
        self.now += step;
    }

    /// Moves to `instant`. A past instant is already reached: the clock stays where it is.
    pub fn advance_to(&mut self, instant: Instant) {
        self.now = self.now.max(instant);
    }

    /// Moves to the first of `deadlines`, and tells whether there was any. Whoever has no deadline gives `None`.
    pub fn advance_to_first(&mut self, deadlines: impl IntoIterator<Item = Option<Instant>>) -> bool {
        let Some(first) = deadlines.into_iter().flatten().min() else { return false };
        self.advance_to(first);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stands_still_until_advanced() {
        let mut clock = Clock::new();
        assert_eq!((clock.elapsed_ms(), clock.now()), (0, clock.start()));
        clock.advance(Duration::from_micros(2_999));
        assert_eq!(clock.elapsed_ms(), 2);
    }

    #[test]
    fn goes_to_the_first_deadline_and_never_back() {
        let mut clock = Clock::new();
        let at = |ms| Some(clock.start() + Duration::from_millis(ms));
        let (early, late) = (at(10), at(20));
        assert!(clock.advance_to_first([late, None, early]));
        assert_eq!(clock.elapsed_ms(), 10);
        assert!(clock.advance_to_first([late]));
        assert!(clock.advance_to_first([early]), "past deadlines are due at once");
        assert_eq!(clock.elapsed_ms(), 20);
        assert!(!clock.advance_to_first([None, None]));
        assert_eq!(clock.elapsed_ms(), 20);
    }

    #[test]
    fn the_wall_clock_is_the_same_in_every_run() {
        let mut clock = Clock::new();
        assert_eq!(clock.wall().to_string(), "2030-01-01T00:00:00Z");
        clock.advance(Duration::from_millis(86_400_500));
        assert_eq!(clock.wall().to_string(), "2030-01-02T00:00:00.5Z");
    }
}
