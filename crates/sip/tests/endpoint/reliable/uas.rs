//! RFC 3262 §3: our provisional answers, and the PRACKs of the caller.

use sip::{Method, Name, Reply};

use crate::endpoint::bench::Bench;
use crate::endpoint::flows::ack_of_alice;
use crate::endpoint::script::{Script, response_of};

fn invite(header: &str) -> Script {
    Script::request("INVITE").and(header, "timer, 100rel").described()
}

/// Alice knows 100rel and has been told of a session: server s0, dialog d0, our tag, and the RSeq.
fn alice_hears() -> (Bench, String, u32) {
    let mut bench = Bench::new();
    bench.alice(&Script::request("INVITE").and("Supported", "timer, 100REL").described()).describe(0, 183);
    bench.expect(["0 A< 100 1 INVITE", "0 invite s0 d0 as guest", "0 A< 183 1 INVITE"]);
    let tag = bench.tag();
    let rseq = rseq(&bench).expect("a reliable answer");
    (bench, tag, rseq)
}

/// The RSeq of the latest message that left, which then requires 100rel.
fn rseq(bench: &Bench) -> Option<u32> {
    let response = response_of(&bench.sent.last().expect("something left").bytes);
    let rseq = response.headers().typed::<sip::header::RSeq>().and_then(Result::ok).map(|rseq| rseq.0);
    assert_eq!(response.headers().get(&Name::Require).as_deref(), rseq.map(|_| &b"100rel"[..]));
    rseq
}

fn within(tag: &str, method: &str, cseq: u32) -> Script {
    Script::request(method).cseq(cseq).tagged(tag)
}

fn prack(tag: &str, cseq: u32, rseq: u32) -> Script {
    within(tag, "PRACK", cseq).set("RAck", &format!("{rseq} 1 INVITE"))
}

#[test]
fn what_goes_out_reliably() {
    // A body and a caller who knows; anything but 100 for a caller who insists; nothing for one who knows nothing.
    for (header, described, reliable) in [
        ("Supported", true, true),
        ("Supported", false, false),
        ("Require", true, true),
        ("Require", false, true),
        ("X-None", true, false),
    ] {
        let mut bench = Bench::new();
        bench.alice(&invite(header).set("Require", if header == "Require" { "100rel" } else { "path" }));
        assert_eq!(rseq_of_first(&bench), None, "100 is never reliable");
        if described {
            bench.describe(0, 183)
        } else {
            bench.respond(0, 180)
        };
        assert_eq!(rseq(&bench).is_some(), reliable, "{header} {described}");
    }
}

fn rseq_of_first(bench: &Bench) -> Option<u32> {
    let response = response_of(&bench.sent.first().expect("a 100").bytes);
    response.headers().typed::<sip::header::RSeq>().and_then(Result::ok).map(|rseq| rseq.0)
}

#[test]
fn it_says_where_we_are_and_what_we_can_do_and_its_number_is_a_small_one() {
    let (mut bench, _, rseq) = alice_hears();
    assert!((1..1 << 31).contains(&rseq));
    bench.shows(
        &["Contact", "Allow", "Require"],
        ["Contact: <sip:127.0.0.1:5060>", "Require: 100rel", &format!("Allow: {}", sip::ALLOW)],
    );
}

#[test]
fn it_is_repeated_until_its_prack_which_is_answered_here() {
    let (mut bench, tag, rseq) = alice_hears();
    let prack = prack(&tag, 2, rseq);
    bench.run_to(2_000).alice(&prack).alice(&prack).run_to(10_000).expect([
        "500 A< 183 1 INVITE",
        "1500 A< 183 1 INVITE",
        "2000 A< 200 2 PRACK",
        "2000 A< 200 2 PRACK",
    ]);
    bench.respond(0, 200).alice(&ack_of_alice(&tag)).expect(["10000 A< 200 1 INVITE", "10000 acked d0"]);
}

#[test]
fn an_invite_that_comes_again_gets_it_again() {
    let (mut bench, ..) = alice_hears();
    bench.run_to(100).alice(&invite("Supported").set("Supported", "timer, 100REL")).expect(["100 A< 183 1 INVITE"]);
}

#[test]
fn it_goes_on_over_a_stream_too() {
    // The transport carries it to the next hop; only a PRACK says that it reached the caller.
    let mut bench = Bench::new();
    bench.transport = sip::Transport::Tcp;
    bench.alice(&invite("Supported")).describe(0, 183).run_to(700).expect([
        "0 A< 100 1 INVITE",
        "0 invite s0 d0 as guest",
        "0 A< 183 1 INVITE",
        "500 A< 183 1 INVITE",
    ]);
}

#[test]
fn without_a_prack_the_invite_is_refused_after_64_t1() {
    let (mut bench, tag, rseq) = alice_hears();
    bench.run_to(31_999).expect([500, 1_500, 3_500, 7_500, 15_500, 31_500].map(line_183).iter().map(String::as_str));
    bench.run_to(32_000).expect(["32000 A< 504 1 INVITE", "32000 no prack s0 d0"]).counts(1, 0, 0);
    bench
        .alice(&prack(&tag, 2, rseq))
        .respond(0, 200)
        .expect(["32000 A< 481 2 PRACK", "32000 misuse: an answer to a request that waits for none"]);
    bench.alice(&ack_of_alice(&tag).branch("z9hG4bKINVITE1")).ends();
}

