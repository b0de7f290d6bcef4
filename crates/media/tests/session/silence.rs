//! A leg that should be heard and is not.

use super::*;

fn silent(facts: &[(Instant, Fact)], leg: Leg) -> Vec<Instant> {
    let of = |fact: &Fact| matches!(fact, Fact::Silent { leg: told, .. } if *told == leg);
    facts.iter().filter(|(_, fact)| of(fact)).map(|(at, _)| *at).collect()
}

#[test]
fn silence_is_told_once_for_each_leg() {
    let mut bench = Bench::up();
    let start = bench.now;
    bench.run_until(start + Duration::from_secs(10));
    bench.audio(A, 1).expect("relayed");
    bench.facts();
    let (_, facts) = bench.run_until(start + Duration::from_secs(200));
    assert_eq!(silent(&facts, A), [start + Duration::from_secs(40)]);
    assert_eq!(silent(&facts, B), [start + SILENCE]);
    let Fact::Silent { for_ms, .. } = facts[0].1 else { panic!("silence") };
    assert_eq!(for_ms, 30_000);
    // Heard again, the leg is watched again.
    bench.audio(A, 2).expect("relayed");
    let heard = bench.now;
    let (_, facts) = bench.run_until(heard + Duration::from_secs(200));
    assert_eq!(silent(&facts, A), [heard + SILENCE]);
}

#[test]
fn talking_costs_no_deadline() {
    let mut bench = Bench::up();
    bench.audio(A, 1).expect("relayed");
    let due = bench.session.poll_timeout();
    bench.pass(FRAME);
    bench.audio(A, 2).expect("relayed");
    assert_eq!(bench.session.poll_timeout(), due);
}

#[test]
fn a_leg_that_holds_or_may_not_send_is_not_waited_for() {
    let mut held = plan(Codec::Pcmu, Codec::Pcmu);
    held.legs[0].send = false;
    held.legs[1].receive = false;
    let mut bench = Bench::of(held);
    assert_eq!(bench.session.poll_timeout(), None);
    bench.pass(Duration::from_secs(500));
    bench.apply(plan(Codec::Pcmu, Codec::Pcmu));
    let resumed = bench.now;
    let (_, facts) = bench.run_until(resumed + Duration::from_secs(100));
    assert_eq!(silent(&facts, A), [resumed + SILENCE]);
}

#[test]
fn reports_are_a_sign_of_life_and_strangers_are_not() {
    let mut bench = Bench::up();
    let start = bench.now;
    bench.pass(Duration::from_secs(20));
    let report = [0x80, 201, 0, 1, 0, 0, 0, 1];
    bench.on(A, Channel::Rtcp, address("127.0.0.10:4001"), &report).expect("passed on");
    bench.rtp(B, address("127.0.0.66:1"), &packet(0, 1, 1, 1, &[0; 160])).expect_err("a stranger");
    let (_, facts) = bench.run_until(start + Duration::from_secs(200));
    assert_eq!(silent(&facts, A), [start + Duration::from_secs(50)]);
    assert_eq!(silent(&facts, B), [start + SILENCE]);
}

#[test]
fn patience_without_end_is_possible() {
    let mut session = Session::new(SessionId(1), 2, 1, Duration::MAX);
    session.apply(beginning(), plan(Codec::Pcmu, Codec::Pcmu));
    assert_eq!(session.poll_timeout(), None);
}
