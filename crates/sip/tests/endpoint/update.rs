//! UPDATE (RFC 3311), in early and confirmed dialogs, and whose turn it is to offer (§5.1, §5.2; RFC 6337 §5).

use sip::Method;
use sip::header::RetryAfter;

use super::bench::{Bench, offer_to_bob};
use super::flows::{alice_talks, bob_says, bob_talks};
use super::script::{Script, request_of, response_of};

const TWO: &str = "0 misuse: a change of the session while an UPDATE waits for its answer";

fn within(tag: &str, method: &str, cseq: u32) -> Script {
    Script::request(method).cseq(cseq).tagged(tag)
}

/// Alice's INVITE brought an offer and rings.
fn alice_offers() -> (Bench, String) {
    let mut bench = Bench::new();
    bench.alice(&Script::request("INVITE").described()).respond(0, 180);
    let tag = bench.tag();
    bench.expect(["0 A< 100 1 INVITE", "0 invite s0 d0 as guest", "0 A< 180 1 INVITE"]);
    (bench, tag)
}

/// Bob was offered something and rings.
fn bob_was_offered() -> Bench {
    let mut bench = Bench::new();
    bench.invite(offer_to_bob());
    let invite = bench.last_request();
    bench.bob(&Script::answer(&invite, 180, "bob"));
    bench.expect(["0 B< INVITE 1 sip:bob@127.0.0.20:5060", "0 response c0 d0 180"]);
    bench
}

#[test]
fn one_of_the_peer_reaches_the_user_and_moves_the_target_when_it_is_accepted() {
    for (code, target) in [(200, "sip:moved@127.0.0.10"), (488, "sip:alice@127.0.0.10:5060")] {
        let (mut bench, tag) = alice_talks();
        let update = within(&tag, "UPDATE", 2).set("Contact", "<sip:moved@127.0.0.10>").described();
        bench.alice(&update).alice(&update).describe(1, code).alice(&update).in_dialog(0, Method::Info).expect([
            "0 within d0 s1 UPDATE",
            &format!("0 A< {code} 2 UPDATE"),
            &format!("0 A< {code} 2 UPDATE"),
            &format!("0 A< INFO 8985 {target}"),
        ]);
    }
}

#[test]
fn a_200_to_one_carries_our_contact() {
    let (mut bench, tag) = alice_talks();
    bench.alice(&within(&tag, "UPDATE", 2)).respond(1, 200).shows(&["Contact"], ["Contact: <sip:127.0.0.1:5060>"]);
}

#[test]
fn one_of_ours_is_answered_and_moves_the_target() {
    let mut bench = bob_talks();
    bench.describe_in_dialog(0, Method::Update).shows(&["Contact"], ["Contact: <sip:127.0.0.1:5060>"]);
    let update = bench.last_request();
    bench.bob(&Script::answer(&update, 200, "").set("Contact", "<sip:moved@127.0.0.20>").described());
    bench.describe_in_dialog(0, Method::Update).expect([
        "0 B< UPDATE 2 sip:bob@127.0.0.20:5060",
        "0 response c1 d0 200",
        "0 B< UPDATE 3 sip:moved@127.0.0.20",
    ]);
}

#[test]
fn an_early_dialog_takes_one_from_either_side() {
    let (mut bench, tag) = alice_offers();
    bench.in_dialog(0, Method::Update).alice(&within(&tag, "UPDATE", 2)).respond(1, 200).expect([
        "0 A< UPDATE 8985 sip:alice@127.0.0.10:5060",
        "0 within d0 s1 UPDATE",
        "0 A< 200 2 UPDATE",
    ]);
    let mut bench = bob_was_offered();
    let says = bob_says(&bench);
    bench
        .in_dialog(0, Method::Update)
        .bob(&says("UPDATE", 1))
        .expect(["0 B< UPDATE 2 sip:bob@127.0.0.20:5060", "0 within d0 s0 UPDATE"]);
    // Its answer moves the target and leaves the routes of the early dialog alone.
    let update = request_of(&bench.sent[1].bytes);
    bench.bob(&Script::answer(&update, 200, "").set("Contact", "<sip:moved@127.0.0.20>")).in_dialog(0, Method::Info);
    bench.expect(["0 response c1 d0 200", "0 B< INFO 3 sip:moved@127.0.0.20"]);
    bench.in_dialog(0, Method::Invite).in_dialog(0, Method::Options);
    bench.expect(["0 misuse: a request in a dialog that is not confirmed"; 2]);
}

