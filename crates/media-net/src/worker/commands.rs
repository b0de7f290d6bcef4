//! Carrying out commands: opening, changing and closing sessions.

use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use media::{Command, Fact, Leg, LegAddress, Plan, Playback, Samples, Session, SessionId};
use tracing::warn;

use super::engine::Engine;
use super::entry::{Entry, Live, Resting, SharedLeg};
use crate::legs::LegSockets;
use crate::limits::{MAX_LEGS, MAX_REST, MAX_SESSIONS};
use crate::playback::{Loaded, Rate, Source, Ticket};
use crate::slots::Key;

impl<F: Fn(Fact)> Engine<F> {
    pub(super) fn command(&mut self, now: Instant, command: Command) {
        match command {
            Command::Open { session, legs } => match self.open(session, &legs) {
                Ok(legs) => self.tell(Fact::Opened { session, legs }),
                Err(why) => {
                    self.counting.open_failures.one();
                    self.tell(Fact::OpenFailed { session, why });
                }
            },
            Command::Apply { session, plan } => self.apply(now, session, plan),
            Command::Play { session, leg, source: Playback::File(path) } => {
                self.play_file(now, session, leg, Source::File(path));
            }
            Command::Play { session, leg, source: Playback::Url(url) } => {
                self.play_file(now, session, leg, Source::Url(url));
            }
            Command::Play { session, leg, source: Playback::Tone { frequency_hz, duration_ms } } => {
                self.play(now, session, leg, Samples::tone(frequency_hz, duration_ms));
            }
            Command::Play { session, leg, source: Playback::Ringing } => {
                self.play(now, session, leg, Samples::ringing());
            }
            Command::Echo { session, leg } => self.on(now, session, |live| {
                live.forget_file(leg);
                live.session.echo(now, leg);
            }),
            Command::Stop { session, leg } => self.on(now, session, |live| {
                live.forget_file(leg);
                live.session.stop(now, leg);
            }),
            Command::Press { session, leg, key, duration_ms } => self.on(now, session, |live| {
                live.session.press(now, leg, key, Duration::from_millis(u64::from(duration_ms)));
            }),
            Command::Join { session, leg, room, rate_hz, seat } => self.join(now, (session, leg), room, rate_hz, seat),
            Command::Leave { session, leg } => self.leave(now, (session, leg)),
            Command::Record { session, order } => self.record(now, session, &order),
            Command::Recording { session, change } => self.on(now, session, |live| live.change_recording(change)),
            Command::Close { session } => {
                if let Some(slot) = self.names.get(&session) {
                    self.close(*slot, now);
                }
            }
        }
    }

    fn play(&mut self, now: Instant, session: SessionId, leg: Leg, samples: Samples) {
        self.on(now, session, |live| {
            live.forget_file(leg);
            live.session.play(now, leg, samples);
        });
    }

    /// Acts on an open session. A command for another one is late (the session ended by itself) and
    /// means nothing any more.
    pub(super) fn on(&mut self, now: Instant, session: SessionId, act: impl FnOnce(&mut Live)) {
        if let Some(slot) = self.names.get(&session) {
            self.with_session(*slot, now, act);
        }
    }

