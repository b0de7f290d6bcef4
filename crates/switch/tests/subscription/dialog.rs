//! Lamps: the calls of a colleague (RFC 4235).

use std::time::Duration;

use testkit::{Hold, Law, Stage, Weather, told_within};

use crate::desk::{last, office, office_in, states, unwatch, watch, watched};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_lamp_follows_a_call_from_the_first_ring_to_the_end() {
    let mut world = office(1);
    let lamp = watch(&mut world, "1000", "dialog", "sip:1002@alpha.test");
    let first = last(&world, "1000", lamp);
    assert_eq!((first.event.as_str(), first.content_type.as_str()), ("dialog", "application/dialog-info+xml"));
    assert!(first.state.starts_with("active;expires=600") || first.state.starts_with("active;expires=599"));
    assert_eq!(
        first.body,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"0\" \
         state=\"full\" entity=\"sip:1002@alpha.test\">\n</dialog-info>\n"
    );

    let dialed_at = world.clock.now();
    world.phone("1002").rings_on();
    world.phone("1001").dials("1002");
    world.seconds(2);
    let ringing = last(&world, "1000", lamp).clone();
    assert!(told_within(watched(&world, "1000", lamp), dialed_at, "early").is_some_and(|after| after < SECOND));
    assert_eq!(states(&ringing), ["early"]);
    assert_eq!(ringing.value_of("direction"), Some("recipient"));
    assert!(ringing.body.contains("<local>\n<identity>sip:1002@alpha.test</identity>"));
    assert!(
        ringing.body.contains("<remote>\n<identity display=\"Phone 1001\">sip:1001@alpha.test</identity>"),
        "{}",
        ringing.body
    );

    let answered_at = world.clock.now();
    world.phone("1002").picks_up();
    world.seconds(2);
    assert!(told_within(watched(&world, "1000", lamp), answered_at, "confirmed").is_some_and(|after| after < SECOND));
    let talking = last(&world, "1000", lamp).clone();
    assert_eq!(talking.value_of("id"), ringing.value_of("id"), "one call is one dialog");
    assert_eq!(talking.value_of("state"), Some("full"));

    let ended_at = world.clock.now();
    world.phone("1001").hangs_up();
    world.seconds(2);
    assert!(told_within(watched(&world, "1000", lamp), ended_at, "terminated").is_some_and(|after| after < SECOND));
    assert_eq!(last(&world, "1000", lamp).value_of("id"), ringing.value_of("id"));
    let versions: Vec<&str> =
        watched(&world, "1000", lamp).told.iter().filter_map(|told| told.body.split(" version=\"").nth(2)).collect();
    let versions: Vec<&str> = versions.iter().filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(versions, (0..versions.len()).map(|number| number.to_string()).collect::<Vec<_>>());
    unwatch(&mut world, "1000", lamp);
    world.finish();
}

/// The ids in the document are those of the phone's own dialog, so that a Replaces can be made of them.
#[test]
fn the_document_names_the_dialog_as_the_phone_knows_it() {
    let mut world = office(2);
    let (caller, callee) = (
        watch(&mut world, "1000", "dialog", "sip:1001@alpha.test"),
        watch(&mut world, "1000", "dialog", "sip:1002@alpha.test"),
    );
    world.phone("1002").answers_after(100);
    world.phone("1001").dials("1002");
    world.seconds(2);
    for (phone, lamp, direction) in [("1001", caller, "initiator"), ("1002", callee, "recipient")] {
        let ids = world.look(phone).dialog_ids().expect("a dialog");
        let tag = |end: &str| end.split(";tag=").nth(1).unwrap().to_owned();
        let told = last(&world, "1000", lamp);
        assert_eq!(told.value_of("call-id"), Some(ids.call_id.as_str()));
        assert_eq!(told.value_of("local-tag"), Some(tag(&ids.from).as_str()));
        assert_eq!(told.value_of("remote-tag"), Some(tag(&ids.to).as_str()));
        assert_eq!(told.value_of("direction"), Some(direction));
    }
    world.phone("1002").hangs_up();
    world.seconds(1);
    world.finish();
}

#[test]
fn hold_shows_on_the_lamp_of_the_one_who_holds() {
    let mut world = office(3);
    let lamps = ["1001", "1002"].map(|number| watch(&mut world, "1000", "dialog", &format!("sip:{number}@alpha.test")));
    world.phone("1002").answers_after(100);
    world.phone("1001").dials("1002");
    world.seconds(2);
    world.phone("1002").phone(|phone, now| phone.hold(now, Hold::SendOnly));
    world.seconds(2);
    let held = |world: &testkit::World, lamp| last(world, "1000", lamp).body.contains("+sip.rendering");
    assert_eq!(lamps.map(|lamp| held(&world, lamp)), [false, true]);
    world.phone("1002").resumes();
    world.seconds(2);
    assert_eq!(lamps.map(|lamp| held(&world, lamp)), [false, false]);
    world.phone("1001").hangs_up();
    world.seconds(1);
    world.finish();
}

