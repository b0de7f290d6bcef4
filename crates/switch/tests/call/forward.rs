//! Forwards, message by message: what the caller is told, and what the phone that rings in the end.

use std::time::Duration;

use domain::{CallEventKind, CallStatus, Extension, TenantSnapshot};
use sip::{Method, Name, Request};

use crate::bench::Bench;
use crate::phone::{ALICE, BOB, CAROL, Phone, phone, sdp};

/// The usual tenant with one extension changed.
fn bench(number: &'static str, change: impl Fn(&mut Extension) + 'static) -> Bench {
    Bench::with(move |snapshot: &mut TenantSnapshot| change(snapshot.extensions.get_mut(number).unwrap()))
}

fn forwards(from: &'static str, to: &'static str) -> impl Fn(&mut Extension) {
    move |extension| {
        assert_eq!(extension.number, from);
        extension.forwards.always = Some(to.to_owned());
    }
}

fn trio(bench: &mut Bench) -> [Phone; 3] {
    let phones = [phone("1001", ALICE), phone("1002", BOB), phone("1003", CAROL)];
    for phone in &phones[1..] {
        phone.register(bench);
    }
    phones
}

fn values(request: &Request, name: &Name) -> Vec<String> {
    request.headers().all(name).map(|value| String::from_utf8(value.to_vec()).unwrap()).collect()
}

#[test]
fn the_phone_that_rings_hears_whom_the_call_was_for_and_the_caller_that_it_is_sent_on() {
    let mut bench = bench("1002", forwards("1002", "1003"));
    let [alice, bob, carol] = trio(&mut bench);
    let mut caller = alice.invite(&mut bench, "1002", "", &sdp(alice, ""));
    bench.nothing(bob.address);
    bench.response(alice.address, 181);
    let invite = bench.request(carol.address, &Method::Invite);
    assert_eq!(values(&invite, &Name::Diversion), ["<sip:1002@alpha.test>;reason=unconditional;counter=1"]);
    assert_eq!(
        values(&invite, &Name::HistoryInfo),
        ["<sip:1002@alpha.test?Reason=SIP%3Bcause%3D302>;index=1", "<sip:1003@alpha.test;cause=302>;index=1.1;mp=1"]
    );
    let from = invite.from().unwrap();
    assert_eq!(from.uri.as_bytes(), b"sip:1001@alpha.test", "the caller stays who it is");
    assert_eq!(values(&invite, &Name::PAssertedIdentity), ["\"Phone 1001\" <sip:1001@alpha.test>"]);
    carol.answer(&mut bench, &invite, 180, "carol", "");
    let ringing = bench.response(alice.address, 180);
    let shown = ringing.headers().get(&Name::PAssertedIdentity).unwrap();
    assert_eq!(shown, "\"Phone 1003\" <sip:1003@alpha.test>", "the caller is told who is called now");
    carol.answer(&mut bench, &invite, 200, "carol", &sdp(carol, ""));
    bench.request(carol.address, &Method::Ack);
    caller.learn(&bench.response(alice.address, 200));
    caller.ack(&mut bench, "");
    caller.send(&mut bench, "BYE", "");
    let bye = bench.request(carol.address, &Method::Bye);
    carol.answer(&mut bench, &bye, 200, "", "");
    assert_eq!(bench.details(CallEventKind::Forwarded), ["1002 to 1003 (always)"]);
    let record = bench.end();
    assert_eq!(record.dialed_number.as_deref(), Some("1002"));
    assert_eq!(record.callee_extension_id.map(|id| id.0.as_u128()), Some(102), "who has answered");
}

#[test]
fn a_call_that_came_straight_has_no_history() {
    let mut bench = Bench::new();
    let [alice, bob, _] = trio(&mut bench);
    let mut caller = alice.invite(
        &mut bench,
        "1002",
        "Diversion: <sip:1003@alpha.test>;reason=unconditional\r\nHistory-Info: <sip:1003@alpha.test>;index=1\r\n",
        &sdp(alice, ""),
    );
    let invite = bench.request(bob.address, &Method::Invite);
    assert!(values(&invite, &Name::Diversion).is_empty() && values(&invite, &Name::HistoryInfo).is_empty());
    bob.answer(&mut bench, &invite, 603, "bob", "");
    bench.request(bob.address, &Method::Ack);
    let refused = bench.response(alice.address, 603);
    caller.ack_refusal(&mut bench, &refused);
    bench.end();
}

