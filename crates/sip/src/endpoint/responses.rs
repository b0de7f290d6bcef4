//! Answers to requests of ours, and requests of ours that get none.

use std::time::Instant;

use bytes::Bytes;

use super::Endpoint;
use super::config::{ClientId, DialogId, Event, Failure};
use super::keys::Names;
use super::reliable::Order;
use super::table::{ClientMachine, ClientOutput, Fork, Purpose};
use super::timers::Timer;
use crate::builder::RequestBuilder;
use crate::dialog::{Dialog, Stage};
use crate::flow::{Flow, Transport};
use crate::header::{CSeq, MaxForwards, Name, Via};
use crate::limits;
use crate::message::{Request, Response};
use crate::method::Method;

impl<I> Endpoint<I> {
    pub(super) fn handle_response(&mut self, now: Instant, flow: Flow, response: Response) {
        if response.validate().is_err() || response.headers().values(&Name::Via).count() != 1 {
            return;
        }
        let (Ok(via), Ok(cseq)) = (response.via(), response.cseq()) else { return };
        let Some(id) = self.client_of(&via, &cseq.method) else { return };
        let Some(client) = self.clients.get_mut(id) else { return };
        if !comes_back(&client.flow, &flow) || client.request.cseq().ok().as_ref() != Some(&cseq) {
            return;
        }
        let request = &client.request;
        match &mut client.machine {
            ClientMachine::Invite { machine, ringing } => {
                machine.handle_response(now, response.code(), || ack_of_refusal(request, &response));
                *ringing |= response.code() < 200;
            }
            ClientMachine::Other(machine) => machine.handle_response(now, response.code()),
        }
        let proceeds = matches!(client.machine, ClientMachine::Invite { .. }) && !is_websocket(client.flow.transport);
        if response.code() >= 200 || proceeds {
            self.clients.settle(id);
        }
        self.drain_client(now, id, Some((&response, flow)));
        if response.code() < 200 {
            self.send_cancel(now, id);
        }
    }

    /// The transaction an answer belongs to: its branch names it; a CANCEL shares the branch of its INVITE.
    fn client_of(&self, via: &Via, method: &Method) -> Option<ClientId> {
        let branch = via.branch()?;
        let id = Names::client_of(&branch)?;
        let client = self.clients.get(id)?;
        if client.branch != branch {
            return None;
        }
        if *method == Method::Cancel { client.cancelled_by } else { Some(id) }
    }

    /// Carries out what a client machine asks for. `response` is the one just handled.
    pub(super) fn drain_client(&mut self, now: Instant, id: ClientId, response: Option<(&Response, Flow)>) {
        while let Some(client) = self.clients.get_mut(id) {
            let flow = client.flow;
            match client.machine.poll_output() {
                Some(ClientOutput::Send(bytes)) => self.transmit(flow, bytes),
                Some(ClientOutput::Deliver) => {
                    if let Some((response, flow)) = response {
                        self.deliver(now, id, response, flow);
                    }
                }
                Some(ClientOutput::Timeout) => self.failed(now, id, Failure::Timeout),
                Some(ClientOutput::TransportFailed) => self.failed(now, id, Failure::Transport),
                Some(ClientOutput::Terminated) => self.end_client(id),
                None => break,
            }
        }
        self.schedule_client(id);
    }

    /// A transaction is over, and with it the dialogs of branches that rang and were never answered (§13.2.2.4).
    fn end_client(&mut self, id: ClientId) {
        self.forget_early(id);
        if let Some(client) = self.clients.remove(id) {
            self.deadlines.clear(Timer::Client(id), client.due);
        }
    }

    /// A client transaction's deadline has come: its machine's, or the end of patience with an INVITE.
    pub(super) fn client_due(&mut self, now: Instant, id: ClientId) {
        let Some(client) = self.clients.get_mut(id) else { return };
        client.due = None;
        if client.give_up_at().is_some_and(|at| now >= at) {
            self.failed(now, id, Failure::Timeout);
            self.end_client(id);
            return;
        }
        client.machine.handle_timeout(now);
        self.drain_client(now, id, None);
    }

