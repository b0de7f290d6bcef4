//! Browsers with their own media: ICE, DTLS-SRTP and what is heard, with the echo test, with baresip and with each other.

use serde_json::{Value, json};

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

#[test]
fn a_browser_and_a_desk_phone_hear_each_other() {
    let server = Server::start();
    let (ada, bob) = (server.login("1001"), server.login("1002"));
    let callee = baresip::Phone::start(&server, &bob, 1_000.0, true, &[]);
    let mut page = Page::humming(&server, &ada, 700);
    server.until("both are registered", &["registration", "list"], |list| list.as_array().unwrap().len() == 2);
    call(&mut page, "1002");
    page.until("call", "talking");
    hears(&mut page, 1_000.0);
    page.does(json!({ "do": "hang_up" }));
    page.until("call", "none");
    server.closed_records(1);
    callee.heard_tone(700.0);
}
