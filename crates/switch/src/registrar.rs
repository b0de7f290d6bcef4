//! Registrar (RFC 3261 §10): which phones can be reached for an extension, and over which flow.
//!
//! An address of record is an extension of a tenant; it may have several bindings. A REGISTER is carried out whole or not at
//! all. A call goes to a binding over the flow its REGISTER came in on, so that phones behind NAT are reached, and a Contact
//! that names a stranger makes nobody a relay.
//!
//! No operation looks through all bindings: there is a table by address of record, an ordered set by flow and an ordered set
//! by deadline. What changes leaves through [`Registrar::poll_change`].

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use domain::{Registration, RegistrationChange, RegistrationId, TenantId, TenantSnapshot, uuid_v7};
use jiff::Timestamp;
use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};
use sip::{Flow, Reply, Request};

mod answer;
mod binding;
mod request;
mod table;

pub use binding::Binding;
pub(crate) use binding::{flow_of, path_of};

use crate::admit::Identity;
use crate::clock::WallClock;
use crate::verdict::Ending;
use request::{Ask, Contact, Wish};
use table::{Slot, Table};

/// What a registrar allows.
#[derive(Clone, Debug)]
pub struct RegistrarConfig {
    /// Lifetime of a binding whose REGISTER names none, in seconds.
    pub default_expires: u32,
    /// Shortest lifetime, in seconds; below it is 423. RFC 3261 §10.3 wants it to be no more than an hour.
    pub min_expires: u32,
    /// Longest lifetime, in seconds; more is cut down to it.
    pub max_expires: u32,
    /// How many bindings an extension may have. A REGISTER that would make more is refused with 403: unlike 503 that makes no
    /// phone look for another registrar, and unlike an eviction it takes nobody's place away.
    pub max_bindings: usize,
    /// Seed of the identities of bindings.
    pub seed: [u8; 32],
}

/// All bindings of a shard.
pub struct Registrar {
    config: RegistrarConfig,
    table: Table,
    random: ChaCha8Rng,
    changes: VecDeque<RegistrationChange>,
    news: VecDeque<News>,
}

/// What others may want to know of the phones of an extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// A phone has registered that was not there, was somewhere else, or has started anew.
    Arrived {
        /// Tenant.
        tenant: TenantId,
        /// Number of the extension.
        extension: String,
        /// The way to the phone.
        flow: Flow,
        /// Its Contact.
        contact: String,
    },
    /// A phone is there no longer.
    Left {
        /// Tenant.
        tenant: TenantId,
        /// Number of the extension.
        extension: String,
    },
}

/// A REGISTER together with what it needs to be carried out.
struct Occasion<'a> {
    now: Instant,
    timestamp: Timestamp,
    flow: &'a Flow,
    identity: &'a Identity,
}

/// One part of a REGISTER, found to be allowed and not yet done.
enum Step<'a> {
    Remove(Slot),
    Put(Option<Slot>, &'a Contact),
}

impl Registrar {
    /// A registrar without bindings.
    #[must_use]
    pub fn new(config: RegistrarConfig) -> Self {
        let random = ChaCha8Rng::from_seed(config.seed);
        Self { config, table: Table::default(), random, changes: VecDeque::new(), news: VecDeque::new() }
    }

    /// Carries out a REGISTER of somebody who has authenticated and may register for this address of record.
    pub fn register(
        &mut self,
        now: Instant,
        clock: &WallClock,
        flow: &Flow,
        identity: &Identity,
        request: &Request,
    ) -> Reply {
        self.handle_timeout(now);
        let occasion = Occasion { now, timestamp: clock.at(now), flow, identity };
        let ask = match request::read(request, &self.config) {
            Ok(ask) => ask,
            Err(refusal) => return answer::refused(refusal, &self.config),
        };
        match self.plan(&occasion, &ask) {
            Ok(steps) => {
                for step in steps {
                    self.perform(&occasion, &ask, step);
                }
                let bindings = self.bindings(now, identity.tenant, &identity.extension);
                answer::accepted(&occasion, bindings, &ask)
            }
            Err(refusal) => answer::refused(refusal, &self.config),
        }
    }

    /// The bindings of an extension that hold at `now`, the preferred ones first.
    pub fn bindings(&self, now: Instant, tenant: TenantId, extension: &str) -> impl Iterator<Item = &Binding> {
        let slots = self.table.of_extension(tenant, extension);
        slots.iter().filter_map(|slot| self.table.get(*slot)).filter(move |binding| binding.expires_at() > now)
    }

