//! Requests that come in: retransmission, ACK, CANCEL, in a dialog, or new.

use std::time::Instant;

use super::Endpoint;
use super::config::{Admission, ContactPolicy, DialogId, Event, Gate, Reply, Scope, ServerId};
use super::keys::{Names, merge_key, server_key};
use super::reliable;
use super::stateless::reply_to;
use super::table::{Server, ServerMachine, ServerOutput};
use super::timers::Timer;
use crate::capability;
use crate::dialog::{Answer, Dialog, Offer, Stage};
use crate::error::Error;
use crate::flow::Flow;
use crate::header::{Header, Name, Reason, TokenList, Unsupported, Via};
use crate::limits;
use crate::message::{Request, Response};
use crate::method::Method;
use crate::transaction::{InviteServer, Server as OtherServer};
use crate::uri::Scheme;

impl<I> Endpoint<I> {
    pub(super) fn handle_request(&mut self, now: Instant, flow: Flow, request: Request, gate: &mut impl Gate<I>) {
        if let Err(error) = request.validate() {
            self.refuse(flow, &request, &Reply::new(error.status()));
            return;
        }
        let Ok(key) = server_key(&request, request.method()) else { return };
        if let Some(id) = self.servers.find(&key) {
            return self.again(now, id, request);
        }
        match request.method() {
            Method::Ack => self.acked(now, &request),
            Method::Cancel => self.cancelled(now, flow, &request),
            _ if !is_addressable(&request, &flow) => self.refuse(flow, &request, &Reply::new(416)),
            // Inside a dialog a request has arrived, however many hops it has left; OPTIONS asks whoever it gets to (§11).
            _ if request.to().is_ok_and(|to| to.has_tag()) => self.in_a_dialog(now, flow, request, key, gate),
            Method::Options => self.new_request(now, flow, request, key, gate),
            _ if request.max_forwards() == Some(0) => self.refuse(flow, &request, &Reply::new(483)),
            _ => self.new_request(now, flow, request, key, gate),
        }
    }

    /// The same request once more, or the ACK of a refusal. An ACK that carries its INVITE's branch may also belong to
    /// a 2xx of ours.
    fn again(&mut self, now: Instant, id: ServerId, request: Request) {
        let Some(server) = self.servers.get_mut(id) else { return };
        match (&mut server.machine, request.method()) {
            (ServerMachine::Invite(machine), Method::Ack) => {
                machine.handle_ack(now);
                self.drain_server(id);
                self.acked(now, &request);
            }
            (machine, _) => {
                machine.handle_request_again(now);
                self.drain_server(id);
            }
        }
    }

    /// The dialog a request names.
    fn dialog_of(&self, request: &Request) -> Option<DialogId> {
        let local_tag = request.to().ok()?.tag()?;
        let remote_tag = request.from().ok()?.tag().unwrap_or_default();
        self.dialogs.find(&request.call_id().ok()?, local_tag, remote_tag)
    }

    /// An ACK finds the 2xx it acknowledges, or nobody cares.
    fn acked(&mut self, now: Instant, request: &Request) {
        let Some(id) = self.dialog_of(request) else { return };
        let (Some(dialog), Ok(cseq)) = (self.dialogs.get_mut(id), request.cseq()) else { return };
        let Some(answered) = dialog.answers.iter().position(|answer| answer.cseq == cseq.number) else { return };
        let old = dialog.answers_due();
        dialog.answers.remove(answered);
        let new = dialog.answers_due();
        let held = dialog.held_bye.take_if(|_| new.is_none());
        let ending = dialog.held_bye.is_some();
        if dialog.offer == Offer::Ours {
            dialog.offer = Offer::None;
        }
        self.deadlines.set(Timer::Answer(id), old, new);
        match held {
            Some(held) => self.send_held_bye(now, id, *held),
            // A BYE of ours waits for the ACK of another one.
            None if ending => {}
            None => self.events.push_back(Event::Acked { dialog: id, request: request.clone() }),
        }
    }

