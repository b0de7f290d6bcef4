//! How far most tests want a call to have come before they begin.

use sip::Method;

use super::bench::{Bench, to_bob};
use super::script::Script;

/// Alice's INVITE has been answered 180 by us: server s0, dialog d0, and our tag.
pub(super) fn alice_rings() -> (Bench, String) {
    let mut bench = Bench::new();
    bench.alice(&Script::request("INVITE")).respond(0, 180);
    bench.expect(["0 A< 100 1 INVITE", "0 invite s0 d0 as guest", "0 A< 180 1 INVITE"]);
    let tag = bench.tag();
    (bench, tag)
}

/// Alice's INVITE has been answered 200 by us, and she has not said ACK.
pub(super) fn alice_is_answered() -> (Bench, String) {
    let (mut bench, tag) = alice_rings();
    bench.respond(0, 200).expect(["0 A< 200 1 INVITE"]);
    (bench, tag)
}

/// Alice called us and we talk: dialog d0.
pub(super) fn alice_talks() -> (Bench, String) {
    let (mut bench, tag) = alice_is_answered();
    bench.alice(&ack_of_alice(&tag)).expect(["0 acked d0"]);
    (bench, tag)
}

/// Alice's ACK for our first 200.
pub(super) fn ack_of_alice(tag: &str) -> Script {
    Script::request("ACK").tagged(tag)
}

/// Bob's phone got our INVITE, client c0, and has said nothing.
pub(super) fn bob_is_called() -> Bench {
    let mut bench = Bench::new();
    bench.invite(to_bob(Method::Invite)).expect(["0 B< INVITE 1 sip:bob@127.0.0.20:5060"]);
    bench
}

/// Bob's phone rings: client c0, early dialog d0 with the tag `bob`.
pub(super) fn bob_rings() -> Bench {
    let mut bench = bob_is_called();
    let invite = bench.last_request();
    bench.bob(&Script::answer(&invite, 180, "bob")).expect(["0 response c0 d0 180"]);
    bench
}

/// We called Bob and talk: client c0, dialog d0 with the tag `bob`.
pub(super) fn bob_talks() -> Bench {
    let mut bench = bob_is_called();
    let invite = bench.last_request();
    bench.bob(&Script::answer(&invite, 200, "bob")).expect(["0 response c0 d0 200"]);
    bench.ack(0).expect(["0 B< ACK 1 sip:bob@127.0.0.20:5060"]);
    bench
}

/// Bob's requests inside the dialog that our INVITE made, which was the first message to leave.
pub(super) fn bob_says(bench: &Bench) -> impl Fn(&str, u32) -> Script + use<> {
    let invite = super::script::request_of(&bench.sent[0].bytes);
    let header = |name| String::from_utf8(invite.headers().get(&name).unwrap_or_default().to_vec()).expect("text");
    let (to, call_id) = (header(sip::Name::From), header(sip::Name::CallId));
    move |method, cseq| {
        Script::request(method)
            .cseq(cseq)
            .set("Via", &format!("SIP/2.0/UDP 127.0.0.20:5060;branch=z9hG4bKbob{method}{cseq}"))
            .set("From", "<sip:bob@pbx.example>;tag=bob")
            .set("To", &to)
            .set("Call-ID", &call_id)
            .set("Contact", "<sip:bob@127.0.0.20:5060>")
    }
}
