//! Extensions: the numbers inside a tenant, and the credentials of their phones.

use serde::{Deserialize, Serialize};

use crate::{DeviceId, ExtensionId, Ha1, UserId};

/// A number inside a tenant that phones register for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    /// Identity, shared with the destination row.
    pub id: ExtensionId,
    /// Two to five digits, unique in the tenant.
    pub number: String,
    /// Name shown to the person called.
    pub display_name: Option<String>,
    /// The person who owns it.
    pub user_id: Option<UserId>,
    /// The dialplan context its calls start in.
    pub context: String,
    /// Whether it may register and be called.
    pub enabled: bool,
}

/// A name and secret that a phone may authenticate with, and what it then speaks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// What the phone sends as digest username.
    pub username: String,
    /// The stored hashes; the password itself is nowhere.
    pub ha1: Ha1,
    /// The person behind it.
    pub user_id: Option<UserId>,
    /// The device, when the login is the device's own.
    pub device_id: Option<DeviceId>,
    /// Number of the extension that the phone registers and calls as.
    pub extension: String,
    /// Disabled credentials are refused exactly like wrong ones.
    pub enabled: bool,
}

/// Whether the text may be an extension number: two to five ASCII digits.
#[must_use]
pub fn is_extension_number(text: &str) -> bool {
    (2..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::is_extension_number;

    #[test]
    fn extension_numbers_have_two_to_five_digits() {
        for good in ["10", "1001", "00000"] {
            assert!(is_extension_number(good), "{good}");
        }
        for bad in ["", "1", "100000", "10a", "١٠٠١", " 1001", "*43"] {
            assert!(!is_extension_number(bad), "{bad}");
        }
    }
}
