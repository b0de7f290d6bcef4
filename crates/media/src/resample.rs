//! From one sampling rate to another: a polyphase low-pass filter over a stream of samples.
//!
//! The filter (a sinc under a Kaiser window) passes what lies below 0.85 of the lower rate's Nyquist frequency and takes what lies
//! above that frequency down by more than 60 dB, so that nothing aliases audibly. It delays by less than 4 ms of the lower
//! rate's 8 kHz, and proportionally less at higher rates. Over any time, exactly `to / from` samples come out for each that
//! goes in.

use std::f64::consts::PI;

/// Samples of the lower rate under the filter.
const SPAN: f64 = 60.0;
/// Shape of the Kaiser window: side lobes below −70 dB.
const BETA: f64 = 6.8;
/// Middle of the transition, as a share of the lower rate's Nyquist frequency.
const CUTOFF: f64 = 0.92;
/// Rates between which there is a way.
const RATES_HZ: [u32; 6] = [8_000, 16_000, 24_000, 32_000, 44_100, 48_000];

/// Changes the rate of a stream.
#[derive(Debug)]
pub struct Resampler {
    /// For each phase its coefficients, the one for the oldest sample first; nothing when both rates are the same.
    phases: Vec<f32>,
    /// Coefficients of a phase.
    taps: usize,
    up: usize,
    down: usize,
    /// The last `taps - 1` samples, and those that were pushed and not yet used up.
    history: Vec<f32>,
    /// Where the next sample comes out: phase, and distance from the oldest sample of its window.
    phase: usize,
    at: usize,
}

impl Resampler {
    /// A resampler at the beginning of a stream; nothing for rates that nobody uses.
    pub fn new(from_hz: u32, to_hz: u32) -> Option<Self> {
        if !RATES_HZ.contains(&from_hz) || !RATES_HZ.contains(&to_hz) {
            return None;
        }
        let divisor = greatest_common_divisor(from_hz, to_hz);
        let (up, down) = ((to_hz / divisor) as usize, (from_hz / divisor) as usize);
        if up == down {
            return Some(Resampler { phases: Vec::new(), taps: 0, up, down, history: Vec::new(), phase: 0, at: 0 });
        }
        let lower_hz = f64::from(from_hz.min(to_hz));
        let taps = (SPAN * f64::from(from_hz) / lower_hz).ceil() as usize;
        Some(Resampler {
            phases: phases(up, taps, CUTOFF * lower_hz / f64::from(from_hz)),
            taps,
            up,
            down,
            history: vec![0.0; taps - 1],
            phase: 0,
            at: 0,
        })
    }

    /// Takes samples and appends those that come of them.
    pub fn push(&mut self, input: &[i16], out: &mut Vec<i16>) {
        if self.taps == 0 {
            out.extend_from_slice(input);
            return;
        }
        self.history.extend(input.iter().map(|sample| f32::from(*sample)));
        while let Some(window) = self.history.get(self.at..self.at + self.taps) {
            let first = self.phase * self.taps;
            let coefficients = &self.phases[first..first + self.taps];
            out.push(dot(window, coefficients).round() as i16);
            self.phase += self.down;
            self.at += self.phase / self.up;
            self.phase %= self.up;
        }
        // Of a coarse step the window may already lie beyond what there is.
        let used = self.at.min(self.history.len());
        self.history.drain(..used);
        self.at -= used;
    }
}

/// Saturating, since `as` saturates; eight sums, so that they can be made side by side.
fn dot(window: &[f32], coefficients: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 8];
    let (windows, rest) = window.as_chunks::<8>();
    let (chunks, rest_of) = coefficients.as_chunks::<8>();
    for (window, chunk) in windows.iter().zip(chunks) {
        for ((sum, sample), coefficient) in sums.iter_mut().zip(window).zip(chunk) {
            *sum += sample * coefficient;
        }
    }
    let rest: f32 = rest.iter().zip(rest_of).map(|(sample, coefficient)| sample * coefficient).sum();
    sums.iter().sum::<f32>() + rest
}

/// The coefficients of each phase, which together are one filter at `up` times the incoming rate. `cutoff` is a share of the
/// incoming Nyquist frequency.
fn phases(up: usize, taps: usize, cutoff: f64) -> Vec<f32> {
    let centre = (up * taps) as f64 / 2.0;
    let mut all = Vec::with_capacity(up * taps);
    for phase in 0..up {
        let first = all.len();
        let mut sum = 0.0;
        for tap in 0..taps {
            // The newest sample of a window lies `phase / up` before the sample that comes out.
            let from_newest = (taps - 1 - tap) * up + phase;
            let at = (from_newest as f64 - centre) / up as f64;
            let value = cutoff * sinc(cutoff * at) * kaiser(2.0 * at / taps as f64);
            sum += value;
            all.push(value as f32);
        }
        // Every phase is as loud as every other.
        for value in &mut all[first..] {
            *value /= sum as f32;
        }
    }
    all
}

