//! Phones ring, one of them answers, or nobody does.

use std::time::Duration;

use domain::{CallEventKind, CallStatus, HangupBy};
use sip::{Method, Name};

use crate::bench::Bench;
use crate::phone::{ALICE, BOB, Talk, phone, sdp, sdp_with, talk};

fn body(bytes: &bytes::Bytes) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_call_from_invite_to_bye() {
    let Talk { mut bench, mut alice, .. } = talk();
    let (a, b) = (alice.phone.address, phone("1002", BOB).address);
    bench.advance(Duration::from_secs(5));
    alice.send(&mut bench, "BYE", "");
    bench.response(a, 200);
    let bye = bench.request(b, &Method::Bye);
    phone("1002", BOB).answer(&mut bench, &bye, 200, "", "");
    let record = bench.end();
    assert_eq!(record.status, CallStatus::Completed);
    assert_eq!(record.hangup_by, Some(HangupBy::Caller));
    assert_eq!((record.hangup_cause, record.sip_response_code), (Some(16), Some(200)));
    assert_eq!(record.call_duration_ms(), Some(5_000));
    assert!(record.ringing_at.is_some());
    assert_eq!(record.caller, "sip:1001@alpha.test");
    assert_eq!(record.caller_number.as_deref(), Some("1001"));
    assert_eq!(record.dialed_number.as_deref(), Some("1002"));
    assert_eq!(record.caller_id_name.as_deref(), Some("Forged"));
    assert_eq!(record.caller_user_agent.as_deref(), Some("Test phone"));
    assert_eq!(record.callee_user_agent.as_deref(), Some("Answering phone"));
    assert_eq!(record.codec.as_deref(), Some("PCMU"));
    assert_eq!((record.caller_ip, record.callee_ip), (Some(a.ip()), Some(b.ip())));
    assert!(record.caller_sdp.unwrap().contains("192.0.2.11"));
    assert!(record.callee_sdp.unwrap().contains("192.0.2.12"));
    assert_eq!(record.media.len(), 2);
    assert_eq!((record.media[0].packets_received, record.media[0].packets_lost), (50, 1));
    use CallEventKind::{Answered, Ended, Initiated, Ringing};
    assert_eq!(bench.events(), [Initiated, Ringing, Answered, Ended]);
    let legs = bench.legs();
    assert_eq!(legs.iter().map(|leg| leg.is_caller).collect::<Vec<_>>(), [true, false]);
    assert!(
        legs.iter().all(|leg| leg.sip_response_code == Some(200) && leg.media.is_some() && !leg.sip_call_id.is_empty())
    );
    let called = (legs[1].tenant_id, legs[1].call_id, legs[1].sip_call_id.clone().into());
    assert_eq!(bench.told, [called], "whose leg it is was said when it began");
}

#[test]
fn leg_b_is_built_from_our_own_words() {
    let mut bench = Bench::new();
    let (alice, bob) = (phone("1001", ALICE), phone("1002", BOB));
    bob.register(&mut bench);
    let extra =
        "P-Asserted-Identity: <sip:boss@alpha.test>\r\nX-Internal: 1\r\nPrivacy: none\r\nDiversion: <sip:x@y>\r\n";
    alice.invite(&mut bench, "1002", extra, &sdp(alice, ""));
    let invite = bench.request(bob.address, &Method::Invite);
    let from = invite.from().unwrap();
    assert_eq!(from.uri.as_bytes(), b"sip:1001@alpha.test");
    assert_eq!(from.display.as_deref(), Some(&b"Phone 1001"[..]));
    assert_eq!(invite.to().unwrap().uri.as_bytes(), b"sip:1002@alpha.test");
    assert_eq!(invite.uri().as_bytes(), b"sip:1002@192.0.2.12:5060");
    assert_eq!(invite.max_forwards(), Some(29));
    let wire = body(invite.bytes());
    for word in ["boss", "X-Internal", "Privacy", "Diversion", "Forged", "call1", "Test phone", "192.0.2.11"] {
        assert!(!wire.contains(word), "{word} in\n{wire}");
    }
    assert!(wire.contains("192.0.2.1:5060"));
}

#[test]
fn a_caller_may_hide_its_number() {
    let mut bench = Bench::new();
    let (alice, bob) = (phone("1001", ALICE), phone("1002", BOB));
    bob.register(&mut bench);
    let mut caller = alice.invite_as(&mut bench, "<sip:anonymous@anonymous.invalid>", "1002", "", &sdp(alice, ""));
    let invite = bench.request(bob.address, &Method::Invite);
    assert!(!body(invite.bytes()).contains("1001"));
    assert_eq!(invite.from().unwrap().uri.as_bytes(), b"sip:anonymous@anonymous.invalid");
    bob.answer(&mut bench, &invite, 486, "bob", "");
    let refused = bench.response(alice.address, 486);
    caller.ack_refusal(&mut bench, &refused);
    assert_eq!(bench.end().caller_number.as_deref(), Some("1001"), "the history knows");
}

