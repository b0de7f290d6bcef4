//! Packets from one phone to the other.

use media::{DropReason, g711};

use super::*;

#[test]
fn audio_goes_on_as_a_stream_of_our_own() {
    let mut bench = Bench::up();
    let first = bench.audio(A, 65_534).expect("relayed");
    assert_eq!((first.leg, first.channel, first.to), (B, Channel::Rtp, phone_b()));
    assert_eq!(first.payload(), [0x11; 160]);
    let begin = first.header();
    assert_ne!(begin.ssrc, 0xaaaa, "the source is ours");
    for step in 1..=3u16 {
        bench.pass(FRAME);
        let next = bench.audio(A, 65_534u16.wrapping_add(step)).expect("relayed").header();
        assert_eq!(next.ssrc, begin.ssrc);
        assert_eq!(next.sequence, begin.sequence.wrapping_add(step));
    }
    let back = bench.audio(B, 9).expect("relayed");
    assert_eq!((back.leg, back.to), (A, phone_a()));
    assert_ne!(back.header().ssrc, begin.ssrc);
}

#[test]
fn loss_and_disorder_stay_visible() {
    let mut bench = Bench::up();
    let base = bench.audio(A, 100).expect("relayed").header();
    for sequence in [101, 105, 103, 103, 106] {
        let header = bench.audio(A, sequence).expect("relayed").header();
        let ahead = sequence - 100;
        assert_eq!(header.sequence, base.sequence.wrapping_add(ahead));
        assert_eq!(header.timestamp, base.timestamp.wrapping_add(160 * u32::from(ahead)));
    }
}

#[test]
fn marker_extension_and_padding_survive() {
    let mut bench = Bench::up();
    let mut bytes = packet(0, 1, 160, 1, &[]);
    bytes[0] = 0xb0;
    bytes[1] |= 0x80;
    bytes.extend([0xbe, 0xde, 0, 1, 0x10, 7, 0, 0, 0x55, 0x66, 0, 0, 3]);
    let sent = bench.rtp(A, phone_a(), &bytes).expect("relayed");
    assert!(sent.header().marker);
    assert_eq!(sent.payload(), [0x55, 0x66]);
    assert_eq!(sent.bytes[12..], bytes[12..]);
}

#[test]
fn a_change_of_source_goes_on_where_the_last_one_stopped() {
    let mut bench = Bench::up();
    bench.audio(A, 10).expect("relayed");
    let last = bench.audio(A, 11).expect("relayed").header();
    bench.pass(Duration::from_millis(100));
    let next = bench.rtp(A, phone_a(), &packet(0, 40_000, 7, 0xcccc, &[1; 160])).expect("relayed").header();
    assert_eq!(next.ssrc, last.ssrc);
    assert_eq!(next.sequence, last.sequence.wrapping_add(1));
    assert_eq!(next.timestamp, last.timestamp.wrapping_add(800), "100 ms passed");
    let after = bench.rtp(A, phone_a(), &packet(0, 40_001, 167, 0xcccc, &[1; 160])).expect("relayed").header();
    assert_eq!(after.sequence, last.sequence.wrapping_add(2));
    assert_eq!(after.timestamp, next.timestamp.wrapping_add(160));
}

#[test]
fn a_jump_is_carried_over_and_later_sources_follow_it() {
    let mut bench = Bench::up();
    let base = bench.audio(A, 100).expect("relayed").header();
    // One packet from nowhere moves nothing ...
    bench.audio(A, 30_000).expect("relayed");
    let next = bench.rtp(A, phone_a(), &packet(0, 1, 0, 0xcccc, &[])).expect("relayed").header();
    assert_eq!(next.sequence, base.sequence.wrapping_add(1));
    // ... two in a row are where the stream is now.
    bench.rtp(A, phone_a(), &packet(0, 20_001, 0, 0xcccc, &[])).expect("relayed");
    let jumped = bench.rtp(A, phone_a(), &packet(0, 20_002, 160, 0xcccc, &[])).expect("relayed").header();
    assert_eq!(jumped.sequence, next.sequence.wrapping_add(20_001));
    let after = bench.audio(A, 7).expect("relayed").header();
    assert_eq!(after.sequence, jumped.sequence.wrapping_add(1));
}

