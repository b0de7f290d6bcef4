//! Opus at 48 kHz, one channel (RFC 6716, RFC 7587): any packet is decoded, voice is encoded.
//!
//! The coding itself is `opus-pure`'s; `docs/adr` says why. Here stand its limits, what its face leaves open, and what becomes of
//! packets that were lost.

mod packet;
mod parameters;

use opus_pure::{Application, Bandwidth, OpusDecoder, OpusEncoder, RateControl};

pub use self::parameters::{OpusBandwidth, OpusParameters};

use self::packet::Packet;
use super::Undecodable;
use crate::limits;

/// Samples per second, whatever a packet holds.
pub(crate) const RATE_HZ: u32 = 48_000;
/// Most samples of a packet, and most that are concealed at once.
const LONGEST: usize = 48 * limits::AUDIO_MILLISECONDS;
/// Lengths in samples that the decoder can conceal at a time: 20, 10, 5 and 2.5 ms.
const CONCEALED: [usize; 4] = [960, 480, 240, 120];
/// Lengths in samples that voice is encoded in: 10, 20, 40 and 60 ms.
const ENCODED: [usize; 4] = [480, 960, 1_920, 2_880];

/// From payloads to samples.
#[derive(Debug)]
pub(crate) struct Decoder {
    inner: OpusDecoder,
    /// Whether the last packet was CELT's alone: its decoder cannot begin with redundancy.
    celt: bool,
}

impl Decoder {
    /// A decoder in its first state.
    pub(crate) fn new() -> Option<Self> {
        let inner = OpusDecoder::new(RATE_HZ as i32, 1).ok()?;
        Some(Decoder { inner, celt: true })
    }

    pub(crate) fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) -> Result<(), Undecodable> {
        let packet = Packet::read(payload).ok_or(Undecodable)?;
        append(out, packet.samples(), |room| self.inner.decode_s16(payload, room.len(), room)).ok_or(Undecodable)?;
        self.celt = packet.is_celt();
        Ok(())
    }

    pub(crate) fn recover(&mut self, next: &[u8], samples: usize, out: &mut Vec<i16>) -> bool {
        let Some(packet) = Packet::read(next).filter(Packet::has_redundancy) else { return false };
        let redundant = packet.frame_samples();
        if self.celt || samples > LONGEST || samples < redundant {
            return false;
        }
        let before = out.len();
        // Only the last frame is there a second time.
        let done = (samples == redundant || self.conceal(samples - redundant, out))
            && append(out, redundant, |room| self.inner.decode_fec_s16(next, room.len(), room)).is_some();
        if !done {
            out.truncate(before);
        }
        done
    }

    pub(crate) fn conceal(&mut self, samples: usize, out: &mut Vec<i16>) -> bool {
        if samples == 0 || samples > LONGEST {
            return false;
        }
        let before = out.len();
        let end = before + samples;
        while out.len() < end {
            let left = end - out.len();
            let piece = CONCEALED.into_iter().find(|piece| *piece <= left).unwrap_or(CONCEALED[CONCEALED.len() - 1]);
            if append(out, piece, |room| self.inner.decode_s16(&[], room.len(), room)).is_none() {
                out.truncate(before);
                return false;
            }
        }
        out.truncate(end);
        true
    }
}

/// Appends what `decode` puts into a room for `samples` samples; nothing is appended when it fails.
fn append(
    out: &mut Vec<i16>,
    samples: usize,
    decode: impl FnOnce(&mut [i16]) -> opus_pure::Result<usize>,
) -> Option<()> {
    let before = out.len();
    out.resize(before + samples, 0);
    let made = out.get_mut(before..).and_then(|room| decode(room).ok());
    out.truncate(before + made.unwrap_or(0).min(samples));
    made.map(|_| ())
}

/// From samples to payloads.
#[derive(Debug)]
pub(crate) struct Encoder(OpusEncoder);

impl Encoder {
    /// An encoder in its first state.
    pub(crate) fn new(parameters: &OpusParameters) -> Option<Self> {
        let mut encoder = OpusEncoder::new(RATE_HZ as i32, 1, Application::Voip).ok()?;
        encoder.bitrate_bps = parameters.bitrate();
        encoder.rate_control = if parameters.constant_rate { RateControl::Cbr } else { RateControl::ConstrainedVbr };
        encoder.use_inband_fec = parameters.fec;
        encoder.use_dtx = parameters.dtx;
        encoder.packet_loss_perc = i32::from(parameters.expected_loss_percent.min(100));
        encoder.complexity = i32::from(parameters.complexity.min(10));
        encoder.max_bandwidth = match parameters.max_bandwidth {
            OpusBandwidth::Narrow => Bandwidth::Narrowband,
            OpusBandwidth::Medium => Bandwidth::Mediumband,
            OpusBandwidth::Wide => Bandwidth::Wideband,
            OpusBandwidth::SuperWide => Bandwidth::Superwideband,
            OpusBandwidth::Full => Bandwidth::Fullband,
        };
        Some(Encoder(encoder))
    }

    pub(crate) fn expect_loss(&mut self, percent: u8) {
        self.0.packet_loss_perc = i32::from(percent.min(100));
    }

    pub(crate) fn encode(&mut self, samples: &[i16], out: &mut [u8]) -> Option<usize> {
        if !ENCODED.contains(&samples.len()) {
            return None;
        }
        self.0.encode_s16(samples, samples.len(), out).ok()
    }
}
