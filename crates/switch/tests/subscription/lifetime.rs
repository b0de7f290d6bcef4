//! How long subscriptions live: refreshed, fetched, ended, forgotten by their phones (RFC 6665 §4).

use testkit::{TenantBuilder, Weather, World, WorldConfig};

use crate::desk::{NUMBERS, last, office, states, unwatch, watch, watched};

#[test]
fn a_subscription_is_refreshed_told_again_and_runs_out() {
    let mut world = office(20);
    let lamp = watch(&mut world, "1000", "dialog", "sip:1002@alpha.test");
    assert_eq!(watched(&world, "1000", lamp).granted, Some(600));
    world.seconds(500);
    world.phone("1000").phone(|phone, now| phone.resubscribe(now, lamp, 300));
    world.seconds(1);
    assert_eq!((watched(&world, "1000", lamp).granted, watched(&world, "1000", lamp).told.len()), (Some(300), 2));
    assert!(last(&world, "1000", lamp).state.starts_with("active;expires="));
    world.seconds(298);
    assert_eq!(world.counts().subscriptions, 1);
    world.seconds(2);
    assert_eq!(last(&world, "1000", lamp).state, "terminated;reason=timeout");
    assert_eq!((world.counts().subscriptions, world.counts().endpoint.dialogs), (0, 0));
    // What is over cannot be refreshed.
    world.phone("1000").phone(|phone, now| phone.resubscribe(now, lamp, 300));
    world.seconds(1);
    assert_eq!(watched(&world, "1000", lamp).code, Some(481));
    world.finish();
}

#[test]
fn state_is_fetched_without_a_subscription() {
    let mut world = office(21);
    world.phone("1002").rings_on();
    world.phone("1001").dials("1002");
    world.seconds(1);
    let mut place = 0;
    world.phone("1000").phone(|phone, now| place = phone.subscribe(now, "dialog", "sip:1002@alpha.test", 0));
    world.seconds(1);
    let fetched = watched(&world, "1000", place);
    assert_eq!((fetched.code, fetched.granted, fetched.told.len()), (Some(200), Some(0), 1));
    assert_eq!(last(&world, "1000", place).state, "terminated;reason=timeout");
    assert_eq!(states(last(&world, "1000", place)), ["early"]);
    assert_eq!(world.counts().subscriptions, 0);
    world.phone("1001").cancels();
    world.seconds(1);
    world.finish();
}

#[test]
fn lifetimes_have_bounds() {
    let mut world = office(22);
    for (asked, code, granted) in [(30, 423, None), (60, 200, Some(60)), (4_000_000_000, 200, Some(7_200))] {
        let mut place = 0;
        world.phone("1000").phone(|phone, now| {
            place = phone.subscribe(now, "presence", "sip:1002@alpha.test", asked);
        });
        world.seconds(1);
        let subscription = watched(&world, "1000", place);
        assert_eq!((subscription.code, subscription.granted), (Some(code), granted), "{asked}");
        if code == 200 {
            world.phone("1000").phone(|phone, now| phone.resubscribe(now, place, 30));
            world.seconds(1);
            assert_eq!(watched(&world, "1000", place).code, Some(423));
            assert_eq!(world.counts().subscriptions, 1, "and the subscription is what it was");
            unwatch(&mut world, "1000", place);
        }
    }
    world.finish();
}

