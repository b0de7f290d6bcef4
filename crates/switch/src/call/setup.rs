//! Setup: from the INVITE to the first phone that is called, and from one dialplan row to the next.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use domain::{Action, CallEventKind, CallId, CallRecord, CallStatus, Direction, Extension};
use media::{Command, Fact, MediaAddress, Negotiation, plan};
use sip::header::NameAddr;
use sip::{DialogId, Flow, Name, Request, ServerId, Uri};

use super::answered::Alone;
use super::early::Wishes;
use super::effect::Context;
use super::info::Passing;
use super::leg::{Caller, CallerState, End, Media, Order, Target};
use super::record::{Record, description, text};
use super::session_timer::SessionTimer;
use super::{Call, CallKey, Stage};
use crate::admit::Identity;
use crate::feature::forward::Chain;
use crate::feature::{self, Event, Flow as Next, Verb, Verbs, View};
use crate::limits;
use crate::qualify::Reach;
use crate::verdict::Ending;

/// Everything the INVITE says.
pub(crate) struct Setup<'a> {
    pub(crate) key: CallKey,
    pub(crate) server: ServerId,
    pub(crate) dialog: DialogId,
    pub(crate) request: &'a Request,
    pub(crate) flow: Flow,
    pub(crate) identity: &'a Identity,
    /// What was dialled, when the Request-URI names anything that can be.
    pub(crate) number: Option<String>,
}

/// Whether an INVITE is a browser's: what it offers tells, and without an offer the way it came.
pub(super) fn comes_from_browser(setup: &Setup<'_>) -> bool {
    let body = setup.request.body();
    if body.is_empty() { setup.flow.transport.is_web() } else { media::is_browser(&body) }
}

/// Ports are being opened.
pub(super) struct Opening {
    then: Then,
    pub(super) give_up_at: Instant,
}

/// What follows when the ports are open.
enum Then {
    Ring(Order),
    Answer,
}

impl Opening {
    /// Whether phones will ring.
    pub(super) fn rings(&self) -> bool {
        matches!(self.then, Then::Ring(_))
    }
}

impl Call {
    /// A call at the moment of its INVITE; opens its record.
    pub(crate) fn new(cx: &mut Context<'_>, setup: &Setup<'_>) -> Self {
        let tenant = setup.identity.tenant;
        let extension = cx.snapshot().and_then(|snapshot| snapshot.extensions.get(&setup.identity.extension));
        let row = row(cx, setup, extension);
        let user_agent = row.caller_user_agent.clone();
        let sip_call_id = row.call_id.clone();
        let record = Record::open(cx, row);
        let mut leg = record.leg(cx, true);
        leg.sip_call_id = sip_call_id;
        leg.extension_id = extension.map(|extension| extension.id);
        leg.remote_ip = Some(setup.flow.remote.ip());
        leg.user_agent = user_agent;
        let profile = cx.profile(&setup.flow, &setup.identity.extension, comes_from_browser(setup));
        let mut negotiation = Negotiation::new(cx.ids.number(), profile);
        let body = setup.request.body();
        let offer = if body.is_empty() { Ok(()) } else { negotiation.remote_offer(&body) };
        let timer = SessionTimer::of_invite(setup.request, cx.settings.session);
        let domain = domain_of(cx.snapshot());
        let caller = Caller {
            end: End { dialog: setup.dialog, flow: setup.flow, negotiation, ports: media::Leg::CALLER, timer },
            state: CallerState::Invited { server: setup.server },
            leg,
            shown: shown(setup, extension, &domain),
            number: setup.identity.extension.clone(),
            domain,
            max_forwards: setup.request.max_forwards().unwrap_or(limits::MAX_FORWARDS).min(limits::MAX_FORWARDS),
        };
        Self {
            key: setup.key,
            tenant,
            record,
            caller,
            called: None,
            feature: None,
            actions: VecDeque::new(),
            media: Media::None,
            passing: Passing::default(),
            stage: Stage::Idle,
            next_request: 0,
            since: cx.at,
            offer,
            wishes: Wishes::of(setup.request),
            unacknowledged: None,
            transfer: None,
            referred: false,
        }
    }

