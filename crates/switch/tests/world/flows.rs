//! Flows: whole calls as lists of what people do, with what must come of them. The weather tests draw from these.

use std::time::Duration;

use domain::{CallRecord, CallStatus};
use testkit::{Dice, Hold, Law, Role, TenantBuilder, Verb, Weather, World, WorldConfig};

/// One kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    CallerEnds,
    CalleeEnds,
    Busy,
    Declined,
    NoAnswer,
    UnknownNumber,
    CancelledWhileRinging,
    CancelledAtOnce,
    HeldByCaller,
    HeldByCallee,
    EarlyMedia,
    Echo,
    Transcoded,
    Forked,
}

const ALL: [Flow; 14] = [
    Flow::CallerEnds,
    Flow::CalleeEnds,
    Flow::Busy,
    Flow::Declined,
    Flow::NoAnswer,
    Flow::UnknownNumber,
    Flow::CancelledWhileRinging,
    Flow::CancelledAtOnce,
    Flow::HeldByCaller,
    Flow::HeldByCallee,
    Flow::EarlyMedia,
    Flow::Echo,
    Flow::Transcoded,
    Flow::Forked,
];

/// How many calls run at once.
pub(crate) const DESKS: usize = 10;

/// The longest flow, with the time that bad weather adds.
const ROUND: Duration = Duration::from_secs(75);

/// One desk: a caller, and the callee's phones.
struct Desk {
    caller: String,
    /// Both codecs.
    callee: String,
    /// PCMA alone.
    old: String,
    /// Two phones of one extension.
    forked: [String; 2],
    numbers: [String; 4],
}

impl Desk {
    fn new(place: usize) -> Desk {
        let number = |kind: usize| (1_000 * kind + place).to_string();
        let numbers = [number(1), number(2), number(3), number(4)];
        Desk {
            caller: numbers[0].clone(),
            callee: numbers[1].clone(),
            old: numbers[2].clone(),
            forked: [format!("{} a", numbers[3]), format!("{} b", numbers[3])],
            numbers,
        }
    }

    fn phones(&self) -> [&str; 5] {
        [&self.caller, &self.callee, &self.old, &self.forked[0], &self.forked[1]]
    }
}

/// Registers everybody for many random calls.
fn office(seed: u64, weather: Weather) -> (World, Vec<Desk>) {
    let desks: Vec<Desk> = (0..DESKS).map(Desk::new).collect();
    let mut world = World::new(WorldConfig::new(seed, weather));
    let numbers: Vec<&String> = desks.iter().flat_map(|desk| &desk.numbers).collect();
    world.add_tenant(TenantBuilder::new("alpha").with_extensions(&numbers).with_ring_timeout_s(15));
    for desk in &desks {
        world.plug_in("alpha", &desk.numbers[0], &desk.caller, |setup| setup.that_refreshes());
        world.plug_in("alpha", &desk.numbers[1], &desk.callee, |setup| setup.that_refreshes());
        world.plug_in("alpha", &desk.numbers[2], &desk.old, |setup| setup.with_laws(&[Law::A]).that_refreshes());
        for name in &desk.forked {
            world.plug_in("alpha", &desk.numbers[3], name, |setup| setup.that_refreshes());
        }
    }
    world.register_all();
    (world, desks)
}

/// Tells the phones that are called what to do.
fn prepare(world: &mut World, desk: &Desk, flow: Flow) {
    let name = match flow {
        Flow::Transcoded => &desk.old,
        Flow::Forked => &desk.forked[0],
        _ => &desk.callee,
    };
    let phone = world.phone(name);
    match flow {
        Flow::Busy => phone.is_busy(),
        Flow::Declined => phone.declines(),
        Flow::CalleeEnds => phone.answers_after(1_500).talks_for(8_000),
        Flow::EarlyMedia => phone.speaks_early().answers_after(4_000),
        Flow::Transcoded => phone.answers_after(1_000),
        Flow::Forked => phone.answers_after(3_000),
        Flow::CallerEnds | Flow::HeldByCaller | Flow::HeldByCallee => phone.answers_after(1_500),
        Flow::NoAnswer | Flow::CancelledWhileRinging | Flow::CancelledAtOnce | Flow::UnknownNumber | Flow::Echo => {
            phone.rings_on()
        }
    };
}

