//! Whom the displays show.

use sip::{Headers, Method, Name};

use crate::bench::Bench;
use crate::phone::{ALICE, BOB, phone, sdp};

const ANN: &str = "\"Phone 1001\" <sip:1001@alpha.test>";
const BEN: &str = "\"Phone 1002\" <sip:1002@alpha.test>";

fn named(headers: &Headers) -> [Option<String>; 2] {
    let value = |name| headers.get(&name).map(|value| String::from_utf8(value.to_vec()).unwrap());
    [value(Name::PAssertedIdentity), value(Name::RemotePartyId)]
}

fn as_named(who: &str) -> [Option<String>; 2] {
    [Some(who.to_owned()), Some(format!("{who};privacy=off;screen=yes"))]
}

#[test]
fn each_side_is_told_who_the_other_is() {
    let mut bench = Bench::new();
    let (alice, bob) = (phone("1001", ALICE), phone("1002", BOB));
    bob.register(&mut bench);
    let mut caller = alice.invite(&mut bench, "1002", "", &sdp(alice, ""));
    let invite = bench.request(bob.address, &Method::Invite);
    assert_eq!(named(invite.headers()), as_named(ANN));
    bob.answer(&mut bench, &invite, 180, "bob", "");
    assert_eq!(named(bench.response(alice.address, 180).headers()), as_named(BEN));
    bob.answer(&mut bench, &invite, 200, "bob", &sdp(bob, ""));
    bench.request(bob.address, &Method::Ack);
    let ok = bench.response(alice.address, 200);
    assert_eq!(named(ok.headers()), as_named(BEN));
    caller.learn(&ok);
    caller.ack(&mut bench, "");
    caller.send(&mut bench, "BYE", "");
    let bye = bench.request(bob.address, &Method::Bye);
    bob.answer(&mut bench, &bye, 200, "", "");
    bench.end();
}

#[test]
fn who_wants_to_be_anonymous_is_named_to_nobody() {
    let mut bench = Bench::new();
    let (alice, bob) = (phone("1001", ALICE), phone("1002", BOB));
    bob.register(&mut bench);
    let mut caller = alice.invite_as(&mut bench, "<sip:anonymous@anonymous.invalid>", "1002", "", &sdp(alice, ""));
    let invite = bench.request(bob.address, &Method::Invite);
    assert_eq!(named(invite.headers()), [None, None]);
    bob.answer_with(&mut bench, &invite, 180, "bob", "Privacy: critical;ID\r\n", "");
    assert_eq!(named(bench.response(alice.address, 180).headers()), [None, None]);
    bob.answer(&mut bench, &invite, 486, "bob", "");
    let refused = bench.response(alice.address, 486);
    assert_eq!(named(refused.headers()), [None, None]);
    caller.ack_refusal(&mut bench, &refused);
    bench.end();
}
