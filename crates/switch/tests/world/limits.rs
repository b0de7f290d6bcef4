//! Limits: how many calls a tenant may have, how many ports there are, and the end of the day.

use std::time::Duration;

use domain::{CallStatus, HangupBy, TenantStatus};
use testkit::{Stage, TenantBuilder, Weather, World, WorldConfig};

const FOUR: &[&str] = &["1001", "1002", "1003", "1004"];

fn office(config: WorldConfig, tenant: TenantBuilder) -> World {
    let mut world = World::new(config);
    world.add_tenant(tenant.with_extensions(FOUR));
    for number in FOUR {
        world.plug_in("alpha", number, number, |setup| setup);
    }
    world.register_all();
    for number in FOUR {
        world.phone(number).answers_after(500);
    }
    world
}

#[test]
fn a_tenant_has_no_more_calls_than_it_may_have() {
    let mut world = office(WorldConfig::new(70, Weather::CALM), TenantBuilder::new("alpha").with_most_calls(1));
    world.phone("1001").dials("1002");
    world.seconds(2);
    world.phone("1003").dials("1004");
    world.seconds(1);
    assert_eq!(world.code("1003"), Some(503));
    let record = world.record_of("1003");
    assert_eq!((record.status, record.hangup_cause), (CallStatus::Rejected, Some(34)));
    assert_eq!(world.stage("1001"), Stage::Talking, "the running call is not touched");
    world.phone("1001").hangs_up();
    world.seconds(1);
    world.phone("1003").dials("1004");
    world.seconds(2);
    assert_eq!(world.stage("1003"), Stage::Talking, "there is room again");
    world.phone("1004").hangs_up();
    world.finish();
}

#[test]
fn no_ports_are_left() {
    let config = WorldConfig { port_pairs: 3, ..WorldConfig::new(71, Weather::CALM) };
    let mut world = office(config, TenantBuilder::new("alpha"));
    world.phone("1001").dials("1002");
    world.seconds(2);
    world.phone("1003").dials("1004");
    world.seconds(1);
    assert_eq!((world.code("1003"), world.sessions()), (Some(503), (1, 1)));
    assert_eq!(world.record_of("1003").status, CallStatus::Failed);
    world.phone("1001").hangs_up();
    world.finish();
}

#[test]
fn draining_lets_running_calls_finish_and_takes_no_new_ones() {
    let mut world = office(WorldConfig::new(72, Weather::CALM), TenantBuilder::new("alpha"));
    world.phone("1001").dials("1002");
    world.seconds(2);
    world.drain();
    world.phone("1003").dials("1004");
    world.seconds(1);
    assert_eq!(world.code("1003"), Some(503));
    assert_eq!(world.record_of("1003").status, CallStatus::Rejected);
    world.phone("1001").holds();
    world.seconds(1);
    assert_eq!(world.talk("1001").changes, [200], "a running call is served to its end");
    world.phone("1001").hangs_up();
    world.finish();
}

#[test]
fn a_stopping_switch_says_goodbye_to_everyone() {
    let mut world = office(WorldConfig::new(74, Weather::CALM), TenantBuilder::new("alpha"));
    world.phone("1001").dials("1002");
    world.seconds(2);
    world.phone("1003").dials("1004");
    world.run_for(Duration::from_millis(200));
    world.hang_up();
    world.seconds(3);
    assert_eq!(world.record_of("1001").status, CallStatus::Completed);
    assert_eq!(world.record_of("1001").hangup_by, Some(HangupBy::System));
    assert_ne!(world.stage("1001"), Stage::Talking);
    assert_ne!(world.stage("1002"), Stage::Talking);
    assert_ne!(world.record_of("1003").status, CallStatus::Active);
    world.finish();
}

#[test]
fn a_suspended_tenant_is_not_served_and_comes_back() {
    let mut world = office(WorldConfig::new(73, Weather::CALM), TenantBuilder::new("alpha"));
    let tenant = world.tenant("alpha").next_revision();
    world.add_tenant(tenant.clone().with_status(TenantStatus::Suspended));
    world.phone("1001").dials("1002");
    world.seconds(2);
    assert!(matches!(world.code("1001"), Some(403 | 401 | 407)), "{:?}", world.code("1001"));
    world.add_tenant(tenant.next_revision());
    for number in FOUR {
        world.phone(number).registers();
    }
    world.seconds(1);
    world.phone("1001").dials("1002");
    world.seconds(2);
    assert_eq!(world.stage("1001"), Stage::Talking);
    world.phone("1001").hangs_up();
    world.finish();
}