fn line_183(at: u32) -> String {
    format!("{at} A< 183 1 INVITE")
}

#[test]
fn a_prack_that_matches_nothing_is_481_and_one_that_cannot_be_read_400() {
    let (mut bench, tag, rseq) = alice_hears();
    bench.alice(&prack(&tag, 2, rseq + 1));
    bench.alice(&within(&tag, "PRACK", 3).set("RAck", &format!("{rseq} 2 INVITE")));
    bench.alice(&within(&tag, "PRACK", 4).set("RAck", &format!("{rseq} 1 UPDATE")));
    bench.alice(&within(&tag, "PRACK", 5).set("RAck", "x 1 INVITE")).alice(&within(&tag, "PRACK", 6));
    bench.alice(&prack(&tag, 7, rseq)).alice(&prack(&tag, 8, rseq)).alice(&prack("nobody", 9, rseq)).expect([
        "0 A< 481 2 PRACK",
        "0 A< 481 3 PRACK",
        "0 A< 481 4 PRACK",
        "0 A< 400 5 PRACK",
        "0 A< 400 6 PRACK",
        "0 A< 200 7 PRACK",
        "0 A< 481 8 PRACK",
        "0 A< 481 9 PRACK",
    ]);
}

#[test]
fn a_prack_that_another_request_has_overtaken_is_still_good() {
    let (mut bench, tag, rseq) = alice_hears();
    bench.alice(&within(&tag, "INFO", 3)).alice(&prack(&tag, 2, rseq)).alice(&prack(&tag, 2, rseq)).expect([
        "0 within d0 s1 INFO",
        "0 A< 200 2 PRACK",
        "0 A< 200 2 PRACK",
    ]);
}

#[test]
fn one_is_on_its_way_at_a_time_and_their_numbers_rise_by_one() {
    let (mut bench, tag, rseq) = alice_hears();
    bench.describe(0, 183).describe(0, 182).respond(0, 180).expect(["0 A< 180 1 INVITE"]);
    bench.run_to(100).alice(&prack(&tag, 2, rseq)).expect(["100 A< 200 2 PRACK", "100 A< 183 1 INVITE"]);
    assert_eq!(self::rseq(&bench), Some(rseq + 1));
    bench.alice(&prack(&tag, 3, rseq + 1)).expect(["100 A< 200 3 PRACK", "100 A< 182 1 INVITE"]);
    assert_eq!(self::rseq(&bench), Some(rseq + 2));
    bench.run_to(600).expect(["600 A< 182 1 INVITE"]);
}

#[test]
fn no_more_than_eight_wait() {
    let (mut bench, ..) = alice_hears();
    for _ in 0..9 {
        bench.describe(0, 183);
    }
    bench.expect(["0 misuse: too many answers wait for their PRACK"]);
}

#[test]
fn a_200_waits_until_what_was_said_of_the_session_has_arrived() {
    let (mut bench, tag, rseq) = alice_hears();
    bench.describe(0, 200).run_to(600).expect(["500 A< 183 1 INVITE"]);
    bench.describe(0, 200).describe(0, 183).expect(["600 misuse: an answer to a request that waits for none"; 2]);
    bench.alice(&prack(&tag, 2, rseq)).expect(["600 A< 200 2 PRACK", "600 A< 200 1 INVITE"]);
    bench.alice(&ack_of_alice(&tag)).run_to(60_000).expect(["600 acked d0"]).counts(0, 0, 1);
}

#[test]
fn a_200_does_not_wait_for_what_said_nothing_of_the_session() {
    let mut bench = Bench::new();
    bench.alice(&Script::request("INVITE").and("Require", "100rel").described()).respond(0, 180);
    let (tag, rseq) = (bench.tag(), rseq(&bench).expect("a reliable answer"));
    // What waits behind it is not sent any more; the PRACK for what was sent is still good.
    bench.respond(0, 182).describe(0, 200).alice(&prack(&tag, 2, rseq)).expect([
        "0 A< 100 1 INVITE",
        "0 invite s0 d0 as guest",
        "0 A< 180 1 INVITE",
        "0 A< 200 1 INVITE",
        "0 A< 200 2 PRACK",
    ]);
    bench.alice(&ack_of_alice(&tag)).run_to(60_000).expect(["0 acked d0"]).counts(0, 0, 1);
}

#[test]
fn cancel_while_a_200_waits() {
    let (mut bench, tag, rseq) = alice_hears();
    bench.describe(0, 200).alice(&Script::request("CANCEL").branch("z9hG4bKINVITE1")).expect([
        "0 A< 200 1 CANCEL",
        "0 A< 487 1 INVITE",
        "0 cancelled s0 d0",
    ]);
    bench.alice(&prack(&tag, 2, rseq)).expect(["0 A< 481 2 PRACK"]);
    bench.alice(&ack_of_alice(&tag).branch("z9hG4bKINVITE1")).ends();
}

