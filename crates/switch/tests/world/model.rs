//! Random operations against a small model of who should hear whom, and of which record must exist.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::{CallStatus, Extension, Forwards};
use testkit::{Dice, Hold, Law, Reliable, TenantBuilder, Verb, Weather, World};

const NUMBERS: &[&str] = &["1001", "1002", "1003", "1004", "1005", "1006"];

/// How long everything has between two operations.
const PAUSE: Duration = Duration::from_millis(700);

/// A call, as somebody who looks at the phones would describe it.
#[derive(Clone, Debug)]
struct Call {
    caller: usize,
    callee: usize,
    answered: bool,
    /// What the caller and the callee have done to the other.
    holds: [Option<Hold>; 2],
}

/// What somebody does with calls.
#[derive(Clone, Debug, Default)]
struct Wishes {
    always: Option<usize>,
    busy: Option<usize>,
    not_registered: Option<usize>,
    do_not_disturb: bool,
}

impl Wishes {
    fn are_none(&self) -> bool {
        [self.always, self.busy, self.not_registered] == [None; 3] && !self.do_not_disturb
    }

    /// The same as the switch gets it. Nobody takes a second call, and nobody is tired of ringing.
    fn apply(&self, extension: &mut Extension) {
        let number = |phone: Option<usize>| phone.map(|phone| NUMBERS[phone].to_owned());
        extension.forwards = Forwards {
            always: number(self.always),
            busy: number(self.busy),
            no_answer: None,
            not_registered: number(self.not_registered),
        };
        extension.do_not_disturb = self.do_not_disturb;
        extension.call_waiting = false;
        extension.no_answer_timeout_s = Some(3_600);
        // Keys travel as they are sent.
        extension.audio.dtmf = domain::DtmfMode::Info;
    }
}

/// The whole office, in one's head.
#[derive(Debug, Default)]
struct Model {
    /// What each wants of its calls; absent when nobody wants anything.
    wishes: Option<Vec<Wishes>>,
    calls: Vec<Call>,
    registered: Vec<bool>,
    /// How many keys each phone should have been told of by INFO.
    told: Vec<usize>,
    /// How often each end should have been written down.
    ends: BTreeMap<&'static str, usize>,
}

#[derive(Clone, Debug)]
enum Operation {
    Dial {
        caller: usize,
        callee: usize,
        late: bool,
    },
    DialNobody {
        caller: usize,
    },
    PickUp {
        call: usize,
    },
    HangUp {
        call: usize,
        caller: bool,
    },
    Hold {
        call: usize,
        caller: bool,
        hold: Option<Hold>,
    },
    /// Nothing of this changes who hears whom: another codec, a wish for an offer, a sign of life.
    Harmless {
        call: usize,
        caller: bool,
        verb: Verb,
    },
    Press {
        call: usize,
        caller: bool,
        key: char,
    },
    Register {
        phone: usize,
        on: bool,
    },
    /// Somebody wants something else of its calls.
    Wish {
        phone: usize,
        wishes: Wishes,
    },
    /// One side sends the other one on, and the target answers.
    Transfer {
        call: usize,
        caller: bool,
        target: usize,
    },
    /// One side asks the target first, and then joins the two.
    Consult {
        call: usize,
        caller: bool,
        target: usize,
    },
}

impl Model {
    fn is_idle(&self, phone: usize) -> bool {
        self.calls.iter().all(|call| call.caller != phone && call.callee != phone)
    }

