//! Against servers on loopback, which the policy permits for these tests alone.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::*;

const USUAL: Limits = Limits { bytes: 100_000, time: Duration::from_secs(10) };

struct Server {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
}

impl Server {
    /// Answers every request, one connection after the other, with what `answer` makes of its path.
    fn start(answer: impl Fn(&str, &mut TcpStream) -> std::io::Result<()> + Send + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Server { address: listener.local_addr().unwrap(), asked: Arc::default() };
        let asked = Arc::clone(&server.asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut line = String::new();
                let mut head = BufReader::new(stream.try_clone().unwrap());
                head.read_line(&mut line).unwrap();
                let mut other = String::new();
                while head.read_line(&mut other).unwrap_or(0) > 2 {
                    other.clear();
                }
                asked.fetch_add(1, Ordering::SeqCst);
                let path = line.split(' ').nth(1).unwrap_or_default();
                // A client that has seen enough hangs up.
                let _ = answer(path, &mut stream);
            }
        });
        server
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

fn ok(stream: &mut TcpStream, body: &[u8]) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len())?;
    stream.write_all(body)
}

fn redirect(stream: &mut TcpStream, to: &str) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}

fn allowing(allow: &[&str]) -> FetchPolicy {
    FetchPolicy { allow: allow.iter().map(|text| text.parse().unwrap()).collect() }
}

#[test]
fn a_file_is_fetched_whole_and_under_the_name_that_is_allowed() {
    let server = Server::start(|path, stream| ok(stream, path.repeat(1_000).as_bytes()));
    let bytes = fetch_within(&server.url("/a?b"), &allowing(&["127.0.0.1"]), USUAL).unwrap();
    assert_eq!(bytes, b"/a?b".repeat(1_000));
    let by_name = format!("http://localhost:{}/name", server.address.port());
    let bytes = fetch_within(&by_name, &allowing(&["localhost"]), USUAL).unwrap();
    assert_eq!(bytes, b"/name".repeat(1_000));
}

