//! Scanners, password lists and floods against the real program; what an operator sees of it and can undo.

use std::net::{SocketAddr, UdpSocket};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use md5::{Digest as _, Md5};
use sip::Transport;

use crate::server::{Login, Server};
use crate::wire::{Phone, header, status};

/// A server that excepts nobody: scanners come from 127.0.0.1 as well.
fn guarded() -> Server {
    Server::start_with(&[("YAKYAK_GUARD__ALLOW", ""), ("YAKYAK_TRACE__MEMORY_MB", "8")])
}

/// Runs one of the tools, and returns all that it says.
fn tool(name: &str, target: SocketAddr, arguments: &[&str]) -> String {
    let home = tempfile::tempdir().unwrap();
    let output = Command::new(name)
        .args(arguments)
        .args(["-p", &target.port().to_string(), &target.ip().to_string()])
        .env("HOME", home.path())
        .current_dir(home.path())
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{name}: {error}; tools/packages test installs sipvicious"));
    let said = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&said).into_owned()
}

/// A password list of the usual kind, with this one in its middle.
fn dictionary(right: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    let guesses = |from: u32| (from..from + 30).map(|number| format!("guess{number}\n")).collect::<String>();
    std::fs::write(file.path(), format!("{}{right}\n{}", guesses(100), guesses(200))).unwrap();
    file
}

/// A weak peer: it names itself, tells extensions from others, and lets anybody try as often as he likes.
struct WeakPeer {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl WeakPeer {
    fn start(login: Login) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let (address, stop) = (socket.local_addr().unwrap(), Arc::new(AtomicBool::new(false)));
        let over = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; 65_535];
            while !over.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
                let answer = weak_answer(&String::from_utf8_lossy(&buffer[..length]), &login);
                socket.send_to(answer.as_bytes(), from).unwrap();
            }
        });
        Self { address, stop, thread: Some(thread) }
    }
}

impl Drop for WeakPeer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn weak_answer(request: &str, login: &Login) -> String {
    let field = |name: &str| header(request, name).unwrap_or_default();
    let known = field("To").contains(&format!("sip:{}@", login.username));
    let authorization = field("Authorization");
    let word = |name: &str| {
        let rest = authorization.split(&format!("{name}=\"")).nth(1).unwrap_or_default();
        rest.split('"').next().unwrap_or_default().to_owned()
    };
    let md5 = |text: String| -> String { Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect() };
    let one = md5(format!("{}:weak:{}", login.username, login.password));
    let right = md5(format!("{one}:nonce:{}", md5(format!("REGISTER:{}", word("uri")))));
    let (line, extra) = match (request.starts_with("OPTIONS"), known) {
        (true, _) => ("200 OK", ""),
        (_, false) => ("404 Not Found", ""),
        (_, true) if word("response") == right => ("200 OK", ""),
        (_, true) => ("401 Unauthorized", "WWW-Authenticate: Digest realm=\"weak\", nonce=\"nonce\"\r\n"),
    };
    format!(
        "SIP/2.0 {line}\r\nVia: {}\r\nFrom: {}\r\nTo: {};tag=weak\r\nCall-ID: {}\r\nCSeq: {}\r\n{extra}\
         User-Agent: WeakPBX 1.0\r\nContent-Length: 0\r\n\r\n",
        field("Via"),
        field("From"),
        field("To"),
        field("Call-ID"),
        field("CSeq")
    )
}

#[test]
fn sipvicious_learns_everything_of_a_weak_peer() {
    let _alone = crate::alone();
    let login = Login { username: "1003".to_owned(), password: "password1999".to_owned() };
    let peer = WeakPeer::start(login.clone());
    let seen = tool("svmap", peer.address, &[]);
    assert!(seen.contains("WeakPBX 1.0"), "{seen}");
    let seen = tool("svwar", peer.address, &["-e", "1000-1010"]);
    assert!(seen.contains("| 1003") && seen.contains("reqauth") && !seen.contains("| 1004"), "{seen}");
    let words = dictionary(&login.password);
    let seen = tool("svcrack", peer.address, &["-u", "1003", "-d", words.path().to_str().unwrap()]);
    assert!(seen.contains("password1999"), "{seen}");
}

