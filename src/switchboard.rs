//! The switchboard: one thread that thinks, and the doors around it.
//!
//! Everything that reaches a shard comes through one mailbox. What waits there is sorted into lanes: see
//! [`switch::overload`]. The thread takes a batch, lets the shard think about each letter, carries out what it decided, and
//! sleeps until the next letter or the next deadline. While it thinks it holds no lock, and it never waits for a database,
//! a file or a phone.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use switch::overload::{Lanes, Letter as Waiting, Offered};
use switch::{Input, Output, Shard, ShardConfig};

use crate::front::Front;

/// How often the shard's wall clock is set right.
const WALL_CLOCK_EVERY: Duration = Duration::from_secs(10);

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
pub struct Mailbox(Arc<Shared>);

struct Shared {
    front: Front,
    inbox: Mutex<Inbox>,
    /// Wakes the thread, when it sleeps.
    came: Condvar,
    lost: AtomicU64,
    /// The longest that anything has waited since this was last asked, in microseconds.
    waited_us: AtomicU64,
}

#[derive(Default)]
struct Inbox {
    lanes: Lanes<Letter>,
    sleeps: bool,
}

impl Shared {
    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts something into the inbox, and wakes the thread only if it sleeps: that costs a call into the kernel.
    fn put<T>(&self, work: impl FnOnce(&mut Lanes<Letter>) -> T) -> T {
        let mut inbox = self.inbox();
        let done = work(&mut inbox.lanes);
        let sleeps = std::mem::replace(&mut inbox.sleeps, false);
        drop(inbox);
        if sleeps {
            self.came.notify_one();
        }
        done
    }
}

impl Mailbox {
    /// Hands over a message from the network; `false` when it is lost. One for which there is no time is turned away, here
    /// and now.
    #[must_use]
    pub fn offer_sip(&self, input: Input) -> bool {
        let Input::Sip { flow, message } = input else {
            self.post(input);
            return true;
        };
        let shared = &*self.0;
        let (class, fate, standing) = shared.front.sort(&flow, &message);
        let letter = Letter::Input(Input::Sip { flow, message });
        let now = Instant::now();
        match shared.put(|lanes| lanes.offer(now, (class, fate), (flow, standing), letter)) {
            Offered::Taken => true,
            Offered::TurnedAway(Letter::Input(Input::Sip { flow, message })) => {
                shared.front.turn_away(flow, &message);
                true
            }
            Offered::TurnedAway(_) | Offered::Lost => {
                shared.lost.fetch_add(1, Ordering::Relaxed);
                false
            }
        }
    }

    /// Hands over a fact or a change that must not be lost. Their number is bounded by calls and tenants.
    pub fn post(&self, input: Input) {
        match &input {
            Input::Snapshot(snapshot) => self.0.front.put(snapshot),
            Input::TenantGone(tenant) => self.0.front.remove(*tenant),
            _ => {}
        }
        let closed = if let Input::FlowClosed { flow } = &input { Some(*flow) } else { None };
        let (now, letter) = (Instant::now(), Letter::Input(input));
        self.0.put(|lanes| match closed {
            Some(flow) => lanes.closed(now, flow, letter),
            None => lanes.post(now, letter),
        });
    }

    /// Has a question answered; `None` when the shard is gone or takes longer than two seconds.
    pub fn ask<T: Send + 'static>(&self, question: impl FnOnce(&Shard) -> T + Send + 'static) -> Option<T> {
        let (reply, answer) = crossbeam_channel::bounded(1);
        let question = Box::new(move |shard: &Shard| {
            let _ = reply.send(question(shard));
        });
        self.put(Letter::Ask(question));
        answer.recv_timeout(Duration::from_secs(2)).ok()
    }

    /// What the receiving threads know.
    #[must_use]
    pub fn front(&self) -> &Front {
        &self.0.front
    }

    /// How many messages were lost or turned away because too many waited.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.0.lost.load(Ordering::Relaxed) + self.0.front.turned()
    }

    /// The longest that anything has waited since this was last asked.
    #[must_use]
    pub fn longest_wait(&self) -> Duration {
        Duration::from_micros(self.0.waited_us.swap(0, Ordering::Relaxed))
    }

    fn put(&self, letter: Letter) {
        let now = Instant::now();
        self.0.put(|lanes| lanes.post(now, letter));
    }

    /// What shall be done next; waits for it until `deadline`.
    fn take(&self, deadline: Instant, batch: &mut Vec<Waiting<Letter>>) {
        let mut inbox = self.0.inbox();
        loop {
            inbox.lanes.take(batch);
            let now = Instant::now();
            if let Some(since) = batch.iter().map(|letter| letter.at).min() {
                let waited = u64::try_from(now.saturating_duration_since(since).as_micros()).unwrap_or(u64::MAX);
                self.0.waited_us.fetch_max(waited, Ordering::Relaxed);
                return;
            }
            let left = deadline.saturating_duration_since(now);
            if left.is_zero() {
                return;
            }
            inbox.sleeps = true;
            inbox = self.0.came.wait_timeout(inbox, left).unwrap_or_else(PoisonError::into_inner).0;
            inbox.sleeps = false;
        }
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

/// A mailbox before the thread that reads it runs: the doors need the one, the thread the other, and the thread needs the
/// doors.
pub struct Unopened {
    /// The way in.
    pub mailbox: Mailbox,
}

impl Unopened {
    /// An empty mailbox.
    #[must_use]
    pub fn new(front: Front) -> Self {
        Self {
            mailbox: Mailbox(Arc::new(Shared {
                front,
                inbox: Mutex::default(),
                came: Condvar::new(),
                lost: AtomicU64::new(0),
                waited_us: AtomicU64::new(0),
            })),
        }
    }

    /// Starts the thread.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn open(self, config: ShardConfig, effects: impl Effects) -> std::io::Result<Switchboard> {
        let mailbox = self.mailbox.clone();
        let thread = std::thread::Builder::new()
            .name("switchboard-0".to_owned())
            .spawn(move || think(Shard::new(config), &mailbox, effects))?;
        Ok(Switchboard { mailbox: self.mailbox, thread })
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
        self.mailbox.put(Letter::Stop);
        if self.thread.join().is_err() {
            tracing::error!("the switchboard thread panicked");
        }
    }
}

fn think(mut shard: Shard, mailbox: &Mailbox, mut effects: impl Effects) {
    let mut set_clock_at = Instant::now() + WALL_CLOCK_EVERY;
    let mut batch = Vec::new();
    loop {
        let deadline = shard.poll_timeout().map_or(set_clock_at, |at| at.min(set_clock_at));
        mailbox.take(deadline, &mut batch);
        for letter in batch.drain(..) {
            match letter.item {
                Letter::Input(input) => guarded(&mut shard, |shard| shard.handle(Instant::now(), input)),
                Letter::Ask(question) => question(&shard),
                Letter::Stop => return,
            }
            carry_out(&mut shard, &mut effects);
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