#[test]
fn an_offer_while_ours_waits_is_491() {
    // Ours in an INVITE that is not answered, in an UPDATE, and in a re-INVITE.
    let mut bench = bob_was_offered();
    let says = bob_says(&bench);
    bench.bob(&says("UPDATE", 1).described()).expect(["0 B< 491 1 UPDATE"]);
    let mut bench = bob_talks();
    let says = bob_says(&bench);
    bench.describe_in_dialog(0, Method::Update).bob(&says("UPDATE", 1).described()).bob(&says("INVITE", 2)).expect([
        "0 B< UPDATE 2 sip:bob@127.0.0.20:5060",
        "0 B< 491 1 UPDATE",
        "0 B< 491 2 INVITE",
    ]);
    let update = bench.last_request_named("UPDATE");
    bench.bob(&Script::answer(&update, 491, "")).bob(&says("UPDATE", 3).described());
    bench.expect(["0 response c1 d0 491", "0 within d0 s0 UPDATE"]);
    let mut bench = bob_talks();
    let says = bob_says(&bench);
    bench.describe_in_dialog(0, Method::Invite).bob(&says("UPDATE", 1).described());
    bench.expect(["0 B< INVITE 2 sip:bob@127.0.0.20:5060", "0 B< 491 1 UPDATE"]);
}

#[test]
fn an_offer_while_theirs_waits_is_500_to_come_again_later() {
    let (mut bench, tag) = alice_offers();
    bench.alice(&within(&tag, "UPDATE", 2).described()).expect(["0 A< 500 2 UPDATE"]);
    retry_after(&bench);
    let (mut bench, tag) = alice_talks();
    bench
        .alice(&within(&tag, "UPDATE", 2).described())
        .alice(&within(&tag, "UPDATE", 3))
        .expect(["0 within d0 s1 UPDATE", "0 A< 500 3 UPDATE"]);
    retry_after(&bench);
    bench.alice(&within(&tag, "INVITE", 4)).describe(1, 200).alice(&within(&tag, "UPDATE", 5).described()).expect([
        "0 A< 500 4 INVITE",
        "0 A< 200 2 UPDATE",
        "0 within d0 s2 UPDATE",
    ]);
    let (mut bench, tag) = alice_talks();
    bench.alice(&within(&tag, "INVITE", 2).described()).alice(&within(&tag, "UPDATE", 3).described());
    bench.expect(["0 A< 100 2 INVITE", "0 within d0 s1 INVITE", "0 A< 500 3 UPDATE"]);
}

#[track_caller]
fn retry_after(bench: &Bench) {
    let response = response_of(&bench.sent.last().expect("something left").bytes);
    let retry = response.headers().typed::<RetryAfter>().and_then(Result::ok);
    assert!(retry.is_some_and(|retry| retry.seconds <= 10));
}

#[test]
fn one_that_offers_nothing_passes_whoever_waits() {
    let (mut bench, tag) = alice_offers();
    bench.alice(&within(&tag, "UPDATE", 2)).expect(["0 within d0 s1 UPDATE"]);
    let mut bench = bob_talks();
    let says = bob_says(&bench);
    bench
        .describe_in_dialog(0, Method::Update)
        .bob(&says("UPDATE", 1))
        .expect(["0 B< UPDATE 2 sip:bob@127.0.0.20:5060", "0 within d0 s0 UPDATE"]);
}

#[test]
fn a_copy_of_one_that_was_refused_gets_the_same_answer() {
    let mut bench = bob_was_offered();
    let update = bob_says(&bench)("UPDATE", 1).described();
    let invite = request_of(&bench.sent[0].bytes);
    bench.bob(&update).bob(&Script::answer(&invite, 200, "bob").described()).ack(0).bob(&update).expect([
        "0 B< 491 1 UPDATE",
        "0 response c0 d0 200",
        "0 B< ACK 1 sip:bob@127.0.0.20:5060",
        "0 B< 491 1 UPDATE",
    ]);
}

