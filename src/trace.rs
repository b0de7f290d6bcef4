//! Trace: every SIP message that comes or goes, kept for whoever must find out what went wrong.
//!
//! Both doors lay a message down as it is (a clone of a shared buffer) in a basket, and never wait: a basket that is full
//! loses the message and counts it. A thread of low priority empties the baskets some times a second into the
//! [`Book`], which knows what belongs together. What belongs to a call or to a phone that has proven itself goes to the
//! store when it has been quiet for some seconds; all else stays in memory until there is no room for it.
//!
//! ```text
//! sip-net ──▶ basket ─┐
//!                     ├─▶ thread `trace`: Book ──▶ compressed ──▶ TraceWriter ──▶ store
//! effects ──▶ basket ─┘                       ◀── `yakyak trace` over the control socket
//! ```

pub mod book;
pub mod ladder;
pub mod message;
pub mod pcap;
pub mod segment;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use domain::{CallId, JournalEntry, RegistrationChange, TenantId};
use jiff::Timestamp;
use sip::{Flow, Transmit};
use store::{SipTrace, TraceWriter};
use switch::Output;

use book::{Book, Limits, Owner, OwnerKind};
use message::{Message, Way};
use segment::Packer;

/// How often the baskets are emptied. Nobody is woken for a message.
const EMPTY_EVERY: Duration = Duration::from_millis(200);
/// What one basket holds between two emptyings: 80,000 messages a second.
const BASKET_MESSAGES: usize = 16_384;
/// See [`BASKET_MESSAGES`].
const BASKET_BYTES: usize = 16 << 20;
/// A clock outside that runs away from the monotonic one by more than this is followed.
const DRIFT_US: i64 = 20_000;

/// What is told to the recorder, in order.
#[derive(Debug)]
enum Note {
    Message { at: Instant, way: Way, flow: Flow, bytes: Bytes },
    Belongs { sip_call_id: Bytes, owner: Owner },
    Closed { at: Instant, call: CallId },
}

#[derive(Debug, Default)]
struct Basket {
    notes: Vec<Note>,
    bytes: usize,
}

/// The way into the trace, for both doors. Cheap to clone; one that is off does nothing.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    shared: Option<Arc<Shared>>,
}

struct Shared {
    /// One basket for what comes in and one for what goes out, so that the doors do not meet.
    baskets: [Mutex<Basket>; 2],
    desk: Mutex<Desk>,
    writer: Arc<TraceWriter>,
    lost: AtomicU64,
    stop: (Mutex<bool>, Condvar),
    is_stopping: AtomicBool,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("lost", &self.lost).finish_non_exhaustive()
    }
}

/// The book and what writing it needs.
struct Desk {
    book: Book,
    packer: Packer,
    anchor: (Instant, i64),
}

/// Some messages of one Call-ID, as the store keeps them and as they are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Whose they are; nobody's when nobody has proven anything.
    pub tenant: Option<TenantId>,
    /// The call.
    pub call: Option<CallId>,
    /// Call-ID header.
    pub sip_call_id: String,
    /// The messages, packed by [`segment`], secrets masked.
    pub data: Vec<u8>,
}

impl From<SipTrace> for Piece {
    fn from(trace: SipTrace) -> Self {
        Self { tenant: Some(trace.tenant_id), call: trace.call_id, sip_call_id: trace.sip_call_id, data: trace.data }
    }
}

/// How the trace is kept.
#[derive(Clone, Copy, Debug)]
pub struct TraceConfig {
    /// What the book may hold.
    pub limits: Limits,
    /// Whether what people type to each other is kept too.
    pub keep_typed: bool,
}

/// The thread behind the recorder.
#[derive(Debug)]
pub struct Tracer {
    recorder: Recorder,
    thread: JoinHandle<()>,
}