    /// Passes an answer on, after it has done to its dialog what it does.
    fn deliver(&mut self, now: Instant, id: ClientId, response: &Response, flow: Flow) {
        let code = response.code();
        let Some(client) = self.clients.get_mut(id) else { return };
        let dialog = match &mut client.purpose {
            Purpose::Unheard => return,
            Purpose::Alone if code < 200 => return,
            Purpose::Alone => None,
            Purpose::Invite { .. } if code == 100 => return,
            Purpose::Invite { answered, .. } => {
                let first = code >= 200 && !*answered;
                *answered |= code >= 200;
                match self.of_invite(now, id, response) {
                    Outcome::News(dialog) => dialog,
                    // Its dialog has ended before it came, by a BYE that overtook it, or there are too many: the INVITE has its
                    // end all the same.
                    Outcome::Known if first => None,
                    Outcome::Known => return,
                }
            }
            Purpose::Reinvite { dialog, answered: false, .. } if code < 200 => {
                let (dialog, asked) = (*dialog, !client.request.body().is_empty());
                match self.provisional_in_dialog(now, dialog, asked, response) {
                    true => Some(dialog),
                    false => return,
                }
            }
            Purpose::Reinvite { .. } if code < 200 => return,
            // The 2xx once more.
            Purpose::Reinvite { answered: true, ack, .. } => return self.transmits.extend(ack.clone()),
            Purpose::Reinvite { dialog, answered, .. } => {
                *answered = true;
                let (dialog, asked) = (*dialog, !client.request.body().is_empty());
                self.of_reinvite(dialog, asked, response);
                Some(dialog)
            }
            Purpose::InDialog { .. } if code < 200 => return,
            Purpose::InDialog { dialog, ends_it } => {
                let (dialog, ends_it) = (*dialog, *ends_it);
                let (method, asked) = (client.request.method(), !client.request.body().is_empty());
                if ends_it {
                    self.end_session(now, dialog);
                } else if let Some(dialog) = self.dialogs.get_mut(dialog) {
                    dialog.answered_by_peer(method, code, asked, !response.body().is_empty());
                    dialog.updating &= *method != Method::Update;
                    if refreshes(method) && code < 300 {
                        dialog.retarget(response);
                    }
                }
                Some(dialog)
            }
        };
        self.events.push_back(Event::Response { id, dialog, response: response.clone(), flow });
    }

    /// An answer to an INVITE that makes dialogs.
    fn of_invite(&mut self, now: Instant, id: ClientId, response: &Response) -> Outcome {
        let code = response.code();
        if code >= 300 {
            self.forget_early(id);
            return Outcome::News(None);
        }
        let tag = response.to().ok().and_then(|to| to.tag());
        let Some(client) = self.clients.get_mut(id) else { return Outcome::Known };
        let (asked, described) = (!client.request.body().is_empty(), !response.body().is_empty());
        let number = client.request.cseq().map_or(0, |cseq| cseq.number);
        let Purpose::Invite { forks, .. } = &mut client.purpose else { return Outcome::Known };
        let tag = match tag {
            Some(tag) => tag,
            None if code < 200 => return Outcome::News(None),
            None => Bytes::new(),
        };
        let known = forks.iter().find(|fork| fork.tag == tag).map(|fork| (fork.dialog, &fork.ack));
        let id = if let Some((id, ack)) = known {
            if self.dialogs.get(id).is_none_or(|dialog| dialog.stage != Stage::Early) {
                // The 2xx once more, perhaps after the dialog it made has ended.
                self.transmits.extend(ack.clone().filter(|_| code >= 200));
                return Outcome::Known;
            }
            id
        } else {
            if forks.len() >= limits::FORKS {
                return Outcome::Known;
            }
            let Ok(dialog) = Dialog::of_response(id, &client.request, response, client.flow) else {
                return Outcome::Known;
            };
            let dialog = self.dialogs.insert(dialog);
            forks.push(Fork { tag, dialog, ack: None });
            dialog
        };
        let order = if code < 200 { self.order_of(id, number, response) } else { Order::Unreliable };
        if order == Order::Other {
            return Outcome::Known;
        }
        if let Some(dialog) = self.dialogs.get_mut(id) {
            dialog.learn(response);
            if code >= 200 {
                dialog.answered_by_peer(&Method::Invite, code, asked, described);
            }
        }
        self.take_provisional(now, id, number, (order, asked, described));
        Outcome::News(Some(id))
    }

    /// A provisional answer to an INVITE inside a dialog: of interest only when it brings an offer.
    fn provisional_in_dialog(&mut self, now: Instant, id: DialogId, asked: bool, response: &Response) -> bool {
        let number = response.cseq().map_or(0, |cseq| cseq.number);
        let order = self.order_of(id, number, response);
        self.take_provisional(now, id, number, (order, asked, !response.body().is_empty()));
        matches!(order, Order::Next(_)) && self.dialogs.get(id).is_some_and(|dialog| dialog.unpracked.is_some())
    }

