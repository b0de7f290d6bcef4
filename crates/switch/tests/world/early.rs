//! Before the answer: early media, reliable provisional answers (RFC 3262), and several early dialogs of one phone.

use std::time::Duration;

use domain::CallStatus;
use testkit::{Reliable, Stage, TenantBuilder, Weather, World, WorldConfig};

const PAIR: &[&str] = &["1001", "1002"];

fn weathers() -> [Weather; 4] {
    let delay = Duration::from_millis(5)..Duration::from_millis(60);
    [
        Weather::CALM,
        Weather { loss: 0.1, delay: delay.clone(), ..Weather::CALM },
        Weather { duplicate: 0.5, delay, ..Weather::CALM },
        Weather::STORM,
    ]
}

fn hang_up(mut world: World) {
    world.phone("1001").hangs_up();
    world.seconds(8);
    assert_eq!(world.record_of("1001").status, CallStatus::Completed);
    world.finish();
}

/// Each side acknowledges by itself what its own leg wants acknowledged, whatever the other one knows.
#[test]
fn early_media_whoever_knows_of_reliable_answers() {
    let ways = [Reliable::Never, Reliable::Supported, Reliable::Required];
    let mut seed = 300;
    for weather in weathers() {
        for caller in ways {
            for callee in ways {
                seed += 1;
                let what = format!("seed {seed}: {caller:?} calls {callee:?} in {weather:?}");
                let mut world = World::office(seed, weather.clone(), PAIR);
                world.phone("1001").is_reliable(caller);
                world.phone("1002").is_reliable(callee).speaks_early().answers_after(6_000);
                world.phone("1001").dials("1002");
                world.seconds(5);
                assert_eq!(
                    (world.stage("1001"), world.heard("1001")),
                    (Stage::Ringing, vec!["1002".to_owned()]),
                    "{what}"
                );
                world.seconds(12);
                assert_eq!((world.stage("1001"), world.stage("1002")), (Stage::Talking, Stage::Talking), "{what}");
                assert_eq!(world.heard("1002"), ["1001"], "{what}");
                let pracks: &[u16] = if caller == Reliable::Never { &[] } else { &[200] };
                assert_eq!(world.talk("1001").pracks, pracks, "{what}");
                assert_eq!(world.talk("1002").pracked, usize::from(callee != Reliable::Never), "{what}");
                assert_eq!(world.talk("1001").progress, [183], "{what}");
                hang_up(world);
            }
        }
    }
}

/// Who requires reliable answers gets every one of them so, with a description or without.
#[test]
fn ringing_is_reliable_where_it_is_required() {
    for (seed, callee) in [(340, Reliable::Never), (341, Reliable::Required)] {
        let mut world = World::office(seed, Weather::CALM, PAIR);
        world.phone("1001").is_reliable(Reliable::Required);
        world.phone("1002").is_reliable(callee).answers_after(2_000);
        world.phone("1001").dials("1002");
        world.seconds(3);
        let talk = world.talk("1001");
        assert_eq!((talk.progress.as_slice(), talk.pracks.as_slice()), (&[180][..], &[200][..]), "{callee:?}");
        hang_up(world);
    }
}

#[test]
fn a_caller_that_never_acknowledges_a_reliable_answer_is_refused() {
    let mut world = World::new(WorldConfig::new(342, Weather::CALM));
    world.add_tenant(TenantBuilder::new("alpha").with_extensions(PAIR).with_ring_timeout_s(60));
    for number in PAIR {
        world.plug_in("alpha", number, number, |setup| setup);
    }
    world.register_all();
    world.phone("1001").is_reliable(Reliable::Promised);
    world.phone("1002").speaks_early().rings_on();
    world.phone("1001").dials("1002");
    world.seconds(36);
    assert_eq!((world.code("1001"), world.stage("1002")), (Some(504), Stage::Over));
    assert_eq!(world.opened_records().count(), 1);
    world.seconds(1);
    let record = world.record_of("1001");
    assert_eq!((record.status, record.answer_time), (CallStatus::Failed, None));
    // The caller was told 504 by the endpoint, the history counts a call that was never confirmed.
    world.phone("1001").is_reliable(Reliable::Supported);
    world.phone("1002").answers_after(100);
    world.phone("1001").dials("1002");
    world.seconds(3);
    hang_up(world);
}

