//! Messages in, answers out, over TCP and TLS.

use std::io::{Read, Write};
use std::net::UdpSocket;
use std::sync::mpsc::channel;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use sip::{Message, Transmit, Transport};
use sip_net::{Addresses, Event, Guard, Sockets, StreamConfig, Transports};

use crate::bench::{House, PATIENCE, hangs_up, options, reads, tcp, tls, write};

/// What must hold over either: whole, byte by byte, two at once, pings between them, and answers back.
fn speaks(house: &House, transport: Transport, v6: bool, stream: &mut (impl Read + Write), ours: std::net::SocketAddr) {
    let (one, two) = (options("one", ""), options("two", ""));
    let before = Instant::now();
    write(stream, &one);
    let received = house.received();
    let flow = received.flow;
    assert_eq!((flow.transport, flow.local, flow.remote), (transport, house.address(transport, v6), ours));
    assert_eq!(received.message.bytes(), one.as_bytes());
    assert!(received.at >= before && received.at <= Instant::now());

    for byte in two.as_bytes().chunks(1) {
        write(stream, byte);
    }
    assert_eq!(house.received().message.bytes(), two.as_bytes());

    write(stream, ["\r\n", &one, "\r\n\r\n", &two].concat());
    assert_eq!(house.received().message.bytes(), one.as_bytes());
    assert_eq!(house.received().message.bytes(), two.as_bytes());
    reads(stream, b"\r\n");

    house.send(flow, &b"answer"[..]);
    house.send(flow, &b" and another"[..]);
    reads(stream, b"answer and another");
}

#[test]
fn tcp_and_tls_carry_messages_over_both_families() {
    let house = House::open();
    for v6 in [false, true] {
        let mut stream = tcp(house.address(Transport::Tcp, v6));
        let ours = stream.local_addr().unwrap();
        speaks(&house, Transport::Tcp, v6, &mut stream, ours);
        drop(stream);
        assert_eq!(house.closed().remote, ours);
        let mut stream = tls(house.address(Transport::Tls, v6));
        let ours = stream.sock.local_addr().unwrap();
        speaks(&house, Transport::Tls, v6, &mut stream, ours);
        drop(stream);
        assert_eq!(house.closed().remote, ours);
    }
    let counters = house.transports.counters(Transport::Tcp);
    assert_eq!((counters.received, counters.sent, counters.keep_alives, counters.accepted), (8, 4, 2, 2));
    assert_eq!((counters.unparsable, counters.receive_errors, counters.timeouts), (0, 0, 0));
}

#[test]
fn a_wildcard_names_the_address_that_was_meant() {
    let house = House::at(&["0.0.0.0:0"], StreamConfig::default());
    let port = house.address(Transport::Tcp, false).port();
    let meant = std::net::SocketAddr::new("127.0.0.5".parse().unwrap(), port);
    let mut stream = tcp(meant);
    write(&mut stream, options("one", ""));
    assert_eq!(house.received().flow.local, meant);
}

#[test]
fn a_message_without_length_is_answered_and_nothing_is_read_behind_it() {
    let house = House::open();
    let mut stream = tcp(house.address(Transport::Tcp, false));
    let without = options("one", "").replace("Content-Length: 4\r\n", "");
    write(&mut stream, [without, options("two", "")].concat());
    let received = house.received();
    let Message::Request(request) = received.message else { panic!("a request") };
    assert_eq!(request.validate().unwrap_err().status(), 400);
    house.send(received.flow, &b"SIP/2.0 400 Bad Request\r\n\r\n"[..]);
    reads(&mut stream, b"SIP/2.0 400 Bad Request\r\n\r\n");
    assert_eq!(house.closed(), received.flow);
    hangs_up(&mut stream);
}

