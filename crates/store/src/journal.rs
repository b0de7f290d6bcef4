//! The local journal: what calls leave behind is on this machine's disk within 50 ms and in the database exactly once.
//!
//! ```text
//!  shard ──append──▶ queue ──thread──▶ segment files (fsync) ──Writer──▶ PostgreSQL
//!           never waits      ≤ 50 ms     CRC32 per entry       rows and position in one transaction
//! ```
//!
//! **Queue.** Bounded by bytes. When the disk does not keep up, events are dropped first (from 32 MiB on), then legs
//! and openings (128 MiB; a closing carries the whole record), and closings only at 512 MiB. Each is counted.
//!
//! **Segments.** `00000000000000000001.journal` and so on; each start begins a new one and never writes into an old
//! one, so a torn tail is simply where reading an old segment ends. The file `node` names the journal; the database
//! remembers per node how far it has read. `heartbeat` holds the time at which this program was last alive.
//!
//! **Disk full.** What could not be written stays in the queue and is tried again; calls go on.
//!
//! **Exactly once.** The position moves in the transaction that stores the rows. Should entries be read twice all the
//! same (a write that failed half-way is repeated), identities decide: rows that exist are left alone.

mod drain;
mod reader;
mod recover;
mod segment;
mod thread;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use domain::{CallRecord, JournalEntry};
use jiff::Timestamp;
use tokio::sync::watch;
use uuid::Uuid;

pub use drain::Writer;

use crate::limits::{QUEUE_CLOSED, QUEUE_EVENTS, QUEUE_OPENED};
use crate::password::random_uuid;
use crate::{DirectoryLock, LockError};
use segment::Segment;

/// The journal cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another program writes it.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A file of it cannot be used.
    #[error("the journal in {} cannot be used: {source}; correct owner and mode, or make room", directory.display())]
    Unusable {
        /// Its directory.
        directory: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Counters of a journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JournalStats {
    /// Entries that wait for the disk.
    pub waiting: usize,
    /// Their approximate size in bytes.
    pub waiting_bytes: usize,
    /// Entries on disk since the start.
    pub durable: u64,
    /// Events dropped because the disk did not keep up.
    pub dropped_events: u64,
    /// Legs, openings and closings dropped for the same reason.
    pub dropped_records: u64,
    /// Writes that failed and were tried again.
    pub write_errors: u64,
    /// Entries that the database refused.
    pub dead_letters: u64,
}

/// The open journal.
#[derive(Debug)]
pub struct Journal {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    _lock: DirectoryLock,
}

/// A place in the journal: a segment and a byte in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) segment: u64,
    pub(crate) offset: u64,
}

/// Up to where the disk has everything, and how many entries of this run that is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Durable {
    pub(crate) position: Position,
    pub(crate) count: u64,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) directory: PathBuf,
    pub(crate) node: Uuid,
    pub(crate) opened_at: Timestamp,
    pub(crate) last_alive: Timestamp,
    queue: Mutex<Queue>,
    filled: Condvar,
    pub(crate) durable: watch::Sender<Durable>,
    dropped_events: AtomicU64,
    dropped_records: AtomicU64,
    write_errors: AtomicU64,
    pub(crate) dead_letters: AtomicU64,
}

#[derive(Debug, Default)]
struct Queue {
    entries: VecDeque<JournalEntry>,
    bytes: usize,
    /// Entries taken out by the thread and not yet on disk.
    in_flight: usize,
    in_flight_bytes: usize,
    accepted: u64,
    closing: bool,
}

impl Journal {
    /// Opens the journal in a directory, which is made when absent.
    ///
    /// # Errors
    /// Another program writes it; the directory cannot be used.
    pub fn open(directory: &Path) -> Result<Self, JournalError> {
        let lock = DirectoryLock::acquire(directory, "lock", "a yakyak journal")?;
        let unusable = |source| JournalError::Unusable { directory: directory.to_owned(), source };
        let node = node(directory).map_err(unusable)?;
        let number = segment::list(directory).map_err(unusable)?.last().map_or(1, |last| last + 1);
        let segment = Segment::create(directory, number).map_err(unusable)?;
        let shared = Arc::new(Shared::new(directory, node, segment.position()));
        let thread = thread::start(Arc::clone(&shared), segment).map_err(unusable)?;
        Ok(Self { shared, thread: Some(thread), _lock: lock })
    }

