//! Requests of ours: INVITE, ACK, CANCEL, and everything inside a dialog.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::Endpoint;
use super::config::{ClientId, DialogId, Event, Failure, OutgoingRequest};
use super::subscription::is_last_news;
use super::table::{Cancel, Client, ClientMachine, Purpose};
use crate::builder::RequestBuilder;
use crate::capability::{self, ALLOW, SUPPORTED};
use crate::dialog::{Offer, Prepared, Stage, is_secure};
use crate::error::Error;
use crate::flow::{Flow, Transmit};
use crate::header::{CSeq, CallId, From, Header, MaxForwards, Name, Reason, Route, To, Via};
use crate::limits;
use crate::message::Request;
use crate::method::Method;
use crate::transaction::{Client as OtherClient, InviteClient};
use crate::uri::Host;

const GONE: Error = Error::Misuse { what: "a request in a dialog that is gone" };

/// How long an INVITE of ours inside a dialog may stay without its final answer (RFC 3261 §16.6, timer C).
const REINVITE_PATIENCE: Duration = Duration::from_secs(180);

impl<I> Endpoint<I> {
    /// Sends an INVITE outside of a dialog. Each To tag that answers makes a dialog.
    ///
    /// # Errors
    /// There are too many transactions or dialogs already, the Call-ID cannot be written, or the request would be longer than
    /// [`limits::MESSAGE_BYTES`].
    pub fn invite(&mut self, now: Instant, outgoing: OutgoingRequest) -> Result<ClientId, Error> {
        if self.dialogs.len() >= self.config.max_dialogs {
            return Err(Error::Misuse { what: "too many dialogs" });
        }
        let purpose = Purpose::Invite { forks: Vec::new(), cancel: Cancel::No, answered: false };
        self.send_new(now, outgoing, purpose)
    }

    /// Sends any other request outside of a dialog.
    ///
    /// # Errors
    /// There are too many transactions already, the method or Call-ID cannot be written, or the request would be too long.
    pub fn request(&mut self, now: Instant, outgoing: OutgoingRequest) -> Result<ClientId, Error> {
        if matches!(outgoing.method, Method::Invite | Method::Ack | Method::Cancel) {
            return Err(Error::Misuse { what: "INVITE, ACK and CANCEL have their own functions" });
        }
        self.send_new(now, outgoing, Purpose::Alone)
    }

    fn send_new(&mut self, now: Instant, outgoing: OutgoingRequest, purpose: Purpose) -> Result<ClientId, Error> {
        check_method(&outgoing.method)?;
        if outgoing.call_id.as_ref().is_some_and(|call_id| CallId::parse(call_id).is_err()) {
            return Err(Error::Misuse { what: "a Call-ID that cannot be read" });
        }
        if self.servers.len() + self.clients.len() >= self.config.max_transactions {
            return Err(Error::Misuse { what: "too many transactions" });
        }
        let id = self.clients.next_id();
        let (flow, method) = (outgoing.flow, outgoing.method.clone());
        let branch = self.names.branch(id);
        let tag = self.names.tag();
        let call_id = outgoing.call_id.unwrap_or_else(|| self.names.call_id());
        let mut builder = RequestBuilder::new(method.clone(), &outgoing.uri)
            .header(&self.via(&flow, &branch))
            .header(&MaxForwards(outgoing.max_forwards));
        for route in outgoing.route {
            builder = builder.header(&Route(route));
        }
        builder = builder
            .header(&From(outgoing.from.with_tag(&tag)))
            .header(&To(outgoing.to))
            .header(&CallId(call_id))
            .header(&CSeq { number: 1, method: method.clone() });
        let secure = is_secure(&outgoing.uri, &flow);
        let request = self.finish(builder, (&flow, secure), &method, &outgoing.headers, outgoing.body)?;
        self.start(now, id, Started { request, branch, flow, purpose });
        Ok(id)
    }

    /// Sends a request inside a dialog. BYE ends the session in it; while a 2xx of ours waits for its ACK, the BYE waits too (RFC 3261
    /// §15), and an INVITE of the peer that is not answered gets 487. A 2xx that never left, because a PRACK was awaited, is
    /// turned into a refusal, and the BYE has failed. In an early dialog UPDATE, PRACK and INFO may be sent; a PRACK gets its
    /// RAck here.
    ///
    /// # Errors
    /// The dialog is unknown or not confirmed, was not made for such a request, or has another change under way; or the request
    /// would be too long.
    pub fn in_dialog(
        &mut self,
        now: Instant,
        id: DialogId,
        method: Method,
        headers: Vec<(Name, Bytes)>,
        body: Option<(String, Bytes)>,
    ) -> Result<ClientId, Error> {
        check_method(&method)?;
        let early = self.dialogs.get(id).ok_or(GONE)?.stage == Stage::Early;
        let bye = method == Method::Bye;
        if bye && early && self.refuse_held(now, id) {
            let client = self.clients.next_id();
            self.events.push_back(Event::Failed { id: client, dialog: Some(id), why: Failure::Transport });
            return Ok(client);
        }
        let dialog = self.dialogs.get_mut(id).ok_or(GONE)?;
        dialog.may_send(&method, body.is_some())?;
        let client = self.clients.next_id();
        let last_news = method == Method::Notify && is_last_news(&headers);
        if bye && !dialog.answers.is_empty() {
            dialog.held_bye = Some(Box::new(Prepared { id: client, headers, body }));
        } else {
            self.send_in_dialog(now, id, method, Prepared { id: client, headers, body })?;
        }
        if let Some(dialog) = self.dialogs.get_mut(id).filter(|_| bye) {
            dialog.stage = Stage::Ending;
            self.refuse_pending(now, id);
        }
        if last_news {
            self.told(id);
        }
        Ok(client)
    }