fn sinc(x: f64) -> f64 {
    if x.abs() < 1e-9 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

/// The window at a place between −1 and 1.
fn kaiser(place: f64) -> f64 {
    let inside = (1.0 - place * place).max(0.0);
    bessel(BETA * inside.sqrt()) / bessel(BETA)
}

/// The modified Bessel function of order zero, by its series.
fn bessel(x: f64) -> f64 {
    let (mut term, mut sum) = (1.0, 1.0);
    for n in 1..40 {
        term *= (x / 2.0 / f64::from(n)).powi(2);
        sum += term;
    }
    sum
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    fn tone(rate: u32, frequency_hz: f64, seconds: f64) -> Vec<i16> {
        let count = (f64::from(rate) * seconds) as u32;
        let sample = |n: u32| ((f64::from(n) * frequency_hz * TAU / f64::from(rate)).sin() * 20_000.0) as i16;
        (0..count).map(sample).collect()
    }

    fn resampled(from_hz: u32, to_hz: u32, input: &[i16]) -> Vec<i16> {
        let mut resampler = Resampler::new(from_hz, to_hz).expect("known rates");
        let mut out = Vec::new();
        for block in input.chunks(from_hz as usize / 50) {
            resampler.push(block, &mut out);
        }
        out
    }

    /// Loudness in dB beside the tone that went in, of the settled part.
    fn loudness(samples: &[i16]) -> f64 {
        let settled = &samples[samples.len() / 4..];
        let power: f64 = settled.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / settled.len() as f64;
        10.0 * (power.max(1e-3) / (20_000.0_f64.powi(2) / 2.0)).log10()
    }

    #[test]
    fn what_fits_passes_and_what_does_not_is_taken_away() {
        for from_hz in RATES_HZ {
            for to_hz in RATES_HZ.into_iter().filter(|to_hz| *to_hz != from_hz) {
                let nyquist = f64::from(from_hz.min(to_hz)) / 2.0;
                for share in [0.05, 0.2, 0.5, 0.7, 0.85] {
                    let db = loudness(&resampled(from_hz, to_hz, &tone(from_hz, nyquist * share, 0.1)));
                    assert!(db.abs() < 0.5, "{from_hz} to {to_hz}: {share} of Nyquist comes out at {db} dB");
                }
                let above = [1.0, 1.1, 1.25, 1.5, 2.0, 2.9].map(|share| share * nyquist);
                for frequency_hz in above.into_iter().filter(|hz| *hz < f64::from(from_hz) / 2.0 - 1.0) {
                    let db = loudness(&resampled(from_hz, to_hz, &tone(from_hz, frequency_hz, 0.1)));
                    assert!(db < -60.0, "{from_hz} to {to_hz}: {frequency_hz} Hz comes out at {db} dB");
                }
            }
        }
    }

    #[test]
    fn what_comes_out_beside_the_tone_is_below_minus_60_db() {
        for (from_hz, to_hz) in [(8_000, 48_000), (8_000, 16_000), (48_000, 8_000), (16_000, 48_000), (44_100, 8_000)] {
            let out = resampled(from_hz, to_hz, &tone(from_hz, 1_000.0, 0.5));
            let settled = &out[out.len() / 4..];
            let (mut real, mut imaginary) = (0.0, 0.0);
            let turn = 1_000.0 * TAU / f64::from(to_hz);
            // Whole periods, so that the tone can be taken away exactly.
            let settled = &settled[..settled.len() / (to_hz as usize / 100) * (to_hz as usize / 100)];
            let count = settled.len() as f64;
            for (n, sample) in settled.iter().enumerate() {
                real += f64::from(*sample) * (n as f64 * turn).cos() * 2.0 / count;
                imaginary += f64::from(*sample) * (n as f64 * turn).sin() * 2.0 / count;
            }
            let rest: f64 = settled
                .iter()
                .enumerate()
                .map(|(n, s)| {
                    let angle = n as f64 * turn;
                    (f64::from(*s) - real * angle.cos() - imaginary * angle.sin()).powi(2)
                })
                .sum::<f64>()
                / count;
            let db = 10.0 * (rest.max(1e-3) / (real * real + imaginary * imaginary) * 2.0).log10();
            assert!(db < -60.0, "{from_hz} to {to_hz}: {db} dB");
        }
    }

    #[test]
    fn as_many_come_out_as_should_whatever_the_blocks() {
        for (from_hz, to_hz) in [(8_000, 48_000), (48_000, 8_000), (44_100, 16_000), (16_000, 44_100), (24_000, 32_000)]
        {
            let input = vec![100; from_hz as usize * 2];
            for block in [1, 7, 160, 1_000] {
                let mut resampler = Resampler::new(from_hz, to_hz).expect("known rates");
                let mut out = Vec::new();
                input.chunks(block).for_each(|block| resampler.push(block, &mut out));
                assert_eq!(out.len(), to_hz as usize * 2, "{from_hz} to {to_hz} by {block}");
            }
        }
    }

    #[test]
    fn the_same_rate_changes_nothing_and_strange_rates_are_refused() {
        let input: Vec<i16> = (0..1_000).collect();
        assert_eq!(resampled(16_000, 16_000, &input), input);
        for strange in [0, 1, 11_025, 96_000, u32::MAX] {
            assert!(Resampler::new(strange, 8_000).is_none() && Resampler::new(8_000, strange).is_none());
        }
    }

    #[test]
    fn the_loudest_input_does_not_wrap() {
        let square: Vec<i16> = (0..8_000).map(|n| if n / 20 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
        let out = resampled(8_000, 48_000, &square);
        // A wrapped sample would jump from one end to the other between two that are equally loud.
        assert!(out.windows(2).all(|pair| (i32::from(pair[0]) - i32::from(pair[1])).abs() < 40_000));
    }
}
