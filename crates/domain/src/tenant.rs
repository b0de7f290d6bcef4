//! Tenants: the customer organisations that share one switch and never see each other.

use serde::{Deserialize, Serialize};

use crate::TenantId;

/// A customer organisation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    /// Identity.
    pub id: TenantId,
    /// Name people read.
    pub name: String,
    /// Short name for command lines and URLs, unique.
    pub slug: String,
    /// Digest realm. It never changes, because every HA1 hangs on it.
    pub realm: String,
    /// The main SIP domain, unique over all tenants.
    pub domain: String,
    /// Further domains of the same tenant.
    pub domains: Vec<String>,
    /// Whether requests that name only the machine's address belong to this tenant.
    pub is_default: bool,
    /// Whether the tenant may register and call.
    pub status: TenantStatus,
    /// What a phone logs in with.
    pub sip_login: SipLogin,
    /// Which digest algorithms a challenge offers.
    pub digest_algorithms: DigestOffer,
    /// IANA time zone name.
    pub timezone: String,
    /// BCP 47 language tag.
    pub locale: String,
    /// How many calls may exist at once.
    pub max_concurrent_calls: u32,
    /// How long a dialled extension rings before the call ends as not answered, in seconds.
    pub ring_timeout_s: u32,
    /// Numbers that are emergencies: calls to them pass every limit.
    #[serde(default)]
    pub emergency_numbers: Vec<String>,
}

/// Whether a tenant may use the switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TenantStatus {
    /// In use.
    Active,
    /// Blocked for the moment.
    Suspended,
    /// The contract has ended.
    Cancelled,
    /// Waiting to be purged.
    Deleted,
}

/// What a phone of the tenant logs in with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SipLogin {
    /// The extension number.
    Number,
    /// The random UUID of the device.
    Device,
    /// Either of the two.
    Both,
}

/// Which digest algorithms a challenge of the tenant offers, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DigestOffer {
    /// MD5 alone: what every phone understands.
    Md5,
    /// SHA-256 first, then MD5 (RFC 8760 §2.3).
    Sha256AndMd5,
    /// SHA-256 alone: only where every credential has that hash.
    Sha256,
}

macro_rules! text_enum {
    ($type:ty { $($variant:ident = $text:literal),+ $(,)? }) => {
        impl $type {
            /// The value as the database and the API write it.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::UnknownValue;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    _ => Err($crate::UnknownValue { kind: stringify!($type), value: text.to_owned() }),
                }
            }
        }
    };
}
pub(crate) use text_enum;

text_enum!(TenantStatus {
    Active = "active",
    Suspended = "suspended",
    Cancelled = "cancelled",
    Deleted = "deleted",
});
text_enum!(SipLogin { Number = "number", Device = "device", Both = "both" });
text_enum!(DigestOffer { Md5 = "md5", Sha256AndMd5 = "sha256_md5", Sha256 = "sha256" });
