//! The loop of the worker's thread: wait, packets, commands, timers.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use media::{Channel, Fact, Leg, SessionId, Verdict};
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use tracing::error;

use super::WorkerConfig;
use super::alarm::Alarm;
use super::entry::{Entry, Live};
use super::recordings::Recordings;
use super::rooms::Rooms;
use crate::counters::Counting;
use crate::deadlines::Deadlines;
use crate::limits::{
    COMMANDS_PER_TURN, EVENTS_PER_WAIT, FACTS_PER_TURN, MAX_DATAGRAM_BYTES, PACKETS_PER_CLOCK_READING, PACKETS_PER_TURN,
};
use crate::mailbox::{Inbox, Mailbox, Message};
use crate::playback::Loader;
use crate::ports::Ports;
use crate::shared::{Place, Shared};
use crate::slots::{Key, Slots};

/// The mailbox's bell and the alarm among the keys; no slot ever has these numbers.
const BELL: u64 = u64::MAX;
const ALARM: u64 = u64::MAX - 1;

pub(super) struct Engine<F> {
    pub(super) config: WorkerConfig,
    pub(super) counting: Arc<Counting>,
    pub(super) epoll: OwnedFd,
    pub(super) slots: Slots<Entry>,
    /// The open sessions by name: for commands, never for packets.
    pub(super) names: HashMap<SessionId, u32>,
    pub(super) deadlines: Deadlines,
    pub(super) ports: Ports,
    /// Every address we listen on for RTP: a peer that names one of them would have us talk to ourselves.
    pub(super) own: HashSet<SocketAddr>,
    pub(super) loader: Loader,
    /// The port of the browsers.
    pub(super) shared: Shared,
    pub(super) rooms: Rooms,
    pub(super) recordings: Recordings,
    alarm: Alarm,
    facts: F,
    inbox: Inbox,
    buffer: Box<[u8]>,
}

enum Turn {
    On,
    End,
}

