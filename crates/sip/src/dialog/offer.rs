//! Offer: whose session description waits for an answer, and what that forbids (RFC 3264 §4, RFC 3311 §5, RFC 6337 §2).
//!
//! The endpoint never reads a description. That a message has a body is enough to know whose turn it is.

use super::{Dialog, Stage};
use crate::error::Error;
use crate::header::CSeq;
use crate::limits;
use crate::method::Method;

/// Whose offer waits for its answer.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Offer {
    /// Nobody's.
    #[default]
    None,
    /// Ours.
    Ours,
    /// The peer's.
    Theirs,
}

impl Dialog {
    /// Why a request of the peer's that would change the session cannot be taken just now (RFC 3261 §14.2, RFC 3311 §5.2). A
    /// copy of it, still on its way when the reason has gone, gets the same answer: the peer has acted upon the first.
    pub(crate) fn refuses(&mut self, cseq: &CSeq, described: bool) -> Option<u16> {
        if let Some((number, code)) = self.refused
            && number == cseq.number
        {
            return Some(code);
        }
        let code = match &cseq.method {
            Method::Invite => self.refuses_invite(),
            Method::Update => self.refuses_update(described),
            _ => None,
        }?;
        if self.takes(cseq) {
            self.refused = Some((cseq.number, code));
        }
        Some(code)
    }

    fn refuses_invite(&self) -> Option<u16> {
        let rings = self.stage == Stage::Early && self.invite.is_some();
        let ours = self.inviting || rings || (self.updating && self.offer == Offer::Ours);
        let full = self.answers.len() >= limits::UNACKNOWLEDGED;
        match (ours, full || self.invited.is_some() || self.updated.is_some()) {
            (true, _) => Some(491),
            (false, true) => Some(500),
            (false, false) => None,
        }
    }

    fn refuses_update(&self, described: bool) -> Option<u16> {
        match self.offer {
            _ if self.updated.is_some() => Some(500),
            Offer::Ours if described => Some(491),
            Offer::Theirs if described => Some(500),
            Offer::None | Offer::Ours | Offer::Theirs => None,
        }
    }

    /// Whether a request of ours that would change the session may be sent just now.
    pub(super) fn may_change(&self, method: &Method, described: bool) -> Result<(), Error> {
        let why = match method {
            Method::Invite if self.invite.is_some() || self.invited.is_some() => "two INVITEs at once in one dialog",
            Method::Invite | Method::Update if self.updating || self.updated.is_some() => {
                "a change of the session while an UPDATE waits for its answer"
            }
            Method::Update if described && self.offer != Offer::None => "an offer while another waits for its answer",
            Method::Prack if self.unpracked.is_none() => "a PRACK without an answer that asks for it",
            _ => return Ok(()),
        };
        Err(Error::Misuse { what: why })
    }

    /// A request of the peer's was taken.
    pub(crate) fn offered_by_peer(&mut self, method: &Method, described: bool) {
        match (method, self.offer) {
            (Method::Invite, _) => self.offer = if described { Offer::Theirs } else { Offer::None },
            // The answer to an offer in our provisional answer (RFC 3262 §5).
            (Method::Prack, Offer::Ours) if described => self.offer = Offer::None,
            (Method::Prack | Method::Update, _) if described => self.offer = Offer::Theirs,
            _ => {}
        }
    }

    /// We answered a request of the peer's, or provisionally and reliably its INVITE. `asked` tells whether it brought a
    /// description, `described` whether our answer does.
    pub(crate) fn answered_by_us(&mut self, method: &Method, code: u16, asked: bool, described: bool) {
        match (method, code) {
            (Method::Invite, ..300) if asked && (described || code >= 200) => self.offer = Offer::None,
            (Method::Invite, ..200) if described && !asked => self.offer = Offer::Ours,
            // Unless a provisional answer has brought our offer already.
            (Method::Invite, 200..300) if described && self.reliable.is_none() => self.offer = Offer::Ours,
            (Method::Invite, 300..) => self.offer = Offer::None,
            (Method::Update | Method::Prack, 200..) if asked => self.offer = Offer::None,
            _ => {}
        }
    }

    /// A request of ours is on its way.
    pub(crate) fn offered_by_us(&mut self, method: &Method, described: bool) {
        match (method, self.offer) {
            (Method::Invite, _) => self.offer = if described { Offer::Ours } else { Offer::None },
            (Method::Prack, Offer::Theirs) if described => self.offer = Offer::None,
            (Method::Prack | Method::Update, _) if described => self.offer = Offer::Ours,
            _ => {}
        }
    }

    /// The peer answered a request of ours, or provisionally and reliably our INVITE; with 408 it never did.
    pub(crate) fn answered_by_peer(&mut self, method: &Method, code: u16, asked: bool, described: bool) {
        match (method, code) {
            (Method::Invite, ..300) if asked && (described || code >= 200) => self.offer = Offer::None,
            (Method::Invite, ..200) if described && !asked => self.offer = Offer::Theirs,
            (Method::Invite, 200..300) if described && self.rseq.is_none() => self.offer = Offer::Theirs,
            (Method::Invite, 300..) => self.offer = Offer::None,
            (Method::Update | Method::Prack, 200..) if asked => self.offer = Offer::None,
            _ => {}
        }
    }
}
