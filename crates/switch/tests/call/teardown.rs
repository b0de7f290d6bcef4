//! The ends of calls: CANCEL at every stage, BYE in every order, and sides that vanish.

use std::time::Duration;

use domain::{CallEventKind, CallStatus, HangupBy};
use media::{Fact, Leg, LegAddress, SessionId};
use sip::{Method, Name};
use switch::Input;

use crate::bench::Bench;
use crate::phone::{ALICE, BOB, Talk, phone, sdp, talk};

fn session(bench: &Bench) -> SessionId {
    match bench.media.first() {
        Some(media::Command::Open { session, .. }) => *session,
        other => panic!("{other:?} is not the first thing a worker is told"),
    }
}

#[test]
fn cancel_before_the_ports_are_open() {
    let mut bench = Bench::new();
    bench.worker = false;
    let (alice, bob) = (phone("1001", ALICE), phone("1002", BOB));
    bob.register(&mut bench);
    let mut caller = alice.invite(&mut bench, "1002", "", &sdp(alice, ""));
    bench.response(alice.address, 100);
    caller.cancel(&mut bench);
    let terminated = bench.response(alice.address, 487);
    caller.ack_refusal(&mut bench, &terminated);
    let session = session(&bench);
    assert_eq!(bench.media.last(), Some(&media::Command::Close { session }));
    bench.input(Input::Media(Fact::Opened {
        session,
        legs: vec![LegAddress::alone("192.0.2.1:40002".parse().unwrap()); 2],
    }));
    bench.nothing(bob.address);
    assert!(bench.closed().is_empty(), "the record waits for the statistics");
    bench.input(Input::Media(Fact::Closed { session, legs: Vec::new() }));
    let record = bench.end();
    assert_eq!((record.status, record.hangup_by), (CallStatus::Cancelled, Some(HangupBy::Caller)));
    assert_eq!(record.sip_response_code, Some(487));
}

#[test]
fn cancel_while_a_phone_rings() {
    let mut bench = Bench::new();
    let (alice, bob) = (phone("1001", ALICE), phone("1002", BOB));
    bob.register(&mut bench);
    let mut caller = alice.invite(&mut bench, "1002", "", &sdp(alice, ""));
    let invite = bench.request(bob.address, &Method::Invite);
    bob.answer(&mut bench, &invite, 180, "bob", "");
    bench.response(alice.address, 180);
    bench.advance(Duration::from_secs(3));
    caller.cancel(&mut bench);
    let terminated = bench.response(alice.address, 487);
    caller.ack_refusal(&mut bench, &terminated);
    let cancel = bench.request(bob.address, &Method::Cancel);
    bob.answer(&mut bench, &cancel, 200, "bob", "");
    bob.answer(&mut bench, &invite, 487, "bob", "");
    bench.request(bob.address, &Method::Ack);
    let record = bench.end();
    assert_eq!((record.status, record.total_duration_ms()), (CallStatus::Cancelled, Some(3_000)));
}

#[test]
fn cancel_before_the_phone_says_anything_waits_for_its_first_word() {
    let mut bench = Bench::new();
    let (alice, bob) = (phone("1001", ALICE), phone("1002", BOB));
    bob.register(&mut bench);
    let mut caller = alice.invite(&mut bench, "1002", "", &sdp(alice, ""));
    let invite = bench.request(bob.address, &Method::Invite);
    bench.response(alice.address, 100);
    caller.cancel(&mut bench);
    let terminated = bench.response(alice.address, 487);
    caller.ack_refusal(&mut bench, &terminated);
    bench.nothing(bob.address);
    bob.answer(&mut bench, &invite, 180, "bob", "");
    let cancel = bench.request(bob.address, &Method::Cancel);
    bob.answer(&mut bench, &cancel, 200, "bob", "");
    bob.answer(&mut bench, &invite, 487, "bob", "");
    bench.end();
}

#[test]
fn cancel_crossing_the_200() {
    // The phone answers while our CANCEL is on its way.
    let mut bench = Bench::new();
    let (alice, bob) = (phone("1001", ALICE), phone("1002", BOB));
    bob.register(&mut bench);
    let mut caller = alice.invite(&mut bench, "1002", "", &sdp(alice, ""));
    let invite = bench.request(bob.address, &Method::Invite);
    bob.answer(&mut bench, &invite, 180, "bob", "");
    bench.response(alice.address, 180);
    caller.cancel(&mut bench);
    let terminated = bench.response(alice.address, 487);
    caller.ack_refusal(&mut bench, &terminated);
    let cancel = bench.request(bob.address, &Method::Cancel);
    bob.answer(&mut bench, &invite, 200, "bob", &sdp(bob, ""));
    bob.answer(&mut bench, &cancel, 200, "bob", "");
    bench.request(bob.address, &Method::Ack);
    let bye = bench.request(bob.address, &Method::Bye);
    bob.answer(&mut bench, &bye, 200, "", "");
    assert_eq!(bench.end().status, CallStatus::Cancelled);
    // The caller's CANCEL comes after our 200: too late, the call stands.
    let mut bench = Bench::new();
    bob.register(&mut bench);
    let mut caller = alice.invite(&mut bench, "1002", "", &sdp(alice, ""));
    let invite = bench.request(bob.address, &Method::Invite);
    bob.answer(&mut bench, &invite, 200, "bob", &sdp(bob, ""));
    let ok = bench.response(alice.address, 200);
    caller.cancel(&mut bench);
    caller.learn(&ok);
    caller.ack(&mut bench, "");
    assert_eq!(bench.shard.calls(None)[0].state.as_str(), "answered");
    bench.request(bob.address, &Method::Ack);
    caller.send(&mut bench, "BYE", "");
    let bye = bench.request(bob.address, &Method::Bye);
    bob.answer(&mut bench, &bye, 200, "", "");
    assert_eq!(bench.end().status, CallStatus::Completed);
}

