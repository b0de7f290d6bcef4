//! What is refused, and that it leaves nothing behind.

use proptest::prelude::*;
use switch::limits::{MAX_BINDING_TEXT, MAX_CONTACTS_PER_REGISTER, MAX_PATHS, MAX_USER_AGENT};

use crate::bench::{Bench, parse, register};

#[test]
fn bad_requests_are_refused_and_change_nothing() {
    let many = (0..=MAX_CONTACTS_PER_REGISTER).map(|n| format!("Contact: <sip:a@h{n}.test>\n")).collect::<String>();
    let long = "x".repeat(MAX_BINDING_TEXT);
    for (lines, code) in [
        ("Contact: *".to_owned(), 400),
        ("Contact: *\nExpires: 1".to_owned(), 400),
        ("Contact: *\nExpires: never".to_owned(), 400),
        ("Contact: *;expires=0".to_owned(), 400),
        ("Contact: *, <sip:a@h.test>\nExpires: 0".to_owned(), 400),
        ("Contact: <sip:a@h.test>\nContact: *\nExpires: 0".to_owned(), 400),
        ("Contact: *, *\nExpires: 0".to_owned(), 400),
        ("Contact: <sip:a@h.test".to_owned(), 400),
        ("Contact: <>".to_owned(), 400),
        ("Contact: nonsense".to_owned(), 400),
        ("Contact: <mailto:a@h.test>".to_owned(), 416),
        ("Contact: <tel:+49301234>".to_owned(), 416),
        ("Contact: <http://h.test/>".to_owned(), 416),
        (many, 400),
        (format!("Contact: <sip:{long}@h.test>"), 400),
        (format!("Contact: <sip:a@h.test>;+sip.instance=\"<{long}x>\""), 400),
        (format!("Contact: <sip:a@h.test>\n{}", "Path: <sip:p.test;lr>\n".repeat(MAX_PATHS + 1)), 400),
        (format!("Contact: <sip:a@h.test>\nPath: <sip:{long}@p.test;lr>"), 400),
        ("Contact: <sip:a@h.test>\nPath: nonsense".to_owned(), 400),
    ] {
        let mut bench = Bench::new();
        bench.register_as("other", 1, "Contact: <sip:old@h.test>");
        bench.changes();
        assert_eq!(bench.register(&lines).code, code, "{}", &lines[..lines.len().min(60)]);
        assert_eq!(bench.contacts(), ["sip:old@h.test"]);
        assert_eq!(bench.changes(), []);
    }
}

#[test]
fn a_call_id_that_cannot_be_kept_is_refused() {
    let mut bench = Bench::new();
    let long = "x".repeat(MAX_BINDING_TEXT + 1);
    assert_eq!(bench.register_as(&long, 1, "Contact: <sip:a@h.test>").code, 400);
    assert_eq!(bench.register_as(&long[1..], 1, "Contact: <sip:a@h.test>").code, 200);
}

#[test]
fn bytes_that_are_no_text_are_refused_and_escapes_are_kept_as_they_are() {
    let mut bench = Bench::new();
    let text = register("x", 1, "Contact: <sip:@@@h.test>").bytes().to_vec();
    let place = text.windows(3).position(|window| window == b"@@@").unwrap();
    let mut bytes = text.clone();
    bytes.splice(place..place + 3, *b"\xff\xfe@");
    let code = bench.registrar.register(bench.now, &bench.clock, &bench.flow, &bench.identity, &parse(bytes)).code;
    assert_eq!((code, bench.registrar.len()), (400, 0));
    assert_eq!(bench.register("Contact: <sip:a%00b%ff@h.test>").code, 200);
    assert_eq!(bench.contacts(), ["sip:a%00b%ff@h.test"]);
}

#[test]
fn a_user_agent_is_cut_to_what_can_be_kept() {
    let mut bench = Bench::new();
    bench.register(&format!("Contact: <sip:a@h.test>\nUser-Agent: é{}", "x".repeat(500)));
    let kept = bench.only().user_agent.unwrap();
    assert!(kept.len() <= MAX_USER_AGENT && kept.starts_with("éxxx"), "{kept}");
}

#[test]
fn an_extension_has_no_more_phones_than_it_may() {
    let mut bench = Bench::with_most(2);
    bench.phone(1).register("Contact: <sip:a@h.test>");
    assert_eq!(bench.phone(2).register("Contact: <sip:b@h.test>, <sip:c@h.test>").code, 403);
    assert_eq!(bench.registrar.len(), 1);
    assert_eq!(bench.phone(2).register("Contact: <sip:b@h.test>").code, 200);
    assert_eq!(bench.phone(3).register("Contact: <sip:c@h.test>").code, 403);
    // Refreshing, changing places and ending go on.
    assert_eq!(bench.phone(1).register("Contact: <sip:a@h.test>").code, 200);
    assert_eq!(bench.phone(3).register("Contact: <sip:b@h.test>;expires=0, <sip:c@h.test>").code, 200);
    assert_eq!(bench.sorted_contacts(), ["sip:a@h.test", "sip:c@h.test"]);
    // What has expired does not count.
    bench.pass(3_600);
    assert_eq!(bench.phone(4).register("Contact: <sip:d@h.test>, <sip:e@h.test>").code, 200);
}

proptest! {
    /// Whatever the Contact, the answer is a final one and the tables agree with one another.
    #[test]
    fn no_contact_breaks_the_registrar(
        contacts in prop::collection::vec("[ -~]{0,40}|<sip:[a-c]@h\\.test>(;expires=(0|60|x))?(;q=[01]\\.[0-9]{0,4})?|\\*", 0..5),
        expires in prop::option::of(0_u32..200),
    ) {
        let mut bench = Bench::with_most(3);
        bench.register("Contact: <sip:a@h.test>, <sip:b@h.test>;q=0.3");
        let mut lines: String = contacts.iter().map(|contact| format!("Contact: {contact}\n")).collect();
        if let Some(expires) = expires {
            lines.push_str(&format!("Expires: {expires}"));
        }
        let reply = bench.register(&lines);
        prop_assert!([200, 400, 403, 416, 423].contains(&reply.code), "{}", reply.code);
        prop_assert_eq!(bench.registrar.len(), bench.contacts().len());
        prop_assert_eq!(bench.registrar.poll_timeout().is_some(), !bench.registrar.is_empty());
        prop_assert_eq!(bench.registrar.on_flow(&bench.flow).is_some(), !bench.registrar.is_empty());
        prop_assert!(bench.registrar.len() <= 3);
        bench.pass(10_000);
        bench.registrar.handle_timeout(bench.now);
        prop_assert!(bench.registrar.is_empty());
        prop_assert!(bench.registrar.on_flow(&bench.flow).is_none());
    }
}
