//! Refresh: what the session timers of both legs want done (RFC 4028 §10), each leg by itself.

use std::time::Instant;

use domain::CallEventKind;
use sip::{Reply, Response};

use super::answered::Alone;
use super::effect::{Body, Context, Effect, RequestKey, sdp};
use super::leg::End;
use super::session_timer::{Asked, Due};
use super::{Call, Side, Stage};
use crate::shard::answer::ok;
use crate::verdict::Ending;

const BOTH: [Side; 2] = [Side::Caller, Side::Callee];

/// Our 200 to the last INVITE of a side; from now on its session timer runs.
pub(super) fn accepted(cx: &Context<'_>, end: &mut End, body: Option<Body>) -> Reply {
    let headers = end.timer.accept_invited(cx.now, cx.settings.session);
    headers.into_iter().fold(ok(body), |reply, (name, value)| reply.header(name, value))
}

impl Call {
    /// The far end of a side, while it is there.
    pub(super) fn end_of(&mut self, side: Side) -> Option<&mut End> {
        match (side, &mut self.stage) {
            (Side::Caller, _) => Some(&mut self.caller.end),
            (Side::Callee, Stage::Bridged(bridged)) => Some(&mut bridged.callee.end),
            (Side::Callee, _) => None,
        }
    }

    /// Whether a change of the session would meet something that is on its way: another change, or a refresh of one side, which no
    /// further request may overtake (RFC 3311 §5.1).
    pub(crate) fn is_changing(&self) -> bool {
        let asks = |end: &End| end.timer.pending().is_some();
        let callee = matches!(&self.stage, Stage::Bridged(bridged) if asks(&bridged.callee.end));
        self.is_exchanging() || callee || asks(&self.caller.end)
    }

    /// Whether an offer is on its way.
    fn is_exchanging(&self) -> bool {
        match &self.stage {
            Stage::Bridged(bridged) => bridged.exchange.is_some(),
            Stage::Alone(Alone { offered, request }) => *offered || request.is_some(),
            Stage::Idle | Stage::Opening(_) | Stage::Ringing(_) | Stage::Ending(_) | Stage::Over => false,
        }
    }

    /// When the session timers want to be asked.
    pub(super) fn timers_timeout(&self) -> Option<Instant> {
        let callee = match &self.stage {
            Stage::Bridged(bridged) => bridged.callee.end.timer.poll_timeout(),
            _ => None,
        };
        self.caller.end.timer.poll_timeout().into_iter().chain(callee).min()
    }

    /// Asks them.
    pub(super) fn timers_due(&mut self, cx: &mut Context<'_>) {
        for side in BOTH {
            // The first side that is not there ends the call of both.
            if self.is_ending() {
                return;
            }
            let due = self.end_of(side).and_then(|end| end.timer.handle_timeout(cx.now));
            self.serve(cx, side, due);
        }
    }

    fn serve(&mut self, cx: &mut Context<'_>, side: Side, due: Option<Due>) {
        match due {
            Some(Due::Refresh) => self.refresh(cx, side),
            Some(Due::End) => self.lost(cx, side),
            None => {}
        }
    }

    /// Asks a side whether it is there. A change that is on its way asks as well; then the timer comes again.
    fn refresh(&mut self, cx: &mut Context<'_>, side: Side) {
        if self.is_exchanging() {
            return;
        }
        let request = self.request_key();
        let Some(end) = self.end_of(side) else { return };
        let method = if end.timer.takes_update() { Asked::Update } else { Asked::Invite };
        let body = match method {
            Asked::Update => None,
            Asked::Invite => match end.negotiation.repeat() {
                Ok(offer) => sdp(offer),
                Err(_) => return,
            },
        };
        let headers = end.timer.headers(cx.settings.session);
        end.timer.asking(cx.now, request, method);
        let dialog = end.dialog;
        cx.effects.push(Effect::InDialog { request, dialog, method: method.method(), headers, body });
    }

    /// What a side says to a refresh. False when the answer is to something else.
    pub(super) fn refresh_response(&mut self, cx: &mut Context<'_>, request: RequestKey, response: &Response) -> bool {
        let Some((side, method)) = self.refreshing(request) else { return false };
        let Some(end) = self.end_of(side).filter(|_| response.code() >= 200) else { return true };
        cx.effects.push(Effect::Release { request });
        let mut moved = false;
        if method == Asked::Invite {
            let accepted = (200..300).contains(&response.code());
            if accepted {
                cx.effects.push(Effect::Ack { dialog: end.dialog });
                moved = end.negotiation.remote_answer(&response.body()).is_ok();
            }
            // Without a description that we understand the session is what it was.
            end.negotiation.rollback();
        }
        let due = end.timer.answered(cx.now, cx.settings.session, response);
        if moved {
            self.rejoin(cx);
        }
        self.serve(cx, side, due);
        true
    }

    /// No answer to a refresh: nobody is there.
    pub(super) fn refresh_failed(&mut self, cx: &mut Context<'_>, request: RequestKey) -> bool {
        let Some((side, _)) = self.refreshing(request) else { return false };
        self.lost(cx, side);
        true
    }

    /// Which side is being asked by a request. Once the call has ended it is of no interest any more.
    fn refreshing(&mut self, request: RequestKey) -> Option<(Side, Asked)> {
        if self.is_ending() {
            return None;
        }
        BOTH.into_iter().find_map(|side| match self.end_of(side)?.timer.pending() {
            Some((pending, method)) if pending == request => Some((side, method)),
            _ => None,
        })
    }

    fn lost(&mut self, cx: &mut Context<'_>, side: Side) {
        let who = if side == Side::Caller { "caller" } else { "callee" };
        self.record.event(cx, CallEventKind::Silent, Some(format!("no sign of life from the {who}")));
        self.end(cx, Ending::PeerVanished);
    }
}
