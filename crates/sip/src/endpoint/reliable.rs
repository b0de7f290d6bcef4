//! Reliable provisional answers (RFC 3262), each side by itself.
//!
//! What we answer between 101 and 199 goes out reliably when it has a body and the caller knows 100rel, or when the caller
//! requires it. A 2xx waits until what the caller has been told of the session is known to have arrived. Reliable answers to
//! an INVITE of ours are acknowledged here, in their order, unless they bring an offer: the answer to that is the
//! transaction user's to give.

use std::time::Instant;

use bytes::Bytes;

use super::Endpoint;
use super::config::{ContactPolicy, DialogId, Event, Reply, ServerId};
use super::table::Purpose;
use super::timers::Timer;
use crate::capability::ALLOW;
use crate::dialog::{Offer, Prepared};
use crate::error::Error;
use crate::flow::Flow;
use crate::header::{Header, Name, RAck, RSeq};
use crate::limits;
use crate::message::{Headers, Request, Response};
use crate::method::Method;
use crate::transaction::Timers;
use crate::transaction::provisional::{Answer, Output, Provisional};

const TAG: &[u8] = b"100rel";

/// What an INVITE whose reliable answer was never acknowledged gets (RFC 3262 §3).
const NO_PRACK: u16 = 504;

/// What an INVITE gets whose 2xx was held back when its dialog was ended.
const WITHDRAWN: u16 = 480;

/// The reliable provisional answers to the INVITE of a dialog.
#[derive(Clone, Debug)]
pub(crate) struct Reliable {
    machine: Provisional,
    server: ServerId,
    /// Number of the INVITE.
    cseq: u32,
    /// RSeq of the next answer.
    next: u32,
    /// The final answer, as long as it must wait.
    held: Option<Reply>,
    /// The PRACK that brought a description and waits for the user's answer.
    pracking: Option<ServerId>,
    pub(crate) due: Option<Instant>,
}

impl Reliable {
    fn new(timers: &Timers, server: ServerId, cseq: u32, first: u32) -> Reliable {
        let machine = Provisional::new(timers);
        Reliable { machine, server, cseq, next: first, held: None, pracking: None, due: None }
    }

    /// Takes a PRACK; false when nothing waits for it.
    fn handle_prack(&mut self, now: Instant, rack: &RAck) -> bool {
        rack.cseq == self.cseq && rack.method == Method::Invite && self.machine.handle_prack(now, rack.rseq)
    }

    /// Whether a 2xx must wait.
    fn holds(&self) -> bool {
        self.pracking.is_some() || self.machine.holds_success()
    }
}

/// Whether a provisional answer must or should be reliable (RFC 3262 §3).
pub(super) fn is_reliable(request: &Request, reply: &Reply) -> bool {
    if !(101..200).contains(&reply.code) {
        return false;
    }
    let headers = request.headers();
    names_tag(headers, &Name::Require) || reply.body.is_some() && names_tag(headers, &Name::Supported)
}

fn names_tag(headers: &Headers, name: &Name) -> bool {
    headers.values(name).any(|tag| tag.eq_ignore_ascii_case(TAG))
}

/// The RSeq of an answer that asks for a PRACK.
fn number_of(response: &Response) -> Option<u32> {
    let headers = response.headers();
    let number = headers.typed::<RSeq>()?.ok()?.0;
    names_tag(headers, &Name::Require).then_some(number)
}

/// What a provisional answer to an INVITE of ours is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Order {
    /// Of no order.
    Unreliable,
    /// The next of those that ask for a PRACK.
    Next(u32),
    /// A copy, or one that has overtaken another: not to be looked at (RFC 3262 §4).
    Other,
}

