//! What passes before the answer, message by message.

use domain::CallStatus;
use sip::{Method, Name, Request, Response};

use crate::bench::Bench;
use crate::phone::{ALICE, BOB, Dialog, Phone, phone, sdp, sdp_with};

fn body(bytes: &bytes::Bytes) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Alice calls Bob, whose phone has said nothing yet.
fn calling(extra: &str, description: &str) -> (Bench, Dialog, Phone, Request) {
    let mut bench = Bench::new();
    let (alice, bob) = (phone("1001", ALICE), phone("1002", BOB));
    bob.register(&mut bench);
    let caller = alice.invite(&mut bench, "1002", extra, description);
    let invite = bench.request(bob.address, &Method::Invite);
    (bench, caller, bob, invite)
}

fn answered(bench: &mut Bench, caller: &mut Dialog, bob: Phone) -> Response {
    bench.request(bob.address, &Method::Ack);
    let ok = bench.response(caller.phone.address, 200);
    caller.learn(&ok);
    ok
}

fn hang_up(mut bench: Bench, caller: &mut Dialog, bob: Phone) {
    caller.send(&mut bench, "BYE", "");
    bench.response(caller.phone.address, 200);
    let bye = bench.request(bob.address, &Method::Bye);
    bob.answer(&mut bench, &bye, 200, "", "");
    assert_eq!(bench.end().status, CallStatus::Completed);
}

/// What the phone called says while it rings, and which of it the caller hears.
#[test]
fn which_provisional_answers_are_passed_on() {
    let rows: [(&[u16], &[u16]); 7] = [
        (&[180, 180, 180], &[180]),
        (&[183, 180, 183, 180], &[183, 180]),
        (&[180, 183], &[180]),
        (&[181, 180, 182, 180], &[181, 180, 182]),
        (&[182, 182, 181, 182], &[182, 181, 182]),
        (&[100, 199, 101, 155], &[]),
        (&[180, 199, 180], &[180]),
    ];
    for (said, heard) in rows {
        let (mut bench, mut caller, bob, invite) = calling("", &sdp(phone("1001", ALICE), ""));
        bench.response(caller.phone.address, 100);
        for code in said {
            bob.answer(&mut bench, &invite, *code, "bob", "");
        }
        for code in heard {
            bench.response(caller.phone.address, *code);
        }
        bench.nothing(caller.phone.address);
        bob.answer(&mut bench, &invite, 200, "bob", &sdp(bob, ""));
        answered(&mut bench, &mut caller, bob);
        caller.ack(&mut bench, "");
        hang_up(bench, &mut caller, bob);
    }
}

/// RFC 6337 §3.1.1: the 200 may leave out what the 183 has said.
#[test]
fn a_200_without_the_description_of_the_183() {
    let (mut bench, mut caller, bob, invite) = calling("", &sdp(phone("1001", ALICE), ""));
    bob.answer(&mut bench, &invite, 183, "bob", &sdp_with(bob, "8", ""));
    let early = bench.response(caller.phone.address, 183);
    bob.answer(&mut bench, &invite, 180, "bob", "");
    bench.response(caller.phone.address, 180);
    bob.answer(&mut bench, &invite, 200, "bob", "");
    assert_eq!(answered(&mut bench, &mut caller, bob).body(), early.body());
    caller.ack(&mut bench, "");
    assert_eq!(bench.plans().last().unwrap().legs[1].codec_name, "PCMA");
    hang_up(bench, &mut caller, bob);
}

/// Two ends behind one contact answer the same offer, each for itself; the one that takes the call brings its own description.
#[test]
fn two_early_dialogs_of_one_invite() {
    let (mut bench, mut caller, bob, invite) = calling("", &sdp(phone("1001", ALICE), ""));
    bob.answer(&mut bench, &invite, 183, "one", &sdp_with(bob, "0", ""));
    let early = bench.response(caller.phone.address, 183);
    // The second end is not heard, but what it says counts for its own 200.
    let other = sdp_with(bob, "8", "").replace("30000", "30010");
    bob.answer(&mut bench, &invite, 183, "two", &other);
    bob.answer(&mut bench, &invite, 180, "two", "");
    bench.nothing(caller.phone.address);
    assert_eq!(bench.plans().len(), 1);
    bob.answer(&mut bench, &invite, 200, "two", "");
    let ok = answered(&mut bench, &mut caller, bob);
    assert_eq!(ok.body(), early.body(), "the caller's answer stays what it was");
    let plan = bench.plans().last().map(|plan| (*plan).clone()).unwrap();
    assert_eq!((plan.legs[0].codec_name, plan.legs[1].codec_name), ("PCMU", "PCMA"));
    assert_eq!(plan.legs[1].remote_rtp.unwrap().port(), 30_010);
    caller.ack(&mut bench, "");
    hang_up(bench, &mut caller, bob);
}

