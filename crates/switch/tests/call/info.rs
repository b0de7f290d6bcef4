//! What the sides of a call say to each other beside the session.

use std::time::Duration;

use domain::CallEventKind::{Answered, Digit, Ended, Initiated, Ringing};
use domain::DtmfMode;
use media::{Command, Fact, Leg};
use sip::{Message, Method, Name};
use switch::Input;

use crate::bench::Bench;
use crate::phone::{ALICE, CAROL, Dialog, Talk, phone, sdp, talk, talk_on};

const KEY: &str = "Signal=5\r\nDuration=160\r\n";

/// A call of extensions that want their keys in INFO.
fn by_info() -> Talk {
    talk_on(Bench::with(|snapshot| {
        for extension in snapshot.extensions.values_mut() {
            extension.audio.dtmf = DtmfMode::Info;
        }
    }))
}

/// What the media workers were asked to press: for whom, which key, how long.
fn pressed(bench: &Bench) -> Vec<(Leg, char, u32)> {
    let keys = bench.media.iter().filter_map(|command| match command {
        Command::Press { leg, key, duration_ms, .. } => Some((*leg, *key, *duration_ms)),
        _ => None,
    });
    keys.collect()
}

fn heard(bench: &mut Bench, leg: Leg, digit: char, passed: bool) {
    let session = bench.media.iter().find_map(|command| match command {
        Command::Open { session, .. } => Some(*session),
        _ => None,
    });
    let session = session.expect("an open session");
    bench.input(Input::Media(Fact::Digit { session, leg, digit, duration_ms: 90, passed }));
}

/// Where the other side wants its keys in the audio, they are pressed there, and the one who sent them is answered here.
#[test]
fn keys_in_info_become_keys_in_the_audio() {
    let Talk { mut bench, mut alice, mut bob } = talk();
    for (body, kind_of) in [(KEY, "application/dtmf-relay"), ("#", "application/dtmf")] {
        for back in [false, true] {
            let (from, to) = if back { (&mut bob, &alice) } else { (&mut alice, &bob) };
            from.send_as(&mut bench, "INFO", &kind(kind_of), body);
            bench.response(from.phone.address, 200);
            bench.nothing(to.phone.address);
        }
    }
    let (caller, callee) = (Leg::CALLER, Leg::CALLEE);
    assert_eq!(pressed(&bench), [(callee, '5', 160), (caller, '5', 160), (callee, '#', 160), (caller, '#', 160)]);
    // What names no key is for the other side to judge.
    alice.send_as(&mut bench, "INFO", &kind("application/dtmf-relay"), "Signal=flash");
    let info = bench.request(bob.phone.address, &Method::Info);
    bob.phone.answer(&mut bench, &info, 200, "", "");
    bench.response(alice.phone.address, 200);
    hang_up(&mut bench, &mut alice, &bob);
}

#[test]
fn keys_in_the_audio_reach_the_other_side_as_it_wants_them_and_once() {
    let Talk { mut bench, mut alice, bob } = by_info();
    heard(&mut bench, Leg::CALLER, '7', false);
    let info = bench.request(bob.phone.address, &Method::Info);
    assert_eq!(info.headers().get(&Name::ContentType).as_deref(), Some(&b"application/dtmf-relay"[..]));
    assert_eq!(info.body(), "Signal=7\r\nDuration=90\r\n");
    bob.phone.answer(&mut bench, &info, 200, "", "");
    bench.nothing(alice.phone.address);
    heard(&mut bench, Leg::CALLER, '8', true);
    bench.nothing(bob.phone.address);
    assert_eq!(pressed(&bench), []);
    hang_up(&mut bench, &mut alice, &bob);

    let Talk { mut bench, mut alice, bob } = talk();
    heard(&mut bench, Leg::CALLEE, '1', false);
    heard(&mut bench, Leg::CALLEE, '2', true);
    assert_eq!(pressed(&bench), [(Leg::CALLER, '1', 90)]);
    bench.nothing(alice.phone.address);
    hang_up(&mut bench, &mut alice, &bob);
}

fn kind(kind: &str) -> String {
    format!("Content-Type: {kind}\r\n")
}

fn hang_up(bench: &mut Bench, from: &mut Dialog, to: &Dialog) {
    from.send(bench, "BYE", "");
    bench.response(from.phone.address, 200);
    let bye = bench.request(to.phone.address, &Method::Bye);
    to.phone.answer(bench, &bye, 200, "", "");
    bench.end();
}

