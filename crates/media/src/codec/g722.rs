//! G.722 at 64 kbit/s (ITU-T G.722, mode 1): 16 kHz samples, one byte for every two of them.
//!
//! A pair of quadrature mirror filters (3.1 and 4.4) splits the sound at 4 kHz; each half, at 8 kHz, is coded by adaptive
//! differential PCM ([`band`]), the lower with six bits and the upper with two.

mod band;
mod tables;

use band::{Higher, Lower};

/// Samples per second.
pub(crate) const RATE_HZ: u32 = 16_000;
/// Taps of the filters, and samples that they look back on.
const TAPS: usize = 24;
/// Taps of one phase of the filters.
const PHASE: usize = TAPS / 2;

/// Coefficients of the filters that meet the samples of one phase, times 2^13 (Table 11). Those of the other phase are the same
/// in reverse.
const FILTER: [i32; PHASE] = [3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11];

/// From samples to bytes.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    /// The later and the earlier sample of each pair, oldest pair first.
    later: Past,
    earlier: Past,
    lower: Lower,
    higher: Higher,
    /// Sample whose pair has not come yet.
    odd: Option<i16>,
}

impl Encoder {
    /// Writes a byte for every two samples and tells how many; `None`, and nothing taken, when there is no room. A sample without
    /// a pair waits for the next call.
    pub(crate) fn encode(&mut self, samples: &[i16], out: &mut [u8]) -> Option<usize> {
        let bytes = (samples.len() + usize::from(self.odd.is_some())) / 2;
        let out = out.get_mut(..bytes)?;
        let mut samples = self.odd.take().into_iter().chain(samples.iter().copied());
        for byte in out {
            if let (Some(earlier), Some(later)) = (samples.next(), samples.next()) {
                *byte = self.encode_pair(earlier, later);
            }
        }
        self.odd = samples.next();
        Some(bytes)
    }

    fn encode_pair(&mut self, earlier: i16, later: i16) -> u8 {
        self.earlier.push(earlier.into());
        self.later.push(later.into());
        // The filter is symmetric: its even coefficients are its odd ones in reverse.
        let even = self.later.filtered_backwards();
        let odd = self.earlier.filtered();
        let lower = self.lower.encode((even + odd) >> 14);
        let higher = self.higher.encode((even - odd) >> 14);
        higher << 6 | lower
    }
}

/// From bytes to samples.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    sum: Past,
    difference: Past,
    lower: Lower,
    higher: Higher,
}

impl Decoder {
    /// The two samples of a byte.
    pub(crate) fn decode(&mut self, byte: u8) -> [i16; 2] {
        let lower = self.lower.decode(byte & 0x3f);
        let higher = self.higher.decode(byte >> 6);
        self.sum.push(lower + higher);
        self.difference.push(lower - higher);
        [self.difference.filtered_backwards(), self.sum.filtered()].map(|sample| tables::word(sample >> 11) as i16)
    }
}

/// The last values of one phase of a filter.
#[derive(Debug, Default)]
struct Past([i32; PHASE]);

impl Past {
    fn push(&mut self, value: i32) {
        self.0.copy_within(1.., 0);
        self.0[PHASE - 1] = value;
    }

    fn filtered(&self) -> i32 {
        self.0.iter().zip(FILTER).map(|(value, tap)| value * tap).sum()
    }

    fn filtered_backwards(&self) -> i32 {
        self.0.iter().rev().zip(FILTER).map(|(value, tap)| value * tap).sum()
    }
}
