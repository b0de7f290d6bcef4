//! Lamps through the real binary: over a datagram, a stream and a browser's WebSocket, and over a restart.

use std::time::{Duration, Instant};

use sip::Transport;

use crate::server::Server;
use crate::wire::{Phone, header, status};

const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 20002 RTP/AVP \
                     0\r\na=rtpmap:0 PCMU/8000\r\n";
const SDP: &str = "Content-Type: application/sdp\r\n";

/// A lamp must be right within this.
const PROMPT: Duration = Duration::from_secs(1);

/// Subscribes to the calls of an extension and takes the first NOTIFY.
fn watch(watcher: &mut Phone, number: &str) -> String {
    let uri = format!("sip:{number}@{}", watcher.domain());
    let extra = format!(
        "Contact: {}\r\nEvent: dialog\r\nExpires: 600\r\nAccept: application/dialog-info+xml\r\n",
        watcher.contact()
    );
    let call_id = format!("lamp-{}", watcher.wire.local.port());
    let answer = watcher.transact("SUBSCRIBE", &uri, &format!("<{uri}>"), &call_id, &extra);
    assert_eq!((status(&answer), header(&answer, "Expires").as_deref()), (200, Some("600")), "{answer}");
    assert!(header(&answer, "Contact").is_some(), "{answer}");
    told(watcher)
}

/// The next NOTIFY of a watcher, answered.
fn told(watcher: &mut Phone) -> String {
    let note = watcher.wait_for("NOTIFY ");
    watcher.respond(&note, 200, "", "");
    assert_eq!(header(&note, "Event").as_deref(), Some("dialog"), "{note}");
    assert!(header(&note, "Contact").is_some(), "{note}");
    note
}

/// Waits until every watcher has been told of a state; within a second of `since`.
fn all_see(watchers: &mut [Phone], since: Instant, state: &str) -> Vec<String> {
    let mut notes = Vec::new();
    for watcher in watchers {
        let note = loop {
            let note = told(watcher);
            if note.contains(&format!("<state>{state}</state>")) {
                break note;
            }
        };
        let took = since.elapsed();
        assert!(took < PROMPT, "{state} over {} after {took:?}", watcher.wire.transport);
        notes.push(note);
    }
    notes
}

fn cseq(note: &str) -> u32 {
    header(note, "CSeq").unwrap().split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn a_lamp_is_right_within_a_second_everywhere_and_after_a_restart() {
    let _alone = crate::alone();
    let mut server = Server::start();
    let mut watchers: Vec<Phone> = [Transport::Udp, Transport::Tcp, Transport::Wss]
        .into_iter()
        .map(|transport| Phone::new(&server, transport, false, "1001"))
        .collect();
    for watcher in &mut watchers {
        let first = watch(watcher, "1002");
        assert!(first.contains("state=\"full\"") && !first.contains("<dialog "), "{first}");
    }
    let mut caller = Phone::new(&server, Transport::Udp, false, "1001");
    let mut callee = Phone::new(&server, Transport::Udp, false, "1002");
    assert_eq!((status(&caller.register()), status(&callee.register())), (200, 200));

    let uri = format!("sip:1002@{}", caller.domain());
    let (to, call_id) = (format!("<{uri}>"), "blf-call");
    let contact = format!("Contact: {}\r\n{SDP}", caller.contact());
    caller.send_request("INVITE", &uri, &to, call_id, &contact, OFFER);
    let challenge = caller.final_answer();
    let number = header(&challenge, "CSeq").unwrap().split(' ').next().unwrap().parse().unwrap();
    caller.send_numbered("ACK", number, &uri, &header(&challenge, "To").unwrap(), call_id, "", "");
    let authorization = caller.authorization(&challenge, "INVITE", &uri);
    caller.send_request("INVITE", &uri, &to, call_id, &format!("{authorization}{contact}"), OFFER);
    let invite = callee.wait_for("INVITE ");

    let since = Instant::now();
    callee.respond(&invite, 180, "", "");
    let notes = all_see(&mut watchers, since, "early");
    assert!(
        notes.iter().all(|note| note.contains("direction=\"recipient\"") && note.contains("sip:1001@")),
        "{notes:#?}"
    );
    caller.wait_for("SIP/2.0 180");

    let since = Instant::now();
    callee.respond(&invite, 200, SDP, OFFER);
    all_see(&mut watchers, since, "confirmed");
    let ok = caller.final_answer();
    assert_eq!(status(&ok), 200, "{ok}");
    let target = header(&ok, "Contact").unwrap().split(['<', '>']).nth(1).unwrap().to_owned();
    let number = header(&ok, "CSeq").unwrap().split(' ').next().unwrap().parse().unwrap();
    let to = header(&ok, "To").unwrap();
    caller.send_numbered("ACK", number, &target, &to, call_id, "", "");

    // The server is stopped and started: the call is over, and the lamp that can be reached is put out without a word from it.
    server.stop();
    let last = watchers[0].wire.try_receive(Duration::from_millis(500));
    server.restart();
    let note = told(&mut watchers[0]);
    assert!(note.contains("state=\"full\"") && !note.contains("<state>confirmed</state>"), "{note}");
    assert!(last.is_none_or(|last| !last.starts_with("NOTIFY ") || cseq(&last) < cseq(&note)), "numbers only grow");
}
