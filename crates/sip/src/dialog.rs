//! Dialogs (RFC 3261 §12): what two user agents remember of each other between requests.
//!
//! ```text
//!          101–199 with To tag                2xx
//!   ┌────┐ ───────────────────▶ ┌───────┐ ─────────▶ ┌───────────┐  BYE sent   ┌────────┐
//!   │ –  │                      │ Early │            │ Confirmed │ ──────────▶ │ Ending │
//!   └────┘ ───────────────────────────────── 2xx ──▶ └───────────┘             └────────┘
//!                                   │ 300–699              │ BYE answered           │ BYE answered or given up
//!                                   ▼                      ▼                        ▼
//!                                  gone          gone, or Lingering        gone, or Lingering
//! ```
//!
//! What two peers do in a dialog is a usage of it (RFC 5057). A session begins with INVITE and ends with BYE; a subscription
//! begins with SUBSCRIBE, or with a REFER that came outside of any dialog, and ends when its user forgets it. A REFER within a
//! session shares the session's dialog: should the session end first, the dialog lingers until the last NOTIFY of ours, 64·T1
//! at most.
//!
//! A dialog belongs to one flow: requests inside it travel where its messages came from, whatever Contact and Route say.

mod offer;
mod state;

use std::time::Instant;

use bytes::Bytes;

use crate::builder::RequestBuilder;
use crate::endpoint::reliable::Reliable;
use crate::endpoint::{ClientId, ServerId};
use crate::error::Error;
use crate::flow::Flow;
use crate::header::{CSeq, CallId, ContactValue, From, MaxForwards, Name, NameAddr, RAck, RecordRoute, Route, To, Via};
use crate::message::{Headers, Request, Response};
use crate::method::Method;
use crate::transaction::Timers;
use crate::uri::{Scheme, Uri};

pub(crate) use offer::Offer;
pub use state::DialogState;

/// Hops a request inside a dialog may take.
const HOPS: u8 = 70;

/// How far a dialog has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stage {
    /// The INVITE is not answered finally.
    Early,
    /// Answered with a 2xx.
    Confirmed,
    /// Our BYE is on its way; nothing but BYE is taken any more.
    Ending,
    /// The session is over; what became of a REFER is still to be told.
    Lingering,
}

/// What a dialog was made for (RFC 5057).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Usage {
    /// An INVITE.
    Session,
    /// A SUBSCRIBE, or a REFER outside of any dialog.
    Subscription,
}

impl Usage {
    /// Whether a method has a meaning in such a dialog. What has none finds no usage and gets 481 (RFC 5057 §5.3).
    pub(crate) fn takes(self, method: &Method) -> bool {
        match self {
            Usage::Session => true,
            Usage::Subscription => !matches!(
                method,
                Method::Invite
                    | Method::Bye
                    | Method::Update
                    | Method::Prack
                    | Method::Info
                    | Method::Ack
                    | Method::Cancel
            ),
        }
    }
}

/// One dialog, seen from our end.
#[derive(Clone, Debug)]
pub struct Dialog {
    pub(crate) stage: Stage,
    pub(crate) usage: Usage,
    /// Whether our request made it.
    pub(crate) initiated: bool,
    pub(crate) call_id: Bytes,
    pub(crate) local: NameAddr,
    pub(crate) local_tag: Bytes,
    pub(crate) remote: NameAddr,
    pub(crate) remote_tag: Bytes,
    pub(crate) target: Uri,
    pub(crate) routes: Vec<NameAddr>,
    pub(crate) flow: Flow,
    /// Whether our Contact in it is a `sips:` URI (§12.1.1).
    pub(crate) secure: bool,
    pub(crate) local_cseq: u32,
    /// Our INVITE and its number, as long as we have not acknowledged its 2xx.
    pub(crate) invite: Option<(ClientId, u32)>,
    /// Empty until the peer has sent a request (§12.1.2).
    pub(crate) remote_cseq: Option<u32>,
    /// Whether an INVITE of ours inside the dialog waits for its final answer (§14.1).
    pub(crate) inviting: bool,
    /// The INVITE of the peer that waits for our final answer (§14.2).
    pub(crate) invited: Option<ServerId>,
    /// Whose session description waits for its answer.
    pub(crate) offer: Offer,
    /// Whether an UPDATE of ours waits for its answer.
    pub(crate) updating: bool,
    /// The UPDATE of the peer that waits for our answer (RFC 3311 §5.2).
    pub(crate) updated: Option<ServerId>,
    /// Our provisional answers to the INVITE of the peer, when they are reliable.
    pub(crate) reliable: Option<Box<Reliable>>,
    /// Number of our INVITE, and RSeq of the last reliable answer to it.
    pub(crate) rseq: Option<(u32, u32)>,
    /// The reliable answer that has no PRACK yet.
    pub(crate) unpracked: Option<RAck>,
    /// Number of the last INVITE or UPDATE that came at the wrong moment, and what it was answered.
    pub(crate) refused: Option<(u32, u16)>,
    /// Our 2xx, each repeated until the ACK with its number comes: that of the first INVITE may still wait for its own when a
    /// later one is answered.
    pub(crate) answers: Vec<Answer>,
    /// Whether the peer waits to hear what became of its REFER (RFC 3515 §2.4.4).
    pub(crate) referred: bool,
    /// Until when it lingers.
    pub(crate) gone_at: Option<Instant>,
    /// Our BYE, as long as the peer may not have seen the 2xx (§15): a caller who has not would not know the dialog, and
    /// ring on.
    pub(crate) held_bye: Option<Box<Prepared>>,
}