    /// CANCEL (RFC 3261 §9.2). It is answered without a transaction: any copy gets the same answer.
    fn cancelled(&mut self, now: Instant, flow: Flow, request: &Request) {
        let found = server_key(request, &Method::Invite).ok().and_then(|key| self.servers.find(&key));
        let Some((id, server)) = found.and_then(|id| Some((id, self.servers.get_mut(id)?))) else {
            return self.refuse(flow, request, &Reply::new(481));
        };
        let (dialog, tag, waiting) = (server.dialog, server.tag.clone(), server.request.is_some());
        let ok = self.render(&flow, request, &tag, &Reply::new(200));
        if let Some(reply_to) = reply_to(flow, request) {
            self.transmit(reply_to, ok.bytes().clone());
        }
        if let (true, Some(dialog)) = (waiting, dialog)
            && self.respond(now, id, Reply::new(487)).is_ok()
        {
            let reason = request.headers().typed::<Reason>().and_then(Result::ok);
            self.events.push_back(Event::Cancelled { id, dialog, reason });
        }
    }

    /// A request with a To tag (RFC 3261 §12.2.2). Its ids and the dialog's flow together are its credentials; from
    /// another flow the gate is asked, and the dialog then follows.
    fn in_a_dialog(&mut self, now: Instant, flow: Flow, request: Request, key: Box<[u8]>, gate: &mut impl Gate<I>) {
        let Some(id) = self.dialog_of(&request) else {
            return self.refuse(flow, &request, &Reply::new(481));
        };
        let Some(dialog) = self.dialogs.get(id) else { return };
        if dialog.flow != flow {
            match gate.admit(now, &flow, &request, Scope::Dialog(id)) {
                Admission::Pass(_) => {}
                Admission::Refuse(reply) => return self.refuse(flow, &request, &reply),
                Admission::Drop => return,
            }
        }
        let Some(dialog) = self.dialogs.get(id) else { return };
        match dialog.stage {
            Stage::Ending => return self.after_our_bye(now, flow, id, &request),
            Stage::Lingering if *request.method() != Method::Subscribe => {
                return self.refuse(flow, &request, &Reply::new(481));
            }
            _ if !dialog.usage.takes(request.method()) => return self.refuse(flow, &request, &Reply::new(481)),
            Stage::Early | Stage::Confirmed | Stage::Lingering => {}
        }
        // What belongs to a call is refused only when there is no room at all, and BYE never: it makes some.
        if *request.method() != Method::Bye && self.transactions() >= self.config.max_transactions.saturating_mul(2) {
            return self.refuse_for_now(flow, &request, 503, 1..=5);
        }
        if let Some(unsupported) = unsupported(&request) {
            return self.refuse(flow, &request, &unsupported);
        }
        let (Some(dialog), Ok(cseq)) = (self.dialogs.get_mut(id), request.cseq()) else { return };
        let described = !request.body().is_empty();
        match dialog.refuses(&cseq, described) {
            Some(500) => return self.refuse_for_now(flow, &request, 500, 0..=10),
            Some(code) => return self.refuse(flow, &request, &Reply::new(code)),
            // A PRACK is known by its RAck, once: one that a later request has overtaken is still good.
            None if !dialog.takes(&cseq) && *request.method() != Method::Prack => {
                return self.refuse(flow, &request, &Reply::new(500));
            }
            None => self.dialogs.move_to(id, flow),
        }
        let Some(tag) = self.dialogs.get(id).map(|dialog| dialog.local_tag.clone()) else { return };
        if *request.method() == Method::Prack {
            return self.pracked(now, flow, id, request, (key, tag));
        }
        let Some(server) = self.server(now, flow, &request, (key, None), tag, (Some(id), true)) else { return };
        if let Some(dialog) = self.dialogs.get_mut(id) {
            dialog.offered_by_peer(request.method(), described);
            match request.method() {
                Method::Invite => dialog.invited = Some(server),
                Method::Update => dialog.updated = Some(server),
                _ => {}
            }
        }
        self.events.push_back(Event::InDialog { id: server, dialog: id, request, flow });
    }

