//! Verdict: what every refusal and every ending means, said once.
//!
//! [`Ending::verdict`] is the one place that turns why something was refused or ended into the SIP status, the Q.850 cause and
//! the plain sentence that the SIP answer, the call record, the event and the console all use.

use domain::CallStatus;
use sip::header::Reason;

mod rfc3398;

pub use rfc3398::{q850_of, q850_of_reason, status_of};

/// Why a request was refused, or a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Answered, talked, hung up.
    Completed,
    /// Somebody left the call by a transfer, or another phone took its place.
    Transferred,

    /// The Request-URI names a domain that no active tenant has.
    BadDomain,
    /// From or To name somebody else than who authenticated.
    ForeignIdentity,
    /// The request cannot be read, or says what the RFC forbids.
    BadRequest,
    /// A method that exists, but not here.
    MethodNotAllowed,
    /// A method that we do not know.
    MethodUnknown,
    /// Max-Forwards ran out.
    TooManyHops,

    /// A REGISTER asks for less time than we keep bindings.
    TooBrief,
    /// A REGISTER that is older than what we have.
    OutOfOrder,
    /// A Contact that no call can be sent to.
    BadContact,
    /// The extension has as many phones as it may.
    TooManyBindings,

    /// Nothing and nobody has the number.
    UnknownNumber,
    /// The extension exists and no phone is registered for it.
    NotRegistered,
    /// The person called is talking.
    Busy,
    /// The person called does not want to be disturbed.
    DoNotDisturb,
    /// The forwards of the people called lead back to one of them.
    ForwardLoop,
    /// The call has been forwarded as often as it may.
    TooManyForwards,
    /// The person called does not want the call.
    Declined,
    /// It rang for as long as it may.
    NoAnswer,
    /// The caller gave up before an answer.
    Cancelled,
    /// Another phone of the extension took the call; for legs alone.
    AnsweredElsewhere,
    /// A phone that was called refused with this status.
    Refused(u16),
    /// The dialplan ended the call with this Q.850 cause.
    Dialplan(u8),

    /// The tenant has as many calls as it may.
    TooManyCalls,
    /// The legs have no codec that we could carry from one to the other.
    NoCommonCodec,
    /// An SDP that the media layer refused with this status (400, 406, 415 or 488).
    Offer(u16),
    /// No port, no worker, or a worker that failed.
    MediaFailure,
    /// The encryption that was agreed did not come about.
    Unprotected,

    /// Our 200 was never acknowledged.
    NoAck,
    /// A reliable provisional answer of ours was never acknowledged (RFC 3262 §3).
    NoPrack,
    /// A side stopped sending audio, or does not know its dialog any more.
    PeerVanished,
    /// A phone that was called gave no answer of any kind.
    Timeout,
    /// The way to a phone is broken.
    TransportFailed,

    /// The switch is about to stop and takes no new calls.
    Draining,
    /// The switch has as much to do as it can.
    Overloaded,
    /// A fault of ours.
    SystemError,
    /// The switch stopped in mid-call.
    SystemRestart,
}

/// What an [`Ending`] means to everybody who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Final status for a request that has none yet.
    pub sip: u16,
    /// Q.850 cause.
    pub q850: u8,
    /// A sentence for people, without names and numbers.
    pub sentence: &'static str,
    /// How a call record stands that ended so.
    pub status: CallStatus,
}

