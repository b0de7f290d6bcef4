//! Digest: right, wrong, old, foreign and replayed, and that the wrong ones look alike.

use std::sync::Arc;
use std::time::Duration;

use domain::DigestOffer;
use sip::digest::{Algorithm, Qop};
use sip::{Admission, Name, Reply};
use switch::admit::Admittance;

use crate::bench::{ALICE, Bench, DEVICE, Draft, Signer, acme, challenges, code, face};

fn stale(reply: &Reply) -> bool {
    challenges(reply).iter().all(|(_, challenge)| challenge.stale)
}

/// The answer to a draft that answers a challenge.
fn refused_as(bench: &mut Bench, draft: Draft, signer: Signer<'_>) -> Reply {
    let challenge = bench.refusal(&draft);
    bench.refusal(&draft.signed(&challenge, signer))
}

#[test]
fn who_passes_is_known() {
    let mut bench = Bench::new();
    let snapshot = acme();
    for (signer, from, extension, device) in [
        (ALICE, "sip:1001@acme.test", "1001", None),
        (Signer::new("1002", "secret-acme-1002"), "sip:1002@acme.test", "1002", None),
        (Signer::new(DEVICE, "device-secret"), "sip:1002@acme.test", "1002", snapshot.credentials[DEVICE].device_id),
    ] {
        match bench.try_as(Draft::new("INVITE").from(from), signer) {
            Admission::Pass(identity) => {
                assert_eq!((identity.tenant, identity.extension.as_str()), (snapshot.tenant.id, extension));
                assert_eq!(identity.extension_id, snapshot.extensions[extension].id);
                assert_eq!((identity.device_id, identity.username.as_str()), (device, signer.username));
                assert_eq!(identity.user_id, snapshot.extensions[extension].user_id);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn whoever_does_not_pass_learns_nothing() {
    for method in ["REGISTER", "INVITE", "MESSAGE", "FROBNICATE"] {
        let mut bench = Bench::new();
        let expected = face(&bench.refusal(&Draft::new(method)));
        for (who, signer) in [
            ("wrong password", Signer::new("1001", "wrong")),
            ("no such user", Signer::new("7777", "secret-acme-7777")),
            ("empty user", Signer::new("", "")),
            ("disabled login, right password", Signer::new("1003", "secret-acme-1003")),
            ("disabled login, wrong password", Signer::new("1003", "wrong")),
            ("disabled extension, right password", Signer::new("1004", "secret-acme-1004")),
            ("login without an extension", Signer::new("orphan", "secret-acme-orphan")),
            ("login of another tenant", Signer::new("1001", "secret-beta-1001")),
            ("quotes", Signer::new("10\"01\\", "x")),
        ] {
            assert_eq!(face(&refused_as(&mut bench, Draft::new(method), signer)), expected, "{method} {who}");
        }
    }
}

#[test]
fn a_hash_that_is_all_zeros_is_nobodys_password() {
    // What unknown names are compared with must not be a key for them.
    let mut bench = Bench::new();
    let draft = Draft::new("REGISTER");
    let challenge = challenges(&bench.refusal(&draft)).remove(0).1;
    let ha1 = sip::digest::Ha1 { md5: [0; 16], sha256: Some([0; 32]) };
    let login = sip::digest::Login { username: b"7777", ha1: &ha1 };
    let client = sip::digest::ClientNonce { cnonce: b"c", nc: 1 };
    let uri = draft.uri.parse().unwrap();
    let credentials = sip::digest::respond(&challenge, &login, &sip::Method::Register, &uri, &client).unwrap();
    let reply = bench.refusal(&draft.with_credentials(&Name::WwwAuthenticate, &credentials));
    assert!(reply.code == 401 && !stale(&reply));
}

#[test]
fn parts_of_credentials_that_are_wrong_make_all_of_it_wrong() {
    let mut bench = Bench::unguarded();
    let draft = Draft::new("INVITE");
    let challenge = challenges(&bench.refusal(&draft)).remove(0).1;
    let right = draft.credentials(&challenge, ALICE);
    let name = Name::ProxyAuthenticate;
    for (what, wrong) in [
        ("realm", sip::digest::Credentials { realm: "beta.realm.test".into(), ..right.clone() }),
        ("realm, in capitals", sip::digest::Credentials { realm: "ACME.realm.test".into(), ..right.clone() }),
        ("uri", sip::digest::Credentials { uri: "sip:1001@acme.test".into(), ..right.clone() }),
        ("nonce", sip::digest::Credentials { nonce: "abc".into(), ..right.clone() }),
        ("response", sip::digest::Credentials { response: "0".repeat(32).into(), ..right.clone() }),
        ("no response", sip::digest::Credentials { response: "".into(), ..right.clone() }),
        ("nc", sip::digest::Credentials { nc: 2, ..right.clone() }),
        ("cnonce", sip::digest::Credentials { cnonce: "x".into(), ..right.clone() }),
        ("no qop", sip::digest::Credentials { qop: Qop::Absent, ..right.clone() }),
        ("user", sip::digest::Credentials { username: "1002".into(), ..right.clone() }),
        ("algorithm", sip::digest::Credentials { algorithm: Algorithm::Sha256, ..right.clone() }),
    ] {
        let reply = bench.refusal(&draft.clone().with_credentials(&name, &wrong));
        assert!(reply.code == 407 && !stale(&reply), "{what}");
    }
    // None of these has used up the nonce.
    assert_eq!(code(&bench.admit(&draft.with_credentials(&name, &right))), 200);
}

#[test]
fn a_right_digest_for_another_uri_is_wrong() {
    let mut bench = Bench::new();
    let cheap = Draft::new("INVITE").uri("sip:1002@acme.test");
    let challenge = bench.refusal(&cheap);
    let dear = Draft::new("INVITE").uri("sip:0900123456@acme.test");
    let reply = bench.refusal(&Draft { lines: cheap.signed(&challenge, ALICE).lines, ..dear });
    assert!(reply.code == 407 && !stale(&reply));
}

#[test]
fn a_replay_is_refused_in_any_variation() {
    for method in ["REGISTER", "INVITE"] {
        let mut bench = Bench::new();
        let draft = Draft::new(method);
        let challenge = bench.refusal(&draft);
        let once = draft.clone().signed(&challenge, Signer { nc: 5, ..ALICE });
        assert_eq!(code(&bench.admit(&once)), 200);
        // Right but for its count: the owner of the password tries again without being asked for it.
        let reply = bench.refusal(&once);
        assert!(stale(&reply), "{method}");
        assert_eq!(code(&bench.admit(&draft.clone().signed(&reply, ALICE))), 200);
        // From elsewhere, later, and as another count.
        bench.flow = crate::bench::flow(77);
        assert!(stale(&bench.refusal(&once)), "{method}");
        bench.now += Duration::from_secs(86_400);
        assert!(stale(&bench.refusal(&once)), "{method}");
        let forged = Draft { lines: once.lines.replace("nc=00000005", "nc=00000006"), ..once.clone() };
        assert_ne!(forged.lines, once.lines);
        assert!(!stale(&bench.refusal(&forged)), "{method}");
    }
}

#[test]
fn counts_may_go_on_and_overtake_one_another_but_not_repeat() {
    let mut bench = Bench::new();
    let draft = Draft::new("INVITE");
    let challenge = bench.refusal(&draft);
    for (nc, expected) in [(1, 200), (3, 200), (2, 200), (2, 407), (4, 200), (1, 407), (0, 407)] {
        let signed = draft.clone().signed(&challenge, Signer { nc, ..ALICE });
        assert_eq!(code(&bench.admit(&signed)), expected, "{nc}");
    }
}

#[test]
fn an_old_nonce_is_stale_only_for_who_knows_the_password() {
    let mut bench = Bench::new();
    let draft = Draft::new("REGISTER");
    let challenge = bench.refusal(&draft);
    bench.now += Duration::from_secs(3_600);
    for (signer, expected) in [
        (ALICE, true),
        (Signer::new("1001", "wrong"), false),
        (Signer::new("7777", "x"), false),
        (Signer::new("1003", "secret-acme-1003"), false),
    ] {
        let reply = bench.refusal(&draft.clone().signed(&challenge, signer));
        assert_eq!((reply.code, stale(&reply)), (401, expected), "{signer:?}");
    }
}

#[test]
fn after_a_restart_phones_are_not_asked_for_their_password_again() {
    let mut bench = Bench::new();
    let draft = Draft::new("REGISTER");
    let challenge = bench.refusal(&draft);
    bench.admittance = Admittance::new(bench.now, [2; 32]);
    bench.admittance.put(Arc::new(acme()));
    let reply = bench.refusal(&draft.clone().signed(&challenge, ALICE));
    assert!(stale(&reply));
    assert_eq!(code(&bench.admit(&draft.clone().signed(&reply, ALICE))), 200);
    assert!(!stale(&bench.refusal(&draft.signed(&challenge, Signer::new("1001", "wrong")))));
}

#[test]
fn the_tenant_says_which_algorithms_are_offered() {
    for (offer, expected) in [
        (DigestOffer::Md5, &[Algorithm::Md5][..]),
        (DigestOffer::Sha256AndMd5, &[Algorithm::Sha256, Algorithm::Md5]),
        (DigestOffer::Sha256, &[Algorithm::Sha256]),
    ] {
        let mut bench = Bench::new();
        let mut snapshot = acme();
        snapshot.tenant.digest_algorithms = offer;
        bench.admittance.put(Arc::new(snapshot));
        let draft = Draft::new("INVITE");
        let offered = challenges(&bench.refusal(&draft));
        assert_eq!(offered.iter().map(|(_, challenge)| challenge.algorithm).collect::<Vec<_>>(), expected);
        for algorithm in [Algorithm::Md5, Algorithm::Sha256] {
            let offered = challenges(&bench.refusal(&draft));
            let fitting = offered.iter().find(|(_, challenge)| challenge.algorithm == algorithm);
            let (name, challenge) = fitting.unwrap_or(&offered[0]).clone();
            let challenge = sip::digest::Challenge { algorithm, ..challenge };
            let signed = draft.clone().with_credentials(&name, &draft.credentials(&challenge, ALICE));
            let passes = code(&bench.admit(&signed)) == 200;
            assert_eq!(passes, expected.contains(&algorithm), "{offer} {algorithm:?}");
        }
    }
}

#[test]
fn credentials_are_found_among_others() {
    let mut bench = Bench::new();
    let draft = Draft::new("INVITE")
        .line("Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")
        .line("Authorization: Digest nonsense")
        .line(
            "Proxy-Authorization: Digest username=\"x\", realm=\"other\", nonce=\"n\", uri=\"sip:x\", response=\"0\"",
        );
    assert_eq!(bench.code_as(draft, ALICE), 200);
    let mut flood = Draft::new("INVITE");
    for _ in 0..100 {
        flood = flood.line("Proxy-Authorization: Digest nonsense");
    }
    assert_eq!(bench.code_as(flood, ALICE), 407, "what stands behind a hundred others is not read");
}

#[test]
fn either_header_will_do() {
    let mut bench = Bench::new();
    let draft = Draft::new("INVITE");
    let challenge = challenges(&bench.refusal(&draft)).remove(0).1;
    let credentials = draft.credentials(&challenge, ALICE);
    assert_eq!(code(&bench.admit(&draft.with_credentials(&Name::WwwAuthenticate, &credentials))), 200);
}

#[test]
fn every_challenge_has_a_nonce_of_its_own() {
    let mut bench = Bench::new();
    let mut nonces: Vec<_> =
        (0..1_000).map(|_| challenges(&bench.refusal(&Draft::new("REGISTER"))).remove(0).1.nonce).collect();
    nonces.sort();
    nonces.dedup();
    assert_eq!(nonces.len(), 1_000);
}
