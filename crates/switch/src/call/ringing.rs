//! Ringing: all phones of an extension are called together; the first 200 wins (RFC 3261 §13, forking as in §16.7).

use std::time::Instant;

use bytes::Bytes;
use domain::{CallLeg, ExtensionId};
use media::{Negotiation, Plan, Reach, plan};
use sip::header::NameAddr;
use sip::{DialogId, Failure, Flow, Method, Name, OutgoingRequest, Response, Uri};

use super::answered::Bridged;
use super::early::{Early, Told, Wishes};
use super::effect::{Context, Effect, RequestKey, sdp};
use super::forwarded::{forwarding_headers, redirection};
use super::identity::identity_headers;
use super::leg::{Branch, Callee, Caller, CallerState, End, Media, Order, Target, anonymous, opposite};
use super::record::{description, text, write_leg};
use super::refresh::accepted;
use super::reinvite::Exchange;
use super::session_timer::SessionTimer;
use super::setup::is_late;
use super::{Call, Side, Stage};
use crate::feature::Event;
use crate::feature::forward::Chain;
use crate::verdict::Ending;

/// What a withdrawn INVITE is answered with (RFC 3261 §15.1.2).
const REQUEST_TERMINATED: u16 = 487;

/// Phones are being called.
pub(super) struct Ringing {
    pub(super) branches: Vec<Branch>,
    /// What the caller knows of it.
    pub(super) told: Told,
    /// The best of the refusals so far.
    best: Option<Ending>,
    /// Whether a caller who was answered before hears that it rings.
    pub(super) rings_back: bool,
    pub(super) give_up_at: Instant,
}

impl Ringing {
    /// The phones that are being called.
    pub(super) fn branches(&self) -> impl Iterator<Item = &Branch> {
        self.branches.iter()
    }

    /// Whether a phone that rings is behind a dialog.
    pub(super) fn rings(&self, dialog: DialogId) -> bool {
        self.early(dialog).is_some()
    }

    /// The early dialog with this id.
    pub(super) fn early(&self, dialog: DialogId) -> Option<&Early> {
        self.branches.iter().flat_map(|branch| &branch.early).find(|early| early.dialog == dialog)
    }

    /// The same, with the way to its phone.
    pub(super) fn early_mut(&mut self, dialog: DialogId) -> Option<(Flow, &mut Early)> {
        let mut branches = self.branches.iter_mut();
        branches.find_map(|branch| {
            let early = branch.early.iter_mut().find(|early| early.dialog == dialog)?;
            Some((branch.target.flow, early))
        })
    }

    /// The extension of the phone behind an early dialog.
    pub(super) fn extension_of(&self, dialog: DialogId) -> Option<ExtensionId> {
        let of = |branch: &&Branch| branch.early.iter().any(|early| early.dialog == dialog);
        self.branches.iter().find(of)?.leg.extension_id
    }
}

impl Call {
    /// Calls the phones.
    pub(super) fn ring(&mut self, cx: &mut Context<'_>, order: Order) -> Result<(), Ending> {
        let Order { targets, chain, ring_for } = order;
        let reach = if targets.len() > 1 { Reach::Forked } else { Reach::Single };
        let mut ringing = Ringing {
            branches: Vec::with_capacity(targets.len()),
            told: Told::default(),
            best: None,
            rings_back: false,
            give_up_at: cx.now + ring_for,
        };
        let mut refused = Ending::MediaFailure;
        for target in targets {
            match self.branch(cx, target, reach, &chain) {
                Ok(branch) => ringing.branches.push(branch),
                Err(ending) => refused = ending,
            }
        }
        if ringing.branches.is_empty() {
            return Err(refused);
        }
        self.enter(cx, Stage::Ringing(Box::new(ringing)));
        Ok(())
    }

    /// Calls one phone.
    fn branch(&mut self, cx: &mut Context<'_>, target: Target, reach: Reach, chain: &Chain) -> Result<Branch, Ending> {
        let ports = opposite(self.caller.end.ports);
        let address = self.media.address(ports, &target.flow, &cx.settings.rtp_advertised);
        let address = address.ok_or(Ending::MediaFailure)?;
        let browser = target.flow.transport.is_web();
        let profile = cx.profile(&target.flow, &target.number, browser);
        let mut negotiation = Negotiation::new(cx.ids.number(), profile);
        let offer = if self.caller.is_answered() {
            plan::invite(&self.caller.end.negotiation, &mut negotiation, address, reach)
        } else if is_late(&self.caller.end.negotiation) || self.caller.end.negotiation.awaits_answer() {
            plan::propose(&mut negotiation, address)
        } else {
            plan::offer(&self.caller.end.negotiation, &mut negotiation, address, reach)
        };
        let offer = offer.map_err(|refusal| Ending::Offer(refusal.code))?;
        let mut leg = self.record.leg(cx, false);
        leg.extension_id = self.record.row().callee_extension_id;
        leg.remote_ip = Some(target.flow.remote.ip());
        leg.sip_call_id = cx.ids.call_id();
        self.record.row_mut().callee_ip = leg.remote_ip;
        let forwarding = forwarding_headers(chain, &self.caller.domain);
        let request = self.request_key();
        let branch = Branch {
            request,
            target,
            forwarding,
            negotiation,
            leg,
            timer: SessionTimer::of_callee(),
            early: Vec::new(),
        };
        let effect = invite(&self.caller, self.dialed(), cx, &branch, offer);
        cx.effects.push(effect);
        Ok(branch)
    }

