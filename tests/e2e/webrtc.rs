//! Browsers with their own media: ICE, DTLS-SRTP and what is heard, with the echo test, with baresip and with each other.

use serde_json::{Value, json};
use sip::Transport;

use crate::baresip;
use crate::page::Page;
use crate::server::Server;

/// How far a tone may be from where it should be, in Hz: the width of two bins of the ear.
const NEAR_HZ: f64 = 12.0;

fn call(page: &mut Page, number: &str) {
    page.does(json!({ "do": "call", "number": number }));
}

/// Listens until this tone is the loudest thing that comes, and checks that it came by a handshake.
fn hears(page: &mut Page, hz: f64) -> Value {
    let until = std::time::Instant::now() + crate::server::PATIENCE;
    loop {
        let tone = page.does(json!({ "do": "tone" }));
        let heard = tone["hz"].as_f64().unwrap_or_default();
        if (heard - hz).abs() < NEAR_HZ && tone["db"].as_f64().unwrap() > -60.0 {
            break;
        }
        assert!(
            std::time::Instant::now() < until,
            "{tone} instead of {hz} Hz; {}",
            page.does(json!({ "do": "stats" }))
        );
    }
    let stats = page.does(json!({ "do": "stats" }));
    assert!(stats["energy"].as_f64().unwrap() > 0.001 && stats["packets_in"].as_u64().unwrap() > 20, "{stats:#}");
    assert_eq!(stats["dtls"], "connected", "{stats:#}");
    stats
}

#[test]
fn the_echo_test_sends_a_browser_its_own_tone() {
    let server = Server::start();
    let login = server.login("1001");
    let mut page = Page::humming(&server, &login, 700);
    call(&mut page, "*43");
    page.until("call", "talking");
    hears(&mut page, 700.0);
    page.does(json!({ "do": "hang_up" }));
    page.until("call", "none");
    page.is_clean();
    let records = server.closed_records(1);
    assert_eq!((records.len(), &records[0]["status"]), (1, &json!("Completed")));
}

