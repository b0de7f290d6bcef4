//! RFC 3262 §4: the provisional answers of others, and our PRACKs.

use sip::Method;

use crate::endpoint::bench::{Bench, offer_to_bob, to_bob};
use crate::endpoint::flows::{bob_says, bob_talks};
use crate::endpoint::script::{Script, request_of};

/// Bob's phone got our INVITE with an offer: client c0.
fn bob_is_offered() -> Bench {
    let mut bench = Bench::new();
    bench.invite(offer_to_bob()).expect(["0 B< INVITE 1 sip:bob@127.0.0.20:5060"]);
    bench
}

/// Reliable answers to our first request.
fn reliably(bench: &Bench) -> impl Fn(u16, &str, u32) -> Script + use<> {
    let invite = request_of(&bench.sent[0].bytes);
    move |code, tag, rseq| Script::answer(&invite, code, tag).and("Require", "100rel").and("RSeq", &rseq.to_string())
}

#[test]
fn it_is_acknowledged_at_once_to_where_it_says_and_then_told() {
    let mut bench = bob_is_offered();
    let reliable = reliably(&bench);
    let answer = reliable(183, "bob", 77)
        .described()
        .set("Contact", "<sip:desk@127.0.0.20:5090>")
        .and("Record-Route", "<sip:p1.example;lr>");
    bench.bob(&answer).expect(["0 B< PRACK 2 sip:desk@127.0.0.20:5090", "0 response c0 d0 183"]);
    bench.shows(
        &["Route", "To", "CSeq", "RAck", "Content-Length"],
        [
            "Route: <sip:p1.example;lr>",
            "To: <sip:bob@pbx.example>;tag=bob",
            "CSeq: 2 PRACK",
            "RAck: 77 1 INVITE",
            "Content-Length: 0",
        ],
    );
}

#[test]
fn the_prack_is_repeated_until_it_is_answered_and_nobody_hears_of_it() {
    let mut bench = bob_is_offered();
    let reliable = reliably(&bench);
    let answer = reliable(183, "bob", 1).described();
    bench.bob(&answer);
    let prack = bench.last_request();
    bench.run_to(600).bob(&answer).bob(&Script::answer(&prack, 200, "")).run_to(6_000).bob(&answer).expect([
        "0 B< PRACK 2 sip:bob@127.0.0.20:5060",
        "0 response c0 d0 183",
        "500 B< PRACK 2 sip:bob@127.0.0.20:5060",
    ]);
    bench.counts(0, 1, 1);
}

#[test]
fn a_prack_that_fails_is_the_callees_affair() {
    let mut bench = bob_is_offered();
    let reliable = reliably(&bench);
    bench.bob(&reliable(183, "bob", 1).described());
    let prack = bench.last_request();
    bench
        .bob(&Script::answer(&prack, 481, ""))
        .expect(["0 B< PRACK 2 sip:bob@127.0.0.20:5060", "0 response c0 d0 183"]);
}

#[test]
fn what_overtakes_another_is_not_looked_at() {
    let mut bench = bob_is_offered();
    let reliable = reliably(&bench);
    bench.bob(&reliable(180, "bob", 5)).bob(&reliable(183, "bob", 7).described());
    bench.bob(&reliable(182, "bob", 6)).bob(&reliable(183, "bob", 7).described());
    bench.bob(&reliable(180, "bob", 4)).bob(&reliable(180, "bob", 5)).expect([
        "0 B< PRACK 2 sip:bob@127.0.0.20:5060",
        "0 response c0 d0 180",
        "0 B< PRACK 3 sip:bob@127.0.0.20:5060",
        "0 response c0 d0 182",
        "0 B< PRACK 4 sip:bob@127.0.0.20:5060",
        "0 response c0 d0 183",
    ]);
    // One without a number has no order.
    let invite = request_of(&bench.sent[0].bytes);
    bench.bob(&Script::answer(&invite, 180, "bob")).expect(["0 response c0 d0 180"]);
}

#[test]
fn each_fork_has_an_order_of_its_own() {
    let mut bench = bob_is_offered();
    let reliable = reliably(&bench);
    bench.bob(&reliable(183, "desk", 5)).bob(&reliable(183, "cell", 1));
    bench.bob(&reliable(180, "desk", 6)).bob(&reliable(180, "cell", 3)).expect([
        "0 B< PRACK 2 sip:bob@127.0.0.20:5060",
        "0 response c0 d0 183",
        "0 B< PRACK 2 sip:bob@127.0.0.20:5060",
        "0 response c0 d1 183",
        "0 B< PRACK 3 sip:bob@127.0.0.20:5060",
        "0 response c0 d0 180",
    ]);
}

#[test]
fn a_number_alone_or_a_requirement_alone_asks_for_nothing() {
    let mut bench = bob_is_offered();
    let reliable = reliably(&bench);
    let invite = request_of(&bench.sent[0].bytes);
    let ringing = || Script::answer(&invite, 180, "bob");
    bench.bob(&ringing().and("RSeq", "1")).bob(&ringing().and("Require", "100rel"));
    bench.bob(&ringing().and("Require", "100rel").and("RSeq", "x")).expect(["0 response c0 d0 180"; 3]);
    // Nor does an answer without a dialog, nor a final one.
    bench.bob(&reliable(180, "", 1)).bob(&reliable(200, "bob", 1));
    bench.expect(["0 response c0 180", "0 response c0 d0 200"]);
}