    /// Who rings when one calls another, or how the call ends.
    fn rings(&self, caller: usize, callee: usize) -> Result<usize, &'static str> {
        let (mut at, mut passed) = (callee, Vec::new());
        while let Some(wishes) = self.wishes.as_ref().map(|wishes| &wishes[at]) {
            if passed.contains(&at) {
                return Err("Failed");
            }
            let refused = if wishes.do_not_disturb {
                Some((wishes.busy, "Rejected"))
            } else if !self.is_idle(at) {
                Some((wishes.busy, "Busy"))
            } else if !self.registered[at] {
                Some((wishes.not_registered, "NoAnswer"))
            } else {
                None
            };
            // Whom everybody is sent to can still reach the one who sends.
            let usable = |forward: Option<usize>| forward.filter(|to| *to != caller);
            passed.push(at);
            at = match (usable(wishes.always), refused) {
                (Some(to), _) => to,
                (None, None) => return Ok(at),
                (None, Some((forward, end))) => match usable(forward) {
                    Some(to) => to,
                    None => return Err(end),
                },
            };
        }
        if self.registered[at] { Ok(at) } else { Err("NoAnswer") }
    }

    /// A random thing that somebody could do now.
    fn choose(&self, dice: &mut Dice) -> Option<Operation> {
        if self.wishes.is_some() && dice.chance(0.15) {
            let phone = *dice.choose(&(0..NUMBERS.len()).collect::<Vec<_>>())?;
            let others: Vec<Option<usize>> =
                (0..NUMBERS.len()).map(|other| (other != phone && dice.chance(0.4)).then_some(other)).collect();
            let wishes = Wishes {
                always: dice.choose(&others)?.filter(|_| dice.chance(0.6)),
                busy: *dice.choose(&others)?,
                not_registered: *dice.choose(&others)?,
                do_not_disturb: dice.chance(0.2),
            };
            return Some(Operation::Wish { phone, wishes });
        }
        let idle: Vec<usize> = (0..NUMBERS.len()).filter(|phone| self.is_idle(*phone)).collect();
        let (ringing, talking): (Vec<usize>, Vec<usize>) =
            (0..self.calls.len()).partition(|call| !self.calls[*call].answered);
        let caller = dice.chance(0.5);
        match dice.below(16) {
            0..=2 => {
                let (one, other) = (*dice.choose(&idle)?, *dice.choose(&idle)?);
                (one != other).then_some(Operation::Dial { caller: one, callee: other, late: dice.chance(0.3) })
            }
            3 => Some(Operation::DialNobody { caller: *dice.choose(&idle)? }),
            4 => Some(Operation::PickUp { call: *dice.choose(&ringing)? }),
            5 => Some(Operation::HangUp { call: *dice.choose(&ringing)?, caller }),
            6 => Some(Operation::HangUp { call: *dice.choose(&talking)?, caller }),
            7 | 8 => {
                let call = *dice.choose(&talking)?;
                let kinds = [None, Some(Hold::SendOnly), Some(Hold::Inactive)];
                Some(Operation::Hold { call, caller, hold: *dice.choose(&kinds)? })
            }
            9 => Some(Operation::Register { phone: *dice.choose(&idle)?, on: dice.chance(0.7) }),
            10..=12 => {
                let laws = [vec![Law::Mu], vec![Law::A], vec![Law::A, Law::Mu]];
                let mut verbs: Vec<Verb> = laws.into_iter().map(Verb::ChangeLaws).collect();
                verbs.extend([Verb::AskForOffer, Verb::Refresh]);
                let (call, verb) = (*dice.choose(&talking)?, dice.choose(&verbs)?.clone());
                Some(Operation::Harmless { call, caller, verb })
            }
            13 => {
                Some(Operation::Press { call: *dice.choose(&talking)?, caller, key: *dice.choose(&['1', '5', '#'])? })
            }
            which => {
                let (call, target) = (*dice.choose(&talking)?, *dice.choose(&idle)?);
                let held = self.calls[call].holds.iter().any(Option::is_some);
                let wanted = self.wishes.as_ref().is_none_or(|wishes| wishes[target].are_none());
                let ready = !held && wanted && self.registered[target];
                let chosen = match which {
                    14 => Operation::Transfer { call, caller, target },
                    _ => Operation::Consult { call, caller, target },
                };
                ready.then_some(chosen)
            }
        }
    }

    /// What becomes of the office, and who does what; nobody when several do something.
    fn apply(&mut self, operation: &Operation) -> Option<(usize, Verb)> {
        Some(match *operation {
            Operation::Transfer { call, caller, target } | Operation::Consult { call, caller, target } => {
                let Call { caller: one, callee: other, .. } = self.calls[call];
                let stays = if caller { other } else { one };
                self.calls[call] = Call { caller: stays, callee: target, answered: true, holds: [None; 2] };
                if matches!(operation, Operation::Consult { .. }) {
                    // The first of the two calls.
                    *self.ends.entry("Completed").or_default() += 1;
                }
                return None;
            }
            Operation::Dial { caller, callee, late } => {
                match self.rings(caller, callee) {
                    Ok(callee) => self.calls.push(Call { caller, callee, answered: false, holds: [None; 2] }),
                    Err(end) => *self.ends.entry(end).or_default() += 1,
                }
                let number = NUMBERS[callee].to_owned();
                (caller, if late { Verb::DialLate(number) } else { Verb::Dial(number) })
            }
            Operation::DialNobody { caller } => {
                *self.ends.entry("Rejected").or_default() += 1;
                (caller, Verb::Dial("9999".to_owned()))
            }
            Operation::PickUp { call } => {
                self.calls[call].answered = true;
                (self.calls[call].callee, Verb::PickUp)
            }
            Operation::HangUp { call, caller } => {
                let gone = self.calls.swap_remove(call);
                let end = match (gone.answered, caller) {
                    (true, _) => "Completed",
                    (false, true) => "Cancelled",
                    (false, false) => "Rejected",
                };
                *self.ends.entry(end).or_default() += 1;
                (if caller { gone.caller } else { gone.callee }, Verb::HangUp)
            }
            Operation::Hold { call, caller, hold } => {
                let call = &mut self.calls[call];
                call.holds[usize::from(!caller)] = hold;
                let phone = if caller { call.caller } else { call.callee };
                (phone, hold.map_or(Verb::Resume, Verb::Hold))
            }
            Operation::Harmless { call, caller, ref verb } => {
                let call = &self.calls[call];
                (if caller { call.caller } else { call.callee }, verb.clone())
            }
            Operation::Press { call, caller, key } => {
                let Call { caller: one, callee: other, .. } = self.calls[call];
                let (presses, hears) = if caller { (one, other) } else { (other, one) };
                self.told[hears] += 1;
                (presses, Verb::PressByInfo(key))
            }
            Operation::Wish { phone, ref wishes } => {
                if let Some(all) = &mut self.wishes {
                    all[phone] = wishes.clone();
                }
                return None;
            }
            Operation::Register { phone, on } => {
                self.registered[phone] = on;
                (phone, if on { Verb::Register } else { Verb::Unregister })
            }
        })
    }

    /// Whom a phone should hear now.
    fn heard_by(&self, phone: usize) -> Vec<String> {
        let hears = |call: &&Call| call.answered && (call.caller == phone || call.callee == phone);
        let Some(call) = self.calls.iter().find(hears) else { return Vec::new() };
        let (own, theirs) = if call.caller == phone { (0, 1) } else { (1, 0) };
        let other = if call.caller == phone { call.callee } else { call.caller };
        let flows = call.holds[own].is_none() && call.holds[theirs] != Some(Hold::Inactive);
        if flows { vec![NUMBERS[other].to_owned()] } else { Vec::new() }
    }
}

