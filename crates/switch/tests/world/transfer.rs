//! Transfers: blind, attended, semi-attended, and INVITEs that take somebody's place (RFC 3515, 3891, 5589).

use std::time::Duration;

use domain::{CallEventKind, CallStatus, JournalEntry};
use testkit::{DialogIds, Law, Stage, TenantBuilder, Weather, World, WorldConfig};

const OFFICE: &[&str] = &["1001", "1002", "1003", "1004"];

/// Two phones talk; the third answers calls after half a second.
fn talking(seed: u64, weather: Weather) -> World {
    let mut world = World::office(seed, weather.clone(), OFFICE);
    world.phone("1002").answers_after(500);
    world.phone("1003").answers_after(1_500);
    world.phone("1001").dials("1002");
    world.seconds(if weather == Weather::CALM { 3 } else { 15 });
    assert_eq!((world.stage("1001"), world.stage("1002")), (Stage::Talking, Stage::Talking));
    world
}

fn events(world: &World, kind: CallEventKind) -> usize {
    let is = |entry: &&JournalEntry| matches!(entry, JournalEntry::Event(event) if event.kind == kind);
    world.journal.iter().filter(is).count()
}

fn talk_together(world: &World, one: &str, other: &str) {
    assert_eq!((world.hearing(one), world.hearing(other)), (vec![other.to_owned()], vec![one.to_owned()]));
}

#[test]
fn either_side_sends_the_other_one_on() {
    for (from, stays) in [("1001", "1002"), ("1002", "1001")] {
        for held in [false, true] {
            for leaves in [false, true] {
                let mut world = talking(500, Weather::CALM);
                if held {
                    world.phone(from).holds();
                    world.seconds(1);
                }
                if leaves {
                    world.phone(from).leaves_after_transfers();
                }
                world.phone(from).transfers_to("1003");
                world.seconds(6);
                let case = format!("{from} held {held} leaves {leaves}");
                assert_eq!(world.talk(from).said, [202], "{case}");
                assert_eq!(world.talk(from).news, [100, 180, 200], "{case}");
                assert_eq!(world.stage(from), Stage::Over, "{case}");
                talk_together(&world, stays, "1003");
                assert_eq!(events(&world, CallEventKind::Transferred), 1, "{case}");
                let shown = world.talk("1003").remote_party().to_owned();
                assert!(shown.contains(&format!("sip:{stays}@")), "{case}: the target sees {shown}");
                world.phone("1003").hangs_up();
                world.seconds(2);
                assert_eq!(world.stage(stays), Stage::Over, "{case}");
                assert_eq!(world.records().count(), 1, "{case}");
                let record = world.record_of("1001");
                assert_eq!(record.status, CallStatus::Completed, "{case}");
                assert_eq!(world.legs().count(), 3, "{case}");
                world.finish();
            }
        }
    }
}

#[test]
fn the_one_who_is_sent_on_hears_that_it_rings() {
    for answers in [true, false] {
        let mut world = talking(514, Weather::CALM);
        world.phone("1003").rings_on();
        world.phone("1001").transfers_to("1003");
        world.run_for(Duration::from_millis(500));
        assert_eq!(world.hearing("1002"), [testkit::world::TONE], "for a second");
        let answer = if answers { "1003" } else { "1001" };
        if answers {
            world.phone("1003").picks_up();
        } else {
            world.phone("1003").hangs_up();
        }
        world.seconds(2);
        talk_together(&world, "1002", answer);
        world.phone("1002").hangs_up();
        world.finish();
    }
}

#[test]
fn a_transfer_that_comes_to_nothing_leaves_the_two_together() {
    for (from, code, target) in [("1001", 486, "1003"), ("1002", 603, "1003"), ("1001", 480, "1004")] {
        let mut world = talking(501, Weather::CALM);
        match code {
            486 => drop(world.phone("1003").is_busy()),
            603 => drop(world.phone("1003").declines()),
            _ => drop(world.phone("1004").vanishes().unregisters()),
        }
        world.phone(from).transfers_to(target);
        world.seconds(45);
        let news = &world.talk(from).news;
        assert_eq!(news.first(), Some(&100), "{news:?}");
        assert!(news.last().is_some_and(|last| *last >= 400), "{news:?}");
        talk_together(&world, "1001", "1002");
        world.phone(from).hangs_up();
        world.seconds(2);
        assert_eq!(world.records().count(), 1);
        world.finish();
    }
}

