//! UPDATE and session timers in mid-call, message by message.

use std::time::Duration;

use domain::CallEventKind::{Answered, Ended, Initiated, Ringing};
use domain::CallStatus;
use sip::{Message, Method, Name, Request};

use crate::bench::Bench;
use crate::phone::{Dialog, Talk, phone, sdp, talk};

const ALLOW: &str = "Allow: INVITE, ACK, BYE, CANCEL, UPDATE\r\n";

fn body(bytes: &bytes::Bytes) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn hang_up(mut bench: Bench, from: &mut Dialog, to: &Dialog) {
    from.send(&mut bench, "BYE", "");
    bench.response(from.phone.address, 200);
    let bye = bench.request(to.phone.address, &Method::Bye);
    to.phone.answer(&mut bench, &bye, 200, "", "");
    assert_eq!(bench.end().status, CallStatus::Completed);
}

/// Both phones have said that they know UPDATE.
fn updating() -> Talk {
    let Talk { mut bench, mut alice, mut bob } = talk();
    for dialog in [&mut alice, &mut bob] {
        dialog.send_as(&mut bench, "UPDATE", ALLOW, "");
        bench.response(dialog.phone.address, 200);
    }
    Talk { bench, alice, bob }
}

fn received(bench: &mut Bench, to: &Dialog) -> Request {
    match bench.next(to.phone.address) {
        Some(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_update_with_an_offer_goes_on_as_what_the_other_side_knows() {
    for knows in [true, false] {
        let Talk { mut bench, mut alice, bob } = if knows { updating() } else { talk() };
        alice.send(&mut bench, "UPDATE", &sdp(alice.phone, "a=sendonly\r\n"));
        let request = received(&mut bench, &bob);
        assert_eq!(*request.method(), if knows { Method::Update } else { Method::Invite });
        assert!(body(&request.body()).contains("a=sendonly"));
        bob.phone.answer(&mut bench, &request, 200, "", &sdp(bob.phone, "a=recvonly\r\n"));
        if !knows {
            bench.request(bob.phone.address, &Method::Ack);
        }
        bench.nothing(bob.phone.address);
        let ok = bench.response(alice.phone.address, 200);
        assert!(body(&ok.body()).contains("a=recvonly") && ok.headers().contains(&Name::Contact));
        assert_eq!(bench.shard.calls(None)[0].state.as_str(), "held");
        hang_up(bench, &mut alice, &bob);
    }
}

#[test]
fn a_refused_update_leaves_the_call_as_it_was() {
    for (said, told) in [(488, 488), (491, 491), (500, 500), (401, 488), (302, 488), (422, 488)] {
        let Talk { mut bench, mut alice, bob } = updating();
        alice.send(&mut bench, "UPDATE", &sdp(alice.phone, "a=sendonly\r\n"));
        let update = bench.request(bob.phone.address, &Method::Update);
        bob.phone.answer(&mut bench, &update, said, "", "");
        bench.response(alice.phone.address, told);
        assert_eq!((bench.plans().len(), bench.shard.calls(None)[0].state.as_str()), (1, "answered"));
        hang_up(bench, &mut alice, &bob);
    }
}

#[test]
fn who_does_not_know_update_after_all_gets_an_invite() {
    for code in [405, 501] {
        let Talk { mut bench, mut alice, bob } = updating();
        alice.send(&mut bench, "UPDATE", &sdp(alice.phone, "a=sendonly\r\n"));
        let update = bench.request(bob.phone.address, &Method::Update);
        bob.phone.answer(&mut bench, &update, code, "", "");
        let invite = bench.request(bob.phone.address, &Method::Invite);
        assert_eq!(invite.body(), update.body());
        bob.phone.answer(&mut bench, &invite, 200, "", &sdp(bob.phone, "a=recvonly\r\n"));
        bench.request(bob.phone.address, &Method::Ack);
        bench.response(alice.phone.address, 200);
        hang_up(bench, &mut alice, &bob);
    }
}

#[test]
fn a_change_at_the_time_of_another_is_told_to_wait() {
    let Talk { mut bench, mut alice, mut bob } = updating();
    alice.send(&mut bench, "UPDATE", &sdp(alice.phone, "a=sendonly\r\n"));
    let update = bench.request(bob.phone.address, &Method::Update);
    bob.send(&mut bench, "UPDATE", &sdp(bob.phone, "a=sendonly\r\n"));
    bench.response(bob.phone.address, 491);
    bob.send(&mut bench, "INVITE", &sdp(bob.phone, "a=sendonly\r\n"));
    let glare = bench.response(bob.phone.address, 491);
    bob.ack_refusal(&mut bench, &glare);
    // A sign of life is always welcome.
    bob.send(&mut bench, "UPDATE", "");
    bench.response(bob.phone.address, 200);
    bob.phone.answer(&mut bench, &update, 200, "", &sdp(bob.phone, "a=recvonly\r\n"));
    bench.response(alice.phone.address, 200);
    hang_up(bench, &mut alice, &bob);
}

/// The sender of an UPDATE waits for half a minute, so the other side has less.
#[test]
fn a_side_that_thinks_for_too_long_has_the_change_taken_back() {
    let Talk { mut bench, mut alice, bob } = talk();
    alice.send(&mut bench, "UPDATE", &sdp(alice.phone, "a=sendonly\r\n"));
    let invite = bench.request(bob.phone.address, &Method::Invite);
    bob.phone.answer(&mut bench, &invite, 180, "", "");
    bench.advance(Duration::from_secs(24));
    bench.response(alice.phone.address, 504);
    let cancel = bench.request(bob.phone.address, &Method::Cancel);
    bob.phone.answer(&mut bench, &cancel, 200, "", "");
    bob.phone.answer(&mut bench, &invite, 487, "", "");
    bench.request(bob.phone.address, &Method::Ack);
    hang_up(bench, &mut alice, &bob);
}

/// No further request of ours may overtake an UPDATE (RFC 3311 §5.1), be it only a sign of life.
#[test]
fn a_change_at_the_time_of_a_refresh_is_told_to_wait() {
    let Talk { mut bench, mut alice, bob } = updating();
    bench.advance(Duration::from_secs(900));
    let to_alice = bench.request(alice.phone.address, &Method::Update);
    let to_bob = bench.request(bob.phone.address, &Method::Update);
    alice.phone.answer(&mut bench, &to_alice, 200, "", "");
    alice.send(&mut bench, "INVITE", &sdp(alice.phone, "a=sendonly\r\n"));
    let glare = bench.response(alice.phone.address, 491);
    alice.ack_refusal(&mut bench, &glare);
    bob.phone.answer(&mut bench, &to_bob, 200, "", "");
    alice.send(&mut bench, "INVITE", &sdp(alice.phone, "a=sendonly\r\n"));
    let invite = bench.request(bob.phone.address, &Method::Invite);
    bob.phone.answer(&mut bench, &invite, 200, "", &sdp(bob.phone, "a=recvonly\r\n"));
    bench.request(bob.phone.address, &Method::Ack);
    bench.response(alice.phone.address, 200);
    alice.ack(&mut bench, "");
    hang_up(bench, &mut alice, &bob);
}

/// A change by the one called, before the caller has acknowledged its 200.
#[test]
fn a_change_before_the_call_is_confirmed_is_told_to_wait() {
    let mut bench = Bench::new();
    let (alice, bob) = (phone("1001", 11), phone("1002", 12));
    bob.register(&mut bench);
    let mut caller = alice.invite(&mut bench, "1002", "", &sdp(alice, ""));
    let invite = bench.request(bob.address, &Method::Invite);
    bob.answer(&mut bench, &invite, 200, "bob", &sdp(bob, ""));
    bench.request(bob.address, &Method::Ack);
    let ok = bench.response(alice.address, 200);
    let mut called = bob.dialog(&invite, "bob");
    called.send(&mut bench, "INVITE", &sdp(bob, "a=sendonly\r\n"));
    let glare = bench.response(bob.address, 491);
    called.ack_refusal(&mut bench, &glare);
    caller.learn(&ok);
    caller.ack(&mut bench, "");
    called.send(&mut bench, "UPDATE", &sdp(bob, "a=sendonly\r\n"));
    let invite = bench.request(alice.address, &Method::Invite);
    alice.answer(&mut bench, &invite, 200, "", &sdp(alice, "a=recvonly\r\n"));
    bench.request(alice.address, &Method::Ack);
    bench.response(bob.address, 200);
    hang_up(bench, &mut caller, &called);
}

/// RFC 4028 §7.3: a longer interval that one side wants is no affair of the other.
#[test]
fn a_longer_interval_is_tried_once() {
    let Talk { mut bench, mut alice, bob } = talk();
    alice.send(&mut bench, "INVITE", &sdp(alice.phone, "a=sendonly\r\n"));
    let invite = bench.request(bob.phone.address, &Method::Invite);
    assert_eq!(invite.headers().get(&Name::SessionExpires).as_deref(), Some(&b"1800;refresher=uac"[..]));
    bob.phone.answer_with(&mut bench, &invite, 422, "", "Min-SE: 2400\r\n", "");
    bench.request(bob.phone.address, &Method::Ack);
    let again = bench.request(bob.phone.address, &Method::Invite);
    assert_eq!(again.headers().get(&Name::SessionExpires).as_deref(), Some(&b"2400;refresher=uac"[..]));
    assert_eq!(again.headers().get(&Name::MinSe).as_deref(), Some(&b"2400"[..]));
    assert_eq!(again.body(), invite.body());
    bob.phone.answer_with(&mut bench, &again, 422, "", "Min-SE: 2400\r\n", "");
    bench.request(bob.phone.address, &Method::Ack);
    let refused = bench.response(alice.phone.address, 488);
    alice.ack_refusal(&mut bench, &refused);
    hang_up(bench, &mut alice, &bob);
}

#[test]
fn a_phone_with_a_longer_interval_is_called_once_more() {
    let mut bench = Bench::new();
    let (alice, bob) = (phone("1001", 11), phone("1002", 12));
    bob.register(&mut bench);
    let mut caller = alice.invite(&mut bench, "1002", "", &sdp(alice, ""));
    let invite = bench.request(bob.address, &Method::Invite);
    bob.answer_with(&mut bench, &invite, 422, "bob", "Min-SE: 3600\r\n", "");
    bench.request(bob.address, &Method::Ack);
    let again = bench.request(bob.address, &Method::Invite);
    assert_eq!(again.headers().get(&Name::SessionExpires).as_deref(), Some(&b"3600;refresher=uac"[..]));
    bob.answer_with(&mut bench, &again, 422, "bob", "Min-SE: 3600\r\n", "");
    bench.request(bob.address, &Method::Ack);
    let refused = bench.final_response(alice.address);
    assert_eq!(refused.code(), 502);
    caller.ack_refusal(&mut bench, &refused);
    bench.end();
}

#[test]
fn an_interval_that_is_too_small_makes_no_call() {
    let Talk { mut bench, mut alice, bob } = talk();
    let short = "Supported: timer\r\nSession-Expires: 60\r\n";
    for method in ["UPDATE", "INVITE"] {
        alice.send_as(&mut bench, method, short, "");
        let refused = bench.response(alice.phone.address, 422);
        assert_eq!(refused.headers().get(&Name::MinSe).as_deref(), Some(&b"90"[..]));
        if method == "INVITE" {
            alice.ack_refusal(&mut bench, &refused);
        }
    }
    hang_up(bench, &mut alice, &bob);
}

/// Half the interval, and every way to answer: by UPDATE where it is known.
#[test]
fn each_leg_is_refreshed_by_itself() {
    let Talk { mut bench, alice, mut bob } = talk();
    bob.send_as(&mut bench, "UPDATE", ALLOW, "");
    bench.response(bob.phone.address, 200);
    bench.advance(Duration::from_secs(900));
    let update = bench.request(bob.phone.address, &Method::Update);
    assert!(update.body().is_empty());
    bob.phone.answer(&mut bench, &update, 200, "", "");
    let invite = bench.request(alice.phone.address, &Method::Invite);
    assert!(body(&invite.body()).contains(" 1 IN IP4"), "the version is the one alice knows");
    // While she is asked, nobody changes anything.
    bob.send(&mut bench, "INVITE", &sdp(bob.phone, "a=sendonly\r\n"));
    let glare = bench.response(bob.phone.address, 491);
    bob.ack_refusal(&mut bench, &glare);
    alice.phone.answer(&mut bench, &invite, 200, "", &sdp(alice.phone, ""));
    bench.request(alice.phone.address, &Method::Ack);
    bench.nothing(alice.phone.address);
    bench.nothing(bob.phone.address);
    // One that is not there any more ends the call of both.
    bench.advance(Duration::from_secs(900));
    let update = bench.request(bob.phone.address, &Method::Update);
    bob.phone.answer(&mut bench, &update, 481, "", "");
    let invite = bench.request(alice.phone.address, &Method::Invite);
    let bye = bench.request(bob.phone.address, &Method::Bye);
    bob.phone.answer(&mut bench, &bye, 481, "", "");
    let bye = bench.request(alice.phone.address, &Method::Bye);
    alice.phone.answer(&mut bench, &bye, 200, "", "");
    alice.phone.answer(&mut bench, &invite, 487, "", "");
    let record = bench.end();
    assert_eq!((record.status, record.hangup_cause), (CallStatus::Failed, Some(27)));
}

/// The call is over, and its last answers change nothing about it.
#[test]
fn what_is_said_to_a_refresh_after_the_end_is_no_news() {
    for (code, knows) in [(481, true), (481, false), (200, false), (200, true)] {
        let Talk { mut bench, alice, mut bob } = if knows { updating() } else { talk() };
        bench.worker = false;
        bench.advance(Duration::from_secs(900));
        let refresh = received(&mut bench, &alice);
        let to_bob = received(&mut bench, &bob);
        bob.phone.answer(&mut bench, &to_bob, 200, "", if knows { "" } else { "v=0" });
        bench.forget_messages();
        bob.send(&mut bench, "BYE", "");
        bench.response(bob.phone.address, 200);
        let bye = bench.request(alice.phone.address, &Method::Bye);
        alice.phone.answer(&mut bench, &bye, 200, "", "");
        assert_eq!(bench.events(), [Initiated, Ringing, Answered, Ended]);
        let (plans, media) = (bench.plans().len(), bench.media.len());
        alice.phone.answer(&mut bench, &refresh, code, "", &sdp(alice.phone, "a=sendonly\r\n"));
        bench.advance(Duration::from_secs(1));
        assert_eq!(bench.events(), [Initiated, Ringing, Answered, Ended], "{code} {knows}");
        assert_eq!((bench.plans().len(), bench.media.len()), (plans, media), "{code} {knows}");
    }
}
