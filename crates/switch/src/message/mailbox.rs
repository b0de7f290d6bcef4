//! Mailbox: the messages that wait for an extension, delivered in order once a phone is there.
//!
//! ```text
//!             registered          messages             taken, refused
//!  (waits) ───────────▶ Fetching ─────────▶ Delivering ──────────────┐
//!     ▲                    │ none left         │  ◀── the next one ───┘
//!     │                    └──▶ forgotten      │ no phone answers
//!     └────────────────── Resting ◀────────────┘
//! ```
//!
//! The store is asked only for extensions of which it is known that something waits, so a REGISTER costs the database nothing.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use domain::{ExtensionId, MessageId, StoredMessage, TenantId};

use super::Effect;
use crate::limits;

/// Whose messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct MailboxKey {
    pub(crate) tenant: TenantId,
    pub(crate) extension: ExtensionId,
}

/// What came of sending one kept message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A phone has it.
    Taken,
    /// No phone wants it, today or tomorrow.
    Refused,
    /// No phone has answered.
    Silent,
    /// No phone is there any more.
    Gone,
}

/// One mailbox that is being emptied, or has just failed to be.
struct Mailbox {
    /// Number of the extension.
    number: String,
    state: State,
    /// How long it rests when nothing more can be delivered: for long when a message was refused and stays behind.
    rest: Duration,
}

enum State {
    /// The store is being asked.
    Fetching { give_up_at: Instant },
    /// The message `current` is on its way; these follow.
    Delivering { current: MessageId, rest: VecDeque<StoredMessage> },
    /// Nobody answered. A phone that registers meanwhile gets its messages at the end.
    Resting { again: bool },
}

/// All mailboxes of a shard.
#[derive(Default)]
pub(super) struct Mailboxes {
    /// Something waits for these.
    waiting: BTreeSet<MailboxKey>,
    boxes: BTreeMap<MailboxKey, Mailbox>,
    /// How many of them are not resting.
    busy: usize,
    /// Phones have registered for these, and wait for their turn.
    queue: VecDeque<(MailboxKey, String)>,
    queued: BTreeSet<MailboxKey>,
    deadlines: BTreeSet<(Instant, MailboxKey)>,
}

impl Mailboxes {
    /// Something waits for an extension.
    pub(super) fn waits(&mut self, key: MailboxKey) {
        self.waiting.insert(key);
    }

    /// Nothing waits for a tenant's extensions any more.
    pub(super) fn remove_tenant(&mut self, now: Instant, tenant: TenantId, out: &mut VecDeque<Effect>) {
        self.waiting.retain(|key| key.tenant != tenant);
        self.queued.retain(|key| key.tenant != tenant);
        self.queue.retain(|(key, _)| key.tenant != tenant);
        self.deadlines.retain(|(_, key)| key.tenant != tenant);
        let busy = |state: &State| !matches!(state, State::Resting { .. });
        let gone = self.boxes.iter().filter(|(key, mailbox)| key.tenant == tenant && busy(&mailbox.state)).count();
        self.boxes.retain(|key, _| key.tenant != tenant);
        self.busy = self.busy.saturating_sub(gone);
        self.start_next(now, out);
    }

    /// A phone of an extension has registered.
    pub(super) fn registered(&mut self, now: Instant, key: MailboxKey, number: &str, out: &mut VecDeque<Effect>) {
        if let Some(Mailbox { state: State::Resting { again }, .. }) = self.boxes.get_mut(&key) {
            *again = true;
        }
        if !self.waiting.contains(&key) || self.boxes.contains_key(&key) || !self.queued.insert(key) {
            return;
        }
        self.queue.push_back((key, number.to_owned()));
        self.start_next(now, out);
    }

    /// Takes mailboxes from the queue while there is room.
    fn start_next(&mut self, now: Instant, out: &mut VecDeque<Effect>) {
        while self.busy < limits::MAX_DELIVERIES {
            let Some((key, number)) = self.queue.pop_front() else { return };
            self.queued.remove(&key);
            self.busy += 1;
            let state = self.fetch(now, key, None, out);
            self.boxes.insert(key, Mailbox { number, state, rest: limits::MESSAGE_REST });
        }
    }

