//! A thousand lamps for one extension: each is right within a second, and no turn does them all.

use std::time::Duration;

use testkit::{TenantBuilder, Weather, World, WorldConfig, told_within};

#[test]
fn a_thousand_lamps() {
    let mut world = World::new(WorldConfig::new(50, Weather::CALM));
    world.add_tenant(TenantBuilder::new("alpha").with_extensions(&["1000", "1001", "1002", "1003"]));
    for number in ["1000", "1001", "1002", "1003"] {
        world.plug_in("alpha", number, number, |setup| setup);
    }
    world.register_all();
    for phone in ["1000", "1003"] {
        for _ in 0..500 {
            world.phone(phone).phone(|phone, now| {
                phone.subscribe(now, "dialog", "sip:1002@alpha.test", 600);
            });
        }
    }
    world.seconds(5);
    assert_eq!(world.counts().subscriptions, 1_000);
    let dialed_at = world.clock.now();
    world.phone("1002").rings_on();
    world.phone("1001").dials("1002");
    world.seconds(3);
    let mut times: Vec<Duration> = Vec::new();
    for phone in ["1000", "1003"] {
        for watch in &world.look(phone).watches {
            times.push(told_within(watch, dialed_at, "early").expect("a lamp that blinks"));
        }
    }
    times.sort();
    assert_eq!(times.len(), 1_000);
    assert!(times[999] < Duration::from_secs(1), "{:?}", times[999]);
    // They are spread: no instant has more than its share.
    let most = times.chunk_by(|one, other| one == other).map(<[Duration]>::len).max().unwrap_or_default();
    assert!(most <= 100 + 1, "{most} at one instant");
    world.phone("1001").cancels();
    world.seconds(2);
}