#[test]
fn the_two_laws_are_turned_into_each_other() {
    let mut bench = Bench::of(plan(Codec::Pcmu, Codec::Pcma));
    let codes: Vec<u8> = (0..=255).collect();
    let sent = bench.rtp(A, phone_a(), &packet(0, 1, 160, 1, &codes)).expect("relayed");
    let mut expected = codes.clone();
    g711::pcmu_to_pcma(&mut expected);
    assert_eq!((sent.header().payload_type, sent.payload()), (8, &expected[..]));
    let sent = bench.rtp(B, phone_b(), &packet(8, 1, 160, 1, &codes)).expect("relayed");
    let mut expected = codes.clone();
    g711::pcma_to_pcmu(&mut expected);
    assert_eq!((sent.header().payload_type, sent.payload()), (0, &expected[..]));
    // A phone that sends the other law it had answered is passed without work.
    let sent = bench.rtp(B, phone_b(), &packet(0, 2, 320, 1, &codes)).expect("relayed");
    assert_eq!((sent.header().payload_type, sent.payload()), (0, &codes[..]));
}

#[test]
fn other_codecs_pass_untouched_and_never_mix() {
    let mut bench = Bench::of(plan(Codec::Other, Codec::Other));
    let sent = bench.rtp(A, phone_a(), &packet(18, 1, 160, 1, &[1, 2, 3])).expect("relayed");
    assert_eq!((sent.header().payload_type, sent.payload()), (18, &[1, 2, 3][..]));
    let mut bench = Bench::of(plan(Codec::Other, Codec::Pcmu));
    let verdict = bench.rtp(A, phone_a(), &packet(18, 1, 160, 1, &[1, 2, 3]));
    assert_eq!(verdict, Err(Verdict::Drop(DropReason::PayloadType)));
}

#[test]
fn a_held_leg_hears_nothing_and_one_that_may_not_send_is_not_heard() {
    let mut held = plan(Codec::Pcmu, Codec::Pcmu);
    held.legs[0].send = false;
    held.legs[1].receive = false;
    let mut bench = Bench::of(held);
    assert_eq!(bench.audio(B, 1), Err(Verdict::Drop(DropReason::Direction)));
    bench.audio(A, 1).expect("the holding side may play music");
    let mut one_way = plan(Codec::Pcmu, Codec::Pcmu);
    one_way.legs[0].send = false;
    let mut bench = Bench::of(one_way);
    assert_eq!(bench.audio(B, 1), Err(Verdict::Drop(DropReason::Direction)));
    assert_eq!(bench.session.stats()[1].received.packets, 1, "it was counted all the same");
}

#[test]
fn nothing_passes_before_a_plan_or_without_an_address() {
    let mut bench = Bench::with(2);
    assert_eq!(bench.audio(A, 1), Err(Verdict::Drop(DropReason::NoPlan)));
    assert_eq!(bench.rtp(Leg(9), phone_a(), &[]), Err(Verdict::Drop(DropReason::NoLeg)));
    bench.apply(Plan { legs: vec![leg_plan(phone_a(), Codec::Pcmu, 101)] });
    assert_eq!(bench.audio(A, 1), Err(Verdict::Drop(DropReason::NoDestination)));
    let mut plan = plan(Codec::Pcmu, Codec::Pcmu);
    plan.legs[1].remote_rtp = None;
    bench.apply(plan);
    assert_eq!(bench.audio(A, 2), Err(Verdict::Drop(DropReason::NoDestination)));
}

#[test]
fn echo_gives_a_leg_its_own_voice() {
    let mut bench = Bench::of(Plan { legs: vec![leg_plan(phone_a(), Codec::Pcmu, 101)] });
    assert_eq!(bench.audio(A, 1), Err(Verdict::Consume));
    bench.session.echo(bench.now, A);
    let first = bench.audio(A, 2).expect("echoed");
    assert_eq!((first.leg, first.to, first.payload()), (A, phone_a(), &[0x11; 160][..]));
    let second = bench.audio(A, 3).expect("echoed");
    assert_eq!(second.header().sequence, first.header().sequence.wrapping_add(1));
    bench.session.stop(bench.now, A);
    assert_eq!(bench.audio(A, 4), Err(Verdict::Consume));
}

#[test]
fn a_leg_that_echoes_does_not_hear_the_other() {
    let mut bench = Bench::up();
    bench.session.echo(bench.now, A);
    assert_eq!(bench.audio(A, 1).expect("echoed").leg, A);
    assert_eq!(bench.audio(B, 1), Err(Verdict::Consume));
    bench.session.stop(bench.now, A);
    assert_eq!(bench.audio(B, 2).expect("relayed").leg, A);
}

#[test]
fn the_same_seed_gives_the_same_stream_and_another_does_not() {
    let header = |seed| {
        let mut session = Session::new(SessionId(1), 2, seed, SILENCE);
        let now = beginning();
        session.apply(now, plan(Codec::Pcmu, Codec::Pcmu));
        let mut bytes = packet(0, 1, 1, 1, &[0; 160]);
        let len = bytes.len();
        session.receive(now, A, Channel::Rtp, phone_a(), &mut bytes, len);
        Header::parse(&bytes)
    };
    assert_eq!(header(1), header(1));
    assert_ne!(header(1), header(2));
}
