//! Tones at 8 kHz: made, and recognised.

use std::f32::consts::TAU;
use std::time::Duration;

use crate::limits;

/// Samples in a second.
pub const RATE_HZ: u32 = 8_000;

const AMPLITUDE: f32 = 10_000.0;
/// Rise and fall of the tone; without them it clicks.
const RAMP: u64 = 40;

/// A sine tone that is made as it is heard.
#[derive(Clone, Debug, PartialEq)]
pub struct Tone {
    step: f32,
    phase: f32,
    at: u64,
    total: u64,
}

impl Tone {
    /// A tone of this pitch (held below half the sample rate) and length.
    pub fn new(frequency_hz: u32, duration: Duration) -> Self {
        let frequency = frequency_hz.min(RATE_HZ / 2 - 1);
        let millis = duration.min(limits::TONE).as_millis() as u64;
        Tone {
            step: TAU * frequency as f32 / RATE_HZ as f32,
            phase: 0.0,
            at: 0,
            total: millis * u64::from(RATE_HZ) / 1_000,
        }
    }

    /// Whether all of it was made.
    pub fn is_finished(&self) -> bool {
        self.at >= self.total
    }

    /// Writes the next samples and returns how many; fewer than asked for at the end.
    pub fn fill(&mut self, out: &mut [i16]) -> usize {
        let mut count = 0;
        for place in out {
            if self.at >= self.total {
                break;
            }
            let edge = self.at.min(self.total - self.at).min(RAMP);
            let gain = AMPLITUDE * edge as f32 / RAMP as f32;
            *place = (gain * self.phase.sin()) as i16;
            self.phase = (self.phase + self.step) % TAU;
            self.at += 1;
            count += 1;
        }
        count
    }
}

/// The ringing tone of most of the world (ITU-T E.180): 425 Hz for one second, then four of silence, without an end.
#[derive(Clone, Debug, PartialEq)]
pub struct Ringing {
    tone: Tone,
    /// Samples into the present five seconds.
    at: u32,
}

impl Default for Ringing {
    fn default() -> Self {
        Ringing { tone: Ringing::tone(), at: 0 }
    }
}

impl Ringing {
    const PERIOD: u32 = 5 * RATE_HZ;

    fn tone() -> Tone {
        Tone::new(425, Duration::from_secs(1))
    }

    /// Writes the next samples.
    pub fn fill(&mut self, out: &mut [i16]) {
        let made = self.tone.fill(out);
        out[made..].fill(0);
        self.at += u32::try_from(out.len()).unwrap_or(Self::PERIOD);
        if self.at >= Self::PERIOD {
            self.at = 0;
            self.tone = Ringing::tone();
        }
    }
}

/// How strong one frequency is in some samples, as the share of their whole energy: near 1 for a clean tone, near 0
/// when it is absent (Goertzel's algorithm).
pub fn share(samples: &[i16], frequency_hz: u32) -> f32 {
    let turn = 2.0 * (TAU * frequency_hz as f32 / RATE_HZ as f32).cos();
    let (mut last, mut before, mut energy) = (0.0_f32, 0.0_f32, 0.0_f32);
    for sample in samples {
        let sample = f32::from(*sample) / 32_768.0;
        let next = sample + turn * last - before;
        before = last;
        last = next;
        energy += sample * sample;
    }
    if energy <= f32::EPSILON {
        return 0.0;
    }
    let power = last * last + before * before - turn * last * before;
    2.0 * power / (samples.len() as f32 * energy)
}

/// How loud some samples are, in dB below what a sample can hold (dBov); a sine that is not clipped reaches -3. Nothing for
/// digital silence.
pub fn level_db(samples: &[i16]) -> Option<f32> {
    let energy: f64 = samples.iter().map(|sample| (f64::from(*sample) / 32_768.0).powi(2)).sum();
    if energy <= 0.0 {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "between -91 and 0")]
    Some((10.0 * (energy / samples.len() as f64).log10()) as f32)
}

/// The pitch of the strongest tone between 50 and 3,900 Hz in some samples, exact to a few Hz when there is a fifth of a
/// second of them, and its share of the whole energy. Nothing for silence.
pub fn loudest(samples: &[i16]) -> Option<(u32, f32)> {
    level_db(samples)?;
    let strongest = |candidates: &mut dyn Iterator<Item = u32>, samples: &[i16]| {
        let shares = candidates.map(|hz| (hz, share(samples, hz)));
        shares.max_by(|(_, one), (_, other)| one.total_cmp(other))
    };
    // A short piece is deaf to small differences of pitch, so the first look needs few of them.
    let short = &samples[..samples.len().min(400)];
    let (near, _) = strongest(&mut (50..=3_900).step_by(10), short)?;
    let long = &samples[..samples.len().min(RATE_HZ as usize)];
    strongest(&mut (near.saturating_sub(15)..=near + 15), long)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loudest_tone_is_found_among_others() {
        let tone = |hz: u32| {
            let mut samples = vec![0; 8_000];
            Tone::new(hz, Duration::from_secs(2)).fill(&mut samples);
            samples
        };
        for hz in [97, 440, 1_000, 1_020, 3_400] {
            let (found, share) = loudest(&tone(hz)).unwrap();
            assert!(found.abs_diff(hz) <= 1 && share > 0.9, "{found} instead of {hz}, {share}");
        }
        let mixed: Vec<i16> = tone(440).iter().zip(tone(1_020)).map(|(weak, strong)| weak / 4 + strong / 2).collect();
        let (found, share) = loudest(&mixed).unwrap();
        assert!(found.abs_diff(1_020) <= 1 && (0.6..0.9).contains(&share), "{found} {share}");
        assert_eq!((loudest(&[0; 800]), loudest(&[])), (None, None));
    }

    #[test]
    fn levels_are_below_what_a_sample_can_hold() {
        let mut samples = [0; 4_000];
        Tone::new(1_000, Duration::from_secs(2)).fill(&mut samples);
        let level = level_db(&samples[100..]).unwrap();
        assert!((level + 13.3).abs() < 0.1, "{level}");
        assert_eq!((level_db(&[i16::MIN; 8]), level_db(&[0; 8]), level_db(&[])), (Some(0.0), None, None));
    }

    #[test]
    fn a_tone_has_its_length_and_its_pitch() {
        let mut tone = Tone::new(440, Duration::from_millis(250));
        let mut samples = [0; 4_000];
        assert_eq!(tone.fill(&mut samples), 2_000);
        assert_eq!(tone.fill(&mut samples[2_000..]), 0);
        let heard = &samples[..2_000];
        assert!(share(heard, 440) > 0.9, "{}", share(heard, 440));
        assert!(share(heard, 880) < 0.05);
        assert_eq!(share(&[0; 100], 440), 0.0);
    }

    #[test]
    fn absurd_wishes_are_held_in_bounds() {
        let mut tone = Tone::new(u32::MAX, Duration::MAX);
        assert_eq!(tone.fill(&mut [0; 160]), 160);
        assert_eq!(Tone::new(0, Duration::ZERO).fill(&mut [0; 160]), 0);
    }
}