impl Tracer {
    /// Starts the thread; `begin` runs on it first.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(config: TraceConfig, writer: Arc<TraceWriter>, begin: fn()) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            baskets: Default::default(),
            desk: Mutex::new(Desk {
                book: Book::new(config.limits),
                packer: Packer::new(config.keep_typed),
                anchor: (Instant::now(), Timestamp::now().as_microsecond()),
            }),
            writer,
            lost: AtomicU64::new(0),
            stop: (Mutex::new(false), Condvar::new()),
            is_stopping: AtomicBool::new(false),
        });
        let keeper = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("trace".to_owned()).spawn(move || {
            begin();
            keep(&keeper);
        })?;
        Ok(Self { recorder: Recorder { shared: Some(shared) }, thread })
    }

    /// The way in.
    #[must_use]
    pub fn recorder(&self) -> Recorder {
        self.recorder.clone()
    }

    /// Ends the thread; whatever belongs to somebody has gone to the writer before.
    pub fn stop(self) {
        let Some(shared) = &self.recorder.shared else { return };
        shared.is_stopping.store(true, Ordering::Relaxed);
        *lock(&shared.stop.0) = true;
        shared.stop.1.notify_all();
        if self.thread.join().is_err() {
            tracing::error!("the trace thread panicked");
        }
    }
}

impl Recorder {
    /// A message came in.
    pub fn received(&self, at: Instant, flow: &Flow, bytes: &Bytes) {
        let Some(shared) = &self.shared else { return };
        shared.lay(0, Note::Message { at, way: Way::In, flow: *flow, bytes: bytes.clone() }, bytes.len());
    }

    /// A message goes out.
    pub fn sent(&self, transmit: &Transmit) {
        let Some(shared) = &self.shared else { return };
        let bytes = &transmit.bytes;
        let note = Note::Message { at: Instant::now(), way: Way::Out, flow: transmit.flow, bytes: bytes.clone() };
        shared.lay(1, note, bytes.len());
    }

    /// A decision that says what belongs to whom.
    pub fn note(&self, output: &Output) {
        let Some(shared) = &self.shared else { return };
        if let Some(note) = meaning(output) {
            shared.lay(1, note, 0);
        }
    }

    /// What is known of a call record or of a Call-ID and not in the store yet, with secrets masked.
    #[must_use]
    pub fn find(&self, wanted: &str) -> Vec<Piece> {
        let Some(shared) = &self.shared else { return Vec::new() };
        let mut desk = shared.empty();
        let found = desk.book.find(wanted);
        let mut pieces: Vec<Piece> = found
            .into_iter()
            .map(|stretch| Piece {
                tenant: stretch.owner.map(|owner| owner.tenant),
                call: stretch.call(),
                sip_call_id: stretch.sip_call_id.to_string(),
                data: desk.packer.data(&stretch.messages),
            })
            .collect();
        drop(desk);
        let call = wanted.parse().ok().map(CallId);
        let text = book::call_id_text(wanted.as_bytes());
        let same = |trace: &SipTrace| trace.sip_call_id == text || (call.is_some() && trace.call_id == call);
        let waiting = shared.writer.waiting(same);
        // The other legs of a call that was named by one of its Call-IDs.
        let calls: Vec<CallId> = waiting.iter().filter_map(|trace| trace.call_id).collect();
        let others =
            shared.writer.waiting(|trace| !same(trace) && trace.call_id.is_some_and(|call| calls.contains(&call)));
        pieces.extend(waiting.into_iter().chain(others).map(Piece::from));
        pieces
    }

    /// Messages of which nothing is kept, because a basket was full.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.shared.as_ref().map_or(0, |shared| shared.lost.load(Ordering::Relaxed) + shared.writer.lost())
    }
}

