//! Phones: what stands on the desks of a simulated office.
//!
//! A [`Phone`] obeys the verbs of the machines it tests: datagrams and time go in, datagrams come out. It speaks SIP through rsip, keeps
//! transactions of its own, describes its audio in its own words and computes its own digests, so that a fault of the switch does not
//! hide on both sides. It keeps an account of everything it saw, and of what it could not read.

pub mod audio;
mod change;
pub mod description;
mod fork;
mod incoming;
pub mod letter;
mod message;
mod outgoing;
mod prack;
mod probe;
pub mod session;
mod setup;
pub mod skill;
mod stream;
pub mod subscribe;
pub mod talk;
mod timing;
mod transaction;
mod transfer;
mod update;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use bytes::Bytes;
use rsip::{Request, Response, SipMessage};

use crate::dice::Dice;
use crate::network::Datagram;
use audio::{Sound, Speech};
use description::Hold;
use message::Challenge;
pub use probe::DialogIds;
pub use setup::{Manner, PhoneSetup, Reaction};
use subscribe::{Answer, Told, Watch};
use talk::{Stage, Talk};
use transaction::{Client, Server};

/// RTP ports of a phone begin here.
const FIRST_PORT: u16 = 10_000;

/// A NAT box maps a port to the one this much above.
pub(crate) const NAT_SHIFT: u16 = 20_000;

/// What a phone knows of its registration.
#[derive(Clone, Debug, Default)]
pub struct Registration {
    /// When the binding ends.
    pub until: Option<Instant>,
    /// The last final status of a REGISTER; 408 when none came.
    pub code: Option<u16>,
    /// How many bindings the last 200 listed.
    pub listed: usize,
    refresh_at: Option<Instant>,
    call_id: String,
    cseq: u32,
}

/// A phone.
#[derive(Debug)]
pub struct Phone {
    /// What it was made with.
    pub setup: PhoneSetup,
    /// What it does with incoming calls.
    pub manner: Manner,
    /// Its registration.
    pub registration: Registration,
    /// Its calls, in the order of their beginning.
    pub talks: Vec<Talk>,
    /// What it found wrong with what it got.
    pub complaints: Vec<String>,
    /// What it heard outside of any call, and in which voices.
    pub overheard: Vec<(Instant, Sound)>,
    /// How often it was asked whether it is there.
    pub asked: usize,
    /// Messages it took outside of any call, in order.
    pub letters: Vec<letter::Letter>,
    /// Statuses of its probes, in order; 408 when none came.
    pub probes: Vec<u16>,
    /// Its subscriptions, in the order of their beginning.
    pub watches: Vec<Watch>,
    /// What it was told without having asked.
    pub unasked: Vec<Told>,
    /// Final answers to what it has asked for, in order.
    pub answers: Vec<Answer>,
    speech: Speech,
    dice: Dice,
    challenge: Option<Challenge>,
    clients: Vec<Client>,
    servers: Vec<Server>,
    outbox: VecDeque<Datagram>,
    inbound: stream::Inbound,
    was_cut: bool,
    next_port: u16,
    /// Ports that were its own before its NAT box gave it others.
    left_ports: Vec<u16>,
    is_gone: bool,
}

impl Phone {
    /// A phone that has just been plugged in.
    #[must_use]
    pub fn new(setup: PhoneSetup, seed: u64) -> Phone {
        let mut dice = Dice::new(seed, u64::from(setup.voice.0) + 1);
        let registration =
            Registration { call_id: format!("reg-{:016x}", dice.below(u64::MAX)), ..Registration::default() };
        Phone {
            speech: Speech::new(setup.voice),
            manner: Manner::default(),
            registration,
            talks: Vec::new(),
            complaints: Vec::new(),
            overheard: Vec::new(),
            asked: 0,
            letters: Vec::new(),
            probes: Vec::new(),
            watches: Vec::new(),
            unasked: Vec::new(),
            answers: Vec::new(),
            dice,
            challenge: None,
            clients: Vec::new(),
            servers: Vec::new(),
            outbox: VecDeque::new(),
            inbound: stream::Inbound::default(),
            was_cut: false,
            next_port: FIRST_PORT,
            left_ports: Vec::new(),
            is_gone: false,
            setup,
        }
    }

    /// The call that began last.
    #[must_use]
    pub fn last_talk(&self) -> Option<&Talk> {
        self.talks.last()
    }

    /// Calls that are not over.
    pub fn open_talks(&self) -> impl Iterator<Item = &Talk> {
        self.talks.iter().filter(|talk| talk.stage != Stage::Over)
    }

