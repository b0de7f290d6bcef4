//! `yakyak trace`: a call and a registration as they went over the wire, from memory, from the store, and as a capture file.

use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::server::Server;
use crate::sipp::{Scenario, registered};

/// A call of 1001 to 1002 that the callee ends; the id of its record.
fn call(server: &Server) -> String {
    let port = registered(server, "1002");
    let callee = Scenario::new("answer_and_hang_up", server, "1002").at(port).start();
    Scenario::new("call_ended_by_callee", server, "1001").to("1002").run();
    callee.succeeds();
    server.closed_records(1)[0]["id"].as_str().unwrap().to_owned()
}

fn text(output: &std::process::Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What went over one leg, copies left out: `>` to us, `<` from us.
fn leg(trace: &Value, leg: u64) -> Vec<String> {
    let messages = trace["messages"].as_array().unwrap().iter();
    let own = messages.filter(|message| message["leg"] == leg && message["again"] == false);
    own.map(|message| {
        let way = if message["way"] == "in" { '>' } else { '<' };
        format!("{way} {}", message["what"].as_str().unwrap())
    })
    .collect()
}

/// Methods and status codes as tshark reads them; every checksum is right.
fn seen_by_tshark(file: &Path) -> Vec<String> {
    let output = Command::new("tshark")
        .args(["-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-Y", "sip", "-T", "fields"])
        .args(["-e", "sip.Method", "-e", "sip.Status-Code", "-e", "ip.checksum.status", "-e", "udp.checksum.status"])
        .arg("-r")
        .arg(file)
        .output()
        .expect("tshark is there: tools/packages test installs it");
    text(&output)
        .lines()
        .map(|line| {
            let fields: Vec<&str> = line.split('\t').collect();
            assert_eq!(fields[2..], ["1", "1"], "checksums of {line:?}");
            fields[..2].concat()
        })
        .collect()
}

/// The same of a trace.
fn methods(trace: &Value) -> Vec<String> {
    let messages = trace["messages"].as_array().unwrap().iter();
    messages
        .map(|message| {
            let first = message["text"].as_str().unwrap().lines().next().unwrap().to_owned();
            let words: Vec<&str> = first.split(' ').collect();
            if words[0].starts_with("SIP") { words[1].to_owned() } else { words[0].to_owned() }
        })
        .collect()
}

#[test]
fn a_call_is_traced_on_both_legs() {
    let mut server = Server::start();
    let id = call(&server);
    let trace = server.json(&["trace", &id]);
    assert_eq!((trace["call"].as_str(), trace["tenant"].as_str()), (Some(id.as_str()), Some("demo")));
    let caller = leg(&trace, 0);
    let expected = [
        "> INVITE · PCMU sendrecv",
        "< 407 Proxy Authentication Required (INVITE)",
        "> ACK",
        "> INVITE with digest · PCMU sendrecv",
        "< 100 Trying (INVITE)",
        "< 180 Ringing (INVITE)",
        "< 200 OK (INVITE) · PCMU sendrecv",
        "> ACK",
        "< BYE",
        "> 200 OK (BYE)",
    ];
    assert_eq!(caller, expected, "{trace:#}");
    let callee: Vec<String> = leg(&trace, 1).into_iter().filter(|what| !what.contains("100 Trying")).collect();
    let expected = [
        "< INVITE · PCMU PCMA G722… sendrecv",
        "> 180 Ringing (INVITE)",
        "> 200 OK (INVITE) · PCMU sendrecv",
        "< ACK",
        "> BYE",
        "< 200 OK (BYE)",
    ];
    assert_eq!(callee, expected, "{trace:#}");
    let times: Vec<f64> =
        trace["messages"].as_array().unwrap().iter().map(|message| message["since_ms"].as_f64().unwrap()).collect();
    assert!(times.is_sorted() && times[0] == 0.0, "{times:?}");
    proves_nothing(&trace);

    // The leg that we made leads to the whole call; drawn, all three stand side by side.
    let own = trace["messages"].as_array().unwrap().iter().find(|message| message["leg"] == 1).unwrap();
    let own = own["text"].as_str().unwrap().lines().find_map(|line| line.strip_prefix("Call-ID: ")).unwrap().to_owned();
    assert_eq!(server.json(&["trace", &own]), trace);
    let drawn = text(&server.command(&["trace", &id]));
    assert!(drawn.starts_with(&format!("Call {id} of demo\n")), "{drawn}");
    for word in ["1001", "YakYak", "1002", "INVITE with digest", "▶│", "│◀"] {
        assert!(drawn.contains(word), "{word} is not in\n{drawn}");
    }
    let full = text(&server.command(&["trace", &id, "--full"]));
    assert_eq!(full.matches("a=rtpmap:0 PCMU/8000").count(), 5, "{full}");

    // A capture file for others.
    let file = server.data_dir().join("call.pcap");
    server.json(&["trace", &id, "--pcap", file.to_str().unwrap()]);
    assert_eq!(seen_by_tshark(&file), methods(&trace));

    // Another tenant's name finds nothing, and the store has it all when the server is gone.
    server.create_tenant("Acme", "acme.example");
    let strange = server.command(&["trace", &id, "--tenant", "acme"]);
    assert_eq!(strange.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&strange.stderr).contains("no trace"), "{strange:?}");
    server.stop();
    let kept = server.json(&["trace", &id, "--tenant", "demo"]);
    assert_eq!(kept, trace);
    assert_eq!(server.json(&["trace", &own]), trace);
    assert_eq!(server.command(&["trace", &id, "--tenant", "acme"]).status.code(), Some(2));
    server.restart();
    assert_eq!(server.json(&["trace", &id]), trace, "a new server has it from the store");
}