#[test]
fn we_never_offer_out_of_turn() {
    const OFFER: &str = "0 misuse: an offer while another waits for its answer";
    let mut bench = bob_was_offered();
    bench.describe_in_dialog(0, Method::Update).expect([OFFER]);
    let (mut bench, _) = alice_offers();
    bench.describe_in_dialog(0, Method::Update).expect([OFFER]);
    let mut bench = bob_talks();
    bench.in_dialog(0, Method::Update).in_dialog(0, Method::Update).in_dialog(0, Method::Invite);
    bench.expect(["0 B< UPDATE 2 sip:bob@127.0.0.20:5060", TWO, TWO]);
    let (mut bench, tag) = alice_talks();
    bench.alice(&within(&tag, "UPDATE", 2)).in_dialog(0, Method::Invite).in_dialog(0, Method::Info).expect([
        "0 within d0 s1 UPDATE",
        TWO,
        "0 A< INFO 8985 sip:alice@127.0.0.10:5060",
    ]);
}

#[test]
fn one_that_nobody_answers_is_out_of_the_way_after_64_t1() {
    let mut bench = bob_talks();
    bench.describe_in_dialog(0, Method::Update).run_to(32_000).describe_in_dialog(0, Method::Update);
    let sent = bench.sent.len();
    assert_eq!(bench.last_request().cseq().map(|cseq| cseq.number), Ok(3), "{sent} messages");
    let mut bench = bob_talks();
    bench
        .describe_in_dialog(0, Method::Update)
        .transport_error(super::bench::BOB)
        .describe_in_dialog(0, Method::Invite);
    bench.expect([
        "0 B< UPDATE 2 sip:bob@127.0.0.20:5060",
        "0 failed c1 d0 Transport",
        "0 B< INVITE 3 sip:bob@127.0.0.20:5060",
    ]);
}

#[test]
fn our_offer_in_a_200_waits_for_the_ack() {
    let (mut bench, tag) = alice_talks();
    bench.alice(&within(&tag, "INVITE", 2)).describe(1, 200).alice(&within(&tag, "UPDATE", 3).described());
    bench.alice(&within(&tag, "ACK", 2).described()).alice(&within(&tag, "UPDATE", 4).described()).expect([
        "0 A< 100 2 INVITE",
        "0 within d0 s1 INVITE",
        "0 A< 200 2 INVITE",
        "0 A< 491 3 UPDATE",
        "0 acked d0",
        "0 within d0 s2 UPDATE",
    ]);
}

#[test]
fn an_offer_in_the_200_to_ours_waits_for_our_ack() {
    let mut bench = bob_talks();
    let says = bob_says(&bench);
    bench.in_dialog(0, Method::Invite);
    let again = bench.last_request();
    bench.bob(&Script::answer(&again, 200, "").described()).bob(&says("UPDATE", 1).described()).ack(0);
    bench.bob(&says("UPDATE", 2).described()).expect([
        "0 B< INVITE 2 sip:bob@127.0.0.20:5060",
        "0 response c1 d0 200",
        "0 B< 500 1 UPDATE",
        "0 B< ACK 2 sip:bob@127.0.0.20:5060",
        "0 within d0 s0 UPDATE",
    ]);
}

#[test]
fn a_refused_invite_of_either_side_leaves_nothing_waiting() {
    let mut bench = bob_talks();
    let says = bob_says(&bench);
    bench.describe_in_dialog(0, Method::Invite);
    let again = bench.last_request();
    bench.bob(&Script::answer(&again, 488, "")).bob(&says("UPDATE", 1).described()).expect([
        "0 B< INVITE 2 sip:bob@127.0.0.20:5060",
        "0 B< ACK 2 sip:bob@127.0.0.20:5060",
        "0 response c1 d0 488",
        "0 within d0 s0 UPDATE",
    ]);
    let (mut bench, tag) = alice_talks();
    bench.alice(&within(&tag, "INVITE", 2).described()).respond(1, 488).alice(&within(&tag, "UPDATE", 3).described());
    bench.expect(["0 A< 100 2 INVITE", "0 within d0 s1 INVITE", "0 A< 488 2 INVITE", "0 within d0 s2 UPDATE"]);
}
