//! Changes in mid-call by UPDATE (RFC 3311) and re-INVITE: hold, another codec, both at once, and in the moment of goodbye.

use std::time::Duration;

use domain::{CallEventKind, CallStatus, JournalEntry};
use testkit::{Law, Stage, Weather, World, WorldConfig};

const PAIR: &[&str] = &["1001", "1002"];

/// Who of the two knows UPDATE.
const KNOWERS: [&[&str]; 4] = [&[], &["1001"], &["1002"], PAIR];

fn slow(ms: u64) -> Weather {
    let delay = Duration::from_millis(ms);
    Weather { delay: delay..delay, ..Weather::CALM }
}

fn talking(seed: u64, weather: Weather, knowers: &[&str]) -> World {
    let mut world = World::office(seed, weather, PAIR);
    for name in knowers {
        world.phone(name).knows_update();
    }
    world.phone("1002").answers_after(500);
    world.phone("1001").dials("1002");
    world.seconds(3);
    assert_eq!((world.stage("1001"), world.stage("1002")), (Stage::Talking, Stage::Talking));
    world
}

fn other(name: &str) -> &'static str {
    if name == "1001" { "1002" } else { "1001" }
}

fn hear_each_other(world: &World) -> bool {
    let window = Duration::from_millis(400);
    world.hearing_within("1001", window) == ["1002"] && world.hearing_within("1002", window) == ["1001"]
}

fn hang_up(mut world: World) {
    world.phone("1002").hangs_up();
    world.seconds(3);
    assert_eq!(world.record_of("1001").status, CallStatus::Completed);
    world.finish();
}

#[test]
fn hold_goes_through_by_whatever_the_other_side_knows() {
    for (knowers, seed) in KNOWERS.into_iter().zip(360..) {
        for holder in PAIR {
            let mut world = talking(seed, Weather::CALM, knowers);
            world.phone(holder).holds();
            world.seconds(1);
            let held = other(holder);
            assert!(world.talk(held).is_held(), "{holder} {knowers:?}");
            assert_eq!((world.hearing(holder), world.hearing(held)), (vec![], vec![(*holder).to_owned()]));
            world.phone(holder).resumes();
            world.seconds(1);
            assert!(hear_each_other(&world), "{holder} {knowers:?}");
            assert_eq!(world.talk(holder).changes, [200, 200], "{holder} {knowers:?}");
            let held = |entry: &&JournalEntry| matches!(entry, JournalEntry::Event(event) if matches!(event.kind, CallEventKind::Held | CallEventKind::Resumed));
            assert_eq!(world.journal.iter().filter(held).count(), 2, "{holder} {knowers:?}");
            hang_up(world);
        }
    }
}

/// From µ-law to A-law and back, asked for by either side; a side that cannot follow is transcoded for.
#[test]
fn another_codec_in_mid_call() {
    for (knowers, seed) in KNOWERS.into_iter().zip(370..) {
        for asks in PAIR {
            for (laws, follows) in [(&[Law::A][..], true), (&[Law::A, Law::Mu], true), (&[Law::A], false)] {
                let mut world = talking(seed, Weather::CALM, knowers);
                if !follows {
                    world.phone(other(asks)).phone(|phone, _| phone.setup.laws = vec![Law::Mu]);
                }
                world.phone(asks).changes_laws(laws);
                world.seconds(1);
                assert_eq!(world.talk(asks).changes, [200], "{asks} {knowers:?} {laws:?} {follows}");
                assert!(hear_each_other(&world), "{asks} {knowers:?} {laws:?} {follows}");
                world.phone(asks).changes_laws(&[Law::Mu]);
                world.seconds(1);
                assert!(hear_each_other(&world), "{asks} {knowers:?} {laws:?} {follows}");
                hang_up(world);
            }
        }
    }
}

#[test]
fn a_refused_change_leaves_both_as_they_were() {
    for (knowers, seed) in KNOWERS.into_iter().zip(380..) {
        for asks in PAIR {
            let mut world = talking(seed, Weather::CALM, knowers);
            world.phone(other(asks)).refuses_changes();
            world.phone(asks).holds();
            world.seconds(1);
            assert_eq!((world.talk(asks).changes.as_slice(), world.talk(asks).holds()), (&[488][..], false));
            world.seconds(1);
            assert!(hear_each_other(&world), "{asks} {knowers:?}");
            hang_up(world);
        }
    }
}

/// Both want something at the same moment: each is told to wait, and each gets it in the end.
#[test]
fn changes_that_cross() {
    for (knowers, seed) in KNOWERS.into_iter().zip(390..) {
        let mut world = talking(seed, slow(40), knowers);
        world.phone("1001").holds();
        world.phone("1002").holds();
        world.seconds(15);
        for name in PAIR {
            let talk = world.talk(name);
            assert!(talk.holds() && talk.changes.last() == Some(&200), "{name} {knowers:?}: {:?}", talk.changes);
        }
        let refused = PAIR.iter().flat_map(|name| &world.talk(name).changes).filter(|code| **code == 491).count();
        assert!(refused > 0, "{knowers:?}: the two changes crossed");
        world.phone("1001").resumes();
        world.seconds(6);
        world.phone("1002").resumes();
        world.seconds(6);
        assert!(hear_each_other(&world), "{knowers:?}");
        hang_up(world);
    }
}

#[test]
fn goodbye_at_every_moment_of_a_change() {
    for (knowers, seed) in KNOWERS.into_iter().zip(400..) {
        for ms in (0..400).step_by(40) {
            for leaves in PAIR {
                let mut world = talking(seed, slow(50), knowers);
                world.phone("1001").changes_laws(&[Law::A]);
                world.run_for(Duration::from_millis(ms));
                world.phone(leaves).hangs_up();
                world.seconds(3);
                let stages = (world.stage("1001"), world.stage("1002"));
                assert_eq!(stages, (Stage::Over, Stage::Over), "{leaves} after {ms} ms, {knowers:?}");
                world.finish();
            }
        }
    }
}

#[test]
fn changes_in_bad_weather() {
    let delay = Duration::from_millis(5)..Duration::from_millis(60);
    let weathers = [
        Weather { loss: 0.1, delay: delay.clone(), ..Weather::CALM },
        Weather { duplicate: 0.5, delay, ..Weather::CALM },
        Weather::STORM,
    ];
    let mut seed = 410;
    for weather in weathers {
        for knowers in KNOWERS {
            seed += 1;
            let mut world = World::new(WorldConfig::new(seed, weather.clone()));
            world.add_tenant(testkit::TenantBuilder::new("alpha").with_extensions(PAIR));
            for number in PAIR {
                world.plug_in("alpha", number, number, |setup| setup);
            }
            world.register_all();
            for name in knowers {
                world.phone(name).knows_update();
            }
            world.phone("1002").answers_after(500);
            world.phone("1001").dials("1002");
            world.seconds(12);
            for asks in PAIR {
                world.phone(asks).holds();
                world.seconds(15);
                assert!(world.talk(other(asks)).is_held(), "seed {seed}: {asks} {knowers:?} {weather:?}");
                world.phone(asks).resumes();
                world.seconds(15);
                world.phone(asks).changes_laws(&[Law::A]);
                world.seconds(15);
                assert_eq!(world.talk(asks).changes, [200; 3], "seed {seed}: {asks} {knowers:?} {weather:?}");
            }
            let window = Duration::from_secs(1);
            assert_eq!(world.hearing_within("1001", window), ["1002"], "seed {seed}");
            assert_eq!(world.hearing_within("1002", window), ["1001"], "seed {seed}");
            world.phone("1001").hangs_up();
            world.finish();
        }
    }
}