/// What the user gave for a request of ours inside the dialog.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    pub(crate) id: ClientId,
    pub(crate) headers: Vec<(Name, Bytes)>,
    pub(crate) body: Option<(String, Bytes)>,
}

/// A 2xx to INVITE that waits for its ACK (§13.3.1.4).
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) response: Bytes,
    pub(crate) flow: Flow,
    pub(crate) cseq: u32,
    pub(crate) resend_at: Instant,
    pub(crate) interval: std::time::Duration,
    pub(crate) give_up_at: Instant,
}

impl Answer {
    pub(crate) fn new(now: Instant, timers: &Timers, response: Bytes, flow: Flow, cseq: u32) -> Answer {
        let (resend_at, give_up_at) = (now + timers.t1, now + timers.t1 * 64);
        Answer { response, flow, cseq, resend_at, interval: timers.t1, give_up_at }
    }

    /// When something has to be done about it.
    pub(crate) fn due(&self) -> Instant {
        self.resend_at.min(self.give_up_at)
    }
}

impl Dialog {
    /// The dialog of a request that came in (§12.1.1): of an INVITE before it is answered, of a SUBSCRIBE when it is.
    pub(crate) fn of_request(
        request: &Request,
        flow: Flow,
        local_tag: &[u8],
        local_cseq: u32,
    ) -> Result<Dialog, Error> {
        let remote = request.from()?;
        let target = contact(request.headers()).unwrap_or_else(|| remote.uri.clone());
        let routes = route_set(request.headers())?;
        let (stage, usage) = match request.method() {
            Method::Invite => (Stage::Early, Usage::Session),
            _ => (Stage::Confirmed, Usage::Subscription),
        };
        Ok(Dialog {
            stage,
            usage,
            initiated: false,
            call_id: request.call_id()?,
            local: request.to()?.with_tag(local_tag),
            local_tag: Bytes::copy_from_slice(local_tag),
            remote_tag: remote.tag().unwrap_or_default(),
            remote,
            target,
            routes,
            flow,
            secure: is_secure(request.uri(), &flow),
            local_cseq,
            invite: None,
            remote_cseq: Some(request.cseq()?.number),
            inviting: false,
            invited: None,
            offer: Offer::None,
            updating: false,
            updated: None,
            reliable: None,
            rseq: None,
            unpracked: None,
            refused: None,
            answers: Vec::new(),
            referred: false,
            gone_at: None,
            held_bye: None,
        })
    }

    /// The dialog that an answer to our INVITE makes (§12.1.2). `request` is the INVITE, `id` its transaction.
    pub(crate) fn of_response(
        id: ClientId,
        request: &Request,
        response: &Response,
        flow: Flow,
    ) -> Result<Dialog, Error> {
        let local = request.from()?;
        let remote = response.to()?;
        let number = request.cseq()?.number;
        let mut dialog = Dialog {
            stage: Stage::Early,
            usage: Usage::Session,
            initiated: true,
            call_id: request.call_id()?,
            local_tag: local.tag().unwrap_or_default(),
            local,
            remote_tag: remote.tag().unwrap_or_default(),
            remote,
            target: request.uri().clone(),
            routes: Vec::new(),
            flow,
            secure: is_secure(request.uri(), &flow),
            local_cseq: number,
            invite: Some((id, number)),
            remote_cseq: None,
            inviting: false,
            invited: None,
            offer: Offer::None,
            updating: false,
            updated: None,
            reliable: None,
            rseq: None,
            unpracked: None,
            refused: None,
            answers: Vec::new(),
            referred: false,
            gone_at: None,
            held_bye: None,
        };
        dialog.offered_by_us(&Method::Invite, !request.body().is_empty());
        dialog.learn(response);
        Ok(dialog)
    }

    /// Takes target and route set from an answer; of a confirmed dialog only the target changes (§12.2.1.2, §13.2.2.4).
    /// What cannot be read stays as it was: an answer that nobody hears of would leave a call hanging.
    pub(crate) fn learn(&mut self, response: &Response) {
        self.retarget(response);
        if self.stage == Stage::Early {
            if let Ok(mut routes) = route_set(response.headers()) {
                routes.reverse();
                self.routes = routes;
            }
            if response.code() >= 200 {
                self.stage = Stage::Confirmed;
            }
        }
    }

    /// Takes the target from an answer to a request that refreshes it.
    pub(crate) fn retarget(&mut self, response: &Response) {
        if let Some(target) = contact(response.headers()) {
            self.target = target;
        }
    }

