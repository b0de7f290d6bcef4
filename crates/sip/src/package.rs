//! Bodies: of the event packages (RFC 6665), what a NOTIFY tells, and what a PUBLISH hands in; and of INFO, the keys.
//!
//! | package | body | RFC |
//! |---|---|---|
//! | `dialog` | [`DialogInfo`]: who is in which call | 4235 |
//! | `message-summary` | [`MessageSummary`]: how many messages wait | 3842 |
//! | `presence` | [`Presence`]: whether somebody can be reached, and what they do | 3856, 3863, 4479, 4480 |
//! | `reg` | [`RegInfo`]: which phones are registered | 3680 |
//!
//! The writers escape whatever they are given. The one reader, of presence documents, takes neither document types nor entities and
//! reads no more than its limits allow.

mod dialog_info;
mod dtmf_relay;
mod message_summary;
mod pidf;
mod reginfo;
mod sipfrag;
mod xml;

pub use dialog_info::{Dialog, DialogInfo, DialogState, Direction, Participant};
pub use dtmf_relay::{DTMF_RELAY, KeyPress};
pub use message_summary::{MessageCount, MessageSummary};
pub use pidf::{Activity, Presence, Tuple};
pub use reginfo::{ContactEvent, RegContact, RegInfo, RegState};
pub use sipfrag::{SIPFRAG, fragment_status, status_fragment};
