//! INVITEs of ours that come back (RFC 3261 §16.3 step 4, RFC 5393 §4).

use sip::Method;

use super::bench::{Bench, to_bob};
use super::flows::bob_is_called;
use super::script::Script;

/// Our INVITE as a proxy sends it on to us.
fn back(bench: &Bench, uri: &str) -> Script {
    let ours = super::script::request_of(&bench.sent[0].bytes);
    let text =
        |name: &sip::Name| String::from_utf8(ours.headers().get(name).unwrap_or_default().to_vec()).expect("text");
    Script::request("INVITE")
        .uri(uri)
        .set("Via", "SIP/2.0/UDP 127.0.0.10:5060;branch=z9hG4bKproxy")
        .and("Via", &text(&sip::Name::Via))
        .set("From", &text(&sip::Name::From))
        .set("Call-ID", &text(&sip::Name::CallId))
}

#[test]
fn one_that_comes_back_for_whom_it_was_meant_is_482() {
    for uri in ["sip:bob@pbx.example", "sip:%62ob@127.0.0.1:5060;x=y", "tel:bob"] {
        let mut bench = bob_is_called();
        let script = back(&bench, uri);
        bench.alice(&script).alice(&script).expect(["0 A< 482 1 INVITE", "0 A< 482 1 INVITE"]).counts(0, 1, 0);
    }
}

#[test]
fn the_via_alone_and_the_call_id_alone_tell_it() {
    let mut bench = bob_is_called();
    let script = back(&bench, "sip:bob@pbx.example").set("Call-ID", "another").set("From", "<sip:x@y>;tag=z");
    bench.alice(&script).expect(["0 A< 482 1 INVITE"]);
    let script = back(&bench, "sip:bob@pbx.example").without("Via").set("From", "<sip:x@y>;tag=z");
    bench.alice(&script.set("Via", "SIP/2.0/UDP 127.0.0.10:5060;branch=z9hG4bKb2b")).expect(["0 A< 482 1 INVITE"]);
}

#[test]
fn one_that_comes_back_for_somebody_else_passes_while_it_has_hops() {
    let mut bench = bob_is_called();
    let script = back(&bench, "sip:carol@pbx.example");
    bench.alice(&script.clone().set("Max-Forwards", "0")).alice(&script.set("Max-Forwards", "1")).expect([
        "0 A< 483 1 INVITE",
        "0 A< 100 1 INVITE",
        "0 invite s0 d0 as guest",
    ]);
}

#[test]
fn a_branch_that_only_looks_like_ours_proves_nothing() {
    let mut bench = bob_is_called();
    let ours = super::script::request_of(&bench.sent[0].bytes);
    let branch = ours.via().expect("a Via").branch().expect("a branch");
    let forged = format!("{}0000", String::from_utf8_lossy(&branch[..branch.len() - 4]));
    let script = Script::request("INVITE").and("Via", &format!("SIP/2.0/UDP 127.0.0.1:5060;branch={forged}"));
    bench.alice(&script).expect(["0 A< 100 1 INVITE", "0 invite s0 d0 as guest"]);
}

#[test]
fn when_ours_is_over_the_same_may_be_called_again() {
    let mut bench = bob_is_called();
    let script = back(&bench, "sip:bob@pbx.example");
    bench.transport_error(super::bench::BOB).alice(&script).expect([
        "0 failed c0 Transport",
        "0 A< 100 1 INVITE",
        "0 invite s0 d0 as guest",
    ]);
}

#[test]
fn other_methods_go_nowhere_and_cannot_go_round() {
    let mut bench = bob_is_called();
    let script = back(&bench, "sip:bob@pbx.example");
    let options = script.start("OPTIONS sip:bob@pbx.example SIP/2.0").set("CSeq", "1 OPTIONS");
    bench.alice(&options).expect(["0 request s0 OPTIONS as guest"]);
}

#[test]
fn of_two_with_one_call_id_the_later_one_is_remembered_and_both_are_forgotten() {
    let mut bench = Bench::new();
    for user in ["bob", "carol"] {
        let mut outgoing = to_bob(Method::Invite);
        outgoing.call_id = Some("one".into());
        outgoing.to = sip::header::NameAddr::new(sip::Uri::sip(Some(user), "pbx.example", None));
        bench.invite(outgoing);
    }
    let call = |user: &str| Script::request("INVITE").uri(&format!("sip:{user}@pbx.example")).set("Call-ID", "one");
    bench.expect(["0 B< INVITE 1 sip:bob@127.0.0.20:5060"; 2]).alice(&call("carol")).expect(["0 A< 482 1 INVITE"]);
    bench.transport_error(super::bench::BOB).alice(&call("carol")).expect([
        "0 failed c0 Transport",
        "0 failed c1 Transport",
        "0 A< 100 1 INVITE",
        "0 invite s0 d0 as guest",
    ]);
}