impl Ending {
    /// Status, cause, sentence and record state.
    ///
    /// Causes follow RFC 3398 §8.2.6.1 where an answer of a phone decides, and the nearest Q.850 meaning elsewhere. Some
    /// choices that could have been others: a tenant at its limit gets 503 with cause 34, because the trunk that it lacks is
    /// ours and 486 would blame the person called; an extension without a phone counts as a call that nobody answered; after
    /// the answer (`NoAck`, `PeerVanished`) the status is what the side that has none yet would get.
    #[must_use]
    pub fn verdict(self) -> Verdict {
        use CallStatus::{Busy, Cancelled, Completed, Failed, NoAnswer, Rejected};
        let (sip, q850, sentence, status) = match self {
            Self::Completed => (200, 16, "The call ended normally", Completed),
            Self::Transferred => (487, 16, "The call was transferred", Completed),

            Self::BadDomain => (403, 21, "The address belongs to no tenant of this switch", Rejected),
            Self::ForeignIdentity => (403, 21, "The address is not the one that authenticated", Rejected),
            Self::BadRequest => (400, 95, "The request is not well formed", Rejected),
            Self::MethodNotAllowed => (405, 63, "The method is not allowed here", Rejected),
            Self::MethodUnknown => (501, 79, "The method is not known", Rejected),
            Self::TooManyHops => (483, 25, "The request went through too many hops", Rejected),

            Self::TooBrief => (423, 31, "The registration is too short", Rejected),
            Self::OutOfOrder => (500, 41, "The registration is older than the one it would replace", Rejected),
            Self::BadContact => (416, 127, "The contact cannot be called", Rejected),
            Self::TooManyBindings => (403, 21, "The extension has too many phones", Rejected),

            Self::UnknownNumber => (404, 1, "Nobody has this number", Rejected),
            Self::NotRegistered => (480, 20, "No phone is registered for the number", NoAnswer),
            Self::Busy => (486, 17, "The person called is busy", Busy),
            // RFC 3261 §21.4.18 names "do not disturb" as a case of 480.
            Self::DoNotDisturb => (480, 21, "The person called does not want to be disturbed", Rejected),
            Self::ForwardLoop => (482, 25, "The call was forwarded in a circle", Failed),
            Self::TooManyForwards => (483, 25, "The call was forwarded too often", Failed),
            Self::Declined => (603, 21, "The person called declined", Rejected),
            Self::NoAnswer => (480, 19, "Nobody answered in time", NoAnswer),
            Self::Cancelled => (487, 16, "The caller hung up before the answer", Cancelled),
            Self::AnsweredElsewhere => (487, 26, "Another phone took the call", Cancelled),
            Self::Refused(code) => return refused(code),
            Self::Dialplan(cause) => return dialplan(cause),

            Self::TooManyCalls => (503, 34, "The tenant has as many calls as it may have", Rejected),
            Self::NoCommonCodec => (488, 88, "The phones have no codec in common", Failed),
            Self::Offer(400) => (400, 95, "The session description cannot be read", Failed),
            Self::Offer(406) => (406, 79, "The caller reads no session description", Failed),
            Self::Offer(415) => (415, 79, "The session description is of an unknown kind", Failed),
            Self::Offer(_) => (488, 88, "The session description offers nothing that can be carried", Failed),
            Self::MediaFailure => (503, 47, "No media path could be opened", Failed),
            Self::Unprotected => (488, 111, "The audio could not be encrypted as agreed", Failed),

            Self::NoAck => (408, 102, "The caller never confirmed the answer", Failed),
            Self::NoPrack => (504, 102, "The caller never confirmed what it was told before the answer", Failed),
            Self::PeerVanished => (408, 27, "One side vanished", Failed),
            Self::Timeout => (408, 102, "The phone called gave no sign of life", NoAnswer),
            Self::TransportFailed => (503, 27, "The phone called cannot be reached", Failed),

            Self::Draining => (503, 41, "The switch is about to stop", Rejected),
            Self::Overloaded => (503, 42, "The switch is overloaded", Rejected),
            Self::SystemError => (500, 41, "An internal fault ended the call", Failed),
            Self::SystemRestart => (500, 41, "The switch was restarted during the call", Failed),
        };
        Verdict { sip, q850, sentence, status }
    }

    /// The Reason of the CANCEL or BYE that tells a side (RFC 3326). A phone that reads "completed elsewhere" does not count
    /// the call among the missed ones.
    #[must_use]
    pub fn reason(self) -> Reason {
        match self {
            Self::AnsweredElsewhere => Reason::sip(200, "Call completed elsewhere"),
            _ => {
                let verdict = self.verdict();
                Reason::q850(u16::from(verdict.q850), verdict.sentence)
            }
        }
    }

    /// Of two branches of one call that failed, the one whose ending the caller is told (after RFC 3261 §16.7, step 6): a
    /// person's word comes before a machine's, a machine's before silence, silence before a fault. Among equals the first.
    #[must_use]
    pub fn better(self, other: Self) -> Self {
        if other.weight() < self.weight() { other } else { self }
    }

    fn weight(self) -> u8 {
        match self.verdict().sip {
            600..=699 => 0,
            486 => 1,
            408 => 3,
            400..=499 => 2,
            _ => 4,
        }
    }
}

/// A final answer of a phone that was called, as the caller is told it.
///
/// What concerns only us and that phone is not passed on: a challenge, a redirection and 503 would make the caller's phone act
/// upon something that it has no part in (RFC 3261 §16.7 has the same rule for 503).
fn refused(code: u16) -> Verdict {
    use CallStatus::{Busy, Failed, NoAnswer, Rejected};
    let (sip, sentence, status) = match code {
        300..=399 => (480, "The phone called redirects, which is not allowed here", Rejected),
        401 | 407 => (480, "The phone called wants a password", Rejected),
        404 | 410 | 484 | 485 | 604 => (code, "The phone called does not know the number", Rejected),
        408 => (408, "The phone called gave no sign of life", NoAnswer),
        480 => (480, "The phone called does not take calls now", NoAnswer),
        482 | 483 => (code, "The call went round in a circle", Failed),
        486 | 600 => (code, "The person called is busy", Busy),
        487 => (480, "The phone called gave up", Rejected),
        402 | 403 | 603 => (code, "The person called declined", Rejected),
        415 | 488 | 606 => (code, "The phone called cannot take the media offered", Failed),
        400..=499 => (502, "The phone called did not accept the request", Failed),
        503 => (500, "The phone called is overloaded", Failed),
        500..=599 => (500, "The phone called failed", Failed),
        600..=699 => (code, "The person called declined", Rejected),
        _ => (502, "The phone called sent an answer that means nothing", Failed),
    };
    let q850 = if code == 487 { 16 } else { q850_of(code) };
    Verdict { sip, q850, sentence, status }
}

/// The end that a dialplan row asks for.
fn dialplan(cause: u8) -> Verdict {
    use CallStatus::{Busy, NoAnswer, Rejected};
    let (sentence, status) = match cause {
        1 => ("The dialplan says that nobody has this number", Rejected),
        17 => ("The dialplan says busy", Busy),
        18..=20 => ("The dialplan says that nobody answers", NoAnswer),
        21 => ("The dialplan rejects the call", Rejected),
        _ => ("The dialplan ends the call", Rejected),
    };
    Verdict { sip: status_of(cause), q850: cause, sentence, status }
}
