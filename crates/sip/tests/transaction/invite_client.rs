//! RFC 3261 figure 5 and RFC 6026 §7.2.

use std::time::{Duration, Instant};

use bytes::Bytes;
use sip::transaction::invite_client::{InviteClient, Output};
use sip::transaction::{Timers, invite_client::Output::*};

use super::bench::Bench;

const UDP: bool = false;
const TCP: bool = true;

fn invite() -> Output {
    Send(Bytes::from_static(b"INVITE"))
}

fn ack() -> Output {
    Send(Bytes::from_static(b"ACK 1"))
}

fn calling(reliable: bool) -> Bench<InviteClient> {
    let make = |now| InviteClient::new(now, &Timers::default(), Bytes::from_static(b"INVITE"), reliable);
    let mut bench = Bench::new(make);
    bench.expect([(0, invite())]);
    bench
}

fn respond(code: u16) -> impl FnOnce(&mut InviteClient, Instant) {
    move |machine, now| machine.handle_response(now, code, || Bytes::from_static(b"ACK 1"))
}

/// A response whose ACK must not be rendered.
fn respond_without_ack(code: u16) -> impl FnOnce(&mut InviteClient, Instant) {
    move |machine, now| machine.handle_response(now, code, || panic!("no ACK is wanted here"))
}

fn proceeding(reliable: bool) -> Bench<InviteClient> {
    let mut bench = calling(reliable);
    bench.run_to(100).input(respond_without_ack(180)).expect([(100, Deliver)]);
    bench
}

fn completed() -> Bench<InviteClient> {
    let mut bench = calling(UDP);
    bench.run_to(100).input(respond(486)).expect([(100, ack()), (100, Deliver)]);
    bench
}

fn accepted(reliable: bool) -> Bench<InviteClient> {
    let mut bench = calling(reliable);
    bench.run_to(100).input(respond_without_ack(200)).expect([(100, Deliver)]);
    bench
}

#[test]
fn calling_timer_a_doubles_without_cap_until_timer_b() {
    calling(UDP).expect_deadline(Some(500)).run_to(100_000).expect([
        (500, invite()),
        (1_500, invite()),
        (3_500, invite()),
        (7_500, invite()),
        (15_500, invite()),
        (31_500, invite()),
        (32_000, Timeout),
        (32_000, Terminated),
    ]);
}

#[test]
fn calling_timer_a_and_b_scale_with_t1() {
    let timers = Timers { t1: Duration::from_millis(100), t2: Duration::from_millis(200), ..Timers::default() };
    Bench::new(|now| InviteClient::new(now, &timers, Bytes::from_static(b"INVITE"), UDP)).run_to(10_000).expect([
        (0, invite()),
        (100, invite()),
        (300, invite()),
        (700, invite()),
        (1_500, invite()),
        (3_100, invite()),
        (6_300, invite()),
        (6_400, Timeout),
        (6_400, Terminated),
    ]);
}

#[test]
fn calling_reliable_has_no_timer_a() {
    calling(TCP).expect_deadline(Some(32_000)).run_to(100_000).expect([(32_000, Timeout), (32_000, Terminated)]);
}

#[test]
fn calling_one_resend_however_late_the_wakeup() {
    calling(UDP).oversleep_to(4_000).expect([(4_000, invite())]).expect_deadline(Some(5_000));
}

#[test]
fn calling_timer_b_wins_over_an_equally_late_timer_a() {
    calling(UDP).oversleep_to(40_000).expect([(40_000, Timeout), (40_000, Terminated)]);
}

#[test]
fn calling_transport_error() {
    for reliable in [UDP, TCP] {
        calling(reliable)
            .run_to(20)
            .transport_error()
            .expect([(20, TransportFailed), (20, Terminated)])
            .expect_deadline(None);
    }
}

#[test]
fn calling_1xx_stops_timers_a_and_b() {
    for code in [100, 180, 183, 199] {
        calling(UDP)
            .run_to(600)
            .expect([(500, invite())])
            .input(respond_without_ack(code))
            .expect([(600, Deliver)])
            .expect_deadline(None)
            .run_to(300_000)
            .expect([]);
    }
}

#[test]
fn calling_2xx_is_delivered_and_not_acknowledged() {
    for code in [200, 202, 299] {
        calling(UDP)
            .run_to(600)
            .expect([(500, invite())])
            .input(respond_without_ack(code))
            .expect([(600, Deliver)])
            .expect_deadline(Some(32_600));
    }
}

#[test]
fn calling_300_to_699_is_acknowledged_and_delivered() {
    for code in [300, 302, 404, 486, 503, 603, 699] {
        calling(UDP)
            .run_to(600)
            .expect([(500, invite())])
            .input(respond(code))
            .expect([(600, ack()), (600, Deliver)])
            .expect_deadline(Some(32_600));
    }
}

