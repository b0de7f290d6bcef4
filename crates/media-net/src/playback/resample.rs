//! From one sample rate to another.
//!
//! A polyphase windowed-sinc filter: for each output sample the input around it is weighed with a sinc
//! that ends at [`PASS`] of the lower rate's half, under a Blackman window. What the lower rate cannot
//! carry is taken away before it can fold back as a tone that was never played.

use std::f64::consts::PI;

/// The middle of the filter's slope, as a share of half the lower rate: at 8 kHz it is flat to 3.3 kHz and silent
/// (−70 dB) from 4 kHz on.
const PASS: f64 = 0.9125;

/// Half the filter's length, in samples of the lower rate.
const REACH: usize = 32;

/// Sums kept side by side, so that the processor can add them at once.
const LANES: usize = 8;

pub(crate) struct Resampler {
    /// Input samples per `step_out` output samples.
    step_in: usize,
    step_out: usize,
    /// One row of weights for each place that an output sample can have between two input samples.
    rows: Vec<Vec<f32>>,
    /// Half a filter of silence, then the input; what lies before the next output sample's reach is dropped.
    window: Vec<f32>,
    phase: usize,
    /// What came in and what is owed for it, so that the end is neither cut nor padded.
    taken: u64,
    given: u64,
}

impl Resampler {
    pub(crate) fn new(from_hz: u32, to_hz: u32) -> Resampler {
        let common = greatest_common_divisor(from_hz, to_hz);
        let (step_in, step_out) = ((from_hz / common) as usize, (to_hz / common) as usize);
        let half = match step_in.cmp(&step_out) {
            std::cmp::Ordering::Less => REACH,
            std::cmp::Ordering::Equal => 0,
            std::cmp::Ordering::Greater => REACH * step_in / step_out,
        };
        let cut = PASS * f64::from(from_hz.min(to_hz)) / f64::from(from_hz);
        let rows = (0..step_out).map(|phase| weights(cut, half, phase * step_in % step_out, step_out)).collect();
        Resampler { step_in, step_out, rows, window: vec![0.0; half], phase: 0, taken: 0, given: 0 }
    }

    /// Output samples by which what comes out lags behind what went in, until [`Self::finish`].
    pub(crate) fn held(&self) -> usize {
        let taps = self.rows[0].len();
        (taps - taps / 2).saturating_sub(usize::from(taps == 1)) * self.step_out / self.step_in
    }

    pub(crate) fn push(&mut self, samples: &[f32], out: &mut Vec<i16>) {
        self.taken += samples.len() as u64;
        self.shift(samples, out);
    }

    /// Lets the last samples out of the window.
    pub(crate) fn finish(&mut self, out: &mut Vec<i16>) {
        let owed = (self.taken * self.step_out as u64).div_ceil(self.step_in as u64);
        let end = out.len() + owed.saturating_sub(self.given) as usize;
        let silence = vec![0.0; self.rows[0].len()];
        while out.len() < end {
            self.shift(&silence, out);
        }
        out.truncate(end);
    }

    fn shift(&mut self, samples: &[f32], out: &mut Vec<i16>) {
        self.window.extend_from_slice(samples);
        let mut start = 0;
        while let Some(reach) = self.window.get(start..start + self.rows[self.phase].len()) {
            let sum = weigh(reach, &self.rows[self.phase]);
            out.push(sum.round().clamp(f32::from(i16::MIN), f32::from(i16::MAX)) as i16);
            self.given += 1;
            // The next place, in input samples: whole ones to go on, and a rest that is the next row.
            let before = self.phase * self.step_in / self.step_out;
            let after = (self.phase + 1) * self.step_in / self.step_out;
            start += after - before;
            self.phase = (self.phase + 1) % self.step_out;
        }
        // A step may lead past what is there, when the rate falls by more than the filter reaches: it never does here.
        self.window.drain(..start.min(self.window.len()));
    }
}

fn weigh(samples: &[f32], weights: &[f32]) -> f32 {
    let mut sums = [0.0_f32; LANES];
    let (samples, samples_rest) = samples.as_chunks::<LANES>();
    let (weights, weights_rest) = weights.as_chunks::<LANES>();
    for (samples, weights) in samples.iter().zip(weights) {
        for lane in 0..LANES {
            sums[lane] += samples[lane] * weights[lane];
        }
    }
    let rest: f32 = samples_rest.iter().zip(weights_rest).map(|(sample, weight)| sample * weight).sum();
    sums.iter().sum::<f32>() + rest
}

