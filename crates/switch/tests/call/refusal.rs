//! Calls that come to nothing, and what the caller and the history are told.

use std::time::Duration;

use domain::{CallStatus, HangupBy};
use sip::{Method, Name};
use switch::Input;

use crate::bench::Bench;
use crate::phone::{ALICE, BOB, phone, sdp, sdp_with, talk_on};

/// A call that is refused without anybody's phone ringing.
fn refused_at_once(bench: &mut Bench, number: &str, body: &str, code: u16) -> sip::Response {
    let alice = phone("1001", ALICE);
    let mut caller = alice.invite(bench, number, "", body);
    let response = bench.response(alice.address, code);
    caller.ack_refusal(bench, &response);
    response
}

#[test]
fn a_number_nobody_has() {
    for number in ["4711", "%00", "10%2a", "1002%00", "%ff", "*44"] {
        let mut bench = Bench::new();
        let alice = phone("1001", ALICE);
        refused_at_once(&mut bench, number, &sdp(alice, ""), 404);
        let record = bench.end();
        assert_eq!((record.status, record.hangup_cause), (CallStatus::Rejected, Some(1)), "{number}");
        assert_eq!(record.sip_response_code, Some(404));
        assert!(!record.callee.contains('\0'));
    }
}

#[test]
fn an_extension_without_a_phone() {
    let mut bench = Bench::new();
    refused_at_once(&mut bench, "1002", &sdp(phone("1001", ALICE), ""), 480);
    let record = bench.end();
    assert_eq!(record.sip_response_code, Some(480));
    assert!(record.callee_extension_id.is_some());
    assert!(bench.media.is_empty(), "no port was opened for it");
}

#[test]
fn descriptions_nobody_can_talk_with() {
    let alice = phone("1001", ALICE);
    let video =
        "v=0\r\no=- 1 1 IN IP4 192.0.2.11\r\ns=-\r\nc=IN IP4 192.0.2.11\r\nt=0 0\r\nm=video 30000 RTP/AVP 96\r\n";
    for (body, code) in [(video.to_owned(), 488), ("no session description".to_owned(), 400)] {
        let mut bench = Bench::new();
        phone("1002", BOB).register(&mut bench);
        refused_at_once(&mut bench, "1002", &body, code);
        assert_eq!(bench.end().sip_response_code, Some(code));
    }
    // A codec that we only pass on is not enough for the echo test.
    let mut bench = Bench::new();
    refused_at_once(&mut bench, "*43", &sdp_with(alice, "18", "a=rtpmap:18 G729/8000\r\n"), 488);
    bench.end();
}

#[test]
fn bodies_of_another_kind_and_callers_who_read_no_description() {
    let cases = [
        ("Accept: text/plain, application/foo\r\n", 406),
        ("Accept: text/plain\r\nAccept: application/SDP;level=1\r\n", 486),
        ("Accept: */*\r\n", 486),
        ("c: application/unknown\r\n", 415),
        ("c: Application/SDP ; charset=utf-8\r\n", 486),
    ];
    for (extra, code) in cases {
        let mut bench = Bench::new();
        let (alice, bob) = (phone("1001", ALICE), phone("1002", BOB));
        bob.register(&mut bench);
        let mut caller = alice.invite(&mut bench, "1002", extra, &sdp(alice, ""));
        if code == 486 {
            let ringing = bench.request(bob.address, &Method::Invite);
            bob.answer(&mut bench, &ringing, 486, "busy", "");
            bench.request(bob.address, &Method::Ack);
        }
        let response = bench.response(alice.address, code);
        let accept = response.headers().get(&Name::Accept);
        assert_eq!(accept.as_deref(), (code == 415).then_some(&b"application/sdp"[..]), "{extra}");
        caller.ack_refusal(&mut bench, &response);
        assert_eq!(bench.end().sip_response_code, Some(code), "{extra}");
    }
}

#[test]
fn the_dialplan_may_hang_up() {
    let mut bench = Bench::new();
    let alice = phone("1001", ALICE);
    let mut caller = alice.invite(&mut bench, "666", "", &sdp(alice, ""));
    let response = bench.final_response(alice.address);
    assert!(response.code() >= 400);
    caller.ack_refusal(&mut bench, &response);
    assert_eq!(bench.end().hangup_cause, Some(21));
}

#[test]
fn what_the_called_phone_says_is_passed_on() {
    for (code, status) in
        [(486, CallStatus::Busy), (603, CallStatus::Rejected), (480, CallStatus::NoAnswer), (404, CallStatus::Rejected)]
    {
        let mut bench = Bench::new();
        let (alice, bob) = (phone("1001", ALICE), phone("1002", BOB));
        bob.register(&mut bench);
        let mut caller = alice.invite(&mut bench, "1002", "", &sdp(alice, ""));
        let invite = bench.request(bob.address, &Method::Invite);
        bob.answer(&mut bench, &invite, code, "bob", "");
        bench.request(bob.address, &Method::Ack);
        let refused = bench.response(alice.address, code);
        caller.ack_refusal(&mut bench, &refused);
        let record = bench.end();
        assert_eq!(record.sip_response_code, Some(code));
        if code != 480 && code != 404 {
            assert_eq!((record.status, record.hangup_by), (status, Some(HangupBy::Callee)), "{code}");
        }
    }
}

