//! linphone: three ordinary softphones on three transports, and a call that one of them hands over to another.

use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sip::Transport;

use crate::server::{Login, PATIENCE, Server};

/// A linphone that is told what to do line by line.
struct Phone {
    child: Child,
    directory: tempfile::TempDir,
}

impl Phone {
    fn start(server: &Server, login: &Login, transport: Transport, answers: bool) -> Self {
        let directory = tempfile::Builder::new().prefix("yakyak-linphone-").tempdir().unwrap();
        let folder = directory.path();
        std::fs::create_dir_all(folder.join(".local/share/linphone")).unwrap();
        std::fs::write(folder.join("rc"), configuration(server, login, transport)).unwrap();
        let out = std::fs::File::create(folder.join("out")).unwrap();
        let mut command = Command::new("linphonec");
        command.arg("-c").arg(folder.join("rc")).args(answers.then_some("-a")).env("HOME", folder);
        let child = command
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(out.try_clone().unwrap())
            .stderr(out)
            .spawn()
            .expect("linphonec is there: tools/packages test installs it");
        let mut phone = Self { child, directory };
        phone.says("linphonec>");
        phone.does("soundcard use files");
        phone
    }

    fn does(&mut self, line: &str) {
        let input = self.child.stdin.as_mut().expect("a pipe");
        writeln!(input, "{line}").expect("linphonec listens");
    }

    fn output(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("out")).unwrap_or_default()
    }

    /// Waits until it has printed something.
    fn says(&self, words: &str) {
        let until = Instant::now() + PATIENCE;
        while !self.output().contains(words) {
            assert!(Instant::now() < until, "linphonec never said {words:?}:\n{}", self.output());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("linphonec: {}", self.output());
        }
    }
}

fn configuration(server: &Server, login: &Login, transport: Transport) -> String {
    let address = server.address(transport, false);
    format!(
        "[sip]\nsip_port=-1\nsip_tcp_port=-1\nsip_tls_port=-1\ndefault_proxy=0\nverify_server_certs=0\nverify_server_cn=0\n\
         [rtp]\naudio_rtp_port=-1\nvideo_rtp_port=-1\n[sound]\nechocancellation=0\n\
         [video]\nenabled=0\ncapture=0\ndisplay=0\n\
         [proxy_0]\nreg_proxy=<sip:{address};transport={transport}>\nreg_identity=sip:{user}@{address}\nreg_expires=600\n\
         reg_sendregister=1\npublish=0\ndial_escape_plus=0\n\
         [auth_info_0]\nusername={user}\npasswd={password}\n",
        transport = transport.uri_param(),
        user = login.username,
        password = login.password,
    )
}

fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < until, "it never came to this: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn an_attended_transfer_across_udp_tcp_and_tls() {
    let server = Server::start();
    let third = server.create_extension("demo", "1003");
    let mut first = Phone::start(&server, &server.login("1001"), Transport::Udp, false);
    let mut second = Phone::start(&server, &server.login("1002"), Transport::Tcp, true);
    let _third = Phone::start(&server, &third, Transport::Tls, true);
    wait_for("three registrations", || server.json(&["registration", "list"]).as_array().unwrap().len() == 3);
    let call = |number: &str| format!("call sip:{number}@{}", server.sip);
    first.does(&call("1002"));
    first.says("Media streams established with");
    first.does("pause 1");
    first.says("is now paused");
    first.does(&call("1003"));
    first.says("for call 2 (audio)");
    first.does("transfer 1 --to-call 2");
    first.says("Call 1 with");
    wait_for("the first call is over and the second goes on", || {
        let calls = server.json(&["call", "list"]);
        let calls = calls.as_array().unwrap();
        calls.len() == 1 && calls[0]["callee"] == "1003" && calls[0]["state"] == "answered"
    });
    first.says("Call 2 with");
    wait_for("the one who transferred is free", || {
        first.does("calls");
        std::thread::sleep(Duration::from_millis(200));
        first.output().contains("No active call.")
    });
    second.does("terminate");
    let records = server.closed_records(2);
    assert_eq!(records.len(), 2);
    assert!(records.iter().all(|record| record["status"] == "Completed"), "{records:#?}");
    wait_for("nothing is left", || server.json(&["call", "list"]).as_array().unwrap().is_empty());
}