    /// The INVITE has been routed, or refused.
    pub(super) fn start(&mut self, cx: &mut Context<'_>, route: Result<VecDeque<Action>, Ending>) {
        let dialed = self.record.row().dialed_number.as_deref();
        if let Some(number) = dialed.filter(|dialed| cx.snapshot().is_some_and(|tenant| tenant.is_emergency(dialed))) {
            let detail = format!("{number} dialled by {}", self.caller.number);
            self.record.event(cx, CallEventKind::Emergency, Some(detail));
        }
        match (route, self.offer) {
            (Err(ending), _) => self.end(cx, ending),
            (Ok(_), Err(refusal)) => self.end(cx, Ending::Offer(refusal.code)),
            (Ok(actions), Ok(())) => {
                self.actions = actions;
                if let Some(event) = self.follow(cx, Ending::UnknownNumber) {
                    self.advance(cx, event);
                }
            }
        }
    }

    /// Tells the feature what happened and does what it wants, until it waits.
    pub(super) fn advance(&mut self, cx: &mut Context<'_>, event: Event) {
        let mut next = Some(event);
        while let Some(event) = next.take() {
            let Some(feature) = &mut self.feature else { return };
            let caller = self.caller.leg.extension_id;
            let mut verbs = Verbs::new(View { routes: cx.routes, caller, lines: Some((cx.lines, self.key)) });
            match feature.step(cx.now, event, &mut verbs) {
                Next::Done(ending) => {
                    // What is left of its wishes is for the caller and the history to hear.
                    for verb in verbs.into_wanted() {
                        let _ = self.obey(cx, verb);
                    }
                    next = self.follow(cx, ending);
                }
                Next::Stay => {
                    for verb in verbs.into_wanted() {
                        if let Err(ending) = self.obey(cx, verb) {
                            next = Some(Event::Failed(ending));
                            break;
                        }
                    }
                }
            }
        }
    }

    /// Goes on with the next dialplan row; without one, or once the caller has been answered, the call ends.
    pub(super) fn follow(&mut self, cx: &mut Context<'_>, ending: Ending) -> Option<Event> {
        let waiting = matches!(self.caller.state, CallerState::Invited { .. }) || self.transfer.is_some();
        let Some(action) = self.actions.pop_front().filter(|_| waiting) else {
            if !self.transfer_failed(cx, ending) {
                self.end(cx, ending);
            }
            return None;
        };
        let dialed = self.dialed().unwrap_or_default().to_owned();
        self.feature = Some(feature::feature(&action, &dialed, Chain::default()));
        Some(Event::Entered)
    }

    fn obey(&mut self, cx: &mut Context<'_>, verb: Verb) -> Result<(), Ending> {
        match verb {
            Verb::Dial { extension, chain } => {
                let order = self.order(cx, &extension, chain)?;
                self.with_media(cx, Then::Ring(order))
            }
            Verb::Forwarded(hop) => {
                self.forwarded(cx, &hop);
                Ok(())
            }
            Verb::NoteForward(what) => {
                self.record.event(cx, CallEventKind::Forwarded, Some(what));
                Ok(())
            }
            Verb::Answer => self.with_media(cx, Then::Answer),
            Verb::Play(source) => {
                cx.media(Command::Play { session: self.key.session(), leg: self.caller.end.ports, source });
                Ok(())
            }
            Verb::Echo => {
                cx.media(Command::Echo { session: self.key.session(), leg: self.caller.end.ports });
                Ok(())
            }
        }
    }

