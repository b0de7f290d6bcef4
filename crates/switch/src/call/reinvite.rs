//! Re-INVITE, and UPDATE with an offer: hold, resume and every other change of a session, passed through to the other side (RFC 3261 §14, RFC 3264 §8).
//!
//! One change travels at a time; whoever comes meanwhile gets 491 and tries again. A refused change leaves both sides as they
//! were. A re-INVITE without a description is answered with our own offer of the session as it stands, and its ACK brings the
//! answer.

use std::time::{Duration, Instant};

use bytes::Bytes;
use domain::CallEventKind;
use media::{Command, Plan, Reach, plan};
use sip::{DialogId, Failure, Reply, Request, Response, ServerId};

use super::answered::{Alone, Bridged};
use super::effect::{Context, Effect, RequestKey, sdp};
use super::leg::{Caller, CallerState, End};
use super::refresh::accepted;
use super::session_timer::{Asked, Proposal};
use super::{Call, Side, Stage};
use crate::limits;
use crate::verdict::Ending;

/// Status for a change that cannot be brought to the other side at the moment.
const UNAVAILABLE: u16 = 480;

/// Not acceptable here: a change that cannot be made, whatever the reason.
const NOT_ACCEPTABLE: u16 = 488;

/// Another change is on its way (RFC 3261 §14.2).
const REQUEST_PENDING: u16 = 491;

/// The other side does not decide (RFC 3261 §21.5.5).
const SERVER_TIMEOUT: u16 = 504;

/// A change on its way.
pub(super) enum Exchange {
    /// One side's offer went to the other, whose answer is awaited.
    Passing { from: Side, server: ServerId, request: RequestKey, by: Asked, was_held: bool, give_up_at: Instant },
    /// The sender withdrew its offer; the other side may or may not have taken it.
    Withdrawn { from: Side, request: RequestKey, by: Asked },
    /// The other side had taken a withdrawn offer and is being brought back.
    Restoring { from: Side, request: RequestKey, give_up_at: Instant },
    /// A side was sent our offer; its ACK brings the answer.
    Offered { side: Side },
    /// `from` is new to the call: the other side is being told what it looks like. With `again`, `from` is told of the other next.
    Turning { from: Side, again: bool, request: RequestKey, refusals: u8, give_up_at: Instant },
    /// That side could not take it in just now, and is told once more in a moment (RFC 3261 §14.1).
    Later { from: Side, again: bool, refusals: u8, at: Instant },
}

impl Exchange {
    /// The request that is out, and the side that sent the offer.
    pub(super) fn request(&self) -> Option<(RequestKey, Side)> {
        match self {
            Self::Passing { request, from, .. }
            | Self::Withdrawn { request, from, .. }
            | Self::Restoring { request, from, .. }
            | Self::Turning { request, from, .. } => Some((*request, *from)),
            Self::Offered { .. } | Self::Later { .. } => None,
        }
    }

    /// How the request that is out was sent.
    fn method(&self) -> Asked {
        match self {
            Self::Passing { by, .. } | Self::Withdrawn { by, .. } => *by,
            Self::Restoring { .. } | Self::Turning { .. } | Self::Offered { .. } | Self::Later { .. } => Asked::Invite,
        }
    }

    /// When patience ends. A withdrawn offer and an ACK have their ends in the endpoint.
    pub(super) fn give_up_at(&self) -> Option<Instant> {
        match self {
            Self::Passing { give_up_at, .. }
            | Self::Restoring { give_up_at, .. }
            | Self::Turning { give_up_at, .. } => Some(*give_up_at),
            Self::Later { at, .. } => Some(*at),
            Self::Withdrawn { .. } | Self::Offered { .. } => None,
        }
    }
}

/// The side that sent an offer, and the other one.
pub(super) fn ends<'a>(caller: &'a mut Caller, bridged: &'a mut Bridged, from: Side) -> (&'a mut End, &'a mut End) {
    match from {
        Side::Caller => (&mut caller.end, &mut bridged.callee.end),
        Side::Callee => (&mut bridged.callee.end, &mut caller.end),
    }
}

impl Side {
    pub(super) fn other(self) -> Side {
        match self {
            Self::Caller => Self::Callee,
            Self::Callee => Self::Caller,
        }
    }
}

