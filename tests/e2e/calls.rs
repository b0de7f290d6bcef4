//! Calls between two SIPp phones through the real program.

use serde_json::Value;

use crate::server::Server;
use crate::sipp::{Scenario, registered, voice};

/// The one record of a test with one call.
fn only_record(server: &Server) -> Value {
    let records = server.closed_records(1);
    assert_eq!(records.len(), 1, "one call leaves one record: {records:#?}");
    records[0].clone()
}

/// Nothing is left over in the switch.
fn quiet(server: &Server) {
    server.until_status("no calls are left", |status| status["calls"] == 0);
}

#[test]
fn a_phone_registers_and_is_listed() {
    let server = Server::start();
    let port = registered(&server, "1001");
    let listed = server.json(&["registration", "list", "--tenant", "demo"]);
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(listed[0]["extension"], "1001");
    assert_eq!(listed[0]["remote"], format!("127.0.0.1:{port}"));
    assert_eq!(server.json(&["registrations", "list"]), listed, "the plural is the same command");
}

#[test]
fn a_wrong_password_and_a_foreign_identity_are_refused() {
    let server = Server::start();
    let mut wrong = server.login("1001");
    wrong.password.push('x');
    Scenario::new("register", &server, "1001").login(&wrong).word("EXPECTED", "401").run();
    let mut unknown = server.login("1001");
    unknown.username = "1999".to_owned();
    Scenario::new("register", &server, "1999").login(&unknown).word("EXPECTED", "401").run();
    let own = server.login("1001");
    Scenario::new("register", &server, "1002").login(&own).word("EXPECTED", "403").run();
    assert_eq!(server.json(&["registration", "list"]).as_array().unwrap().len(), 0);
}

#[test]
fn a_call_carries_audio_both_ways_and_leaves_one_record() {
    let server = Server::start();
    let directory = tempfile::tempdir().unwrap();
    let voice = voice(directory.path());
    let callee_port = registered(&server, "1002");
    let callee = Scenario::new("answer", &server, "1002").at(callee_port).option("-rtp_echo").start();
    Scenario::new("call", &server, "1001")
        .to("1002")
        .word("VOICE", voice.display().to_string())
        .word("TALK", "2000")
        .run();
    callee.succeeds();
    let record = only_record(&server);
    assert_eq!(record["status"], "Completed");
    assert_eq!(record["direction"], "Internal");
    assert_eq!(record["dialed_number"], "1002");
    assert_eq!(record["hangup_by"], "caller");
    assert_eq!(record["codec"], "PCMU");
    assert_eq!(record["sip_response_code"], 200);
    let media = record["media"].as_array().unwrap();
    assert_eq!(media.len(), 2, "{record:#}");
    for leg in media {
        for direction in ["packets_received", "packets_sent"] {
            assert!(leg[direction].as_u64().unwrap() > 50, "two seconds of audio each way: {record:#}");
        }
        assert_eq!(leg["strangers"], 0);
    }
    quiet(&server);
}

#[test]
fn the_callee_may_end_the_call() {
    let server = Server::start();
    let port = registered(&server, "1002");
    let callee = Scenario::new("answer_and_hang_up", &server, "1002").at(port).start();
    Scenario::new("call_ended_by_callee", &server, "1001").to("1002").run();
    callee.succeeds();
    let record = only_record(&server);
    assert_eq!((record["status"].as_str(), record["hangup_by"].as_str()), (Some("Completed"), Some("callee")));
    quiet(&server);
}

#[test]
fn a_call_is_cancelled() {
    let server = Server::start();
    let port = registered(&server, "1002");
    let callee = Scenario::new("ring_forever", &server, "1002").at(port).start();
    Scenario::new("cancel", &server, "1001").to("1002").run();
    callee.succeeds();
    let record = only_record(&server);
    assert_eq!((record["status"].as_str(), record["sip_response_code"].as_u64()), (Some("Cancelled"), Some(487)));
    quiet(&server);
}

#[test]
fn a_busy_phone_is_busy() {
    let server = Server::start();
    let port = registered(&server, "1002");
    let callee = Scenario::new("busy", &server, "1002").at(port).start();
    Scenario::new("refused", &server, "1001").to("1002").word("EXPECTED", "486").run();
    callee.succeeds();
    let record = only_record(&server);
    assert_eq!((record["status"].as_str(), record["hangup_cause"].as_u64()), (Some("Busy"), Some(17)));
    quiet(&server);
}

#[test]
fn nobody_answers() {
    let server = Server::start();
    server.json(&["tenant", "update", "demo", "--ring-timeout-s", "1"]);
    let port = registered(&server, "1002");
    let callee = Scenario::new("ring_forever", &server, "1002").at(port).start();
    Scenario::new("refused", &server, "1001").to("1002").word("EXPECTED", "480").run();
    callee.succeeds();
    assert_eq!(only_record(&server)["status"], "NoAnswer");
    quiet(&server);
}

#[test]
fn unknown_and_unregistered_numbers_are_told_apart() {
    let server = Server::start();
    Scenario::new("refused", &server, "1001").to("7777").word("EXPECTED", "404").run();
    Scenario::new("refused", &server, "1001").to("1002").word("EXPECTED", "480").run();
    let records = server.closed_records(2);
    assert_eq!(records.len(), 2);
    assert_eq!((records[1]["sip_response_code"].as_u64(), records[1]["hangup_cause"].as_u64()), (Some(404), Some(1)));
    assert_eq!(records[0]["sip_response_code"], 480);
    quiet(&server);
}

#[test]
fn a_call_is_held_and_resumed() {
    let server = Server::start();
    let port = registered(&server, "1002");
    let callee = Scenario::new("answer_held", &server, "1002").at(port).start();
    Scenario::new("hold", &server, "1001").to("1002").run();
    callee.succeeds();
    assert_eq!(only_record(&server)["status"], "Completed");
    quiet(&server);
}

#[test]
fn the_echo_test_answers() {
    let server = Server::start();
    let directory = tempfile::tempdir().unwrap();
    let voice = voice(directory.path());
    Scenario::new("call", &server, "1001")
        .to("*43")
        .word("VOICE", voice.display().to_string())
        .word("TALK", "2000")
        .run();
    let record = only_record(&server);
    assert_eq!(record["status"], "Completed");
    let sent = record["media"][0]["packets_sent"].as_u64().unwrap();
    assert!(sent > 50, "the echo came back: {record:#}");
    quiet(&server);
}

#[test]
fn a_hundred_calls_at_once() {
    let server = Server::start_with(&[("YAKYAK_SERVER__LOG", "info")]);
    let port = registered(&server, "1002");
    let directory = tempfile::tempdir().unwrap();
    let voice = voice(directory.path());
    let callee = Scenario::new("answer", &server, "1002").at(port).calls(100, 100).start();
    Scenario::new("call", &server, "1001")
        .to("1002")
        .calls(100, 50)
        .word("VOICE", voice.display().to_string())
        .word("TALK", "4000")
        .run();
    callee.succeeds();
    let records = server.closed_records(100);
    assert_eq!(records.len(), 100, "exactly one record for each call");
    assert!(records.iter().all(|record| record["status"] == "Completed"));
    quiet(&server);
}
