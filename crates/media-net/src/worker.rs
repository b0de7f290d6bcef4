//! The worker as others see it: a thread that takes commands and tells facts.

mod alarm;
mod commands;
mod engine;
mod entry;
mod recordings;
mod rooms;

use std::io;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use media::dtls::Identity;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::debug;

use crate::counters::{Counters, Counting};
use crate::limits::MAX_WAITING_COMMANDS;
use crate::mailbox::{Mailbox, Message, mailbox};
use crate::playback::FetchPolicy;
use engine::Engine;

/// What a worker needs to know.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// Ports for RTP and RTCP, pairwise; no other worker may have one of them.
    pub port_range: RangeInclusive<u16>,
    /// The port that all browsers share; 0 lets the system choose.
    pub shared_port: u16,
    /// What the sessions are in handshakes; without it no leg can be a browser.
    pub identity: Option<Arc<Identity>>,
    /// How long a port must have been quiet after its call before another call gets it. Packets of the
    /// former peers that still arrive begin the rest anew, so that nobody hears a call that has ended.
    pub rest: Duration,
    /// How long a leg that should be heard may say nothing before that is told.
    pub silence_after: Duration,
    /// The folder that recordings are kept in; without one there are none.
    pub recordings: Option<PathBuf>,
    /// Where files may be fetched from.
    pub fetch: FetchPolicy,
    /// Drives the order of ports and the identifiers in RTP; give each start its own.
    pub seed: u64,
}

impl WorkerConfig {
    /// The usual values: five seconds of rest, silence told after twenty, files only from public addresses.
    pub fn new(port_range: RangeInclusive<u16>, seed: u64) -> WorkerConfig {
        WorkerConfig {
            port_range,
            shared_port: 0,
            identity: None,
            rest: Duration::from_secs(5),
            silence_after: Duration::from_secs(20),
            recordings: None,
            fetch: FetchPolicy::default(),
            seed,
        }
    }
}

/// The worker has too much to do to open another session; the command was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the media worker is too busy for another session")]
pub struct Busy;

/// A running worker. Dropping it ends the thread and every session.
#[derive(Debug)]
pub struct Worker {
    mailbox: Mailbox,
    counting: Arc<Counting>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Worker {
    /// Starts the thread. `facts` is called on it and must not wait.
    ///
    /// A call needs four sockets; the process's soft limit of descriptors is raised to its hard limit.
    ///
    /// # Errors
    /// No thread or no descriptor could be had.
    pub fn start(config: WorkerConfig, facts: impl Fn(media::Fact) + Send + 'static) -> io::Result<Worker> {
        raise_descriptor_limit();
        let (mailbox, inbox) = mailbox()?;
        let counting = Arc::new(Counting::default());
        let engine = Engine::new(config, facts, inbox, mailbox.clone(), Arc::clone(&counting))?;
        let thread = thread::Builder::new().name("media".into()).spawn(move || engine.run())?;
        Ok(Worker { mailbox, counting, thread: Mutex::new(Some(thread)) })
    }

    /// Hands a command over; never waits. Commands are carried out in order.
    ///
    /// # Errors
    /// Only [`media::Command::Open`] can be refused, when the worker is far behind.
    pub fn send(&self, command: media::Command) -> Result<(), Busy> {
        let opens = matches!(command, media::Command::Open { .. });
        if opens && self.mailbox.waiting() >= MAX_WAITING_COMMANDS {
            return Err(Busy);
        }
        self.mailbox.post(Message::Command(command));
        Ok(())
    }

    /// Ends all sessions without a word and waits for the thread. A second call does nothing.
    pub fn shutdown(&self) {
        self.mailbox.post(Message::Shutdown);
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = thread.join();
        }
    }

    /// What the worker did and holds.
    pub fn counters(&self) -> Counters {
        self.counting.snapshot()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.shutdown();
    }
}

fn raise_descriptor_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
        debug!(?current, ?maximum, ?raised, "limit of descriptors");
    }
}
