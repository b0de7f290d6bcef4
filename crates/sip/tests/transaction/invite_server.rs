//! RFC 3261 figure 7 and RFC 6026 §7.1.

use std::time::{Duration, Instant};

use bytes::Bytes;
use sip::transaction::invite_server::{InviteServer, Output};
use sip::transaction::{Timers, invite_server::Output::*};

use super::bench::Bench;

const UDP: bool = false;
const TCP: bool = true;

fn new(reliable: bool) -> Bench<InviteServer> {
    let mut bench = Bench::new(|now| InviteServer::new(now, &Timers::default(), reliable));
    bench.expect([]);
    bench
}

/// The bytes that stand for a response in these tests.
fn response(code: u16) -> Bytes {
    Bytes::from(code.to_string())
}

fn send(code: u16) -> Output {
    Send(response(code))
}

fn respond(code: u16) -> impl FnOnce(&mut InviteServer, Instant) {
    move |machine, now| machine.respond(now, code, response(code))
}

fn invite(machine: &mut InviteServer, now: Instant) {
    machine.handle_request_again(now);
}

fn ack(machine: &mut InviteServer, now: Instant) {
    machine.handle_ack(now);
}

fn completed(reliable: bool) -> Bench<InviteServer> {
    let mut bench = new(reliable);
    bench.run_to(1_000).input(respond(486)).expect([(1_000, send(486))]);
    bench
}

fn confirmed() -> Bench<InviteServer> {
    let mut bench = completed(UDP);
    bench.run_to(1_100).input(ack).expect([]);
    bench
}

fn accepted(reliable: bool) -> Bench<InviteServer> {
    let mut bench = new(reliable);
    bench.run_to(1_000).input(respond(200)).expect([(1_000, send(200))]);
    bench
}

#[test]
fn proceeding_invite_before_any_response_is_silent() {
    new(UDP).input(invite).expect([]).expect_deadline(None);
}

#[test]
fn proceeding_invite_repeats_the_latest_provisional() {
    let mut bench = new(UDP);
    bench.input(respond(100)).run_to(500).input(invite).expect([(0, send(100)), (500, send(100))]);
    bench.run_to(600).input(respond(180)).run_to(1_500).input(invite).expect([(600, send(180)), (1_500, send(180))]);
    bench.input(respond(183)).input(invite).expect([(1_500, send(183)), (1_500, send(183))]);
}

#[test]
fn proceeding_waits_without_end() {
    let mut bench = new(UDP);
    bench.input(respond(180)).expect([(0, send(180))]).expect_deadline(None).run_to(600_000).expect([]);
}

#[test]
fn proceeding_1xx_from_tu() {
    for code in [100, 101, 180, 199] {
        new(UDP).input(respond(code)).expect([(0, send(code))]).expect_deadline(None);
    }
}

#[test]
fn proceeding_2xx_from_tu() {
    for reliable in [UDP, TCP] {
        new(reliable).run_to(70).input(respond(200)).expect([(70, send(200))]).expect_deadline(Some(32_070));
    }
}

#[test]
fn proceeding_300_to_699_from_tu() {
    for code in [300, 404, 503, 603, 699] {
        new(UDP).run_to(70).input(respond(code)).expect([(70, send(code))]).expect_deadline(Some(570));
        new(TCP).run_to(70).input(respond(code)).expect([(70, send(code))]).expect_deadline(Some(32_070));
    }
}

#[test]
fn proceeding_ack_is_ignored() {
    new(UDP).input(ack).expect([]).input(respond(200)).expect([(0, send(200))]);
}

#[test]
fn proceeding_transport_error_tells_and_stays() {
    let mut bench = new(UDP);
    bench.input(respond(180)).transport_error().expect([(0, send(180)), (0, TransportFailed)]);
    bench.run_to(500).input(invite).expect([(500, send(180))]);
}

#[test]
fn completed_timer_g_doubles_up_to_t2_until_timer_h() {
    completed(UDP).run_to(100_000).expect([
        (1_500, send(486)),
        (2_500, send(486)),
        (4_500, send(486)),
        (8_500, send(486)),
        (12_500, send(486)),
        (16_500, send(486)),
        (20_500, send(486)),
        (24_500, send(486)),
        (28_500, send(486)),
        (32_500, send(486)),
        (33_000, AckTimeout),
        (33_000, Terminated),
    ]);
}

