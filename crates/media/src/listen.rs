//! From the packets of a leg to 20 ms of samples, whenever they are wanted: jitter buffer, decoder, concealment and change of rate.

use std::time::Instant;

use crate::codec::Decoder;
use crate::conceal::{Concealer, Noise};
use crate::jitter::{Jitter, Next};
use crate::limits;
use crate::resample::Resampler;

/// What a block holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// What was said.
    Voice,
    /// At least in part what stands for something lost.
    Concealed,
    /// Silence, or comfort noise: nothing was said.
    Silence,
}

/// What became of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Packets that came too late to be heard.
    pub late: u64,
    /// Blocks that were concealed.
    pub concealed: u64,
    /// Samples left out, or put in, to keep the delay as short as the network allows; at the rate of the codec.
    pub adjusted: u64,
}

/// Hears one leg.
#[derive(Debug)]
pub struct Listener {
    clock_hz: u32,
    decoder: Decoder,
    jitter: Jitter,
    concealer: Concealer,
    noise: Noise,
    resampler: Resampler,
    /// Decoded, not yet given out, at the codec's rate.
    ready: Vec<i16>,
    /// Room for one packet.
    fresh: Vec<i16>,
    /// Given out next, at the rate that is wanted.
    out: Vec<i16>,
    /// Samples of the last packet.
    packet: usize,
    /// Whether anything was ever heard.
    begun: bool,
    /// Beats in a row without anything to play.
    starved: u32,
    beats: u32,
    /// Since when the delay has been longer than it need be.
    shorten: Option<u32>,
    /// Whether the last block was.
    quiet: bool,
    figures: Figures,
}

impl Listener {
    /// A listener whose blocks have `out_hz` (8, 16 or 48 kHz) samples per second; nothing for other rates. `seed` makes its
    /// comfort noise different from that of others.
    pub fn new(decoder: Decoder, clock_hz: u32, out_hz: u32, seed: u64) -> Option<Self> {
        let rate = decoder.rate_hz();
        if !limits::RATES_HZ.contains(&out_hz) {
            return None;
        }
        Some(Listener {
            clock_hz: clock_hz.max(1),
            jitter: Jitter::new(clock_hz),
            concealer: Concealer::new(rate),
            noise: Noise::new(seed),
            resampler: Resampler::new(rate, out_hz)?,
            ready: Vec::new(),
            fresh: Vec::new(),
            out: Vec::new(),
            packet: rate as usize / 50,
            begun: false,
            starved: 0,
            beats: 0,
            shorten: None,
            quiet: true,
            figures: Figures::default(),
            decoder,
        })
    }

    /// Takes in a packet.
    pub fn receive(&mut self, now: Instant, ssrc: u32, sequence: u16, timestamp: u32, payload: &[u8]) {
        self.jitter.put(now, ssrc, sequence, timestamp, payload);
    }

    /// Takes in a packet of comfort noise (RFC 3389), which is heard until the next packet of a voice.
    pub fn comfort_noise(&mut self, now: Instant, ssrc: u32, sequence: u16, timestamp: u32, payload: &[u8]) {
        self.jitter.put_noise(now, ssrc, sequence, timestamp, payload);
    }

    /// What was said last shall not be heard, nor anything made of it: silence, until the next packet.
    pub fn hush(&mut self) {
        self.jitter.clear();
        self.ready.clear();
        self.begun = false;
    }

    /// What became of the stream so far.
    pub fn figures(&self) -> Figures {
        Figures { late: self.jitter.late(), ..self.figures }
    }

    /// Fills a block of 20 ms.
    pub fn tick(&mut self, now: Instant, block: &mut [i16]) -> Heard {
        let wanted = self.decoder.rate_hz() as usize / 50;
        let mut heard = Heard::Voice;
        let shortens = self.shall_shorten();
        let goal = if shortens { wanted * 2 } else { wanted };
        while self.ready.len() < goal {
            match self.jitter.take(now) {
                Next::Packet { .. } if self.jitter.taken_is_noise() => self.noise.set(self.jitter.taken()),
                Next::Packet { pause } => self.decode(pause),
                Next::Lost => {
                    self.conceal_lost();
                    heard = Heard::Concealed;
                }
                Next::Nothing if self.ready.len() >= wanted => break,
                Next::Nothing => {
                    heard = self.starve(wanted);
                    break;
                }
            }
        }
        if shortens {
            self.shorten(wanted);
        }
        if heard == Heard::Concealed {
            self.figures.concealed += 1;
        }
        let rest = self.ready.len().min(wanted);
        self.quiet = is_quiet(&self.ready[..rest]);
        self.resampler.push(&self.ready[..rest], &mut self.out);
        self.ready.drain(..rest);
        let given = block.len().min(self.out.len());
        let (first, silence) = block.split_at_mut(given);
        first.copy_from_slice(&self.out[..given]);
        silence.fill(0);
        self.out.drain(..given);
        heard
    }

