//! What the displays show while people come and go (RFC 3325).

use testkit::{Stage, Weather, World};

const OFFICE: &[&str] = &["1001", "1002", "1003", "1004"];

/// Whom a phone has shown as the other end of its newest call, in order and without repetitions.
fn shown(world: &World, name: &str) -> Vec<String> {
    let mut numbers: Vec<String> = Vec::new();
    for value in &world.talk(name).named {
        let number = value.split("sip:").nth(1).and_then(|rest| rest.split('@').next()).unwrap_or(value).to_owned();
        if numbers.last() != Some(&number) {
            numbers.push(number);
        }
    }
    numbers
}

fn talking(seed: u64) -> World {
    let mut world = World::office(seed, Weather::CALM, OFFICE);
    for name in ["1002", "1003", "1004"] {
        world.phone(name).answers_after(500);
    }
    world.phone("1001").dials("1002");
    world.seconds(3);
    assert_eq!((shown(&world, "1001"), shown(&world, "1002")), (vec!["1002".to_owned()], vec!["1001".to_owned()]));
    world
}

#[test]
fn the_one_who_stays_sees_who_has_come() {
    for (seed, leaves, stays) in [(600, "1002", "1001"), (601, "1001", "1002")] {
        let mut world = talking(seed);
        world.phone(leaves).transfers_to("1003");
        world.seconds(5);
        assert_eq!((world.stage(stays), world.stage("1003")), (Stage::Talking, Stage::Talking), "{leaves}");
        assert_eq!(shown(&world, stays), [leaves, "1003"], "{leaves}");
        assert_eq!(shown(&world, "1003"), [stays], "{leaves}");
        // And once more, to show that it is the present company that is named.
        world.phone("1003").transfers_to("1004");
        world.seconds(5);
        assert_eq!(shown(&world, stays), [leaves, "1003", "1004"], "{leaves}");
        assert_eq!(shown(&world, "1004"), [stays], "{leaves}");
        world.phone("1004").hangs_up();
        world.finish();
    }
}

#[test]
fn the_caller_sees_who_has_picked_up() {
    let mut world = World::office(602, Weather::CALM, OFFICE);
    world.phone("1002").rings_on();
    world.phone("1001").dials("1002");
    world.seconds(1);
    let ids = world.look("1002").dialog_ids().expect("a dialog");
    world.phone("1004").phone(|phone, now| phone.dial_replacing(now, "1002", &ids, true, true));
    world.seconds(3);
    assert_eq!(shown(&world, "1001"), ["1002", "1004"]);
    world.phone("1001").hangs_up();
    world.finish();
}