#[test]
fn completed_timer_g_takes_t2_even_when_it_is_no_power_of_t1() {
    let timers = Timers { t1: Duration::from_millis(500), t2: Duration::from_millis(1_700), ..Timers::default() };
    let mut bench = Bench::new(|now| InviteServer::new(now, &timers, UDP));
    bench.input(respond(486)).run_to(5_000).expect([
        (0, send(486)),
        (500, send(486)),
        (1_500, send(486)),
        (3_200, send(486)),
        (4_900, send(486)),
    ]);
}

#[test]
fn completed_reliable_has_timer_h_and_no_timer_g() {
    completed(TCP).expect_deadline(Some(33_000)).run_to(100_000).expect([(33_000, AckTimeout), (33_000, Terminated)]);
}

#[test]
fn completed_one_resend_however_late_the_wakeup() {
    completed(UDP).oversleep_to(9_000).expect([(9_000, send(486))]).expect_deadline(Some(10_000));
}

#[test]
fn completed_timer_h_wins_over_an_equally_late_timer_g() {
    completed(UDP).oversleep_to(40_000).expect([(40_000, AckTimeout), (40_000, Terminated)]);
}

#[test]
fn completed_invite_repeats_the_response_and_leaves_timer_g_alone() {
    completed(UDP).run_to(1_200).input(invite).expect([(1_200, send(486))]).expect_deadline(Some(1_500));
    completed(TCP).run_to(1_200).input(invite).expect([(1_200, send(486))]).expect_deadline(Some(33_000));
}

#[test]
fn completed_ack_is_absorbed() {
    completed(UDP).run_to(1_100).input(ack).expect([]).expect_deadline(Some(6_100));
}

#[test]
fn completed_ack_reliable_has_zero_timer_i() {
    completed(TCP).run_to(1_100).input(ack).expect([(1_100, Terminated)]).expect_deadline(None);
}

#[test]
fn completed_ignores_further_responses_of_the_tu() {
    let mut bench = completed(UDP);
    bench.input(respond(180)).input(respond(200)).input(respond(603)).expect([]);
    bench.run_to(1_500).expect([(1_500, send(486))]);
}

#[test]
fn completed_transport_error_tells_and_stays() {
    completed(UDP).transport_error().expect([(1_000, TransportFailed)]).run_to(1_500).expect([(1_500, send(486))]);
}

#[test]
fn confirmed_timer_i() {
    confirmed().run_to(6_099).expect([]).run_to(60_000).expect([(6_100, Terminated)]).expect_deadline(None);
}

#[test]
fn confirmed_swallows_everything_else() {
    let mut bench = confirmed();
    bench.input(ack).input(invite).input(respond(180)).input(respond(200)).input(respond(486)).transport_error();
    bench.expect([]).expect_deadline(Some(6_100));
}

#[test]
fn accepted_invite_is_absorbed() {
    accepted(UDP).run_to(1_500).input(invite).expect([]).expect_deadline(Some(33_000));
}

#[test]
fn accepted_2xx_from_tu_is_sent_every_time() {
    let mut bench = accepted(UDP);
    bench.run_to(1_500).input(respond(200)).run_to(2_500).input(respond(200));
    bench.expect([(1_500, send(200)), (2_500, send(200))]).expect_deadline(Some(33_000));
}

#[test]
fn accepted_ack_goes_to_the_tu_every_time() {
    let mut bench = accepted(UDP);
    bench.run_to(1_100).input(ack).run_to(1_600).input(ack);
    bench.expect([(1_100, Acked), (1_600, Acked)]).expect_deadline(Some(33_000));
}

#[test]
fn accepted_ignores_1xx_and_refusals_of_the_tu() {
    accepted(UDP).input(respond(180)).input(respond(486)).expect([]).expect_deadline(Some(33_000));
}

#[test]
fn accepted_transport_error_tells_and_stays() {
    accepted(UDP).transport_error().expect([(1_000, TransportFailed)]).expect_deadline(Some(33_000));
}

#[test]
fn accepted_timer_l_on_every_transport() {
    for reliable in [UDP, TCP] {
        accepted(reliable).run_to(32_999).expect([]).run_to(90_000).expect([(33_000, Terminated)]);
    }
}

#[test]
fn terminated_is_deaf() {
    let mut bench = accepted(UDP);
    bench.run_to(33_000).expect([(33_000, Terminated)]);
    bench.input(ack).input(invite).input(respond(180)).input(respond(200)).input(respond(486)).transport_error();
    bench.run_to(100_000).expect([]).expect_deadline(None);
}
