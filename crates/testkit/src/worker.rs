//! A media worker on the virtual network: the same sessions as the real one, without sockets.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use media::{Channel, Command, Fact, Leg, LegAddress, Playback, Recorded, Samples, Session, SessionId, Verdict};

use crate::network::Datagram;

/// Room for any packet a session makes or changes.
const PACKET_BYTES: usize = 2_048;

/// An open session and its ports.
#[derive(Debug)]
struct Open {
    session: Session,
    /// The RTP address of each leg.
    legs: Vec<SocketAddr>,
    due: Option<Instant>,
}

/// Carries out the commands of the switch.
#[derive(Debug)]
pub struct Worker {
    seed: u64,
    silence_after: Duration,
    free: VecDeque<u16>,
    sessions: BTreeMap<SessionId, Open>,
    ports: BTreeMap<u16, (SessionId, Leg, Channel)>,
    deadlines: BTreeSet<(Instant, SessionId)>,
    facts: VecDeque<Fact>,
    outbox: VecDeque<Datagram>,
    opened: u64,
    refused: u64,
}

impl Worker {
    /// A worker with `pairs` of ports from `first` on.
    #[must_use]
    pub fn new(seed: u64, first: u16, pairs: u16, silence_after: Duration) -> Worker {
        Worker {
            seed,
            silence_after,
            free: (0..pairs).map(|pair| first + 2 * pair).collect(),
            sessions: BTreeMap::new(),
            ports: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            facts: VecDeque::new(),
            outbox: VecDeque::new(),
            opened: 0,
            refused: 0,
        }
    }

    /// Ports in use; two for each leg.
    #[must_use]
    pub fn open_ports(&self) -> usize {
        self.ports.len()
    }

    /// Sessions in use.
    #[must_use]
    pub fn open_sessions(&self) -> usize {
        self.sessions.len()
    }

    /// Sessions opened so far, and those that could not be.
    #[must_use]
    pub fn opened(&self) -> (u64, u64) {
        (self.opened, self.refused)
    }

    /// Carries out a command.
    pub fn handle_command(&mut self, now: Instant, command: Command) {
        let session = match command {
            Command::Open { session, legs } => {
                self.open(session, &legs);
                session
            }
            Command::Close { session } => return self.close(session),
            Command::Apply { session, plan } => {
                self.with(session, |open| open.apply(now, plan));
                session
            }
            Command::Play { session, leg, source } => {
                self.with(session, |open| open.play(now, leg, samples(&source)));
                session
            }
            Command::Echo { session, leg } => {
                self.with(session, |open| open.echo(now, leg));
                session
            }
            Command::Press { session, leg, key, duration_ms } => {
                let duration = Duration::from_millis(u64::from(duration_ms));
                self.with(session, |open| open.press(now, leg, key, duration));
                session
            }
            Command::Stop { session, leg } => {
                self.with(session, |open| open.stop(now, leg));
                session
            }
            // Rooms and recordings are the real worker's, and tested with it.
            Command::Join { session, leg, .. } => {
                self.facts.push_back(Fact::NotJoined { session, leg, why: "there are no rooms here" });
                session
            }
            Command::Record { session, .. } => {
                let fault = Some("there is no disk here".to_owned());
                self.facts.push_back(Fact::Recorded { session, recorded: Recorded { fault, ..Recorded::default() } });
                session
            }
            Command::Leave { session, .. } | Command::Recording { session, .. } => session,
        };
        self.after(session);
    }

    /// A packet has come to a port of ours.
    pub fn handle_datagram(&mut self, now: Instant, datagram: &Datagram) {
        let Some((id, leg, channel)) = self.ports.get(&datagram.to.port()).copied() else { return };
        let Some(open) = self.sessions.get_mut(&id) else { return };
        let mut room = [0; PACKET_BYTES];
        let len = datagram.bytes.len().min(PACKET_BYTES);
        room[..len].copy_from_slice(&datagram.bytes[..len]);
        let verdict = open.session.receive(now, leg, channel, datagram.from, &mut room, len);
        if let Verdict::Forward { leg, channel, to, len } = verdict {
            let from = address(&open.legs, leg, channel);
            self.outbox.push_back(Datagram { from, to, bytes: Bytes::copy_from_slice(&room[..len]) });
        }
        self.after(id);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((at, id)) = self.deadlines.first().copied().filter(|(at, _)| *at <= now) {
            self.deadlines.remove(&(at, id));
            if let Some(open) = self.sessions.get_mut(&id) {
                open.due = None;
                open.session.handle_timeout(now);
                self.after(id);
                // A session that wants to be woken in the past would stop the clock.
                assert!(self.sessions[&id].due.is_none_or(|due| due > now), "session {id:?} is due again at once");
            }
        }
    }

