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
mod responses;
mod stateless;
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

use crate::dialog::Dialog;
use crate::flow::{Flow, Transmit};
use crate::message::Message;
use keys::Names;
use table::{Clients, Dialogs, Servers};
use timers::Deadlines;

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

    /// Nothing can be delivered over a flow at the moment: what waits for an answer from there has failed.
    pub fn handle_transport_error(&mut self, now: Instant, flow: Flow) {
        for id in self.clients.on_flow(&flow) {
            if let Some(client) = self.clients.get_mut(id) {
                client.machine.handle_transport_error(now);
                self.drain_client(id, None);
            }
        }
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

    /// The dialog with these ids, early ones included: what Replaces, Join and Target-Dialog name.
    pub fn find_dialog(&self, call_id: &Bytes, local_tag: &Bytes, remote_tag: &Bytes) -> Option<DialogId> {
        self.dialogs.find(call_id, local_tag.clone(), remote_tag.clone())
    }

    /// Drops a dialog without a word.
    pub fn forget(&mut self, id: DialogId) {
        if let Some(dialog) = self.dialogs.remove(id)
            && let Some(answer) = dialog.answer
        {
            self.deadlines.clear(timers::Timer::Answer(id), Some(answer.due()));
        }
    }

    fn transmit(&mut self, flow: Flow, bytes: Bytes) {
        self.transmits.push_back(Transmit { flow, bytes });
    }
}
