//! §12.1.2: dialogs that answers to our INVITE make; forked ones; §13.2.2.4.

use sip::dialog::Stage;
use sip::{Method, Uri};

use crate::endpoint::bench::{Bench, config, debug, to_bob};
use crate::endpoint::flows::{bob_is_called, bob_rings, bob_says, bob_talks};
use crate::endpoint::script::Script;

fn state(bench: &Bench, dialog: usize) -> Option<[String; 3]> {
    bench.dialog(dialog).map(|dialog| {
        [debug(dialog.stage()), debug(dialog.remote_tag()), String::from_utf8_lossy(dialog.target().as_bytes()).into()]
    })
}

fn is(stage: Stage, tag: &str, target: &str) -> Option<[String; 3]> {
    Some([debug(stage), format!("b\"{tag}\""), target.to_owned()])
}

#[test]
fn an_invite_has_all_that_one_needs() {
    let mut bench = Bench::with(sip::EndpointConfig {
        advertised: sip::Advertised::everywhere("203.0.113.9".parse().ok()),
        ..config()
    });
    let mut outgoing = to_bob(Method::Invite);
    outgoing.call_id = Some("chosen".into());
    outgoing.route = vec![sip::header::NameAddr::new(Uri::sip(None, "edge.example", None).with_param("lr", None))];
    outgoing.body = Some(("application/sdp".into(), "v=0\r\n".into()));
    bench.invite(outgoing).shows(
        &["Route", "To", "Call-ID", "CSeq", "Contact", "Max-Forwards", "User-Agent", "Content-Type", "Content-Length"],
        [
            "Max-Forwards: 69",
            "Route: <sip:edge.example;lr>",
            "To: <sip:bob@pbx.example>",
            "Call-ID: chosen",
            "CSeq: 1 INVITE",
            "Contact: <sip:203.0.113.9:5060>",
            "User-Agent: YakYak",
            "Content-Type: application/sdp",
            "Content-Length: 5",
        ],
    );
    let via = bench.last_request().via().expect("a Via");
    let sent_by = format!("{:?} {}:{:?}", via.transport, via.host, via.port);
    assert_eq!((sent_by.as_str(), via.rport()), ("b\"UDP\" 203.0.113.9:Some(5060)", Some(None)));
}

#[test]
fn a_provisional_answer_without_a_tag_makes_no_dialog() {
    let mut bench = bob_is_called();
    let invite = bench.last_request();
    bench.bob(&Script::answer(&invite, 100, "")).bob(&Script::answer(&invite, 180, "")).expect(["0 response c0 180"]);
    bench.bob(&Script::answer(&invite, 100, "bob")).expect([]).counts(0, 1, 0);
}

#[test]
fn an_early_dialog_becomes_the_confirmed_one_and_takes_routes_from_the_2xx() {
    let mut bench = bob_is_called();
    let invite = bench.last_request();
    let early = Script::answer(&invite, 180, "bob").and("Record-Route", "<sip:old.example;lr>");
    bench.bob(&early).expect(["0 response c0 d0 180"]);
    assert_eq!(state(&bench, 0), is(Stage::Early, "bob", "sip:bob@127.0.0.20:5060"));
    let ok = Script::answer(&invite, 200, "bob")
        .set("Contact", "<sip:desk@127.0.0.20:5090>")
        .and("Record-Route", "<sip:p1.example;lr>")
        .and("Record-Route", "<sip:p2.example;lr>");
    bench.bob(&ok).ack(0).expect(["0 response c0 d0 200", "0 B< ACK 1 sip:desk@127.0.0.20:5090"]).counts(0, 1, 1);
    assert_eq!(state(&bench, 0), is(Stage::Confirmed, "bob", "sip:desk@127.0.0.20:5090"));
    // In reverse order (§12.1.2).
    bench.shows(&["Route"], ["Route: <sip:p2.example;lr>", "Route: <sip:p1.example;lr>"]);
    bench.shows(
        &["To", "Max-Forwards", "CSeq"],
        ["Max-Forwards: 70", "To: <sip:bob@pbx.example>;tag=bob", "CSeq: 1 ACK"],
    );
}