    /// Takes an entry. Never waits for disk or database.
    pub fn append(&self, mut entry: JournalEntry) {
        make_finite(&mut entry);
        let size = size(&entry);
        let mut queue = self.shared.queue();
        let waiting = queue.bytes + queue.in_flight_bytes + size;
        let (limit, dropped) = match &entry {
            JournalEntry::Event(_) => (QUEUE_EVENTS, &self.shared.dropped_events),
            JournalEntry::Leg(_) | JournalEntry::Opened(_) => (QUEUE_OPENED, &self.shared.dropped_records),
            JournalEntry::Closed(_) => (QUEUE_CLOSED, &self.shared.dropped_records),
        };
        if waiting > limit || queue.closing {
            drop(queue);
            if dropped.fetch_add(1, Ordering::Relaxed) == 0 {
                tracing::error!("the journal's disk does not keep up; entries are being dropped");
            }
            return;
        }
        queue.entries.push_back(entry);
        queue.bytes += size;
        queue.accepted += 1;
        drop(queue);
        self.shared.filled.notify_one();
    }

    /// The identity under which the database knows this journal.
    #[must_use]
    pub fn node(&self) -> Uuid {
        self.shared.node
    }

    /// When the previous program that wrote this journal was last alive.
    #[must_use]
    pub fn last_alive(&self) -> Timestamp {
        self.shared.last_alive
    }

    /// Counters.
    #[must_use]
    pub fn stats(&self) -> JournalStats {
        let queue = self.shared.queue();
        JournalStats {
            waiting: queue.entries.len() + queue.in_flight,
            waiting_bytes: queue.bytes + queue.in_flight_bytes,
            durable: self.shared.durable.borrow().count,
            dropped_events: self.shared.dropped_events.load(Ordering::Relaxed),
            dropped_records: self.shared.dropped_records.load(Ordering::Relaxed),
            write_errors: self.shared.write_errors.load(Ordering::Relaxed),
            dead_letters: self.shared.dead_letters.load(Ordering::Relaxed),
        }
    }

    /// Waits until everything appended so far is on disk.
    pub async fn sync(&self) {
        let target = self.shared.queue().accepted;
        let mut durable = self.shared.durable.subscribe();
        // The sender lives in `shared`, so the only error there is cannot happen.
        let _ = durable.wait_for(|durable| durable.count >= target).await;
    }

    /// Writes what waits and ends the thread. Blocks for as long as the disk takes.
    pub fn close(mut self) {
        self.finish();
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    fn finish(&mut self) {
        self.shared.queue().closing = true;
        self.shared.filled.notify_one();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the journal's thread has panicked");
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Shared {
    fn new(directory: &Path, node: Uuid, begin: Position) -> Self {
        let opened_at = Timestamp::now();
        Self {
            directory: directory.to_owned(),
            node,
            opened_at,
            last_alive: thread::read_heartbeat(directory).unwrap_or(opened_at).min(opened_at),
            queue: Mutex::default(),
            filled: Condvar::new(),
            durable: watch::Sender::new(Durable { position: begin, count: 0 }),
            dropped_events: AtomicU64::new(0),
            dropped_records: AtomicU64::new(0),
            write_errors: AtomicU64::new(0),
            dead_letters: AtomicU64::new(0),
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The journal's name for the database, made once.
fn node(directory: &Path) -> std::io::Result<Uuid> {
    let path = directory.join("node");
    match std::fs::read_to_string(&path) {
        Ok(text) => Uuid::parse_str(text.trim())
            .map_err(|error| std::io::Error::other(format!("{} holds no identity: {error}", path.display()))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let node = random_uuid();
            let draft = directory.join("node.new");
            std::fs::write(&draft, format!("{node}\n"))?;
            std::fs::File::open(&draft)?.sync_all()?;
            std::fs::rename(&draft, &path)?;
            std::fs::File::open(directory)?.sync_all()?;
            Ok(node)
        }
        Err(error) => Err(error),
    }
}

/// JSON has no infinities.
fn make_finite(entry: &mut JournalEntry) {
    let media = match entry {
        JournalEntry::Opened(record) | JournalEntry::Closed(record) => record.media.as_mut_slice(),
        JournalEntry::Leg(leg) => leg.media.as_mut_slice(),
        JournalEntry::Event(_) => return,
    };
    for leg in media {
        if !leg.jitter_ms.is_finite() {
            leg.jitter_ms = 0.0;
        }
        leg.rtt_ms = leg.rtt_ms.filter(|rtt_ms| rtt_ms.is_finite());
        leg.mos = leg.mos.filter(|mos| mos.is_finite());
    }
}

/// Roughly what an entry takes in memory.
fn size(entry: &JournalEntry) -> usize {
    const FIXED: usize = 512;
    let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let record = |record: &CallRecord| {
        [&record.caller_sdp, &record.callee_sdp, &record.caller_user_agent, &record.callee_user_agent]
            .into_iter()
            .map(length)
            .sum::<usize>()
            + record.caller.len()
            + record.callee.len()
            + record.call_id.len()
    };
    FIXED
        + match entry {
            JournalEntry::Opened(opened) => record(opened),
            JournalEntry::Closed(closed) => record(closed),
            JournalEntry::Leg(leg) => leg.sip_call_id.len() + length(&leg.user_agent),
            JournalEntry::Event(event) => length(&event.detail),
        }
}