    /// The phones of an extension, the preferred ones first.
    fn order(&mut self, cx: &mut Context<'_>, number: &str, chain: Chain) -> Result<Order, Ending> {
        let extension = cx.snapshot().and_then(|snapshot| snapshot.extensions.get(number));
        let Some(extension) = extension.filter(|extension| extension.enabled) else {
            return Err(Ending::UnknownNumber);
        };
        self.record.row_mut().callee_extension_id = Some(extension.id);
        self.name_called(cx, number);
        let bindings = cx.registrar.targets(cx.now, self.tenant, number).into_iter();
        let there = bindings.filter(|binding| cx.qualify.reach(binding.registration().id) != Reach::Unreachable);
        let mut targets: Vec<Target> = there.filter_map(Target::of).collect();
        // All phones of a fork share one media port, so they speak one address family.
        if let Some(first) = targets.first() {
            let v4 = first.flow.local.is_ipv4();
            targets.retain(|target| target.flow.local.is_ipv4() == v4);
        }
        targets.truncate(limits::MAX_BRANCHES);
        let ring_for = ring_time(cx, extension);
        if targets.is_empty() { Err(Ending::NotRegistered) } else { Ok(Order { targets, chain, ring_for }) }
    }

    fn with_media(&mut self, cx: &mut Context<'_>, then: Then) -> Result<(), Ending> {
        if matches!(self.media, Media::Open(_)) {
            return self.go_on(cx, then);
        }
        let mut legs = vec![self.caller.end.flow.local.ip()];
        if let Then::Ring(order) = &then {
            legs.extend(order.targets.first().map(|target| target.flow.local.ip()));
        }
        cx.media(Command::Open { session: self.key.session(), legs });
        self.media = Media::Opening;
        self.enter(cx, Stage::Opening(Opening { then, give_up_at: cx.now + limits::MEDIA_OPEN }));
        Ok(())
    }

    fn go_on(&mut self, cx: &mut Context<'_>, then: Then) -> Result<(), Ending> {
        match then {
            Then::Ring(order) => self.ring(cx, order),
            Then::Answer => self.answer_alone(cx),
        }
    }

    /// Ports are open, or cannot be had.
    pub(super) fn opened(&mut self, cx: &mut Context<'_>, fact: Fact) {
        let opening = match std::mem::replace(&mut self.stage, Stage::Idle) {
            Stage::Opening(opening) => opening,
            // The call ended meanwhile; ports that could not be had will not be closed either.
            stage => {
                self.stage = stage;
                if self.is_ending() && matches!(fact, Fact::OpenFailed { .. }) {
                    self.media_closed(cx, &[]);
                }
                return;
            }
        };
        match fact {
            Fact::Opened { legs, .. } => {
                self.media = Media::Open(legs);
                if let Err(ending) = self.go_on(cx, opening.then) {
                    self.advance(cx, Event::Failed(ending));
                }
            }
            _ => {
                self.media = Media::Closed;
                self.end(cx, Ending::MediaFailure);
            }
        }
    }

    /// What the description for the caller names.
    pub(super) fn address(&self, cx: &Context<'_>) -> Option<MediaAddress> {
        self.media.address(self.caller.end.ports, &self.caller.end.flow, &cx.settings.rtp_advertised)
    }

    /// Answers the caller on our own behalf.
    fn answer_alone(&mut self, cx: &mut Context<'_>) -> Result<(), Ending> {
        if self.caller.is_answered() {
            return self.alone_again(cx);
        }
        let address = self.address(cx).ok_or(Ending::MediaFailure)?;
        let negotiation = &mut self.caller.end.negotiation;
        let offered = is_late(negotiation);
        let described = if offered {
            plan::propose(negotiation, address).map(|offer| (offer, None))
        } else {
            plan::terminate(negotiation, address).map(|(answer, plan)| (answer, Some(plan)))
        };
        let (body, plan) = described.map_err(|refusal| Ending::Offer(refusal.code))?;
        self.accept(cx, Some(body), plan);
        self.enter(cx, Stage::Alone(Alone { offered, request: None }));
        self.advance(cx, Event::Answered);
        Ok(())
    }

