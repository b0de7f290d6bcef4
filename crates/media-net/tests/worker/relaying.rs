//! Packets through the relay.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use media::{Command, Fact, Leg, Plan, SessionId};

use crate::bench::{Bench, ONE, PATIENCE, Phone, TWO, leg_plan, packet};

const NO_REST: Duration = Duration::ZERO;

#[test]
fn two_phones_hear_each_other_from_the_ports_they_were_told() {
    let bench = Bench::new(4, NO_REST);
    let call = bench.call(ONE);
    for sequence in 0..10 {
        call.caller.say(sequence, 11);
        call.callee.say(sequence, 22);
        assert_eq!(call.callee.hear(), [11; 160]);
        assert_eq!(call.caller.hear(), [22; 160]);
    }
    let stats = bench.close(ONE);
    assert_eq!(stats.len(), 2);
    for leg in stats {
        assert_eq!((leg.received.packets, leg.sent.packets, leg.received.lost), (10, 10, 0));
    }
    let counters = bench.worker.counters();
    assert_eq!((counters.received, counters.sent, counters.send_errors), (20, 20, 0));
}

#[test]
fn the_first_packet_of_a_leg_is_told_with_its_source() {
    let bench = Bench::new(4, NO_REST);
    let call = bench.call(ONE);
    call.caller.say(1, 11);
    let (leg, from) = bench.await_fact(|fact| match fact {
        Fact::Connected { session: ONE, leg, from } => Some((leg, from)),
        _ => None,
    });
    assert_eq!((leg, from), (Leg::CALLER, call.caller.address()));
}

#[test]
fn a_stranger_is_neither_heard_nor_told() {
    let bench = Bench::new(4, NO_REST);
    let call = bench.call(ONE);
    call.callee.say(1, 22);
    assert_eq!(call.caller.hear(), [22; 160]);
    let stranger = Phone::new("127.0.0.9", call.caller.leg);
    stranger.say(1, 99);
    call.callee.hears_nothing();
    stranger.hears_nothing();
    call.caller.say(1, 11);
    assert_eq!(call.callee.hear(), [11; 160]);
    assert_eq!(bench.close(ONE)[0].dropped_strangers, 1);
}

#[test]
fn a_phone_that_names_our_own_port_does_not_make_a_packet_go_round() {
    let bench = Bench::new(4, NO_REST);
    let local = bench.open(ONE, &["127.0.0.1", "127.0.0.1"]).unwrap();
    // Each leg's peer claims to be the other leg's port: without a check one packet would circle for ever.
    let legs = vec![leg_plan(local[1]), leg_plan(local[0])];
    bench.send(Command::Apply { session: ONE, plan: Plan { legs } });
    bench.settle();
    let first = Phone::new("127.0.0.1", local[0]);
    first.say(1, 11);
    first.say(2, 11);
    bench.wait_for(|counters| counters.received >= 2);
    bench.settle();
    let counters = bench.worker.counters();
    assert_eq!((counters.received, counters.sent), (2, 0));
}

#[test]
fn reports_go_through_the_second_port() {
    let bench = Bench::new(4, NO_REST);
    let local = bench.open(ONE, &["127.0.0.1", "127.0.0.1"]).unwrap();
    let phones = local.iter().map(|leg| Phone::new("127.0.0.1", *leg)).collect::<Vec<_>>();
    // Whatever port is next to the phone's RTP port here, the plan names it; it may be somebody else's,
    // so only what the worker counts is looked at.
    bench.apply(ONE, &[&phones[0], &phones[1]]);
    let report = [0x80, 201, 0, 1, 1, 2, 3, 4];
    let rtcp = UdpSocket::bind("127.0.0.1:0").unwrap();
    rtcp.send_to(&report, SocketAddr::new(local[0].ip(), local[0].port() + 1)).unwrap();
    bench.wait_for(|counters| counters.received == 1);
    assert_eq!(bench.close(ONE)[0].rtcp_in, 1);
}

#[test]
fn ipv6_legs_and_mixed_calls_work() {
    let bench = Bench::new(4, NO_REST);
    let local = bench.open(ONE, &["::1", "127.0.0.1"]).unwrap();
    assert!(local[0].is_ipv6() && local[1].is_ipv4());
    let (six, four) = (Phone::new("::1", local[0]), Phone::new("127.0.0.1", local[1]));
    bench.apply(ONE, &[&six, &four]);
    six.say(1, 66);
    assert_eq!(four.hear(), [66; 160]);
    four.say(1, 44);
    assert_eq!(six.hear(), [44; 160]);
}

