//! Opus packets for recordings, by the codec that calls have.

use media::codec::{Encoder, OpusBandwidth, OpusParameters};

use super::{Layout, PacketEncoder};
use crate::playback::Resampler;

/// What an encoder for voice looks ahead, in samples of 48 kHz: 6.5 ms.
const LOOK_AHEAD: u16 = 312;

/// The largest packet (RFC 6716, 3.2.1).
const MAX_PACKET_BYTES: usize = 1_275;

/// Samples of 20 ms at the rate of Opus.
const PACKET_SAMPLES: usize = 960;

/// Encoders for a recording of this rate, one for each channel, at so many bits per second each. Nothing when the codec
/// refuses.
pub fn opus(rate_hz: u32, layout: Layout, bitrate_bps: u32) -> Option<Vec<Box<dyn PacketEncoder>>> {
    let voice = || Voice::new(rate_hz, bitrate_bps).map(|voice| Box::new(voice) as Box<dyn PacketEncoder>);
    (0..layout.channels()).map(|_| voice()).collect()
}

struct Voice {
    encoder: Encoder,
    resampler: Resampler,
    input: Vec<f32>,
    /// At 48 kHz, not encoded yet.
    ready: Vec<i16>,
    delay: u16,
}

impl Voice {
    fn new(rate_hz: u32, bitrate_bps: u32) -> Option<Voice> {
        let max_bandwidth = match rate_hz {
            ..=8_000 => OpusBandwidth::Narrow,
            8_001..=16_000 => OpusBandwidth::Wide,
            16_001.. => OpusBandwidth::Full,
        };
        let parameters = OpusParameters { bitrate_bps, max_bandwidth, ..OpusParameters::default() };
        let encoder = Encoder::opus(parameters)?;
        let resampler = Resampler::new(rate_hz, encoder.rate_hz());
        // The filter holds back what it has not heard the end of.
        let held = resampler.held();
        let delay = LOOK_AHEAD + u16::try_from(held).ok()?;
        Some(Voice { encoder, resampler, input: Vec::new(), ready: vec![0; held], delay })
    }
}

impl PacketEncoder for Voice {
    fn encode(&mut self, samples: &[i16], packet: &mut Vec<u8>) -> bool {
        self.input.clear();
        self.input.extend(samples.iter().map(|sample| f32::from(*sample)));
        self.resampler.push(&self.input, &mut self.ready);
        let mut payload = [0; MAX_PACKET_BYTES];
        let Some(frame) = self.ready.get(..PACKET_SAMPLES) else { return false };
        let Some(length) = self.encoder.encode(frame, &mut payload) else { return false };
        packet.extend_from_slice(payload.get(..length).unwrap_or_default());
        self.ready.drain(..PACKET_SAMPLES);
        length > 0
    }

    fn delay(&self) -> u16 {
        self.delay
    }
}
