//! Reads telephone events: every key press of a stream is reported once, however many of its packets arrive.
//!
//! A press is one RTP timestamp. It ends with the first packet that has the end bit; when all of those are lost, with
//! the next press or after a gap. The marker bit is not looked at: it may be lost with its packet, and some senders
//! never set it.

use std::time::Instant;

use super::{Digit, Payload, key};
use crate::limits;

/// A press longer than this goes on under a new timestamp (RFC 4733, 2.5.1.3).
const SEGMENT: u32 = 0xffff;

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Idle,
    Pressed {
        press: Press,
        give_up_at: Instant,
    },
}

#[derive(Clone, Copy, Debug)]
struct Press {
    event: u8,
    ssrc: u32,
    timestamp: u32,
    /// Length of segments before this one.
    before: u32,
    duration: u16,
}

impl Press {
    fn is(self, event: u8, ssrc: u32, timestamp: u32) -> bool {
        (self.event, self.ssrc, self.timestamp) == (event, ssrc, timestamp)
    }

    /// The next segment of the same press.
    fn goes_on(self, event: u8, ssrc: u32, timestamp: u32) -> bool {
        self.is(event, ssrc, timestamp.wrapping_sub(SEGMENT))
    }

    /// Some senders raise the timestamp with every packet of a press, by as much as its length has grown.
    fn creeps_on(self, ssrc: u32, timestamp: u32, payload: Payload) -> bool {
        let grown = payload.duration.checked_sub(self.duration).filter(|grown| *grown > 0);
        self.event == payload.event
            && self.ssrc == ssrc
            && grown.is_some_and(|grown| timestamp.wrapping_sub(self.timestamp) == u32::from(grown))
    }

    /// A copy of the end whose timestamp was raised nevertheless: no other press can begin inside this one.
    fn ends_again(self, ssrc: u32, timestamp: u32, payload: Payload) -> bool {
        payload.end
            && (self.event, self.ssrc, self.duration) == (payload.event, ssrc, payload.duration)
            && timestamp.wrapping_sub(self.timestamp) < u32::from(self.duration)
    }

    fn digit(self, clock_hz: u32) -> Option<Digit> {
        let units = u64::from(self.before) + u64::from(self.duration);
        let duration_ms = u32::try_from(units * 1_000 / u64::from(clock_hz)).unwrap_or(u32::MAX);
        Some(Digit { key: key(self.event)?, duration_ms })
    }
}

/// Reads the events of one stream.
#[derive(Clone, Debug)]
pub struct Reader {
    clock_hz: u32,
    state: State,
    /// The last finished press, and until when its packets may still arrive: they are no new press.
    finished: Option<(Press, Instant)>,
}

impl Default for Reader {
    /// A reader for the usual clock of 8000 Hz.
    fn default() -> Self {
        Reader::new(8_000)
    }
}

impl Reader {
    /// A reader for events whose timestamps count `clock_hz` per second (0 is taken as 8000).
    pub fn new(clock_hz: u32) -> Self {
        let clock_hz = if clock_hz == 0 { 8_000 } else { clock_hz };
        Reader { clock_hz, state: State::Idle, finished: None }
    }

    /// What its timestamps count per second.
    pub fn clock_hz(&self) -> u32 {
        self.clock_hz
    }

