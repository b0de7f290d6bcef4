//! From a higher sample rate to 8 kHz.
//!
//! A polyphase windowed-sinc filter: for each output sample the input around it is weighed with a sinc
//! that ends at [`PASS_HZ`], under a Blackman window. What a G.711 line cannot carry is taken away
//! before it can fold back as a tone that was never played.

use std::collections::VecDeque;
use std::f64::consts::PI;

use super::RATE_HZ;

/// The middle of the filter's slope: flat to 3.3 kHz, silent (−70 dB) from 4 kHz on.
const PASS_HZ: f64 = 3_650.0;

/// Half the filter's length, in output samples.
const REACH: usize = 32;

pub(crate) struct Decimator {
    /// Input samples per `step_out` output samples.
    step_in: usize,
    step_out: usize,
    /// One row of weights for each place that an output sample can have between two input samples.
    rows: Vec<Vec<f32>>,
    window: VecDeque<f32>,
    /// The input samples that must come in before the next output sample.
    missing: usize,
    phase: usize,
    /// What came in and what is owed for it, so that the end is neither cut nor padded.
    taken: u64,
    given: u64,
}

impl Decimator {
    pub(crate) fn new(rate_hz: u32) -> Decimator {
        let common = greatest_common_divisor(rate_hz, RATE_HZ);
        let (step_in, step_out) = ((rate_hz / common) as usize, (RATE_HZ / common) as usize);
        let half = if step_in == step_out { 0 } else { REACH * step_in / step_out };
        let rows = (0..step_out).map(|phase| weights(rate_hz, half, phase * step_in % step_out, step_out)).collect();
        Decimator {
            step_in,
            step_out,
            rows,
            window: VecDeque::from(vec![0.0; half]),
            missing: half + 1 + usize::from(half > 0),
            phase: 0,
            taken: 0,
            given: 0,
        }
    }

    pub(crate) fn push(&mut self, sample: f32, out: &mut Vec<i16>) {
        self.taken += 1;
        self.shift(sample, out);
    }

    /// Lets the last samples out of the window.
    pub(crate) fn finish(&mut self, out: &mut Vec<i16>) {
        let owed = (self.taken * self.step_out as u64).div_ceil(self.step_in as u64);
        while self.given < owed {
            self.shift(0.0, out);
        }
    }

    fn shift(&mut self, sample: f32, out: &mut Vec<i16>) {
        let length = self.rows[0].len();
        if self.window.len() == length {
            self.window.pop_front();
        }
        self.window.push_back(sample);
        self.missing -= 1;
        if self.missing > 0 {
            return;
        }
        let sum: f32 = self.window.iter().zip(&self.rows[self.phase]).map(|(sample, weight)| sample * weight).sum();
        out.push(sum.round().clamp(f32::from(i16::MIN), f32::from(i16::MAX)) as i16);
        self.given += 1;
        // The next place, in input samples: whole ones to be taken in, and a rest that is the next row.
        let before = self.phase * self.step_in / self.step_out;
        let after = (self.phase + 1) * self.step_in / self.step_out;
        self.missing = after - before;
        self.phase = (self.phase + 1) % self.step_out;
    }
}

/// The weights of the samples around a place that lies `rest / step_out` after the middle one.
fn weights(rate_hz: u32, half: usize, rest: usize, step_out: usize) -> Vec<f32> {
    if half == 0 {
        return vec![1.0];
    }
    let cut = 2.0 * PASS_HZ / f64::from(rate_hz);
    let place = half as f64 + rest as f64 / step_out as f64;
    let weight = |index: usize| {
        let distance = index as f64 - place;
        let turn = PI * distance / (half as f64 + 1.0);
        let window = if turn.abs() < PI { 0.42 + 0.5 * turn.cos() + 0.08 * (2.0 * turn).cos() } else { 0.0 };
        window * sinc(cut * distance) * cut
    };
    // One more than the middle and both sides, for places behind the middle sample.
    let raw: Vec<f64> = (0..2 * half + 2).map(weight).collect();
    let sum: f64 = raw.iter().sum();
    raw.into_iter().map(|weight| (weight / sum) as f32).collect()
}

fn sinc(x: f64) -> f64 {
    if x.abs() < 1e-9 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(rate_hz: u32, frequency_hz: f64, seconds: f64) -> Vec<i16> {
        let mut decimator = Decimator::new(rate_hz);
        let mut out = Vec::new();
        for index in 0..(f64::from(rate_hz) * seconds) as usize {
            let angle = 2.0 * PI * frequency_hz * index as f64 / f64::from(rate_hz);
            decimator.push((10_000.0 * angle.sin()) as f32, &mut out);
        }
        decimator.finish(&mut out);
        out
    }

    /// The amplitude of one frequency, away from the edges.
    fn amplitude(samples: &[i16], frequency_hz: f64) -> f64 {
        let middle = &samples[800..samples.len() - 800];
        let (mut real, mut imaginary) = (0.0, 0.0);
        for (index, sample) in middle.iter().enumerate() {
            let angle = 2.0 * PI * frequency_hz * index as f64 / f64::from(RATE_HZ);
            real += f64::from(*sample) * angle.cos();
            imaginary += f64::from(*sample) * angle.sin();
        }
        2.0 * real.hypot(imaginary) / middle.len() as f64
    }

    const RATES: [u32; 3] = [16_000, 44_100, 48_000];

    #[test]
    fn the_same_rate_passes_untouched() {
        let mut decimator = Decimator::new(8_000);
        let (given, mut out) = ([0, 1, -1, i16::MAX, i16::MIN, 77], Vec::new());
        given.iter().for_each(|sample| decimator.push(f32::from(*sample), &mut out));
        decimator.finish(&mut out);
        assert_eq!(out, given);
    }

    #[test]
    fn every_rate_keeps_the_length_and_the_speech_band() {
        for rate_hz in RATES {
            let out = tone(rate_hz, 1_000.0, 1.0);
            assert_eq!(out.len(), 8_000, "{rate_hz}");
            for frequency_hz in [300.0, 1_000.0, 2_000.0, 3_000.0, 3_300.0] {
                let level = amplitude(&tone(rate_hz, frequency_hz, 1.0), frequency_hz);
                assert!((9_700.0..10_300.0).contains(&level), "{rate_hz} Hz: {frequency_hz} Hz came out as {level}");
            }
        }
    }

    #[test]
    fn the_sound_is_neither_early_nor_late() {
        for rate_hz in RATES {
            let out = tone(rate_hz, 500.0, 0.5);
            for (index, sample) in out.iter().enumerate().skip(800).take(400) {
                let want = 10_000.0 * (2.0 * PI * 500.0 * index as f64 / 8_000.0).sin();
                assert!((f64::from(*sample) - want).abs() < 100.0, "{rate_hz} Hz, sample {index}: {sample} for {want}");
            }
        }
    }

    #[test]
    fn what_cannot_be_carried_does_not_fold_back() {
        for rate_hz in RATES {
            for frequency_hz in [4_400.0, 5_000.0, 6_500.0, 7_900.0] {
                let folded = f64::abs(8_000.0 - frequency_hz);
                let level = amplitude(&tone(rate_hz, frequency_hz, 1.0), folded);
                assert!(level < 10.0, "{rate_hz} Hz: {frequency_hz} Hz is heard at {folded} Hz with {level}");
            }
        }
    }

    #[test]
    fn nothing_in_gives_nothing_out() {
        for rate_hz in RATES {
            let mut out = Vec::new();
            Decimator::new(rate_hz).finish(&mut out);
            assert!(out.is_empty());
        }
    }
}
