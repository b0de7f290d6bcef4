//! WAV files (RIFF, 16-bit PCM) that can be read at any moment of their making.
//!
//! The header is written anew, behind the samples that it counts: whatever a crash leaves, it claims no sample that is not there.

use std::io;

use super::medium::{Medium, append};
use super::{Container, Layout};
use crate::limits::WRITE_BUFFER_BYTES;

/// Bytes before the first sample.
pub(super) const HEADER_BYTES: usize = 44;

/// The most bytes of samples that a header can count, in whole frames of both layouts.
pub(super) const MAX_DATA_BYTES: u64 = u32::MAX as u64 / 64 * 64 - 64;

pub(super) struct Wav<M> {
    medium: M,
    rate_hz: u32,
    layout: Layout,
    /// Where the next bytes go.
    end: u64,
    buffer: Vec<u8>,
}

impl<M: Medium> Wav<M> {
    /// An empty file, which is a valid one.
    pub(super) fn create(mut medium: M, rate_hz: u32, layout: Layout) -> io::Result<Wav<M>> {
        let mut end = 0;
        append(&mut medium, &mut end, &header(rate_hz, layout, 0))?;
        Ok(Wav { medium, rate_hz, layout, end, buffer: Vec::with_capacity(WRITE_BUFFER_BYTES) })
    }

    fn flush(&mut self) -> io::Result<()> {
        let before = self.end;
        let written = append(&mut self.medium, &mut self.end, &self.buffer);
        self.buffer.drain(..(self.end - before) as usize);
        written
    }

    /// Bytes of whole frames on the medium.
    fn data_bytes(&self) -> u64 {
        let data = self.end.saturating_sub(HEADER_BYTES as u64);
        data - data % self.layout.frame_bytes()
    }

    fn count(&mut self) -> io::Result<()> {
        let header = header(self.rate_hz, self.layout, self.data_bytes());
        append(&mut self.medium, &mut 0, &header)
    }
}

impl<M: Medium> Container for Wav<M> {
    fn append(&mut self, samples: &[i16]) -> io::Result<()> {
        self.buffer.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
        if self.buffer.len() >= WRITE_BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    fn settle(&mut self) -> io::Result<()> {
        self.flush()?;
        self.count()
    }

    fn close(&mut self) -> io::Result<()> {
        self.settle()
    }

    fn salvage(&mut self) -> io::Result<u64> {
        let data = self.data_bytes();
        self.medium.cut(HEADER_BYTES as u64 + data)?;
        self.count()?;
        Ok(data / self.layout.frame_bytes())
    }
}

pub(super) fn header(rate_hz: u32, layout: Layout, data_bytes: u64) -> [u8; HEADER_BYTES] {
    let data_bytes = u32::try_from(data_bytes).unwrap_or(u32::MAX - 36);
    let frame_bytes = layout.frame_bytes() as u16;
    let mut header = [0; HEADER_BYTES];
    let fields: [&[u8]; 13] = [
        b"RIFF",
        &(data_bytes + 36).to_le_bytes(),
        b"WAVE",
        b"fmt ",
        &16_u32.to_le_bytes(),
        &1_u16.to_le_bytes(),
        &(layout.channels() as u16).to_le_bytes(),
        &rate_hz.to_le_bytes(),
        &(rate_hz * u32::from(frame_bytes)).to_le_bytes(),
        &frame_bytes.to_le_bytes(),
        &16_u16.to_le_bytes(),
        b"data",
        &data_bytes.to_le_bytes(),
    ];
    for (place, byte) in header.iter_mut().zip(fields.into_iter().flatten()) {
        *place = *byte;
    }
    header
}

/// The rate and the layout of a file that was begun here; nothing for another one.
pub(super) fn read_header(header: &[u8; HEADER_BYTES]) -> Option<(u32, Layout)> {
    let [.., low, high] = *header.first_chunk::<24>()?;
    let layout = match u16::from_le_bytes([low, high]) {
        1 => Layout::Mixed,
        2 => Layout::Sides,
        _ => return None,
    };
    let rate_hz = u32::from_le_bytes(*header.get(24..)?.first_chunk()?);
    let mut ours = self::header(rate_hz, layout, 0);
    // All but the two lengths must be what we write.
    for lengths in [4..8, 40..44] {
        ours.get_mut(lengths.clone())?.copy_from_slice(header.get(lengths)?);
    }
    ((8_000..=48_000).contains(&rate_hz) && ours == *header).then_some((rate_hz, layout))
}
