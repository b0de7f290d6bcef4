//! Many who hear each other: everybody gets what all others say, and not themselves.
//!
//! Every 20 ms the owner gives each party's block ([`Mixer::hear`]), has them mixed ([`Mixer::mix`]), and fetches each party's mix
//! ([`Mixer::mix_for`]). The work grows with the number of parties: all are added up once, and from the sum is taken away what
//! each one said. In a large room only those are heard who speak loudest, so that the breath of a hundred does not become a
//! storm.
//!
//! | part | hears | is heard by |
//! | --- | --- | --- |
//! | [`Part::Member`] | all members, and who whispers to it | all |
//! | [`Part::Listener`] | all members | nobody |
//! | [`Part::Whisperer`] | all members | one party alone |
//!
//! A supervisor who listens to a call is a listener beside two members, and with a change of part whispers to one of them or
//! joins in.

mod level;
mod limiter;

use std::cmp::Ordering;

use crate::limits;

use level::Level;
use limiter::Limiter;

/// Names a party of a mixer; given by the owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartyId(pub u64);

/// What a party does in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Hears all, is heard by all.
    Member,
    /// Hears all, is heard by nobody.
    Listener,
    /// Hears all, is heard by one alone.
    Whisperer {
        /// Who that is.
        to: PartyId,
    },
}

/// How a party takes part.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seat {
    /// Whom it hears, and who hears it.
    pub part: Part,
    /// What it says is not heard.
    pub muted: bool,
    /// It hears nothing.
    pub deaf: bool,
    /// How much louder it is heard, in dB, −40 to 20.
    pub gain_db: f32,
    /// How much louder it hears the others, in dB, −40 to 20.
    pub volume_db: f32,
}

impl Seat {
    /// A part as it usually is.
    pub fn new(part: Part) -> Self {
        Seat { part, muted: false, deaf: false, gain_db: 0.0, volume_db: 0.0 }
    }
}

/// A party has begun to speak, or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speaking {
    /// Who.
    pub party: PartyId,
    /// Whether it speaks now.
    pub speaking: bool,
}

/// Samples of the longest block: 20 ms at 48 kHz.
const BLOCK: usize = 960;

#[derive(Debug)]
struct Party {
    id: PartyId,
    seat: Seat,
    gain: f32,
    volume: f32,
    /// What it says now, made as loud as it shall be.
    said: Box<[i16; BLOCK]>,
    /// Whether it says anything, and whether that is in the sum.
    present: bool,
    chosen: bool,
    level: Level,
    limiter: Limiter,
}

/// A room full of parties.
#[derive(Debug)]
pub struct Mixer {
    /// Samples of a block.
    block: usize,
    /// By their ids.
    parties: Vec<Party>,
    /// All members together.
    sum: Box<[i32; BLOCK]>,
    /// Levels, to find the loudest.
    loudest: Vec<f32>,
    told: Vec<Speaking>,
}

impl Mixer {
    /// An empty room with blocks of 20 ms at 8, 16 or 48 kHz; nothing for another rate.
    pub fn new(rate_hz: u32) -> Option<Self> {
        limits::RATES_HZ.contains(&rate_hz).then(|| Mixer {
            block: rate_hz as usize / 50,
            parties: Vec::new(),
            sum: Box::new([0; BLOCK]),
            loudest: Vec::new(),
            told: Vec::new(),
        })
    }

    /// How many take part.
    pub fn len(&self) -> usize {
        self.parties.len()
    }

    /// Whether nobody does.
    pub fn is_empty(&self) -> bool {
        self.parties.is_empty()
    }

    /// Gives a party its seat, or another one. False when the room is full.
    pub fn seat(&mut self, id: PartyId, seat: Seat) -> bool {
        let power = |db: f32| 10.0_f32.powf(db.clamp(-40.0, 20.0) / 20.0);
        let (gain, volume) = (power(seat.gain_db), power(seat.volume_db));
        match self.place(id) {
            Ok(index) => {
                let party = &mut self.parties[index];
                (party.seat, party.gain, party.volume) = (seat, gain, volume);
            }
            Err(_) if self.parties.len() >= limits::PARTIES => return false,
            Err(index) => self.parties.insert(
                index,
                Party {
                    id,
                    seat,
                    gain,
                    volume,
                    said: Box::new([0; BLOCK]),
                    present: false,
                    chosen: false,
                    level: Level::default(),
                    limiter: Limiter::default(),
                },
            ),
        }
        true
    }