#[test]
fn sipvicious_learns_nothing_of_us() {
    let _alone = crate::alone();
    let server = guarded();
    let weak = "password1999";
    let made = server.command(&["extension", "create", "--tenant", "demo", "1003", "--password", weak]);
    assert!(made.status.success());
    let lift = || server.command(&["ban", "remove", "--all"]);

    let seen = tool("svmap", server.sip, &[]);
    assert!(seen.contains("unknown") && !seen.to_lowercase().contains("yakyak"), "{seen}");
    for arguments in [
        ["-e", "1000-1010"].as_slice(),
        &["--force", "-e", "1000-1010"],
        &["--force", "-m", "INVITE", "-e", "1000-1010"],
        &["--force", "-m", "OPTIONS", "-e", "1000-1010"],
    ] {
        lift();
        let seen = tool("svwar", server.sip, &[arguments, &["--maximumtime", "3"]].concat());
        // On a busy machine it may give up before it has begun; the weak peer has shown what it says when it finds some.
        assert!(!seen.is_empty() && !seen.contains("| 100") && !seen.contains("reqauth"), "{arguments:?}: {seen}");
    }
    let words = dictionary(weak);
    lift();
    let arguments = ["-u", "1003", "-d", words.path().to_str().unwrap(), "--maximumtime", "3"];
    let seen = tool("svcrack", server.sip, &arguments);
    assert!(seen.contains("found nothing") && !seen.contains(weak), "{seen}");
    let bans = server.json(&["ban", "list"]);
    assert_eq!(bans[0]["address"], "127.0.0.1", "{bans:#}");
    assert!(bans[0]["reason"].as_str().unwrap().contains("wrong password"), "{bans:#}");
    // The password was right all the time: it is the guard that kept it.
    lift();
    let login = Login { username: "1003".to_owned(), password: weak.to_owned() };
    let mut phone = Phone::new(&server, Transport::Udp, false, "1001");
    phone.login = login;
    assert_eq!(status(&phone.register()), 200);
}

#[test]
fn bans_are_shown_made_and_lifted_and_survive_a_restart() {
    let _alone = crate::alone();
    let mut server = guarded();
    let refused = |server: &Server, arguments: &[&str], words: &str| {
        let output = server.command(arguments);
        let line = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && line.contains(words), "{arguments:?}: {line}");
    };
    assert_eq!(server.json(&["ban", "list"]).as_array().unwrap().len(), 0);
    let made = server.json(&["ban", "add", "127.0.0.1", "--for", "2h", "--reason", "a test"]);
    assert_eq!(
        (&made["address"], &made["reason"], &made["strikes"]),
        (&"127.0.0.1".into(), &"a test".into(), &1.into())
    );
    server.json(&["ban", "add", "2001:db8:1:2::7"]);
    assert_eq!(server.json(&["bans", "list"]), server.json(&["ban", "list"]), "the plural is the same command");
    let table = server.command(&["ban", "list"]);
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    assert!(table.starts_with("ADDRESS") && table.contains("2001:db8:1:2::/64") && table.contains("a test"), "{table}");
    refused(&server, &["ban", "remove", "192.0.2.1"], "ban list");
    refused(&server, &["ban", "remove"], "--all");
    refused(&server, &["ban", "add", "somewhere"], "IP address");

    let deaf = |server: &Server| {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        socket.send_to(stranger("REGISTER", 1, &socket).as_bytes(), server.sip).unwrap();
        socket.recv(&mut [0; 2_000]).is_err()
    };
    assert!(deaf(&server));
    // A connection is not taken either, and one that stands is dropped when it says something.
    let tcp = server.address(Transport::Tcp, false);
    let mut stream = std::net::TcpStream::connect(tcp).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let read = std::io::Read::read(&mut stream, &mut [0; 10]);
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    server.stop();
    server.restart();
    assert!(deaf(&server), "the ban is still there");
    assert_eq!(server.json(&["ban", "list"]).as_array().unwrap().len(), 2);
    let lifted = server.json(&["ban", "remove", "127.0.0.1"]);
    assert_eq!(lifted[0]["reason"], "a test");
    assert!(!deaf(&server));
    server.json(&["ban", "remove", "--all"]);
    assert_eq!(server.json(&["ban", "list"]).as_array().unwrap().len(), 0);
    server.stop();
    refused(&server, &["ban", "list"], "yakyak serve");
}

#[test]
fn the_allow_list_is_not_banned() {
    let _alone = crate::alone();
    let server = Server::start();
    let output = server.command(&["ban", "add", "127.0.0.1"]);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("[guard] allow"));
}

/// A request of somebody whom nobody knows.
fn stranger(method: &str, number: usize, socket: &UdpSocket) -> String {
    let local = socket.local_addr().unwrap();
    format!(
        "{method} sip:1002@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {local};rport;branch=z9hG4bKf{number}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:1001@127.0.0.1>;tag=f{number}\r\nTo: <sip:1002@127.0.0.1>\r\n\
         Call-ID: flood-{number}-{local}\r\nCSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"
    )
}

