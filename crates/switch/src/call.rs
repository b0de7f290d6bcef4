//! Call: one caller, what was dialled, and everything between INVITE and the closed record.
//!
//! ```text
//!            Started            Opened             2xx
//!   Idle ───────────▶ Opening ─────────▶ Ringing ───────▶ Bridged ─┐
//!    ▲ │                 │ Opened            │ all refused         │ BYE, silence, lost dialog…
//!    │ │                 └──────────▶ Alone ─┼──────────────┐      │
//!    │ └──── next dialplan row ◀─────────────┘              ▼      ▼
//!    └───────────────────────────────────────────────────▶ Ending ──▶ Over
//! ```
//!
//! A stage owns what belongs to it, its deadline included. Each concern has its file: `setup` up to the first ring, `ringing`,
//! `answered`, `reinvite`, `teardown`, `record`. A call touches nothing outside itself; it leaves effects.

mod answered;
mod early;
pub(crate) mod effect;
mod forwarded;
pub(crate) mod identity;
mod info;
mod leg;
pub(crate) mod place;
mod record;
mod refresh;
mod reinvite;
mod ringing;
pub(crate) mod session_timer;
mod setup;
mod teardown;
pub(crate) mod transfer;
mod update;
mod watched;

use std::collections::VecDeque;
use std::time::Instant;

use domain::{Action, CallId, ExtensionId, TenantId};
use jiff::Timestamp;
use media::{Fact, Refusal, SessionId};
use sip::header::NameAddr;
use sip::{DialogId, Failure, Request, Response, ServerId};

use crate::feature::Feature;
use crate::verdict::Ending;
use answered::{Alone, Bridged};
use early::Wishes;
use effect::{Context, RequestKey};
use info::Passing;
use leg::{Caller, Media};
use record::Record;
use reinvite::Exchange;
use ringing::Ringing;
use setup::Opening;
pub(crate) use setup::Setup;
use teardown::Closing;
use transfer::Transfer;
pub(crate) use watched::Watched;

/// A call's place in the table of its shard. Its media session bears the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct CallKey(pub(crate) u64);

impl CallKey {
    pub(crate) fn session(self) -> SessionId {
        SessionId(self.0)
    }
}

/// Something that happened to a call.
#[derive(Debug)]
pub(crate) enum Input {
    /// The INVITE has been routed, or refused.
    Started(Result<VecDeque<Action>, Ending>),
    /// A request inside one of the call's dialogs.
    Request { server: ServerId, dialog: DialogId, request: Request },
    /// An INVITE was withdrawn; the endpoint has answered it. `gone`: it was the first one, and its dialog has ended.
    Cancelled { dialog: DialogId, gone: bool },
    /// A 2xx of ours was acknowledged.
    Acked { dialog: DialogId, request: Request },
    /// A 2xx of ours never was.
    NoAck { dialog: DialogId },
    /// A reliable provisional answer to the caller never was; the endpoint has refused its INVITE.
    NoPrack,
    /// An answer to a request of the call.
    Response { request: RequestKey, dialog: Option<DialogId>, response: Response },
    /// No answer came, or the request could not be sent.
    Failed { request: RequestKey, why: Failure },
    /// News of the media.
    Media(Fact),
    /// The time of [`Call::poll_timeout`] has come.
    Deadline,
    /// The switch stops and waits no longer.
    HangUp,
}

/// Which side of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Who called.
    Caller,
    /// Who was called.
    Callee,
}

/// What a call counts as between two steps.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Standing {
    /// It counts for the limit of its tenant: a side is still there.
    pub(crate) running: bool,
    /// It has a media session, or is about to have or to have had one.
    pub(crate) media: bool,
}

/// The extensions that take part in a call: who calls, and who is called or has answered.
pub(crate) type Parties = [Option<ExtensionId>; 2];

/// Where a call stands.
enum Stage {
    /// The feature decides; between two steps no call is here.
    Idle,
    /// Ports are being opened.
    Opening(Opening),
    /// Phones are being called.
    Ringing(Box<Ringing>),
    /// The caller hears us.
    Alone(Alone),
    /// Two sides talk.
    Bridged(Box<Bridged>),
    /// Both sides are gone; statistics are awaited.
    Ending(Closing),
    /// Nothing is left to do.
    Over,
}

/// One call.
pub(crate) struct Call {
    key: CallKey,
    tenant: TenantId,
    record: Record,
    /// What was wrong with the session description of the INVITE.
    offer: Result<(), Refusal>,
    caller: Caller,
    /// What its INVITE allows.
    wishes: Wishes,
    /// Its dialog, as long as it has not acknowledged our 200.
    unacknowledged: Option<DialogId>,
    /// Who was called, as the caller's display shows it.
    called: Option<NameAddr>,
    /// What runs now.
    feature: Option<Box<dyn Feature>>,
    /// What is tried when it fails.
    actions: VecDeque<Action>,
    media: Media,
    /// What one side said beside the session, and the other has not answered.
    passing: Passing,
    stage: Stage,
    next_request: u32,
    since: Timestamp,
    /// A blind transfer on its way.
    transfer: Option<Transfer>,
    /// Whether somebody has been transferred in this call before.
    referred: bool,
}