#[test]
fn an_address_that_is_not_public_is_never_connected_to() {
    let server = Server::start(|_, stream| ok(stream, b"secret"));
    let port = server.address.port();
    let urls = [
        format!("http://127.0.0.1:{port}/"),
        format!("http://localhost:{port}/"),
        format!("http://2130706433:{port}/"),
        format!("http://0x7f.1:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        format!("http://0.0.0.0:{port}/"),
        format!("http://user:password@127.0.0.1:{port}/"),
    ];
    for url in urls {
        let error = fetch_within(&url, &allowing(&["10.0.0.0/8", "example.com"]), USUAL).unwrap_err();
        assert!(matches!(error, FetchError::Forbidden { .. }), "{url}: {error}");
        assert!(error.to_string().contains("[media] fetch_allow"), "{error}");
    }
    assert_eq!(server.asked.load(Ordering::SeqCst), 0);
}

#[test]
fn redirections_are_followed_three_times_at_the_most() {
    let server = Server::start(|path, stream| match path {
        "/0" => ok(stream, b"here"),
        "/1" => redirect(stream, "/0"),
        "/2" => redirect(stream, "/1"),
        "/3" => redirect(stream, "/2"),
        "/4" => redirect(stream, "/3"),
        _ => redirect(stream, "/round"),
    });
    let policy = allowing(&["127.0.0.1"]);
    for path in ["/1", "/3"] {
        assert_eq!(fetch_within(&server.url(path), &policy, USUAL).unwrap(), b"here");
    }
    for path in ["/4", "/round"] {
        let error = fetch_within(&server.url(path), &policy, USUAL).unwrap_err();
        assert!(matches!(error, FetchError::Redirects), "{path}: {error}");
    }
}

#[test]
fn a_redirection_to_where_it_may_not_go_is_refused() {
    let secret = Server::start(|_, stream| ok(stream, b"secret"));
    let port = secret.address.port();
    let door = Server::start(move |path, stream| match path {
        "/loopback" => redirect(stream, &format!("http://127.0.0.2:{port}/")),
        "/metadata" => redirect(stream, "http://169.254.169.254/latest/meta-data/"),
        _ => redirect(stream, "file:///etc/passwd"),
    });
    // The host is allowed by its name; the same address under another name is not.
    let by_name = |path: &str| format!("http://localhost:{}{path}", door.address.port());
    for path in ["/loopback", "/metadata"] {
        let error = fetch_within(&by_name(path), &allowing(&["localhost"]), USUAL).unwrap_err();
        assert!(matches!(error, FetchError::Forbidden { .. }), "{path}: {error}");
    }
    let policy = allowing(&["127.0.0.1"]);
    for path in ["/loopback", "/metadata"] {
        let error = fetch_within(&door.url(path), &policy, USUAL).unwrap_err();
        assert!(matches!(error, FetchError::Forbidden { .. }), "{path}: {error}");
    }
    let error = fetch_within(&door.url("/file"), &policy, USUAL).unwrap_err();
    assert!(matches!(error, FetchError::Redirects), "{error}");
    assert_eq!(secret.asked.load(Ordering::SeqCst), 0);
}

#[test]
fn more_than_the_limit_is_refused_whatever_the_server_says() {
    let server = Server::start(|path, stream| match path {
        "/exact" => ok(stream, &[0; 1_000]),
        "/honest" => ok(stream, &[0; 1_001]),
        _ => {
            write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
            loop {
                stream.write_all(&[0; 1_000])?;
            }
        }
    });
    let (policy, limits) = (allowing(&["127.0.0.1"]), Limits { bytes: 1_000, ..USUAL });
    assert_eq!(fetch_within(&server.url("/exact"), &policy, limits).unwrap().len(), 1_000);
    for path in ["/honest", "/endless"] {
        let error = fetch_within(&server.url(path), &policy, limits).unwrap_err();
        assert!(matches!(error, FetchError::TooLarge), "{path}: {error}");
    }
}

#[test]
fn a_server_that_takes_its_time_is_left() {
    let server = Server::start(|path, stream| {
        let pause = || std::thread::sleep(Duration::from_millis(20));
        if path == "/mute" {
            // Until the client hangs up.
            let _ = std::io::Read::read(stream, &mut [0]);
            return Ok(());
        }
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n")?;
        loop {
            stream.write_all(if path == "/header" { b"X-More: and more\r\n" } else { b"\r\n" })?;
            pause();
        }
    });
    let limits = Limits { time: Duration::from_millis(400), bytes: 2_000_000 };
    for path in ["/mute", "/header", "/body"] {
        let before = Instant::now();
        let error = fetch_within(&server.url(path), &allowing(&["127.0.0.1"]), limits).unwrap_err();
        assert!(matches!(error, FetchError::TooSlow), "{path}: {error}");
        assert!(before.elapsed() < Duration::from_secs(5), "{path}");
    }
}

#[test]
fn refusals_and_broken_answers_are_told_in_one_line() {
    let server = Server::start(|path, stream| match path {
        "/missing" => write!(stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
        "/short" => write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n123"),
        _ => write!(stream, "what\r\n\r\n"),
    });
    let policy = allowing(&["127.0.0.1"]);
    assert!(matches!(fetch_within(&server.url("/missing"), &policy, USUAL), Err(FetchError::Status(404))));
    for path in ["/short", "/nonsense"] {
        let error = fetch_within(&server.url(path), &policy, USUAL).unwrap_err();
        assert!(matches!(&error, FetchError::Failed(why) if !why.contains('\n')), "{path}: {error:?}");
    }
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = fetch_within(&format!("http://{closed}/"), &policy, USUAL).unwrap_err();
    assert!(matches!(error, FetchError::Failed(_)), "{error:?}");
    let long = format!("http://127.0.0.1/{}", "a".repeat(MAX_URL_BYTES));
    for url in ["", "announcement.wav", "/etc/passwd", "file:///etc/passwd", "ftp://a.example/", "http:///a", &long] {
        assert!(matches!(fetch_within(url, &policy, USUAL), Err(FetchError::Url)), "{url:?}");
    }
}

#[test]
fn the_log_shows_neither_passwords_nor_queries() {
    assert_eq!(without_secrets("https://me:secret@a.example:99/file.mp3?token=secret"), "https://a.example/file.mp3");
    assert_eq!(without_secrets("\u{1}"), "a malformed URL");
}
