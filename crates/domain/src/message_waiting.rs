//! Messages that wait in a mailbox.

use serde::{Deserialize, Serialize};

/// How many messages a mailbox holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageWaiting {
    /// Never heard.
    pub new: u32,
    /// Heard and kept.
    pub old: u32,
    /// Those of the new ones that are urgent.
    pub urgent_new: u32,
    /// Those of the old ones that are urgent.
    pub urgent_old: u32,
}
