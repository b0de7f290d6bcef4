//! Ogg Opus by the codec that calls have (RFC 7845): one stream, of one channel or two.

use media::codec;
use symphonia::core::errors::Error;
use symphonia::core::packet::Packet;

use super::PlaybackError;

/// Full scale of 16 bits; decoders count from −1 to 1.
const FULL_SCALE: f32 = 32_768.0;

pub(super) struct Opus {
    decoder: codec::Decoder,
    gain: f32,
    /// Samples before the first one that is heard; the demuxer leaves them to us, and takes those behind the last one away.
    skip: usize,
    samples: Vec<i16>,
}

impl Opus {
    /// From the identification header (RFC 7845, 5.1).
    pub(super) fn new(head: &[u8]) -> Result<Opus, PlaybackError> {
        let head = head.first_chunk::<19>().ok_or_else(|| broken("its header is too short"))?;
        let [.., skip_low, skip_high, _, _, _, _, low, high, family] = head;
        if *family != 0 {
            return Err(PlaybackError::Encoding("Opus of several streams".into()));
        }
        let decoder = codec::Decoder::opus().ok_or_else(|| broken("no decoder could be had"))?;
        // In 1/256 dB.
        let gain_db = f32::from(i16::from_le_bytes([*low, *high])) / 256.0;
        let skip = usize::from(u16::from_le_bytes([*skip_low, *skip_high]));
        Ok(Opus { decoder, gain: 10.0_f32.powf(gain_db / 20.0) / FULL_SCALE, skip, samples: Vec::new() })
    }

    pub(super) fn rate_hz(&self) -> u32 {
        self.decoder.rate_hz()
    }

    /// One channel, without what the encoder put before the first sample and behind the last.
    pub(super) fn decode(&mut self, packet: &Packet, mono: &mut Vec<f32>) -> Result<(), Error> {
        self.samples.clear();
        mono.clear();
        let decoded = self.decoder.decode(&packet.data, &mut self.samples);
        decoded.map_err(|_| Error::DecodeError("opus: a packet that cannot be decoded"))?;
        let end = self.samples.len().saturating_sub(usize::try_from(packet.trim_end.get()).unwrap_or(usize::MAX));
        let start = self.skip.min(end);
        self.skip -= start;
        let heard = self.samples.get(start..end).unwrap_or_default();
        mono.extend(heard.iter().map(|sample| f32::from(*sample) * self.gain));
        Ok(())
    }
}

fn broken(what: &str) -> PlaybackError {
    PlaybackError::Broken(what.into())
}