    /// Somebody who was transferred to us hears us: it is offered our own description, whatever hold it was on.
    fn alone_again(&mut self, cx: &mut Context<'_>) -> Result<(), Ending> {
        let address = self.address(cx).ok_or(Ending::MediaFailure)?;
        let offer = plan::propose(&mut self.caller.end.negotiation, address);
        let offer = offer.map_err(|refusal| Ending::Offer(refusal.code))?;
        let request = self.request_key();
        let invite = super::reinvite::invite(cx, request, &self.caller.end, offer);
        cx.effects.push(invite);
        self.enter(cx, Stage::Alone(Alone { offered: false, request: Some(request) }));
        self.transfer_done(cx);
        self.advance(cx, Event::Answered);
        Ok(())
    }
}

/// How long the phones of an extension ring.
fn ring_time(cx: &Context<'_>, extension: &Extension) -> Duration {
    let tenant = cx.snapshot().map(|snapshot| snapshot.tenant.ring_timeout_s);
    match extension.no_answer_timeout_s.or(tenant) {
        None | Some(0) => cx.settings.no_answer_timeout,
        Some(seconds) => Duration::from_secs(u64::from(seconds)),
    }
}

/// Whether a caller has offered nothing yet: it wants our offer in the 200, and answers in the ACK (RFC 3261 §13.2.1).
pub(super) fn is_late(caller: &Negotiation) -> bool {
    caller.is_stable() && !caller.is_agreed()
}

/// The row of the history as the INVITE begins it.
fn row(cx: &mut Context<'_>, setup: &Setup<'_>, extension: Option<&Extension>) -> CallRecord {
    let header = |name: &Name| setup.request.headers().get(name).map(|value| text(&value));
    let display = setup.request.from().ok().and_then(|from| from.display.map(|name| text(&name)));
    let domain = domain_of(cx.snapshot());
    CallRecord {
        id: CallId(cx.uuid()),
        tenant_id: setup.identity.tenant,
        parent_call_id: None,
        call_id: setup.request.call_id().map(|value| text(&value)).unwrap_or_default(),
        caller: format!("sip:{}@{domain}", setup.identity.extension),
        callee: text(setup.request.uri().as_bytes()),
        caller_ip: Some(setup.flow.remote.ip()),
        callee_ip: None,
        caller_id_name: display,
        caller_number: Some(setup.identity.extension.clone()),
        dialed_number: setup.number.clone(),
        context: extension.map(|extension| extension.context.clone()),
        caller_extension_id: extension.map(|extension| extension.id),
        callee_extension_id: None,
        user_id: setup.identity.user_id.or_else(|| extension.and_then(|extension| extension.user_id)),
        direction: Direction::Internal,
        start_time: cx.at,
        ringing_at: None,
        answer_time: None,
        end_time: None,
        status: CallStatus::Active,
        disconnect_reason: None,
        hangup_by: None,
        hangup_cause: None,
        sip_response_code: None,
        codec: None,
        caller_sdp: description(&setup.request.body()),
        callee_sdp: None,
        caller_user_agent: header(&Name::UserAgent),
        callee_user_agent: None,
        media: Vec::new(),
    }
}

/// The caller as others see it: the extension that was authenticated, never what the phone claims; and nobody when the phone
/// asks for that by an anonymous From (RFC 3323 §4.1.1.3).
pub(super) fn shown(setup: &Setup<'_>, extension: Option<&Extension>, domain: &str) -> NameAddr {
    let from = setup.request.from().ok();
    if from.is_some_and(|from| from.uri.user().as_deref() == Some(b"anonymous")) {
        return super::leg::anonymous();
    }
    let shown = NameAddr::new(Uri::sip(Some(&setup.identity.extension), domain, None));
    match extension.and_then(|extension| extension.display_name.as_ref()) {
        Some(name) => shown.with_display(name.as_bytes()),
        None => shown,
    }
}

pub(super) fn domain_of(tenant: Option<&domain::TenantSnapshot>) -> String {
    tenant.map_or_else(|| "invalid".to_owned(), |snapshot| snapshot.tenant.domain.clone())
}
