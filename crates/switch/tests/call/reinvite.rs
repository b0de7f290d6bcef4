//! Hold, resume, and every way in which a change of a session can go wrong.

use std::time::Duration;

use domain::CallEventKind::{Answered, Ended, Held, Initiated, Resumed, Ringing};
use sip::Method;

use crate::bench::Bench;
use crate::phone::{Dialog, Talk, sdp, talk};

/// `from` sends an offer with a direction, `to` agrees.
fn change(bench: &mut Bench, from: &mut Dialog, to: &Dialog, direction: &str, answer: &str) {
    from.send(bench, "INVITE", &sdp(from.phone, &format!("a={direction}\r\n")));
    let invite = bench.request(to.phone.address, &Method::Invite);
    assert!(String::from_utf8(invite.body().to_vec()).unwrap().contains(&format!("a={direction}")));
    to.phone.answer(bench, &invite, 200, "", &sdp(to.phone, &format!("a={answer}\r\n")));
    bench.request(to.phone.address, &Method::Ack);
    let ok = bench.response(from.phone.address, 200);
    assert!(String::from_utf8(ok.body().to_vec()).unwrap().contains(&format!("a={answer}")));
    from.ack(bench, "");
}

fn hang_up(bench: &mut Bench, from: &mut Dialog, to: &Dialog) {
    from.send(bench, "BYE", "");
    bench.response(from.phone.address, 200);
    let bye = bench.request(to.phone.address, &Method::Bye);
    to.phone.answer(bench, &bye, 200, "", "");
    bench.end();
}

#[test]
fn hold_travels_both_ways() {
    let Talk { mut bench, mut alice, mut bob } = talk();
    change(&mut bench, &mut alice, &bob, "sendonly", "recvonly");
    let plan = bench.plans()[1].clone();
    assert!(!plan.legs[0].send && plan.legs[0].receive && plan.legs[1].send && !plan.legs[1].receive);
    assert_eq!(bench.shard.calls(None)[0].state.as_str(), "held");
    change(&mut bench, &mut alice, &bob, "sendrecv", "sendrecv");
    assert_eq!(bench.shard.calls(None)[0].state.as_str(), "answered");
    change(&mut bench, &mut bob, &alice, "sendonly", "recvonly");
    let plan = bench.plans()[3].clone();
    assert!(plan.legs[0].send && !plan.legs[0].receive && !plan.legs[1].send && plan.legs[1].receive);
    assert_eq!(plan.legs[0].remote_rtp.unwrap().ip(), alice.phone.address.ip());
    change(&mut bench, &mut bob, &alice, "sendrecv", "sendrecv");
    hang_up(&mut bench, &mut alice, &bob);
    assert_eq!(bench.events(), [Initiated, Ringing, Answered, Held, Resumed, Held, Resumed, Ended]);
}

#[test]
fn a_refused_change_leaves_the_call_as_it_was() {
    let Talk { mut bench, mut alice, mut bob } = talk();
    for code in [488, 491, 500, 606] {
        bob.send(&mut bench, "INVITE", &sdp(bob.phone, "a=inactive\r\n"));
        let invite = bench.request(alice.phone.address, &Method::Invite);
        alice.phone.answer(&mut bench, &invite, code, "", "");
        bench.request(alice.phone.address, &Method::Ack);
        let refused = bench.response(bob.phone.address, code);
        bob.ack_refusal(&mut bench, &refused);
    }
    assert_eq!(bench.plans().len(), 1);
    assert_eq!(bench.shard.calls(None)[0].state.as_str(), "answered");
    // Nothing is stuck: the next change goes through.
    change(&mut bench, &mut alice, &bob, "sendonly", "recvonly");
    hang_up(&mut bench, &mut bob, &alice);
}

