//! Nothing that a peer or a user writes becomes a line of ours.

use bytes::Bytes;
use sip::header::{NameAddr, Reason};
use sip::{Message, Method, Name, Reply, Uri};

use super::bench::{Bench, to_bob};
use super::flows::alice_talks;
use super::script::Script;

const EVIL: &str = "x\r\nX-Evil: 1\r\n\r\nINVITE sip:a@b SIP/2.0\0\n\rX-Evil: 2";

/// No message that left has a line that the evil text began.
#[track_caller]
fn clean(bench: &Bench) {
    assert!(!bench.sent.is_empty());
    for sent in &bench.sent {
        let message = Message::parse_datagram(sent.bytes.clone()).expect("we send what can be read");
        assert!(!message.headers().contains(&Name::Other(Bytes::from_static(b"X-Evil"))), "{:?}", sent.bytes);
        let head = sent.bytes.len() - message.body().len();
        let text = String::from_utf8_lossy(&sent.bytes[..head]);
        assert_eq!(text.matches("\r\n\r\n").count(), 1, "{text}");
        assert!(!text.replace("\r\n", "").contains(['\r', '\n', '\0']), "{text}");
    }
}

#[test]
fn replies() {
    let mut bench = Bench::new();
    let reply = Reply::new(200)
        .reason(EVIL)
        .header(Name::Subject, EVIL)
        .header(Name::Other(Bytes::from_static(b"X-A: b\r\nX-Evil")), "x")
        .body(EVIL, Bytes::from_static(b"body"));
    bench.alice(&Script::request("OPTIONS")).reply(0, reply);
    clean(&bench);
}

#[test]
fn requests_of_ours() {
    let mut bench = Bench::new();
    let mut outgoing = to_bob(Method::Invite);
    outgoing.headers = vec![(Name::Subject, EVIL.into()), (Name::ContentLength, "999".into())];
    outgoing.body = Some((EVIL.into(), "v=0".into()));
    outgoing.from = NameAddr::new(Uri::sip(Some(EVIL), "pbx.example", None)).with_display(EVIL.as_bytes());
    outgoing.uri = Uri::sip(Some(EVIL), "127.0.0.20", None);
    outgoing.route =
        vec![NameAddr::new(Uri::sip(Some(EVIL), "edge.example", None)).with_param("lr", Some(EVIL.as_bytes()))];
    bench.invite(outgoing).shows(&["Content-Length"], ["Content-Length: 3"]);
    let invite = bench.last_request();
    bench.bob(&Script::answer(&invite, 180, "bob"));
    let client = bench.client(0);
    bench.endpoint.cancel(bench.now, client, Some(Reason::sip(200, EVIL)));
    bench.run_to(1);
    clean(&bench);
}

#[test]
fn what_a_peer_wrote_comes_back_on_one_line() {
    // Folded lines, and control characters that a header may not have.
    let mut bench = Bench::new();
    let folded = Script::request("OPTIONS").set("From", "\"a\r\n X-Evil: 1\" <sip:alice@pbx.example>;tag=alice");
    bench.alice(&folded).respond(0, 200).alice(&folded.clone().tagged("nobody").branch("z9hG4bK2"));
    bench.alice(&folded.set("Call-ID", "one\r\n\tX-Evil: 1").branch("z9hG4bK3")).expect([
        "0 request s0 OPTIONS as guest",
        "0 A< 200 1 OPTIONS",
        "0 A< 481 1 OPTIONS",
        "0 A< 400 1 OPTIONS",
    ]);
    clean(&bench);
    let (mut bench, tag) = alice_talks();
    let again = Script::request("INVITE").cseq(2).tagged(&tag).set("Contact", "<sip:x%0d%0aX-Evil:1@127.0.0.10>");
    bench.alice(&again).respond(1, 200).alice(&Script::request("ACK").cseq(2).tagged(&tag)).in_dialog(0, Method::Bye);
    clean(&bench);
}

#[test]
fn what_cannot_be_written_is_not_sent() {
    let (mut bench, _) = alice_talks();
    let sent = bench.sent.len();
    let method = Method::Other(Bytes::from_static(b"X sip:a SIP/2.0\r\nX-Evil: 1\r\n"));
    let mut outgoing = to_bob(Method::Options);
    outgoing.call_id = Some(EVIL.into());
    bench.request(to_bob(method.clone())).in_dialog(0, method).request(outgoing.clone()).invite(outgoing).expect([
        "0 misuse: a method that is no token",
        "0 misuse: a method that is no token",
        "0 misuse: a Call-ID that cannot be read",
        "0 misuse: a Call-ID that cannot be read",
    ]);
    assert_eq!(bench.sent.len(), sent);
    let odd = Method::Other(Bytes::from_static(b"fRoB"));
    bench.request(to_bob(odd)).expect(["0 B< fRoB 1 sip:bob@127.0.0.20:5060"]);
}
