//! Who may say to be whom.

use crate::bench::{ALICE, Bench, DEVICE, Draft, Signer, code, in_a_dialog};

#[test]
fn a_phone_registers_for_itself_alone() {
    for (to, expected) in [
        ("sip:1001@acme.test", 200),
        ("sip:1001@ACME.test.", 200),
        ("sip:1001@sip.acme.example", 200),
        ("sip:1001@10.9.9.9", 200),
        ("sip:%31001@acme.test", 200),
        ("sips:1001@acme.test", 200),
        ("sip:1002@acme.test", 403),
        ("sip:1001@beta.test", 403),
        ("sip:1001@nowhere.test", 403),
        ("sip:acme.test", 403),
        ("sip:1001%00@acme.test", 403),
        ("sip:1001;x=y@acme.test", 403),
        ("tel:1001", 403),
        ("mailto:1001@acme.test", 403),
    ] {
        assert_eq!(Bench::new().code_as(Draft::new("REGISTER").to(to), ALICE), expected, "{to}");
    }
    // Who sends does not matter, whom it is for does (RFC 3261 §10.2).
    assert_eq!(Bench::new().code_as(Draft::new("REGISTER").from("sip:boss@acme.test"), ALICE), 200);
}

#[test]
fn a_phone_calls_as_itself_or_as_nobody() {
    for method in ["INVITE", "MESSAGE", "SUBSCRIBE", "OPTIONS", "REFER", "FROBNICATE"] {
        for (from, expected) in [
            ("sip:1001@acme.test", 200),
            ("sip:1001@10.0.0.1", 200),
            ("sip:anonymous@anonymous.invalid", 200),
            ("sip:Anonymous@acme.test", 200),
            ("sip:1002@acme.test", 403),
            ("sip:1001@beta.test", 403),
            ("sip:1001@nowhere.test", 403),
            ("sip:+4930112@acme.test", 403),
            ("sip:acme.test", 403),
            ("tel:1001;phone-context=acme.test", 200),
            ("tel:10-01", 200),
            ("tel:1002", 403),
            ("tel:+1001", 403),
        ] {
            assert_eq!(Bench::new().code_as(Draft::new(method).from(from), ALICE), expected, "{method} {from}");
        }
    }
}

#[test]
fn a_device_is_known_by_its_login_and_by_its_number() {
    let device = Signer::new(DEVICE, "device-secret");
    for (user, expected) in [(DEVICE, 200), ("1002", 200), ("1001", 403)] {
        let own = format!("sip:{user}@acme.test");
        assert_eq!(Bench::new().code_as(Draft::new("REGISTER").to(&own), device), expected, "{user}");
        assert_eq!(Bench::new().code_as(Draft::new("INVITE").from(&own), device), expected, "{user}");
    }
}

#[test]
fn what_others_would_be_told_is_told_only_to_who_has_authenticated() {
    for (draft, challenge) in
        [(Draft::new("REGISTER").to("sip:1002@acme.test"), 401), (Draft::new("INVITE").from("sip:1002@acme.test"), 407)]
    {
        let mut bench = Bench::new();
        assert_eq!(bench.refusal(&draft).code, challenge);
        assert_eq!(bench.code_as(draft.clone(), Signer::new("1001", "wrong")), challenge);
        assert_eq!(bench.code_as(draft, ALICE), 403);
    }
}

#[test]
fn inside_a_dialog_the_names_are_the_dialogs() {
    let mut bench = Bench::new();
    let draft = Draft::new("BYE").from("sip:1002@acme.test").to("sip:1001@acme.test");
    let sip::Admission::Refuse(challenge) = bench.admit_in(&draft, in_a_dialog()) else { panic!("passed") };
    assert_eq!(code(&bench.admit_in(&draft.signed(&challenge, ALICE), in_a_dialog())), 200);
}
