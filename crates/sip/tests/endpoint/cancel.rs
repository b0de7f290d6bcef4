//! CANCEL (RFC 3261 §9), from both ends.

use sip::Method;
use sip::header::Reason;

use super::flows::{ack_of_alice, alice_is_answered, alice_rings, alice_talks, bob_is_called, bob_rings, bob_talks};
use super::script::{Script, request_of};

fn cancel_of_alice() -> Script {
    Script::request("CANCEL").branch("z9hG4bKINVITE1")
}

#[test]
fn a_cancelled_call_is_answered_487_and_told_once() {
    let (mut bench, tag) = alice_rings();
    let cancel = cancel_of_alice().and("Reason", "SIP;cause=200;text=\"Call completed elsewhere\"");
    bench.alice(&cancel).alice(&cancel).expect([
        "0 A< 200 1 CANCEL",
        "0 A< 487 1 INVITE",
        "0 cancelled s0 d0 200",
        "0 A< 200 1 CANCEL",
    ]);
    assert_eq!(bench.sent[2].bytes, bench.sent[4].bytes, "every copy gets the same answer");
    assert_eq!(bench.tag(), tag, "with the tag of the INVITE's answers");
    bench.respond(0, 200).expect(["0 misuse: an answer to a request that waits for none"]);
    bench.alice(&ack_of_alice(&tag).branch("z9hG4bKINVITE1")).expect([]).ends();
}

#[test]
fn a_487_without_its_ack_is_repeated_and_then_forgotten() {
    let (mut bench, _) = alice_rings();
    bench.alice(&cancel_of_alice()).run_to(3_600).expect([
        "0 A< 200 1 CANCEL",
        "0 A< 487 1 INVITE",
        "0 cancelled s0 d0",
        "500 A< 487 1 INVITE",
        "1500 A< 487 1 INVITE",
        "3500 A< 487 1 INVITE",
    ]);
    bench.run_to(31_999).counts(1, 0, 0).run_to(32_000).counts(0, 0, 0);
}

#[test]
fn a_cancel_that_crosses_our_200_changes_nothing() {
    let (mut bench, tag) = alice_is_answered();
    bench.alice(&cancel_of_alice()).alice(&ack_of_alice(&tag)).expect(["0 A< 200 1 CANCEL", "0 acked d0"]);
    bench.counts(1, 0, 1);
}

#[test]
fn a_cancel_of_nothing_gets_481_and_leaves_nothing() {
    let mut bench = super::bench::Bench::new();
    bench.alice(&cancel_of_alice()).expect(["0 A< 481 1 CANCEL"]).ends();
    // Only an INVITE can be cancelled.
    let mut bench = super::bench::Bench::new();
    bench.alice(&Script::request("OPTIONS")).alice(&Script::request("CANCEL").branch("z9hG4bKOPTIONS1"));
    bench.expect(["0 request s0 OPTIONS as guest", "0 A< 481 1 CANCEL"]);
}

#[test]
fn a_cancelled_reinvite_leaves_the_call() {
    let (mut bench, tag) = alice_talks();
    let again = Script::request("INVITE").cseq(2).tagged(&tag);
    bench.alice(&again).alice(&Script::request("CANCEL").cseq(2).branch("z9hG4bKINVITE2").tagged(&tag)).expect([
        "0 A< 100 2 INVITE",
        "0 within d0 s1 INVITE",
        "0 A< 200 2 CANCEL",
        "0 A< 487 2 INVITE",
        "0 cancelled s1 d0",
    ]);
    bench.counts(2, 0, 1).alice(&Script::request("INVITE").cseq(3).tagged(&tag));
    bench.expect(["0 A< 100 3 INVITE", "0 within d0 s2 INVITE"]);
}

#[test]
fn our_cancel_waits_for_a_provisional_answer() {
    let mut bench = bob_is_called();
    let invite = bench.last_request();
    bench.cancel(0).cancel(0).run_to(600).expect(["500 B< INVITE 1 sip:bob@127.0.0.20:5060"]);
    bench.bob(&Script::answer(&invite, 100, "")).cancel(0).expect(["600 B< CANCEL 1 sip:bob@127.0.0.20:5060"]);
    let cancel = bench.last_request();
    assert_eq!(cancel.via(), invite.via(), "the INVITE's branch");
    bench.bob(&Script::answer(&cancel, 200, "x")).bob(&Script::answer(&invite, 487, "bob"));
    bench.expect(["600 B< ACK 1 sip:bob@127.0.0.20:5060", "600 response c0 487"]).ends();
}

