//! The 2xx and its ACK (§13.3.1.4), BYE (§15), and how everything comes to its end.

use sip::Method;

use super::flows::{
    ack_of_alice, alice_is_answered, alice_rings, alice_talks, bob_is_called, bob_rings, bob_says, bob_talks,
};
use super::script::Script;

#[test]
fn a_200_lost_three_times_is_repeated_until_its_ack() {
    let (mut bench, tag) = alice_is_answered();
    bench.run_to(4_000).alice(&ack_of_alice(&tag)).alice(&ack_of_alice(&tag)).run_to(20_000).expect([
        "500 A< 200 1 INVITE",
        "1500 A< 200 1 INVITE",
        "3500 A< 200 1 INVITE",
        "4000 acked d0",
    ]);
}

#[test]
fn an_ack_that_never_comes_ends_after_64_t1() {
    let (mut bench, tag) = alice_is_answered();
    bench.run_to(31_999).counts(1, 0, 1).run_to(40_000);
    let times = [500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500];
    let mut expected: Vec<_> = times.map(|at| format!("{at} A< 200 1 INVITE")).into();
    expected.push("32000 no ack d0".into());
    bench.expect(expected.iter().map(String::as_str)).counts(0, 0, 1);
    // Too late.
    bench.alice(&ack_of_alice(&tag)).in_dialog(0, Method::Bye).expect(["40000 A< BYE 8985 sip:alice@127.0.0.10:5060"]);
    let bye = bench.last_request();
    bench.alice(&Script::answer(&bye, 200, "")).expect(["40000 response c0 d0 200"]).ends();
}

#[test]
fn an_ack_is_known_by_its_number_and_may_have_the_branch_of_the_invite() {
    let (mut bench, tag) = alice_is_answered();
    bench.alice(&ack_of_alice(&tag).cseq(2)).alice(&ack_of_alice("wrong")).expect([]);
    bench.alice(&ack_of_alice(&tag).branch("z9hG4bKINVITE1")).run_to(5_000).expect(["0 acked d0"]);
}

#[test]
fn an_invite_that_comes_again_after_the_200_is_silent() {
    let (mut bench, _) = alice_is_answered();
    bench.run_to(100).alice(&Script::request("INVITE")).expect([]);
}

#[test]
fn each_200_is_repeated_until_the_ack_with_its_own_number() {
    let (mut bench, tag) = alice_is_answered();
    bench.run_to(100).alice(&Script::request("INVITE").cseq(2).tagged(&tag)).respond(1, 200);
    bench.run_to(700).alice(&ack_of_alice(&tag).cseq(2)).alice(&ack_of_alice(&tag).cseq(2));
    bench.run_to(1_600).alice(&ack_of_alice(&tag)).run_to(20_000).expect([
        "100 A< 100 2 INVITE",
        "100 within d0 s1 INVITE",
        "100 A< 200 2 INVITE",
        "500 A< 200 1 INVITE",
        "600 A< 200 2 INVITE",
        "700 acked d0",
        "1500 A< 200 1 INVITE",
        "1600 acked d0",
    ]);
}

#[test]
fn one_200_of_several_that_is_never_acknowledged_is_one_too_many() {
    let (mut bench, tag) = alice_is_answered();
    bench.run_to(100).alice(&Script::request("INVITE").cseq(2).tagged(&tag)).respond(1, 200);
    bench.alice(&ack_of_alice(&tag).cseq(2)).run_to(31_999);
    let mut expected = vec!["100 A< 100 2 INVITE".to_owned(), "100 within d0 s1 INVITE".into()];
    expected.extend(["100 A< 200 2 INVITE".into(), "100 acked d0".into()]);
    let times = [500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500];
    expected.extend(times.map(|at| format!("{at} A< 200 1 INVITE")));
    bench.expect(expected.iter().map(String::as_str)).run_to(32_000).expect(["32000 no ack d0"]);
}