#[test]
fn one_who_hangs_up_at_once_has_transferred_all_the_same() {
    let mut world = talking(502, Weather::CALM);
    world.phone("1001").transfers_to("1003");
    world.run_for(Duration::from_millis(300));
    world.phone("1001").hangs_up();
    world.seconds(5);
    assert_eq!(world.stage("1001"), Stage::Over);
    assert_eq!(world.talk("1001").news.last(), Some(&200), "also one who has gone is told");
    talk_together(&world, "1002", "1003");
    world.phone("1002").hangs_up();
    world.seconds(2);
    assert_eq!(world.stage("1003"), Stage::Over);
    world.finish();

    // Nobody is left to go back to: the one who was sent on hears the end.
    let mut world = talking(503, Weather::CALM);
    world.phone("1003").declines();
    world.phone("1001").transfers_to("1003");
    world.run_for(Duration::from_millis(300));
    world.phone("1001").hangs_up();
    world.seconds(5);
    assert_eq!(world.stage("1002"), Stage::Over);
    assert_eq!(world.records().count(), 1);
    world.finish();
}

#[test]
fn the_one_who_is_sent_on_may_give_up() {
    let mut world = talking(504, Weather::CALM);
    world.phone("1003").rings_on();
    world.phone("1001").transfers_to("1003");
    world.seconds(2);
    world.phone("1002").hangs_up();
    world.seconds(2);
    for name in ["1001", "1002", "1003"] {
        assert_eq!(world.stage(name), Stage::Over, "{name}");
    }
    assert!(world.talk("1001").news.last().is_some_and(|last| *last >= 400));
    world.finish();
}

#[test]
fn a_refer_leads_nowhere_but_into_the_house() {
    for (refer_to, code) in [
        ("<sip:1003@elsewhere.example>", 403),
        ("<sip:9999@alpha.test>", 404),
        ("<mailto:x@alpha.test>", 403),
        ("nonsense <", 400),
        ("<sip:@alpha.test>", 400),
    ] {
        let mut world = talking(505, Weather::CALM);
        world.phone("1001").phone(|phone, now| phone.refer(now, refer_to.to_owned()));
        world.seconds(3);
        assert_eq!(world.talk("1001").said, [code], "{refer_to}");
        talk_together(&world, "1001", "1002");
        world.phone("1001").hangs_up();
        world.finish();
    }
}

#[test]
fn a_call_is_handed_over_to_an_echo() {
    let mut world = World::new(WorldConfig::new(506, Weather::CALM));
    world.add_tenant(TenantBuilder::new("alpha").with_extensions(OFFICE).with_row("*43", 1, domain::Action::Echo));
    for number in OFFICE {
        world.plug_in("alpha", number, number, |setup| setup);
    }
    world.register_all();
    for (from, stays) in [("1001", "1002"), ("1002", "1001")] {
        world.phone("1002").answers_after(500);
        world.phone("1001").dials("1002");
        world.seconds(3);
        world.phone(from).transfers_to("*43");
        world.seconds(3);
        assert_eq!((world.stage(from), world.stage(stays)), (Stage::Over, Stage::Talking));
        assert_eq!(world.hearing(stays), [stays], "its own voice");
        world.phone(stays).hangs_up();
        world.seconds(2);
    }
    world.finish();
}

/// 1001 talks with 1002, holds, calls 1003, and joins the two.
fn consulting(seed: u64, answered: bool, weather: Weather) -> World {
    let mut world = talking(seed, weather);
    if !answered {
        world.phone("1003").rings_on();
    }
    world.phone("1001").holds();
    world.seconds(2);
    world.phone("1001").dials("1003");
    world.seconds(4);
    let stage = if answered { Stage::Talking } else { Stage::Ringing };
    assert_eq!((world.stage("1001"), world.stage("1003")), (stage, stage));
    world
}

#[test]
fn two_calls_are_joined() {
    let mut world = consulting(507, true, Weather::CALM);
    world.phone("1001").joins_its_calls();
    world.seconds(4);
    talk_together(&world, "1002", "1003");
    assert_eq!(world.look("1001").open_calls(), 0);
    assert_eq!(world.look("1001").talks[0].news, [200]);
    world.phone("1003").hangs_up();
    world.seconds(2);
    assert_eq!(world.stage("1002"), Stage::Over);
    assert_eq!(world.records().count(), 2);
    assert!(world.records().all(|record| record.status == CallStatus::Completed));
    let first = world.records().find(|record| record.dialed_number.as_deref() == Some("1002")).expect("a record").id;
    let second = world.records().find(|record| record.id != first).expect("another record");
    assert_eq!(second.parent_call_id, Some(first));
    world.finish();
}

