//! Teardown: however a call ends, both dialogs end, the ports go back, and the record is closed once.

use std::time::Instant;

use domain::{HangupBy, LegMedia};
use media::{Command, Leg, LegStats};
use sip::Reply;

use super::effect::{Context, Effect};
use super::leg::{CallerState, Media};
use super::record::write_leg;
use super::reinvite::Exchange;
use super::{Call, Side, Stage, Standing};
use crate::limits;
use crate::shard::answer;
use crate::verdict::Ending;

/// Both sides are gone; statistics are awaited.
pub(super) struct Closing {
    pub(super) give_up_at: Instant,
    /// Each with the pair of ports it had.
    legs: Vec<(Leg, domain::CallLeg)>,
}

impl Call {
    /// Ends the call.
    pub(super) fn end(&mut self, cx: &mut Context<'_>, ending: Ending) {
        let by = match ending {
            Ending::Cancelled => HangupBy::Caller,
            Ending::Busy | Ending::Declined | Ending::Refused(_) => HangupBy::Callee,
            _ => HangupBy::System,
        };
        self.end_from(cx, ending, by, None);
    }

    /// Ends the call; `gone` is the side whose dialog is over already.
    pub(super) fn end_from(&mut self, cx: &mut Context<'_>, ending: Ending, by: HangupBy, gone: Option<Side>) {
        if self.is_ending() {
            return;
        }
        let verdict = ending.verdict();
        let mut legs = Vec::with_capacity(2);
        self.stop_ringing(cx);
        self.drop_transfer(cx, ending);
        self.drop_passed(cx);
        if let Stage::Bridged(bridged) = std::mem::replace(&mut self.stage, Stage::Idle) {
            if let Some(exchange) = bridged.exchange {
                give_up_exchange(cx, &exchange);
            }
            let callee = bridged.callee;
            match gone {
                Some(Side::Callee) => cx.effects.push(Effect::Forget { dialog: callee.end.dialog }),
                Some(Side::Caller) | None => {
                    cx.effects.push(Effect::Bye { dialog: callee.end.dialog, reason: Some(ending.reason()) });
                }
            }
            legs.push((callee.end.ports, callee.leg));
        }
        self.release_caller(cx, ending, gone);
        self.record.end(cx, &verdict, by);
        self.caller.leg.sip_response_code = self.record.row().sip_response_code;
        legs.insert(0, (self.caller.end.ports, self.caller.leg.clone()));
        for (_, leg) in &mut legs {
            leg.end_time = cx.at;
            leg.hangup_cause = Some(verdict.q850);
        }
        self.feature = None;
        match self.media {
            Media::Opening | Media::Open(_) => {
                cx.media(Command::Close { session: self.key.session() });
                self.media = Media::Closing;
                self.enter(cx, Stage::Ending(Closing { give_up_at: cx.now + limits::MEDIA_CLOSE, legs }));
            }
            Media::None | Media::Closing | Media::Closed => self.close(cx, legs, &[]),
        }
    }

    /// Ends the caller's side, in the way its state asks for.
    fn release_caller(&mut self, cx: &mut Context<'_>, ending: Ending, gone: Option<Side>) {
        let dialog = self.caller.end.dialog;
        match std::mem::replace(&mut self.caller.state, CallerState::Gone) {
            // The endpoint has answered a cancelled INVITE itself; after a BYE in the early dialog nobody has.
            CallerState::Invited { server } if ending != Ending::Cancelled || gone == Some(Side::Caller) => {
                cx.respond(server, answer::refusal(ending));
            }
            CallerState::Answered if gone != Some(Side::Caller) => {
                cx.effects.push(Effect::Bye { dialog, reason: Some(ending.reason()) });
            }
            CallerState::Invited { .. } | CallerState::Gone => {}
            CallerState::Answered => cx.effects.push(Effect::Forget { dialog }),
        }
    }

    /// The ports are back, with their statistics.
    pub(super) fn media_closed(&mut self, cx: &mut Context<'_>, stats: &[LegStats]) {
        self.media = Media::Closed;
        match std::mem::replace(&mut self.stage, Stage::Idle) {
            Stage::Ending(closing) => self.close(cx, closing.legs, stats),
            Stage::Over => self.stage = Stage::Over,
            // A worker gave up by itself: there is nothing left to hear.
            stage => {
                self.stage = stage;
                self.end(cx, Ending::MediaFailure);
            }
        }
    }

    /// The time of a stage is up.
    pub(super) fn deadline(&mut self, cx: &mut Context<'_>) {
        if self.poll_timeout().is_none_or(|due| due > cx.now) {
            return;
        }
        match &mut self.stage {
            Stage::Opening(_) => self.end(cx, Ending::MediaFailure),
            Stage::Ringing(_) => self.ring_timeout(cx),
            Stage::Ending(closing) => {
                let legs = std::mem::take(&mut closing.legs);
                self.close(cx, legs, &[]);
            }
            Stage::Bridged(_) => {
                self.reinvite_timeout(cx);
                self.timers_due(cx);
            }
            Stage::Alone(_) => self.timers_due(cx),
            Stage::Idle | Stage::Over => {}
        }
    }

    /// Closes the record.
    fn close(&mut self, cx: &mut Context<'_>, legs: Vec<(Leg, domain::CallLeg)>, stats: &[LegStats]) {
        let media: Vec<LegMedia> = stats.iter().map(measured).collect();
        for (ports, mut leg) in legs {
            leg.media = media.get(usize::from(ports.0)).filter(|_| leg.answer_time.is_some()).cloned();
            write_leg(cx, leg);
        }
        self.record.close(cx, media);
        self.media = Media::Closed;
        self.enter(cx, Stage::Over);
    }

    /// Ends what a step that panicked has left. Nothing in this value is to be trusted but the record, and what the step wanted
    /// done never happened; `before` is what the call was when the step began. The shard has ended the dialogs.
    pub(crate) fn abandon(&mut self, cx: &mut Context<'_>, before: Standing) {
        self.caller.state = CallerState::Gone;
        self.stage = Stage::Idle;
        if before.running {
            self.media = match self.media {
                _ if !before.media => Media::None,
                Media::Closed => Media::Closed,
                Media::None | Media::Opening | Media::Open(_) | Media::Closing => Media::Opening,
            };
            self.end(cx, Ending::SystemError);
        } else {
            self.close(cx, Vec::new(), &[]);
        }
    }
}

/// A change that was on its way goes down with the call.
fn give_up_exchange(cx: &mut Context<'_>, exchange: &Exchange) {
    if let Some((request, _)) = exchange.request() {
        cx.effects.push(Effect::Cancel { request, reason: None });
        cx.effects.push(Effect::Release { request });
    }
    if let Exchange::Passing { server, .. } = exchange {
        cx.respond(*server, Reply::new(487));
    }
}

/// A worker's figures as the history keeps them.
fn measured(stats: &LegStats) -> LegMedia {
    #[expect(clippy::cast_precision_loss, reason = "a jitter that needs more than 24 bits of microseconds is no call")]
    let milliseconds = |microseconds: u32| microseconds as f32 / 1_000.0;
    LegMedia {
        codec: stats.codec.to_owned(),
        packets_received: stats.received.packets,
        packets_sent: stats.sent.packets,
        packets_lost: stats.received.lost,
        jitter_ms: milliseconds(stats.received.jitter_us),
        strangers: stats.dropped_strangers,
        sent_lost: stats.sent.lost,
        rtt_ms: stats.rtt_us.map(milliseconds),
        mos: stats.mean_opinion_score(),
        encryption: stats.encryption.to_owned(),
    }
}