#[test]
fn what_is_no_sip_costs_the_connection_or_itself() {
    let house = House::open();
    let mut http = tcp(house.address(Transport::Tcp, false));
    write(&mut http, format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n", "x".repeat(40_000)));
    hangs_up(&mut http);
    let flow = house.closed();
    assert_eq!(flow.remote, http.local_addr().unwrap());

    // With a length the next message can be found; too much of it is too much.
    let mut stream = tcp(house.address(Transport::Tcp, false));
    let bad = options("bad", "").replace("OPTIONS sip:pbx.example SIP/2.0", "SIP/2.0 1000 what");
    write(&mut stream, [bad.clone(), options("good", "")].concat());
    assert_eq!(house.received().message.bytes(), options("good", "").as_bytes());
    write(&mut stream, bad.repeat(20));
    house.closed();
    assert_eq!(house.transports.counters(Transport::Tcp).unparsable, 17);
}

#[test]
fn two_thousand_idle_connections_disturb_nobody() {
    let house = House::with(StreamConfig { max_connections_per_address: 5_000, ..StreamConfig::default() });
    let address = house.address(Transport::Tcp, false);
    let idle: Vec<_> = (0..2_000).map(|_| tcp(address)).collect();
    house.until("all are there", |transports| transports.connections() == idle.len());
    let mut phone = tls(house.address(Transport::Tls, false));
    let mut slowest = Duration::ZERO;
    for _ in 0..100 {
        let began = Instant::now();
        write(&mut phone, options("one", ""));
        let flow = house.received().flow;
        house.send(flow, &b"answer"[..]);
        reads(&mut phone, b"answer");
        slowest = slowest.max(began.elapsed());
    }
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    drop(idle);
    house.until("they have gone", |transports| transports.connections() == 1);
}

#[test]
fn stun_is_answered_on_the_udp_port() {
    let house = House::open();
    for v6 in [false, true] {
        let phone = UdpSocket::bind(if v6 { "[::1]:0" } else { "127.0.0.1:0" }).unwrap();
        phone.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut request = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        request.extend_from_slice(b"transaction!");
        phone.send_to(&request, house.address(Transport::Udp, v6)).unwrap();
        let mut buffer = [0; 100];
        let (length, from) = phone.recv_from(&mut buffer).unwrap();
        assert_eq!(from, house.address(Transport::Udp, v6));
        let expected = sip::stun::answer(&request, phone.local_addr().unwrap()).unwrap();
        assert_eq!(buffer[..length], expected);
    }
    assert_eq!(house.transports.counters(Transport::Udp).keep_alives, 2);
}

#[test]
fn several_sockets_share_one_udp_address() {
    let listen = Addresses { udp: vec!["127.0.0.1:0".parse().unwrap()], ..Addresses::default() };
    let sockets = Sockets::bind_several(&listen, 4).unwrap();
    let address = sockets.addresses().udp[0];
    assert_eq!(sockets.addresses().udp, [address], "it is one address, whatever stands behind it");
    let (sender, events) = channel();
    let sink = Arc::new(move |event| sender.send(event).is_ok());
    let transports = Transports::start(sockets, StreamConfig::default(), &Guard::open(), sink).unwrap();
    assert_eq!(transports.addresses().udp, [address]);
    let phones: Vec<_> = (0..32).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
    for phone in &phones {
        phone.set_read_timeout(Some(PATIENCE)).unwrap();
        phone.send_to(options("one", "").as_bytes(), address).unwrap();
    }
    let mut seen = std::collections::BTreeSet::new();
    for _ in &phones {
        let Event::Received(received) = events.recv_timeout(PATIENCE).unwrap() else { panic!("a message") };
        assert_eq!(received.flow.local, address);
        seen.insert(received.flow.remote);
        transports.send(Transmit { flow: received.flow, bytes: "answer".into() });
    }
    assert_eq!(seen.len(), phones.len());
    for phone in &phones {
        let mut buffer = [0; 100];
        let (length, from) = phone.recv_from(&mut buffer).unwrap();
        assert_eq!((&buffer[..length], from), (&b"answer"[..], address));
    }
    transports.close();
}

#[test]
fn a_sink_may_answer_before_it_returns() {
    let listen = Addresses { tcp: vec!["127.0.0.1:0".parse().unwrap()], ..Addresses::default() };
    let sockets = Sockets::bind(&listen).unwrap();
    let transports: Arc<OnceLock<Transports>> = Arc::default();
    let config = StreamConfig { stall_time: Duration::from_millis(300), ..StreamConfig::default() };
    let (sender, events) = channel();
    let out = Arc::clone(&transports);
    let sink = move |event: Event| {
        if let Event::Received(received) = &event {
            let deaf = received.message.bytes().windows(4).any(|bytes| bytes == b"deaf");
            let answer = if deaf { vec![b'x'; 50_000] } else { b"503".to_vec() };
            out.wait().send(Transmit { flow: received.flow, bytes: answer.into() });
            // And to somebody who is not there.
            let mut nobody = received.flow;
            nobody.remote.set_port(9);
            out.wait().send(Transmit { flow: nobody, bytes: "503".into() });
        }
        sender.send(event).is_ok()
    };
    let _ = transports.set(Transports::start(sockets, config, &Guard::open(), Arc::new(sink)).unwrap());
    let transports = transports.get().unwrap();
    let mut phone = tcp(transports.addresses().tcp[0]);
    for _ in 0..3 {
        write(&mut phone, options("one", ""));
        reads(&mut phone, b"503");
        assert!(matches!(events.recv_timeout(PATIENCE).unwrap(), Event::Received(_)));
        assert!(matches!(events.recv_timeout(PATIENCE).unwrap(), Event::Failed(_)));
    }
    // A peer that does not read its refusals is dropped like any other.
    let mut deaf = tcp(transports.addresses().tcp[0]);
    deaf.set_write_timeout(Some(PATIENCE)).unwrap();
    let many = options("deaf", "").repeat(50);
    let dropped = |counters: sip_net::Counters| counters.send_overflows + counters.timeouts > 0;
    let until = Instant::now() + PATIENCE;
    while !dropped(transports.counters(Transport::Tcp)) {
        assert!(Instant::now() < until, "it is never dropped");
        let _ = deaf.write_all(many.as_bytes());
    }
    write(&mut phone, options("one", ""));
    reads(&mut phone, b"503");
    transports.close();
}
