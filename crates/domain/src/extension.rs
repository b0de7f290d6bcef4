//! Extensions: the numbers inside a tenant, and the credentials of their phones.

use serde::{Deserialize, Serialize};

use crate::{Audio, DeviceId, ExtensionId, Ha1, UserId};

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
    /// Where its calls go instead.
    #[serde(default)]
    pub forwards: Forwards,
    /// Whether calls are turned away without ringing.
    #[serde(default)]
    pub do_not_disturb: bool,
    /// Whether a further call rings while one is going on.
    #[serde(default = "yes")]
    pub call_waiting: bool,
    /// Calls at which it is busy; without one there is no limit.
    #[serde(default)]
    pub max_calls: Option<u32>,
    /// How long it rings, in seconds; the tenant's time when absent.
    #[serde(default)]
    pub no_answer_timeout_s: Option<u32>,
    /// How its phones speak.
    #[serde(default)]
    pub audio: Audio,
}

impl Extension {
    /// An extension with the defaults: no forwards, call waiting, no limits.
    #[must_use]
    pub fn new(id: ExtensionId, number: impl Into<String>, context: impl Into<String>) -> Self {
        Self {
            id,
            number: number.into(),
            display_name: None,
            user_id: None,
            context: context.into(),
            enabled: true,
            forwards: Forwards::default(),
            do_not_disturb: false,
            call_waiting: true,
            max_calls: None,
            no_answer_timeout_s: None,
            audio: Audio::default(),
        }
    }
}

fn yes() -> bool {
    true
}

/// Four independent forwards, each a number that is dialled inside the tenant on behalf of the extension.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forwards {
    /// Every call, without ringing.
    pub always: Option<String>,
    /// When it is busy, or does not want to be disturbed.
    pub busy: Option<String>,
    /// When nobody answers in time.
    pub no_answer: Option<String>,
    /// When no phone is registered, or none can be reached.
    pub not_registered: Option<String>,
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

/// Whether the text may be a number to forward to: 1 to 32 digits, `*`, `#` and `+`.
#[must_use]
pub fn is_forward_number(text: &str) -> bool {
    (1..=32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit() || b"*#+".contains(&byte))
}

/// Whether the text may be an emergency number: 2 to 15 digits, `*` and `#`.
#[must_use]
pub fn is_emergency_number(text: &str) -> bool {
    (2..=15).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit() || b"*#".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::{is_emergency_number, is_extension_number, is_forward_number};

    #[test]
    fn forwards_are_numbers_and_no_addresses() {
        for good in ["1", "1002", "*43", "+33123456789", "#31#5"] {
            assert!(is_forward_number(good), "{good}");
        }
        for bad in ["", "alice", "1002@elsewhere.test", "sip:1002", "10 02", &"1".repeat(33)] {
            assert!(!is_forward_number(bad), "{bad}");
        }
    }

    #[test]
    fn emergency_numbers_have_two_to_fifteen_signs() {
        for good in ["15", "112", "911", "*112"] {
            assert!(is_emergency_number(good), "{good}");
        }
        for bad in ["", "1", "+112", "sos", &"1".repeat(16)] {
            assert!(!is_emergency_number(bad), "{bad}");
        }
    }

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