impl<I> Endpoint<I> {
    /// Sends a provisional answer reliably, when those before it have arrived.
    pub(super) fn respond_reliably(
        &mut self,
        now: Instant,
        id: ServerId,
        dialog: DialogId,
        mut reply: Reply,
    ) -> Result<(), Error> {
        let misuse = |what| Err(Error::Misuse { what });
        let first = self.names.first_rseq();
        let Some((server, request)) = self.servers.get(id).and_then(|server| Some((server, server.request.as_ref()?)))
        else {
            return misuse("an answer to a request that waits for none");
        };
        let cseq = request.cseq()?.number;
        let Some(known) = self.dialogs.get_mut(dialog) else { return misuse("a dialog that is gone") };
        let reliable = known.reliable.take_if(|reliable| reliable.server == id);
        let reliable = reliable.unwrap_or_else(|| Box::new(Reliable::new(&self.config.timers, id, cseq, first)));
        let reliable = known.reliable.insert(reliable);
        if reliable.held.is_some() {
            return misuse("an answer to a request that waits for none");
        }
        if reliable.machine.is_full() {
            return misuse("too many answers wait for their PRACK");
        }
        let rseq = reliable.next;
        let (described, asked) = (reply.body.is_some(), !request.body().is_empty());
        reply.contact = ContactPolicy::Dialog;
        reply.headers.push((Name::Require, Bytes::from_static(TAG)));
        reply.headers.push((Name::RSeq, RSeq(rseq).to_bytes()));
        if !reply.headers.iter().any(|(name, _)| *name == Name::Allow) {
            reply.headers.push((Name::Allow, Bytes::from_static(ALLOW.as_bytes())));
        }
        let bytes = self.render(&server.reply_to, request, &server.tag, &reply).bytes().clone();
        if bytes.len() > limits::MESSAGE_BYTES {
            return misuse("a message that no datagram can hold");
        }
        let Some(known) = self.dialogs.get_mut(dialog) else { return misuse("a dialog that is gone") };
        known.answered_by_us(&Method::Invite, reply.code, asked, described);
        if let Some(reliable) = &mut known.reliable {
            reliable.next += 1;
            reliable.machine.send(now, Answer { rseq, bytes, described });
        }
        self.advance(now, dialog);
        Ok(())
    }

    /// Whether a final answer has to wait for a PRACK; then it is kept.
    pub(super) fn hold(&mut self, id: ServerId, dialog: DialogId, reply: &Reply) -> Result<bool, Error> {
        let dialog = self.dialogs.get_mut(dialog);
        let reliable = dialog.and_then(|dialog| dialog.reliable.as_mut()).filter(|reliable| reliable.server == id);
        let Some(reliable) = reliable else { return Ok(false) };
        if reply.code >= 300 {
            reliable.held = None;
            return Ok(false);
        }
        if reliable.held.is_some() {
            return Err(Error::Misuse { what: "an answer to a request that waits for none" });
        }
        if reply.code < 200 || !reliable.holds() {
            return Ok(false);
        }
        reliable.held = Some(reply.clone());
        Ok(true)
    }

    /// The final answer has left: nothing provisional is repeated any more.
    pub(super) fn stop_provisional(&mut self, now: Instant, dialog: DialogId) {
        if let Some(reliable) = self.dialogs.get_mut(dialog).and_then(|dialog| dialog.reliable.as_mut()) {
            reliable.machine.stop(now);
            self.schedule_provisional(dialog);
        }
    }

    /// Does what the machine asks for, and sends the final answer when nothing keeps it any more.
    fn advance(&mut self, now: Instant, id: DialogId) {
        while let Some(reliable) = self.dialogs.get_mut(id).and_then(|dialog| dialog.reliable.as_mut()) {
            let server = reliable.server;
            match reliable.machine.poll_output() {
                Some(Output::Send(bytes)) => {
                    if let Some(server) = self.servers.get_mut(server) {
                        server.machine.respond(now, 183, bytes);
                    }
                    self.drain_server(server);
                }
                Some(Output::Timeout) => {
                    let _ = self.respond(now, server, Reply::new(NO_PRACK));
                    self.events.push_back(Event::NoPrack { id: server, dialog: id });
                    return;
                }
                None if reliable.holds() => break,
                None => match reliable.held.take() {
                    Some(reply) => return self.release(now, id, server, reply),
                    None => break,
                },
            }
        }
        self.schedule_provisional(id);
    }

    /// Sends the final answer that had to wait. It is a refusal only where the dialog has been given up meanwhile.
    fn release(&mut self, now: Instant, id: DialogId, server: ServerId, reply: Reply) {
        let given_up = reply.code >= 300;
        let _ = self.respond(now, server, reply);
        if given_up {
            self.drop_dialog(id);
        }
    }

    /// The deadline of a reliable answer has come.
    pub(super) fn provisional_due(&mut self, now: Instant, id: DialogId) {
        let Some(reliable) = self.dialogs.get_mut(id).and_then(|dialog| dialog.reliable.as_mut()) else { return };
        reliable.due = None;
        match reliable.held.take_if(|held| held.code >= 300) {
            Some(refusal) => {
                let server = reliable.server;
                self.release(now, id, server, refusal);
            }
            None => {
                reliable.machine.handle_timeout(now);
                self.advance(now, id);
            }
        }
    }

