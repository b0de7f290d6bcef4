//! The torture suite against the real program: every message of `crates/sip/tests/corpus` over UDP, TCP in one piece and byte by
//! byte, TLS and WebSocket, each with the answer that the RFC asks for; and none that is illegal ever reaches a phone.

use std::collections::BTreeSet;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sip::Transport;

use crate::server::{Login, PATIENCE, Server};
use crate::table::{self, Answer, ROWS, Reading, Row, Stream};
use crate::wire::{Phone, Wire, header, status};

const DOMAIN: &str = "yak.example";

/// How a message travels.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Way {
    Udp,
    Tcp,
    TcpByteByByte,
    Tls,
    Ws,
}

const WAYS: [Way; 5] = [Way::Udp, Way::Tcp, Way::TcpByteByByte, Way::Tls, Way::Ws];

impl Way {
    fn transport(self) -> Transport {
        match self {
            Way::Udp => Transport::Udp,
            Way::Tcp | Way::TcpByteByByte => Transport::Tcp,
            Way::Tls => Transport::Tls,
            Way::Ws => Transport::Ws,
        }
    }

    /// A WebSocket frames messages as datagrams do.
    fn is_stream(self) -> bool {
        matches!(self, Way::Tcp | Way::TcpByteByByte | Way::Tls)
    }
}

/// What the topmost Vias of the corpus name, and what stands behind it there and nowhere else.
const SENT_BY: [(&str, &str); 8] = [
    ("UDP 192.0.2.10", ";"),
    ("UDP 192.0.2.10", "\r\n"),
    ("UDP 192.0.2.1", ";"),
    ("UDP 192.0.2.15", ";"),
    ("UDP 192.0.2.95", ";"),
    ("\r\n    192.0.2.2", ";"),
    ("UDP [2001:db8::9:1]", ";"),
    ("UDP [::ffff:192.0.2.10]", ";"),
];

/// A sender that nobody knows.
enum Stranger {
    Datagrams { socket: UdpSocket, server: SocketAddr },
    Stream { wire: Box<Wire>, byte_by_byte: bool },
}

impl Stranger {
    fn new(server: &Server, way: Way) -> Self {
        if way == Way::Udp {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
            return Self::Datagrams { socket, server: server.sip };
        }
        let wire = Box::new(Wire::to(server, way.transport(), false));
        Self::Stream { wire, byte_by_byte: way == Way::TcpByteByByte }
    }

    fn send(&mut self, bytes: &[u8]) {
        match self {
            Self::Datagrams { socket, server } => {
                socket.send_to(bytes, *server).unwrap();
            }
            Self::Stream { wire, byte_by_byte: true } => wire.send_byte_by_byte(bytes),
            Self::Stream { wire, byte_by_byte: false } => wire.send(bytes),
        }
    }

    fn receive(&mut self, within: Duration) -> Option<String> {
        match self {
            Self::Datagrams { socket, .. } => {
                let until = Instant::now() + within;
                let mut buffer = [0; 65_535];
                while Instant::now() < until {
                    if let Ok(length) = socket.recv(&mut buffer) {
                        return Some(String::from_utf8_lossy(&buffer[..length]).into_owned());
                    }
                }
                None
            }
            Self::Stream { wire, .. } => wire.try_receive(within),
        }
    }

