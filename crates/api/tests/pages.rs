//! What a client sees of the pages, over real connections.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use api::{Addresses, Limits, PhoneConfig, Server};
use tokio::runtime::Runtime;
use tokio_rustls::rustls;

const CONFIG: PhoneConfig = PhoneConfig { ws: Some(8088), wss: Some(8089), https: None, address: None };
const PATHS: [(&str, &str); 6] = [
    ("/phone", "text/html; charset=utf-8"),
    ("/phone/phone.css", "text/css; charset=utf-8"),
    ("/phone/phone.js", "text/javascript; charset=utf-8"),
    ("/phone/jssip.js", "text/javascript; charset=utf-8"),
    ("/phone/icon.svg", "image/svg+xml"),
    ("/phone/config.json", "application/json"),
];

struct Site {
    runtime: Runtime,
    server: Server,
    http: SocketAddr,
}

impl Site {
    fn start(limits: Limits) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let addresses = Addresses { http: vec!["127.0.0.1:0".parse().unwrap()], https: Vec::new() };
        let sockets = api::bind(&addresses).unwrap();
        let server = {
            let _inside = runtime.enter();
            Server::start(sockets, None, api::router(&CONFIG), limits).unwrap()
        };
        let http = server.addresses().http[0];
        Self { runtime, server, http }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.http).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// One request on a connection of its own.
    fn ask(&self, request: &str) -> Answer {
        let mut stream = self.connect();
        write!(stream, "{request}Host: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        Answer::read(&bytes)
    }

    fn get(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path} HTTP/1.1\r\n"))
    }
}

#[derive(Debug)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    fn read(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a head with its end");
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let (first, rest) = head.split_once("\r\n").unwrap();
        let header =
            |line: &str| line.split_once(": ").map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
        Self {
            status: first.split(' ').nth(1).unwrap().parse().unwrap(),
            headers: rest.split("\r\n").map(|line| header(line).unwrap()).collect(),
            body: bytes[end + 4..].to_vec(),
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let first = values.next();
        assert_eq!(values.next(), None, "{name} stands there twice");
        first
    }

    fn is_strict(&self) {
        let policy = self.header("content-security-policy").unwrap();
        for rule in ["default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"] {
            assert!(policy.split("; ").any(|stands| stands == rule), "{rule} in {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(self.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(self.header("referrer-policy"), Some("no-referrer"));
        assert!(self.header("permissions-policy").unwrap().contains("microphone=(self)"));
    }

    fn problem(&self) -> serde_json::Value {
        self.is_strict();
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        let problem: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(problem["status"], self.status);
        problem
    }
}

#[test]
fn every_file_has_its_type_and_the_strict_headers() {
    let site = Site::start(Limits::default());
    for (path, media_type) in PATHS {
        let answer = site.get(path);
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("content-type"), Some(media_type), "{path}");
        assert_eq!(answer.header("content-length").unwrap(), answer.body.len().to_string(), "{path}");
        assert!(!answer.body.is_empty(), "{path}");
        answer.is_strict();
    }
    let config: serde_json::Value = serde_json::from_slice(&site.get("/phone/config.json").body).unwrap();
    assert_eq!(config, serde_json::json!({ "ws": 8088, "wss": 8089, "https": null, "address": null }));
    let script = String::from_utf8(site.get("/phone/jssip.js").body).unwrap();
    assert!(script.starts_with("/*! ") && script.contains("jssip 3.13.8 (MIT)"), "the licences come with the code");
}

#[test]
fn a_head_is_the_answer_without_its_body() {
    let site = Site::start(Limits::default());
    for (path, _) in PATHS {
        let (head, get) = (site.ask(&format!("HEAD {path} HTTP/1.1\r\n")), site.get(path));
        let stripped = |answer: &Answer| {
            let mut headers = answer.headers.clone();
            headers.retain(|(name, _)| name != "date");
            (answer.status, headers)
        };
        assert_eq!(stripped(&head), stripped(&get), "{path}");
        assert!(head.body.is_empty(), "{path}");
    }
}

#[test]
fn what_a_browser_has_is_not_sent_again() {
    let site = Site::start(Limits::default());
    let first = site.get("/phone/phone.js");
    let etag = first.header("etag").unwrap();
    assert_eq!(first.header("cache-control"), Some("no-cache"));
    for known in [etag.to_owned(), format!("W/{etag}"), format!("\"other\", {etag}"), "*".to_owned()] {
        let again = site.ask(&format!("GET /phone/phone.js HTTP/1.1\r\nIf-None-Match: {known}\r\n"));
        assert_eq!((again.status, again.header("etag"), again.body.len()), (304, Some(etag), 0), "{known}");
        again.is_strict();
    }
    let other = site.ask("GET /phone/phone.js HTTP/1.1\r\nIf-None-Match: \"other\"\r\n");
    assert_eq!((other.status, &other.body), (200, &first.body));
    assert_ne!(site.get("/phone/phone.css").header("etag").unwrap(), etag);
}

#[test]
fn refusals_are_problems_that_say_what_to_do() {
    let site = Site::start(Limits::default());
    for path in ["/nothing", "/phone/../Cargo.toml", "/phone/%2e%2e/Cargo.toml", "/phone/index.html", "/api/v1/tenants"]
    {
        let answer = site.get(path);
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.problem()["detail"].as_str().unwrap().contains("/phone"), "{path}");
    }
    for method in ["POST", "PUT", "DELETE"] {
        let answer = site.ask(&format!("{method} /phone HTTP/1.1\r\nContent-Length: 0\r\n"));
        assert_eq!((answer.status, answer.header("allow")), (405, Some("GET,HEAD")), "{method}");
        answer.problem();
    }
}

