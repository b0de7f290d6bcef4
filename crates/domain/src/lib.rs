//! The nouns of YakYak.
//!
//! Plain values that every room understands: who may call, what can be dialled, and what is kept of
//! a call. Nothing here opens a socket, reads a clock or knows SQL.

#![forbid(unsafe_code)]

mod audio;
mod ban;
mod call_record;
mod dialplan;
mod extension;
mod ha1;
mod ids;
mod message;
mod message_waiting;
mod pii;
mod registration;
mod snapshot;
mod subscription;
mod tenant;

pub use audio::{Audio, DtmfMode, SrtpKeys, SrtpPolicy, WebRtc};
pub use ban::{Ban, source};
pub use call_record::{
    CallEvent, CallEventKind, CallLeg, CallRecord, CallStatus, Direction, HangupBy, JournalEntry, LegMedia,
};
pub use dialplan::{Action, DialplanEntry};
pub use extension::{Credential, Extension, Forwards, is_emergency_number, is_extension_number, is_forward_number};
pub use ha1::Ha1;
pub use ids::{
    CallId, DestinationId, DeviceId, DialplanId, EventId, ExtensionId, LegId, MessageId, RegistrationId, RoleId,
    SubscriptionId, TenantId, UserId, uuid_v7,
};
pub use message::{Kept, MAX_MESSAGE_BODY, StoredMessage};
pub use message_waiting::MessageWaiting;
pub use pii::Pii;
pub use registration::{Registration, RegistrationChange};
pub use snapshot::TenantSnapshot;
pub use subscription::{Subscription, SubscriptionChange};
pub use tenant::{DigestOffer, SipLogin, Tenant, TenantStatus};

/// A text that is none of the values an enumeration has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not a known {kind}")]
pub struct UnknownValue {
    /// The enumeration.
    pub kind: &'static str,
    /// What stood there.
    pub value: String,
}