    /// A final answer to an INVITE inside a dialog.
    fn of_reinvite(&mut self, id: DialogId, asked: bool, response: &Response) {
        let Some(dialog) = self.dialogs.get_mut(id) else { return };
        dialog.answered_by_peer(&Method::Invite, response.code(), asked, !response.body().is_empty());
        dialog.inviting = false;
        if response.code() < 300 {
            dialog.learn(response);
        } else {
            dialog.invite = None;
        }
    }

    /// Without a 2xx the dialogs that only rang are gone.
    fn forget_early(&mut self, id: ClientId) {
        let forks = match self.clients.get_mut(id).map(|client| &mut client.purpose) {
            Some(Purpose::Invite { forks, .. }) => std::mem::take(forks),
            _ => return,
        };
        for fork in forks {
            if self.dialogs.get(fork.dialog).is_some_and(|dialog| dialog.stage == Stage::Early) {
                self.forget(fork.dialog);
            }
        }
    }

    /// A request of ours ends without an answer.
    fn failed(&mut self, now: Instant, id: ClientId, why: Failure) {
        let Some(client) = self.clients.get_mut(id) else { return };
        let dialog = match &mut client.purpose {
            Purpose::Unheard => return,
            // That an ACK could not be delivered changes nothing.
            Purpose::Invite { answered: true, .. } | Purpose::Reinvite { answered: true, .. } => return,
            Purpose::Alone => None,
            Purpose::Invite { answered, .. } => {
                *answered = true;
                self.forget_early(id);
                None
            }
            Purpose::Reinvite { dialog, answered, .. } => {
                *answered = true;
                let (dialog, asked) = (*dialog, !client.request.body().is_empty());
                if let Some(dialog) = self.dialogs.get_mut(dialog) {
                    dialog.inviting = false;
                    dialog.invite = None;
                    dialog.answered_by_peer(&Method::Invite, 408, asked, false);
                }
                Some(dialog)
            }
            Purpose::InDialog { dialog, ends_it } => {
                let (dialog, ends_it) = (*dialog, *ends_it);
                let (method, asked) = (client.request.method(), !client.request.body().is_empty());
                if ends_it {
                    self.end_session(now, dialog);
                } else if let Some(dialog) = self.dialogs.get_mut(dialog) {
                    dialog.answered_by_peer(method, 408, asked, false);
                    dialog.updating &= *method != Method::Update;
                }
                Some(dialog)
            }
        };
        self.events.push_back(Event::Failed { id, dialog, why });
    }
}

/// Whether an answer comes from where the request went; from elsewhere it is nobody's. Over UDP and from a peer that may open
/// connections to us it may come from another port (RFC 3261 §18.1.2, §18.2.2), but not from another address: a peer with
/// several must answer from the one it is known by. A WebSocket is the only way to and from its browser.
fn comes_back(sent: &Flow, came: &Flow) -> bool {
    match sent.transport {
        Transport::Udp => sent.remote.ip() == came.remote.ip(),
        Transport::Tcp | Transport::Tls => came.transport == sent.transport && sent.remote.ip() == came.remote.ip(),
        Transport::Ws | Transport::Wss => sent == came,
    }
}

/// Whether the peer cannot be reached, and cannot reach us, but over the flow that is there (RFC 7118 §5).
pub(super) fn is_websocket(transport: Transport) -> bool {
    matches!(transport, Transport::Ws | Transport::Wss)
}

/// Whether the answer to a request of ours that is no INVITE may move the peer's target (RFC 3311 §5.1, RFC 6665 §4.4.1).
fn refreshes(method: &Method) -> bool {
    matches!(method, Method::Update | Method::Subscribe | Method::Notify)
}

/// What an answer to an INVITE turned out to be.
enum Outcome {
    /// Something the transaction user should hear.
    News(Option<DialogId>),
    /// A repetition, or one dialog too many.
    Known,
}

/// The ACK for a 300–699 (RFC 3261 §17.1.1.3): the INVITE's own branch, the To of the answer.
fn ack_of_refusal(invite: &Request, response: &Response) -> Bytes {
    let headers = invite.headers();
    let number = invite.cseq().map(|cseq| cseq.number).unwrap_or_default();
    RequestBuilder::new(Method::Ack, invite.uri())
        .copy(headers, &Name::Via)
        .header(&MaxForwards(70))
        .copy(headers, &Name::Route)
        .copy(headers, &Name::From)
        .copy(response.headers(), &Name::To)
        .copy(headers, &Name::CallId)
        .header(&CSeq { number, method: Method::Ack })
        .build()
        .bytes()
        .clone()
}
