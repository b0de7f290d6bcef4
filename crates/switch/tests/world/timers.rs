//! Session timers (RFC 4028): who refreshes, how, and what becomes of a side that is not there any more.

use std::time::Duration;

use domain::{CallEventKind, CallStatus, JournalEntry};
use switch::SessionTerms;
use testkit::{Refreshes, Stage, Weather, World, WorldConfig};

const PAIR: &[&str] = &["1001", "1002"];

/// 1001 talks to 1002; `prepare` tells both what they can do.
fn talking(seed: u64, weather: Weather, prepare: impl FnOnce(&mut World)) -> World {
    talking_with(WorldConfig::new(seed, weather), prepare)
}

/// Sessions of the switch last so many seconds.
fn lasting(seed: u64, expires_s: u32, weather: Weather) -> WorldConfig {
    let session = SessionTerms { expires_s, min_se_s: 90 };
    WorldConfig { session, ..WorldConfig::new(seed, weather) }
}

fn talking_with(config: WorldConfig, prepare: impl FnOnce(&mut World)) -> World {
    let mut world = World::new(config);
    world.add_tenant(testkit::TenantBuilder::new("alpha").with_extensions(PAIR));
    for number in PAIR {
        world.plug_in("alpha", number, number, |setup| setup);
    }
    world.register_all();
    world.phone("1002").answers_after(500);
    prepare(&mut world);
    world.phone("1001").dials("1002");
    world.seconds(8);
    assert_eq!((world.stage("1001"), world.stage("1002")), (Stage::Talking, Stage::Talking));
    world
}

fn hang_up(mut world: World) {
    world.phone("1001").hangs_up();
    world.seconds(1);
    assert_eq!(world.record_of("1001").status, CallStatus::Completed);
    world.finish();
}

/// Whoever of the two knows session timers, and whoever it wants to refresh, with UPDATE or without: the call lasts.
#[test]
fn a_call_lasts_whoever_refreshes() {
    let mut seed = 220;
    for refreshes in [Refreshes::Itself, Refreshes::Other, Refreshes::Unsaid] {
        for update in [false, true] {
            for able in [&["1001"][..], &["1002"], PAIR] {
                seed += 1;
                let mut world = talking_with(lasting(seed, 100, Weather::CALM), |world| {
                    for name in able {
                        let phone = world.phone(name).times_sessions(100, refreshes);
                        if update {
                            phone.knows_update();
                        }
                    }
                });
                world.seconds(250);
                let what = format!("{refreshes:?}, UPDATE {update}, {able:?}");
                assert_eq!((world.stage("1001"), world.stage("1002")), (Stage::Talking, Stage::Talking), "{what}");
                for name in able {
                    let timer = &world.talk(name).timer;
                    let ours = match refreshes {
                        Refreshes::Itself => true,
                        Refreshes::Other => false,
                        // The switch offers to refresh where it is left the choice.
                        Refreshes::Unsaid => false,
                    };
                    // A callee is asked by the switch, which offers to refresh itself.
                    let ours = ours && *name == "1001";
                    assert_eq!((timer.is_ours, timer.refreshed > 0), (ours, !ours), "{name}: {what}");
                }
                assert_eq!((world.hearing("1001"), world.hearing("1002")), (vec!["1002".into()], vec!["1001".into()]));
                hang_up(world);
            }
        }
    }
}

/// A refresh says nothing new: its description has the version that the phone knows.
#[test]
fn a_refresh_by_invite_repeats_the_description() {
    let mut world = talking_with(lasting(240, 180, Weather::CALM), |_| {});
    world.seconds(200);
    for name in PAIR {
        let talk = world.talk(name);
        assert_eq!((talk.timer.refreshed, talk.versions.as_slice()), (2, &[1, 1][..]), "{name}");
    }
    world.phone("1001").holds();
    world.seconds(100);
    assert_eq!(world.talk("1002").versions, [1, 1, 2, 2], "the hold, and the refresh of it");
    assert_eq!(world.talk("1001").versions, [1, 1, 2, 2], "the answer to the hold, and the refresh of it");
    hang_up(world);
}

#[test]
fn the_smallest_interval_is_named_and_taken() {
    let mut world = talking(241, Weather::CALM, |world| {
        // 60 s are too few for the switch, 1,800 too few for 1002.
        world.phone("1001").times_sessions(60, Refreshes::Itself);
        world.phone("1002").times_sessions(2_000, Refreshes::Unsaid).takes_no_less_than(2_000);
    });
    assert_eq!(world.talk("1001").timer.interval_s, Some(90));
    assert_eq!(world.talk("1002").timer.interval_s, Some(2_000));
    assert_eq!(world.opened_records().count(), 1, "the INVITE that was refused made no call");
    world.seconds(100);
    // A change has to respect it too.
    world.phone("1001").holds();
    world.seconds(2);
    assert_eq!((world.talk("1001").changes.last(), world.talk("1002").is_held()), (Some(&200), true));
    hang_up(world);
}

