//! Place: somebody joins a call in the place of another, from a second call (an attended transfer) or with an INVITE that replaces
//! (RFC 3891).
//!
//! The shard knows both calls and moves the dialog; [`Call::part`] lets somebody go and [`Call::adopt`] takes it in. Whoever takes a
//! place takes its ports: the one who stays is told by re-INVITE, and so is the newcomer when it was in another call.

use bytes::Bytes;
use domain::{CallEventKind, CallId, ExtensionId, HangupBy};
use media::{Leg, Negotiation, Plan, Reach, plan};
use sip::header::NameAddr;
use sip::{DialogId, Name, Reply, Request, ServerId};

use super::effect::{Context, Effect, sdp};
use super::leg::{Callee, Caller, CallerState, End, opposite};
use super::record::{text, write_leg};
use super::refresh::accepted;
use super::reinvite::Exchange;
use super::session_timer::SessionTimer;
use super::setup::{self, Setup, is_late};
use super::transfer::word;
use super::{Call, Side, Stage};
use crate::shard::answer::refusal;
use crate::verdict::Ending;

/// Somebody on the way from one call to another.
pub(crate) struct Party {
    end: End,
    shown: NameAddr,
    number: String,
    /// Its INVITE that waits for our answer, when it comes with one (RFC 3891).
    server: Option<ServerId>,
    /// The call it comes from.
    from: Option<CallId>,
    /// What the history says of it.
    sip_call_id: String,
    extension_id: Option<ExtensionId>,
    user_agent: Option<String>,
}

impl Party {
    /// Somebody who comes with an INVITE that replaces another (RFC 3891).
    ///
    /// # Errors
    /// The status for a session description that cannot be taken.
    pub(crate) fn invited(cx: &mut Context<'_>, setup: &Setup<'_>) -> Result<Self, u16> {
        let number = setup.identity.extension.clone();
        let extension = cx.snapshot().and_then(|snapshot| snapshot.extensions.get(&number));
        let domain = setup::domain_of(cx.snapshot());
        let shown = setup::shown(setup, extension, &domain);
        let header = |name: &Name| setup.request.headers().get(name).map(|value| text(&value));
        let body = setup.request.body();
        let profile = cx.profile(&setup.flow, &number, setup::comes_from_browser(setup));
        let mut negotiation = Negotiation::new(cx.ids.number(), profile);
        if !body.is_empty() {
            negotiation.remote_offer(&body).map_err(|refusal| refusal.code)?;
        }
        Ok(Self {
            end: End {
                dialog: setup.dialog,
                flow: setup.flow,
                negotiation,
                ports: Leg::CALLER,
                timer: SessionTimer::of_invite(setup.request, cx.settings.session),
            },
            shown,
            number,
            server: Some(setup.server),
            from: None,
            sip_call_id: setup.request.call_id().map(|value| text(&value)).unwrap_or_default(),
            extension_id: Some(setup.identity.extension_id),
            user_agent: header(&Name::UserAgent),
        })
    }

    /// Somebody who leaves another call.
    fn leaving(callee: Callee, from: CallId) -> Self {
        let Callee { end, leg, shown, number } = callee;
        let (sip_call_id, extension_id, user_agent) = (leg.sip_call_id, leg.extension_id, leg.user_agent);
        Self { end, shown, number, server: None, from: Some(from), sip_call_id, extension_id, user_agent }
    }

    /// Its dialog.
    pub(crate) fn dialog(&self) -> DialogId {
        self.end.dialog
    }
}

impl Call {
    /// Whether somebody may leave this call for another one: the two talk.
    pub(crate) fn may_part(&self, dialog: DialogId) -> bool {
        matches!(self.stage, Stage::Bridged(_)) && self.side(dialog).is_some()
    }

    /// Whether somebody may take the place of who is behind a dialog; that of a phone that rings only with an INVITE of its own.
    /// While a transfer is on its way the places are taken.
    pub(crate) fn may_adopt(&self, dialog: DialogId, invited: bool) -> bool {
        match &self.stage {
            _ if self.transfer.is_some() => false,
            Stage::Bridged(_) => self.side(dialog).is_some(),
            Stage::Ringing(ringing) => dialog == self.caller.end.dialog || (invited && ringing.rings(dialog)),
            Stage::Idle | Stage::Opening(_) | Stage::Alone(_) | Stage::Ending(_) | Stage::Over => false,
        }
    }

