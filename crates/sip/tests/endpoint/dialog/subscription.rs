//! Dialogs that a SUBSCRIBE makes (RFC 6665 §4.4), the subscription that a REFER leaves behind (RFC 3515 §2.4.4, RFC 5057
//! §4.1), and how others' headers find a dialog (RFC 3891 §3).

use sip::dialog::{Stage, Usage};
use sip::{EndpointConfig, Method, Name, Reply};

use crate::endpoint::bench::{Bench, config, debug};
use crate::endpoint::flows::{alice_rings, alice_talks, bob_rings, bob_says, bob_talks};
use crate::endpoint::script::Script;

const TERMINATED: &[(Name, &str)] = &[(Name::SubscriptionState, "Terminated;reason=noresource")];
const ACTIVE: &[(Name, &str)] = &[(Name::SubscriptionState, "active;expires=60")];

fn ok() -> Reply {
    Reply::new(200).header(Name::Expires, "60")
}

/// Alice has subscribed: server s0, dialog d0, and our tag.
fn alice_watches() -> (Bench, String) {
    let mut bench = Bench::new();
    let subscribe = Script::request("SUBSCRIBE")
        .and("Event", "dialog")
        .and("Record-Route", "<sip:p2.example;lr>")
        .and("Record-Route", "<sip:p1.example;lr>");
    bench.alice(&subscribe).accept(0, ok()).expect(["0 request s0 SUBSCRIBE as guest", "0 A< 200 1 SUBSCRIBE"]);
    let tag = bench.tag();
    (bench, tag)
}

fn within(tag: &str, method: &str, cseq: u32) -> Script {
    Script::request(method).cseq(cseq).tagged(tag)
}

#[test]
fn the_200_makes_the_dialog() {
    let (mut bench, tag) = alice_watches();
    bench.shows(
        &["Record-Route", "Contact", "Expires"],
        [
            "Record-Route: <sip:p2.example;lr>",
            "Record-Route: <sip:p1.example;lr>",
            "Contact: <sip:127.0.0.1:5060>",
            "Expires: 60",
        ],
    );
    bench.counts(1, 0, 1);
    let dialog = bench.dialog(0).expect("a dialog");
    assert_eq!((dialog.stage(), dialog.usage(), dialog.is_initiated()), (Stage::Confirmed, Usage::Subscription, false));
    assert_eq!(debug(dialog.local_tag()), format!("b\"{tag}\""));
    assert_eq!(bench.find("call-1", &tag, "alice"), Some(0));
}

#[test]
fn news_goes_in_it_along_its_routes_and_carries_our_contact() {
    let (mut bench, tag) = alice_watches();
    bench.in_dialog_with(0, Method::Notify, ACTIVE).in_dialog_with(0, Method::Notify, ACTIVE);
    bench.shows(
        &["Route", "From", "To", "Call-ID", "Contact", "Subscription-State"],
        [
            "Route: <sip:p2.example;lr>",
            "Route: <sip:p1.example;lr>",
            &format!("From: <sip:bob@pbx.example>;tag={tag}"),
            "To: <sip:alice@pbx.example>;tag=alice",
            "Call-ID: call-1",
            "Contact: <sip:127.0.0.1:5060>",
            "Subscription-State: active;expires=60",
        ],
    );
    let second = bench.last_request();
    bench.alice(&Script::answer(&second, 200, "").set("Contact", "<sip:moved@127.0.0.10>")).expect([
        "0 A< NOTIFY 1810 sip:alice@127.0.0.10:5060",
        "0 A< NOTIFY 1811 sip:alice@127.0.0.10:5060",
        "0 response c1 d0 200",
    ]);
    bench.in_dialog_with(0, Method::Notify, TERMINATED).forget(0).counts(1, 3, 0);
    bench.expect(["0 A< NOTIFY 1812 sip:moved@127.0.0.10"]);
}