    /// A phone finds our session interval too small: it is called once more, with a longer one (RFC 4028 §7.3).
    fn call_again(&mut self, cx: &mut Context<'_>, request: RequestKey, response: &Response) -> bool {
        let again = self.request_key();
        let Stage::Ringing(ringing) = &mut self.stage else { return false };
        let Some(branch) = ringing.branches.iter_mut().find(|branch| branch.request == request) else { return false };
        let Some(offer) = branch.negotiation.local_body().filter(|_| branch.timer.raise(response)) else {
            return false;
        };
        cx.effects.push(Effect::Release { request });
        branch.request = again;
        branch.leg.sip_call_id = cx.ids.call_id();
        branch.early.clear();
        let dialed = self.transfer.as_ref().map(|transfer| transfer.number.as_str());
        let dialed = dialed.or(self.record.row().dialed_number.as_deref());
        let effect = invite(&self.caller, dialed, cx, branch, offer);
        cx.effects.push(effect);
        true
    }

    /// An answer of a phone that is being called.
    pub(super) fn branch_response(
        &mut self,
        cx: &mut Context<'_>,
        request: RequestKey,
        dialog: Option<DialogId>,
        response: &Response,
    ) {
        let Stage::Ringing(ringing) = &mut self.stage else { return };
        let Some(branch) = ringing.branches.iter_mut().find(|branch| branch.request == request) else { return };
        if let Some(dialog) = dialog {
            branch.early(dialog);
        }
        if branch.leg.user_agent.is_none() {
            let agent = response.headers().get(&Name::UserAgent).or_else(|| response.headers().get(&Name::Server));
            branch.leg.user_agent = agent.map(|value| text(&value));
        }
        self.respect_privacy(response);
        match (response.code(), dialog) {
            (180..=183, _) => self.provisional(cx, request, dialog, response),
            (199, _) => self.early_ended(request, dialog),
            (100..=198, _) => {}
            (200..=299, Some(dialog)) => self.chosen(cx, request, dialog, response),
            (200..=299, None) => self.refused(cx, request, Some(response.code()), Ending::SystemError),
            (300..=399, _) => self.redirected(cx, request, response),
            (422, _) if self.call_again(cx, request, response) => {}
            (code, _) => self.refused(cx, request, Some(code), Ending::Refused(code)),
        }
    }

    /// Nothing came of calling a phone.
    pub(super) fn branch_failed(&mut self, cx: &mut Context<'_>, request: RequestKey, why: Failure) {
        let ending = match why {
            Failure::Timeout => Ending::Timeout,
            Failure::Transport => Ending::TransportFailed,
        };
        self.refused(cx, request, None, ending);
    }

    /// The first 200: this phone has the call, the others stop ringing.
    fn chosen(&mut self, cx: &mut Context<'_>, request: RequestKey, dialog: DialogId, response: &Response) {
        cx.effects.push(Effect::Ack { dialog });
        match self.join(cx, request, dialog, &response.body()) {
            Ok(described) => self.bridge(cx, request, dialog, response, described),
            Err(ending) => {
                cx.effects.push(Effect::Bye { dialog, reason: None });
                self.refused(cx, request, Some(200), ending);
            }
        }
    }

    /// Takes the phone's answer over to the caller.
    fn join(
        &mut self,
        cx: &Context<'_>,
        request: RequestKey,
        dialog: DialogId,
        body: &Bytes,
    ) -> Result<Described, Ending> {
        let Stage::Ringing(ringing) = &mut self.stage else { return Err(Ending::SystemError) };
        let branch = ringing.branches.iter_mut().find(|branch| branch.request == request).ok_or(Ending::SystemError)?;
        let called = &mut branch.early(dialog).negotiation;
        // The description of the 200 is a copy of the early one (RFC 6337 §3.1.1); some phones leave the copy out, and after an
        // UPDATE it would be out of date.
        if called.remote_answer(body).is_err() && !called.is_agreed() {
            return Err(Ending::NoCommonCodec);
        }
        describe(&mut self.caller, &self.media, cx, called, self.wishes)
    }

