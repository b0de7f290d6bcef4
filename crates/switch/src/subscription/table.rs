//! Table: every subscription once, and the ways to find it: by dialog, by request under way, by what it is about, by deadline.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Instant;

use domain::{ExtensionId, SubscriptionId, TenantId};
use sip::package::{Dialog, RegContact};
use sip::{ClientId, DialogId};

use super::machine::State;
use super::package::Package;

/// A subscription's place in the table, in the order in which they were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key(u64);

/// One subscription.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) id: SubscriptionId,
    pub(super) topic: Topic,
    pub(super) subscriber: Subscriber,
    pub(super) dialog: DialogId,
    pub(super) state: State,
    /// Number of the next document.
    pub(super) version: u32,
    pub(super) told: Told,
    pub(super) kept: Kept,
    in_flight: Option<ClientId>,
    deadline: Option<Instant>,
}

/// What a subscription is about.
#[derive(Clone, Debug)]
pub(super) struct Topic {
    pub(super) tenant: TenantId,
    pub(super) package: Package,
    /// The number.
    pub(super) resource: String,
    /// The same as the phone wrote it: a URI.
    pub(super) entity: String,
    pub(super) event_id: Option<String>,
}

/// Who has subscribed.
#[derive(Clone, Debug)]
pub(super) struct Subscriber {
    pub(super) extension: String,
    pub(super) extension_id: ExtensionId,
}

/// What the last document said, as far as the next one has to know.
#[derive(Debug)]
pub(super) enum Told {
    /// Nothing that matters: the next one tells everything.
    Nothing,
    /// These calls.
    Dialogs(Vec<Dialog>),
    /// These phones.
    Contacts(Vec<RegContact>),
    /// Whether the person wants to be disturbed.
    Disturbable(bool),
}

/// How the durable copy stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// There is none.
    No,
    /// There is one, good for so many more NOTIFYs: its numbers are that much ahead.
    For(u32),
}

impl Subscription {
    pub(super) fn new(
        id: SubscriptionId,
        topic: Topic,
        subscriber: Subscriber,
        dialog: DialogId,
        state: State,
    ) -> Self {
        let (told, kept) = (Told::Nothing, Kept::No);
        Self { id, topic, subscriber, dialog, state, version: 0, told, kept, in_flight: None, deadline: None }
    }
}

/// All subscriptions of a shard. The hash maps are for look-up alone.
#[derive(Debug, Default)]
pub(super) struct Table {
    entries: BTreeMap<Key, Box<Subscription>>,
    dialogs: HashMap<DialogId, Key>,
    requests: HashMap<ClientId, Key>,
    tenants: HashMap<TenantId, Tenant>,
    deadlines: BTreeSet<(Instant, Key)>,
    next: u64,
}

/// The subscriptions of one tenant.
#[derive(Debug, Default)]
struct Tenant {
    keys: BTreeSet<Key>,
    /// By what they are about.
    topics: HashMap<String, BTreeSet<(Package, Key)>>,
    /// By whose phones have subscribed.
    subscribers: HashMap<ExtensionId, BTreeSet<Key>>,
}

impl Table {
    pub(super) fn insert(&mut self, subscription: Subscription) -> Key {
        self.next += 1;
        let key = Key(self.next);
        let topic = &subscription.topic;
        let tenant = self.tenants.entry(topic.tenant).or_default();
        tenant.keys.insert(key);
        tenant.topics.entry(topic.resource.clone()).or_default().insert((topic.package, key));
        tenant.subscribers.entry(subscription.subscriber.extension_id).or_default().insert(key);
        self.dialogs.insert(subscription.dialog, key);
        self.entries.insert(key, Box::new(subscription));
        self.schedule(key);
        key
    }

