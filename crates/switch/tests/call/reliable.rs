//! A caller that knows 100rel (RFC 3262), and what becomes of a call whose 200 has to wait for its PRACK.

use std::time::Duration;

use domain::CallStatus;
use sip::header::{Header, RAck, RSeq};
use sip::{Message, Method, Response};

use crate::bench::Bench;
use crate::phone::{ALICE, BOB, Dialog, phone, sdp};

/// 1001 has heard early media of 1002, who then picked up: the 200 waits for the PRACK. The 183 as 1001 got it.
fn picked_up() -> (Bench, [Dialog; 2], Response) {
    let mut bench = Bench::new();
    let (alice, bob) = (phone("1001", ALICE), phone("1002", BOB));
    bob.register(&mut bench);
    let mut caller = alice.invite(&mut bench, "1002", "Supported: 100rel\r\n", &sdp(alice, ""));
    let invite = bench.request(bob.address, &Method::Invite);
    bob.answer(&mut bench, &invite, 183, "b", &sdp(bob, ""));
    let progress = bench.response(alice.address, 183);
    caller.learn(&progress);
    bob.answer(&mut bench, &invite, 200, "b", &sdp(bob, ""));
    bench.request(bob.address, &Method::Ack);
    bench.nothing(alice.address);
    (bench, [caller, bob.dialog(&invite, "b")], progress)
}

fn rack(progress: &Response) -> String {
    let rseq = progress.headers().typed::<RSeq>().expect("a reliable answer").unwrap().0;
    let cseq = progress.cseq().unwrap().number;
    let value = RAck { rseq, cseq, method: Method::Invite }.to_bytes();
    format!("RAck: {}\r\n", String::from_utf8(value.to_vec()).unwrap())
}

/// 1002 is told that it is over.
fn told_bye(bench: &mut Bench) {
    let bob = phone("1002", BOB);
    let bye = bench.request(bob.address, &Method::Bye);
    bob.answer(bench, &bye, 200, "", "");
}

#[test]
fn the_prack_lets_the_200_through() {
    let (mut bench, [mut caller, _], progress) = picked_up();
    let alice = caller.phone.address;
    let mut invite = caller.clone();
    caller.send_as(&mut bench, "PRACK", &rack(&progress), "");
    bench.response(alice, 200);
    let answer = bench.response(alice, 200);
    assert_eq!(answer.cseq().map(|cseq| cseq.method), Ok(Method::Invite));
    invite.ack(&mut bench, "");
    caller.send(&mut bench, "BYE", "");
    bench.response(alice, 200);
    told_bye(&mut bench);
    assert_eq!(bench.end().status, CallStatus::Completed);
}

#[test]
fn a_caller_that_gives_up_meanwhile_is_gone_on_both_sides() {
    let (mut bench, [mut caller, _], _) = picked_up();
    let alice = caller.phone.address;
    caller.cancel(&mut bench);
    let refusal = bench.response(alice, 487);
    caller.ack_refusal(&mut bench, &refusal);
    told_bye(&mut bench);
    bench.end();
}

#[test]
fn a_caller_that_never_says_prack_is_gone_on_both_sides() {
    let (mut bench, [mut caller, _], _) = picked_up();
    let alice = caller.phone.address;
    bench.advance(Duration::from_secs(32));
    let last = std::iter::from_fn(|| bench.next(alice))
        .find(|message| !matches!(message, Message::Response(again) if again.code() == 183));
    let Some(Message::Response(refusal)) = last else { panic!("{last:?}") };
    assert_eq!(refusal.code(), 504);
    caller.ack_refusal(&mut bench, &refusal);
    told_bye(&mut bench);
    bench.end();
}

#[test]
fn a_callee_that_hangs_up_meanwhile_ends_the_call_with_a_refusal() {
    let (mut bench, [mut caller, mut callee], _) = picked_up();
    callee.send(&mut bench, "BYE", "");
    bench.response(callee.phone.address, 200);
    let refusal = bench.response(caller.phone.address, 480);
    caller.ack_refusal(&mut bench, &refusal);
    bench.end();
}
