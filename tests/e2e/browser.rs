//! JsSIP in headless Chromium over a secure WebSocket, and baresip over TLS: they call each other.
//!
//! What the browser says over SIP is JsSIP's own; its session description is a plain one (`browser/page.js` says why). JsSIP and
//! the driver of Chromium come from npm with pinned versions, Node and Chromium from Debian.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{self, Receiver};
use std::time::Instant;

use serde_json::{Value, json};
use sip::Transport;

use crate::baresip;
use crate::server::{Login, PATIENCE, Server};

/// The files of the phones; the bundler is that of the page.
const FILES: [&str; 6] = [
    "tests/e2e/browser/package.json",
    "tests/e2e/browser/package-lock.json",
    "tests/e2e/browser/page.js",
    "tests/e2e/browser/phone.mjs",
    "tests/e2e/browser/webphone.mjs",
    "crates/api/web/bundle.mjs",
];

/// Where the phones are, with what they need from npm; one test installs it for all.
fn installed() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(install)
}

fn install() -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("browser");
    std::fs::create_dir_all(&folder).unwrap();
    let lock = std::fs::read(source.join("tests/e2e/browser/package-lock.json")).unwrap();
    let done = std::fs::read(folder.join("node_modules/.installed")).is_ok_and(|stamp| stamp == lock);
    for file in FILES {
        let name = Path::new(file).file_name().unwrap();
        std::fs::copy(source.join(file), folder.join(name)).unwrap();
    }
    if !done {
        let output = Command::new("npm")
            .args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"])
            .current_dir(&folder)
            .stdin(Stdio::null())
            .output()
            .expect("npm is there: tools/packages test installs it");
        assert!(output.status.success(), "npm: {}", String::from_utf8_lossy(&output.stderr));
        std::fs::write(folder.join("node_modules/.installed"), lock).unwrap();
    }
    folder
}

/// A page with a phone in it, and its driver.
pub(crate) struct Browser {
    child: Child,
    commands: ChildStdin,
    events: Receiver<Value>,
    seen: Vec<Value>,
}

impl Browser {
    fn start() -> Self {
        Self::start_driver("phone.mjs", &[])
    }

    /// One of the drivers.
    pub(crate) fn start_driver(file: &str, arguments: &[String]) -> Self {
        let mut child = Command::new("node")
            .arg(file)
            .args(arguments)
            .current_dir(installed())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node is there: tools/packages test installs it");
        let (sender, events) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = sender.send(serde_json::from_str(&line).unwrap_or(Value::String(line)));
            }
        });
        let commands = child.stdin.take().unwrap();
        let mut browser = Self { child, commands, events, seen: Vec::new() };
        browser.wait_for("ready");
        browser
    }

    /// Says what to do.
    pub(crate) fn does(&mut self, command: &Value) {
        writeln!(self.commands, "{command}").unwrap();
    }

    /// Registers an extension over a secure WebSocket.
    fn registers(&mut self, server: &Server, login: &Login) {
        let url = format!("wss://{}/", server.address(Transport::Wss, false));
        let domain = server.sip.ip().to_string();
        let (user, password) = (&login.username, &login.password);
        self.does(&json!({ "do": "start", "url": url, "user": user, "domain": domain, "password": password }));
        self.wait_for("registered");
    }

    /// The next event of a kind; what comes before is kept for the report of a failure.
    pub(crate) fn wait_for(&mut self, kind: &str) -> Value {
        self.wait_for_event(kind, |event| event["event"] == kind)
    }

    /// The next event like this, named `what` if it never comes.
    pub(crate) fn wait_for_event(&mut self, what: &str, mut is_it: impl FnMut(&Value) -> bool) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let Ok(event) = self.events.recv_timeout(left) else { panic!("no {what} came, only {:?}", self.seen) };
            if is_it(&event) {
                return event;
            }
            assert!(!matches!(event["event"].as_str(), Some("failed" | "refused" | "error")), "{event} before {what}");
            self.seen.push(event);
        }
    }

    /// Waits until audio has come to the address in its description.
    fn is_spoken_to(&mut self) {
        let until = Instant::now() + PATIENCE;
        loop {
            self.does(&json!({ "do": "packets" }));
            let count = self.wait_for("packets")["count"].as_u64().unwrap();
            if count >= 20 {
                return;
            }
            assert!(Instant::now() < until, "{count} packets came to the browser");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It takes Chromium with it.
        crate::server::terminate(self.child.id());
        let _ = self.child.wait();
    }
}

#[test]
fn a_browser_over_wss_and_baresip_over_tls_call_each_other() {
    let server = Server::start();
    let (ada, bob) = (server.login("1001"), server.login("1002"));
    server.is_no_browser("1001");
    let mut browser = Browser::start();
    browser.registers(&server, &ada);
    let listed = server.json(&["registration", "list"]);
    assert_eq!((&listed[0]["extension"], listed[0]["transport"].as_str()), (&json!("1001"), Some("wss")));

    let callee = baresip::Phone::start_over(&server, Transport::Tls, &bob, 1_000.0, true, &[]);
    server.until("baresip is registered", &["registration", "list"], |list| list.as_array().unwrap().len() == 2);
    browser.does(&json!({ "do": "call", "number": "1002" }));
    browser.wait_for("confirmed");
    browser.is_spoken_to();
    browser.does(&json!({ "do": "hold" }));
    browser.wait_for("held");
    browser.does(&json!({ "do": "resume" }));
    browser.wait_for("resumed");
    browser.does(&json!({ "do": "hang_up" }));
    browser.wait_for("ended");
    let records = server.closed_records(1);
    assert_eq!((records.len(), &records[0]["status"]), (1, &json!("Completed")));
    assert!(records[0]["caller_user_agent"].as_str().unwrap().contains("JsSIP"), "{:#}", records[0]);
    drop(callee);

    let dial = format!("/dial sip:1001@{};transport=tls", server.address(Transport::Tls, false));
    let _caller = baresip::Phone::start_over(&server, Transport::Tls, &bob, 1_000.0, false, &[dial]);
    let rings = browser.wait_for("rings");
    assert_eq!(rings["from"], "1002");
    browser.does(&json!({ "do": "answer" }));
    browser.wait_for("confirmed");
    browser.is_spoken_to();
    browser.does(&json!({ "do": "hang_up" }));
    browser.wait_for("ended");
    let records = server.closed_records(2);
    assert!(records.iter().all(|record| record["status"] == "Completed"), "{records:#?}");
    browser.does(&json!({ "do": "stop" }));
    server.until("the browser is gone", &["registration", "list"], |list| {
        list.as_array().unwrap().iter().all(|phone| phone["extension"] != "1001")
    });
    server.until_status("no call is left", |status| status["calls"] == 0);
}
