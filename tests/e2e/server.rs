//! A YakYak of its own for each test: its own data directory, ports and private PostgreSQL.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long anything that must happen may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A user name and a password.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    pub(crate) username: String,
    pub(crate) password: String,
}

/// A running server.
pub(crate) struct Server {
    child: Child,
    directory: tempfile::TempDir,
    environment: Vec<(String, String)>,
    pub(crate) sip: SocketAddr,
    pub(crate) ready: Value,
    pub(crate) logins: Vec<Login>,
}

impl Server {
    /// A server on a free port of 127.0.0.1, with tenant `demo`.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same with more environment.
    pub(crate) fn start_with(environment: &[(&str, &str)]) -> Self {
        let directory = tempfile::Builder::new().prefix("yakyak-e2e-").tempdir().unwrap();
        let environment = environment.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let (child, ready) = launch(directory.path(), "127.0.0.1:0", &environment);
        let logins = ready["first_start"]
            .as_array()
            .unwrap()
            .iter()
            .map(|login| Login {
                username: login["username"].as_str().unwrap().to_owned(),
                password: login["password"].as_str().unwrap().to_owned(),
            })
            .collect();
        let sip = address(&ready);
        Self { child, directory, environment, sip, ready, logins }
    }

    /// The login of an extension of the demo tenant.
    pub(crate) fn login(&self, number: &str) -> Login {
        self.logins.iter().find(|login| login.username == number).unwrap().clone()
    }

    /// Phones of the extension get plain descriptions, though they come over a WebSocket.
    pub(crate) fn is_no_browser(&self, number: &str) {
        if self.json(&["extension", "show", "--tenant", "demo", number])["audio"]["webrtc"] == "off" {
            return;
        }
        self.json(&["extension", "set", "--tenant", "demo", number, "--webrtc", "off"]);
        // The promise of `extension set`: its next call follows within a second.
        std::thread::sleep(Duration::from_secs(1));
    }

    /// Where it listens for a transport, over IPv4 or IPv6. UDP over IPv6 must be asked for in the environment.
    pub(crate) fn address(&self, transport: sip::Transport, v6: bool) -> SocketAddr {
        let listed = &self.ready[format!("sip_{}", transport.as_str().to_ascii_lowercase())];
        let addresses = listed.as_array().unwrap().iter().map(|text| text.as_str().unwrap().parse().unwrap());
        addresses.into_iter().find(|address: &SocketAddr| address.is_ipv6() == v6).unwrap()
    }

    /// Where browsers are served over HTTP.
    pub(crate) fn http(&self) -> SocketAddr {
        self.ready["api_http"][0].as_str().unwrap().parse().unwrap()
    }

    /// Where browsers are served over HTTPS.
    pub(crate) fn https(&self) -> SocketAddr {
        self.ready["api_https"][0].as_str().unwrap().parse().unwrap()
    }