    /// What the caller's 200 says of a phone that takes the call.
    pub(super) fn describe_to_caller(&mut self, cx: &Context<'_>, called: &Negotiation) -> Result<Described, Ending> {
        describe(&mut self.caller, &self.media, cx, called, self.wishes)
    }

    fn bridge(
        &mut self,
        cx: &mut Context<'_>,
        request: RequestKey,
        dialog: DialogId,
        response: &Response,
        described: Described,
    ) {
        self.stop_ring_back(cx);
        let Stage::Ringing(mut ringing) = std::mem::replace(&mut self.stage, Stage::Idle) else { return };
        let Some(index) = ringing.branches.iter().position(|branch| branch.request == request) else { return };
        let mut branch = ringing.branches.swap_remove(index);
        let negotiation = branch.early(dialog).negotiation.clone();
        let Branch { target, mut leg, mut timer, .. } = branch;
        // From here on a further 200 of the same INVITE belongs to nobody, and is acknowledged and ended as such.
        cx.effects.push(Effect::Release { request });
        for other in ringing.branches {
            withdraw(cx, other, Some(Ending::AnsweredElsewhere));
        }
        leg.answer_time = Some(cx.at);
        leg.sip_response_code = Some(200);
        let row = self.record.row_mut();
        row.callee_user_agent.clone_from(&leg.user_agent);
        if let Some(body) = description(&response.body()) {
            row.callee_sdp = Some(body);
        }
        timer.accepted(cx.now, cx.settings.session, response);
        let ports = opposite(self.caller.end.ports);
        let shown = self.called.clone().unwrap_or_else(anonymous);
        let Target { flow, number, .. } = target;
        let callee = Callee { end: End { dialog, flow, negotiation, ports, timer }, leg, shown, number };
        self.connect(cx, callee, described);
    }

    /// The caller and the one who has taken the call talk.
    pub(super) fn connect(&mut self, cx: &mut Context<'_>, callee: Callee, described: Described) {
        self.record.row_mut().callee_ip = callee.leg.remote_ip;
        let Described { body, plan } = described;
        let answered = self.caller.is_answered();
        // Without a plan the body of the 200 is our offer, and the ACK completes it.
        let exchange = (plan.is_none() && !answered).then_some(Exchange::Offered { side: Side::Caller });
        self.accept(cx, body, plan);
        self.enter(cx, Stage::Bridged(Box::new(Bridged { callee, exchange })));
        if answered {
            self.transfer_done(cx);
            self.turn(cx, Side::Callee, false);
        }
        self.advance(cx, Event::Bridged);
    }

    /// Sends the caller its 200, and lets audio flow when everything is said.
    pub(super) fn accept(&mut self, cx: &mut Context<'_>, description: Option<Bytes>, plan: Option<Plan>) {
        let CallerState::Invited { server } = self.caller.state else { return };
        self.caller.state = CallerState::Answered;
        self.unacknowledged = Some(self.caller.end.dialog);
        self.caller.leg.answer_time = Some(cx.at);
        self.caller.leg.sip_response_code = Some(200);
        if let Some(plan) = plan {
            self.apply(cx, plan);
        }
        let reply = accepted(cx, &mut self.caller.end, description.and_then(sdp));
        cx.respond(server, self.named(reply));
        self.record.answered(cx);
    }

    /// One phone is out; the call goes on while another rings, unless this one spoke for all (6xx).
    fn refused(&mut self, cx: &mut Context<'_>, request: RequestKey, code: Option<u16>, ending: Ending) {
        let Stage::Ringing(ringing) = &mut self.stage else { return };
        let Some(index) = ringing.branches.iter().position(|branch| branch.request == request) else { return };
        let branch = ringing.branches.swap_remove(index);
        cx.effects.push(Effect::Release { request });
        // Somebody else may be heard now.
        ringing.told.heard.take_if(|heard| branch.early.iter().any(|early| early.dialog == *heard));
        finish(cx, branch.leg, code, Some(ending.verdict().q850));
        ringing.best = Some(match ringing.best {
            Some(best) => best.better(ending),
            None => ending,
        });
        let for_all = code.is_some_and(|code| code >= 600);
        if for_all || ringing.branches.is_empty() {
            let best = self.stop_ringing(cx);
            let ending = if for_all { ending } else { best.unwrap_or(ending) };
            self.advance(cx, Event::Failed(ending));
        }
    }

