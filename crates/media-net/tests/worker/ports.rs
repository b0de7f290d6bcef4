//! Who gets which port, and when.

use std::time::{Duration, Instant};

use crate::bench::{Bench, ONE, Phone, TWO, packet};

const REST: Duration = Duration::from_millis(300);

#[test]
fn a_leg_gets_an_even_port_of_the_range_on_the_address_that_faces_its_peer() {
    let bench = Bench::new(4, REST);
    let legs = bench.open(ONE, &["127.0.0.2", "127.0.0.3"]).unwrap();
    assert_eq!([legs[0].ip().to_string(), legs[1].ip().to_string()], ["127.0.0.2", "127.0.0.3"]);
    for leg in legs {
        assert!(leg.port() % 2 == 0 && bench.range.contains(&leg.port()), "{leg}");
    }
}

#[test]
fn no_free_port_is_a_fact_and_costs_nothing() {
    let bench = Bench::new(3, Duration::ZERO);
    bench.open(ONE, &["127.0.0.1", "127.0.0.1"]).unwrap();
    // One pair is left: the first leg would get it, and must give it back.
    for _ in 0..3 {
        assert_eq!(bench.open(TWO, &["127.0.0.1", "127.0.0.1"]), Err("no media port is free"));
    }
    let counters = bench.worker.counters();
    assert_eq!((counters.free_ports, counters.sessions), (1, 1));
    bench.open(TWO, &["127.0.0.1"]).unwrap();
    bench.close(ONE);
    bench.close(TWO);
    bench.wait_for(|counters| counters.free_ports == 3);
}

#[test]
fn what_cannot_be_opened_is_told_and_disturbs_nobody() {
    let bench = Bench::new(4, Duration::ZERO);
    let call = bench.call(ONE);
    assert!(bench.open(ONE, &["127.0.0.1"]).is_err(), "twice the same name");
    assert!(bench.open(TWO, &[]).is_err(), "no leg");
    assert!(bench.open(TWO, &["127.0.0.1"; 3]).is_err(), "too many legs");
    assert_eq!(bench.open(TWO, &["127.0.0.1", "203.0.113.7"]), Err("the media address is not of this machine"));
    call.caller.say(1, 11);
    assert_eq!(call.callee.hear(), [11; 160]);
    assert_eq!(bench.worker.counters().free_ports, 2);
}

#[test]
fn ports_rest_after_a_call() {
    let bench = Bench::new(2, REST);
    bench.call(ONE);
    bench.close(ONE);
    let closed = Instant::now();
    assert_eq!((bench.worker.counters().resting, bench.worker.counters().sessions), (1, 0));
    assert!(bench.open(TWO, &["127.0.0.1", "127.0.0.1"]).is_err());
    bench.wait_for(|counters| counters.free_ports == 2);
    assert!(closed.elapsed() >= REST - Duration::from_millis(5));
    bench.open(TWO, &["127.0.0.1", "127.0.0.1"]).unwrap();
}

#[test]
fn a_phone_that_goes_on_sending_keeps_its_port_from_others() {
    let bench = Bench::new(2, REST);
    let call = bench.call(ONE);
    bench.close(ONE);
    for sequence in 0..10 {
        call.caller.say(sequence, 11);
        std::thread::sleep(REST / 4);
    }
    assert_eq!(bench.worker.counters().free_ports, 0);
    call.callee.hears_nothing();
    let last = Instant::now();
    bench.wait_for(|counters| counters.free_ports == 2);
    assert!(last.elapsed() >= REST / 2);
    assert_eq!(bench.worker.counters().drained, 10);
}

#[test]
fn a_stranger_cannot_keep_a_port() {
    let bench = Bench::new(2, REST);
    let call = bench.call(ONE);
    bench.close(ONE);
    let stranger = Phone::new("127.0.0.9", call.caller.leg);
    let closed = Instant::now();
    while bench.worker.counters().free_ports < 2 {
        assert!(closed.elapsed() < REST * 4, "{:?}", bench.worker.counters());
        // The port may be closed by now.
        let _ = stranger.rtp.send_to(&packet(1, 99), call.caller.leg);
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn what_was_sent_to_the_former_call_is_not_heard_in_the_next() {
    let bench = Bench::new(2, REST);
    let former = bench.call(ONE);
    bench.close(ONE);
    for sequence in 0..50 {
        former.caller.say(sequence, 99);
    }
    bench.wait_for(|counters| counters.free_ports == 2);
    let next = bench.call(TWO);
    next.callee.hears_nothing();
    next.caller.say(1, 11);
    assert_eq!(next.callee.hear(), [11; 160]);
}
