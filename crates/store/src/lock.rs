//! One program per directory.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// A directory is in use, or cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else has it.
    #[error("{} is in use by {holder}; stop that first, or use another --data-dir", directory.display())]
    Held {
        /// The directory.
        directory: PathBuf,
        /// What the holder says of itself, with its process id.
        holder: String,
    },
    /// It cannot be opened.
    #[error("{} cannot be used: {source}; choose another --data-dir, or correct its owner and mode", directory.display())]
    Unusable {
        /// The directory.
        directory: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Keeps other programs out of a directory for as long as it lives, however this program ends.
#[derive(Debug)]
pub struct DirectoryLock {
    file: File,
}

impl DirectoryLock {
    /// Makes the directory when it is absent, and locks the file `name` in it.
    ///
    /// `holder` is what a second program will be told, such as `yakyak serve, SIP on 127.0.0.1:5060`.
    ///
    /// # Errors
    /// Somebody holds it; the directory cannot be used.
    pub fn acquire(directory: &Path, name: &str, holder: &str) -> Result<Self, LockError> {
        let unusable = |source| LockError::Unusable { directory: directory.to_owned(), source };
        std::fs::create_dir_all(directory).map_err(unusable)?;
        let mut file = open(&directory.join(name)).map_err(unusable)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let holder = read(&mut file).unwrap_or_else(|| "another program".to_owned());
                return Err(LockError::Held { directory: directory.to_owned(), holder });
            }
            Err(error) => return Err(unusable(error.into())),
        }
        let mut lock = Self { file };
        lock.describe(holder).map_err(unusable)?;
        Ok(lock)
    }

    /// Changes what a second program is told.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn describe(&mut self, holder: &str) -> std::io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(format!("{holder} (process {})\n", std::process::id()).as_bytes())
    }

    /// What holds the lock `name` of the directory, when something does.
    #[must_use]
    pub fn holder(directory: &Path, name: &str) -> Option<String> {
        let mut file = File::open(directory.join(name)).ok()?;
        match flock(&file, FlockOperation::NonBlockingLockShared) {
            Err(rustix::io::Errno::WOULDBLOCK) => Some(read(&mut file).unwrap_or_else(|| "another program".to_owned())),
            _ => None,
        }
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

fn read(file: &mut File) -> Option<String> {
    let mut text = String::new();
    file.take(1_024).read_to_string(&mut text).ok()?;
    let line = text.lines().next()?.trim();
    (!line.is_empty()).then(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{DirectoryLock, LockError};

    #[test]
    fn the_second_is_told_about_the_first() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deep/er");
        let mut first = DirectoryLock::acquire(&path, "lock", "starting").unwrap();
        first.describe("yakyak serve on 127.0.0.1:5060").unwrap();
        let Err(error @ LockError::Held { .. }) = DirectoryLock::acquire(&path, "lock", "second") else {
            panic!("the lock is taken twice")
        };
        let text = error.to_string();
        assert!(text.contains("yakyak serve on 127.0.0.1:5060"), "{text}");
        assert!(text.contains(&std::process::id().to_string()), "{text}");
        assert!(DirectoryLock::holder(&path, "lock").unwrap().contains("5060"));
        drop(first);
        assert_eq!(DirectoryLock::holder(&path, "lock"), None);
        DirectoryLock::acquire(&path, "lock", "second").unwrap();
    }
}
