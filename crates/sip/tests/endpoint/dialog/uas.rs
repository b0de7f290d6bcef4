//! §12.1.1: the dialog of an INVITE that came in; §12.2.1.1: requests of ours inside it.

use sip::Method;
use sip::dialog::Stage;

use crate::endpoint::bench::{Bench, debug};
use crate::endpoint::flows::{ack_of_alice, alice_is_answered, alice_rings, alice_talks};
use crate::endpoint::script::{Script, response_of};

#[test]
fn answers_copy_record_route_in_order_and_carry_contact_and_one_tag() {
    let mut bench = Bench::new();
    let routed = Script::request("INVITE")
        .and("Record-Route", "<sip:p2.example;lr>")
        .and("Record-Route", "<sip:p1.example;lr>;x=1, <sip:p0.example;lr>");
    let headers = ["Record-Route", "Contact", "Server"];
    bench.alice(&routed).shows(&headers, []);
    bench.respond(0, 180).shows(
        &headers,
        [
            "Record-Route: <sip:p2.example;lr>",
            "Record-Route: <sip:p1.example;lr>;x=1, <sip:p0.example;lr>",
            "Contact: <sip:127.0.0.1:5060>",
            "Server: YakYak",
        ],
    );
    let tags: Vec<_> = [183, 200]
        .map(|code| {
            bench.respond(0, code);
            bench.tag()
        })
        .into();
    assert_eq!(tags[0], tags[1]);
    assert_eq!(response_of(&bench.sent[0].bytes).to().map(|to| to.has_tag()), Ok(false), "100 has no tag");
    bench.expect([
        "0 A< 100 1 INVITE",
        "0 invite s0 d0 as guest",
        "0 A< 180 1 INVITE",
        "0 A< 183 1 INVITE",
        "0 A< 200 1 INVITE",
    ]);
}

#[test]
fn a_100_brings_the_timestamp_back() {
    let mut bench = Bench::new();
    bench.alice(&Script::request("INVITE").and("Timestamp", "54.21")).shows(&["Timestamp"], ["Timestamp: 54.21"]);
}

#[test]
fn the_state_of_the_dialog_is_that_of_the_request() {
    let (mut bench, tag) = alice_rings();
    let state = |bench: &Bench| {
        bench.dialog(0).map(|dialog| {
            [
                debug(dialog.stage()),
                debug(dialog.call_id()),
                debug(dialog.local_tag()),
                debug(dialog.remote_tag()),
                debug(dialog.target().bytes()),
                dialog.flow().to_string(),
            ]
        })
    };
    let expected = |stage| {
        let fields = ["b\"call-1\"", &format!("b\"{tag}\""), "b\"alice\"", "b\"sip:alice@127.0.0.10:5060\""];
        let flow = "UDP 127.0.0.10:5060>127.0.0.1:5060";
        Some([stage, fields[0], fields[1], fields[2], fields[3], flow].map(str::to_owned))
    };
    assert_eq!(state(&bench), expected("Early"));
    bench.respond(0, 200).expect(["0 A< 200 1 INVITE"]);
    assert_eq!(state(&bench), expected("Confirmed"));
}

#[test]
fn our_requests_follow_target_and_routes_in_the_order_of_the_message() {
    let mut bench = Bench::new();
    let invite = Script::request("INVITE")
        .set("From", "\"Alice, A.\" <sip:alice@pbx.example>;tag=alice")
        .set("Contact", "<sip:alice@192.0.2.7:5070;ob?X=y>;expires=9")
        .and("Record-Route", "<sip:p2.example;lr>, <sip:p1.example;lr>");
    bench.alice(&invite).respond(0, 200);
    let tag = bench.tag();
    bench.alice(&ack_of_alice(&tag)).in_dialog(0, Method::Info).expect([
        "0 A< 100 1 INVITE",
        "0 invite s0 d0 as guest",
        "0 A< 200 1 INVITE",
        "0 acked d0",
        // On the flow of the dialog, whatever Route says; the number is a random one and one more.
        "0 A< INFO 8985 sip:alice@192.0.2.7:5070;ob",
    ]);
    bench.shows(
        &["Route", "From", "To", "Call-ID", "Max-Forwards", "Contact"],
        [
            "Max-Forwards: 70",
            "Route: <sip:p2.example;lr>",
            "Route: <sip:p1.example;lr>",
            &format!("From: <sip:bob@pbx.example>;tag={tag}"),
            "To: \"Alice, A.\" <sip:alice@pbx.example>;tag=alice",
            "Call-ID: call-1",
        ],
    );
}