    /// A request that crossed our BYE. A BYE of the peer's own sets free the one of ours that waits.
    fn after_our_bye(&mut self, now: Instant, flow: Flow, id: DialogId, request: &Request) {
        if *request.method() != Method::Bye {
            return self.refuse(flow, request, &Reply::new(481));
        }
        self.refuse(flow, request, &Reply::new(200));
        if let Some(held) = self.dialogs.get_mut(id).and_then(|dialog| dialog.held_bye.take()) {
            self.stop_answering(id);
            self.send_held_bye(now, id, *held);
        }
    }

    /// A request that begins something.
    fn new_request(&mut self, now: Instant, flow: Flow, request: Request, key: Box<[u8]>, gate: &mut impl Gate<I>) {
        let Ok(merge_key) = merge_key(&request) else { return };
        if self.servers.is_merged(&merge_key) {
            return self.refuse(flow, &request, &Reply::new(482));
        }
        let invite = *request.method() == Method::Invite;
        if invite && self.comes_round(&request) {
            return self.refuse(flow, &request, &Reply::new(482));
        }
        let full = self.transactions() >= self.config.max_transactions;
        if full || invite && self.dialogs.len() >= self.config.max_dialogs {
            return self.refuse_for_now(flow, &request, 503, 1..=5);
        }
        let identity = match gate.admit(now, &flow, &request, Scope::OutOfDialog) {
            Admission::Pass(identity) => identity,
            Admission::Refuse(reply) => return self.refuse(flow, &request, &reply),
            Admission::Drop => return,
        };
        if let Some(reply) = unsupported(&request) {
            return self.refuse(flow, &request, &reply);
        }
        let keys = (key, Some(merge_key));
        if !invite {
            let tag = self.names.stateless_tag(&request);
            if let Some(id) = self.server(now, flow, &request, keys, tag, (None, false)) {
                self.events.push_back(Event::Request { id, request, flow, identity });
            }
            return;
        }
        let (tag, cseq) = (self.names.tag(), self.names.first_cseq());
        let dialog = match Dialog::of_request(&request, flow, &tag, cseq) {
            Ok(dialog) => self.dialogs.insert(dialog),
            Err(error) => return self.refuse(flow, &request, &Reply::new(error.status())),
        };
        match self.server(now, flow, &request, keys, tag, (Some(dialog), false)) {
            Some(id) => {
                if let Some(dialog) = self.dialogs.get_mut(dialog) {
                    dialog.invited = Some(id);
                    dialog.offered_by_peer(&Method::Invite, !request.body().is_empty());
                }
                self.events.push_back(Event::Invite { id, dialog, request, flow, identity });
            }
            None => self.forget(dialog),
        }
    }

    /// Whether an INVITE is one of ours that has come back for the same target, while it is still under way: by the branch in one
    /// of its Vias, or, where somebody between writes Vias anew, by its Call-ID. For another target it may pass, as a call that a
    /// proxy sends back to us does (RFC 3261 §16.3); Max-Forwards bounds that.
    fn comes_round(&self, request: &Request) -> bool {
        let headers = request.headers();
        let by_via = headers.typed_all::<Via>().flatten().find_map(|via| {
            let branch = via.branch()?;
            self.clients.get(Names::client_of(&branch)?).filter(|client| client.branch == branch)
        });
        let by_call_id = || self.clients.of_call(&request.call_id().ok()?);
        let Some(ours) = by_via.or_else(by_call_id) else { return false };
        let to = ours.request.to().ok();
        let targets = [Some(ours.request.uri()), to.as_ref().map(|to| &to.uri)];
        targets.into_iter().flatten().any(|target| target.user() == request.uri().user())
    }

    /// Transactions of both kinds.
    pub(super) fn transactions(&self) -> usize {
        self.servers.len() + self.clients.len()
    }

