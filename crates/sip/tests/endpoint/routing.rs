//! Where answers go (RFC 3261 §18.2, RFC 3581), and what comes from elsewhere.

use sip::Method;

use super::bench::{ALICE, Bench, Door, debug};
use super::flows::{alice_talks, bob_is_called, bob_rings, bob_says, bob_talks};
use super::script::Script;

const ELSEWHERE: &str = "127.0.0.66:4000";

/// A 481 to a request with this Via from this address: where it goes and what its Via says.
#[track_caller]
fn answered(via: &str, from: &str, to: &str, expected: &str) {
    let mut bench = Bench::new();
    let options =
        Script::request("OPTIONS").tagged("nobody").set("Via", via).and("Via", "SIP/2.0/UDP far.example;branch=1");
    bench.from(from, &options).expect([format!("0 {to}< 481 1 OPTIONS").as_str()]);
    bench.shows(&["Via"], [format!("Via: {expected}").as_str(), "Via: SIP/2.0/UDP far.example;branch=1"]);
}

#[test]
fn answers_go_to_the_source_address_and_to_the_port_of_the_via_or_of_the_source() {
    const B: &str = ";branch=z9hG4bK1";
    let udp = |rest: &str| format!("SIP/2.0/UDP {rest}");
    // Without rport: the port of the Via, 5060 when it has none (§18.2.2).
    answered(
        &udp(&format!("127.0.0.10:5070{B}")),
        "127.0.0.10:9",
        "127.0.0.10:5070",
        &udp(&format!("127.0.0.10:5070{B}")),
    );
    answered(&udp(&format!("127.0.0.10{B}")), "127.0.0.10:9", "A", &udp(&format!("127.0.0.10{B}")));
    // Another address, or a name, in the Via: `received` (§18.2.1).
    answered(&udp(&format!("10.0.0.1:5060{B}")), ALICE, "A", &udp(&format!("10.0.0.1:5060{B};received=127.0.0.10")));
    answered(&udp(&format!("phone.example{B}")), ALICE, "A", &udp(&format!("phone.example{B};received=127.0.0.10")));
    // With rport: to the port it came from, and both parameters filled in (RFC 3581 §4).
    let nat = "127.0.0.10:41000";
    answered(
        &udp(&format!("10.0.0.1:5060;rport{B}")),
        nat,
        nat,
        &udp(&format!("10.0.0.1:5060;rport=41000{B};received=127.0.0.10")),
    );
    answered(
        &udp(&format!("127.0.0.10:5060;rport{B}")),
        nat,
        nat,
        &udp(&format!("127.0.0.10:5060;rport=41000{B};received=127.0.0.10")),
    );
    // What the peer itself claims there counts for nothing, nor does maddr.
    answered(
        &udp(&format!("10.0.0.1;received=192.0.2.66;rport=66{B}")),
        nat,
        nat,
        &udp(&format!("10.0.0.1;received=127.0.0.10;rport=41000{B}")),
    );
    answered(
        &udp(&format!("127.0.0.10;maddr=192.0.2.66{B}")),
        ALICE,
        "A",
        &udp(&format!("127.0.0.10;maddr=192.0.2.66{B}")),
    );
    answered(&udp(&format!("[::1]:5070{B}")), "[::1]:9", "[::1]:5070", &udp(&format!("[::1]:5070{B}")));
    answered(&udp(&format!("[::1];rport{B}")), "[::1]:9", "[::1]:9", &udp(&format!("[::1];rport=9{B};received=::1")));
}

#[test]
fn all_answers_of_a_transaction_go_the_same_way() {
    let mut bench = Bench::new();
    let nat = "127.0.0.10:41000";
    let invite = Script::request("INVITE").set("Via", "SIP/2.0/UDP 10.0.0.1;rport;branch=z9hG4bK1");
    bench.from(nat, &invite).respond(0, 180).from(ELSEWHERE, &invite).respond(0, 200).run_to(500).expect([
        "0 127.0.0.10:41000< 100 1 INVITE",
        "0 invite s0 d0 as guest",
        "0 127.0.0.10:41000< 180 1 INVITE",
        // A copy from elsewhere moves nothing.
        "0 127.0.0.10:41000< 180 1 INVITE",
        "0 127.0.0.10:41000< 200 1 INVITE",
        "500 127.0.0.10:41000< 200 1 INVITE",
    ]);
    bench.in_dialog(0, Method::Info).forget(0).expect(["500 127.0.0.10:41000< INFO 8985 sip:alice@127.0.0.10:5060"]);
}

