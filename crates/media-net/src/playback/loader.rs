//! Reading files beside the worker, so that a slow disk is never heard in anybody's call.

use std::collections::VecDeque;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::thread;

use tracing::warn;

use super::load_wav;
use crate::limits::{MAX_LOADERS, MAX_WAITING_FILES};
use crate::mailbox::{Mailbox, Message};

/// Who waits for a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) session: media::SessionId,
    pub(crate) leg: media::Leg,
    /// Which of the session's requests this is: an older one is no longer wanted.
    pub(crate) serial: u32,
}

/// A file that has been read, or (without samples) cannot be played; the reason has been logged.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) ticket: Ticket,
    pub(crate) samples: Option<Vec<i16>>,
}

/// Starts a short-lived thread per file, a few at a time.
#[derive(Debug)]
pub(crate) struct Loader {
    mailbox: Mailbox,
    running: usize,
    waiting: VecDeque<(Ticket, PathBuf)>,
}

impl Loader {
    pub(crate) fn new(mailbox: Mailbox) -> Loader {
        Loader { mailbox, running: 0, waiting: VecDeque::new() }
    }

    /// The file comes later, as [`Message::Loaded`]. `false` when too many wait already.
    pub(crate) fn request(&mut self, ticket: Ticket, path: PathBuf) -> bool {
        if self.waiting.len() >= MAX_WAITING_FILES {
            return false;
        }
        self.waiting.push_back((ticket, path));
        self.start();
        true
    }

    /// To be said for every [`Message::Loaded`].
    pub(crate) fn finished(&mut self) {
        self.running -= 1;
        self.start();
    }

    fn start(&mut self) {
        while self.running < MAX_LOADERS {
            let Some((ticket, path)) = self.waiting.pop_front() else {
                return;
            };
            self.running += 1;
            let mailbox = self.mailbox.clone();
            let read = move || mailbox.post(Message::Loaded(Loaded { ticket, samples: read(&path) }));
            if let Err(error) = thread::Builder::new().name("media-file".into()).spawn(read) {
                warn!(%error, "no thread to read a playback file");
                self.mailbox.post(Message::Loaded(Loaded { ticket, samples: None }));
            }
        }
    }
}

fn read(path: &Path) -> Option<Vec<i16>> {
    match catch_unwind(|| load_wav(path)).ok()? {
        Ok(samples) => Some(samples),
        Err(error) => {
            warn!(path = %path.display(), %error, "cannot play a file");
            None
        }
    }
}
