//! The switchboard: one thread that thinks, and the doors around it.
//!
//! Everything that reaches a shard comes through one mailbox, in order. The thread takes a letter, lets the shard
//! think, carries out what the shard decided, and sleeps until the next letter or the next deadline. It holds no lock
//! and never waits for a database, a file or a phone.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use jiff::Timestamp;
use switch::{Input, Output, Shard, ShardConfig};

/// Messages from the network that may wait; past this a datagram is dropped, as a full socket buffer would.
const SIP_BACKLOG: usize = 8_192;
/// How often the shard's wall clock is set right.
const WALL_CLOCK_EVERY: Duration = Duration::from_secs(10);
/// Letters handled before the deadlines are looked at again.
const BATCH: usize = 64;

/// A question about live state, answered on the shard's own thread.
pub type Question = Box<dyn FnOnce(&Shard) + Send>;

#[expect(
    clippy::large_enum_variant,
    reason = "nearly every letter is an input; a box would cost each of them an allocation"
)]
enum Letter {
    Input(Input),
    Ask(Question),
    Stop,
}

/// The way into a shard, for sockets, workers, the database listener and the control socket.
#[derive(Clone)]
pub struct Mailbox {
    letters: Sender<Letter>,
    refused: Arc<AtomicU64>,
}

impl Mailbox {
    /// Hands over a message from the network; `false` when too many wait already.
    #[must_use]
    pub fn offer_sip(&self, input: Input) -> bool {
        if self.letters.len() >= SIP_BACKLOG {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        self.letters.send(Letter::Input(input)).is_ok()
    }

    /// Hands over a fact or a change that must not be lost. Their number is bounded by calls and tenants.
    pub fn post(&self, input: Input) {
        let _ = self.letters.send(Letter::Input(input));
    }

    /// Has a question answered; `None` when the shard is gone or takes longer than two seconds.
    pub fn ask<T: Send + 'static>(&self, question: impl FnOnce(&Shard) -> T + Send + 'static) -> Option<T> {
        let (reply, answer) = crossbeam_channel::bounded(1);
        let question = Box::new(move |shard: &Shard| {
            let _ = reply.send(question(shard));
        });
        self.letters.send(Letter::Ask(question)).ok()?;
        answer.recv_timeout(Duration::from_secs(2)).ok()
    }

    /// How many messages were refused because too many waited.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

/// What carries out a shard's decisions.
pub trait Effects: Send + 'static {
    /// Carries out one.
    fn perform(&mut self, output: Output);
}

/// A running shard.
pub struct Switchboard {
    mailbox: Mailbox,
    thread: JoinHandle<()>,
}

/// A mailbox and the letters in it, before the thread that reads them runs: the doors need the one, the thread the
/// other, and the thread needs the doors.
pub struct Unopened {
    /// The way in.
    pub mailbox: Mailbox,
    letters: Receiver<Letter>,
}

impl Unopened {
    /// An empty mailbox.
    #[must_use]
    pub fn new() -> Self {
        let (sender, letters) = crossbeam_channel::unbounded();
        Self { mailbox: Mailbox { letters: sender, refused: Arc::default() }, letters }
    }

    /// Starts the thread.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn open(self, config: ShardConfig, effects: impl Effects) -> std::io::Result<Switchboard> {
        let letters = self.letters;
        let thread = std::thread::Builder::new()
            .name("switchboard-0".to_owned())
            .spawn(move || think(Shard::new(config), &letters, effects))?;
        Ok(Switchboard { mailbox: self.mailbox, thread })
    }
}

impl Default for Unopened {
    fn default() -> Self {
        Self::new()
    }
}

impl Switchboard {
    /// The way in.
    #[must_use]
    pub fn mailbox(&self) -> &Mailbox {
        &self.mailbox
    }

    /// Ends the thread after the letters before this one.
    pub fn stop(self) {
        let _ = self.mailbox.letters.send(Letter::Stop);
        if self.thread.join().is_err() {
            tracing::error!("the switchboard thread panicked");
        }
    }
}

fn think(mut shard: Shard, letters: &Receiver<Letter>, mut effects: impl Effects) {
    let mut set_clock_at = Instant::now() + WALL_CLOCK_EVERY;
    loop {
        let deadline = shard.poll_timeout().map_or(set_clock_at, |at| at.min(set_clock_at));
        match letters.recv_deadline(deadline) {
            Ok(letter) => {
                let more = letters.try_iter().take(BATCH);
                for letter in std::iter::once(letter).chain(more) {
                    match letter {
                        Letter::Input(input) => guarded(&mut shard, |shard| shard.handle(Instant::now(), input)),
                        Letter::Ask(question) => question(&shard),
                        Letter::Stop => return,
                    }
                    carry_out(&mut shard, &mut effects);
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let now = Instant::now();
        if now >= set_clock_at {
            shard.handle(now, Input::WallClock(Timestamp::now()));
            set_clock_at = now + WALL_CLOCK_EVERY;
        }
        if shard.poll_timeout().is_some_and(|at| at <= now) {
            guarded(&mut shard, |shard| shard.handle_timeout(now));
        }
        carry_out(&mut shard, &mut effects);
    }
}

/// The shard catches what goes wrong in a call. Should anything else in it panic, this one letter is lost, and the others
/// are still served.
fn guarded(shard: &mut Shard, work: impl FnOnce(&mut Shard)) {
    if catch_unwind(AssertUnwindSafe(|| work(shard))).is_err() {
        tracing::error!("a message made the switchboard panic; it is dropped");
    }
}

fn carry_out(shard: &mut Shard, effects: &mut impl Effects) {
    while let Some(output) = shard.poll_output() {
        effects.perform(output);
    }
}