    /// Takes the target from a request that refreshes it, once it is accepted (§12.2.2; RFC 6141; RFC 6665 §4.4.1).
    pub(crate) fn refresh(&mut self, request: &Request) {
        if matches!(request.method(), Method::Invite | Method::Update | Method::Subscribe | Method::Notify)
            && let Some(target) = contact(request.headers())
        {
            self.target = target;
        }
    }

    /// When something has to be done about a 2xx without its ACK.
    pub(crate) fn answers_due(&self) -> Option<Instant> {
        self.answers.iter().map(Answer::due).min()
    }

    /// Whether a request of the peer is in order: its CSeq is higher than any before (§12.2.2).
    pub(crate) fn takes(&mut self, cseq: &CSeq) -> bool {
        let in_order = self.remote_cseq.is_none_or(|last| cseq.number > last);
        if in_order {
            self.remote_cseq = Some(cseq.number);
        }
        in_order
    }

    /// Begins a request inside the dialog (§12.2.1.1): Request-URI, Via, Route, From, To, Call-ID, CSeq.
    pub(crate) fn request(&self, method: Method, number: u32, via: &Via) -> RequestBuilder {
        // A first hop without `lr` wants its own address as the Request-URI, and the target at the end (§12.2.1.1).
        let strict = self.routes.first().filter(|first| !first.uri.has_param("lr"));
        let uri = match strict {
            // What a Request-URI may not have stays behind.
            Some(first) => first.uri.without_headers().without_param("method"),
            None => self.target.clone(),
        };
        let mut builder = RequestBuilder::new(method.clone(), &uri).header(via).header(&MaxForwards(HOPS));
        for route in self.routes.iter().skip(usize::from(strict.is_some())) {
            builder = builder.header(&Route(route.clone()));
        }
        if strict.is_some() {
            builder = builder.header(&Route(NameAddr::new(self.target.clone())));
        }
        builder
            .header(&From(self.local.clone()))
            .header(&To(self.remote.clone()))
            .header(&CallId(self.call_id.clone()))
            .header(&CSeq { number, method })
    }

    /// Whether a request of ours may be sent in it now.
    pub(crate) fn may_send(&self, method: &Method, described: bool) -> Result<(), Error> {
        let why = match (method, self.stage) {
            (Method::Ack | Method::Cancel, _) => "ACK and CANCEL have their own functions",
            _ if !self.usage.takes(method) => "a request of a session in a dialog that has none",
            (Method::Notify, Stage::Ending | Stage::Lingering) if self.referred => return Ok(()),
            // RFC 3262 §4, RFC 3311 §5.1, RFC 6086 §4.2.1.
            (Method::Prack | Method::Update | Method::Info, Stage::Early) => return self.may_change(method, described),
            (_, Stage::Early | Stage::Ending | Stage::Lingering) => "a request in a dialog that is not confirmed",
            (_, Stage::Confirmed) => return self.may_change(method, described),
        };
        Err(Error::Misuse { what: why })
    }

    /// How far it has come.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// What it was made for.
    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// Whether a request of ours made it, and not one of the peer's.
    pub fn is_initiated(&self) -> bool {
        self.initiated
    }

    /// Who we are in it: From of our requests, To of the peer's.
    pub fn local(&self) -> &NameAddr {
        &self.local
    }

    /// Who the peer is in it.
    pub fn remote(&self) -> &NameAddr {
        &self.remote
    }

    /// The Call-ID.
    pub fn call_id(&self) -> &Bytes {
        &self.call_id
    }

    /// Our tag.
    pub fn local_tag(&self) -> &Bytes {
        &self.local_tag
    }

    /// The peer's tag; empty for a peer of RFC 2543.
    pub fn remote_tag(&self) -> &Bytes {
        &self.remote_tag
    }

    /// Where the peer wants requests addressed to.
    pub fn target(&self) -> &Uri {
        &self.target
    }

    /// The flow it lives on.
    pub fn flow(&self) -> &Flow {
        &self.flow
    }
}

/// Whether the Contact that goes with a Request-URI must be a `sips:` URI (§8.1.1.8, §12.1.1): who calls so wants every hop to be
/// secure, later ones too.
pub(crate) fn is_secure(uri: &Uri, flow: &Flow) -> bool {
    flow.transport.is_secure() && uri.scheme() == Scheme::Sips
}

/// The URI of the first Contact, when it is one we can address.
fn contact(headers: &Headers) -> Option<Uri> {
    match headers.typed::<ContactValue>()?.ok()? {
        ContactValue::Address(address) if address.uri.is_sip() => Some(address.uri.without_headers()),
        _ => None,
    }
}

/// The Record-Route values in the order of the message (§12.1.1).
fn route_set(headers: &Headers) -> Result<Vec<NameAddr>, Error> {
    if !headers.contains(&Name::RecordRoute) {
        return Ok(Vec::new());
    }
    headers.typed_all::<RecordRoute>().map(|route| route.map(|route| route.0)).collect()
}
