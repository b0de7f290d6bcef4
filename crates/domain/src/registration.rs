//! Registrations: which address of which phone answers for an extension.

use std::net::SocketAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{DeviceId, ExtensionId, RegistrationId, TenantId};

/// One live binding (RFC 3261 §10), as it is kept and read back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// Identity.
    pub id: RegistrationId,
    /// Tenant.
    pub tenant_id: TenantId,
    /// The extension that rings.
    pub extension_id: ExtensionId,
    /// Its number: the user part of the address of record.
    pub extension: String,
    /// The device, when it logged in as itself.
    pub device_id: Option<DeviceId>,
    /// The Contact URI, as the phone wrote it.
    pub contact: String,
    /// `+sip.instance`, when the phone named one (RFC 5626).
    pub instance: Option<String>,
    /// `reg-id` (RFC 5626).
    pub reg_id: Option<u32>,
    /// Preference in thousandths, 0 to 1000.
    pub q: u16,
    /// Call-ID of the REGISTER that made or refreshed it.
    pub call_id: String,
    /// CSeq of that REGISTER.
    pub cseq: u32,
    /// `udp`, later `tcp`, `tls`, `ws`, `wss`.
    pub transport: String,
    /// Our address that faces the phone.
    pub local: SocketAddr,
    /// The address its packets come from.
    pub remote: SocketAddr,
    /// What the phone calls itself.
    pub user_agent: Option<String>,
    /// Path header values, nearest hop first (RFC 3327).
    pub path: Vec<String>,
    /// First time this binding was seen.
    pub registered_at: Timestamp,
    /// When it ends unless refreshed.
    pub expires_at: Timestamp,
}

/// A change of the durable copy of the bindings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RegistrationChange {
    /// Made or refreshed.
    Put(Box<Registration>),
    /// Ended, by the phone or by time.
    Removed {
        /// Tenant.
        tenant_id: TenantId,
        /// Which one.
        id: RegistrationId,
    },
}