#[test]
fn a_bye_waits_for_the_acks_of_all() {
    let (mut bench, tag) = alice_is_answered();
    bench.alice(&Script::request("INVITE").cseq(2).tagged(&tag)).respond(1, 200).in_dialog(0, Method::Bye);
    bench.alice(&ack_of_alice(&tag).cseq(2)).alice(&ack_of_alice(&tag)).expect([
        "0 A< 100 2 INVITE",
        "0 within d0 s1 INVITE",
        "0 A< 200 2 INVITE",
        "0 A< BYE 8985 sip:alice@127.0.0.10:5060",
    ]);
}

#[test]
fn no_more_than_four_wait_for_their_ack() {
    let (mut bench, tag) = alice_is_answered();
    for number in 2..=4 {
        bench.alice(&Script::request("INVITE").cseq(number).tagged(&tag)).respond(number as usize - 1, 200);
    }
    bench.expect([
        "0 A< 100 2 INVITE",
        "0 within d0 s1 INVITE",
        "0 A< 200 2 INVITE",
        "0 A< 100 3 INVITE",
        "0 within d0 s2 INVITE",
        "0 A< 200 3 INVITE",
        "0 A< 100 4 INVITE",
        "0 within d0 s3 INVITE",
        "0 A< 200 4 INVITE",
    ]);
    bench.alice(&Script::request("INVITE").cseq(5).tagged(&tag)).expect(["0 A< 500 5 INVITE"]);
    bench.alice(&ack_of_alice(&tag)).alice(&Script::request("INVITE").cseq(6).tagged(&tag)).expect([
        "0 acked d0",
        "0 A< 100 6 INVITE",
        "0 within d0 s4 INVITE",
    ]);
}

#[test]
fn a_reinvite_has_a_200_and_an_ack_of_its_own() {
    let (mut bench, tag) = alice_talks();
    bench.alice(&Script::request("INVITE").cseq(2).tagged(&tag)).respond(1, 200).run_to(600);
    bench.alice(&ack_of_alice(&tag)).alice(&ack_of_alice(&tag).cseq(2)).run_to(5_000).expect([
        "0 A< 100 2 INVITE",
        "0 within d0 s1 INVITE",
        "0 A< 200 2 INVITE",
        "500 A< 200 2 INVITE",
        "600 acked d0",
    ]);
}

#[test]
fn a_reinvite_without_ack() {
    let (mut bench, tag) = alice_talks();
    bench.alice(&Script::request("INVITE").cseq(2).tagged(&tag)).respond(1, 200).run_to(32_000);
    assert_eq!(bench.sent.len(), 4 + 1 + 10);
    bench.counts(0, 0, 1);
}

#[test]
fn the_peer_hangs_up() {
    let (mut bench, tag) = alice_talks();
    let bye = Script::request("BYE").cseq(2).tagged(&tag);
    bench.alice(&bye).respond(1, 200).alice(&bye).alice(&Script::request("INFO").cseq(3).tagged(&tag)).expect([
        "0 within d0 s1 BYE",
        "0 A< 200 2 BYE",
        "0 A< 200 2 BYE",
        "0 A< 481 3 INFO",
    ]);
    bench.counts(2, 0, 0).ends();
}

#[test]
fn we_hang_up() {
    let mut bench = bob_talks();
    bench.in_dialog(0, Method::Bye).run_to(700);
    let bye = bench.last_request();
    bench.bob(&Script::answer(&bye, 200, "")).bob(&Script::answer(&bye, 200, "")).expect([
        "0 B< BYE 2 sip:bob@127.0.0.20:5060",
        "500 B< BYE 2 sip:bob@127.0.0.20:5060",
        "700 response c1 d0 200",
    ]);
    bench.counts(0, 2, 0).ends();
}

#[test]
fn nobody_answers_our_bye() {
    let mut bench = bob_talks();
    bench.run_to(40_000).in_dialog(0, Method::Bye).run_to(72_000);
    assert_eq!(bench.sent.len(), 2 + 11);
    bench.counts(0, 0, 0);
}

