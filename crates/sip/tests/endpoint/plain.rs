//! Requests that are no INVITE and belong to no dialog.

use sip::{Method, Name, Reply};

use super::bench::{BOB, Bench, to_bob, with_contact};
use super::script::Script;

#[test]
fn one_comes_in_is_answered_and_its_copies_get_the_same() {
    let mut bench = Bench::new();
    let register = Script::request("REGISTER");
    let reply = Reply::new(200).header(Name::Contact, "<sip:alice@127.0.0.10:5060>;expires=60").reason("Come in");
    bench.alice(&register).alice(&register).reply(0, reply).run_to(31_000).alice(&register).expect([
        "0 request s0 REGISTER as guest",
        "0 A< 200 1 REGISTER",
        "31000 A< 200 1 REGISTER",
    ]);
    assert!(bench.sent[0].bytes.starts_with(b"SIP/2.0 200 Come in\r\n"));
    bench.shows(&["Contact", "Record-Route"], ["Contact: <sip:alice@127.0.0.10:5060>;expires=60"]);
    bench.counts(1, 0, 0).run_to(32_000).counts(0, 0, 0).expect([]);
}

#[test]
fn every_method_reaches_the_user() {
    let mut bench = Bench::new();
    for (index, method) in
        ["REGISTER", "OPTIONS", "BYE", "MESSAGE", "SUBSCRIBE", "PUBLISH", "frobnicate"].iter().enumerate()
    {
        bench.alice(&Script::request(method)).respond(index, 501);
        bench.expect([format!("0 request s{index} {method} as guest").as_str(), &format!("0 A< 501 1 {method}")]);
    }
    bench.ends();
}

#[test]
fn an_answer_with_body_and_contact() {
    let mut bench = Bench::new();
    bench.alice(&Script::request("OPTIONS")).reply(0, with_contact(200).body("application/sdp", "v=0\r\n".into()));
    bench.shows(
        &["Contact", "Content-Type", "Content-Length"],
        ["Contact: <sip:127.0.0.1:5060>", "Content-Type: application/sdp", "Content-Length: 5"],
    );
}

#[test]
fn there_is_one_final_answer() {
    let mut bench = Bench::new();
    bench.alice(&Script::request("OPTIONS")).respond(0, 100).respond(0, 200).respond(0, 500).respond(0, 180).expect([
        "0 request s0 OPTIONS as guest",
        "0 A< 100 1 OPTIONS",
        "0 A< 200 1 OPTIONS",
        "0 misuse: an answer to a request that waits for none",
        "0 misuse: an answer to a request that waits for none",
    ]);
    bench.run_to(40_000).respond(0, 200).expect(["40000 misuse: an answer to a request that waits for none"]).ends();
}

#[test]
fn one_of_ours_is_repeated_until_it_is_answered() {
    let mut bench = Bench::new();
    bench.request(to_bob(Method::Options)).run_to(600);
    let options = bench.last_request();
    bench.bob(&Script::answer(&options, 100, "")).bob(&Script::answer(&options, 200, "bob"));
    bench.bob(&Script::answer(&options, 200, "bob")).expect([
        "0 B< OPTIONS 1 sip:bob@127.0.0.20:5060",
        "500 B< OPTIONS 1 sip:bob@127.0.0.20:5060",
        "600 response c0 200",
    ]);
    bench.counts(0, 1, 0).run_to(5_600).counts(0, 0, 0).ends();
}

#[test]
fn one_of_ours_that_nobody_answers() {
    let mut bench = Bench::new();
    bench.request(to_bob(Method::Register)).run_to(32_000);
    assert_eq!(bench.sent.len(), 11);
    bench.counts(0, 0, 0);
    let mut bench = Bench::new();
    bench
        .request(to_bob(Method::Register))
        .transport_error(BOB)
        .expect(["0 B< REGISTER 1 sip:bob@127.0.0.20:5060", "0 failed c0 Transport"]);
    bench.ends();
}
