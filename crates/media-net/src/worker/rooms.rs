//! Rooms: on each beat of 20 ms what the legs in a room say is mixed, and said to all of them.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use media::mixer::{Mixer, Part, PartyId, Seat};
use media::{Fact, Leg, RoomId, RoomPart, RoomSeat, SessionId};

use super::engine::Engine;
use crate::limits::{MAX_LATE_BEATS, MAX_ROOMS};

const BEAT: Duration = Duration::from_millis(20);

/// A leg, wherever it is.
type Member = (SessionId, Leg);

/// The rooms of a worker.
#[derive(Default)]
pub(super) struct Rooms {
    rooms: HashMap<RoomId, Room>,
    /// Which room each leg is in.
    members: HashMap<Member, RoomId>,
    /// When which room wants its next beat.
    beats: BTreeSet<(Instant, RoomId)>,
}

struct Room {
    mixer: Mixer,
    rate_hz: u32,
    members: Vec<Member>,
    next_at: Instant,
}

/// A mixer knows parties by numbers: a session has few legs.
fn party((session, leg): Member) -> PartyId {
    PartyId(session.0.wrapping_mul(256).wrapping_add(u64::from(leg.0)))
}

fn seat(RoomSeat { part, muted, deaf, gain_db, volume_db }: RoomSeat) -> Seat {
    let part = match part {
        RoomPart::Member => Part::Member,
        RoomPart::Listener => Part::Listener,
        RoomPart::Whisperer { session, leg } => Part::Whisperer { to: party((session, leg)) },
    };
    Seat { part, muted, deaf, gain_db, volume_db }
}

impl Rooms {
    /// When the first room wants its next beat.
    pub(super) fn next_at(&self) -> Option<Instant> {
        self.beats.first().map(|(at, _)| *at)
    }

    fn due(&mut self, now: Instant) -> Option<(RoomId, Room)> {
        while let Some((at, id)) = self.beats.first().copied().filter(|(at, _)| *at <= now) {
            self.beats.remove(&(at, id));
            if let Some(room) = self.rooms.remove(&id) {
                return Some((id, room));
            }
        }
        None
    }

    /// Takes a leg out of its room; the last one closes the door.
    fn remove(&mut self, member: Member) {
        let Some(id) = self.members.remove(&member) else { return };
        let Some(room) = self.rooms.get_mut(&id) else { return };
        room.members.retain(|other| *other != member);
        room.mixer.remove(party(member));
        if room.members.is_empty() {
            self.beats.remove(&(room.next_at, id));
            self.rooms.remove(&id);
        }
    }

    /// Puts a leg into a room, which it makes if there is none.
    fn add(
        &mut self,
        now: Instant,
        member: Member,
        id: RoomId,
        rate_hz: u32,
        wanted: RoomSeat,
    ) -> Result<u32, &'static str> {
        if self.members.get(&member).is_some_and(|before| *before != id) {
            self.remove(member);
        }
        if !self.rooms.contains_key(&id) {
            if self.rooms.len() >= MAX_ROOMS {
                return Err("there are too many rooms");
            }
            let mixer = Mixer::new(rate_hz).ok_or("a room has 8000, 16000 or 48000 samples per second")?;
            // The moment of the first leg is the beat of the room: those of a worker are spread.
            let next_at = now + BEAT;
            self.beats.insert((next_at, id));
            self.rooms.insert(id, Room { mixer, rate_hz, members: Vec::new(), next_at });
        }
        let room = self.rooms.get_mut(&id).ok_or("the room is gone")?;
        if !room.mixer.seat(party(member), seat(wanted)) {
            return Err("the room is full");
        }
        if self.members.insert(member, id).is_none() {
            room.members.push(member);
        }
        Ok(room.rate_hz)
    }
}

impl<F: Fn(Fact)> Engine<F> {
    pub(super) fn join(&mut self, now: Instant, member: Member, room: RoomId, rate_hz: u32, wanted: RoomSeat) {
        let (session, leg) = member;
        if !self.names.contains_key(&session) {
            return;
        }
        match self.rooms.add(now, member, room, rate_hz, wanted) {
            Ok(rate_hz) => {
                let mut joined = false;
                self.on(now, session, |live| joined = live.session.join(leg, rate_hz));
                if !joined {
                    self.rooms.remove(member);
                    self.tell(Fact::NotJoined { session, leg, why: "the session has no such leg" });
                }
            }
            Err(why) => self.tell(Fact::NotJoined { session, leg, why }),
        }
    }

    pub(super) fn leave(&mut self, now: Instant, member: Member) {
        self.rooms.remove(member);
        self.on(now, member.0, |live| live.session.leave(member.1));
    }

    /// A session has ended.
    pub(super) fn leave_all(&mut self, session: SessionId) {
        for leg in [Leg::CALLER, Leg::CALLEE] {
            self.rooms.remove((session, leg));
        }
    }

    /// The beats of all rooms that are due.
    pub(super) fn rooms(&mut self, now: Instant) {
        while let Some((id, mut room)) = self.rooms.due(now) {
            self.beat(now, &mut room);
            room.next_at += BEAT;
            if let Some(earliest) = now.checked_sub(BEAT * MAX_LATE_BEATS)
                && room.next_at < earliest
            {
                room.next_at = earliest;
            }
            // A session that ended by a fault of ours took its legs out while the room was away.
            let (members, mixer) = (&self.rooms.members, &mut room.mixer);
            room.members.retain(|member| {
                let stays = members.get(member) == Some(&id);
                if !stays {
                    mixer.remove(party(*member));
                }
                stays
            });
            if !room.members.is_empty() {
                self.rooms.beats.insert((room.next_at, id));
                self.rooms.rooms.insert(id, room);
            }
        }
    }

    fn beat(&mut self, now: Instant, room: &mut Room) {
        let at = room.next_at;
        let mut samples = [0; 960];
        for member in &room.members {
            let mixer = &mut room.mixer;
            self.on(now, member.0, |live| {
                if let Some(block) = live.session.hear_leg(now, member.1, &mut samples) {
                    mixer.hear(party(*member), block);
                }
            });
        }
        room.mixer.mix();
        let len = room.rate_hz as usize / 50;
        for member in &room.members {
            let block = &mut samples[..len];
            room.mixer.mix_for(party(*member), block);
            self.on(now, member.0, |live| live.session.say_to_leg(at, member.1, block));
        }
        room.mixer.done();
        while let Some(speaking) = room.mixer.poll_speaking() {
            if let Some((session, leg)) = room.members.iter().find(|member| party(**member) == speaking.party) {
                self.tell(Fact::Speaking { session: *session, leg: *leg, speaking: speaking.speaking });
            }
        }
    }
}