impl Call {
    /// A side wants to change the session.
    pub(super) fn reinvite(&mut self, cx: &mut Context<'_>, side: Side, server: ServerId, request: &Request) {
        let proposal = match Proposal::of(request.headers(), cx.settings.session) {
            Ok(proposal) => proposal,
            Err(too_small) => return cx.respond(server, too_small.reply()),
        };
        if let Some(end) = self.end_of(side) {
            end.timer.invited(proposal, request.headers());
        }
        let body = request.body();
        let done = match &self.stage {
            Stage::Bridged(_) | Stage::Alone(_) if self.is_changing() => Err(REQUEST_PENDING),
            Stage::Bridged(_) if body.is_empty() => self.offer_again(cx, side, server),
            Stage::Bridged(_) => self.pass_on(cx, side, server, &body, Asked::Invite),
            Stage::Alone(_) => self.change_alone(cx, server, &body),
            Stage::Idle | Stage::Opening(_) | Stage::Ringing(_) | Stage::Ending(_) | Stage::Over => {
                Err(REQUEST_PENDING)
            }
        };
        if let Err(code) = done {
            cx.respond(server, Reply::new(code));
        }
    }

    /// Sends a side's offer to the other one.
    pub(super) fn pass_on(
        &mut self,
        cx: &mut Context<'_>,
        from: Side,
        server: ServerId,
        body: &Bytes,
        asked: Asked,
    ) -> Result<(), u16> {
        let request = self.request_key();
        let Stage::Bridged(bridged) = &mut self.stage else { return Err(NOT_ACCEPTABLE) };
        let (sender, other) = ends(&mut self.caller, bridged, from);
        // Who has not acknowledged its 200 may not have it yet.
        if self.unacknowledged == Some(other.dialog) {
            return Err(REQUEST_PENDING);
        }
        let address = self.media.address(other.ports, &other.flow, &cx.settings.rtp_advertised);
        let address = address.ok_or(NOT_ACCEPTABLE)?;
        let was_held = sender.negotiation.remote_hold();
        sender.negotiation.remote_offer(body).map_err(|refusal| refusal.code)?;
        let offer =
            plan::offer(&sender.negotiation, &mut other.negotiation, address, Reach::Single).map_err(|refusal| {
                sender.negotiation.rollback();
                refusal.code
            })?;
        // RFC 3311 §5.1: a change that may take a person's consent goes by INVITE; who sends UPDATE wants an answer at once.
        let by = if other.timer.takes_update() { asked } else { Asked::Invite };
        let change = change(cx, request, other, offer, by);
        cx.effects.push(change);
        let patience = match asked {
            Asked::Invite => limits::REINVITE,
            Asked::Update => limits::UPDATE,
        };
        bridged.exchange =
            Some(Exchange::Passing { from, server, request, by, was_held, give_up_at: cx.now + patience });
        Ok(())
    }

    /// Answers a re-INVITE that brings no offer with one of ours: the session as it stands.
    fn offer_again(&mut self, cx: &mut Context<'_>, side: Side, server: ServerId) -> Result<(), u16> {
        let Stage::Bridged(bridged) = &mut self.stage else { return Err(NOT_ACCEPTABLE) };
        let (asking, other) = ends(&mut self.caller, bridged, side);
        let address =
            self.media.address(asking.ports, &asking.flow, &cx.settings.rtp_advertised).ok_or(NOT_ACCEPTABLE)?;
        let offer = plan::offer(&other.negotiation, &mut asking.negotiation, address, Reach::Single)
            .map_err(|refusal| refusal.code)?;
        let reply = accepted(cx, asking, sdp(offer));
        cx.respond(server, reply);
        bridged.exchange = Some(Exchange::Offered { side });
        Ok(())
    }

    /// The caller changes a session that ends here.
    pub(super) fn change_alone(&mut self, cx: &mut Context<'_>, server: ServerId, body: &Bytes) -> Result<(), u16> {
        let address = self.address(cx).ok_or(NOT_ACCEPTABLE)?;
        let negotiation = &mut self.caller.end.negotiation;
        if body.is_empty() {
            let offer = plan::propose(negotiation, address).map_err(|refusal| refusal.code)?;
            let reply = accepted(cx, &mut self.caller.end, sdp(offer));
            cx.respond(server, reply);
            self.stage = Stage::Alone(Alone { offered: true, request: None });
            return Ok(());
        }
        let was_held = negotiation.remote_hold();
        negotiation.remote_offer(body).map_err(|refusal| refusal.code)?;
        let (answer, plan) = plan::terminate(negotiation, address).map_err(|refusal| {
            self.caller.end.negotiation.rollback();
            refusal.code
        })?;
        self.apply(cx, plan.from_leg(self.caller.end.ports));
        let reply = accepted(cx, &mut self.caller.end, sdp(answer));
        cx.respond(server, reply);
        self.note_hold(cx, Side::Caller, was_held);
        Ok(())
    }