#[test]
fn a_challenge_of_a_phone_is_not_passed_on() {
    for code in [401, 407, 302] {
        let mut bench = Bench::new();
        let (alice, bob) = (phone("1001", ALICE), phone("1002", BOB));
        bob.register(&mut bench);
        let mut caller = alice.invite(&mut bench, "1002", "", &sdp(alice, ""));
        let invite = bench.request(bob.address, &Method::Invite);
        bob.answer(&mut bench, &invite, code, "bob", "");
        bench.request(bob.address, &Method::Ack);
        let refused = bench.final_response(alice.address);
        assert!(refused.code() >= 400 && !matches!(refused.code(), 401 | 407), "{}", refused.code());
        caller.ack_refusal(&mut bench, &refused);
        bench.end();
    }
}

#[test]
fn one_busy_phone_does_not_silence_the_other_but_a_decline_does() {
    let mut bench = Bench::new();
    let (alice, desk, sofa) = (phone("1001", ALICE), phone("1002", 21), phone("1002", 22));
    desk.register(&mut bench);
    sofa.register(&mut bench);
    let mut caller = alice.invite(&mut bench, "1002", "", &sdp(alice, ""));
    let to_desk = bench.request(desk.address, &Method::Invite);
    let to_sofa = bench.request(sofa.address, &Method::Invite);
    desk.answer(&mut bench, &to_desk, 486, "desk", "");
    bench.request(desk.address, &Method::Ack);
    sofa.answer(&mut bench, &to_sofa, 180, "sofa", "");
    bench.response(alice.address, 180);
    bench.nothing(alice.address);
    sofa.answer(&mut bench, &to_sofa, 603, "sofa", "");
    let refused = bench.response(alice.address, 603);
    caller.ack_refusal(&mut bench, &refused);
    assert_eq!(bench.end().status, CallStatus::Rejected);
}

#[test]
fn a_phone_that_never_answers_the_invite() {
    let mut bench = Bench::with(|snapshot| snapshot.tenant.ring_timeout_s = 60);
    let (alice, bob) = (phone("1001", ALICE), phone("1002", BOB));
    bob.register(&mut bench);
    let mut caller = alice.invite(&mut bench, "1002", "", &sdp(alice, ""));
    bench.advance(Duration::from_secs(33));
    let refused = bench.final_response(alice.address);
    assert!(matches!(refused.code(), 408 | 480 | 504), "{}", refused.code());
    caller.ack_refusal(&mut bench, &refused);
    bench.end();
}

#[test]
fn a_tenant_at_its_limit() {
    let mut talk = talk_on(Bench::with(|snapshot| snapshot.tenant.max_concurrent_calls = 1));
    let eve = phone("1003", 13);
    let mut second = eve.invite(&mut talk.bench, "1002", "", &sdp(eve, ""));
    let refused = talk.bench.final_response(eve.address);
    assert!(matches!(refused.code(), 486 | 503), "{}", refused.code());
    second.ack_refusal(&mut talk.bench, &refused);
    assert_eq!(talk.bench.closed().len(), 1, "the refusal leaves a record");
    talk.alice.send(&mut talk.bench, "BYE", "");
    assert_eq!(talk.bench.closed().len(), 2);
    // With the first call over, there is room again.
    talk.bench.forget_messages();
    eve.invite(&mut talk.bench, "1002", "", &sdp(eve, ""));
    talk.bench.request(phone("1002", BOB).address, &Method::Invite);
}

#[test]
fn no_new_calls_while_draining() {
    let mut talk = talk_on(Bench::new());
    talk.bench.input(Input::Drain);
    let eve = phone("1003", 13);
    let mut second = eve.invite(&mut talk.bench, "1002", "", &sdp(eve, ""));
    let refused = talk.bench.response(eve.address, 503);
    assert!(refused.headers().get(&Name::RetryAfter).is_some());
    second.ack_refusal(&mut talk.bench, &refused);
    assert_eq!(talk.bench.shard.calls(None).len(), 1, "the running call goes on");
}

#[test]
fn ports_that_cannot_be_had() {
    let mut bench = Bench::new();
    bench.worker = false;
    let (alice, bob) = (phone("1001", ALICE), phone("1002", BOB));
    bob.register(&mut bench);
    let mut caller = alice.invite(&mut bench, "1002", "", &sdp(alice, ""));
    let media::Command::Open { session, .. } = bench.media[0].clone() else { panic!("ports are asked for") };
    bench.input(Input::Media(media::Fact::OpenFailed { session, why: "no port is free" }));
    let refused = bench.response(alice.address, 503);
    caller.ack_refusal(&mut bench, &refused);
    bench.nothing(bob.address);
    assert_eq!(bench.end().status, CallStatus::Failed);
    // A worker that says nothing at all is as good as one that refuses.
    let mut bench = Bench::new();
    bench.worker = false;
    bob.register(&mut bench);
    let mut caller = alice.invite(&mut bench, "1002", "", &sdp(alice, ""));
    bench.advance(Duration::from_secs(6));
    let refused = bench.response(alice.address, 503);
    caller.ack_refusal(&mut bench, &refused);
    bench.end();
}