#[test]
fn calling_300_to_699_reliable_has_zero_timer_d() {
    calling(TCP)
        .run_to(40)
        .input(respond(404))
        .expect([(40, ack()), (40, Deliver), (40, Terminated)])
        .expect_deadline(None);
}

#[test]
fn proceeding_1xx_is_delivered_every_time() {
    let mut bench = proceeding(UDP);
    bench.run_to(200).input(respond_without_ack(180)).run_to(300).input(respond_without_ack(183));
    bench.expect([(200, Deliver), (300, Deliver)]).expect_deadline(None);
}

#[test]
fn proceeding_waits_without_end() {
    for reliable in [UDP, TCP] {
        proceeding(reliable).expect_deadline(None).run_to(600_000).expect([]);
    }
}

#[test]
fn proceeding_2xx() {
    for reliable in [UDP, TCP] {
        proceeding(reliable)
            .run_to(9_000)
            .input(respond_without_ack(200))
            .expect([(9_000, Deliver)])
            .expect_deadline(Some(41_000));
    }
}

#[test]
fn proceeding_300_to_699() {
    proceeding(UDP)
        .run_to(9_000)
        .input(respond(487))
        .expect([(9_000, ack()), (9_000, Deliver)])
        .expect_deadline(Some(41_000));
}

#[test]
fn proceeding_300_to_699_reliable() {
    proceeding(TCP).input(respond(487)).expect([(100, ack()), (100, Deliver), (100, Terminated)]);
}

#[test]
fn proceeding_transport_error_is_not_ours() {
    proceeding(UDP).transport_error().expect([]).input(respond_without_ack(200)).expect([(100, Deliver)]);
}

#[test]
fn completed_repeated_refusal_repeats_the_same_ack_and_is_not_delivered() {
    let mut bench = completed();
    bench.run_to(600).input(respond_without_ack(486)).run_to(1_600).input(respond_without_ack(486));
    bench.expect([(600, ack()), (1_600, ack())]).expect_deadline(Some(32_100));
}

#[test]
fn completed_ignores_1xx_and_2xx() {
    let mut bench = completed();
    bench.input(respond_without_ack(180)).input(respond_without_ack(200)).expect([]).expect_deadline(Some(32_100));
}

#[test]
fn completed_timer_d() {
    completed().run_to(32_099).expect([]).run_to(40_000).expect([(32_100, Terminated)]).expect_deadline(None);
}

#[test]
fn completed_timer_d_is_never_under_32_seconds_and_outlasts_timer_h() {
    for (t1_ms, gone_at_ms) in [(50, 32_000), (500, 32_000), (1_000, 64_000)] {
        let timers = Timers { t1: Duration::from_millis(t1_ms), ..Timers::default() };
        Bench::new(|now| InviteClient::new(now, &timers, Bytes::from_static(b"INVITE"), UDP))
            .input(respond(500))
            .expect([(0, invite()), (0, ack()), (0, Deliver)])
            .run_to(100_000)
            .expect([(gone_at_ms, Terminated)]);
    }
}

#[test]
fn completed_transport_error() {
    completed().run_to(300).transport_error().expect([(300, TransportFailed), (300, Terminated)]).expect_deadline(None);
}

#[test]
fn accepted_2xx_is_delivered_every_time() {
    let mut bench = accepted(UDP);
    bench.run_to(600).input(respond_without_ack(200)).run_to(1_600).input(respond_without_ack(200));
    bench.expect([(600, Deliver), (1_600, Deliver)]).expect_deadline(Some(32_100));
}

#[test]
fn accepted_ignores_all_but_2xx() {
    let mut bench = accepted(UDP);
    bench.input(respond_without_ack(180)).input(respond_without_ack(486)).transport_error();
    bench.expect([]).expect_deadline(Some(32_100));
}

#[test]
fn accepted_timer_m_on_every_transport() {
    for reliable in [UDP, TCP] {
        accepted(reliable).run_to(32_099).expect([]).run_to(90_000).expect([(32_100, Terminated)]);
    }
}

#[test]
fn terminated_is_deaf() {
    let mut bench = calling(UDP);
    bench.transport_error().expect([(0, TransportFailed), (0, Terminated)]);
    for code in [100, 200, 404] {
        bench.input(respond_without_ack(code));
    }
    bench.transport_error().run_to(100_000).expect([]).expect_deadline(None);
}

fn closed(machine: &mut InviteClient, now: Instant) {
    machine.handle_closed(now);
}

#[test]
fn closed_ends_whatever_waits_for_an_answer() {
    for mut bench in [calling(TCP), proceeding(TCP), completed()] {
        bench.run_to(300).input(closed).expect([(300, TransportFailed), (300, Terminated)]).expect_deadline(None);
    }
}

#[test]
fn accepted_closed_is_ignored() {
    accepted(TCP).input(closed).expect([]).expect_deadline(Some(32_100));
}

#[test]
fn terminated_closed_is_ignored() {
    calling(TCP).transport_error().input(closed).expect([(0, TransportFailed), (0, Terminated)]);
}
