//! Answered: two sides talk, or the caller hears us.

use std::time::Duration;

use domain::{CallEventKind, ExtensionId, HangupBy};
use media::{Fact, Leg};
use sip::package::KeyPress;
use sip::{DialogId, Failure, Method, Reply, Request, Response, ServerId};

use super::effect::{Context, Effect, RequestKey};
use super::leg::{Callee, Caller, CallerState};
use super::reinvite::Exchange;
use super::{Call, Side, Stage};
use crate::feature::Event;
use crate::shard::answer;
use crate::verdict::Ending;

/// The caller hears us. What is heard is the feature's affair.
pub(super) struct Alone {
    /// An offer of ours that waits for its answer in the ACK.
    pub(super) offered: bool,
    /// An offer of ours that is on its way as a re-INVITE.
    pub(super) request: Option<RequestKey>,
}

/// Two sides talk.
pub(super) struct Bridged {
    pub(super) callee: Callee,
    /// A re-INVITE on its way through us; there is never more than one.
    pub(super) exchange: Option<Exchange>,
}

impl Bridged {
    /// Whether one side has put the other on hold.
    pub(super) fn is_held(&self, caller: &Caller) -> bool {
        caller.end.negotiation.remote_hold() || self.callee.end.negotiation.remote_hold()
    }
}

impl Call {
    /// A request inside a dialog of this call.
    pub(super) fn request(&mut self, cx: &mut Context<'_>, server: ServerId, dialog: DialogId, request: &Request) {
        if self.is_transferor(dialog) {
            return self.transferor_request(cx, server, request);
        }
        if matches!(&self.stage, Stage::Ringing(ringing) if ringing.rings(dialog)) {
            return self.early_request(cx, server, dialog, request);
        }
        let Some(side) = self.side(dialog) else {
            cx.respond(server, Reply::new(481));
            return;
        };
        match request.method() {
            Method::Refer => self.refer(cx, side, server, request),
            Method::Invite => self.reinvite(cx, side, server, request),
            Method::Update => self.update(cx, side, server, request),
            Method::Prack => self.prack(cx, side, server, request),
            Method::Bye => self.bye(cx, side, server),
            Method::Info | Method::Message => self.said(cx, side, server, request),
            method => cx.respond(server, answer::in_dialog(method)),
        }
    }

    /// The side that a dialog leads to.
    pub(super) fn side(&self, dialog: DialogId) -> Option<Side> {
        match &self.stage {
            _ if matches!(self.caller.state, CallerState::Gone) => None,
            _ if dialog == self.caller.end.dialog => Some(Side::Caller),
            Stage::Bridged(bridged) if dialog == bridged.callee.end.dialog => Some(Side::Callee),
            _ => None,
        }
    }

    /// Whether a dialog is the caller's own.
    pub(crate) fn is_caller(&self, dialog: DialogId) -> bool {
        dialog == self.caller.end.dialog
    }

    /// The extension at the far end of a dialog.
    pub(crate) fn extension_of(&self, dialog: DialogId) -> Option<ExtensionId> {
        match (self.side(dialog), &self.stage) {
            _ if self.is_transferor(dialog) => self.transferor_extension(),
            (Some(Side::Caller), _) => self.caller.leg.extension_id,
            (Some(Side::Callee), Stage::Bridged(bridged)) => bridged.callee.leg.extension_id,
            (None, Stage::Ringing(ringing)) => ringing.extension_of(dialog),
            (Some(Side::Callee) | None, _) => None,
        }
    }

    fn bye(&mut self, cx: &mut Context<'_>, side: Side, server: ServerId) {
        cx.respond(server, Reply::new(200));
        // The words of the history: after a transfer the side that counts as the caller may have been called.
        let called = self.leg_of(side).is_some_and(|leg| !leg.is_caller);
        let by = if called { HangupBy::Callee } else { HangupBy::Caller };
        let ending = match self.caller.state {
            // RFC 3261 §15 lets a caller end an early dialog with BYE: the INVITE is then answered as after a CANCEL.
            CallerState::Invited { .. } => Ending::Cancelled,
            CallerState::Answered | CallerState::Gone => Ending::Completed,
        };
        self.end_from(cx, ending, by, Some(side));
    }

    /// An answer to a request of ours.
    pub(super) fn response(
        &mut self,
        cx: &mut Context<'_>,
        request: RequestKey,
        dialog: Option<DialogId>,
        response: &Response,
    ) {
        if self.passed_response(cx, request, response.code()) || self.refresh_response(cx, request, response) {
            return;
        }
        match &self.stage {
            Stage::Ringing(_) => self.branch_response(cx, request, dialog, response),
            Stage::Bridged(_) => self.reinvite_response(cx, request, response),
            Stage::Alone(_) => self.alone_response(cx, request, response),
            Stage::Idle | Stage::Opening(_) | Stage::Ending(_) | Stage::Over => {}
        }
    }

