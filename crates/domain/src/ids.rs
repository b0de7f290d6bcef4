//! Identifiers: one type per noun, so that a user can never be passed where an extension is meant.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }
    )+};
}

id! {
    /// A customer organisation.
    TenantId,
    /// A person or account that can log in.
    UserId,
    /// A role: a named set of permissions.
    RoleId,
    /// An extension; it is also the [`DestinationId`] under which calls reach it.
    ExtensionId,
    /// Anything a call can go to.
    DestinationId,
    /// A SIP MESSAGE that waits for a phone, or did.
    MessageId,
    /// A phone or browser of an extension.
    DeviceId,
    /// One call, which is one call record (UUIDv7, made when the INVITE comes in).
    CallId,
    /// One leg of a call.
    LegId,
    /// One thing that happened in a call.
    EventId,
    /// One row of a dialplan.
    DialplanId,
    /// One live binding of a phone.
    RegistrationId,
    /// One subscription of a phone.
    SubscriptionId,
}

impl From<ExtensionId> for DestinationId {
    fn from(id: ExtensionId) -> Self {
        Self(id.0)
    }
}

/// A UUIDv7 (RFC 9562 §5.7) from a time in milliseconds since the epoch and random bytes.
///
/// The caller brings clock and randomness, so that pure code stays reproducible.
#[must_use]
pub fn uuid_v7(unix_ms: u64, random: [u8; 10]) -> Uuid {
    uuid::Builder::from_unix_timestamp_millis(unix_ms, &random).into_uuid()
}