#[test]
fn all_phones_ring_and_the_first_to_answer_wins() {
    let mut bench = Bench::new();
    let (alice, desk, sofa) = (phone("1001", ALICE), phone("1002", 21), phone("1002", 22));
    desk.register(&mut bench);
    sofa.register(&mut bench);
    let mut caller = alice.invite(&mut bench, "1002", "", &sdp(alice, ""));
    let to_desk = bench.request(desk.address, &Method::Invite);
    let to_sofa = bench.request(sofa.address, &Method::Invite);
    desk.answer(&mut bench, &to_desk, 180, "desk", "");
    sofa.answer(&mut bench, &to_sofa, 180, "sofa", "");
    bench.response(alice.address, 180);
    bench.nothing(alice.address);
    sofa.answer(&mut bench, &to_sofa, 200, "sofa", &sdp(sofa, ""));
    bench.request(sofa.address, &Method::Ack);
    let cancel = bench.request(desk.address, &Method::Cancel);
    let reason = cancel.headers().get(&Name::Reason).unwrap();
    assert_eq!(&reason[..], b"SIP;cause=200;text=\"Call completed elsewhere\"");
    // The desk phone answers while the CANCEL is on its way: acknowledged, and ended.
    desk.answer(&mut bench, &cancel, 200, "desk", "");
    desk.answer(&mut bench, &to_desk, 200, "desk", &sdp(desk, ""));
    bench.request(desk.address, &Method::Ack);
    let bye = bench.request(desk.address, &Method::Bye);
    desk.answer(&mut bench, &bye, 200, "", "");
    let ok = bench.response(alice.address, 200);
    caller.learn(&ok);
    caller.ack(&mut bench, "");
    bench.nothing(sofa.address);
    let mut answerer = sofa.dialog(&to_sofa, "sofa");
    answerer.send(&mut bench, "BYE", "");
    bench.response(sofa.address, 200);
    let bye = bench.request(alice.address, &Method::Bye);
    alice.answer(&mut bench, &bye, 200, "", "");
    let record = bench.end();
    assert_eq!(record.hangup_by, Some(HangupBy::Callee));
    assert_eq!(record.callee_ip, Some(sofa.address.ip()));
    assert_eq!(bench.legs().len(), 3);
}

#[test]
fn a_forked_second_200_of_one_phone_is_acknowledged_and_ended() {
    let mut bench = Bench::new();
    let (alice, bob) = (phone("1001", ALICE), phone("1002", BOB));
    bob.register(&mut bench);
    let mut caller = alice.invite(&mut bench, "1002", "", &sdp(alice, ""));
    let invite = bench.request(bob.address, &Method::Invite);
    bob.answer(&mut bench, &invite, 200, "one", &sdp(bob, ""));
    let ack = bench.request(bob.address, &Method::Ack);
    assert_eq!(ack.to().unwrap().tag().as_deref(), Some(&b"one"[..]));
    bob.answer(&mut bench, &invite, 200, "two", &sdp(bob, ""));
    let ack = bench.request(bob.address, &Method::Ack);
    assert_eq!(ack.to().unwrap().tag().as_deref(), Some(&b"two"[..]));
    let bye = bench.request(bob.address, &Method::Bye);
    assert_eq!(bye.to().unwrap().tag().as_deref(), Some(&b"two"[..]));
    bob.answer(&mut bench, &bye, 200, "", "");
    let ok = bench.response(alice.address, 200);
    caller.learn(&ok);
    caller.ack(&mut bench, "");
    caller.send(&mut bench, "BYE", "");
    let bye = bench.request(bob.address, &Method::Bye);
    assert_eq!(bye.to().unwrap().tag().as_deref(), Some(&b"one"[..]));
    bob.answer(&mut bench, &bye, 200, "", "");
    bench.end();
}

