//! What is heard in place of a lost packet, for codecs that have no answer of their own: the last period of the voice goes on,
//! fades within 60 ms, and passes over into what comes next without a click (in the manner of ITU-T G.711, Appendix I). And
//! the noise of a quiet line (RFC 3389).

/// Longest and shortest period that is looked for, in milliseconds. Of a higher voice several periods are taken together.
const PERIOD_MS: (usize, usize) = (15, 5);
/// What is remembered: two of the longest periods, and room to compare.
const HISTORY_MS: usize = 45;
/// How long the beginning of the next packet is mixed with what stood for the lost one.
const BLEND_MS: usize = 5;
/// Loudness is kept for this long, and gone at the end.
const KEPT_MS: usize = 10;
const GONE_MS: usize = 60;

/// Stands in for what is lost of one stream.
#[derive(Debug)]
pub struct Concealer {
    per_ms: usize,
    /// The last that was heard, made up or not.
    history: Vec<i16>,
    /// The period that is repeated, while something is made up.
    period: Vec<i16>,
    at: usize,
    made_up: usize,
}

impl Concealer {
    /// For a stream of this rate (8 to 48 kHz; other rates are held within).
    pub fn new(rate_hz: u32) -> Self {
        let per_ms = rate_hz.clamp(8_000, 48_000) as usize / 1_000;
        Concealer {
            per_ms,
            history: vec![0; per_ms * HISTORY_MS],
            period: Vec::with_capacity(per_ms * PERIOD_MS.0),
            at: 0,
            made_up: 0,
        }
    }

    /// Something came: remembers it. After a loss its beginning is blended with what was made up.
    pub fn heard(&mut self, samples: &mut [i16]) {
        if self.made_up > 0 {
            let blend = (self.per_ms * BLEND_MS).min(samples.len());
            for (index, sample) in samples[..blend].iter_mut().enumerate() {
                let made_up = i32::from(self.next());
                let (new, of) = (index as i32 + 1, blend as i32 + 1);
                *sample = ((i32::from(*sample) * new + made_up * (of - new)) / of) as i16;
            }
            self.made_up = 0;
            self.period.clear();
        }
        self.remember(samples);
    }

    /// Appends `count` samples in place of what is lost.
    pub fn conceal(&mut self, count: usize, out: &mut Vec<i16>) {
        if self.period.is_empty() {
            self.find_period();
        }
        let first = out.len();
        for _ in 0..count {
            let sample = self.next();
            out.push(sample);
        }
        let made_up = out.split_at(first).1;
        remember(&mut self.history, made_up);
    }

    fn remember(&mut self, samples: &[i16]) {
        remember(&mut self.history, samples);
    }

    /// The next made-up sample.
    fn next(&mut self) -> i16 {
        let (kept, gone) = (self.per_ms * KEPT_MS, self.per_ms * GONE_MS);
        let left = gone.saturating_sub(self.made_up.max(kept)) as i32;
        self.made_up = (self.made_up + 1).min(gone);
        let Some(sample) = self.period.get(self.at) else { return 0 };
        self.at = (self.at + 1) % self.period.len();
        (i32::from(*sample) * left / (gone - kept) as i32) as i16
    }

    /// Finds the period after which the last of the history is most like itself, and makes it one that can be repeated: its end
    /// flows into its beginning.
    fn find_period(&mut self) {
        let (longest, shortest) = (self.per_ms * PERIOD_MS.0, self.per_ms * PERIOD_MS.1);
        let end = self.history.len();
        let window = &self.history[end - longest..];
        // At higher rates not every sample need be compared.
        let step = (self.per_ms / 8).max(1);
        let likeness = |lag: usize| {
            let before = &self.history[end - longest - lag..end - lag];
            let (mut product, mut power) = (0.0_f32, 1.0_f32);
            for (a, b) in window.iter().step_by(step).zip(before.iter().step_by(step)) {
                let (a, b) = (f32::from(*a), f32::from(*b));
                product += a * b;
                power += b * b;
            }
            product / power.sqrt()
        };
        let lags = (shortest..=longest).step_by(step);
        let best = lags.map(|lag| (lag, likeness(lag))).max_by(|a, b| a.1.total_cmp(&b.1));
        let lag = best.map_or(longest, |(lag, _)| lag);
        self.period.clear();
        self.period.extend_from_slice(&self.history[end - lag..]);
        // The last quarter of the period passes over into what preceded the period.
        let quarter = lag / 4;
        for index in 0..quarter {
            let place = lag - quarter + index;
            let earlier = i32::from(self.history[end - lag - quarter + index]);
            let (new, of) = (index as i32 + 1, quarter as i32 + 1);
            self.period[place] = ((i32::from(self.period[place]) * (of - new) + earlier * new) / of) as i16;
        }
        self.at = 0;
    }
}

fn remember(history: &mut [i16], samples: &[i16]) {
    let kept = samples.len().min(history.len());
    let end = history.len();
    history.copy_within(kept.., 0);
    history[end - kept..].copy_from_slice(&samples[samples.len() - kept..]);
}

/// The noise of a quiet line.
#[derive(Debug)]
pub struct Noise {
    state: u64,
    amplitude: i32,
}

