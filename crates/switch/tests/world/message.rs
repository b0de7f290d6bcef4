//! MESSAGE between phones: at once, later, in order, and never twice.

use domain::Kept;
use testkit::{Letters, TenantBuilder, Weather, World, WorldConfig};

const TRIO: &[&str] = &["1001", "1002", "1003"];

/// The bodies that a phone has got.
fn got(world: &World, name: &str) -> Vec<String> {
    world.look(name).letters.iter().map(|letter| letter.body.clone()).collect()
}

fn statuses(world: &World, name: &str) -> Vec<u16> {
    world.look(name).probes.clone()
}

#[test]
fn a_message_reaches_whoever_is_there() {
    let mut world = World::office(400, Weather::CALM, TRIO);
    world.phone("1001").writes("1002", "lunch?");
    world.seconds(1);
    let letter = &world.look("1002").letters[0];
    assert_eq!((letter.body.as_str(), letter.content_type.as_str()), ("lunch?", "text/plain"));
    assert_eq!(letter.from, "\"Phone 1001\" <sip:1001@alpha.test>");
    assert!(letter.date.as_deref().is_some_and(|date| date.ends_with("GMT")), "{letter:?}");
    assert_eq!(statuses(&world, "1001"), [200]);
    assert!(got(&world, "1003").is_empty() && world.post.kept.is_empty());
    world.finish();
}

#[test]
fn all_phones_of_an_extension_get_it_and_the_sender_one_answer() {
    let mut world = World::office(401, Weather::CALM, &["1001", "1002"]);
    world.plug_in("alpha", "1002", "second", |setup| setup);
    world.register_all();
    world.phone("second").takes_letters(Letters::Answers(415));
    world.phone("1001").writes("1002", "one");
    world.seconds(1);
    world.phone("second").takes_letters(Letters::Answers(200));
    world.phone("1002").takes_letters(Letters::Ignores);
    world.phone("1001").writes("1002", "two");
    world.seconds(1);
    assert_eq!((got(&world, "1002"), got(&world, "second")), (vec!["one".into()], vec!["two".into()]));
    assert_eq!(statuses(&world, "1001"), [200, 200]);
    world.finish();
}

#[test]
fn a_message_to_oneself_reaches_the_other_phones() {
    let mut world = World::office(402, Weather::CALM, &["1001", "1002"]);
    world.phone("1001").writes("1001", "alone");
    world.seconds(1);
    assert_eq!((got(&world, "1001"), statuses(&world, "1001")), (vec!["alone".into()], vec![200]));
    world.plug_in("alpha", "1001", "second", |setup| setup);
    world.register_all();
    world.phone("1001").writes("1001", "to my other desk");
    world.seconds(1);
    assert_eq!((got(&world, "1001").len(), got(&world, "second")), (1, vec!["to my other desk".into()]));
    world.finish();
}

#[test]
fn what_waits_is_delivered_in_order_at_the_next_registration_and_once() {
    let mut world = World::office(403, Weather::CALM, TRIO);
    world.phone("1002").unregisters();
    world.seconds(1);
    let texts: Vec<String> = (0..8).map(|index| format!("text {index}")).collect();
    for text in &texts {
        world.phone("1001").writes("1002", text);
        world.seconds(1);
    }
    assert_eq!(statuses(&world, "1001"), [202; 8]);
    assert_eq!(world.post.waiting(), texts);
    world.phone("1002").registers();
    world.seconds(2);
    assert_eq!(got(&world, "1002"), texts);
    assert!(world.post.waiting().is_empty());
    let asked = world.post.asked;
    world.phone("1002").registers();
    world.seconds(2);
    assert_eq!((got(&world, "1002").len(), world.post.asked), (8, asked), "nothing is left to ask for");
    let letter = &world.look("1002").letters[0];
    assert_eq!(letter.from, "\"Phone 1001\" <sip:1001@alpha.test>");
    world.finish();
}

#[test]
fn a_restart_loses_nothing_that_waits() {
    let mut world = World::office(404, Weather::CALM, TRIO);
    world.phone("1002").unregisters();
    world.seconds(1);
    world.phone("1001").writes("1002", "before the restart");
    world.seconds(1);
    // Another switch with the same store; it is told for whom something waits.
    let mut after = World::new(WorldConfig::new(405, Weather::CALM));
    after.add_tenant(TenantBuilder::new("alpha").with_extensions(TRIO));
    after.plug_in("alpha", "1002", "1002", |setup| setup);
    std::mem::swap(&mut after.post, &mut world.post);
    let waiting = after.post.kept.iter().map(|message| (message.tenant_id, message.extension_id)).collect();
    after.tell(switch::Input::MessagesWaiting(waiting));
    after.register_all();
    after.seconds(1);
    assert_eq!(got(&after, "1002"), ["before the restart"]);
    assert!(after.post.waiting().is_empty());
    after.finish();
    world.finish();
}

