//! Phones on streams: TCP, TLS and WebSockets mixed with UDP, on one extension and in one call; connections that break.

use std::time::Duration;

use domain::{CallStatus, HangupBy};
use sip::Transport;
use testkit::{Stage, TenantBuilder, Weather, World, WorldConfig};

/// Journeys of 5 to 60 ms, and now and then something that a stream has to send again.
const ROUGH: Weather =
    Weather { loss: 0.05, duplicate: 0.02, reorder: 0.05, delay: Duration::from_millis(5)..Duration::from_millis(60) };

/// 1001 calls over one transport; 1002 has a phone on UDP and one on a secure WebSocket, 1003 one phone on TCP.
fn office(seed: u64, caller: Transport, weather: Weather) -> World {
    let mut world = World::new(WorldConfig::new(seed, weather));
    world.add_tenant(TenantBuilder::new("alpha").with_extensions(&["1001", "1002", "1003"]));
    world.plug_in("alpha", "1001", "1001", |setup| setup.over(caller));
    world.plug_in("alpha", "1002", "desk", |setup| setup);
    world.plug_in("alpha", "1002", "browser", |setup| setup.over(Transport::Wss));
    world.plug_in("alpha", "1003", "1003", |setup| setup.over(Transport::Tcp));
    world.register_all();
    world
}

/// They hear each other, at ease.
#[track_caller]
fn talk(world: &World, one: &str, other: &str) {
    let window = Duration::from_secs(1);
    let heard = |name: &str| world.hearing_within(name, window);
    assert_eq!((heard(one), heard(other)), (vec![other.to_owned()], vec![one.to_owned()]));
}

#[test]
fn both_phones_of_an_extension_ring_and_the_other_one_is_told_who_answered() {
    for (place, caller) in Transport::ALL.into_iter().enumerate() {
        for (answers, stops) in [("desk", "browser"), ("browser", "desk")] {
            let mut world = office(200 + place as u64, caller, Weather::CALM);
            world.phone(answers).answers_after(2_000);
            world.phone("1001").dials("1002");
            world.seconds(1);
            assert_eq!((world.stage("desk"), world.stage("browser")), (Stage::Ringing, Stage::Ringing), "{caller}");
            world.seconds(2);
            talk(&world, "1001", answers);
            assert_eq!(world.code(stops), Some(487));
            let reason = world.talk(stops).reason.clone().unwrap_or_default();
            assert!(reason.starts_with("SIP") && reason.contains("cause=200"), "{caller}: {reason}");
            assert!(reason.contains("\"Call completed elsewhere\""), "{caller}: {reason}");
            world.phone(answers).hangs_up();
            world.finish();
        }
    }
}

#[test]
fn every_pair_of_transports_calls_holds_and_hangs_up() {
    for caller in Transport::ALL {
        for (place, callee) in Transport::ALL.into_iter().enumerate() {
            let mut world = World::new(WorldConfig::new(210 + place as u64, ROUGH));
            world.add_tenant(TenantBuilder::new("alpha").with_extensions(&["1001", "1002"]));
            world.plug_in("alpha", "1001", "1001", |setup| setup.over(caller));
            world.plug_in("alpha", "1002", "1002", |setup| setup.over(callee));
            world.register_all();
            world.phone("1002").answers_after(500);
            world.phone("1001").dials("1002");
            world.seconds(8);
            talk(&world, "1001", "1002");
            world.phone("1002").holds();
            world.seconds(8);
            assert_eq!(world.talk("1002").changes, [200], "{caller} to {callee}");
            world.phone("1002").resumes();
            world.seconds(8);
            talk(&world, "1001", "1002");
            world.phone("1001").hangs_up();
            world.seconds(5);
            assert_eq!(world.stage("1002"), Stage::Over, "{caller} to {callee}");
            assert_eq!(world.record_of("1001").status, CallStatus::Completed);
            world.finish();
        }
    }
}

#[test]
fn a_caller_whose_connection_breaks_while_it_rings() {
    let mut world = office(220, Transport::Tls, Weather::CALM);
    world.phone("1001").dials("1003");
    world.seconds(2);
    assert_eq!(world.stage("1003"), Stage::Ringing);
    world.phone("1001").loses_its_connection();
    world.seconds(2);
    world.phone("1001").connects_again();
    world.phone("1003").picks_up();
    world.seconds(120);
    // Nobody acknowledges: the call ends, and the phone that answered is told.
    assert_eq!(world.stage("1003"), Stage::Over);
    assert_eq!(world.records().count(), 1);
    world.finish();
}