#[test]
fn two_forwards_are_told_in_order() {
    let mut bench = Bench::with(|snapshot| {
        snapshot.extensions.get_mut("1002").unwrap().forwards.busy = Some("1003".to_owned());
        let third = snapshot.extensions.get_mut("1003").unwrap();
        (third.do_not_disturb, third.forwards.busy) = (true, Some("600".to_owned()));
        // 600 leads to 1001's own extension in this tenant's dialplan, here to somebody new.
        snapshot.dialplan.retain(|row| row.exten != "600");
        let fourth = Extension::new(domain::ExtensionId(uuid::Uuid::from_u128(4)), "1004", "default");
        snapshot.extensions.insert("1004".to_owned(), fourth);
        let action = domain::Action::Dial(Some("1004".to_owned()));
        let id = domain::DialplanId(uuid::Uuid::from_u128(9));
        let (context, exten) = ("default".to_owned(), "600".to_owned());
        snapshot.dialplan.push(domain::DialplanEntry { id, context, exten, priority: 1, action });
    });
    let [alice, bob, carol] = trio(&mut bench);
    let mut caller = alice.invite(&mut bench, "1002", "", &sdp(alice, ""));
    let invite = bench.request(bob.address, &Method::Invite);
    bob.answer(&mut bench, &invite, 486, "bob", "");
    bench.request(bob.address, &Method::Ack);
    bench.nothing(carol.address);
    bench.response(alice.address, 181);
    bench.response(alice.address, 181);
    let refused = bench.response(alice.address, 480);
    caller.ack_refusal(&mut bench, &refused);
    assert_eq!(bench.details(CallEventKind::Forwarded), ["1002 to 1003 (busy)", "1003 to 600 (do not disturb)"]);
    let record = bench.end();
    assert_eq!(record.status, CallStatus::NoAnswer, "1004 has no phone");
    assert_eq!(record.callee_extension_id.map(|id| id.0.as_u128()), Some(4));
}

#[test]
fn forwards_in_a_circle_end_with_482_and_the_history_says_how() {
    let mut bench = Bench::with(|snapshot| {
        snapshot.extensions.get_mut("1002").unwrap().forwards.always = Some("1003".to_owned());
        snapshot.extensions.get_mut("1003").unwrap().forwards.always = Some("1002".to_owned());
    });
    let [alice, bob, carol] = trio(&mut bench);
    let mut caller = alice.invite(&mut bench, "1002", "", &sdp(alice, ""));
    bench.response(alice.address, 181);
    bench.response(alice.address, 181);
    let refused = bench.response(alice.address, 482);
    let reason = refused.headers().get(&Name::Reason).unwrap();
    assert_eq!(reason, "Q.850;cause=25;text=\"The call was forwarded in a circle\"");
    caller.ack_refusal(&mut bench, &refused);
    bench.nothing(bob.address);
    bench.nothing(carol.address);
    assert_eq!(bench.details(CallEventKind::Forwarded), ["1002 to 1003 (always)", "1003 to 1002 (always)"]);
    let record = bench.end();
    assert_eq!((record.status, record.hangup_cause), (CallStatus::Failed, Some(25)));
}

#[test]
fn more_forwards_than_there_may_be_end_with_483() {
    let mut bench = Bench::with(|snapshot| {
        for index in 0..12_u128 {
            let number = (2_000 + index).to_string();
            let mut extension =
                Extension::new(domain::ExtensionId(uuid::Uuid::from_u128(2_000 + index)), &*number, "default");
            extension.forwards.always = Some((2_001 + index).to_string());
            snapshot.extensions.insert(number, extension);
        }
        let last = Extension::new(domain::ExtensionId(uuid::Uuid::from_u128(2_012)), "2012", "default");
        snapshot.extensions.insert("2012".to_owned(), last);
    });
    let alice = phone("1001", ALICE);
    let mut caller = alice.invite(&mut bench, "2000", "", &sdp(alice, ""));
    for _ in 0..8 {
        bench.response(alice.address, 181);
    }
    let refused = bench.response(alice.address, 483);
    caller.ack_refusal(&mut bench, &refused);
    assert_eq!(bench.end().disconnect_reason.as_deref(), Some("The call was forwarded too often"));
}

