//! Audio codecs behind one face: payloads to samples and back.
//!
//! Samples are 16 bits linear, one channel. A codec has one sampling rate of its own, which is not always its RTP clock
//! (G.722 runs at 16 kHz under a clock of 8 kHz: RFC 3551, 4.5.2).

mod g722;
mod opus;

use thiserror::Error;

pub use self::opus::{OpusBandwidth, OpusParameters};

use crate::g711;
use crate::limits;
use crate::plan::Codec;

/// Longest payload of a codec with 8,000 bytes a second.
const LONGEST_BYTES: usize = 8 * limits::AUDIO_MILLISECONDS;

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
    G722(Box<g722::Decoder>),
    Opus(Box<opus::Decoder>),
}

impl Decoder {
    /// A decoder in its first state; nothing for a codec that is only passed through.
    pub fn new(codec: Codec) -> Option<Self> {
        match codec {
            Codec::Pcmu => Some(Decoder(Decoding::Pcmu)),
            Codec::Pcma => Some(Decoder(Decoding::Pcma)),
            Codec::G722 => Some(Decoder::g722()),
            Codec::Opus => Decoder::opus(),
            Codec::Other => None,
        }
    }

    /// A decoder of G.722 at 64 kbit/s.
    pub fn g722() -> Self {
        Decoder(Decoding::G722(Box::default()))
    }

    /// A decoder of Opus; two channels become one.
    pub fn opus() -> Option<Self> {
        Some(Decoder(Decoding::Opus(Box::new(opus::Decoder::new()?))))
    }

    /// Samples per second of what it makes.
    pub fn rate_hz(&self) -> u32 {
        match self.0 {
            Decoding::Pcmu | Decoding::Pcma => 8_000,
            Decoding::G722(_) => g722::RATE_HZ,
            Decoding::Opus(_) => opus::RATE_HZ,
        }
    }

    /// Appends the samples of a payload, at most 120 ms of them: a longer payload cannot be decoded.
    pub fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) -> Result<(), Undecodable> {
        if !matches!(self.0, Decoding::Opus(_)) && payload.len() > LONGEST_BYTES {
            return Err(Undecodable);
        }
        match &mut self.0 {
            Decoding::Pcmu => out.extend(payload.iter().map(|byte| g711::decode_pcmu(*byte))),
            Decoding::Pcma => out.extend(payload.iter().map(|byte| g711::decode_pcma(*byte))),
            Decoding::G722(decoder) => out.extend(payload.iter().flat_map(|byte| decoder.decode(*byte))),
            Decoding::Opus(decoder) => decoder.decode(payload, out)?,
        }
        Ok(())
    }

    /// Appends `samples` samples for the packet lost just before `next`, if `next` carries them a second time (Opus in-band FEC,
    /// RFC 6716, 2.1.7). `false`, and nothing appended, when it does not, or for more than 120 ms. `next` is decoded afterwards
    /// as ever.
    pub fn recover(&mut self, next: &[u8], samples: usize, out: &mut Vec<i16>) -> bool {
        match &mut self.0 {
            Decoding::Pcmu | Decoding::Pcma | Decoding::G722(_) => false,
            Decoding::Opus(decoder) => decoder.recover(next, samples, out),
        }
    }

    /// Appends `samples` samples in place of what was lost, in the codec's own manner. `false`, and nothing appended, when it
    /// has none, or for more than 120 ms at a time.
    pub fn conceal(&mut self, samples: usize, out: &mut Vec<i16>) -> bool {
        match &mut self.0 {
            Decoding::Pcmu | Decoding::Pcma | Decoding::G722(_) => false,
            Decoding::Opus(decoder) => decoder.conceal(samples, out),
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
    G722(Box<g722::Encoder>),
    Opus(Box<opus::Encoder>),
}

impl Encoder {
    /// An encoder in its first state, for a peer that says this about the codec (`a=fmtp`); nothing for a codec that is only
    /// passed through.
    pub fn new(codec: Codec, fmtp: Option<&str>) -> Option<Self> {
        match codec {
            Codec::Pcmu => Some(Encoder(Encoding::Pcmu)),
            Codec::Pcma => Some(Encoder(Encoding::Pcma)),
            Codec::G722 => Some(Encoder::g722()),
            Codec::Opus => Encoder::opus(OpusParameters::from_fmtp(fmtp.unwrap_or_default())),
            Codec::Other => None,
        }
    }

    /// An encoder of G.722 at 64 kbit/s. A last odd sample goes into the next payload.
    pub fn g722() -> Self {
        Encoder(Encoding::G722(Box::default()))
    }

    /// An encoder of Opus, for voice. With DTX, a payload of at most two bytes need not be sent.
    pub fn opus(parameters: OpusParameters) -> Option<Self> {
        Some(Encoder(Encoding::Opus(Box::new(opus::Encoder::new(&parameters)?))))
    }

    /// Samples per second of what it takes.
    pub fn rate_hz(&self) -> u32 {
        match self.0 {
            Encoding::Pcmu | Encoding::Pcma => 8_000,
            Encoding::G722(_) => g722::RATE_HZ,
            Encoding::Opus(_) => opus::RATE_HZ,
        }
    }

    /// Tells what the other side loses of what is sent, in percent. Opus alone makes something of it.
    pub fn expect_loss(&mut self, percent: u8) {
        match &mut self.0 {
            Encoding::Pcmu | Encoding::Pcma | Encoding::G722(_) => {}
            Encoding::Opus(encoder) => encoder.expect_loss(percent),
        }
    }

    /// Writes the payload of one packet and tells its length; `None` when there is no room for it, or when the codec has no frame
    /// of that many samples (Opus: 10, 20, 40 or 60 ms).
    pub fn encode(&mut self, samples: &[i16], out: &mut [u8]) -> Option<usize> {
        match &mut self.0 {
            Encoding::Pcmu => companded(samples, out, g711::encode_pcmu),
            Encoding::Pcma => companded(samples, out, g711::encode_pcma),
            Encoding::G722(encoder) => encoder.encode(samples, out),
            Encoding::Opus(encoder) => encoder.encode(samples, out),
        }
    }
}

fn companded(samples: &[i16], out: &mut [u8], law: fn(i16) -> u8) -> Option<usize> {
    let out = out.get_mut(..samples.len())?;
    for (byte, sample) in out.iter_mut().zip(samples) {
        *byte = law(*sample);
    }
    Some(samples.len())
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