    /// The final answer to the request with this mark; answers to others are passed over.
    fn answer(&mut self, mark: &str) -> Option<String> {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            let message = self.receive(Duration::from_millis(500))?;
            let ours = header(&message, "Call-ID").is_none_or(|call_id| call_id.starts_with(mark));
            if ours && status(&message) >= 200 {
                return Some(message);
            }
        }
        None
    }

    /// Nothing comes back: the answer to a question that is asked afterwards is the first there is.
    fn stays_silent(&mut self, name: &str, mark: &str) {
        let probe = format!("probe-{mark}");
        let question = format!(
            "OPTIONS sip:{DOMAIN} SIP/2.0\r\nVia: SIP/2.0/{} 127.0.0.1;branch=z9hG4bK{probe};rport\r\nFrom: \
             <sip:x@{DOMAIN}>;tag=1\r\nTo: <sip:{DOMAIN}>\r\nCall-ID: {probe}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
            match self {
                Self::Datagrams { .. } => Transport::Udp,
                Self::Stream { wire, .. } => wire.transport,
            }
        );
        self.send(question.as_bytes());
        loop {
            let message = self.receive(PATIENCE).unwrap_or_else(|| panic!("{name}: the connection is gone"));
            match header(&message, "Call-ID") {
                Some(call_id) if call_id == probe => return,
                // Repetitions of answers to earlier rows.
                Some(call_id) if !call_id.starts_with(mark) => {}
                _ => panic!("{name}: {message}"),
            }
        }
    }

    /// The same message, which may name the port that answers to a Via without `rport` go to.
    fn addressed(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        let Self::Datagrams { socket, .. } = self else { return bytes };
        let port = socket.local_addr().unwrap().port();
        for (sent_by, behind) in SENT_BY {
            let (old, new) = (format!("{sent_by}{behind}"), format!("{sent_by}:{port}{behind}"));
            bytes = replaced(&bytes, format!("{sent_by}:5060{behind}").as_bytes(), old.as_bytes());
            bytes = replaced(&bytes, old.as_bytes(), new.as_bytes());
        }
        bytes
    }

    fn closes(&mut self) -> bool {
        match self {
            Self::Datagrams { .. } => true,
            Self::Stream { wire, .. } => wire.closes(PATIENCE),
        }
    }
}

/// The message of a row, with the extensions of the test, and with ids of its own so that no two sendings are one transaction.
fn message(row: &Row, mark: &str) -> Vec<u8> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/sip/tests/corpus");
    let mut bytes = table::bytes(&corpus, row.file);
    let branch = format!("z9hG4bK{mark}");
    let mut pairs = vec![
        ("sip:ada@", "sip:1001@".to_owned()),
        ("sip:ad%61@", "sip:100%31@".to_owned()),
        ("sip:bob@", "sip:1002@".to_owned()),
        ("Call-ID: ", format!("Call-ID: {mark}")),
    ];
    if row.file != "valid-bare-branch" {
        pairs.push(("z9hG4bK", branch));
    }
    for (old, new) in &pairs {
        bytes = replaced(&bytes, old.as_bytes(), new.as_bytes());
    }
    bytes
}

fn replaced(bytes: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at..].starts_with(old) {
            out.extend_from_slice(new);
            at += old.len();
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    out
}

/// The same message with credentials, right behind its start line.
fn signed(bytes: &[u8], ada: &Phone, challenge: &str) -> Vec<u8> {
    let end = bytes.windows(2).position(|pair| pair == b"\r\n").unwrap() + 2;
    let start = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut words = start.split(' ');
    let (method, uri) = (words.next().unwrap(), words.next().unwrap());
    let line = ada.authorization(challenge, method, uri);
    [&bytes[..end], line.as_bytes(), &bytes[end..]].concat()
}

/// Bob's phone: busy, and it keeps account of what reaches it.
struct Bob {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<(BTreeSet<String>, Vec<String>)>,
}