    /// Makes a server transaction; an INVITE is answered 100 at once.
    pub(super) fn server(
        &mut self,
        now: Instant,
        flow: Flow,
        request: &Request,
        (key, merge_key): (Box<[u8]>, Option<Box<[u8]>>),
        tag: bytes::Bytes,
        (dialog, in_dialog): (Option<DialogId>, bool),
    ) -> Option<ServerId> {
        let reliable = flow.transport.is_reliable();
        let timers = &self.config.timers;
        let invite = *request.method() == Method::Invite;
        let machine = match invite {
            true => ServerMachine::Invite(InviteServer::new(now, timers, reliable)),
            false => ServerMachine::Other(OtherServer::new(now, timers, reliable)),
        };
        let id = self.servers.insert(Server {
            machine,
            request: Some(request.clone()),
            reply_to: reply_to(flow, request)?,
            port: flow.remote.port(),
            tag,
            dialog,
            in_dialog,
            key,
            merge_key,
            due: None,
        });
        if invite {
            let _ = self.respond(now, id, Reply::new(100));
        }
        Some(id)
    }

    /// Answers a request. Provisional answers and 2xx to an INVITE carry the dialog's tag and our Contact; a 2xx is
    /// repeated until its ACK comes. Where the caller knows 100rel, provisional answers with a body are repeated until their
    /// PRACK comes, and a 2xx waits for it (RFC 3262).
    ///
    /// # Errors
    /// The request has its final answer already, or is unknown; too many provisional answers wait. An answer longer than
    /// [`limits::MESSAGE_BYTES`] is an error too: a bare 500 went in its place, or the same provisional answer with nothing in it.
    pub fn respond(&mut self, now: Instant, id: ServerId, mut reply: Reply) -> Result<(), Error> {
        const GONE: Error = Error::Misuse { what: "an answer to a request that waits for none" };
        let server = self.servers.get(id).ok_or(GONE)?;
        let request = server.request.as_ref().ok_or(GONE)?;
        if let (Method::Invite, 101.., Some(dialog)) = (request.method(), reply.code, server.dialog) {
            if reliable::is_reliable(request, &reply) {
                return self.respond_reliably(now, id, dialog, reply);
            }
            if self.hold(id, dialog, &reply)? {
                return Ok(());
            }
        }
        let server = self.servers.get_mut(id).ok_or(GONE)?;
        let request = server.request.take().ok_or(GONE)?;
        let (reply_to, tag, dialog, in_dialog) = (server.reply_to, server.tag.clone(), server.dialog, server.in_dialog);
        if has_contact(request.method(), reply.code) {
            reply.contact = ContactPolicy::Dialog;
        }
        let mut response = self.render(&reply_to, &request, &tag, &reply);
        let fits = response.bytes().len() <= limits::MESSAGE_BYTES;
        if !fits {
            reply = Reply::new(if reply.code < 200 { reply.code } else { 500 });
            response = self.render(&reply_to, &request, &tag, &reply);
        }
        if let Some(server) = self.servers.get_mut(id) {
            server.machine.respond(now, reply.code, response.bytes().clone());
        }
        self.drain_server(id);
        if reply.code < 200 {
            if let Some(server) = self.servers.get_mut(id) {
                server.request = Some(request);
            }
        } else if let Some(dialog) = dialog {
            self.answered(now, dialog, &request, &response, (reply_to, in_dialog));
            if *request.method() == Method::Prack {
                self.prack_answered(now, id, dialog);
            }
        }
        match fits {
            true => Ok(()),
            false => Err(Error::Misuse { what: "a message that no datagram can hold" }),
        }
    }

