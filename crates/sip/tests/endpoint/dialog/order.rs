//! §12.2.2: the order of the peer's requests; §14: two INVITEs at once.

use sip::Method;

use crate::endpoint::bench::Bench;
use crate::endpoint::flows::{alice_is_answered, alice_rings, alice_talks, bob_rings, bob_says, bob_talks};
use crate::endpoint::script::Script;

fn within(tag: &str, method: &str, cseq: u32) -> Script {
    Script::request(method).cseq(cseq).tagged(tag)
}

#[test]
fn lower_and_equal_numbers_are_refused_and_gaps_are_not() {
    let (mut bench, tag) = alice_talks();
    bench.alice(&within(&tag, "INFO", 1)).alice(&within(&tag, "INFO", 7)).alice(&within(&tag, "INFO", 6));
    bench.alice(&within(&tag, "UPDATE", 7)).alice(&within(&tag, "INFO", 8)).expect([
        "0 A< 500 1 INFO",
        "0 within d0 s1 INFO",
        "0 A< 500 6 INFO",
        "0 A< 500 7 UPDATE",
        "0 within d0 s2 INFO",
    ]);
}

#[test]
fn the_first_request_of_a_called_peer_has_any_number() {
    for first in [0, 1, 0x7fff_ffff] {
        let mut bench = bob_talks();
        let says = bob_says(&bench);
        bench.bob(&says("INFO", first)).expect(["0 within d0 s0 INFO"]);
    }
}

#[test]
fn a_request_that_comes_again_gets_the_same_answer() {
    let (mut bench, tag) = alice_talks();
    let info = within(&tag, "INFO", 2);
    bench.alice(&info).alice(&info).respond(1, 200).alice(&info);
    bench.expect(["0 within d0 s1 INFO", "0 A< 200 2 INFO", "0 A< 200 2 INFO"]);
}

#[test]
fn an_invite_while_ours_waits_is_refused_491() {
    let mut bench = bob_talks();
    let says = bob_says(&bench);
    bench.in_dialog(0, Method::Invite).bob(&says("INVITE", 1)).bob(&says("UPDATE", 2)).expect([
        "0 B< INVITE 2 sip:bob@127.0.0.20:5060",
        "0 B< 491 1 INVITE",
        "0 within d0 s0 UPDATE",
    ]);
    bench.counts(1, 2, 1);
}

#[test]
fn glare_on_both_sides_and_after_it_a_second_try() {
    let mut bench = bob_talks();
    let says = bob_says(&bench);
    bench.in_dialog(0, Method::Invite);
    let ours = bench.last_request();
    let theirs = says("INVITE", 1);
    bench.bob(&theirs).bob(&Script::answer(&ours, 491, "")).expect([
        "0 B< INVITE 2 sip:bob@127.0.0.20:5060",
        "0 B< 491 1 INVITE",
        "0 B< ACK 2 sip:bob@127.0.0.20:5060",
        "0 response c1 d0 491",
    ]);
    // A copy of the refused INVITE that was on its way is refused again, although nothing is in its way now: Bob has
    // his answer already.
    bench.run_to(50).bob(&theirs).expect(["50 B< 491 1 INVITE"]);
    bench.run_to(1_000).bob(&says("INVITE", 2)).expect(["1000 B< 100 2 INVITE", "1000 within d0 s0 INVITE"]);
    bench.in_dialog(0, Method::Invite).expect(["1000 misuse: two INVITEs at once in one dialog"]);
}

#[test]
fn a_second_invite_before_the_first_is_answered_is_refused_500_to_come_again_later() {
    let (mut bench, tag) = alice_rings();
    let second = within(&tag, "INVITE", 2);
    bench.alice(&second).alice(&second).expect(["0 A< 500 2 INVITE", "0 A< 500 2 INVITE"]).counts(1, 0, 1);
    let answers: Vec<_> = bench.sent[2..].iter().map(|sent| sent.bytes.clone()).collect();
    assert_eq!(answers[0], answers[1], "the same Retry-After in both");
    let seconds = crate::endpoint::script::response_of(&answers[0])
        .headers()
        .typed::<sip::header::RetryAfter>()
        .and_then(Result::ok)
        .map(|retry| retry.seconds);
    assert!(seconds.is_some_and(|seconds| seconds <= 10), "{seconds:?}");
    bench.respond(0, 200).alice(&second).expect(["0 A< 200 1 INVITE", "0 A< 500 2 INVITE"]);
}

#[test]
fn the_same_inside_the_dialog() {
    let (mut bench, tag) = alice_talks();
    bench.alice(&within(&tag, "INVITE", 2)).alice(&within(&tag, "INVITE", 3)).respond(1, 200).expect([
        "0 A< 100 2 INVITE",
        "0 within d0 s1 INVITE",
        "0 A< 500 3 INVITE",
        "0 A< 200 2 INVITE",
    ]);
    bench.alice(&within(&tag, "INVITE", 4)).expect(["0 A< 100 4 INVITE", "0 within d0 s2 INVITE"]);
}

#[test]
fn an_early_dialog_takes_requests_of_the_caller() {
    let (mut bench, tag) = alice_rings();
    bench.alice(&within(&tag, "INFO", 2)).alice(&within(&tag, "BYE", 3)).respond(2, 200).expect([
        "0 within d0 s1 INFO",
        "0 within d0 s2 BYE",
        "0 A< 200 3 BYE",
        // What still waits for an answer in a dialog that ends gets 487 (§15.1.2).
        "0 A< 487 1 INVITE",
    ]);
    bench.alice(&Script::request("ACK").branch("z9hG4bKINVITE1").tagged(&tag)).respond(1, 200).ends_after_misuse();
}

impl Bench {
    /// INFO was answered after its dialog had gone; that is allowed.
    fn ends_after_misuse(&mut self) {
        self.expect(["0 A< 200 2 INFO"]).ends();
    }
}

#[test]
fn a_number_is_taken_even_while_our_200_waits_for_its_ack() {
    let (mut bench, tag) = alice_is_answered();
    bench.alice(&within(&tag, "BYE", 2)).respond(1, 200).expect(["0 within d0 s1 BYE", "0 A< 200 2 BYE"]);
    // With the dialog gone the 200 is not repeated.
    bench.ends();
}

#[test]
fn an_invite_while_our_first_one_still_rings_is_refused_491() {
    let mut bench = bob_rings();
    let says = bob_says(&bench);
    bench.bob(&says("INVITE", 1)).bob(&says("INFO", 2)).expect(["0 B< 491 1 INVITE", "0 within d0 s0 INFO"]);
}
