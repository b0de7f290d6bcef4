//! UDP on real loopback sockets.

use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use bytes::Bytes;
use sip_net::{Counters, Received, UdpTransport};

const PATIENCE: Duration = Duration::from_secs(5);

struct Server {
    transport: UdpTransport,
    received: Receiver<Received>,
    port: u16,
}

fn server(address: &str, queue: usize) -> Server {
    let (sink, received): (SyncSender<Received>, _) = sync_channel(queue);
    let sockets = sip_net::bind(&[address.parse().unwrap()]).unwrap();
    let port = sockets.local_addresses()[0].port();
    let transport =
        sip_net::start(sockets, &sip_net::Guard::open(), move |message| sink.try_send(message).is_ok()).unwrap();
    Server { transport, received, port }
}

impl Server {
    fn next(&self) -> Received {
        self.received.recv_timeout(PATIENCE).expect("a message")
    }

    fn wait_for(&self, what: impl Fn(Counters) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !what(self.transport.counters()) {
            assert!(Instant::now() < end, "{:?}", self.transport.counters());
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn answer(&self, flow: sip::Flow, bytes: impl Into<Bytes>) {
        self.transport.send(&sip::Transmit { flow, bytes: bytes.into() }).unwrap();
    }
}

fn phone(address: &str) -> UdpSocket {
    let socket = UdpSocket::bind(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

fn options(body: usize) -> Vec<u8> {
    let mut message = format!(
        "OPTIONS sip:pbx.example SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5999;branch=z9hG4bKa;rport\r\nFrom: <sip:a@example>;tag=1\r\n\
         To: <sip:pbx.example>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: {body}\r\n\r\n"
    )
    .into_bytes();
    message.resize(message.len() + body, b'x');
    message
}

fn address_of(ip: &str, port: u16) -> SocketAddr {
    SocketAddr::new(ip.parse().unwrap(), port)
}

/// What a peer at `from` sees of a server at `bound` when it addresses `addressed`.
fn round_trip(bound: &str, from: &str, addressed: &str) {
    let server = server(bound, 16);
    let phone = phone(from);
    let destination = address_of(addressed, server.port);
    let before = Instant::now();
    phone.send_to(&options(0), destination).unwrap();
    let received = server.next();
    assert_eq!(received.flow.local, destination);
    assert_eq!(received.flow.remote, phone.local_addr().unwrap());
    assert!(received.at >= before && received.at <= Instant::now());
    assert_eq!(&received.message.bytes()[..], &options(0)[..]);

    server.answer(received.flow, &b"answer"[..]);
    let mut buffer = [0; 100];
    let (length, source) = phone.recv_from(&mut buffer).unwrap();
    assert_eq!((&buffer[..length], source), (&b"answer"[..], destination));
}

#[test]
fn a_concrete_address_answers_from_itself() {
    round_trip("127.0.0.3:0", "127.0.0.9:0", "127.0.0.3");
    round_trip("[::1]:0", "[::1]:0", "::1");
}

#[test]
fn a_wildcard_knows_the_address_that_was_meant_and_answers_from_it() {
    round_trip("0.0.0.0:0", "127.0.0.1:0", "127.0.0.5");
    round_trip("0.0.0.0:0", "127.0.0.7:0", "127.0.0.1");
    round_trip("[::]:0", "[::1]:0", "::1");
}

#[test]
fn both_families_share_a_port() {
    let v4 = sip_net::bind(&["0.0.0.0:0".parse().unwrap()]).unwrap();
    let port = v4.local_addresses()[0].port();
    let v6 = sip_net::bind(&[address_of("::", port)]).unwrap();
    assert_eq!(v6.local_addresses(), [address_of("::", port)]);
}

#[test]
fn an_address_in_use_is_named() {
    let first = sip_net::bind(&["127.0.0.1:0".parse().unwrap()]).unwrap();
    let taken = first.local_addresses()[0];
    let error = sip_net::bind(&["127.0.0.2:0".parse().unwrap(), taken]).unwrap_err();
    assert_eq!(error.address, taken);
    assert_eq!(error.source.kind(), std::io::ErrorKind::AddrInUse);
    assert!(error.to_string().contains(&taken.to_string()), "{error}");
}

#[test]
fn garbage_and_keep_alives_pass_without_a_trace_of_them() {
    let server = server("127.0.0.1:0", 16);
    let phone = phone("127.0.0.1:0");
    let destination = address_of("127.0.0.1", server.port);
    for quiet in [&b"\r\n\r\n"[..], b"\0", b""] {
        phone.send_to(quiet, destination).unwrap();
    }
    for noise in [&b"hello"[..], b"\x16\x03\x01\x02\x00", b"OPTIONS sip:x HTTP/1.1\r\n\r\n", &[0xff; 1400]] {
        phone.send_to(noise, destination).unwrap();
    }
    phone.send_to(&options(0), destination).unwrap();
    assert_eq!(&server.next().message.bytes()[..], &options(0)[..]);
    server.wait_for(|counters| counters.received == 8);
    let counters = server.transport.counters();
    assert_eq!((counters.keep_alives, counters.unparsable, counters.refused), (3, 4, 0));
}

#[test]
fn the_largest_datagram_comes_in_and_goes_out_whole() {
    let largest = 65_507;
    let server = server("127.0.0.1:0", 16);
    let phone = phone("127.0.0.1:0");
    let message = options(largest - options(10_000).len() + 10_000);
    assert_eq!(message.len(), largest);
    phone.send_to(&message, address_of("127.0.0.1", server.port)).unwrap();
    let mut buffer = vec![0; 70_000];
    // The limits of the parser decide whether a message of this size is one; the socket must not care.
    server.wait_for(|counters| counters.received == 1);
    let flow = sip::Flow {
        transport: sip::Transport::Udp,
        local: address_of("127.0.0.1", server.port),
        remote: phone.local_addr().unwrap(),
    };
    server.answer(flow, message.clone());
    assert_eq!(phone.recv_from(&mut buffer).unwrap().0, largest);
    assert!(buffer[..largest] == message[..]);
}

#[test]
fn a_full_queue_loses_and_counts() {
    let server = server("127.0.0.1:0", 2);
    let phone = phone("127.0.0.1:0");
    for _ in 0..5 {
        phone.send_to(&options(0), address_of("127.0.0.1", server.port)).unwrap();
    }
    server.wait_for(|counters| counters.received == 5);
    server.wait_for(|counters| counters.refused == 3);
    server.next();
    server.next();
    phone.send_to(&options(0), address_of("127.0.0.1", server.port)).unwrap();
    server.next();
}

#[test]
fn a_sink_that_panics_costs_one_message() {
    let (sink, received) = sync_channel(4);
    let sockets = sip_net::bind(&["127.0.0.1:0".parse().unwrap()]).unwrap();
    let destination = sockets.local_addresses()[0];
    let transport = sip_net::start(sockets, &sip_net::Guard::open(), move |message: Received| {
        assert!(message.message.bytes().len() < 1000, "on purpose");
        sink.try_send(message).is_ok()
    })
    .unwrap();
    let phone = phone("127.0.0.1:0");
    phone.send_to(&options(1000), destination).unwrap();
    phone.send_to(&options(0), destination).unwrap();
    assert_eq!(received.recv_timeout(PATIENCE).unwrap().message.bytes().len(), options(0).len());
    assert_eq!(transport.counters().unparsable, 1);
}

#[test]
fn a_peer_that_is_gone_stops_nothing() {
    let server = server("127.0.0.1:0", 16);
    let gone = phone("127.0.0.1:0").local_addr().unwrap();
    let flow = sip::Flow { transport: sip::Transport::Udp, local: address_of("127.0.0.1", server.port), remote: gone };
    for _ in 0..10 {
        server.answer(flow, &b"nobody listens"[..]);
    }
    let phone = phone("127.0.0.1:0");
    phone.send_to(&options(0), flow.local).unwrap();
    server.answer(server.next().flow, &b"answer"[..]);
    assert_eq!(phone.recv_from(&mut [0; 100]).unwrap().0, 6);
    assert_eq!(server.transport.counters().sent, 11);
}

#[test]
fn a_flow_of_no_socket_of_ours_is_refused() {
    let server = server("127.0.0.1:0", 16);
    let remote = phone("127.0.0.1:0").local_addr().unwrap();
    for local in [address_of("127.0.0.2", server.port), address_of("127.0.0.1", 1), address_of("::1", server.port)] {
        let flow = sip::Flow { transport: sip::Transport::Udp, local, remote };
        let error = server.transport.send(&sip::Transmit { flow, bytes: Bytes::from_static(b"x") }).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::AddrNotAvailable);
    }
    // The address is of this machine's loopback only; the network is not reachable from there.
    let flow = sip::Flow {
        transport: sip::Transport::Udp,
        local: address_of("127.0.0.1", server.port),
        remote: address_of("255.255.255.255", 9),
    };
    assert!(server.transport.send(&sip::Transmit { flow, bytes: Bytes::from_static(b"x") }).is_err());
    assert_eq!(server.transport.counters().send_errors, 1);
}

#[test]
fn bursts_come_in_whole_and_in_order() {
    let server = server("127.0.0.1:0", 1000);
    let phone = phone("127.0.0.1:0");
    for number in 0..100 {
        phone.send_to(&options(number), address_of("127.0.0.1", server.port)).unwrap();
    }
    for number in 0..100 {
        assert_eq!(server.next().message.bytes().len(), options(number).len());
    }
}

#[test]
fn shutdown_is_quick_closes_the_door_and_may_be_said_twice() {
    let server = server("127.0.0.1:0", 16);
    let before = Instant::now();
    server.transport.shutdown();
    server.transport.shutdown();
    assert!(before.elapsed() < Duration::from_millis(200));
    // The sink went with its thread, so nothing can come in any more.
    assert_eq!(server.received.recv_timeout(PATIENCE).unwrap_err(), RecvTimeoutError::Disconnected);
    // A last answer still leaves.
    let phone = phone("127.0.0.1:0");
    let flow = sip::Flow {
        transport: sip::Transport::Udp,
        local: address_of("127.0.0.1", server.port),
        remote: phone.local_addr().unwrap(),
    };
    server.answer(flow, &b"503"[..]);
    assert_eq!(phone.recv_from(&mut [0; 100]).unwrap().0, 3);
}

#[test]
fn the_last_clone_takes_the_threads_with_it() {
    let Server { transport, received, port } = server("127.0.0.1:0", 16);
    let other = transport.clone();
    drop(transport);
    phone("127.0.0.1:0").send_to(&options(0), address_of("127.0.0.1", port)).unwrap();
    received.recv_timeout(PATIENCE).unwrap();
    drop(other);
    assert_eq!(received.recv_timeout(PATIENCE).unwrap_err(), RecvTimeoutError::Disconnected);
    UdpSocket::bind(("127.0.0.1", port)).expect("the socket is closed");
}