    fn decode(&mut self, pause: u32) {
        let rate = u64::from(self.decoder.rate_hz());
        // What the sender kept silent about, unless that time has already been filled while waiting.
        let silent = u64::from(pause) * rate / u64::from(self.clock_hz);
        if silent > 0 && self.starved == 0 {
            let most = limits::JITTER_MOST.as_millis() as usize * rate as usize / 1_000;
            self.fill_with_noise((silent as usize).min(most));
        }
        self.starved = 0;
        self.noise.end();
        self.fresh.clear();
        if self.decoder.decode(self.jitter.taken(), &mut self.fresh).is_err() || self.fresh.is_empty() {
            return self.conceal_lost();
        }
        self.begun = true;
        self.packet = self.fresh.len();
        self.concealer.heard(&mut self.fresh);
        self.ready.extend_from_slice(&self.fresh);
        self.pass(self.packet);
    }

    /// One packet is not there, and will not be.
    fn conceal_lost(&mut self) {
        self.fresh.clear();
        let following = self.jitter.following().unwrap_or_default();
        let known = !following.is_empty() && self.decoder.recover(following, self.packet, &mut self.fresh);
        if known || self.decoder.conceal(self.packet, &mut self.fresh) {
            // The codec's own answer needs no blending.
            self.ready.extend_from_slice(&self.fresh);
        } else {
            self.concealer.conceal(self.packet, &mut self.ready);
        }
        self.pass(self.packet);
    }

    /// Nothing is there, and it is not known whether anything will come.
    fn starve(&mut self, wanted: usize) -> Heard {
        let missing = wanted - self.ready.len().min(wanted);
        self.starved += 1;
        if self.starved == limits::STARVED {
            self.jitter.rest();
        }
        // What was never heard need not be made up, and what has faded is silence.
        let fading = self.begun && self.starved <= 3 && self.noise.is_silent();
        if !fading {
            self.fill_with_noise(missing);
            return Heard::Silence;
        }
        self.fresh.clear();
        if self.decoder.conceal(missing, &mut self.fresh) {
            self.ready.extend_from_slice(&self.fresh);
        } else {
            self.concealer.conceal(missing, &mut self.ready);
        }
        Heard::Concealed
    }

    fn fill_with_noise(&mut self, count: usize) {
        let first = self.ready.len();
        self.ready.resize(first + count, 0);
        self.noise.fill(&mut self.ready[first..]);
    }

    /// Tells the buffer how much time samples stand for.
    fn pass(&mut self, samples: usize) {
        let units = samples as u64 * u64::from(self.clock_hz) / u64::from(self.decoder.rate_hz());
        self.jitter.lasts(u32::try_from(units).unwrap_or(u32::MAX));
    }

    /// Whether some of what waits shall be left out now: when for a while every packet has waited for longer than it need, and
    /// then at a quiet place, if one comes in time.
    fn shall_shorten(&mut self) -> bool {
        self.beats += 1;
        if self.beats.is_multiple_of(limits::DELAY_WINDOW_BEATS) {
            let spare = self.jitter.spare();
            self.shorten = (spare >= limits::SPARE).then_some(self.beats);
        }
        let waited = self.shorten.map(|since| self.beats - since);
        waited.is_some_and(|beats| self.quiet || beats * 2 >= limits::DELAY_WINDOW_BEATS)
    }

    /// Leaves out 15 ms: what comes before passes over into what comes after within 5 ms.
    fn shorten(&mut self, wanted: usize) {
        let (blend, cut) = (wanted / 4, wanted / 4 * 3);
        if self.ready.len() < wanted + cut {
            return;
        }
        for index in 0..blend {
            let (new, of) = (index as i32 + 1, blend as i32 + 1);
            let (kept, later) = (i32::from(self.ready[index]), i32::from(self.ready[index + cut]));
            self.ready[index] = ((kept * (of - new) + later * new) / of) as i16;
        }
        self.ready.drain(blend..blend + cut);
        self.shorten = None;
        self.figures.adjusted += cut as u64;
    }
}

