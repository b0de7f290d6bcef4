//! How long bindings hold.

use std::time::Duration;

use domain::RegistrationChange;
use sip::Name;

use crate::bench::{Bench, values};

#[test]
fn the_contact_comes_before_the_header_and_the_header_before_our_own() {
    for (lines, expires) in [
        ("Contact: <sip:a@h.test>;expires=100\nExpires: 200", 100),
        ("Contact: <sip:a@h.test>\nExpires: 200", 200),
        ("Contact: <sip:a@h.test>", 3_600),
        ("Contact: <sip:a@h.test>;expires=soon\nExpires: 200", 200),
        ("Contact: <sip:a@h.test>\nExpires: never", 3_600),
        ("Contact: <sip:a@h.test>;expires=7200", 7_200),
        ("Contact: <sip:a@h.test>;expires=7201", 7_200),
        ("Contact: <sip:a@h.test>;expires=4294967295", 7_200),
        ("Contact: <sip:a@h.test>;expires=99999999999999999999", 7_200),
        ("Contact: <sip:a@h.test>;expires=60", 60),
        // Without brackets the parameter belongs to the Contact and not to the URI (RFC 3261 §20.10).
        ("Contact: sip:a@h.test;expires=100", 100),
        ("m: <sip:a@h.test>;expires=100", 100),
    ] {
        let mut bench = Bench::new();
        let reply = bench.register(lines);
        assert_eq!(values(&reply, &Name::Contact), [format!("<sip:a@h.test>;expires={expires}")], "{lines}");
    }
}

#[test]
fn too_brief_is_told_what_would_do() {
    for (lines, code) in [
        ("Contact: <sip:a@h.test>;expires=1", 423),
        ("Contact: <sip:a@h.test>;expires=59", 423),
        ("Contact: <sip:a@h.test>\nExpires: 59", 423),
        ("Contact: <sip:a@h.test>;expires=60\nExpires: 1", 200),
        ("Contact: <sip:a@h.test>;expires=0\nExpires: 1", 200),
        ("Expires: 1", 200),
    ] {
        let mut bench = Bench::new();
        let reply = bench.register(lines);
        assert_eq!(reply.code, code, "{lines}");
        let expected: &[&str] = if code == 423 { &["60"] } else { &[] };
        assert_eq!(values(&reply, &Name::MinExpires), expected, "{lines}");
    }
}

#[test]
fn a_binding_ends_when_its_time_is_over() {
    let mut bench = Bench::new();
    bench.register("Contact: <sip:a@h.test>;expires=100, <sip:b@h.test>;expires=200");
    bench.changes();
    assert_eq!(bench.registrar.poll_timeout(), Some(bench.now + Duration::from_secs(100)));
    bench.pass(99);
    bench.registrar.handle_timeout(bench.now);
    assert_eq!((bench.contacts().len(), bench.changes().len()), (2, 0));
    bench.pass(1);
    assert_eq!(bench.contacts(), ["sip:b@h.test"], "not even before somebody looks at the clock");
    bench.registrar.handle_timeout(bench.now);
    assert!(matches!(bench.changes()[..], [RegistrationChange::Removed { .. }]));
    assert_eq!(bench.registrar.poll_timeout(), Some(bench.now + Duration::from_secs(100)));
    bench.pass(100_000);
    bench.registrar.handle_timeout(bench.now);
    assert_eq!((bench.registrar.len(), bench.registrar.poll_timeout()), (0, None));
}

#[test]
fn a_refresh_moves_the_end_and_leaves_no_deadline_behind() {
    let mut bench = Bench::new();
    bench.register("Contact: <sip:a@h.test>;expires=100");
    bench.pass(50);
    bench.register("Contact: <sip:a@h.test>;expires=100");
    assert_eq!(bench.registrar.poll_timeout(), Some(bench.now + Duration::from_secs(100)));
    bench.pass(60);
    let reply = bench.register("");
    assert_eq!(values(&reply, &Name::Contact), ["<sip:a@h.test>;expires=40"]);
}

#[test]
fn begun_seconds_count() {
    let mut bench = Bench::new();
    bench.register("Contact: <sip:a@h.test>;expires=100");
    bench.now += Duration::from_millis(500);
    assert_eq!(values(&bench.register(""), &Name::Contact), ["<sip:a@h.test>;expires=100"]);
}
