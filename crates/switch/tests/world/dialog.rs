//! Requests inside a dialog: who may send them, from where, and what they find.

use std::time::Duration;

use domain::{CallEventKind, CallStatus, JournalEntry};
use testkit::{DialogIds, Method, Stage, TenantBuilder, Weather, World, WorldConfig};

const PAIR: &[&str] = &["1001", "1002"];

fn talking(seed: u64) -> World {
    let mut world = World::new(WorldConfig::new(seed, Weather::CALM));
    for slug in ["alpha", "beta"] {
        world.add_tenant(TenantBuilder::new(slug).with_extensions(PAIR));
    }
    world.plug_in("alpha", "1001", "1001", |setup| setup);
    world.plug_in("alpha", "1002", "1002", |setup| setup);
    world.plug_in("beta", "1001", "thief", |setup| setup);
    world.register_all();
    world.phone("1002").answers_after(500);
    world.phone("1001").dials("1002");
    world.seconds(2);
    assert_eq!((world.stage("1001"), world.stage("1002")), (Stage::Talking, Stage::Talking));
    world
}

fn ids(world: &World) -> DialogIds {
    world.look("1001").dialog_ids().expect("a dialog")
}

/// A phone whose NAT box has given it another port is challenged, and then served as before.
#[test]
fn a_dialog_follows_its_phone_to_another_port() {
    let mut world = talking(120);
    world.phone("1001").moves_to(41_000).holds();
    world.seconds(2);
    assert_eq!(world.talk("1001").changes, [200]);
    assert!(world.hearing("1001").is_empty());
    world.phone("1001").resumes();
    world.seconds(2);
    assert_eq!((world.hearing("1001"), world.hearing("1002")), (vec!["1002".into()], vec!["1001".into()]));
    world.phone("1002").hangs_up();
    world.seconds(1);
    assert_eq!(world.stage("1001"), Stage::Over, "the BYE found its way to the new port");
    world.phone("1001").registers();
    world.seconds(1);
    world.finish();
}

/// Whoever knows the ids of a dialog, but is not of the tenant, cannot touch the call.
#[test]
fn another_tenant_cannot_end_or_move_a_call_whose_ids_it_knows() {
    let mut world = talking(121);
    let ids = ids(&world);
    let own = "sip:1001@beta.test";
    for method in [Method::Bye, Method::Invite, Method::Info, Method::Update, Method::Options] {
        for from in [None, Some(own)] {
            world.phone("thief").phone(|phone, now| phone.intrude(now, &ids, method, from));
            world.seconds(2);
            assert_eq!(
                (world.stage("1001"), world.stage("1002")),
                (Stage::Talking, Stage::Talking),
                "{method} {from:?}"
            );
        }
    }
    let probes = &world.look("thief").probes;
    assert_eq!(probes.len(), 10);
    assert!(probes.iter().all(|code| matches!(code, 401 | 403 | 407 | 481)), "{probes:?}");
    assert_eq!((world.hearing("1001"), world.hearing("1002")), (vec!["1002".into()], vec!["1001".into()]));
    world.phone("1001").hangs_up();
    // The thief was challenged in the name that it gave itself; everybody else saw nothing.
    let faults = world.faults();
    let others: Vec<&String> = faults.iter().filter(|fault| !fault.starts_with("thief got a message")).collect();
    assert!(others.is_empty(), "{others:#?}");
}

/// Nor can a colleague.
#[test]
fn another_extension_cannot_end_a_call_whose_ids_it_knows() {
    let mut world = talking(128);
    let ids = ids(&world);
    let tenant = world.tenant("alpha").with_extensions(&["1003"]).next_revision();
    world.add_tenant(tenant);
    world.plug_in("alpha", "1003", "colleague", |setup| setup);
    for from in [None, Some("sip:1003@alpha.test"), Some("sip:anonymous@alpha.test")] {
        world.phone("colleague").phone(|phone, now| phone.intrude(now, &ids, Method::Bye, from));
        world.seconds(2);
    }
    assert_eq!(world.look("colleague").probes, [403; 3]);
    assert_eq!((world.stage("1001"), world.stage("1002")), (Stage::Talking, Stage::Talking));
    world.phone("1001").hangs_up();
    world.finish();
}

#[test]
fn a_stranger_without_a_password_cannot_end_a_call_whose_ids_it_knows() {
    let mut world = talking(122);
    let ids = ids(&world);
    world.plug_in("alpha", "1001", "liar", |setup| setup.with_password("guessed"));
    world.phone("liar").phone(|phone, now| phone.intrude(now, &ids, Method::Bye, None));
    world.seconds(2);
    assert!(matches!(world.look("liar").probes[..], [401 | 403 | 407]), "{:?}", world.look("liar").probes);
    assert_eq!((world.stage("1001"), world.stage("1002")), (Stage::Talking, Stage::Talking));
    world.phone("1001").hangs_up();
    world.finish();
}

