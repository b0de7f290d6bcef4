//! Key presses: as telephone events (RFC 4733), read and written, and as tones in the audio (ITU-T Q.23), made.

mod detect;
mod generate;
mod reader;
mod writer;

pub use detect::{Detector, Heard};
pub use generate::{Generator, Shape};
pub use reader::Reader;
pub use writer::{EventPacket, Writer};

/// The payload of one event packet (RFC 4733, 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payload {
    /// Event code; 0–15 are keys.
    pub event: u8,
    /// The press is over.
    pub end: bool,
    /// Level below 0 dBm0 in dB, 0–63.
    pub volume: u8,
    /// Length so far, in timestamp units.
    pub duration: u16,
}

impl Payload {
    /// Reads a payload; `None` when it is too short. Redundant copies behind the first are not looked at.
    pub fn parse(payload: &[u8]) -> Option<Payload> {
        let [event, flags, high, low, ..] = *payload else {
            return None;
        };
        let duration = u16::from_be_bytes([high, low]);
        Some(Payload { event, end: flags & 0x80 != 0, volume: flags & 0x3f, duration })
    }

    /// The four bytes on the wire.
    pub fn bytes(self) -> [u8; 4] {
        let [high, low] = self.duration.to_be_bytes();
        let end = if self.end { 0x80 } else { 0 };
        [self.event, end | self.volume.min(0x3f), high, low]
    }
}

/// The key of an event code.
pub fn key(event: u8) -> Option<char> {
    const KEYS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#', 'A', 'B', 'C', 'D'];
    KEYS.get(usize::from(event)).copied()
}

/// The event code of a key.
pub fn event(key: char) -> Option<u8> {
    (0..16).find(|event| self::key(*event) == Some(key))
}

/// One finished press.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digit {
    /// The key.
    pub key: char,
    /// How long it was held.
    pub duration_ms: u32,
}

/// Frequencies of the rows of the keypad.
const LOW_HZ: [u16; 4] = [697, 770, 852, 941];
/// Frequencies of its columns.
const HIGH_HZ: [u16; 4] = [1_209, 1_336, 1_477, 1_633];
/// The keypad, row by row.
const PAD: [[char; 4]; 4] = [['1', '2', '3', 'A'], ['4', '5', '6', 'B'], ['7', '8', '9', 'C'], ['*', '0', '#', 'D']];

/// Row and column of a key.
fn place(key: char) -> Option<(usize, usize)> {
    let row = PAD.iter().position(|row| row.contains(&key))?;
    let column = PAD[row].iter().position(|other| *other == key)?;
    Some((row, column))
}

/// The largest sample of a tone of this level: 0 dBm0 lies 3.17 dB below the loudest tone µ-law can carry.
fn amplitude(dbm0: f32) -> f32 {
    32_124.0 * 10.0_f32.powf((dbm0 - 3.17) / 20.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_survives_the_wire() {
        let payload = Payload { event: 11, end: true, volume: 10, duration: 1_600 };
        assert_eq!(payload.bytes(), [11, 0x8a, 0x06, 0x40]);
        assert_eq!(Payload::parse(&payload.bytes()), Some(payload));
        assert_eq!(Payload::parse(&[11, 0x8a, 0x06]), None);
        assert_eq!(Payload { volume: 200, end: false, ..payload }.bytes()[1], 63, "a volume never becomes an end");
    }

    #[test]
    fn every_key_has_its_place_and_its_code() {
        for code in 0..16 {
            let key = key(code).expect("a key");
            assert_eq!(event(key), Some(code));
            let (row, column) = place(key).expect("a place");
            assert_eq!(PAD[row][column], key);
        }
        assert_eq!((key(16), event('E'), place('E')), (None, None, None));
    }
}