    pub(crate) fn data_dir(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends the process at once, as a power cut would.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again on the same data and the same address.
    pub(crate) fn restart(&mut self) {
        let (child, ready) = launch(self.directory.path(), &self.sip.to_string(), &self.environment);
        self.child = child;
        self.ready = ready;
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        terminate(self.pid());
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < until, "the server does not stop");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Runs a command of the command line on this data directory.
    pub(crate) fn command(&self, arguments: &[&str]) -> Output {
        command(self.directory.path(), arguments)
    }

    /// The same, which must succeed and print JSON.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let output = self.command(&[arguments, &["--json"]].concat());
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Creates a tenant and returns its slug.
    pub(crate) fn create_tenant(&self, name: &str, domain: &str) -> String {
        self.json(&["tenant", "create", name, "--domain", domain])["slug"].as_str().unwrap().to_owned()
    }

    /// Creates an extension and returns its login.
    pub(crate) fn create_extension(&self, tenant: &str, number: &str) -> Login {
        let made = self.json(&["extension", "create", "--tenant", tenant, number]);
        Login {
            username: made["username"].as_str().unwrap().to_owned(),
            password: made["password"].as_str().unwrap().to_owned(),
        }
    }

    /// Waits until so many call records are closed, and returns all of them, newest first.
    pub(crate) fn closed_records(&self, at_least: usize) -> Vec<Value> {
        let until = Instant::now() + PATIENCE;
        loop {
            let records = self.json(&["cdr", "list", "--limit", "10000"]);
            let records = records.as_array().unwrap().clone();
            if records.iter().filter(|record| record["status"] != "Active").count() >= at_least {
                return records;
            }
            assert!(Instant::now() < until, "{at_least} closed records never came: {records:#?}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits until a condition on `yakyak status` holds.
    pub(crate) fn until_status(&self, what: &str, holds: impl Fn(&Value) -> bool) {
        self.until(what, &["status"], holds);
    }

    /// Waits until a condition on what a command prints holds.
    pub(crate) fn until(&self, what: &str, arguments: &[&str], holds: impl Fn(&Value) -> bool) {
        let until = Instant::now() + PATIENCE;
        loop {
            let seen = self.json(arguments);
            if holds(&seen) {
                return;
            }
            assert!(Instant::now() < until, "never so: {what}; last seen {seen:#}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            terminate(self.pid());
            let until = Instant::now() + Duration::from_secs(20);
            while self.child.try_wait().is_ok_and(|status| status.is_none()) {
                if Instant::now() > until {
                    let _ = self.child.kill();
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        if std::thread::panicking() {
            let mut log = String::new();
            if let Ok(mut file) = std::fs::File::open(self.directory.path().join("server.log")) {
                let _ = file.read_to_string(&mut log);
            }
            let tail: Vec<&str> = log.lines().rev().take(60).collect();
            for line in tail.iter().rev() {
                eprintln!("server: {line}");
            }
        }
    }
}

/// The program under test.
pub(crate) fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_yakyak"))
}

/// Runs a command of the command line on a data directory.
pub(crate) fn command(data_dir: &Path, arguments: &[&str]) -> Output {
    clean(&mut Command::new(program())).args(arguments).arg("--data-dir").arg(data_dir).output().unwrap()
}

/// Without what the surroundings may have set.
pub(crate) fn clean(command: &mut Command) -> &mut Command {
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("YAKYAK_") || name == "DATABASE_URL") {
        command.env_remove(name);
    }
    command.stdin(Stdio::null())
}

fn launch(data_dir: &Path, sip: &str, environment: &Vec<(String, String)>) -> (Child, Value) {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(data_dir.join("server.log")).unwrap();
    let mut command = Command::new(program());
    clean(&mut command)
        .args(["serve", "--json", "--data-dir"])
        .arg(data_dir)
        .env("YAKYAK_SIP__UDP", sip)
        .env("YAKYAK_SIP__TCP", "127.0.0.1:0,[::1]:0")
        .env("YAKYAK_SIP__TLS", "127.0.0.1:0,[::1]:0")
        .env("YAKYAK_SIP__WS", "127.0.0.1:0,[::1]:0")
        .env("YAKYAK_SIP__WSS", "127.0.0.1:0,[::1]:0")
        .env("YAKYAK_API__LISTEN_ADDRESS", "127.0.0.1:0")
        .env("YAKYAK_API__TLS_LISTEN_ADDRESS", "127.0.0.1:0")
        .env("YAKYAK_SERVER__LOG", "debug")
        // Most tests do what would have their address banned; those of the guard come from others.
        .env("YAKYAK_GUARD__ALLOW", "127.0.0.1")
        .env("YAKYAK_SERVER__DRAIN_TIMEOUT_S", "1")
        .env("YAKYAK_RTP__PORT_RANGE_START", "20000")
        .env("YAKYAK_RTP__PORT_RANGE_END", "59999")
        .env("YAKYAK_RTP__PORT_REST_S", "1")
        .env("YAKYAK_RTP__WEBRTC_PORT", "0");
    for (key, value) in environment {
        command.env(key, value);
    }
    let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in stdout.lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    let line = receiver.recv_timeout(PATIENCE).unwrap_or_else(|_| {
        let _ = child.kill();
        let log = std::fs::read_to_string(data_dir.join("server.log")).unwrap_or_default();
        panic!("the server is never ready: {log}")
    });
    (child, serde_json::from_str(&line).unwrap())
}

fn address(ready: &Value) -> SocketAddr {
    ready["sip_udp"][0].as_str().unwrap().parse().unwrap()
}

/// SIGTERM.
pub(crate) fn terminate(pid: u32) {
    signal(pid, rustix::process::Signal::TERM);
}

/// Any signal, to a process that the test started.
pub(crate) fn signal(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    let _ = rustix::process::kill_process(pid, signal);
}