/// Goes on for three seconds more, so that the other side hears enough.
fn talks(page: &mut Page) {
    let sent = |page: &mut Page| page.does(json!({ "do": "stats" }))["packets_out"].as_u64().unwrap();
    let before = sent(page);
    let until = std::time::Instant::now() + crate::server::PATIENCE;
    while sent(page) < before + 150 {
        assert!(std::time::Instant::now() < until, "the browser does not send");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

fn hangs_up(mut page: Page) {
    page.does(json!({ "do": "hang_up" }));
    page.until("call", "none");
    page.is_clean();
}

fn both_registered(server: &Server) {
    server.until("both are registered", &["registration", "list"], |list| list.as_array().unwrap().len() == 2);
}

#[test]
fn a_browser_calls_a_desk_phone_and_each_hears_the_other() {
    let server = Server::start();
    let (ada, bob) = (server.login("1001"), server.login("1002"));
    let callee = baresip::Phone::start(&server, &bob, 1_000.0, true, &[]);
    let mut page = Page::humming(&server, &ada, 700);
    both_registered(&server);
    call(&mut page, "1002");
    page.until("call", "talking");
    let stats = hears(&mut page, 1_000.0);
    assert_eq!(stats["codec"], "audio/PCMU", "{stats:#}");
    talks(&mut page);
    hangs_up(page);
    server.closed_records(1);
    callee.heard_tone(700.0);
}

#[test]
fn a_desk_phone_calls_a_browser_and_each_hears_the_other() {
    let server = Server::start();
    let (ada, bob) = (server.login("1001"), server.login("1002"));
    let mut page = Page::humming(&server, &ada, 700);
    let dial = format!("/dial sip:1001@{}", server.sip);
    let caller = baresip::Phone::start(&server, &bob, 1_000.0, false, &[dial]);
    page.until("call", "ringing");
    page.does(json!({ "do": "answer" }));
    page.until("call", "talking");
    hears(&mut page, 1_000.0);
    talks(&mut page);
    hangs_up(page);
    server.closed_records(1);
    caller.heard_tone(700.0);
}

#[test]
fn two_browsers_hear_each_other_in_opus() {
    let server = Server::start();
    let mut ada = Page::humming(&server, &server.login("1001"), 700);
    let mut bob = Page::humming(&server, &server.login("1002"), 1_000);
    call(&mut ada, "1002");
    bob.until("call", "ringing");
    bob.does(json!({ "do": "answer" }));
    ada.until("call", "talking");
    let stats = hears(&mut ada, 1_000.0);
    assert_eq!(stats["codec"], "audio/opus", "{stats:#}");
    hears(&mut bob, 700.0);
    hangs_up(ada);
    bob.until("call", "none");
    server.closed_records(1);
}

#[test]
fn a_call_outlives_an_ice_restart_and_a_hold() {
    let server = Server::start();
    let mut page = Page::humming(&server, &server.login("1001"), 700);
    call(&mut page, "*43");
    page.until("call", "talking");
    hears(&mut page, 700.0);
    page.does(json!({ "do": "ice_restart" }));
    hears(&mut page, 700.0);
    let before = page.does(json!({ "do": "stats" }))["packets_in"].as_u64().unwrap();
    talks(&mut page);
    let after = page.does(json!({ "do": "stats" }))["packets_in"].as_u64().unwrap();
    assert!(after > before + 100, "{before} packets before, {after} after");
    page.does(json!({ "do": "hold" }));
    page.until("call", "held");
    page.does(json!({ "do": "hold" }));
    page.until("call", "talking");
    hears(&mut page, 700.0);
    hangs_up(page);
    server.closed_records(1);
}

/// Two baresips whose audio is encrypted so; both hear each other.
fn encrypted(caller_by: &str, callee_by: &str, policies: [(&str, &[&str]); 2]) {
    let server = Server::start();
    for (number, settings) in policies {
        let mut arguments = vec!["extension", "set", "--tenant", "demo", number];
        arguments.extend(settings);
        server.json(&arguments);
    }
    let (ada, bob) = (server.login("1001"), server.login("1002"));
    let callee = baresip::Phone::start_encrypted(&server, Transport::Udp, &bob, 1_000.0, true, &[], callee_by);
    server.until("1002 is registered", &["registration", "list"], |list| list.as_array().unwrap().len() == 1);
    let dial = format!("/dial sip:1002@{}", server.sip);
    let caller = baresip::Phone::start_encrypted(&server, Transport::Udp, &ada, 440.0, false, &[dial], caller_by);
    server.until("the call is up", &["call", "list"], |calls| calls[0]["state"] == "answered");
    std::thread::sleep(std::time::Duration::from_secs(4));
    caller.heard_tone(1_000.0);
    callee.heard_tone(440.0);
    let records = server.closed_records(1);
    assert_eq!(records[0]["status"], "Completed");
}

const REQUIRED: &[&str] = &["--srtp", "require"];

#[test]
fn keys_in_the_description_meet_audio_in_clear() {
    encrypted("srtp-mand", "", [("1001", REQUIRED), ("1002", &["--srtp", "off"])]);
}

#[test]
fn keys_in_the_description_on_both_sides() {
    encrypted("srtp-mand", "srtp-mand", [("1001", REQUIRED), ("1002", REQUIRED)]);
}

/// baresip 1.0 shows a certificate of RSA, which the handshake here does not take: the call ends, and says why.
#[test]
fn a_certificate_of_rsa_is_refused_with_a_sentence() {
    let server = Server::start();
    let login = server.login("1001");
    let dial = format!("/dial sip:*43@{}", server.sip);
    let caller = baresip::Phone::start_encrypted(&server, Transport::Udp, &login, 440.0, false, &[dial], "dtls_srtp");
    let records = server.closed_records(1);
    assert_eq!(
        (&records[0]["status"], &records[0]["hangup_cause"]),
        (&json!("Failed"), &json!(111)),
        "{:#}",
        records[0]
    );
    assert!(records[0]["disconnect_reason"].as_str().unwrap().contains("encrypted"), "{:#}", records[0]);
    drop(caller);
}