#[test]
fn a_phone_whose_connection_breaks_while_it_rings_does_not_stop_the_other() {
    let mut world = office(221, Transport::Udp, Weather::CALM);
    world.phone("1001").dials("1002");
    world.seconds(2);
    world.phone("browser").loses_its_connection();
    world.seconds(1);
    world.phone("desk").picks_up();
    world.seconds(2);
    talk(&world, "1001", "desk");
    world.phone("browser").connects_again();
    world.seconds(2);
    world.phone("1001").hangs_up();
    world.seconds(40);
    assert_eq!(world.record_of("1001").status, CallStatus::Completed);
    // The binding of the lost connection is gone, the one of the new connection rings.
    world.phone("1001").dials("1002");
    world.seconds(1);
    assert_eq!((world.stage("desk"), world.stage("browser")), (Stage::Ringing, Stage::Ringing));
    world.phone("browser").picks_up();
    world.seconds(1);
    talk(&world, "1001", "browser");
    world.phone("1001").hangs_up();
    world.finish();
}

#[test]
fn the_only_phone_called_is_cut_off() {
    let mut world = office(222, Transport::Ws, Weather::CALM);
    world.phone("1001").dials("1003");
    world.seconds(2);
    world.phone("1003").loses_its_connection();
    world.seconds(60);
    assert_eq!(world.stage("1001"), Stage::Over);
    assert_eq!(world.records().count(), 1);
    assert!(world.records().all(|record| record.answer_time.is_none()));
    world.finish();
}

/// The signalling breaks, the audio does not: the call goes on, and ends with whoever hangs up.
#[test]
fn a_call_outlives_the_connection_of_its_caller() {
    let mut world = office(223, Transport::Wss, Weather::CALM);
    world.phone("1003").answers_after(500);
    world.phone("1001").dials("1003");
    world.seconds(3);
    world.phone("1001").loses_its_connection();
    world.seconds(2);
    talk(&world, "1001", "1003");
    world.phone("1001").connects_again();
    world.seconds(2);
    talk(&world, "1001", "1003");
    // It has said where it is: the request was challenged, and the dialog has followed it.
    assert_eq!(world.talk("1001").changes, [200]);
    world.phone("1001").holds();
    world.seconds(2);
    assert_eq!(world.talk("1001").changes, [200, 200]);
    world.phone("1003").hangs_up();
    world.seconds(2);
    assert_eq!(world.stage("1001"), Stage::Over, "the BYE found the new connection");
    assert_eq!(world.record_of("1001").hangup_by, Some(HangupBy::Callee));
    world.finish();
}

#[test]
fn a_call_whose_caller_never_comes_back_ends_when_the_other_side_hangs_up() {
    for callee_leaves in [true, false] {
        let mut world = office(224, Transport::Tcp, Weather::CALM);
        world.phone("1003").answers_after(500);
        world.phone("1001").dials("1003");
        world.seconds(3);
        world.phone("1001").loses_its_connection();
        world.seconds(2);
        if callee_leaves {
            world.phone("1003").hangs_up();
        } else {
            world.phone("1001").vanishes();
        }
        world.seconds(60);
        assert_eq!(world.stage("1003"), Stage::Over);
        assert_eq!(world.records().count(), 1);
        world.phone("1001").vanishes();
        world.finish();
    }
}

/// Everybody on streams is cut at once, comes back, and calls.
#[test]
fn all_connections_break_at_once() {
    let numbers: Vec<String> = (0..60).map(|number| (2_000 + number).to_string()).collect();
    let mut world = World::new(WorldConfig::new(225, ROUGH));
    let refs: Vec<&str> = numbers.iter().map(String::as_str).collect();
    world.add_tenant(TenantBuilder::new("alpha").with_extensions(&refs));
    for (place, number) in numbers.iter().enumerate() {
        let transport = Transport::ALL[1 + place % 4];
        world.plug_in("alpha", number, number, |setup| setup.over(transport));
    }
    world.register_all();
    for pair in numbers.chunks(2) {
        world.phone(&pair[1]).answers_after(500);
        world.phone(&pair[0]).dials(&pair[1]);
    }
    world.seconds(10);
    for number in &numbers {
        world.phone(number).loses_its_connection();
    }
    world.seconds(5);
    for number in &numbers {
        world.phone(number).connects_again();
    }
    world.seconds(20);
    assert!(numbers.iter().all(|number| world.look(number).registration.code == Some(200)));
    assert_eq!(world.counts().bindings, numbers.len());
    for pair in numbers.chunks(2) {
        talk(&world, &pair[0], &pair[1]);
        world.phone(&pair[0]).hangs_up();
    }
    world.seconds(10);
    assert_eq!(world.records().count(), numbers.len() / 2);
    world.finish();
}
