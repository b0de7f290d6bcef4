//! The guard at the gate: what counts as a failure, and that a lock looks like a wrong password.

use std::time::Duration;

use sip::Transport;

use crate::bench::{ALICE, Bench, Draft, Signer, acme, challenges, code, face, flow};

fn banned(bench: &Bench) -> bool {
    bench.admittance.sentry().is_banned(bench.now, bench.flow.remote.ip())
}

#[test]
fn a_request_without_credentials_is_no_failure() {
    let mut bench = Bench::new();
    for method in ["REGISTER", "INVITE", "OPTIONS", "SUBSCRIBE", "FROBNICATE"] {
        for _ in 0..1_000 {
            bench.refusal(&Draft::new(method).line("User-Agent: a phone"));
        }
    }
    // Nor are a nonce that is old, a replay, and credentials for another realm.
    let draft = Draft::new("REGISTER");
    let challenge = bench.refusal(&draft);
    let signed = draft.clone().signed(&challenge, ALICE);
    assert_eq!(code(&bench.admit(&signed)), 200);
    for _ in 0..1_000 {
        bench.refusal(&signed);
    }
    let right = draft.credentials(&challenges(&challenge)[0].1, ALICE);
    let elsewhere = sip::digest::Credentials { realm: "elsewhere".into(), ..right };
    for _ in 0..1_000 {
        bench.refusal(&draft.clone().with_credentials(&sip::Name::WwwAuthenticate, &elsewhere));
    }
    assert_eq!(bench.admittance.sentry().sizes(), [0, 0, 0]);
    assert!(!banned(&bench));
}

#[test]
fn who_tries_a_list_of_passwords_is_dropped_before_the_right_one() {
    let mut bench = Bench::new();
    let mut answers = Vec::new();
    for number in 0..50 {
        let guess = format!("secret-{number}");
        let password = if number == 30 { ALICE.password } else { &guess };
        let draft = Draft::new("REGISTER");
        match bench.admit(&draft) {
            sip::Admission::Refuse(challenge) => {
                answers.push(code(&bench.admit(&draft.signed(&challenge, Signer::new("1001", password)))));
            }
            other => answers.push(code(&other)),
        }
    }
    assert_eq!(answers, [[401; 10].as_slice(), &[0; 40]].concat());
    // Others are served, and the address is again when its time is over.
    bench.flow = flow(2);
    assert_eq!(bench.code_as(Draft::new("REGISTER"), ALICE), 200);
    bench.flow = flow(1);
    bench.now += Duration::from_secs(600);
    assert_eq!(bench.code_as(Draft::new("REGISTER"), ALICE), 200);
}

#[test]
fn slow_guessing_meets_a_lock_that_looks_like_a_wrong_password() {
    let mut bench = Bench::new();
    // A colleague's phone works: the address is an office.
    assert_eq!(
        bench.code_as(Draft::new("REGISTER").to("sip:1002@acme.test"), Signer::new("1002", "secret-acme-1002")),
        200
    );
    for _ in 0..6 {
        assert_eq!(bench.code_as(Draft::new("REGISTER"), Signer::new("1001", "guess")), 401);
    }
    let draft = Draft::new("REGISTER");
    let open = face(&bench.refusal(&draft));
    let wrong = {
        let challenge = bench.refusal(&draft);
        face(&bench.refusal(&draft.clone().signed(&challenge, Signer::new("1001", "guess"))))
    };
    let right = {
        let challenge = bench.refusal(&draft);
        face(&bench.refusal(&draft.clone().signed(&challenge, ALICE)))
    };
    assert_eq!((&wrong, &right), (&open, &open), "the lock cannot be seen");
    // The office works on, and so does the name elsewhere.
    assert_eq!(
        bench.code_as(Draft::new("INVITE").from("sip:1002@acme.test"), Signer::new("1002", "secret-acme-1002")),
        200
    );
    bench.flow = flow(9);
    assert_eq!(bench.code_as(Draft::new("REGISTER"), ALICE), 200);
}

