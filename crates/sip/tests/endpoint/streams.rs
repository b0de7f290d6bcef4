//! Connections: what ends with one, what goes on over another, and which answers count (RFC 3261 §18; RFC 5626 §4; RFC 7118 §5).

use sip::{Method, OutgoingRequest, Transport};

use super::bench::{ALICE, BOB, Bench, offer_to_bob, to_bob};
use super::flows::ack_of_alice;
use super::script::Script;

const ELSEWHERE: &str = "127.0.0.20:41000";
const OTHER: &str = "127.0.0.66:5060";

fn speaking(transport: Transport) -> Bench {
    let mut bench = Bench::new();
    bench.transport = transport;
    bench
}

fn over(transport: Transport, outgoing: OutgoingRequest) -> OutgoingRequest {
    OutgoingRequest { flow: sip::Flow { transport, ..outgoing.flow }, ..outgoing }
}

/// Bob has been called over a connection, and has said 180 if he `rings`.
fn called(transport: Transport, rings: bool) -> Bench {
    let mut bench = speaking(transport);
    bench.invite(over(transport, to_bob(Method::Invite))).expect(["0 B< INVITE 1 sip:bob@127.0.0.20:5060"]);
    if rings {
        let invite = bench.last_request();
        bench.bob(&Script::answer(&invite, 180, "bob")).expect(["0 response c0 d0 180"]);
    }
    bench
}

#[test]
fn what_has_not_been_answered_fails_with_the_connection() {
    for transport in Transport::ALL {
        let mut bench = called(transport, false);
        bench.request(over(transport, to_bob(Method::Options))).transport_error(BOB).transport_error(BOB).expect([
            "0 B< OPTIONS 1 sip:bob@127.0.0.20:5060",
            "0 failed c0 Transport",
            "0 failed c1 Transport",
        ]);
        bench.ends();
    }
}

#[test]
fn a_phone_that_rings_goes_on_ringing_unless_nothing_can_come_from_it_any_more() {
    for transport in Transport::ALL {
        let mut bench = called(transport, true);
        bench.transport_error(BOB);
        if matches!(transport, Transport::Ws | Transport::Wss) {
            bench.expect(["0 failed c0 Transport"]).ends();
        } else {
            let invite = bench.last_request();
            bench.expect([]).bob(&Script::answer(&invite, 200, "bob")).expect(["0 response c0 d0 200"]);
        }
    }
}

#[test]
fn what_has_its_answer_hears_nothing_of_the_flow() {
    for transport in Transport::ALL {
        let mut bench = called(transport, true);
        let invite = bench.last_request();
        bench.bob(&Script::answer(&invite, 200, "bob")).ack(0).request(over(transport, to_bob(Method::Options)));
        let options = bench.last_request();
        bench.bob(&Script::answer(&options, 200, "")).transport_error(BOB).expect([
            "0 response c0 d0 200",
            "0 B< ACK 1 sip:bob@127.0.0.20:5060",
            "0 B< OPTIONS 1 sip:bob@127.0.0.20:5060",
            "0 response c1 200",
        ]);
    }
}

#[test]
fn a_request_in_a_dialog_whose_connection_is_gone_fails_at_once_and_a_bye_ends_the_dialog_all_the_same() {
    let mut bench = called(Transport::Wss, true);
    let invite = bench.last_request();
    bench.bob(&Script::answer(&invite, 200, "bob")).ack(0).transport_error(BOB);
    bench.in_dialog(0, Method::Info).transport_error(BOB).in_dialog(0, Method::Bye).transport_error(BOB).expect([
        "0 response c0 d0 200",
        "0 B< ACK 1 sip:bob@127.0.0.20:5060",
        "0 B< INFO 2 sip:bob@127.0.0.20:5060",
        "0 failed c1 d0 Transport",
        "0 B< BYE 3 sip:bob@127.0.0.20:5060",
        "0 failed c2 d0 Transport",
    ]);
    bench.ends();
}

#[test]
fn an_answer_comes_from_where_the_request_went() {
    // Over UDP from another port; over TCP and TLS by another connection too; over a WebSocket by no other.
    for (transport, by_another) in [
        (Transport::Udp, true),
        (Transport::Tcp, true),
        (Transport::Tls, true),
        (Transport::Ws, false),
        (Transport::Wss, false),
    ] {
        let mut bench = called(transport, false);
        let invite = bench.last_request();
        let ringing = Script::answer(&invite, 180, "bob");
        bench.from(OTHER, &ringing).expect([]).from(ELSEWHERE, &ringing);
        bench.expect(by_another.then_some("0 response c0 d0 180")).bob(&ringing).expect(["0 response c0 d0 180"]);
    }
    let mut bench = called(Transport::Tls, false);
    let invite = bench.last_request();
    bench.transport = Transport::Tcp;
    bench.bob(&Script::answer(&invite, 180, "bob")).expect([]);
}

#[test]
fn the_dialogs_of_a_phone_that_has_come_back_go_on_there() {
    let mut bench = speaking(Transport::Tcp);
    bench.alice(&Script::request("INVITE")).respond(0, 200);
    let tag = bench.tag();
    bench.moves(ALICE, OTHER, 1).moves(ALICE, OTHER, 0).run_to(500).from(OTHER, &ack_of_alice(&tag));
    bench.in_dialog(0, Method::Info).expect([
        "0 A< 100 1 INVITE",
        "0 invite s0 d0 as guest",
        "0 A< 200 1 INVITE",
        "500 127.0.0.66:5060< 200 1 INVITE",
        "500 acked d0",
        "500 127.0.0.66:5060< INFO 8985 sip:alice@127.0.0.10:5060",
    ]);
    // It is known there without being asked who it is, and where it was it is asked.
    let within = |method: &str, cseq| Script::request(method).cseq(cseq).tagged(&tag);
    bench.from(OTHER, &within("INFO", 2)).alice(&within("INFO", 3)).expect([
        "500 within d0 s1 INFO",
        "500 gate INFO",
        "500 within d0 s2 INFO",
    ]);
    bench.moves(OTHER, BOB, 0).moves(ALICE, BOB, 1);
}

#[test]
fn a_phone_that_waits_for_an_answer_gets_it_where_it_has_come_back() {
    let mut bench = speaking(Transport::Tcp);
    bench.alice(&Script::request("INVITE").and("Supported", "100rel").described()).describe(0, 183);
    bench.moves(ALICE, OTHER, 1).run_to(500).respond(0, 486).expect([
        "0 A< 100 1 INVITE",
        "0 invite s0 d0 as guest",
        "0 A< 183 1 INVITE",
        "500 127.0.0.66:5060< 183 1 INVITE",
        "500 127.0.0.66:5060< 486 1 INVITE",
    ]);
}

#[test]
fn only_the_dialogs_of_that_flow_move() {
    let mut bench = speaking(Transport::Tls);
    bench.alice(&Script::request("INVITE")).respond(0, 200).invite(over(Transport::Tls, offer_to_bob()));
    let invite = bench.last_request();
    bench.bob(&Script::answer(&invite, 200, "bob")).moves(ALICE, OTHER, 1);
    assert_eq!(bench.dialog(1).map(|dialog| dialog.flow().remote.to_string()).as_deref(), Some(BOB));
}
