//! The thread that finishes: a file is made durable, hashed and given its name, however long that takes.

use std::fs::{self, File};
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use crossbeam_channel::Receiver;
use sha2::{Digest, Sha256};
use tracing::{error, warn};

use super::place::final_name;
use super::{End, RecordingId, Report, Saved};

pub(super) struct Job {
    pub(super) id: RecordingId,
    pub(super) part: Option<Part>,
    pub(super) lost_ms: u64,
    pub(super) end: End,
}

/// A valid file under its working name.
pub(super) struct Part {
    pub(super) path: PathBuf,
    pub(super) duration_ms: u64,
}

pub(super) fn spawn(jobs: Receiver<Job>, told: impl Fn(Report) + Send + 'static) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name("media-finish".into()).spawn(move || {
        for job in jobs {
            let report = report(job);
            if catch_unwind(AssertUnwindSafe(|| told(report))).is_err() {
                error!("the listener for recordings panicked");
            }
        }
    })
}

fn report(job: Job) -> Report {
    let Job { id, part, lost_ms, mut end } = job;
    let saved = match part {
        None => None,
        // Nothing was recorded before it failed: there is nothing to keep.
        Some(part) if part.duration_ms == 0 && matches!(end, End::Failed(_)) => {
            let _ = fs::remove_file(&part.path);
            None
        }
        Some(part) => match save(&part.path, part.duration_ms) {
            Ok(saved) => Some(saved),
            Err(error) => {
                warn!(path = %part.path.display(), %error, "a recording keeps its working name until the next start");
                end = match end {
                    End::Failed(why) => End::Failed(why),
                    End::Finished | End::MaxLength => End::Failed(error.to_string()),
                };
                None
            }
        },
    };
    Report { id, saved, lost_ms, end }
}

/// Gives a valid file its name. Durable before it is named, and its name before it is told.
pub(super) fn save(part: &Path, duration_ms: u64) -> io::Result<Saved> {
    let path = final_name(part).ok_or(io::ErrorKind::InvalidInput)?;
    let mut file = File::open(part)?;
    file.sync_all()?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    let mut bytes = 0;
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        bytes += count as u64;
        hash.update(buffer.get(..count).unwrap_or_default());
    }
    if fs::symlink_metadata(&path).is_ok() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "a file of this name is there already"));
    }
    fs::rename(part, &path)?;
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(Saved { path, bytes, duration_ms, sha256: hash.finalize().into() })
}