/// RFC 6228: when the end that was heard is gone, another may be heard.
#[test]
fn an_early_dialog_that_ends_makes_room_for_another() {
    let (mut bench, mut caller, bob, invite) = calling("", &sdp(phone("1001", ALICE), ""));
    bob.answer(&mut bench, &invite, 183, "one", &sdp_with(bob, "0", ""));
    bench.response(caller.phone.address, 183);
    bob.answer(&mut bench, &invite, 199, "one", "");
    bench.nothing(caller.phone.address);
    bob.answer(&mut bench, &invite, 183, "two", &sdp_with(bob, "8", ""));
    bench.response(caller.phone.address, 183);
    assert_eq!(bench.plans().last().unwrap().legs[1].codec_name, "PCMA");
    bob.answer(&mut bench, &invite, 200, "two", "");
    answered(&mut bench, &mut caller, bob);
    caller.ack(&mut bench, "");
    hang_up(bench, &mut caller, bob);
}

/// Each leg has reliable answers of its own: the caller requires them, the phone called has never heard of them; and the
/// other way round.
#[test]
fn reliability_is_each_legs_own() {
    let (mut bench, mut caller, bob, invite) = calling("Require: 100rel\r\n", &sdp(phone("1001", ALICE), ""));
    assert!(invite.headers().tokens(&Name::Supported).unwrap().contains("100rel"));
    assert!(!invite.headers().contains(&Name::Require), "what one leg requires is no affair of the other");
    bob.answer(&mut bench, &invite, 183, "bob", &sdp(bob, ""));
    let early = bench.response(caller.phone.address, 183);
    let rseq = body(&early.headers().get(&Name::RSeq).unwrap());
    bob.answer(&mut bench, &invite, 200, "bob", &sdp(bob, ""));
    bench.request(bob.address, &Method::Ack);
    bench.nothing(caller.phone.address);
    caller.learn(&early);
    caller.prack(&mut bench, &rseq, "");
    bench.response(caller.phone.address, 200);
    let ok = bench.response(caller.phone.address, 200);
    assert_eq!(ok.body(), early.body());
    caller.ack_invite(&mut bench, "");
    hang_up(bench, &mut caller, bob);

    let (mut bench, mut caller, bob, invite) = calling("", &sdp(phone("1001", ALICE), ""));
    bob.answer_with(&mut bench, &invite, 183, "bob", "Require: 100rel\r\nRSeq: 7\r\n", &sdp(bob, ""));
    let prack = bench.request(bob.address, &Method::Prack);
    assert!(body(&prack.headers().get(&Name::RAck).unwrap()).starts_with("7 1 INVITE"));
    bob.answer(&mut bench, &prack, 200, "", "");
    let early = bench.response(caller.phone.address, 183);
    assert!(!early.headers().contains(&Name::RSeq) && !early.headers().contains(&Name::Require));
    bob.answer(&mut bench, &invite, 200, "bob", "");
    answered(&mut bench, &mut caller, bob);
    caller.ack(&mut bench, "");
    hang_up(bench, &mut caller, bob);
}

