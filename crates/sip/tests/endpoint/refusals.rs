//! What is refused before it can make state, in which words, and that nothing of it stays.

use sip::Method;

use super::bench::{Bench, Door};
use super::flows::alice_talks;
use super::script::Script;

const METHODS: [&str; 14] = [
    "INVITE",
    "BYE",
    "REGISTER",
    "OPTIONS",
    "INFO",
    "PRACK",
    "UPDATE",
    "REFER",
    "SUBSCRIBE",
    "NOTIFY",
    "MESSAGE",
    "PUBLISH",
    "CANCEL",
    "FROBNICATE",
];

/// The request is refused with this, each copy with the same bytes, and nothing stays.
#[track_caller]
fn refused(script: &Script, line: &str) -> Bench {
    let mut bench = Bench::new();
    bench.alice(script).run_to(500).alice(script);
    bench.expect([format!("0 A< {line}").as_str(), &format!("500 A< {line}")]);
    assert_eq!(bench.sent[0], bench.sent[1], "a copy gets the same answer");
    bench.counts(0, 0, 0);
    assert_eq!(bench.endpoint.poll_timeout(), None);
    bench
}

#[test]
fn an_unknown_dialog_is_481_whatever_the_method() {
    for method in METHODS {
        for to in ["<sip:bob@pbx.example>;tag=nobody", "<sip:bob@pbx.example>;tag=", "<sip:bob@pbx.example>;tag"] {
            refused(&Script::request(method).set("To", to), &format!("481 1 {method}"));
        }
    }
    Bench::new().alice(&Script::request("ACK").tagged("nobody")).alice(&Script::request("ACK")).expect([]).ends();
}

#[test]
fn all_three_ids_must_be_right() {
    let (mut bench, tag) = alice_talks();
    let info = Script::request("INFO").cseq(2).tagged(&tag);
    bench.alice(&info.clone().set("Call-ID", "call-2").branch("z9hG4bK1"));
    bench.alice(&info.clone().set("From", "<sip:alice@pbx.example>;tag=mallory").branch("z9hG4bK2"));
    bench.alice(&info.clone().set("To", &format!("<sip:bob@pbx.example>;tag={tag}0")).branch("z9hG4bK3"));
    bench.alice(&info.clone().set("From", "<sip:alice@pbx.example>").branch("z9hG4bK4"));
    bench.expect(["0 A< 481 2 INFO"; 4]).alice(&info).expect(["0 within d0 s1 INFO"]);
}

#[test]
fn the_gate_refuses_and_the_answer_is_the_same_each_time() {
    for method in METHODS.into_iter().filter(|method| *method != "CANCEL") {
        let mut bench = Bench::new();
        bench.door = Door::Challenge;
        let request = Script::request(method);
        bench.alice(&request).shows(&["WWW-Authenticate", "Contact"], ["WWW-Authenticate: Digest realm=\"x\""]);
        // The ACK for a stateless 401 finds nothing and is dropped.
        let tag = bench.tag();
        bench.alice(&Script::request("ACK").branch(&format!("z9hG4bK{method}1")).tagged(&tag)).alice(&request);
        let line = format!("0 A< 401 1 {method}");
        bench.expect([line.as_str(), line.as_str()]);
        assert_eq!(bench.sent[0], bench.sent[1]);
        bench.counts(0, 0, 0);
        bench.door = Door::Silent;
        bench.alice(&request).expect([]).ends();
    }
}

#[test]
fn ack_and_cancel_are_never_challenged() {
    let mut bench = Bench::new();
    bench.door = Door::Challenge;
    bench.alice(&Script::request("ACK")).alice(&Script::request("CANCEL")).expect(["0 A< 481 1 CANCEL"]);
}

#[test]
fn a_request_that_came_twice_by_two_ways_is_482() {
    let mut bench = Bench::new();
    let first = Script::request("INVITE");
    let second = first.clone().branch("z9hG4bKother");
    bench.alice(&first).alice(&second).alice(&second).respond(0, 486).alice(&second).expect([
        "0 A< 100 1 INVITE",
        "0 invite s0 d0 as guest",
        "0 A< 482 1 INVITE",
        "0 A< 482 1 INVITE",
        "0 A< 486 1 INVITE",
        "0 A< 482 1 INVITE",
    ]);
    // Another number, another sender and another call are other requests.
    bench.alice(&first.clone().cseq(2)).respond(1, 486);
    bench.alice(&second.clone().branch("z9hG4bKa").set("From", "<sip:alice@pbx.example>;tag=b")).respond(2, 486);
    bench.alice(&second.branch("z9hG4bKb").set("Call-ID", "call-2")).respond(3, 486).run_to(40_000).counts(0, 0, 0);
    bench.alice(&first).counts(1, 0, 1);
}

#[test]
fn no_hops_left_is_483_but_for_options_and_inside_a_dialog() {
    for method in METHODS.into_iter().filter(|method| !["OPTIONS", "CANCEL"].contains(method)) {
        refused(&Script::request(method).set("Max-Forwards", "0"), &format!("483 1 {method}"));
    }
    let mut bench = Bench::new();
    bench.alice(&Script::request("OPTIONS").set("Max-Forwards", "0")).expect(["0 request s0 OPTIONS as guest"]);
    let (mut bench, tag) = alice_talks();
    bench.alice(&Script::request("BYE").cseq(2).tagged(&tag).set("Max-Forwards", "0")).expect(["0 within d0 s1 BYE"]);
}

