//! An office whose receptionist, 1000, watches her colleagues; and another tenant with the same numbers.

use std::time::Duration;

use testkit::{TenantBuilder, Told, Watch, Weather, World, WorldConfig};

pub(crate) const NUMBERS: [&str; 4] = ["1000", "1001", "1002", "1003"];

/// Alpha with four phones, and beta, whose 1001 is called `thief`.
pub(crate) fn office(seed: u64) -> World {
    office_in(seed, Weather::CALM)
}

pub(crate) fn office_in(seed: u64, weather: Weather) -> World {
    let mut world = World::new(WorldConfig::new(seed, weather));
    for slug in ["alpha", "beta"] {
        world.add_tenant(TenantBuilder::new(slug).with_extensions(&NUMBERS));
    }
    for number in NUMBERS {
        world.plug_in("alpha", number, number, |setup| setup);
    }
    world.plug_in("beta", "1001", "thief", |setup| setup);
    world.register_all();
    world
}

/// Subscribes and lets the first NOTIFY come; the place of the subscription.
pub(crate) fn watch(world: &mut World, phone: &str, event: &str, uri: &str) -> usize {
    let mut place = 0;
    world.phone(phone).phone(|phone, now| place = phone.subscribe(now, event, uri, 600));
    world.run_for(Duration::from_millis(200));
    place
}

pub(crate) fn watched<'a>(world: &'a World, phone: &str, place: usize) -> &'a Watch {
    &world.look(phone).watches[place]
}

/// The newest NOTIFY of a subscription.
pub(crate) fn last<'a>(world: &'a World, phone: &str, place: usize) -> &'a Told {
    watched(world, phone, place).told.last().expect("a NOTIFY")
}

/// Ends a subscription, and sees that it is over.
pub(crate) fn unwatch(world: &mut World, phone: &str, place: usize) {
    world.phone(phone).phone(|phone, now| phone.resubscribe(now, place, 0));
    world.seconds(1);
    assert!(watched(world, phone, place).is_over);
    assert_eq!(last(world, phone, place).state, "terminated;reason=timeout");
}

/// The states of the dialogs in the newest document.
pub(crate) fn states(told: &Told) -> Vec<&str> {
    told.body.split("<state>").skip(1).filter_map(|rest| rest.split('<').next()).collect()
}
