//! A restarted switch goes on telling its subscribers, without their help.

use std::time::Duration;

use switch::Input;
use testkit::{TenantBuilder, Weather, World, WorldConfig};

use crate::desk::{NUMBERS, last, office, states, watch, watched};

/// The same office behind another switch, which has read back what the first one kept.
fn restarted(before: &World, seed: u64) -> World {
    let mut world = World::new(WorldConfig::new(seed, Weather::CALM));
    world.add_tenant(TenantBuilder::new("alpha").with_extensions(&NUMBERS));
    for number in NUMBERS {
        world.plug_in("alpha", number, number, |setup| setup);
        let watches = before.look(number).watches.clone();
        world.phone(number).phone(|phone, _| phone.watches = watches);
    }
    world.tell(Input::Bindings(before.shard().registrations(None)));
    world.subscriptions = before.subscriptions.clone();
    world.tell(Input::Subscriptions(before.subscriptions.values().cloned().collect()));
    world
}

#[test]
fn lamps_are_right_again_and_stay_right() {
    let mut world = office(200);
    let lamp = watch(&mut world, "1000", "dialog;id=x", "sip:1002@alpha.test");
    let presence = watch(&mut world, "1001", "presence", "sip:1002@alpha.test");
    world.phone("1002").answers_after(100);
    world.phone("1001").dials("1002");
    world.seconds(2);
    assert_eq!(states(last(&world, "1000", lamp)), ["confirmed"]);
    let told = watched(&world, "1000", lamp).told.len();
    assert_eq!(world.subscriptions.len(), 2);

    // The switch dies in the middle of the call, and comes back.
    let mut world = restarted(&world, 201);
    world.run_for(Duration::from_millis(100));
    let note = last(&world, "1000", lamp).clone();
    assert_eq!((watched(&world, "1000", lamp).told.len(), states(&note)), (told + 1, Vec::<&str>::new()));
    assert_eq!((note.event.as_str(), note.value_of("state")), ("dialog;id=x", Some("full")));
    assert!(note.body.contains("version=\"10"), "the version goes on far beyond what was told: {}", note.body);
    assert_eq!(last(&world, "1001", presence).text_of("note"), None);

    // It is a subscription like any other: told of what happens, refreshed, ended.
    world.phone("1002").rings_on();
    world.phone("1003").dials("1002");
    world.seconds(1);
    assert_eq!(states(last(&world, "1000", lamp)), ["early"]);
    world.phone("1003").cancels();
    world.phone("1000").phone(|phone, now| phone.resubscribe(now, lamp, 600));
    world.seconds(1);
    assert_eq!((watched(&world, "1000", lamp).code, world.counts().subscriptions), (Some(200), 2));
    for (phone, place) in [("1000", lamp), ("1001", presence)] {
        world.phone(phone).phone(|phone, now| phone.resubscribe(now, place, 0));
    }
    world.seconds(1);
    assert!(world.subscriptions.is_empty(), "nothing is kept of what is over");
    world.finish();
}

#[test]
fn what_cannot_be_taken_over_is_dropped() {
    let mut world = office(202);
    let lamp = watch(&mut world, "1000", "dialog", "sip:1002@alpha.test");
    let mut kept: Vec<domain::Subscription> = world.subscriptions.values().cloned().collect();
    let one = kept[0].clone();
    kept.clear();
    type Change = fn(&mut domain::Subscription);
    let changes: [Change; 5] = [
        |kept| kept.resource = "9999".to_owned(),
        |kept| kept.package = "pigeon".to_owned(),
        |kept| kept.remote = "no address".to_owned(),
        |kept| kept.expires_at = jiff::Timestamp::UNIX_EPOCH,
        |kept| kept.extension_id = domain::ExtensionId(uuid::Uuid::from_u128(9)),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut other = one.clone();
        other.id = domain::SubscriptionId(uuid::Uuid::from_u128(number as u128));
        other.call_id = format!("other-{number}");
        change(&mut other);
        world.subscriptions.insert(other.id, other.clone());
        kept.push(other);
    }
    world.tell(Input::Subscriptions(kept));
    world.seconds(1);
    assert_eq!((world.counts().subscriptions, world.counts().endpoint.dialogs), (1, 1));
    assert_eq!(world.subscriptions.keys().collect::<Vec<_>>(), [&one.id]);
    assert_eq!(watched(&world, "1000", lamp).told.len(), 1);
}

/// The copy is written when it is made and at each refresh, not with every NOTIFY.
#[test]
fn the_copy_is_written_seldom() {
    let mut world = office(203);
    watch(&mut world, "1000", "presence", "sip:1002@alpha.test");
    let copy = world.subscriptions.values().next().expect("a copy").clone();
    for _ in 0..100 {
        world.phone("1002").unregisters();
        world.seconds(1);
        world.phone("1002").registers();
        world.seconds(1);
    }
    assert!(world.look("1000").watches[0].told.len() > 150);
    assert_eq!(world.subscriptions.values().next(), Some(&copy));
    let next = world.look("1000").watches[0].told.len();
    assert!(copy.version > u32::try_from(next).unwrap(), "and is ahead of what was told");
}
