//! Phones over every transport, IPv4 and IPv6.

use std::time::Duration;

use sip::Transport;

use crate::server::Server;
use crate::wire::{Phone, Wire, header, status};

const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 20002 RTP/AVP \
                     0\r\na=rtpmap:0 PCMU/8000\r\n";
const SDP: &str = "Content-Type: application/sdp\r\n";

/// A server that also listens on UDP over IPv6.
fn server() -> Server {
    Server::start_with(&[("YAKYAK_SIP__UDP", "127.0.0.1:0,[::1]:0")])
}

#[test]
fn phones_register_over_every_transport() {
    let server = server();
    let mut phones = Vec::new();
    for transport in Transport::ALL {
        for v6 in [false, true] {
            let mut phone = Phone::new(&server, transport, v6, "1001");
            let answer = phone.register();
            assert_eq!(status(&answer), 200, "{transport}, IPv6 {v6}: {answer}");
            assert!(answer.contains(&phone.wire.local.to_string()), "{answer}");
            phones.push(phone);
        }
    }
    let listed = server.json(&["registration", "list"]);
    assert_eq!(listed.as_array().unwrap().len(), 10, "{listed:#}");
    server.until_status("eight connections", |status| status["connections"] == 8);
    // Whoever hangs up his connection is gone, whoever only sends datagrams is not.
    drop(phones);
    server.until_status("the bindings went with their connections", |status| status["registrations"] == 2);
}

/// A call from one phone to another, ended by the callee.
fn call(caller: &mut Phone, callee: &mut Phone) {
    let uri = format!("sip:{}@{}", callee.login.username, caller.domain());
    let (to, call_id) = (format!("<{uri}>"), format!("call-{}", caller.wire.local.port()));
    let contact = format!("Contact: {}\r\n{SDP}", caller.contact());
    caller.send_request("INVITE", &uri, &to, &call_id, &contact, OFFER);
    let challenge = caller.final_answer();
    let challenged = header(&challenge, "CSeq").unwrap();
    let number: u32 = challenged.split(' ').next().unwrap().parse().unwrap();
    caller.send_numbered("ACK", number, &uri, &header(&challenge, "To").unwrap(), &call_id, "", "");
    let authorization = caller.authorization(&challenge, "INVITE", &uri);
    caller.send_request("INVITE", &uri, &to, &call_id, &format!("{authorization}{contact}"), OFFER);

    let invite = callee.wait_for("INVITE ");
    let via = header(&invite, "Via").unwrap();
    assert!(via.starts_with(&format!("SIP/2.0/{} ", callee.wire.transport)), "{via}");
    callee.respond(&invite, 180, "", "");
    caller.wait_for("SIP/2.0 180");
    callee.respond(&invite, 200, SDP, OFFER);
    let ok = caller.final_answer();
    assert_eq!(status(&ok), 200, "{ok}");
    let cseq = header(&ok, "CSeq").unwrap();
    let target = header(&ok, "Contact").unwrap();
    let target = target.split(['<', '>']).nth(1).unwrap().to_owned();
    let number: u32 = cseq.split(' ').next().unwrap().parse().unwrap();
    caller.send_numbered("ACK", number, &target, &header(&ok, "To").unwrap(), &call_id, "", "");
    callee.wait_for("ACK ");

    // The callee's BYE: its target is our Contact, its tags the other way round.
    let ours = header(&invite, "Contact").unwrap();
    let target = ours.split(['<', '>']).nth(1).unwrap().to_owned();
    let bye = format!(
        "BYE {target} SIP/2.0\r\nVia: SIP/2.0/{} {};branch=z9hG4bKbye{call_id};rport\r\nMax-Forwards: 70\r\nFrom: {};tag=t{}\r\nTo: \
         {}\r\nCall-ID: {}\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n",
        callee.wire.transport,
        callee.wire.local,
        header(&invite, "To").unwrap(),
        callee.wire.local.port(),
        header(&invite, "From").unwrap(),
        header(&invite, "Call-ID").unwrap(),
    );
    callee.wire.send(bye);
    assert_eq!(status(&callee.final_answer()), 200);
    let bye = caller.wait_for("BYE ");
    caller.respond(&bye, 200, "", "");
}

#[test]
fn calls_go_between_transports() {
    let server = server();
    let pairs = [
        (Transport::Wss, Transport::Udp),
        (Transport::Udp, Transport::Tcp),
        (Transport::Tcp, Transport::Tls),
        (Transport::Tls, Transport::Ws),
        (Transport::Ws, Transport::Wss),
    ];
    for (one, two) in pairs {
        let mut caller = Phone::new(&server, one, false, "1001");
        let mut callee = Phone::new(&server, two, false, "1002");
        assert_eq!(status(&caller.register()), 200);
        assert_eq!(status(&callee.register()), 200);
        call(&mut caller, &mut callee);
        drop((caller, callee));
        server.until_status("connections have gone", |status| status["connections"] == 0);
    }
    let records = server.closed_records(pairs.len());
    assert_eq!(records.len(), pairs.len());
    assert!(records.iter().all(|record| record["status"] == "Completed"), "{records:#?}");
}

#[test]
fn a_stream_answers_pings_and_pipelined_requests() {
    let server = server();
    let mut wire = Wire::to(&server, Transport::Tcp, false);
    wire.send("\r\n\r\n");
    assert_eq!(wire.receive_bytes(2), b"\r\n");
    let request = |number: u32| {
        format!(
            "REGISTER sip:{0} SIP/2.0\r\nVia: SIP/2.0/TCP {1};branch=z9hG4bK{number}\r\nFrom: <sip:1001@{0}>;tag=1\r\nTo: \
             <sip:1001@{0}>\r\nCall-ID: {number}\r\nCSeq: 1 REGISTER\r\nContent-Length: 0\r\n\r\n",
            wire.server, wire.local
        )
    };
    let (one, two) = (request(1), request(2));
    wire.send([one, two].concat());
    assert_eq!((status(&wire.receive()), status(&wire.receive())), (401, 401));
    wire.send_byte_by_byte(request_without_length(&wire));
    assert_eq!(status(&wire.receive()), 400);
    assert!(wire.closes(Duration::from_secs(10)), "where a message ends is not known any more");
}

fn request_without_length(wire: &Wire) -> String {
    format!(
        "OPTIONS sip:{0} SIP/2.0\r\nVia: SIP/2.0/TCP {1};branch=z9hG4bKx\r\nFrom: <sip:1001@{0}>;tag=1\r\nTo: <sip:{0}>\r\nCall-ID: \
         x\r\nCSeq: 1 OPTIONS\r\n\r\n",
        wire.server, wire.local
    )
}
