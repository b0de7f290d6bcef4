//! Hears keys in audio (ITU-T Q.23, Q.24): two tones at once, of one row and one column, and nothing else beside them.
//!
//! The audio is looked at in windows of 12.75 ms, each half over the one before. A key is pressed when four windows in a row hear
//! it, so that 40 ms are enough, and over when three do not.

use std::collections::VecDeque;
use std::f32::consts::TAU;

use super::{Digit, HIGH_HZ, LOW_HZ, PAD, amplitude};
use crate::limits;

/// Windows that must hear a key before it counts.
const HITS: u32 = 4;
/// Windows that must not, before it is over.
const MISSES: u32 = 3;
/// Share of the power that lies in the two tones.
const PURE: f32 = 0.7;
/// The same once a key is pressed: it may get lost in what is said over it.
const PURE_STILL: f32 = 0.45;
/// How much stronger, as power, a tone is than every other of its group.
const ALONE: f32 = 6.0;
/// The high tone beside the low one: 6 dB more to 10 dB less.
const TWIST: (f32, f32) = (0.1, 4.0);
/// An overtone this strong beside its tone is a voice's.
const OVERTONE: f32 = 0.12;
/// How far beside its place a tone is looked for, and how much stronger it must be there to be another one. Tones that are 1.5 %
/// off are keys, those that are 3.5 % off are none.
const OFF: f32 = 0.032;
const BESIDE: f32 = 1.15;
/// The weakest tone that counts, in dBm0.
const WEAKEST_DBM0: f32 = -34.0;

/// What is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A key is pressed.
    Began(char),
    /// The key that was pressed is let go.
    Ended(Digit),
}

#[derive(Clone, Copy, Debug)]
struct Press {
    key: char,
    /// Windows from the first to the last that heard it.
    windows: u32,
    misses: u32,
}

/// Listens for keys in one stream.
#[derive(Debug)]
pub struct Detector {
    rate_hz: u32,
    /// Samples of a window.
    window: usize,
    samples: Vec<i16>,
    low: [f32; 4],
    high: [f32; 4],
    /// What the last windows heard, and how many of them in a row.
    candidate: Option<(char, u32)>,
    press: Option<Press>,
    told: VecDeque<Heard>,
}

impl Detector {
    /// For a stream of 8, 16 or 48 kHz; nothing for others.
    pub fn new(rate_hz: u32) -> Option<Self> {
        if !limits::RATES_HZ.contains(&rate_hz) {
            return None;
        }
        let turn = |hz: u16| 2.0 * (TAU * f32::from(hz) / rate_hz as f32).cos();
        let window = rate_hz as usize * 51 / 4_000;
        Some(Detector {
            rate_hz,
            window,
            samples: Vec::with_capacity(window * 3),
            low: LOW_HZ.map(turn),
            high: HIGH_HZ.map(turn),
            candidate: None,
            press: None,
            told: VecDeque::with_capacity(4),
        })
    }

    /// Whether a key is pressed now, or seems to be: half of the windows that it takes have heard it. Who is not to hear it must not
    /// hear its beginning either.
    pub fn is_suspected(&self) -> bool {
        self.press.is_some() || self.candidate.is_some_and(|(_, windows)| windows * 2 >= HITS)
    }

    /// Takes samples; what is heard in them is fetched with [`Detector::poll`].
    pub fn push(&mut self, samples: &[i16]) {
        for part in samples.chunks(self.window) {
            self.samples.extend_from_slice(part);
            while self.samples.len() >= self.window {
                let heard = self.listen();
                self.judge(heard);
                self.samples.drain(..self.window / 2);
            }
        }
    }

    /// The next thing that was heard.
    pub fn poll(&mut self) -> Option<Heard> {
        self.told.pop_front()
    }

    fn tell(&mut self, heard: Heard) {
        if self.told.len() < limits::PRESSES {
            self.told.push_back(heard);
        }
    }

