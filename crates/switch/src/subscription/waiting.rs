//! Waiting: how many messages each mailbox holds, and who is still to be told without having asked.

use std::collections::{BTreeSet, HashMap};

use domain::{MessageWaiting, TenantId};
use sip::Flow;

use crate::limits;

/// Somebody to be told: all phones of an extension that have not subscribed, or the one behind a flow.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Lamp {
    pub(crate) tenant: TenantId,
    pub(crate) extension: String,
    pub(crate) flow: Option<Flow>,
}

/// The mailboxes of a shard. The map is for look-up alone.
#[derive(Debug, Default)]
pub(super) struct Mailboxes {
    tenants: HashMap<TenantId, HashMap<String, MessageWaiting>>,
    known: usize,
    /// Each at most once, however often its mailbox changes.
    lamps: BTreeSet<Lamp>,
}

impl Mailboxes {
    /// What waits in a mailbox; nothing is known of a mailbox that never had a message.
    pub(super) fn get(&self, tenant: TenantId, extension: &str) -> Option<MessageWaiting> {
        self.tenants.get(&tenant)?.get(extension).copied()
    }

    /// Takes what waits now; whether that is news.
    pub(super) fn put(&mut self, tenant: TenantId, extension: &str, waiting: MessageWaiting) -> bool {
        let mailboxes = self.tenants.entry(tenant).or_default();
        let changed = match mailboxes.get_mut(extension) {
            Some(known) => std::mem::replace(known, waiting) != waiting,
            None if self.known >= limits::MAX_MAILBOXES => false,
            None => {
                self.known += 1;
                mailboxes.insert(extension.to_owned(), waiting);
                true
            }
        };
        if changed {
            self.lamps.insert(Lamp { tenant, extension: extension.to_owned(), flow: None });
        }
        changed
    }

    /// A phone has just registered: its lamp may show what no longer holds. Who has no mailbox is not bothered.
    pub(super) fn registered(&mut self, tenant: TenantId, extension: &str, flow: Flow) {
        if self.get(tenant, extension).is_some() {
            self.lamps.insert(Lamp { tenant, extension: extension.to_owned(), flow: Some(flow) });
        }
    }

    /// The next one to be told.
    pub(super) fn pop(&mut self) -> Option<Lamp> {
        self.lamps.pop_first()
    }

    /// Whether somebody is to be told.
    pub(super) fn is_pending(&self) -> bool {
        !self.lamps.is_empty()
    }

    /// Forgets a tenant.
    pub(super) fn remove_tenant(&mut self, tenant: TenantId) {
        self.known -= self.tenants.remove(&tenant).map_or(0, |mailboxes| mailboxes.len());
        self.lamps.retain(|lamp| lamp.tenant != tenant);
    }
}
