//! Transfer: a side hands the other one over to somebody else (RFC 3515, RFC 5589).
//!
//! ```text
//!  transferor        YakYak         transferee        target
//!      │  REFER         │                │               │
//!      │───────────────▶│                │               │
//!      │◀──── 202 ──────│                │               │
//!      │◀ NOTIFY 100 ───│────────────── INVITE ─────────▶│
//!      │◀ NOTIFY 180 ───│◀────────────── 180 ────────────│
//!      │◀ NOTIFY 200 ───│◀────────────── 200 ────────────│
//!      │◀──── BYE ──────│── re-INVITE ──▶│               │
//! ```
//!
//! The switch carries a transfer out itself; no phone ever sees a REFER of another. The one who stays becomes the caller of what
//! follows. When nothing comes of it, the two who talked before talk again; has the transferor hung up meanwhile, the call ends.
//!
//! With Replaces in the Refer-To the transferor has two calls, and the one who stays takes its place in the second, in whatever
//! state that is (attended and semi-attended). The shard brings the two together: [`Call::part`] and [`Call::adopt`].

use std::collections::VecDeque;

use bytes::Bytes;
use domain::{Action, CallEventKind, CallId, ExtensionId, HangupBy};
use media::{Command, Leg, Negotiation, Playback, Reach, plan};
use sip::header::{Event as Package, NameAddr, ReferTo, SubscriptionState};
use sip::{DialogId, Header, Method, Name, Reply, Request, ServerId, Uri};

use super::answered::Bridged;
use super::effect::{Context, Effect, sdp};
use super::identity::identity_headers;
use super::leg::{Callee, Caller, CallerState, End, opposite};
use super::record::{text, write_leg};
use super::refresh::accepted;
use super::reinvite::{Exchange, ends};
use super::session_timer::SessionTimer;
use super::setup::{self, Setup, is_late};
use super::{Call, Side, Stage};
use crate::limits;
use crate::routing::{self, Route};
use crate::shard::answer::{in_dialog, refusal};
use crate::verdict::Ending;

/// A blind transfer on its way.
pub(super) struct Transfer {
    /// Who asked for it; `None` once it has hung up.
    by: Option<Transferor>,
    /// What was dialled for the transferee.
    pub(super) number: String,
}

/// Who asked for a transfer, while it waits for what comes of it.
struct Transferor {
    party: Callee,
    /// Which side it was.
    side: Side,
    news: Option<News>,
}