    /// When [`Worker::handle_timeout`] is due next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// The next thing to tell the switch.
    pub fn poll_fact(&mut self) -> Option<Fact> {
        self.facts.pop_front()
    }

    /// The next packet to send.
    pub fn poll_datagram(&mut self) -> Option<Datagram> {
        self.outbox.pop_front()
    }

    fn open(&mut self, id: SessionId, legs: &[IpAddr]) {
        assert!(!self.sessions.contains_key(&id), "{id:?} was opened twice");
        if self.free.len() < legs.len() {
            self.refused += 1;
            self.facts.push_back(Fact::OpenFailed { session: id, why: "no port is free" });
            return;
        }
        let legs: Vec<SocketAddr> =
            legs.iter().zip(self.free.drain(..legs.len())).map(|(ip, port)| SocketAddr::new(*ip, port)).collect();
        for (leg, address) in (0_u8..).map(Leg).zip(&legs) {
            self.ports.insert(address.port(), (id, leg, Channel::Rtp));
            self.ports.insert(address.port() + 1, (id, leg, Channel::Rtcp));
        }
        self.opened += 1;
        let opened = legs.iter().copied().map(LegAddress::alone).collect();
        self.facts.push_back(Fact::Opened { session: id, legs: opened });
        let session = Session::new(id, legs.len(), self.seed, self.silence_after);
        self.sessions.insert(id, Open { session, legs, due: None });
    }

    fn close(&mut self, id: SessionId) {
        let Some(open) = self.sessions.remove(&id) else { return };
        if let Some(due) = open.due {
            self.deadlines.remove(&(due, id));
        }
        for address in &open.legs {
            self.ports.remove(&address.port());
            self.ports.remove(&(address.port() + 1));
            self.free.push_back(address.port());
        }
        self.facts.push_back(Fact::Closed { session: id, legs: open.session.stats() });
    }

    fn with(&mut self, id: SessionId, work: impl FnOnce(&mut Session)) {
        if let Some(open) = self.sessions.get_mut(&id) {
            work(&mut open.session);
        }
    }

    /// Takes out what a session has made, and notes when it wants to be woken.
    fn after(&mut self, id: SessionId) {
        let Some(open) = self.sessions.get_mut(&id) else { return };
        let mut room = [0; PACKET_BYTES];
        while let Some(outgoing) = open.session.poll_packet(&mut room) {
            let from = address(&open.legs, outgoing.leg, outgoing.channel);
            let bytes = Bytes::copy_from_slice(&room[..outgoing.len]);
            self.outbox.push_back(Datagram { from, to: outgoing.to, bytes });
        }
        while let Some(fact) = open.session.poll_fact() {
            self.facts.push_back(fact);
        }
        let due = open.session.poll_timeout();
        if let Some(old) = std::mem::replace(&mut open.due, due) {
            self.deadlines.remove(&(old, id));
        }
        self.deadlines.extend(due.map(|at| (at, id)));
    }
}

fn address(legs: &[SocketAddr], leg: Leg, channel: Channel) -> SocketAddr {
    let mut address = legs[usize::from(leg.0)];
    if channel == Channel::Rtcp {
        address.set_port(address.port() + 1);
    }
    address
}

fn samples(source: &Playback) -> Samples {
    match source {
        Playback::Tone { frequency_hz, duration_ms } => Samples::tone(*frequency_hz, *duration_ms),
        Playback::Ringing => Samples::ringing(),
        // There are no files here: half a second of a quiet ramp stands for any of them.
        Playback::File(_) | Playback::Url(_) => {
            Samples::pcm((0..4_000).map(|sample| sample % 200).collect::<Vec<i16>>())
        }
    }
}
