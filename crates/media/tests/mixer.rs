//! Rooms: who hears whom, how loud, and who is told to speak.

use std::f64::consts::TAU;

use media::mixer::{Mixer, Part, PartyId, Seat, Speaking};
use media::tone;
use proptest::prelude::*;

const RATE: u32 = 8_000;
const BLOCK: usize = 160;

/// Parties that each play a tone, and what they heard.
struct Room {
    mixer: Mixer,
    tones: Vec<(PartyId, u32, f64)>,
    heard: Vec<Vec<i16>>,
    told: Vec<Speaking>,
    beat: u32,
}

impl Room {
    fn new(tones: &[(u64, u32, f64)], seats: &[Seat]) -> Self {
        let mut mixer = Mixer::new(RATE).expect("a rate");
        for ((id, ..), seat) in tones.iter().zip(seats) {
            assert!(mixer.seat(PartyId(*id), *seat));
        }
        let heard = vec![Vec::new(); tones.len()];
        let tones = tones.iter().map(|(id, hz, loud)| (PartyId(*id), *hz, *loud)).collect();
        Room { mixer, tones, heard, told: Vec::new(), beat: 0 }
    }

    fn run(&mut self, beats: u32) {
        for heard in &mut self.heard {
            heard.clear();
        }
        for _ in 0..beats {
            for (id, hz, loud) in &self.tones {
                let sample = |n: u32| {
                    let t = f64::from(self.beat * 160 + n);
                    ((t * f64::from(*hz) * TAU / f64::from(RATE)).sin() * loud) as i16
                };
                let block: Vec<i16> = (0..160).map(sample).collect();
                self.mixer.hear(*id, &block);
            }
            self.mixer.mix();
            for ((id, ..), heard) in self.tones.iter().zip(&mut self.heard) {
                let mut out = [7; BLOCK];
                self.mixer.mix_for(*id, &mut out);
                heard.extend(out);
            }
            self.mixer.done();
            self.told.extend(std::iter::from_fn(|| self.mixer.poll_speaking()));
            self.beat += 1;
        }
    }

    /// Which tones each party heard.
    fn who_hears(&self) -> Vec<Vec<u32>> {
        let tones = |heard: &Vec<i16>| {
            let heard = &heard[heard.len() / 2..];
            self.tones.iter().map(|(_, hz, _)| *hz).filter(|hz| tone::share(heard, *hz) > 0.05).collect()
        };
        self.heard.iter().map(tones).collect()
    }
}

const THREE: [(u64, u32, f64); 3] = [(1, 400, 5_000.0), (2, 700, 5_000.0), (3, 1_100, 5_000.0)];

fn member() -> Seat {
    Seat::new(Part::Member)
}

#[test]
fn everybody_hears_the_others_and_not_themselves() {
    let mut room = Room::new(&THREE, &[member(); 3]);
    room.run(50);
    assert_eq!(room.who_hears(), [vec![700, 1_100], vec![400, 1_100], vec![400, 700]]);
}

#[test]
fn every_part_hears_and_is_heard_as_it_says() {
    let with = |seat: Seat| {
        let mut room = Room::new(&THREE, &[member(), member(), seat]);
        room.run(50);
        room.who_hears()
    };
    assert_eq!(with(Seat::new(Part::Listener)), [vec![700], vec![400], vec![400, 700]]);
    assert_eq!(with(Seat::new(Part::Whisperer { to: PartyId(1) })), [vec![700, 1_100], vec![400], vec![400, 700]]);
    assert_eq!(with(Seat { muted: true, ..member() }), [vec![700], vec![400], vec![400, 700]]);
    assert_eq!(with(Seat { deaf: true, ..member() }), [vec![700, 1_100], vec![400, 1_100], vec![]]);
    let muted = Seat { muted: true, ..Seat::new(Part::Whisperer { to: PartyId(1) }) };
    assert_eq!(with(muted), [vec![700], vec![400], vec![400, 700]]);
}

#[test]
fn a_supervisor_listens_whispers_and_joins_in() {
    let mut room = Room::new(&THREE, &[member(), member(), Seat::new(Part::Listener)]);
    room.run(50);
    assert_eq!(room.who_hears(), [vec![700], vec![400], vec![400, 700]]);
    room.mixer.seat(PartyId(3), Seat::new(Part::Whisperer { to: PartyId(2) }));
    room.run(50);
    assert_eq!(room.who_hears(), [vec![700], vec![400, 1_100], vec![400, 700]]);
    room.mixer.seat(PartyId(3), member());
    room.run(50);
    assert_eq!(room.who_hears(), [vec![700, 1_100], vec![400, 1_100], vec![400, 700]]);
    room.mixer.remove(PartyId(3));
    room.run(50);
    assert_eq!(room.who_hears(), [vec![700], vec![400], vec![]]);
}

fn rms(samples: &[i16]) -> f64 {
    (samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / samples.len() as f64).sqrt()
}

#[test]
fn gains_are_in_decibels() {
    for (gain_db, volume_db) in [(0.0, 0.0), (6.0, 0.0), (-12.0, 0.0), (0.0, -6.0), (-6.0, 6.0)] {
        let speaker = Seat { gain_db, ..member() };
        let hearer = Seat { volume_db, ..member() };
        let mut room = Room::new(&[(1, 400, 3_000.0), (2, 700, 0.0)], &[speaker, hearer]);
        room.run(20);
        let db = 20.0 * (rms(&room.heard[1]) / (3_000.0 / 2.0_f64.sqrt())).log10();
        assert!((db - f64::from(gain_db + volume_db)).abs() < 0.1, "{gain_db} {volume_db}: {db}");
    }
}

