//! Who is reachable: bindings come, are refreshed, listed, ended, and run out.

use std::time::Duration;

use domain::RegistrationChange;
use switch::Input;
use testkit::{Stage, TenantBuilder, Weather, World, WorldConfig};

const PAIR: &[&str] = &["1001", "1002"];

fn office(seed: u64, expires: u32) -> World {
    let mut world = World::new(WorldConfig::new(seed, Weather::CALM));
    world.add_tenant(TenantBuilder::new("alpha").with_extensions(PAIR));
    for number in PAIR {
        world.plug_in("alpha", number, number, |setup| setup.with_expires(expires));
    }
    world.register_all();
    world.phone("1002").answers_after(200);
    world
}

#[test]
fn a_binding_runs_out() {
    let mut world = office(90, 120);
    world.seconds(119);
    world.phone("1001").registers();
    world.seconds(2);
    assert_eq!(world.shard().registrations(None).len(), 1, "1002 has not refreshed");
    let removed = |change: &&RegistrationChange| matches!(change, RegistrationChange::Removed { .. });
    assert_eq!(world.bindings.iter().filter(removed).count(), 1);
    world.phone("1001").dials("1002");
    world.seconds(1);
    assert_eq!(world.code("1001"), Some(480));
    world.finish();
}

#[test]
fn a_binding_that_is_refreshed_goes_on() {
    let mut world = office(91, 120);
    for _ in 0..5 {
        world.seconds(100);
        world.phone("1001").registers();
        world.phone("1002").registers();
    }
    world.seconds(1);
    world.phone("1001").dials("1002");
    world.seconds(1);
    assert_eq!(world.stage("1001"), Stage::Talking);
    world.phone("1001").hangs_up();
    world.finish();
}

#[test]
fn unregistering_and_registering_again() {
    let mut world = office(92, 3_600);
    world.phone("1002").unregisters();
    world.seconds(1);
    assert_eq!(world.shard().registrations(None).len(), 1);
    world.phone("1002").registers();
    world.seconds(1);
    world.phone("1001").dials("1002");
    world.seconds(1);
    assert_eq!(world.stage("1001"), Stage::Talking);
    // Its binding ends while it talks: the call does not.
    world.phone("1002").unregisters();
    world.seconds(2);
    assert_eq!(world.hearing("1001"), ["1002"]);
    world.phone("1002").hangs_up();
    world.finish();
}

#[test]
fn all_bindings_are_listed() {
    let mut world = office(93, 3_600);
    world.plug_in("alpha", "1002", "mobile", |setup| setup);
    world.phone("mobile").registers();
    world.seconds(1);
    assert_eq!(world.look("mobile").registration.listed, 2);
    world.phone("1001").phone(|phone, now| phone.query_bindings(now));
    world.seconds(1);
    assert_eq!(world.look("1001").registration.listed, 1);
    world.finish();
}

#[test]
fn too_short_a_lifetime_is_refused() {
    let mut world = office(94, 3_600);
    world.phone("1001").phone(|phone, now| phone.register(now, 5));
    world.seconds(1);
    assert_eq!(world.look("1001").registration.code, Some(423));
    assert_eq!(world.shard().registrations(None).len(), 2, "the binding is what it was");
    world.finish();
}

#[test]
fn a_wrong_password() {
    let mut world = office(95, 3_600);
    world.plug_in("alpha", "1002", "guest", |setup| setup.with_password("wrong"));
    world.plug_in("alpha", "7777", "nobody", |setup| setup);
    for name in ["guest", "nobody"] {
        world.phone(name).registers();
    }
    world.seconds(2);
    for name in ["guest", "nobody"] {
        assert_eq!(world.look(name).registration.code, Some(401), "{name}");
    }
    assert_eq!(world.shard().registrations(None).len(), 2);
    world.finish();
}

#[test]
fn a_new_extension_works_at_once() {
    let mut world = office(96, 3_600);
    let tenant = world.tenant("alpha").with_extensions(&["1003"]).next_revision();
    world.add_tenant(tenant);
    world.plug_in("alpha", "1003", "1003", |setup| setup);
    world.phone("1003").registers().answers_after(100);
    world.seconds(1);
    world.phone("1001").dials("1003");
    world.seconds(1);
    assert_eq!(world.hearing("1001"), ["1003"]);
    world.phone("1003").hangs_up();
    world.finish();
}

/// What a restarted switch has read back is as good as what the phones told it.
#[test]
fn bindings_of_an_earlier_life() {
    let bindings = office(97, 3_600).shard().registrations(None);
    let mut world = World::new(WorldConfig::new(98, Weather::CALM));
    world.add_tenant(TenantBuilder::new("alpha").with_extensions(PAIR));
    for number in PAIR {
        world.plug_in("alpha", number, number, |setup| setup);
    }
    world.tell(Input::Bindings(bindings));
    assert_eq!(world.shard().registrations(None).len(), 2);
    world.phone("1002").answers_after(200);
    world.phone("1001").dials("1002");
    world.seconds(2);
    assert_eq!(world.hearing("1001"), ["1002"]);
    world.phone("1001").hangs_up();
    world.finish();
}

#[test]
fn phones_behind_nat_are_reached_where_they_registered_from() {
    let mut world = World::new(WorldConfig::new(99, Weather::CALM));
    world.add_tenant(TenantBuilder::new("alpha").with_extensions(PAIR));
    for number in PAIR {
        world.plug_in("alpha", number, number, |setup| setup.behind_nat());
    }
    world.register_all();
    world.phone("1002").rings_on();
    world.phone("1001").dials("1002");
    world.run_for(Duration::from_millis(500));
    assert_eq!(world.stage("1002"), Stage::Ringing);
    world.phone("1001").cancels();
    world.finish();
}
