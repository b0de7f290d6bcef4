//! Reading the journal from a position on.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use domain::JournalEntry;

use super::segment::{Frame, MAGIC, decode, list, path};
use super::{Durable, Position};
use crate::limits::{BATCH_BYTES, BATCH_ENTRIES};

/// A stretch of the journal.
#[derive(Debug, Default)]
pub(crate) struct Stretch {
    /// The entries, each as read or as the bytes that are no entry.
    pub(crate) entries: Vec<Result<JournalEntry, String>>,
    /// Where the next stretch begins.
    pub(crate) next: Position,
}

/// Reads what follows `from`, up to what is durable. An unchanged position means that there is nothing more.
pub(crate) fn read(directory: &Path, from: Position, durable: Durable) -> io::Result<Stretch> {
    let limit = durable.position;
    let mut at = from;
    loop {
        let segments = list(directory)?;
        // A segment that is gone has been read to its end before it was deleted.
        let Some(&segment) = segments.iter().find(|&&segment| segment >= at.segment && segment <= limit.segment) else {
            return Ok(Stretch { entries: Vec::new(), next: at });
        };
        if segment > at.segment {
            at = beginning(segment);
        }
        let end = (segment == limit.segment).then_some(limit.offset);
        let stretch = read_segment(directory, at, end)?;
        let finished = stretch.next == at && segment < limit.segment;
        if !finished {
            return Ok(stretch);
        }
        at = beginning(segment + 1);
    }
}

fn beginning(segment: u64) -> Position {
    Position { segment, offset: MAGIC.len() as u64 }
}

/// Reads one segment up to `end`, which is its own end when it is an older one.
fn read_segment(directory: &Path, from: Position, end: Option<u64>) -> io::Result<Stretch> {
    let file = File::open(path(directory, from.segment))?;
    let start = from.offset.max(MAGIC.len() as u64);
    let end = end.unwrap_or(file.metadata()?.len());
    let mut stretch = Stretch { entries: Vec::new(), next: from };
    if start >= end {
        return Ok(stretch);
    }
    let length = usize::try_from(end - start).unwrap_or(usize::MAX).min(BATCH_BYTES);
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, start)?;
    let whole = start + length as u64 == end;
    let mut rest = bytes.as_slice();
    while !rest.is_empty() && stretch.entries.len() < BATCH_ENTRIES {
        match decode(rest) {
            Frame::Whole(json, length) => {
                let entry = serde_json::from_slice(json).map_err(|_| String::from_utf8_lossy(json).into_owned());
                stretch.entries.push(entry);
                rest = &rest[length..];
                let done = (bytes.len() - rest.len()) as u64;
                stretch.next = Position { segment: from.segment, offset: start + done };
            }
            Frame::Torn if !whole => break,
            Frame::Torn => {
                stretch.next = Position { segment: from.segment, offset: end };
                break;
            }
            Frame::Damaged => {
                keep(directory, from.segment);
                stretch.next = Position { segment: from.segment, offset: end };
                break;
            }
        }
    }
    Ok(stretch)
}

/// A damaged segment is kept under another name for whoever can make sense of it.
fn keep(directory: &Path, segment: u64) {
    let original = path(directory, segment);
    let copy = original.with_extension("damaged");
    let kept = std::fs::hard_link(&original, &copy);
    match kept {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            tracing::error!(segment, %error, "a journal segment is damaged, and its rest is lost");
        }
        _ => tracing::error!(segment, kept = %copy.display(), "a journal segment is damaged; its rest is skipped"),
    }
}