    /// What the other side says to a change.
    pub(super) fn reinvite_response(&mut self, cx: &mut Context<'_>, request: RequestKey, response: &Response) {
        let code = response.code();
        let Stage::Bridged(bridged) = &mut self.stage else { return };
        let Some(exchange) = bridged
            .exchange
            .take_if(|exchange| code >= 200 && exchange.request().is_some_and(|(waiting, _)| waiting == request))
        else {
            return;
        };
        let Some((_, from)) = exchange.request() else { return };
        cx.effects.push(Effect::Release { request });
        let (_, other) = ends(&mut self.caller, bridged, from);
        match code {
            200..=299 => {
                if exchange.method() == Asked::Invite {
                    cx.effects.push(Effect::Ack { dialog: other.dialog });
                }
                other.timer.accepted(cx.now, cx.settings.session, response);
                if other.negotiation.remote_answer(&response.body()).is_ok() {
                    self.changed(cx, exchange);
                } else {
                    // It has taken the change and says nothing that we understand: there is no session left to go back to.
                    bridged.exchange = Some(exchange);
                    self.end(cx, Ending::NoCommonCodec);
                }
            }
            // RFC 3261 §12.2.1.2: the dialog is gone, and with it the call.
            408 | 481 => {
                bridged.exchange = Some(exchange);
                self.end(cx, Ending::PeerVanished);
            }
            422 if other.timer.raise(response) => self.pass_again(cx, exchange),
            405 | 501 if exchange.method() == Asked::Update => {
                other.timer.forget_update();
                self.pass_again(cx, exchange);
            }
            _ => self.unchanged(cx, &exchange, code),
        }
    }

    /// The same change once more: with a longer session interval (RFC 4028 §7.3), or by INVITE where UPDATE is not known.
    fn pass_again(&mut self, cx: &mut Context<'_>, exchange: Exchange) {
        let again = self.request_key();
        let Stage::Bridged(bridged) = &mut self.stage else { return };
        let mut exchange = exchange;
        let by = exchange.method();
        if let Exchange::Passing { from, by, .. } = &mut exchange
            && !ends(&mut self.caller, bridged, *from).1.timer.takes_update()
        {
            *by = Asked::Invite;
        }
        match &mut exchange {
            Exchange::Passing { from, request, .. }
            | Exchange::Restoring { from, request, .. }
            | Exchange::Turning { from, request, .. } => {
                let (_, other) = ends(&mut self.caller, bridged, *from);
                if let Some(offer) = other.negotiation.local_body() {
                    let by = if other.timer.takes_update() { by } else { Asked::Invite };
                    let change = change(cx, again, other, offer, by);
                    cx.effects.push(change);
                    *request = again;
                    bridged.exchange = Some(exchange);
                }
            }
            // Nobody wants it any more.
            Exchange::Withdrawn { .. } | Exchange::Offered { .. } | Exchange::Later { .. } => {
                self.unchanged(cx, &exchange, NOT_ACCEPTABLE);
            }
        }
    }

    /// The other side took the change.
    fn changed(&mut self, cx: &mut Context<'_>, exchange: Exchange) {
        let Stage::Bridged(bridged) = &mut self.stage else { return };
        match exchange {
            Exchange::Passing { from, server, was_held, .. } => {
                let (sender, other) = ends(&mut self.caller, bridged, from);
                let address = self.media.address(sender.ports, &sender.flow, &cx.settings.rtp_advertised);
                let joined = address.map(|address| plan::answer(&mut sender.negotiation, &other.negotiation, address));
                let Some(Ok((answer, plan))) = joined else {
                    bridged.exchange = Some(exchange);
                    return self.end(cx, Ending::NoCommonCodec);
                };
                let plan = plan.from_leg(sender.ports);
                let reply = accepted(cx, sender, sdp(answer));
                self.apply(cx, plan);
                cx.respond(server, reply);
                self.note_hold(cx, from, was_held);
            }
            Exchange::Withdrawn { from, .. } => self.restore(cx, from),
            Exchange::Turning { from, again, .. } => self.turned(cx, from, again),
            Exchange::Restoring { .. } | Exchange::Offered { .. } | Exchange::Later { .. } => self.rejoin(cx),
        }
    }

