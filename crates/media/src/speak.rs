//! From samples to packets: 20 ms are taken at a time, at whatever rate they have, and come out in packets of the length that the
//! peer asked for.

use crate::codec::Encoder;
use crate::resample::Resampler;

/// One packet that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Length of its payload.
    pub len: usize,
    /// How far the timestamp of the next packet is from this one's.
    pub timestamp_step: u32,
}

/// Speaks to one leg.
#[derive(Debug)]
pub struct Speaker {
    encoder: Encoder,
    resampler: Resampler,
    /// What is not sent yet, at the rate of the codec.
    ready: Vec<i16>,
    /// Samples of a packet.
    frame: usize,
    timestamp_step: u32,
}

impl Speaker {
    /// A speaker that takes `in_hz` samples per second, for a codec whose timestamps count `clock_hz`. Packets last 10, 20, 40 or
    /// 60 ms: the longest of these that is not longer than `ptime_ms`. (30 ms, which Opus does not have, are made for other codecs.)
    pub fn new(encoder: Encoder, in_hz: u32, clock_hz: u32, ptime_ms: u16) -> Option<Self> {
        let opus = encoder.rate_hz() == 48_000;
        let ptime_ms = match ptime_ms {
            0 | 20..30 => 20,
            1..20 => 10,
            30..40 if opus => 20,
            30..40 => 30,
            40..60 => 40,
            60.. => 60,
        };
        Some(Speaker {
            resampler: Resampler::new(in_hz, encoder.rate_hz())?,
            frame: (encoder.rate_hz() * ptime_ms / 1_000) as usize,
            timestamp_step: clock_hz * ptime_ms / 1_000,
            ready: Vec::new(),
            encoder,
        })
    }

    /// Takes a block. Those that nobody fetches are forgotten, the oldest first.
    pub fn push(&mut self, block: &[i16]) {
        self.resampler.push(block, &mut self.ready);
        let most = self.frame * 4 + block.len() * 8;
        if self.ready.len() > most {
            let over = self.ready.len() - most;
            self.ready.drain(..over);
        }
    }

    /// Writes the payload of the next packet that is complete; what does not fit waits for more room.
    pub fn packet(&mut self, out: &mut [u8]) -> Option<Frame> {
        let samples = self.ready.get(..self.frame)?;
        let len = self.encoder.encode(samples, out)?;
        self.ready.drain(..self.frame);
        Some(Frame { len, timestamp_step: self.timestamp_step })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Codec;

    #[test]
    fn packets_have_the_length_that_was_asked_for() {
        let cases = [
            (Codec::Pcmu, 20, 160, 160),
            (Codec::Pcmu, 10, 80, 80),
            (Codec::Pcma, 30, 240, 240),
            (Codec::Pcma, 60, 480, 480),
            (Codec::G722, 20, 160, 160),
            (Codec::G722, 200, 480, 480),
            (Codec::Pcmu, 0, 160, 160),
            (Codec::Pcmu, 25, 160, 160),
        ];
        for (codec, ptime_ms, len, timestamp_step) in cases {
            let encoder = Encoder::new(codec, None).expect("a codec");
            let mut speaker = Speaker::new(encoder, 16_000, 8_000, ptime_ms).expect("a speaker");
            let mut frames = Vec::new();
            for _ in 0..6 {
                speaker.push(&[100; 320]);
                frames.extend(std::iter::from_fn(|| speaker.packet(&mut [0; 1_000])));
            }
            assert!(
                frames.iter().all(|frame| *frame == Frame { len, timestamp_step }),
                "{codec:?} {ptime_ms}: {frames:?}"
            );
            assert_eq!(frames.len(), 960 / len, "{codec:?} {ptime_ms}");
        }
    }

    #[test]
    fn opus_has_no_packets_of_30_ms() {
        let encoder = Encoder::new(Codec::Opus, None).expect("a codec");
        let mut speaker = Speaker::new(encoder, 48_000, 48_000, 30).expect("a speaker");
        speaker.push(&[0; 960]);
        assert_eq!(speaker.packet(&mut [0; 1_000]).map(|frame| frame.timestamp_step), Some(960));
    }

    #[test]
    fn what_nobody_fetches_is_forgotten_and_what_does_not_fit_waits() {
        let encoder = Encoder::new(Codec::Pcmu, None).expect("a codec");
        let mut speaker = Speaker::new(encoder, 8_000, 8_000, 20).expect("a speaker");
        for _ in 0..1_000 {
            speaker.push(&[0; 160]);
        }
        assert!(speaker.ready.len() <= 160 * 12);
        assert_eq!(speaker.packet(&mut [0; 10]), None);
        assert!(speaker.packet(&mut [0; 160]).is_some());
        assert!(Speaker::new(Encoder::new(Codec::Pcmu, None).expect("a codec"), 11_025, 8_000, 20).is_none());
    }
}
