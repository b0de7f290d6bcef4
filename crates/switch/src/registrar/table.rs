//! Table: every binding once, and the three ways to find it.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use domain::TenantId;
use sip::Flow;
use uuid::Uuid;

use super::Binding;

/// Where a binding lies in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot(u32);

/// Bindings by address of record, by flow and by deadline.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// Each binding in a box of its own, so that growing moves pointers only.
    slots: Vec<Option<Box<Binding>>>,
    free: Vec<Slot>,
    tenants: HashMap<TenantId, Tenant>,
    flows: BTreeSet<(Flow, TenantId, Slot)>,
    deadlines: BTreeSet<(Instant, Slot)>,
}

/// The bindings of one tenant.
#[derive(Debug, Default)]
struct Tenant {
    /// By extension number, for look-up alone; the preferred bindings first.
    extensions: HashMap<Box<str>, Vec<Slot>>,
    slots: BTreeSet<Slot>,
}

impl Table {
    pub(super) fn insert(&mut self, binding: Binding) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            // More bindings than 32 bits can count do not fit into memory either.
            Slot(u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX))
        });
        let registration = binding.registration();
        self.flows.insert((*binding.flow(), registration.tenant_id, slot));
        self.deadlines.insert((binding.expires_at(), slot));
        let place = self
            .of_extension(registration.tenant_id, &registration.extension)
            .partition_point(|other| self.get(*other).is_some_and(|other| rank(other) <= rank(&binding)));
        let tenant = self.tenants.entry(registration.tenant_id).or_default();
        tenant.slots.insert(slot);
        match tenant.extensions.get_mut(registration.extension.as_str()) {
            Some(slots) => slots.insert(place, slot),
            None => {
                tenant.extensions.insert(registration.extension.as_str().into(), vec![slot]);
            }
        }
        if let Some(entry) = self.slots.get_mut(slot.index()) {
            *entry = Some(Box::new(binding));
        }
    }

    pub(super) fn remove(&mut self, slot: Slot) -> Option<Binding> {
        let binding = *self.slots.get_mut(slot.index())?.take()?;
        self.free.push(slot);
        let registration = binding.registration();
        self.flows.remove(&(*binding.flow(), registration.tenant_id, slot));
        self.deadlines.remove(&(binding.expires_at(), slot));
        if let Some(tenant) = self.tenants.get_mut(&registration.tenant_id) {
            tenant.slots.remove(&slot);
            if let Some(slots) = tenant.extensions.get_mut(registration.extension.as_str()) {
                slots.retain(|other| *other != slot);
                if slots.is_empty() {
                    tenant.extensions.remove(registration.extension.as_str());
                }
            }
            if tenant.slots.is_empty() {
                self.tenants.remove(&registration.tenant_id);
            }
        }
        Some(binding)
    }

    pub(super) fn get(&self, slot: Slot) -> Option<&Binding> {
        self.slots.get(slot.index())?.as_deref()
    }

    pub(super) fn of_extension(&self, tenant: TenantId, extension: &str) -> &[Slot] {
        let slots = self.tenants.get(&tenant).and_then(|tenant| tenant.extensions.get(extension));
        slots.map_or(&[], Vec::as_slice)
    }

    /// A binding of the flow, if all bindings of the flow belong to one tenant.
    pub(super) fn on_flow(&self, flow: &Flow) -> Option<&Binding> {
        let mut range = self.flow(flow);
        let (_, tenant, slot) = range.next()?;
        match range.next_back() {
            Some((_, last, _)) if last != tenant => None,
            _ => self.get(*slot),
        }
    }

    /// Every binding of the flow.
    pub(super) fn all_on_flow(&self, flow: &Flow) -> Vec<Slot> {
        self.flow(flow).map(|(_, _, slot)| *slot).collect()
    }

    fn flow(&self, flow: &Flow) -> std::collections::btree_set::Range<'_, (Flow, TenantId, Slot)> {
        let least = (*flow, TenantId(Uuid::nil()), Slot(0));
        let most = (*flow, TenantId(Uuid::max()), Slot(u32::MAX));
        self.flows.range(least..=most)
    }

    pub(super) fn of_tenant(&self, tenant: TenantId) -> Vec<Slot> {
        self.tenants.get(&tenant).map(|tenant| tenant.slots.iter().copied().collect()).unwrap_or_default()
    }

    /// Every binding, the first to expire first.
    pub(super) fn all(&self) -> Vec<Slot> {
        self.deadlines.iter().map(|(_, slot)| *slot).collect()
    }

    pub(super) fn due(&self, now: Instant) -> Option<Slot> {
        self.deadlines.first().filter(|(at, _)| *at <= now).map(|(_, slot)| *slot)
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    pub(super) fn len(&self) -> usize {
        self.deadlines.len()
    }
}

impl Slot {
    fn index(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// Smaller rings first: the higher preference, then who came first.
fn rank(binding: &Binding) -> impl Ord + use<> {
    let registration = binding.registration();
    (Reverse(registration.q), registration.registered_at, registration.id)
}