    fn judge(&mut self, heard: Option<char>) {
        self.candidate = match (self.candidate, heard) {
            (Some((before, windows)), Some(key)) if before == key => Some((key, windows + 1)),
            (_, Some(key)) => Some((key, 1)),
            (_, None) => None,
        };
        if let Some(mut press) = self.press.take() {
            press.windows += 1;
            press.misses = if heard == Some(press.key) { 0 } else { press.misses + 1 };
            if press.misses < MISSES {
                self.press = Some(press);
                return;
            }
            let windows = press.windows - press.misses + 1;
            let duration_ms = windows * self.window as u32 / 2 * 1_000 / self.rate_hz;
            self.tell(Heard::Ended(Digit { key: press.key, duration_ms }));
        }
        if let Some((key, windows)) = self.candidate
            && windows >= HITS
        {
            self.press = Some(Press { key, windows, misses: 0 });
            self.tell(Heard::Began(key));
        }
    }

    /// The key that sounds in the first window.
    fn listen(&self) -> Option<char> {
        let window = &self.samples[..self.window];
        let energy: f32 = window.iter().map(|sample| f32::from(*sample).powi(2)).sum();
        let count = self.window as f32;
        let weakest = amplitude(WEAKEST_DBM0).powi(2) / 2.0;
        if energy < weakest * count {
            return None;
        }
        // As shares of the whole, of which a pure tone is 1.
        let share = |turn: f32| 2.0 * goertzel(window, turn) / (count * energy);
        let low = self.low.map(share);
        let high = self.high.map(share);
        let (row, low_share) = strongest(low)?;
        let (column, high_share) = strongest(high)?;
        let key = PAD[row][column];
        let pure = if self.press.is_some_and(|press| press.key == key) { PURE_STILL } else { PURE };
        let twist = high_share / low_share.max(f32::EPSILON);
        if low_share + high_share < pure || !(TWIST.0..=TWIST.1).contains(&twist) {
            return None;
        }
        let weak = low_share.min(high_share) * energy < weakest * count / 2.0;
        // Twice a row is too near to a column to be told from it.
        let overtone = |hz: u16, times: f32, of: f32| {
            share(2.0 * (times * TAU * f32::from(hz) / self.rate_hz as f32).cos()) > of * OVERTONE
        };
        // A tone that is stronger a little beside its place is another one.
        let beside = |hz: u16, of: f32| {
            let at = |times: f32| share(2.0 * (times * TAU * f32::from(hz) / self.rate_hz as f32).cos());
            at(1.0 - OFF).max(at(1.0 + OFF)) > of * BESIDE
        };
        if weak || beside(LOW_HZ[row], low_share) || beside(HIGH_HZ[column], high_share) {
            return None;
        }
        if overtone(LOW_HZ[row], 3.0, low_share) || overtone(HIGH_HZ[column], 2.0, high_share) {
            return None;
        }
        Some(key)
    }
}

/// The strongest of a group, if it is alone.
fn strongest(shares: [f32; 4]) -> Option<(usize, f32)> {
    let (place, share) = shares.into_iter().enumerate().max_by(|a, b| a.1.total_cmp(&b.1))?;
    let alone = shares.iter().enumerate().all(|(other, value)| other == place || value * ALONE <= share);
    alone.then_some((place, share))
}