    /// Sends the BYE that waited for an ACK.
    pub(super) fn send_held_bye(&mut self, now: Instant, id: DialogId, held: Prepared) {
        let client = held.id;
        if self.send_in_dialog(now, id, Method::Bye, held).is_err() {
            self.end_session(now, id);
            self.events.push_back(Event::Failed { id: client, dialog: Some(id), why: Failure::Transport });
        }
    }

    pub(super) fn send_in_dialog(
        &mut self,
        now: Instant,
        id: DialogId,
        method: Method,
        prepared: Prepared,
    ) -> Result<(), Error> {
        let Prepared { id: client, mut headers, body } = prepared;
        let branch = self.names.branch(client);
        let dialog = self.dialogs.get(id).ok_or(GONE)?;
        let number = dialog.local_cseq.wrapping_add(1) & 0x7fff_ffff;
        let (flow, secure, described) = (dialog.flow, dialog.secure, body.is_some());
        if let (Method::Prack, Some(rack)) = (&method, &dialog.unpracked) {
            headers.push((Name::RAck, rack.to_bytes()));
        }
        let builder = dialog.request(method.clone(), number, &self.via(&flow, &branch));
        let request = self.finish(builder, (&flow, secure), &method, &headers, body)?;
        let dialog = self.dialogs.get_mut(id).ok_or(GONE)?;
        dialog.local_cseq = number;
        dialog.offered_by_us(&method, described);
        let purpose = match method {
            Method::Invite => {
                dialog.inviting = true;
                dialog.invite = Some((client, number));
                let give_up_at = now + REINVITE_PATIENCE;
                Purpose::Reinvite { dialog: id, cancel: Cancel::No, answered: false, give_up_at, ack: None }
            }
            _ => Purpose::InDialog { dialog: id, ends_it: method == Method::Bye },
        };
        match method {
            Method::Update => dialog.updating = true,
            Method::Prack => dialog.unpracked = None,
            _ => {}
        }
        self.start(now, client, Started { request, branch, flow, purpose });
        Ok(())
    }

    /// Acknowledges the 2xx that confirmed a dialog or answered our INVITE in it (RFC 3261 §13.2.2.4). The ACK is kept
    /// and sent again whenever the 2xx comes again.
    pub fn ack(&mut self, _now: Instant, id: DialogId, body: Option<(String, Bytes)>) {
        let Some(dialog) = self.dialogs.get_mut(id) else { return };
        if dialog.stage == Stage::Early || dialog.inviting {
            return;
        }
        let Some((invite, number)) = dialog.invite.take() else { return };
        if dialog.offer == Offer::Theirs {
            dialog.offer = Offer::None;
        }
        let flow = dialog.flow;
        let client = self.clients.next_id();
        let branch = self.names.branch(client);
        let via = self.via(&flow, &branch);
        let Some(dialog) = self.dialogs.get(id) else { return };
        let mut builder = dialog.request(Method::Ack, number, &via);
        if let Some((content_type, body)) = body {
            builder = builder.body(&content_type, body);
        }
        let transmit = Transmit { flow, bytes: builder.build().bytes().clone() };
        if let Some(invite) = self.clients.get_mut(invite) {
            invite.keep_ack(id, &transmit);
        }
        self.transmits.push_back(transmit);
    }

    /// Takes an INVITE back (RFC 3261 §9.1): at once when a provisional answer has come, else as soon as one comes.
    /// After its final answer nothing happens.
    pub fn cancel(&mut self, now: Instant, id: ClientId, reason: Option<Reason>) {
        let reason = reason.map(|reason| reason.to_bytes());
        let Some(client) = self.clients.get_mut(id) else { return };
        let ringing = matches!(client.machine, ClientMachine::Invite { ringing: true, .. });
        let cancel = match &mut client.purpose {
            Purpose::Invite { cancel, answered: false, .. } | Purpose::Reinvite { cancel, answered: false, .. } => {
                cancel
            }
            _ => return,
        };
        if !matches!(cancel, Cancel::No) {
            return;
        }
        *cancel = Cancel::Waiting { reason };
        if ringing {
            self.send_cancel(now, id);
        }
    }