    /// No answer to a request of ours.
    pub(super) fn failed(&mut self, cx: &mut Context<'_>, request: RequestKey, why: Failure) {
        if self.passed_failed(cx, request, why) || self.refresh_failed(cx, request) {
            return;
        }
        match &self.stage {
            Stage::Ringing(_) => self.branch_failed(cx, request, why),
            Stage::Bridged(_) => self.reinvite_failed(cx, request, why),
            Stage::Alone(Alone { request: Some(waiting), .. }) if *waiting == request => {
                self.end(cx, Ending::PeerVanished);
            }
            Stage::Idle | Stage::Opening(_) | Stage::Alone(_) | Stage::Ending(_) | Stage::Over => {}
        }
    }

    /// What somebody who was transferred to us says to our description.
    fn alone_response(&mut self, cx: &mut Context<'_>, request: RequestKey, response: &Response) {
        let Stage::Alone(alone) = &mut self.stage else { return };
        if response.code() < 200 || alone.request.take_if(|waiting| *waiting == request).is_none() {
            return;
        }
        cx.effects.push(Effect::Release { request });
        let negotiation = &mut self.caller.end.negotiation;
        if response.code() < 300 {
            cx.effects.push(Effect::Ack { dialog: self.caller.end.dialog });
            self.caller.end.timer.accepted(cx.now, cx.settings.session, response);
            if negotiation.remote_answer(&response.body()).is_err() {
                return self.end(cx, Ending::NoCommonCodec);
            }
        } else {
            negotiation.rollback();
        }
        self.rejoin(cx);
    }

    /// A 2xx of ours was never acknowledged: that side is not there (RFC 3261 §13.3.1.4).
    pub(super) fn no_ack(&mut self, cx: &mut Context<'_>, dialog: DialogId) {
        match self.side(dialog) {
            Some(_) => self.end(cx, Ending::NoAck),
            None => cx.effects.push(Effect::Bye { dialog, reason: None }),
        }
    }

    /// News of the media.
    pub(super) fn fact(&mut self, cx: &mut Context<'_>, fact: Fact) {
        match fact {
            Fact::Opened { .. } | Fact::OpenFailed { .. } => self.opened(cx, fact),
            Fact::Closed { legs, .. } => self.media_closed(cx, &legs),
            Fact::Silent { leg, for_ms, .. } => self.silent(cx, leg, for_ms),
            Fact::Unprotected { leg, why, .. } => {
                let detail = format!("the {}: {why}", self.name(leg));
                self.record.event(cx, CallEventKind::Unprotected, Some(detail));
                self.end(cx, Ending::Unprotected);
            }
            // Which key it was stays unwritten: people type the secrets of others' machines into calls.
            Fact::Digit { leg, digit, duration_ms, passed, .. } => {
                self.record.event(cx, CallEventKind::Digit, Some(format!("from the {}", self.name(leg))));
                if !passed {
                    let duration = Duration::from_millis(u64::from(duration_ms));
                    self.key_heard(cx, leg, KeyPress { key: digit, duration });
                }
            }
            Fact::PlaybackEnded { leg, .. } if leg == self.caller.end.ports => self.advance(cx, Event::PlaybackEnded),
            // No feature asks for rooms or recordings yet.
            Fact::PlaybackEnded { .. }
            | Fact::Connected { .. }
            | Fact::Speaking { .. }
            | Fact::NotJoined { .. }
            | Fact::Recorded { .. }
            | Fact::Stats { .. } => {}
        }
    }

    /// A side that should be heard is not: it has vanished, and the other need not wait for it.
    fn silent(&mut self, cx: &mut Context<'_>, leg: Leg, for_ms: u64) {
        let held = match &self.stage {
            Stage::Bridged(bridged) => bridged.is_held(&self.caller),
            Stage::Alone(_) => self.caller.end.negotiation.remote_hold(),
            Stage::Idle | Stage::Opening(_) | Stage::Ringing(_) | Stage::Ending(_) | Stage::Over => return,
        };
        if held {
            return;
        }
        let detail = format!("no audio from the {} for {for_ms} ms", self.name(leg));
        self.record.event(cx, CallEventKind::Silent, Some(detail));
        self.end(cx, Ending::PeerVanished);
    }

    /// The leg in a sentence.
    fn name(&self, leg: Leg) -> &'static str {
        if leg == self.caller.end.ports { "caller" } else { "callee" }
    }
}
