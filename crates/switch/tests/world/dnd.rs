//! Not to be disturbed, call waiting, and how many calls somebody takes.

use domain::{CallStatus, Extension};
use testkit::{Stage, TenantBuilder, Weather, World, WorldConfig};

const FOUR: &[&str] = &["1001", "1002", "1003", "1004"];

fn office(seed: u64, change: fn(&mut Extension)) -> World {
    let mut world = World::new(WorldConfig::new(seed, Weather::CALM));
    world.add_tenant(TenantBuilder::new("alpha").with_extensions(FOUR).with_settings("1002", change));
    for number in FOUR {
        world.plug_in("alpha", number, number, |setup| setup);
    }
    world.register_all();
    for number in FOUR {
        world.phone(number).answers_after(500);
    }
    world
}

#[test]
fn nobody_rings_who_does_not_want_to_be_disturbed() {
    let mut world = office(340, |extension| extension.do_not_disturb = true);
    world.phone("1001").dials("1002");
    world.seconds(1);
    assert_eq!(world.code("1001"), Some(480));
    assert!(world.talk("1001").reason.as_deref().is_some_and(|reason| reason.contains("disturbed")));
    assert!(world.look("1002").talks.is_empty());
    let record = world.record_of("1001");
    assert_eq!((record.status, record.hangup_cause), (CallStatus::Rejected, Some(21)));
    assert_eq!(record.disconnect_reason.as_deref(), Some("The person called does not want to be disturbed"));
    // Who does not want to be disturbed can call all the same.
    world.phone("1002").dials("1003");
    world.seconds(2);
    assert_eq!(world.stage("1002"), Stage::Talking);
    world.phone("1002").hangs_up();
    world.finish();
}

#[test]
fn the_busy_forward_takes_the_calls_of_one_who_is_not_to_be_disturbed() {
    let mut world = office(341, |extension| {
        extension.do_not_disturb = true;
        extension.forwards.busy = Some("1003".to_owned());
    });
    world.phone("1001").dials("1002");
    world.seconds(2);
    assert_eq!((world.stage("1001"), world.hearing("1001")), (Stage::Talking, vec!["1003".to_owned()]));
    world.phone("1001").hangs_up();
    world.finish();
}

#[test]
fn a_second_call_waits_unless_that_is_switched_off() {
    for waiting in [true, false] {
        let mut world = match waiting {
            true => office(342, |_| {}),
            false => office(342, |extension| extension.call_waiting = false),
        };
        world.phone("1001").dials("1002");
        world.seconds(2);
        assert_eq!(world.stage("1002"), Stage::Talking);
        world.phone("1002").rings_on();
        world.phone("1003").dials("1002");
        world.seconds(2);
        if waiting {
            assert_eq!((world.stage("1003"), world.look("1002").talks.len()), (Stage::Ringing, 2));
            world.phone("1003").cancels();
        } else {
            assert_eq!((world.code("1003"), world.look("1002").talks.len()), (Some(486), 1));
            assert_eq!(world.record_of("1003").status, CallStatus::Busy);
        }
        world.seconds(1);
        world.phone("1001").hangs_up();
        world.seconds(1);
        world.phone("1002").answers_after(500);
        world.phone("1003").dials("1002");
        world.seconds(2);
        assert_eq!(world.stage("1003"), Stage::Talking, "free again");
        world.phone("1003").hangs_up();
        world.finish();
    }
}

#[test]
fn who_rings_or_calls_is_busy_too() {
    let mut world = office(343, |extension| extension.call_waiting = false);
    world.phone("1002").rings_on();
    world.phone("1001").dials("1002");
    world.seconds(1);
    world.phone("1003").dials("1002");
    world.seconds(1);
    assert_eq!((world.stage("1001"), world.code("1003")), (Stage::Ringing, Some(486)));
    world.phone("1001").cancels();
    world.seconds(1);
    world.phone("1004").rings_on();
    world.phone("1002").dials("1004");
    world.seconds(1);
    world.phone("1003").dials("1002");
    world.seconds(1);
    assert_eq!(world.code("1003"), Some(486), "while it calls somebody itself");
    world.phone("1002").cancels();
    world.finish();
}

#[test]
fn no_more_calls_ring_than_somebody_takes() {
    let mut world = office(344, |extension| extension.max_calls = Some(2));
    world.phone("1001").dials("1002");
    world.seconds(2);
    world.phone("1003").dials("1002");
    world.seconds(2);
    assert_eq!(world.look("1002").talks.len(), 2);
    world.phone("1004").dials("1002");
    world.seconds(2);
    assert_eq!((world.code("1004"), world.look("1002").talks.len()), (Some(486), 2));
    for number in ["1001", "1003"] {
        world.phone(number).hangs_up();
    }
    world.finish();
}

#[test]
fn a_second_dialplan_row_is_not_held_up_by_the_first() {
    // The same extension twice: its own call does not make it busy.
    let dial = || domain::Action::Dial(Some("1002".to_owned()));
    let mut world = World::new(WorldConfig::new(345, Weather::CALM));
    let tenant =
        TenantBuilder::new("alpha").with_extensions(FOUR).with_row("600", 1, dial()).with_row("600", 2, dial());
    world.add_tenant(tenant.with_settings("1002", |extension| {
        extension.call_waiting = false;
        extension.no_answer_timeout_s = Some(3);
    }));
    for number in FOUR {
        world.plug_in("alpha", number, number, |setup| setup);
    }
    world.register_all();
    world.phone("1002").rings_on();
    world.phone("1001").dials("600");
    world.seconds(5);
    assert_eq!((world.stage("1001"), world.look("1002").talks.len()), (Stage::Ringing, 2));
    world.seconds(3);
    assert_eq!(world.code("1001"), Some(480));
    world.finish();
}