#[test]
fn nobody_waits_for_a_phone_that_does_not_answer() {
    let mut world = World::office(406, Weather::CALM, TRIO);
    world.phone("1002").takes_letters(Letters::Ignores);
    world.phone("1001").writes("1002", "hello?");
    world.seconds(7);
    assert!(statuses(&world, "1001").is_empty());
    world.seconds(3);
    assert_eq!((statuses(&world, "1001"), world.post.waiting().len()), (vec![202], 1));
    world.seconds(40);
    world.phone("1002").takes_letters(Letters::Answers(200)).registers();
    world.seconds(2);
    assert_eq!(got(&world, "1002"), ["hello?"]);
    world.finish();
}

#[test]
fn a_phone_that_answers_late_has_the_message_and_does_not_get_it_again() {
    let mut world = World::office(407, Weather::CALM, TRIO);
    world.phone("1002").takes_letters(Letters::Ignores);
    world.phone("1001").writes("1002", "late");
    world.seconds(10);
    assert_eq!(statuses(&world, "1001"), [202]);
    // The request is still being repeated.
    world.phone("1002").takes_letters(Letters::Answers(200));
    world.seconds(20);
    assert_eq!(got(&world, "1002"), ["late"]);
    assert!(world.post.waiting().is_empty());
    world.phone("1002").registers();
    world.seconds(2);
    assert_eq!(got(&world, "1002"), ["late"]);
    world.finish();
}

#[test]
fn a_phone_that_falls_silent_gets_the_rest_later() {
    let mut world = World::office(408, Weather::CALM, TRIO);
    world.phone("1002").unregisters();
    world.seconds(1);
    for text in ["one", "two"] {
        world.phone("1001").writes("1002", text);
    }
    world.seconds(1);
    world.phone("1002").takes_letters(Letters::Ignores).registers();
    world.seconds(40);
    assert!(got(&world, "1002").is_empty());
    world.phone("1002").takes_letters(Letters::Answers(200)).registers();
    world.seconds(1);
    assert!(got(&world, "1002").is_empty(), "the mailbox rests");
    world.seconds(60);
    assert_eq!(got(&world, "1002"), ["one", "two"]);
    assert!(world.post.waiting().is_empty());
    world.finish();
}

#[test]
fn what_a_phone_refuses_does_not_hold_up_the_others() {
    let mut world = World::office(409, Weather::CALM, TRIO);
    world.phone("1002").unregisters();
    world.seconds(1);
    for index in 0..5 {
        world.phone("1001").writes("1002", &format!("text {index}"));
        world.seconds(1);
    }
    world.phone("1002").takes_letters(Letters::Answers(415)).registers();
    world.seconds(2);
    assert!(got(&world, "1002").is_empty());
    assert_eq!(world.post.waiting().len(), 5, "nothing is lost that nobody took");
    world.phone("1002").takes_letters(Letters::Answers(200)).registers();
    world.seconds(3_700);
    assert_eq!(got(&world, "1002").len(), 5);
    world.finish();
}

#[test]
fn the_mailbox_is_full_or_the_store_is_away() {
    let mut world = World::office(410, Weather::CALM, TRIO);
    world.phone("1002").unregisters();
    world.seconds(1);
    for (says, status) in [(Some(Kept::Full), 480), (Some(Kept::Failed), 503), (None, 503), (Some(Kept::Stored), 202)] {
        world.post.says = says;
        world.phone("1001").writes("1002", "x");
        world.seconds(12);
        assert_eq!(statuses(&world, "1001").last(), Some(&status), "{says:?}");
    }
    assert_eq!(world.post.waiting().len(), 1);
    world.finish();
}

#[test]
fn what_cannot_be_sent_is_refused() {
    let mut world = World::office(411, Weather::CALM, TRIO);
    let long = "x".repeat(8_193);
    for (to, kind, body, status) in [
        ("1999", "text/plain", "x", 404),
        ("*43", "text/plain", "x", 404),
        ("sip:alpha.test", "text/plain", "x", 404),
        ("1002", "text/html", "<script>", 415),
        ("1002", "image/png", "x", 415),
        ("1002", "nonsense", "x", 400),
        ("1002", "text/plain", &long, 413),
        ("1002", "text/plain;charset=utf-8", "ünï", 200),
        ("1002", "message/cpim", "From: <sip:a>\r\n\r\nx", 200),
        ("1002", "application/im-iscomposing+xml", "<isComposing/>", 200),
    ] {
        world.phone("1001").phone(|phone, now| phone.write(now, to, kind, body));
        world.seconds(1);
        assert_eq!(statuses(&world, "1001").last(), Some(&status), "{to} {kind}");
    }
    assert_eq!(got(&world, "1002").len(), 3);
    world.phone("1002").unregisters();
    world.seconds(1);
    world
        .phone("1001")
        .phone(|phone, now| phone.write(now, "1002", "application/im-iscomposing+xml", "<isComposing/>"));
    world.seconds(1);
    assert_eq!(statuses(&world, "1001").last(), Some(&480), "that somebody is typing does not wait");
    assert!(world.post.kept.is_empty());
    world.finish();
}