#[test]
fn our_cancel_says_why_and_goes_the_way_of_the_invite() {
    let mut bench = super::bench::Bench::new();
    let mut outgoing = super::bench::to_bob(Method::Invite);
    outgoing.route = vec![sip::header::NameAddr::new(sip::Uri::sip(None, "edge.example", None).with_param("lr", None))];
    bench.invite(outgoing);
    let invite = bench.last_request();
    bench.bob(&Script::answer(&invite, 180, "bob"));
    let client = bench.client(0);
    bench.endpoint.cancel(bench.now, client, Some(Reason::sip(200, "Call completed elsewhere")));
    bench.run_to(1).shows(
        &["Route", "To", "Reason", "CSeq", "Max-Forwards"],
        [
            "Max-Forwards: 70",
            "Route: <sip:edge.example;lr>",
            "To: <sip:bob@pbx.example>",
            "CSeq: 1 CANCEL",
            "Reason: SIP;cause=200;text=\"Call completed elsewhere\"",
        ],
    );
}

#[test]
fn an_early_dialog_goes_with_the_487() {
    let mut bench = bob_rings();
    let invite = bench.last_request();
    bench.cancel(0).expect(["0 B< CANCEL 1 sip:bob@127.0.0.20:5060"]).counts(0, 2, 1);
    let cancel = bench.last_request();
    bench.bob(&Script::answer(&invite, 487, "bob")).bob(&Script::answer(&cancel, 200, "bob"));
    bench.expect(["0 B< ACK 1 sip:bob@127.0.0.20:5060", "0 response c0 487"]).counts(0, 2, 0).ends();
}

#[test]
fn our_cancel_crosses_their_200() {
    let mut bench = bob_rings();
    let invite = bench.last_request();
    bench.cancel(0);
    let cancel = bench.last_request();
    bench
        .bob(&Script::answer(&invite, 200, "bob"))
        .bob(&Script::answer(&cancel, 200, "bob"))
        .expect(["0 B< CANCEL 1 sip:bob@127.0.0.20:5060", "0 response c0 d0 200"]);
    // The call is there, and to be ended by BYE. Cancelling it now does nothing.
    bench
        .cancel(0)
        .ack(0)
        .in_dialog(0, Method::Bye)
        .expect(["0 B< ACK 1 sip:bob@127.0.0.20:5060", "0 B< BYE 2 sip:bob@127.0.0.20:5060"]);
    let bye = bench.last_request();
    bench.bob(&Script::answer(&bye, 200, "")).expect(["0 response c1 d0 200"]).ends();
}

#[test]
fn a_cancel_that_nobody_answers_ends_the_invite_after_64_t1() {
    let mut bench = bob_rings();
    bench.run_to(1_000).cancel(0).run_to(32_999);
    bench.counts(0, 2, 1).run_to(33_000).counts(0, 0, 0);
    let repeated = |at: &str| format!("{at} B< CANCEL 1 sip:bob@127.0.0.20:5060");
    let times = ["1000", "1500", "2500", "4500", "8500", "12500", "16500", "20500", "24500", "28500", "32500"];
    let mut expected: Vec<_> = times.into_iter().map(repeated).collect();
    expected.push("33000 failed c0 Timeout".into());
    bench.expect(expected.iter().map(String::as_str)).ends();
}

#[test]
fn a_call_that_is_answered_or_ended_is_not_cancelled() {
    let mut bench = bob_talks();
    bench.cancel(0).expect([]);
    let mut bench = bob_is_called();
    let invite = bench.last_request();
    bench.cancel(0).bob(&Script::answer(&invite, 486, "bob"));
    bench.expect(["0 B< ACK 1 sip:bob@127.0.0.20:5060", "0 response c0 486"]).ends();
}

#[test]
fn a_reinvite_can_be_cancelled() {
    let mut bench = bob_talks();
    bench.in_dialog(0, Method::Invite);
    let again = bench.last_request();
    bench.bob(&Script::answer(&again, 100, "")).cancel(1).bob(&Script::answer(&again, 487, "")).expect([
        "0 B< INVITE 2 sip:bob@127.0.0.20:5060",
        "0 B< CANCEL 2 sip:bob@127.0.0.20:5060",
        "0 B< ACK 2 sip:bob@127.0.0.20:5060",
        "0 response c1 d0 487",
    ]);
    assert_eq!(request_of(&bench.sent[3].bytes).via(), again.via());
    bench.counts(0, 3, 1);
}