#[test]
fn bye_crosses_bye() {
    let mut bench = bob_talks();
    let says = bob_says(&bench);
    bench.in_dialog(0, Method::Bye);
    let ours = bench.last_request();
    bench.bob(&says("BYE", 1)).bob(&says("BYE", 1)).bob(&says("INFO", 2)).bob(&Script::answer(&ours, 481, "")).expect(
        [
            "0 B< BYE 2 sip:bob@127.0.0.20:5060",
            "0 B< 200 1 BYE",
            "0 B< 200 1 BYE",
            "0 B< 481 2 INFO",
            "0 response c1 d0 481",
        ],
    );
    bench.ends();
}

#[test]
fn our_bye_waits_for_the_ack() {
    let (mut bench, tag) = alice_is_answered();
    // Alice may not have seen our 200: to her a BYE would name a dialog she does not know (§15).
    bench.run_to(100).in_dialog(0, Method::Bye).run_to(600).expect(["500 A< 200 1 INVITE"]).counts(1, 0, 1);
    bench.alice(&ack_of_alice(&tag)).expect(["600 A< BYE 8985 sip:alice@127.0.0.10:5060"]);
    let bye = bench.last_request();
    bench.alice(&Script::answer(&bye, 200, "")).expect(["600 response c0 d0 200"]).ends();
}

#[test]
fn our_bye_waits_no_longer_than_for_the_ack() {
    let (mut bench, _) = alice_is_answered();
    bench.in_dialog(0, Method::Bye).run_to(31_999).counts(1, 0, 1).run_to(32_000);
    let bye = bench.last_request();
    assert_eq!(bye.method(), &Method::Bye);
    bench.alice(&Script::answer(&bye, 481, "")).run_to(32_001);
    assert_eq!(bench.sent.len(), 3 + 10 + 1);
    bench.counts(0, 1, 0);
}

#[test]
fn a_bye_of_theirs_sets_ours_free() {
    let (mut bench, tag) = alice_is_answered();
    bench
        .in_dialog(0, Method::Bye)
        .alice(&Script::request("BYE").cseq(2).tagged(&tag))
        .expect(["0 A< 200 2 BYE", "0 A< BYE 8985 sip:alice@127.0.0.10:5060"]);
    let bye = bench.last_request();
    bench.alice(&Script::answer(&bye, 481, "")).expect(["0 response c0 d0 481"]).ends();
}

#[test]
fn our_bye_refuses_what_still_waits() {
    let (mut bench, tag) = alice_talks();
    bench.alice(&Script::request("INVITE").cseq(2).tagged(&tag)).in_dialog(0, Method::Bye).expect([
        "0 A< 100 2 INVITE",
        "0 within d0 s1 INVITE",
        "0 A< BYE 8985 sip:alice@127.0.0.10:5060",
        "0 A< 487 2 INVITE",
    ]);
    let bye = super::script::request_of(&bench.sent[4].bytes);
    bench.alice(&Script::request("ACK").cseq(2).branch("z9hG4bKINVITE2").tagged(&tag));
    bench.alice(&Script::answer(&bye, 200, "")).expect(["0 response c0 d0 200"]).ends();
}

#[test]
fn an_invite_that_nobody_answers() {
    let mut bench = bob_is_called();
    bench.run_to(32_000);
    let mut expected: Vec<_> =
        [500, 1_500, 3_500, 7_500, 15_500, 31_500].map(|at| format!("{at} B< INVITE 1 sip:bob@127.0.0.20:5060")).into();
    expected.push("32000 failed c0 Timeout".into());
    bench.expect(expected.iter().map(String::as_str)).ends();
}

