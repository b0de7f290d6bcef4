//! The command line: what it says, and that mistakes are one line with a remedy.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::server::{Server, clean, command, program};
use crate::sipp::{Scenario, free_port};

/// A refusal: exit 2, one line, with these words.
fn refused(output: &std::process::Output, words: &[&str]) {
    let line = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{line}");
    assert_eq!(line.trim_end().lines().count(), 1, "{line}");
    for word in words {
        assert!(line.contains(word), "{word:?} is not in {line:?}");
    }
}

#[test]
fn mistakes_in_the_configuration_are_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("yakyak.toml");
    let serve = |text: &str| {
        std::fs::write(&file, text).unwrap();
        clean(&mut Command::new(program()))
            .args(["serve", "--config"])
            .arg(&file)
            .arg("--data-dir")
            .arg(directory.path())
            .output()
            .unwrap()
    };
    refused(&serve("[sip]\nupd = 1"), &["[sip] upd", "udp"]);
    refused(&serve("[rtp]\nport_range_start = \"x\""), &["port_range_start"]);
    refused(&serve("[server]\nlog = \"sip=loud\""), &["[server] log"]);
    let output = clean(&mut Command::new(program())).args(["serve", "--config", "/nowhere.toml"]).output().unwrap();
    refused(&output, &["/nowhere.toml", "--config"]);
}

#[test]
fn a_port_in_use_is_named() {
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = clean(&mut Command::new(program()))
        .args(["serve", "--data-dir"])
        .arg(directory.path())
        .env("YAKYAK_SIP__UDP", &address)
        .output()
        .unwrap();
    refused(&output, &["[sip] udp", &address]);
}

#[test]
fn mistakes_of_the_transports_are_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let directory = tempfile::tempdir().unwrap();
    let serve = |key: &str, value: &str| {
        let mut command = Command::new(program());
        clean(&mut command).args(["serve", "--data-dir"]).arg(directory.path());
        for transport in ["UDP", "TCP", "TLS", "WS", "WSS"] {
            command.env(format!("YAKYAK_SIP__{transport}"), "127.0.0.1:0");
        }
        for key in ["YAKYAK_API__LISTEN_ADDRESS", "YAKYAK_API__TLS_LISTEN_ADDRESS"] {
            command.env(key, "127.0.0.1:0");
        }
        command.env("YAKYAK_TLS__CERTIFICATE", "").env(key, value).output().unwrap()
    };
    for key in ["listen_address", "tls_listen_address"] {
        let variable = format!("YAKYAK_API__{}", key.to_ascii_uppercase());
        refused(&serve(&variable, &address), &[&format!("[api] {key}"), &address, &variable]);
    }
    for transport in ["tcp", "tls", "ws", "wss"] {
        let key = format!("YAKYAK_SIP__{}", transport.to_ascii_uppercase());
        refused(&serve(&key, &address), &[&format!("[sip] {transport}"), &address, &key]);
    }
    refused(&serve("YAKYAK_SIP__WSS", "8089"), &["sip.wss", "\"8089\" is not an address with a port"]);
    std::fs::create_dir_all(directory.path().join("tls")).unwrap();
    std::fs::write(directory.path().join("tls/certificate.pem"), "rubbish").unwrap();
    std::fs::write(directory.path().join("tls/private-key.pem"), "rubbish").unwrap();
    refused(&serve("YAKYAK_SERVER__LOG", "warn"), &["[tls] certificate", "certificate.pem", "remove"]);
    refused(&serve("YAKYAK_TLS__PRIVATE_KEY", "/nowhere.pem"), &["[tls]", "private_key", "certificate"]);
}

#[test]
fn live_questions_need_a_server_and_say_so() {
    let directory = tempfile::tempdir().unwrap();
    for arguments in [["call", "list"], ["registration", "list"]] {
        refused(&command(directory.path(), &arguments), &["no server runs", "yakyak serve"]);
    }
}

#[test]
fn a_second_server_says_what_runs() {
    let server = Server::start();
    let output = clean(&mut Command::new(program()))
        .args(["serve", "--data-dir"])
        .arg(server.data_dir())
        .env("YAKYAK_SIP__UDP", "127.0.0.1:0")
        .output()
        .unwrap();
    refused(&output, &["runs here", &server.sip.to_string(), &server.pid().to_string()]);
    assert_eq!(server.json(&["status"])["pid"], server.pid());
}

#[test]
fn a_new_extension_works_within_a_second_and_a_deleted_one_does_not() {
    let server = Server::start();
    let login = server.create_extension("demo", "1003");
    let made = Instant::now();
    let mut tries = 0;
    loop {
        tries += 1;
        let running = Scenario::new("register", &server, "1003").login(&login).word("EXPECTED", "*").start();
        drop(running);
        let port = free_port();
        let known = std::panic::catch_unwind(|| {
            Scenario::new("register", &server, "1003").at(port).login(&login).word("EXPECTED", "200").run();
        });
        if known.is_ok() {
            break;
        }
        assert!(made.elapsed() < Duration::from_secs(5) && tries < 20, "1003 never works");
    }
    let output = server.command(&["extension", "delete", "--tenant", "demo", "1003"]);
    assert!(output.status.success());
    server.until("1003 is gone from the list", &["registration", "list"], |list| list.as_array().unwrap().is_empty());
}