#[test]
fn a_refresh_comes_inside_it_and_moves_the_target() {
    let (mut bench, tag) = alice_watches();
    let refresh = within(&tag, "SUBSCRIBE", 2).set("Contact", "<sip:alice@127.0.0.10:5090>");
    bench.alice(&refresh).reply(1, ok()).shows(&["Contact"], ["Contact: <sip:127.0.0.1:5060>"]);
    bench.in_dialog_with(0, Method::Notify, ACTIVE).alice(&within(&tag, "SUBSCRIBE", 1).branch("z9hG4bKold")).expect([
        "0 within d0 s1 SUBSCRIBE",
        "0 A< 200 2 SUBSCRIBE",
        "0 A< NOTIFY 1810 sip:alice@127.0.0.10:5090",
        "0 A< 500 1 SUBSCRIBE",
    ]);
    bench.forget(0).alice(&within(&tag, "SUBSCRIBE", 3)).expect(["0 A< 481 3 SUBSCRIBE"]);
}

#[test]
fn a_request_of_a_session_finds_none_there() {
    let (mut bench, tag) = alice_watches();
    for (at, method) in ["INVITE", "BYE", "UPDATE", "INFO", "PRACK"].into_iter().enumerate() {
        let line = format!("0 A< 481 {} {method}", at + 2);
        bench.alice(&within(&tag, method, at as u32 + 2)).expect([line.as_str()]);
    }
    for method in [Method::Invite, Method::Bye, Method::Update, Method::Info] {
        bench.in_dialog(0, method).expect(["0 misuse: a request of a session in a dialog that has none"]);
    }
    bench.alice(&within(&tag, "OPTIONS", 9)).expect(["0 within d0 s1 OPTIONS"]).counts(2, 0, 1);
}

#[test]
fn only_a_2xx_to_a_subscribe_or_refer_outside_of_any_dialog_makes_one() {
    const NO: &str = "0 misuse: a subscription begins with the 2xx to a request outside of any dialog";
    let mut bench = Bench::new();
    bench.alice(&Script::request("MESSAGE")).accept(0, ok()).expect(["0 request s0 MESSAGE as guest", NO]);
    bench
        .alice(&Script::request("SUBSCRIBE"))
        .accept(1, Reply::new(489))
        .expect(["0 request s1 SUBSCRIBE as guest", NO]);
    bench
        .accept(1, Reply::new(202))
        .accept(1, ok())
        .expect(["0 A< 202 1 SUBSCRIBE", "0 misuse: an answer to a request that waits for none"]);
    bench.alice(&Script::request("REFER").set("Call-ID", "call-2")).accept(2, Reply::new(202)).counts(3, 0, 2);
    let (mut bench, tag) = alice_talks();
    bench.alice(&within(&tag, "REFER", 2)).accept(1, ok()).expect(["0 within d0 s1 REFER", NO]);
}

#[test]
fn beyond_the_dialogs_there_is_no_room_for_one() {
    let mut bench = Bench::with(EndpointConfig { max_dialogs: 0, ..config() });
    bench.alice(&Script::request("SUBSCRIBE")).accept(0, ok()).respond(0, 503).expect([
        "0 request s0 SUBSCRIBE as guest",
        "0 misuse: too many dialogs",
        "0 A< 503 1 SUBSCRIBE",
    ]);
    bench.ends();
}

#[test]
fn what_became_of_a_refer_is_told_after_the_bye_of_either_side() {
    for ours in [true, false] {
        let (mut bench, tag) = alice_talks();
        bench.alice(&within(&tag, "REFER", 2)).respond(1, 202).shows(&["Contact"], ["Contact: <sip:127.0.0.1:5060>"]);
        bench.in_dialog_with(0, Method::Notify, ACTIVE).expect([
            "0 within d0 s1 REFER",
            "0 A< 202 2 REFER",
            "0 A< NOTIFY 8985 sip:alice@127.0.0.10:5060",
        ]);
        if ours {
            bench.in_dialog(0, Method::Bye).expect(["0 A< BYE 8986 sip:alice@127.0.0.10:5060"]);
            let bye = bench.last_request();
            bench.alice(&Script::answer(&bye, 200, "")).expect(["0 response c1 d0 200"]);
        } else {
            bench.alice(&within(&tag, "BYE", 3)).respond(2, 200);
            bench.expect(["0 within d0 s2 BYE", "0 A< 200 3 BYE"]);
        }
        let number = if ours { 8987 } else { 8986 };
        // The session is over, whoever says what; the peer may end its subscription (RFC 6665 §4.1.2.3).
        bench.forget(0).counts(if ours { 2 } else { 3 }, if ours { 2 } else { 1 }, 1);
        bench.in_dialog(0, Method::Info).alice(&within(&tag, "INVITE", 4)).alice(&within(&tag, "SUBSCRIBE", 5));
        bench.in_dialog_with(0, Method::Notify, TERMINATED).expect([
            "0 misuse: a request in a dialog that is not confirmed",
            "0 A< 481 4 INVITE",
            &format!("0 within d0 s{} SUBSCRIBE", if ours { 2 } else { 3 }),
            &format!("0 A< NOTIFY {number} sip:alice@127.0.0.10:5060"),
        ]);
        bench.in_dialog_with(0, Method::Notify, TERMINATED).expect(["0 misuse: a request in a dialog that is gone"]);
        assert_eq!(bench.endpoint.counts().dialogs, 0);
    }
}

