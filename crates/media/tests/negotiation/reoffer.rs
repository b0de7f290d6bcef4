//! Re-INVITEs: versions, numbers, rollback.

use super::*;

#[test]
fn the_version_grows_only_with_a_change() {
    let offer = phone(PHONE_A, 4_000, "8 0 101", EVENTS);
    let answer = phone(PHONE_B, 5_000, "8 101", EVENTS);
    let mut call = Call::up();
    assert_eq!((call.a.version(), call.b.version()), (1, 1));
    let before = (call.a.local_body(), call.b.local_body());
    call.exchange(&offer, &answer);
    assert_eq!((call.a.version(), call.b.version()), (1, 1), "a session refresh changes nothing");
    assert_eq!((call.a.local_body(), call.b.local_body()), before);
    call.exchange(&phone(PHONE_A, 4_000, "8 101", "a=sendonly\r\n"), &answer);
    assert_eq!((call.a.version(), call.b.version()), (2, 2));
    let body = call.b.local_body().expect("sent");
    let origin = read(&body).origin.expect("ours has one");
    assert_eq!((origin.id, origin.version), (2, 2));
}

#[test]
fn a_refused_re_invite_leaves_the_old_plan() {
    let mut call = Call::up();
    let before = plan::again(&call.a, &call.b).expect("plan");
    call.a.remote_offer(&phone("192.0.2.77", 4_500, "0", "a=sendonly\r\n")).expect("offer");
    plan::offer(&call.a, &mut call.b, TO_B, Reach::Single).expect("offer");
    assert!(call.a.remote_hold() && !call.b.is_stable());
    call.a.rollback();
    call.b.rollback();
    assert!(call.a.is_stable() && call.b.is_stable() && !call.a.remote_hold());
    assert_eq!(plan::again(&call.a, &call.b).expect("plan"), before);
    assert_eq!(call.b.remote_answer(&phone(PHONE_B, 5_000, "0", "")).expect_err("nothing is offered").code, 400);
    // A body that cannot be used leaves it too.
    assert!(call.a.remote_offer(b"v=0\r\n").is_err());
    assert_eq!(plan::again(&call.a, &call.b).expect("plan"), before);
    // The next offer has a version the peer has not seen.
    plan::propose(&mut call.b, TO_B).expect("offer");
    assert_eq!(call.b.version(), 3);
}

#[test]
fn a_bad_answer_leaves_the_offer_open() {
    let mut call = Call::up();
    let before = plan::again(&call.a, &call.b).expect("plan");
    call.a.remote_offer(&phone(PHONE_A, 4_000, "8", "")).expect("offer");
    plan::offer(&call.a, &mut call.b, TO_B, Reach::Single).expect("offer");
    let cases: [(&[u8], u16); 4] = [
        (b"nonsense", 400),
        (b"v=0\r\nc=IN IP4 192.0.2.2\r\n", 488),
        (b"v=0\r\nc=IN IP4 192.0.2.2\r\nm=audio 0 RTP/AVP 8\r\n", 488),
        (b"v=0\r\nc=IN IP4 192.0.2.2\r\nm=audio 5000 RTP/SAVP 8\r\n", 488),
    ];
    for (body, code) in cases {
        assert_eq!(call.b.remote_answer(body).expect_err("unusable").code, code);
        assert!(!call.b.is_stable());
    }
    call.a.rollback();
    call.b.rollback();
    assert_eq!(plan::again(&call.a, &call.b).expect("plan"), before);
}

#[test]
fn numbers_keep_their_meaning() {
    let mut call = Call::new();
    let opus = "a=rtpmap:96 opus/48000/2\r\n";
    call.exchange(
        &phone(PHONE_A, 4_000, "96 0 101", &format!("{opus}{EVENTS}")),
        &phone(PHONE_B, 5_000, "96 0 101", &format!("{opus}{EVENTS}")),
    );
    // B gives 101 another meaning in its own offer, and 99 that of events.
    let offer = "a=rtpmap:101 opus/48000/2\r\na=rtpmap:99 telephone-event/8000\r\n";
    let (to_a, ..) = call.exchange_back(
        &phone(PHONE_B, 5_000, "101 0 99", offer),
        &phone(PHONE_A, 4_000, "96 0 101", &format!("{opus}{EVENTS}")),
    );
    let offered = audio(&to_a);
    assert_eq!(offered.formats, ["96", "0", "8", "9", "101"]);
    let named: Vec<(u8, &str)> = offered.rtpmaps.iter().map(|m| (m.payload_type, &m.encoding[..])).collect();
    assert_eq!(named, [(96, "opus"), (0, "PCMU"), (8, "PCMA"), (9, "G722"), (101, "telephone-event")]);
}

#[test]
fn two_new_formats_never_share_a_number() {
    let mut call = Call::new();
    call.exchange(&phone(PHONE_A, 4_000, "0 101", EVENTS), &phone(PHONE_B, 5_000, "0 101", EVENTS));
    // On this leg 101 means events, so the new codec that comes with 101 gets another number.
    let (to_b, ..) = call.exchange(
        &phone(PHONE_A, 4_000, "101 0 102", "a=rtpmap:101 opus/48000/2\r\na=rtpmap:102 telephone-event/8000\r\n"),
        &phone(PHONE_B, 5_000, "0 101", EVENTS),
    );
    assert_eq!(audio(&to_b).formats, ["96", "0", "8", "9", "101"]);
}

#[test]
fn media_may_move() {
    let mut call = Call::up();
    let (_, _, plan) = call.exchange(&phone("192.0.2.50", 4_444, "8", ""), &phone(PHONE_B, 5_000, "8", ""));
    assert_eq!(plan.legs[0].remote_rtp, Some("192.0.2.50:4444".parse().expect("address")));
    assert_eq!(plan.legs[0].sources, ["192.0.2.50".parse::<IpAddr>().expect("address")]);
}

#[test]
fn what_stands_is_offered_again_as_it_was() {
    let mut call = Call::up();
    // The caller's leg stands by our answer, the callee's by our offer.
    for (leg, ip) in [(&mut call.a, PHONE_A), (&mut call.b, PHONE_B)] {
        let before = leg.local_body();
        assert_eq!(leg.repeat().ok(), before);
        assert!(leg.repeat().is_err_and(|refusal| refusal.code == 491), "one offer at a time");
        leg.remote_answer(&phone(ip, 4_000, "8 101", EVENTS)).expect("an answer");
        assert_eq!((leg.local_body(), leg.version()), (before, 1));
    }
    // A refused offer stands between: the old words come under a new version.
    let before = audio(&call.b.local_body().expect("sent"));
    call.a.remote_offer(&phone(PHONE_A, 4_000, "0", "a=sendonly\r\n")).expect("offer");
    plan::offer(&call.a, &mut call.b, TO_B, Reach::Single).expect("offer");
    call.b.rollback();
    let again = call.b.repeat().expect("something stands");
    assert_eq!((audio(&again), call.b.version()), (before, 3));
    call.b.rollback();
    assert_eq!(call.b.repeat().expect("something stands"), again);
}

#[test]
fn nothing_can_be_repeated_before_anything_is_agreed() {
    assert_eq!(Negotiation::new(1, Profile::plain(None)).repeat().expect_err("nothing").code, 500);
}