    fn schedule_provisional(&mut self, id: DialogId) {
        let Some(reliable) = self.dialogs.get_mut(id).and_then(|dialog| dialog.reliable.as_mut()) else { return };
        let wants = reliable.machine.poll_timeout();
        let old = std::mem::replace(&mut reliable.due, wants);
        self.deadlines.set(Timer::Provisional(id), old, wants);
    }

    /// Whether a dialog that is to be ended has a 2xx that never left; its INVITE is refused instead, as soon as may be.
    pub(super) fn withdraw_held(&mut self, id: DialogId) -> Option<ServerId> {
        let reliable = self.dialogs.get_mut(id)?.reliable.as_mut()?;
        let held = reliable.held.as_mut()?;
        *held = Reply::new(WITHDRAWN);
        Some(reliable.server)
    }

    /// The same at once.
    pub(super) fn refuse_held(&mut self, now: Instant, id: DialogId) -> bool {
        let Some(server) = self.withdraw_held(id) else { return false };
        self.respond(now, server, Reply::new(WITHDRAWN)).is_ok()
    }

    /// A PRACK, in order. Without a description it is answered here.
    pub(super) fn pracked(
        &mut self,
        now: Instant,
        flow: Flow,
        id: DialogId,
        request: Request,
        (key, tag): (Box<[u8]>, Bytes),
    ) {
        let described = !request.body().is_empty();
        let rack = request.headers().typed::<RAck>();
        let Some(server) = self.server(now, flow, &request, (key, None), tag, (Some(id), true)) else { return };
        let Some(dialog) = self.dialogs.get_mut(id) else { return };
        let code = match (rack, dialog.reliable.as_mut()) {
            (None | Some(Err(_)), _) => 400,
            (Some(Ok(_)), None) => 481,
            (Some(Ok(rack)), Some(reliable)) => match reliable.handle_prack(now, &rack) {
                true => {
                    reliable.pracking = described.then_some(server);
                    200
                }
                false => 481,
            },
        };
        if code == 200 && described {
            dialog.offered_by_peer(&Method::Prack, true);
            self.schedule_provisional(id);
            self.events.push_back(Event::InDialog { id: server, dialog: id, request, flow });
            return;
        }
        let _ = self.respond(now, server, Reply::new(code));
        self.advance(now, id);
    }

    /// The user has answered a PRACK.
    pub(super) fn prack_answered(&mut self, now: Instant, server: ServerId, id: DialogId) {
        let reliable = self.dialogs.get_mut(id).and_then(|dialog| dialog.reliable.as_mut());
        if reliable.is_some_and(|reliable| reliable.pracking.take_if(|waiting| *waiting == server).is_some()) {
            self.advance(now, id);
        }
    }

    /// Where a provisional answer to INVITE `number` of ours stands among those of its dialog.
    pub(super) fn order_of(&self, id: DialogId, number: u32, response: &Response) -> Order {
        let Some(rseq) = number_of(response) else { return Order::Unreliable };
        match self.dialogs.get(id).and_then(|dialog| dialog.rseq) {
            Some((invite, last)) if invite == number && last.checked_add(1) != Some(rseq) => Order::Other,
            _ if self.transactions() >= self.config.max_transactions.saturating_mul(2) => Order::Other,
            _ => Order::Next(rseq),
        }
    }

    /// Acknowledges a provisional answer, or leaves it to the user when it brings an offer.
    pub(super) fn take_provisional(
        &mut self,
        now: Instant,
        id: DialogId,
        number: u32,
        (order, asked, described): (Order, bool, bool),
    ) {
        let (Order::Next(rseq), Some(dialog)) = (order, self.dialogs.get_mut(id)) else { return };
        let offers = described && !asked && dialog.offer == Offer::None;
        dialog.answered_by_peer(&Method::Invite, 183, asked, described);
        dialog.rseq = Some((number, rseq));
        dialog.unpracked = Some(RAck { rseq, cseq: number, method: Method::Invite });
        if offers {
            return;
        }
        let client = self.clients.next_id();
        let _ = self.send_in_dialog(now, id, Method::Prack, Prepared { id: client, headers: Vec::new(), body: None });
        if let Some(client) = self.clients.get_mut(client) {
            client.purpose = Purpose::Unheard;
        }
    }
}