#[test]
fn bye_of_the_caller_while_a_200_waits() {
    let (mut bench, tag, _) = alice_hears();
    bench.describe(0, 200).alice(&within(&tag, "BYE", 2)).respond(1, 200).expect([
        "0 within d0 s1 BYE",
        "0 A< 200 2 BYE",
        "0 A< 487 1 INVITE",
    ]);
    bench.alice(&ack_of_alice(&tag).branch("z9hG4bKINVITE1")).ends();
}

#[test]
fn a_bye_of_ours_while_a_200_waits_refuses_the_invite() {
    let (mut bench, tag, _) = alice_hears();
    bench.describe(0, 200).in_dialog(0, Method::Bye).expect(["0 A< 480 1 INVITE", "0 failed c0 d0 Transport"]);
    bench.alice(&ack_of_alice(&tag).branch("z9hG4bKINVITE1")).ends();
}

#[test]
fn a_refusal_takes_the_place_of_a_200_that_waits() {
    let (mut bench, tag, _) = alice_hears();
    bench.describe(0, 200).respond(0, 486).expect(["0 A< 486 1 INVITE"]).counts(1, 0, 0);
    bench.alice(&ack_of_alice(&tag).branch("z9hG4bKINVITE1")).ends();
}

#[test]
fn a_dialog_that_is_forgotten_while_a_200_waits_ends_with_a_refusal() {
    let (mut bench, tag, _) = alice_hears();
    bench.describe(0, 200).forget(0).run_to(500).expect(["500 A< 480 1 INVITE"]).counts(1, 0, 0);
    bench.alice(&ack_of_alice(&tag).branch("z9hG4bKINVITE1")).ends();
    let (mut bench, tag, rseq) = alice_hears();
    bench.describe(0, 200).forget(0).alice(&prack(&tag, 2, rseq)).expect(["0 A< 200 2 PRACK", "0 A< 480 1 INVITE"]);
    bench.alice(&ack_of_alice(&tag).branch("z9hG4bKINVITE1")).ends();
}

#[test]
fn a_prack_with_an_offer_is_the_users_to_answer_and_the_200_waits_for_that_too() {
    let (mut bench, tag, rseq) = alice_hears();
    bench.describe(0, 200).alice(&prack(&tag, 2, rseq).described()).run_to(5_000).expect(["0 within d0 s1 PRACK"]);
    bench.describe(1, 200).expect(["5000 A< 200 2 PRACK", "5000 A< 200 1 INVITE"]);
}

#[test]
fn our_offer_is_answered_in_the_prack() {
    let mut bench = Bench::new();
    bench.alice(&Script::request("INVITE").and("Supported", "100rel")).describe(0, 183);
    let (tag, rseq) = (bench.tag(), rseq(&bench).expect("a reliable answer"));
    bench.expect(["0 A< 100 1 INVITE", "0 invite s0 d0 as guest", "0 A< 183 1 INVITE"]);
    // Until then nobody else may offer anything.
    bench.alice(&within(&tag, "UPDATE", 2).described()).expect(["0 A< 491 2 UPDATE"]);
    bench.alice(&prack(&tag, 3, rseq).described()).respond(1, 200).alice(&within(&tag, "UPDATE", 4).described());
    bench.expect(["0 within d0 s1 PRACK", "0 A< 200 3 PRACK", "0 within d0 s2 UPDATE"]);
}

#[test]
fn inside_a_dialog_it_leaves_the_dialog_when_it_fails() {
    let (mut bench, tag) = crate::endpoint::flows::alice_talks();
    bench.alice(&within(&tag, "INVITE", 2).and("Supported", "100rel").described()).describe(1, 183).run_to(40_000);
    bench.alice(&ack_of_alice(&tag).cseq(2).branch("z9hG4bKINVITE2")).in_dialog(0, Method::Info);
    let log: Vec<&str> = vec!["0 A< 100 2 INVITE", "0 within d0 s1 INVITE", "0 A< 183 2 INVITE"];
    let repeated = [500, 1_500, 3_500, 7_500, 15_500, 31_500].map(|at| format!("{at} A< 183 2 INVITE"));
    let refused = ["32000 A< 504 2 INVITE", "32000 no prack s1 d0"];
    let again = [32_500, 33_500, 35_500, 39_500].map(|at| format!("{at} A< 504 2 INVITE"));
    let last = ["40000 A< INFO 8985 sip:alice@127.0.0.10:5060"];
    let lines = log.into_iter().chain(repeated.iter().map(String::as_str)).chain(refused);
    bench.expect(lines.chain(again.iter().map(String::as_str)).chain(last));
}

#[test]
fn a_reply_with_headers_of_its_own_keeps_them() {
    let mut bench = Bench::new();
    bench.alice(&invite("Supported"));
    let reply = Reply::new(183).header(Name::Allow, "BYE").body("application/sdp", "v=0\r\n".into());
    bench.reply(0, reply).shows(&["Allow", "Require"], ["Allow: BYE", "Require: 100rel"]);
}