    /// The other side refused the change.
    fn unchanged(&mut self, cx: &mut Context<'_>, exchange: &Exchange, code: u16) {
        let Stage::Bridged(bridged) = &mut self.stage else { return };
        let Some((_, from)) = exchange.request() else { return };
        let (sender, other) = ends(&mut self.caller, bridged, from);
        other.negotiation.rollback();
        if let Exchange::Passing { server, .. } = exchange {
            sender.negotiation.rollback();
            // A challenge, a redirection or a word about our own interval is meant for us, not for the one who asked.
            let code = if matches!(code, 300..=399 | 401 | 407 | 422) { NOT_ACCEPTABLE } else { code };
            cx.respond(*server, Reply::new(code));
        }
        if let Exchange::Turning { from, again, refusals, .. } = exchange {
            let (from, again, refusals) = (*from, *again, refusals + 1);
            match code {
                491 | 500 | 503 if refusals <= limits::TURNS => {
                    // Between 2.1 and 4 s, as for one who made the Call-ID.
                    let wait = Duration::from_millis(2_100 + cx.ids.number() % 1_900);
                    bridged.exchange = Some(Exchange::Later { from, again, refusals, at: cx.now + wait });
                }
                // Whoever does not take it in keeps to ports that are not its own any more.
                _ if again => self.end(cx, Ending::Offer(488)),
                _ => self.turned(cx, from, again),
            }
        }
    }

    /// Nothing came of a change: that side is not there any more. A phone whose connection broke is not there at the moment: the
    /// session stays as it was, and silence will tell whether it comes back.
    pub(super) fn reinvite_failed(&mut self, cx: &mut Context<'_>, request: RequestKey, why: Failure) {
        let Stage::Bridged(bridged) = &mut self.stage else { return };
        let waiting = bridged.exchange.as_ref().and_then(Exchange::request);
        if let Some((_, from)) = waiting.filter(|(waiting, _)| *waiting == request) {
            let is_stream = ends(&mut self.caller, bridged, from).1.flow.transport.is_reliable();
            let passing = |exchange: &mut Exchange| matches!(exchange, Exchange::Passing { .. });
            if is_stream
                && why == Failure::Transport
                && let Some(exchange) = bridged.exchange.take_if(passing)
            {
                return self.unchanged(cx, &exchange, UNAVAILABLE);
            }
            let ending = match why {
                Failure::Timeout => Ending::PeerVanished,
                Failure::Transport => Ending::TransportFailed,
            };
            self.end(cx, ending);
        }
    }

    /// An INVITE was withdrawn: the first one ends the call, a later one is withdrawn on the other side too.
    pub(super) fn cancelled(&mut self, cx: &mut Context<'_>, dialog: DialogId, gone: bool) {
        let Some(side) = self.side(dialog) else { return };
        if gone || matches!(self.caller.state, CallerState::Invited { .. }) {
            self.never_answered();
            return self.end(cx, Ending::Cancelled);
        }
        let Stage::Bridged(bridged) = &mut self.stage else { return };
        if matches!(bridged.exchange, Some(Exchange::Passing { from, .. }) if from == side) {
            self.withdraw_change(cx);
        }
    }

    /// Takes back a change that the other side has not answered.
    fn withdraw_change(&mut self, cx: &mut Context<'_>) {
        let Stage::Bridged(bridged) = &mut self.stage else { return };
        let Some(exchange) = &bridged.exchange else { return };
        let (Some((request, from)), by) = (exchange.request(), exchange.method()) else { return };
        cx.effects.push(Effect::Cancel { request, reason: None });
        let (sender, _) = ends(&mut self.caller, bridged, from);
        sender.negotiation.rollback();
        bridged.exchange = Some(Exchange::Withdrawn { from, request, by });
    }

    /// The other side has said that it thinks about a change, and nothing since (it has no Timer B then).
    pub(super) fn reinvite_timeout(&mut self, cx: &mut Context<'_>) {
        let Stage::Bridged(bridged) = &self.stage else { return };
        let due = |exchange: &&Exchange| exchange.give_up_at().is_some_and(|at| at <= cx.now);
        match bridged.exchange.as_ref().filter(due) {
            Some(&Exchange::Passing { server, .. }) => {
                cx.respond(server, Reply::new(SERVER_TIMEOUT));
                self.withdraw_change(cx);
            }
            Some(Exchange::Restoring { .. } | Exchange::Turning { .. }) => self.end(cx, Ending::PeerVanished),
            Some(Exchange::Later { from, again, refusals, .. }) => {
                let (from, again, refusals) = (*from, *again, *refusals);
                self.turn_once_more(cx, from, again, refusals);
            }
            Some(Exchange::Withdrawn { .. } | Exchange::Offered { .. }) | None => {}
        }
    }

