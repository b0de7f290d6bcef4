//! RFC 3261 figure 8, with §17.2.4 as rewritten by RFC 6026 §8.8.

use std::time::{Duration, Instant};

use bytes::Bytes;
use sip::transaction::server::{Output, Server};
use sip::transaction::{Timers, server::Output::*};

use super::bench::Bench;

const UDP: bool = false;
const TCP: bool = true;

fn trying(reliable: bool) -> Bench<Server> {
    let mut bench = Bench::new(|now| Server::new(now, &Timers::default(), reliable));
    bench.expect([]).expect_deadline(None);
    bench
}

/// The bytes that stand for a response in these tests.
fn response(code: u16) -> Bytes {
    Bytes::from(code.to_string())
}

fn send(code: u16) -> Output {
    Send(response(code))
}

fn respond(code: u16) -> impl FnOnce(&mut Server, Instant) {
    move |machine, now| machine.respond(now, code, response(code))
}

fn request(machine: &mut Server, now: Instant) {
    machine.handle_request_again(now);
}

fn proceeding(reliable: bool) -> Bench<Server> {
    let mut bench = trying(reliable);
    bench.run_to(100).input(respond(100)).expect([(100, send(100))]);
    bench
}

fn completed() -> Bench<Server> {
    let mut bench = trying(UDP);
    bench.run_to(100).input(respond(200)).expect([(100, send(200))]);
    bench
}

#[test]
fn trying_request_is_absorbed() {
    trying(UDP).run_to(500).input(request).expect([]).expect_deadline(None);
}

#[test]
fn trying_waits_without_end() {
    trying(UDP).run_to(600_000).expect([]);
}

#[test]
fn trying_1xx_from_tu() {
    for code in [100, 180, 199] {
        trying(UDP).input(respond(code)).expect([(0, send(code))]).expect_deadline(None);
    }
}

#[test]
fn trying_200_to_699_from_tu() {
    for code in [200, 302, 401, 503, 699] {
        trying(UDP).run_to(70).input(respond(code)).expect([(70, send(code))]).expect_deadline(Some(32_070));
        trying(TCP).run_to(70).input(respond(code)).expect([(70, send(code)), (70, Terminated)]).expect_deadline(None);
    }
}

#[test]
fn trying_transport_error_is_not_ours() {
    trying(UDP).transport_error().expect([]).input(respond(200)).expect([(0, send(200))]);
}

#[test]
fn proceeding_request_repeats_the_latest_provisional() {
    let mut bench = proceeding(UDP);
    bench.run_to(500).input(request).expect([(500, send(100))]);
    bench.input(respond(183)).input(request).expect([(500, send(183)), (500, send(183))]);
}

#[test]
fn proceeding_waits_without_end() {
    proceeding(UDP).expect_deadline(None).run_to(600_000).expect([]);
}

#[test]
fn proceeding_200_to_699_from_tu() {
    for code in [200, 302, 401, 503, 699] {
        proceeding(UDP).run_to(300).input(respond(code)).expect([(300, send(code))]).expect_deadline(Some(32_300));
        proceeding(TCP).run_to(300).input(respond(code)).expect([(300, send(code)), (300, Terminated)]);
    }
}

#[test]
fn proceeding_transport_error_tells_and_stays() {
    let mut bench = proceeding(UDP);
    bench.transport_error().expect([(100, TransportFailed)]);
    bench.input(request).input(respond(200)).expect([(100, send(100)), (100, send(200))]);
}

#[test]
fn completed_request_repeats_the_response_and_leaves_timer_j_alone() {
    let mut bench = completed();
    bench.run_to(600).input(request).run_to(1_600).input(request);
    bench.expect([(600, send(200)), (1_600, send(200))]).expect_deadline(Some(32_100));
}

#[test]
fn completed_ignores_further_responses_of_the_tu() {
    let mut bench = completed();
    bench.input(respond(100)).input(respond(500)).expect([]);
    bench.input(request).expect([(100, send(200))]);
}

#[test]
fn completed_transport_error_tells_and_stays() {
    let mut bench = completed();
    bench.transport_error().expect([(100, TransportFailed)]).expect_deadline(Some(32_100));
    bench.input(request).expect([(100, send(200))]);
}

#[test]
fn completed_timer_j() {
    completed().run_to(32_099).expect([]).run_to(90_000).expect([(32_100, Terminated)]).expect_deadline(None);
}

#[test]
fn completed_timer_j_scales_with_t1() {
    let timers = Timers { t1: Duration::from_millis(100), ..Timers::default() };
    let mut bench = Bench::new(|now| Server::new(now, &timers, UDP));
    bench.input(respond(200)).run_to(10_000).expect([(0, send(200)), (6_400, Terminated)]);
}

#[test]
fn terminated_is_deaf() {
    let mut bench = trying(TCP);
    bench.input(respond(200)).expect([(0, send(200)), (0, Terminated)]);
    bench.input(request).input(respond(100)).input(respond(200)).transport_error();
    bench.run_to(100_000).expect([]).expect_deadline(None);
}
