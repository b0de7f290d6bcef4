//! Who may not watch, and what they are told (RFC 6665 §4.2.1).

use testkit::{Method, World};

use crate::desk::{office, watch, watched};

/// Asks, and returns the status and one header of the answer.
fn ask(world: &mut World, uri: &str, headers: &[(&str, &str)], wanted: &str) -> (u16, Option<String>) {
    world.phone("1000").phone(|phone, now| phone.ask(now, Method::Subscribe, uri, headers, ""));
    world.seconds(1);
    let answer = world.look("1000").answers.last().expect("an answer");
    (answer.code, answer.header(wanted).map(str::to_owned))
}

#[test]
fn every_refusal_has_its_status() {
    let mut world = office(40);
    let colleague = "sip:1002@alpha.test";
    let all = Some("dialog, message-summary, presence, reg".to_owned());
    let mut check = |uri: &str, headers: &[(&str, &str)], wanted: &str, expected: (u16, Option<String>)| {
        assert_eq!(ask(&mut world, uri, headers, wanted), expected, "{uri} {headers:?}");
    };
    for package in ["presence.winfo", "refer", "conference", "DIALOG", "x"] {
        check(colleague, &[("Event", package)], "Allow-Events", (489, all.clone()));
    }
    check(colleague, &[], "Allow-Events", (489, all));
    let dialog = ("Event", "dialog");
    check(colleague, &[("Event", "dialog;id=\"")], "-", (400, None));
    check(colleague, &[("Event", &format!("dialog;id={}", "x".repeat(65)))], "-", (400, None));
    check(colleague, &[dialog, ("Expires", "soon")], "-", (400, None));
    let document = Some("application/dialog-info+xml".to_owned());
    check(colleague, &[dialog, ("Accept", "application/pidf+xml")], "Accept", (406, document));
    check(colleague, &[dialog, ("Expires", "59")], "Min-Expires", (423, Some("60".to_owned())));
    for nobody in ["sip:9999@alpha.test", "sip:*43@alpha.test", "sip:1002%00@alpha.test"] {
        check(nobody, &[dialog], "-", (404, None));
    }
    for private in ["message-summary", "reg"] {
        check(colleague, &[("Event", private)], "-", (403, None));
    }
    assert_eq!(world.counts().subscriptions, 0);
    world.finish();
}

/// Nobody sees another tenant: not by its domain, not by the number alone.
#[test]
fn another_tenant_sees_nothing() {
    let mut world = office(41);
    // The number of beta's own 1002, and alpha's 1002.
    let own = watch(&mut world, "thief", "dialog", "sip:1002@beta.test");
    assert_eq!(watched(&world, "thief", own).code, Some(200));
    let foreign = watch(&mut world, "thief", "dialog", "sip:1002@alpha.test");
    assert!(matches!(watched(&world, "thief", foreign).code, Some(401 | 403)));
    let bare = watch(&mut world, "thief", "dialog", "sip:1002@10.0.0.9");
    assert_eq!(watched(&world, "thief", bare).code, Some(200), "the address of the machine means the own tenant");
    world.phone("1002").answers_after(100);
    world.phone("1001").dials("1002");
    world.seconds(3);
    for place in [own, bare] {
        assert_eq!(watched(&world, "thief", place).told.len(), 1, "nothing has happened at beta");
    }
    assert!(watched(&world, "thief", foreign).told.is_empty());
    world.phone("1001").hangs_up();
    world.seconds(1);
}

#[test]
fn who_cannot_log_in_is_challenged() {
    let mut world = office(42);
    world.plug_in("alpha", "1001", "liar", |setup| setup.with_password("guessed"));
    let place = watch(&mut world, "liar", "dialog", "sip:1002@alpha.test");
    assert_eq!(watched(&world, "liar", place).code, Some(401));
    world.phone("liar").phone(|phone, now| phone.ask(now, Method::Publish, "sip:1001@alpha.test", &[], ""));
    world.seconds(1);
    assert_eq!(world.look("liar").answers.last().map(|answer| answer.code), Some(401));
    assert_eq!((world.counts().subscriptions, world.counts().endpoint.dialogs), (0, 0));
}

#[test]
fn an_extension_has_no_more_subscriptions_than_it_may() {
    let mut world = office(43);
    for _ in 0..500 {
        world.phone("1000").phone(|phone, now| {
            phone.subscribe(now, "presence", "sip:1002@alpha.test", 600);
        });
    }
    world.seconds(5);
    assert_eq!(world.counts().subscriptions, 500);
    let one_more = watch(&mut world, "1000", "presence", "sip:1002@alpha.test");
    assert_eq!(watched(&world, "1000", one_more).code, Some(403));
    let colleague = watch(&mut world, "1001", "presence", "sip:1002@alpha.test");
    assert_eq!(watched(&world, "1001", colleague).code, Some(200));
}

/// A second subscription in one dialog is refused (RFC 6665 §4.5.2), as is anything that is no SUBSCRIBE.
#[test]
fn one_dialog_carries_one_subscription() {
    let mut world = office(44);
    let lamp = watch(&mut world, "1000", "dialog;id=7", "sip:1002@alpha.test");
    assert_eq!(watched(&world, "1000", lamp).told[0].event, "dialog;id=7");
    for other in ["dialog", "dialog;id=8", "presence"] {
        world.phone("1000").phone(|phone, now| {
            phone.watches[lamp].event = other.to_owned();
            phone.resubscribe(now, lamp, 600);
        });
        world.seconds(1);
        assert_eq!(watched(&world, "1000", lamp).code, Some(403), "{other}");
    }
    assert_eq!(world.counts().subscriptions, 1);
    world.finish();
}
