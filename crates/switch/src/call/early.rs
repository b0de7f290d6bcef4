//! Early: what passes between the caller and the phones that ring before anybody has answered.
//!
//! The caller hears the first phone that has something to be heard, until a 2xx selects one; what the caller was answered then
//! stays its answer. A proxy that forks behind a phone makes several early dialogs of one INVITE (RFC 3261 §12.1), and each of
//! them answers our offer for itself. PRACK is the endpoint's affair, but for the descriptions it brings (RFC 3262 §5), as is
//! UPDATE (RFC 3311): in an early dialog both are answered here, for the other side may not be the last one.

use bytes::Bytes;
use media::{MediaAddress, Negotiation, Plan, Reach, plan};
use sip::{ContactPolicy, DialogId, Method, Name, Reply, Request, Response, ServerId};

use super::effect::{Context, RequestKey, SDP, sdp};
use super::leg::{Branch, CallerState, opposite};
use super::reinvite::Exchange;
use super::setup::is_late;
use super::{Call, Side, Stage};
use crate::shard::answer::{in_dialog, ok};
use crate::verdict::Ending;

/// One early dialog of a phone that rings.
pub(super) struct Early {
    pub(super) dialog: DialogId,
    /// What the phone has answered there.
    pub(super) negotiation: Negotiation,
}

/// What the caller's INVITE allows before its 200.
#[derive(Clone, Copy)]
pub(super) struct Wishes {
    /// It brought no description: the first offer is ours.
    pub(super) late: bool,
    /// It knows reliable provisional answers, so that one may bring an offer (RFC 3262 §5).
    reliable: bool,
}

impl Wishes {
    pub(super) fn of(invite: &Request) -> Self {
        let names = |name: &Name| invite.headers().tokens(name).is_ok_and(|words| words.contains("100rel"));
        Self { late: invite.body().is_empty(), reliable: names(&Name::Supported) || names(&Name::Require) }
    }
}

/// What the caller has been told while phones ring.
#[derive(Default)]
pub(super) struct Told {
    /// The dialog whose early media it hears.
    pub(super) heard: Option<DialogId>,
    /// The last provisional status.
    last: u16,
    /// Whether it has heard of ringing.
    rang: bool,
}

impl Told {
    /// Whether a provisional answer without a description is news. Ringing is told once; 183 only says that something goes on.
    fn is_news(&mut self, code: u16, dialog: Option<DialogId>) -> bool {
        let audible = self.heard.is_none() || self.heard == dialog;
        let news = match code {
            180 => !self.rang,
            183 => self.last == 0,
            _ => self.last != code,
        };
        if audible && news {
            self.note(code);
        }
        audible && news
    }

    fn note(&mut self, code: u16) {
        self.last = code;
        self.rang |= code == 180;
    }
}

impl Branch {
    /// The early dialog with this id; a new one answers the offer of the INVITE anew.
    pub(super) fn early(&mut self, dialog: DialogId) -> &mut Early {
        let index = self.early.iter().position(|early| early.dialog == dialog).unwrap_or_else(|| {
            self.early.push(Early { dialog, negotiation: self.negotiation.clone() });
            self.early.len() - 1
        });
        &mut self.early[index]
    }
}

