//! One continuous stream towards a leg, whoever its packets come from.
//!
//! Sequence numbers and timestamps are moved by an offset that is chosen anew when the source changes, so that the stream
//! goes on where it stopped. Within a source gaps stay gaps: the peer sees the loss that there was.

use std::time::Instant;

use super::random::Random;
use crate::command::Leg;
use crate::limits;

/// Whose packets they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Leg {
        leg: Leg,
        ssrc: u32,
    },
    /// What we say ourselves.
    Voice,
    Keys,
}

#[derive(Clone, Copy, Debug)]
struct Input {
    origin: Origin,
    sequence_offset: u16,
    timestamp_offset: u32,
}

#[derive(Clone, Debug)]
pub(super) struct Rewriter {
    pub(super) ssrc: u32,
    /// Highest sequence number sent, and its timestamp.
    sequence: u16,
    timestamp: u32,
    sent_at: Option<Instant>,
    input: Option<Input>,
    /// What follows after a packet that was too far away: when it comes, the source has jumped for good.
    after_jump: Option<u16>,
}

impl Rewriter {
    pub(super) fn new(random: &mut Random) -> Self {
        let bits = random.next();
        Rewriter {
            ssrc: (bits >> 32) as u32,
            sequence: bits as u16,
            timestamp: random.next() as u32,
            sent_at: None,
            input: None,
            after_jump: None,
        }
    }

    /// Sequence number and timestamp under which a packet goes on.
    pub(super) fn map(
        &mut self,
        now: Instant,
        clock_hz: u32,
        origin: Origin,
        sequence: u16,
        timestamp: u32,
    ) -> (u16, u32) {
        let input = match self.input {
            Some(input) if input.origin == origin => input,
            Some(_) | None => {
                let input = Input {
                    origin,
                    sequence_offset: self.sequence.wrapping_add(1).wrapping_sub(sequence),
                    timestamp_offset: self.next_timestamp(now, clock_hz).wrapping_sub(timestamp),
                };
                self.input = Some(input);
                self.after_jump = None;
                input
            }
        };
        let sequence = sequence.wrapping_add(input.sequence_offset);
        let timestamp = timestamp.wrapping_add(input.timestamp_offset);
        let ahead = sequence.wrapping_sub(self.sequence) as i16;
        let next = (1..limits::DROPOUT).contains(&ahead);
        let jumped = !next && ahead.unsigned_abs() > 100;
        if next || (jumped && self.after_jump == Some(sequence)) {
            self.sequence = sequence;
            self.timestamp = timestamp;
            self.sent_at = Some(now);
            self.after_jump = None;
        } else if jumped {
            self.after_jump = Some(sequence.wrapping_add(1));
        }
        (sequence, timestamp)
    }

    /// What comes next is a new source, even if it looks like the one before.
    pub(super) fn forget_input(&mut self) {
        self.input = None;
    }

    /// Timestamp offset for a source, when its packets are the ones being sent.
    pub(super) fn timestamp_offset(&self, origin: Origin) -> Option<u32> {
        let input = self.input.filter(|input| input.origin == origin)?;
        Some(input.timestamp_offset)
    }

    /// Sequence offset for a source, when its packets are the ones being sent.
    pub(super) fn sequence_offset(&self, origin: Origin) -> Option<u16> {
        let input = self.input.filter(|input| input.origin == origin)?;
        Some(input.sequence_offset)
    }

    /// The timestamp that a packet would have now.
    pub(super) fn timestamp_at(&self, now: Instant, clock_hz: u32) -> u32 {
        let passed = self.sent_at.map_or(0, |at| now.saturating_duration_since(at).as_micros());
        self.timestamp.wrapping_add((passed * u128::from(clock_hz) / 1_000_000) as u32)
    }

    /// Where the timestamps have got to: by the time passed, but at least one 20 ms packet on.
    fn next_timestamp(&self, now: Instant, clock_hz: u32) -> u32 {
        let passed = self.sent_at.map_or(0, |at| now.saturating_duration_since(at).as_micros());
        let passed = (passed * u128::from(clock_hz) / 1_000_000) as u32;
        self.timestamp.wrapping_add(passed.max(clock_hz / 50))
    }
}
