//! What happens when everything is full.

use sip::EndpointConfig;
use sip::header::RetryAfter;

use super::bench::{Bench, config, to_bob};
use super::flows::ack_of_alice;
use super::script::{Script, response_of};

fn call(number: u32) -> Script {
    Script::request("INVITE").branch(&format!("z9hG4bKcall{number}")).set("Call-ID", &format!("call-{number}"))
}

#[test]
fn beyond_the_transactions_new_requests_get_503_to_come_again_later() {
    let mut bench = Bench::with(EndpointConfig { max_transactions: 2, ..config() });
    bench.alice(&call(1)).alice(&call(2)).alice(&call(3)).alice(&call(3)).alice(&Script::request("REGISTER"));
    bench.invite(to_bob(sip::Method::Invite)).request(to_bob(sip::Method::Options)).expect([
        "0 A< 100 1 INVITE",
        "0 invite s0 d0 as guest",
        "0 A< 100 1 INVITE",
        "0 invite s1 d1 as guest",
        "0 A< 503 1 INVITE",
        "0 A< 503 1 INVITE",
        "0 A< 503 1 REGISTER",
        "0 misuse: too many transactions",
        "0 misuse: too many transactions",
    ]);
    assert_eq!(bench.sent[2], bench.sent[3], "a copy gets the same answer, Retry-After too");
    for sent in &bench.sent[2..] {
        let retry = response_of(&sent.bytes).headers().typed::<RetryAfter>().and_then(Result::ok);
        assert!(retry.is_some_and(|retry| (1..=5).contains(&retry.seconds)));
    }
    // What is under way goes on, and an unknown CANCEL or ACK costs nothing.
    bench.counts(2, 0, 2).alice(&call(1)).respond(0, 486).alice(&Script::request("CANCEL")).expect([
        "0 A< 100 1 INVITE",
        "0 A< 486 1 INVITE",
        "0 A< 481 1 CANCEL",
    ]);
}

#[test]
fn what_belongs_to_a_call_passes_longer_and_bye_always() {
    let mut bench = Bench::with(EndpointConfig { max_transactions: 1, ..config() });
    bench.alice(&Script::request("INVITE")).respond(0, 200);
    let tag = bench.tag();
    let within = |method: &str, cseq| Script::request(method).cseq(cseq).tagged(&tag);
    bench.alice(&ack_of_alice(&tag)).alice(&within("INFO", 2)).alice(&within("INFO", 3)).alice(&within("BYE", 4));
    bench.respond(2, 200).expect([
        "0 A< 100 1 INVITE",
        "0 invite s0 d0 as guest",
        "0 A< 200 1 INVITE",
        "0 acked d0",
        "0 within d0 s1 INFO",
        "0 A< 503 3 INFO",
        "0 within d0 s2 BYE",
        "0 A< 200 4 BYE",
    ]);
    bench.respond(1, 481).expect(["0 A< 481 2 INFO"]).ends();
}

#[test]
fn beyond_the_dialogs_new_calls_get_503_and_everything_else_passes() {
    let mut bench = Bench::with(EndpointConfig { max_dialogs: 1, ..config() });
    bench.alice(&Script::request("INVITE")).respond(0, 200);
    let tag = bench.tag();
    let again = Script::request("INVITE").cseq(2).tagged(&tag);
    bench.alice(&ack_of_alice(&tag)).alice(&call(2)).alice(&again).alice(&Script::request("OPTIONS"));
    bench.invite(to_bob(sip::Method::Invite)).expect([
        "0 A< 100 1 INVITE",
        "0 invite s0 d0 as guest",
        "0 A< 200 1 INVITE",
        "0 acked d0",
        "0 A< 503 1 INVITE",
        "0 A< 100 2 INVITE",
        "0 within d0 s1 INVITE",
        "0 request s2 OPTIONS as guest",
        "0 misuse: too many dialogs",
    ]);
}

#[test]
fn a_call_of_ours_that_is_answered_gets_its_dialog_even_when_they_have_run_out() {
    let mut bench = Bench::with(EndpointConfig { max_dialogs: 1, ..config() });
    bench.invite(to_bob(sip::Method::Invite));
    let invite = bench.last_request();
    bench.alice(&Script::request("INVITE")).bob(&Script::answer(&invite, 200, "bob")).ack(1).expect([
        "0 B< INVITE 1 sip:bob@127.0.0.20:5060",
        "0 A< 100 1 INVITE",
        "0 invite s0 d0 as guest",
        "0 response c0 d1 200",
        "0 B< ACK 1 sip:bob@127.0.0.20:5060",
    ]);
}