    /// A phone sends the call to another number of the house: that is its user's word for all phones of the extension. A
    /// redirection to anywhere else is a refusal.
    fn redirected(&mut self, cx: &mut Context<'_>, request: RequestKey, response: &Response) {
        let code = response.code();
        let Stage::Ringing(ringing) = &mut self.stage else { return };
        let Some(index) = ringing.branches.iter().position(|branch| branch.request == request) else { return };
        let Some(to) = redirection(cx, &ringing.branches[index].target.flow, response) else {
            return self.refused(cx, request, Some(code), Ending::Refused(code));
        };
        let branch = ringing.branches.swap_remove(index);
        cx.effects.push(Effect::Release { request });
        finish(cx, branch.leg, Some(code), Some(Ending::Refused(code).verdict().q850));
        self.stop_ringing(cx);
        self.advance(cx, Event::Redirected { to, code });
    }

    /// Nobody answered in time.
    pub(super) fn ring_timeout(&mut self, cx: &mut Context<'_>) {
        self.stop_ringing(cx);
        self.advance(cx, Event::Failed(Ending::NoAnswer));
    }

    /// Withdraws what still rings; says what the best of the refusals so far was.
    pub(super) fn stop_ringing(&mut self, cx: &mut Context<'_>) -> Option<Ending> {
        self.stop_ringing_for(cx, None)
    }

    /// The same, with the reason that the phones are told.
    pub(super) fn stop_ringing_for(&mut self, cx: &mut Context<'_>, why: Option<Ending>) -> Option<Ending> {
        if !matches!(self.stage, Stage::Ringing(_)) {
            return None;
        }
        self.stop_ring_back(cx);
        let Stage::Ringing(ringing) = std::mem::replace(&mut self.stage, Stage::Idle) else { return None };
        for branch in ringing.branches {
            withdraw(cx, branch, why);
        }
        ringing.best
    }
}

/// What is said to a caller of the one who takes its call. Nothing to one who was answered before: it is told by re-INVITE.
pub(super) struct Described {
    /// Absent when everything has been said before, in provisional answers.
    body: Option<Bytes>,
    /// Absent while our offer waits for its answer.
    plan: Option<Plan>,
}

fn describe(
    caller: &mut Caller,
    media: &Media,
    cx: &Context<'_>,
    called: &Negotiation,
    wishes: Wishes,
) -> Result<Described, Ending> {
    // The answer to an offer in a provisional answer comes by PRACK, before the 200 leaves.
    if caller.is_answered() || caller.end.negotiation.awaits_answer() {
        return Ok(Described { body: None, plan: None });
    }
    let End { negotiation, flow, ports, .. } = &mut caller.end;
    let address = media.address(*ports, flow, &cx.settings.rtp_advertised).ok_or(Ending::MediaFailure)?;
    let described = if is_late(negotiation) {
        plan::offer(called, negotiation, address, Reach::Single)
            .map(|offer| Described { body: Some(offer), plan: None })
    } else if wishes.late {
        plan::again(negotiation, called).map(|plan| Described { body: None, plan: Some(plan.from_leg(*ports)) })
    } else {
        plan::answer(negotiation, called, address)
            .map(|(answer, plan)| Described { body: Some(answer), plan: Some(plan.from_leg(*ports)) })
    };
    described.map_err(|refusal| Ending::Offer(refusal.code))
}

/// The INVITE to a phone. Only what is named here goes to it: nothing of the caller's own headers travels on.
fn invite(caller: &Caller, dialed: Option<&str>, cx: &Context<'_>, branch: &Branch, offer: Bytes) -> Effect {
    let mut headers = identity_headers(&caller.shown);
    headers.extend(branch.forwarding.iter().cloned());
    headers.extend(branch.timer.headers(cx.settings.session));
    let outgoing = OutgoingRequest {
        method: Method::Invite,
        uri: branch.target.uri.clone(),
        flow: branch.target.flow,
        from: caller.shown.clone(),
        to: NameAddr::new(Uri::sip(dialed, &caller.domain, None)),
        call_id: Some(Bytes::from(branch.leg.sip_call_id.clone())),
        headers,
        body: sdp(offer),
        max_forwards: caller.max_forwards.saturating_sub(1),
        route: branch.target.path.clone(),
    };
    Effect::Invite { request: branch.request, outgoing: Box::new(outgoing) }
}

/// Tells a phone to stop ringing. Should its 200 be on the way, the shard acknowledges and ends it.
fn withdraw(cx: &mut Context<'_>, branch: Branch, why: Option<Ending>) {
    cx.effects.push(Effect::Cancel { request: branch.request, reason: why.map(Ending::reason) });
    cx.effects.push(Effect::Release { request: branch.request });
    finish(cx, branch.leg, Some(REQUEST_TERMINATED), why.map(|ending| ending.verdict().q850));
}

/// Writes the leg of a phone that did not get the call.
fn finish(cx: &mut Context<'_>, mut leg: CallLeg, code: Option<u16>, cause: Option<u8>) {
    leg.end_time = cx.at;
    leg.sip_response_code = code;
    leg.hangup_cause = cause;
    write_leg(cx, leg);
}