/// RFC 3262 §5, RFC 6337 §2.2: an INVITE without an offer gets ours in a reliable 183, and its PRACK brings the answer.
#[test]
fn an_offer_in_a_reliable_183() {
    let (mut bench, mut caller, bob, invite) = calling("Supported: 100rel\r\n", "");
    bob.answer(&mut bench, &invite, 183, "bob", &sdp_with(bob, "0", ""));
    let early = bench.response(caller.phone.address, 183);
    assert!(body(&early.body()).contains("m=audio 40002") && early.headers().contains(&Name::RSeq));
    assert_eq!(bench.plans().len(), 0, "nothing flows before there is an answer");
    let rseq = body(&early.headers().get(&Name::RSeq).unwrap());
    caller.learn(&early);
    caller.prack(&mut bench, &rseq, &sdp_with(caller.phone, "8", ""));
    bench.response(caller.phone.address, 200);
    let plan = bench.plans().last().map(|plan| (*plan).clone()).unwrap();
    assert_eq!((plan.legs[0].codec_name, plan.legs[1].codec_name), ("PCMA", "PCMU"));
    bob.answer(&mut bench, &invite, 200, "bob", "");
    let ok = answered(&mut bench, &mut caller, bob);
    assert!(ok.body().is_empty(), "everything has been said");
    caller.ack_invite(&mut bench, "");
    assert_eq!(bench.plans().len(), 2);
    hang_up(bench, &mut caller, bob);
}

/// An answer that cannot be used ends a call that has nothing to fall back on.
#[test]
fn an_answer_that_is_missing_or_useless() {
    for answer in ["", "nonsense", "v=0\r\nc=IN IP4 192.0.2.11\r\nm=audio 0 RTP/AVP 0\r\n"] {
        let (mut bench, mut caller, bob, invite) = calling("", "");
        bob.answer(&mut bench, &invite, 200, "bob", &sdp(bob, ""));
        answered(&mut bench, &mut caller, bob);
        caller.ack(&mut bench, answer);
        let bye = bench.request(caller.phone.address, &Method::Bye);
        caller.phone.answer(&mut bench, &bye, 200, "", "");
        let bye = bench.request(bob.address, &Method::Bye);
        bob.answer(&mut bench, &bye, 200, "", "");
        assert_eq!(bench.end().status, CallStatus::Failed);
    }
}

/// UPDATE before the answer is answered here (RFC 3311 §5.1): the other side may not be the last one.
#[test]
fn an_update_of_either_side_before_the_answer() {
    let (mut bench, mut caller, bob, invite) = calling("Supported: 100rel\r\n", &sdp(phone("1001", ALICE), ""));
    bob.answer_with(&mut bench, &invite, 183, "bob", "Require: 100rel\r\nRSeq: 1\r\n", &sdp(bob, ""));
    let prack = bench.request(bob.address, &Method::Prack);
    bob.answer(&mut bench, &prack, 200, "", "");
    let early = bench.response(caller.phone.address, 183);
    let rseq = body(&early.headers().get(&Name::RSeq).unwrap());
    caller.learn(&early);
    caller.prack(&mut bench, &rseq, "");
    bench.response(caller.phone.address, 200);
    // The phone called moves to another port: the caller does not notice.
    let mut called = bob.dialog(&invite, "bob");
    called.send(&mut bench, "UPDATE", &sdp(bob, "").replace("30000", "30100"));
    let ok = bench.response(bob.address, 200);
    assert!(body(&ok.body()).contains("m=audio 40004"));
    assert_eq!(bench.plans().last().unwrap().legs[1].remote_rtp.unwrap().port(), 30_100);
    // The caller holds.
    caller.send(&mut bench, "UPDATE", &sdp(caller.phone, "a=inactive\r\n"));
    let ok = bench.response(caller.phone.address, 200);
    assert!(body(&ok.body()).contains("a=inactive"));
    bench.nothing(bob.address);
    // Nonsense changes nothing.
    caller.send(&mut bench, "UPDATE", "nonsense");
    bench.response(caller.phone.address, 400);
    caller.send(&mut bench, "UPDATE", &sdp(caller.phone, ""));
    bench.response(caller.phone.address, 200);
    bob.answer(&mut bench, &invite, 200, "bob", &sdp(bob, ""));
    answered(&mut bench, &mut caller, bob);
    let plan = bench.plans().last().map(|plan| (*plan).clone()).unwrap();
    assert!(plan.legs.iter().all(|leg| leg.send && leg.receive));
    assert_eq!(plan.legs[1].remote_rtp.unwrap().port(), 30_100, "the copy in the 200 is older than the UPDATE");
    caller.ack_invite(&mut bench, "");
    hang_up(bench, &mut caller, bob);
}
