//! Playback files: from a sound file, on disk or on the web, to what a leg plays.
//!
//! ```text
//! file ─┐                ┌ symphonia ┐    mix to one     filter to the
//! URL ──┴▶ what is it? ─▶│ unpack,   │──▶ channel   ──▶ rate asked for ──▶ Arc<[i16]>
//!          (first bytes) └ decode    ┘
//! ```
//!
//! All of it happens on threads of its own (`loader`), within the limits of size, time and memory in `limits`.

mod container;
mod decode;
mod fetch;
mod loader;
mod opus;
mod resample;
mod vorbis;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use crate::limits::{MAX_FILE_BYTES, MAX_PLAYBACK};
pub use fetch::{Allowed, FetchError, FetchPolicy, NotAllowable};
pub(crate) use loader::{Loaded, Loader, Source, Ticket};
pub(crate) use resample::Resampler;

/// Samples per second of what is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// 8 kHz: what G.711 carries.
    Narrow,
    /// 16 kHz: what G.722 carries.
    Wide,
    /// 48 kHz: what Opus carries.
    Full,
}

impl Rate {
    /// In samples per second.
    pub fn hz(self) -> u32 {
        match self {
            Rate::Narrow => 8_000,
            Rate::Wide => 16_000,
            Rate::Full => 48_000,
        }
    }
}

/// Why a file cannot be played, and what to do about it. One line each.
#[derive(Debug, thiserror::Error)]
pub enum PlaybackError {
    /// The file cannot be opened or read.
    #[error("cannot be read ({0}): check that the file exists and that YakYak may read it")]
    Io(#[from] std::io::Error),
    /// The path leads to a directory, a pipe or a device.
    #[error("not a regular file: name a WAV, MP3, Ogg (Vorbis or Opus) or FLAC file")]
    NotAFile,
    /// The first bytes are those of no kind of file that is played.
    #[error("neither WAV, MP3, Ogg (Vorbis or Opus) nor FLAC: convert it to one of them")]
    Unknown,
    /// A container that is played, with an encoding inside that is not.
    #[error("{0} is not played: convert the file to 16-bit WAV, MP3, Ogg (Vorbis or Opus) or FLAC")]
    Encoding(String),
    /// The file contradicts itself, or ends before its sound begins.
    #[error("a broken file ({0}): make it again from its source")]
    Broken(String),
    /// The sound is of a kind that is not played.
    #[error("{rate_hz} Hz with {channels} channels: convert it to 8000 to 48000 Hz with one or two channels")]
    Format {
        /// Its samples per second.
        rate_hz: u32,
        /// Its channels.
        channels: usize,
    },
    /// A good file in which there is no sample.
    #[error("no sound in the file: make it again from its source")]
    Empty,
    /// The file is larger or longer than what is played.
    #[error(
        "larger than {} MB or longer than {} s: shorten it, or save it as MP3, Ogg (Vorbis or Opus) or FLAC",
        MAX_FILE_BYTES >> 20,
        MAX_PLAYBACK.as_secs()
    )]
    TooLarge,
    /// Decoding takes longer than anybody would wait.
    #[error("takes too long to decode: convert it to 16-bit WAV")]
    TooSlow,
    /// The URL gives no file.
    #[error(transparent)]
    Fetch(#[from] FetchError),
}

/// Reads a WAV, MP3, Ogg (Vorbis or Opus) or FLAC file into samples, both channels mixed to one. Takes as long as the disk does.
///
/// # Errors
/// The file cannot be read or is not of a kind that is played; see [`PlaybackError`].
pub fn load_file(path: &Path, rate: Rate) -> Result<Arc<[i16]>, PlaybackError> {
    // Looked at before opening: opening a pipe would wait for whoever writes to it.
    let about = std::fs::metadata(path)?;
    if !about.is_file() {
        return Err(PlaybackError::NotAFile);
    }
    if about.len() > MAX_FILE_BYTES {
        return Err(PlaybackError::TooLarge);
    }
    decode::decode(File::open(path)?, rate)
}

/// Fetches a file from the web and reads it as [`load_file`] does. Takes as long as the web does, up to a limit.
///
/// # Errors
/// The policy forbids it, the server does not give it, or it is not of a kind that is played; see [`PlaybackError`].
pub fn load_url(url: &str, policy: &FetchPolicy, rate: Rate) -> Result<Arc<[i16]>, PlaybackError> {
    decode::decode(std::io::Cursor::new(fetch::fetch(url, policy)?), rate)
}
