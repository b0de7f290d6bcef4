//! What it survives: power cuts, a database that is away, an orderly stop.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::server::{Server, signal};
use crate::sipp::{Running, Scenario, registered};

/// Two phones in a call that lasts for a while.
fn talking(server: &Server, talk_ms: u32) -> (Running, Running) {
    let port = registered(server, "1002");
    let callee = Scenario::new("answer", server, "1002").at(port).start();
    let caller = Scenario::new("call", server, "1001")
        .to("1002")
        .word("  <nop><action><exec rtp_stream=\"VOICE,-1,0\"/></action></nop>\n", "")
        .word("TALK", talk_ms.to_string())
        .start();
    server.until("a call is up", &["call", "list"], |calls| calls[0]["state"] == "answered");
    (caller, callee)
}

#[test]
fn a_power_cut_leaves_one_closed_record() {
    let mut server = Server::start();
    let (_caller, _callee) = talking(&server, 30_000);
    std::thread::sleep(Duration::from_secs(1));
    let killed_at = jiff::Timestamp::now();
    server.kill();
    server.restart();
    let records = server.closed_records(1);
    assert_eq!(records.len(), 1);
    assert_eq!(records[0]["status"], "Failed");
    assert_eq!(records[0]["disconnect_reason"], "system restart");
    let ended: jiff::Timestamp = records[0]["end_time"].as_str().unwrap().parse().unwrap();
    let off = (killed_at.as_millisecond() - ended.as_millisecond()).abs();
    assert!(off <= 5_000, "the end is {off} ms off");
    let listed = server.json(&["registration", "list"]);
    assert_eq!(listed.as_array().unwrap().len(), 1, "the phone is still reachable: {listed:#}");
}

#[test]
fn twenty_seconds_without_a_database_lose_nothing() {
    let server = Server::start();
    let (caller, callee) = talking(&server, 3_000);
    let postmaster = postmaster(&server);
    // Stopped, not ended: connections hang, which is the worse kind of being away.
    signal(postmaster, Signal::STOP);
    let stopped = std::time::Instant::now();
    caller.succeeds();
    callee.succeeds();
    let port = registered(&server, "1002");
    let callee = Scenario::new("answer", &server, "1002").at(port).calls(5, 10).start();
    Scenario::new("call", &server, "1001")
        .to("1002")
        .calls(5, 2)
        .word("  <nop><action><exec rtp_stream=\"VOICE,-1,0\"/></action></nop>\n", "")
        .word("TALK", "500")
        .run();
    callee.succeeds();
    while stopped.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(100));
    }
    signal(postmaster, Signal::CONT);
    let records = server.closed_records(6);
    assert_eq!(records.len(), 6, "every call has its record, once");
    assert!(records.iter().all(|record| record["status"] == "Completed"), "{records:#?}");
}

/// The process of the private PostgreSQL, from its pid file.
fn postmaster(server: &Server) -> u32 {
    let mut folders = vec![server.data_dir().to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            if entry.file_name() == "postmaster.pid" {
                let text = std::fs::read_to_string(entry.path()).unwrap();
                return text.lines().next().unwrap().trim().parse().unwrap();
            }
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(entry.path());
            }
        }
    }
    panic!("no postmaster.pid under {}", server.data_dir().display());
}

#[test]
fn a_killed_database_comes_back() {
    let mut server = Server::start();
    let database = postmaster(&server);
    server.kill();
    signal(database, Signal::KILL);
    server.restart();
    assert_eq!(server.json(&["tenant", "list"])[0]["slug"], "demo");
}

#[test]
fn sigterm_says_goodbye_to_the_phones_and_closes_every_record() {
    let mut server = Server::start();
    let (_caller, callee) = talking(&server, 30_000);
    let status = server.stop();
    assert!(status.success(), "{status}");
    // The scenario of the callee ends well only with a BYE.
    callee.succeeds();
    server.restart();
    let records: Vec<Value> = server.closed_records(1);
    assert_eq!(records.len(), 1);
    assert_eq!((records[0]["status"].as_str(), records[0]["hangup_by"].as_str()), (Some("Completed"), Some("system")));
}
