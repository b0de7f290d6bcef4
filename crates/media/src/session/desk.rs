//! The desk of a session: every 20 ms, what its legs said is taken as samples, and goes where it is wanted: to the other leg in
//! its codec, to a recording, to a room.
//!
//! A session has nothing on its desk until a packet comes that cannot be passed on as it is, or somebody asks for samples. That
//! moment sets the beat, so that the sessions of a worker do not all have theirs at one time. The beat of a room is its owner's.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::Session;
use super::ear::{BLOCK, Ear};
use super::leg::{LegState, Role};
use super::voice::voice_for;
use crate::codec::{clock_hz, rate_hz};
use crate::command::Leg;
use crate::limits;
use crate::plan::Codec;
use crate::rtp::Header;

const BEAT: Duration = Duration::from_millis(20);

/// 20 ms of both sides of a session, for a recording.
#[derive(Clone, Debug)]
pub struct Sides {
    samples: [[i16; BLOCK]; 2],
    len: usize,
}

impl Sides {
    /// What the first leg said.
    pub fn caller(&self) -> &[i16] {
        &self.samples[0][..self.len]
    }

    /// What the second leg said; silence when there is none.
    pub fn callee(&self) -> &[i16] {
        &self.samples[1][..self.len]
    }
}

/// Where what is on the desk goes, and when.
#[derive(Debug, Default)]
pub(super) struct Desk {
    next_at: Option<Instant>,
    tap: Option<Tap>,
}

/// Somebody takes down what the legs say.
#[derive(Debug)]
struct Tap {
    rate_hz: u32,
    taken: VecDeque<Sides>,
}

impl Desk {
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.next_at
    }
}

impl Session {
    /// Samples of both sides are wanted from now on, every 20 ms, at 8, 16 or 48 kHz: fetch them with [`Session::poll_sides`]. Legs
    /// whose codec is only passed through are silent. False for another rate.
    pub fn tap(&mut self, now: Instant, rate_hz: u32) -> bool {
        if !limits::RATES_HZ.contains(&rate_hz) {
            return false;
        }
        let taken = VecDeque::with_capacity(limits::CATCH_UP as usize);
        self.desk.tap = Some(Tap { rate_hz, taken });
        self.desk.next_at.get_or_insert(now + BEAT);
        true
    }

    /// Samples are no longer wanted.
    pub fn untap(&mut self) {
        self.desk.tap = None;
        self.clear_desk();
    }

    /// The next 20 ms of a tapped session.
    pub fn poll_sides(&mut self) -> Option<Sides> {
        self.desk.tap.as_mut()?.taken.pop_front()
    }

    /// A leg joins a room: what it says is fetched with [`Session::hear_leg`], and what it hears is given with
    /// [`Session::say_to_leg`], in blocks of 20 ms at 8, 16 or 48 kHz. The other leg no longer hears it. False for another rate.
    pub fn join(&mut self, leg: Leg, rate_hz: u32) -> bool {
        let known = limits::RATES_HZ.contains(&rate_hz);
        if let Some(state) = self.legs.get_mut(leg.index()).filter(|_| known) {
            state.room_hz = Some(rate_hz);
            state.role = Role::Relay;
            self.clear_desk();
            return true;
        }
        false
    }

    /// A leg leaves its room.
    pub fn leave(&mut self, leg: Leg) {
        if let Some(state) = self.legs.get_mut(leg.index()) {
            state.room_hz = None;
            state.voice = None;
        }
        self.clear_desk();
    }

