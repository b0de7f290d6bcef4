//! Media belongs to the caller it was promised to.

use media::DropReason;

use super::*;

fn stranger() -> SocketAddr {
    address("127.0.0.66:4000")
}

fn voice(sequence: u16) -> Vec<u8> {
    packet(0, sequence, u32::from(sequence) * 160, 0xaaaa, &[0x22; 160])
}

#[test]
fn a_stranger_is_never_heard_and_never_hears() {
    let mut bench = Bench::up();
    for sequence in 0..10 {
        assert_eq!(bench.rtp(A, stranger(), &voice(sequence)), Err(Verdict::Drop(DropReason::Stranger)));
        assert_eq!(bench.audio(B, sequence).expect("relayed").to, phone_a());
    }
    let stats = bench.session.stats();
    assert_eq!((stats[0].dropped_strangers, stats[0].received.packets), (10, 0));
    assert!(bench.facts().iter().all(|fact| !matches!(fact, Fact::Connected { leg: A, .. })));
    // Long silence of the phone changes nothing for a stranger.
    bench.audio(A, 1).expect("relayed");
    bench.pass(Duration::from_secs(20));
    assert_eq!(bench.rtp(A, stranger(), &voice(2)), Err(Verdict::Drop(DropReason::Stranger)));
    assert_eq!(bench.on(A, Channel::Rtcp, stranger(), &voice(2)), Err(Verdict::Drop(DropReason::Stranger)));
}

#[test]
fn the_first_allowed_source_is_believed_and_sent_to() {
    let mut bench = Bench::up();
    let behind_nat = address("127.0.0.10:61234");
    bench.rtp(A, behind_nat, &voice(1)).expect("heard");
    assert_eq!(bench.audio(B, 1).expect("relayed").to, behind_nat);
    let session = SessionId(7);
    let expected =
        [Fact::Connected { session, leg: A, from: behind_nat }, Fact::Connected { session, leg: B, from: phone_b() }];
    assert_eq!(bench.facts(), expected);
}

#[test]
fn a_phone_may_come_from_where_it_signals() {
    let outside = address("127.0.0.99:7000");
    let mut plan = plan(Codec::Pcmu, Codec::Pcmu);
    plan.legs[0].sources.push(outside.ip());
    let mut bench = Bench::of(plan);
    assert_eq!(bench.audio(B, 1).expect("relayed").to, phone_a(), "before it is heard, the SDP counts");
    bench.rtp(A, outside, &voice(1)).expect("heard");
    assert_eq!(bench.audio(B, 2).expect("relayed").to, outside);
}

#[test]
fn another_port_waits_for_two_seconds_of_silence() {
    let mut bench = Bench::up();
    bench.rtp(A, phone_a(), &voice(1)).expect("heard");
    let other = address("127.0.0.10:4444");
    bench.pass(Duration::from_millis(1_999));
    assert_eq!(bench.rtp(A, other, &voice(2)), Err(Verdict::Drop(DropReason::OtherSource)));
    bench.rtp(A, phone_a(), &voice(3)).expect("heard");
    bench.pass(Duration::from_millis(1_999));
    assert_eq!(bench.rtp(A, other, &voice(4)), Err(Verdict::Drop(DropReason::OtherSource)));
    assert_eq!(bench.audio(B, 1).expect("relayed").to, phone_a());
    bench.pass(Duration::from_millis(1));
    bench.rtp(A, other, &voice(5)).expect("heard");
    assert_eq!(bench.audio(B, 2).expect("relayed").to, other);
    assert_eq!(bench.rtp(A, phone_a(), &voice(6)), Err(Verdict::Drop(DropReason::OtherSource)));
    assert_eq!(bench.session.stats()[0].dropped, 3);
}

