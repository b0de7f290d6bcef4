//! A media session: relays, transcodes, plays and counts, without a socket or a clock.
//!
//! The owner gives every arriving packet to [`Session::receive`] and does what the [`Verdict`] says; it calls
//! [`Session::handle_timeout`] when [`Session::poll_timeout`] is due, then fetches packets with [`Session::poll_packet`]
//! and facts with [`Session::poll_fact`] until there are none. A relayed packet is rewritten where it lies and costs no
//! allocation.

mod desk;
mod digits;
mod ear;
mod keys;
mod leg;
mod playback;
mod random;
mod relay;
mod reporting;
mod reports;
mod rewrite;
mod secure;
mod source;
pub(crate) mod statistics;
mod voice;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::command::{Channel, Fact, Leg, LegStats, SessionId};
use crate::dtls::Identity;
use crate::limits;
use crate::plan::Plan;
use crate::stun;

use desk::Desk;
use leg::{LegState, Role};
use random::Random;

pub use desk::Sides;
pub use playback::Samples;

/// What to do with a packet that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Send the first `len` bytes of the buffer from this leg's socket.
    Forward {
        /// The leg to send on.
        leg: Leg,
        /// Which of its sockets.
        channel: Channel,
        /// Where to.
        to: SocketAddr,
        /// How much of the buffer.
        len: usize,
    },
    /// It did its work here and goes no further.
    Consume,
    /// It is not wanted.
    Drop(DropReason),
}

/// Why a packet is not wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// No such leg.
    NoLeg,
    /// Nothing is agreed for the leg yet.
    NoPlan,
    /// No RTP, or no RTCP.
    Malformed,
    /// From an address that has no right to send.
    Stranger,
    /// From an allowed address while another one is being heard.
    OtherSource,
    /// A payload type nobody agreed on, or one the other leg cannot take.
    PayloadType,
    /// Its sender, or the leg it would go to, is on hold.
    Direction,
    /// There is nowhere to send it yet.
    NoDestination,
    /// Its tag is wrong.
    Forged,
    /// It was seen before.
    Replayed,
    /// The keys of the leg are not agreed yet.
    NoKeys,
}

/// A packet made here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The leg to send on.
    pub leg: Leg,
    /// Which of its sockets.
    pub channel: Channel,
    /// Where to.
    pub to: SocketAddr,
    /// How much of the buffer.
    pub len: usize,
}

/// A running session.
#[derive(Debug)]
pub struct Session {
    id: SessionId,
    silence_after: Duration,
    /// What we are in handshakes.
    identity: Option<Arc<Identity>>,
    legs: Vec<LegState>,
    desk: Desk,
    facts: VecDeque<Fact>,
}

impl Session {
    /// A session without a plan: it drops everything. `seed` chooses sources, sequence numbers and timestamps.
    pub fn new(id: SessionId, legs: usize, seed: u64, silence_after: Duration) -> Self {
        let mut random = Random::new(seed ^ id.0.rotate_left(32));
        Session {
            id,
            silence_after,
            identity: None,
            desk: Desk::default(),
            legs: (0..legs.clamp(1, limits::LEGS)).map(|_| LegState::new(&mut random)).collect(),
            facts: VecDeque::with_capacity(limits::FACTS),
        }
    }

    /// The certificate that its handshakes show; without one there are none.
    #[must_use]
    pub fn with_identity(mut self, identity: Option<Arc<Identity>>) -> Self {
        self.identity = identity;
        self
    }

    /// The session's id.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// Carries out a plan from now on. Legs the plan does not name keep theirs. The wait for silence begins anew.
    pub fn apply(&mut self, now: Instant, plan: Plan) {
        for (state, plan) in self.legs.iter_mut().zip(plan.legs) {
            state.apply(now, plan, self.silence_after, self.identity.as_deref());
        }
        self.clear_desk();
        for index in 0..self.legs.len() {
            self.protection_events(Leg(index as u8));
        }
    }

    /// Judges a packet of `len` bytes at the start of `packet` and rewrites it for whoever gets it. The room behind it takes
    /// the tag of an encrypted leg.
    pub fn receive(
        &mut self,
        now: Instant,
        leg: Leg,
        channel: Channel,
        from: SocketAddr,
        packet: &mut [u8],
        len: usize,
    ) -> Verdict {
        if len > packet.len() {
            return Verdict::Drop(DropReason::Malformed);
        }
        let plain = self.legs.get(leg.index()).is_none_or(|state| state.protection.is_plain());
        let verdict = match channel {
            Channel::Rtp if plain => self.receive_rtp(now, leg, from, packet, len),
            Channel::Rtp => self.receive_any(now, leg, from, packet, len),
            Channel::Rtcp => self.receive_rtcp(now, leg, channel, from, packet, len),
        };
        if let (Verdict::Drop(reason), Some(state)) = (verdict, self.legs.get_mut(leg.index())) {
            state.dropped(reason);
        }
        verdict
    }

