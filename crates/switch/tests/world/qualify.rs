//! Phones behind NAT are asked whether they are there, and those that are not are not rung.

use std::time::Duration;

use switch::Reach;
use testkit::{Stage, TenantBuilder, Weather, World, WorldConfig};

const EVERY: Duration = Duration::from_secs(20);

/// 1001 has an address of its own, 1002 is behind NAT.
fn office(seed: u64, weather: Weather) -> World {
    let config = WorldConfig { qualify_every: EVERY, ..WorldConfig::new(seed, weather) };
    let mut world = World::new(config);
    world.add_tenant(TenantBuilder::new("alpha").with_extensions(&["1001", "1002"]));
    world.plug_in("alpha", "1001", "1001", |setup| setup.that_refreshes());
    world.plug_in("alpha", "1002", "1002", |setup| setup.behind_nat().that_refreshes());
    world.register_all();
    world
}

fn reach(world: &World, extension: &str) -> Reach {
    let rows = world.shard().registrations(None);
    let row = rows.iter().find(|row| row.extension == extension).expect("a binding");
    world.shard().reach(row.id)
}

#[test]
fn a_phone_behind_nat_is_asked_and_the_others_are_not() {
    let delay = Duration::from_millis(30);
    let mut world = office(600, Weather { delay: delay..delay, ..Weather::CALM });
    assert_eq!(reach(&world, "1002"), Reach::Unknown);
    world.run_for(EVERY + Duration::from_secs(1));
    assert_eq!(reach(&world, "1002"), Reach::Reachable { round_trip: delay * 2 });
    assert_eq!(reach(&world, "1001"), Reach::Unknown);
    assert_eq!((world.look("1002").asked, world.look("1001").asked), (1, 0));
    world.run_for(EVERY * 4);
    assert_eq!(world.look("1002").asked, 5);
    world.finish();
}

#[test]
fn a_phone_that_is_gone_is_not_rung_until_it_is_back() {
    let mut world = office(601, Weather::CALM);
    world.phone("1002").answers_after(300);
    world.phone("1002").vanishes();
    world.run_for(EVERY + Duration::from_secs(33));
    assert_eq!(reach(&world, "1002"), Reach::Unreachable);
    world.phone("1001").dials("1002");
    world.seconds(2);
    assert_eq!(world.code("1001"), Some(480), "at once, not after a ring time-out");
    world.phone("1002").phone(|phone, now| {
        phone.reboot();
        phone.register(now, 3_600);
    });
    world.seconds(1);
    assert_eq!(reach(&world, "1002"), Reach::Unknown, "it has just spoken");
    world.phone("1001").dials("1002");
    world.seconds(2);
    assert_eq!((world.stage("1001"), world.stage("1002")), (Stage::Talking, Stage::Talking));
    world.phone("1001").hangs_up();
    world.finish();
}

#[test]
fn loss_alone_makes_nobody_unreachable() {
    let mut world = office(602, Weather::STORM);
    for _ in 0..30 {
        world.run_for(EVERY);
        assert_ne!(reach(&world, "1002"), Reach::Unreachable);
    }
    world.finish();
}

/// A question to where a phone was says nothing about where it is.
#[test]
fn a_phone_that_comes_back_during_a_question_is_there() {
    let mut world = office(603, Weather::CALM);
    world.phone("1002").vanishes();
    world.run_for(EVERY + Duration::from_secs(5));
    world.phone("1002").phone(|phone, now| {
        phone.reboot();
        phone.move_to(41_000);
        phone.register(now, 3_600);
    });
    for _ in 0..40 {
        world.seconds(1);
        assert_ne!(reach(&world, "1002"), Reach::Unreachable);
    }
    world.finish();
}
