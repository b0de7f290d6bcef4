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
            assert!(answer.contains(&phone.contact()), "{answer}");
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
        callee.host(),
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

/// The certificate that a TLS client sees.
fn shown(server: &Server) -> Vec<u8> {
    Wire::to(server, Transport::Tls, false).certificate()
}

#[test]
fn the_certificate_is_made_once_kept_and_exchanged_while_calls_go_on() {
    use std::os::unix::fs::PermissionsExt as _;

    let mut server = Server::start();
    let directory = server.data_dir().join("tls");
    let mode = std::fs::metadata(directory.join("private-key.pem")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let first = shown(&server);
    assert!(server.stop().success());
    server.restart();
    assert_eq!(shown(&server), first, "phones that were told to accept it need not be told again");

    // Another certificate takes its place, as a renewal does.
    let mut phone = Phone::new(&server, Transport::Tls, false, "1001");
    assert_eq!(status(&phone.register()), 200);
    let other = Server::start();
    let theirs = other.data_dir().join("tls");
    for file in ["private-key.pem", "certificate.pem"] {
        std::fs::copy(theirs.join(file), directory.join("fresh")).unwrap();
        std::fs::rename(directory.join("fresh"), directory.join(file)).unwrap();
    }
    let until = std::time::Instant::now() + crate::server::PATIENCE;
    while shown(&server) == first {
        assert!(std::time::Instant::now() < until, "the new certificate is never shown");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(shown(&server), shown(&other));
    assert_eq!(status(&phone.register()), 200, "whoever is connected stays so");

    // Rubbish changes nothing.
    std::fs::write(directory.join("certificate.pem"), "rubbish").unwrap();
    let log = || std::fs::read_to_string(server.data_dir().join("server.log")).unwrap();
    while !log().contains("the old certificate stays") {
        assert!(std::time::Instant::now() < until, "{}", log());
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(shown(&server), shown(&other));
}

#[test]
fn without_descriptors_new_connections_wait_and_calls_go_on() {
    let server = Server::start();
    let mut caller = Phone::new(&server, Transport::Tcp, false, "1001");
    let mut callee = Phone::new(&server, Transport::Udp, false, "1002");
    assert_eq!((status(&caller.register()), status(&callee.register())), (200, 200));
    // As many as it has now, and those that a call needs for its media.
    let pid = rustix::process::Pid::from_raw(i32::try_from(server.pid()).unwrap());
    let open = std::fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap().count() as u64;
    let limits = rustix::process::Rlimit { current: Some(open + 40), maximum: Some(open + 40) };
    rustix::process::prlimit(pid, rustix::process::Resource::Nofile, limits).unwrap();
    let address = server.address(Transport::Tcp, false);
    let crowd: Vec<_> = (0..200).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
    let log = || std::fs::read_to_string(server.data_dir().join("server.log")).unwrap();
    let until = std::time::Instant::now() + crate::server::PATIENCE;
    while !log().contains("cannot accept connections at the moment") {
        assert!(std::time::Instant::now() < until, "the limit was never met");
        std::thread::sleep(Duration::from_millis(50));
    }
    // Whoever is there is served all the same.
    assert_eq!(status(&caller.register()), 200);
    assert_eq!(status(&callee.register()), 200);
    drop(crowd);
    call(&mut caller, &mut callee);
    let mut late = Phone::new(&server, Transport::Wss, false, "1001");
    assert_eq!(status(&late.register()), 200, "room again, and everybody is let in");
}

#[test]
fn a_phone_that_comes_back_over_another_connection_keeps_its_number() {
    let server = Server::start();
    let mut phone = Phone::new(&server, Transport::Wss, false, "1001");
    phone.contact_params = ";+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-000a95a0e128>\";reg-id=1".to_owned();
    let answer = phone.register_with("Supported: path, outbound\r\n");
    assert_eq!(status(&answer), 200);
    assert_eq!(header(&answer, "Require").as_deref(), Some("outbound"));
    assert_eq!(header(&answer, "Flow-Timer").as_deref(), Some("120"));
    // The page is loaded again: a new connection, before the end of the old one has been seen.
    let mut again = Phone::new(&server, Transport::Wss, false, "1001");
    again.contact_params.clone_from(&phone.contact_params);
    assert_eq!(status(&again.register()), 200);
    let listed = server.json(&["registration", "list"]);
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed:#}");
    assert_eq!(listed[0]["remote"], again.wire.local.to_string());
    // And then the old one ends, which is no news.
    drop(phone);
    server.until_status("one connection", |status| status["connections"] == 1);
    assert_eq!(server.json(&["registration", "list"]), listed);
}
