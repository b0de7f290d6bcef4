//! Two endpoints and a pipe between them that loses, doubles and delays what is sent: whatever happens, both agree in the
//! end that there is nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};
use sip::{
    Admission, ClientId, Counts, DialogId, Endpoint, EndpointConfig, Event, Flow, Gate, Message, Method, Reply,
    Request, Scope, ServerId, Transport,
};

use super::bench::to_bob;

struct Open;

impl Gate<()> for Open {
    fn admit(&mut self, _: Instant, _: &Flow, _: &Request, _: Scope) -> Admission<()> {
        Admission::Pass(())
    }
}

/// What a side means to do some time.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Plan {
    Call,
    Answer(ServerId, u16),
    /// An answer with a session description.
    Describe(ServerId, u16),
    Update(DialogId),
    HangUp(DialogId),
    Reinvite(DialogId),
    GiveUp(ClientId),
}

/// One endpoint and a user who does everything users do.
struct Side {
    endpoint: Endpoint<()>,
    plans: BTreeSet<(Instant, u64, Plan)>,
    planned: u64,
    /// INVITEs that have no final answer yet; each must get exactly one end.
    calling: BTreeSet<ClientId>,
    talking: BTreeSet<DialogId>,
    ended: u32,
    answered: u32,
}

struct World {
    now: Instant,
    random: ChaCha8Rng,
    sides: [Side; 2],
    pipe: BTreeMap<(Instant, u64), (usize, Bytes)>,
    sent: u64,
    /// In percent.
    loss: u32,
    delay_ms: u32,
}

impl Side {
    fn new(seed: u8) -> Side {
        Side {
            endpoint: Endpoint::new(EndpointConfig::new([seed; 32], "")),
            plans: BTreeSet::new(),
            planned: 0,
            calling: BTreeSet::new(),
            talking: BTreeSet::new(),
            ended: 0,
            answered: 0,
        }
    }

    fn plan(&mut self, at: Instant, plan: Plan) {
        self.planned += 1;
        self.plans.insert((at, self.planned, plan));
    }

    fn carry_out(&mut self, now: Instant, plan: Plan, flow: Flow) {
        match plan {
            Plan::Call => {
                let mut outgoing = to_bob(Method::Invite);
                outgoing.flow = flow;
                outgoing.body = offer();
                let id = self.endpoint.invite(now, outgoing).expect("there is room");
                self.calling.insert(id);
                // Longer than anybody lets it ring; after an answer it does nothing.
                self.plan(now + Duration::from_secs(20), Plan::GiveUp(id));
            }
            Plan::Answer(id, code) => drop(self.endpoint.respond(now, id, Reply::new(code))),
            Plan::Describe(id, code) => {
                let described = Reply::new(code).body("application/sdp", Bytes::from_static(b"v=0\r\n"));
                let _ = self.endpoint.respond(now, id, described);
            }
            Plan::Update(dialog) => drop(self.endpoint.in_dialog(now, dialog, Method::Update, Vec::new(), offer())),
            Plan::HangUp(dialog) => drop(self.endpoint.in_dialog(now, dialog, Method::Bye, Vec::new(), None)),
            Plan::Reinvite(dialog) => drop(self.endpoint.in_dialog(now, dialog, Method::Invite, Vec::new(), None)),
            Plan::GiveUp(id) => self.endpoint.cancel(now, id, None),
        }
    }
}

fn offer() -> Option<(String, Bytes)> {
    Some(("application/sdp".to_owned(), Bytes::from_static(b"v=0\r\n")))
}

impl World {
    #[expect(clippy::disallowed_methods, reason = "a virtual clock needs one real instant to count from")]
    fn new(seed: u64, loss: u32, delay_ms: u32) -> World {
        let random = ChaCha8Rng::seed_from_u64(seed);
        let sides = [Side::new(1), Side::new(2)];
        World { now: Instant::now(), random, sides, pipe: BTreeMap::new(), sent: 0, loss, delay_ms }
    }

    fn below(&mut self, end: u32) -> u32 {
        self.random.next_u32() % end.max(1)
    }

    fn later(&mut self, most_ms: u32) -> Instant {
        self.now + Duration::from_millis(u64::from(self.below(most_ms)))
    }

    fn flow(side: usize) -> Flow {
        let address = |side: usize| format!("127.0.0.{}:5060", side + 1).parse().expect("an address");
        Flow { transport: Transport::Udp, local: address(side), remote: address(1 - side) }
    }

    fn run(&mut self) {
        while let Some(next) = self.next() {
            assert!(next >= self.now, "a deadline in the past");
            self.now = next;
            while let Some(entry) = self.pipe.first_entry().filter(|entry| entry.key().0 <= self.now) {
                let (side, bytes) = entry.remove();
                let message = Message::parse_datagram(bytes).expect("we send what can be read");
                self.sides[side].endpoint.handle_message(self.now, World::flow(side), message, &mut Open);
                self.drain(side);
            }
            for side in 0..2 {
                while self.sides[side].plans.first().is_some_and(|(at, ..)| *at <= self.now) {
                    let (_, _, plan) = self.sides[side].plans.pop_first().expect("just seen");
                    self.sides[side].carry_out(self.now, plan, World::flow(side));
                    self.drain(side);
                }
                self.sides[side].endpoint.handle_timeout(self.now);
                self.drain(side);
            }
        }
    }

    fn next(&mut self) -> Option<Instant> {
        let pipe = self.pipe.first_key_value().map(|((at, _), _)| *at);
        let plans = self.sides.iter().filter_map(|side| side.plans.first().map(|(at, ..)| *at)).min();
        let timers = self.sides.iter_mut().filter_map(|side| side.endpoint.poll_timeout()).min();
        [pipe, plans, timers].into_iter().flatten().min()
    }