/// What a decision says about ownership.
fn meaning(output: &Output) -> Option<Note> {
    match output {
        Output::Leg { tenant, call, sip_call_id } => {
            let owner = Owner { tenant: *tenant, kind: OwnerKind::Call(*call), remote: None };
            Some(Note::Belongs { sip_call_id: sip_call_id.clone(), owner })
        }
        Output::Journal(JournalEntry::Opened(record)) => {
            let owner = Owner { tenant: record.tenant_id, kind: OwnerKind::Call(record.id), remote: record.caller_ip };
            Some(Note::Belongs { sip_call_id: Bytes::from(record.call_id.clone()), owner })
        }
        Output::Journal(JournalEntry::Closed(record)) => Some(Note::Closed { at: Instant::now(), call: record.id }),
        Output::Registration(RegistrationChange::Put(registration)) => {
            let tenant: TenantId = registration.tenant_id;
            let owner = Owner { tenant, kind: OwnerKind::Registration, remote: Some(registration.remote.ip()) };
            Some(Note::Belongs { sip_call_id: Bytes::from(registration.call_id.clone()), owner })
        }
        Output::Journal(JournalEntry::Event(_) | JournalEntry::Leg(_))
        | Output::Registration(RegistrationChange::Removed { .. })
        | Output::Transmit(_)
        | Output::Media(_)
        | Output::Message(_)
        | Output::FetchMessages { .. }
        | Output::MessageDelivered { .. }
        | Output::Subscription(_)
        | Output::Guard(_) => None,
    }
}

impl Shared {
    fn lay(&self, basket: usize, note: Note, bytes: usize) {
        let Some(basket) = self.baskets.get(basket) else { return };
        let mut basket = lock(basket);
        if basket.notes.len() >= BASKET_MESSAGES || basket.bytes + bytes > BASKET_BYTES {
            drop(basket);
            self.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        basket.bytes += bytes;
        basket.notes.push(note);
    }

    /// Takes what lies in the baskets into the book, and keeps the book open.
    fn empty(&self) -> MutexGuard<'_, Desk> {
        let mut desk = lock(&self.desk);
        desk.follow_clock();
        for basket in &self.baskets {
            let full = {
                let mut basket = lock(basket);
                // As much room again: what came in the last moment will come in the next.
                let room = basket.notes.len();
                std::mem::replace(&mut *basket, Basket { notes: Vec::with_capacity(room), bytes: 0 })
            };
            for note in full.notes {
                desk.take(note);
            }
        }
        desk
    }
}

impl Desk {
    fn take(&mut self, note: Note) {
        match note {
            Note::Message { at, way, flow, bytes } => {
                let at_us = self.microsecond(at);
                self.book.message(Message { at_us, way, flow, bytes });
            }
            Note::Belongs { sip_call_id, owner } => self.book.belongs(&sip_call_id, owner),
            Note::Closed { at, call } => {
                let at_us = self.microsecond(at);
                self.book.closed(at_us, call);
            }
        }
    }

    fn microsecond(&self, at: Instant) -> i64 {
        let (then, then_us) = self.anchor;
        let micros = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
        match at.checked_duration_since(then) {
            Some(since) => then_us.saturating_add(micros(since)),
            None => then_us.saturating_sub(micros(then.saturating_duration_since(at))),
        }
    }

    /// Order and distance of messages come from the monotonic clock; the time of day is looked up only to be right.
    fn follow_clock(&mut self) {
        let (now, outside) = (Instant::now(), Timestamp::now().as_microsecond());
        if (self.microsecond(now) - outside).abs() > DRIFT_US {
            self.anchor = (now, outside);
        }
    }
}

/// The thread.
fn keep(shared: &Shared) {
    loop {
        let stopped = {
            let stop = lock(&shared.stop.0);
            let waited = shared.stop.1.wait_timeout_while(stop, EMPTY_EVERY, |stop| !*stop);
            *waited.unwrap_or_else(PoisonError::into_inner).0
        };
        // The book is closed while a stretch is packed, so that a question waits for one stretch and not for all.
        let mut desk = shared.empty();
        let now = desk.microsecond(Instant::now());
        if stopped {
            desk.book.finish(now);
        }
        desk.book.handle_timeout(now);
        while let Some(stretch) = desk.book.poll_stretch() {
            if let Some(trace) = desk.packer.pack(&stretch)
                && !shared.writer.push(trace)
            {
                tracing::debug!("a trace is lost: too many wait for the database");
            }
            drop(desk);
            desk = lock(&shared.desk);
        }
        if stopped {
            return;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