    /// Takes one event packet; returns a press that is now known to be over.
    pub fn read(&mut self, now: Instant, ssrc: u32, timestamp: u32, payload: Payload) -> Option<Digit> {
        key(payload.event)?;
        if self.is_old(now, ssrc, timestamp, payload) {
            return None;
        }
        let fresh = Press { event: payload.event, ssrc, timestamp, before: 0, duration: 0 };
        let (mut press, earlier) = match self.state {
            State::Idle => (fresh, None),
            State::Pressed { press, .. } if press.is(payload.event, ssrc, timestamp) => (press, None),
            State::Pressed { press, .. } if press.goes_on(payload.event, ssrc, timestamp) => {
                let before = press.before.saturating_add(SEGMENT);
                (Press { timestamp, before, duration: 0, ..press }, None)
            }
            State::Pressed { press, .. } if press.creeps_on(ssrc, timestamp, payload) => {
                (Press { timestamp, ..press }, None)
            }
            State::Pressed { press, .. } => {
                // A packet of before the running press is late, and that press was reported already.
                if press.ssrc == ssrc && self.is_before(timestamp, press.timestamp) {
                    return None;
                }
                (fresh, press.digit(self.clock_hz))
            }
        };
        press.duration = press.duration.max(payload.duration);
        if payload.end {
            self.finish(now, press);
            // With an earlier press unfinished and this one already over, the earlier is told now, this one is told by
            // the deadline.
            if earlier.is_some() {
                self.state = State::Pressed { press, give_up_at: now };
                return earlier;
            }
            return press.digit(self.clock_hz);
        }
        self.state = State::Pressed { press, give_up_at: now + limits::EVENT_GAP };
        earlier
    }