    /// Whether the one behind a dialog has been answered, or has answered.
    pub(crate) fn is_confirmed(&self, dialog: DialogId) -> bool {
        match &self.stage {
            Stage::Bridged(_) => true,
            _ => dialog == self.caller.end.dialog && self.caller.is_answered(),
        }
    }

    /// An attended transfer: the side of `dialog` has sent a REFER, the other one goes to another call, and this call ends.
    pub(crate) fn part(
        &mut self,
        cx: &mut Context<'_>,
        dialog: DialogId,
        server: ServerId,
        request: &Request,
    ) -> Option<Party> {
        let side = self.side(dialog)?;
        let news = self.accept_refer(cx, server, side, request);
        let (transferor, stays) = self.split(side)?;
        self.record.event(cx, CallEventKind::Transferred, Some(format!("by the {} to its other call", word(side))));
        self.tell(cx, news.as_ref(), 200);
        let mut leg = stays.leg.clone();
        self.caller = Caller::of(transferor, self.caller.domain.clone());
        leg.end_time = cx.at;
        leg.hangup_cause = Some(Ending::Transferred.verdict().q850);
        write_leg(cx, leg);
        let by = if self.caller.leg.is_caller { HangupBy::Caller } else { HangupBy::Callee };
        self.end_from(cx, Ending::Transferred, by, None);
        Some(Party::leaving(stays, self.record.row().id))
    }

    /// The REFER of an attended transfer cannot be carried out; the two go on as they are.
    pub(crate) fn refuse_part(&mut self, cx: &mut Context<'_>, dialog: DialogId, server: ServerId, request: &Request) {
        let Some(side) = self.side(dialog) else { return cx.respond(server, Reply::new(481)) };
        let news = self.accept_refer(cx, server, side, request);
        // The dialog that was named is not there: the words of RFC 5589 §7.3 for the one who asked.
        self.tell(cx, news.as_ref(), 481);
    }

    /// Somebody takes the place of who is behind `dialog`: from another call, or with an INVITE that replaces it (RFC 3891).
    pub(crate) fn adopt(&mut self, cx: &mut Context<'_>, party: Party, dialog: DialogId) {
        match (&self.stage, self.side(dialog)) {
            (Stage::Bridged(_), Some(side)) => self.take_place(cx, party, side),
            (Stage::Ringing(_), Some(Side::Caller)) => self.take_over_ringing(cx, party),
            (Stage::Ringing(_), _) => self.pick_up(cx, party),
            _ => self.turn_away(cx, &party),
        }
    }

    /// Nothing came of taking somebody's place.
    fn turn_away(&mut self, cx: &mut Context<'_>, party: &Party) {
        match party.server {
            Some(server) => cx.respond(server, Reply::new(481)),
            None => cx.effects.push(Effect::Bye { dialog: party.dialog(), reason: None }),
        }
    }

    /// A row of the history for somebody who joins this call.
    fn joined(&mut self, cx: &mut Context<'_>, party: Party, ports: Leg) -> Callee {
        let Party { mut end, shown, number, from, sip_call_id, extension_id, user_agent, .. } = party;
        let row = self.record.row_mut();
        row.parent_call_id = row.parent_call_id.or(from);
        end.ports = ports;
        let mut leg = self.record.leg(cx, false);
        leg.sip_call_id = sip_call_id;
        leg.extension_id = extension_id;
        leg.remote_ip = Some(end.flow.remote.ip());
        leg.user_agent = user_agent;
        leg.answer_time = Some(cx.at);
        leg.sip_response_code = Some(200);
        Callee { end, leg, shown, number }
    }

