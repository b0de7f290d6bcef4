//! Makes the two tones of a key (ITU-T Q.23), for audio that goes where no telephone events are understood.

use std::f32::consts::{PI, TAU};
use std::time::Duration;

use super::{HIGH_HZ, LOW_HZ, amplitude, place};
use crate::limits;

/// How long the tones rise and fall; without that they click, and the click is heard as other frequencies.
const RAMP_MS: u64 = 3;

/// Lengths and levels of a key's tones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    /// How long the tones sound; [`limits::EVENT`] at most.
    pub on: Duration,
    /// Silence behind them; [`limits::EVENT`] at most.
    pub pause: Duration,
    /// Level of the lower tone.
    pub low_dbm0: f32,
    /// Level of the higher tone: 2 dB more, since lines weaken it more.
    pub high_dbm0: f32,
}

impl Default for Shape {
    fn default() -> Self {
        Shape { on: Duration::from_millis(100), pause: Duration::from_millis(80), low_dbm0: -10.0, high_dbm0: -8.0 }
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Sine {
    amplitude: f32,
    step: f32,
    phase: f32,
}

impl Sine {
    fn new(frequency_hz: f32, dbm0: f32, rate_hz: u32) -> Self {
        Sine { amplitude: amplitude(dbm0.min(0.0)), step: TAU * frequency_hz / rate_hz as f32, phase: 0.0 }
    }

    fn next(&mut self) -> f32 {
        let sample = self.amplitude * self.phase.sin();
        self.phase = (self.phase + self.step) % TAU;
        sample
    }
}

/// One key's tones and the pause behind them, made as they are heard.
#[derive(Clone, Debug, PartialEq)]
pub struct Generator {
    low: Sine,
    high: Sine,
    at: u64,
    ramp: u64,
    on: u64,
    total: u64,
}

impl Generator {
    /// Tones of the usual shape at `rate_hz` samples per second (8000 to 48000; others are held within); `None` when
    /// there is no such key.
    pub fn new(rate_hz: u32, key: char) -> Option<Self> {
        Generator::with(rate_hz, key, Shape::default())
    }

    /// Tones of another shape. Levels above 0 dBm0 are held there.
    pub fn with(rate_hz: u32, key: char, shape: Shape) -> Option<Self> {
        let rate_hz = rate_hz.clamp(8_000, 48_000);
        let (row, column) = place(key)?;
        let samples = |length: Duration| length.min(limits::EVENT).as_micros() as u64 * u64::from(rate_hz) / 1_000_000;
        let on = samples(shape.on);
        Some(Generator {
            low: Sine::new(f32::from(LOW_HZ[row]), shape.low_dbm0, rate_hz),
            high: Sine::new(f32::from(HIGH_HZ[column]), shape.high_dbm0, rate_hz),
            at: 0,
            ramp: RAMP_MS * u64::from(rate_hz) / 1_000,
            on,
            total: on + samples(shape.pause),
        })
    }

    /// Whether all of it, pause included, was made.
    pub fn is_finished(&self) -> bool {
        self.at >= self.total
    }

    /// Writes the next samples and returns how many; fewer than asked for at the end.
    pub fn fill(&mut self, out: &mut [i16]) -> usize {
        let mut count = 0;
        for place in out {
            if self.is_finished() {
                break;
            }
            *place = self.next();
            self.at += 1;
            count += 1;
        }
        count
    }

    fn next(&mut self) -> i16 {
        if self.at >= self.on {
            return 0;
        }
        // Half a cosine up and down. A float that is too large for a sample becomes the largest one.
        let edge = self.at.min(self.on - self.at).min(self.ramp);
        let gain = 0.5 - 0.5 * (PI * edge as f32 / self.ramp as f32).cos();
        (gain * (self.low.next() + self.high.next())) as i16
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone;

    fn all(mut generator: Generator) -> Vec<i16> {
        let mut samples = vec![0; 48_000 * 2];
        let count = generator.fill(&mut samples);
        assert!(generator.is_finished());
        samples.truncate(count);
        samples
    }

    #[test]
    fn a_key_has_its_two_tones_their_levels_and_a_pause() {
        let samples = all(Generator::new(8_000, '6').expect("a key"));
        assert_eq!(samples.len(), 800 + 640);
        assert!(samples[800..].iter().all(|sample| *sample == 0));
        let heard = &samples[40..760];
        let (low, high) = (tone::share(heard, 770), tone::share(heard, 1_477));
        assert!(low + high > 0.98, "{low} {high}");
        let difference = 10.0 * (high / low).log10();
        assert!((difference - 2.0).abs() < 0.3, "{difference} dB");
        let power = heard.iter().map(|sample| f32::from(*sample).powi(2)).sum::<f32>() / heard.len() as f32;
        let expected = (amplitude(-10.0).powi(2) + amplitude(-8.0).powi(2)) / 2.0;
        assert!((10.0 * (power / expected).log10()).abs() < 0.2, "{power} {expected}");
        let steepest = samples.windows(2).map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs()).max();
        assert!(steepest < Some(16_000), "no clicks: {steepest:?}");
        assert!(samples[0].abs() < 10 && samples[799].abs() < 300);
    }

    #[test]
    fn other_rates_last_as_long() {
        for rate in [8_000, 16_000, 24_000, 48_000] {
            assert_eq!(all(Generator::new(rate, '0').expect("a key")).len() as u32, rate * 180 / 1_000);
        }
        assert_eq!(Generator::new(8_000, 'x'), None);
    }

    #[test]
    fn absurd_shapes_are_held_within() {
        let shape = Shape { on: Duration::MAX, pause: Duration::MAX, low_dbm0: 90.0, high_dbm0: f32::NAN };
        let mut generator = Generator::with(0, '1', shape).expect("a key");
        let mut samples = [0; 1_000];
        assert_eq!(generator.fill(&mut samples), 1_000);
        let none = Shape { on: Duration::ZERO, pause: Duration::ZERO, ..Shape::default() };
        assert_eq!(Generator::with(8_000, '1', none).expect("a key").fill(&mut samples), 0);
    }
}