/// How somebody hears what comes of its REFER.
#[derive(Clone, Debug)]
struct News {
    dialog: DialogId,
    /// CSeq of the REFER, named from the second one of a dialog on (RFC 3515 §2.4.6).
    id: Option<u32>,
}

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
        let mut negotiation = Negotiation::new(cx.ids.number(), Some(setup.flow.remote.ip()));
        let body = setup.request.body();
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
    /// A REFER of one side. One with Replaces never comes here.
    pub(super) fn refer(&mut self, cx: &mut Context<'_>, side: Side, server: ServerId, request: &Request) {
        let done = match &self.stage {
            Stage::Bridged(_) if self.is_changing() => Err(491),
            Stage::Bridged(_) => self.target_of(cx, side, request),
            Stage::Idle | Stage::Opening(_) | Stage::Ringing(_) | Stage::Alone(_) => Err(403),
            Stage::Ending(_) | Stage::Over => Err(481),
        };
        match done {
            Ok((number, actions)) => {
                let news = self.accept_refer(cx, server, side, request);
                self.blind(cx, side, news, number, actions);
            }
            Err(code) => cx.respond(server, Reply::new(code)),
        }
    }

    /// Where a Refer-To leads: to a number of the tenant's own, dialled with the rights of the one who transfers.
    fn target_of(&self, cx: &Context<'_>, side: Side, request: &Request) -> Result<(String, VecDeque<Action>), u16> {
        let refer_to = refer_to(request)?;
        let routes = cx.routes.ok_or(403_u16)?;
        let snapshot = routes.snapshot();
        if !is_ours(&refer_to.uri, &snapshot.tenant) {
            return Err(403);
        }
        let number = routing::number_of_uri(&refer_to.uri).ok_or(404_u16)?;
        let dials = match (side, &self.stage) {
            (Side::Callee, Stage::Bridged(bridged)) => &bridged.callee.number,
            _ => &self.caller.number,
        };
        let extension = snapshot.extensions.get(dials).ok_or(403_u16)?;
        match routes.route(&extension.context, &number) {
            Route::Actions(actions) => Ok((number, actions.iter().cloned().collect())),
            Route::Extension(extension) => Ok((number, VecDeque::from([Action::Dial(Some(extension))]))),
            Route::Unknown => Err(404),
        }
    }

    pub(super) fn leg_of(&self, side: Side) -> Option<&domain::CallLeg> {
        match (side, &self.stage) {
            (Side::Caller, _) => Some(&self.caller.leg),
            (Side::Callee, Stage::Bridged(bridged)) => Some(&bridged.callee.leg),
            (Side::Callee, _) => None,
        }
    }

    /// 202, and the subscription that it stands for; a phone may do without (RFC 4488).
    fn accept_refer(&mut self, cx: &mut Context<'_>, server: ServerId, side: Side, request: &Request) -> Option<News> {
        let silent = request.headers().get(&Name::ReferSub).is_some_and(|value| value.eq_ignore_ascii_case(b"false"));
        let mut reply = Reply::new(202).contact(sip::ContactPolicy::Dialog);
        if silent {
            reply = reply.header(Name::ReferSub, Bytes::from_static(b"false"));
        }
        cx.respond(server, reply);
        let dialog = match (side, &self.stage) {
            (Side::Callee, Stage::Bridged(bridged)) => bridged.callee.end.dialog,
            _ => self.caller.end.dialog,
        };
        let cseq = request.cseq().ok().map(|cseq| cseq.number);
        let id = cseq.filter(|_| std::mem::replace(&mut self.referred, true));
        (!silent).then_some(News { dialog, id })
    }

    /// Sets the transferor aside and calls the target for the other side.
    fn blind(
        &mut self,
        cx: &mut Context<'_>,
        side: Side,
        news: Option<News>,
        number: String,
        actions: VecDeque<Action>,
    ) {
        let Some((party, stays)) = self.split(side) else { return };
        let detail = format!("by the {} to {number}", word(side));
        self.record.event(cx, CallEventKind::Transferred, Some(detail));
        self.tell(cx, news.as_ref(), 100);
        self.caller = Caller::of(stays, self.caller.domain.clone());
        let by = Some(Transferor { party, side, news });
        self.transfer = Some(Transfer { by, number });
        self.actions = actions;
        self.called = None;
        if let Some(event) = self.follow(cx, Ending::UnknownNumber) {
            self.advance(cx, event);
        }
    }

    /// Takes two who talk apart: the one on `side`, and the other one.
    fn split(&mut self, side: Side) -> Option<(Callee, Callee)> {
        let bridged = match std::mem::replace(&mut self.stage, Stage::Idle) {
            Stage::Bridged(bridged) => bridged,
            stage => {
                self.stage = stage;
                return None;
            }
        };
        let Bridged { callee, .. } = *bridged;
        let caller = Callee {
            end: self.caller.end.clone(),
            leg: self.caller.leg.clone(),
            shown: self.caller.shown.clone(),
            number: self.caller.number.clone(),
        };
        Some(match side {
            Side::Caller => (caller, callee),
            Side::Callee => (callee, caller),
        })
    }

    /// Tells the transferor what comes of its transfer; the last word ends the subscription.
    fn tell(&mut self, cx: &mut Context<'_>, news: Option<&News>, code: u16) {
        let Some(news) = news else { return };
        let request = self.request_key();
        let mut package = Package::new("refer");
        if let Some(id) = news.id {
            package = package.with_id(&id.to_string());
        }
        let state = if code < 200 {
            SubscriptionState::active(limits::REFER_SUBSCRIPTION_S)
        } else {
            SubscriptionState::terminated("noresource")
        };
        let headers = vec![(Name::Event, package.to_bytes()), (Name::SubscriptionState, state.to_bytes())];
        let body = Some((sip::package::SIPFRAG.to_owned(), sip::package::status_fragment(code)));
        cx.effects.push(Effect::InDialog { request, dialog: news.dialog, method: Method::Notify, headers, body });
    }

    /// The target of a blind transfer rings.
    pub(super) fn transfer_rings(&mut self, cx: &mut Context<'_>, code: u16) {
        let news = self.transfer.as_ref().and_then(|transfer| transfer.by.as_ref()?.news.clone());
        self.tell(cx, news.as_ref(), code);
        self.ring_back(cx);
    }

    /// Lets somebody who was answered before hear that a phone rings.
    fn ring_back(&mut self, cx: &mut Context<'_>) {
        if let Stage::Ringing(ringing) = &mut self.stage
            && !std::mem::replace(&mut ringing.rings_back, true)
        {
            let (session, leg) = (self.key.session(), self.caller.end.ports);
            cx.media(Command::Play { session, leg, source: Playback::Ringing });
        }
    }

    /// The ringing is over, one way or another.
    pub(super) fn stop_ring_back(&mut self, cx: &mut Context<'_>) {
        if matches!(&self.stage, Stage::Ringing(ringing) if ringing.rings_back) {
            cx.media(Command::Stop { session: self.key.session(), leg: self.caller.end.ports });
        }
    }

    /// The target of a blind transfer has answered: the transferor is free.
    pub(super) fn transfer_done(&mut self, cx: &mut Context<'_>) {
        let Some(transfer) = self.transfer.take() else { return };
        if let Some(by) = transfer.by {
            self.tell(cx, by.news.as_ref(), 200);
            self.dismiss(cx, by.party, Some(Ending::Transferred));
        }
    }

    /// Nothing came of a blind transfer. True when those who talked before talk again.
    pub(super) fn transfer_failed(&mut self, cx: &mut Context<'_>, ending: Ending) -> bool {
        let Some(by) = self.transfer.take().and_then(|transfer| transfer.by) else { return false };
        let code = ending.verdict().sip;
        self.tell(cx, by.news.as_ref(), code);
        self.record.event(cx, CallEventKind::Transferred, Some(format!("failed: {}", ending.verdict().sentence)));
        let domain = self.caller.domain.clone();
        let callee = match by.side {
            Side::Callee => by.party,
            Side::Caller => {
                let caller = Caller::of(by.party, domain);
                std::mem::replace(&mut self.caller, caller).into_callee()
            }
        };
        self.enter(cx, Stage::Bridged(Box::new(Bridged { callee, exchange: None })));
        self.rejoin(cx);
        true
    }

    /// Whether a dialog is that of somebody who waits for what comes of its transfer.
    pub(super) fn is_transferor(&self, dialog: DialogId) -> bool {
        let by = self.transfer.as_ref().and_then(|transfer| transfer.by.as_ref());
        by.is_some_and(|by| by.party.end.dialog == dialog)
    }

    /// A request of somebody who waits for what comes of its transfer.
    pub(super) fn transferor_request(&mut self, cx: &mut Context<'_>, server: ServerId, request: &Request) {
        match request.method() {
            Method::Bye => {
                cx.respond(server, Reply::new(200));
                if let Some(by) = self.transfer.as_mut().and_then(|transfer| transfer.by.take()) {
                    self.dismiss(cx, by.party, None);
                }
            }
            Method::Invite | Method::Update | Method::Refer => cx.respond(server, Reply::new(491)),
            method => cx.respond(server, in_dialog(method)),
        }
    }

    /// The call ends while somebody waits for what comes of its transfer.
    pub(super) fn drop_transfer(&mut self, cx: &mut Context<'_>, ending: Ending) {
        if let Some(by) = self.transfer.take().and_then(|transfer| transfer.by) {
            self.tell(cx, by.news.as_ref(), ending.verdict().sip.max(400));
            self.dismiss(cx, by.party, Some(ending));
        }
    }

    /// Somebody leaves the call for good; with `ending` it is told so.
    fn dismiss(&mut self, cx: &mut Context<'_>, party: Callee, ending: Option<Ending>) {
        let Callee { end, mut leg, .. } = party;
        match ending {
            Some(ending) => cx.effects.push(Effect::Bye { dialog: end.dialog, reason: Some(ending.reason()) }),
            None => cx.effects.push(Effect::Forget { dialog: end.dialog }),
        }
        leg.end_time = cx.at;
        leg.hangup_cause = Some(Ending::Transferred.verdict().q850);
        write_leg(cx, leg);
    }

    /// Whether somebody may leave this call for another one: the two talk, and no change is on its way.
    pub(crate) fn may_part(&self, dialog: DialogId) -> bool {
        matches!(self.stage, Stage::Bridged(_)) && !self.is_changing() && self.side(dialog).is_some()
    }

    /// Whether somebody may take the place of who is behind a dialog.
    pub(crate) fn may_adopt(&self, dialog: DialogId) -> bool {
        match &self.stage {
            Stage::Bridged(_) => !self.is_changing() && self.side(dialog).is_some(),
            Stage::Ringing(ringing) => dialog == self.caller.end.dialog || ringing.rings(dialog),
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
        let by = match side {
            Side::Caller => HangupBy::Caller,
            Side::Callee => HangupBy::Callee,
        };
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

    /// In a call that is answered.
    fn take_place(&mut self, cx: &mut Context<'_>, party: Party, side: Side) {
        let server = party.server;
        let ports = match side {
            Side::Caller => self.caller.end.ports,
            Side::Callee => opposite(self.caller.end.ports),
        };
        let callee = self.joined(cx, party, ports);
        let detail = format!("{} in place of the {}", callee.number, word(side));
        self.record.event(cx, CallEventKind::Transferred, Some(detail));
        let Stage::Bridged(bridged) = &mut self.stage else { return };
        let replaced = match side {
            Side::Callee => std::mem::replace(&mut bridged.callee, callee),
            Side::Caller => {
                let caller = Caller::of(callee, self.caller.domain.clone());
                std::mem::replace(&mut self.caller, caller).into_callee()
            }
        };
        self.dismiss(cx, replaced, Some(Ending::Transferred));
        match server {
            Some(server) => self.welcome(cx, side, server),
            None => self.turn(cx, side.other(), true),
        }
    }

    /// Answers an INVITE that took somebody's place, and tells the other side.
    fn welcome(&mut self, cx: &mut Context<'_>, side: Side, server: ServerId) {
        let Stage::Bridged(bridged) = &mut self.stage else { return };
        let (new, other) = ends(&mut self.caller, bridged, side);
        let Some(address) = self.media.address(new.ports, &new.flow, &cx.settings.rtp_advertised) else {
            return self.end(cx, Ending::MediaFailure);
        };
        let late = is_late(&new.negotiation);
        let described = if late {
            plan::invite(&other.negotiation, &mut new.negotiation, address, Reach::Single).map(|offer| (offer, None))
        } else {
            plan::answer(&mut new.negotiation, &other.negotiation, address)
                .map(|(answer, plan)| (answer, Some(plan.from_leg(new.ports))))
        };
        match described {
            Err(refusal) => {
                cx.respond(server, Reply::new(refusal.code));
                self.end(cx, Ending::Offer(refusal.code));
            }
            Ok((body, plan)) => {
                let reply = accepted(cx, new, sdp(body));
                cx.respond(server, reply);
                match plan {
                    Some(plan) => {
                        self.apply(cx, plan);
                        self.turn(cx, side, false);
                    }
                    None => bridged.exchange = Some(Exchange::Offered { side }),
                }
            }
        }
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
        if let CallerState::Invited { server } = old.state {
            cx.respond(server, refusal(Ending::Transferred));
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

    /// Sends one side what the other one looks like now; with `again` the other one is then told of the first.
    pub(super) fn turn(&mut self, cx: &mut Context<'_>, from: Side, again: bool) {
        let request = self.request_key();
        let shown = match (from, &self.stage) {
            (Side::Callee, Stage::Bridged(bridged)) => bridged.callee.shown.clone(),
            _ => self.caller.shown.clone(),
        };
        let Stage::Bridged(bridged) = &mut self.stage else { return };
        let (sender, other) = ends(&mut self.caller, bridged, from);
        let address = self.media.address(other.ports, &other.flow, &cx.settings.rtp_advertised);
        let offer = address
            .and_then(|address| plan::invite(&sender.negotiation, &mut other.negotiation, address, Reach::Single).ok());
        match offer {
            Some(offer) => {
                let mut headers = identity_headers(&shown);
                headers.extend(other.timer.headers(cx.settings.session));
                let (dialog, body) = (other.dialog, sdp(offer));
                cx.effects.push(Effect::InDialog { request, dialog, method: Method::Invite, headers, body });
                let give_up_at = cx.now + limits::REINVITE;
                bridged.exchange = Some(Exchange::Turning { from, again, request, give_up_at });
            }
            None => self.rejoin(cx),
        }
    }

    /// One side has taken in what the other one looks like.
    pub(super) fn turned(&mut self, cx: &mut Context<'_>, from: Side, again: bool) {
        if again { self.turn(cx, from.other(), false) } else { self.rejoin(cx) }
    }

    /// The number dialled for the present target.
    pub(super) fn dialed(&self) -> Option<&str> {
        let transfer = self.transfer.as_ref().map(|transfer| transfer.number.as_str());
        transfer.or(self.record.row().dialed_number.as_deref())
    }
}

/// The one Refer-To of a REFER (RFC 3515 §2.4.1).
pub(crate) fn refer_to(request: &Request) -> Result<NameAddr, u16> {
    let mut values = request.headers().typed_all::<ReferTo>();
    match (values.next(), values.next()) {
        (Some(Ok(refer_to)), None) => Ok(refer_to.0),
        _ => Err(400),
    }
}

/// Whether a URI names the tenant, or the machine by its bare address: whoever is transferred stays in the house.
fn is_ours(uri: &Uri, tenant: &domain::Tenant) -> bool {
    let host = uri.host();
    if uri.scheme() == sip::Scheme::Tel || host.ip().is_some() {
        return true;
    }
    let named = text(host.to_string().trim_end_matches('.').as_bytes());
    uri.is_sip() && std::iter::once(&tenant.domain).chain(&tenant.domains).any(|own| own.eq_ignore_ascii_case(&named))
}

fn word(side: Side) -> &'static str {
    match side {
        Side::Caller => "caller",
        Side::Callee => "callee",
    }
}