/// What was sent on, and the answer to it, both ways: type given, type that arrives, body.
#[test]
fn what_is_known_goes_to_the_other_side_and_its_answer_back() {
    let Talk { mut bench, mut alice, mut bob } = by_info();
    let rows = [
        ("INFO", "application/dtmf-relay", "application/dtmf-relay", KEY),
        ("INFO", "Application/DTMF;x=1", "application/dtmf", "5"),
        ("INFO", "application/media_control+xml", "application/media_control+xml", "<media_control/>"),
        ("INFO", "text/plain", "text/plain;charset=UTF-8", "grüße"),
        ("MESSAGE", "text/plain; charset=x", "text/plain;charset=UTF-8", "a line\r\nand another"),
    ];
    for (method, given, arrives, body) in rows {
        for back in [false, true] {
            let (from, to) = if back { (&mut bob, &alice) } else { (&mut alice, &bob) };
            from.send_as(&mut bench, method, &kind(given), body);
            let Some(Message::Request(request)) = bench.next(to.phone.address) else { panic!("{method} {given}") };
            assert_eq!(request.method().as_str(), method);
            assert_eq!(request.headers().get(&Name::ContentType).as_deref(), Some(arrives.as_bytes()));
            assert_eq!(request.body(), body);
            // Another answer for everyone of them: it is the other side's that counts.
            let code = if given.starts_with("text") { 403 } else { 200 };
            to.phone.answer(&mut bench, &request, code, "", "");
            bench.response(from.phone.address, code);
        }
    }
    hang_up(&mut bench, &mut alice, &bob);
    assert_eq!(bench.events(), [Initiated, Ringing, Answered, Digit, Digit, Digit, Digit, Ended]);
}

#[test]
fn what_is_not_known_stays_here() {
    let Talk { mut bench, mut alice, bob } = by_info();
    let long = "x".repeat(4_097);
    let rows = [
        ("INFO", String::new(), "", 200),
        ("INFO", kind("application/trickle-ice-sdpfrag") + "Info-Package: trickle-ice\r\n", "a=end-of-candidates", 200),
        ("INFO", kind("application/x-shell"), "rm", 415),
        ("INFO", String::new(), "no type", 415),
        ("INFO", kind("nonsense"), "no type", 415),
        ("INFO", kind("application/dtmf") + "Info-Package: nowhere\r\n", "5", 469),
        ("INFO", kind("text/plain"), &long, 413),
        ("MESSAGE", kind("application/dtmf"), "5", 415),
        ("MESSAGE", kind("text/html"), "<b>", 415),
        ("MESSAGE", kind("text/plain"), &long, 413),
    ];
    for (method, lines, body, code) in rows {
        alice.send_as(&mut bench, method, &lines, body);
        let answer = bench.response(alice.phone.address, code);
        assert_eq!(answer.headers().contains(&Name::Accept), code == 415, "{method} {lines}");
        assert_eq!(answer.headers().contains(&Name::from("Recv-Info")), code == 469, "{method} {lines}");
        bench.nothing(bob.phone.address);
    }
    hang_up(&mut bench, &mut alice, &bob);
}

/// RFC 6086 §4.2.1: an INFO waits for nothing.
#[test]
fn it_goes_past_a_change_of_the_session() {
    let Talk { mut bench, mut alice, mut bob } = by_info();
    alice.send(&mut bench, "INVITE", &sdp(alice.phone, "a=sendonly\r\n"));
    let invite = bench.request(bob.phone.address, &Method::Invite);
    bench.response(alice.phone.address, 100);
    let mut changing = alice.clone();
    changing.send_as(&mut bench, "INFO", &kind("application/dtmf"), "1");
    let info = bench.request(bob.phone.address, &Method::Info);
    bob.send_as(&mut bench, "INFO", &kind("application/dtmf"), "2");
    let other = bench.request(alice.phone.address, &Method::Info);
    alice.phone.answer(&mut bench, &other, 200, "", "");
    bench.response(bob.phone.address, 200);
    bob.phone.answer(&mut bench, &info, 200, "", "");
    bench.response(alice.phone.address, 200);
    bob.phone.answer(&mut bench, &invite, 200, "", &sdp(bob.phone, "a=recvonly\r\n"));
    bench.request(bob.phone.address, &Method::Ack);
    bench.response(alice.phone.address, 200);
    alice.ack(&mut bench, "");
    alice.skip(1);
    hang_up(&mut bench, &mut alice, &bob);
}

