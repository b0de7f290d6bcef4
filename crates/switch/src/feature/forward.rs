//! Forward: from one extension to the next, and the guard against circles.
//!
//! ```text
//! Dial 1002 ──busy──▶ 1002's forward ──▶ routed like a number that 1002 dials ──▶ Dial 1003 ──▶ …
//! ```
//!
//! A forward is a number, never an address: it goes through the tenant's dialplan in the context of the extension that forwards.
//! The chain remembers who has sent the call on, so that it can be told to phones (RFC 5806, RFC 7044) and ends where it began.

use domain::{Extension, ExtensionId};

use crate::limits;
use crate::verdict::Ending;

/// Why a call is sent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The extension sends every call on.
    Always,
    /// It has as many calls as it wants, or its phone says busy.
    Busy,
    /// It does not want to be disturbed; its busy forward takes the call.
    DoNotDisturb,
    /// Nobody answered in time.
    NoAnswer,
    /// No phone is registered, or none can be reached.
    NotRegistered,
    /// A phone has sent this one call on (3xx).
    Deflected,
}

impl Why {
    /// The word in the history.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Busy => "busy",
            Self::DoNotDisturb => "do not disturb",
            Self::NoAnswer => "no answer",
            Self::NotRegistered => "not registered",
            Self::Deflected => "deflected by the phone",
        }
    }

    /// The forward that an ending calls for, if any. A person's "no" (603) is no reason to try others.
    pub(super) fn of(ending: Ending) -> Option<Self> {
        match ending {
            Ending::Busy | Ending::Refused(486 | 600) => Some(Self::Busy),
            Ending::DoNotDisturb => Some(Self::DoNotDisturb),
            Ending::NoAnswer | Ending::Refused(480) => Some(Self::NoAnswer),
            Ending::NotRegistered | Ending::Timeout | Ending::TransportFailed | Ending::Refused(408) => {
                Some(Self::NotRegistered)
            }
            _ => None,
        }
    }

    /// The number that an extension has chosen for this.
    pub(super) fn number(self, extension: &Extension) -> Option<&str> {
        let forwards = &extension.forwards;
        let number = match self {
            Self::Always => &forwards.always,
            Self::Busy | Self::DoNotDisturb => &forwards.busy,
            Self::NoAnswer => &forwards.no_answer,
            Self::NotRegistered => &forwards.not_registered,
            Self::Deflected => &None,
        };
        number.as_deref()
    }
}

/// One extension that has sent the call on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// Who.
    pub from: String,
    /// The same, as an identity.
    pub from_id: ExtensionId,
    /// To which number.
    pub to: String,
    /// Why.
    pub why: Why,
}

/// How a call has come from whom was dialled to whom is being called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    hops: Vec<Hop>,
}

impl Chain {
    /// Who has sent the call on, in order.
    #[must_use]
    pub fn hops(&self) -> &[Hop] {
        &self.hops
    }

    /// One more extension sends the call on.
    ///
    /// # Errors
    /// It has been sent on as often as it may.
    pub(super) fn push(&mut self, hop: Hop) -> Result<(), Ending> {
        if self.hops.len() >= limits::MAX_FORWARDS_PER_CALL {
            return Err(Ending::TooManyForwards);
        }
        self.hops.push(hop);
        Ok(())
    }

    /// Whether the call has come through this extension.
    pub(super) fn holds(&self, extension: ExtensionId) -> bool {
        self.hops.iter().any(|hop| hop.from_id == extension)
    }
}
