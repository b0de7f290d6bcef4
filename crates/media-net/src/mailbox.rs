//! How words reach the worker: a queue, and an eventfd that wakes the thread behind it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::{Receiver, Sender, TryRecvError};
use rustix::event::{EventfdFlags, eventfd};

use crate::playback::Loaded;
use crate::recording::Report;

#[derive(Debug)]
pub(crate) enum Message {
    Command(media::Command),
    Loaded(Loaded),
    Recorded(Report),
    Shutdown,
}

/// The writing end.
#[derive(Debug, Clone)]
pub(crate) struct Mailbox {
    queue: Sender<Message>,
    bell: Arc<Bell>,
}

/// The reading end.
#[derive(Debug)]
pub(crate) struct Inbox {
    queue: Receiver<Message>,
    bell: Arc<Bell>,
}

#[derive(Debug)]
struct Bell {
    eventfd: OwnedFd,
    /// Rung and not yet heard: a second ring would be a system call for nothing.
    rung: AtomicBool,
}

pub(crate) fn mailbox() -> io::Result<(Mailbox, Inbox)> {
    let eventfd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    let bell = Arc::new(Bell { eventfd, rung: AtomicBool::new(false) });
    // Unbounded in type; `Worker::send` keeps it short by refusing new sessions.
    let (sender, receiver) = crossbeam_channel::unbounded();
    Ok((Mailbox { queue: sender, bell: Arc::clone(&bell) }, Inbox { queue: receiver, bell }))
}

impl Mailbox {
    /// Never waits. A message to a worker that has ended is forgotten.
    pub(crate) fn post(&self, message: Message) {
        if self.queue.send(message).is_ok() && !self.bell.rung.swap(true, Ordering::SeqCst) {
            let _ = rustix::io::write(&self.bell.eventfd, &1_u64.to_ne_bytes());
        }
    }

    pub(crate) fn waiting(&self) -> usize {
        self.queue.len()
    }
}

impl Inbox {
    /// What to wait on: readable when there is something to take.
    pub(crate) fn bell(&self) -> BorrowedFd<'_> {
        self.bell.eventfd.as_fd()
    }

    /// Silences the bell. Said before taking, never after: whatever is posted from now on rings anew.
    pub(crate) fn hear(&self) {
        let _ = rustix::io::read(&self.bell.eventfd, &mut [0_u8; 8]);
        self.bell.rung.store(false, Ordering::SeqCst);
    }

    /// Rings for ourselves, so that what is still in the queue is not slept over.
    pub(crate) fn ring_again(&self) {
        if !self.queue.is_empty() && !self.bell.rung.swap(true, Ordering::SeqCst) {
            let _ = rustix::io::write(&self.bell.eventfd, &1_u64.to_ne_bytes());
        }
    }

    pub(crate) fn take(&self) -> Option<Message> {
        match self.queue.try_recv() {
            Ok(message) => Some(message),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Message::Shutdown),
        }
    }
}
