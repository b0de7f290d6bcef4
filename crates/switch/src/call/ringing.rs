//! Ringing: all phones of an extension are called together; the first 200 wins (RFC 3261 §13, forking as in §16.7).

use std::time::Instant;

use bytes::Bytes;
use domain::CallLeg;
use media::{Negotiation, Plan, Reach, plan};
use sip::header::NameAddr;
use sip::{ContactPolicy, DialogId, Failure, Method, Name, OutgoingRequest, Reply, Response, Uri};

use super::answered::Bridged;
use super::effect::{Context, Effect, RequestKey, SDP, sdp};
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
    branches: Vec<Branch>,
    /// The dialog whose early media the caller hears.
    heard: Option<DialogId>,
    /// The best of the refusals so far.
    best: Option<Ending>,
    /// The last provisional status the caller got.
    told: u16,
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
        self.branches.iter().any(|branch| branch.dialogs.contains(&dialog))
    }
}

impl Call {
    /// Calls the phones.
    pub(super) fn ring(&mut self, cx: &mut Context<'_>, order: Order) -> Result<(), Ending> {
        let Order { targets, chain, ring_for } = order;
        let reach = if targets.len() > 1 { Reach::Forked } else { Reach::Single };
        let mut ringing = Ringing {
            branches: Vec::with_capacity(targets.len()),
            heard: None,
            best: None,
            told: 0,
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
        let mut negotiation = Negotiation::new(cx.ids.number(), Some(target.flow.remote.ip()));
        let offer = if self.caller.is_answered() {
            plan::invite(&self.caller.end.negotiation, &mut negotiation, address, reach)
        } else if is_late(&self.caller.end.negotiation) {
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
            dialogs: Vec::new(),
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
        branch.dialogs.clear();
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
        branch.dialogs.extend(dialog.filter(|dialog| !branch.dialogs.contains(dialog)));
        if branch.leg.user_agent.is_none() {
            let agent = response.headers().get(&Name::UserAgent).or_else(|| response.headers().get(&Name::Server));
            branch.leg.user_agent = agent.map(|value| text(&value));
        }
        self.respect_privacy(response);
        match (response.code(), dialog) {
            (180..=183, _) => self.provisional(cx, request, dialog, response),
            (100..=199, _) => {}
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

    /// 180 and its like: the caller hears of the first, and of early media from the first phone that has some.
    fn provisional(
        &mut self,
        cx: &mut Context<'_>,
        request: RequestKey,
        dialog: Option<DialogId>,
        response: &Response,
    ) {
        let Stage::Ringing(ringing) = &mut self.stage else { return };
        let CallerState::Invited { server } = self.caller.state else {
            if std::mem::replace(&mut ringing.told, response.code()) != response.code() {
                self.transfer_rings(cx, response.code());
            }
            return;
        };
        let Some(branch) = ringing.branches.iter_mut().find(|branch| branch.request == request) else { return };
        let body = response.body();
        let may_be_heard = ringing.heard.is_none() || ringing.heard == dialog;
        let mut media = None;
        let late = is_late(&self.caller.end.negotiation);
        if !body.is_empty()
            && dialog.is_some()
            && may_be_heard
            && !late
            && branch.negotiation.remote_answer(&body).is_ok()
        {
            let address = self.media.address(self.caller.end.ports, &self.caller.end.flow, &cx.settings.rtp_advertised);
            let joined =
                address.map(|address| plan::answer(&mut self.caller.end.negotiation, &branch.negotiation, address));
            if let Some(Ok(joined)) = joined {
                ringing.heard = dialog;
                media = Some(joined);
            }
        }
        let code = response.code();
        let told = std::mem::replace(&mut ringing.told, code);
        match media {
            Some((answer, plan)) => {
                cx.respond(server, self.named(Reply::new(code).contact(ContactPolicy::Dialog).body(SDP, answer)));
                self.apply(cx, plan);
            }
            None if told != code && may_be_heard => {
                cx.respond(server, self.named(Reply::new(code).contact(ContactPolicy::Dialog)));
            }
            None => {}
        }
        if matches!(code, 180 | 183) {
            self.record.ringing(cx);
        }
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
        let heard = ringing.heard == Some(dialog);
        let branch = ringing.branches.iter_mut().find(|branch| branch.request == request).ok_or(Ending::SystemError)?;
        match branch.negotiation.remote_answer(body) {
            // The description of the 200 is a copy of the early one (RFC 6337 §3.1.1); some phones leave the copy out.
            Err(_) if body.is_empty() && heard => {}
            Err(_) => return Err(Ending::NoCommonCodec),
            Ok(()) => {}
        }
        describe(&mut self.caller, &self.media, cx, &branch.negotiation)
    }

    /// What the caller's 200 says of a phone that takes the call.
    pub(super) fn describe_to_caller(&mut self, cx: &Context<'_>, called: &Negotiation) -> Result<Described, Ending> {
        describe(&mut self.caller, &self.media, cx, called)
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
        let Branch { target, negotiation, mut leg, mut timer, .. } = ringing.branches.swap_remove(index);
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
        if let Some(body) = body {
            self.accept(cx, body, plan);
        }
        self.enter(cx, Stage::Bridged(Box::new(Bridged { callee, exchange })));
        if answered {
            self.transfer_done(cx);
            self.turn(cx, Side::Callee, false);
        }
        self.advance(cx, Event::Bridged);
    }

    /// Sends the caller its 200, and lets audio flow when everything is said.
    pub(super) fn accept(&mut self, cx: &mut Context<'_>, answer: Bytes, plan: Option<Plan>) {
        let CallerState::Invited { server } = self.caller.state else { return };
        self.caller.state = CallerState::Answered;
        self.caller.leg.answer_time = Some(cx.at);
        self.caller.leg.sip_response_code = Some(200);
        if let Some(plan) = plan {
            self.apply(cx, plan);
        }
        let reply = accepted(cx, &mut self.caller.end, sdp(answer));
        cx.respond(server, self.named(reply));
        self.record.answered(cx);
    }

    /// One phone is out; the call goes on while another rings, unless this one spoke for all (6xx).
    fn refused(&mut self, cx: &mut Context<'_>, request: RequestKey, code: Option<u16>, ending: Ending) {
        let Stage::Ringing(ringing) = &mut self.stage else { return };
        let Some(index) = ringing.branches.iter().position(|branch| branch.request == request) else { return };
        let branch = ringing.branches.swap_remove(index);
        cx.effects.push(Effect::Release { request });
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
    body: Option<Bytes>,
    /// Absent while our offer waits for its answer.
    plan: Option<Plan>,
}

fn describe(caller: &mut Caller, media: &Media, cx: &Context<'_>, called: &Negotiation) -> Result<Described, Ending> {
    if caller.is_answered() {
        return Ok(Described { body: None, plan: None });
    }
    let End { negotiation, flow, ports, .. } = &mut caller.end;
    let address = media.address(*ports, flow, &cx.settings.rtp_advertised).ok_or(Ending::MediaFailure)?;
    let described = if is_late(negotiation) {
        plan::offer(called, negotiation, address, Reach::Single)
            .map(|offer| Described { body: Some(offer), plan: None })
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