#[test]
fn a_strict_router_gets_its_own_uri_and_the_target_last() {
    let mut bench = Bench::new();
    let invite = Script::request("INVITE")
        .and("Record-Route", "<sip:strict.example;transport=udp;method=INVITE?X=y>")
        .and("Record-Route", "<sip:loose.example;lr>");
    bench.alice(&invite).respond(0, 200);
    let tag = bench.tag();
    bench.alice(&ack_of_alice(&tag)).in_dialog(0, Method::Info).expect([
        "0 A< 100 1 INVITE",
        "0 invite s0 d0 as guest",
        "0 A< 200 1 INVITE",
        "0 acked d0",
        "0 A< INFO 8985 sip:strict.example;transport=udp",
    ]);
    bench.shows(&["Route"], ["Route: <sip:loose.example;lr>", "Route: <sip:alice@127.0.0.10:5060>"]);
}

#[test]
fn numbers_of_our_requests_rise_by_one() {
    let (mut bench, _) = alice_talks();
    bench.in_dialog(0, Method::Info).in_dialog(0, Method::Update).in_dialog(0, Method::Info).expect([
        "0 A< INFO 8985 sip:alice@127.0.0.10:5060",
        "0 A< UPDATE 8986 sip:alice@127.0.0.10:5060",
        "0 A< INFO 8987 sip:alice@127.0.0.10:5060",
    ]);
}

#[test]
fn without_a_contact_the_from_is_the_target() {
    for contact in ["", "*", "<tel:+15551234>", "<<broken"] {
        let mut bench = Bench::new();
        let invite = match contact {
            "" => Script::request("INVITE").without("Contact"),
            other => Script::request("INVITE").set("Contact", other),
        };
        bench.alice(&invite);
        assert_eq!(
            bench.dialog(0).map(|dialog| debug(dialog.target().bytes())),
            Some("b\"sip:alice@pbx.example\"".into())
        );
    }
}

#[test]
fn a_peer_without_a_tag_has_the_empty_one() {
    let mut bench = Bench::new();
    let old = |method: &str| Script::request(method).set("From", "<sip:alice@pbx.example>");
    bench.alice(&old("INVITE")).respond(0, 200);
    let tag = bench.tag();
    bench.alice(&old("ACK").tagged(&tag)).alice(&old("BYE").cseq(2).tagged(&tag)).respond(1, 200).expect([
        "0 A< 100 1 INVITE",
        "0 invite s0 d0 as guest",
        "0 A< 200 1 INVITE",
        "0 acked d0",
        "0 within d0 s1 BYE",
        "0 A< 200 2 BYE",
    ]);
    bench.ends();
}

#[test]
fn a_refused_invite_leaves_no_dialog() {
    let (mut bench, tag) = alice_rings();
    bench.respond(0, 486).expect(["0 A< 486 1 INVITE"]).counts(1, 0, 0);
    bench.shows(&["Contact", "Record-Route"], []);
    bench.alice(&ack_of_alice(&tag).branch("z9hG4bKINVITE1")).expect([]).ends();
}

#[test]
fn unreadable_routes_are_refused() {
    let mut bench = Bench::new();
    bench.alice(&Script::request("INVITE").and("Record-Route", "<sip:p.example;lr>, <<")).expect(["0 A< 400 1 INVITE"]);
    bench.ends();
}