    /// The bindings that a call rings, the preferred ones first. A device that keeps several flows is rung over one of
    /// them: the one that holds longest, which is the one it refreshed last (RFC 5626 §7).
    pub fn targets(&self, now: Instant, tenant: TenantId, extension: &str) -> Vec<&Binding> {
        let all: Vec<&Binding> = self.bindings(now, tenant, extension).collect();
        let newer = |one: &Binding, other: &Binding| {
            let (ours, theirs) = (one.registration(), other.registration());
            let same = ours.instance.is_some() && ours.instance == theirs.instance && ours.id != theirs.id;
            same && (one.expires_at(), theirs.id) > (other.expires_at(), ours.id)
        };
        all.iter().copied().filter(|binding| !all.iter().any(|other| newer(other, binding))).collect()
    }

    /// A binding whose phone sends over this flow. `None` also when phones of several tenants share the flow.
    #[must_use]
    pub fn on_flow(&self, flow: &Flow) -> Option<&Binding> {
        self.table.on_flow(flow)
    }

    /// Ends what has expired at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(slot) = self.table.due(now) {
            self.remove(slot);
        }
    }

    /// When the next binding expires.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.table.next_deadline()
    }

    /// The next change for the durable copy.
    pub fn poll_change(&mut self) -> Option<RegistrationChange> {
        self.changes.pop_front()
    }

    /// The next piece of news. Refreshes are none.
    pub fn poll_news(&mut self) -> Option<News> {
        self.news.pop_front()
    }

    /// Takes over bindings of an earlier life. Those that have expired, cannot be reached any more or are known better by now
    /// are ended instead.
    pub fn restore(&mut self, now: Instant, clock: &WallClock, registrations: Vec<Registration>) {
        for registration in registrations {
            let (tenant_id, id) = (registration.tenant_id, registration.id);
            let expires_at = clock.instant(registration.expires_at);
            let binding = Binding::restored(registration, expires_at).filter(|binding| {
                let known = self.table.of_extension(tenant_id, &binding.registration().extension);
                expires_at > now && !known.iter().filter_map(|slot| self.table.get(*slot)).any(|old| old.same(binding))
            });
            match binding {
                Some(binding) => self.table.insert(binding),
                None => self.changes.push_back(RegistrationChange::Removed { tenant_id, id }),
            }
        }
    }

    /// Ends the bindings whose phones were reached over a connection that is no more (RFC 5626 §5.3).
    pub fn flow_closed(&mut self, flow: &Flow) {
        for slot in self.table.all_on_flow(flow) {
            self.remove(slot);
        }
    }

    /// Ends the bindings of extensions that the tenant no longer has or has disabled.
    pub fn retain(&mut self, snapshot: &TenantSnapshot) {
        for slot in self.table.of_tenant(snapshot.tenant.id) {
            let Some(binding) = self.table.get(slot) else { continue };
            let registration = binding.registration();
            let extension = snapshot.extensions.get(&registration.extension);
            if !extension.is_some_and(|extension| extension.enabled && extension.id == registration.extension_id) {
                self.remove(slot);
            }
        }
    }

    /// Ends all bindings of a tenant.
    pub fn remove_tenant(&mut self, tenant: TenantId) {
        for slot in self.table.of_tenant(tenant) {
            self.remove(slot);
        }
    }

    /// All bindings, or those of one tenant.
    #[must_use]
    pub fn registrations(&self, tenant: Option<TenantId>) -> Vec<Registration> {
        let slots = match tenant {
            Some(tenant) => self.table.of_tenant(tenant),
            None => self.table.all(),
        };
        slots
            .into_iter()
            .filter_map(|slot| self.table.get(slot))
            .map(|binding| binding.registration().clone())
            .collect()
    }

    /// How many bindings there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.len() == 0
    }

    /// What the REGISTER comes to, found out before anything is touched (RFC 3261 §10.3, steps 6 and 7).
    fn plan<'a>(&self, occasion: &Occasion<'_>, ask: &'a Ask) -> Result<Vec<Step<'a>>, Ending> {
        let identity = occasion.identity;
        let present = self.table.of_extension(identity.tenant, &identity.extension);
        let contacts = match &ask.wish {
            Wish::Query => return Ok(Vec::new()),
            Wish::Clear => {
                let steps = present.iter().map(|slot| self.in_order(ask, *slot).map(|()| Step::Remove(*slot)));
                return steps.collect();
            }
            Wish::Change(contacts) => contacts,
        };
        let mut steps: Vec<Step<'a>> = Vec::with_capacity(contacts.len());
        for contact in contacts {
            let slot = self.find(present, contact);
            if let Some(slot) = slot {
                self.in_order(ask, slot)?;
            }
            // A REGISTER that names one contact twice means what it says last.
            steps.retain(|step| match step {
                Step::Remove(earlier) | Step::Put(Some(earlier), _) => slot != Some(*earlier),
                Step::Put(None, earlier) => slot.is_some() || !earlier.same(contact),
            });
            match slot {
                Some(slot) if contact.expires == 0 => steps.push(Step::Remove(slot)),
                None if contact.expires == 0 => {}
                _ => steps.push(Step::Put(slot, contact)),
            }
        }
        let removed = steps.iter().filter(|step| matches!(step, Step::Remove(_))).count();
        let added = steps.iter().filter(|step| matches!(step, Step::Put(None, _))).count();
        // Whoever is over a limit that was lowered may still refresh and go, only not grow.
        if added > removed && present.len() + added - removed > self.config.max_bindings {
            return Err(Ending::TooManyBindings);
        }
        Ok(steps)
    }

    /// The binding that a contact means: the same device first (RFC 5626 §6), then the same address.
    fn find(&self, present: &[Slot], contact: &Contact) -> Option<Slot> {
        let binding = |slot: &&Slot| self.table.get(**slot);
        let device = present.iter().find(|slot| binding(slot).is_some_and(|binding| binding.same_device(contact)));
        device
            .or_else(|| {
                present.iter().find(|slot| binding(slot).is_some_and(|binding| binding.same_address(&contact.uri)))
            })
            .copied()
    }

    /// A request of the same Call-ID must be newer than the one that made the binding.
    fn in_order(&self, ask: &Ask, slot: Slot) -> Result<(), Ending> {
        let Some(binding) = self.table.get(slot) else { return Ok(()) };
        let registration = binding.registration();
        let old = registration.call_id == ask.call_id && registration.cseq >= ask.cseq;
        if old { Err(Ending::OutOfOrder) } else { Ok(()) }
    }

    fn perform(&mut self, occasion: &Occasion<'_>, ask: &Ask, step: Step<'_>) {
        let (slot, contact) = match step {
            Step::Remove(slot) => return self.remove(slot),
            Step::Put(slot, contact) => (slot, contact),
        };
        let old = slot.and_then(|slot| self.table.remove(slot));
        let (id, registered_at) = match &old {
            Some(old) => (old.registration().id, old.registration().registered_at),
            None => (self.fresh_id(occasion.timestamp), occasion.timestamp),
        };
        let lifetime = Duration::from_secs(u64::from(contact.expires));
        let identity = occasion.identity;
        // A phone that has started anew has another Call-ID (RFC 3261 §10.2).
        let is_refresh = old.is_some_and(|old| {
            let known = old.registration();
            *old.flow() == *occasion.flow && known.call_id == ask.call_id && known.contact == contact.text
        });
        if !is_refresh {
            let (tenant, extension) = (identity.tenant, identity.extension.clone());
            let (flow, contact) = (*occasion.flow, contact.text.clone());
            self.news.push_back(News::Arrived { tenant, extension, flow, contact });
        }
        let registration = Registration {
            id,
            tenant_id: identity.tenant,
            extension_id: identity.extension_id,
            extension: identity.extension.clone(),
            device_id: identity.device_id,
            contact: contact.text.clone(),
            instance: contact.instance.clone(),
            reg_id: contact.reg_id,
            q: contact.q,
            call_id: ask.call_id.clone(),
            cseq: ask.cseq,
            transport: binding::transport_name(occasion.flow.transport).to_owned(),
            local: occasion.flow.local,
            remote: occasion.flow.remote,
            user_agent: ask.user_agent.clone(),
            path: ask.path.clone(),
            registered_at,
            expires_at: occasion.timestamp.saturating_add(lifetime).unwrap_or(Timestamp::MAX),
        };
        self.changes.push_back(RegistrationChange::Put(Box::new(registration.clone())));
        self.table.insert(Binding::new(registration, *occasion.flow, occasion.now + lifetime));
    }

    fn remove(&mut self, slot: Slot) {
        if let Some(binding) = self.table.remove(slot) {
            let registration = binding.registration();
            let (tenant_id, id) = (registration.tenant_id, registration.id);
            self.news.push_back(News::Left { tenant: tenant_id, extension: registration.extension.clone() });
            self.changes.push_back(RegistrationChange::Removed { tenant_id, id });
        }
    }

    fn fresh_id(&mut self, timestamp: Timestamp) -> RegistrationId {
        let mut random = [0; 10];
        self.random.fill_bytes(&mut random);
        RegistrationId(uuid_v7(u64::try_from(timestamp.as_millisecond()).unwrap_or(0), random))
    }
}