    /// Offers the other side the session as it was before a withdrawn change that it had taken already.
    fn restore(&mut self, cx: &mut Context<'_>, from: Side) {
        let request = self.request_key();
        let Stage::Bridged(bridged) = &mut self.stage else { return };
        let (sender, other) = ends(&mut self.caller, bridged, from);
        let Some(address) = self.media.address(other.ports, &other.flow, &cx.settings.rtp_advertised) else {
            return;
        };
        if let Ok(offer) = plan::offer(&sender.negotiation, &mut other.negotiation, address, Reach::Single) {
            let invite = invite(cx, request, other, offer);
            cx.effects.push(invite);
            bridged.exchange = Some(Exchange::Restoring { from, request, give_up_at: cx.now + limits::REINVITE });
        }
    }

    /// Our 200 was acknowledged; after an offer of ours the ACK brings the answer.
    pub(super) fn acked(&mut self, cx: &mut Context<'_>, dialog: DialogId, request: &Request) {
        self.unacknowledged.take_if(|waiting| *waiting == dialog);
        let Some(side) = self.side(dialog) else { return };
        let body = request.body();
        let waiting = match &mut self.stage {
            Stage::Bridged(bridged) => bridged
                .exchange
                .take_if(|exchange| matches!(exchange, Exchange::Offered { side: asked } if *asked == side))
                .is_some(),
            Stage::Alone(alone) => std::mem::take(&mut alone.offered),
            Stage::Idle | Stage::Opening(_) | Stage::Ringing(_) | Stage::Ending(_) | Stage::Over => false,
        };
        if !waiting {
            return;
        }
        let end = match &mut self.stage {
            Stage::Bridged(bridged) => ends(&mut self.caller, bridged, side).0,
            _ => &mut self.caller.end,
        };
        let was_held = end.negotiation.remote_hold();
        match end.negotiation.remote_answer(&body) {
            Ok(()) => {
                self.rejoin(cx);
                self.note_hold(cx, side, was_held);
            }
            Err(_) if end.negotiation.is_agreed() => end.negotiation.rollback(),
            // The first offer of the call stays without an answer: there is no session to fall back on.
            Err(refusal) => self.end(cx, Ending::Offer(refusal.code)),
        }
    }

    /// Carries out what both sides stand agreed on.
    pub(super) fn rejoin(&mut self, cx: &mut Context<'_>) {
        let plan = match &self.stage {
            Stage::Bridged(bridged) => plan::again(&self.caller.end.negotiation, &bridged.callee.end.negotiation).ok(),
            _ => self
                .address(cx)
                .and_then(|address| plan::terminate(&mut self.caller.end.negotiation, address).ok())
                .map(|(_, plan)| plan),
        };
        if let Some(plan) = plan {
            self.apply(cx, plan.from_leg(self.caller.end.ports));
        }
    }

    /// Lets audio flow as planned.
    pub(super) fn apply(&mut self, cx: &mut Context<'_>, plan: Plan) {
        self.record.row_mut().codec = plan.legs.first().map(|leg| leg.codec_name.to_owned());
        cx.media(Command::Apply { session: self.key.session(), plan });
    }

    /// Writes down that a side was put on hold or taken back.
    fn note_hold(&mut self, cx: &mut Context<'_>, side: Side, was_held: bool) {
        let (negotiation, who) = match (&self.stage, side) {
            (Stage::Bridged(bridged), Side::Callee) => (&bridged.callee.end.negotiation, "callee"),
            _ => (&self.caller.end.negotiation, "caller"),
        };
        let kind = match (was_held, negotiation.remote_hold()) {
            (false, true) => CallEventKind::Held,
            (true, false) => CallEventKind::Resumed,
            (true, true) | (false, false) => return,
        };
        self.record.event(cx, kind, Some(format!("by the {who}")));
    }
}

/// A re-INVITE of ours.
pub(super) fn invite(cx: &Context<'_>, request: RequestKey, to: &End, offer: Bytes) -> Effect {
    change(cx, request, to, offer, Asked::Invite)
}

/// An offer of ours inside a dialog.
fn change(cx: &Context<'_>, request: RequestKey, to: &End, offer: Bytes, by: Asked) -> Effect {
    let headers = to.timer.headers(cx.settings.session);
    Effect::InDialog { request, dialog: to.dialog, method: by.method(), headers, body: sdp(offer) }
}