#[test]
fn a_refused_invite_is_acknowledged_each_time_and_leaves_nothing() {
    let mut bench = bob_rings();
    let invite = bench.last_request();
    let busy = Script::answer(&invite, 486, "bob");
    bench.bob(&busy).run_to(500).bob(&busy).expect([
        "0 B< ACK 1 sip:bob@127.0.0.20:5060",
        "0 response c0 486",
        "500 B< ACK 1 sip:bob@127.0.0.20:5060",
    ]);
    bench.shows(&["To", "CSeq"], ["To: <sip:bob@pbx.example>;tag=bob", "CSeq: 1 ACK"]);
    assert_eq!(bench.last_request().via(), invite.via());
    bench.counts(0, 1, 0).ends();
}

#[test]
fn a_reinvite_without_a_final_answer_is_given_up() {
    let mut bench = bob_talks();
    bench.in_dialog(0, Method::Invite);
    let again = bench.last_request();
    bench.bob(&Script::answer(&again, 100, "")).run_to(179_999).expect(["0 B< INVITE 2 sip:bob@127.0.0.20:5060"]);
    bench.run_to(180_000).expect(["180000 failed c1 d0 Timeout"]).counts(0, 0, 1);
    bench.in_dialog(0, Method::Bye).expect(["180000 B< BYE 3 sip:bob@127.0.0.20:5060"]);
}

#[test]
fn a_dialog_can_be_forgotten_at_any_moment() {
    let (mut bench, tag) = alice_is_answered();
    bench.forget(0).forget(0).alice(&ack_of_alice(&tag)).expect([]).ends();
    let (mut bench, tag) = alice_rings();
    bench.forget(0).respond(0, 200).alice(&ack_of_alice(&tag)).expect(["0 A< 200 1 INVITE"]).ends();
    let mut bench = bob_rings();
    let invite = bench.last_request();
    bench.forget(0).bob(&Script::answer(&invite, 200, "bob")).expect(["0 response c0 200"]).ends();
}

#[test]
fn a_transport_error_fails_what_is_on_its_way_there() {
    let mut bench = bob_is_called();
    bench.transport_error(super::bench::ALICE).expect([]);
    bench.transport_error(super::bench::BOB).expect(["0 failed c0 Transport"]).ends();

    let mut bench = bob_talks();
    bench
        .in_dialog(0, Method::Info)
        .transport_error(super::bench::BOB)
        .expect(["0 B< INFO 2 sip:bob@127.0.0.20:5060", "0 failed c1 d0 Transport"]);
    bench
        .counts(0, 1, 1)
        .in_dialog(0, Method::Bye)
        .transport_error(super::bench::BOB)
        .expect(["0 B< BYE 3 sip:bob@127.0.0.20:5060", "0 failed c2 d0 Transport"]);
    bench.ends();
}

#[test]
fn a_transport_error_after_the_answer_is_no_news() {
    let mut bench = bob_rings();
    let invite = bench.last_request();
    bench
        .bob(&Script::answer(&invite, 486, "bob"))
        .transport_error(super::bench::BOB)
        .expect(["0 B< ACK 1 sip:bob@127.0.0.20:5060", "0 response c0 486"]);
    bench.ends();
    let mut bench = bob_talks();
    bench.in_dialog(0, Method::Invite);
    let again = bench.last_request();
    bench.bob(&Script::answer(&again, 488, "")).transport_error(super::bench::BOB).expect([
        "0 B< INVITE 2 sip:bob@127.0.0.20:5060",
        "0 B< ACK 2 sip:bob@127.0.0.20:5060",
        "0 response c1 d0 488",
    ]);
}

#[test]
fn a_bye_that_overtakes_the_200_leaves_the_invite_with_an_end() {
    let mut bench = bob_rings();
    let invite = super::script::request_of(&bench.sent[0].bytes);
    let says = bob_says(&bench);
    let ok = Script::answer(&invite, 200, "bob");
    bench.bob(&says("BYE", 1)).respond(0, 200).bob(&ok).bob(&ok).expect([
        "0 within d0 s0 BYE",
        "0 B< 200 1 BYE",
        "0 response c0 200",
    ]);
    bench.ends();
}