#[test]
fn the_end_that_takes_the_call_is_heard_and_hears() {
    for (seed, early) in [(343, true), (344, false)] {
        let mut world = World::office(seed, Weather::CALM, PAIR);
        let phone = world.phone("1002").forks_into(3).answers_after(2_000);
        if early {
            phone.speaks_early();
        }
        world.phone("1001").dials("1002");
        world.seconds(1);
        let rung = world.look("1002").open_talks().count();
        assert_eq!((rung, world.talk("1001").progress.len()), (3, 1), "three ring, and the caller hears of one");
        assert_eq!(world.hearing("1001").is_empty(), !early);
        world.seconds(3);
        assert_eq!((world.stage("1001"), world.hearing("1001")), (Stage::Talking, vec!["1002".to_owned()]));
        let stages: Vec<Stage> = world.look("1002").talks.iter().map(|talk| talk.stage).collect();
        assert_eq!(stages, [Stage::Over, Stage::Over, Stage::Talking]);
        let heard: Vec<usize> = world.look("1002").talks.iter().map(|talk| talk.ear.heard().count()).collect();
        assert_eq!(heard[2], 1, "the last one hears the caller");
        // Holding works on the dialog that was chosen.
        world.phone("1001").holds();
        world.seconds(1);
        assert!(world.talk("1002").is_held());
        hang_up(world);
    }
}

#[test]
fn ringing_is_told_once_however_many_ring() {
    let mut world = World::new(WorldConfig::new(345, Weather::CALM));
    world.add_tenant(TenantBuilder::new("alpha").with_extensions(PAIR));
    world.plug_in("alpha", "1001", "1001", |setup| setup);
    for name in ["a", "b", "c", "d"] {
        world.plug_in("alpha", "1002", name, |setup| setup);
    }
    world.register_all();
    world.phone("a").rings_on().forks_into(2);
    world.phone("b").speaks_early().rings_on();
    world.phone("c").refuses(486, 500);
    world.phone("d").answers_after(3_000);
    world.phone("1001").dials("1002");
    world.seconds(2);
    // The first to ring is heard of once; early media comes when there is some.
    assert_eq!(
        (world.talk("1001").progress.as_slice(), world.hearing("1001")),
        (&[180, 183][..], vec!["b".to_owned()])
    );
    world.seconds(2);
    assert_eq!(world.hearing("1001"), ["d"]);
    hang_up(world);
}

/// When the phone that was heard refuses, the next one with something to say is heard.
#[test]
fn another_is_heard_when_the_first_refuses() {
    let mut world = World::new(WorldConfig::new(346, Weather::CALM));
    world.add_tenant(TenantBuilder::new("alpha").with_extensions(PAIR));
    world.plug_in("alpha", "1001", "1001", |setup| setup);
    for name in ["a", "b"] {
        world.plug_in("alpha", "1002", name, |setup| setup);
    }
    world.register_all();
    world.phone("a").speaks_early().refuses(486, 2_000);
    world.phone("b").rings_on();
    world.phone("1001").dials("1002");
    world.seconds(1);
    assert_eq!(world.hearing("1001"), ["a"]);
    world.seconds(2);
    assert_eq!((world.stage("1001"), world.hearing("1001")), (Stage::Ringing, vec![]));
    world.phone("b").answers_after(0).picks_up();
    world.seconds(1);
    assert_eq!((world.hearing("1001"), world.hearing("b")), (vec!["b".to_owned()], vec!["1001".to_owned()]));
    hang_up(world);
}

/// UPDATE before the answer (RFC 3311 §5.1): either side may hold the early media, and take it back.
#[test]
fn early_media_is_held_and_taken_back() {
    for (seed, who) in [(347, "1001"), (348, "1002")] {
        let mut world = World::office(seed, Weather::CALM, PAIR);
        for name in PAIR {
            world.phone(name).is_reliable(Reliable::Supported).knows_update();
        }
        world.phone("1002").speaks_early().answers_after(6_000);
        world.phone("1001").dials("1002");
        world.seconds(1);
        assert_eq!((world.hearing("1001"), world.hearing("1002")), (vec!["1002".to_owned()], vec!["1001".to_owned()]));
        world.phone(who).updates_to(Some(testkit::Hold::Inactive));
        world.seconds(1);
        assert_eq!(
            (world.hearing("1001"), world.hearing("1002"), world.talk(who).changes.as_slice()),
            (vec![], vec![], &[200][..]),
            "{who}"
        );
        world.phone(who).updates_to(None);
        world.seconds(1);
        assert_eq!((world.hearing("1001"), world.hearing("1002")), (vec!["1002".to_owned()], vec!["1001".to_owned()]));
        // One without a description changes nothing.
        world.phone(who).updates(false);
        world.seconds(1);
        assert_eq!(world.talk(who).changes, [200, 200, 200], "{who}");
        world.seconds(5);
        assert_eq!((world.stage("1001"), world.stage("1002")), (Stage::Talking, Stage::Talking));
        assert_eq!((world.hearing("1001"), world.hearing("1002")), (vec!["1002".to_owned()], vec!["1001".to_owned()]));
        hang_up(world);
    }
}