#[test]
fn bye_in_the_early_dialog() {
    let mut bench = Bench::new();
    let (alice, bob) = (phone("1001", ALICE), phone("1002", BOB));
    bob.register(&mut bench);
    let mut caller = alice.invite(&mut bench, "1002", "", &sdp(alice, ""));
    let first = caller.clone();
    let invite = bench.request(bob.address, &Method::Invite);
    bob.answer(&mut bench, &invite, 180, "bob", "");
    let ringing = bench.response(alice.address, 180);
    caller.learn(&ringing);
    caller.send(&mut bench, "BYE", "");
    bench.response(alice.address, 200);
    let terminated = bench.response(alice.address, 487);
    first.clone().ack_refusal(&mut bench, &terminated);
    let cancel = bench.request(bob.address, &Method::Cancel);
    bob.answer(&mut bench, &cancel, 200, "bob", "");
    bob.answer(&mut bench, &invite, 487, "bob", "");
    assert_eq!(bench.end().status, CallStatus::Cancelled);
}

#[test]
fn both_hang_up_at_once() {
    let Talk { mut bench, mut alice, mut bob } = talk();
    alice.send(&mut bench, "BYE", "");
    bench.response(alice.phone.address, 200);
    let to_bob = bench.request(bob.phone.address, &Method::Bye);
    bob.send(&mut bench, "BYE", "");
    let answer = bench.next(bob.phone.address);
    assert!(matches!(answer, Some(sip::Message::Response(response)) if matches!(response.code(), 200 | 481)));
    bob.phone.answer(&mut bench, &to_bob, 200, "", "");
    assert_eq!(bench.end().hangup_by, Some(HangupBy::Caller));
}

#[test]
fn a_200_that_is_never_acknowledged() {
    let mut bench = Bench::new();
    let (alice, bob) = (phone("1001", ALICE), phone("1002", BOB));
    bob.register(&mut bench);
    alice.invite(&mut bench, "1002", "", &sdp(alice, ""));
    let invite = bench.request(bob.address, &Method::Invite);
    bob.answer(&mut bench, &invite, 200, "bob", &sdp(bob, ""));
    bench.request(bob.address, &Method::Ack);
    bench.advance(Duration::from_secs(33));
    let bye = bench.request(bob.address, &Method::Bye);
    bob.answer(&mut bench, &bye, 200, "", "");
    let record = bench.end();
    assert_eq!(record.hangup_by, Some(HangupBy::System));
    assert_eq!(record.total_duration_ms(), Some(32_000));
}

#[test]
fn a_phone_that_falls_silent_ends_the_call() {
    let Talk { mut bench, alice, bob } = talk();
    let session = session(&bench);
    bench.advance(Duration::from_secs(60));
    bench.input(Input::Media(Fact::Silent { session, leg: Leg::CALLEE, for_ms: 30_000 }));
    for dialog in [&alice, &bob] {
        let bye = bench.request(dialog.phone.address, &Method::Bye);
        assert!(bye.headers().get(&Name::Reason).is_some());
        dialog.phone.answer(&mut bench, &bye, 200, "", "");
    }
    let record = bench.end();
    assert_eq!(record.hangup_by, Some(HangupBy::System));
    assert!(bench.events().contains(&CallEventKind::Silent));
}

#[test]
fn silence_on_hold_is_no_fault() {
    let Talk { mut bench, mut alice, bob } = talk();
    let session = session(&bench);
    alice.send(&mut bench, "INVITE", &sdp(alice.phone, "a=inactive\r\n"));
    let invite = bench.request(bob.phone.address, &Method::Invite);
    bob.phone.answer(&mut bench, &invite, 200, "", &sdp(bob.phone, "a=inactive\r\n"));
    bench.input(Input::Media(Fact::Silent { session, leg: Leg::CALLER, for_ms: 30_000 }));
    assert_eq!(bench.shard.calls(None).len(), 1);
}

#[test]
fn a_worker_that_never_reports_does_not_keep_the_record_open() {
    let Talk { mut bench, mut alice, bob } = talk();
    bench.worker = false;
    alice.send(&mut bench, "BYE", "");
    let bye = bench.request(bob.phone.address, &Method::Bye);
    bob.phone.answer(&mut bench, &bye, 200, "", "");
    assert!(bench.closed().is_empty());
    let hung_up = bench.now;
    bench.advance(Duration::from_secs(2));
    assert_eq!(bench.closed().len(), 1);
    let record = bench.closed()[0].clone();
    assert!(record.media.is_empty());
    let end = record.end_time.unwrap().as_millisecond() - record.start_time.as_millisecond();
    assert_eq!(end, 0, "the end is when it ended, not when the record was closed");
    assert_eq!(bench.now - hung_up, Duration::from_secs(2));
}

#[test]
fn methods_that_are_no_use_in_a_call() {
    let Talk { mut bench, mut alice, mut bob } = talk();
    for (method, code) in [("PUBLISH", 405), ("UPDATE", 200), ("REFER", 400), ("OPTIONS", 200), ("BREW", 501)] {
        for dialog in [&mut alice, &mut bob] {
            dialog.send(&mut bench, method, "");
            let answer = bench.response(dialog.phone.address, code);
            let allowed = answer.headers().get(&Name::Allow).is_some();
            assert!(allowed || code == 400 || method == "UPDATE", "{method}");
        }
    }
    assert_eq!(bench.shard.calls(None).len(), 1);
}
