//! Subscriptions: lamps that show who is talking, who can be reached, and whether a message waits (RFC 6665, notifier side).
//!
//! ```text
//!  SUBSCRIBE ─▶ read ─▶ allowed? ─▶ accepted, NOTIFY at once ─▶ ┌─────────┐ ── orders ──▶ compose from a View ─▶ NOTIFY
//!  calls, registrations, mailboxes, PUBLISH ──── changed ─────▶ │ machine │
//!  answers, deadlines ────────────────────────────────────────▶ └─────────┘
//! ```
//!
//! The service knows no calls and no bindings: it is told that something has changed, and asks a [`View`] at the moment of telling.
//! What it wants sent leaves as orders, a bounded number per turn. Nothing here looks through all of anything: a change of one
//! extension touches its subscribers alone.

mod durable;
mod machine;
mod notify;
mod package;
mod publish;
mod refusal;
mod request;
mod table;
mod waiting;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use domain::{
    Extension, ExtensionId, MessageWaiting, Subscription as Durable, SubscriptionChange, SubscriptionId, TenantId,
    uuid_v7,
};
use jiff::Timestamp;
use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};
use sip::header::RetryAfter;
use sip::package::{Dialog, RegContact};
use sip::{ClientId, DialogId, DialogState, Failure, Flow, Method, Name, Reply, Request, Response, Uri};

pub(crate) use durable::dialog as dialog_of;
pub(crate) use notify::{Notify, Unasked};
pub(crate) use package::allow_events;
pub(crate) use refusal::Refusal;
pub(crate) use table::Key;
pub(crate) use waiting::Lamp;

use crate::admit::Identity;
use crate::clock::WallClock;
use crate::limits;
use machine::{Act, Answer, Input, Reason, State};
use notify::Facts;
use package::Package;
use publish::Publications;
use request::Ask;
use table::{Kept, Subscriber, Subscription, Table, Told, Topic};
use waiting::Mailboxes;

/// What the service may look at.
pub(crate) trait View {
    /// An extension of a tenant, when it exists and is enabled.
    fn extension(&self, tenant: TenantId, number: &str) -> Option<&Extension>;

    /// The calls of an extension, as `entity` sees them.
    fn dialogs(&self, tenant: TenantId, number: &str, entity: &str) -> Vec<Dialog>;

    /// Its phones.
    fn contacts(&self, now: Instant, tenant: TenantId, number: &str) -> Vec<RegContact>;

    /// Whether it has any.
    fn is_registered(&self, now: Instant, tenant: TenantId, number: &str) -> bool;
}

/// All subscriptions of a shard, and the event state that is nobody else's.
pub(crate) struct Subscriptions {
    table: Table,
    publications: Publications,
    mailboxes: Mailboxes,
    orders: VecDeque<Order>,
    /// Since when orders wait that the last turn left.
    backlog: Option<Instant>,
    changes: VecDeque<SubscriptionChange>,
    random: ChaCha8Rng,
}

/// Something that the service wants done.
#[derive(Debug)]
pub(crate) enum Order {
    /// Bring the durable copy up to date, by [`Subscriptions::keep`].
    Keep(Key, DialogId),
    /// Send the NOTIFY that [`Subscriptions::notify`] composes.
    Notify(Key, Telling),
    /// Tell phones that have not asked.
    Light(Lamp),
    /// Drop the dialog of a subscription that is over.
    Forget(DialogId),
}

/// What a NOTIFY is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Telling(Act);

/// A SUBSCRIBE that may be accepted.
#[derive(Debug)]
pub(crate) struct Accepted {
    topic: Topic,
    subscriber: Subscriber,
    expires_s: u32,
}

impl Accepted {
    /// The answer, without its Contact.
    pub(crate) fn reply(&self) -> Reply {
        accepted(self.expires_s)
    }
}