#[test]
fn early_media_is_heard_and_the_200_repeats_its_description() {
    let mut bench = Bench::new();
    let (alice, desk, sofa) = (phone("1001", ALICE), phone("1002", 21), phone("1002", 22));
    desk.register(&mut bench);
    sofa.register(&mut bench);
    let mut caller = alice.invite(&mut bench, "1002", "", &sdp(alice, ""));
    let to_desk = bench.request(desk.address, &Method::Invite);
    let to_sofa = bench.request(sofa.address, &Method::Invite);
    desk.answer(&mut bench, &to_desk, 183, "desk", &sdp_with(desk, "0", ""));
    let early = bench.response(alice.address, 183);
    assert!(body(&early.body()).contains("m=audio 40002 RTP/AVP 0"));
    assert_eq!(bench.plans().len(), 1);
    // Another phone's early media is not heard, nor does its ringing cover what is.
    sofa.answer(&mut bench, &to_sofa, 183, "sofa", &sdp_with(sofa, "8", ""));
    sofa.answer(&mut bench, &to_sofa, 180, "sofa", "");
    bench.nothing(alice.address);
    assert_eq!(bench.plans().len(), 1);
    // It is selected by its 200; the caller's description stays what it was, and audio is transcoded.
    sofa.answer(&mut bench, &to_sofa, 200, "sofa", &sdp_with(sofa, "8", ""));
    let ok = bench.response(alice.address, 200);
    assert_eq!(ok.body(), early.body());
    let plans = bench.plans();
    assert_eq!(plans.len(), 2);
    assert_eq!((plans[1].legs[0].codec_name, plans[1].legs[1].codec_name), ("PCMU", "PCMA"));
    caller.learn(&ok);
    caller.ack(&mut bench, "");
    let cancel = bench.request(desk.address, &Method::Cancel);
    desk.answer(&mut bench, &cancel, 200, "desk", "");
    desk.answer(&mut bench, &to_desk, 487, "desk", "");
    caller.send(&mut bench, "BYE", "");
    bench.request(sofa.address, &Method::Ack);
    let bye = bench.request(sofa.address, &Method::Bye);
    sofa.answer(&mut bench, &bye, 200, "", "");
    bench.end();
}

#[test]
fn nobody_answers_in_time() {
    let mut bench = Bench::new();
    let (alice, bob) = (phone("1001", ALICE), phone("1002", BOB));
    bob.register(&mut bench);
    let mut caller = alice.invite(&mut bench, "1002", "", &sdp(alice, ""));
    let invite = bench.request(bob.address, &Method::Invite);
    bob.answer(&mut bench, &invite, 180, "bob", "");
    bench.advance(Duration::from_secs(20));
    let cancel = bench.request(bob.address, &Method::Cancel);
    bob.answer(&mut bench, &cancel, 200, "bob", "");
    bob.answer(&mut bench, &invite, 487, "bob", "");
    bench.response(alice.address, 180);
    let refused = bench.response(alice.address, 480);
    caller.ack_refusal(&mut bench, &refused);
    let record = bench.end();
    assert_eq!((record.status, record.hangup_cause), (CallStatus::NoAnswer, Some(19)));
    assert_eq!(record.total_duration_ms(), Some(20_000));
    assert_eq!(record.hangup_by, Some(HangupBy::System));
}

#[test]
fn an_offer_may_come_late() {
    let mut bench = Bench::new();
    let (alice, bob) = (phone("1001", ALICE), phone("1002", BOB));
    bob.register(&mut bench);
    let mut caller = alice.invite(&mut bench, "1002", "", "");
    let invite = bench.request(bob.address, &Method::Invite);
    assert!(body(&invite.body()).contains("m=audio 40004"));
    bob.answer(&mut bench, &invite, 200, "bob", &sdp(bob, ""));
    bench.request(bob.address, &Method::Ack);
    let ok = bench.response(alice.address, 200);
    assert!(body(&ok.body()).contains("m=audio 40002"));
    assert_eq!(bench.plans().len(), 0);
    caller.learn(&ok);
    caller.ack(&mut bench, &sdp_with(alice, "8", ""));
    assert_eq!(bench.plans().len(), 1);
    caller.send(&mut bench, "BYE", "");
    let bye = bench.request(bob.address, &Method::Bye);
    bob.answer(&mut bench, &bye, 200, "", "");
    let record = bench.end();
    assert_eq!(record.status, CallStatus::Completed);
}

#[test]
fn the_next_dialplan_row_is_tried_when_one_fails() {
    let mut bench = Bench::new();
    let (alice, bob) = (phone("1001", ALICE), phone("1002", BOB));
    bob.register(&mut bench);
    // 600 is 1003, whose phone is not there, and then 1002.
    let mut caller = alice.invite(&mut bench, "600", "", &sdp(alice, ""));
    let invite = bench.request(bob.address, &Method::Invite);
    assert_eq!(invite.to().unwrap().uri.as_bytes(), b"sip:600@alpha.test");
    bob.answer(&mut bench, &invite, 486, "bob", "");
    let refused = bench.response(alice.address, 486);
    caller.ack_refusal(&mut bench, &refused);
    let record = bench.end();
    assert_eq!(record.status, CallStatus::Busy);
}
