//! Registrar (RFC 3261 §10): phones say where they are.
//!
//! A REGISTER is read whole and checked whole before the first binding changes, so that it takes effect entirely or not
//! at all (§10.3 step 7). Nothing here waits: what the database should remember leaves through
//! [`Registrar::poll_change`].

mod binding;
mod contact;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use domain::{Registration, RegistrationChange, RegistrationId, TenantId, TenantSnapshot, uuid_v7};
use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};
use sip::header::NameAddr;
use sip::{Flow, Name, Reply, Request};

pub use binding::Binding;

use crate::admit::Identity;
use crate::clock::WallClock;
use crate::limits;
use crate::verdict::Ending;
use binding::{Aor, Table};
use contact::{Contact, Wish};

/// What a registrar is told once.
#[derive(Clone, Debug)]
pub struct RegistrarConfig {
    /// Lifetime when the phone names none, in seconds.
    pub default_expires: u32,
    /// Shortest lifetime, in seconds.
    pub min_expires: u32,
    /// Longest lifetime, in seconds.
    pub max_expires: u32,
    /// Phones of one extension.
    pub max_bindings: usize,
    /// The ids of bindings grow from this.
    pub seed: [u8; 32],
}

/// All live bindings of a shard.
#[derive(Debug)]
pub struct Registrar {
    config: RegistrarConfig,
    random: ChaCha8Rng,
    table: Table,
    changes: VecDeque<RegistrationChange>,
}

impl Registrar {
    /// Nobody is registered.
    #[must_use]
    pub fn new(config: RegistrarConfig) -> Self {
        let random = ChaCha8Rng::from_seed(config.seed);
        Self { config, random, table: Table::default(), changes: VecDeque::new() }
    }

    /// Carries out a REGISTER that has been admitted, and answers it.
    pub fn register(
        &mut self,
        now: Instant,
        clock: &WallClock,
        flow: &Flow,
        identity: &Identity,
        request: &Request,
    ) -> Reply {
        let outcome = contact::wish(request, &self.config).and_then(|wish| match wish {
            Wish::Query => Ok(()),
            Wish::Clear => self.clear(identity, request),
            Wish::Update(contacts) => self.update(now, clock, flow, identity, request, &contacts),
        });
        match outcome {
            Ok(()) => self.listed(now, identity),
            Err(refusal) => refusal,
        }
    }

    /// The phones of an extension, the preferred and then the latest first.
    pub fn bindings(&self, now: Instant, tenant: TenantId, extension: &str) -> impl Iterator<Item = &Binding> {
        let aor = (tenant, extension.to_owned());
        let mut bindings: Vec<&Binding> =
            self.table.of(&aor).iter().filter(|binding| binding.expires_at > now).collect();
        bindings.sort_by_key(|binding| std::cmp::Reverse((binding.registration.q, binding.expires_at)));
        bindings.into_iter()
    }

    /// The phone that sends over a flow; the latest, when several share it.
    #[must_use]
    pub fn of_flow(&self, flow: &Flow) -> Option<&Binding> {
        self.table.of_flow(flow)
    }

