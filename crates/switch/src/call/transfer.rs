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
use domain::{Action, CallEventKind, ExtensionId};
use media::{Command, Playback, Reach, plan};
use sip::header::{Event as Package, NameAddr, ReferTo, SubscriptionState};
use sip::{DialogId, Header, Method, Name, Reply, Request, ServerId, Uri};

use super::answered::Bridged;
use super::effect::{Context, Effect, sdp};
use super::identity::identity_headers;
use super::leg::{Callee, Caller};
use super::record::{text, write_leg};
use super::reinvite::{Exchange, ends};
use super::{Call, Side, Stage};
use crate::limits;
use crate::routing::{self, Route};
use crate::shard::answer::in_dialog;
use crate::verdict::Ending;

/// A blind transfer on its way.
pub(super) struct Transfer {
    /// Who asked for it; `None` once it has hung up.
    by: Option<Transferor>,
    /// Where what comes of it is told, also to one who has hung up.
    news: Option<News>,
    /// What was dialled for the transferee.
    pub(super) number: String,
}

/// Who asked for a transfer, while it waits for what comes of it.
struct Transferor {
    party: Callee,
    /// Which side it was.
    side: Side,
}

/// How somebody hears what comes of its REFER.
#[derive(Clone, Debug)]
pub(super) struct News {
    dialog: DialogId,
    /// CSeq of the REFER, named from the second one of a dialog on (RFC 3515 §2.4.6).
    id: Option<u32>,
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
    pub(super) fn accept_refer(
        &mut self,
        cx: &mut Context<'_>,
        server: ServerId,
        side: Side,
        request: &Request,
    ) -> Option<News> {
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
        let by = Some(Transferor { party, side });
        self.transfer = Some(Transfer { by, news, number });
        self.actions = actions;
        self.called = None;
        if let Some(event) = self.follow(cx, Ending::UnknownNumber) {
            self.advance(cx, event);
        }
    }

    /// Takes two who talk apart: the one on `side`, and the other one.
    pub(super) fn split(&mut self, side: Side) -> Option<(Callee, Callee)> {
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
    pub(super) fn tell(&mut self, cx: &mut Context<'_>, news: Option<&News>, code: u16) {
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
        // What it is answered is of no interest.
        cx.effects.push(Effect::Release { request });
    }

    /// The target of a blind transfer rings.
    pub(super) fn transfer_rings(&mut self, cx: &mut Context<'_>, code: u16) {
        let news = self.transfer.as_ref().and_then(|transfer| transfer.news.clone());
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
        self.tell(cx, transfer.news.as_ref(), 200);
        if let Some(by) = transfer.by {
            self.dismiss(cx, by.party, Some(Ending::Transferred));
        }
    }

    /// Nothing came of a blind transfer. True when those who talked before talk again.
    pub(super) fn transfer_failed(&mut self, cx: &mut Context<'_>, ending: Ending) -> bool {
        let Some(Transfer { by, news, .. }) = self.transfer.take() else { return false };
        self.tell(cx, news.as_ref(), ending.verdict().sip.max(400));
        let Some(by) = by else { return false };
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

    /// The extension of somebody who waits for what comes of its transfer.
    pub(super) fn transferor_extension(&self) -> Option<ExtensionId> {
        self.transfer.as_ref()?.by.as_ref()?.party.leg.extension_id
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
        let Some(Transfer { by, news, .. }) = self.transfer.take() else { return };
        self.tell(cx, news.as_ref(), ending.verdict().sip.max(400));
        if let Some(by) = by {
            self.dismiss(cx, by.party, Some(ending));
        }
    }

    /// Somebody leaves the call for good; with `ending` it is told so.
    pub(super) fn dismiss(&mut self, cx: &mut Context<'_>, party: Callee, ending: Option<Ending>) {
        let Callee { end, mut leg, .. } = party;
        match ending {
            Some(ending) => cx.effects.push(Effect::Bye { dialog: end.dialog, reason: Some(ending.reason()) }),
            // Its dialog lives on until it has heard what came of its transfer (RFC 5057 §5.2).
            None if self.transfer.as_ref().is_some_and(|transfer| transfer.news.is_some()) => {}
            None => cx.effects.push(Effect::Forget { dialog: end.dialog }),
        }
        leg.end_time = cx.at;
        leg.hangup_cause = Some(Ending::Transferred.verdict().q850);
        write_leg(cx, leg);
    }

    /// Sends one side what the other one looks like now; with `again` the other one is then told of the first.
    pub(super) fn turn(&mut self, cx: &mut Context<'_>, from: Side, again: bool) {
        self.turn_once_more(cx, from, again, 0);
    }

    /// The same, after so many refusals.
    pub(super) fn turn_once_more(&mut self, cx: &mut Context<'_>, from: Side, again: bool, refusals: u8) {
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
                bridged.exchange = Some(Exchange::Turning { from, again, request, refusals, give_up_at });
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

pub(super) fn word(side: Side) -> &'static str {
    match side {
        Side::Caller => "caller",
        Side::Callee => "callee",
    }
}
