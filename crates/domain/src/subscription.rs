//! Subscriptions: who is told what about whom, as it is kept over a restart.

use std::net::SocketAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{ExtensionId, SubscriptionId, TenantId};

/// One subscription (RFC 6665) with the dialog in which its phone is told, as it is kept and read back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// Identity.
    pub id: SubscriptionId,
    /// Tenant.
    pub tenant_id: TenantId,
    /// The extension whose phone has subscribed.
    pub extension_id: ExtensionId,
    /// Its number.
    pub extension: String,
    /// Event package: `dialog`, `presence`, `message-summary`, `reg`.
    pub package: String,
    /// `id` of the Event header.
    pub event_id: Option<String>,
    /// The number that it is about.
    pub resource: String,
    /// The same as the phone wrote it: a URI.
    pub entity: String,
    /// Number of the next document; higher than any that was sent.
    pub version: u32,
    /// Call-ID of the dialog.
    pub call_id: String,
    /// From of our requests in it, tag included.
    pub local: String,
    /// To of our requests in it, tag included.
    pub remote: String,
    /// The phone's Contact.
    pub target: String,
    /// Route values of our requests.
    pub routes: Vec<String>,
    /// Name of the transport as in a Via.
    pub transport: String,
    /// Our address that faces the phone.
    pub local_address: SocketAddr,
    /// The address its packets come from.
    pub remote_address: SocketAddr,
    /// Whether our Contact is a `sips:` URI.
    pub secure: bool,
    /// CSeq number of our last request; no less than any that was sent.
    pub local_cseq: u32,
    /// CSeq number of the phone's last request.
    pub remote_cseq: Option<u32>,
    /// When it ends unless refreshed.
    pub expires_at: Timestamp,
}

/// A change of the durable copy of the subscriptions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SubscriptionChange {
    /// Made or refreshed.
    Put(Box<Subscription>),
    /// Ended.
    Removed {
        /// Tenant.
        tenant_id: TenantId,
        /// Which one.
        id: SubscriptionId,
    },
}