    /// Sends the CANCEL that waits.
    pub(super) fn send_cancel(&mut self, now: Instant, id: ClientId) {
        let give_up_at = now + self.config.timers.t1 * 64;
        let Some(client) = self.clients.get_mut(id) else { return };
        let (Purpose::Invite { cancel, answered: false, .. } | Purpose::Reinvite { cancel, answered: false, .. }) =
            &mut client.purpose
        else {
            return;
        };
        let Cancel::Waiting { reason } = cancel else { return };
        let reason = reason.take();
        *cancel = Cancel::Sent { give_up_at };
        let (flow, branch, invite) = (client.flow, client.branch.clone(), client.request.clone());
        let Ok(cseq) = invite.cseq() else { return };
        let headers = invite.headers();
        // The CANCEL has the INVITE's branch, so that it finds it; its own number is told apart by the method.
        let mut builder = RequestBuilder::new(Method::Cancel, invite.uri())
            .copy(headers, &Name::Via)
            .header(&MaxForwards(70))
            .copy(headers, &Name::Route)
            .copy(headers, &Name::From)
            .copy(headers, &Name::To)
            .copy(headers, &Name::CallId)
            .header(&CSeq { number: cseq.number, method: Method::Cancel });
        if let Some(reason) = reason {
            builder = builder.named(&Name::Reason, reason);
        }
        self.schedule_client(id);
        let cancel_id = self.clients.next_id();
        self.clients.pair(id, cancel_id);
        let started = Started { request: builder.build(), branch, flow, purpose: Purpose::Unheard };
        self.start(now, cancel_id, started);
    }

    fn via(&self, flow: &Flow, branch: &[u8]) -> Via {
        let address = self.shown_address(flow);
        Via::new(flow.transport, Host::from(address.ip()), Some(address.port()), branch)
    }

    fn finish(
        &self,
        mut builder: RequestBuilder,
        (flow, secure): (&Flow, bool),
        method: &Method,
        headers: &[(Name, Bytes)],
        body: Option<(String, Bytes)>,
    ) -> Result<Request, Error> {
        if matches!(method, Method::Invite | Method::Update | Method::Subscribe | Method::Refer | Method::Notify) {
            builder = builder.header(&self.contact(flow, secure));
        }
        let has = |name: &Name| headers.iter().any(|(given, _)| given == name);
        if capability::is_told_with(method) {
            if !has(&Name::Allow) {
                builder = builder.named(&Name::Allow, ALLOW);
            }
            if !has(&Name::Supported) {
                builder = builder.named(&Name::Supported, SUPPORTED);
            }
        }
        if !self.config.server.is_empty() && !has(&Name::UserAgent) {
            builder = builder.named(&Name::UserAgent, &self.config.server);
        }
        for (name, value) in headers {
            builder = builder.named(name, value);
        }
        if let Some((content_type, body)) = body {
            builder = builder.body(&content_type, body);
        }
        let request = builder.build();
        match request.bytes().len() {
            ..=limits::MESSAGE_BYTES => Ok(request),
            _ => Err(Error::Misuse { what: "a message that no datagram can hold" }),
        }
    }

    fn start(&mut self, now: Instant, id: ClientId, started: Started) {
        let Started { request, branch, flow, purpose } = started;
        let (bytes, reliable) = (request.bytes().clone(), flow.transport.is_reliable());
        let timers = &self.config.timers;
        let call_id = match &purpose {
            Purpose::Invite { .. } => request.call_id().ok(),
            _ => None,
        };
        let machine = match request.method() {
            Method::Invite => {
                let machine = InviteClient::new(now, timers, bytes, reliable);
                ClientMachine::Invite { machine, ringing: false }
            }
            _ => ClientMachine::Other(OtherClient::new(now, timers, bytes, reliable)),
        };
        self.clients.insert(
            id,
            Client { machine, request, branch, flow, purpose, cancelled_by: None, exposed: true, call_id, due: None },
        );
        self.drain_client(now, id, None);
    }

    /// No more repetitions of our 2xx.
    pub(super) fn stop_answering(&mut self, id: DialogId) {
        if let Some(dialog) = self.dialogs.get_mut(id) {
            let old = dialog.answers_due();
            dialog.answers.clear();
            self.deadlines.clear(super::timers::Timer::Answer(id), old);
        }
    }
}

/// A builder would leave out what a start line cannot hold, and the CSeq would name another method.
fn check_method(method: &Method) -> Result<(), Error> {
    match method {
        Method::Other(name) if Method::parse(name).is_err() => Err(Error::Misuse { what: "a method that is no token" }),
        _ => Ok(()),
    }
}

/// What a client transaction begins with.
struct Started {
    request: Request,
    branch: Bytes,
    flow: Flow,
    purpose: Purpose,
}
