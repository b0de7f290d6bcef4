//! Dispatch: every event of the endpoint and of the media workers finds the one who waits for it.

use std::collections::VecDeque;
use std::time::Instant;

use domain::{Action, Tenant};
use media::Fact;
use sip::header::Replaces;
use sip::{ContactPolicy, DialogId, Event, Flow, Method, Reply, Request, Response, ServerId};

use super::{Shard, answer, transfer};
use crate::admit::Identity;
use crate::call::session_timer;
use crate::call::{CallKey, Input, Setup};
use crate::limits;
use crate::routing::{self, Route};
use crate::verdict::Ending;

impl Shard {
    /// Hands out events until none is left.
    pub(super) fn settle(&mut self, now: Instant) {
        while let Some(event) = self.endpoint.poll_event() {
            self.dispatch(now, event);
        }
        self.spread_bindings(now);
        self.serve_subscribers(now);
    }

    fn dispatch(&mut self, now: Instant, event: Event<Identity>) {
        match event {
            Event::Invite { id, dialog, request, flow, identity } => {
                self.invite(now, id, dialog, &request, flow, &identity);
            }
            Event::Request { id, request, flow, identity } if *request.method() == Method::Message => {
                self.message(now, id, &request, &flow, &identity);
            }
            Event::Request { id, request, flow, identity } => self.request(now, id, &request, flow, &identity),
            Event::InDialog { id, dialog, request, .. } => match self.calls.of_dialog(dialog) {
                Some(key) => self.in_call(now, key, id, dialog, request),
                None if self.in_subscription(now, id, dialog, &request) => {}
                None => self.respond(now, id, Reply::new(481)),
            },
            Event::Cancelled { id, dialog, .. } => {
                if let Some(key) = self.calls.of_dialog(dialog) {
                    self.calls.settle(key, id);
                    let gone = self.endpoint.dialog(dialog).is_none();
                    self.step(now, key, Input::Cancelled { dialog, gone });
                }
            }
            Event::Acked { dialog, request } => self.owner_of(now, dialog, Input::Acked { dialog, request }),
            Event::NoPrack { id, dialog } => {
                if let Some(key) = self.calls.of_dialog(dialog) {
                    self.calls.settle(key, id);
                    self.step(now, key, Input::NoPrack);
                }
            }
            Event::NoAck { dialog } => match self.calls.of_dialog(dialog) {
                Some(key) => self.step(now, key, Input::NoAck { dialog }),
                None => self.bye(now, dialog, None),
            },
            Event::Response { id, dialog, response, .. } => match self.calls.of_request(id) {
                Some((key, request)) => {
                    // A dialog beyond the limit is as if it were nobody's.
                    if dialog.is_none_or(|dialog| self.calls.own_dialog(key, dialog)) {
                        self.step(now, key, Input::Response { request, dialog, response });
                    } else {
                        self.stray(now, dialog, &response);
                    }
                }
                None if self.qualify.concluded(now, id, true) => {}
                None if self.message_answered(now, id, Some(response.code())) => {}
                None if self.subscriptions.owns_request(id) => self.subscriptions.answered(now, id, &response),
                None => self.stray(now, dialog, &response),
            },
            Event::Failed { id, why, .. } => match self.calls.of_request(id) {
                Some((key, request)) => self.step(now, key, Input::Failed { request, why }),
                None if self.qualify.concluded(now, id, false) => {}
                None if self.message_answered(now, id, None) => {}
                None => self.subscriptions.failed(now, id, why),
            },
        }
    }

    /// A request in a dialog of a call.
    fn in_call(&mut self, now: Instant, key: CallKey, server: ServerId, dialog: DialogId, request: Request) {
        let refer = *request.method() == Method::Refer;
        match refer.then(|| transfer::replaces_of_refer(&request)).flatten() {
            Some(replaces) => self.attended(now, key, dialog, server, &request, &replaces),
            None => self.step(now, key, Input::Request { server, dialog, request }),
        }
    }

    fn owner_of(&mut self, now: Instant, dialog: DialogId, input: Input) {
        if let Some(key) = self.calls.of_dialog(dialog) {
            self.step(now, key, input);
        }
    }

    /// An answer that nobody waits for. A 2xx to an INVITE, from a further fork or from a phone that answered while it was being
    /// told to stop, made a dialog all the same: it is acknowledged and ended (RFC 3261 §13.2.2.4).
    fn stray(&mut self, now: Instant, dialog: Option<DialogId>, response: &Response) {
        let invite = response.cseq().is_ok_and(|cseq| cseq.method == Method::Invite);
        if let (Some(dialog), true, 200..=299) = (dialog, invite, response.code()) {
            self.endpoint.ack(now, dialog, None);
            self.bye(now, dialog, None);
        }
    }

