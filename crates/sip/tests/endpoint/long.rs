//! Messages that no datagram can hold are not sent, and leave nothing half done (RFC 3261 §18.1.1).

use bytes::Bytes;
use sip::limits::MESSAGE_BYTES;
use sip::{Method, Reply};

use super::bench::{Bench, to_bob};
use super::flows::{alice_rings, alice_talks};
use super::script::Script;

const TOO_LONG: &str = "0 misuse: a message that no datagram can hold";

fn body(length: usize) -> Option<(String, Bytes)> {
    Some(("text/plain".to_owned(), Bytes::from(vec![b'x'; length])))
}

#[test]
fn requests() {
    let mut bench = Bench::new();
    for method in [Method::Invite, Method::Message] {
        let mut outgoing = to_bob(method.clone());
        outgoing.body = body(MESSAGE_BYTES);
        if method == Method::Invite {
            bench.invite(outgoing)
        } else {
            bench.request(outgoing)
        };
        bench.expect([TOO_LONG]);
    }
    bench.ends();
}

#[test]
fn the_longest_that_fits_is_sent() {
    let mut bench = Bench::new();
    let length = |bench: &Bench| bench.sent.last().map_or(0, |sent| sent.bytes.len());
    let mut outgoing = to_bob(Method::Message);
    outgoing.body = body(60_000);
    bench.request(outgoing.clone());
    let room = MESSAGE_BYTES - length(&bench);
    outgoing.body = body(60_000 + room);
    bench.request(outgoing.clone());
    assert_eq!(length(&bench), MESSAGE_BYTES);
    outgoing.body = body(60_000 + room + 1);
    let sent = bench.sent.len();
    bench.request(outgoing);
    assert_eq!(bench.sent.len(), sent);
}

#[test]
fn inside_a_dialog_neither_the_number_nor_the_dialog_moves_on() {
    let (mut bench, _) = alice_talks();
    for method in [Method::Info, Method::Invite, Method::Update, Method::Bye] {
        bench.in_dialog_body(0, method, body(MESSAGE_BYTES)).expect([TOO_LONG]);
    }
    bench
        .in_dialog(0, Method::Update)
        .in_dialog(0, Method::Bye)
        .expect(["0 A< UPDATE 8985 sip:alice@127.0.0.10:5060", "0 A< BYE 8986 sip:alice@127.0.0.10:5060"]);
}

#[test]
fn answers_become_a_bare_500() {
    let long = |code| Reply::new(code).body("text/plain", Bytes::from(vec![b'x'; MESSAGE_BYTES]));
    let mut bench = Bench::new();
    bench.alice(&Script::request("OPTIONS")).reply(0, long(200)).expect([
        "0 request s0 OPTIONS as guest",
        TOO_LONG,
        "0 A< 500 1 OPTIONS",
    ]);
    let (mut bench, _) = alice_rings();
    bench.reply(0, long(183)).reply(0, long(200)).expect([
        TOO_LONG,
        "0 A< 183 1 INVITE",
        TOO_LONG,
        "0 A< 500 1 INVITE",
    ]);
    bench.counts(1, 0, 0);
    let mut bench = Bench::new();
    bench.alice(&Script::request("INVITE").and("Supported", "100rel")).reply(0, long(183)).describe(0, 183).expect([
        "0 A< 100 1 INVITE",
        "0 invite s0 d0 as guest",
        TOO_LONG,
        "0 A< 183 1 INVITE",
    ]);
}
