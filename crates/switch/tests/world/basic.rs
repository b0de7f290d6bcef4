//! A call from the first digit to the record, and all the ways in which nobody answers.

use domain::{CallStatus, HangupBy};
use testkit::{Stage, TenantBuilder, Weather, World, WorldConfig};

const PAIR: &[&str] = &["1001", "1002"];

/// An office in which 1001 talks to 1002.
fn talking(seed: u64) -> World {
    let mut world = World::office(seed, Weather::CALM, PAIR);
    world.phone("1002").answers_after(2_000);
    world.phone("1001").dials("1002");
    world.seconds(1);
    assert_eq!((world.stage("1001"), world.stage("1002")), (Stage::Ringing, Stage::Ringing));
    world.seconds(4);
    assert_eq!((world.stage("1001"), world.stage("1002")), (Stage::Talking, Stage::Talking));
    assert_eq!((world.hearing("1001"), world.hearing("1002")), (vec!["1002".into()], vec!["1001".into()]));
    world
}

#[test]
fn two_phones_talk_and_the_caller_hangs_up() {
    let mut world = talking(1);
    world.phone("1001").hangs_up();
    world.seconds(1);
    assert_eq!(world.stage("1002"), Stage::Over);
    assert!(world.talk("1002").reason.as_deref().is_some_and(|reason| reason.contains("cause=16")));
    let record = world.record_of("1001");
    assert_eq!((record.status, record.hangup_by), (CallStatus::Completed, Some(HangupBy::Caller)));
    assert_eq!((record.sip_response_code, record.hangup_cause), (Some(200), Some(16)));
    assert_eq!((record.setup_duration_ms(), record.call_duration_ms()), (Some(2_000), Some(3_000)));
    assert_eq!(record.billable_seconds(), Some(6));
    assert_eq!((record.caller_number.as_deref(), record.dialed_number.as_deref()), (Some("1001"), Some("1002")));
    assert_eq!(
        (record.caller_ip, record.callee_ip),
        (Some(world.look("1001").setup.address.ip()), Some(world.look("1002").setup.address.ip()),)
    );
    assert!(record.ringing_at.is_some() && record.caller_sdp.is_some() && record.callee_sdp.is_some());
    assert_eq!(record.media.len(), 2);
    for leg in &record.media {
        assert_eq!((leg.codec.as_str(), leg.packets_lost, leg.strangers), ("PCMU", 0, 0));
        // Three seconds of fifty packets each way.
        assert!((148..=152).contains(&leg.packets_received) && (148..=152).contains(&leg.packets_sent), "{leg:?}");
        assert!(leg.jitter_ms < 1.0, "{leg:?}");
    }
    world.finish();
}

#[test]
fn two_phones_talk_and_the_callee_hangs_up() {
    let mut world = talking(2);
    world.phone("1002").hangs_up();
    world.seconds(1);
    assert_eq!(world.stage("1001"), Stage::Over);
    let record = world.record_of("1001");
    assert_eq!((record.status, record.hangup_by), (CallStatus::Completed, Some(HangupBy::Callee)));
    world.finish();
}

#[test]
fn both_hang_up_at_once() {
    let mut world = talking(3);
    world.phone("1001").hangs_up();
    world.phone("1002").hangs_up();
    world.seconds(1);
    assert_eq!(world.record_of("1001").status, CallStatus::Completed);
    world.finish();
}

#[test]
fn a_call_that_is_answered_at_once_without_ringing() {
    let mut world = World::office(4, Weather::CALM, PAIR);
    world.phone("1002").rings_silently().answers_after(0).talks_for(1_000);
    world.phone("1001").dials("1002");
    world.seconds(3);
    let record = world.record_of("1001");
    assert_eq!(
        (record.status, record.ringing_at, record.call_duration_ms()),
        (CallStatus::Completed, None, Some(1_000))
    );
    world.finish();
}

#[test]
fn busy() {
    let mut world = World::office(5, Weather::CALM, PAIR);
    world.phone("1002").is_busy();
    world.phone("1001").dials("1002");
    world.seconds(1);
    assert_eq!(world.code("1001"), Some(486));
    let record = world.record_of("1001");
    assert_eq!((record.status, record.hangup_by), (CallStatus::Busy, Some(HangupBy::Callee)));
    assert_eq!(record.hangup_cause, Some(17));
    world.finish();
}

#[test]
fn declined() {
    let mut world = World::office(6, Weather::CALM, PAIR);
    world.phone("1002").declines();
    world.phone("1001").dials("1002");
    world.seconds(2);
    assert_eq!(world.code("1001"), Some(603));
    assert_eq!(
        (world.record_of("1001").status, world.record_of("1001").hangup_cause),
        (CallStatus::Rejected, Some(21))
    );
    world.finish();
}

#[test]
fn what_a_phone_answers_never_makes_the_caller_act_on_it() {
    // A challenge, a redirection or 503 of the phone called concern nobody but us.
    for (says, hears) in
        [(302, 480), (401, 480), (407, 480), (503, 500), (404, 404), (488, 488), (420, 502), (600, 600)]
    {
        let mut world = World::office(7, Weather::CALM, PAIR);
        world.phone("1002").refuses(says, 100);
        world.phone("1001").dials("1002");
        world.seconds(1);
        assert_eq!(world.code("1001"), Some(hears), "{says}");
        world.finish();
    }
}

