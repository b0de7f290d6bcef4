//! `tel:` (RFC 3966) and `sips:` (RFC 3261 §8.1.1.8, §12.1.1, §26.2.2; RFC 5630).

use sip::{Flow, Method, OutgoingRequest, Transport, Uri};

use super::bench::{Bench, to_bob};
use super::flows::ack_of_alice;
use super::script::Script;

const NUMBER: &str = "tel:+1-201-555-0123;phone-context=example.com";

#[test]
fn a_number_can_be_called_written_to_and_watched() {
    for (method, line) in [
        ("INVITE", "0 invite s0 d0 as guest"),
        ("MESSAGE", "0 request s0 MESSAGE as guest"),
        ("SUBSCRIBE", "0 request s0 SUBSCRIBE as guest"),
    ] {
        let mut bench = Bench::new();
        bench.alice(&Script::request(method).uri(NUMBER));
        match method {
            "INVITE" => bench.expect(["0 A< 100 1 INVITE", line]),
            _ => bench.expect([line]),
        };
    }
    for method in ["REGISTER", "OPTIONS", "PUBLISH", "REFER"] {
        Bench::new().alice(&Script::request(method).uri(NUMBER)).expect([format!("0 A< 416 1 {method}").as_str()]);
    }
}

#[test]
fn numbers_in_from_and_to_stay_as_they_are_in_the_dialog() {
    let mut bench = Bench::new();
    let invite = Script::request("INVITE").uri("tel:110").set("From", "<tel:+491234>;tag=alice").set("To", "<tel:110>");
    bench.alice(&invite).respond(0, 200);
    let tag = bench.tag();
    let ack = ack_of_alice(&tag).set("From", "<tel:+491234>;tag=alice").set("To", &format!("<tel:110>;tag={tag}"));
    bench.alice(&ack).in_dialog(0, Method::Bye).expect([
        "0 A< 100 1 INVITE",
        "0 invite s0 d0 as guest",
        "0 A< 200 1 INVITE",
        "0 acked d0",
        "0 A< BYE 8985 sip:alice@127.0.0.10:5060",
    ]);
    bench.shows(&["From", "To"], [format!("From: <tel:110>;tag={tag}").as_str(), "To: <tel:+491234>;tag=alice"]);
}

#[test]
fn a_secure_call_does_not_come_over_an_open_road() {
    for transport in Transport::ALL {
        let mut bench = Bench::new();
        bench.transport = transport;
        bench.alice(&Script::request("OPTIONS").uri("sips:bob@pbx.example"));
        let expected = if transport.is_secure() { "0 request s0 OPTIONS as guest" } else { "0 A< 416 1 OPTIONS" };
        bench.expect([expected]);
    }
}

#[test]
fn who_is_called_securely_names_a_secure_contact() {
    for (transport, uri, contact) in [
        (Transport::Tls, "sips:bob@pbx.example", "<sips:127.0.0.1:5060>"),
        (Transport::Wss, "sips:bob@pbx.example", "<sips:127.0.0.1:5060;transport=ws>"),
        (Transport::Tls, "sip:bob@pbx.example", "<sip:127.0.0.1:5060;transport=tls>"),
        (Transport::Udp, "sip:bob@pbx.example", "<sip:127.0.0.1:5060>"),
    ] {
        let line = format!("Contact: {contact}");
        let mut bench = Bench::new();
        bench.transport = transport;
        bench.alice(&Script::request("INVITE").uri(uri)).respond(0, 200).shows(&["Contact"], [line.as_str()]);
        let tag = bench.tag();
        bench.alice(&ack_of_alice(&tag)).in_dialog(0, Method::Invite).shows(&["Contact"], [line.as_str()]);
        let mut bench = Bench::new();
        let flow = Flow { transport, ..to_bob(Method::Invite).flow };
        let uri: Uri = uri.parse().expect("a URI");
        bench.invite(OutgoingRequest { uri, flow, ..to_bob(Method::Invite) }).shows(&["Contact"], [line.as_str()]);
    }
}