#[test]
fn a_call_is_joined_with_one_that_still_rings() {
    let mut world = consulting(508, false, Weather::CALM);
    world.phone("1001").joins_its_calls();
    world.seconds(2);
    assert_eq!(world.look("1001").open_calls(), 0, "the one who transfers is free at once");
    assert_eq!((world.stage("1002"), world.stage("1003")), (Stage::Talking, Stage::Ringing));
    world.phone("1003").picks_up();
    world.seconds(4);
    talk_together(&world, "1002", "1003");
    world.phone("1002").hangs_up();
    world.seconds(2);
    assert_eq!(world.records().count(), 2);
    world.finish();
}

#[test]
fn the_called_side_of_a_consultation_may_be_taken_over_too() {
    // 1001 holds 1002 and is called by 1003: then it joins the two, being the called side of the second call.
    let mut world = talking(509, Weather::CALM);
    world.phone("1001").holds().answers_after(300);
    world.seconds(1);
    world.phone("1003").dials("1001");
    world.seconds(3);
    world.phone("1001").joins_its_calls();
    world.seconds(4);
    talk_together(&world, "1002", "1003");
    world.phone("1002").hangs_up();
    world.seconds(2);
    assert_eq!(world.stage("1003"), Stage::Over);
    world.finish();
}

fn ids(world: &World, name: &str) -> DialogIds {
    world.look(name).dialog_ids().expect("a dialog")
}

/// The same office, where `name` has a second phone.
fn talking_beside(seed: u64, name: &str, laws: &[Law]) -> World {
    let mut world = talking(seed, Weather::CALM);
    world.plug_in("alpha", name, "beside", |setup| setup.with_laws(laws));
    world.phone("beside").registers();
    world.seconds(1);
    world
}

#[test]
fn another_phone_of_the_extension_takes_the_call_over() {
    for (name, stays) in [("1001", "1002"), ("1002", "1001")] {
        for as_watched in [false, true] {
            let mut world = talking_beside(510, name, &[Law::A]);
            let ids = ids(&world, name);
            world.phone("beside").phone(|phone, now| phone.dial_replacing(now, name, &ids, as_watched, false));
            world.seconds(3);
            let case = format!("{name} {as_watched}");
            assert_eq!(world.stage(name), Stage::Over, "{case}");
            talk_together(&world, stays, "beside");
            world.phone(stays).hangs_up();
            world.seconds(2);
            assert_eq!(world.stage("beside"), Stage::Over, "{case}");
            assert_eq!(world.records().count(), 1, "{case}");
            world.finish();
        }
    }
}

/// RFC 3891 §5: whoever has seen the ids of a call, on a lamp or on the wire, may not end it for others.
#[test]
fn a_colleague_does_not_take_a_running_call_over() {
    for name in ["1001", "1002"] {
        for as_watched in [false, true] {
            let mut world = talking(516, Weather::CALM);
            let ids = ids(&world, name);
            world.phone("1004").phone(|phone, now| phone.dial_replacing(now, name, &ids, as_watched, false));
            world.seconds(2);
            assert_eq!(world.code("1004"), Some(403), "{name} {as_watched}");
            talk_together(&world, "1001", "1002");
            world.phone("1001").hangs_up();
            world.finish();
        }
    }
}

/// RFC 3891 §3: an INVITE that cannot be taken leaves the call that it names as it is.
#[test]
fn a_takeover_that_cannot_be_heard_changes_nothing() {
    let mut world = talking_beside(517, "1002", &[]);
    let ids = ids(&world, "1002");
    world.phone("beside").phone(|phone, now| phone.dial_replacing(now, "1002", &ids, false, false));
    world.seconds(2);
    assert_eq!(world.code("beside"), Some(488));
    talk_together(&world, "1001", "1002");
    world.phone("1001").hangs_up();
    world.finish();
}

/// A transfer to a call that rings at the very phone that asks for it has nobody to be given to.
#[test]
fn a_ringing_call_of_its_own_is_no_place_to_send_anybody() {
    let mut world = talking(518, Weather::CALM);
    world.phone("1002").rings_on();
    world.phone("1003").dials("1002");
    world.seconds(2);
    world.phone("1002").joins_its_calls();
    world.seconds(2);
    assert_eq!(world.look("1002").talks[0].news, [481]);
    assert_eq!((world.hearing("1001"), world.look("1002").open_calls()), (vec!["1002".to_owned()], 2));
    world.phone("1003").hangs_up();
    world.phone("1001").hangs_up();
    world.finish();
}

