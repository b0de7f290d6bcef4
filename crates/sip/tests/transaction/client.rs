//! RFC 3261 figure 6.

use std::time::{Duration, Instant};

use bytes::Bytes;
use sip::transaction::client::{Client, Output};
use sip::transaction::{Timers, client::Output::*};

use super::bench::Bench;

const UDP: bool = false;
const TCP: bool = true;

fn request() -> Output {
    Send(Bytes::from_static(b"BYE"))
}

fn trying(reliable: bool) -> Bench<Client> {
    let mut bench = Bench::new(|now| Client::new(now, &Timers::default(), Bytes::from_static(b"BYE"), reliable));
    bench.expect([(0, request())]);
    bench
}

fn respond(code: u16) -> impl FnOnce(&mut Client, Instant) {
    move |machine, now| machine.handle_response(now, code)
}

fn proceeding(reliable: bool) -> Bench<Client> {
    let mut bench = trying(reliable);
    bench.run_to(100).input(respond(100)).expect([(100, Deliver)]);
    bench
}

fn completed() -> Bench<Client> {
    let mut bench = trying(UDP);
    bench.run_to(100).input(respond(200)).expect([(100, Deliver)]);
    bench
}

#[test]
fn trying_timer_e_doubles_up_to_t2_until_timer_f() {
    trying(UDP).expect_deadline(Some(500)).run_to(100_000).expect([
        (500, request()),
        (1_500, request()),
        (3_500, request()),
        (7_500, request()),
        (11_500, request()),
        (15_500, request()),
        (19_500, request()),
        (23_500, request()),
        (27_500, request()),
        (31_500, request()),
        (32_000, Timeout),
        (32_000, Terminated),
    ]);
}

#[test]
fn trying_timer_e_takes_t2_even_when_it_is_no_power_of_t1() {
    let timers = Timers { t1: Duration::from_millis(500), t2: Duration::from_millis(1_700), ..Timers::default() };
    let mut bench = Bench::new(|now| Client::new(now, &timers, Bytes::from_static(b"BYE"), UDP));
    bench.run_to(5_000).expect([
        (0, request()),
        (500, request()),
        (1_500, request()),
        (3_200, request()),
        (4_900, request()),
    ]);
}

#[test]
fn trying_reliable_has_timer_f_and_no_timer_e() {
    trying(TCP).expect_deadline(Some(32_000)).run_to(100_000).expect([(32_000, Timeout), (32_000, Terminated)]);
}

#[test]
fn trying_one_resend_however_late_the_wakeup() {
    trying(UDP).oversleep_to(4_000).expect([(4_000, request())]).expect_deadline(Some(5_000));
}

#[test]
fn trying_timer_f_wins_over_an_equally_late_timer_e() {
    trying(UDP).oversleep_to(40_000).expect([(40_000, Timeout), (40_000, Terminated)]);
}

#[test]
fn trying_1xx() {
    for code in [100, 180, 199] {
        trying(UDP).run_to(100).input(respond(code)).expect([(100, Deliver)]).expect_deadline(Some(500));
        trying(TCP).run_to(100).input(respond(code)).expect([(100, Deliver)]).expect_deadline(Some(32_000));
    }
}

#[test]
fn trying_200_to_699() {
    for code in [200, 302, 401, 503, 699] {
        trying(UDP)
            .run_to(600)
            .input(respond(code))
            .expect([(500, request()), (600, Deliver)])
            .expect_deadline(Some(5_600));
        trying(TCP).run_to(600).input(respond(code)).expect([(600, Deliver), (600, Terminated)]).expect_deadline(None);
    }
}

#[test]
fn trying_transport_error() {
    for reliable in [UDP, TCP] {
        trying(reliable)
            .run_to(20)
            .transport_error()
            .expect([(20, TransportFailed), (20, Terminated)])
            .expect_deadline(None);
    }
}

#[test]
fn proceeding_keeps_the_pending_timer_e_and_is_t2_from_then_on() {
    proceeding(UDP).expect_deadline(Some(500)).run_to(100_000).expect([
        (500, request()),
        (4_500, request()),
        (8_500, request()),
        (12_500, request()),
        (16_500, request()),
        (20_500, request()),
        (24_500, request()),
        (28_500, request()),
        (32_000, Timeout),
        (32_000, Terminated),
    ]);
}

#[test]
fn proceeding_reliable_has_timer_f_and_no_timer_e() {
    proceeding(TCP).expect_deadline(Some(32_000)).run_to(100_000).expect([(32_000, Timeout), (32_000, Terminated)]);
}

#[test]
fn proceeding_1xx_is_delivered_every_time_and_moves_no_timer() {
    let mut bench = proceeding(UDP);
    bench.run_to(700).input(respond(100)).run_to(800).input(respond(183));
    bench.expect([(500, request()), (700, Deliver), (800, Deliver)]).expect_deadline(Some(4_500));
}

#[test]
fn proceeding_200_to_699() {
    for code in [200, 302, 401, 503, 699] {
        proceeding(UDP).run_to(300).input(respond(code)).expect([(300, Deliver)]).expect_deadline(Some(5_300));
        proceeding(TCP).run_to(300).input(respond(code)).expect([(300, Deliver), (300, Terminated)]);
    }
}

#[test]
fn proceeding_transport_error() {
    for reliable in [UDP, TCP] {
        proceeding(reliable)
            .transport_error()
            .expect([(100, TransportFailed), (100, Terminated)])
            .expect_deadline(None);
    }
}

#[test]
fn completed_timer_k() {
    completed().run_to(5_099).expect([]).run_to(60_000).expect([(5_100, Terminated)]).expect_deadline(None);
}

#[test]
fn completed_swallows_everything_else() {
    let mut bench = completed();
    bench.input(respond(100)).input(respond(200)).input(respond(500)).transport_error();
    bench.expect([]).expect_deadline(Some(5_100));
}

#[test]
fn terminated_is_deaf() {
    let mut bench = trying(TCP);
    bench.input(respond(200)).expect([(0, Deliver), (0, Terminated)]);
    bench.input(respond(100)).input(respond(200)).transport_error().run_to(100_000).expect([]).expect_deadline(None);
}
