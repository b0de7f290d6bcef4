//! Recording: blocks of samples from the media thread to files, by a thread that may wait for the disk.
//!
//! ```text
//! Recording::block ══own queue, 4 s══▶ writer ──▶ x.wav.part ──▶ finisher: fsync, SHA-256, rename ──▶ x.wav, Report
//!   never waits                       ten times a second, for all recordings
//! ```
//!
//! - A block that finds its queue full is lost, counted, and silence stands in its place: time in the file stays true.
//! - What is on disk can be read at any moment, and lacks two seconds at the most. [`repair_all`] finishes what a crash left.
//! - A disk that is full or broken ends the recording and never the call; what was written before is kept.

mod finish;
mod handle;
mod medium;
mod ogg;
mod opus;
mod place;
mod repair;
mod track;
mod wav;
mod writer;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Sender, unbounded};

use crate::limits::{MAX_RECORDINGS, RECORDING_RATES_HZ};
pub use handle::Recording;
pub use opus::opus;
pub use repair::{repair, repair_all};
use writer::{Order, Start};

/// Names one recording; given by whoever begins it, comes back in its [`Report`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordingId(pub u64);

/// What a recording shall be.
pub struct Shape {
    /// Samples per second of the blocks and of the file: 8000, 16000 or 48000.
    pub rate_hz: u32,
    /// Who is on which channel.
    pub layout: Layout,
    /// What kind of file.
    pub format: Format,
    /// The recording ends by itself when the file is so long.
    pub max_length: Duration,
}

/// Who is on which channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// One channel, both sides mixed.
    Mixed,
    /// Two channels, one for each side.
    Sides,
}

impl Layout {
    /// Channels of the file.
    pub fn channels(self) -> usize {
        match self {
            Layout::Mixed => 1,
            Layout::Sides => 2,
        }
    }

    fn frame_bytes(self) -> u64 {
        self.channels() as u64 * 2
    }
}

/// What kind of file.
pub enum Format {
    /// WAV with 16 bits.
    Wav,
    /// Opus in Ogg, with an encoder for each channel.
    OggOpus(Vec<Box<dyn PacketEncoder>>),
}

/// Makes Opus packets, on the writer's thread.
pub trait PacketEncoder: Send {
    /// Encodes 20 ms of one channel at the recording's rate into one packet of one frame. `false` when it cannot.
    fn encode(&mut self, samples: &[i16], packet: &mut Vec<u8>) -> bool;

    /// By how much the encoder delays, in samples of 48 kHz.
    fn delay(&self) -> u16;
}

/// A file that is finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// Where it is.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Its length.
    pub duration_ms: u64,
    /// The SHA-256 of all its bytes.
    pub sha256: [u8; 32],
}

/// The end of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Which.
    pub id: RecordingId,
    /// What there is of it; nothing when not a single sample could be kept.
    pub saved: Option<Saved>,
    /// How much of it is silence because the disk was too slow.
    pub lost_ms: u64,
    /// Why it ended.
    pub end: End,
}

/// Why a recording ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It was meant to.
    Finished,
    /// It reached its greatest length.
    MaxLength,
    /// It cannot be written; a plain sentence.
    Failed(String),
}

/// Why a recording cannot begin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordingError {
    /// The name leads out of the folder of recordings, or is none.
    #[error("not a name inside the folder of recordings: give a relative path without \"..\"")]
    Place,
    /// The shape contradicts itself.
    #[error("{0}")]
    Shape(&'static str),
    /// There are as many recordings as there may be, or the writer has ended.
    #[error("too many recordings at one moment")]
    Busy,
}

/// A kind of file, while it is being made.
trait Container: Send {
    /// Adds interleaved samples, in memory or on the medium.
    fn append(&mut self, samples: &[i16]) -> io::Result<()>;

    /// Brings all that can stand alone to the medium, and makes it a valid file.
    fn settle(&mut self) -> io::Result<()>;

    /// The same for the very end.
    fn close(&mut self) -> io::Result<()>;

    /// Makes a valid file of what reached the medium before something failed, and tells its frames.
    fn salvage(&mut self) -> io::Result<u64>;
}

/// The threads that write. Dropping it finishes every recording.
#[derive(Debug)]
pub struct Recorder {
    base: Arc<Path>,
    orders: Sender<Order>,
    running: writer::Running,
    threads: Vec<JoinHandle<()>>,
}

impl Recorder {
    /// Starts the threads. All files will lie below `base`, which is created when it is needed. `told` is called on one
    /// of them, once for each recording.
    ///
    /// # Errors
    /// No thread could be had.
    pub fn start(base: impl Into<PathBuf>, told: impl Fn(Report) + Send + 'static) -> io::Result<Recorder> {
        let running = writer::Running::default();
        let (orders, inbox) = unbounded();
        let (finisher, jobs) = unbounded();
        let finishing = finish::spawn(jobs, told)?;
        let writing = writer::spawn(inbox, finisher, Arc::clone(&running))?;
        Ok(Recorder { base: base.into().into(), orders, running, threads: vec![writing, finishing] })
    }

    /// Begins a recording; never waits. The file is opened by the writer: when that fails, the [`Report`] says so.
    ///
    /// # Errors
    /// The name, the shape or the number of recordings is not possible; then there is no report.
    pub fn record(&self, id: RecordingId, name: &Path, shape: Shape) -> Result<Recording, RecordingError> {
        check(&shape)?;
        let name = place::name(name).ok_or(RecordingError::Place)?;
        if self.running.fetch_add(1, Ordering::AcqRel) >= MAX_RECORDINGS {
            self.running.fetch_sub(1, Ordering::AcqRel);
            return Err(RecordingError::Busy);
        }
        let (recording, source) = handle::pair(shape.rate_hz, shape.layout, frames(&shape));
        let start = Start { id, base: Arc::clone(&self.base), name, shape, source };
        if self.orders.send(Order::Record(Box::new(start))).is_err() {
            self.running.fetch_sub(1, Ordering::AcqRel);
            return Err(RecordingError::Busy);
        }
        Ok(recording)
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let _ = self.orders.send(Order::Stop);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn check(shape: &Shape) -> Result<(), RecordingError> {
    if !RECORDING_RATES_HZ.contains(&shape.rate_hz) {
        return Err(RecordingError::Shape("recordings have 8000, 16000 or 48000 samples per second"));
    }
    match &shape.format {
        Format::OggOpus(encoders) if encoders.len() != shape.layout.channels() => {
            Err(RecordingError::Shape("every channel needs an encoder of its own"))
        }
        Format::OggOpus(_) | Format::Wav => Ok(()),
    }
}

/// The most frames of the file.
fn frames(shape: &Shape) -> u64 {
    let wanted = shape.max_length.as_millis().saturating_mul(u128::from(shape.rate_hz)) / 1_000;
    let wanted = u64::try_from(wanted).unwrap_or(u64::MAX);
    match shape.format {
        Format::Wav => wanted.min(wav::MAX_DATA_BYTES / shape.layout.frame_bytes()),
        Format::OggOpus(_) => wanted,
    }
}

fn milliseconds(frames: u64, rate_hz: u32) -> u64 {
    frames.saturating_mul(1_000) / u64::from(rate_hz)
}

#[cfg(test)]
mod tests;
