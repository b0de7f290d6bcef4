//! What we say to a leg ourselves: blocks of samples, encoded and put into packets of the length the leg asked for.

use std::time::Instant;

use super::rewrite::{Origin, Rewriter};
use crate::codec::Encoder;
use crate::plan::{Codec, LegPlan};
use crate::rtp::{HEADER, Rewrite};
use crate::speak::Speaker;

/// A stream of packets that we make for one leg.
#[derive(Debug)]
pub(super) struct Voice {
    codec: Codec,
    fmtp: Option<String>,
    ptime_ms: u16,
    in_hz: u32,
    speaker: Speaker,
    sequence: u16,
    timestamp: u32,
    /// When the block was said that completed the packet which is written next.
    said_at: Instant,
    started: bool,
}

impl Voice {
    /// A voice that is fed blocks of `in_hz`; nothing for a codec that we cannot write.
    pub(super) fn new(now: Instant, plan: &LegPlan, in_hz: u32) -> Option<Self> {
        let encoder = Encoder::new(plan.codec, plan.fmtp.as_deref())?;
        Some(Voice {
            codec: plan.codec,
            fmtp: plan.fmtp.clone(),
            ptime_ms: plan.ptime_ms,
            in_hz,
            speaker: Speaker::new(encoder, in_hz, plan.clock_hz, plan.ptime_ms)?,
            sequence: 0,
            timestamp: 0,
            said_at: now,
            started: false,
        })
    }

    /// Whether it says what the plan wants to hear.
    pub(super) fn fits(&self, plan: &LegPlan, in_hz: u32) -> bool {
        (self.codec, self.ptime_ms, self.in_hz) == (plan.codec, plan.ptime_ms, in_hz) && self.fmtp == plan.fmtp
    }

    /// Takes 20 ms.
    pub(super) fn say(&mut self, at: Instant, block: &[i16]) {
        self.said_at = at;
        self.speaker.push(block);
    }

    /// 20 ms pass in which nothing can be said.
    pub(super) fn skip(&mut self, plan: &LegPlan) {
        self.timestamp = self.timestamp.wrapping_add(plan.clock_hz / 50);
    }

    /// Writes the next packet that is complete.
    pub(super) fn packet(&mut self, stream: &mut Rewriter, plan: &LegPlan, out: &mut [u8]) -> Option<usize> {
        let (header, payload) = out.split_first_chunk_mut::<HEADER>()?;
        let frame = self.speaker.packet(payload)?;
        if !self.started {
            // Whoever spoke before, this is a new source of the stream.
            stream.forget_input();
        }
        let (sequence, timestamp) =
            stream.map(self.said_at, plan.clock_hz, Origin::Voice, self.sequence, self.timestamp);
        let rewrite = Rewrite { payload_type: plan.payload_type, sequence, timestamp, ssrc: stream.ssrc };
        rewrite.create(header, !self.started);
        self.started = true;
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(frame.timestamp_step);
        Some(HEADER + frame.len)
    }
}

/// The voice for a plan: the one there is if it fits, else a new one.
pub(super) fn voice_for<'a>(
    voice: &'a mut Option<Box<Voice>>,
    now: Instant,
    plan: &LegPlan,
    in_hz: u32,
) -> Option<&'a mut Voice> {
    if !voice.as_ref().is_some_and(|voice| voice.fits(plan, in_hz)) {
        *voice = Voice::new(now, plan, in_hz).map(Box::new);
    }
    voice.as_deref_mut()
}