/// Two phones of one extension ring: one call, one dialog. A refused call, and one that is given up, put the lamp out.
#[test]
fn several_phones_are_one_lamp_and_every_end_puts_it_out() {
    let mut world = office(4);
    world.plug_in("alpha", "1002", "mobile", |setup| setup.with_laws(&[Law::A]));
    world.phone("mobile").registers().rings_on();
    world.phone("1002").rings_on();
    let lamp = watch(&mut world, "1000", "dialog", "sip:1002@alpha.test");
    world.phone("1001").dials("1002");
    world.seconds(2);
    assert_eq!(states(last(&world, "1000", lamp)), ["early"]);
    world.phone("1001").cancels();
    world.seconds(2);
    assert_eq!(states(last(&world, "1000", lamp)), ["terminated"]);
    world.phone("mobile").unregisters();
    world.phone("1002").is_busy();
    world.phone("1001").dials("1002");
    world.seconds(2);
    assert_eq!(world.code("1001"), Some(486));
    let told = &watched(&world, "1000", lamp).told;
    assert!(told.len() <= 6, "what lasts no longer than a blink costs one NOTIFY or none: {}", told.len());
    assert!(!states(last(&world, "1000", lamp)).contains(&"early"));
    // The next document knows nothing of calls that were told to be over.
    world.phone("1000").phone(|phone, now| phone.resubscribe(now, lamp, 600));
    world.seconds(1);
    assert_eq!(states(last(&world, "1000", lamp)), Vec::<&str>::new());
    world.finish();
}

/// A caller who has dialled into nothing yet, one who hears the echo test, and one who calls herself.
#[test]
fn callers_show_too() {
    let mut world = office(5);
    let lamp = watch(&mut world, "1000", "dialog", "sip:1001@alpha.test");
    world.phone("1001").dials("*43");
    world.seconds(2);
    let told = last(&world, "1000", lamp);
    assert_eq!((states(told), told.value_of("direction")), (vec!["confirmed"], Some("initiator")));
    assert!(told.body.contains("<remote>\n<identity>sip:*43@alpha.test</identity>"), "{}", told.body);
    world.phone("1001").hangs_up();
    world.seconds(2);
    world.phone("1001").answers_after(100).dials("1001");
    world.seconds(2);
    assert_eq!(states(last(&world, "1000", lamp)), ["confirmed", "confirmed"]);
    world.phone("1001").hangs_up();
    world.seconds(2);
    assert_eq!(states(last(&world, "1000", lamp)), ["terminated", "terminated"]);
    world.finish();
}

/// A receptionist takes many calls: the first document is whole, the later ones say what has changed.
#[test]
fn many_calls_are_told_in_parts() {
    let mut world = office(6);
    let lamp = watch(&mut world, "1000", "dialog", "sip:1002@alpha.test");
    world.phone("1002").rings_on();
    for number in 0..6 {
        let name = format!("caller{number}");
        world.plug_in("alpha", "1003", &name, |setup| setup);
        world.phone(&name).registers().dials("1002");
        world.seconds(2);
    }
    let told = last(&world, "1000", lamp).clone();
    assert_eq!((told.value_of("state"), states(&told)), (Some("partial"), vec!["early"]));
    world.phone("1000").phone(|phone, now| phone.resubscribe(now, lamp, 600));
    world.seconds(1);
    let told = last(&world, "1000", lamp).clone();
    assert_eq!((told.value_of("state"), states(&told)), (Some("full"), vec!["early"; 6]));
    world.phone("caller0").cancels();
    world.seconds(1);
    let told = last(&world, "1000", lamp).clone();
    assert_eq!((told.value_of("state"), states(&told)), (Some("partial"), vec!["terminated"]));
    for number in 1..6 {
        world.phone(&format!("caller{number}")).cancels();
    }
    world.seconds(2);
    world.finish();
}

/// The transferred caller's lamp shows whom it talks to now.
#[test]
fn another_one_at_the_other_end_is_told() {
    let mut world = office(7);
    let lamp = watch(&mut world, "1000", "dialog", "sip:1001@alpha.test");
    for number in ["1002", "1003"] {
        world.phone(number).answers_after(100);
    }
    world.phone("1001").dials("1002");
    world.seconds(2);
    assert!(last(&world, "1000", lamp).body.contains("sip:1002@alpha.test"));
    world.phone("1002").phone(|phone, now| phone.transfer(now, "1003"));
    world.seconds(3);
    assert_eq!(world.stage("1003"), Stage::Talking);
    let told = last(&world, "1000", lamp);
    assert_eq!(states(told), ["confirmed"]);
    assert!(
        told.body.contains("<remote>\n<identity display=\"Phone 1003\">sip:1003@alpha.test</identity>"),
        "{}",
        told.body
    );
    world.phone("1003").hangs_up();
    world.seconds(2);
    world.finish();
}

#[test]
fn lamps_are_right_in_any_weather() {
    for seed in 0..6 {
        let mut world = office_in(100 + seed, Weather::STORM);
        world.seconds(40);
        let lamp = watch(&mut world, "1000", "dialog", "sip:1002@alpha.test");
        world.seconds(40);
        assert_eq!(watched(&world, "1000", lamp).code, Some(200), "seed {seed}");
        world.phone("1002").answers_after(500);
        world.phone("1001").dials("1002");
        world.seconds(40);
        if world.stage("1001") == Stage::Talking {
            assert_eq!(states(last(&world, "1000", lamp)), ["confirmed"], "seed {seed}");
        }
        world.phone("1001").hangs_up();
        world.seconds(60);
        assert!(!states(last(&world, "1000", lamp)).contains(&"confirmed"), "seed {seed}");
    }
}