    /// Ends what has run out.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((aor, id)) = self.table.ended(now) {
            self.end(&aor, id);
        }
    }

    /// When the next binding runs out.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.table.first_end()
    }

    /// The next change for the database.
    pub fn poll_change(&mut self) -> Option<RegistrationChange> {
        self.changes.pop_front()
    }

    /// Takes back the bindings of an earlier life; what has run out meanwhile is ended.
    pub fn restore(&mut self, now: Instant, clock: &WallClock, registrations: Vec<Registration>) {
        for registration in registrations {
            let expires_at = clock.instant(registration.expires_at);
            if registration.expires_at <= clock.at(now) {
                let (tenant_id, id) = (registration.tenant_id, registration.id);
                self.changes.push_back(RegistrationChange::Removed { tenant_id, id });
            } else {
                self.table.put(Binding::new(registration, expires_at));
            }
        }
    }

    /// Ends the bindings of extensions that the tenant no longer has, or has disabled.
    pub fn retain(&mut self, snapshot: &TenantSnapshot) {
        let tenant = snapshot.tenant.id;
        for number in self.table.numbers(tenant) {
            let known = snapshot.extensions.get(&number).filter(|extension| extension.enabled);
            let gone: Vec<RegistrationId> = self
                .table
                .of(&(tenant, number.clone()))
                .iter()
                .filter(|binding| known.is_none_or(|extension| extension.id != binding.registration.extension_id))
                .map(|binding| binding.registration.id)
                .collect();
            for id in gone {
                self.end(&(tenant, number.clone()), id);
            }
        }
    }

    /// Ends every binding of a tenant.
    pub fn remove_tenant(&mut self, tenant: TenantId) {
        for number in self.table.numbers(tenant) {
            self.end_all(&(tenant, number));
        }
    }

    /// The live bindings, of one tenant or of all, by number.
    #[must_use]
    pub fn registrations(&self, tenant: Option<TenantId>) -> Vec<Registration> {
        let tenants = tenant.map_or_else(|| self.table.tenants(), |tenant| vec![tenant]);
        let aors = tenants.into_iter().flat_map(|tenant| {
            self.table.numbers(tenant).into_iter().map(move |number| (tenant, number))
        });
        aors.flat_map(|aor| self.table.of(&aor).iter().map(|binding| binding.registration.clone())).collect()
    }

    /// How many bindings there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether nobody is registered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn end(&mut self, aor: &Aor, id: RegistrationId) {
        if self.table.remove(aor, id).is_some() {
            self.changes.push_back(RegistrationChange::Removed { tenant_id: aor.0, id });
        }
    }

    fn end_all(&mut self, aor: &Aor) {
        let ids: Vec<_> = self.table.of(aor).iter().map(|binding| binding.registration.id).collect();
        for id in ids {
            self.end(aor, id);
        }
    }

    /// `Contact: *` with `Expires: 0` (§10.2.2).
    fn clear(&mut self, identity: &Identity, request: &Request) -> Result<(), Reply> {
        let aor = (identity.tenant, identity.extension.clone());
        for binding in self.table.of(&aor) {
            in_order(&binding.registration, request)?;
        }
        self.end_all(&aor);
        Ok(())
    }

    fn update(
        &mut self,
        now: Instant,
        clock: &WallClock,
        flow: &Flow,
        identity: &Identity,
        request: &Request,
        contacts: &[Contact],
    ) -> Result<(), Reply> {
        let aor = (identity.tenant, identity.extension.clone());
        let path = contact::path(request)?;
        let call_id = contact::text(&request.call_id().map_err(|_| Reply::new(400))?)?;
        let cseq = request.cseq().map_err(|_| Reply::new(400))?.number;
        let mut changes = Vec::with_capacity(contacts.len());
        let mut fresh = 0;
        for contact in contacts {
            let known = self.table.of(&aor).iter().find(|binding| is_same(binding, contact));
            if let Some(binding) = known {
                in_order(&binding.registration, request)?;
            } else if contact.expires > 0 {
                fresh += 1;
            }
            changes.push((contact, known.map(|binding| binding.registration.clone())));
        }
        if fresh > 0 && self.table.of(&aor).len() + fresh > self.config.max_bindings {
            let verdict = Ending::TooManyBindings.verdict();
            return Err(Reply::new(verdict.sip).reason(verdict.sentence));
        }
        let user_agent = request.headers().get(&Name::UserAgent).map(|agent| cut(&agent));
        for (contact, known) in changes {
            if contact.expires == 0 {
                if let Some(known) = known {
                    self.end(&aor, known.id);
                }
                continue;
            }
            let at = clock.at(now);
            let lifetime = Duration::from_secs(u64::from(contact.expires));
            let registration = Registration {
                id: known.as_ref().map_or_else(|| self.fresh_id(clock.unix_ms(now)), |known| known.id),
                tenant_id: identity.tenant,
                extension_id: identity.extension_id,
                extension: identity.extension.clone(),
                device_id: identity.device_id,
                contact: String::from_utf8_lossy(contact.uri.as_bytes()).into_owned(),
                instance: contact.instance.clone(),
                reg_id: contact.reg_id,
                q: contact.q,
                call_id: call_id.clone(),
                cseq,
                transport: flow.transport.as_str().to_ascii_lowercase(),
                local: flow.local,
                remote: flow.remote,
                user_agent: user_agent.clone(),
                path: path.clone(),
                registered_at: known.map_or(at, |known| known.registered_at),
                expires_at: at.checked_add(lifetime).unwrap_or(at),
            };
            self.changes.push_back(RegistrationChange::Put(Box::new(registration.clone())));
            self.table.put(Binding::new(registration, now + lifetime));
        }
        Ok(())
    }

    fn fresh_id(&mut self, unix_ms: u64) -> RegistrationId {
        let mut random = [0; 10];
        self.random.fill_bytes(&mut random);
        RegistrationId(uuid_v7(unix_ms, random))
    }

    /// 200 with every current binding and what is left of its time (§10.3 step 8).
    fn listed(&self, now: Instant, identity: &Identity) -> Reply {
        let mut reply = Reply::new(200);
        for binding in self.bindings(now, identity.tenant, &identity.extension) {
            let Ok(uri) = binding.target() else { continue };
            let left = binding.expires_at.saturating_duration_since(now).as_millis().div_ceil(1_000);
            let registration = &binding.registration;
            let mut address = NameAddr::new(uri).with_param("expires", Some(left.to_string().as_bytes()));
            if registration.q < 1_000 {
                address = address.with_param("q", Some(format!("0.{:03}", registration.q).as_bytes()));
            }
            if let Some(instance) = &registration.instance {
                address = address.with_param("+sip.instance", Some(format!("\"<{instance}>\"").as_bytes()));
            }
            if let Some(reg_id) = registration.reg_id {
                address = address.with_param("reg-id", Some(reg_id.to_string().as_bytes()));
            }
            reply = reply.header(Name::Contact, address.to_bytes());
        }
        reply
    }
}

/// Whether a Contact names a binding: the same instance of the same flow number (RFC 5626 §6), or the same URI (§10.3).
fn is_same(binding: &Binding, contact: &Contact) -> bool {
    let registration = &binding.registration;
    if registration.instance.is_some() && registration.instance == contact.instance {
        return registration.reg_id == contact.reg_id;
    }
    binding.target().is_ok_and(|uri| uri.equivalent(&contact.uri))
}

/// A REGISTER of the same Call-ID must have a higher CSeq than the one before it (§10.3 step 7).
fn in_order(known: &Registration, request: &Request) -> Result<(), Reply> {
    let (Ok(call_id), Ok(cseq)) = (request.call_id(), request.cseq()) else { return Err(Reply::new(400)) };
    if known.call_id.as_bytes() == call_id && cseq.number <= known.cseq {
        return Err(Reply::new(500));
    }
    Ok(())
}

fn cut(agent: &Bytes) -> String {
    let text: String = String::from_utf8_lossy(agent).chars().filter(|c| !c.is_control()).collect();
    text.chars().take(limits::MAX_USER_AGENT).collect()
}