/// No digest response in it that could be used.
fn proves_nothing(trace: &Value) {
    let texts: Vec<&str> =
        trace["messages"].as_array().unwrap().iter().map(|message| message["text"].as_str().unwrap()).collect();
    let proofs: Vec<&str> = texts.iter().flat_map(|text| text.split("response=").skip(1)).collect();
    assert!(!proofs.is_empty());
    for proof in proofs {
        let value = proof.split([',', '\r']).next().unwrap();
        assert_eq!(value.trim_matches('"'), "*".repeat(32), "{value}");
    }
}

#[test]
fn a_registration_is_kept_and_a_strangers_is_not() {
    let mut server = Server::start();
    registered(&server, "1002");
    let listed = server.json(&["registration", "list"]);
    let id = listed[0]["call_id"].as_str().unwrap().to_owned();
    let trace = server.json(&["trace", &id]);
    let expected = ["> REGISTER", "< 401 Unauthorized (REGISTER)", "> REGISTER with digest", "< 200 OK (REGISTER)"];
    assert_eq!(leg(&trace, 0), expected);
    assert_eq!((trace["tenant"].as_str(), &trace["call"]), (Some("demo"), &Value::Null));
    proves_nothing(&trace);

    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    stranger.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let own = stranger.local_addr().unwrap();
    let request = format!(
        "REGISTER sip:{} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bKs\r\nFrom: <sip:1002@x>;tag=s\r\nTo: <sip:1002@x>\r\n\
         Call-ID: stranger-1\r\nCSeq: 1 REGISTER\r\nContact: <sip:1002@{own}>\r\nMax-Forwards: 9\r\nContent-Length: 0\r\n\r\n",
        server.sip
    );
    stranger.send_to(request.as_bytes(), server.sip).unwrap();
    stranger.recv(&mut [0; 2_000]).unwrap();
    let seen = server.json(&["trace", "stranger-1"]);
    assert_eq!(leg(&seen, 0), ["> REGISTER", "< 401 Unauthorized (REGISTER)"]);
    assert_eq!(seen["tenant"], Value::Null);
    assert_eq!(server.command(&["trace", "stranger-1", "--tenant", "demo"]).status.code(), Some(2));

    server.stop();
    assert_eq!(server.json(&["trace", &id]), trace, "who has proven something is in the store");
    assert_eq!(server.command(&["trace", "stranger-1"]).status.code(), Some(2), "who has not is forgotten");
}

#[test]
fn a_trace_that_is_switched_off_keeps_nothing() {
    let server = Server::start_with(&[("YAKYAK_TRACE__ENABLED", "false")]);
    let id = call(&server);
    let output = server.command(&["trace", &id]);
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
}
