//! Bad input through a real socket: silence or the right answer, and the switch goes on.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use crate::server::Server;
use crate::sipp::registered;

struct Sender {
    socket: UdpSocket,
}

impl Sender {
    fn new(server: &Server) -> Self {
        Self::to("127.0.0.1:0", server.sip)
    }

    fn to(local: &str, server: SocketAddr) -> Self {
        let socket = UdpSocket::bind(local).unwrap();
        socket.connect(server).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(400))).unwrap();
        Self { socket }
    }

    /// The status line's code, or `None` for silence.
    fn ask(&self, message: impl AsRef<[u8]>) -> Option<String> {
        self.socket.send(message.as_ref()).unwrap();
        let mut buffer = [0; 65_535];
        let length = self.socket.recv(&mut buffer).ok()?;
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        text.split(' ').nth(1).map(str::to_owned)
    }

    fn request(&self, start: &str, to: &str, extra: &str) -> String {
        let port = self.socket.local_addr().unwrap().port();
        let method = start.split(' ').next().unwrap();
        let branch = format!("z9hG4bK{}", start.len() * 31 + extra.len() + to.len());
        format!(
            "{start} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};rport;branch={branch}\r\nMax-Forwards: 70\r\n\
             From: <sip:1001@127.0.0.1>;tag=a\r\nTo: <sip:1002@127.0.0.1>{to}\r\nCall-ID: {branch}\r\n\
             CSeq: 1 {method}\r\n{extra}Content-Length: 0\r\n\r\n"
        )
    }
}

#[test]
fn garbage_is_met_with_silence_and_nothing_stops() {
    let server = Server::start();
    let sender = Sender::new(&server);
    let oversized = vec![b'x'; 65_000];
    let silent: [&[u8]; 7] =
        [b"", b"\r\n\r\n", b"\0", b"GET / HTTP/1.1\r\n\r\n", b"\xff\xfe\xfd", b"SIP/2.0 200 OK\r\n\r\n", &oversized];
    for bytes in silent {
        assert_eq!(sender.ask(bytes), None, "{:?}", &bytes[..bytes.len().min(20)]);
    }
    let many: String = (0..3_000).map(|n| format!("X-{n}: {n}\r\n")).collect();
    let answer = sender.ask(sender.request("OPTIONS sip:127.0.0.1", "", &many));
    assert!(answer.is_none() || answer.as_deref() == Some("400"), "{answer:?}");
    registered(&server, "1001");
}

#[test]
fn to_tag_tricks_find_no_dialog() {
    let server = Server::start();
    let sender = Sender::new(&server);
    for method in ["INVITE", "BYE", "INFO", "UPDATE", "OPTIONS", "MESSAGE", "REFER"] {
        for tag in [";tag=unknown", ";tag="] {
            let answer = sender.ask(sender.request(&format!("{method} sip:1002@127.0.0.1"), tag, ""));
            assert!(matches!(answer.as_deref(), Some("481" | "400")), "{method} {tag}: {answer:?}");
        }
    }
    assert_eq!(sender.ask(sender.request("ACK sip:1002@127.0.0.1", ";tag=unknown", "")), None);
}

#[test]
fn strangers_are_challenged_or_refused_and_leave_nothing() {
    let server = Server::start();
    let sender = Sender::new(&server);
    let cases = [
        ("INVITE sip:1002@127.0.0.1", "407"),
        ("REGISTER sip:127.0.0.1", "401"),
        ("INVITE sip:1002@unknown.example", "403"),
        // A telephone number is taken as one is dialled (RFC 3966), other schemes are not.
        ("INVITE tel:+15551234", "407"),
        ("INVITE mailto:1002@127.0.0.1", "416"),
        ("INVITE sip:%00@127.0.0.1", "407"),
    ];
    for (start, expected) in cases {
        assert_eq!(sender.ask(sender.request(start, "", "")).as_deref(), Some(expected), "{start}");
    }
    let through = sender.request("INVITE sip:1002@127.0.0.1", "", "").replace("Max-Forwards: 70", "Max-Forwards: 0");
    assert_eq!(sender.ask(through).as_deref(), Some("483"));
    let demanding = sender.request("INVITE sip:1002@127.0.0.1", "", "Require: nothing-we-know\r\n");
    assert!(matches!(sender.ask(demanding).as_deref(), Some("407" | "420")));
    assert_eq!(server.json(&["cdr", "list"]).as_array().unwrap().len(), 0, "a stranger leaves no record");
    assert_eq!(server.json(&["status"])["calls"], 0);
}

#[test]
fn ipv6_is_answered_where_it_was_asked() {
    let server = Server::start_with(&[("YAKYAK_SIP__UDP", "127.0.0.1:0,[::1]:0")]);
    let six: SocketAddr = server.ready["sip_udp"][1].as_str().unwrap().parse().unwrap();
    assert!(six.is_ipv6());
    let sender = Sender::to("[::1]:0", six);
    let request = sender.request("REGISTER sip:[::1]", "", "").replace("127.0.0.1", "[::1]");
    // The socket is connected: only an answer from the very address that was asked arrives.
    assert_eq!(sender.ask(request).as_deref(), Some("401"));
}
