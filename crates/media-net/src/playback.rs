//! Playback files: from a WAV file to what a G.711 leg plays.

mod decimate;
mod loader;

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use crate::limits::{MAX_FILE_BYTES, MAX_PLAYBACK};
use decimate::Decimator;
pub(crate) use loader::{Loaded, Loader, Ticket};

/// Samples per second on the wire of a G.711 call.
pub(crate) const RATE_HZ: u32 = 8_000;

/// Why a file cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum PlaybackError {
    /// The file cannot be opened.
    #[error("cannot read {0}")]
    Io(#[from] std::io::Error),
    /// The file is no WAV file, or a broken one.
    #[error("not a WAV file: {0}")]
    Wav(#[from] hound::Error),
    /// The path leads to a directory, a pipe or a device.
    #[error("not a regular file")]
    NotAFile,
    /// The file is a WAV file of a kind that is not played.
    #[error(
        "{rate_hz} Hz, {channels} channels, {bits} bits: wanted are 8000, 16000, 44100 or 48000 Hz, 1 or 2 channels, 16 bits"
    )]
    Format {
        /// Its samples per second.
        rate_hz: u32,
        /// Its channels.
        channels: u16,
        /// Bits of one sample.
        bits: u16,
    },
    /// The file is larger or longer than what is played.
    #[error("too long or too large")]
    TooLarge,
}

/// Reads a WAV file into 8 kHz mono samples. Takes as long as the disk does.
///
/// # Errors
/// The file cannot be read or is not of a kind that is played; see [`PlaybackError`].
pub fn load_wav(path: &Path) -> Result<Vec<i16>, PlaybackError> {
    // Looked at before opening: opening a pipe would wait for whoever writes to it.
    let about = std::fs::metadata(path)?;
    if !about.is_file() {
        return Err(PlaybackError::NotAFile);
    }
    if about.len() > MAX_FILE_BYTES {
        return Err(PlaybackError::TooLarge);
    }
    let mut reader = hound::WavReader::new(BufReader::with_capacity(1 << 16, File::open(path)?))?;
    let hound::WavSpec { channels, sample_rate, bits_per_sample, sample_format } = reader.spec();
    let playable = matches!(sample_rate, 8_000 | 16_000 | 44_100 | 48_000)
        && matches!(channels, 1 | 2)
        && (bits_per_sample, sample_format) == (16, hound::SampleFormat::Int);
    if !playable {
        return Err(PlaybackError::Format { rate_hz: sample_rate, channels, bits: bits_per_sample });
    }
    // The length that the header claims is judged, and nothing is reserved on its word.
    if u64::from(reader.duration()) > MAX_PLAYBACK.as_secs() * u64::from(sample_rate) {
        return Err(PlaybackError::TooLarge);
    }
    let mut decimator = Decimator::new(sample_rate);
    let mut samples = Vec::new();
    let mut incoming = reader.samples::<i16>();
    while let Some(first) = incoming.next() {
        let mono = match channels {
            1 => i32::from(first?),
            _ => (i32::from(first?) + i32::from(incoming.next().unwrap_or(Ok(0))?)) / 2,
        };
        decimator.push(mono as f32, &mut samples);
    }
    decimator.finish(&mut samples);
    samples.shrink_to_fit();
    Ok(samples)
}
