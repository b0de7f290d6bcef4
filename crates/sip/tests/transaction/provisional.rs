//! RFC 3262 §3, the rules for whoever sends reliable provisional answers, one test per row of the machine's figure.

use std::time::Instant;

use bytes::Bytes;
use sip::limits::PROVISIONALS;
use sip::transaction::Timers;
use sip::transaction::provisional::{Answer, Output, Output::*, Provisional};

use super::bench::Bench;

fn quiet() -> Bench<Provisional> {
    let mut bench = Bench::new(|_| Provisional::new(&Timers::default()));
    bench.expect([]).expect_deadline(None);
    bench
}

fn bytes(rseq: u32) -> Bytes {
    Bytes::from(rseq.to_string())
}

fn send(rseq: u32) -> Output {
    Send(bytes(rseq))
}

fn answer(rseq: u32, described: bool) -> impl FnOnce(&mut Provisional, Instant) {
    move |machine, now| machine.send(now, Answer { rseq, bytes: bytes(rseq), described })
}

fn prack(rseq: u32, good: bool) -> impl FnOnce(&mut Provisional, Instant) {
    move |machine, now| assert_eq!(machine.handle_prack(now, rseq), good, "PRACK {rseq}")
}

fn stop(machine: &mut Provisional, now: Instant) {
    machine.stop(now);
}

fn holds(held: bool) -> impl FnOnce(&mut Provisional, Instant) {
    move |machine, _| assert_eq!(machine.holds_success(), held)
}

fn sent() -> Bench<Provisional> {
    let mut bench = quiet();
    bench.run_to(100).input(answer(7, true)).expect([(100, send(7))]).expect_deadline(Some(600));
    bench
}

#[test]
fn quiet_prack_matches_nothing() {
    quiet().input(prack(1, false)).run_to(60_000).expect([]).expect_deadline(None).input(holds(false));
}

#[test]
fn quiet_final_answer() {
    quiet().input(stop).input(answer(1, true)).input(prack(1, false)).run_to(60_000).expect([]).input(holds(false));
}

#[test]
fn sent_is_repeated_at_doubling_intervals_without_a_ceiling_until_64_t1() {
    sent().run_to(40_000).expect([
        (600, send(7)),
        (1_600, send(7)),
        (3_600, send(7)),
        (7_600, send(7)),
        (15_600, send(7)),
        (31_600, send(7)),
        (32_100, Timeout),
    ]);
}

#[test]
fn abandoned_ignores_everything() {
    let mut bench = sent();
    bench.oversleep_to(40_000).expect([(40_000, Timeout)]).expect_deadline(None);
    bench.input(answer(8, true)).input(prack(7, false)).input(stop).run_to(90_000).expect([]).input(holds(false));
}

#[test]
fn sent_prack_ends_it() {
    sent()
        .input(holds(true))
        .run_to(700)
        .input(prack(7, true))
        .run_to(60_000)
        .expect([(600, send(7))])
        .input(holds(false));
    sent().input(prack(7, true)).input(prack(7, false)).expect([]).expect_deadline(None);
}

#[test]
fn sent_prack_for_another_number_changes_nothing() {
    sent().input(prack(6, false)).input(prack(8, false)).run_to(600).expect([(600, send(7))]);
}

#[test]
fn sent_the_next_answer_waits_for_the_prack() {
    let mut bench = sent();
    bench.input(answer(8, false)).input(answer(9, false)).input(prack(8, false)).expect([]);
    bench.run_to(200).input(prack(7, true)).expect([(200, send(8))]).expect_deadline(Some(700));
    bench.input(prack(8, true)).expect([(200, send(9))]).input(prack(9, true)).expect_deadline(None);
    bench.input(answer(10, false)).expect([(200, send(10))]);
}

#[test]
fn a_success_waits_for_descriptions_alone_those_that_wait_themselves_too() {
    let mut bench = quiet();
    bench.input(answer(1, false)).input(holds(false)).input(answer(2, true)).input(holds(true));
    bench.input(prack(1, true)).input(holds(true)).input(prack(2, true)).input(holds(false));
}

#[test]
fn sent_no_more_than_the_limit_wait() {
    let mut bench = sent();
    for rseq in 0..PROVISIONALS as u32 {
        bench.input(|machine, _| assert!(!machine.is_full())).input(answer(8 + rseq, false));
    }
    bench
        .input(|machine, _| assert!(machine.is_full()))
        .input(prack(7, true))
        .input(|machine, _| assert!(!machine.is_full()));
}

#[test]
fn sent_final_answer_ends_repetition_and_the_prack_for_what_was_sent_is_still_good() {
    let mut bench = sent();
    bench.input(answer(8, true)).input(stop).expect([]).expect_deadline(None).input(holds(false));
    bench.input(prack(8, false)).input(prack(7, true)).input(prack(7, false)).input(stop).run_to(60_000).expect([]);
}
