//! The four forwards.

use domain::{CallEventKind, CallStatus, Extension, JournalEntry};
use testkit::{Stage, TenantBuilder, Weather, World, WorldConfig};

const FOUR: &[&str] = &["1001", "1002", "1003", "1004"];

/// Four phones, of which 1002's extension is changed.
fn office(seed: u64, change: fn(&mut Extension)) -> World {
    tenant(seed, TenantBuilder::new("alpha").with_settings("1002", change))
}

fn tenant(seed: u64, tenant: TenantBuilder) -> World {
    let mut world = World::new(WorldConfig::new(seed, Weather::CALM));
    world.add_tenant(tenant.with_extensions(FOUR));
    for number in FOUR {
        world.plug_in("alpha", number, number, |setup| setup);
    }
    world.register_all();
    for number in FOUR {
        world.phone(number).answers_after(500);
    }
    world
}

fn forwards(world: &World) -> Vec<&str> {
    let events = world.journal.iter().filter_map(|entry| match entry {
        JournalEntry::Event(event) if event.kind == CallEventKind::Forwarded => event.detail.as_deref(),
        _ => None,
    });
    events.collect()
}

/// 1001 has dialled 1002 and talks to whoever is named; what the record then says.
fn talks_to(mut world: World, who: &str) {
    assert_eq!((world.stage("1001"), world.stage(who)), (Stage::Talking, Stage::Talking));
    assert_eq!((world.hearing("1001"), world.hearing(who)), (vec![who.to_owned()], vec!["1001".to_owned()]));
    let (id, dialed) = (world.tenant("alpha").snapshot().extensions[who].id, "1002");
    world.phone("1001").hangs_up();
    world.seconds(1);
    let record = world.record_of("1001");
    assert_eq!((record.status, record.callee_extension_id), (CallStatus::Completed, Some(id)));
    assert_eq!((record.caller_number.as_deref(), record.dialed_number.as_deref()), (Some("1001"), Some(dialed)));
    world.finish();
}

#[test]
fn always() {
    let mut world = office(300, |extension| extension.forwards.always = Some("1003".to_owned()));
    world.phone("1001").dials("1002");
    world.seconds(2);
    assert!(world.look("1002").talks.is_empty(), "1002 does not ring");
    assert_eq!(forwards(&world), ["1002 to 1003 (always)"]);
    talks_to(world, "1003");
}

#[test]
fn busy_by_the_phone() {
    let mut world = office(301, |extension| extension.forwards.busy = Some("1003".to_owned()));
    world.phone("1002").is_busy();
    world.phone("1001").dials("1002");
    world.seconds(2);
    assert_eq!(forwards(&world), ["1002 to 1003 (busy)"]);
    talks_to(world, "1003");
}

#[test]
fn busy_by_the_limit_of_calls() {
    let mut world = office(302, |extension| {
        extension.max_calls = Some(1);
        extension.forwards.busy = Some("1003".to_owned());
    });
    world.phone("1004").dials("1002");
    world.seconds(2);
    world.phone("1001").dials("1002");
    world.seconds(2);
    assert_eq!(world.look("1002").talks.len(), 1, "the second call does not ring");
    assert_eq!(forwards(&world), ["1002 to 1003 (busy)"]);
    world.phone("1004").hangs_up();
    world.seconds(1);
    talks_to(world, "1003");
}

#[test]
fn no_answer_after_the_extension_s_own_time() {
    let mut world = office(303, |extension| {
        extension.no_answer_timeout_s = Some(7);
        extension.forwards.no_answer = Some("1003".to_owned());
    });
    world.phone("1002").rings_on();
    world.phone("1001").dials("1002");
    world.seconds(6);
    assert_eq!((world.stage("1001"), world.stage("1002")), (Stage::Ringing, Stage::Ringing));
    assert!(forwards(&world).is_empty());
    world.seconds(3);
    assert_eq!(world.stage("1002"), Stage::Over);
    assert_eq!(forwards(&world), ["1002 to 1003 (no answer)"]);
    talks_to(world, "1003");
}

#[test]
fn a_time_of_its_own_without_a_forward() {
    let mut world = office(304, |extension| extension.no_answer_timeout_s = Some(7));
    world.phone("1002").rings_on();
    world.phone("1001").dials("1002");
    world.seconds(8);
    assert_eq!(world.code("1001"), Some(480));
    assert_eq!(world.record_of("1001").status, CallStatus::NoAnswer);
    world.finish();
}

#[test]
fn not_registered() {
    let mut world = office(305, |extension| extension.forwards.not_registered = Some("1003".to_owned()));
    world.phone("1002").unregisters();
    world.seconds(1);
    world.phone("1001").dials("1002");
    world.seconds(2);
    assert_eq!(forwards(&world), ["1002 to 1003 (not registered)"]);
    talks_to(world, "1003");
}

#[test]
fn registered_and_yet_not_there() {
    let mut world = office(306, |extension| {
        extension.no_answer_timeout_s = Some(120);
        extension.forwards.not_registered = Some("1003".to_owned());
    });
    world.phone("1002").vanishes();
    world.phone("1001").dials("1002");
    world.seconds(40);
    assert_eq!(forwards(&world), ["1002 to 1003 (not registered)"]);
    talks_to(world, "1003");
}

#[test]
fn the_four_are_independent() {
    // Each forward leads elsewhere; only the one that fits is followed.
    let mut world = office(307, |extension| {
        extension.forwards.busy = Some("1004".to_owned());
        extension.forwards.not_registered = Some("*43".to_owned());
        extension.forwards.no_answer = Some("1003".to_owned());
        extension.no_answer_timeout_s = Some(3);
    });
    world.phone("1002").rings_on();
    world.phone("1001").dials("1002");
    world.seconds(5);
    assert_eq!(forwards(&world), ["1002 to 1003 (no answer)"]);
    talks_to(world, "1003");
}

