//! A panic ends one call, and nothing else.

use domain::{CallStatus, HangupBy};
use sip::Method;

use crate::bench::Bench;
use crate::phone::{ALICE, BOB, Talk, phone, sdp, talk};

#[test]
fn a_panic_in_the_middle_of_a_call_ends_both_sides() {
    let Talk { mut bench, mut alice, bob } = talk();
    let eve = phone("1003", 13);
    let mut other = eve.invite(&mut bench, "*43", "", &sdp(eve, ""));
    let ok = bench.response(eve.address, 200);
    other.learn(&ok);
    other.ack(&mut bench, "");
    let views = bench.shard.calls(None);
    bench.shard.inject_panic(views[0].id);
    alice.send(&mut bench, "INVITE", &sdp(alice.phone, "a=sendonly\r\n"));
    // What the broken step wanted, a re-INVITE to Bob, is never seen.
    let bye = bench.request(bob.phone.address, &Method::Bye);
    bob.phone.answer(&mut bench, &bye, 200, "", "");
    let mut ended = false;
    while let Some(message) = bench.next(alice.phone.address) {
        if let sip::Message::Request(request) = message {
            assert_eq!(request.method(), &Method::Bye);
            alice.phone.answer(&mut bench, &request, 200, "", "");
            ended = true;
        }
    }
    assert!(ended, "the caller is hung up on");
    let closed = bench.closed();
    assert_eq!(closed.len(), 1);
    assert_eq!((closed[0].status, closed[0].hangup_by), (CallStatus::Failed, Some(HangupBy::System)));
    assert_eq!(closed[0].media.len(), 2, "its ports were closed in good order");
    // The other call has noticed nothing.
    assert_eq!(bench.shard.calls(None).len(), 1);
    other.send(&mut bench, "BYE", "");
    bench.response(eve.address, 200);
    assert_eq!(bench.closed().len(), 2);
}

#[test]
fn a_panic_while_phones_ring_withdraws_them() {
    let mut bench = Bench::new();
    let (alice, bob) = (phone("1001", ALICE), phone("1002", BOB));
    bob.register(&mut bench);
    let mut caller = alice.invite(&mut bench, "1002", "", &sdp(alice, ""));
    let invite = bench.request(bob.address, &Method::Invite);
    bob.answer(&mut bench, &invite, 100, "", "");
    let call = bench.shard.calls(None)[0].id;
    bench.shard.inject_panic(call);
    bob.answer(&mut bench, &invite, 180, "bob", "");
    let refused = bench.response(alice.address, 500);
    caller.ack_refusal(&mut bench, &refused);
    let cancel = bench.request(bob.address, &Method::Cancel);
    bob.answer(&mut bench, &cancel, 200, "bob", "");
    bob.answer(&mut bench, &invite, 487, "bob", "");
    bench.request(bob.address, &Method::Ack);
    let record = bench.end();
    assert_eq!((record.status, record.sip_response_code), (CallStatus::Failed, Some(500)));
}