    pub(super) fn remove(&mut self, key: Key) -> Option<Box<Subscription>> {
        let subscription = self.entries.remove(&key)?;
        self.dialogs.remove(&subscription.dialog);
        if let Some(client) = subscription.in_flight {
            self.requests.remove(&client);
        }
        if let Some(at) = subscription.deadline {
            self.deadlines.remove(&(at, key));
        }
        let Topic { tenant: id, package, resource, .. } = &subscription.topic;
        if let Some(tenant) = self.tenants.get_mut(id) {
            tenant.keys.remove(&key);
            if let Some(keys) = tenant.topics.get_mut(resource) {
                keys.remove(&(*package, key));
                if keys.is_empty() {
                    tenant.topics.remove(resource);
                }
            }
            let extension = subscription.subscriber.extension_id;
            if let Some(keys) = tenant.subscribers.get_mut(&extension) {
                keys.remove(&key);
                if keys.is_empty() {
                    tenant.subscribers.remove(&extension);
                }
            }
            if tenant.keys.is_empty() {
                self.tenants.remove(id);
            }
        }
        Some(subscription)
    }

    pub(super) fn get(&self, key: Key) -> Option<&Subscription> {
        self.entries.get(&key).map(|entry| &**entry)
    }

    /// To be followed by [`Table::schedule`] when its state changes.
    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut Subscription> {
        self.entries.get_mut(&key).map(|entry| &mut **entry)
    }

    /// Takes the deadline of a subscription into account.
    pub(super) fn schedule(&mut self, key: Key) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        let deadline = entry.state.poll_timeout();
        let old = std::mem::replace(&mut entry.deadline, deadline);
        if old != deadline {
            if let Some(old) = old {
                self.deadlines.remove(&(old, key));
            }
            self.deadlines.extend(deadline.map(|at| (at, key)));
        }
    }

    pub(super) fn of_dialog(&self, dialog: DialogId) -> Option<Key> {
        self.dialogs.get(&dialog).copied()
    }

    /// A NOTIFY of this subscription is under way.
    pub(super) fn own_request(&mut self, key: Key, client: ClientId) {
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.in_flight = Some(client);
            self.requests.insert(client, key);
        }
    }

    /// Whose request this is.
    pub(super) fn of_request(&self, client: ClientId) -> Option<Key> {
        self.requests.get(&client).copied()
    }

    /// A request is under way no longer.
    pub(super) fn settle(&mut self, client: ClientId) {
        if let Some(key) = self.requests.remove(&client)
            && let Some(entry) = self.entries.get_mut(&key)
        {
            entry.in_flight.take_if(|waiting| *waiting == client);
        }
    }

    /// The subscriptions to one package of one resource, the oldest first.
    pub(super) fn of_topic(&self, tenant: TenantId, package: Package, resource: &str) -> Vec<Key> {
        let keys = self.tenants.get(&tenant).and_then(|tenant| tenant.topics.get(resource));
        let range = (package, Key(0))..=(package, Key(u64::MAX));
        keys.map(|keys| keys.range(range).map(|(_, key)| *key).collect()).unwrap_or_default()
    }

    pub(super) fn of_tenant(&self, tenant: TenantId) -> Vec<Key> {
        self.tenants.get(&tenant).map(|tenant| tenant.keys.iter().copied().collect()).unwrap_or_default()
    }

    /// How many subscriptions a tenant has, and how many the phones of one of its extensions.
    pub(super) fn counts(&self, tenant: TenantId, extension: ExtensionId) -> (usize, usize) {
        self.tenants
            .get(&tenant)
            .map_or((0, 0), |tenant| (tenant.keys.len(), tenant.subscribers.get(&extension).map_or(0, BTreeSet::len)))
    }

    /// The subscriptions of the phones of one extension, the oldest first.
    pub(super) fn of_subscriber(&self, tenant: TenantId, extension: ExtensionId) -> Vec<Key> {
        let keys = self.tenants.get(&tenant).and_then(|tenant| tenant.subscribers.get(&extension));
        keys.map(|keys| keys.iter().copied().collect()).unwrap_or_default()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// The next one that wanted to be woken by `now`.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Key> {
        let (at, key) = self.deadlines.first().copied().filter(|(at, _)| *at <= now)?;
        self.deadlines.remove(&(at, key));
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.deadline = None;
        }
        Some(key)
    }
}