/// Strangers at two hundred addresses who ask for everything, and send what is no SIP; returns how much they sent.
fn flood(server: SocketAddr, per_ms: usize, over: &AtomicBool) -> usize {
    let sockets: Vec<UdpSocket> = (1..=200_u8)
        .map(|host| {
            let socket = UdpSocket::bind(SocketAddr::from(([127, 7, 7, host], 0))).unwrap();
            socket.set_nonblocking(true).unwrap();
            socket
        })
        .collect();
    let methods = ["REGISTER", "INVITE", "OPTIONS", "SUBSCRIBE", "BYE", "FROBNICATE"];
    let mut number = 0;
    while !over.load(Ordering::Relaxed) {
        for _ in 0..per_ms {
            let socket = &sockets[number % sockets.len()];
            let message = match number % 7 {
                6 => "no SIP at all\r\n\r\n".to_owned(),
                kind => stranger(methods[kind], number, socket),
            };
            let _ = socket.send_to(message.as_bytes(), server);
            while socket.recv(&mut [0; 2_000]).is_ok() {}
            number += 1;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    number
}

/// Resident memory in megabytes.
fn memory_mb(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1_024
}

/// A request that is sent again until it is answered, as phones do over UDP.
fn insist(phone: &mut Phone, method: &str, number: u32, (uri, to, call_id): (&str, &str, &str), extra: &str) -> String {
    let until = Instant::now() + Duration::from_secs(32);
    let mut wait = Duration::from_millis(500);
    while Instant::now() < until {
        phone.send_numbered(method, number, uri, to, call_id, extra, "");
        let again = Instant::now() + wait;
        while Instant::now() < again {
            let Some(message) = phone.wire.try_receive(Duration::from_millis(50)) else { continue };
            let answers =
                message.starts_with("SIP/2.0 ") && header(&message, "CSeq").unwrap() == format!("{number} {method}");
            if answers && status(&message) >= 200 {
                return message;
            }
            if message.starts_with("OPTIONS ") {
                phone.respond(&message, 200, "", "");
            }
        }
        wait = (wait * 2).min(Duration::from_secs(4));
    }
    panic!("{method} of {} is never answered", phone.login.username);
}

/// Registers, and calls the echo test.
fn goes_about_its_business(phone: &mut Phone, round: u32) {
    let domain = phone.domain();
    let own = format!("sip:{domain}");
    let to = format!("<sip:{}@{domain}>", phone.login.username);
    let contact = format!("Contact: {}\r\nExpires: 600\r\n", phone.contact());
    let call_id = format!("registration-{}", phone.wire.local.port());
    let challenge = insist(phone, "REGISTER", round * 2 + 1, (&own, &to, &call_id), &contact);
    let credentials = phone.authorization(&challenge, "REGISTER", &own);
    let answer = insist(phone, "REGISTER", round * 2 + 2, (&own, &to, &call_id), &format!("{credentials}{contact}"));
    assert_eq!(status(&answer), 200, "{answer}");

    // The branch grows from the number, so no number may come twice.
    let [first, second, third] = [1, 2, 3].map(|step| round * 3 + step);
    let uri = format!("sip:*43@{domain}");
    let (to, call_id) = (format!("<{uri}>"), format!("call-{round}-{}", phone.wire.local.port()));
    let contact = format!("Contact: {}\r\n", phone.contact());
    let challenge = insist(phone, "INVITE", first, (&uri, &to, &call_id), &contact);
    assert_eq!(status(&challenge), 407, "{challenge}");
    phone.send_numbered("ACK", first, &uri, &header(&challenge, "To").unwrap(), &call_id, "", "");
    let credentials = phone.authorization(&challenge, "INVITE", &uri);
    let answer = insist(phone, "INVITE", second, (&uri, &to, &call_id), &format!("{credentials}{contact}"));
    assert_eq!(status(&answer), 200, "{answer}");
    let target = header(&answer, "Contact").unwrap();
    let target = target.split(['<', '>']).nth(1).unwrap().to_owned();
    let to = header(&answer, "To").unwrap();
    phone.send_numbered("ACK", second, &target, &to, &call_id, "", "");
    let answer = insist(phone, "BYE", third, (&target, &to, &call_id), "");
    assert_eq!(status(&answer), 200, "{answer}");
}

#[test]
fn fifty_phones_do_not_notice_a_flood_of_strangers() {
    let _alone = crate::alone();
    let soak = std::env::var_os("YAKYAK_SOAK").is_some();
    let server = guarded();
    let mut phones: Vec<Phone> = (0..50)
        .map(|index| Phone::new(&server, Transport::Udp, false, if index % 4 == 0 { "1001" } else { "1002" }))
        .collect();
    // Sixteen phones share an extension at the most, and all of these shall register.
    for (index, login) in (3..7).map(|n| server.create_extension("demo", &format!("100{n}"))).enumerate() {
        for phone in phones.iter_mut().skip(index).step_by(4) {
            phone.login = login.clone();
        }
    }
    server.until("the last extension is known", &["extension", "list", "--tenant", "demo"], |list| {
        list.as_array().unwrap().len() == 6
    });
    std::thread::sleep(Duration::from_millis(500));
    for phone in &mut phones {
        goes_about_its_business(phone, 0);
    }
    let before = memory_mb(server.pid());

    // Thinner where the program is built for debugging.
    let (lasts, per_ms) = if soak { (600, 20) } else { (60, 10) };
    let lasts = Duration::from_secs(lasts);
    let (over, rounds) = (AtomicBool::new(false), AtomicUsize::new(0));
    let sent = std::thread::scope(|scope| {
        let strangers = scope.spawn(|| flood(server.sip, per_ms, &over));
        let begin = Instant::now();
        let working: Vec<_> = phones
            .chunks_mut(10)
            .map(|phones| {
                let rounds = &rounds;
                scope.spawn(move || {
                    let mut round = 1;
                    while begin.elapsed() < lasts {
                        for phone in &mut *phones {
                            goes_about_its_business(phone, round);
                            rounds.fetch_add(1, Ordering::Relaxed);
                        }
                        round += 1;
                    }
                })
            })
            .collect();
        let failed = working.into_iter().map(std::thread::ScopedJoinHandle::join).filter(Result::is_err).count();
        over.store(true, Ordering::Relaxed);
        let sent = strangers.join().unwrap();
        assert_eq!(failed, 0, "of five groups of phones");
        sent
    });
    let rounds = rounds.load(Ordering::Relaxed);
    eprintln!("{rounds} registrations and calls beside {sent} messages of strangers");
    assert!(rounds >= 50 && sent > 500 * usize::try_from(lasts.as_secs()).unwrap(), "{rounds} rounds, {sent} sent");
    let grown = memory_mb(server.pid()).saturating_sub(before);
    // What the phones themselves do is kept for a while: transactions for 32 s, and the trace, 24 kB for each round at the most.
    let most = 64 + u64::try_from(rounds).unwrap() * 24 / 1_024;
    assert!(grown < most, "{grown} MB more than before, after {rounds} rounds and {sent} messages");
    server.until_status("no calls are left", |status| status["calls"] == 0);
    assert_eq!(server.json(&["status"])["registrations"], 50);
}

#[test]
fn secrets_stay_out_of_the_log() {
    let _alone = crate::alone();
    let server = Server::start_with(&[("YAKYAK_SERVER__LOG", "trace")]);
    let mut phone = Phone::new(&server, Transport::Udp, false, "1001");
    let right = phone.login.password.clone();
    phone.login.password = "a-wrong-password".to_owned();
    assert_eq!(status(&phone.register()), 401);
    phone.login.password.clone_from(&right);
    let (domain, contact) = (phone.domain(), format!("Contact: {}\r\n", phone.contact()));
    let (own, to) = (format!("sip:{domain}"), format!("<sip:1001@{domain}>"));
    let challenge = insist(&mut phone, "REGISTER", 101, (&own, &to, "secrets"), &contact);
    let credentials = phone.authorization(&challenge, "REGISTER", &own);
    let answer = insist(&mut phone, "REGISTER", 102, (&own, &to, "secrets"), &format!("{credentials}{contact}"));
    assert_eq!(status(&answer), 200);
    let made = server.create_extension("demo", "1003");
    // What goes over a stream goes through other code.
    let mut stream = Phone::new(&server, Transport::Tls, false, "1002");
    assert_eq!(status(&stream.register()), 200);
    // What cannot be read is told of, but not shown.
    phone.wire.send(format!("BROKEN {credentials}\r\n"));
    assert_eq!(status(&insist(&mut phone, "OPTIONS", 103, (&own, &to, "secrets"), "")), 200);
    let log = std::fs::read_to_string(server.data_dir().join("server.log")).unwrap();
    assert!(log.contains("TRACE"), "the log tells everything it can");
    let response = credentials.split("response=\"").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(response.len(), 32);
    for secret in [&right, &made.password, &stream.login.password, "a-wrong-password", response, "Digest username"] {
        assert!(!log.contains(secret), "{secret} stands in the log");
    }
}