#[test]
fn a_strict_first_hop_is_the_last_of_the_message() {
    let mut bench = bob_is_called();
    let invite = bench.last_request();
    let ok = Script::answer(&invite, 200, "bob").and("Record-Route", "<sip:p1.example;lr>, <sip:strict.example>");
    bench.bob(&ok).ack(0).expect(["0 response c0 d0 200", "0 B< ACK 1 sip:strict.example"]);
    bench.shows(&["Route"], ["Route: <sip:p1.example;lr>", "Route: <sip:bob@127.0.0.20:5060>"]);
}

#[test]
fn an_answer_without_a_contact_leaves_the_request_uri() {
    let mut bench = bob_is_called();
    let invite = bench.last_request();
    bench.bob(&Script::answer(&invite, 200, "bob").without("Contact"));
    assert_eq!(state(&bench, 0), is(Stage::Confirmed, "bob", "sip:bob@127.0.0.20:5060"));
}

#[test]
fn forked_early_dialogs_live_until_the_transaction_ends() {
    let mut bench = bob_is_called();
    let invite = bench.last_request();
    bench.bob(&Script::answer(&invite, 180, "desk")).bob(&Script::answer(&invite, 183, "cell"));
    bench.bob(&Script::answer(&invite, 180, "desk")).counts(0, 1, 2);
    bench.bob(&Script::answer(&invite, 200, "cell").set("Contact", "<sip:cell@127.0.0.20>")).ack(1).expect([
        "0 response c0 d0 180",
        "0 response c0 d1 183",
        "0 response c0 d0 180",
        "0 response c0 d1 200",
        "0 B< ACK 1 sip:cell@127.0.0.20",
    ]);
    assert_eq!(state(&bench, 0), is(Stage::Early, "desk", "sip:bob@127.0.0.20:5060"));
    bench.run_to(31_999).counts(0, 1, 2).run_to(32_000).counts(0, 0, 1).expect([]);
    assert_eq!(state(&bench, 0), None);
}

#[test]
fn forked_2xx_make_a_dialog_each_and_each_its_ack() {
    let mut bench = bob_rings();
    let invite = bench.last_request();
    let ok = |tag: &str| Script::answer(&invite, 200, tag).set("Contact", &format!("<sip:{tag}@127.0.0.20>"));
    bench.bob(&ok("bob")).ack(0).bob(&ok("cell")).ack(1).in_dialog(1, Method::Bye).expect([
        "0 response c0 d0 200",
        "0 B< ACK 1 sip:bob@127.0.0.20",
        "0 response c0 d1 200",
        "0 B< ACK 1 sip:cell@127.0.0.20",
        "0 B< BYE 2 sip:cell@127.0.0.20",
    ]);
    let bye = bench.last_request();
    bench.bob(&Script::answer(&bye, 200, "")).expect(["0 response c1 d1 200"]).counts(0, 2, 1);
    // Both may come again, even from the dialog that is gone.
    bench.bob(&ok("cell")).bob(&ok("bob")).expect(["0 B< ACK 1 sip:cell@127.0.0.20", "0 B< ACK 1 sip:bob@127.0.0.20"]);
    bench.counts(0, 2, 1).forget(0).ends();
}

#[test]
fn one_invite_makes_sixteen_dialogs_at_most() {
    let mut bench = bob_is_called();
    let invite = bench.last_request();
    for fork in 0..100 {
        bench.bob(&Script::answer(&invite, 180, &format!("fork{fork}")));
    }
    bench.counts(0, 1, 16);
    bench.bob(&Script::answer(&invite, 486, "fork3")).counts(0, 1, 0);
}

#[test]
fn a_2xx_that_comes_again_is_acknowledged_again_and_nobody_hears_of_it() {
    let mut bench = bob_is_called();
    let invite = bench.last_request();
    let ok = Script::answer(&invite, 200, "bob");
    bench.bob(&ok).bob(&ok).expect(["0 response c0 d0 200"]);
    bench.ack(0).run_to(500).bob(&ok).run_to(1_500).bob(&ok).expect([
        "0 B< ACK 1 sip:bob@127.0.0.20:5060",
        "500 B< ACK 1 sip:bob@127.0.0.20:5060",
        "1500 B< ACK 1 sip:bob@127.0.0.20:5060",
    ]);
    let acks: Vec<_> = bench.sent[1..].iter().map(|sent| sent.bytes.clone()).collect();
    assert!(acks.iter().all(|ack| *ack == acks[0]), "the same ACK every time");
    bench.ack(0).expect([]);
    bench
        .in_dialog(0, Method::Info)
        .in_dialog(0, Method::Bye)
        .expect(["1500 B< INFO 2 sip:bob@127.0.0.20:5060", "1500 B< BYE 3 sip:bob@127.0.0.20:5060"]);
}

