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

#[cfg(test)]
mod tests {
    use super::*;

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