    /// Whether it has nothing left to send or to wait for.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.is_gone || (self.open_talks().next().is_none() && !self.clients.iter().any(Client::is_open))
    }

    /// A datagram has arrived at one of its ports.
    pub fn handle_datagram(&mut self, now: Instant, datagram: &Datagram) {
        if self.is_gone || self.left_ports.contains(&datagram.to.port()) {
            return;
        }
        if datagram.to == self.setup.address {
            if datagram.from != self.setup.registrar {
                self.complaints.push(format!("SIP from {}", datagram.from));
                return;
            }
            return match self.setup.transport.is_reliable() {
                true => self.handle_stream(now, &datagram.bytes),
                false => self.handle_message(now, &datagram.bytes),
            };
        }
        let port = datagram.to.port() - self.setup.shift();
        let talk = self.talks.iter_mut().rev().find(|talk| talk.port == port || talk.port + 1 == port);
        match talk {
            // Reports of the switch.
            Some(talk) if talk.port + 1 == port => {}
            Some(talk) if talk.stage != Stage::Over => {
                if talk.hear(now, &datagram.bytes).is_none() {
                    self.complaints.push(format!("no RTP from {}", datagram.from));
                }
            }
            Some(talk) => {
                // Audio that was on its way when the call ended.
                let law = datagram.bytes.get(1).and_then(|byte| audio::Law::of_payload_type(byte & 0x7f));
                if let (Some(law), Some(payload)) = (law, datagram.bytes.get(12..)) {
                    let _ = talk;
                    self.overheard.push((now, Sound::of(law, payload)));
                }
            }
            None => self.complaints.push(format!("a packet to port {port}, which no call has")),
        }
    }

    fn handle_message(&mut self, now: Instant, bytes: &Bytes) {
        match message::read(bytes) {
            Ok(SipMessage::Request(request)) => self.handle_request(now, request),
            Ok(SipMessage::Response(response)) => self.handle_response(now, &response),
            Err(complaint) => self.complaints.push(complaint),
        }
    }

    /// The next datagram it sends.
    pub fn poll_datagram(&mut self) -> Option<Datagram> {
        self.outbox.pop_front()
    }

    /// Falls silent for ever, without a word, as if unplugged.
    pub fn vanish(&mut self, now: Instant) {
        self.is_gone = true;
        self.outbox.clear();
        self.clients.clear();
        self.servers.clear();
        self.registration.until = None;
        self.registration.refresh_at = None;
        for talk in &mut self.talks {
            talk.end(now, None);
        }
    }

    /// Plugged in again, with an empty memory.
    pub fn reboot(&mut self) {
        self.is_gone = false;
        self.challenge = None;
    }

    /// From now on its signalling comes from another port, as when a NAT box has forgotten it; the old port is dead.
    pub fn move_to(&mut self, port: u16) {
        self.left_ports.push(self.setup.address.port());
        self.setup.address.set_port(port);
    }

    /// Whether it was unplugged.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.is_gone
    }

    /// Holds the other side of its running call.
    pub fn hold(&mut self, now: Instant, hold: Hold) {
        self.change(now, Some(hold));
    }

    /// Takes the other side back.
    pub fn resume(&mut self, now: Instant) {
        self.change(now, None);
    }

    fn random(&mut self) -> u64 {
        self.dice.below(u64::MAX)
    }

    fn fresh_branch(&mut self) -> String {
        format!("z9hG4bK{:016x}", self.random())
    }

    fn send(&mut self, bytes: Bytes) {
        self.outbox.push_back(Datagram { from: self.setup.address, to: self.setup.registrar, bytes });
    }

    /// Where its audio is, as it believes.
    fn media(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.setup.claims, port)
    }

    /// A new call's port, and its place.
    fn fresh_port(&mut self) -> u16 {
        self.next_port += 2;
        if self.next_port > FIRST_PORT + 9_998 {
            self.next_port = FIRST_PORT;
        }
        self.next_port
    }

    fn complain(&mut self, what: impl Into<String>) {
        self.complaints.push(what.into());
    }

    /// Keeps what rsip could not build as a complaint.
    fn built<T>(&mut self, made: Result<T, rsip::Error>) -> Option<T> {
        made.map_err(|error| self.complain(format!("rsip cannot build: {error}"))).ok()
    }

    fn call_of(&self, message: &Request) -> Option<usize> {
        let (call_id, tag) = (message::call_id(message), message::to_tag(message).unwrap_or_default());
        let own = |talk: &Talk| talk.call_id == call_id && talk.local.ends_with(&format!(";tag={tag}"));
        let any = || self.talks.iter().rposition(|talk| talk.call_id == call_id);
        self.talks.iter().rposition(own).or_else(any)
    }
}

/// The Reason header of a message.
fn reason(request: &Request) -> Option<String> {
    message::other(request, "Reason")
}

/// The Reason header of an answer.
fn reason_of(response: &Response) -> Option<String> {
    message::other(response, "Reason")
}

/// A host as it stands in a URI or Via.
fn host(ip: IpAddr, port: u16) -> String {
    SocketAddr::new(ip, port).to_string()
}