    /// In a call that is answered. Whoever comes with an INVITE is answered before anybody leaves: a description that cannot be taken
    /// leaves the two as they are (RFC 3891 §3).
    fn take_place(&mut self, cx: &mut Context<'_>, mut party: Party, side: Side) {
        let ports = match side {
            Side::Caller => self.caller.end.ports,
            Side::Callee => opposite(self.caller.end.ports),
        };
        let welcome = match party.server.map(|server| (server, self.welcome(cx, &mut party, ports, side))) {
            Some((server, Err(code))) => return cx.respond(server, Reply::new(code)),
            Some((server, Ok(described))) => Some((server, described)),
            None => None,
        };
        let mut callee = self.joined(cx, party, ports);
        let detail = format!("{} in place of the {}", callee.number, word(side));
        self.record.event(cx, CallEventKind::Transferred, Some(detail));
        let plan = welcome.map(|(server, (body, plan))| {
            let reply = accepted(cx, &mut callee.end, sdp(body));
            cx.respond(server, reply);
            plan
        });
        let Stage::Bridged(bridged) = &mut self.stage else { return };
        let replaced = match side {
            Side::Callee => std::mem::replace(&mut bridged.callee, callee),
            Side::Caller => {
                let caller = Caller::of(callee, self.caller.domain.clone());
                std::mem::replace(&mut self.caller, caller).into_callee()
            }
        };
        if let Some(None) = plan {
            bridged.exchange = Some(Exchange::Offered { side });
        }
        self.dismiss(cx, replaced, Some(Ending::Transferred));
        match plan {
            None => self.turn(cx, side.other(), true),
            Some(None) => {}
            Some(Some(plan)) => {
                self.apply(cx, plan);
                self.turn(cx, side, false);
            }
        }
    }

    /// What an INVITE that takes the place of `side` is answered with, and the plan once nothing more is to be said.
    fn welcome(
        &self,
        cx: &Context<'_>,
        party: &mut Party,
        ports: Leg,
        side: Side,
    ) -> Result<(Bytes, Option<Plan>), u16> {
        let Stage::Bridged(bridged) = &self.stage else { return Err(481) };
        let other = match side {
            Side::Caller => &bridged.callee.end,
            Side::Callee => &self.caller.end,
        };
        let new = &mut party.end;
        let address = self.media.address(ports, &new.flow, &cx.settings.rtp_advertised).ok_or(503_u16)?;
        let described = if is_late(&new.negotiation) {
            plan::invite(&other.negotiation, &mut new.negotiation, address, Reach::Single).map(|offer| (offer, None))
        } else {
            plan::answer(&mut new.negotiation, &other.negotiation, address)
                .map(|(answer, plan)| (answer, Some(plan.from_leg(ports))))
        };
        described.map_err(|refusal| refusal.code)
    }

    /// In the place of a caller whose call still rings (a semi-attended transfer).
    fn take_over_ringing(&mut self, cx: &mut Context<'_>, party: Party) {
        if party.server.is_some() {
            return self.turn_away(cx, &party);
        }
        let callee = self.joined(cx, party, self.caller.end.ports);
        self.record.event(cx, CallEventKind::Transferred, Some("while it rings".to_owned()));
        let caller = Caller::of(callee, self.caller.domain.clone());
        let old = std::mem::replace(&mut self.caller, caller);
        match old.state {
            CallerState::Invited { server } => cx.respond(server, refusal(Ending::Transferred)),
            CallerState::Answered => {
                let (dialog, reason) = (old.end.dialog, Some(Ending::Transferred.reason()));
                cx.effects.push(Effect::Bye { dialog, reason });
            }
            CallerState::Gone => {}
        }
        let mut leg = old.leg;
        leg.end_time = cx.at;
        leg.hangup_cause = Some(Ending::Transferred.verdict().q850);
        write_leg(cx, leg);
        self.record.answered(cx);
    }

    /// Another phone takes a call that rings (RFC 3891 §3, an early dialog replaced).
    fn pick_up(&mut self, cx: &mut Context<'_>, party: Party) {
        let Some(server) = party.server else { return self.turn_away(cx, &party) };
        let mut callee = self.joined(cx, party, opposite(self.caller.end.ports));
        let Some(address) = self.media.address(callee.end.ports, &callee.end.flow, &cx.settings.rtp_advertised) else {
            return cx.respond(server, Reply::new(503));
        };
        // Both have offered: the one who picks up is answered with what we can do, and that is what the caller hears of.
        let own = plan::terminate(&mut callee.end.negotiation, address).map_err(|refusal| refusal.code);
        let described = own.and_then(|(body, _)| {
            let described = self.describe_to_caller(cx, &callee.end.negotiation);
            described.map(|described| (body, described)).map_err(|ending| ending.verdict().sip)
        });
        match described {
            Err(code) => cx.respond(server, Reply::new(code)),
            Ok((body, described)) => {
                self.stop_ringing_for(cx, Some(Ending::AnsweredElsewhere));
                self.called = Some(callee.shown.clone());
                let reply = accepted(cx, &mut callee.end, sdp(body));
                cx.respond(server, reply);
                self.connect(cx, callee, described);
            }
        }
    }
}
