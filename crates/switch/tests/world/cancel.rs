//! The caller gives up, at every stage there is.

use std::time::Duration;

use domain::{CallStatus, HangupBy};
use testkit::{Stage, Weather, World};

const PAIR: &[&str] = &["1001", "1002"];

/// A network whose every journey takes so many milliseconds.
fn slow(ms: u64) -> Weather {
    let delay = Duration::from_millis(ms);
    Weather { delay: delay..delay, ..Weather::CALM }
}

#[test]
fn while_it_rings() {
    let mut world = World::office(20, Weather::CALM, PAIR);
    world.phone("1002").rings_on();
    world.phone("1001").dials("1002");
    world.seconds(3);
    world.phone("1001").cancels();
    world.seconds(1);
    assert_eq!((world.code("1001"), world.code("1002")), (Some(487), Some(487)));
    let record = world.record_of("1001");
    assert_eq!((record.status, record.hangup_by), (CallStatus::Cancelled, Some(HangupBy::Caller)));
    assert_eq!(record.total_duration_ms(), Some(3_000));
    world.finish();
}

/// The caller hangs up at each of many moments of the same call, from before the challenge to after the answer.
#[test]
fn at_every_moment_of_a_call() {
    for ms in (0..1_600).step_by(25) {
        let mut world = World::office(21, slow(60), PAIR);
        world.phone("1002").answers_after(700);
        world.phone("1001").dials("1002");
        world.run_for(Duration::from_millis(ms));
        world.phone("1001").cancels();
        world.seconds(8);
        assert_eq!((world.stage("1001"), world.stage("1002")), (Stage::Over, Stage::Over), "after {ms} ms");
        let answered = world.talk("1001").answered_at.is_some();
        for record in world.records() {
            let expected = if record.answer_time.is_some() { CallStatus::Completed } else { CallStatus::Cancelled };
            assert_eq!(record.status, expected, "after {ms} ms: {record:?}");
        }
        assert!(world.records().count() <= 1 && (!answered || world.records().count() == 1), "after {ms} ms");
        world.finish();
    }
}

#[test]
fn before_the_phone_called_has_answered_at_all() {
    let mut world = World::office(22, Weather::CALM, PAIR);
    // It says nothing, not even 100: the CANCEL to it must wait (RFC 3261 §9.1), the caller need not.
    world.phone("1002").rings_silently().answers_after(3_000);
    world.phone("1001").dials("1002");
    world.run_for(Duration::from_millis(200));
    world.phone("1001").cancels();
    world.run_for(Duration::from_millis(100));
    assert_eq!((world.code("1001"), world.stage("1002")), (Some(487), Stage::Ringing));
    world.seconds(4);
    // Its 200 comes to a call that is over: acknowledged, and ended.
    assert_eq!((world.code("1002"), world.stage("1002")), (Some(200), Stage::Over));
    assert_eq!(world.record_of("1001").status, CallStatus::Cancelled);
    world.finish();
}

#[test]
fn at_the_moment_of_the_answer() {
    let mut world = World::office(23, slow(40), PAIR);
    world.phone("1002").rings_on().crosses_cancels();
    world.phone("1001").dials("1002");
    world.seconds(2);
    world.phone("1001").cancels();
    world.seconds(3);
    // The switch had promised the caller its 487; the phone that answered is acknowledged and told to hang up.
    assert_eq!((world.code("1001"), world.stage("1001")), (Some(487), Stage::Over));
    assert_eq!((world.code("1002"), world.stage("1002")), (Some(200), Stage::Over));
    assert_eq!(world.record_of("1001").status, CallStatus::Cancelled);
    world.finish();
}

#[test]
fn during_early_media() {
    let mut world = World::office(24, Weather::CALM, PAIR);
    world.phone("1002").speaks_early().rings_on();
    world.phone("1001").dials("1002");
    world.seconds(2);
    assert_eq!(world.hearing("1001"), ["1002"]);
    world.phone("1001").cancels();
    world.seconds(1);
    assert_eq!((world.code("1001"), world.code("1002")), (Some(487), Some(487)));
    world.finish();
}
