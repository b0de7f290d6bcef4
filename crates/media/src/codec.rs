//! Audio codecs behind one face: payloads to samples and back.
//!
//! Samples are 16 bits linear, one channel. A codec has one sampling rate of its own, which is not always its RTP clock
//! (G.722 runs at 16 kHz under a clock of 8 kHz: RFC 3551, 4.5.2).

use thiserror::Error;

use crate::g711;
use crate::plan::Codec;

/// A payload that its codec cannot have made. What stands for it is concealment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the payload cannot be decoded")]
pub struct Undecodable;

/// Samples per second of a codec; nothing for one that is only passed through.
pub fn rate_hz(codec: Codec) -> Option<u32> {
    match codec {
        Codec::Pcmu | Codec::Pcma => Some(8_000),
        Codec::G722 => Some(16_000),
        Codec::Opus => Some(48_000),
        Codec::Other => None,
    }
}

/// What the timestamps of a codec count per second (G.722's count 8000 by an old mistake: RFC 3551, 4.5.2).
pub fn clock_hz(codec: Codec) -> u32 {
    match codec {
        Codec::Opus => 48_000,
        Codec::Pcmu | Codec::Pcma | Codec::G722 | Codec::Other => 8_000,
    }
}

/// From payloads to samples.
#[derive(Debug)]
pub struct Decoder(Decoding);

#[derive(Debug)]
enum Decoding {
    Pcmu,
    Pcma,
}

impl Decoder {
    /// A decoder in its first state; nothing for a codec that is only passed through.
    pub fn new(codec: Codec) -> Option<Self> {
        match codec {
            Codec::Pcmu => Some(Decoder(Decoding::Pcmu)),
            Codec::Pcma => Some(Decoder(Decoding::Pcma)),
            Codec::G722 | Codec::Opus | Codec::Other => None,
        }
    }

    /// Samples per second of what it makes.
    pub fn rate_hz(&self) -> u32 {
        match self.0 {
            Decoding::Pcmu | Decoding::Pcma => 8_000,
        }
    }

    /// Appends the samples of a payload, at most 120 ms of them.
    pub fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) -> Result<(), Undecodable> {
        match &self.0 {
            Decoding::Pcmu => out.extend(payload.iter().map(|byte| g711::decode_pcmu(*byte))),
            Decoding::Pcma => out.extend(payload.iter().map(|byte| g711::decode_pcma(*byte))),
        }
        Ok(())
    }

    /// Appends `samples` samples for the packet lost just before `next`, if `next` carries them a second time (Opus in-band FEC,
    /// RFC 6716, 2.1.7). `false`, and nothing appended, when it does not.
    pub fn recover(&mut self, _next: &[u8], _samples: usize, _out: &mut Vec<i16>) -> bool {
        match &self.0 {
            Decoding::Pcmu | Decoding::Pcma => false,
        }
    }

    /// Appends `samples` samples in place of what was lost, in the codec's own manner. `false`, and nothing appended, when it
    /// has none.
    pub fn conceal(&mut self, _samples: usize, _out: &mut Vec<i16>) -> bool {
        match &self.0 {
            Decoding::Pcmu | Decoding::Pcma => false,
        }
    }
}

/// From samples to payloads.
#[derive(Debug)]
pub struct Encoder(Encoding);

#[derive(Debug)]
enum Encoding {
    Pcmu,
    Pcma,
}

impl Encoder {
    /// An encoder in its first state; nothing for a codec that is only passed through.
    pub fn new(codec: Codec, _fmtp: Option<&str>) -> Option<Self> {
        match codec {
            Codec::Pcmu => Some(Encoder(Encoding::Pcmu)),
            Codec::Pcma => Some(Encoder(Encoding::Pcma)),
            Codec::G722 | Codec::Opus | Codec::Other => None,
        }
    }

    /// Samples per second of what it takes.
    pub fn rate_hz(&self) -> u32 {
        match self.0 {
            Encoding::Pcmu | Encoding::Pcma => 8_000,
        }
    }

    /// Writes the payload of one packet and tells its length; `None` when there is no room for it, or when the codec has no frame
    /// of that many samples (Opus: 10, 20, 40 or 60 ms).
    pub fn encode(&mut self, samples: &[i16], out: &mut [u8]) -> Option<usize> {
        let law = match self.0 {
            Encoding::Pcmu => g711::encode_pcmu,
            Encoding::Pcma => g711::encode_pcma,
        };
        let out = out.get_mut(..samples.len())?;
        for (byte, sample) in out.iter_mut().zip(samples) {
            *byte = law(*sample);
        }
        Some(samples.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_g711_encodes_comes_back_nearly_unchanged() {
        for codec in [Codec::Pcmu, Codec::Pcma] {
            let samples: Vec<i16> = (0..160).map(|n: i16| (n - 80) * 300).collect();
            let mut payload = [0; 160];
            let mut encoder = Encoder::new(codec, None).unwrap();
            assert_eq!(encoder.encode(&samples, &mut payload), Some(160));
            let mut back = Vec::new();
            Decoder::new(codec).unwrap().decode(&payload, &mut back).unwrap();
            for (sample, heard) in samples.iter().zip(back) {
                assert!((i32::from(*sample) - i32::from(heard)).abs() <= i32::from(sample.unsigned_abs()) / 16 + 16);
            }
        }
    }

    #[test]
    fn a_codec_that_is_only_passed_through_has_neither() {
        assert!(Decoder::new(Codec::Other).is_none() && Encoder::new(Codec::Other, None).is_none());
    }
}
