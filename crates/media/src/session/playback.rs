//! Playback: a block of samples every 20 ms, said to the leg in its codec.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::rewrite::Rewriter;
use super::voice::{Voice, voice_for};
use crate::dtmf::{Generator, Shape};
use crate::limits;
use crate::plan::LegPlan;
use crate::tone::{Ringing, Tone};

const FRAME: Duration = Duration::from_millis(20);
const RATE_HZ: u32 = 8_000;
const FRAME_SAMPLES: usize = 160;

/// Something to play: samples at 8 kHz.
#[derive(Clone, Debug, PartialEq)]
pub struct Samples(Source);

#[derive(Clone, Debug, PartialEq)]
enum Source {
    Tone(Tone),
    Pcm { samples: Arc<[i16]>, at: usize },
    Ringing(Ringing),
    Key(Generator),
}

impl Samples {
    /// A sine tone.
    pub fn tone(frequency_hz: u32, duration_ms: u32) -> Self {
        let duration = Duration::from_millis(u64::from(duration_ms));
        Samples(Source::Tone(Tone::new(frequency_hz, duration)))
    }

    /// The ringing tone; it does not end by itself.
    pub fn ringing() -> Self {
        Samples(Source::Ringing(Ringing::default()))
    }

    /// Recorded sound, 16 bits linear at 8 kHz; shared, so that one file can be heard by many.
    pub fn pcm(samples: impl Into<Arc<[i16]>>) -> Self {
        Samples(Source::Pcm { samples: samples.into(), at: 0 })
    }

    /// The tones of a key, and the pause behind them; nothing for what is no key.
    pub(super) fn key(key: char, duration: Duration) -> Option<Self> {
        let shape = Shape { on: duration.max(Shape::default().on), ..Shape::default() };
        Generator::with(8_000, key, shape).map(|generator| Samples(Source::Key(generator)))
    }

    fn is_finished(&self) -> bool {
        match &self.0 {
            Source::Tone(tone) => tone.is_finished(),
            Source::Pcm { samples, at } => *at >= samples.len(),
            Source::Ringing(_) => false,
            Source::Key(generator) => generator.is_finished(),
        }
    }

    fn fill(&mut self, out: &mut [i16]) -> usize {
        match &mut self.0 {
            Source::Tone(tone) => tone.fill(out),
            Source::Key(generator) => generator.fill(out),
            Source::Ringing(ringing) => {
                ringing.fill(out);
                out.len()
            }
            Source::Pcm { samples, at } => {
                let rest = samples.get(*at..).unwrap_or_default();
                let count = rest.len().min(out.len());
                out[..count].copy_from_slice(&rest[..count]);
                *at += count;
                count
            }
        }
    }
}

/// A playback on its way. The first frame is due at once.
#[derive(Debug)]
pub(super) struct Player {
    samples: Samples,
    next_at: Instant,
    /// When the oldest frame that is due was due.
    due_at: Instant,
    due: u32,
    voice: Option<Box<Voice>>,
    over: bool,
}

impl Player {
    pub(super) fn new(now: Instant, samples: Samples) -> Self {
        Player { samples, next_at: now, due_at: now, due: 0, voice: None, over: false }
    }

    pub(super) fn next_at(&self) -> Instant {
        self.next_at
    }

    /// Whether everything was heard.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// Frames become due; those nobody fetched in time are left out, so that sound keeps to its time.
    pub(super) fn advance(&mut self, now: Instant) {
        while self.next_at <= now && !self.over {
            if self.due == 0 {
                if self.samples.is_finished() {
                    self.over = true;
                    return;
                }
                self.due_at = self.next_at;
            }
            self.due += 1;
            self.next_at += FRAME;
            if self.due > limits::CATCH_UP {
                self.drop_frame();
            }
        }
    }

    /// The leg cannot be sent to now; time goes on all the same.
    pub(super) fn skip(&mut self, plan: &LegPlan) {
        while self.due > 0 {
            self.drop_frame();
            if let Some(voice) = &mut self.voice {
                voice.skip(plan);
            }
        }
    }

    fn drop_frame(&mut self) {
        self.due -= 1;
        self.due_at += FRAME;
        self.samples.fill(&mut [0; FRAME_SAMPLES]);
    }

    /// Writes the next packet that has become due.
    pub(super) fn packet(&mut self, stream: &mut Rewriter, plan: &LegPlan, out: &mut [u8]) -> Option<usize> {
        loop {
            let voice = voice_for(&mut self.voice, self.due_at, plan, RATE_HZ)?;
            if let Some(len) = voice.packet(stream, plan, out) {
                return Some(len);
            }
            if self.due == 0 {
                return None;
            }
            // What the last frame lacks is silence.
            let mut frame = [0; FRAME_SAMPLES];
            if self.samples.fill(&mut frame) == 0 {
                // More came due than there was left to play.
                self.due = 0;
                return None;
            }
            voice.say(self.due_at, &frame);
            self.due -= 1;
            self.due_at += FRAME;
        }
    }
}