#[test]
fn nobody_answers_in_time() {
    let mut world = World::new(WorldConfig::new(8, Weather::CALM));
    world.add_tenant(TenantBuilder::new("alpha").with_extensions(PAIR).with_ring_timeout_s(12));
    for number in PAIR {
        world.plug_in("alpha", number, number, |setup| setup);
    }
    world.register_all();
    world.phone("1002").rings_on();
    world.phone("1001").dials("1002");
    world.seconds(11);
    assert_eq!(world.stage("1001"), Stage::Ringing);
    world.seconds(2);
    assert_eq!((world.code("1001"), world.code("1002")), (Some(480), Some(487)));
    let record = world.record_of("1001");
    assert_eq!((record.status, record.total_duration_ms()), (CallStatus::NoAnswer, Some(12_000)));
    assert_eq!((record.hangup_cause, record.hangup_by), (Some(19), Some(HangupBy::System)));
    world.finish();
}

#[test]
fn a_phone_that_is_not_registered() {
    let mut world = World::office(9, Weather::CALM, PAIR);
    world.phone("1002").unregisters();
    world.seconds(1);
    world.phone("1001").dials("1002");
    world.seconds(1);
    assert_eq!(world.code("1001"), Some(480));
    assert_eq!(
        (world.record_of("1001").status, world.record_of("1001").hangup_cause),
        (CallStatus::NoAnswer, Some(20))
    );
    world.finish();
}

#[test]
fn a_number_that_nobody_has() {
    let mut world = World::office(10, Weather::CALM, PAIR);
    for number in ["9999", "0", "not-a-number", "*44", "1001%20", "%31%30"] {
        world.phone("1001").dials(number);
        world.seconds(1);
        assert_eq!(world.code("1001"), Some(404), "{number}");
        assert_eq!(world.record_of("1001").status, CallStatus::Rejected, "{number}");
    }
    assert_eq!(world.sessions(), (0, 0), "no port was opened for any of them");
    world.finish();
}

#[test]
fn a_registered_phone_that_gives_no_sign_of_life() {
    let mut world = World::office(11, Weather::CALM, PAIR);
    world.phone("1002").vanishes();
    world.phone("1001").dials("1002");
    world.seconds(34);
    assert!(matches!(world.code("1001"), Some(408 | 480)), "{:?}", world.code("1001"));
    assert_eq!(world.record_of("1001").status, CallStatus::NoAnswer);
    world.finish();
}

#[test]
fn a_phone_calls_itself_and_is_rung() {
    let mut world = World::office(12, Weather::CALM, &["1001"]);
    world.phone("1001").answers_after(500);
    world.phone("1001").dials("1001");
    world.seconds(2);
    world.phone("1001").hangs_up();
    world.seconds(1);
    assert_eq!(world.records().count(), 1);
    world.finish();
}

#[test]
fn dialplan_rows_are_tried_in_their_order() {
    let mut world = World::new(WorldConfig::new(13, Weather::CALM));
    let dial = |number: &str| domain::Action::Dial(Some(number.to_owned()));
    let tenant = TenantBuilder::new("alpha")
        .with_extensions(&["1001", "1002", "1003"])
        .with_row("_5XX", 1, dial("1002"))
        .with_row("_5XX", 2, dial("1003"))
        .with_row("600", 1, domain::Action::Hangup(Some(21)));
    world.add_tenant(tenant);
    for number in ["1001", "1002", "1003"] {
        world.plug_in("alpha", number, number, |setup| setup);
    }
    world.register_all();
    world.phone("1002").is_busy();
    world.phone("1003").answers_after(100);
    world.phone("1001").dials("555");
    world.seconds(2);
    assert_eq!((world.hearing("1001"), world.code("1002")), (vec!["1003".into()], Some(486)));
    world.phone("1001").hangs_up();
    world.seconds(1);
    world.phone("1001").dials("600");
    world.seconds(1);
    assert_eq!((world.code("1001"), world.record_of("1001").hangup_cause), (Some(403), Some(21)));
    world.finish();
}

#[test]
fn options_are_answered() {
    let mut world = World::office(14, Weather::CALM, &["1001"]);
    world.phone("1001").phone(|phone, now| phone.probe(now, rsip_method("OPTIONS"), "sip:alpha.test"));
    world.phone("1001").phone(|phone, now| phone.probe(now, rsip_method("MESSAGE"), "sip:1001@alpha.test"));
    world.phone("1001").phone(|phone, now| phone.probe(now, rsip_method("SUBSCRIBE"), "sip:1001@alpha.test"));
    world.seconds(1);
    // The message goes to the phone that wrote it, which is the one of its extension.
    assert_eq!(world.look("1001").probes, [200, 489, 200]);
    world.finish();
}

fn rsip_method(name: &str) -> testkit::Method {
    name.parse().expect("a method that rsip knows")
}
