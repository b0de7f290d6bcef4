//! kamailio on core 0, with the configuration beside this file.

use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::figures::cpu_ms;
use crate::phones::{PASSWORD, number};

/// A running kamailio.
pub(crate) struct Kamailio {
    child: Child,
    _directory: tempfile::TempDir,
    pub(crate) address: SocketAddr,
}

impl Kamailio {
    /// Starts it for so many extensions of a domain, and waits until it answers.
    pub(crate) fn start(domain: &str, extensions: usize) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let address = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let child = Command::new("taskset")
            .args(["-c", "0", "kamailio", "-DD", "-E", "-m", "512", "-M", "16"])
            .args(["-f", concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers/kamailio.cfg")])
            .args(["-l", &format!("udp:{address}")])
            .args(["-A", &format!("REALM=\"{domain}\"")])
            .args(["-A", &format!("SECRET=\"{PASSWORD}\"")])
            .args(["-A", &format!("USERS={extensions}"), "-A", &format!("FIRST={}", number(0))])
            .args(["-P".as_ref(), directory.path().join("pid").as_os_str()])
            .args(["-Y".as_ref(), directory.path().as_os_str()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("kamailio is there: tools/packages bench-peers installs it");
        let kamailio = Self { child, _directory: directory, address };
        kamailio.until_ready();
        kamailio
    }

    /// A request without credentials is answered once it runs.
    fn until_ready(&self) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let own = socket.local_addr().unwrap();
        let began = Instant::now();
        for attempt in 0.. {
            let request = format!(
                "OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bKready{attempt}\r\nFrom: <sip:x@x>;tag=1\r\n\
                 To: <sip:x@x>\r\nCall-ID: ready{attempt}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 9\r\nContent-Length: 0\r\n\r\n"
            );
            let _ = socket.send_to(request.as_bytes(), self.address);
            if socket.recv(&mut [0; 2_000]).is_ok() {
                return;
            }
            assert!(began.elapsed() < Duration::from_secs(30), "kamailio never answers");
        }
    }

    /// User and system time of all its processes so far, in milliseconds.
    pub(crate) fn cpu_ms(&self) -> f64 {
        cpu_ms(self.child.id())
    }
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}