impl Subscriptions {
    /// No subscriptions. Entity tags grow from the seed.
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self {
            table: Table::default(),
            publications: Publications::default(),
            mailboxes: Mailboxes::default(),
            orders: VecDeque::new(),
            backlog: None,
            changes: VecDeque::new(),
            random: ChaCha8Rng::from_seed(seed),
        }
    }

    /// Judges a SUBSCRIBE outside of any dialog. When it may be accepted, [`Subscriptions::opened`] follows.
    pub(crate) fn subscribe(
        &self,
        view: &impl View,
        identity: &Identity,
        request: &Request,
    ) -> Result<Accepted, Refusal> {
        let Ask { package, event_id, expires_s, resource } = request::read(request)?;
        // A phone that asks the bare domain means itself.
        let resource = resource.unwrap_or_else(|| identity.extension.clone());
        view.extension(identity.tenant, &resource).ok_or(Refusal::UnknownResource)?;
        if package.is_private() && resource != identity.extension {
            return Err(Refusal::NotYours);
        }
        let (of_tenant, of_extension) = self.table.counts(identity.tenant, identity.extension_id);
        if self.table.len() >= limits::MAX_SUBSCRIPTIONS {
            return Err(Refusal::Full);
        }
        if of_tenant >= limits::MAX_SUBSCRIPTIONS_PER_TENANT || of_extension >= limits::MAX_SUBSCRIPTIONS_PER_EXTENSION
        {
            return Err(Refusal::TooMany);
        }
        let host = String::from_utf8_lossy(request.uri().host_raw()).into_owned();
        let entity = String::from_utf8_lossy(Uri::sip(Some(&resource), &host, None).as_bytes()).into_owned();
        Ok(Accepted {
            topic: Topic { tenant: identity.tenant, package, resource, entity, event_id },
            subscriber: Subscriber { extension: identity.extension.clone(), extension_id: identity.extension_id },
            expires_s,
        })
    }

    /// A SUBSCRIBE has been accepted and has this dialog. Its phone is told at once.
    pub(crate) fn opened(&mut self, now: Instant, at: Timestamp, accepted: Accepted, dialog: DialogId) {
        let Accepted { topic, subscriber, expires_s } = accepted;
        let (state, act) = match expires_s {
            0 => State::fetch(),
            seconds => State::begin(now + Duration::from_secs(u64::from(seconds))),
        };
        let id = self.fresh_id(at);
        let key = self.table.insert(Subscription::new(id, topic, subscriber, dialog, state));
        if state.is_active() {
            self.orders.push_back(Order::Keep(key, dialog));
        }
        self.orders.push_back(Order::Notify(key, Telling(act)));
    }

    /// Takes over a subscription of an earlier life, the `nth` of many; its phone is told how things stand.
    pub(crate) fn restore(
        &mut self,
        now: Instant,
        durable: Durable,
        dialog: DialogId,
        expires_at: Instant,
        nth: u32,
    ) -> bool {
        let Some((id, topic, subscriber, version)) = durable::restore(durable) else { return false };
        let state = State::resume(expires_at, now + limits::NOTIFY_SPREAD.saturating_mul(nth));
        let mut restored = Subscription::new(id, topic, subscriber, dialog, state);
        (restored.version, restored.kept) = (version, Kept::For(0));
        self.table.insert(restored);
        true
    }

    /// Writes down how a subscription stands, and the dialog it lives in.
    pub(crate) fn keep(&mut self, clock: &WallClock, key: Key, state: DialogState) {
        let Some(subscription) = self.table.get_mut(key) else { return };
        let Some(expires_at) = subscription.state.expires_at() else { return };
        subscription.kept = Kept::For(limits::KEPT_AHEAD);
        let durable = durable::keep(subscription, state, clock.at(expires_at));
        self.changes.push_back(SubscriptionChange::Put(Box::new(durable)));
    }

    /// The next change for the durable copy.
    pub(crate) fn poll_change(&mut self) -> Option<SubscriptionChange> {
        self.changes.pop_front()
    }

    /// The durable copy of a subscription that cannot be taken over.
    pub(crate) fn lost(&mut self, durable: &Durable) {
        self.changes.push_back(SubscriptionChange::Removed { tenant_id: durable.tenant_id, id: durable.id });
    }

    /// A request inside the dialog of a subscription; `None` when the dialog is none of ours.
    pub(crate) fn in_dialog(&mut self, now: Instant, dialog: DialogId, request: &Request) -> Option<Reply> {
        let key = self.table.of_dialog(dialog)?;
        Some(match request.method() {
            Method::Subscribe => self.refresh(now, key, request).unwrap_or_else(Refusal::reply),
            _ => Refusal::NoSubscription.reply(),
        })
    }

    fn refresh(&mut self, now: Instant, key: Key, request: &Request) -> Result<Reply, Refusal> {
        let ask = request::read(request)?;
        let subscription = self.table.get_mut(key).ok_or(Refusal::NoSubscription)?;
        if !subscription.state.is_active() {
            return Err(Refusal::NoSubscription);
        }
        // One dialog carries one subscription (RFC 6665 §4.5.2).
        if (ask.package, &ask.event_id) != (subscription.topic.package, &subscription.topic.event_id) {
            return Err(Refusal::NotYours);
        }
        // Whoever subscribes again wants to hear everything again (RFC 4235 §4.3).
        subscription.told = Told::Nothing;
        let input = match ask.expires_s {
            0 => Input::Ended(Reason::Timeout),
            seconds => Input::Refreshed { expires_at: now + Duration::from_secs(u64::from(seconds)) },
        };
        let dialog = subscription.dialog;
        if ask.expires_s > 0 {
            self.orders.push_back(Order::Keep(key, dialog));
        }
        self.step(now, key, input);
        Ok(accepted(ask.expires_s))
    }

    /// Carries out a PUBLISH (RFC 3903).
    pub(crate) fn publish(&mut self, now: Instant, identity: &Identity, request: &Request) -> Reply {
        match self.publications.publish(now, &mut self.random, identity, request) {
            Err(refusal) => refusal.reply(),
            Ok(published) => {
                if published.changed {
                    self.changed(now, identity.tenant, &identity.extension, &[Package::Presence]);
                }
                published.reply
            }
        }
    }

    /// An extension has another call, one less, or one that stands otherwise.
    pub(crate) fn calls_changed(&mut self, now: Instant, tenant: TenantId, extension: &str) {
        self.changed(now, tenant, extension, &[Package::Dialog, Package::Presence]);
    }

    /// An extension has another phone, or one less.
    pub(crate) fn registrations_changed(&mut self, now: Instant, tenant: TenantId, extension: &str) {
        self.changed(now, tenant, extension, &[Package::Presence, Package::Reg]);
    }

    /// A phone has registered anew over this flow.
    pub(crate) fn registered(&mut self, tenant: TenantId, extension: &str, flow: Flow) {
        self.mailboxes.registered(tenant, extension, flow);
    }

    /// So much waits in a mailbox.
    pub(crate) fn messages(&mut self, now: Instant, tenant: TenantId, extension: &str, waiting: MessageWaiting) {
        if self.mailboxes.put(tenant, extension, waiting) {
            self.changed(now, tenant, extension, &[Package::MessageSummary]);
        }
    }

    /// A tenant has other extensions, or the same with other rights.
    pub(crate) fn retain(&mut self, now: Instant, view: &impl View, tenant: TenantId) {
        for key in self.table.of_tenant(tenant) {
            let Some(Subscription { topic, subscriber, told, .. }) = self.table.get(key) else { continue };
            let owner = view.extension(tenant, &subscriber.extension);
            if owner.is_none_or(|extension| extension.id != subscriber.extension_id) {
                self.step(now, key, Input::Ended(Reason::Rejected));
            } else if view.extension(tenant, &topic.resource).is_none() {
                self.step(now, key, Input::Ended(Reason::NoResource));
            } else if let Told::Disturbable(told) = told
                && *told != notify::is_disturbable(view, tenant, &topic.resource)
            {
                self.step(now, key, Input::Changed { send_at: now + limits::GATHER });
            }
        }
    }

    /// A tenant is served no longer.
    pub(crate) fn remove_tenant(&mut self, now: Instant, tenant: TenantId) {
        for key in self.table.of_tenant(tenant) {
            self.step(now, key, Input::Ended(Reason::NoResource));
        }
        self.mailboxes.remove_tenant(tenant);
    }

    /// Whether a request is a NOTIFY of ours.
    pub(crate) fn owns_request(&self, client: ClientId) -> bool {
        self.table.of_request(client).is_some()
    }

    /// A NOTIFY has its final answer.
    pub(crate) fn answered(&mut self, now: Instant, client: ClientId, response: &Response) {
        if response.code() < 200 {
            return;
        }
        let retry_after = response.headers().typed::<RetryAfter>().and_then(Result::ok);
        self.outcome(now, client, Answer::of(response.code(), retry_after.map(|retry| retry.seconds)));
    }

    /// A NOTIFY has none: the phone is not there, or there is no way to it.
    pub(crate) fn failed(&mut self, now: Instant, client: ClientId, why: Failure) {
        let answer = match why {
            Failure::Timeout => Answer::Gone,
            Failure::Transport => Answer::Unreachable,
        };
        self.outcome(now, client, answer);
    }

    /// The dialogs in which the phones of an extension have subscribed.
    pub(crate) fn dialogs_of(&self, tenant: TenantId, extension: ExtensionId) -> Vec<(Key, DialogId)> {
        let keys = self.table.of_subscriber(tenant, extension).into_iter();
        keys.filter_map(|key| Some((key, self.table.get(key)?.dialog))).collect()
    }

    /// Whether the phone of a subscription cannot be reached at present.
    pub(crate) fn is_waiting(&self, key: Key) -> bool {
        self.table.get(key).is_some_and(|subscription| matches!(subscription.state, State::Waiting(_)))
    }

    /// The phone of a subscription has come back.
    pub(crate) fn reached(&mut self, now: Instant, key: Key) {
        self.step(now, key, Input::Reached);
    }

    fn outcome(&mut self, now: Instant, client: ClientId, answer: Answer) {
        if let Some(key) = self.table.of_request(client) {
            self.table.settle(client);
            self.step(now, key, Input::Answered(answer));
        }
    }

    /// Whether the far end of a dialog is a phone of this extension.
    pub(crate) fn owns(&self, dialog: DialogId, identity: &Identity) -> bool {
        let subscription = self.table.of_dialog(dialog).and_then(|key| self.table.get(key));
        subscription.is_some_and(|subscription| {
            subscription.topic.tenant == identity.tenant
                && subscription.subscriber.extension_id == identity.extension_id
        })
    }

    /// Does what is due at `now`.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        while let Some(key) = self.table.pop_due(now) {
            self.step(now, key, Input::Deadline);
        }
        while let Some((tenant, extension)) = self.publications.pop_expired(now) {
            self.changed(now, tenant, &extension, &[Package::Presence]);
        }
    }

    /// When [`Subscriptions::handle_timeout`] shall be called.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        [self.backlog, self.table.poll_timeout(), self.publications.poll_timeout()].into_iter().flatten().min()
    }

    /// The next thing to be done.
    pub(crate) fn poll_order(&mut self) -> Option<Order> {
        self.orders.pop_front().or_else(|| self.mailboxes.pop().map(Order::Light))
    }

    /// As much has been done as a turn may. What is left makes the next turn come at once.
    pub(crate) fn end_turn(&mut self, now: Instant) {
        let is_left = !self.orders.is_empty() || self.mailboxes.is_pending();
        self.backlog = is_left.then_some(now);
    }

    /// Composes a NOTIFY; `None` when its subscription is gone.
    pub(crate) fn notify(&mut self, now: Instant, view: &impl View, key: Key, telling: Telling) -> Option<Notify> {
        let subscription = self.table.get_mut(key)?;
        if let Kept::For(left) = &mut subscription.kept {
            *left = left.saturating_sub(1);
            // Well before the copy's numbers are used up: it takes a while until it is written.
            if *left == limits::KEPT_AHEAD / 2 || *left == 0 {
                self.orders.push_back(Order::Keep(key, subscription.dialog));
            }
        }
        let Topic { tenant, resource, .. } = &subscription.topic;
        let facts = Facts {
            waiting: self.mailboxes.get(*tenant, resource).unwrap_or_default(),
            published: self.publications.of(now, *tenant, resource),
        };
        Some(notify::compose(now, view, &facts, subscription, telling.0))
    }

    /// A NOTIFY is under way, or could not be sent.
    pub(crate) fn sent(&mut self, now: Instant, key: Key, client: Option<ClientId>) {
        match client {
            Some(client) => self.table.own_request(key, client),
            None => self.step(now, key, Input::Answered(Answer::Gone)),
        }
    }

    /// What a phone is told about its mailbox that has not subscribed to it; `None` when nothing is known of it.
    pub(crate) fn unasked(&self, tenant: TenantId, extension: &str, account: &str) -> Option<Unasked> {
        Some(notify::unasked(account, self.mailboxes.get(tenant, extension)?))
    }

    /// The dialogs in which phones of an extension have subscribed to its mailbox.
    pub(crate) fn mailbox_dialogs(&self, tenant: TenantId, extension: &str) -> Vec<DialogId> {
        let keys = self.table.of_topic(tenant, Package::MessageSummary, extension);
        keys.into_iter().filter_map(|key| self.table.get(key)).map(|subscription| subscription.dialog).collect()
    }

    /// How many subscriptions there are.
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// The subscribers to these packages of an extension are to be told, one a little after the other.
    fn changed(&mut self, now: Instant, tenant: TenantId, extension: &str, packages: &[Package]) {
        let mut spread = Duration::ZERO;
        for package in packages {
            for key in self.table.of_topic(tenant, *package, extension) {
                self.step(now, key, Input::Changed { send_at: now + limits::GATHER + spread });
                spread = (spread + limits::NOTIFY_SPREAD).min(limits::MAX_NOTIFY_SPREAD);
            }
        }
    }

    fn fresh_id(&mut self, at: Timestamp) -> SubscriptionId {
        let mut random = [0; 10];
        self.random.fill_bytes(&mut random);
        SubscriptionId(uuid_v7(u64::try_from(at.as_millisecond()).unwrap_or(0), random))
    }

    fn step(&mut self, now: Instant, key: Key, input: Input) {
        let Some(subscription) = self.table.get_mut(key) else { return };
        let act = subscription.state.handle(now, input);
        let is_over = subscription.state == State::Over;
        if let Some(act) = act {
            self.orders.push_back(Order::Notify(key, Telling(act)));
        }
        if is_over {
            let Some(subscription) = self.table.remove(key) else { return };
            self.orders.push_back(Order::Forget(subscription.dialog));
            if subscription.kept != Kept::No {
                let (tenant_id, id) = (subscription.topic.tenant, subscription.id);
                self.changes.push_back(SubscriptionChange::Removed { tenant_id, id });
            }
        } else {
            self.table.schedule(key);
        }
    }
}

/// 200 to a SUBSCRIBE: for how long it holds, and what else there is.
fn accepted(expires_s: u32) -> Reply {
    Reply::new(200).header(Name::Expires, Bytes::from(expires_s.to_string())).header(Name::AllowEvents, allow_events())
}
