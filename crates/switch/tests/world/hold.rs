//! Hold, resume, and what happens when both sides want a change at once.

use std::time::Duration;

use domain::{CallEventKind, JournalEntry};
use testkit::{Hold, Stage, Weather, World};

const PAIR: &[&str] = &["1001", "1002"];

fn talking(seed: u64, weather: Weather) -> World {
    let mut world = World::office(seed, weather, PAIR);
    world.phone("1002").answers_after(500);
    world.phone("1001").dials("1002");
    world.seconds(3);
    assert_eq!((world.stage("1001"), world.stage("1002")), (Stage::Talking, Stage::Talking));
    world
}

fn hears(world: &World, name: &str) -> bool {
    !world.hearing(name).is_empty()
}

fn events(world: &World, kind: CallEventKind) -> usize {
    let is = |entry: &&JournalEntry| matches!(entry, JournalEntry::Event(event) if event.kind == kind);
    world.journal.iter().filter(is).count()
}

#[test]
fn either_side_holds_and_takes_back() {
    for (holder, held) in [("1001", "1002"), ("1002", "1001")] {
        for hold in [Hold::SendOnly, Hold::Inactive, Hold::ZeroAddress] {
            let mut world = talking(40, Weather::CALM);
            world.phone(holder).holds_with(hold);
            world.seconds(2);
            assert_eq!(world.talk(holder).changes, [200], "{holder} {hold:?}");
            assert!(world.talk(held).is_held(), "{holder} {hold:?}");
            assert!(!hears(&world, holder), "{holder} {hold:?}: the holder hears nothing");
            assert_eq!(hears(&world, held), hold != Hold::Inactive, "{holder} {hold:?}");
            // A held call is silent for as long as people like.
            world.seconds(60);
            assert_eq!(world.stage(holder), Stage::Talking, "{holder} {hold:?}");
            world.phone(holder).resumes();
            world.seconds(2);
            assert_eq!(world.hearing(holder), [held], "{holder} {hold:?}");
            assert_eq!(world.hearing(held), [holder], "{holder} {hold:?}");
            assert_eq!((events(&world, CallEventKind::Held), events(&world, CallEventKind::Resumed)), (1, 1));
            world.phone(held).hangs_up();
            world.finish();
        }
    }
}

#[test]
fn both_hold_and_take_back_one_after_the_other() {
    let mut world = talking(41, Weather::CALM);
    world.phone("1001").holds();
    world.seconds(1);
    world.phone("1002").holds();
    world.seconds(1);
    assert!(!hears(&world, "1001") && !hears(&world, "1002"));
    world.phone("1001").resumes();
    world.seconds(1);
    assert!(hears(&world, "1001") && !hears(&world, "1002"), "1002 still holds");
    world.phone("1002").resumes();
    world.seconds(1);
    assert!(hears(&world, "1001") && hears(&world, "1002"));
    world.phone("1001").hangs_up();
    world.finish();
}

/// A holder that plays no music sends nothing at all, and need not.
#[test]
fn a_holder_that_says_nothing_is_not_taken_for_dead() {
    let mut world = talking(45, Weather::CALM);
    world.phone("1001").is_mute().holds();
    world.seconds(60);
    assert_eq!((world.stage("1001"), world.stage("1002")), (Stage::Talking, Stage::Talking));
    world.phone("1001").hangs_up();
    world.finish();
}

#[test]
fn glare() {
    let delay = Duration::from_millis(40);
    let mut world = talking(42, Weather { delay: delay..delay, ..Weather::CALM });
    world.phone("1001").holds();
    world.phone("1002").holds();
    world.seconds(15);
    for name in PAIR {
        let changes = &world.talk(name).changes;
        assert_eq!(changes.last(), Some(&200), "{name}: {changes:?}");
        assert!(world.talk(name).holds(), "{name}");
    }
    let refused = PAIR.iter().flat_map(|name| &world.talk(name).changes).filter(|code| **code == 491).count();
    assert!(refused > 0, "the two changes crossed");
    world.phone("1001").resumes();
    world.seconds(2);
    world.phone("1002").resumes();
    world.seconds(2);
    for name in PAIR {
        assert!(!world.hearing_within(name, Duration::from_millis(300)).is_empty(), "{name}");
    }
    world.phone("1002").hangs_up();
    world.finish();
}

#[test]
fn a_refused_change_leaves_the_call_as_it_was() {
    let mut world = talking(43, Weather::CALM);
    world.phone("1002").refuses_changes();
    world.phone("1001").holds();
    world.seconds(1);
    assert_eq!(world.talk("1001").changes, [488]);
    assert_eq!((world.stage("1001"), world.stage("1002")), (Stage::Talking, Stage::Talking));
    world.seconds(2);
    assert_eq!((world.hearing("1001"), world.hearing("1002")), (vec!["1002".into()], vec!["1001".into()]));
    world.phone("1002").holds();
    world.seconds(1);
    assert_eq!(world.talk("1002").changes, [200], "the next change is as good as the first");
    world.phone("1001").hangs_up();
    world.finish();
}

#[test]
fn hanging_up_in_the_middle_of_a_change() {
    let delay = Duration::from_millis(50);
    for ms in (0..400).step_by(25) {
        let mut world = talking(44, Weather { delay: delay..delay, ..Weather::CALM });
        world.phone("1001").holds();
        world.run_for(Duration::from_millis(ms));
        world.phone(if ms % 50 == 0 { "1001" } else { "1002" }).hangs_up();
        world.seconds(2);
        assert_eq!((world.stage("1001"), world.stage("1002")), (Stage::Over, Stage::Over), "after {ms} ms");
        world.finish();
    }
}