#[test]
fn the_2xx_of_an_ended_call_finds_no_new_one() {
    let mut bench = bob_talks();
    let says = bob_says(&bench);
    let invite = crate::endpoint::script::request_of(&bench.sent[0].bytes);
    bench.run_to(100).bob(&says("BYE", 1)).respond(0, 200).counts(1, 1, 0);
    bench.run_to(500).bob(&Script::answer(&invite, 200, "bob")).counts(1, 1, 0).expect([
        "100 within d0 s0 BYE",
        "100 B< 200 1 BYE",
        "500 B< ACK 1 sip:bob@127.0.0.20:5060",
    ]);
    bench.ends();
}

#[test]
fn an_ack_waits_for_its_2xx() {
    let mut bench = bob_rings();
    bench.ack(0).expect([]);
    let mut bench = bob_talks();
    bench.in_dialog(0, Method::Invite).ack(0).expect(["0 B< INVITE 2 sip:bob@127.0.0.20:5060"]);
    let again = bench.last_request();
    let ok = Script::answer(&again, 200, "").set("Contact", "<sip:moved@127.0.0.20>");
    bench.bob(&ok).ack(0).bob(&ok).expect([
        "0 response c1 d0 200",
        "0 B< ACK 2 sip:moved@127.0.0.20",
        "0 B< ACK 2 sip:moved@127.0.0.20",
    ]);
}

#[test]
fn a_refused_reinvite_leaves_the_dialog_as_it_was() {
    let mut bench = bob_talks();
    bench.in_dialog(0, Method::Invite).expect(["0 B< INVITE 2 sip:bob@127.0.0.20:5060"]);
    let again = bench.last_request();
    bench.bob(&Script::answer(&again, 488, "").set("Contact", "<sip:evil@192.0.2.66>"));
    bench.expect(["0 B< ACK 2 sip:bob@127.0.0.20:5060", "0 response c1 d0 488"]);
    assert_eq!(state(&bench, 0), is(Stage::Confirmed, "bob", "sip:bob@127.0.0.20:5060"));
    bench.in_dialog(0, Method::Invite).expect(["0 B< INVITE 3 sip:bob@127.0.0.20:5060"]);
}

#[test]
fn the_answer_to_an_update_moves_the_target() {
    let mut bench = bob_talks();
    bench.in_dialog(0, Method::Update);
    let update = bench.last_request();
    bench.bob(&Script::answer(&update, 200, "").set("Contact", "<sip:moved@127.0.0.20>"));
    assert_eq!(state(&bench, 0), is(Stage::Confirmed, "bob", "sip:moved@127.0.0.20"));
}

#[test]
fn a_peer_without_a_tag_has_the_empty_one() {
    let mut bench = bob_is_called();
    let invite = bench.last_request();
    bench.bob(&Script::answer(&invite, 200, "")).ack(0);
    assert_eq!(state(&bench, 0), is(Stage::Confirmed, "", "sip:bob@127.0.0.20:5060"));
    let bye = bob_says(&bench)("BYE", 1).set("From", "<sip:bob@pbx.example>");
    bench.bob(&bye).respond(0, 200).expect([
        "0 response c0 d0 200",
        "0 B< ACK 1 sip:bob@127.0.0.20:5060",
        "0 within d0 s0 BYE",
        "0 B< 200 1 BYE",
    ]);
    bench.ends();
}

#[test]
fn a_2xx_with_routes_that_cannot_be_read_is_heard_all_the_same() {
    let mut bench = bob_is_called();
    let invite = bench.last_request();
    let broken = |code| Script::answer(&invite, code, "bob").and("Record-Route", "<<<");
    bench.bob(&broken(180)).bob(&broken(200)).ack(0).expect([
        "0 response c0 d0 180",
        "0 response c0 d0 200",
        "0 B< ACK 1 sip:bob@127.0.0.20:5060",
    ]);
    assert_eq!(state(&bench, 0), is(Stage::Confirmed, "bob", "sip:bob@127.0.0.20:5060"));
}