    fn drain(&mut self, side: usize) {
        while let Some(transmit) = self.sides[side].endpoint.poll_transmit() {
            assert_eq!(transmit.flow, World::flow(side));
            let copies = if self.below(100) < 5 { 2 } else { 1 };
            for _ in 0..copies {
                let lost = self.below(100) < self.loss;
                let at = self.later(self.delay_ms);
                self.sent += 1;
                if !lost {
                    self.pipe.insert((at, self.sent), (1 - side, transmit.bytes.clone()));
                }
            }
        }
        while let Some(event) = self.sides[side].endpoint.poll_event() {
            self.hear(side, event);
        }
    }

    fn hear(&mut self, side: usize, event: Event<()>) {
        match event {
            Event::Invite { id, dialog, .. } => {
                let ring = self.later(500);
                let answer = ring + Duration::from_millis(u64::from(self.below(4_000)));
                let code = [200, 200, 200, 486][self.below(4) as usize];
                // One in ten rings until the caller has enough, or until the CANCEL was lost for good.
                let answers = self.below(10) > 0;
                let bye = answer + Duration::from_millis(u64::from(self.below(90_000)));
                // Every other phone tells reliably what it would play, as each side knows how (RFC 3262), some more than once.
                for at in 0..[0, 1, 0, 3][self.below(4) as usize] {
                    self.sides[side].plan(ring + Duration::from_millis(at * 300), Plan::Describe(id, 183));
                }
                self.sides[side].plan(ring, Plan::Answer(id, 180));
                if answers {
                    self.sides[side].plan(answer, Plan::Describe(id, code));
                    let update = self.later(20_000);
                    self.sides[side].plan(update, Plan::Update(dialog));
                    self.sides[side].plan(bye, Plan::HangUp(dialog));
                } else {
                    self.sides[side].plan(ring + Duration::from_secs(60), Plan::Answer(id, 480));
                }
            }
            Event::InDialog { id, request, .. } if *request.method() == Method::Invite => {
                let at = self.later(1_000);
                let code = [200, 488][self.below(2) as usize];
                self.sides[side].plan(at, Plan::Answer(id, code));
            }
            Event::InDialog { id, .. } | Event::Request { id, .. } => {
                let _ = self.sides[side].endpoint.respond(self.now, id, Reply::new(200));
            }
            Event::NoAck { dialog } => self.sides[side].plan(self.now, Plan::HangUp(dialog)),
            Event::Response { id, dialog, response, .. } => self.answer(side, id, dialog, response.code()),
            Event::Failed { id, dialog, .. } => self.answer(side, id, dialog, 408),
            Event::Cancelled { .. } | Event::NoPrack { .. } | Event::Acked { .. } => {}
        }
    }

    fn answer(&mut self, side: usize, id: ClientId, dialog: Option<DialogId>, code: u16) {
        if code < 200 {
            return;
        }
        if let Some(dialog) = dialog.filter(|_| code < 300) {
            self.sides[side].endpoint.ack(self.now, dialog, None);
        }
        if self.sides[side].calling.remove(&id) {
            self.sides[side].ended += 1;
            if let Some(dialog) = dialog {
                assert!(self.sides[side].talking.insert(dialog), "one dialog for each answered call");
                self.sides[side].answered += 1;
                let (again, bye) = (self.later(20_000), self.later(90_000));
                self.sides[side].plan(again, Plan::Reinvite(dialog));
                self.sides[side].plan(bye, Plan::HangUp(dialog));
            }
            return;
        }
        assert!(dialog.is_some(), "a second end of one call");
        // A peer that knows the call no more, or is not there, ends it (§12.2.1.2).
        if let (Some(dialog), 408 | 481) = (dialog, code) {
            self.sides[side].plan(self.now, Plan::HangUp(dialog));
        }
    }
}

/// Calls in both directions; how many there were and how many were answered.
fn calls(seed: u64, loss: u32, delay_ms: u32) -> (u32, u32) {
    const CALLS: u32 = 100;
    let mut world = World::new(seed, loss, delay_ms);
    for call in 0..CALLS {
        let at = world.later(60_000);
        world.sides[(call % 2) as usize].plan(at, Plan::Call);
    }
    world.run();
    for side in &world.sides {
        assert_eq!(side.endpoint.counts(), Counts::default(), "seed {seed}");
        assert!(side.calling.is_empty(), "seed {seed}: every call ends");
    }
    let [one, two] = &world.sides;
    assert_eq!(one.ended + two.ended, CALLS, "seed {seed}");
    (CALLS, one.answered + two.answered)
}

#[test]
fn in_calm_weather_all_calls_end_and_most_are_answered() {
    for seed in 0..5 {
        let (_, answered) = calls(seed, 0, 1);
        assert!(answered >= 50, "seed {seed}: {answered}");
    }
}

#[test]
fn in_a_storm_all_calls_end_and_most_are_answered() {
    for seed in 0..20 {
        let (_, answered) = calls(seed, 10, 800);
        assert!(answered >= 50, "seed {seed}: {answered}");
    }
}

#[test]
fn when_hardly_anything_arrives_all_calls_end_still() {
    for seed in 0..20 {
        calls(seed, 70, 3_000);
    }
    assert_eq!(calls(1, 100, 1), (100, 0));
}

#[test]
fn one_seed_one_story() {
    assert_eq!(calls(3, 10, 800), calls(3, 10, 800));
}