#[test]
fn a_hundred_calls_at_once() {
    let numbers: Vec<String> = (0..200).map(|number| (2_000 + number).to_string()).collect();
    let refs: Vec<&str> = numbers.iter().map(String::as_str).collect();
    let mut world = World::office(74, Weather::CALM, &refs);
    let pairs: Vec<(&str, &str)> = refs.chunks(2).map(|pair| (pair[0], pair[1])).collect();
    for (caller, callee) in &pairs {
        world.phone(callee).answers_after(1_000);
        world.phone(caller).dials(callee);
    }
    world.seconds(3);
    for (caller, callee) in &pairs {
        assert_eq!(world.hearing(caller), [*callee]);
        assert_eq!(world.hearing(callee), [*caller]);
    }
    assert_eq!(world.counts().calls, 100);
    for (caller, _) in &pairs {
        world.phone(caller).hangs_up();
    }
    world.finish();
}

/// A tenant in which 112 leads to the phone of 1004.
fn with_emergency() -> TenantBuilder {
    let to = domain::Action::Dial(Some("1004".to_owned()));
    TenantBuilder::new("alpha").with_row("112", 1, to).with_most_calls(1)
}

#[test]
fn an_emergency_call_passes_every_limit() {
    let mut world = office(WorldConfig::new(80, Weather::CALM), with_emergency());
    world.phone("1001").dials("1002");
    world.seconds(2);
    world.phone("1003").dials("1002");
    world.seconds(1);
    assert_eq!(world.code("1003"), Some(503), "the tenant has its one call");
    world.phone("1003").dials("112");
    world.seconds(2);
    assert_eq!((world.stage("1003"), world.stage("1001")), (Stage::Talking, Stage::Talking));
    world.phone("1003").hangs_up();
    world.phone("1001").hangs_up();
    world.seconds(1);
    // Not to be disturbed is who calls, and the switch is about to stop.
    world.drain();
    world.phone("1002").dials("1001");
    world.seconds(1);
    assert_eq!(world.code("1002"), Some(503));
    world.phone("1002").dials("112");
    world.seconds(2);
    assert_eq!(world.stage("1002"), Stage::Talking);
    world.phone("1002").hangs_up();
    world.seconds(1);
    let events: Vec<_> = world
        .journal
        .iter()
        .filter_map(|entry| match entry {
            domain::JournalEntry::Event(event) if event.kind == domain::CallEventKind::Emergency => {
                event.detail.as_deref()
            }
            _ => None,
        })
        .collect();
    assert_eq!(events, ["112 dialled by 1003", "112 dialled by 1002"]);
    world.finish();
}

#[test]
fn an_emergency_number_without_a_way_out_ends_as_routing_says() {
    let mut world = office(WorldConfig::new(81, Weather::CALM), TenantBuilder::new("alpha").with_most_calls(0));
    world.phone("1001").dials("112");
    world.seconds(1);
    assert_eq!(world.code("1001"), Some(404), "not 503: no limit was in the way");
    world.phone("1001").dials("911");
    world.seconds(1);
    assert_eq!(world.code("1001"), Some(503), "not on this tenant's list");
    let room = TenantBuilder::new("alpha").with_extensions(FOUR).next_revision();
    world.add_tenant(room);
    world.finish();
}

#[test]
fn a_suspended_tenant_still_reaches_its_emergency_numbers() {
    let echo = TenantBuilder::new("alpha").with_row("112", 1, domain::Action::Echo);
    let mut world = office(WorldConfig::new(82, Weather::CALM), echo.clone());
    let suspended = echo.with_extensions(FOUR).with_status(TenantStatus::Suspended).next_revision();
    world.add_tenant(suspended.clone());
    world.phone("1001").dials("1002");
    world.seconds(1);
    assert_eq!(world.code("1001"), Some(403));
    world.phone("1001").dials("112");
    world.seconds(2);
    assert_eq!(world.stage("1001"), Stage::Talking);
    world.phone("1001").hangs_up();
    world.seconds(1);
    world.add_tenant(suspended.with_status(TenantStatus::Active).next_revision());
    world.register_all();
    world.finish();
}
