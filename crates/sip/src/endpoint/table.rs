//! The tables of an endpoint: transactions and dialogs, each found by its key.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use bytes::Bytes;

use super::config::{ClientId, DialogId, ServerId};
use super::timers::Timer;
use crate::dialog::Dialog;
use crate::flow::{Flow, Transmit};
use crate::message::Request;
use crate::transaction::{Client as OtherClient, InviteClient, InviteServer, Server as OtherServer, client, server};
use crate::transaction::{invite_client, invite_server};

/// One request that came in.
pub(super) struct Server {
    pub(super) machine: ServerMachine,
    /// Until the final answer has left.
    pub(super) request: Option<Request>,
    /// Where answers go.
    pub(super) reply_to: Flow,
    /// The port it came from, to which answers need not go.
    pub(super) port: u16,
    pub(super) tag: Bytes,
    /// The dialog an INVITE makes, or the one the request came in.
    pub(super) dialog: Option<DialogId>,
    /// Whether the request came inside its dialog.
    pub(super) in_dialog: bool,
    pub(super) key: Box<[u8]>,
    pub(super) merge_key: Option<Box<[u8]>>,
    pub(super) due: Option<Instant>,
}

impl Server {
    /// The flow it came over.
    pub(super) fn flow(&self) -> Flow {
        let mut flow = self.reply_to;
        flow.remote.set_port(self.port);
        flow
    }
}

pub(super) enum ServerMachine {
    Invite(InviteServer),
    Other(OtherServer),
}

/// What a server machine asks for, of either kind.
pub(super) enum ServerOutput {
    Send(Bytes),
    Terminated,
}

impl ServerMachine {
    pub(super) fn handle_request_again(&mut self, now: Instant) {
        match self {
            ServerMachine::Invite(machine) => machine.handle_request_again(now),
            ServerMachine::Other(machine) => machine.handle_request_again(now),
        }
    }

