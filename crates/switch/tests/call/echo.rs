//! The echo test: one phone and us.

use domain::CallStatus;
use media::{Command, Fact, Leg, Playback};
use sip::Method;
use switch::Input;

use crate::bench::Bench;
use crate::phone::{ALICE, Dialog, phone, sdp};

fn echo(bench: &mut Bench) -> Dialog {
    let alice = phone("1001", ALICE);
    let mut caller = alice.invite(bench, "*43", "", &sdp(alice, ""));
    let ok = bench.response(alice.address, 200);
    caller.learn(&ok);
    caller.ack(bench, "");
    caller
}

#[test]
fn the_echo_test_beeps_and_then_echoes() {
    let mut bench = Bench::new();
    let mut caller = echo(&mut bench);
    let [Command::Open { session, legs }, Command::Apply { .. }, Command::Play { leg: Leg::CALLER, source, .. }] =
        &bench.media[..]
    else {
        panic!("{:?}", bench.media);
    };
    assert_eq!(legs.len(), 1);
    assert!(matches!(source, Playback::Tone { .. }));
    let session = *session;
    bench.input(Input::Media(Fact::PlaybackEnded { session, leg: Leg::CALLER }));
    assert_eq!(bench.media.last(), Some(&Command::Echo { session, leg: Leg::CALLER }));
    caller.send(&mut bench, "BYE", "");
    bench.response(caller.phone.address, 200);
    let record = bench.end();
    assert_eq!(record.status, CallStatus::Completed);
    assert_eq!(record.media.len(), 1);
    assert_eq!(bench.legs().len(), 1);
}

#[test]
fn it_can_be_held_and_offered_anew() {
    let mut bench = Bench::new();
    let mut caller = echo(&mut bench);
    let address = caller.phone.address;
    caller.send(&mut bench, "INVITE", &sdp(caller.phone, "a=sendonly\r\n"));
    let ok = bench.response(address, 200);
    assert!(String::from_utf8(ok.body().to_vec()).unwrap().contains("a=recvonly"));
    caller.ack(&mut bench, "");
    assert!(!bench.plans().last().unwrap().legs[0].send);
    caller.send(&mut bench, "INVITE", "");
    bench.response(address, 200);
    caller.ack(&mut bench, &sdp(caller.phone, ""));
    assert!(bench.plans().last().unwrap().legs[0].send);
    let Some(Command::Open { session, .. }) = bench.media.first() else { panic!("ports") };
    let session = *session;
    bench.input(Input::Media(Fact::Silent { session, leg: Leg::CALLER, for_ms: 30_000 }));
    let bye = bench.request(address, &Method::Bye);
    caller.phone.answer(&mut bench, &bye, 200, "", "");
    bench.end();
}