#[test]
fn a_dialog_that_nobody_knows() {
    let mut world = talking(123);
    let ids = DialogIds { call_id: "no-such-call".to_owned(), ..ids(&world) };
    let methods =
        [Method::Bye, Method::Invite, Method::Info, Method::Update, Method::Options, Method::Refer, Method::Notify];
    for method in methods {
        world.phone("1001").phone(|phone, now| phone.intrude(now, &ids, method, None));
    }
    world.seconds(2);
    assert_eq!(world.look("1001").probes, [481; 7]);
    assert_eq!(world.stage("1001"), Stage::Talking);
    world.phone("1001").hangs_up();
    world.finish();
}

#[test]
fn requests_that_change_nothing_leave_the_call_alone() {
    let mut world = talking(124);
    let ids = ids(&world);
    for (method, code) in [(Method::Options, 200), (Method::Info, 200), (Method::Update, 200), (Method::Message, 200)] {
        // From the phone's own flow: no challenge. Each takes the next CSeq, as the dialog asks.
        let next = DialogIds { cseq: ids.cseq + world.look("1001").probes.len() as u32, ..ids.clone() };
        world.phone("1001").phone(|phone, now| phone.intrude(now, &next, method, None));
        world.seconds(1);
        assert_eq!(world.look("1001").probes.last(), Some(&code), "{method}");
    }
    assert_eq!((world.stage("1001"), world.stage("1002")), (Stage::Talking, Stage::Talking));
    world.phone("1002").hangs_up();
    world.finish();
}

#[test]
fn a_change_without_an_offer_is_answered_with_one() {
    for asking in PAIR {
        let mut world = talking(125);
        world.phone(asking).asks_for_an_offer();
        world.seconds(2);
        assert_eq!(world.talk(asking).changes, [200], "{asking}");
        assert_eq!(
            (world.hearing("1001"), world.hearing("1002")),
            (vec!["1002".into()], vec!["1001".into()]),
            "{asking}"
        );
        world.phone("1002").holds();
        world.seconds(1);
        assert!(world.hearing("1002").is_empty(), "{asking}: the next change is as good as the first");
        world.phone("1002").asks_for_an_offer();
        world.seconds(1);
        assert!(world.hearing("1002").is_empty(), "{asking}: still held");
        world.phone("1001").hangs_up();
        world.finish();
    }
}

#[test]
fn keys_are_carried_over_and_written_down() {
    let mut world = talking(126);
    for key in ['4', '3', '*', '#', 'D'] {
        world.phone("1001").presses(key);
        world.run_for(Duration::from_millis(300));
    }
    world.phone("1002").presses('7');
    world.seconds(1);
    assert_eq!((world.talk("1002").keys.as_str(), world.talk("1001").keys.as_str()), ("43*#D", "7"));
    let pressed: Vec<&str> = world
        .journal
        .iter()
        .filter_map(|entry| match entry {
            JournalEntry::Event(event) if event.kind == CallEventKind::Digit => event.detail.as_deref(),
            _ => None,
        })
        .collect();
    // That a key was pressed is history; which one may be somebody's PIN.
    let expected = [["from the caller"; 5].as_slice(), &["from the callee"]].concat();
    assert_eq!(pressed, expected);
    world.phone("1001").hangs_up();
    world.finish();
}

/// The 200 never reaches the caller, and the callee hangs up meanwhile: the caller must not ring for ever.
#[test]
fn a_call_that_ends_before_its_200_has_arrived() {
    let delay = Duration::from_millis(1);
    let calm = Weather { delay: delay..delay, ..Weather::CALM };
    let mut world = World::office(127, calm.clone(), PAIR);
    world.phone("1002").answers_after(2_000).talks_for(1_000);
    world.phone("1001").dials("1002");
    world.seconds(1);
    let gone = Weather { loss: 1.0, ..Weather::CALM };
    world.network.set_weather_between(testkit::SWITCH, world.look("1001").setup.address.ip(), gone);
    world.seconds(4);
    world.network.set_weather_between(testkit::SWITCH, world.look("1001").setup.address.ip(), calm);
    world.seconds(40);
    assert_eq!((world.stage("1001"), world.stage("1002")), (Stage::Over, Stage::Over));
    assert_eq!(world.records().next().map(|record| record.status), Some(CallStatus::Completed));
    world.finish();
}