    fn open(&mut self, id: SessionId, addresses: &[IpAddr]) -> Result<Vec<LegAddress>, &'static str> {
        if self.names.contains_key(&id) {
            return Err("the session is open already");
        }
        if addresses.is_empty() || addresses.len() > MAX_LEGS {
            return Err("a session has one or two legs");
        }
        if self.names.len() >= MAX_SESSIONS {
            return Err("too many media sessions");
        }
        let (ports, epoll, config) = (&mut self.ports, &self.epoll, &self.config);
        let slot = self.slots.insert(|slot, generation| {
            let mut legs: Vec<LegSockets> = Vec::with_capacity(addresses.len());
            let opened = addresses.iter().enumerate().try_for_each(|(index, ip)| {
                legs.push(LegSockets::open(*ip, ports)?);
                let key = Key { slot, generation, leg: index as u8, rtcp: false };
                legs[index].watch(epoll, key).map_err(|_| "the system watches no further socket")
            });
            match opened {
                Ok(()) => {
                    let seed = config.seed ^ id.0.wrapping_mul(0x9e37_79b9_7f4a_7c15);
                    let session =
                        Session::new(id, legs.len(), seed, config.silence_after).with_identity(config.identity.clone());
                    let waits_for = vec![None; legs.len()];
                    Ok(Entry::Live(Live {
                        id,
                        generation,
                        session,
                        shared: legs.iter().map(|_| None).collect(),
                        believed: Vec::new(),
                        legs,
                        deadline: None,
                        serial: 0,
                        waits_for,
                        recording: None,
                        peers: Vec::new(),
                    }))
                }
                Err(why) => {
                    legs.iter().for_each(|leg| ports.give_back(leg.local.port()));
                    Err(why)
                }
            }
        })?;
        self.names.insert(id, slot);
        self.count();
        let Some(Entry::Live(live)) = self.slots.get_mut(slot) else { return Err("the session is gone") };
        self.own.extend(live.legs.iter().map(|leg| leg.local));
        let (shared, epoll) = (&mut self.shared, &self.epoll);
        Ok(live
            .legs
            .iter()
            .map(|leg| {
                // Calls without a browser need no shared port, so one that cannot be had fails nothing.
                LegAddress { rtp: leg.local, shared_port: shared.port_of(leg.local.ip(), epoll) }
            })
            .collect())
    }

    /// A description that names one of our own ports would make a packet go round for ever; such a leg is sent nothing.
    fn apply(&mut self, now: Instant, session: SessionId, mut plan: Plan) {
        for leg in &mut plan.legs {
            let rtp_of = |address: &SocketAddr| SocketAddr::new(address.ip(), address.port() & !1);
            let named = [leg.remote_rtp, leg.remote_rtcp];
            let is_own = |address: &SocketAddr| self.own.contains(&rtp_of(address)) || self.shared.is_own(*address);
            if named.iter().flatten().any(is_own) {
                warn!(session = session.0, "a phone names a media port of ours as its own");
                (leg.remote_rtp, leg.remote_rtcp) = (None, None);
            }
        }
        self.move_to_shared(session, &plan);
        self.on(now, session, |live| {
            live.peers = plan.legs.iter().flat_map(|leg| leg.sources.iter().copied()).collect();
            live.session.apply(now, plan);
        });
    }

    /// Legs that the plan puts on the browsers' port can be found there from now on, the others no longer.
    fn move_to_shared(&mut self, session: SessionId, plan: &Plan) {
        let Some(slot) = self.names.get(&session).copied() else { return };
        let Some(Entry::Live(live)) = self.slots.get_mut(slot) else { return };
        let generation = live.generation;
        for (index, leg) in plan.legs.iter().enumerate().take(live.legs.len()) {
            let key = Key { slot, generation, leg: index as u8, rtcp: false };
            let wanted = leg.ice.as_ref().map(|ice| &ice.local.ufrag);
            if live.shared[index].as_ref().map(|shared| &shared.ufrag) == wanted {
                continue;
            }
            if let Some(before) = live.shared[index].take() {
                self.shared.forget_name(&before.ufrag);
            }
            let Some(ufrag) = wanted else { continue };
            if let Ok((place, _)) = self.shared.open(live.legs[index].local.ip(), &self.epoll) {
                self.shared.name(ufrag, key);
                live.shared[index] = Some(SharedLeg { place, ufrag: ufrag.clone() });
            }
        }
    }

    fn play_file(&mut self, now: Instant, session: SessionId, leg: Leg, source: Source) {
        let mut serial = None;
        self.on(now, session, |live| {
            live.session.stop(now, leg);
            live.serial = live.serial.wrapping_add(1);
            if let Some(waits_for) = live.waits_for.get_mut(usize::from(leg.0)) {
                *waits_for = Some(live.serial);
                serial = Some(live.serial);
            }
        });
        let Some(serial) = serial else { return };
        if !self.loader.request(Ticket { session, leg, serial }, source, Rate::Narrow) {
            warn!(session = session.0, "too many files wait to be played");
            self.on(now, session, |live| live.forget_file(leg));
            self.tell(Fact::PlaybackEnded { session, leg });
        }
    }

    /// A file has been read: it is played if it is still wanted.
    pub(super) fn loaded(&mut self, now: Instant, loaded: Loaded) {
        self.loader.finished(&loaded);
        let Ticket { session, leg, serial } = loaded.ticket;
        let mut unplayable = false;
        self.on(now, session, |live| {
            if live.waits_for.get(usize::from(leg.0)) != Some(&Some(serial)) {
                return;
            }
            live.forget_file(leg);
            match loaded.samples {
                Some(samples) => live.session.play(now, leg, Samples::pcm(samples)),
                None => unplayable = true,
            }
        });
        if unplayable {
            self.tell(Fact::PlaybackEnded { session, leg });
        }
    }

    /// Ends a session: its statistics are told, its ports rest.
    pub(super) fn close(&mut self, slot: u32, now: Instant) {
        let Some(Entry::Live(live)) = self.slots.get_mut(slot) else { return };
        self.deadlines.forget(slot, &mut live.deadline);
        let id = live.id;
        for leg in live.shared.drain(..).flatten() {
            self.shared.forget_name(&leg.ufrag);
        }
        for (place, address, key) in live.believed.drain(..) {
            self.shared.forget(place, address, key);
        }
        drop(live.recording.take());
        // A session that has panicked may do so again.
        let stats = catch_unwind(AssertUnwindSafe(|| live.session.stats())).unwrap_or_default();
        let resting = Resting {
            legs: std::mem::take(&mut live.legs),
            deadline: None,
            peers: std::mem::take(&mut live.peers),
            since: now,
            last_heard: now,
        };
        if let Some(entry) = self.slots.get_mut(slot) {
            *entry = Entry::Resting(resting);
        }
        self.names.remove(&id);
        self.leave_all(id);
        self.rest_or_release(slot, now);
        self.tell(Fact::Closed { session: id, legs: stats });
    }

    /// Frees the ports of an ended session if they have been quiet for long enough; otherwise looks again
    /// when they might have been.
    pub(super) fn rest_or_release(&mut self, slot: u32, now: Instant) {
        let Some(Entry::Resting(resting)) = self.slots.get_mut(slot) else { return };
        let end = (resting.last_heard + self.config.rest).min(resting.since + MAX_REST.max(self.config.rest));
        if end > now {
            self.deadlines.not_later(slot, &mut resting.deadline, Some(end));
        } else if let Some(entry) = self.slots.remove(slot)
            && let Entry::Resting(resting) = *entry
        {
            let addresses: Vec<SocketAddr> = resting.legs.iter().map(|leg| leg.local).collect();
            // Closed before they are given out again.
            drop(resting);
            for address in addresses {
                self.own.remove(&address);
                self.ports.give_back(address.port());
            }
        }
        self.count();
    }

    fn count(&self) {
        let open = self.names.len();
        self.counting.sessions.set(open as u64);
        self.counting.resting.set((self.slots.occupied() - open) as u64);
        self.counting.free_ports.set(self.ports.free() as u64);
    }
}