#[test]
fn a_registered_phone_is_not_locked_out_by_its_neighbours() {
    let mut bench = Bench::new();
    bench.register(&acme());
    let own = bench.flow;
    bench.code_as(Draft::new("REGISTER"), ALICE);
    bench.flow.remote.set_port(7_777);
    for _ in 0..8 {
        assert_eq!(bench.code_as(Draft::new("REGISTER"), Signer::new("1001", "guess")), 401);
    }
    assert_eq!(bench.code_as(Draft::new("REGISTER"), ALICE), 401, "the name is locked at this address");
    bench.flow = own;
    assert_eq!(bench.code_as(Draft::new("REGISTER"), ALICE), 200, "but not for the phone that is there");
}

#[test]
fn a_nonce_is_good_only_where_it_was_sent() {
    let mut bench = Bench::new();
    let draft = Draft::new("REGISTER");
    let challenge = bench.refusal(&draft);
    let signed = draft.clone().signed(&challenge, ALICE);
    bench.flow = flow(2);
    let reply = bench.refusal(&signed);
    assert!(challenges(&reply)[0].1.stale, "the phone has moved, and tries again without asking its user");
    assert_eq!(code(&bench.admit(&draft.clone().signed(&reply, ALICE))), 200);
    // Another port, and another address of the same /64, are the same place.
    let challenge = bench.refusal(&draft);
    bench.flow.remote.set_port(6_000);
    assert_eq!(code(&bench.admit(&draft.signed(&challenge, ALICE))), 200);
}

#[test]
fn guesses_at_a_nonce_from_elsewhere_soon_tell_nothing() {
    // Over UDP the sender of such a guess may be forged, so it is not held against an office; but the word "stale" would
    // tell a right guess from a wrong one.
    let mut bench = Bench::new();
    bench.code_as(Draft::new("REGISTER"), ALICE);
    let office = bench.flow;
    bench.flow = flow(2);
    let draft = Draft::new("REGISTER");
    let foreign = bench.refusal(&draft);
    bench.flow = office;
    for _ in 0..10 {
        bench.refusal(&draft.clone().signed(&foreign, Signer::new("1001", "guess")));
    }
    let reply = bench.refusal(&draft.clone().signed(&foreign, ALICE));
    assert!(!challenges(&reply)[0].1.stale, "a right guess looks like the others");
    assert!(!banned(&bench));
    assert_eq!(code(&bench.admit(&draft.signed(&reply, ALICE))), 200, "who knows the password still gets in");
}

#[test]
fn on_a_stream_the_sender_is_certain() {
    for transport in [Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss] {
        let mut bench = Bench::new();
        bench.flow.transport = transport;
        bench.code_as(Draft::new("REGISTER"), ALICE);
        for _ in 0..60 {
            bench.admit(&Draft::new("OPTIONS").line("User-Agent: friendly-scanner"));
        }
        assert!(banned(&bench), "{transport}: an office is banned as well when it scans for certain");
    }
}

#[test]
fn who_says_to_be_a_scanner_is_believed_unless_it_has_a_password() {
    let mut bench = Bench::new();
    let probe = Draft::new("OPTIONS").uri("sip:100@10.9.9.9").line("User-Agent: friendly-scanner");
    let answers: Vec<u16> = (0..8).map(|_| code(&bench.admit(&probe))).collect();
    assert_eq!(answers, [401, 401, 401, 401, 401, 0, 0, 0]);
    let mut bench = Bench::new();
    bench.register(&acme());
    for _ in 0..1_000 {
        assert_eq!(code(&bench.admit(&probe)), 200, "a registered phone may call itself what it likes");
    }
}

#[test]
fn who_asks_for_domains_that_are_nobodys_is_banned_in_the_end() {
    let mut bench = Bench::new();
    let answers: Vec<u16> =
        (0..60).map(|number| code(&bench.admit(&Draft::new("INVITE").uri(&format!("sip:{number}.test"))))).collect();
    assert_eq!(answers, [[403; 50].as_slice(), &[0; 10]].concat());
    let mut bench = Bench::new();
    bench.register(&acme());
    for _ in 0..1_000 {
        assert_eq!(code(&bench.admit(&Draft::new("INVITE").uri("sip:nowhere.test"))), 403);
    }
}