#[test]
fn short_addresses_lead_to_the_page() {
    let site = Site::start(Limits::default());
    for (path, status) in [("/", 307), ("/phone/", 308)] {
        let answer = site.get(path);
        assert_eq!((answer.status, answer.header("location")), (status, Some("/phone")), "{path}");
        answer.is_strict();
    }
}

#[test]
fn garbage_and_endless_heads_end_their_connection_alone() {
    let site = Site::start(Limits::default());
    let mut garbage = site.connect();
    garbage.write_all(b"\x16\x03\x01\x00\xff\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = garbage.read_to_end(&mut answer);
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 400"), "{}", String::from_utf8_lossy(&answer));
    let mut endless = site.connect();
    let line = format!("X: {}\r\n", "x".repeat(1_000));
    endless.write_all(b"GET /phone HTTP/1.1\r\n").unwrap();
    let written = (0..1_000).take_while(|_| endless.write_all(line.as_bytes()).is_ok()).count();
    let mut answer = Vec::new();
    let _ = endless.read_to_end(&mut answer);
    assert!(written < 1_000 || answer.starts_with(b"HTTP/1.1 431"), "a megabyte of headers was taken");
    assert_eq!(site.get("/phone").status, 200);
}

/// Whether the other side ends the connection, and after how long.
fn ends(stream: &mut TcpStream) -> Duration {
    let began = Instant::now();
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "it stays open"),
    }
    began.elapsed()
}

#[test]
fn whoever_comes_past_the_limit_is_hung_up_on() {
    let site = Site::start(Limits { connections_per_address: 2, ..Limits::default() });
    let kept = [site.connect(), site.connect()];
    // Those two are admitted once they have been answered.
    for mut stream in &kept {
        write!(stream, "HEAD /phone HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        assert!(stream.read(&mut [0; 1024]).unwrap() > 0);
    }
    assert!(ends(&mut site.connect()) < Duration::from_secs(5));
    drop(kept);
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let mut stream = site.connect();
        let _ = write!(stream, "HEAD /phone HTTP/1.1\r\nHost: x\r\n\r\n");
        if matches!(stream.read(&mut [0; 1024]), Ok(1..)) {
            break;
        }
        assert!(Instant::now() < until, "nobody is let in again");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn connections_that_ask_for_nothing_or_stay_too_long_are_ended() {
    let head = Duration::from_millis(300);
    let site = Site::start(Limits { head, ..Limits::default() });
    assert!(ends(&mut site.connect()) >= head / 2, "time to ask was given");
    let mut slow = site.connect();
    slow.write_all(b"GET /phone HTTP/1.1\r\nX-Slow: ").unwrap();
    ends(&mut slow);

    let site = Site::start(Limits { lifetime: head, ..Limits::default() });
    let mut idle = site.connect();
    write!(idle, "HEAD /phone HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert!(ends(&mut idle) < Duration::from_secs(10), "long before the head's own time");
}

#[test]
fn stopping_lets_idle_connections_go_and_frees_the_port() {
    let site = Site::start(Limits::default());
    let mut idle = site.connect();
    write!(idle, "HEAD /phone HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert!(idle.read(&mut [0; 1024]).unwrap() > 0);
    let Site { runtime, server, http } = site;
    let began = Instant::now();
    runtime.block_on(server.stop(Duration::from_secs(10)));
    assert!(began.elapsed() < Duration::from_secs(5), "an idle connection is not waited for");
    ends(&mut idle);
    let error = TcpStream::connect(http).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    api::bind(&Addresses { http: vec![http], https: Vec::new() }).expect("the port is free again");
}

#[test]
fn an_address_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let error = api::bind(&Addresses { http: Vec::new(), https: vec![address] }).unwrap_err();
    assert!(error.secure && error.address == address);
    assert!(error.to_string().starts_with(&format!("cannot open HTTPS {address}: ")), "{error}");
}

#[test]
fn the_same_pages_come_over_tls() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .unwrap();
    let runtime = Runtime::new().unwrap();
    let sockets = api::bind(&Addresses { http: Vec::new(), https: vec!["127.0.0.1:0".parse().unwrap()] }).unwrap();
    let address = sockets.addresses().https[0];
    let _inside = runtime.enter();
    let limits = Limits { handshake: Duration::from_millis(300), ..Limits::default() };
    let _server = Server::start(sockets, Some(Arc::new(config)), api::router(&CONFIG), limits).unwrap();

    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut session = rustls::ClientConnection::new(Arc::new(client), "localhost".try_into().unwrap()).unwrap();
    let mut tcp = TcpStream::connect(address).unwrap();
    let mut tls = rustls::Stream::new(&mut session, &mut tcp);
    tls.write_all(b"GET /phone HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut bytes = Vec::new();
    tls.read_to_end(&mut bytes).unwrap();
    let answer = Answer::read(&bytes);
    assert_eq!(answer.status, 200);
    answer.is_strict();

    let mut silent = TcpStream::connect(address).unwrap();
    silent.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    assert!(ends(&mut silent) < Duration::from_secs(10), "a handshake that never comes is not waited for");
}