    fn fetch(&mut self, now: Instant, key: MailboxKey, after: Option<MessageId>, out: &mut VecDeque<Effect>) -> State {
        let give_up_at = now + limits::MESSAGE_FETCH;
        self.deadlines.insert((give_up_at, key));
        out.push_back(Effect::Fetch { mailbox: key, after });
        State::Fetching { give_up_at }
    }

    /// What the store has; the first of it is to be sent now.
    pub(super) fn fetched(
        &mut self,
        now: Instant,
        key: MailboxKey,
        messages: Option<Vec<StoredMessage>>,
        out: &mut VecDeque<Effect>,
    ) -> Option<(String, StoredMessage)> {
        let mailbox = self.boxes.get_mut(&key)?;
        let State::Fetching { give_up_at } = mailbox.state else { return None };
        self.deadlines.remove(&(give_up_at, key));
        let Some(messages) = messages else {
            self.pause(now, key, out);
            return None;
        };
        let mut rest = VecDeque::from(messages);
        match rest.pop_front() {
            Some(first) => {
                mailbox.state = State::Delivering { current: first.id, rest };
                Some((mailbox.number.clone(), first))
            }
            None if mailbox.rest > limits::MESSAGE_REST => {
                self.pause(now, key, out);
                None
            }
            None => {
                self.waiting.remove(&key);
                self.boxes.remove(&key);
                self.leave(now, out);
                None
            }
        }
    }

    /// What came of the message that was sent last; the next one is to be sent now.
    pub(super) fn concluded(
        &mut self,
        now: Instant,
        key: MailboxKey,
        outcome: Outcome,
        out: &mut VecDeque<Effect>,
    ) -> Option<(String, StoredMessage)> {
        let mailbox = self.boxes.get_mut(&key)?;
        let State::Delivering { current, rest } = &mut mailbox.state else { return None };
        match outcome {
            Outcome::Taken => {}
            Outcome::Refused => mailbox.rest = limits::MESSAGE_REST_REFUSED,
            Outcome::Silent => {
                self.pause(now, key, out);
                return None;
            }
            Outcome::Gone => {
                self.boxes.remove(&key);
                self.leave(now, out);
                return None;
            }
        }
        if let Some(next) = rest.pop_front() {
            *current = next.id;
            return Some((mailbox.number.clone(), next));
        }
        let after = Some(*current);
        let state = self.fetch(now, key, after, out);
        if let Some(mailbox) = self.boxes.get_mut(&key) {
            mailbox.state = state;
        }
        None
    }

    /// Nothing more can be done for now.
    fn pause(&mut self, now: Instant, key: MailboxKey, out: &mut VecDeque<Effect>) {
        if let Some(mailbox) = self.boxes.get_mut(&key) {
            mailbox.state = State::Resting { again: false };
            self.deadlines.insert((now + mailbox.rest, key));
        }
        self.leave(now, out);
    }

    /// A mailbox has stopped being busy.
    fn leave(&mut self, now: Instant, out: &mut VecDeque<Effect>) {
        self.busy = self.busy.saturating_sub(1);
        self.start_next(now, out);
    }

    /// What has waited long enough by `now`.
    pub(super) fn handle_timeout(&mut self, now: Instant, out: &mut VecDeque<Effect>) {
        while let Some((at, key)) = self.deadlines.first().copied().filter(|(at, _)| *at <= now) {
            self.deadlines.remove(&(at, key));
            match self.boxes.get(&key).map(|mailbox| &mailbox.state) {
                Some(State::Fetching { .. }) => self.pause(now, key, out),
                Some(State::Resting { again }) => {
                    let again = *again;
                    let Some(mailbox) = self.boxes.remove(&key) else { continue };
                    if again {
                        self.registered(now, key, &mailbox.number, out);
                    }
                }
                Some(State::Delivering { .. }) | None => {}
            }
        }
    }

    /// When [`Mailboxes::handle_timeout`] wants to be called.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }
}