#[test]
fn tenants_do_not_write_to_each_other() {
    let mut world = World::office(412, Weather::CALM, TRIO);
    world.add_tenant(TenantBuilder::new("beta").with_extensions(&["1001", "2002"]));
    world.plug_in("beta", "2002", "b2002", |setup| setup);
    world.plug_in("beta", "1001", "b1001", |setup| setup);
    world.register_all();
    world.phone("1001").writes("2002", "hello");
    world.seconds(2);
    assert_eq!(statuses(&world, "1001"), [404], "another tenant's number is nobody's");
    world.phone("b2002").writes("1001", "to our own 1001");
    world.seconds(1);
    assert_eq!((got(&world, "b1001"), got(&world, "1001")), (vec!["to our own 1001".into()], vec![]));
    assert!(got(&world, "b2002").is_empty() && world.post.kept.is_empty());
    world.finish();
}

#[test]
fn in_foul_weather_nothing_that_was_promised_is_lost() {
    for seed in 420..424 {
        let mut world = World::office(seed, Weather::STORM, TRIO);
        world.phone("1002").unregisters();
        world.seconds(5);
        for index in 0..10 {
            world.phone("1001").writes("1002", &format!("text {index}"));
            world.seconds(2);
        }
        world.seconds(40);
        assert!(
            statuses(&world, "1001").iter().all(|code| *code == 202),
            "seed {seed}: {:?}",
            statuses(&world, "1001")
        );
        world.phone("1002").registers();
        world.seconds(200);
        world.phone("1002").registers();
        world.seconds(120);
        let letters = got(&world, "1002");
        for index in 0..10 {
            assert!(letters.contains(&format!("text {index}")), "seed {seed}: text {index} of {letters:?}");
        }
        world.finish();
    }
}

#[test]
fn a_tenant_that_writes_too_much_does_not_silence_another() {
    let mut world = World::office(413, Weather::CALM, TRIO);
    world.add_tenant(TenantBuilder::new("beta").with_extensions(&["2001", "2002"]));
    for number in ["2001", "2002"] {
        world.plug_in("beta", number, number, |setup| setup);
    }
    world.register_all();
    world.phone("1002").takes_letters(Letters::Ignores);
    world.phone("1001").phone(|phone, now| {
        for index in 0..1_200 {
            phone.write(now, "1002", "text/plain", &format!("{index}"));
        }
    });
    world.run_for(std::time::Duration::from_millis(500));
    world.phone("2001").writes("2002", "quiet here");
    world.run_for(std::time::Duration::from_millis(500));
    assert_eq!((got(&world, "2002"), statuses(&world, "2001")), (vec!["quiet here".into()], vec![200]));
    let refused = statuses(&world, "1001");
    assert_eq!((refused.len(), refused.iter().all(|code| *code == 503)), (200, true), "{refused:?}");
    world.finish();
}

/// Two places where one device is registered at once.
fn with_two_flows(seed: u64) -> World {
    let mut before = World::office(seed, Weather::CALM, &["1001", "1002"]);
    before.plug_in("alpha", "1002", "second", |setup| setup);
    before.register_all();
    let mut flows = before.shard().registrations(None);
    flows.retain(|flow| flow.extension == "1002");
    for (flow, reg_id) in flows.iter_mut().zip(1..) {
        (flow.instance, flow.reg_id) = (Some("<urn:uuid:1>".to_owned()), Some(reg_id));
    }
    assert_eq!(flows.len(), 2);
    let mut world = World::new(WorldConfig::new(seed, Weather::CALM));
    world.add_tenant(TenantBuilder::new("alpha").with_extensions(&["1001", "1002"]));
    for (number, name) in [("1001", "1001"), ("1002", "1002"), ("1002", "second")] {
        world.plug_in("alpha", number, name, |setup| setup);
    }
    world.tell(switch::Input::Bindings(flows));
    world
}

#[test]
fn a_device_that_keeps_two_flows_gets_it_once() {
    let mut world = with_two_flows(414);
    world.phone("1001").writes("1002", "once");
    world.seconds(1);
    assert_eq!([got(&world, "1002"), got(&world, "second")].concat(), ["once"]);
    assert_eq!(statuses(&world, "1001"), [200]);
    let tenant = world.tenant("alpha").id();
    let waiting = domain::MessageWaiting { new: 1, old: 0, urgent_new: 0, urgent_old: 0 };
    world.tell(switch::Input::MessageWaiting { tenant, extension: "1002".to_owned(), waiting });
    world.seconds(1);
    assert_eq!(world.look("1002").unasked.len() + world.look("second").unasked.len(), 1, "one lamp");
    world.finish();
}

#[test]
fn what_waited_for_a_tenant_that_is_gone_is_not_asked_for() {
    let mut world = World::office(415, Weather::CALM, TRIO);
    world.phone("1002").unregisters();
    world.seconds(1);
    world.phone("1001").writes("1002", "too late");
    world.seconds(1);
    assert_eq!(statuses(&world, "1001"), [202]);
    world.remove_tenant("alpha");
    world.add_tenant(TenantBuilder::new("alpha").with_extensions(TRIO));
    world.phone("1002").registers();
    world.seconds(1);
    assert_eq!((world.post.asked, got(&world, "1002").len()), (0, 0));
    world.finish();
}