#[test]
fn a_request_without_max_forwards_passes() {
    let mut bench = Bench::new();
    bench.alice(&Script::request("OPTIONS").without("Max-Forwards")).expect(["0 request s0 OPTIONS as guest"]);
}

#[test]
fn unknown_schemes_are_416() {
    for uri in ["http://pbx.example/", "nobodyKnowsThisScheme:totallyopaquecontent"] {
        refused(&Script::request("OPTIONS").uri(uri), "416 1 OPTIONS");
    }
}

#[test]
fn unknown_extensions_are_420_and_named() {
    let script = Script::request("INVITE").and("Require", "nothingSupportsThis, NorThis").and("Require", "northat");
    refused(&script, "420 1 INVITE").shows(&["Unsupported"], ["Unsupported: nothingSupportsThis, NorThis, northat"]);
    refused(&Script::request("REGISTER").and("Require", "x"), "420 1 REGISTER");
    // What a proxy must know is nothing to us.
    let mut bench = Bench::new();
    bench.alice(&Script::request("OPTIONS").and("Proxy-Require", "x")).expect(["0 request s0 OPTIONS as guest"]);
    // In a dialog too, and every copy alike; ACK and CANCEL may say what they like (§8.2.2.3).
    let (mut bench, tag) = alice_talks();
    let again = Script::request("INVITE").cseq(2).tagged(&tag).and("Require", "x");
    bench.alice(&again).alice(&again).expect(["0 A< 420 2 INVITE", "0 A< 420 2 INVITE"]);
    assert_eq!(bench.sent[3], bench.sent[4]);
    bench.alice(&Script::request("ACK").cseq(2).branch("z9hG4bKINVITE2").tagged(&tag).and("Require", "x")).expect([]);
}

#[test]
fn broken_mandatory_headers_are_400() {
    let options = || Script::request("OPTIONS");
    for header in ["From", "To", "Call-ID"] {
        refused(&options().without(header), "400 1 OPTIONS");
    }
    for (header, value) in [
        ("From", "<<broken"),
        ("To", "\"unterminated <sip:bob@pbx.example>"),
        ("Max-Forwards", "seventy"),
        ("Max-Forwards", "256"),
    ] {
        refused(&options().set(header, value), "400 1 OPTIONS");
    }
    for (cseq, line) in
        [("2 INVITE", "400 2 INVITE"), ("x OPTIONS", "400 x OPTIONS"), ("4294967296 OPTIONS", "400 4294967296 OPTIONS")]
    {
        refused(&options().set("CSeq", cseq), line);
    }
    for header in ["From", "To", "Call-ID", "CSeq", "Max-Forwards"] {
        let twice = options().and(header, "1 OPTIONS");
        let mut bench = Bench::new();
        bench.alice(&twice).counts(0, 0, 0);
        assert_eq!(bench.sent.len(), 1, "{header} twice is refused once");
    }
    refused(&options().uri("sip:bob@pbx.example?Subject=x"), "400 1 OPTIONS");
    // An ACK never gets an answer, however broken.
    Bench::new().alice(&Script::request("ACK").without("From")).expect([]).ends();
}

#[test]
fn without_a_via_there_is_nowhere_to_answer() {
    for via in ["", "nonsense", "SIP/2.0/UDP"] {
        let script = match via {
            "" => Script::request("OPTIONS").without("Via"),
            via => Script::request("OPTIONS").set("Via", via),
        };
        Bench::new().alice(&script).expect([]).ends();
    }
}

#[test]
fn another_version_is_505() {
    refused(&Script::request("OPTIONS").start("OPTIONS sip:bob@pbx.example SIP/7.0"), "505 1 OPTIONS");
}

#[test]
fn an_old_branch_is_told_apart_by_the_other_fields() {
    let old = |method: &str| Script::request(method).branch("1");
    let mut bench = Bench::new();
    bench.alice(&old("OPTIONS")).alice(&old("OPTIONS")).respond(0, 200).alice(&old("OPTIONS")).expect([
        "0 request s0 OPTIONS as guest",
        "0 A< 200 1 OPTIONS",
        "0 A< 200 1 OPTIONS",
    ]);
    bench.alice(&old("OPTIONS").set("CSeq", "2 OPTIONS")).expect(["0 request s1 OPTIONS as guest"]);
    let mut bench = Bench::new();
    bench.alice(&old("INVITE")).respond(0, 486);
    let tag = bench.tag();
    bench.alice(&old("ACK").tagged(&tag)).expect(["0 A< 100 1 INVITE", "0 invite s0 d0 as guest", "0 A< 486 1 INVITE"]);
    bench.ends();
}

#[test]
fn requests_that_are_not_ours_to_send_have_their_own_functions() {
    let mut bench = Bench::new();
    for method in [Method::Invite, Method::Ack, Method::Cancel] {
        bench.request(super::bench::to_bob(method));
    }
    bench.expect(["0 misuse: INVITE, ACK and CANCEL have their own functions"; 3]).ends();
}
