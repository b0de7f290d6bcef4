//! Segment files: eight bytes of magic, then frames of length, CRC32 and JSON.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use domain::JournalEntry;

use super::Position;
use crate::limits::FRAME;

/// First bytes of a segment.
pub(crate) const MAGIC: [u8; 8] = *b"YAKJRNL1";
/// Bytes before the JSON of a frame.
pub(crate) const HEAD: usize = 8;
const SUFFIX: &str = ".journal";

/// The segment that is being written.
#[derive(Debug)]
pub(crate) struct Segment {
    file: File,
    number: u64,
    length: u64,
}

impl Segment {
    /// Makes a new segment and makes its name durable.
    pub(crate) fn create(directory: &Path, number: u64) -> io::Result<Self> {
        let path = path(directory, number);
        let mut file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        let written =
            file.write_all(&MAGIC).and_then(|()| file.sync_all()).and_then(|()| File::open(directory)?.sync_all());
        if let Err(error) = written {
            // The number can be used again.
            let _ = std::fs::remove_file(&path);
            return Err(error);
        }
        Ok(Self { file, number, length: MAGIC.len() as u64 })
    }

    /// A segment whose disk takes nothing.
    #[cfg(test)]
    pub(crate) fn on_a_full_disk(number: u64) -> Self {
        let file = OpenOptions::new().write(true).open("/dev/full").unwrap();
        Self { file, number, length: MAGIC.len() as u64 }
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// End of what is durable.
    pub(crate) fn position(&self) -> Position {
        Position { segment: self.number, offset: self.length }
    }

    /// Writes whole frames and waits for the disk. After an error the segment is as it was, or must be left behind:
    /// then `Err` carries true.
    pub(crate) fn write(&mut self, frames: &[u8]) -> Result<(), (io::Error, bool)> {
        let written = self.file.write_all(frames).and_then(|()| self.file.sync_data());
        match written {
            Ok(()) => {
                self.length += frames.len() as u64;
                Ok(())
            }
            Err(error) => {
                let restored = self
                    .file
                    .set_len(self.length)
                    .and_then(|()| io::Seek::seek(&mut self.file, io::SeekFrom::Start(self.length)));
                Err((error, restored.is_err()))
            }
        }
    }
}

/// Appends an entry as a frame; false when it is too long to be one.
pub(crate) fn encode(entry: &JournalEntry, out: &mut Vec<u8>) -> bool {
    let start = out.len();
    out.extend_from_slice(&[0; HEAD]);
    let written = serde_json::to_writer(&mut *out, entry);
    let length = out.len() - start - HEAD;
    if written.is_err() || length > FRAME {
        out.truncate(start);
        return false;
    }
    let checksum = crc32fast::hash(&out[start + HEAD..]);
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
    out[start + 4..start + HEAD].copy_from_slice(&checksum.to_le_bytes());
    true
}

/// What stands at the beginning of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame<'a> {
    /// A whole entry, and how many bytes it takes.
    Whole(&'a [u8], usize),
    /// The bytes end inside a frame, or nothing was ever written here.
    Torn,
    /// No frame of ours.
    Damaged,
}

/// Reads one frame.
pub(crate) fn decode(bytes: &[u8]) -> Frame<'_> {
    let (Some(length), Some(checksum)) = (word(bytes, 0), word(bytes, 4)) else { return Frame::Torn };
    if length == 0 {
        // A file system may show zeroes where a write was cut off.
        return if bytes.iter().all(|&byte| byte == 0) { Frame::Torn } else { Frame::Damaged };
    }
    let length = length as usize;
    if length > FRAME {
        return Frame::Damaged;
    }
    match bytes.get(HEAD..HEAD + length) {
        None => Frame::Torn,
        Some(json) if crc32fast::hash(json) == checksum => Frame::Whole(json, HEAD + length),
        Some(_) => Frame::Damaged,
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes)
}

/// The file of a segment.
pub(crate) fn path(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{number:020}{SUFFIX}"))
}

/// The numbers of all segments, in order.
pub(crate) fn list(directory: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let name = entry?.file_name();
        let digits = name.to_str().and_then(|name| name.strip_suffix(SUFFIX));
        numbers.extend(digits.and_then(|digits| digits.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::{Frame, HEAD, decode};

    fn frame(json: &[u8]) -> Vec<u8> {
        let mut bytes = u32::try_from(json.len()).unwrap().to_le_bytes().to_vec();
        bytes.extend_from_slice(&crc32fast::hash(json).to_le_bytes());
        bytes.extend_from_slice(json);
        bytes
    }

    #[test]
    fn a_frame_cut_anywhere_is_torn() {
        let bytes = frame(b"{}");
        assert_eq!(decode(&bytes), Frame::Whole(b"{}", HEAD + 2));
        for end in 0..bytes.len() {
            assert_eq!(decode(&bytes[..end]), Frame::Torn, "cut at {end}");
        }
    }

    #[test]
    fn a_changed_bit_is_seen() {
        let bytes = frame(b"{\"a\":1}");
        for bit in 32..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&changed), Frame::Damaged, "bit {bit}");
        }
    }

    #[test]
    fn zeroes_are_a_torn_tail() {
        assert_eq!(decode(&[0; 4096]), Frame::Torn);
        assert_eq!(decode(&[0xff; 4096]), Frame::Damaged);
    }
}
