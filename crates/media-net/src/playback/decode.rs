//! From packets to samples, within limits.

use std::sync::Arc;
use std::time::Instant;

use symphonia::core::errors::Error;

use super::container::{Bytes, Opened, blame, is_playable, open};
use super::resample::Resampler;
use super::{PlaybackError, Rate};
use crate::limits::{MAX_BAD_PACKETS, MAX_DECODING, MAX_PLAYBACK};

/// Full scale of 16 bits; decoders count from −1 to 1.
const FULL_SCALE: f32 = 32_768.0;

/// A file that breaks off is played as far as it goes.
pub(super) fn decode(bytes: impl Bytes, rate: Rate) -> Result<Arc<[i16]>, PlaybackError> {
    let give_up_at = Instant::now() + MAX_DECODING;
    let Opened { mut packets, mut decoder, track } = open(bytes)?;
    let mut sound = Sound { to: rate, resampling: None, frames: 0, mono: Vec::new(), samples: Vec::new() };
    let mut interleaved: Vec<f32> = Vec::new();
    let mut fault = None;
    let mut bad = 0;
    loop {
        if Instant::now() > give_up_at {
            return Err(PlaybackError::TooSlow);
        }
        let packet = match packets.next_packet() {
            Ok(Some(packet)) => packet,
            Ok(None) => break,
            Err(error) => {
                fault = Some(blame(error));
                break;
            }
        };
        if packet.track_id != track {
            continue;
        }
        match decoder.decode(&packet, &mut interleaved) {
            Ok((rate_hz, channels)) => sound.add(rate_hz, channels, &interleaved)?,
            // One bad packet is a short gap; a file of nothing else is no sound.
            Err(Error::DecodeError(what)) => {
                bad += 1;
                fault = Some(PlaybackError::Broken(what.into()));
                if bad > MAX_BAD_PACKETS {
                    break;
                }
            }
            Err(error) => {
                fault = Some(blame(error));
                break;
            }
        }
    }
    match (sound.finish(), fault) {
        (samples, Some(fault)) if samples.is_empty() => Err(fault),
        (samples, None) if samples.is_empty() => Err(PlaybackError::Empty),
        (samples, _) => Ok(samples.into()),
    }
}

/// What has been decoded so far.
struct Sound {
    to: Rate,
    /// From the first packet on.
    resampling: Option<Resampling>,
    frames: u64,
    mono: Vec<f32>,
    samples: Vec<i16>,
}

struct Resampling {
    from_hz: u32,
    resampler: Resampler,
}

impl Sound {
    fn add(&mut self, rate_hz: u32, channels: usize, interleaved: &[f32]) -> Result<(), PlaybackError> {
        if !is_playable(rate_hz, channels) {
            return Err(PlaybackError::Format { rate_hz, channels });
        }
        let resampling = self
            .resampling
            .get_or_insert_with(|| Resampling { from_hz: rate_hz, resampler: Resampler::new(rate_hz, self.to.hz()) });
        if resampling.from_hz != rate_hz {
            return Err(PlaybackError::Broken("its sample rate changes".into()));
        }
        self.frames += (interleaved.len() / channels) as u64;
        if self.frames > MAX_PLAYBACK.as_secs() * u64::from(rate_hz) {
            return Err(PlaybackError::TooLarge);
        }
        let mix = |frame: &[f32]| frame.iter().sum::<f32>() * FULL_SCALE / channels as f32;
        self.mono.clear();
        self.mono.extend(interleaved.chunks_exact(channels).map(mix));
        resampling.resampler.push(&self.mono, &mut self.samples);
        Ok(())
    }

    fn finish(mut self) -> Vec<i16> {
        if let Some(resampling) = &mut self.resampling {
            resampling.resampler.finish(&mut self.samples);
        }
        self.samples
    }
}