    /// News from a media worker. Of a session nobody knows any more there is nothing to be said.
    pub(super) fn media(&mut self, now: Instant, fact: Fact) {
        let session = match &fact {
            Fact::Opened { session, .. }
            | Fact::OpenFailed { session, .. }
            | Fact::Connected { session, .. }
            | Fact::Digit { session, .. }
            | Fact::Silent { session, .. }
            | Fact::Unprotected { session, .. }
            | Fact::PlaybackEnded { session, .. }
            | Fact::Closed { session, .. }
            | Fact::Speaking { session, .. }
            | Fact::NotJoined { session, .. }
            | Fact::Recorded { session, .. }
            | Fact::Stats { session, .. } => *session,
        };
        if let Some(key) = self.calls.of_session(session) {
            self.step(now, key, Input::Media(fact));
        }
    }

    /// A call begins.
    fn invite(
        &mut self,
        now: Instant,
        server: ServerId,
        dialog: DialogId,
        request: &Request,
        flow: Flow,
        identity: &Identity,
    ) {
        let number = routing::number_of_uri(request.uri());
        if let Some(reply) = session_timer::refuses(request, self.settings.session) {
            return self.respond(now, server, reply);
        }
        let mut replaced = request.headers().typed_all::<Replaces>();
        match (replaced.next(), replaced.next()) {
            (None, _) => {}
            (Some(Ok(replaces)), None) => {
                let key = self.calls.fresh_key();
                let setup = Setup { key, server, dialog, request, flow, identity, number };
                return self.replace(now, &setup, &replaces);
            }
            // RFC 3891 §3: more than one, or one that cannot be read.
            _ => return self.respond(now, server, Reply::new(400)),
        }
        let route = answer::readable(request).and_then(|()| self.route(identity, number.as_deref()));
        let key = self.calls.fresh_key();
        let setup = Setup { key, server, dialog, request, flow, identity, number };
        if self.open(now, &setup) {
            self.step(now, key, Input::Started(route));
        }
    }

    /// Where a number leads, or why the call cannot be taken.
    fn route(&self, identity: &Identity, number: Option<&str>) -> Result<VecDeque<Action>, Ending> {
        let routes = self.admittance.tenant(identity.tenant).ok_or(Ending::UnknownNumber)?;
        let snapshot = routes.snapshot();
        if number.is_some_and(|number| snapshot.is_emergency(number)) {
            self.room_for_emergency()?;
        } else {
            self.room_for(&snapshot.tenant)?;
        }
        let caller = snapshot.extensions.get(&identity.extension).ok_or(Ending::UnknownNumber)?;
        match routes.route(&caller.context, number.ok_or(Ending::UnknownNumber)?) {
            Route::Actions(actions) => Ok(actions.iter().cloned().collect()),
            Route::Extension(number) => Ok(VecDeque::from([Action::Dial(Some(number))])),
            Route::Unknown => Err(Ending::UnknownNumber),
        }
    }

    /// Whether a call may begin.
    fn room_for(&self, tenant: &Tenant) -> Result<(), Ending> {
        if self.draining {
            return Err(Ending::Draining);
        }
        if self.calls.len() >= limits::MAX_CALLS {
            return Err(Ending::Overloaded);
        }
        let most = usize::try_from(tenant.max_concurrent_calls).unwrap_or(usize::MAX);
        if self.calls.running(tenant.id) >= most { Err(Ending::TooManyCalls) } else { Ok(()) }
    }

    /// Whether an emergency call may begin: neither the tenant's limit nor a switch that is about to stop is in its way, and of
    /// the calls a shard can have some are kept for it.
    fn room_for_emergency(&self) -> Result<(), Ending> {
        let most = limits::MAX_CALLS + limits::EMERGENCY_CALLS;
        if self.calls.len() >= most { Err(Ending::Overloaded) } else { Ok(()) }
    }

    /// A request outside of any dialog that is no call.
    fn request(&mut self, now: Instant, server: ServerId, request: &Request, flow: Flow, identity: &Identity) {
        let reply = match request.method() {
            Method::Subscribe => return self.subscribe(now, server, request, identity),
            Method::Publish => self.subscriptions.publish(now, identity, request),
            Method::Register => self.registrar.register(now, &self.clock, &flow, identity, request),
            Method::Options => answer::options().contact(ContactPolicy::None),
            method => answer::outside_a_dialog(method),
        };
        self.respond(now, server, reply);
    }

    pub(super) fn respond(&mut self, now: Instant, server: ServerId, reply: Reply) {
        // The transaction may have ended meanwhile; then nobody waits for the answer.
        let _ = self.endpoint.respond(now, server, reply);
    }
}