#[test]
fn two_changes_at_once_are_glare() {
    let Talk { mut bench, mut alice, mut bob } = talk();
    alice.send(&mut bench, "INVITE", &sdp(alice.phone, "a=sendonly\r\n"));
    let invite = bench.request(bob.phone.address, &Method::Invite);
    bob.send(&mut bench, "INVITE", &sdp(bob.phone, "a=sendonly\r\n"));
    let glare = bench.response(bob.phone.address, 491);
    bob.ack_refusal(&mut bench, &glare);
    // Bob's phone sees the glare too.
    bob.phone.answer(&mut bench, &invite, 491, "", "");
    bench.request(bob.phone.address, &Method::Ack);
    let glare = bench.response(alice.phone.address, 491);
    alice.ack_refusal(&mut bench, &glare);
    change(&mut bench, &mut bob, &alice, "sendonly", "recvonly");
    hang_up(&mut bench, &mut alice, &bob);
}

#[test]
fn a_change_that_makes_no_sense_is_refused_by_us() {
    let Talk { mut bench, mut alice, bob } = talk();
    for (body, code) in [("no session description", 400), ("v=0\r\no=- 1 1 IN IP4 192.0.2.11\r\ns=-\r\nt=0 0\r\n", 488)]
    {
        alice.send(&mut bench, "INVITE", body);
        let refused = bench.response(alice.phone.address, code);
        alice.ack_refusal(&mut bench, &refused);
        bench.nothing(bob.phone.address);
    }
    change(&mut bench, &mut alice, &bob, "sendonly", "recvonly");
    hang_up(&mut bench, &mut alice, &bob);
}

#[test]
fn a_change_without_an_offer_gets_ours() {
    let Talk { mut bench, mut alice, mut bob } = talk();
    bob.send(&mut bench, "INVITE", "");
    let ok = bench.response(bob.phone.address, 200);
    assert!(String::from_utf8(ok.body().to_vec()).unwrap().contains("m=audio 40004"));
    // Until the answer is here, the session is in motion.
    alice.send(&mut bench, "INVITE", &sdp(alice.phone, "a=sendonly\r\n"));
    let glare = bench.response(alice.phone.address, 491);
    alice.ack_refusal(&mut bench, &glare);
    bob.ack(&mut bench, &sdp(bob.phone, ""));
    assert_eq!(bench.plans().len(), 2);
    change(&mut bench, &mut alice, &bob, "sendonly", "recvonly");
    hang_up(&mut bench, &mut alice, &bob);
}

#[test]
fn a_withdrawn_change() {
    let Talk { mut bench, mut alice, bob } = talk();
    alice.send(&mut bench, "INVITE", &sdp(alice.phone, "a=sendonly\r\n"));
    let invite = bench.request(bob.phone.address, &Method::Invite);
    bob.phone.answer(&mut bench, &invite, 100, "", "");
    alice.cancel(&mut bench);
    let terminated = bench.response(alice.phone.address, 487);
    alice.ack_refusal(&mut bench, &terminated);
    let cancel = bench.request(bob.phone.address, &Method::Cancel);
    bob.phone.answer(&mut bench, &cancel, 200, "", "");
    // Bob's phone had taken it already, and is brought back.
    bob.phone.answer(&mut bench, &invite, 200, "", &sdp(bob.phone, "a=recvonly\r\n"));
    bench.request(bob.phone.address, &Method::Ack);
    let restore = bench.request(bob.phone.address, &Method::Invite);
    assert!(String::from_utf8(restore.body().to_vec()).unwrap().contains("a=sendrecv"));
    bob.phone.answer(&mut bench, &restore, 200, "", &sdp(bob.phone, ""));
    bench.request(bob.phone.address, &Method::Ack);
    let plan = bench.plans().last().map(|plan| (*plan).clone()).unwrap();
    assert!(plan.legs.iter().all(|leg| leg.send && leg.receive));
    change(&mut bench, &mut alice, &bob, "sendonly", "recvonly");
    hang_up(&mut bench, &mut alice, &bob);
}