impl Call {
    /// Takes one thing that happened.
    pub(crate) fn handle(&mut self, cx: &mut Context<'_>, input: Input) {
        match input {
            Input::Started(route) => self.start(cx, route),
            Input::Request { server, dialog, request } => self.request(cx, server, dialog, &request),
            Input::Cancelled { dialog, gone } => self.cancelled(cx, dialog, gone),
            Input::Acked { dialog, request } => self.acked(cx, dialog, &request),
            Input::NoAck { dialog } => self.no_ack(cx, dialog),
            Input::NoPrack => self.not_pracked(cx),
            Input::Response { request, dialog, response } => self.response(cx, request, dialog, &response),
            Input::Failed { request, why } => self.failed(cx, request, why),
            Input::Media(fact) => self.fact(cx, fact),
            Input::Deadline => self.deadline(cx),
            Input::HangUp => self.end(cx, Ending::Draining),
        }
    }

    /// When the stage wants to be woken.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Opening(opening) => Some(opening.give_up_at),
            Stage::Ringing(ringing) => Some(ringing.give_up_at),
            Stage::Ending(closing) => Some(closing.give_up_at),
            Stage::Bridged(bridged) => {
                let change = bridged.exchange.as_ref().and_then(Exchange::give_up_at);
                change.into_iter().chain(self.timers_timeout()).min()
            }
            Stage::Alone(_) => self.timers_timeout(),
            Stage::Idle | Stage::Over => None,
        }
    }

    /// Whether both sides are gone.
    fn is_ending(&self) -> bool {
        matches!(self.stage, Stage::Ending(_) | Stage::Over)
    }

    /// Whether the record is closed and the call can be forgotten.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }

    /// What the call counts as.
    pub(crate) fn standing(&self) -> Standing {
        Standing {
            running: !self.is_ending(),
            media: matches!(self.media, Media::Opening | Media::Open(_) | Media::Closing),
        }
    }

    /// Who takes part.
    pub(crate) fn parties(&self) -> Parties {
        let called = match &self.stage {
            Stage::Idle | Stage::Alone(_) => None,
            Stage::Opening(opening) if opening.rings() => self.record.row().callee_extension_id,
            Stage::Opening(_) => None,
            Stage::Ringing(_) => self.record.row().callee_extension_id,
            Stage::Bridged(bridged) => bridged.callee.leg.extension_id,
            Stage::Ending(_) | Stage::Over => return [None, None],
        };
        [self.caller.leg.extension_id, called]
    }

    /// The tenant whose call it is.
    pub(crate) fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Its record.
    pub(crate) fn id(&self) -> domain::CallId {
        self.record.row().id
    }

    /// The call as an operator sees it.
    pub(crate) fn view(&self) -> CallView {
        let row = self.record.row();
        CallView {
            id: row.id,
            tenant: row.tenant_id,
            caller: row.caller_number.clone().unwrap_or_default(),
            callee: row.dialed_number.clone().unwrap_or_default(),
            state: match &self.stage {
                Stage::Idle | Stage::Opening(_) => CallState::Starting,
                Stage::Ringing(_) if row.ringing_at.is_none() => CallState::Starting,
                Stage::Ringing(_) => CallState::Ringing,
                Stage::Alone(_) => CallState::Answered,
                Stage::Bridged(bridged) if bridged.is_held(&self.caller) => CallState::Held,
                Stage::Bridged(_) => CallState::Answered,
                Stage::Ending(_) | Stage::Over => CallState::Ending,
            },
            started_at: row.start_time,
            answered_at: row.answer_time,
            since: self.since,
        }
    }

    fn request_key(&mut self) -> RequestKey {
        self.next_request += 1;
        RequestKey(self.next_request)
    }

    /// Goes over to another stage.
    fn enter(&mut self, cx: &Context<'_>, stage: Stage) {
        self.stage = stage;
        self.since = cx.at;
    }
}

/// A running call, as `call list` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallView {
    /// Identity, the same as in the record.
    pub id: CallId,
    /// Tenant.
    pub tenant: TenantId,
    /// Number of the caller.
    pub caller: String,
    /// What was dialled.
    pub callee: String,
    /// Where it stands.
    pub state: CallState,
    /// INVITE received.
    pub started_at: Timestamp,
    /// 200 OK, once there was one.
    pub answered_at: Option<Timestamp>,
    /// When the present stage began.
    pub since: Timestamp,
}

/// Where a running call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallState {
    /// Nobody rings yet.
    Starting,
    /// A phone rings.
    Ringing,
    /// People talk.
    Answered,
    /// One side has put the other on hold.
    Held,
    /// Over; the record is about to be closed.
    Ending,
}

impl CallState {
    /// The word shown to people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ringing => "ringing",
            Self::Answered => "answered",
            Self::Held => "held",
            Self::Ending => "ending",
        }
    }
}