    /// What a final answer of ours does to the dialog.
    fn answered(
        &mut self,
        now: Instant,
        id: DialogId,
        request: &Request,
        response: &Response,
        (flow, in_dialog): (Flow, bool),
    ) {
        let code = response.code();
        let without_news = response.headers().get(&Name::ReferSub).is_some_and(|sub| sub.starts_with(b"false"));
        let Some(dialog) = self.dialogs.get_mut(id) else { return };
        if code < 300 {
            dialog.refresh(request);
        }
        let (asked, described) = (!request.body().is_empty(), !response.body().is_empty());
        dialog.answered_by_us(request.method(), code, asked, described);
        match (request.method(), code) {
            (Method::Invite, 200..=299) => {
                if dialog.stage == Stage::Early {
                    dialog.stage = Stage::Confirmed;
                }
                dialog.invited = None;
                let Ok(cseq) = request.cseq() else { return };
                let answer = Answer::new(now, &self.config.timers, response.bytes().clone(), flow, cseq.number);
                let old = dialog.answers_due();
                dialog.answers.reserve_exact(1);
                dialog.answers.push(answer);
                let new = dialog.answers_due();
                self.deadlines.set(Timer::Answer(id), old, new);
                self.stop_provisional(now, id);
            }
            (Method::Invite, _) if in_dialog => {
                dialog.invited = None;
                self.stop_provisional(now, id);
            }
            (Method::Invite, _) => self.forget(id),
            (Method::Update, _) => dialog.updated = None,
            (Method::Bye, _) => {
                self.refuse_pending(now, id);
                self.end_session(now, id);
            }
            // The peer now waits for news, unless we have said that there will be none (RFC 4488 §4).
            (Method::Refer, 200..=299) => dialog.referred = !without_news,
            _ => {}
        }
    }

    /// An INVITE that is not answered when its dialog ends gets 487 (RFC 3261 §15.1.2).
    pub(super) fn refuse_pending(&mut self, now: Instant, id: DialogId) {
        if let Some(invite) = self.dialogs.get_mut(id).and_then(|dialog| dialog.invited.take()) {
            let _ = self.respond(now, invite, Reply::new(487));
        }
    }

    /// Carries out what a server machine asks for.
    pub(super) fn drain_server(&mut self, id: ServerId) {
        while let Some(server) = self.servers.get_mut(id) {
            match server.machine.poll_output() {
                Some(ServerOutput::Send(bytes)) => {
                    let flow = server.reply_to;
                    self.transmit(flow, bytes);
                }
                Some(ServerOutput::Terminated) => {
                    if let Some(server) = self.servers.remove(id) {
                        self.deadlines.clear(Timer::Server(id), server.due);
                    }
                }
                None => break,
            }
        }
        self.schedule_server(id);
    }
}

/// Whether our answer carries our Contact: it makes a dialog, or moves the peer's target (RFC 3261 §12.1.1, RFC 3311 §5.2,
/// RFC 3515 §2.2, RFC 6665 §4.2.1.1).
fn has_contact(method: &Method, code: u16) -> bool {
    match method {
        Method::Invite => (101..300).contains(&code),
        Method::Update | Method::Subscribe | Method::Notify | Method::Refer => (200..300).contains(&code),
        _ => false,
    }
}

/// Whether we can be who a Request-URI names: by `sip:`; by `sips:` when the request came securely, as each hop must be (RFC 3261
/// §26.2.2); by `tel:` when somebody is to be reached (RFC 3966).
fn is_addressable(request: &Request, flow: &Flow) -> bool {
    match request.uri().scheme() {
        Scheme::Sip => true,
        Scheme::Sips => flow.transport.is_secure(),
        Scheme::Tel => matches!(request.method(), Method::Invite | Method::Message | Method::Subscribe),
        Scheme::Other(_) => false,
    }
}

/// 420 when the request requires what we do not know (RFC 3261 §8.2.2.3).
fn unsupported(request: &Request) -> Option<Reply> {
    let required = request.headers().tokens(&Name::Require).ok()?;
    let unknown: Vec<_> = required.iter().filter(|word| !capability::supports(word)).cloned().collect();
    if unknown.is_empty() {
        return None;
    }
    Some(Reply::new(420).header(Name::Unsupported, Unsupported(TokenList(unknown)).to_bytes()))
}