    /// Tells apart what shares the port of a protected leg (RFC 7983).
    fn receive_any(&mut self, now: Instant, leg: Leg, from: SocketAddr, packet: &mut [u8], len: usize) -> Verdict {
        let Some(state) = self.legs.get_mut(leg.index()) else { return Verdict::Drop(DropReason::NoLeg) };
        match stun::kind(&packet[..len]) {
            stun::Kind::Stun => {
                let answer = state.protection.check(now, from, packet, len);
                self.protection_events(leg);
                match answer {
                    Some(len) => Verdict::Forward { leg, channel: Channel::Rtp, to: from, len },
                    None => Verdict::Drop(DropReason::Malformed),
                }
            }
            stun::Kind::Dtls => {
                if !state.may_shake(now, from) {
                    return Verdict::Drop(DropReason::Stranger);
                }
                state.shaken_from(now, from);
                state.protection.shake(now, &packet[..len]);
                self.protection_events(leg);
                Verdict::Consume
            }
            stun::Kind::Rtp => self.receive_rtp(now, leg, from, packet, len),
            stun::Kind::Rtcp if state.plan.as_ref().is_some_and(|plan| plan.mux) => {
                self.receive_rtcp(now, leg, Channel::Rtp, from, packet, len)
            }
            stun::Kind::Rtcp | stun::Kind::Other => Verdict::Drop(DropReason::Malformed),
        }
    }

    /// Whether the checks of a leg have made it believe an address.
    pub fn believes(&self, leg: Leg, from: SocketAddr) -> bool {
        self.legs.get(leg.index()).is_some_and(|state| state.protection.believes(from) == Some(true))
    }

    /// Tells what has become of a leg's protection.
    fn protection_events(&mut self, leg: Leg) {
        let session = self.id;
        while let Some(event) = self.legs.get_mut(leg.index()).and_then(|state| state.protection.poll_event()) {
            self.tell(match event {
                secure::Event::Selected(from) => Fact::Connected { session, leg, from },
                secure::Event::Failed(why) => Fact::Unprotected { session, leg, why },
                secure::Event::ConsentLost => {
                    let for_ms = u64::try_from(limits::CONSENT.as_millis()).unwrap_or(u64::MAX);
                    Fact::Silent { session, leg, for_ms }
                }
            });
        }
    }

    /// Plays to a leg, from now, in its codec; ends with [`Fact::PlaybackEnded`]. Audio of the other leg towards it is
    /// held back meanwhile. What was played or echoed before ends without a fact.
    pub fn play(&mut self, now: Instant, leg: Leg, samples: Samples) {
        if let Some(state) = self.legs.get_mut(leg.index()) {
            state.play(now, samples);
        }
    }

    /// Presses a key for a leg, behind those pressed before: as telephone events where it knows them, else as tones. Nothing is
    /// pressed for a leg without a plan, or whose codec we cannot write.
    pub fn press(&mut self, now: Instant, leg: Leg, key: char, duration: Duration) {
        if let Some(LegState { plan: Some(plan), keys, .. }) = self.legs.get_mut(leg.index()) {
            keys.press(now, plan, key, duration);
        }
    }

    /// Sends a leg's audio back to itself.
    pub fn echo(&mut self, _now: Instant, leg: Leg) {
        if let Some(state) = self.legs.get_mut(leg.index()) {
            state.role = Role::Echo;
        }
    }

    /// Ends playback or echo of a leg, without a fact; it hears the other leg again.
    pub fn stop(&mut self, _now: Instant, leg: Leg) {
        if let Some(state) = self.legs.get_mut(leg.index()) {
            state.role = Role::Relay;
        }
    }

    /// Does what has become due: playback, silence, key presses without an end.
    pub fn handle_timeout(&mut self, now: Instant) {
        for index in 0..self.legs.len() {
            let leg = Leg(index as u8);
            let session = self.id;
            let state = &mut self.legs[index];
            let digit = state.events.handle_timeout(now);
            let silent = state.check_silence(now, self.silence_after);
            let ended = state.advance_playback(now);
            state.protection.handle_timeout(now);
            state.advance_reporting(now);
            state.keys.handle_timeout(now, state.plan.as_ref());
            if let Some(digit) = digit {
                self.pressed(now, leg, digit);
            }
            if let Some(silence) = silent {
                let for_ms = u64::try_from(silence.as_millis()).unwrap_or(u64::MAX);
                self.tell(Fact::Silent { session, leg, for_ms });
            }
            if ended {
                self.tell(Fact::PlaybackEnded { session, leg });
            }
            self.protection_events(leg);
        }
        self.work_desk(now);
    }

    /// When [`Session::handle_timeout`] is due next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.legs.iter().filter_map(LegState::poll_timeout).chain(self.desk.poll_timeout()).min()
    }

    /// Writes the next packet made here into `out`, which holds at least 1,500 bytes; what does not fit is left out.
    pub fn poll_packet(&mut self, out: &mut [u8]) -> Option<Outgoing> {
        self.legs.iter_mut().enumerate().find_map(|(index, state)| {
            let leg = Leg(index as u8);
            if let Some((to, len)) = state.poll_packet(out) {
                return Some(Outgoing { leg, channel: Channel::Rtp, to, len });
            }
            let (to, channel, len) = state.poll_report(out)?;
            Some(Outgoing { leg, channel, to, len })
        })
    }

    /// The next thing that happened.
    pub fn poll_fact(&mut self) -> Option<Fact> {
        self.facts.pop_front()
    }

    /// Figures of every leg so far.
    pub fn stats(&self) -> Vec<LegStats> {
        self.legs.iter().map(LegState::stats).collect()
    }

    /// Beyond the limit facts are lost: memory stays bounded even when the owner does not fetch them.
    fn tell(&mut self, fact: Fact) {
        if self.facts.len() < limits::FACTS {
            self.facts.push_back(fact);
        }
    }

    /// The leg that hears `leg`.
    fn peer(&self, leg: Leg) -> Option<Leg> {
        match (self.legs.len(), leg) {
            (2, Leg(0)) => Some(Leg(1)),
            (2, Leg(1)) => Some(Leg(0)),
            _ => None,
        }
    }
}
