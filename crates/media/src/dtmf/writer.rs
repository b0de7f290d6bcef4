//! Writes telephone events: the packets of one key press, one per tick of 20 ms.

use std::time::Duration;

use super::{Payload, event};
use crate::limits;

/// Ticks in a second.
const TICKS_HZ: u32 = 50;
/// How often the beginning and the end are sent, in case the network loses one.
const COPIES: u8 = 3;
/// Longest length one timestamp can carry.
const SEGMENT: u32 = 0xffff;

/// One event packet, but for what belongs to the stream it goes into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventPacket {
    /// The payload.
    pub payload: [u8; 4],
    /// Marker bit of the first copy; further copies have none.
    pub marker: bool,
    /// What is added to the timestamp at which the press began: 0 but for a press longer than 65535 units.
    pub timestamp_offset: u32,
    /// How many times it is sent now, each under a sequence number of its own.
    pub copies: u8,
}

/// One key press on its way: the beginning at once three times, an update every tick, the end on three ticks.
#[derive(Clone, Debug)]
pub struct Writer {
    event: u8,
    volume: u8,
    /// Timestamp units in a tick.
    step: u32,
    total: u32,
    elapsed: u32,
    /// Where the present segment began.
    segment: u32,
    ends_left: u8,
}

impl Writer {
    /// A press of `key`, held for `duration` (40 ms at least, [`limits::EVENT`] at most), `volume` dB below 0 dBm0, with
    /// timestamps that count `clock_hz` per second (8000 to 48000; others are held within). `None` when there is no such
    /// key.
    pub fn new(clock_hz: u32, key: char, duration: Duration, volume: u8) -> Option<Self> {
        let clock_hz = clock_hz.clamp(8_000, 48_000);
        let millis = duration.clamp(Duration::from_millis(40), limits::EVENT).as_millis();
        let total = u32::try_from(millis * u128::from(clock_hz) / 1_000).ok()?;
        let step = clock_hz / TICKS_HZ;
        Some(Writer { event: event(key)?, volume, step, total, elapsed: 0, segment: 0, ends_left: COPIES })
    }

    /// Whether the last copy of the end was handed out.
    pub fn is_over(&self) -> bool {
        self.ends_left == 0
    }

    /// What goes out on this tick of 20 ms; `None` once it is over. Meanwhile the stream carries no audio.
    pub fn tick(&mut self) -> Option<EventPacket> {
        if self.is_over() {
            return None;
        }
        let first = self.elapsed == 0;
        self.elapsed = (self.elapsed + self.step).min(self.total);
        let offset = self.segment;
        let length = self.elapsed - offset;
        if length > SEGMENT {
            // The full segment is told; the next packet is the first of the next one.
            self.segment += SEGMENT;
            return Some(self.packet(offset, SEGMENT, false, false));
        }
        let end = self.elapsed == self.total;
        if end {
            self.ends_left -= 1;
        }
        Some(self.packet(offset, length, end, first))
    }

    fn packet(&self, timestamp_offset: u32, length: u32, end: bool, first: bool) -> EventPacket {
        let duration = u16::try_from(length).unwrap_or(u16::MAX);
        let payload = Payload { event: self.event, end, volume: self.volume, duration }.bytes();
        EventPacket { payload, marker: first, timestamp_offset, copies: if first { COPIES } else { 1 } }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::dtmf::{Digit, Reader, key};

    #[expect(clippy::disallowed_methods, reason = "a test needs one first moment; all others are reckoned from it")]
    fn beginning() -> Instant {
        Instant::now()
    }

    fn packets(mut writer: Writer) -> Vec<EventPacket> {
        let all = std::iter::from_fn(|| writer.tick()).collect();
        assert!(writer.is_over());
        all
    }

    #[test]
    fn a_press_of_100_ms_byte_by_byte() {
        let writer = Writer::new(8_000, '#', Duration::from_millis(100), 10).expect("a key");
        let expected = [
            ([11, 10, 0, 160], true, 3),
            ([11, 10, 1, 64], false, 1),
            ([11, 10, 1, 224], false, 1),
            ([11, 10, 2, 128], false, 1),
            ([11, 0x8a, 3, 32], false, 1),
            ([11, 0x8a, 3, 32], false, 1),
            ([11, 0x8a, 3, 32], false, 1),
        ];
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(payload, marker, copies)| EventPacket { payload, marker, timestamp_offset: 0, copies })
            .collect();
        assert_eq!(packets(writer), expected);
    }

    #[test]
    fn what_is_written_is_read_as_one_press_of_that_length() {
        for clock_hz in [8_000, 16_000, 48_000] {
            for (code, millis) in (0..16).zip([40, 50, 99, 100, 101, 250, 1_000, 1_365, 1_366, 4_000, 9_990].repeat(2))
            {
                let name = key(code).expect("a key");
                let writer = Writer::new(clock_hz, name, Duration::from_millis(millis), 10).expect("a key");
                let start = beginning();
                let mut reader = Reader::new(clock_hz);
                let mut told = Vec::new();
                let mut now = start;
                let mut longest = 0;
                for packet in packets(writer) {
                    let timestamp = 0xffff_ff00u32.wrapping_add(packet.timestamp_offset);
                    let payload = Payload::parse(&packet.payload).expect("four bytes");
                    longest = longest.max(packet.timestamp_offset + u32::from(payload.duration));
                    for _ in 0..packet.copies {
                        told.extend(reader.read(now, 1, timestamp, payload));
                    }
                    now += Duration::from_millis(20);
                }
                assert_eq!(told, [Digit { key: name, duration_ms: millis as u32 }], "{clock_hz} {millis}");
                assert_eq!(u64::from(longest), millis * u64::from(clock_hz) / 1_000);
            }
        }
    }

    #[test]
    fn wishes_out_of_range_are_held_within() {
        assert!(Writer::new(8_000, 'x', Duration::from_millis(100), 10).is_none());
        let short = packets(Writer::new(1, '1', Duration::ZERO, 255).expect("a key"));
        assert_eq!(short.last().map(|packet| packet.payload), Some([1, 0xbf, 1, 64]), "40 ms at 8 kHz");
        let ticks = limits::EVENT.as_millis() as usize / 20;
        let long = packets(Writer::new(u32::MAX, '1', Duration::MAX, 10).expect("a key"));
        assert!((ticks..ticks + 50).contains(&long.len()), "{}", long.len());
    }
}
