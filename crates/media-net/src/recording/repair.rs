//! Finishing the files that a crash left behind.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use tracing::{info, warn};

use super::finish::save;
use super::place::is_part;
use super::{Saved, milliseconds, ogg, wav};
use crate::limits::{MAX_RECORDING_FOLDERS, MAX_REPAIRED_FILES};

/// Repairs every file left behind below a folder, of all recorders that have written there. None of them may be running.
pub fn repair_all(base: &Path) -> Vec<Saved> {
    let mut saved = Vec::new();
    let mut seen = 0;
    let mut folders = vec![(base.to_path_buf(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let Ok(kind) = entry.file_type() else { continue };
            let path = entry.path();
            if kind.is_dir() && depth < MAX_RECORDING_FOLDERS {
                folders.push((path, depth + 1));
            } else if kind.is_file() && is_part(&path) {
                seen += 1;
                if seen > MAX_REPAIRED_FILES {
                    warn!("more recordings were left behind than are repaired at one start");
                    return saved;
                }
                match repair(&path) {
                    Ok(repaired) => {
                        info!(path = %path.display(), kept = repaired.is_some(), "a recording was left behind and is finished");
                        saved.extend(repaired);
                    }
                    Err(error) => {
                        warn!(path = %path.display(), %error, "a recording was left behind and stays as it is")
                    }
                }
            }
        }
    }
    saved
}

/// Makes a whole file of one that was left behind (`x.wav.part`), and gives it its name (`x.wav`). One without a single
/// sample is removed, and nothing is returned.
///
/// # Errors
/// The file is not one of ours, there is a file of that name, or the disk fails; it stays as it is.
pub fn repair(path: &Path) -> io::Result<Option<Saved>> {
    if !is_part(path) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file that was left behind"));
    }
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let mut start = Vec::with_capacity(wav::HEADER_BYTES);
    Read::by_ref(&mut file).take(wav::HEADER_BYTES as u64).read_to_end(&mut start)?;
    let duration_ms = match &start[..] {
        [b'R', ..] => repair_wav(&file, &start)?,
        [b'O', ..] => repair_ogg(&file)?,
        [] => None,
        _ => return Err(foreign()),
    };
    match duration_ms {
        Some(duration_ms) => save(path, duration_ms).map(Some),
        None => fs::remove_file(path).map(|()| None),
    }
}

fn foreign() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "not a recording of ours")
}

/// Counts what is there. Tells the length, or nothing when there is none.
fn repair_wav(file: &File, start: &[u8]) -> io::Result<Option<u64>> {
    let Some(header) = start.first_chunk() else { return Ok(None) };
    let (rate_hz, layout) = wav::read_header(header).ok_or_else(foreign)?;
    let data = file.metadata()?.len().saturating_sub(wav::HEADER_BYTES as u64).min(wav::MAX_DATA_BYTES);
    let frames = data / layout.frame_bytes();
    if frames == 0 {
        return Ok(None);
    }
    let data = frames * layout.frame_bytes();
    file.set_len(wav::HEADER_BYTES as u64 + data)?;
    file.write_all_at(&wav::header(rate_hz, layout, data), 0)?;
    Ok(Some(milliseconds(frames, rate_hz)))
}

/// Keeps whole pages and marks the last one.
fn repair_ogg(file: &File) -> io::Result<Option<u64>> {
    /// The largest page there is (RFC 3533, 6).
    const MAX_PAGE_BYTES: usize = 27 + 255 + 255 * 255;
    let mut buffer = vec![0; MAX_PAGE_BYTES];
    let (mut at, mut pages, mut pre_skip) = (0, 0_u64, 0);
    let mut last = None;
    loop {
        let mut filled = 0;
        while filled < buffer.len() {
            match file.read_at(&mut buffer[filled..], at + filled as u64)? {
                0 => break,
                count => filled += count,
            }
        }
        let bytes = &buffer[..filled];
        let Some(page) = ogg::page(bytes) else { break };
        let bytes = &bytes[..page.length];
        if pages == 0 {
            pre_skip = ogg::pre_skip(bytes).ok_or_else(foreign)?;
        }
        pages += 1;
        if pages > 2 {
            last = Some((at, bytes.to_vec(), page.granule));
        }
        at += page.length as u64;
    }
    let Some((start, mut page, granule)) = last else { return Ok(None) };
    ogg::mark_last(&mut page);
    file.set_len(at)?;
    file.write_all_at(&page, start)?;
    Ok(Some(granule.saturating_sub(pre_skip) * 1_000 / ogg::CLOCK_HZ))
}