/// Does what takes several people.
fn together(world: &mut World, model: &Model, operation: &Operation) {
    let (call, caller, target) = match *operation {
        Operation::Transfer { call, caller, target } | Operation::Consult { call, caller, target } => {
            (&model.calls[call], caller, NUMBERS[target])
        }
        _ => return,
    };
    let from = NUMBERS[if caller { call.caller } else { call.callee }];
    match operation {
        Operation::Consult { .. } => {
            world.phone(from).holds();
            world.run_for(PAUSE);
            world.phone(from).dials(target);
            world.run_for(PAUSE);
            world.phone(target).picks_up();
            world.run_for(PAUSE);
            world.phone(from).joins_its_calls();
        }
        _ => {
            world.phone(from).transfers_to(target);
            world.run_for(PAUSE);
            world.phone(target).picks_up();
        }
    }
    world.run_for(PAUSE);
}

/// The tenant as everybody wants it now.
fn tenant(wishes: &[Wishes], revision: &mut TenantBuilder) -> TenantBuilder {
    *revision = revision.clone().next_revision();
    wishes.iter().zip(NUMBERS).fold(revision.clone(), |tenant, (wishes, number)| {
        let wishes = wishes.clone();
        tenant.with_settings(number, move |extension| wishes.apply(extension))
    })
}