#[test]
fn a_side_that_does_not_know_the_dialog_any_more_ends_the_call() {
    for code in [481, 408] {
        let Talk { mut bench, mut alice, bob } = talk();
        alice.send(&mut bench, "INVITE", &sdp(alice.phone, "a=sendonly\r\n"));
        let invite = bench.request(bob.phone.address, &Method::Invite);
        bob.phone.answer(&mut bench, &invite, code, "", "");
        bench.request(bob.phone.address, &Method::Ack);
        let terminated = bench.response(alice.phone.address, 487);
        alice.ack_refusal(&mut bench, &terminated);
        let bye = bench.request(alice.phone.address, &Method::Bye);
        alice.phone.answer(&mut bench, &bye, 200, "", "");
        bench.end();
    }
}

#[test]
fn a_side_that_does_not_answer_a_change_ends_the_call() {
    let Talk { mut bench, mut alice, .. } = talk();
    alice.send(&mut bench, "INVITE", &sdp(alice.phone, "a=sendonly\r\n"));
    bench.advance(Duration::from_secs(33));
    let terminated = bench.response(alice.phone.address, 487);
    alice.ack_refusal(&mut bench, &terminated);
    let bye = bench.request(alice.phone.address, &Method::Bye);
    alice.phone.answer(&mut bench, &bye, 200, "", "");
    bench.end();
}

#[test]
fn a_side_that_thinks_for_ever_has_the_change_taken_back() {
    let Talk { mut bench, mut alice, bob } = talk();
    alice.send(&mut bench, "INVITE", &sdp(alice.phone, "a=sendonly\r\n"));
    let invite = bench.request(bob.phone.address, &Method::Invite);
    bob.phone.answer(&mut bench, &invite, 180, "", "");
    bench.advance(Duration::from_secs(60));
    let timeout = bench.response(alice.phone.address, 504);
    alice.ack_refusal(&mut bench, &timeout);
    let cancel = bench.request(bob.phone.address, &Method::Cancel);
    bob.phone.answer(&mut bench, &cancel, 200, "", "");
    bob.phone.answer(&mut bench, &invite, 487, "", "");
    bench.request(bob.phone.address, &Method::Ack);
    change(&mut bench, &mut alice, &bob, "sendonly", "recvonly");
    hang_up(&mut bench, &mut alice, &bob);
}

#[test]
fn hanging_up_in_the_middle_of_a_change() {
    let Talk { mut bench, mut alice, mut bob } = talk();
    alice.send(&mut bench, "INVITE", &sdp(alice.phone, "a=sendonly\r\n"));
    let invite = bench.request(bob.phone.address, &Method::Invite);
    bob.send(&mut bench, "BYE", "");
    bench.response(bob.phone.address, 200);
    let terminated = bench.response(alice.phone.address, 487);
    alice.ack_refusal(&mut bench, &terminated);
    let bye = bench.request(alice.phone.address, &Method::Bye);
    alice.phone.answer(&mut bench, &bye, 200, "", "");
    bob.phone.answer(&mut bench, &invite, 487, "", "");
    bench.end();
}

/// The ACK should have brought the answer to our offer: without it the session is what it was.
#[test]
fn an_acknowledgement_without_the_answer_changes_nothing() {
    for answer in ["", "nonsense", "v=0\r\nc=IN IP4 192.0.2.12\r\nm=audio 0 RTP/AVP 0\r\n"] {
        let Talk { mut bench, mut alice, mut bob } = talk();
        bob.send(&mut bench, "INVITE", "");
        bench.response(bob.phone.address, 200);
        bob.ack(&mut bench, answer);
        assert_eq!((bench.plans().len(), bench.shard.calls(None)[0].state.as_str()), (1, "answered"));
        change(&mut bench, &mut alice, &bob, "sendonly", "recvonly");
        hang_up(&mut bench, &mut bob, &alice);
    }
}
