//! Bindings: which phone answers for an extension, and the tables they are found by.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use domain::{Registration, RegistrationId, TenantId};
use sip::header::NameAddr;
use sip::{Error, Flow, Transport, Uri};

/// One phone of an extension.
#[derive(Clone, Debug)]
pub struct Binding {
    pub(super) registration: Registration,
    pub(super) flow: Flow,
    pub(super) expires_at: Instant,
}

impl Binding {
    pub(super) fn new(registration: Registration, expires_at: Instant) -> Self {
        let flow = flow(registration.local, registration.remote);
        Self { registration, flow, expires_at }
    }

    /// What is kept of it.
    #[must_use]
    pub fn registration(&self) -> &Registration {
        &self.registration
    }

    /// The way to the phone.
    #[must_use]
    pub fn flow(&self) -> &Flow {
        &self.flow
    }

    /// Its Contact.
    ///
    /// # Errors
    /// A binding of an earlier release that this one cannot read.
    pub fn target(&self) -> Result<Uri, Error> {
        Uri::parse(&Bytes::copy_from_slice(self.registration.contact.as_bytes()))
    }

    /// The proxies on the way (RFC 3327). A value that cannot be read is left out.
    #[must_use]
    pub fn path(&self) -> Vec<NameAddr> {
        let values = self.registration.path.iter();
        values.filter_map(|value| NameAddr::parse(&Bytes::copy_from_slice(value.as_bytes())).ok()).collect()
    }
}

fn flow(local: SocketAddr, remote: SocketAddr) -> Flow {
    Flow { transport: Transport::Udp, local, remote }
}

/// An address of record: a number of a tenant.
pub(super) type Aor = (TenantId, String);

/// All bindings. The phones of one extension are few; everything else is found by key.
#[derive(Debug, Default)]
pub(super) struct Table {
    by_aor: HashMap<Aor, Vec<Binding>>,
    by_flow: HashMap<Flow, Vec<(Aor, RegistrationId)>>,
    /// For lists and for a tenant that goes.
    numbers: BTreeMap<TenantId, BTreeSet<String>>,
    ends: BTreeMap<(Instant, RegistrationId), Aor>,
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn of(&self, aor: &Aor) -> &[Binding] {
        self.by_aor.get(aor).map_or(&[], Vec::as_slice)
    }

    pub(super) fn of_flow(&self, flow: &Flow) -> Option<&Binding> {
        let (aor, id) = self.by_flow.get(flow)?.last()?;
        self.of(aor).iter().find(|binding| binding.registration.id == *id)
    }

    /// Puts a binding in, in the place of the one with the same id.
    pub(super) fn put(&mut self, binding: Binding) {
        let aor = (binding.registration.tenant_id, binding.registration.extension.clone());
        let id = binding.registration.id;
        self.remove(&aor, id);
        self.ends.insert((binding.expires_at, id), aor.clone());
        self.by_flow.entry(binding.flow).or_default().push((aor.clone(), id));
        self.numbers.entry(aor.0).or_default().insert(aor.1.clone());
        self.by_aor.entry(aor).or_default().push(binding);
    }

    pub(super) fn remove(&mut self, aor: &Aor, id: RegistrationId) -> Option<Binding> {
        let bindings = self.by_aor.get_mut(aor)?;
        let at = bindings.iter().position(|binding| binding.registration.id == id)?;
        let binding = bindings.remove(at);
        if bindings.is_empty() {
            self.by_aor.remove(aor);
            if let Some(numbers) = self.numbers.get_mut(&aor.0) {
                numbers.remove(&aor.1);
                if numbers.is_empty() {
                    self.numbers.remove(&aor.0);
                }
            }
        }
        self.ends.remove(&(binding.expires_at, id));
        if let Some(on_flow) = self.by_flow.get_mut(&binding.flow) {
            on_flow.retain(|(_, other)| *other != id);
            if on_flow.is_empty() {
                self.by_flow.remove(&binding.flow);
            }
        }
        Some(binding)
    }

    /// The first end, when it has come.
    pub(super) fn ended(&self, now: Instant) -> Option<(Aor, RegistrationId)> {
        let ((at, id), aor) = self.ends.first_key_value()?;
        (*at <= now).then(|| (aor.clone(), *id))
    }

    pub(super) fn first_end(&self) -> Option<Instant> {
        self.ends.first_key_value().map(|((at, _), _)| *at)
    }

    /// Numbers of a tenant that have bindings.
    pub(super) fn numbers(&self, tenant: TenantId) -> Vec<String> {
        self.numbers.get(&tenant).into_iter().flatten().cloned().collect()
    }

    /// Tenants that have bindings.
    pub(super) fn tenants(&self) -> Vec<TenantId> {
        self.numbers.keys().copied().collect()
    }
}