#[test]
fn a_dialog_that_owes_news_is_gone_after_64_t1() {
    let (mut bench, tag) = alice_talks();
    bench.alice(&within(&tag, "REFER", 2)).respond(1, 202).run_to(1_000).alice(&within(&tag, "BYE", 3)).respond(2, 200);
    bench.run_to(32_999).counts(1, 0, 1).run_to(33_000).counts(0, 0, 0);
}

#[test]
fn without_news_to_tell_the_bye_ends_everything() {
    // No subscription was wanted (RFC 4488), the REFER was refused, or the last news went before the BYE.
    for (reply, last) in
        [(Reply::new(202).header(Name::ReferSub, "false"), false), (Reply::new(603), false), (Reply::new(202), true)]
    {
        let (mut bench, tag) = alice_talks();
        bench.alice(&within(&tag, "REFER", 2)).reply(1, reply);
        if last {
            bench.in_dialog_with(0, Method::Notify, TERMINATED);
        }
        bench.alice(&within(&tag, "BYE", 3)).respond(2, 200);
        assert_eq!(bench.endpoint.counts().dialogs, 0);
    }
}

#[test]
fn a_dialog_is_found_by_its_ids_from_the_first_180_to_its_end_and_whoever_made_it() {
    let (mut bench, tag) = alice_rings();
    assert_eq!(bench.find("call-1", &tag, "alice"), Some(0));
    for (call_id, local, remote) in [
        ("call-2", tag.as_str(), "alice"),
        ("call-1", "alice", tag.as_str()),
        ("call-1", &tag, ""),
        ("call-1", &tag, "0"),
    ] {
        assert_eq!(bench.find(call_id, local, remote), None);
    }
    bench.respond(0, 486);
    assert_eq!(bench.find("call-1", &tag, "alice"), None);
    for (bench, stage) in [(bob_rings(), Stage::Early), (bob_talks(), Stage::Confirmed)] {
        let dialog = bench.dialog(0).expect("a dialog");
        assert_eq!((dialog.stage(), dialog.is_initiated(), dialog.usage()), (stage, true, Usage::Session));
        let text = |bytes: &bytes::Bytes| String::from_utf8(bytes.to_vec()).expect("our names are text");
        let (call_id, tag) = (text(dialog.call_id()), text(dialog.local_tag()));
        assert_eq!(bench.find(&call_id, &tag, "bob"), Some(0));
    }
}

#[test]
fn tag_zero_stands_for_a_peer_without_a_tag() {
    let mut bench = Bench::new();
    bench.alice(&Script::request("INVITE").set("From", "<sip:alice@pbx.example>")).respond(0, 180);
    let tag = bench.tag();
    assert_eq!((bench.find("call-1", &tag, "0"), bench.find("call-1", &tag, "")), (Some(0), Some(0)));
}

#[test]
fn news_in_a_session_is_ours_to_send_at_any_time_while_it_lasts() {
    let mut bench = bob_talks();
    let says = bob_says(&bench);
    bench.in_dialog_with(0, Method::Notify, ACTIVE).bob(&says("NOTIFY", 1)).respond(0, 200).expect([
        "0 B< NOTIFY 2 sip:bob@127.0.0.20:5060",
        "0 within d0 s0 NOTIFY",
        "0 B< 200 1 NOTIFY",
    ]);
}