#[test]
fn the_200_after_it_is_acknowledged_under_the_number_of_the_invite() {
    let mut bench = bob_is_offered();
    let reliable = reliably(&bench);
    bench.bob(&reliable(183, "bob", 1).described());
    let prack = bench.last_request();
    let invite = request_of(&bench.sent[0].bytes);
    bench
        .bob(&Script::answer(&prack, 200, ""))
        .bob(&Script::answer(&invite, 200, "bob"))
        .ack(0)
        .in_dialog(0, Method::Info);
    bench.expect([
        "0 B< PRACK 2 sip:bob@127.0.0.20:5060",
        "0 response c0 d0 183",
        "0 response c0 d0 200",
        "0 B< ACK 1 sip:bob@127.0.0.20:5060",
        "0 B< INFO 3 sip:bob@127.0.0.20:5060",
    ]);
}

#[test]
fn a_cancel_goes_under_the_number_of_the_invite_too() {
    let mut bench = bob_is_offered();
    let reliable = reliably(&bench);
    bench.bob(&reliable(183, "bob", 1).described()).cancel(0).expect([
        "0 B< PRACK 2 sip:bob@127.0.0.20:5060",
        "0 response c0 d0 183",
        "0 B< CANCEL 1 sip:bob@127.0.0.20:5060",
    ]);
    let invite = request_of(&bench.sent[0].bytes);
    bench.bob(&Script::answer(&invite, 487, "bob")).expect(["0 B< ACK 1 sip:bob@127.0.0.20:5060", "0 response c0 487"]);
    // Nobody answered the PRACK; it runs out by itself.
    bench.run_to(40_000).counts(0, 0, 0);
}

#[test]
fn an_offer_in_it_is_the_users_to_answer() {
    let mut bench = Bench::new();
    bench.invite(to_bob(Method::Invite));
    let reliable = reliably(&bench);
    let offer = reliable(183, "bob", 9).described();
    bench.bob(&offer).bob(&offer).in_dialog(0, Method::Update).describe_in_dialog(0, Method::Update);
    bench
        .describe_in_dialog(0, Method::Prack)
        .shows(&["RAck", "Content-Length"], ["RAck: 9 1 INVITE", "Content-Length: 5"]);
    bench.expect([
        "0 B< INVITE 1 sip:bob@127.0.0.20:5060",
        "0 response c0 d0 183",
        "0 B< UPDATE 2 sip:bob@127.0.0.20:5060",
        "0 misuse: a change of the session while an UPDATE waits for its answer",
        "0 B< PRACK 3 sip:bob@127.0.0.20:5060",
    ]);
    let prack = bench.last_request();
    bench
        .bob(&Script::answer(&prack, 200, ""))
        .in_dialog(0, Method::Prack)
        .expect(["0 response c2 d0 200", "0 misuse: a PRACK without an answer that asks for it"]);
}

#[test]
fn an_update_of_the_callee_that_waits_keeps_no_prack_back() {
    let mut bench = bob_is_offered();
    let reliable = reliably(&bench);
    let says = bob_says(&bench);
    bench.bob(&reliable(183, "bob", 1).described()).bob(&says("UPDATE", 1).described()).bob(&reliable(180, "bob", 2));
    bench.expect([
        "0 B< PRACK 2 sip:bob@127.0.0.20:5060",
        "0 response c0 d0 183",
        "0 within d0 s0 UPDATE",
        "0 B< PRACK 3 sip:bob@127.0.0.20:5060",
        "0 response c0 d0 180",
    ]);
}

#[test]
fn inside_a_dialog_it_is_acknowledged_and_not_told() {
    let mut bench = bob_talks();
    bench.describe_in_dialog(0, Method::Invite);
    let again = bench.last_request();
    let progress = |rseq: u32| Script::answer(&again, 183, "").and("Require", "100rel").and("RSeq", &rseq.to_string());
    bench.bob(&progress(3)).bob(&progress(3)).bob(&progress(4)).expect([
        "0 B< INVITE 2 sip:bob@127.0.0.20:5060",
        "0 B< PRACK 3 sip:bob@127.0.0.20:5060",
        "0 B< PRACK 4 sip:bob@127.0.0.20:5060",
    ]);
    bench.shows(&["RAck"], ["RAck: 4 2 INVITE"]);
    // Its numbers begin anew with each INVITE.
    bench.bob(&Script::answer(&again, 200, "")).ack(0).describe_in_dialog(0, Method::Invite);
    let third = bench.last_request();
    bench.bob(&Script::answer(&third, 183, "").and("Require", "100rel").and("RSeq", "1")).expect([
        "0 response c1 d0 200",
        "0 B< ACK 2 sip:bob@127.0.0.20:5060",
        "0 B< INVITE 5 sip:bob@127.0.0.20:5060",
        "0 B< PRACK 6 sip:bob@127.0.0.20:5060",
    ]);
}

#[test]
fn a_prack_of_a_callee_finds_nothing() {
    let mut bench = bob_talks();
    let says = bob_says(&bench);
    bench.bob(&says("PRACK", 1).and("RAck", "1 1 INVITE")).expect(["0 B< 481 1 PRACK"]);
}