#[test]
fn commands_work_with_the_server_stopped() {
    let mut server = Server::start();
    server.stop();
    let slug = server.create_tenant("Acme Ltd", "acme.example");
    assert_eq!(slug, "acme-ltd");
    let login = server.create_extension(&slug, "201");
    assert!(login.password.len() >= 12);
    let listed = server.json(&["extension", "list", "--tenant", &slug]);
    assert_eq!(listed[0]["number"], "201");
    refused(&server.command(&["extension", "create", "--tenant", &slug, "201"]), &["201", "exists"]);
    refused(&server.command(&["extension", "create", "--tenant", &slug, "2"]), &["2"]);
    refused(&server.command(&["extension", "list", "--tenant", "nobody"]), &["--tenant nobody", "tenant list"]);
    refused(&server.command(&["tenant", "create", "Other", "--domain", "not a domain"]), &["domain"]);
    settings_of_an_extension(&server, &slug);
    let table = server.command(&["extension", "list", "--tenant", &slug]);
    assert!(String::from_utf8_lossy(&table.stdout).starts_with("NUMBER"));
}

fn settings_of_an_extension(server: &Server, tenant: &str) {
    server.create_extension(tenant, "202");
    let set = |arguments: &[&str]| {
        let fixed = ["extension", "set", "--tenant", tenant, "201"];
        server.command(&[fixed.as_slice(), arguments].concat())
    };
    let changed = set(&["--forward-busy", "202", "--dnd", "on", "--call-waiting", "off", "--max-calls", "2", "--json"]);
    assert!(changed.status.success(), "{changed:?}");
    let shown = server.json(&["extension", "show", "--tenant", tenant, "201"]);
    assert_eq!(shown["forwards"]["busy"], "202");
    assert_eq!((&shown["do_not_disturb"], &shown["call_waiting"]), (&true.into(), &false.into()));
    assert_eq!(shown["max_calls"], 2);
    assert!(set(&["--forward-busy", "off", "--max-calls", "off", "--no-answer-timeout", "12"]).status.success());
    let shown = server.json(&["extension", "show", "--tenant", tenant, "201"]);
    assert_eq!((&shown["forwards"]["busy"], &shown["max_calls"]), (&serde_json::Value::Null, &serde_json::Value::Null));
    assert_eq!(shown["no_answer_timeout_s"], 12);
    let people = server.command(&["extension", "show", "--tenant", tenant, "201"]);
    assert!(String::from_utf8_lossy(&people.stdout).contains("rings for               12 s"));

    refused(&set(&["--forward-busy", "999"]), &["--forward-busy 999", "extension list --tenant"]);
    refused(&set(&["--forward-always", "x@y.example"]), &["x@y.example", "digits"]);
    refused(&set(&["--forward-always", "201"]), &["itself"]);
    refused(&set(&["--forward-always", "112"]), &["112", "emergency"]);
    refused(&set(&["--max-calls", "0"]), &["1 to 1000"]);
    assert!(server.command(&["tenant", "set", tenant, "--emergency-numbers", "112,911"]).status.success());
    let listed = server.json(&["tenant", "list"]);
    let listed = listed.as_array().unwrap().iter().find(|row| row["slug"] == tenant).unwrap();
    assert_eq!(listed["emergency_numbers"], serde_json::json!(["112", "911"]));
    refused(&server.command(&["tenant", "set", tenant, "--emergency-numbers", "201"]), &["201", "extension"]);
    refused(&server.command(&["extension", "create", "--tenant", tenant, "911"]), &["911", "emergency"]);
}

#[test]
fn a_uri_is_located_or_refused_in_one_line() {
    let run = |arguments: &[&str]| clean(&mut Command::new(program())).arg("locate").args(arguments).output().unwrap();
    let output = run(&["sip:192.0.2.7;transport=tls", "--json"]);
    assert!(output.status.success(), "{output:?}");
    let rows: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(rows, serde_json::json!([{ "transport": "TLS", "address": "192.0.2.7:5061" }]));
    let output = run(&["sip:[2001:db8::7]", "--bytes", "1301"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines, [["TRANSPORT", "ADDRESS"], ["TCP", "[2001:db8::7]:5060"], ["UDP", "[2001:db8::7]:5060"]]);
    refused(&run(&["mailto:x@y.example"]), &["not a SIP URI", "sip:carrier.example"]);
    refused(&run(&["sip:192.0.2.7;transport=sctp"]), &["no transport"]);
}
