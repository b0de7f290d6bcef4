//! Reading files beside the worker, so that a slow disk or a slow web server is never heard in anybody's call.

use std::collections::VecDeque;
use std::panic::catch_unwind;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use tracing::warn;

use super::fetch::without_secrets;
use super::{FetchPolicy, PlaybackError, Rate, load_file, load_url};
use crate::limits::{MAX_FETCHERS, MAX_LOADERS, MAX_WAITING_FILES};
use crate::mailbox::{Mailbox, Message};

/// Who waits for a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) session: media::SessionId,
    pub(crate) leg: media::Leg,
    /// Which of the session's requests this is: an older one is no longer wanted.
    pub(crate) serial: u32,
}

/// Where a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    File(PathBuf),
    Url(String),
}

/// The disk and the web have their own queues: files on disk never wait for a slow server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lane {
    Disk,
    Web,
}

/// A file that has been read, or (without samples) cannot be played; the reason has been logged.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) ticket: Ticket,
    pub(crate) samples: Option<Arc<[i16]>>,
    lane: Lane,
}

/// Starts a short-lived thread per file, a few at a time.
#[derive(Debug)]
pub(crate) struct Loader {
    mailbox: Mailbox,
    policy: Arc<FetchPolicy>,
    disk: Queue,
    web: Queue,
}

#[derive(Debug)]
struct Queue {
    running: usize,
    most: usize,
    waiting: VecDeque<(Ticket, Source, Rate)>,
}

impl Loader {
    pub(crate) fn new(mailbox: Mailbox, policy: FetchPolicy) -> Loader {
        let queue = |most| Queue { running: 0, most, waiting: VecDeque::new() };
        Loader { mailbox, policy: Arc::new(policy), disk: queue(MAX_LOADERS), web: queue(MAX_FETCHERS) }
    }

    /// The file comes later, as [`Message::Loaded`]. `false` when too many wait already.
    pub(crate) fn request(&mut self, ticket: Ticket, source: Source, rate: Rate) -> bool {
        let lane = source.lane();
        let queue = self.queue(lane);
        if queue.waiting.len() >= MAX_WAITING_FILES {
            return false;
        }
        queue.waiting.push_back((ticket, source, rate));
        self.start(lane);
        true
    }

    /// To be said for every [`Message::Loaded`].
    pub(crate) fn finished(&mut self, loaded: &Loaded) {
        self.queue(loaded.lane).running -= 1;
        self.start(loaded.lane);
    }

    fn queue(&mut self, lane: Lane) -> &mut Queue {
        match lane {
            Lane::Disk => &mut self.disk,
            Lane::Web => &mut self.web,
        }
    }

    fn start(&mut self, lane: Lane) {
        while let Some((ticket, source, rate)) = self.queue(lane).next() {
            let (mailbox, policy) = (self.mailbox.clone(), Arc::clone(&self.policy));
            let read = move || {
                mailbox.post(Message::Loaded(Loaded { ticket, samples: read(&source, &policy, rate), lane }));
            };
            if let Err(error) = thread::Builder::new().name("media-file".into()).spawn(read) {
                warn!(%error, "no thread to read a playback file");
                self.mailbox.post(Message::Loaded(Loaded { ticket, samples: None, lane }));
            }
        }
    }
}

impl Queue {
    fn next(&mut self) -> Option<(Ticket, Source, Rate)> {
        if self.running >= self.most {
            return None;
        }
        let next = self.waiting.pop_front()?;
        self.running += 1;
        Some(next)
    }
}

impl Source {
    fn lane(&self) -> Lane {
        match self {
            Source::File(_) => Lane::Disk,
            Source::Url(_) => Lane::Web,
        }
    }

    fn shown(&self) -> String {
        match self {
            Source::File(path) => path.display().to_string(),
            Source::Url(url) => without_secrets(url),
        }
    }
}

fn read(source: &Source, policy: &FetchPolicy, rate: Rate) -> Option<Arc<[i16]>> {
    let load = || match source {
        Source::File(path) => load_file(path, rate),
        Source::Url(url) => load_url(url, policy, rate),
    };
    // A decoder that meets a file it did not expect must not take a thread's place for ever.
    let loaded = catch_unwind(load).unwrap_or_else(|_| Err(PlaybackError::Broken("it cannot be decoded".into())));
    match loaded {
        Ok(samples) => Some(samples),
        Err(error) => {
            warn!(file = source.shown(), %error, "cannot play a file");
            None
        }
    }
}
