//! Playback: 20 ms frames of samples, encoded for the leg, one every 20 ms.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::rewrite::{Origin, Rewriter};
use crate::dtmf::{Generator, Shape};
use crate::g711;
use crate::limits;
use crate::plan::{Codec, LegPlan};
use crate::rtp::{HEADER, Rewrite};
use crate::tone::{Ringing, Tone};

const FRAME: Duration = Duration::from_millis(20);
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
    sequence: u16,
    timestamp: u32,
    started: bool,
    over: bool,
}

impl Player {
    pub(super) fn new(now: Instant, samples: Samples) -> Self {
        Player { samples, next_at: now, due_at: now, due: 0, sequence: 0, timestamp: 0, started: false, over: false }
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
    pub(super) fn skip(&mut self) {
        while self.due > 0 {
            self.drop_frame();
        }
    }

    fn drop_frame(&mut self) {
        self.due -= 1;
        self.due_at += FRAME;
        self.timestamp = self.timestamp.wrapping_add(FRAME_SAMPLES as u32);
        self.samples.fill(&mut [0; FRAME_SAMPLES]);
    }

    /// Writes the next due frame as a packet.
    pub(super) fn packet(&mut self, stream: &mut Rewriter, plan: &LegPlan, out: &mut [u8]) -> Option<usize> {
        if self.due == 0 {
            return None;
        }
        let (header, payload) = out.split_first_chunk_mut::<HEADER>()?;
        let payload = payload.get_mut(..FRAME_SAMPLES)?;
        // What the last frame lacks is silence.
        let mut frame = [0; FRAME_SAMPLES];
        if self.samples.fill(&mut frame) == 0 {
            // More came due than there was left to play.
            self.due = 0;
            return None;
        }
        encode(plan.codec, &frame, payload);
        if !self.started {
            // A playback after another one is a new source of the stream.
            stream.forget_input();
        }
        let (sequence, timestamp) =
            stream.map(self.due_at, plan.clock_hz, Origin::Playback, self.sequence, self.timestamp);
        let rewrite = Rewrite { payload_type: plan.payload_type, sequence, timestamp, ssrc: stream.ssrc };
        rewrite.create(header, !self.started);
        self.started = true;
        self.due -= 1;
        self.due_at += FRAME;
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(FRAME_SAMPLES as u32);
        Some(HEADER + FRAME_SAMPLES)
    }
}

fn encode(codec: Codec, samples: &[i16], payload: &mut [u8]) {
    for (byte, sample) in payload.iter_mut().zip(samples) {
        *byte = match codec {
            Codec::Pcma => g711::encode_pcma(*sample),
            Codec::Pcmu | Codec::Other => g711::encode_pcmu(*sample),
        };
    }
}