/// Whether nobody speaks in a block.
fn is_quiet(block: &[i16]) -> bool {
    let loudness: u64 = block.iter().map(|sample| u64::from(sample.unsigned_abs())).sum();
    loudness < 300 * block.len() as u64
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;
    use std::time::Duration;

    use super::*;
    use crate::codec::Encoder;
    use crate::plan::Codec;

    #[expect(clippy::disallowed_methods, reason = "a test needs one first moment; all others are reckoned from it")]
    fn beginning() -> Instant {
        Instant::now()
    }

    /// A deterministic source of chance (xorshift).
    struct Chance(u64);

    impl Chance {
        fn below(&mut self, limit: u64) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0 % limit
        }
    }

    /// What the network does to packets.
    #[derive(Clone, Copy, Default)]
    struct Weather {
        loss_percent: u64,
        jitter_ms: u64,
        /// How much quicker the sender's clock is than ours, in parts per million.
        drift_ppm: i64,
        /// Every second packet comes behind its successor.
        swaps: bool,
        twice: bool,
    }

    struct Heard8k {
        samples: Vec<i16>,
        listener: Listener,
    }

    /// Somebody plays 440 Hz for so many seconds in packets of `ptime_ms`, and is listened to.
    fn listen(codec: Codec, ptime_ms: u32, seconds: u32, weather: Weather, seed: u64) -> Heard8k {
        let start = beginning();
        let (rate, clock_hz) = (crate::codec::rate_hz(codec).expect("a rate"), crate::codec::clock_hz(codec));
        let mut encoder = Encoder::new(codec, None).expect("a codec");
        let decoder = Decoder::new(codec).expect("a codec");
        let mut listener = Listener::new(decoder, clock_hz, 8_000, 7).expect("a listener");
        let mut chance = Chance(seed | 1);
        let mut arrivals: Vec<(u64, u16, u32, Vec<u8>)> = Vec::new();
        let mut n = 0_u32;
        for index in 0..seconds * 1_000 / ptime_ms {
            let samples: Vec<i16> = (0..rate * ptime_ms / 1_000)
                .map(|_| {
                    n += 1;
                    ((f64::from(n) * 440.0 * TAU / f64::from(rate)).sin() * 10_000.0) as i16
                })
                .collect();
            let mut payload = [0; 2_000];
            let len = encoder.encode(&samples, &mut payload).expect("a frame");
            if chance.below(100) < weather.loss_percent {
                continue;
            }
            let micros = i64::from(index * ptime_ms) * 1_000;
            let micros = micros - micros * weather.drift_ppm / 1_000_000;
            let late = chance.below(weather.jitter_ms * 1_000 + 1)
                + if weather.swaps { u64::from(index % 2) * 25_000 } else { 0 };
            let timestamp = 0xffff_f000_u32.wrapping_add(index * (clock_hz * ptime_ms / 1_000));
            let packet =
                (micros as u64 + late, 65_500_u16.wrapping_add(index as u16), timestamp, payload[..len].to_vec());
            if weather.twice {
                arrivals.push(packet.clone());
            }
            arrivals.push(packet);
        }
        arrivals.sort_by_key(|arrival| arrival.0);
        let mut arrivals = arrivals.into_iter().peekable();
        let mut samples = Vec::new();
        for tick in 0..u64::from(seconds) * 50 {
            let now = tick * 20_000 + 3_000;
            while let Some((at, sequence, timestamp, payload)) = arrivals.next_if(|arrival| arrival.0 <= now) {
                listener.receive(start + Duration::from_micros(at), 1, sequence, timestamp, &payload);
            }
            let mut block = [0; 160];
            listener.tick(start + Duration::from_micros(now), &mut block);
            samples.extend(block);
        }
        Heard8k { samples, listener }
    }

    fn steepest(samples: &[i16]) -> i32 {
        samples.windows(2).map(|pair| (i32::from(pair[0]) - i32::from(pair[1])).abs()).max().unwrap_or(0)
    }

    #[test]
    fn a_tone_stays_a_tone_in_every_codec_and_length_of_packet() {
        for codec in [Codec::Pcmu, Codec::G722, Codec::Opus] {
            for ptime_ms in [10, 20, 30, 40, 60] {
                if codec == Codec::Opus && ptime_ms == 30 {
                    continue;
                }
                let heard = listen(codec, ptime_ms, 3, Weather::default(), 1);
                let settled = &heard.samples[4_000..];
                let share = crate::tone::share(settled, 440);
                assert!(share > 0.97, "{codec:?} {ptime_ms}: {share}");
                assert_eq!(heard.listener.figures().late, 0);
                assert!(heard.listener.figures().concealed <= 1, "{codec:?} {ptime_ms}");
            }
        }
    }

    #[test]
    fn loss_and_jitter_are_hardly_heard() {
        for codec in [Codec::Pcmu, Codec::G722, Codec::Opus] {
            for seed in 1..4 {
                let weather = Weather { loss_percent: 5, jitter_ms: 60, ..Weather::default() };
                let heard = listen(codec, 20, 6, weather, seed);
                let settled = &heard.samples[8_000..];
                let share =
                    crate::tone::share(&settled[..16_000], 440).max(crate::tone::share(&settled[16_000..32_000], 440));
                assert!(share > 0.5, "{codec:?} {seed}: {share}");
                let figures = heard.listener.figures();
                assert!((1..80).contains(&figures.concealed), "{codec:?} {seed}: {figures:?}");
                // 440 Hz at this level climbs by 3,450 from one sample to the next.
                assert!(steepest(settled) < 9_000, "{codec:?} {seed}: {}", steepest(settled));
            }
        }
    }

    #[test]
    fn packets_that_overtake_or_come_twice_change_nothing() {
        let weather = Weather { swaps: true, twice: true, ..Weather::default() };
        let heard = listen(Codec::Pcmu, 20, 5, weather, 1);
        let share = crate::tone::share(&heard.samples[8_000..], 440);
        assert!(share > 0.9 && heard.listener.figures().concealed < 5, "{share} {:?}", heard.listener.figures());
    }

    #[test]
    fn clocks_that_differ_never_make_the_delay_grow() {
        for drift_ppm in [-200, 200] {
            let weather = Weather { drift_ppm, ..Weather::default() };
            let heard = listen(Codec::Pcmu, 20, 600, weather, 1);
            let waiting = heard.listener.ready.len() + heard.listener.jitter.waiting() * 160;
            assert!(waiting <= 8 * 100, "{drift_ppm}: {waiting} samples wait");
            let figures = heard.listener.figures();
            // 600 s at 200 ppm are 120 ms: six blocks of 20 ms.
            assert!(figures.concealed < 20 && figures.adjusted < 8 * 300, "{drift_ppm}: {figures:?}");
        }
    }

    #[test]
    fn a_stall_is_made_up_for() {
        let start = beginning();
        let mut listener =
            Listener::new(Decoder::new(Codec::Pcmu).expect("a codec"), 8_000, 8_000, 7).expect("a listener");
        let mut block = [0; 160];
        for index in 0..100_u16 {
            let now = start + Duration::from_millis(20) * u32::from(index);
            // From the 30th to the 70th nothing comes, then everything.
            let burst = if index == 70 { 30..=70 } else { index..=index };
            for sequence in burst.filter(|_| !(30..70).contains(&index)) {
                listener.receive(now, 1, sequence, u32::from(sequence) * 160, &[sequence as u8; 160]);
            }
            listener.tick(now, &mut block);
        }
        let waiting = listener.ready.len() + listener.jitter.waiting() * 160;
        assert!(waiting <= 8 * 220, "{waiting} samples wait");
    }

    #[test]
    fn silence_until_something_comes_and_after_it_has_faded() {
        let start = beginning();
        let mut listener =
            Listener::new(Decoder::new(Codec::Pcma).expect("a codec"), 8_000, 16_000, 7).expect("a listener");
        let mut block = [1; 320];
        assert_eq!((listener.tick(start, &mut block), block), (Heard::Silence, [0; 320]));
        for index in 0..10_u16 {
            let now = start + Duration::from_millis(20) * u32::from(index);
            listener.receive(now, 1, index, u32::from(index) * 160, &[0x2a; 160]);
            listener.tick(now, &mut block);
        }
        let mut told = Vec::new();
        for index in 10..30_u32 {
            told.push(listener.tick(start + Duration::from_millis(20) * index, &mut block));
        }
        assert_eq!(told.last(), Some(&Heard::Silence));
        assert!(told.contains(&Heard::Concealed) && block.iter().all(|sample| sample.abs() < 3));
        // Comfort noise is heard until somebody speaks.
        for index in 30..40_u32 {
            let now = start + Duration::from_millis(20) * index;
            if index == 30 {
                listener.comfort_noise(now, 1, 10, 4_800, &[50]);
            }
            assert_eq!(listener.tick(now, &mut block), Heard::Silence);
        }
        assert!(block.iter().any(|sample| *sample != 0) && !listener.noise.is_silent());
    }

    #[test]
    fn any_packets_make_whole_blocks() {
        let start = beginning();
        let mut chance = Chance(99);
        for codec in [Codec::Pcmu, Codec::G722, Codec::Opus] {
            let decoder = Decoder::new(codec).expect("a codec");
            let mut listener = Listener::new(decoder, crate::codec::clock_hz(codec), 48_000, 7).expect("a listener");
            let mut now = start;
            for _ in 0..3_000 {
                let payload: Vec<u8> = (0..chance.below(400)).map(|_| chance.below(256) as u8).collect();
                let (sequence, timestamp) = (chance.below(65_536) as u16 & 0xff, chance.below(1 << 32) as u32);
                listener.receive(now, chance.below(2) as u32, sequence, timestamp, &payload);
                let mut block = [0; 960];
                listener.tick(now, &mut block);
                now += Duration::from_millis(chance.below(60));
                assert!(listener.ready.len() <= 48_000 / 4 && listener.out.len() <= 960, "{codec:?}");
            }
        }
    }
}