#[test]
fn many_loud_ones_are_made_quieter_and_never_wrap() {
    let tones: Vec<(u64, u32, f64)> = (0..8).map(|n| (n, 300 + 130 * n as u32, 20_000.0)).collect();
    let mut room = Room::new(&tones, &[member(); 8]);
    room.run(100);
    for heard in &room.heard {
        let settled = &heard[heard.len() / 2..];
        assert!(rms(settled) > 7_000.0, "{}", rms(settled));
        // The highest tone climbs by 85 % of its height from one sample to the next; a wrapped sample would do so by 60,000.
        let steepest = settled.windows(2).map(|p| (i32::from(p[0]) - i32::from(p[1])).abs()).max().unwrap_or(0);
        assert!(steepest < 45_000, "{steepest}");
    }
    // One tone under the others is still a tone: what limits distorts little.
    let mut room = Room::new(&[(1, 400, 30_000.0), (2, 400, 30_000.0), (3, 700, 0.0)], &[member(); 3]);
    room.run(100);
    let settled = &room.heard[2][8_000..];
    assert!(tone::share(settled, 400) > 0.98, "{}", tone::share(settled, 400));
}

#[test]
fn who_speaks_is_told_once_when_it_begins_and_once_when_it_ends() {
    let mut room = Room::new(&[(1, 400, 5_000.0), (2, 700, 20.0)], &[member(); 2]);
    room.run(2);
    assert_eq!(room.told, [], "a click is no speech");
    room.run(20);
    assert_eq!(room.told, [Speaking { party: PartyId(1), speaking: true }]);
    room.tones[0].2 = 0.0;
    room.run(10);
    assert_eq!(room.told.len(), 1, "a pause between words is no end");
    room.run(20);
    assert_eq!(room.told[1..], [Speaking { party: PartyId(1), speaking: false }]);
    // Steady noise is no speech for long.
    let mut room = Room::new(&[(1, 400, 150.0)], &[member()]);
    room.run(500);
    assert!(room.told.iter().all(|told| !told.speaking) || room.told.last().is_some_and(|told| !told.speaking));
}

#[test]
fn in_a_large_room_the_loudest_are_heard() {
    let mut tones: Vec<(u64, u32, f64)> = (0..98).map(|n| (n, 2_000, 30.0)).collect();
    tones.extend([(98, 400, 5_000.0), (99, 700, 5_000.0)]);
    let mut room = Room::new(&tones, &vec![member(); 100]);
    room.run(50);
    let hears = room.who_hears();
    assert!(hears[..98].iter().all(|tones| *tones == [400, 700]), "{:?}", hears[0]);
    assert!(hears[98].contains(&700) && !hears[98].contains(&400));
}

#[test]
fn rooms_have_a_rate_and_an_end() {
    assert!(Mixer::new(11_025).is_none());
    let mut mixer = Mixer::new(48_000).expect("a rate");
    assert!((0..1_000).all(|n| mixer.seat(PartyId(n), member())) && !mixer.seat(PartyId(1_000), member()));
    assert!(mixer.seat(PartyId(5), Seat { muted: true, ..member() }), "another seat is no further party");
    mixer.remove(PartyId(77));
    assert!(mixer.seat(PartyId(1_000), member()) && mixer.len() == 1_000);
}

/// One thing that happens in a room.
#[derive(Clone, Debug)]
enum Step {
    Seat(u64, u8, bool, bool),
    Remove(u64),
    Beat(Vec<(u64, i16)>),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..6_u64, 0..4_u8, any::<bool>(), any::<bool>()).prop_map(|(id, part, m, d)| Step::Seat(id, part, m, d)),
        (0..6_u64).prop_map(Step::Remove),
        prop::collection::vec((0..6_u64, -3_000..3_000_i16), 0..6).prop_map(Step::Beat),
    ]
}

proptest! {
    /// Against the plain way: for each one, all others whom it hears are added up.
    #[test]
    fn whatever_happens_everybody_hears_the_sum_of_whom_they_hear(steps in prop::collection::vec(step(), 1..60)) {
        let mut mixer = Mixer::new(RATE).expect("a rate");
        let mut seats: std::collections::BTreeMap<u64, Seat> = std::collections::BTreeMap::new();
        for step in steps {
            match step {
                Step::Seat(id, part, muted, deaf) => {
                    let part = match part {
                        0 | 1 => Part::Member,
                        2 => Part::Listener,
                        _ => Part::Whisperer { to: PartyId((id + 1) % 6) },
                    };
                    let seat = Seat { muted, deaf, ..Seat::new(part) };
                    mixer.seat(PartyId(id), seat);
                    seats.insert(id, seat);
                }
                Step::Remove(id) => {
                    mixer.remove(PartyId(id));
                    seats.remove(&id);
                }
                Step::Beat(said) => {
                    let said: std::collections::BTreeMap<u64, i16> = said.into_iter().collect();
                    for (id, level) in &said {
                        mixer.hear(PartyId(*id), &[*level; BLOCK]);
                    }
                    mixer.mix();
                    for (id, seat) in &seats {
                        let heard_from = |(other, level): (&u64, &i16)| {
                            let speaker = seats.get(other)?;
                            let hears = match speaker.part {
                                Part::Member => true,
                                Part::Listener => false,
                                Part::Whisperer { to } => to == PartyId(*id),
                            };
                            (hears && !speaker.muted && other != id).then_some(*level)
                        };
                        let wanted: i16 = if seat.deaf { 0 } else { said.iter().filter_map(heard_from).sum() };
                        let mut out = [0; BLOCK];
                        mixer.mix_for(PartyId(*id), &mut out);
                        prop_assert_eq!(out, [wanted; BLOCK], "{} with {:?} of {:?}", id, &seats, &said);
                    }
                    mixer.done();
                }
            }
        }
    }
}