#[test]
fn what_is_no_good_packet_takes_no_place() {
    let mut bench = Bench::up();
    let other = address("127.0.0.10:4444");
    let mut stun = vec![0; 20];
    stun[1] = 1;
    assert_eq!(bench.rtp(A, other, &stun), Err(Verdict::Drop(DropReason::Malformed)));
    assert_eq!(bench.rtp(A, other, &packet(77, 1, 1, 1, &[0; 160])), Err(Verdict::Drop(DropReason::PayloadType)));
    assert_eq!(bench.audio(B, 1).expect("relayed").to, phone_a());
    bench.rtp(A, phone_a(), &voice(1)).expect("heard at once");
}

#[test]
fn a_phone_that_moves_by_its_description_is_followed_at_once() {
    let mut bench = Bench::up();
    bench.rtp(A, phone_a(), &voice(1)).expect("heard");
    let moved = address("127.0.0.10:4800");
    let mut plan = plan(Codec::Pcmu, Codec::Pcmu);
    plan.legs[0].remote_rtp = Some(moved);
    bench.apply(plan.clone());
    assert_eq!(bench.audio(B, 1).expect("relayed").to, moved);
    // Packets still on their way from the old port do not take the place of the new one.
    assert_eq!(bench.rtp(A, phone_a(), &voice(2)), Err(Verdict::Drop(DropReason::OtherSource)));
    bench.rtp(A, moved, &voice(3)).expect("heard");
    // The same plan again leaves everything as it is.
    bench.apply(plan);
    assert_eq!(bench.audio(B, 2).expect("relayed").to, moved);
    assert_eq!(bench.rtp(A, phone_a(), &voice(4)), Err(Verdict::Drop(DropReason::OtherSource)));
}

#[test]
fn a_phone_that_keeps_its_port_in_spite_of_its_description_is_heard_after_a_while() {
    let mut bench = Bench::up();
    bench.rtp(A, phone_a(), &voice(1)).expect("heard");
    let mut plan = plan(Codec::Pcmu, Codec::Pcmu);
    plan.legs[0].remote_rtp = Some(address("127.0.0.10:4800"));
    bench.apply(plan);
    bench.pass(Duration::from_secs(2));
    bench.rtp(A, phone_a(), &voice(2)).expect("heard");
}

#[test]
fn hold_without_an_address_forgets_nothing() {
    let behind_nat = address("127.0.0.10:61234");
    let mut bench = Bench::up();
    bench.rtp(A, behind_nat, &voice(1)).expect("heard");
    let mut held = plan(Codec::Pcmu, Codec::Pcmu);
    held.legs[0].remote_rtp = None;
    held.legs[0].send = false;
    held.legs[0].sources.clear();
    bench.apply(held);
    bench.rtp(A, behind_nat, &voice(2)).expect("music on hold");
    assert_eq!(bench.audio(B, 1), Err(Verdict::Drop(DropReason::Direction)));
    bench.apply(plan(Codec::Pcmu, Codec::Pcmu));
    assert_eq!(bench.audio(B, 2).expect("relayed").to, behind_nat);
}

#[test]
fn a_source_that_is_no_longer_allowed_loses_its_place() {
    let mut bench = Bench::up();
    bench.rtp(B, phone_b(), &packet(0, 1, 160, 1, &[0; 160])).expect("heard");
    let branch = address("127.0.0.30:6000");
    bench.apply(Plan { legs: vec![leg_plan(phone_a(), Codec::Pcmu, 101), leg_plan(branch, Codec::Pcmu, 96)] });
    assert_eq!(bench.audio(A, 1).expect("relayed").to, branch);
    assert_eq!(bench.audio(B, 2), Err(Verdict::Drop(DropReason::Stranger)));
    bench.rtp(B, branch, &packet(0, 1, 160, 1, &[0; 160])).expect("heard");
}

#[test]
fn addresses_of_a_socket_for_both_families_are_recognised() {
    let mut bench = Bench::up();
    let mapped = address("[::ffff:127.0.0.10]:4000");
    bench.rtp(A, mapped, &voice(1)).expect("heard");
    assert_eq!(bench.audio(B, 1).expect("relayed").to, mapped, "answered in the socket's own terms");
}