impl<F: Fn(Fact)> Engine<F> {
    pub(super) fn new(
        config: WorkerConfig,
        facts: F,
        inbox: Inbox,
        mailbox: Mailbox,
        counting: Arc<Counting>,
    ) -> io::Result<Engine<F>> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, inbox.bell(), EventData::new_u64(BELL), EventFlags::IN)?;
        let alarm = Alarm::new()?;
        epoll::add(&epoll, &alarm, EventData::new_u64(ALARM), EventFlags::IN)?;
        let ports = Ports::new(&config.port_range, config.seed);
        let shared = Shared::new(config.shared_port);
        let recordings = Recordings::new(config.recordings.as_deref(), &mailbox)?;
        let loader = Loader::new(mailbox, config.fetch.clone());
        counting.free_ports.set(ports.free() as u64);
        counting.total_ports.set(ports.total() as u64);
        Ok(Engine {
            config,
            counting,
            epoll,
            slots: Slots::new(),
            names: HashMap::new(),
            own: HashSet::new(),
            deadlines: Deadlines::default(),
            ports,
            loader,
            shared,
            rooms: Rooms::default(),
            recordings,
            alarm,
            facts,
            inbox,
            buffer: vec![0; MAX_DATAGRAM_BYTES].into_boxed_slice(),
        })
    }

    pub(super) fn run(mut self) {
        let mut events: Vec<Event> = Vec::with_capacity(EVENTS_PER_WAIT);
        loop {
            events.clear();
            if let Err(error) = epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), None)
                && error != rustix::io::Errno::INTR
            {
                error!(%error, "the media worker cannot wait any more");
                return;
            }
            let mut now = Instant::now();
            let mut rung = false;
            for (index, event) in events.iter().enumerate() {
                if index % PACKETS_PER_CLOCK_READING == PACKETS_PER_CLOCK_READING - 1 {
                    now = Instant::now();
                }
                match event.data.u64() {
                    BELL => rung = true,
                    ALARM => self.alarm.went_off(),
                    bits => match self.shared.place(bits) {
                        Some(place) => self.shared_packet(now, place),
                        None => self.packet(now, Key::from_bits(bits)),
                    },
                }
            }
            // After the packets: a command may free the slot that a later event of this batch names.
            if rung && matches!(self.commands(), Turn::End) {
                return;
            }
            self.timers(now);
            self.rooms(now);
            let first = self.deadlines.first().into_iter().chain(self.rooms.next_at()).min();
            self.alarm.set(first, now);
        }
    }

    fn commands(&mut self) -> Turn {
        self.inbox.hear();
        for _ in 0..COMMANDS_PER_TURN {
            match self.inbox.take() {
                None => return Turn::On,
                Some(Message::Command(command)) => self.command(Instant::now(), command),
                Some(Message::Loaded(loaded)) => self.loaded(Instant::now(), loaded),
                Some(Message::Recorded(report)) => self.recorded(report),
                Some(Message::Shutdown) => return Turn::End,
            }
        }
        self.inbox.ring_again();
        Turn::On
    }

    fn timers(&mut self, now: Instant) {
        while let Some(slot) = self.deadlines.pop_due(now) {
            match self.slots.get_mut(slot) {
                Some(Entry::Live(live)) => {
                    live.deadline = None;
                    self.with_session(slot, now, |live| live.session.handle_timeout(now));
                }
                Some(Entry::Resting(resting)) => {
                    resting.deadline = None;
                    self.rest_or_release(slot, now);
                }
                None => {}
            }
        }
    }

    /// One datagram: the path that everything else is kept out of.
    fn packet(&mut self, now: Instant, key: Key) {
        let live = match self.slots.for_event(key) {
            Some(Entry::Live(live)) => live,
            Some(Entry::Resting(resting)) => {
                let _ = resting.drain(now, key.leg, key.rtcp, &mut self.buffer);
                self.counting.drained.one();
                return;
            }
            None => return,
        };
        let Some(leg) = live.legs.get(usize::from(key.leg)) else { return };
        // An error is an ICMP message or nothing to read after all; either way the next one is awaited.
        let Ok((length, from)) = leg.socket(key.rtcp).recv_from(&mut self.buffer) else { return };
        self.counting.received.one();
        let channel = if key.rtcp { Channel::Rtcp } else { Channel::Rtp };
        let buffer = &mut self.buffer;
        let handled =
            catch_unwind(AssertUnwindSafe(|| live.session.receive(now, Leg(key.leg), channel, from, buffer, length)));
        match handled {
            Ok(Verdict::Forward { leg, channel, to, len }) => {
                send(live, &self.shared, &self.counting, (leg, channel), &buffer[..len], to);
            }
            Ok(Verdict::Consume | Verdict::Drop(_)) => {}
            Err(_) => return self.abandon(key.slot, now),
        }
        self.settle(key.slot, now);
    }

    /// One datagram at the port of the browsers. A check finds its leg by the name in it, all else by where it comes from.
    fn shared_packet(&mut self, now: Instant, place: Place) {
        let Some(socket) = self.shared.socket(place) else { return };
        let Ok((length, from)) = socket.recv_from(&mut self.buffer) else { return };
        self.counting.received.one();
        let buffer = &mut self.buffer;
        let name = media::ice::local_ufrag(&buffer[..length]);
        let named = name.is_some();
        let key = match name {
            Some(ufrag) => self.shared.named(ufrag),
            None => self.shared.behind(place, from),
        };
        let Some(key) = key else { return };
        let Some(Entry::Live(live)) = self.slots.for_event(key) else { return };
        let leg = Leg(key.leg);
        let handled = catch_unwind(AssertUnwindSafe(|| {
            let verdict = live.session.receive(now, leg, Channel::Rtp, from, buffer, length);
            (verdict, named && live.session.believes(leg, from))
        }));
        let Ok((verdict, believed)) = handled else { return self.abandon(key.slot, now) };
        if believed && self.shared.behind(place, from) != Some(key) && self.shared.believe(place, from, key) {
            live.believed.push((place, from, key));
        }
        if let Verdict::Forward { leg, channel, to, len } = verdict {
            send(live, &self.shared, &self.counting, (leg, channel), &buffer[..len], to);
        }
        self.settle(key.slot, now);
    }

    /// Does something to a session and carries out what comes of it. A panic ends this session.
    pub(super) fn with_session(&mut self, slot: u32, now: Instant, act: impl FnOnce(&mut Live)) {
        let Some(Entry::Live(live)) = self.slots.get_mut(slot) else { return };
        match catch_unwind(AssertUnwindSafe(|| act(live))) {
            Ok(()) => self.settle(slot, now),
            Err(_) => self.abandon(slot, now),
        }
    }

    /// Sends what the session made, tells what it learnt, and notes when it wants to be woken.
    fn settle(&mut self, slot: u32, now: Instant) {
        let Some(Entry::Live(live)) = self.slots.get_mut(slot) else { return };
        let (buffer, counting, facts, shared) = (&mut self.buffer, &self.counting, &self.facts, &self.shared);
        let settled = catch_unwind(AssertUnwindSafe(|| {
            for _ in 0..PACKETS_PER_TURN {
                let Some(packet) = live.session.poll_packet(buffer) else { break };
                send(live, shared, counting, (packet.leg, packet.channel), &buffer[..packet.len], packet.to);
            }
            for _ in 0..FACTS_PER_TURN {
                let Some(fact) = live.session.poll_fact() else { break };
                facts(fact);
            }
            live.take_down();
            live.session.poll_timeout()
        }));
        match settled {
            Ok(wanted) => self.deadlines.not_later(slot, &mut live.deadline, wanted),
            Err(_) => self.abandon(slot, now),
        }
    }

    /// Ends a session in which a fault of ours came to light. The others go on.
    fn abandon(&mut self, slot: u32, now: Instant) {
        self.counting.panics.one();
        if let Some(Entry::Live(live)) = self.slots.get_mut(slot) {
            error!(session = live.id.0, "a media session ended after a panic");
        }
        self.close(slot, now);
    }

    /// Tells a fact. A listener that panics must not take the calls with it.
    pub(super) fn tell(&self, fact: Fact) {
        if catch_unwind(AssertUnwindSafe(|| (self.facts)(fact))).is_err() {
            error!("the listener for media facts panicked");
        }
    }
}

/// Sends from the socket that the peer of the leg knows.
fn send(
    live: &Live,
    shared: &Shared,
    counting: &Counting,
    (leg, channel): (Leg, Channel),
    bytes: &[u8],
    to: SocketAddr,
) {
    let index = usize::from(leg.0);
    let socket = match live.shared.get(index) {
        Some(Some(shared_leg)) => shared.socket(shared_leg.place),
        Some(None) | None => live.legs.get(index).map(|leg| leg.socket(channel == Channel::Rtcp)),
    };
    let Some(socket) = socket else { return };
    match socket.send_to(bytes, to) {
        Ok(_) => counting.sent.one(),
        Err(_) => counting.send_errors.one(),
    }
}