/// The weights of the samples around a place that lies `rest / step_out` after the middle one.
fn weights(cut: f64, half: usize, rest: usize, step_out: usize) -> Vec<f32> {
    if half == 0 {
        return vec![1.0];
    }
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

    const LEVEL: f64 = 10_000.0;
    const TO: [u32; 3] = [8_000, 16_000, 48_000];
    const FROM: [u32; 9] = [8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000];

    fn pairs() -> impl Iterator<Item = (u32, u32)> {
        FROM.into_iter().flat_map(|from_hz| TO.into_iter().map(move |to_hz| (from_hz, to_hz)))
    }

    fn tone((from_hz, to_hz): (u32, u32), frequency_hz: f64, seconds: f64) -> Vec<i16> {
        let mut resampler = Resampler::new(from_hz, to_hz);
        let mut out = Vec::new();
        let sample =
            |index: usize| (LEVEL * (2.0 * PI * frequency_hz * index as f64 / f64::from(from_hz)).sin()) as f32;
        let samples: Vec<f32> = (0..(f64::from(from_hz) * seconds) as usize).map(sample).collect();
        // In pieces of all sizes, for the pieces must not be heard.
        let mut rest = &samples[..];
        for size in (1..).step_by(37) {
            let (piece, after) = rest.split_at(rest.len().min(size));
            resampler.push(piece, &mut out);
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        resampler.finish(&mut out);
        out
    }

    /// The amplitude of one frequency, away from the edges.
    fn amplitude(samples: &[i16], rate_hz: u32, frequency_hz: f64) -> f64 {
        let edge = rate_hz as usize / 20;
        let middle = &samples[edge..samples.len() - edge];
        let (mut real, mut imaginary) = (0.0, 0.0);
        for (index, sample) in middle.iter().enumerate() {
            let angle = 2.0 * PI * frequency_hz * index as f64 / f64::from(rate_hz);
            real += f64::from(*sample) * angle.cos();
            imaginary += f64::from(*sample) * angle.sin();
        }
        2.0 * real.hypot(imaginary) / middle.len() as f64
    }

    #[test]
    fn the_same_rate_passes_untouched() {
        for rate_hz in TO {
            let mut resampler = Resampler::new(rate_hz, rate_hz);
            let (given, mut out) = ([0, 1, -1, i16::MAX, i16::MIN, 77], Vec::new());
            given.iter().for_each(|sample| resampler.push(&[f32::from(*sample)], &mut out));
            resampler.finish(&mut out);
            assert_eq!(out, given);
        }
    }

    #[test]
    fn every_pair_keeps_the_length_and_the_band_that_both_carry() {
        for pair in pairs() {
            let lower = f64::from(pair.0.min(pair.1));
            for share in [0.04, 0.125, 0.25, 0.375, 0.41] {
                let frequency_hz = (share * lower).round();
                let out = tone(pair, frequency_hz, 0.2);
                assert_eq!(out.len(), pair.1 as usize / 5, "{pair:?}");
                let level = amplitude(&out, pair.1, frequency_hz);
                assert!((0.97..1.03).contains(&(level / LEVEL)), "{pair:?}: {frequency_hz} Hz came out as {level}");
            }
        }
    }

    #[test]
    fn the_sound_is_neither_early_nor_late() {
        for pair in pairs() {
            let out = tone(pair, 500.0, 0.2);
            for (index, sample) in out.iter().enumerate().skip(out.len() / 3).take(400) {
                let want = LEVEL * (2.0 * PI * 500.0 * index as f64 / f64::from(pair.1)).sin();
                assert!((f64::from(*sample) - want).abs() < 100.0, "{pair:?}, sample {index}: {sample} for {want}");
            }
        }
    }

    /// The loudest false tone anywhere in the output, 60 dB below the true one at the most.
    #[test]
    fn what_cannot_be_carried_does_not_fold_back() {
        for pair in pairs().filter(|(from_hz, to_hz)| from_hz > to_hz) {
            let (from, to) = (f64::from(pair.0), f64::from(pair.1));
            for frequency_hz in [0.55 * to, 0.7 * to, 0.9 * to].into_iter().filter(|hz| *hz < from / 2.0) {
                let folded = (to - frequency_hz).abs();
                let level = amplitude(&tone(pair, frequency_hz, 0.5), pair.1, folded);
                assert!(level < LEVEL / 1_000.0, "{pair:?}: {frequency_hz} Hz is heard at {folded} Hz with {level}");
            }
        }
    }

    #[test]
    fn raising_the_rate_adds_no_images() {
        for pair in pairs().filter(|(from_hz, to_hz)| from_hz < to_hz) {
            let (from, to) = (f64::from(pair.0), f64::from(pair.1));
            for frequency_hz in [0.1 * from, 0.3 * from, 0.4 * from] {
                let image = from - frequency_hz;
                if image < to / 2.0 {
                    let level = amplitude(&tone(pair, frequency_hz, 0.5), pair.1, image);
                    assert!(level < LEVEL / 1_000.0, "{pair:?}: {frequency_hz} Hz is heard at {image} Hz with {level}");
                }
            }
        }
    }

    #[test]
    fn the_oddest_rates_are_converted_as_well() {
        let out = tone((47_999, 8_000), 1_000.0, 0.3);
        assert_eq!(out.len(), 2_400);
        assert!((0.97..1.03).contains(&(amplitude(&out, 8_000, 1_000.0) / LEVEL)));
    }

    #[test]
    fn nothing_in_gives_nothing_out() {
        for (from_hz, to_hz) in pairs() {
            let mut out = Vec::new();
            Resampler::new(from_hz, to_hz).finish(&mut out);
            assert!(out.is_empty());
        }
    }
}