#[test]
fn a_phone_may_send_a_call_to_another_number_of_the_house() {
    for contact in ["sip:1003@alpha.test", "sip:1003@192.0.2.1:5060;transport=udp", "tel:1003"] {
        let mut bench = Bench::new();
        let [alice, bob, carol] = trio(&mut bench);
        let mut caller = alice.invite(&mut bench, "1002", "", &sdp(alice, ""));
        let invite = bench.request(bob.address, &Method::Invite);
        bob.answer_with(&mut bench, &invite, 302, "bob", &format!("Contact: <{contact}>\r\n"), "");
        bench.request(bob.address, &Method::Ack);
        bench.response(alice.address, 181);
        let invite = bench.request(carol.address, &Method::Invite);
        assert_eq!(values(&invite, &Name::Diversion), ["<sip:1002@alpha.test>;reason=deflection;counter=1"]);
        carol.answer(&mut bench, &invite, 486, "carol", "");
        bench.request(carol.address, &Method::Ack);
        let refused = bench.response(alice.address, 486);
        caller.ack_refusal(&mut bench, &refused);
        assert_eq!(bench.details(CallEventKind::Forwarded), ["1002 to 1003 (deflected by the phone)"]);
        bench.end();
    }
}

#[test]
fn a_phone_cannot_send_a_call_out_of_the_house() {
    for contact in [
        "Contact: <sip:1003@elsewhere.test>\r\n",
        "Contact: <sip:1003@198.51.100.7>\r\n",
        "Contact: <sip:+4490012345@alpha.test>\r\n",
        "Contact: <http://alpha.test/1003>\r\n",
        "Contact: *\r\n",
        "Contact: <sip:alpha.test>\r\n",
        "",
    ] {
        let mut bench = Bench::new();
        let [alice, bob, carol] = trio(&mut bench);
        let mut caller = alice.invite(&mut bench, "1002", "", &sdp(alice, ""));
        let invite = bench.request(bob.address, &Method::Invite);
        bob.answer_with(&mut bench, &invite, 302, "bob", contact, "");
        bench.request(bob.address, &Method::Ack);
        let refused = bench.response(alice.address, 480);
        caller.ack_refusal(&mut bench, &refused);
        bench.nothing(carol.address);
        assert_eq!(bench.end().status, CallStatus::Rejected, "{contact}");
    }
}

#[test]
fn a_redirection_speaks_for_all_phones_of_the_extension() {
    let mut bench = Bench::new();
    let [alice, bob, carol] = trio(&mut bench);
    let second = phone("1002", 40);
    second.register(&mut bench);
    let mut caller = alice.invite(&mut bench, "1002", "", &sdp(alice, ""));
    let invite = bench.request(bob.address, &Method::Invite);
    let other = bench.request(second.address, &Method::Invite);
    second.answer(&mut bench, &other, 180, "second", "");
    bench.response(alice.address, 180);
    bob.answer_with(&mut bench, &invite, 302, "bob", "Contact: <sip:1003@alpha.test>\r\n", "");
    bench.request(bob.address, &Method::Ack);
    let cancel = bench.request(second.address, &Method::Cancel);
    second.answer(&mut bench, &cancel, 200, "second", "");
    second.answer(&mut bench, &other, 487, "second", "");
    bench.request(second.address, &Method::Ack);
    bench.response(alice.address, 181);
    let invite = bench.request(carol.address, &Method::Invite);
    caller.cancel(&mut bench);
    carol.answer(&mut bench, &invite, 487, "carol", "");
    bench.advance(Duration::from_secs(40));
    bench.forget_messages();
    assert_eq!(bench.end().status, CallStatus::Cancelled);
}

#[test]
fn a_forward_that_leads_nowhere_is_as_if_there_were_none() {
    let mut bench = bench("1002", forwards("1002", "1999"));
    let [alice, bob, _] = trio(&mut bench);
    let mut caller = alice.invite(&mut bench, "1002", "", &sdp(alice, ""));
    let invite = bench.request(bob.address, &Method::Invite);
    bob.answer(&mut bench, &invite, 603, "bob", "");
    bench.request(bob.address, &Method::Ack);
    let refused = bench.response(alice.address, 603);
    caller.ack_refusal(&mut bench, &refused);
    assert_eq!(bench.details(CallEventKind::Forwarded), ["1002 to 1999 (always) leads nowhere"]);
    bench.end();
}

#[test]
fn whom_everybody_is_sent_to_can_still_reach_the_one_who_sends() {
    let mut bench = bench("1002", forwards("1002", "1001"));
    let [alice, bob, _] = trio(&mut bench);
    let mut caller = alice.invite(&mut bench, "1002", "", &sdp(alice, ""));
    let invite = bench.request(bob.address, &Method::Invite);
    bob.answer(&mut bench, &invite, 603, "bob", "");
    bench.request(bob.address, &Method::Ack);
    let refused = bench.response(alice.address, 603);
    caller.ack_refusal(&mut bench, &refused);
    assert!(bench.details(CallEventKind::Forwarded).is_empty());
    bench.end();
}