/// Nobody sends audio on hold, so nobody is missed, but for the timer.
#[test]
fn a_peer_that_vanishes_on_hold_is_found() {
    for (seed, skilled) in [(242, true), (243, false)] {
        for gone in PAIR {
            let mut world = talking_with(lasting(seed, 600, Weather::CALM), |world| {
                if skilled {
                    for name in PAIR {
                        world.phone(name).times_sessions(600, Refreshes::Other).knows_update();
                    }
                }
            });
            let stays = if *gone == "1001" { "1002" } else { "1001" };
            world.phone(stays).holds_with(testkit::Hold::Inactive);
            world.seconds(2);
            world.phone(gone).vanishes();
            // Half the interval, and the time of a transaction.
            world.seconds(270);
            assert_eq!(world.stage(stays), Stage::Talking, "{gone} {skilled}");
            world.seconds(70);
            assert_eq!(world.stage(stays), Stage::Over, "{gone} {skilled}");
            let reason = world.talk(stays).reason.clone().unwrap_or_default();
            assert!(reason.contains("cause=27"), "{reason}");
            let silent = |entry: &&JournalEntry| matches!(entry, JournalEntry::Event(event) if event.kind == CallEventKind::Silent);
            assert_eq!(world.journal.iter().filter(silent).count(), 1);
            world.finish();
        }
    }
}

#[test]
fn a_phone_that_does_not_refresh_as_it_promised_loses_its_call_in_time() {
    let mut world = talking(244, Weather::CALM, |world| {
        world.phone("1001").times_sessions(300, Refreshes::Itself).breaks_promises();
    });
    let answered = world.talk("1001").answered_at.unwrap();
    world.seconds(300);
    assert_eq!((world.stage("1001"), world.stage("1002")), (Stage::Over, Stage::Over));
    // 32 s before the interval is over, so that the phone still knows the dialog.
    assert_eq!(world.talk("1001").over_at.unwrap() - answered, Duration::from_secs(268));
    assert_eq!(world.record_of("1001").status, CallStatus::Failed);
    world.finish();
}

#[test]
fn a_call_lasts_in_bad_weather() {
    let delay = Duration::from_millis(5)..Duration::from_millis(80);
    let weathers = [
        Weather { loss: 0.1, delay: delay.clone(), ..Weather::CALM },
        Weather { duplicate: 0.5, delay, ..Weather::CALM },
        Weather::STORM,
    ];
    for (weather, seed) in weathers.into_iter().zip(250..) {
        let mut world = talking_with(lasting(seed, 120, weather), |world| {
            world.phone("1002").times_sessions(120, Refreshes::Unsaid);
            world.phone("1001").times_sessions(120, Refreshes::Itself).knows_update();
        });
        world.seconds(650);
        assert_eq!((world.stage("1001"), world.stage("1002")), (Stage::Talking, Stage::Talking), "seed {seed}");
        assert!(world.talk("1002").timer.refreshed >= 9, "seed {seed}");
        world.phone("1002").hangs_up();
        world.finish();
    }
}

/// A phone changes the session at the moment at which the switch asks it, or the other one, for a sign of life.
#[test]
fn a_change_that_crosses_a_refresh() {
    let delay = Duration::from_millis(40);
    let weather = Weather { delay: delay..delay, ..Weather::CALM };
    for (update, seed) in [(false, 260), (true, 261)] {
        for holder in PAIR {
            for before_ms in [10, 30, 60, 100] {
                let mut world = talking_with(lasting(seed, 100, weather.clone()), |world| {
                    for name in PAIR.iter().filter(|_| update) {
                        world.phone(name).knows_update();
                    }
                });
                // The switch heard the answer one journey after the phone had sent it.
                let answered = world.talk("1002").answered_at.unwrap() + Duration::from_millis(40);
                let refresh = answered + Duration::from_secs(50);
                let now = world.clock.now();
                world.run_for(refresh.duration_since(now).saturating_sub(Duration::from_millis(before_ms)));
                world.phone(holder).holds();
                world.seconds(12);
                let what = format!("{holder}, UPDATE {update}, {before_ms} ms before");
                assert_eq!(world.talk(holder).changes.last(), Some(&200), "{what}");
                let held = if *holder == "1001" { "1002" } else { "1001" };
                assert!(world.talk(held).is_held(), "{what}");
                world.phone(holder).resumes();
                world.seconds(8);
                let window = Duration::from_millis(400);
                assert_eq!(world.hearing_within(holder, window), [held], "{what}");
                hang_up(world);
            }
        }
    }
}

#[test]
fn the_echo_test_lasts_too() {
    for (seed, update) in [(262, false), (263, true)] {
        let mut world = World::new(lasting(seed, 100, Weather::CALM));
        world.add_tenant(testkit::TenantBuilder::new("alpha").with_extensions(&["1001"]));
        world.plug_in("alpha", "1001", "1001", |setup| setup);
        world.register_all();
        let phone = world.phone("1001").times_sessions(100, Refreshes::Other);
        if update {
            phone.knows_update();
        }
        world.phone("1001").dials("*43");
        world.seconds(120);
        assert_eq!((world.stage("1001"), world.hearing("1001")), (Stage::Talking, vec!["1001".to_owned()]));
        assert_eq!(world.talk("1001").timer.refreshed, 2, "UPDATE {update}");
        world.phone("1001").hangs_up();
        world.finish();
    }
}