impl Call {
    /// 180 and its like: the caller hears of the first, and of early media from the first dialog that has some.
    pub(super) fn provisional(
        &mut self,
        cx: &mut Context<'_>,
        request: RequestKey,
        dialog: Option<DialogId>,
        response: &Response,
    ) {
        let code = response.code();
        let Stage::Ringing(ringing) = &mut self.stage else { return };
        let CallerState::Invited { server } = self.caller.state else {
            if ringing.told.is_news(code, None) {
                self.transfer_rings(cx, code);
            }
            return;
        };
        let Some(branch) = ringing.branches.iter_mut().find(|branch| branch.request == request) else { return };
        let media = match dialog {
            Some(dialog) if !response.body().is_empty() => {
                let early = branch.early(dialog);
                let answered = early.negotiation.remote_answer(&response.body()).is_ok();
                if answered { self.describe_early(cx, dialog) } else { None }
            }
            _ => None,
        };
        let Stage::Ringing(ringing) = &mut self.stage else { return };
        let reply = Reply::new(code).contact(ContactPolicy::Dialog);
        match media {
            Some((description, plan)) => {
                let first = ringing.told.heard.is_none();
                ringing.told.heard = dialog;
                if first || ringing.told.last != code {
                    ringing.told.note(code);
                    cx.respond(server, self.named(reply.body(SDP, description)));
                }
                if let Some(plan) = plan {
                    self.apply(cx, plan);
                }
            }
            None if ringing.told.is_news(code, dialog) => cx.respond(server, self.named(reply)),
            None => {}
        }
        if matches!(code, 180 | 183) {
            self.record.ringing(cx);
        }
    }

    /// What the caller is told of an early dialog that has something to be heard; `None` when it hears another, or cannot be told.
    fn describe_early(&mut self, cx: &Context<'_>, dialog: DialogId) -> Option<(Bytes, Option<Plan>)> {
        let address = self.address(cx)?;
        let Stage::Ringing(ringing) = &self.stage else { return None };
        if ringing.told.heard.is_some_and(|heard| heard != dialog) {
            return None;
        }
        let early = ringing.early(dialog)?;
        let caller = &mut self.caller.end.negotiation;
        if is_late(caller) {
            // An offer of ours needs an answer before the 200, and only PRACK can bring it.
            let offer = plan::offer(&early.negotiation, caller, address, Reach::Single);
            return offer.ok().filter(|_| self.wishes.reliable).map(|offer| (offer, None)).or_else(|| {
                self.caller.end.negotiation.rollback();
                None
            });
        }
        if self.wishes.late {
            // Its answer stands, or is on its way: what is heard may change, what was described does not.
            let plan = plan::again(caller, &early.negotiation).ok()?;
            return Some((caller.local_body()?, Some(plan.from_leg(self.caller.end.ports))));
        }
        let (answer, plan) = plan::answer(caller, &early.negotiation, address).ok()?;
        Some((answer, Some(plan.from_leg(self.caller.end.ports))))
    }

    /// An early dialog has ended by itself (RFC 6228): somebody else may be heard.
    pub(super) fn early_ended(&mut self, request: RequestKey, dialog: Option<DialogId>) {
        let (Stage::Ringing(ringing), Some(dialog)) = (&mut self.stage, dialog) else { return };
        if ringing.told.heard == Some(dialog) {
            ringing.told.heard = None;
        }
        if let Some(branch) = ringing.branches.iter_mut().find(|branch| branch.request == request) {
            branch.early.retain(|early| early.dialog != dialog);
        }
    }

    /// A request of a phone that rings.
    pub(super) fn early_request(
        &mut self,
        cx: &mut Context<'_>,
        server: ServerId,
        dialog: DialogId,
        request: &Request,
    ) {
        match request.method() {
            Method::Update if request.body().is_empty() => {
                cx.respond(server, Reply::new(200).contact(ContactPolicy::Dialog));
            }
            Method::Update => match self.early_change(cx, dialog, &request.body()) {
                Ok(answer) => cx.respond(server, ok(sdp(answer))),
                Err(code) => cx.respond(server, Reply::new(code)),
            },
            Method::Options => cx.respond(server, in_dialog(request.method())),
            _ => cx.respond(server, Reply::new(481)),
        }
    }

    /// A phone that rings changes what it has described.
    fn early_change(&mut self, cx: &mut Context<'_>, dialog: DialogId, body: &Bytes) -> Result<Bytes, u16> {
        let ports = opposite(self.caller.end.ports);
        let Stage::Ringing(ringing) = &mut self.stage else { return Err(491) };
        let heard = ringing.told.heard == Some(dialog);
        let (flow, early) = ringing.early_mut(dialog).ok_or(481_u16)?;
        let address = self.media.address(ports, &flow, &cx.settings.rtp_advertised).ok_or(488_u16)?;
        early.negotiation.remote_offer(body).map_err(|refusal| refusal.code)?;
        let joined = plan::answer(&mut early.negotiation, &self.caller.end.negotiation, address);
        let (answer, plan) = joined.map_err(|refusal| {
            early.negotiation.rollback();
            // As long as the caller has agreed to nothing, nothing can be said to the phone.
            if refusal.code == 500 { 491 } else { refusal.code }
        })?;
        if heard {
            self.apply(cx, plan.from_leg(ports));
        }
        Ok(answer)
    }