#[test]
fn noise_of_every_size_stops_nothing() {
    let bench = Bench::new(4, NO_REST);
    let call = bench.call(ONE);
    let mut sent = 0;
    for size in [0, 1, 11, 12, 13, 171, 1_472, 2_048, 2_049, 9_000, 65_507] {
        for first in [0x00, 0x80, 0xff] {
            let rtcp = SocketAddr::new(call.caller.leg.ip(), call.caller.leg.port() + 1);
            for port in [call.caller.leg, rtcp] {
                call.caller.rtp.send_to(&vec![first; size], port).unwrap();
            }
            sent += 2;
            // One by one: the largest would not fit into the kernel's buffer together.
            bench.wait_for(|counters| counters.received == sent);
        }
    }
    call.callee.say(1, 22);
    assert_eq!(call.caller.hear(), [22; 160]);
}

#[test]
fn a_peer_that_is_gone_disturbs_neither_side() {
    let bench = Bench::new(4, NO_REST);
    let call = bench.call(ONE);
    let callee = call.callee;
    let leg = callee.leg;
    drop(callee.rtp);
    for sequence in 0..20 {
        call.caller.say(sequence, 11);
    }
    bench.wait_for(|counters| counters.received == 20);
    let again = Phone::new("127.0.0.1", leg);
    bench.apply(ONE, &[&call.caller, &again]);
    call.caller.say(20, 12);
    assert_eq!(again.hear(), [12; 160]);
}

#[test]
fn a_panic_ends_its_session_and_no_other() {
    // The listener stands for any fault of ours on the way of one session's packet.
    let bench = Bench::listening(8, NO_REST, |fact| {
        assert!(!matches!(fact, Fact::Connected { session: ONE, .. }), "on purpose");
    });
    let (broken, sound) = (bench.call(ONE), bench.call(TWO));
    broken.caller.say(1, 11);
    bench.await_fact(|fact| matches!(fact, Fact::Closed { session: ONE, .. }).then_some(()));
    sound.caller.say(1, 33);
    assert_eq!(sound.callee.hear(), [33; 160]);
    let counters = bench.worker.counters();
    assert_eq!((counters.panics, counters.sessions), (1, 1));
    bench.close(TWO);
    bench.wait_for(|counters| counters.free_ports == counters.total_ports);
}

#[test]
fn a_hundred_calls_at_once_lose_nothing() {
    let bench = Bench::new(200, NO_REST);
    let calls: Vec<_> = (0..100).map(|number| bench.call(SessionId(number))).collect();
    for sequence in 0..20 {
        for call in &calls {
            call.caller.say(sequence, 11);
            call.callee.say(sequence, 22);
        }
        for call in &calls {
            assert_eq!(call.callee.hear(), [11; 160]);
            assert_eq!(call.caller.hear(), [22; 160]);
        }
    }
    for number in 0..100 {
        bench.close(SessionId(number));
    }
    bench.wait_for(|counters| counters.free_ports == 200 && counters.sessions == 0 && counters.resting == 0);
}

#[test]
fn commands_for_nobody_are_forgotten() {
    let bench = Bench::new(4, NO_REST);
    let session = SessionId(77);
    let leg = Leg::CALLER;
    bench.send(Command::Close { session });
    bench.send(Command::Stop { session, leg });
    bench.send(Command::Echo { session, leg });
    let call = bench.call(ONE);
    for leg in [Leg(2), Leg(255)] {
        bench.send(Command::Stop { session: ONE, leg });
        bench.send(Command::Echo { session: ONE, leg });
    }
    call.caller.say(1, 11);
    assert_eq!(call.callee.hear(), [11; 160]);
    assert_eq!(bench.worker.counters().panics, 0);
}

#[test]
fn silence_of_a_leg_is_told() {
    let bench = Bench::silent_after(4, Duration::from_millis(200));
    let call = bench.call(ONE);
    call.caller.say(1, 11);
    let before = Instant::now();
    let leg = bench.await_fact(|fact| match fact {
        Fact::Silent { session: ONE, leg, .. } => Some(leg),
        _ => None,
    });
    assert!(before.elapsed() < PATIENCE && leg.0 < 2);
}

#[test]
fn shutdown_is_quick_and_frees_the_ports() {
    let bench = Bench::new(4, Duration::from_secs(60));
    let call = bench.call(ONE);
    let before = Instant::now();
    bench.worker.shutdown();
    bench.worker.shutdown();
    assert!(before.elapsed() < Duration::from_millis(200));
    UdpSocket::bind(call.caller.leg).expect("the port is free again");
    // A late command is not an error.
    bench.send(Command::Close { session: ONE });
    let _ = call.caller.rtp.send_to(&packet(1, 1), call.caller.leg);
}