/// Prepares the phones of a flow and says who does what when.
fn script(world: &mut World, desk: &Desk, flow: Flow) -> Vec<(u64, String, Verb)> {
    for name in desk.phones() {
        world.phone(name).phone(|phone, _| phone.manner = testkit::Manner::default());
    }
    if flow == Flow::Transcoded {
        let caller = world.phone(&desk.caller);
        caller.phone(|phone, _| phone.setup.laws = vec![Law::Mu]);
    } else {
        world.phone(&desk.caller).phone(|phone, _| phone.setup.laws = vec![Law::Mu, Law::A]);
    }
    prepare(world, desk, flow);
    let number = match flow {
        Flow::UnknownNumber => "9998",
        Flow::Echo => "*43",
        Flow::Transcoded => &desk.numbers[2],
        Flow::Forked => &desk.numbers[3],
        _ => &desk.numbers[1],
    };
    let caller = |ms: u64, verb: Verb| (ms, desk.caller.clone(), verb);
    let callee = |ms: u64, verb: Verb| (ms, desk.callee.clone(), verb);
    let mut verbs = vec![caller(0, Verb::Dial(number.to_owned()))];
    match flow {
        Flow::CallerEnds | Flow::EarlyMedia | Flow::Echo | Flow::Transcoded | Flow::Forked => {
            verbs.push(caller(22_000, Verb::HangUp));
        }
        Flow::CancelledWhileRinging => verbs.push(caller(9_000, Verb::HangUp)),
        Flow::CancelledAtOnce => verbs.push(caller(150, Verb::HangUp)),
        Flow::HeldByCaller => verbs.extend([
            caller(12_000, Verb::Hold(Hold::SendOnly)),
            caller(28_000, Verb::Resume),
            caller(42_000, Verb::HangUp),
        ]),
        Flow::HeldByCallee => verbs.extend([
            callee(12_000, Verb::Hold(Hold::Inactive)),
            callee(28_000, Verb::Resume),
            caller(42_000, Verb::HangUp),
        ]),
        Flow::CalleeEnds | Flow::Busy | Flow::Declined | Flow::NoAnswer | Flow::UnknownNumber => {}
    }
    verbs
}

/// What is wrong with how a flow ended; `None` when it went as it should.
fn verdict(world: &World, desk: &Desk, flow: Flow) -> Option<String> {
    let talk = world.talk(&desk.caller);
    let records: Vec<&CallRecord> = world.records().filter(|record| record.call_id == talk.call_id).collect();
    let heard_by = |name: &str| {
        let talk = world.talk(name);
        let mut names: Vec<String> = talk.ear.heard().map(|(sound, _)| world.name_of(sound)).collect();
        names.sort();
        names
    };
    let say = |why: &str| Some(format!("{flow:?} at {}: {why}; {talk:?}; {records:?}", desk.caller));
    let [record] = records.as_slice() else {
        // Given up before anything was let in.
        let waived = flow == Flow::CancelledAtOnce && records.is_empty() && !talk.admitted;
        return if waived { None } else { say("not one record") };
    };
    let expected = match flow {
        Flow::Busy => (CallStatus::Busy, 486),
        Flow::Declined => (CallStatus::Rejected, 603),
        Flow::NoAnswer => (CallStatus::NoAnswer, 480),
        Flow::UnknownNumber => (CallStatus::Rejected, 404),
        Flow::CancelledWhileRinging | Flow::CancelledAtOnce => (CallStatus::Cancelled, 487),
        _ => (CallStatus::Completed, 200),
    };
    if (record.status, talk.code) != (expected.0, Some(expected.1)) {
        return say("another end");
    }
    let other = match flow {
        Flow::Transcoded => &desk.old,
        Flow::Forked => &desk.forked[0],
        _ => &desk.callee,
    };
    let both_heard = || heard_by(&desk.caller) == [other.clone()] && heard_by(other) == [desk.caller.clone()];
    match flow {
        Flow::Echo if !heard_by(&desk.caller).contains(&desk.caller) => say("no echo"),
        Flow::CallerEnds | Flow::CalleeEnds | Flow::EarlyMedia | Flow::Transcoded | Flow::Forked if !both_heard() => {
            say("they did not hear each other")
        }
        Flow::HeldByCaller | Flow::HeldByCallee => {
            let holder = if flow == Flow::HeldByCaller { &desk.caller } else { &desk.callee };
            let held_twice = world.talk(holder).changes.iter().filter(|code| **code == 200).count() == 2;
            if both_heard() && held_twice { None } else { say("not held and taken back") }
        }
        _ => None,
    }
}

/// Runs random flows, [`DESKS`] at a time, and returns what went wrong.
pub(crate) fn run(seed: u64, weather: Weather, calls: usize) -> Vec<String> {
    let (mut world, desks) = office(seed, weather);
    let mut dice = Dice::new(seed, 1 << 40);
    let mut failures = Vec::new();
    for _ in 0..calls.div_ceil(DESKS) {
        let flows: Vec<Flow> = desks.iter().map(|_| *dice.choose(&ALL).expect("there are flows")).collect();
        let mut agenda = Vec::new();
        for (place, (desk, flow)) in desks.iter().zip(&flows).enumerate() {
            let verbs = script(&mut world, desk, *flow);
            agenda.extend(verbs.into_iter().map(|(ms, name, verb)| (ms + 137 * place as u64, name, verb)));
        }
        agenda.sort_by_key(|(ms, ..)| *ms);
        let start = world.clock.now();
        for (ms, name, verb) in agenda {
            let due = start + Duration::from_millis(ms);
            world.run_for(due.saturating_duration_since(world.clock.now()));
            world.perform(&name, &verb);
        }
        world.run_until(ROUND, World::is_quiet);
        failures.extend(desks.iter().zip(&flows).filter_map(|(desk, flow)| verdict(&world, desk, *flow)));
    }
    let made: usize =
        world.phones().iter().map(|phone| phone.talks.iter().filter(|talk| talk.role == Role::Caller).count()).sum();
    assert!(made >= calls, "seed {seed}: {made} calls");
    world.finish();
    failures
}
