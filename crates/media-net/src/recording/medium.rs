//! Where the bytes of a recording go.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// A file that is written at its end and mended at its beginning.
pub(super) trait Medium: Send {
    /// Writes some of the bytes, as many as it can, and tells how many.
    fn write_at(&mut self, at: u64, bytes: &[u8]) -> io::Result<usize>;

    /// Drops what lies behind.
    fn cut(&mut self, length: u64) -> io::Result<()>;
}

impl Medium for File {
    fn write_at(&mut self, at: u64, bytes: &[u8]) -> io::Result<usize> {
        FileExt::write_at(self, bytes, at)
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }
}

/// Writes all bytes at the place to which `at` points, and moves it behind what could be written.
pub(super) fn append(medium: &mut dyn Medium, at: &mut u64, bytes: &[u8]) -> io::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        match medium.write_at(*at, rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                *at += count as u64;
                rest = rest.get(count..).unwrap_or_default();
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
