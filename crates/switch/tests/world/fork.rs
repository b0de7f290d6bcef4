//! Several phones of one extension ring together.

use std::time::Duration;

use domain::CallStatus;
use testkit::{Law, Role, Stage, TenantBuilder, Weather, World, WorldConfig};

const DESKS: [&str; 3] = ["desk", "kitchen", "mobile"];

/// 1001 has one phone, 1002 has three.
fn office(seed: u64, weather: Weather) -> World {
    let mut world = World::new(WorldConfig::new(seed, weather));
    world.add_tenant(TenantBuilder::new("alpha").with_extensions(&["1001", "1002"]));
    world.plug_in("alpha", "1001", "1001", |setup| setup);
    for name in DESKS {
        world.plug_in("alpha", "1002", name, |setup| setup);
    }
    world.register_all();
    world
}

#[test]
fn the_first_to_answer_gets_the_call() {
    let mut world = office(30, Weather::CALM);
    world.phone("kitchen").answers_after(2_000);
    world.phone("1001").dials("1002");
    world.seconds(1);
    assert!(DESKS.iter().all(|name| world.stage(name) == Stage::Ringing));
    world.seconds(2);
    assert_eq!((world.hearing("1001"), world.hearing("kitchen")), (vec!["kitchen".into()], vec!["1001".into()]));
    for other in ["desk", "mobile"] {
        assert_eq!(world.code(other), Some(487), "{other}");
        let reason = world.talk(other).reason.clone().unwrap_or_default();
        assert!(reason.contains("200") && reason.to_lowercase().contains("elsewhere"), "{other}: {reason}");
    }
    world.phone("kitchen").hangs_up();
    world.seconds(1);
    assert_eq!(world.record_of("1001").callee_ip, Some(world.look("kitchen").setup.address.ip()));
    assert_eq!(world.legs().filter(|leg| !leg.is_caller).count(), 3);
    world.finish();
}

#[test]
fn all_answer_at_once_and_one_wins() {
    let delay = Duration::from_millis(30);
    let mut world = office(31, Weather { delay: delay..delay, ..Weather::CALM });
    for name in DESKS {
        world.phone(name).answers_after(1_000);
    }
    world.phone("1001").dials("1002");
    world.seconds(5);
    let talking: Vec<&str> = DESKS.into_iter().filter(|name| world.stage(name) == Stage::Talking).collect();
    assert_eq!(talking.len(), 1, "{talking:?}");
    assert_eq!(world.hearing("1001"), talking);
    for name in DESKS {
        // Everybody's 200 was acknowledged, the losers were told to hang up.
        assert_eq!(world.code(name), Some(200), "{name}");
    }
    world.phone("1001").hangs_up();
    world.finish();
}

#[test]
fn a_fork_behind_one_contact() {
    let mut world = office(32, Weather::CALM);
    world.phone("desk").answers_after(500).answers_twice();
    world.phone("1001").dials("1002");
    world.seconds(3);
    let ends: Vec<Stage> =
        world.look("desk").talks.iter().filter(|talk| talk.role == Role::Callee).map(|talk| talk.stage).collect();
    assert_eq!(ends, [Stage::Talking, Stage::Over]);
    assert_eq!(world.hearing("1001"), ["desk"]);
    world.phone("1001").hangs_up();
    world.finish();
}

#[test]
fn one_declines_for_all() {
    let mut world = office(33, Weather::CALM);
    world.phone("mobile").declines();
    world.phone("1001").dials("1002");
    world.seconds(3);
    assert_eq!(world.code("1001"), Some(603), "RFC 3261 §16.7: a 6xx speaks for everybody");
    assert_eq!((world.code("desk"), world.code("kitchen")), (Some(487), Some(487)));
    world.finish();
}

#[test]
fn a_busy_one_does_not_stop_the_others() {
    let mut world = office(34, Weather::CALM);
    world.phone("mobile").is_busy();
    world.phone("desk").answers_after(2_000);
    world.phone("1001").dials("1002");
    world.seconds(4);
    assert_eq!(world.hearing("1001"), ["desk"]);
    world.phone("desk").hangs_up();
    world.finish();
}

#[test]
fn the_best_of_all_refusals_is_told() {
    let mut world = office(35, Weather::CALM);
    world.phone("desk").refuses(480, 100);
    world.phone("kitchen").is_busy();
    world.phone("mobile").refuses(500, 300);
    world.phone("1001").dials("1002");
    world.seconds(2);
    assert_eq!((world.code("1001"), world.record_of("1001").status), (Some(486), CallStatus::Busy));
    world.finish();
}

#[test]
fn a_dead_one_does_not_stop_the_others() {
    let mut world = office(36, Weather::CALM);
    world.phone("mobile").vanishes();
    world.phone("desk").answers_after(3_000);
    world.phone("1001").dials("1002");
    world.seconds(5);
    assert_eq!(world.hearing("1001"), ["desk"]);
    world.phone("1001").hangs_up();
    world.finish();
}

#[test]
fn early_media_of_one_and_the_answer_of_another_with_another_codec() {
    let mut world = World::new(WorldConfig::new(37, Weather::CALM));
    world.add_tenant(TenantBuilder::new("alpha").with_extensions(&["1001", "1002"]));
    world.plug_in("alpha", "1001", "1001", |setup| setup);
    world.plug_in("alpha", "1002", "desk", |setup| setup.with_laws(&[Law::Mu]));
    world.plug_in("alpha", "1002", "mobile", |setup| setup.with_laws(&[Law::A]));
    world.register_all();
    world.phone("desk").speaks_early().rings_on();
    world.phone("mobile").answers_after(3_000);
    world.phone("1001").dials("1002");
    world.seconds(2);
    assert_eq!(world.hearing("1001"), ["desk"]);
    world.seconds(3);
    assert_eq!((world.hearing("1001"), world.hearing("mobile")), (vec!["mobile".into()], vec!["1001".into()]));
    world.phone("1001").hangs_up();
    world.finish();
}
