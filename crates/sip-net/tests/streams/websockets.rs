//! WS and WSS.

use std::io::{Read, Write};
use std::time::Duration;

use sip::Transport;
use sip_net::StreamConfig;
use tokio_tungstenite::tungstenite::client::{self, ClientRequestBuilder};
use tokio_tungstenite::tungstenite::{Message, WebSocket};

use crate::bench::{House, hangs_up, options, tcp, tls, write};

fn request(url: &str) -> ClientRequestBuilder {
    ClientRequestBuilder::new(url.parse().unwrap()).with_sub_protocol("chat").with_sub_protocol("sip")
}

fn speaks(house: &House, socket: &mut WebSocket<impl Read + Write>, local: std::net::SocketAddr) {
    let (one, two) = (options("one", ""), options("two", "").replace("Content-Length: 4\r\n", ""));
    socket.send(Message::text(one.clone())).unwrap();
    let received = house.received();
    assert_eq!((received.flow.local, received.message.bytes().as_ref()), (local, one.as_bytes()));
    let flow = received.flow;
    // The frame says where the message ends.
    socket.send(Message::binary(two.clone().into_bytes())).unwrap();
    assert_eq!(house.received().message.bytes(), two.as_bytes());

    house.send(flow, &b"text"[..]);
    assert_eq!(socket.read().unwrap(), Message::text("text"));
    house.send(flow, &b"\xff\xfe"[..]);
    assert_eq!(socket.read().unwrap(), Message::binary(&b"\xff\xfe"[..]));

    socket.send(Message::Ping("are you there".into())).unwrap();
    assert_eq!(socket.read().unwrap(), Message::Pong("are you there".into()));
    socket.send(Message::text("\r\n\r\n")).unwrap();
    assert_eq!(socket.read().unwrap(), Message::text("\r\n"));
    socket.send(Message::text("\r\n")).unwrap();

    socket.close(None).unwrap();
    while socket.read().is_ok() {}
    assert_eq!(house.closed(), flow);
}

#[test]
fn messages_pings_and_goodbyes_over_both_families() {
    let house = House::open();
    for v6 in [false, true] {
        let address = house.address(Transport::Ws, v6);
        let (mut socket, response) = client::client(request(&format!("ws://{address}/")), tcp(address)).unwrap();
        assert_eq!(response.headers()["Sec-WebSocket-Protocol"], "sip");
        speaks(&house, &mut socket, address);
        let address = house.address(Transport::Wss, v6);
        let (mut socket, _) = client::client(request(&format!("wss://{address}/any/path?x=1")), tls(address)).unwrap();
        speaks(&house, &mut socket, address);
    }
}

#[test]
fn one_byte_at_a_time_is_enough() {
    let house = House::open();
    let mut stream = tcp(house.address(Transport::Ws, false));
    let opening = "GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: \
                   13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: sip\r\n\r\n";
    // A text message in two fragments, masked with zeros.
    let message = options("one", "");
    let (one, two) = message.as_bytes().split_at(100);
    let mut frames = vec![0x01, 0x80 | 100, 0, 0, 0, 0];
    frames.extend_from_slice(one);
    frames.extend_from_slice(&[0x80, 0x80 | 126, 0, u8::try_from(two.len()).unwrap(), 0, 0, 0, 0]);
    frames.extend_from_slice(two);
    for byte in [opening.as_bytes(), &frames].concat().chunks(1) {
        write(&mut stream, byte);
    }
    assert_eq!(house.received().message.bytes(), message.as_bytes());
    // Everything in one segment, frames behind the opening included.
    let mut stream = tcp(house.address(Transport::Ws, false));
    write(&mut stream, [opening.as_bytes(), &frames].concat());
    assert_eq!(house.received().message.bytes(), message.as_bytes());
}

#[test]
fn what_is_no_websocket_for_sip_is_refused_in_words() {
    let house = House::open();
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let version = "Sec-WebSocket-Version: 13\r\n";
    let sip = "Sec-WebSocket-Protocol: sip\r\n";
    let long = format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(9_000));
    let cases = [
        (format!("GET / HTTP/1.1\r\n{upgrade}{version}\r\n"), "HTTP/1.1 400 "),
        (format!("GET / HTTP/1.1\r\n{upgrade}{version}Sec-WebSocket-Protocol: xmpp, siphon\r\n\r\n"), "HTTP/1.1 400 "),
        (format!("GET / HTTP/1.1\r\n{version}{sip}\r\n"), "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\n"),
        (
            format!("GET / HTTP/1.1\r\n{upgrade}Sec-WebSocket-Version: 8\r\n{sip}\r\n"),
            "HTTP/1.1 426 Upgrade Required\r\nSec-",
        ),
        (format!("POST / HTTP/1.1\r\n{upgrade}{version}{sip}\r\n"), "HTTP/1.1 405 "),
        (format!("GET / HTTP/1.0\r\n{upgrade}{version}{sip}\r\n"), "HTTP/1.1 505 "),
        (long, "HTTP/1.1 431 "),
        (options("one", ""), ""),
    ];
    for (request, expected) in cases {
        let mut stream = tcp(house.address(Transport::Ws, false));
        write(&mut stream, &request);
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        assert!(answer.starts_with(expected) && answer.is_empty() == expected.is_empty(), "{request}\n{answer}");
    }
    house.nothing_for(Duration::from_millis(10));
    assert_eq!(house.transports.counters(Transport::Ws).failed_openings, 8);
}

#[test]
fn a_browser_that_has_vanished_is_found() {
    let short = Duration::from_millis(200);
    let house = House::with(StreamConfig { ping_every: short, pong_time: short, ..StreamConfig::default() });
    let address = house.address(Transport::Ws, false);
    let (mut there, _) = client::client(request(&format!("ws://{address}/")), tcp(address)).unwrap();
    there.send(Message::text(options("one", ""))).unwrap();
    let flow = house.received().flow;
    // Reading answers the pings.
    for _ in 0..5 {
        assert_eq!(there.read().unwrap(), Message::Ping(Default::default()));
        there.flush().unwrap();
    }
    house.nothing_for(Duration::from_millis(10));
    let mut stream = there.into_inner();
    assert_eq!(house.closed(), flow);
    hangs_up(&mut stream);
}

#[test]
fn a_frame_beyond_any_message_ends_it() {
    let house = House::open();
    let address = house.address(Transport::Ws, false);
    let (mut socket, _) = client::client(request(&format!("ws://{address}/")), tcp(address)).unwrap();
    socket.send(Message::text(options("one", ""))).unwrap();
    let flow = house.received().flow;
    let _ = socket.send(Message::text("x".repeat(70_000)));
    assert_eq!(house.closed(), flow);
}
