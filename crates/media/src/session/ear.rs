//! How we hear a leg ourselves: its packets become a block of samples every 20 ms.

use std::time::Instant;

use crate::codec::Decoder;
use crate::limits;
use crate::listen::Listener;
use crate::plan::Codec;
use crate::rtp::Header;

/// Samples of the longest block: 20 ms at 48 kHz.
pub(super) const BLOCK: usize = 960;

/// Hears one leg.
#[derive(Debug)]
pub(super) struct Ear {
    codec: Codec,
    out_hz: u32,
    listener: Listener,
    heard_at: Instant,
}

impl Ear {
    /// An ear for a codec whose RTP clock runs at `clock_hz`, that makes blocks of `out_hz`; nothing for a codec that we cannot
    /// read.
    pub(super) fn new(now: Instant, codec: Codec, clock_hz: u32, out_hz: u32, seed: u64) -> Option<Self> {
        let listener = Listener::new(Decoder::new(codec)?, clock_hz, out_hz, seed)?;
        Some(Ear { codec, out_hz, listener, heard_at: now })
    }

    pub(super) fn fits(&self, codec: Codec, out_hz: u32) -> bool {
        (self.codec, self.out_hz) == (codec, out_hz)
    }

    /// The codec that it hears.
    pub(super) fn codec(&self) -> Codec {
        self.codec
    }

    /// Samples per second of its blocks.
    pub(super) fn rate_hz(&self) -> u32 {
        self.out_hz
    }

    /// Whether nothing has come for so long that nobody needs it any more.
    pub(super) fn is_forgotten(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.heard_at) > limits::EAR
    }

    pub(super) fn receive(&mut self, now: Instant, header: &Header, payload: &[u8]) {
        self.heard_at = now;
        let Header { ssrc, sequence, timestamp, .. } = *header;
        self.listener.receive(now, ssrc, sequence, timestamp, payload);
    }

    /// The speaker keeps silent, and says how that sounds.
    pub(super) fn comfort_noise(&mut self, now: Instant, header: &Header, payload: &[u8]) {
        self.heard_at = now;
        let Header { ssrc, sequence, timestamp, .. } = *header;
        self.listener.comfort_noise(now, ssrc, sequence, timestamp, payload);
    }

    /// What was said last is not to be heard.
    pub(super) fn hush(&mut self) {
        self.listener.hush();
    }

    /// The next 20 ms, at the start of `room`.
    pub(super) fn block<'a>(&mut self, now: Instant, room: &'a mut [i16; BLOCK]) -> &'a [i16] {
        let len = (self.out_hz as usize / 50).min(BLOCK);
        let block = &mut room[..len];
        let _ = self.listener.tick(now, block);
        block
    }
}