fn run(seed: u64, weather: Weather, operations: usize, wishes: Option<Vec<Wishes>>) {
    let mut world = World::office_by_info(seed, weather, NUMBERS);
    // Half of the phones change their calls by UPDATE, half by re-INVITE; a third uses reliable answers.
    for (place, name) in NUMBERS.iter().enumerate() {
        let phone = world.phone(name);
        let phone = if place % 2 == 0 { phone.knows_update() } else { phone };
        if place % 3 == 0 {
            phone.is_reliable(Reliable::Supported);
        }
    }
    let all = NUMBERS.len();
    let mut model = Model { wishes, registered: vec![true; all], told: vec![0; all], ..Model::default() };
    let mut revision = TenantBuilder::new("alpha").with_extensions(NUMBERS);
    if let Some(wishes) = &model.wishes {
        world.add_tenant(tenant(wishes, &mut revision));
    }
    let mut dice = Dice::new(seed, 1 << 41);
    let mut history = Vec::new();
    for _ in 0..operations {
        let Some(operation) = model.choose(&mut dice) else { continue };
        together(&mut world, &model, &operation);
        if let Some((phone, verb)) = model.apply(&operation) {
            world.perform(NUMBERS[phone], &verb);
        }
        if let (Operation::Wish { .. }, Some(wishes)) = (&operation, &model.wishes) {
            world.add_tenant(tenant(wishes, &mut revision));
        }
        history.push(operation);
        world.run_for(PAUSE);
        for (phone, name) in NUMBERS.iter().enumerate() {
            let (hears, should) = (world.hearing(name), model.heard_by(phone));
            let recent = &history[history.len().saturating_sub(12)..];
            assert_eq!(
                hears,
                should,
                "seed {seed}: {name} after {recent:?}\n{:#?}\n{:?}",
                model.calls,
                world.talk(name)
            );
            let told: usize = world.look(name).talks.iter().map(|talk| talk.told.len()).sum();
            assert_eq!(told, model.told[phone], "seed {seed}: keys told to {name} after {recent:?}");
        }
    }
    let running = model.calls.len();
    for call in std::mem::take(&mut model.calls) {
        *model.ends.entry(if call.answered { "Completed" } else { "Cancelled" }).or_default() += 1;
        world.perform(NUMBERS[call.caller], &Verb::HangUp);
    }
    world.seconds(2);
    let mut written: BTreeMap<&str, usize> = BTreeMap::new();
    for record in world.records() {
        let end: CallStatus = record.status;
        *written.entry(end.as_str()).or_default() += 1;
    }
    assert_eq!(written, model.ends, "seed {seed}, {running} calls ended at the end");
    world.finish();
}

fn operations() -> usize {
    if std::env::var_os("YAKYAK_SOAK").is_some() { 3_000 } else { 300 }
}

#[test]
fn in_calm_weather() {
    for seed in [110, 111] {
        run(seed, Weather::CALM, operations(), None);
    }
}

#[test]
fn with_some_delay_and_every_packet_twice() {
    let delay = Duration::from_millis(5)..Duration::from_millis(20);
    run(112, Weather { delay, duplicate: 1.0, ..Weather::CALM }, operations(), None);
}

#[test]
fn with_forwards_and_people_who_do_not_want_to_be_disturbed() {
    for seed in [113, 114, 115] {
        run(seed, Weather::CALM, operations(), Some(vec![Wishes::default(); NUMBERS.len()]));
    }
}