/// A phone that does not know the subscription any more, one that was unplugged, and one that is only unwell.
#[test]
fn who_does_not_take_a_notify_has_no_subscription() {
    let mut world = office(23);
    let lamps = ["1000", "1001", "1003"].map(|phone| watch(&mut world, phone, "presence", "sip:1002@alpha.test"));
    assert_eq!(world.counts().subscriptions, 3);
    world.phone("1000").phone(|phone, _| phone.forget_watches());
    world.phone("1001").phone(|phone, _| phone.watches[lamps[1]].answers = 0);
    world.phone("1003").phone(|phone, _| phone.watches[lamps[2]].answers = 503);
    world.phone("1002").unregisters();
    world.seconds(2);
    assert_eq!(world.counts().subscriptions, 2, "481 ends one at once");
    world.seconds(3);
    world.phone("1003").phone(|phone, _| phone.watches[lamps[2]].answers = 200);
    world.seconds(8);
    assert!(last(&world, "1003", lamps[2]).body.contains("<basic>closed</basic>"), "what was refused is told again");
    world.seconds(30);
    assert_eq!(world.counts().subscriptions, 1, "no answer ends another");
    world.phone("1003").phone(|phone, _| phone.watches[lamps[2]].answers = 500);
    world.phone("1002").registers();
    world.seconds(30);
    assert_eq!(world.counts().subscriptions, 0, "and refusals without end the last");
    world.finish();
}

#[test]
fn what_is_gone_is_said_to_be_gone() {
    let mut world = office(24);
    let about = watch(&mut world, "1000", "dialog", "sip:1003@alpha.test");
    let stays = watch(&mut world, "1000", "dialog", "sip:1002@alpha.test");
    let of = watch(&mut world, "1003", "dialog", "sip:1002@alpha.test");
    let tenant = TenantBuilder::new("alpha").with_extensions(&NUMBERS[..3]).next_revision();
    world.add_tenant(tenant);
    world.seconds(1);
    assert_eq!(last(&world, "1000", about).state, "terminated;reason=noresource");
    assert_eq!((last(&world, "1000", about).body.as_str(), watched(&world, "1000", about).is_over), ("", true));
    assert_eq!(last(&world, "1003", of).state, "terminated;reason=rejected");
    assert!(!watched(&world, "1000", stays).is_over);
    assert_eq!(world.counts().subscriptions, 1);
    unwatch(&mut world, "1000", stays);
}

/// The dialog of a subscription is its extension's own; who comes from elsewhere has to prove it.
#[test]
fn a_subscription_follows_its_phone_and_nobody_else_touches_it() {
    let mut world = office(25);
    let lamp = watch(&mut world, "1000", "dialog", "sip:1002@alpha.test");
    world.phone("1000").phone(|phone, _| phone.move_to(41_000));
    world.phone("1000").phone(|phone, now| phone.resubscribe(now, lamp, 600));
    world.seconds(1);
    assert_eq!((watched(&world, "1000", lamp).code, watched(&world, "1000", lamp).told.len()), (Some(200), 2));
    // A colleague and a stranger know its ids.
    let own = world.look("1000").watches[lamp].clone();
    for (phone, code) in [("1001", 403), ("thief", 403)] {
        world.phone(phone).phone(|phone, now| {
            phone.watches.push(own.clone());
            phone.resubscribe(now, phone.watches.len() - 1, 0);
        });
        world.seconds(2);
        let stolen = world.look(phone).watches.last().and_then(|watch| watch.code);
        assert!(matches!(stolen, Some(code_now) if code_now == code || code_now == 401), "{phone}: {stolen:?}");
    }
    assert!(!watched(&world, "1000", lamp).is_over);
    assert_eq!(world.counts().subscriptions, 1);
}

/// A phone that restarts subscribes anew; the old subscription ends with the first NOTIFY that it does not know.
#[test]
fn a_restarted_phone_leaves_nothing_behind() {
    let mut world = World::new(WorldConfig::new(26, Weather::CALM));
    world.add_tenant(TenantBuilder::new("alpha").with_extensions(&NUMBERS));
    for number in NUMBERS {
        world.plug_in("alpha", number, number, |setup| setup);
    }
    world.register_all();
    for _ in 0..5 {
        world.phone("1000").phone(|phone, _| phone.forget_watches());
        watch(&mut world, "1000", "presence", "sip:1002@alpha.test");
    }
    world.phone("1002").unregisters();
    world.seconds(2);
    assert_eq!(world.counts().subscriptions, 1);
    world.finish();
}
