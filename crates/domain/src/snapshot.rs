//! Snapshot: everything about one tenant that a call needs, read once and shared.

use std::collections::HashMap;

use crate::{Credential, DialplanEntry, Extension, Tenant};

/// An immutable picture of a tenant at one revision.
///
/// The maps are for look-up by key alone.
#[derive(Clone, Debug, PartialEq)]
pub struct TenantSnapshot {
    /// The tenant.
    pub tenant: Tenant,
    /// `tenants.revision` of which this is the picture.
    pub revision: i64,
    /// By the digest username that phones send.
    pub credentials: HashMap<String, Credential>,
    /// By extension number.
    pub extensions: HashMap<String, Extension>,
    /// Rows in the order (context, exten, priority).
    pub dialplan: Vec<DialplanEntry>,
}

impl TenantSnapshot {
    /// Whether a dialled number is one of the tenant's emergency numbers. The list is short (32 at most).
    #[must_use]
    pub fn is_emergency(&self, number: &str) -> bool {
        self.tenant.emergency_numbers.iter().any(|emergency| emergency == number)
    }
}