    /// A party leaves.
    pub fn remove(&mut self, id: PartyId) {
        if let Ok(index) = self.place(id) {
            self.parties.remove(index);
        }
    }

    /// The seat of a party.
    pub fn seat_of(&self, id: PartyId) -> Option<Seat> {
        self.place(id).ok().map(|index| self.parties[index].seat)
    }

    /// Takes what a party says now; whoever says nothing need not be named. What is missing of a block is silence.
    pub fn hear(&mut self, id: PartyId, block: &[i16]) {
        let Ok(index) = self.place(id) else { return };
        let party = &mut self.parties[index];
        let given = block.len().min(self.block);
        let (said, rest) = party.said[..self.block].split_at_mut(given);
        said.copy_from_slice(&block[..given]);
        rest.fill(0);
        if party.gain != 1.0 {
            for sample in said {
                *sample = (f32::from(*sample) * party.gain) as i16;
            }
        }
        party.present = true;
    }

    /// Mixes what was heard since the last time.
    pub fn mix(&mut self) {
        for party in &mut self.parties {
            let said = if party.present && !party.seat.muted { &party.said[..self.block] } else { &[] };
            if let Some(speaking) = party.level.note(said) {
                self.told.push(Speaking { party: party.id, speaking });
            }
        }
        self.told.truncate(limits::PARTIES);
        let (faintest, mut equals) = self.faintest_heard();
        let sum = &mut self.sum[..self.block];
        sum.fill(0);
        for party in &mut self.parties {
            let heard = party.present && !party.seat.muted;
            party.chosen = heard
                && party.seat.part == Part::Member
                && match party.level.recent().total_cmp(&faintest) {
                    Ordering::Greater => true,
                    // Of many that are equally loud, as many as there is room for.
                    Ordering::Equal => {
                        let room = equals > 0;
                        equals = equals.saturating_sub(1);
                        room
                    }
                    Ordering::Less => false,
                };
            if party.chosen {
                for (sum, sample) in sum.iter_mut().zip(party.said.iter()) {
                    *sum += i32::from(*sample);
                }
            }
        }
    }

    /// What a party hears of the last mix, filled into a block; silence for who is deaf, or unknown.
    pub fn mix_for(&mut self, id: PartyId, out: &mut [i16]) {
        out.fill(0);
        let Ok(index) = self.place(id) else { return };
        if self.parties[index].seat.deaf {
            return;
        }
        let mut mix = [0_i32; BLOCK];
        let mix = &mut mix[..self.block];
        mix.copy_from_slice(&self.sum[..self.block]);
        let party = &self.parties[index];
        if party.chosen {
            for (mix, own) in mix.iter_mut().zip(party.said.iter()) {
                *mix -= i32::from(*own);
            }
        }
        let whispers = |other: &&Party| {
            other.present && !other.seat.muted && other.seat.part == Part::Whisperer { to: id } && other.id != id
        };
        for other in self.parties.iter().filter(whispers) {
            for (mix, sample) in mix.iter_mut().zip(other.said.iter()) {
                *mix += i32::from(*sample);
            }
        }
        let party = &mut self.parties[index];
        party.limiter.apply(mix, party.volume, out);
    }

    /// The blocks have been mixed and fetched: the next ones begin from silence.
    pub fn done(&mut self) {
        for party in &mut self.parties {
            party.present = false;
        }
    }

    /// The next party that has begun or ended to speak.
    pub fn poll_speaking(&mut self) -> Option<Speaking> {
        if self.told.is_empty() { None } else { Some(self.told.remove(0)) }
    }

    /// Parties are found by halving: they stand in the order of their ids.
    fn place(&self, id: PartyId) -> Result<usize, usize> {
        self.parties.binary_search_by_key(&id, |party| party.id)
    }

    /// How loud somebody has to be, of late, to be heard: as loud as the last of the loudest few; and how many of those who are just
    /// so loud are among them.
    fn faintest_heard(&mut self) -> (f32, usize) {
        let members = self.parties.iter().filter(|party| party.seat.part == Part::Member && !party.seat.muted);
        self.loudest.clear();
        self.loudest.extend(members.map(|party| party.level.recent()));
        if self.loudest.len() <= limits::HEARD_AT_ONCE {
            return (f32::NEG_INFINITY, 0);
        }
        let last = self.loudest.len() - limits::HEARD_AT_ONCE;
        let (_, faintest, louder) = self.loudest.select_nth_unstable_by(last, f32::total_cmp);
        let equals = louder.iter().filter(|level| *level == faintest).count() + 1;
        (*faintest, equals)
    }
}
