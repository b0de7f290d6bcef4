//! What a phone says and whom it hears.
//!
//! Each phone speaks with a voice of its own: two levels, one in each half of every 20 ms packet. The levels lie so far apart
//! that they survive µ-law, A-law and the way from one to the other. The G.711 arithmetic here is the phone's own, by the
//! formulas of the standard, and shares nothing with the relay it tests.

use std::collections::BTreeMap;
use std::time::Instant;

/// Samples in one packet: 20 ms at 8 kHz.
pub const PACKET_SAMPLES: usize = 160;

/// Neighbouring levels differ by a fifth; two conversions are off by a fifteenth at most.
const STEP: f64 = 1.2;

/// The lowest level.
const LOWEST: f64 = 400.0;

/// Levels of one sign.
const LEVELS: u16 = 23;

/// How many voices there are.
pub const VOICES: u16 = (2 * LEVELS) * (2 * LEVELS);

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Voice(pub u16);

/// What was heard in one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sound {
    /// Somebody.
    Voice(Voice),
    /// Something that is nobody's voice: a tone, a prompt, noise.
    Other,
}

/// The two ways of G.711.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Law {
    /// PCMU, payload type 0.
    Mu,
    /// PCMA, payload type 8.
    A,
}

impl Law {
    /// The static payload type.
    #[must_use]
    pub fn payload_type(self) -> u8 {
        match self {
            Law::Mu => 0,
            Law::A => 8,
        }
    }

    /// The law of a static payload type.
    #[must_use]
    pub fn of_payload_type(payload_type: u8) -> Option<Law> {
        match payload_type {
            0 => Some(Law::Mu),
            8 => Some(Law::A),
            _ => None,
        }
    }

    /// Name in `a=rtpmap`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Law::Mu => "PCMU",
            Law::A => "PCMA",
        }
    }

    /// A sample on the line.
    #[must_use]
    pub fn encode(self, sample: i16) -> u8 {
        // The nearest of all codes: slow, and right by definition.
        let off = |code: u8| (i32::from(self.decode(code)) - i32::from(sample)).abs();
        (0..=u8::MAX).min_by_key(|code| off(*code)).unwrap_or_default()
    }

    /// A sample from the line.
    #[must_use]
    pub fn decode(self, code: u8) -> i16 {
        let (code, positive) = match self {
            Law::Mu => (!code, (!code) & 0x80 == 0),
            Law::A => (code ^ 0x55, (code ^ 0x55) & 0x80 != 0),
        };
        let (segment, step) = (u32::from(code >> 4) & 7, i32::from(code & 0x0f));
        let level = match (self, segment) {
            (Law::Mu, _) => (((2 * step + 33) << segment) - 33) << 2,
            (Law::A, 0) => (2 * step + 1) << 3,
            (Law::A, _) => ((2 * step + 33) << (segment - 1)) << 3,
        };
        i16::try_from(if positive { level } else { -level }).unwrap_or(i16::MAX)
    }
}

impl Voice {
    /// One packet of this voice.
    #[must_use]
    pub fn speak(self, law: Law) -> [u8; PACKET_SAMPLES] {
        let mut payload = [law.encode(level(self.0 / (2 * LEVELS))); PACKET_SAMPLES];
        payload[PACKET_SAMPLES / 2..].fill(law.encode(level(self.0 % (2 * LEVELS))));
        payload
    }
}

/// A voice in both laws, encoded once.
#[derive(Clone, Debug)]
pub struct Speech {
    mu: [u8; PACKET_SAMPLES],
    a: [u8; PACKET_SAMPLES],
}

impl Speech {
    /// The packets of a voice.
    #[must_use]
    pub fn new(voice: Voice) -> Speech {
        Speech { mu: voice.speak(Law::Mu), a: voice.speak(Law::A) }
    }

    /// The packet in this law.
    #[must_use]
    pub fn of(&self, law: Law) -> &[u8; PACKET_SAMPLES] {
        match law {
            Law::Mu => &self.mu,
            Law::A => &self.a,
        }
    }
}

