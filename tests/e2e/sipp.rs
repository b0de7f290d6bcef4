//! SIPp: a phone that follows a scenario of `tests/sipp/`.

use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::server::{Login, Server};

/// The port of a phone: it registers and is called at the same one.
pub(crate) fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Who calls whom, and how.
pub(crate) struct Scenario<'a> {
    pub(crate) name: &'a str,
    pub(crate) server: SocketAddr,
    pub(crate) domain: String,
    pub(crate) login: Option<Login>,
    pub(crate) number: String,
    pub(crate) callee: String,
    pub(crate) port: u16,
    pub(crate) calls: u32,
    pub(crate) rate: u32,
    /// Words of the scenario that are replaced.
    pub(crate) words: Vec<(&'static str, String)>,
    pub(crate) options: Vec<String>,
    pub(crate) seconds: u32,
}

impl<'a> Scenario<'a> {
    pub(crate) fn new(name: &'a str, server: &Server, number: &str) -> Self {
        Self {
            name,
            server: server.sip,
            domain: server.sip.ip().to_string(),
            login: server.logins.iter().find(|login| login.username == number).cloned(),
            number: number.to_owned(),
            callee: String::new(),
            port: free_port(),
            calls: 1,
            rate: 10,
            words: Vec::new(),
            options: Vec::new(),
            seconds: 40,
        }
    }

    pub(crate) fn to(mut self, callee: &str) -> Self {
        self.callee = callee.to_owned();
        self
    }

    pub(crate) fn at(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    pub(crate) fn domain(mut self, domain: &str) -> Self {
        self.domain = domain.to_owned();
        self
    }

    pub(crate) fn login(mut self, login: &Login) -> Self {
        self.login = Some(login.clone());
        self
    }

    pub(crate) fn calls(mut self, calls: u32, rate: u32) -> Self {
        self.calls = calls;
        self.rate = rate;
        self
    }

    pub(crate) fn word(mut self, word: &'static str, text: impl Into<String>) -> Self {
        self.words.push((word, text.into()));
        self
    }

    pub(crate) fn option(mut self, option: &str) -> Self {
        self.options.push(option.to_owned());
        self
    }

    /// Starts SIPp and does not wait.
    pub(crate) fn start(self) -> Running {
        let directory = tempfile::Builder::new().prefix("yakyak-sipp-").tempdir().unwrap();
        let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/sipp").join(format!("{}.xml", self.name));
        let mut text = std::fs::read_to_string(source).unwrap();
        for (word, value) in &self.words {
            text = text.replace(word, value);
        }
        let scenario = directory.path().join("scenario.xml");
        std::fs::write(&scenario, text).unwrap();
        let login = self.login.map_or(String::new(), |login| {
            format!("[authentication username={} password={}]", login.username, login.password)
        });
        let users = directory.path().join("users.csv");
        std::fs::write(&users, format!("SEQUENTIAL\n{};{};{login};{}\n", self.number, self.callee, self.domain))
            .unwrap();
        // SIPp would prove itself for its peer's address; what is proven must be the Request-URI.
        let proven =
            if self.callee.is_empty() { self.domain.clone() } else { format!("{}@{}", self.callee, self.domain) };
        let errors = directory.path().join("errors.log");
        let messages = directory.path().join("messages.log");
        let child = Command::new("sipp")
            .arg(self.server.to_string())
            .args(["-sf".as_ref(), scenario.as_os_str(), "-inf".as_ref(), users.as_os_str()])
            .args(["-i", "127.0.0.1", "-mi", "127.0.0.1", "-p", &self.port.to_string(), "-nostdin"])
            .args(["-auth_uri", &proven])
            .args(["-m", &self.calls.to_string(), "-r", &self.rate.to_string()])
            .args(["-timeout", &format!("{}s", self.seconds), "-timeout_error"])
            .args(["-trace_err".as_ref(), "-error_file".as_ref(), errors.as_os_str()])
            .args(["-trace_msg".as_ref(), "-message_file".as_ref(), messages.as_os_str()])
            .args(&self.options)
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sipp is there: tools/packages test installs it");
        Running { child, directory, name: self.name.to_owned(), until: Instant::now() + Duration::from_secs(90) }
    }

    /// Runs SIPp to its end, which must be a good one.
    pub(crate) fn run(self) {
        self.start().succeeds();
    }
}

/// A SIPp that runs.
pub(crate) struct Running {
    child: Child,
    directory: tempfile::TempDir,
    name: String,
    until: Instant,
}

impl Running {
    /// Waits for a good end.
    pub(crate) fn succeeds(mut self) {
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < self.until, "sipp {} never ends\n{}", self.name, self.report());
            std::thread::sleep(Duration::from_millis(20));
        };
        assert!(status.success(), "sipp {} fails: {status}\n{}", self.name, self.report());
    }

    fn report(&self) -> String {
        let read = |name: &str| std::fs::read_to_string(self.directory.path().join(name)).unwrap_or_default();
        let messages = read("messages.log");
        let tail = messages.len().saturating_sub(8_000);
        format!("{}\n{}", read("errors.log"), messages.get(tail..).unwrap_or(&messages))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Registers an extension of the demo tenant at a port of its own, and returns the port.
pub(crate) fn registered(server: &Server, number: &str) -> u16 {
    let port = free_port();
    Scenario::new("register", server, number).at(port).word("EXPECTED", "200").run();
    port
}

/// Writes half a second of a tone as G.711 µ-law, for `rtp_stream`.
pub(crate) fn voice(directory: &Path) -> PathBuf {
    let path = directory.join("voice.ul");
    let samples: Vec<u8> = (0..4_000)
        .map(|n| {
            let angle = f64::from(n) * 440.0 * std::f64::consts::TAU / 8_000.0;
            #[expect(clippy::cast_possible_truncation, reason = "within ±8000")]
            let sample = (angle.sin() * 8_000.0) as i16;
            media::g711::encode_pcmu(sample)
        })
        .collect();
    std::fs::write(&path, samples).unwrap();
    path
}
