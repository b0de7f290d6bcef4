//! A look at the setup of a Vorbis stream before it is decoded.
//!
//! A codebook of a few bytes can describe megabytes of values, and a stream may have hundreds of them (Vorbis I, 3.2.1).
//! The decoder bounds each one, not their sum; here the sum is bounded.

use super::PlaybackError;
use crate::limits::{MAX_VORBIS_HEADER_BYTES, MAX_VORBIS_VALUES};

/// What every codebook begins with, in 24 bits: the letters BCV.
const SYNC: u64 = 0x56_43_42;

/// The largest codebook that the decoder takes; a larger one is refused there.
const MAX_DIMENSIONS: u64 = 32;
const MAX_ENTRIES: u64 = 128 * 1_024;

/// Sums up all that looks like a codebook, at whatever bit it begins: none can hide, and that chance makes one up which is large
/// and still small enough for the decoder happens once in millions of files.
pub(super) fn check(headers: &[u8]) -> Result<(), PlaybackError> {
    if headers.len() > MAX_VORBIS_HEADER_BYTES {
        return Err(PlaybackError::Broken("its Vorbis header is too long".into()));
    }
    // The next 64 bits at each place, the first one lowest: sync (24), dimensions (16), entries (24).
    let bits = headers.iter().flat_map(|byte| (0..8).map(move |bit| u64::from(byte >> bit & 1)));
    let (mut next, mut values) = (0_u64, 0);
    for bit in bits {
        next = next >> 1 | bit << 63;
        let (dimensions, entries) = (next >> 24 & 0xffff, next >> 40);
        if next & 0xff_ff_ff == SYNC && dimensions <= MAX_DIMENSIONS && entries <= MAX_ENTRIES {
            values += (dimensions + 1) * entries;
        }
    }
    if values > MAX_VORBIS_VALUES {
        return Err(PlaybackError::Broken("its Vorbis codebooks are too large".into()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A codebook's first fields, after `offset` bits of something else.
    fn codebook(offset: u32, dimensions: u128, entries: u128) -> Vec<u8> {
        let bits = u128::from(SYNC) | dimensions << 24 | entries << 40;
        (bits << offset).to_le_bytes().to_vec()
    }

    #[test]
    fn codebooks_are_found_at_every_bit_and_summed() {
        for offset in 0..8 {
            let large = codebook(offset, 32, 128 * 1_024);
            assert!(check(&large).is_err(), "{offset}");
            let usual = codebook(offset, 4, 625);
            assert!(check(&usual.repeat(60)).is_ok(), "{offset}");
            let many = codebook(offset, 8, 16 * 1_024).repeat(64);
            assert!(check(&many).is_err(), "{offset}");
        }
    }

    #[test]
    fn a_header_too_long_to_be_looked_at_is_refused() {
        assert!(check(&vec![0; MAX_VORBIS_HEADER_BYTES]).is_ok());
        assert!(check(&vec![0; MAX_VORBIS_HEADER_BYTES + 1]).is_err());
        assert!(check(&[]).is_ok());
    }
}