#[test]
fn a_request_in_a_dialog_from_another_flow_asks_the_gate_and_the_flow_follows() {
    let (mut bench, tag) = alice_talks();
    let within = |method: &str, cseq| {
        Script::request(method).cseq(cseq).tagged(&tag).set("Via", &format!("SIP/2.0/UDP x;rport;branch=z9hG4bK{cseq}"))
    };
    let flow = |bench: &Bench| bench.dialog(0).map(|dialog| dialog.flow().remote.to_string());
    bench.from(ELSEWHERE, &within("INFO", 2)).expect(["0 gate INFO", "0 within d0 s1 INFO"]);
    assert_eq!(flow(&bench), Some(ELSEWHERE.into()));
    bench
        .in_dialog(0, Method::Info)
        .from(ELSEWHERE, &within("INFO", 3))
        .expect(["0 127.0.0.66:4000< INFO 8985 sip:alice@127.0.0.10:5060", "0 within d0 s2 INFO"]);
    // A refused one moves nothing and takes no number; so does one that is dropped.
    for (door, answers) in [(Door::Challenge, vec!["0 gate BYE", "0 A< 401 9 BYE"]), (Door::Silent, vec!["0 gate BYE"])]
    {
        bench.door = door;
        bench.alice(&within("BYE", 9)).expect(answers);
        assert_eq!(flow(&bench), Some(ELSEWHERE.into()));
    }
    bench.from(ELSEWHERE, &within("INFO", 4)).expect(["0 within d0 s3 INFO"]);
    // One that passes but comes out of order moves nothing either.
    bench.door = Door::Open;
    bench.alice(&within("INFO", 1)).expect(["0 gate INFO", "0 A< 500 1 INFO"]);
    assert_eq!(flow(&bench), Some(ELSEWHERE.into()));
}

#[test]
fn the_same_for_a_dialog_of_ours() {
    let mut bench = bob_talks();
    let says = bob_says(&bench);
    bench.door = Door::Challenge;
    bench.from("127.0.0.20:4000", &says("BYE", 1)).expect(["0 gate BYE", "0 B< 401 1 BYE"]).counts(0, 1, 1);
    bench.bob(&says("BYE", 1)).expect(["0 within d0 s0 BYE"]);
}

#[test]
fn an_answer_from_a_stranger_is_nobodys() {
    let mut bench = bob_is_called();
    let invite = bench.last_request();
    for code in [100, 180, 200, 486] {
        bench.from(ELSEWHERE, &Script::answer(&invite, code, "evil"));
    }
    bench.expect([]).counts(0, 1, 0);
    // From another port of Bob's it is his: phones send from where they like.
    bench.from("127.0.0.20:40000", &Script::answer(&invite, 180, "bob")).expect(["0 response c0 d0 180"]);
}

#[test]
fn an_answer_that_fits_nothing_is_dropped() {
    let mut bench = bob_rings();
    let invite = bench.last_request();
    let ok = || Script::answer(&invite, 200, "evil");
    let branch = invite.via().expect("a Via").branch().expect("a branch");
    let branch = String::from_utf8(branch.to_vec()).expect("text");
    let via = |branch: &str| format!("SIP/2.0/UDP 127.0.0.1:5060;branch={branch}");
    bench.bob(&ok().set("CSeq", "2 INVITE")).bob(&ok().set("CSeq", "1 BYE")).bob(&ok().set("CSeq", "1 CANCEL"));
    bench.bob(&ok().and("Via", "SIP/2.0/UDP other.example;branch=z9hG4bK1")).bob(&ok().without("Via"));
    bench.bob(&ok().without("To")).bob(&ok().without("Call-ID"));
    for wrong in [
        "",
        "z9hG4bK",
        "z9hG4bK00",
        "z9hG4bK00+000000000000001",
        &branch[..branch.len() - 1],
        "z9hG4bK00zzzzzzzzzzzzzzzz",
    ] {
        bench.bob(&ok().set("Via", &via(wrong)));
    }
    bench.expect([]).counts(0, 1, 1).bob(&ok().set("Via", &via(&branch))).expect(["0 response c0 d1 200"]);
}

#[test]
fn names_of_ours_carry_the_shard_and_are_all_different() {
    let config = sip::EndpointConfig { shard: 0xab, ..super::bench::config() };
    let mut bench = Bench::with(config);
    bench.invite(super::bench::to_bob(Method::Invite)).invite(super::bench::to_bob(Method::Invite));
    let names = |index: usize| {
        let invite = super::script::request_of(&bench.sent[index].bytes);
        let branch = invite.via().ok().and_then(|via| via.branch());
        [branch, invite.from().ok().and_then(|from| from.tag()), invite.call_id().ok()].map(debug)
    };
    let (one, two) = (names(0), names(1));
    for ((one, two), prefix) in one.iter().zip(&two).zip(["Some(b\"z9hG4bKab", "Some(b\"ab", "Some(b\"ab"]) {
        assert!(one.starts_with(prefix) && two.starts_with(prefix) && one != two, "{one} {two}");
    }
}

#[test]
fn an_advertised_address_stands_only_on_flows_of_its_family() {
    let advertised = sip::Advertised::everywhere("203.0.113.9".parse().ok());
    let mut bench = Bench::with(sip::EndpointConfig { advertised, ..super::bench::config() });
    let mut outgoing = super::bench::to_bob(Method::Invite);
    outgoing.flow.local = "[::1]:5060".parse().expect("an address");
    outgoing.flow.remote = "[::1]:5070".parse().expect("an address");
    bench.invite(outgoing).shows(&["Contact"], ["Contact: <sip:[::1]:5060>"]);
    assert_eq!(bench.last_request().via().map(|via| via.host.to_string()), Ok("[::1]".into()));
}

#[test]
fn port_zero_is_no_port() {
    answered("SIP/2.0/UDP 127.0.0.10:0;branch=z9hG4bK1", ALICE, "A", "SIP/2.0/UDP 127.0.0.10:0;branch=z9hG4bK1");
}
