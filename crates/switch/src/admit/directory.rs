//! Directory: the tenants of a shard, by id and by domain.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use domain::{TenantId, TenantSnapshot};

use crate::routing::Routes;

/// Tenants, for look-up by key alone.
#[derive(Default)]
pub(super) struct Directory {
    tenants: HashMap<TenantId, Arc<Routes>>,
    domains: HashMap<Vec<u8>, TenantId>,
    defaults: BTreeSet<TenantId>,
}

impl Directory {
    pub(super) fn put(&mut self, snapshot: Arc<TenantSnapshot>) {
        let id = snapshot.tenant.id;
        self.remove(id);
        for domain in domains(&snapshot) {
            // The database keeps domains apart. Should two tenants claim one all the same, it stays with whom it is.
            self.domains.entry(key(domain)).or_insert(id);
        }
        if snapshot.tenant.is_default {
            self.defaults.insert(id);
        }
        self.tenants.insert(id, Arc::new(Routes::compile(snapshot)));
    }

    pub(super) fn remove(&mut self, tenant: TenantId) {
        let Some(routes) = self.tenants.remove(&tenant) else { return };
        for domain in domains(routes.snapshot()) {
            let domain = key(domain);
            if self.domains.get(&domain) == Some(&tenant) {
                self.domains.remove(&domain);
            }
        }
        self.defaults.remove(&tenant);
    }

    pub(super) fn tenant(&self, tenant: TenantId) -> Option<&Arc<Routes>> {
        self.tenants.get(&tenant)
    }

    /// The tenant of a domain, without regard to case and to the dot of an absolute name.
    pub(super) fn by_domain(&self, domain: &[u8]) -> Option<&Arc<Routes>> {
        self.tenant(*self.domains.get(&key(domain))?)
    }

    /// The tenant of requests that name nothing but an address; the oldest, should there be several.
    pub(super) fn default_tenant(&self) -> Option<&Arc<Routes>> {
        self.tenant(*self.defaults.first()?)
    }
}

fn domains(snapshot: &TenantSnapshot) -> impl Iterator<Item = &[u8]> {
    let tenant = &snapshot.tenant;
    std::iter::once(&tenant.domain).chain(&tenant.domains).map(String::as_bytes)
}

fn key(domain: &[u8]) -> Vec<u8> {
    domain.strip_suffix(b".").unwrap_or(domain).to_ascii_lowercase()
}
