//! A probe: speaks a tone into a call and judges what an echo returns.
//!
//! ```text
//!                     quiet for long enough, or nobody beeps
//!   Waiting: silence ───────────────────────────────────────▶ Speaking: the tone
//!                                                                   │ all of it was sent
//!   Finished ◀── all of it came back, or nothing more will come ── Listening: silence
//! ```
//!
//! The echo test beeps before it echoes, so the probe waits for quiet, and its tone has another pitch than the beep. Where in the
//! stream its tone begins to come back tells how long the way there and back takes. Like everything here it owns no socket and no
//! clock: RTP packets go in and come out.

mod ear;

use std::time::{Duration, Instant};

use crate::codec::Encoder;
use crate::plan::Codec;
use crate::rtp::{self, Rewrite};
use crate::tone::{RATE_HZ, Tone};

use ear::Ear;
pub use ear::Heard;

/// Pitch of the tone: that of telephone measurement (ITU-T O.41), which no signalling tone has.
pub const TONE_HZ: u32 = 1_020;
/// How long the tone lasts.
pub const TONE: Duration = Duration::from_secs(3);
/// Longest packet that a probe makes.
pub const PACKET_BYTES: usize = rtp::HEADER + FRAME;

/// Samples of a packet, and bytes of it in G.711.
const FRAME: usize = 160;
const FRAME_TIME: Duration = Duration::from_millis(20);
/// The tone does not begin before this, so that a beep can.
const SETTLE: Duration = Duration::from_millis(400);
/// Quiet of this length ends a beep.
const QUIET: Duration = Duration::from_millis(100);
/// It begins at the latest after this, be there quiet or not.
const IMPATIENCE: Duration = Duration::from_secs(2);
/// How long is waited for what is still on its way.
const TAIL: Duration = Duration::from_secs(1);

/// What a probe is told once.
#[derive(Clone, Copy, Debug)]
pub struct ProbeConfig {
    /// What it speaks: a codec that we can encode, at 8 kHz.
    pub codec: Codec,
    /// Payload type of what it sends.
    pub payload_type: u8,
    /// Its source, and where sequence numbers and timestamps begin: random (RFC 3550, 5.1).
    pub ssrc: u32,
    /// First sequence number.
    pub sequence: u16,
    /// First timestamp.
    pub timestamp: u32,
}

#[derive(Debug)]
enum State {
    Waiting { until: Instant },
    Speaking { tone: Tone },
    Listening { until: Instant },
    Finished,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Probe {
    config: ProbeConfig,
    encoder: Encoder,
    state: State,
    began: Instant,
    next_at: Instant,
    ear: Ear,
    marker: bool,
}

impl Probe {
    /// A probe that begins now; nothing for a codec that is only passed through.
    pub fn new(now: Instant, config: ProbeConfig) -> Option<Probe> {
        let encoder = Encoder::new(config.codec, None).filter(|encoder| encoder.rate_hz() == RATE_HZ)?;
        Some(Probe {
            ear: Ear::new(config.codec, config.payload_type)?,
            config,
            encoder,
            state: State::Waiting { until: now + IMPATIENCE },
            began: now,
            next_at: now,
            marker: true,
        })
    }

    /// When [`Probe::poll_packet`] is wanted next; nothing once it has finished.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Waiting { .. } | State::Speaking { .. } | State::Listening { .. } => Some(self.next_at),
            State::Finished => None,
        }
    }

    /// Writes the packet that is due, if one is, and tells its length.
    pub fn poll_packet(&mut self, now: Instant, out: &mut [u8; PACKET_BYTES]) -> Option<usize> {
        self.poll_timeout().filter(|at| now >= *at)?;
        self.step(now);
        let mut samples = [0; FRAME];
        match &mut self.state {
            State::Waiting { .. } | State::Listening { .. } => {}
            State::Speaking { tone } => {
                tone.fill(&mut samples);
                self.ear.spoke(now, &samples);
            }
            State::Finished => return None,
        }
        let (header, payload) = out.split_first_chunk_mut::<{ rtp::HEADER }>()?;
        let written = self.encoder.encode(&samples, payload)?;
        let ProbeConfig { payload_type, ssrc, sequence, timestamp, .. } = self.config;
        Rewrite { payload_type, sequence, timestamp, ssrc }.create(header, std::mem::take(&mut self.marker));
        self.config.sequence = sequence.wrapping_add(1);
        self.config.timestamp = timestamp.wrapping_add(FRAME as u32);
        self.next_at += FRAME_TIME;
        Some(rtp::HEADER + written)
    }

    /// Takes a packet that came, in clear. What is no audio of the codec is left aside.
    pub fn receive(&mut self, now: Instant, packet: &[u8]) {
        self.ear.listen(now, packet);
    }

    /// Whether it has heard all there is to hear.
    pub fn is_finished(&self) -> bool {
        matches!(self.state, State::Finished)
    }

    /// What it has heard so far.
    pub fn heard(&self) -> Heard {
        self.ear.judge()
    }

    fn step(&mut self, now: Instant) {
        match &self.state {
            State::Waiting { until } => {
                let settled = now >= self.began + SETTLE && self.ear.is_quiet(QUIET);
                if settled || now >= *until {
                    self.state = State::Speaking { tone: Tone::new(TONE_HZ, TONE) };
                    self.ear.begin();
                }
            }
            State::Speaking { tone } if tone.is_finished() => self.state = State::Listening { until: now + TAIL },
            State::Listening { until } if now >= *until || self.ear.has_heard_all() => self.state = State::Finished,
            State::Speaking { .. } | State::Listening { .. } | State::Finished => {}
        }
    }
}

#[cfg(test)]
mod tests;
