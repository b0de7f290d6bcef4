//! What time it is outside.
//!
//! Inside the shard there are only [`Instant`]s, which never jump. A [`WallClock`] is one pair of both kinds of time, taken by
//! the shell; whatever leaves the shard with a date on it is reckoned from that pair.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

/// An instant and the time of day it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WallClock {
    instant: Instant,
    timestamp: Timestamp,
}

impl WallClock {
    /// The pair, as the shell read both at once.
    #[must_use]
    pub fn new(instant: Instant, timestamp: Timestamp) -> Self {
        Self { instant, timestamp }
    }

    /// The time of day at `now`.
    #[must_use]
    pub fn at(&self, now: Instant) -> Timestamp {
        let shifted = match now.checked_duration_since(self.instant) {
            Some(later) => self.timestamp.checked_add(signed(later)),
            None => self.timestamp.checked_sub(signed(self.instant.saturating_duration_since(now))),
        };
        shifted.unwrap_or(self.timestamp)
    }

    /// The instant of a time of day. A time so far back that no instant stands for it becomes the pair's own instant.
    #[must_use]
    pub fn instant(&self, timestamp: Timestamp) -> Instant {
        let distance = timestamp.duration_since(self.timestamp);
        let shifted = if distance.is_negative() {
            self.instant.checked_sub(distance.unsigned_abs())
        } else {
            self.instant.checked_add(distance.unsigned_abs())
        };
        shifted.unwrap_or(self.instant)
    }

    /// Milliseconds since 1970 at `now`, as [`domain::uuid_v7`] takes them.
    #[must_use]
    pub fn unix_ms(&self, now: Instant) -> u64 {
        u64::try_from(self.at(now).as_millisecond()).unwrap_or(0)
    }
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use jiff::Timestamp;

    use super::WallClock;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to begin at")]
    fn both_ways_and_back() {
        let instant = Instant::now() + Duration::from_secs(1_000);
        let noon = Timestamp::from_second(1_700_000_000).unwrap();
        let clock = WallClock::new(instant, noon);
        for (now, seconds) in [
            (instant, 1_700_000_000),
            (instant + Duration::from_secs(90), 1_700_000_090),
            (instant - Duration::from_secs(90), 1_699_999_910),
        ] {
            assert_eq!(clock.at(now).as_second(), seconds);
            assert_eq!(clock.instant(Timestamp::from_second(seconds).unwrap()), now);
        }
        assert!(clock.instant(Timestamp::MIN) <= instant, "how far instants reach back is the platform's affair");
        assert_eq!(clock.unix_ms(instant), 1_700_000_000_000);
    }
}
