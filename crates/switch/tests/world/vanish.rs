//! Sides that are suddenly not there any more.

use domain::{CallEventKind, CallStatus, HangupBy, JournalEntry};
use testkit::{Stage, Weather, World};

const PAIR: &[&str] = &["1001", "1002"];

fn talking(seed: u64) -> World {
    let mut world = World::office(seed, Weather::CALM, PAIR);
    world.phone("1002").answers_after(500);
    world.phone("1001").dials("1002");
    world.seconds(3);
    assert_eq!((world.stage("1001"), world.stage("1002")), (Stage::Talking, Stage::Talking));
    world
}

#[test]
fn rtp_silence_ends_both_legs() {
    for (vanished, left) in [("1001", "1002"), ("1002", "1001")] {
        let mut world = talking(60);
        world.phone(vanished).vanishes();
        world.seconds(25);
        assert_eq!(world.stage(left), Stage::Over, "{vanished}");
        let silent =
            |entry: &&JournalEntry| matches!(entry, JournalEntry::Event(event) if event.kind == CallEventKind::Silent);
        assert_eq!(world.journal.iter().filter(silent).count(), 1);
        let record = world.records().next().expect("a record");
        assert_eq!((record.status, record.hangup_by), (CallStatus::Failed, Some(HangupBy::System)));
        assert_eq!(record.hangup_cause, Some(27));
        world.finish();
    }
}

#[test]
fn a_phone_that_vanishes_while_it_is_held_is_found_by_the_next_change() {
    let mut world = talking(61);
    world.phone("1001").holds();
    world.seconds(2);
    world.phone("1002").vanishes();
    world.seconds(60);
    assert_eq!(world.stage("1001"), Stage::Talking, "nothing is expected of a held phone");
    world.phone("1001").resumes();
    world.seconds(40);
    assert_eq!(world.stage("1001"), Stage::Over);
    world.finish();
}

#[test]
fn a_phone_that_was_mute_from_the_beginning() {
    let mut world = World::office(62, Weather::CALM, PAIR);
    world.phone("1002").answers_after(500).is_mute();
    world.phone("1001").dials("1002");
    world.seconds(15);
    assert_eq!(world.stage("1001"), Stage::Talking);
    world.seconds(10);
    assert_eq!(world.stage("1001"), Stage::Over);
    world.finish();
}

#[test]
fn a_caller_that_never_acknowledges() {
    let mut world = World::office(63, Weather::CALM, PAIR);
    world.phone("1002").answers_after(500);
    world.phone("1001").never_acknowledges().dials("1002");
    world.seconds(31);
    assert_eq!(world.stage("1002"), Stage::Talking);
    world.seconds(4);
    assert_eq!((world.stage("1001"), world.stage("1002")), (Stage::Over, Stage::Over), "after 64·T1");
    let record = world.record_of("1001");
    assert_eq!((record.status, record.hangup_cause), (CallStatus::Failed, Some(102)));
    world.finish();
}

#[test]
fn a_caller_that_vanishes_while_it_rings() {
    let mut world = World::office(64, Weather::CALM, PAIR);
    world.phone("1002").answers_after(5_000);
    world.phone("1001").dials("1002");
    world.seconds(2);
    world.phone("1001").vanishes();
    world.seconds(50);
    assert_eq!(world.stage("1002"), Stage::Over);
    assert_eq!(world.records().count(), 1);
    world.finish();
}

#[test]
fn a_callee_that_vanishes_while_it_rings() {
    let mut world = World::office(65, Weather::CALM, PAIR);
    world.phone("1002").rings_on();
    world.phone("1001").dials("1002");
    world.seconds(2);
    world.phone("1002").vanishes();
    world.seconds(35);
    assert_eq!((world.stage("1001"), world.code("1001")), (Stage::Over, Some(480)));
    world.finish();
}

#[test]
fn a_host_that_is_cut_off_for_a_while_keeps_its_call() {
    let mut world = talking(66);
    let host = world.look("1002").setup.address.ip();
    world.network.cut_off(host);
    world.seconds(10);
    world.network.reconnect(host);
    world.seconds(2);
    assert_eq!((world.hearing("1001"), world.hearing("1002")), (vec!["1002".into()], vec!["1001".into()]));
    world.phone("1001").hangs_up();
    world.finish();
}

#[test]
fn a_fault_of_ours_ends_one_call() {
    let mut world = World::office(67, Weather::CALM, &["1001", "1002", "1003", "1004"]);
    for callee in ["1002", "1004"] {
        world.phone(callee).answers_after(500);
    }
    world.phone("1001").dials("1002");
    world.phone("1003").dials("1004");
    world.seconds(2);
    let hit =
        world.opened_records().find(|record| record.caller_number.as_deref() == Some("1001")).map(|record| record.id);
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    world.break_call(hit.expect("a record"));
    world.phone("1002").holds();
    world.seconds(2);
    std::panic::set_hook(hook);
    assert_eq!((world.stage("1001"), world.stage("1002")), (Stage::Over, Stage::Over));
    assert_eq!((world.hearing("1003"), world.hearing("1004")), (vec!["1004".into()], vec!["1003".into()]));
    let record = world.record_of("1001");
    assert_eq!((record.status, record.hangup_by), (CallStatus::Failed, Some(HangupBy::System)));
    world.phone("1003").hangs_up();
    world.finish();
}
