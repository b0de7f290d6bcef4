//! What is turned away before an endpoint sees it, and what strangers are not told.

use sip::{Message, Name, Request, Transmit, TurnedAway};

use super::bench::{ALICE, Bench, Door, flow};
use super::script::{Script, response_of};

fn request(script: &Script) -> Request {
    match script.message() {
        Message::Request(request) => request,
        Message::Response(_) => panic!("a request"),
    }
}

fn busy(script: &Script) -> Option<Transmit> {
    TurnedAway::new([5; 32], 0).busy(flow(ALICE), &request(script), 10)
}

#[test]
fn a_busy_switch_says_when_to_come_again_and_nothing_of_itself() {
    let sent = busy(&Script::request("INVITE")).unwrap();
    let text = String::from_utf8(sent.bytes.to_vec()).unwrap();
    let answer = response_of(&sent.bytes);
    let tag = String::from_utf8(answer.to().unwrap().tag().unwrap().to_vec()).unwrap();
    let seconds = String::from_utf8(answer.headers().get(&Name::RetryAfter).unwrap().to_vec()).unwrap();
    assert_eq!(
        text,
        format!(
            "SIP/2.0 503 Service Unavailable\r\n\
             Via: SIP/2.0/UDP 127.0.0.10:5060;branch=z9hG4bKINVITE1\r\n\
             From: <sip:alice@pbx.example>;tag=alice\r\n\
             To: <sip:bob@pbx.example>;tag={tag}\r\n\
             Call-ID: call-1\r\n\
             CSeq: 1 INVITE\r\n\
             Retry-After: {seconds}\r\n\
             Content-Length: 0\r\n\r\n"
        )
    );
    assert_eq!(sent.flow, flow(ALICE));
    assert_eq!(busy(&Script::request("INVITE")).unwrap(), sent, "a copy gets the same answer");
}

#[test]
fn those_who_are_turned_away_come_again_at_different_times() {
    let wait = |number: u32| -> u32 {
        let sent = busy(&Script::request("INVITE").set("Call-ID", &format!("call-{number}"))).unwrap();
        let value = response_of(&sent.bytes).headers().get(&Name::RetryAfter).unwrap();
        String::from_utf8(value.to_vec()).unwrap().parse().unwrap()
    };
    let waits: Vec<u32> = (0..1_000).map(wait).collect();
    for seconds in 1..=10 {
        let share = waits.iter().filter(|wait| **wait == seconds).count();
        assert!((50..=150).contains(&share), "{share} of 1,000 wait {seconds} s");
    }
}

#[test]
fn an_ack_is_never_answered() {
    assert_eq!(busy(&Script::request("ACK")), None);
    assert_eq!(busy(&Script::request("INVITE").without("Via")), None);
}

#[test]
fn strangers_do_not_learn_the_programs_name() {
    for method in ["REGISTER", "OPTIONS", "INVITE", "BYE", "CANCEL", "FROBNICATE"] {
        for door in [Door::Challenge, Door::Open] {
            for to in ["<sip:bob@pbx.example>", "<sip:bob@pbx.example>;tag=nobody"] {
                let mut bench = Bench::new();
                bench.door = door;
                // An INVITE that is let in is answered 100, without a name as well.
                bench.alice(&Script::request(method).set("To", to));
                for sent in &bench.sent {
                    assert!(!String::from_utf8_lossy(&sent.bytes).contains("YakYak"), "{method}");
                }
            }
        }
    }
}