#[test]
fn a_target_follows_a_reinvite_once_it_is_accepted() {
    let (mut bench, tag) = alice_talks();
    let target = |bench: &Bench| bench.dialog(0).map(|dialog| debug(dialog.target().bytes()));
    let moved = |cseq: u32| {
        Script::request("INVITE").cseq(cseq).tagged(&tag).set("Contact", &format!("<sip:alice@192.0.2.{cseq}>"))
    };
    bench.alice(&moved(2)).respond(1, 488).alice(&moved(2).start("ACK sip:x@y SIP/2.0").set("CSeq", "2 ACK"));
    assert_eq!(target(&bench), Some("b\"sip:alice@127.0.0.10:5060\"".into()), "refused");
    bench.alice(&moved(3)).respond(2, 200);
    assert_eq!(target(&bench), Some("b\"sip:alice@192.0.2.3\"".into()), "accepted");
    bench.expect([
        "0 A< 100 2 INVITE",
        "0 within d0 s1 INVITE",
        "0 A< 488 2 INVITE",
        "0 A< 100 3 INVITE",
        "0 within d0 s2 INVITE",
        "0 A< 200 3 INVITE",
    ]);
    // A BYE or an INFO moves nothing, whatever Contact it has (§12.2.2).
    bench.alice(&Script::request("ACK").cseq(3).tagged(&tag).set("Contact", "<sip:evil@192.0.2.66>"));
    bench.alice(&Script::request("INFO").cseq(4).tagged(&tag).set("Contact", "<sip:evil@192.0.2.66>")).respond(3, 200);
    assert_eq!(target(&bench), Some("b\"sip:alice@192.0.2.3\"".into()), "INFO");
    let update = Script::request("UPDATE").cseq(5).tagged(&tag).set("Contact", "<sip:alice@192.0.2.5>");
    bench.alice(&update).respond(4, 200);
    assert_eq!(target(&bench), Some("b\"sip:alice@192.0.2.5\"".into()), "UPDATE");
}

#[test]
fn a_route_set_never_changes_after_the_beginning() {
    let (mut bench, tag) = alice_talks();
    let again = Script::request("INVITE").cseq(2).tagged(&tag).and("Record-Route", "<sip:evil.example;lr>");
    bench.alice(&again).respond(1, 200).alice(&Script::request("ACK").cseq(2).tagged(&tag)).in_dialog(0, Method::Info);
    bench.shows(&["Route"], []);
}

#[test]
fn only_a_confirmed_dialog_can_be_spoken_in() {
    let (mut bench, _) = alice_rings();
    bench.in_dialog(0, Method::Bye).expect(["0 misuse: a request in a dialog that is not confirmed"]);
    let (mut bench, _) = alice_talks();
    bench.in_dialog(0, Method::Ack).expect(["0 misuse: ACK and CANCEL have their own functions"]);
    bench
        .in_dialog(0, Method::Bye)
        .in_dialog(0, Method::Bye)
        .expect(["0 A< BYE 8985 sip:alice@127.0.0.10:5060", "0 misuse: a request in a dialog that is not confirmed"]);
    bench.forget(0).in_dialog(0, Method::Bye).expect(["0 misuse: a request in a dialog that is gone"]);
}

#[test]
fn nothing_of_ours_is_acknowledged_in_a_dialog_we_did_not_begin() {
    let (mut bench, _) = alice_talks();
    bench.ack(0).expect([]);
}

#[test]
fn stages() {
    let (bench, _) = alice_is_answered();
    assert_eq!(bench.dialog(0).map(sip::Dialog::stage), Some(Stage::Confirmed));
    let (mut bench, _) = alice_talks();
    bench.in_dialog(0, Method::Bye);
    assert_eq!(bench.dialog(0).map(sip::Dialog::stage), Some(Stage::Ending));
}