#[test]
fn a_ringing_call_is_picked_up_by_another_phone() {
    let mut world = World::office(511, Weather::CALM, OFFICE);
    world.phone("1002").rings_on();
    world.phone("1001").dials("1002");
    world.seconds(2);
    let ids = ids(&world, "1002");
    world.phone("1004").phone(|phone, now| phone.dial_replacing(now, "1002", &ids, true, true));
    world.seconds(3);
    assert_eq!(world.stage("1002"), Stage::Over);
    assert!(world.talk("1002").reason.as_deref().is_some_and(|reason| reason.contains("completed elsewhere")));
    talk_together(&world, "1001", "1004");
    world.phone("1004").hangs_up();
    world.seconds(2);
    assert_eq!(world.records().count(), 1);
    world.finish();
}

#[test]
fn an_invite_that_replaces_nothing_is_refused() {
    let mut world = talking_beside(512, "1002", &[Law::Mu]);
    let good = ids(&world, "1002");
    let mut wrong = good.clone();
    wrong.call_id.push('x');
    world.phone("1004").phone(|phone, now| phone.dial_replacing(now, "1002", &wrong, false, false));
    world.seconds(2);
    assert_eq!(world.code("1004"), Some(481));
    // The dialog is confirmed, and only an early one is wanted.
    world.phone("beside").phone(|phone, now| phone.dial_replacing(now, "1002", &good, false, true));
    world.seconds(2);
    assert_eq!(world.code("beside"), Some(486));
    talk_together(&world, "1001", "1002");
    world.phone("1001").hangs_up();
    world.finish();
}

#[test]
fn another_tenant_replaces_nobody() {
    let mut world = World::new(WorldConfig::new(513, Weather::CALM));
    for slug in ["alpha", "beta"] {
        world.add_tenant(TenantBuilder::new(slug).with_extensions(OFFICE));
    }
    for number in ["1001", "1002"] {
        world.plug_in("alpha", number, number, |setup| setup);
    }
    world.plug_in("beta", "1001", "thief", |setup| setup);
    world.register_all();
    world.phone("1002").answers_after(500);
    world.phone("1001").dials("1002");
    world.seconds(2);
    for name in ["1001", "1002"] {
        for as_watched in [false, true] {
            let ids = ids(&world, name);
            world.phone("thief").phone(|phone, now| phone.dial_replacing(now, "1002", &ids, as_watched, false));
            world.seconds(2);
            assert_eq!(world.code("thief"), Some(481), "{name} {as_watched}");
        }
    }
    talk_together(&world, "1001", "1002");
    world.phone("1001").hangs_up();
    world.finish();
}

/// Whoever has seen the ids of somebody else's call can do nothing with them.
#[test]
fn nobody_joins_a_call_that_it_is_not_in() {
    let mut world = talking(515, Weather::CALM);
    world.phone("1004").answers_after(300);
    world.phone("1003").dials("1004");
    world.seconds(2);
    for name in ["1001", "1002"] {
        let ids = ids(&world, name);
        let tag = |end: &str| end.rsplit(";tag=").next().unwrap_or_default().to_owned();
        let call_id = ids.call_id.replace('@', "%40");
        for (to, from) in [(tag(&ids.to), tag(&ids.from)), (tag(&ids.from), tag(&ids.to))] {
            let named = format!("<sip:1002@alpha.test?Replaces={call_id}%3Bto-tag%3D{to}%3Bfrom-tag%3D{from}>");
            world.phone("1003").phone(|phone, now| phone.refer(now, named));
            world.seconds(2);
            assert_eq!(world.talk("1003").news.last(), Some(&481), "{name}");
        }
    }
    talk_together(&world, "1001", "1002");
    talk_together(&world, "1003", "1004");
    world.phone("1001").hangs_up();
    world.phone("1003").hangs_up();
    world.finish();
}

#[test]
fn transfers_in_bad_weather() {
    for seed in 0..12 {
        let mut world = talking(520 + seed, Weather::STORM);
        world.phone("1001").transfers_to("1003");
        world.seconds(40);
        let window = Duration::from_secs(2);
        let hearing = |name: &str| world.hearing_within(name, window);
        assert_eq!((hearing("1002"), hearing("1003")), (vec!["1003".to_owned()], vec!["1002".to_owned()]));
        assert_eq!(world.stage("1001"), Stage::Over);
        world.phone("1003").hangs_up();
        world.seconds(40);
        assert_eq!(world.records().count(), 1);
        world.finish();
    }
}
