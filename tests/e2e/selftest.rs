//! `yakyak selftest`: that it hears what is right, that it notices what is wrong, and that it leaves nothing behind.

use std::process::{Command, Output, Stdio};
use std::time::Instant;

use rustix::process::Signal;
use serde_json::Value;
use sip::Transport;

use crate::baresip;
use crate::server::{PATIENCE, Server, clean, program, signal};
use crate::wire::{Phone, status};

/// What the command says of each call, and how it ended.
fn rows(server: &Server, arguments: &[&str]) -> (Vec<Value>, Output) {
    let output = server.command(&[&["selftest", "--json"], arguments].concat());
    let rows = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    (rows, output)
}

/// One line, with these words, and no success.
fn fails(output: &Output, code: i32, words: &[&str]) {
    let line = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), line.trim_end().lines().count()), (Some(code), 1), "{line}");
    for word in words {
        assert!(line.contains(word), "{word:?} is not in {line:?}");
    }
}

/// No extension, registration or call of the test is there any more.
fn nothing_is_left(server: &Server) {
    let extensions = server.json(&["extension", "list", "--tenant", "demo"]);
    let numbers: Vec<&str> = extensions.as_array().unwrap().iter().map(|row| row["number"].as_str().unwrap()).collect();
    assert_eq!(numbers, ["1001", "1002"]);
    server.until_status("all is quiet", |status| {
        ["registrations", "calls", "media_sessions"].iter().all(|count| status[count] == 0)
    });
}

fn good(row: &Value, kind: &str) {
    assert_eq!((&row["call"], &row["good"], &row["call_records"]), (&kind.into(), &true.into(), &1.into()), "{row:#}");
    let number = |name: &str| row[name].as_f64().unwrap_or_else(|| panic!("{name}: {row:#}"));
    assert!((number("heard_hz") - 1_020.0).abs() <= 3.0 && number("gain_db").abs() < 1.0, "{row:#}");
    assert!(number("mos") >= 4.0 && number("lost_percent") < 3.0, "{row:#}");
    assert!(number("set_up_ms") > 0.0 && number("round_trip_ms") > 0.0, "{row:#}");
}

#[test]
fn the_echo_is_heard_in_clear_and_encrypted() {
    let server = Server::start();
    let (rows, output) = rows(&server, &[]);
    assert!(output.status.success(), "{rows:#?} {output:?}");
    assert_eq!(rows.len(), 2);
    good(&rows[0], "plain");
    good(&rows[1], "sdes");
    let records = server.closed_records(2);
    assert_eq!(records.len(), 2);
    let mut encryption: Vec<&str> =
        records.iter().map(|record| record["media"][0]["encryption"].as_str().unwrap()).collect();
    encryption.sort_unstable();
    assert_eq!(encryption, ["", "SDES"], "the second call was encrypted, and the first was not");
    nothing_is_left(&server);

    let login = server.login("1001");
    let people = server.command(&["selftest", "--extension", "1001", "--password", &login.password]);
    assert!(people.status.success(), "{people:?}");
    let table = String::from_utf8(people.stdout).unwrap();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 3, "{table}");
    assert!(lines[0].starts_with("CALL") && lines[1..].iter().all(|line| line.ends_with("good")), "{table}");
    assert!(server.closed_records(4).iter().take(2).all(|record| record["caller_number"] == "1001"));
    nothing_is_left(&server);
}

#[cfg(feature = "selftest-webrtc")]
#[test]
fn the_echo_is_heard_as_in_a_browser() {
    let server = Server::start();
    let (rows, output) = rows(&server, &["--webrtc"]);
    assert!(output.status.success(), "{rows:#?} {output:?}");
    assert_eq!(rows.len(), 1);
    good(&rows[0], "webrtc");
    let records = server.closed_records(1);
    assert_eq!((records.len(), &records[0]["media"][0]["encryption"]), (1, &"DTLS".into()));
    nothing_is_left(&server);
}

#[cfg(not(feature = "selftest-webrtc"))]
#[test]
fn a_program_without_a_browsers_media_says_how_to_get_one() {
    let directory = tempfile::tempdir().unwrap();
    let output = crate::server::command(directory.path(), &["selftest", "--webrtc"]);
    fails(&output, 2, &["--webrtc", "--features selftest-webrtc"]);
}