/// The power of one frequency, times half the square of the count (Goertzel).
fn goertzel(samples: &[i16], turn: f32) -> f32 {
    let (mut last, mut before) = (0.0_f32, 0.0_f32);
    for sample in samples {
        let next = f32::from(*sample) + turn * last - before;
        before = last;
        last = next;
    }
    last * last + before * before - turn * last * before
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;
    use crate::dtmf::{key, place};

    /// A deterministic source of chance (xorshift).
    struct Chance(u64);

    impl Chance {
        fn next(&mut self) -> f64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 >> 11) as f64 / (1_u64 << 53) as f64
        }

        /// Between −1 and 1.
        fn noise(&mut self) -> f64 {
            self.next() * 2.0 - 1.0
        }
    }

    struct Line {
        rate: u32,
        level_dbm0: f32,
        twist_db: f64,
        off: f64,
        noise: f64,
        on_ms: u32,
        pause_ms: u32,
    }

    const USUAL: Line =
        Line { rate: 8_000, level_dbm0: -10.0, twist_db: 0.0, off: 0.0, noise: 0.0, on_ms: 40, pause_ms: 40 };

    /// All sixteen keys, one after the other, through a line; what was heard.
    fn heard(line: &Line) -> Vec<Heard> {
        let mut chance = Chance(0x5eed);
        let mut samples = Vec::new();
        let low = f64::from(amplitude(line.level_dbm0));
        let high = low * 10.0_f64.powf(line.twist_db / 20.0);
        let per_ms = line.rate / 1_000;
        // An odd beginning, so that windows and tones do not begin together.
        samples.resize(137, 0.0);
        for code in 0..16 {
            let (row, column) = place(key(code).expect("a key")).expect("a place");
            let step = |hz: u16| f64::from(hz) * (1.0 + line.off) * TAU / f64::from(line.rate);
            let tone = |n: u32| {
                let n = f64::from(n);
                (n * step(LOW_HZ[row])).sin() * low + (n * step(HIGH_HZ[column])).sin() * high
            };
            samples.extend((0..line.on_ms * per_ms).map(tone));
            samples.resize(samples.len() + (line.pause_ms * per_ms) as usize, 0.0);
        }
        samples.resize(samples.len() + line.rate as usize / 10, 0.0);
        let noisy = samples.iter().map(|sample| (sample + chance.noise() * line.noise) as i16).collect::<Vec<_>>();
        told(line.rate, &noisy)
    }

    fn told(rate: u32, samples: &[i16]) -> Vec<Heard> {
        let mut detector = Detector::new(rate).expect("a rate");
        let mut all = Vec::new();
        for block in samples.chunks(rate as usize / 50) {
            detector.push(block);
            all.extend(std::iter::from_fn(|| detector.poll()));
        }
        all
    }

    fn assert_all_heard(line: &Line, what: &str) {
        let all = heard(line);
        assert_eq!(all.len(), 32, "{what}: {all:?}");
        for (code, pair) in all.chunks(2).enumerate() {
            let name = key(code as u8).expect("a key");
            assert_eq!(pair[0], Heard::Began(name), "{what}");
            let Heard::Ended(Digit { key, duration_ms }) = pair[1] else { panic!("{what}: {pair:?}") };
            assert_eq!(key, name, "{what}");
            let close = line.on_ms.abs_diff(duration_ms) <= 14;
            assert!(close, "{what}: {duration_ms} ms of {}", line.on_ms);
        }
    }

    #[test]
    fn sixteen_keys_are_heard_at_every_rate_length_and_level() {
        for rate in [8_000, 16_000, 48_000] {
            for (on_ms, pause_ms) in [(40, 40), (50, 50), (70, 70), (100, 100), (1_000, 45)] {
                assert_all_heard(&Line { rate, on_ms, pause_ms, ..USUAL }, &format!("{rate} {on_ms}"));
            }
            for level_dbm0 in [-6.0, -20.0, -26.0] {
                assert_all_heard(&Line { rate, level_dbm0, ..USUAL }, &format!("{rate} {level_dbm0} dBm0"));
            }
        }
    }

    #[test]
    fn tones_may_be_a_little_off_unequal_and_noisy() {
        for off in [-0.015, 0.015] {
            assert_all_heard(&Line { off, ..USUAL }, &format!("{off} off"));
        }
        for twist_db in [-8.0, 4.0] {
            assert_all_heard(&Line { twist_db, ..USUAL }, &format!("{twist_db} dB"));
        }
        // The power of two tones is the square of one amplitude, that of noise a third of its peak's square.
        let peak = f64::from(amplitude(USUAL.level_dbm0));
        for snr_db in [20.0, 15.0] {
            let noise = peak * 10.0_f64.powf(-snr_db / 20.0) * 3.0_f64.sqrt();
            assert_all_heard(&Line { noise, on_ms: 50, pause_ms: 50, ..USUAL }, &format!("{snr_db} dB of noise"));
        }
    }

    #[test]
    fn what_is_too_far_off_too_short_or_only_one_tone_is_no_key() {
        for line in [
            Line { off: 0.035, ..USUAL },
            Line { off: -0.035, ..USUAL },
            Line { twist_db: -20.0, ..USUAL },
            Line { twist_db: 20.0, ..USUAL },
            Line { on_ms: 20, ..USUAL },
            Line { level_dbm0: -45.0, ..USUAL },
        ] {
            let all = heard(&line);
            assert!(all.is_empty(), "{} {} {}: {all:?}", line.off, line.twist_db, line.on_ms);
        }
    }

    #[test]
    fn a_short_gap_does_not_part_a_press() {
        let (row, column) = place('5').expect("a place");
        let tone = |n: u32| {
            let wave = |hz: u16| (f64::from(n) * f64::from(hz) * TAU / 8_000.0).sin() * 5_000.0;
            if (400..470).contains(&n) { 0 } else { (wave(LOW_HZ[row]) + wave(HIGH_HZ[column])) as i16 }
        };
        let mut samples: Vec<i16> = (0..800).map(tone).collect();
        samples.resize(1_600, 0);
        assert_eq!(told(8_000, &samples).len(), 2);
    }

    /// Something like speech: a glottal pulse train that glides, through three resonances that move, in syllables.
    fn talk(seconds: u32, seed: u64) -> Vec<i16> {
        let mut chance = Chance(seed);
        let mut samples = Vec::new();
        while samples.len() < seconds as usize * 8_000 {
            let length = 800 + (chance.next() * 2_400.0) as u32;
            let (mut pitch, glide) = (80.0 + chance.next() * 220.0, chance.noise() * 60.0 / 8_000.0);
            let formants = [(300.0, 500.0), (900.0, 1_500.0), (2_200.0, 1_000.0)]
                .map(|(from, range)| from + chance.next() * range);
            let (mut phase, loud) = (0.0_f64, 2_000.0 + chance.next() * 10_000.0);
            for n in 0..length {
                pitch += glide;
                phase += pitch / 8_000.0;
                let mut value = 0.0;
                for harmonic in 1..=20 {
                    let hz = pitch * f64::from(harmonic);
                    if hz > 3_800.0 {
                        break;
                    }
                    // Resonances one behind the other, each as loud as what goes in where it does not resonate.
                    let resonance = |formant: &f64| {
                        let (square, width) = (formant * formant, 60.0 + formant / 20.0);
                        square / ((square - hz * hz).powi(2) + (hz * width).powi(2)).sqrt()
                    };
                    let gain: f64 = formants.iter().map(resonance).product();
                    // The pulses of a voice have less at the top: 6 dB for an octave, lips included.
                    value += (phase * f64::from(harmonic) * TAU).sin() * gain / f64::from(harmonic);
                }
                let envelope = (f64::from(n) / f64::from(length) * TAU / 2.0).sin();
                samples.push((value * envelope * loud / 5.0 + chance.noise() * 60.0).clamp(-32_768.0, 32_767.0) as i16);
            }
            samples.resize(samples.len() + (chance.next() * 800.0) as usize, 0);
        }
        samples
    }

    /// Chords of three notes with overtones, and sweeps.
    fn music(seconds: u32, seed: u64) -> Vec<i16> {
        let mut chance = Chance(seed);
        let mut samples = Vec::new();
        while samples.len() < seconds as usize * 8_000 {
            let notes = [0, 1, 2].map(|_| 110.0 * 2.0_f64.powf((chance.next() * 42.0).floor() / 12.0));
            let sweep = chance.next() < 0.1;
            for n in 0..2_000 {
                let t = f64::from(n) / 8_000.0;
                let bend = if sweep { 1.0 + t } else { 1.0 };
                let tone = |hz: f64| (t * hz * bend * TAU).sin() + (t * hz * bend * 2.0 * TAU).sin() * 0.4;
                samples.push((notes.into_iter().map(tone).sum::<f64>() * 4_000.0) as i16);
            }
        }
        samples
    }

    #[test]
    fn neither_speech_nor_music_presses_keys() {
        // Ten minutes of each, in ten parts that differ.
        for seed in 1..=10 {
            assert_eq!(told(8_000, &talk(60, seed)), [], "speech {seed}");
            assert_eq!(told(8_000, &music(60, seed * 77)), [], "music {seed}");
        }
    }

    #[test]
    fn other_rates_and_any_samples_do_no_harm() {
        assert!(Detector::new(11_025).is_none());
        let mut detector = Detector::new(8_000).expect("a rate");
        for len in [0, 1, 7, 10_000] {
            detector.push(&vec![i16::MIN; len]);
            detector.push(&vec![i16::MAX; len]);
        }
        assert!(detector.poll().is_none() && detector.samples.len() < detector.window);
    }
}