impl Sound {
    /// Who speaks in a packet.
    #[must_use]
    pub fn of(law: Law, payload: &[u8]) -> Sound {
        let halves = payload.split_at(payload.len() / 2);
        match (payload.len() == PACKET_SAMPLES).then(|| (recognise(law, halves.0), recognise(law, halves.1))) {
            Some((Some(first), Some(second))) => Sound::Voice(Voice(first * 2 * LEVELS + second)),
            _ => Sound::Other,
        }
    }
}

/// The level with this number; odd ones are negative.
fn level(number: u16) -> i16 {
    #[expect(clippy::cast_possible_truncation, reason = "the highest level is 400 · 1.2²² < 2¹⁵")]
    let magnitude = (LOWEST * STEP.powi(i32::from(number / 2))) as i16;
    if number.is_multiple_of(2) { magnitude } else { -magnitude }
}

/// The number of the one level that all samples have.
fn recognise(law: Law, samples: &[u8]) -> Option<u16> {
    let first = *samples.first()?;
    let sample = f64::from(law.decode(first));
    let nearest = ((sample.abs() / LOWEST).ln() / STEP.ln()).round();
    if samples.iter().any(|other| *other != first) || !(0.0..f64::from(LEVELS)).contains(&nearest) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within 0..LEVELS, as just seen")]
    let number = nearest as u16 * 2;
    Some(if sample < 0.0 { number + 1 } else { number })
}

/// How often and until when something was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Packets.
    pub packets: u64,
    /// The first one.
    pub first: Instant,
    /// The last one.
    pub last: Instant,
}

/// Everything that was heard.
#[derive(Clone, Debug, Default)]
pub struct Ear {
    heard: BTreeMap<Sound, Heard>,
}

impl Ear {
    /// Takes a packet in.
    pub fn hear(&mut self, now: Instant, sound: Sound) {
        let heard = self.heard.entry(sound).or_insert(Heard { packets: 0, first: now, last: now });
        heard.packets += 1;
        heard.last = now;
    }

    /// What was heard, and how much of it.
    pub fn heard(&self) -> impl Iterator<Item = (Sound, Heard)> + '_ {
        self.heard.iter().map(|(sound, heard)| (*sound, *heard))
    }
}

#[cfg(test)]
mod tests {
    use super::{Law, Sound, VOICES, Voice};

    #[test]
    fn every_voice_survives_both_laws_and_the_way_between_them() {
        for voice in (0..VOICES).map(Voice) {
            for (from, to) in [(Law::Mu, Law::A), (Law::A, Law::Mu)] {
                let spoken = voice.speak(from);
                assert_eq!(Sound::of(from, &spoken), Sound::Voice(voice));
                let edges = [spoken[0], spoken[159]].map(|code| to.encode(from.decode(code)));
                let mut carried = [edges[0]; 160];
                carried[80..].fill(edges[1]);
                assert_eq!(Sound::of(to, &carried), Sound::Voice(voice), "{from:?} {voice:?}");
            }
        }
    }

    #[test]
    fn codes_of_the_standard() {
        // ITU-T G.711, tables 1a to 2b, decoder output values, scaled to 16 bits.
        assert_eq!([0xff, 0x7f, 0x80, 0x00].map(|code| Law::Mu.decode(code)), [0, 0, 32_124, -32_124]);
        assert_eq!([0xd5, 0x55, 0xaa, 0x2a].map(|code| Law::A.decode(code)), [8, -8, 32_256, -32_256]);
    }

    #[test]
    fn noise_is_nobody() {
        let ramp: Vec<u8> = (0..160).collect();
        assert_eq!(Sound::of(Law::Mu, &ramp), Sound::Other);
        assert_eq!(Sound::of(Law::Mu, &[0xff; 160]), Sound::Other, "silence");
        assert_eq!(Sound::of(Law::Mu, &Voice(7).speak(Law::Mu)[..100]), Sound::Other);
    }
}
