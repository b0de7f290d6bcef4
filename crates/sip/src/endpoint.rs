//! Endpoint: ties wire, transactions and dialogs together.
//!
//! ```text
//!  wire ─▶ handle_message ─▶ retransmission? ─▶ dialog? ─▶ gate ─▶ new transaction ─▶ Event ─▶ transaction user
//!  wire ◀─ poll_transmit  ◀─ transaction machine ◀────────────── respond, invite, in_dialog, ack, cancel ◀─┘
//! ```
//!
//! Before a request may make state, a [`Gate`] is asked. What it refuses is answered statelessly: the To tag is a keyed
//! hash of the request, so that a retransmission gets the same answer. Every table is a map by key and every deadline
//! stands in one ordered set; nothing here looks through all of anything.

mod config;
mod incoming;
mod keys;
mod outgoing;
pub(crate) mod reliable;
mod responses;
mod stateless;
mod subscription;
mod table;
mod timers;
mod turned_away;

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

pub use config::{
    Admission, ClientId, ContactPolicy, Counts, DialogId, EndpointConfig, Event, Failure, Gate, OutgoingRequest, Reply,
    Scope, ServerId,
};

pub use turned_away::TurnedAway;

use crate::dialog::{Dialog, DialogState, Stage};
use crate::error::Error;
use crate::flow::{Flow, Transmit};
use crate::message::Message;
use keys::Names;
use table::{Clients, Dialogs, Servers};
use timers::{Deadlines, Timer};

/// One SIP user agent core without the wire: see the module's documentation.
pub struct Endpoint<I> {
    config: EndpointConfig,
    names: Names,
    servers: Servers,
    clients: Clients,
    dialogs: Dialogs,
    deadlines: Deadlines,
    transmits: VecDeque<Transmit>,
    events: VecDeque<Event<I>>,
}

impl<I> Endpoint<I> {
    /// An endpoint without any state.
    pub fn new(config: EndpointConfig) -> Endpoint<I> {
        let mut random = ChaCha8Rng::from_seed(config.seed);
        let names = Names::new(&mut random, config.shard);
        Endpoint {
            config,
            names,
            servers: Servers::default(),
            clients: Clients::default(),
            dialogs: Dialogs::default(),
            deadlines: Deadlines::default(),
            transmits: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// A message came in over a flow.
    pub fn handle_message(&mut self, now: Instant, flow: Flow, message: Message, gate: &mut impl Gate<I>) {
        match message {
            Message::Request(request) => self.handle_request(now, flow, request, gate),
            Message::Response(response) => self.handle_response(now, flow, response),
        }
    }

    /// Nothing can be delivered over a flow at the moment: what has not been answered from there has failed. An INVITE that
    /// rings has arrived and goes on waiting, but not on a WebSocket, over which nothing will come any more.
    pub fn handle_transport_error(&mut self, now: Instant, flow: Flow) {
        for id in self.clients.on_flow(&flow) {
            let Some(client) = self.clients.get_mut(id) else { continue };
            match responses::is_websocket(flow.transport) {
                true => client.machine.handle_closed(now),
                false => client.machine.handle_transport_error(now),
            }
            self.drain_client(now, id, None);
        }
    }

    /// The phone that was reached over one flow has come back over another: its dialogs go on there, and so do the answers
    /// that it still waits for. Says how many dialogs there were.
    pub fn move_flow(&mut self, old: Flow, new: Flow) -> usize {
        let moved = self.dialogs.on_flow(&old);
        for id in &moved {
            self.move_dialog(*id, new);
        }
        moved.len()
    }

    /// The next message to be sent.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// The next thing the transaction user should hear.
    pub fn poll_event(&mut self) -> Option<Event<I>> {
        self.events.pop_front()
    }

    /// How much state there is.
    pub fn counts(&self) -> Counts {
        Counts {
            server_transactions: self.servers.len(),
            client_transactions: self.clients.len(),
            dialogs: self.dialogs.len(),
        }
    }

    /// A dialog, while it lives.
    pub fn dialog(&self, id: DialogId) -> Option<&Dialog> {
        self.dialogs.get(id)
    }

    /// The dialog with this Call-ID, our tag and the peer's, early ones included, whoever made it (RFC 3891 §3, RFC 3911 §4,
    /// RFC 4538 §3). The tag `0` stands for a peer without one, too.
    pub fn find_dialog(&self, call_id: &Bytes, local_tag: &Bytes, remote_tag: &Bytes) -> Option<DialogId> {
        let found = self.dialogs.find(call_id, local_tag.clone(), remote_tag.clone());
        found.or_else(|| match remote_tag.as_ref() {
            b"0" => self.dialogs.find(call_id, local_tag.clone(), Bytes::new()),
            _ => None,
        })
    }

    /// From now on requests in a dialog travel over this flow, and so do the answers that its peer still waits for: it has come
    /// back there.
    pub fn move_dialog(&mut self, id: DialogId, flow: Flow) {
        let Some(old) = self.dialogs.get(id).map(|dialog| dialog.flow) else { return };
        self.dialogs.move_to(id, flow);
        let Some(dialog) = self.dialogs.get_mut(id) else { return };
        for answer in dialog.answers.iter_mut().filter(|answer| answer.flow == old) {
            answer.flow = flow;
        }
        let invited = dialog.invited.and_then(|invited| self.servers.get_mut(invited));
        if let Some(invite) = invited.filter(|invite| invite.flow() == old) {
            invite.reply_to = flow;
            invite.port = flow.remote.port();
        }
    }

    /// A confirmed dialog as a plain value, to be kept over a restart.
    pub fn export_dialog(&self, id: DialogId) -> Option<DialogState> {
        self.dialogs.get(id)?.state()
    }

    /// A dialog of an earlier life.
    ///
    /// # Errors
    /// The value cannot be read, a dialog with the same ids is there already, or there are too many.
    pub fn restore_dialog(&mut self, state: &DialogState) -> Result<DialogId, Error> {
        let dialog = Dialog::of_state(state)?;
        let known = self.dialogs.find(&dialog.call_id, dialog.local_tag.clone(), dialog.remote_tag.clone());
        if known.is_some() || self.dialogs.len() >= self.config.max_dialogs {
            return Err(Error::Misuse { what: "a dialog for which there is no room" });
        }
        Ok(self.dialogs.insert(dialog))
    }

    /// Drops a dialog without a word. One whose session is over, and which still has to tell what became of a REFER, stays
    /// until it has, 64·T1 at most; one whose 2xx never left, because a PRACK was awaited, until the INVITE is refused.
    pub fn forget(&mut self, id: DialogId) {
        let lingers = self.dialogs.get(id).is_some_and(|dialog| dialog.stage == Stage::Lingering);
        if !lingers && self.withdraw_held(id).is_none() {
            self.drop_dialog(id);
        }
    }

    fn drop_dialog(&mut self, id: DialogId) {
        if let Some(dialog) = self.dialogs.remove(id) {
            self.deadlines.clear(Timer::Answer(id), dialog.answers_due());
            self.deadlines.clear(Timer::Lingering(id), dialog.gone_at);
            self.deadlines.clear(Timer::Provisional(id), dialog.reliable.and_then(|reliable| reliable.due));
        }
    }

    fn transmit(&mut self, flow: Flow, bytes: Bytes) {
        self.transmits.push_back(Transmit { flow, bytes });
    }
}