    pub(super) fn respond(&mut self, now: Instant, code: u16, response: Bytes) {
        match self {
            ServerMachine::Invite(machine) => machine.respond(now, code, response),
            ServerMachine::Other(machine) => machine.respond(now, code, response),
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        match self {
            ServerMachine::Invite(machine) => machine.handle_timeout(now),
            ServerMachine::Other(machine) => machine.handle_timeout(now),
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match self {
            ServerMachine::Invite(machine) => machine.poll_timeout(),
            ServerMachine::Other(machine) => machine.poll_timeout(),
        }
    }

    /// The next output that asks for something to be done. That a refusal of ours got no ACK needs nothing: the dialog is
    /// gone either way. An ACK with the INVITE's own branch is looked up by its dialog like any other.
    pub(super) fn poll_output(&mut self) -> Option<ServerOutput> {
        loop {
            let output = match self {
                ServerMachine::Invite(machine) => match machine.poll_output()? {
                    invite_server::Output::Send(bytes) => Some(ServerOutput::Send(bytes)),
                    invite_server::Output::Terminated => Some(ServerOutput::Terminated),
                    invite_server::Output::Acked
                    | invite_server::Output::AckTimeout
                    | invite_server::Output::TransportFailed => None,
                },
                ServerMachine::Other(machine) => match machine.poll_output()? {
                    server::Output::Send(bytes) => Some(ServerOutput::Send(bytes)),
                    server::Output::Terminated => Some(ServerOutput::Terminated),
                    server::Output::TransportFailed => None,
                },
            };
            if output.is_some() {
                return output;
            }
        }
    }
}

/// Server transactions.
#[derive(Default)]
pub(super) struct Servers {
    next: u64,
    by_id: HashMap<ServerId, Server>,
    by_key: HashMap<Box<[u8]>, ServerId>,
    by_merge_key: HashMap<Box<[u8]>, ServerId>,
}

impl Servers {
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn insert(&mut self, server: Server) -> ServerId {
        let id = ServerId(self.next);
        self.next += 1;
        self.by_key.insert(server.key.clone(), id);
        if let Some(key) = &server.merge_key {
            self.by_merge_key.insert(key.clone(), id);
        }
        self.by_id.insert(id, server);
        id
    }

    pub(super) fn find(&self, key: &[u8]) -> Option<ServerId> {
        self.by_key.get(key).copied()
    }

    pub(super) fn is_merged(&self, merge_key: &[u8]) -> bool {
        self.by_merge_key.contains_key(merge_key)
    }

    pub(super) fn get(&self, id: ServerId) -> Option<&Server> {
        self.by_id.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: ServerId) -> Option<&mut Server> {
        self.by_id.get_mut(&id)
    }

    pub(super) fn remove(&mut self, id: ServerId) -> Option<Server> {
        let server = self.by_id.remove(&id)?;
        self.by_key.remove(&server.key);
        if let Some(key) = &server.merge_key {
            self.by_merge_key.remove(key);
        }
        Some(server)
    }
}

/// One request of ours.
pub(super) struct Client {
    pub(super) machine: ClientMachine,
    pub(super) request: Request,
    pub(super) branch: Bytes,
    pub(super) flow: Flow,
    pub(super) purpose: Purpose,
    /// The CANCEL that was sent for it; it has the same branch.
    pub(super) cancelled_by: Option<ClientId>,
    /// Whether it wants to hear when its flow fails.
    pub(super) exposed: bool,
    /// Its Call-ID, when it is an INVITE outside of a dialog.
    pub(super) call_id: Option<Bytes>,
    pub(super) due: Option<Instant>,
}

/// What a request of ours is for.
pub(super) enum Purpose {
    /// An INVITE that makes dialogs.
    Invite {
        /// One for each To tag that answered; they outlive their dialogs.
        forks: Vec<Fork>,
        cancel: Cancel,
        /// Whether a final answer has come.
        answered: bool,
    },
    /// An INVITE inside a dialog.
    Reinvite {
        dialog: DialogId,
        cancel: Cancel,
        answered: bool,
        /// Without a final answer by then, nobody waits any longer.
        give_up_at: Instant,
        /// The ACK for its 2xx.
        ack: Option<Transmit>,
    },
    /// Any other request inside a dialog.
    InDialog { dialog: DialogId, ends_it: bool },
    /// Any other request outside of one.
    Alone,
    /// A CANCEL, or a PRACK that the endpoint sent by itself: its answer tells nothing.
    Unheard,
}

/// One branch that answered an INVITE of ours.
pub(super) struct Fork {
    pub(super) tag: Bytes,
    pub(super) dialog: DialogId,
    /// The ACK for its 2xx, for when the 2xx comes again.
    pub(super) ack: Option<Transmit>,
}

/// Whether an INVITE of ours is being cancelled (RFC 3261 §9.1).
pub(super) enum Cancel {
    /// Not asked for.
    No,
    /// Waits for the first provisional answer, before which no CANCEL may be sent.
    Waiting { reason: Option<Bytes> },
    /// Sent. Without a final answer by then, the INVITE counts as ended.
    Sent { give_up_at: Instant },
}

/// An INVITE transaction or another.
pub(super) enum ClientMachine {
    Invite { machine: InviteClient, ringing: bool },
    Other(OtherClient),
}

pub(super) enum ClientOutput {
    Send(Bytes),
    Deliver,
    Timeout,
    TransportFailed,
    Terminated,
}

impl ClientMachine {
    pub(super) fn handle_transport_error(&mut self, now: Instant) {
        match self {
            ClientMachine::Invite { machine, .. } => machine.handle_transport_error(now),
            ClientMachine::Other(machine) => machine.handle_transport_error(now),
        }
    }

    pub(super) fn handle_closed(&mut self, now: Instant) {
        match self {
            ClientMachine::Invite { machine, .. } => machine.handle_closed(now),
            ClientMachine::Other(machine) => machine.handle_transport_error(now),
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        match self {
            ClientMachine::Invite { machine, .. } => machine.handle_timeout(now),
            ClientMachine::Other(machine) => machine.handle_timeout(now),
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match self {
            ClientMachine::Invite { machine, .. } => machine.poll_timeout(),
            ClientMachine::Other(machine) => machine.poll_timeout(),
        }
    }

    pub(super) fn poll_output(&mut self) -> Option<ClientOutput> {
        Some(match self {
            ClientMachine::Invite { machine, .. } => match machine.poll_output()? {
                invite_client::Output::Send(bytes) => ClientOutput::Send(bytes),
                invite_client::Output::Deliver => ClientOutput::Deliver,
                invite_client::Output::Timeout => ClientOutput::Timeout,
                invite_client::Output::TransportFailed => ClientOutput::TransportFailed,
                invite_client::Output::Terminated => ClientOutput::Terminated,
            },
            ClientMachine::Other(machine) => match machine.poll_output()? {
                client::Output::Send(bytes) => ClientOutput::Send(bytes),
                client::Output::Deliver => ClientOutput::Deliver,
                client::Output::Timeout => ClientOutput::Timeout,
                client::Output::TransportFailed => ClientOutput::TransportFailed,
                client::Output::Terminated => ClientOutput::Terminated,
            },
        })
    }
}

impl Client {
    /// When this transaction wants to be woken: its machine's deadline, or the end of our patience.
    pub(super) fn wants(&self) -> Option<Instant> {
        [self.machine.poll_timeout(), self.give_up_at()].into_iter().flatten().min()
    }

    /// When an INVITE without a final answer counts as ended: some time after its CANCEL, and inside a dialog anyhow.
    pub(super) fn give_up_at(&self) -> Option<Instant> {
        match &self.purpose {
            Purpose::Invite { cancel: Cancel::Sent { give_up_at }, answered: false, .. } => Some(*give_up_at),
            Purpose::Reinvite { cancel: Cancel::Sent { give_up_at: sooner }, answered: false, give_up_at, .. } => {
                Some(*sooner.min(give_up_at))
            }
            Purpose::Reinvite { answered: false, give_up_at, .. } => Some(*give_up_at),
            _ => None,
        }
    }

    /// Keeps the ACK of a 2xx.
    pub(super) fn keep_ack(&mut self, of: DialogId, transmit: &Transmit) {
        match &mut self.purpose {
            Purpose::Invite { forks, .. } => {
                if let Some(fork) = forks.iter_mut().find(|fork| fork.dialog == of) {
                    fork.ack = Some(transmit.clone());
                }
            }
            Purpose::Reinvite { ack, .. } => *ack = Some(transmit.clone()),
            Purpose::InDialog { .. } | Purpose::Alone | Purpose::Unheard => {}
        }
    }
}

/// Client transactions.
#[derive(Default)]
pub(super) struct Clients {
    next: u64,
    by_id: HashMap<ClientId, Client>,
    /// Those that something on its way to the flow, or from it, still matters to.
    by_flow: BTreeSet<(Flow, ClientId)>,
    /// INVITEs outside of a dialog; should two have one Call-ID, the later one.
    by_call_id: HashMap<Bytes, ClientId>,
}

impl Clients {
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn next_id(&mut self) -> ClientId {
        self.next += 1;
        ClientId(self.next)
    }

    pub(super) fn insert(&mut self, id: ClientId, client: Client) {
        self.by_flow.insert((client.flow, id));
        if let Some(call_id) = &client.call_id {
            self.by_call_id.insert(call_id.clone(), id);
        }
        self.by_id.insert(id, client);
    }

    /// Our INVITE with this Call-ID.
    pub(super) fn of_call(&self, call_id: &Bytes) -> Option<&Client> {
        self.by_id.get(self.by_call_id.get(call_id)?)
    }

    pub(super) fn get(&self, id: ClientId) -> Option<&Client> {
        self.by_id.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: ClientId) -> Option<&mut Client> {
        self.by_id.get_mut(&id)
    }

    /// Notes which CANCEL belongs to which INVITE.
    pub(super) fn pair(&mut self, invite: ClientId, cancel: ClientId) {
        if let Some(invite) = self.by_id.get_mut(&invite) {
            invite.cancelled_by = Some(cancel);
        }
    }

    pub(super) fn remove(&mut self, id: ClientId) -> Option<Client> {
        self.settle(id);
        let client = self.by_id.remove(&id)?;
        if let Some(call_id) = client.call_id.as_ref().filter(|call_id| self.by_call_id.get(*call_id) == Some(&id)) {
            self.by_call_id.remove(call_id);
        }
        Some(client)
    }

    /// What happens to its flow is nothing to a transaction any more.
    pub(super) fn settle(&mut self, id: ClientId) {
        if let Some(client) = self.by_id.get_mut(&id)
            && std::mem::take(&mut client.exposed)
        {
            self.by_flow.remove(&(client.flow, id));
        }
    }

    /// The transactions that wait for something from a flow.
    pub(super) fn on_flow(&self, flow: &Flow) -> Vec<ClientId> {
        self.by_flow.range((*flow, ClientId(0))..=(*flow, ClientId(u64::MAX))).map(|(_, id)| *id).collect()
    }
}

/// Dialogs.
#[derive(Default)]
pub(super) struct Dialogs {
    next: u64,
    by_id: HashMap<DialogId, Dialog>,
    by_tags: HashMap<(Bytes, Bytes), DialogId>,
    by_flow: BTreeSet<(Flow, DialogId)>,
}

impl Dialogs {
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn insert(&mut self, dialog: Dialog) -> DialogId {
        self.next += 1;
        let id = DialogId(self.next);
        self.by_tags.insert((dialog.local_tag.clone(), dialog.remote_tag.clone()), id);
        self.by_flow.insert((dialog.flow, id));
        self.by_id.insert(id, dialog);
        id
    }

    /// Lets a dialog live on another flow.
    pub(super) fn move_to(&mut self, id: DialogId, flow: Flow) {
        let Some(dialog) = self.by_id.get_mut(&id).filter(|dialog| dialog.flow != flow) else { return };
        self.by_flow.remove(&(dialog.flow, id));
        dialog.flow = flow;
        self.by_flow.insert((flow, id));
    }

    /// The dialogs that live on a flow.
    pub(super) fn on_flow(&self, flow: &Flow) -> Vec<DialogId> {
        self.by_flow.range((*flow, DialogId(0))..=(*flow, DialogId(u64::MAX))).map(|(_, id)| *id).collect()
    }

    /// The dialog with these tags and this Call-ID (RFC 3261 §12.2.2).
    pub(super) fn find(&self, call_id: &Bytes, local_tag: Bytes, remote_tag: Bytes) -> Option<DialogId> {
        let id = *self.by_tags.get(&(local_tag, remote_tag))?;
        self.by_id.get(&id).filter(|dialog| dialog.call_id == call_id)?;
        Some(id)
    }

    pub(super) fn get(&self, id: DialogId) -> Option<&Dialog> {
        self.by_id.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: DialogId) -> Option<&mut Dialog> {
        self.by_id.get_mut(&id)
    }

    pub(super) fn remove(&mut self, id: DialogId) -> Option<Dialog> {
        let dialog = self.by_id.remove(&id)?;
        self.by_tags.remove(&(dialog.local_tag.clone(), dialog.remote_tag.clone()));
        self.by_flow.remove(&(dialog.flow, id));
        Some(dialog)
    }
}

impl<I> super::Endpoint<I> {
    /// Writes the deadline of a client transaction into the set.
    pub(super) fn schedule_client(&mut self, id: ClientId) {
        if let Some(client) = self.clients.get_mut(id) {
            let wants = client.wants();
            let old = std::mem::replace(&mut client.due, wants);
            self.deadlines.set(Timer::Client(id), old, wants);
        }
    }

    /// Writes the deadline of a server transaction into the set.
    pub(super) fn schedule_server(&mut self, id: ServerId) {
        if let Some(server) = self.servers.get_mut(id) {
            let wants = server.machine.poll_timeout();
            let old = std::mem::replace(&mut server.due, wants);
            self.deadlines.set(Timer::Server(id), old, wants);
        }
    }
}