    /// Ends a press whose end never arrived.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Digit> {
        let State::Pressed { press, give_up_at } = self.state else {
            return None;
        };
        if now < give_up_at {
            return None;
        }
        self.finish(now, press);
        press.digit(self.clock_hz)
    }

    /// When [`Reader::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Idle => None,
            State::Pressed { give_up_at, .. } => Some(give_up_at),
        }
    }

    fn finish(&mut self, now: Instant, press: Press) {
        self.finished = Some((press, now + limits::EVENT_LATE));
        self.state = State::Idle;
    }

    /// Whether a packet belongs to the last finished press, or to one before it.
    fn is_old(&mut self, now: Instant, ssrc: u32, timestamp: u32, payload: Payload) -> bool {
        let Some((press, _)) = self.finished.filter(|(press, until)| press.ssrc == ssrc && now < *until) else {
            return false;
        };
        if self.is_before(timestamp, press.timestamp) || press.ends_again(ssrc, timestamp, payload) {
            return true;
        }
        // A very long press that was given up during a gap is still the same one in its next segment.
        if press.goes_on(payload.event, ssrc, timestamp) {
            self.finished = Some((Press { timestamp, duration: 0, ..press }, now + limits::EVENT_LATE));
            return true;
        }
        false
    }

    /// Whether `timestamp` is that of `reference`, or so little before it that it may be late.
    fn is_before(&self, timestamp: u32, reference: u32) -> bool {
        let late = limits::EVENT_LATE.as_secs() * u64::from(self.clock_hz);
        u64::from(reference.wrapping_sub(timestamp)) < late
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a test needs one first moment; all others are reckoned from it")]
    fn beginning() -> Instant {
        Instant::now()
    }

    fn payload(event: u8, end: bool, duration: u16) -> Payload {
        Payload { event, end, volume: 10, duration }
    }

    /// Feeds packets of (milliseconds, timestamp, payload) and takes the deadlines in between.
    fn told(reader: &mut Reader, packets: &[(u64, u32, Payload)]) -> Vec<(char, u32)> {
        let start = beginning();
        let mut told = Vec::new();
        for (millis, timestamp, payload) in packets {
            let now = start + Duration::from_millis(*millis);
            while let Some(due) = reader.poll_timeout().filter(|due| *due <= now) {
                told.extend(reader.handle_timeout(due));
            }
            told.extend(reader.read(now, 7, *timestamp, *payload));
        }
        while let Some(due) = reader.poll_timeout() {
            told.extend(reader.handle_timeout(due));
        }
        told.into_iter().map(|digit| (digit.key, digit.duration_ms)).collect()
    }

    #[test]
    fn durations_follow_the_clock() {
        for clock_hz in [8_000u32, 16_000, 48_000] {
            let tenth = (clock_hz / 10) as u16;
            let packets = [(0, 5, payload(1, false, tenth / 5)), (100, 5, payload(1, true, tenth))];
            assert_eq!(told(&mut Reader::new(clock_hz), &packets), [('1', 100)], "{clock_hz}");
        }
        assert_eq!(told(&mut Reader::new(0), &[(0, 5, payload(1, true, 800))]), [('1', 100)]);
    }

    #[test]
    fn a_long_press_at_48_khz_is_one_press_of_many_segments() {
        let mut packets: Vec<_> =
            (0..4).map(|n| (n * 100, 9 + n as u32 * SEGMENT, payload(2, false, 0xffff))).collect();
        packets.push((400, 9 + 4 * SEGMENT, payload(2, true, 4_800)));
        assert_eq!(told(&mut Reader::new(48_000), &packets), [('2', (4 * SEGMENT + 4_800) / 48)]);
    }

    #[test]
    fn two_equal_keys_40_ms_apart_are_two_whatever_is_lost_of_either() {
        let press = |begin: u32, at: u64| {
            (0..5u16).map(move |step| {
                let duration = 160 * (step + 1).min(2);
                (at + 20 * u64::from(step), begin, payload(5, step >= 2, duration))
            })
        };
        for lost in 0..1_024u32 {
            let all: Vec<_> = press(1_000, 0).chain(press(1_640, 80)).collect();
            let heard: Vec<_> =
                all.iter().enumerate().filter(|(n, _)| lost & (1 << n) == 0).map(|(_, packet)| *packet).collect();
            let presses = [0x1f, 0x3e0].iter().filter(|mask| lost & **mask != **mask).count();
            // The packets of the first press that come after the second has begun do not count again.
            assert_eq!(told(&mut Reader::default(), &heard).len(), presses, "lost {lost:010b}");
        }
    }

    #[test]
    fn senders_that_raise_the_timestamp_with_every_packet_press_once() {
        let mut packets: Vec<_> =
            (0..5u16).map(|n| (20 * u64::from(n), 160 * u32::from(n), payload(3, false, 160 * (n + 1)))).collect();
        packets.extend((5..8u16).map(|n| (20 * u64::from(n), 160 * u32::from(n), payload(3, true, 960))));
        assert_eq!(told(&mut Reader::default(), &packets), [('3', 120)]);
    }

    #[test]
    fn packets_after_the_press_was_given_up_do_not_press_again() {
        let packets = [
            (0, 1_000, payload(4, false, 160)),
            (900, 1_000, payload(4, false, 320)),
            (920, 1_000, payload(4, true, 7_200)),
            (940, 1_000, payload(4, true, 7_200)),
        ];
        assert_eq!(told(&mut Reader::default(), &packets), [('4', 20)]);
        let long = [
            (0, 1_000, payload(4, false, 0xf000)),
            (900, 1_000 + SEGMENT, payload(4, false, 320)),
            (920, 1_000 + SEGMENT, payload(4, true, 480)),
        ];
        assert_eq!(told(&mut Reader::default(), &long).len(), 1);
    }

    #[test]
    fn a_sender_that_starts_its_timestamps_anew_is_heard_again_after_a_while() {
        let packets = [(0, 50_000, payload(6, true, 800)), (10_100, 10, payload(6, true, 800))];
        assert_eq!(told(&mut Reader::default(), &packets).len(), 2);
        let packets = [(0, 50_000, payload(6, true, 800)), (500, 49_000, payload(5, true, 800))];
        assert_eq!(told(&mut Reader::default(), &packets).len(), 1, "but a late packet is late");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn any_packets_tell_no_more_presses_than_there_are_timestamps(
            packets in proptest::collection::vec((0u64..400, 0u32..8, 0u8..20, any::<bool>(), any::<u16>()), 0..60),
        ) {
            let mut at = 0;
            let mut seen = std::collections::BTreeSet::new();
            let packets: Vec<_> = packets.into_iter().map(|(wait, step, event, end, duration)| {
                at += wait;
                // Within ten seconds, so that nothing counts as begun anew.
                let timestamp = step * 5_000;
                seen.insert((timestamp, event));
                (at.min(9_000), timestamp, payload(event, end, duration))
            }).collect();
            let told = told(&mut Reader::default(), &packets);
            prop_assert!(told.len() <= seen.len());
        }
    }
}