impl Bob {
    /// Registers and waits for calls.
    fn new(server: &Server, login: &Login) -> Self {
        let mut phone = Phone::new(server, Transport::Udp, false, "1002");
        phone.login = login.clone();
        let until = Instant::now() + PATIENCE;
        // The tenant has just been made.
        while status(&phone.register()) != 200 {
            assert!(Instant::now() < until, "bob is never registered");
            std::thread::sleep(Duration::from_millis(100));
        }
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let (mut calls, mut others) = (BTreeSet::new(), Vec::new());
            while !stopped.load(Ordering::Relaxed) {
                let Some(message) = phone.wire.try_receive(Duration::from_millis(100)) else { continue };
                match message.split(' ').next().unwrap_or_default() {
                    "INVITE" => {
                        calls.insert(header(&message, "Call-ID").unwrap());
                        phone.respond(&message, 486, "", "");
                    }
                    "ACK" | "CANCEL" => {}
                    "OPTIONS" => phone.respond(&message, 200, "", ""),
                    _ => others.push(message),
                }
            }
            (calls, others)
        });
        Self { stop, thread }
    }

    /// The calls that rang here, and everything that was neither a call nor part of one.
    fn account(self) -> (BTreeSet<String>, Vec<String>) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// One message over one way.
fn check(server: &Server, ada: &Phone, row: &Row, way: Way, number: u32) {
    let mut stranger = Stranger::new(server, way);
    let stranger = &mut stranger;
    let mark = format!("m{number}-");
    let name = format!("{} {} over {way:?}", row.section, row.file);
    let bytes = stranger.addressed(message(row, &mark));
    let other = if way.is_stream() { row.stream } else { Stream::Same };
    stranger.send(&bytes);
    match other {
        Stream::Waits => return assert_eq!(stranger.receive(Duration::from_millis(100)), None, "{name}"),
        Stream::Closed => return assert!(stranger.closes(), "{name}"),
        Stream::Refused => {
            let answer = stranger.answer(&mark).unwrap_or_else(|| panic!("{name}: no answer"));
            assert_eq!(status(&answer), 400, "{name}: {answer}");
            return assert!(stranger.closes(), "{name}: the connection stays");
        }
        Stream::Pong => {
            if let Stranger::Stream { wire, .. } = stranger {
                assert_eq!(wire.receive_bytes(2), b"\r\n", "{name}");
            }
            return;
        }
        Stream::Same => {}
    }
    let expect = |stranger: &mut Stranger, code: u16| {
        let answer = stranger.answer(&mark).unwrap_or_else(|| panic!("{name}: no answer"));
        assert_eq!(status(&answer), code, "{name}: {answer}");
        answer
    };
    match row.answer {
        // A ping in a frame of its own may be answered.
        Answer::Silence if row.stream == Stream::Pong && way == Way::Ws => {}
        Answer::Silence => stranger.stays_silent(&name, &mark),
        Answer::Refused(code) => drop(expect(stranger, code)),
        Answer::Good { stranger: code, known } => {
            let challenge = expect(stranger, code);
            let again = signed(&bytes, ada, &challenge);
            if way.is_stream() {
                // The two in one have left a connection behind that cannot go on.
                *stranger = Stranger::new(server, way);
            }
            stranger.send(&again);
            expect(stranger, known);
        }
    }
}

#[test]
fn every_message_gets_its_answer_over_every_transport() {
    let server = Server::start();
    let tenant = server.create_tenant("Yak", DOMAIN);
    for (slug, default) in [("demo", "false"), (tenant.as_str(), "true")] {
        let output = server.command(&["tenant", "update", slug, "--default", default]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let logins = ["1001", "1002"].map(|number| server.create_extension(&tenant, number));
    let bob = Bob::new(&server, &logins[1]);
    let mut ada = Phone::new(&server, Transport::Udp, false, "1001");
    ada.login = logins[0].clone();
    let mut calls = 0;
    let mut number = 0;
    for way in WAYS {
        for row in ROWS {
            number += 1;
            check(&server, &ada, row, way, number);
            calls += usize::from(matches!(row.answer, Answer::Good { known: 486, .. }));
            assert!(!(row.reading == Reading::Dropped && row.answer != Answer::Silence));
        }
    }
    let (rang, others) = bob.account();
    assert_eq!(others, Vec::<String>::new(), "nothing but calls reaches a phone");
    assert_eq!(rang.len(), calls, "each good call rings once, and nothing else does");
    server.until_status("no call is left", |status| status["calls"] == 0);
}
