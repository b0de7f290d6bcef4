//! RFC 3261 §10.3, steps 6 and 7: which request may change which binding.

use sip::Name;

use crate::bench::{Bench, values};

const CONTACT: &str = "Contact: <sip:a@10.0.0.1>";
const STAR: &str = "Contact: *\nExpires: 0";
const END: &str = "Contact: <sip:a@10.0.0.1>;expires=0";

#[test]
fn only_a_newer_request_of_the_same_call_id_counts() {
    for (lines, call_id, cseq, code) in [
        (CONTACT, "x", 11, 200),
        (CONTACT, "x", 10, 500),
        (CONTACT, "x", 9, 500),
        (CONTACT, "y", 1, 200),
        (END, "x", 11, 200),
        (END, "x", 10, 500),
        (END, "y", 1, 200),
        (STAR, "x", 11, 200),
        (STAR, "x", 10, 500),
        (STAR, "y", 1, 200),
        ("", "x", 1, 200),
        ("Contact: <sip:other@10.0.0.1>", "x", 1, 200),
        ("Contact: <sip:other@10.0.0.1>;expires=0", "x", 1, 200),
    ] {
        let mut bench = Bench::new();
        bench.register_as("x", 10, CONTACT);
        bench.changes();
        let before = bench.registrar.registrations(None);
        assert_eq!(bench.register_as(call_id, cseq, lines).code, code, "{lines} {call_id} {cseq}");
        if code != 200 {
            assert_eq!(bench.registrar.registrations(None), before, "{lines} {call_id} {cseq}");
            assert_eq!(bench.changes(), []);
        }
    }
}

#[test]
fn a_request_is_carried_out_whole_or_not_at_all() {
    let mut bench = Bench::new();
    bench.register_as("x", 10, "Contact: <sip:a@10.0.0.1>");
    bench.register_as("y", 10, "Contact: <sip:b@10.0.0.2>");
    bench.changes();
    let before = bench.registrar.registrations(None);
    for lines in [
        // New, then too old.
        "Contact: <sip:new@10.0.0.3>, <sip:a@10.0.0.1>",
        // An end, then too old.
        "Contact: <sip:b@10.0.0.2>;expires=0, <sip:a@10.0.0.1>;expires=0",
        // New, then too brief; new, then not to be called; new, then unreadable.
        "Contact: <sip:new@10.0.0.3>, <sip:c@10.0.0.3>;expires=1",
        "Contact: <sip:new@10.0.0.3>, <mailto:c@acme.test>",
        "Contact: <sip:new@10.0.0.3>, <sip:",
        // The star alone would end both, but one of them is newer.
        STAR,
    ] {
        let code = bench.register_as("x", 9, lines).code;
        assert!(code >= 400, "{lines} {code}");
        assert_eq!(bench.registrar.registrations(None), before, "{lines}");
        assert_eq!(bench.changes(), [], "{lines}");
    }
}

#[test]
fn an_old_request_for_a_known_device_is_too_old_whatever_its_address() {
    let mut bench = Bench::new();
    let device = ";+sip.instance=\"<urn:uuid:1>\";reg-id=1";
    bench.register_as("x", 10, &format!("Contact: <sip:a@10.0.0.1>{device}"));
    assert_eq!(bench.register_as("x", 9, &format!("Contact: <sip:a@10.0.0.2>{device}")).code, 500);
    assert_eq!(bench.contacts(), ["sip:a@10.0.0.1"]);
}

#[test]
fn the_order_holds_no_longer_than_the_binding() {
    let mut bench = Bench::new();
    bench.register_as("x", 10, CONTACT);
    bench.register_as("x", 11, END);
    let reply = bench.register_as("x", 1, CONTACT);
    assert_eq!((reply.code, values(&reply, &Name::Contact).len()), (200, 1));
}