    /// The caller changes, before it is answered, what it has described.
    pub(super) fn change_early(&mut self, cx: &mut Context<'_>, server: ServerId, body: &Bytes) -> Result<(), u16> {
        let address = self.address(cx).ok_or(488_u16)?;
        let caller = &mut self.caller.end.negotiation;
        if !caller.is_stable() {
            return Err(491);
        }
        caller.remote_offer(body).map_err(|refusal| refusal.code)?;
        let described = describe_change(&self.stage, caller, address);
        let (answer, plan) = described.map_err(|refusal| {
            self.caller.end.negotiation.rollback();
            refusal.code
        })?;
        self.apply(cx, plan.from_leg(self.caller.end.ports));
        cx.respond(server, ok(sdp(answer)));
        Ok(())
    }

    /// The caller never said that it has seen what a provisional answer told it; its INVITE is refused.
    pub(super) fn not_pracked(&mut self, cx: &mut Context<'_>) {
        self.never_answered();
        self.end(cx, Ending::NoPrack);
    }

    /// The 200 that waited for a PRACK will not leave any more.
    pub(super) fn never_answered(&mut self) {
        let row = self.record.row_mut();
        (row.answer_time, row.sip_response_code) = (None, None);
        (self.caller.leg.answer_time, self.caller.leg.sip_response_code) = (None, None);
    }

    /// A PRACK of the caller that brings a description: the answer to an offer of ours, or a further offer (RFC 3262 §5).
    pub(super) fn prack(&mut self, cx: &mut Context<'_>, side: Side, server: ServerId, request: &Request) {
        let body = request.body();
        if side != Side::Caller || !self.caller.end.negotiation.awaits_answer() {
            if side != Side::Caller || self.change_early(cx, server, &body).is_err() {
                cx.respond(server, Reply::new(488));
            }
            return;
        }
        cx.respond(server, Reply::new(200));
        if let Err(refusal) = self.caller.end.negotiation.remote_answer(&body) {
            return self.end(cx, Ending::Offer(refusal.code));
        }
        let plan = match &mut self.stage {
            Stage::Bridged(bridged) => {
                bridged.exchange.take_if(|exchange| matches!(exchange, Exchange::Offered { side: Side::Caller }));
                plan::again(&self.caller.end.negotiation, &bridged.callee.end.negotiation).ok()
            }
            Stage::Ringing(ringing) => {
                let early = ringing.told.heard.and_then(|heard| ringing.early(heard));
                early.and_then(|early| plan::again(&self.caller.end.negotiation, &early.negotiation).ok())
            }
            Stage::Idle | Stage::Opening(_) | Stage::Alone(_) | Stage::Ending(_) | Stage::Over => None,
        };
        if let Some(plan) = plan {
            self.apply(cx, plan.from_leg(self.caller.end.ports));
        }
    }
}

/// The answer to a caller that changes its description while phones ring, or while its 200 waits for a PRACK.
fn describe_change(
    stage: &Stage,
    caller: &mut Negotiation,
    address: MediaAddress,
) -> Result<(Bytes, Plan), media::Refusal> {
    let called = match stage {
        Stage::Ringing(ringing) => {
            ringing.told.heard.and_then(|heard| ringing.early(heard)).map(|early| &early.negotiation)
        }
        Stage::Bridged(bridged) => Some(&bridged.callee.end.negotiation),
        _ => None,
    };
    match called {
        Some(called) => plan::answer(caller, called, address),
        None => plan::terminate(caller, address),
    }
}
