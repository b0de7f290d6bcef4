//! What a phone can do beyond RFC 3261, and what it says about it: PRACK, UPDATE, session timers, late offers.

use rsip::headers::UntypedHeader;
use rsip::message::HasHeaders;
use rsip::{Header, Method};

use super::Phone;

/// Whether a phone uses reliable provisional answers (RFC 3262).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reliable {
    /// It has never heard of them.
    #[default]
    Never,
    /// Where the other side does too.
    Supported,
    /// It calls nobody who does not.
    Required,
    /// It says that it does, and acknowledges none.
    Promised,
}

/// Whom a phone wants to refresh the session (RFC 4028).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refreshes {
    /// Itself.
    Itself,
    /// The other side.
    Other,
    /// It leaves that to the other side.
    Unsaid,
}

/// The session timer of a phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerSkill {
    /// The interval it asks for, in seconds.
    pub expires_s: u32,
    /// The shortest it takes, in seconds.
    pub min_se_s: u32,
    /// Who refreshes.
    pub refreshes: Refreshes,
    /// Whether it refreshes when it has promised to.
    pub keeps_promises: bool,
}

/// What a phone can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skills {
    /// It takes UPDATE, and changes and refreshes its calls by it (RFC 3311).
    pub update: bool,
    /// Reliable provisional answers.
    pub reliable: Reliable,
    /// Session timer, when it has one.
    pub timer: Option<TimerSkill>,
    /// Its INVITEs bring no description: the other side offers (RFC 3261 §13.2.1).
    pub late_offer: bool,
    /// What it answers an INFO or MESSAGE in a call.
    pub info: u16,
    /// Early dialogs behind its address, as from a proxy that forks (RFC 3261 §12.1). The last one takes the call.
    pub early_dialogs: u8,
}

impl Default for Skills {
    fn default() -> Skills {
        Skills { update: false, reliable: Reliable::Never, timer: None, late_offer: false, info: 200, early_dialogs: 1 }
    }
}

impl Skills {
    fn allow(&self) -> Option<Header> {
        let further = [(self.update, ", UPDATE"), (self.reliable != Reliable::Never, ", PRACK")];
        let further: String = further.iter().filter(|(can, _)| *can).map(|(_, word)| *word).collect();
        let known = self.timer.is_some() || !further.is_empty();
        known.then(|| Header::Allow(format!("INVITE, ACK, CANCEL, BYE, OPTIONS, INFO{further}").into()))
    }

    fn supported(&self) -> Option<Header> {
        let words = [(self.reliable != Reliable::Never, "100rel"), (self.timer.is_some(), "timer")];
        let words: Vec<&str> = words.iter().filter(|(can, _)| *can).map(|(_, word)| *word).collect();
        (!words.is_empty()).then(|| Header::Supported(words.join(", ").into()))
    }
}

impl Phone {
    /// What an INVITE or UPDATE of the phone says about its skills.
    pub(super) fn boasts(&self, call: usize, method: Method) -> Vec<Header> {
        let skills = &self.manner.skills;
        let requires = skills.reliable == Reliable::Required && method == Method::Invite;
        let requires = (requires && self.talks[call].remote_tag.is_none()).then(|| Header::Require("100rel".into()));
        let own = [skills.allow(), skills.supported(), requires].into_iter().flatten();
        own.chain(self.wants_timer(call)).collect()
    }

    /// What an answer to INVITE or UPDATE says about them.
    pub(super) fn admits(&self) -> Vec<Header> {
        let skills = &self.manner.skills;
        [skills.allow(), skills.supported()].into_iter().flatten().collect()
    }
}

/// Whether one of the words of a Require or Supported header is this one.
pub(super) fn names(message: &impl HasHeaders, word: &str, required: bool) -> bool {
    message.headers().iter().any(|header| {
        let value = match header {
            Header::Require(value) if required => value.value(),
            Header::Supported(value) if !required => value.value(),
            _ => return false,
        };
        value.split(',').any(|named| named.trim().eq_ignore_ascii_case(word))
    })
}