#[test]
fn who_is_not_let_in_is_told_so() {
    let mut server = Server::start();
    let with = |arguments: &[&str]| server.command(&[&["selftest"], arguments].concat());
    fails(&with(&["--extension", "1001", "--password", "wrong-wrong-wrong"]), 2, &["1001", "wrong name or password"]);
    fails(&with(&["--extension", "1001"]), 2, &["--password"]);
    fails(&with(&["--password", "alone"]), 2, &["--extension"]);
    fails(&with(&["--tenant", "nobody"]), 2, &["--tenant nobody", "tenant list"]);
    fails(&with(&["--server", "127.0.0.1"]), 2, &["--server 127.0.0.1", "pbx.example:5060"]);
    // Nobody listens there: the port was free a moment ago.
    let free = crate::sipp::free_port();
    fails(&with(&["--server", &format!("127.0.0.1:{free}")]), 2, &[&free.to_string(), "--server"]);
    nothing_is_left(&server);

    server.stop();
    fails(&server.command(&["selftest"]), 2, &["no server runs", "yakyak serve"]);
    let server_alone = server.command(&["selftest", "--server", &server.sip.to_string()]);
    fails(&server_alone, 2, &["--extension", "--password"]);
}

#[test]
fn another_tone_than_its_own_is_no_echo() {
    let server = Server::start();
    // As high as the beep of the echo test, and so near to the tone that only a good ear tells them apart.
    let _callee = baresip::Phone::start(&server, &server.login("1002"), 1_000.0, true, &[]);
    server.until("1002 is registered", &["registration", "list"], |list| list.as_array().unwrap().len() == 1);
    let (rows, output) = rows(&server, &["--number", "1002"]);
    fails(&output, 1, &["calls are not good", "yakyak trace selftest-"]);
    let plain = &rows[0];
    assert_eq!((&plain["good"], &plain["call_records"]), (&false.into(), &1.into()), "{plain:#}");
    assert!((plain["heard_hz"].as_f64().unwrap() - 1_000.0).abs() <= 3.0, "{plain:#}");
    assert!(plain["verdict"].as_str().unwrap().contains("instead of 1020 Hz"), "{plain:#}");
}

const SILENT: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 20002 RTP/AVP \
                      0\r\na=rtpmap:0 PCMU/8000\r\n";

#[test]
fn silence_and_a_refusal_are_no_echo() {
    let server = Server::start();
    let mut callee = Phone::new(&server, Transport::Udp, false, "1002");
    assert_eq!(status(&callee.register()), 200);
    let (rows, output) = std::thread::scope(|scope| {
        let caller = scope.spawn(|| self::rows(&server, &["--number", "1002"]));
        // The first call is answered, and nothing is said; the second only rings, until the caller has had enough.
        let invite = callee.wait_for("INVITE ");
        callee.respond(&invite, 200, "Content-Type: application/sdp\r\n", SILENT);
        let bye = callee.wait_for("BYE ");
        callee.respond(&bye, 200, "", "");
        let invite = callee.wait_for("INVITE ");
        callee.respond(&invite, 180, "", "");
        let cancel = callee.wait_for("CANCEL ");
        callee.respond(&cancel, 200, "", "");
        callee.respond(&invite, 487, "", "");
        caller.join().unwrap()
    });
    fails(&output, 1, &["2 of 2 calls are not good"]);
    let verdict = |row: &Value| row["verdict"].as_str().unwrap().to_owned();
    assert!(verdict(&rows[0]).contains("no packet arrived"), "{rows:#?}");
    assert!(rows[0]["mos"].is_null() && rows[0]["call_records"] == 1, "{rows:#?}");
    assert!(verdict(&rows[1]).contains("it rings, and nobody answers"), "{rows:#?}");

    let (rows, output) = self::rows(&server, &["--number", "5555"]);
    fails(&output, 1, &["2 of 2"]);
    assert!(rows.iter().all(|row| verdict(row).contains("404")), "{rows:#?}");
}

#[test]
fn an_interrupted_test_hangs_up_and_cleans_up() {
    for end in [Signal::INT, Signal::TERM] {
        let server = Server::start();
        let child = clean(&mut Command::new(program()))
            .args(["selftest", "--data-dir"])
            .arg(server.data_dir())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        server.until("the call is up", &["call", "list"], |calls| calls[0]["state"] == "answered");
        let began = Instant::now();
        signal(child.id(), end);
        let output = child.wait_with_output().unwrap();
        fails(&output, 2, &["interrupted", "nothing of the test is left"]);
        assert!(began.elapsed() < PATIENCE / 4, "{:?}", began.elapsed());
        nothing_is_left(&server);
        let records = server.closed_records(1);
        assert_eq!((records.len(), &records[0]["status"]), (1, &"Completed".into()), "it has hung up: {records:#?}");
    }
}
