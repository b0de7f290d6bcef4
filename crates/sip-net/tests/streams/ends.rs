//! How connections end, and when that is told.

use std::io::Read as _;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use sip::Transport;
use sip_net::{Event, StreamConfig};

use crate::bench::{House, PATIENCE, STREAMS, hangs_up, options, reads, tcp, write};

/// A connection from a port of one's choice, which ends with a reset when it is dropped.
fn from_port(local: SocketAddr, to: SocketAddr) -> TcpStream {
    let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
    sockopt::set_socket_reuseaddr(&socket, true).unwrap();
    sockopt::set_socket_linger(&socket, Some(Duration::ZERO)).unwrap();
    rustix::net::bind(&socket, &local).unwrap();
    rustix::net::connect(&socket, &to).unwrap();
    TcpStream::from(socket)
}

#[test]
fn the_end_is_told_before_the_same_flow_begins_anew() {
    let house = House::open();
    let address = house.address(Transport::Tcp, false);
    let mut stream = from_port("127.0.0.1:0".parse().unwrap(), address);
    let local = stream.local_addr().unwrap();
    for round in 0..100 {
        write(&mut stream, options("one", ""));
        let flow = house.received().flow;
        assert_eq!(flow.remote, local);
        drop(stream);
        stream = from_port(local, address);
        write(&mut stream, options("two", ""));
        let event = house.event();
        let Event::Closed(closed) = event else { panic!("round {round}: {event:?} instead of the end") };
        let received = house.received();
        assert_eq!((closed, received.flow), (flow, flow));
        assert_eq!(received.message.bytes(), options("two", "").as_bytes());
    }
}

#[test]
fn a_peer_that_does_not_read_is_dropped_and_nobody_else_notices() {
    let house = House::open();
    let mut deaf = tcp(house.address(Transport::Tcp, false));
    write(&mut deaf, options("deaf", ""));
    let deaf_flow = house.received().flow;
    let mut other = tcp(house.address(Transport::Tcp, false));
    write(&mut other, options("other", ""));
    let flow = house.received().flow;

    let began = Instant::now();
    let block = vec![b'x'; 60_000];
    let mut sent = 0;
    while house.transports.counters(Transport::Tcp).send_overflows == 0 {
        house.send(deaf_flow, block.clone());
        sent += 1;
        assert!(sent < 10_000, "it takes everything");
        house.send(flow, &b"hello"[..]);
        reads(&mut other, b"hello");
    }
    assert!(began.elapsed() < PATIENCE);
    assert_eq!(house.closed(), deaf_flow);
    house.send(flow, &b"still there"[..]);
    reads(&mut other, b"still there");
    hangs_up(&mut deaf);
    house.until("one is left", |transports| transports.connections() == 1);
}

#[test]
fn a_peer_that_stops_reading_is_dropped_after_a_while_though_little_waits() {
    let house = House::with(StreamConfig { stall_time: Duration::from_millis(300), ..StreamConfig::default() });
    let mut deaf = from_port("127.0.0.1:0".parse().unwrap(), house.address(Transport::Tcp, false));
    write(&mut deaf, options("deaf", ""));
    let flow = house.received().flow;
    // More slowly than the queue would run full before the time is over.
    let began = Instant::now();
    while house.transports.connections() == 1 {
        house.send(flow, vec![b'x'; 100_000]);
        assert!(began.elapsed() < PATIENCE, "it takes everything");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(house.closed(), flow);
    assert_eq!(house.transports.counters(Transport::Tcp).timeouts, 1);
}

#[test]
fn silence_is_ended_at_each_stage() {
    let short = Duration::from_millis(300);
    let config = StreamConfig {
        handshake_time: short,
        first_message_time: short,
        message_time: short,
        idle_time: 4 * short,
        ..StreamConfig::default()
    };
    let house = House::with(config);
    // Before anything was said, on every transport.
    for transport in STREAMS {
        let mut silent = tcp(house.address(transport, false));
        let began = Instant::now();
        hangs_up(&mut silent);
        assert!(began.elapsed() >= short, "{transport}");
    }
    assert_eq!(house.closed().transport, Transport::Tcp);
    house.nothing_for(Duration::from_millis(10));
    let failed = |transport| house.transports.counters(transport).failed_openings;
    assert_eq!(STREAMS.map(failed), [0, 1, 1, 1]);

    // A ping is no message, and half a request for a WebSocket none either.
    let mut pinging = tcp(house.address(Transport::Tcp, false));
    write(&mut pinging, "\r\n\r\n");
    reads(&mut pinging, b"\r\n");
    hangs_up(&mut pinging);
    house.closed();
    let mut half = tcp(house.address(Transport::Ws, false));
    write(&mut half, "GET / HTTP/1.1\r\nUpgrade: web");
    hangs_up(&mut half);

    // In the middle of a message, and after one.
    let mut slow = tcp(house.address(Transport::Tcp, false));
    write(&mut slow, options("one", ""));
    house.received();
    write(&mut slow, "OPTIONS ");
    let began = Instant::now();
    hangs_up(&mut slow);
    assert!(began.elapsed() >= short && began.elapsed() < 4 * short, "{:?}", began.elapsed());
    house.closed();
    let mut idle = tcp(house.address(Transport::Tcp, false));
    write(&mut idle, options("one", ""));
    house.received();
    let began = Instant::now();
    hangs_up(&mut idle);
    assert!(began.elapsed() >= 3 * short, "{:?}", began.elapsed());
    house.closed();
}

#[test]
fn closing_writes_what_waits_and_says_goodbye() {
    let house = House::open();
    let mut stream = tcp(house.address(Transport::Tcp, false));
    write(&mut stream, options("one", ""));
    let flow = house.received().flow;
    for number in 0..100 {
        house.send(flow, format!("{number:>1000}"));
    }
    let transports = house.transports.clone();
    let closing = std::thread::spawn(move || transports.close());
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    assert_eq!(all.len(), 100_000);
    closing.join().unwrap();
    assert_eq!(house.closed(), flow);
    // Nobody is there any more, and nobody is let in.
    house.send(flow, &b"late"[..]);
    assert!(matches!(house.event(), Event::Failed(failed) if failed == flow));
    assert!(TcpStream::connect(house.address(Transport::Tcp, false)).is_err());
}