impl Noise {
    /// Noise that is silent until its level is told. `seed` makes it different from other noise.
    pub fn new(seed: u64) -> Self {
        Noise { state: seed | 1, amplitude: 0 }
    }

    /// Takes a level from a comfort-noise payload (RFC 3389, 3): its first byte, in dB below the loudest possible. The shape of
    /// the spectrum that may follow is left aside.
    pub fn set(&mut self, payload: &[u8]) {
        let Some(level) = payload.first() else { return };
        let below = f32::from(level & 0x7f).max(30.0);
        // Evenly distributed noise is 4.8 dB below its peak.
        self.amplitude = (32_767.0 * 10.0_f32.powf((4.8 - below) / 20.0)) as i32;
    }

    /// Somebody speaks again: silent until a level is told.
    pub fn end(&mut self) {
        self.amplitude = 0;
    }

    /// Whether there is anything to be heard.
    pub fn is_silent(&self) -> bool {
        self.amplitude == 0
    }

    /// Fills a block.
    pub fn fill(&mut self, out: &mut [i16]) {
        for sample in out {
            // Knuth's constants; the upper bits are the random ones.
            self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let random = (self.state >> 40) as i32 & 0xffff;
            *sample = ((random - 0x8000) * self.amplitude / 0x8000) as i16;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    fn voice(rate: u32, from: usize, count: usize) -> Vec<i16> {
        // 130 Hz with overtones, as a vowel has them.
        let sample = |n: usize| {
            let t = n as f64 / f64::from(rate);
            let overtone = |k: f64, part: f64| (t * 130.0 * k * TAU).sin() * part;
            (overtone(1.0, 5_000.0) + overtone(2.0, 3_000.0) + overtone(5.0, 1_500.0)) as i16
        };
        (from..from + count).map(sample).collect()
    }

    fn power(samples: &[i16]) -> f64 {
        samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / samples.len() as f64
    }

    #[test]
    fn a_voice_goes_on_through_20_ms_and_is_taken_up_without_a_click() {
        for rate in [8_000_u32, 16_000] {
            let frame = rate as usize / 50;
            let mut concealer = Concealer::new(rate);
            let mut all = Vec::new();
            let mut steepest = 0;
            for index in 0..20 {
                let mut samples = voice(rate, index * frame, frame);
                steepest =
                    samples.windows(2).map(|p| (i32::from(p[0]) - i32::from(p[1])).abs()).fold(steepest, i32::max);
                if index == 10 {
                    concealer.conceal(frame, &mut all);
                } else {
                    concealer.heard(&mut samples);
                    all.extend(samples);
                }
            }
            assert_eq!(all.len(), 20 * frame);
            let lost = &all[10 * frame..11 * frame];
            let wanted = voice(rate, 10 * frame, frame);
            let error: Vec<i16> = lost.iter().zip(&wanted).map(|(a, b)| a - b).collect();
            let db = 10.0 * (power(&wanted) / power(&error)).log10();
            assert!(db > 6.0, "{rate}: what was made up is like the voice, to {db} dB");
            let jump = all.windows(2).map(|p| (i32::from(p[0]) - i32::from(p[1])).abs()).max().unwrap_or(0);
            assert!(jump < steepest * 3 / 2, "{rate}: a jump of {jump}, where the voice has {steepest}");
        }
    }

    #[test]
    fn a_long_loss_fades_to_silence() {
        let mut concealer = Concealer::new(8_000);
        concealer.heard(&mut voice(8_000, 0, 800));
        let mut out = Vec::new();
        for _ in 0..10 {
            concealer.conceal(160, &mut out);
        }
        let parts: Vec<f64> = out.chunks(160).map(power).collect();
        assert!(parts[0] > parts[1] && parts[1] > parts[2] && parts[2] > 0.0);
        assert!(parts[3..].iter().all(|power| *power == 0.0), "{parts:?}");
    }

    #[test]
    fn nothing_is_made_of_nothing_and_any_sizes_do() {
        let mut concealer = Concealer::new(48_000);
        let mut out = Vec::new();
        concealer.conceal(10_000, &mut out);
        assert!(out.iter().all(|sample| *sample == 0));
        for count in [0, 1, 3, 10_000] {
            concealer.heard(&mut vec![i16::MIN; count]);
            concealer.conceal(count, &mut out);
            concealer.heard(&mut vec![i16::MAX; count]);
        }
    }

    #[test]
    fn comfort_noise_has_the_level_that_was_told() {
        for level in [35_u8, 50, 65] {
            let mut noise = Noise::new(7);
            assert!(noise.is_silent());
            noise.set(&[level, 1, 2, 3]);
            let mut block = [0; 8_000];
            noise.fill(&mut block);
            let db = 10.0 * (power(&block) / 32_767.0_f64.powi(2)).log10();
            assert!((db + f64::from(level)).abs() < 2.0, "{level}: {db}");
        }
        let mut loud = Noise::new(7);
        loud.set(&[0]);
        let mut block = [0; 1_000];
        loud.fill(&mut block);
        assert!(block.iter().all(|sample| sample.abs() < 2_000), "nobody is deafened");
    }
}