#[test]
fn a_side_that_does_not_know_the_dialog_any_more_ends_the_call() {
    for code in [408, 481] {
        let Talk { mut bench, mut alice, bob } = by_info();
        alice.send_as(&mut bench, "INFO", &kind("application/dtmf"), "1");
        let info = bench.request(bob.phone.address, &Method::Info);
        bob.phone.answer(&mut bench, &info, code, "", "");
        bench.response(alice.phone.address, 480);
        let bye = bench.request(alice.phone.address, &Method::Bye);
        alice.phone.answer(&mut bench, &bye, 200, "", "");
        bench.end();
    }
}

/// Who has left the call says nothing about it any more, whatever became of its dialog.
#[test]
fn one_who_has_been_replaced_does_not_end_the_call_of_the_others() {
    for code in [408, 481] {
        let Talk { mut bench, mut alice, mut bob } = by_info();
        let carol = phone("1003", CAROL);
        carol.register(&mut bench);
        alice.send_as(&mut bench, "INFO", &kind("application/dtmf"), "1");
        let info = bench.request(bob.phone.address, &Method::Info);
        bob.send_as(&mut bench, "REFER", "Refer-To: <sip:1003@alpha.test>\r\n", "");
        bench.response(bob.phone.address, 202);
        let notify = bench.request(bob.phone.address, &Method::Notify);
        bob.phone.answer(&mut bench, &notify, 200, "", "");
        let invite = bench.request(carol.address, &Method::Invite);
        carol.answer(&mut bench, &invite, 200, "carol", &sdp(carol, ""));
        bench.request(carol.address, &Method::Ack);
        let moved = bench.request(alice.phone.address, &Method::Invite);
        alice.phone.answer(&mut bench, &moved, 200, "", &sdp(alice.phone, ""));
        bench.request(alice.phone.address, &Method::Ack);
        let notify = bench.request(bob.phone.address, &Method::Notify);
        bob.phone.answer(&mut bench, &notify, 200, "", "");
        let bye = bench.request(bob.phone.address, &Method::Bye);
        bob.phone.answer(&mut bench, &bye, 200, "", "");
        bob.phone.answer(&mut bench, &info, code, "", "");
        bench.response(alice.phone.address, 480);
        bench.nothing(alice.phone.address);
        bench.nothing(carol.address);
        hang_up(&mut bench, &mut alice, &carol.dialog(&invite, "carol"));
    }
}

#[test]
fn a_side_that_says_nothing_keeps_the_call() {
    let Talk { mut bench, mut alice, bob } = by_info();
    alice.send_as(&mut bench, "INFO", &kind("application/dtmf"), "1");
    bench.advance(Duration::from_secs(33));
    bench.response(alice.phone.address, 504);
    assert_eq!(bench.shard.calls(None).len(), 1);
    bench.forget_messages();
    hang_up(&mut bench, &mut alice, &bob);
}

#[test]
fn only_so_many_wait_at_once_and_none_outlives_the_call() {
    let Talk { mut bench, mut alice, bob } = by_info();
    for _ in 0..16 {
        alice.send_as(&mut bench, "INFO", &kind("application/dtmf"), "1");
    }
    alice.send_as(&mut bench, "INFO", &kind("application/dtmf"), "1");
    bench.response(alice.phone.address, 500);
    bench.forget_messages();
    alice.send(&mut bench, "BYE", "");
    bench.response(alice.phone.address, 200);
    for _ in 0..16 {
        bench.response(alice.phone.address, 480);
    }
    let bye = bench.request(bob.phone.address, &Method::Bye);
    bob.phone.answer(&mut bench, &bye, 200, "", "");
    bench.end();
}

#[test]
fn keys_are_taken_where_nobody_else_is() {
    let mut bench = Bench::new();
    let alice = phone("1001", ALICE);
    let mut caller = alice.invite(&mut bench, "*43", "", &sdp(alice, ""));
    let ok = bench.response(alice.address, 200);
    caller.learn(&ok);
    caller.ack(&mut bench, "");
    caller.send_as(&mut bench, "INFO", &kind("application/dtmf-relay"), KEY);
    bench.response(alice.address, 200);
    for (method, given) in
        [("INFO", "application/media_control+xml"), ("INFO", "text/plain"), ("MESSAGE", "text/plain")]
    {
        caller.send_as(&mut bench, method, &kind(given), "x");
        bench.response(alice.address, 415);
    }
    caller.send(&mut bench, "BYE", "");
    bench.response(alice.address, 200);
    bench.end();
    assert_eq!(bench.events(), [Initiated, Answered, Digit, Ended]);
}
