//! Kept: what the database knows of each binding, so that a refresh that tells nothing new need not be written.
//!
//! Phones refresh long before they must, those behind NAT every minute. A refresh that changes nothing but the time is
//! written when the row is three quarters of a lifetime behind; whoever reads the rows at a start allows for as much.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use domain::{Registration, RegistrationChange, RegistrationId};
use jiff::{SignedDuration, Timestamp};

/// Rows as they were last written.
#[derive(Debug, Default)]
pub(super) struct Kept(HashMap<RegistrationId, Row>);

#[derive(Debug)]
struct Row {
    /// Of everything but the time and the number of the request.
    digest: u64,
    expires_at: Timestamp,
}

impl Kept {
    /// The changes that must be written.
    pub(super) fn due(&self, now: Timestamp, changes: Vec<RegistrationChange>) -> Vec<RegistrationChange> {
        changes.into_iter().filter(|change| self.is_due(now, change)).collect()
    }

    /// They have been written.
    pub(super) fn written(&mut self, changes: &[RegistrationChange]) {
        for change in changes {
            match change {
                RegistrationChange::Put(registration) => {
                    let row = Row { digest: digest(registration), expires_at: registration.expires_at };
                    self.0.insert(registration.id, row);
                }
                RegistrationChange::Removed { id, .. } => {
                    self.0.remove(id);
                }
            }
        }
    }

    fn is_due(&self, now: Timestamp, change: &RegistrationChange) -> bool {
        let RegistrationChange::Put(registration) = change else { return true };
        let Some(row) = self.0.get(&registration.id) else { return true };
        let lifetime = registration.expires_at.duration_since(now);
        let behind = registration.expires_at.duration_since(row.expires_at);
        let is_late = behind < SignedDuration::ZERO || behind >= lifetime * 3 / 4;
        is_late || row.digest != digest(registration)
    }
}

fn digest(registration: &Registration) -> u64 {
    let Registration {
        id: _,
        tenant_id,
        extension_id,
        extension,
        device_id,
        contact,
        instance,
        reg_id,
        q,
        call_id,
        cseq: _,
        transport,
        local,
        remote,
        user_agent,
        path,
        registered_at,
        expires_at: _,
    } = registration;
    let mut hasher = DefaultHasher::new();
    (tenant_id.0, extension_id.0, extension, device_id.map(|device| device.0)).hash(&mut hasher);
    (contact, instance, reg_id, q, call_id, transport, local, remote).hash(&mut hasher);
    (user_agent, path, registered_at.as_microsecond()).hash(&mut hasher);
    hasher.finish()
}
