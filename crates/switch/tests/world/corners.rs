//! Corners of RFC 3261: the answer that is lost again and again, goodbyes that cross, hops that run out, and requests by two ways.

use std::time::Duration;

use domain::CallStatus;
use testkit::world::SWITCH;
use testkit::{SIP_PORT, Stage, Weather, World};

const PAIR: &[&str] = &["1001", "1002"];

/// A network whose every journey takes so many milliseconds.
fn slow(ms: u64) -> Weather {
    let delay = Duration::from_millis(ms);
    Weather { delay: delay..delay, ..Weather::CALM }
}

/// §13.3.1.4: our 200 goes out at 0, 0.5 and 1.5 s and never arrives; the one at 3.5 s does.
#[test]
fn our_200_is_lost_three_times() {
    let mut world = World::office(700, Weather::CALM, PAIR);
    world.phone("1002").answers_after(2_000);
    world.phone("1001").dials("1002");
    world.run_for(Duration::from_millis(1_900));
    let caller = world.look("1001").setup.address.ip();
    world.network.set_weather_between(caller, SWITCH, Weather { loss: 1.0, ..Weather::CALM });
    world.seconds(3);
    assert_eq!((world.stage("1001"), world.stage("1002")), (Stage::Ringing, Stage::Talking));
    world.network.set_weather_between(caller, SWITCH, Weather::CALM);
    world.seconds(2);
    assert_eq!((world.stage("1001"), world.code("1001")), (Stage::Talking, Some(200)));
    assert_eq!((world.hearing("1001"), world.hearing("1002")), (vec!["1002".into()], vec!["1001".into()]));
    world.phone("1001").hangs_up();
    world.seconds(1);
    assert_eq!(world.records().next().map(|record| record.status), Some(CallStatus::Completed));
    let faults = world.faults();
    // The caller heard of the answer three seconds after it was given: that its clock differs is the point.
    let others: Vec<&String> = faults.iter().filter(|fault| !fault.starts_with("another time of answer")).collect();
    assert!(others.is_empty(), "{others:#?}");
}

/// §15: both hang up at once, and each BYE finds the other on its way.
#[test]
fn both_hang_up_at_the_same_time() {
    for apart_ms in [0, 40, 80, 120] {
        let mut world = World::office(701, slow(100), PAIR);
        world.phone("1002").answers_after(500);
        world.phone("1001").dials("1002");
        world.seconds(4);
        assert_eq!((world.stage("1001"), world.stage("1002")), (Stage::Talking, Stage::Talking));
        world.phone("1001").hangs_up();
        world.run_for(Duration::from_millis(apart_ms));
        world.phone("1002").hangs_up();
        world.seconds(2);
        assert_eq!((world.stage("1001"), world.stage("1002")), (Stage::Over, Stage::Over));
        assert_eq!(world.records().count(), 1, "{apart_ms} ms apart");
        world.finish();
    }
}

/// §16.3 and RFC 5393: what has no hops left is refused before it is looked at, and what has few loses one with us.
#[test]
fn hops_run_out() {
    let mut world = World::office(702, Weather::CALM, PAIR);
    let stranger = std::net::SocketAddr::from(([10, 99, 0, 1], 5_060));
    for (hops, code) in [("0", "483"), ("1", "407"), ("70", "407")] {
        let invite = format!(
            "INVITE sip:1002@alpha.test SIP/2.0\r\nVia: SIP/2.0/UDP 10.99.0.1;branch=z9hG4bKhops{hops}\r\nMax-Forwards: \
             {hops}\r\nFrom: <sip:1001@alpha.test>;tag=a\r\nTo: <sip:1002@alpha.test>\r\nCall-ID: hops{hops}\r\nCSeq: 1 \
             INVITE\r\nContact: <sip:1001@10.99.0.1>\r\nContent-Length: 0\r\n\r\n"
        );
        world.inject(stranger, (SWITCH, SIP_PORT).into(), invite);
        world.seconds(1);
        let answer = String::from_utf8_lossy(&world.elsewhere.last().expect("an answer").bytes).into_owned();
        assert!(answer.starts_with(&format!("SIP/2.0 {code} ")), "{hops}: {answer}");
    }
    assert_eq!(world.records().count(), 0);
    world.finish();
}

/// §8.2.2.2: the caller's INVITE came by a second way too, with another branch: 482 there, one call here.
#[test]
fn a_request_that_came_by_two_ways_is_one_call() {
    let mut world = World::office(703, Weather::CALM, PAIR);
    world.phone("1002").answers_after(1_000);
    world.phone("1001").dials("1002");
    world.run_for(Duration::from_millis(500));
    let call_id = world.talk("1001").call_id.clone();
    let ids = world.look("1001").dialog_ids().expect("an early dialog");
    let other_way = std::net::SocketAddr::from(([10, 99, 0, 2], 5_060));
    let copy = format!(
        "INVITE sip:1002@alpha.test SIP/2.0\r\nVia: SIP/2.0/UDP 10.99.0.2;branch=z9hG4bKotherway\r\nMax-Forwards: 69\r\nFrom: \
         {}\r\nTo: <sip:1002@alpha.test>\r\nCall-ID: {}\r\nCSeq: {} INVITE\r\nContact: <sip:1001@10.99.0.2>\r\nContent-Length: \
         0\r\n\r\n",
        ids.from, call_id, ids.cseq
    );
    world.inject(other_way, (SWITCH, SIP_PORT).into(), copy);
    world.seconds(1);
    let answer = String::from_utf8_lossy(&world.elsewhere.last().expect("an answer").bytes).into_owned();
    assert!(answer.starts_with("SIP/2.0 482 "), "{answer}");
    world.seconds(1);
    assert_eq!((world.stage("1001"), world.stage("1002")), (Stage::Talking, Stage::Talking));
    world.phone("1001").hangs_up();
    world.seconds(1);
    assert_eq!(world.records().count(), 1);
    world.finish();
}