#[test]
fn declined_is_declined() {
    let mut world = office(308, |extension| {
        for forward in [&mut extension.forwards.busy, &mut extension.forwards.no_answer] {
            *forward = Some("1003".to_owned());
        }
    });
    world.phone("1002").declines();
    world.phone("1001").dials("1002");
    world.seconds(3);
    assert_eq!(world.code("1001"), Some(603), "a person's no is final");
    assert!(forwards(&world).is_empty());
    world.finish();
}

#[test]
fn to_a_feature() {
    let mut world = office(309, |extension| extension.forwards.always = Some("*43".to_owned()));
    world.phone("1001").dials("1002");
    world.seconds(3);
    assert_eq!(world.stage("1001"), Stage::Talking);
    assert_eq!(world.hearing("1001"), ["1001"], "the echo test");
    world.phone("1001").hangs_up();
    world.finish();
}

#[test]
fn along_several_people_to_the_one_who_answers() {
    let set = |number: &'static str, change: fn(&mut Extension)| (number, change);
    let mut builder = TenantBuilder::new("alpha");
    for (number, change) in [
        set("1002", |extension| extension.forwards.always = Some("1003".to_owned())),
        set("1003", |extension| {
            extension.no_answer_timeout_s = Some(2);
            extension.forwards.no_answer = Some("1004".to_owned());
        }),
    ] {
        builder = builder.with_settings(number, change);
    }
    let mut world = tenant(310, builder);
    world.phone("1003").rings_on();
    world.phone("1001").dials("1002");
    world.seconds(5);
    assert_eq!(forwards(&world), ["1002 to 1003 (always)", "1003 to 1004 (no answer)"]);
    assert!(world.look("1002").talks.is_empty());
    talks_to(world, "1004");
}

#[test]
fn the_caller_gives_up_while_the_second_phone_rings() {
    let mut world = office(311, |extension| extension.forwards.always = Some("1003".to_owned()));
    world.phone("1003").rings_on();
    world.phone("1001").dials("1002");
    world.seconds(2);
    world.phone("1001").cancels();
    world.seconds(2);
    assert_eq!((world.code("1001"), world.stage("1003")), (Some(487), Stage::Over));
    assert_eq!(world.record_of("1001").status, CallStatus::Cancelled);
    world.finish();
}

#[test]
fn a_circle_ends() {
    let mut builder = TenantBuilder::new("alpha");
    builder = builder.with_settings("1002", |extension| extension.forwards.busy = Some("1003".to_owned()));
    builder = builder.with_settings("1003", |extension| extension.forwards.not_registered = Some("1002".to_owned()));
    let mut world = tenant(312, builder);
    world.phone("1002").is_busy();
    world.phone("1003").unregisters();
    world.seconds(1);
    world.phone("1001").dials("1002");
    world.seconds(2);
    assert_eq!(world.code("1001"), Some(482));
    let record = world.record_of("1001");
    assert_eq!((record.status, record.hangup_cause), (CallStatus::Failed, Some(25)));
    world.finish();
}

#[test]
fn a_change_holds_for_the_next_call() {
    let mut world = office(313, |extension| extension.forwards.always = Some("1003".to_owned()));
    let plain = TenantBuilder::new("alpha").with_extensions(FOUR).next_revision();
    world.add_tenant(plain);
    world.phone("1001").dials("1002");
    world.seconds(2);
    talks_to(world, "1002");
}

#[test]
fn forwards_in_foul_weather() {
    for seed in 320..326 {
        let builder = TenantBuilder::new("alpha").with_settings("1002", |extension| {
            extension.no_answer_timeout_s = Some(5);
            extension.forwards.no_answer = Some("1003".to_owned());
        });
        let mut world = World::new(WorldConfig::new(seed, Weather::STORM));
        world.add_tenant(builder.with_extensions(FOUR));
        for number in FOUR {
            world.plug_in("alpha", number, number, |setup| setup);
        }
        world.register_all();
        world.phone("1002").rings_on();
        world.phone("1003").answers_after(500);
        world.phone("1001").dials("1002");
        world.seconds(30);
        assert_eq!(world.stage("1001"), Stage::Talking, "seed {seed}");
        world.phone("1001").hangs_up();
        world.finish();
    }
}

#[test]
fn whoever_was_heard_early_is_not_heard_after_the_forward() {
    let mut world = office(314, |extension| {
        extension.no_answer_timeout_s = Some(4);
        extension.forwards.no_answer = Some("1003".to_owned());
    });
    world.phone("1002").rings_on().speaks_early();
    world.phone("1001").dials("1002");
    world.seconds(3);
    assert_eq!(world.hearing("1001"), ["1002"], "early media");
    world.seconds(4);
    talks_to(world, "1003");
}

#[test]
fn a_transfer_follows_the_forward_of_its_target() {
    let mut world = office(315, |extension| extension.forwards.always = Some("1004".to_owned()));
    world.phone("1001").dials("1003");
    world.seconds(2);
    assert_eq!(world.stage("1003"), Stage::Talking);
    world.phone("1003").transfers_to("1002");
    world.seconds(3);
    assert_eq!((world.hearing("1001"), world.hearing("1004")), (vec!["1004".to_owned()], vec!["1001".to_owned()]));
    assert_eq!(forwards(&world), ["1002 to 1004 (always)"]);
    assert!(world.look("1002").talks.is_empty());
    world.phone("1001").hangs_up();
    world.finish();
}