    /// The next 20 ms of a leg in a room, at the start of `room`; nothing when it said nothing yet, or is on hold.
    pub fn hear_leg<'a>(&mut self, now: Instant, leg: Leg, room: &'a mut [i16; 960]) -> Option<&'a [i16]> {
        let state = self.legs.get_mut(leg.index())?;
        state.room_hz?;
        Some(state.ear.as_mut()?.block(now, room))
    }

    /// Says 20 ms to a leg in a room; fetch the packets with [`Session::poll_packet`].
    pub fn say_to_leg(&mut self, at: Instant, leg: Leg, block: &[i16]) {
        if let Some(state) = self.legs.get_mut(leg.index())
            && let Some(rate_hz) = state.room_hz
        {
            state.say(at, block, rate_hz);
        }
    }

    /// Whether a leg is in a room.
    pub(super) fn is_in_room(&self, leg: Leg) -> bool {
        self.legs.get(leg.index()).is_some_and(|state| state.room_hz.is_some())
    }

    /// Audio came from a leg: whoever needs its samples gets them. Whether the packet may go on.
    pub(super) fn hear(&mut self, now: Instant, leg: Leg, codec: Codec, header: &Header, packet: &mut [u8]) -> bool {
        if self.detects_tones(leg) {
            let payload = packet.get_mut(header.payload.clone()).unwrap_or_default();
            if !self.listen_for_tones(now, leg, codec, payload) {
                return false;
            }
        }
        self.take_down(now, leg, codec, header, packet);
        true
    }

    /// A leg keeps silent, and says so: whoever listens to its samples hears the noise of its line. To others silence is not passed
    /// on, since they have not agreed to understand it.
    pub(super) fn hear_noise(&mut self, now: Instant, leg: Leg, header: &Header, packet: &[u8]) {
        let ear = self.legs.get_mut(leg.index()).and_then(|state| state.ear.as_mut());
        if let (Some(ear), Some(payload)) = (ear, packet.get(header.payload.clone())) {
            ear.comfort_noise(now, header, payload);
        }
    }

    fn take_down(&mut self, now: Instant, leg: Leg, codec: Codec, header: &Header, packet: &[u8]) {
        let Some(out_hz) = self.wanted_hz(leg, codec) else { return };
        let in_room = self.is_in_room(leg);
        let Some(state) = self.legs.get_mut(leg.index()) else { return };
        let Some(payload) = packet.get(header.payload.clone()) else { return };
        if !state.ear.as_ref().is_some_and(|ear| ear.fits(codec, out_hz)) {
            state.ear = Ear::new(now, codec, clock_hz(codec), out_hz, u64::from(header.ssrc)).map(Box::new);
        }
        let Some(ear) = &mut state.ear else { return };
        ear.receive(now, header, payload);
        if !in_room {
            self.desk.next_at.get_or_insert(now + BEAT);
        }
    }

    /// At which rate somebody needs what a leg says in a codec as samples.
    fn wanted_hz(&self, leg: Leg, codec: Codec) -> Option<u32> {
        if !codec.is_known() {
            return None;
        }
        let own = self.legs.get(leg.index())?;
        if let Some(rate_hz) = own.room_hz.or(self.desk.tap.as_ref().map(|tap| tap.rate_hz)) {
            return Some(rate_hz);
        }
        let other = self.legs.get(self.peer(leg)?.index())?;
        let plan = other.plan.as_ref()?;
        let wanted = matches!(other.role, Role::Relay) && plan.send && !codec.goes_as(plan.codec);
        if wanted { rate_hz(plan.codec) } else { None }
    }

    /// Something has changed: what nobody needs any more is put away.
    pub(super) fn clear_desk(&mut self) {
        for index in 0..self.legs.len() {
            let leg = Leg(index as u8);
            let plan = self.legs[index].plan.as_ref().filter(|plan| plan.receive);
            if plan.is_some_and(|plan| self.wanted_hz(leg, plan.codec).is_some()) {
                continue;
            }
            self.legs[index].ear = None;
            let other = self.peer(leg).and_then(|other| self.legs.get_mut(other.index()));
            if let Some(other) = other.filter(|other| other.room_hz.is_none()) {
                other.voice = None;
            }
        }
    }

    /// Does the beats that are due. A worker that was away for long does not make up for all of them.
    pub(super) fn work_desk(&mut self, now: Instant) {
        let Some(mut next_at) = self.desk.next_at else { return };
        let latest = BEAT * (limits::CATCH_UP - 1);
        if let Some(earliest) = now.checked_sub(latest)
            && next_at < earliest
        {
            next_at = earliest;
        }
        while next_at <= now {
            if !self.beat(next_at, now) {
                self.desk.next_at = None;
                return;
            }
            next_at += BEAT;
        }
        self.desk.next_at = Some(next_at);
    }

    /// One beat; whether there will be another.
    fn beat(&mut self, at: Instant, now: Instant) -> bool {
        let mut sides = self.desk.tap.as_ref().map(|tap| {
            let len = tap.rate_hz as usize / 50;
            Sides { samples: [[0; BLOCK]; 2], len }
        });
        let mut room = [0; BLOCK];
        let mut goes_on = sides.is_some();
        for index in 0..self.legs.len() {
            let leg = Leg(index as u8);
            if self.is_in_room(leg) {
                continue;
            }
            let Some(mut ear) = self.legs[index].ear.take() else { continue };
            let used = self.wanted_hz(leg, ear.codec()) == Some(ear.rate_hz());
            let block = ear.block(now, &mut room);
            if let Some(side) = sides.as_mut().and_then(|sides| sides.samples.get_mut(index)) {
                side[..block.len()].copy_from_slice(block);
            }
            let other = self.peer(leg).and_then(|other| self.legs.get_mut(other.index()));
            let differs = |other: &&mut LegState| {
                other.plan.as_ref().is_some_and(|plan| !ear.codec().goes_as(plan.codec) && other.room_hz.is_none())
            };
            if let Some(other) = other.filter(differs) {
                other.say(at, block, ear.rate_hz());
            }
            // An ear that a leg needed in passing, for a codec that it no longer sends, is put away.
            if used && !ear.is_forgotten(now) || self.is_needed(leg) {
                goes_on = true;
                self.legs[index].ear = Some(ear);
            }
        }
        if let (Some(sides), Some(tap)) = (sides, &mut self.desk.tap)
            && tap.taken.len() < limits::CATCH_UP as usize
        {
            tap.taken.push_back(sides);
        }
        goes_on
    }

    /// Whether what a leg says by its plan is wanted as samples all the time.
    fn is_needed(&self, leg: Leg) -> bool {
        let plan = self.legs.get(leg.index()).and_then(|state| state.plan.as_ref());
        plan.is_some_and(|plan| self.wanted_hz(leg, plan.codec).is_some())
    }
}

impl LegState {
    /// Says 20 ms to the leg, if it hears the others now.
    fn say(&mut self, at: Instant, block: &[i16], in_hz: u32) {
        let Some(plan) = self.plan.as_ref().filter(|plan| plan.send) else { return };
        if !matches!(self.role, Role::Relay) || self.keys.is_busy() {
            if let Some(voice) = &mut self.voice {
                voice.skip(plan);
            }
            return;
        }
        self.reporting.begin(at);
        if let Some(voice) = voice_for(&mut self.voice, at, plan, in_hz) {
            voice.say(at, block);
        }
    }
}
