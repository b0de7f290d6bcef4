//! Bytes that nobody should send: nothing panics, nothing grows, one bad packet changes no state.

use media::{Samples, rtcp};
use proptest::prelude::*;

use super::*;

/// Something like a packet: a good one with a few bytes changed and an end cut off, or mere noise.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let good = prop_oneof![
        (prop::sample::select(vec![0u8, 8, 18, 96, 101]), any::<u16>(), any::<u32>(), 0u32..4)
            .prop_map(|(kind, sequence, timestamp, ssrc)| packet(kind, sequence, timestamp, ssrc, &[5, 0x80, 0, 9, 1])),
        Just([&[0x81, 200, 0, 12][..], &[1; 48], &[0x80, 201, 0, 1, 0, 0, 0, 1]].concat()),
    ];
    let changed = (good, prop::collection::vec((0usize..60, any::<u8>()), 0..4), 0usize..80).prop_map(
        |(mut bytes, changes, cut)| {
            for (at, byte) in changes {
                if let Some(place) = bytes.get_mut(at) {
                    *place = byte;
                }
            }
            bytes.truncate(cut);
            bytes
        },
    );
    prop_oneof![3 => changed, 1 => prop::collection::vec(any::<u8>(), 0..2_500)]
}

fn codec() -> impl Strategy<Value = Codec> {
    prop::sample::select(vec![Codec::Pcmu, Codec::Pcma, Codec::Other])
}

proptest! {
    #[test]
    fn a_session_survives_everything(
        codecs in (codec(), codec()),
        inputs in prop::collection::vec((noise(), 0u8..3, any::<bool>(), 0u8..4, 0u64..3_000, 0u8..40), 1..60),
    ) {
        let mut bench = Bench::of(plan(codecs.0, codecs.1));
        for (bytes, leg, rtp, port, wait, action) in inputs {
            let channel = if rtp { Channel::Rtp } else { Channel::Rtcp };
            let mut from = if leg == 0 { phone_a() } else { phone_b() };
            from.set_port(from.port() + u16::from(port));
            let leg = Leg(leg);
            if let Ok(sent) = bench.on(leg, channel, from, &bytes) {
                prop_assert!(sent.bytes.len() <= bytes.len());
                match sent.channel {
                    Channel::Rtp => prop_assert!(Header::parse(&sent.bytes).is_some()),
                    Channel::Rtcp => prop_assert!(rtcp::is_compound(&sent.bytes)),
                }
            }
            match action {
                0 => bench.session.play(bench.now, leg, Samples::tone(u32::from(port) * 500, 100)),
                1 => bench.session.echo(bench.now, leg),
                2 => bench.session.stop(bench.now, leg),
                3 => bench.apply(plan(codecs.1, codecs.0)),
                _ => {}
            }
            bench.run_until(bench.now + Duration::from_millis(wait));
            let stats = bench.session.stats();
            prop_assert_eq!(stats.len(), 2);
        }
        let mut waiting = 0;
        while bench.session.poll_fact().is_some() {
            waiting += 1;
        }
        prop_assert!(waiting <= media::limits::FACTS);
    }

    #[test]
    fn a_dropped_packet_changes_nothing_but_its_counter(bytes in noise(), port in 0u16..3, rtp in any::<bool>()) {
        let mut tried = Bench::up();
        let mut clean = Bench::up();
        clean.now = tried.now;
        clean.apply(plan(Codec::Pcmu, Codec::Pcmu));
        tried.apply(plan(Codec::Pcmu, Codec::Pcmu));
        let from = SocketAddr::new(phone_a().ip(), phone_a().port() + port);
        let channel = if rtp { Channel::Rtp } else { Channel::Rtcp };
        if let Err(Verdict::Drop(_)) = tried.on(A, channel, from, &bytes) {
            let counted = |stats: Vec<media::LegStats>| stats.into_iter().map(|mut leg| {
                leg.dropped = 0;
                leg
            }).collect::<Vec<_>>();
            for sequence in 1..4 {
                prop_assert_eq!(tried.audio(A, sequence), clean.audio(A, sequence));
                prop_assert_eq!(tried.audio(B, sequence), clean.audio(B, sequence));
            }
            prop_assert_eq!(tried.facts(), clean.facts());
            prop_assert_eq!(counted(tried.session.stats()), counted(clean.session.stats()));
        }
    }

    #[test]
    fn headers_are_read_within_their_packet(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Some(header) = Header::parse(&bytes) {
            prop_assert!(header.payload.start <= header.payload.end && header.payload.end <= bytes.len());
        }
        let mut copy = bytes.clone();
        let mapping = rtcp::Mapping { ssrc: 1, sender: Some((2, 3)), subject: Some((4, 5, 6)) };
        let len = rtcp::rewrite(&mut copy, &mapping);
        prop_assert!(len <= bytes.len());
        rtcp::read(&bytes, |_| {});
    }
}

#[test]
fn a_length_beyond_the_buffer_is_malformed() {
    let mut bench = Bench::up();
    let verdict = bench.session.receive(bench.now, A, Channel::Rtp, phone_a(), &mut [0; 10], 11);
    assert_eq!(verdict, Verdict::Drop(media::DropReason::Malformed));
}

#[test]
fn facts_nobody_fetches_do_not_pile_up() {
    let mut bench = Bench::up();
    for step in 0..200u32 {
        let bytes = packet(101, step as u16, step * 100_000, 1, &[1, 0x80, 0, 80]);
        bench.rtp(A, phone_a(), &bytes).expect("relayed");
    }
    assert_eq!(bench.facts().len(), media::limits::FACTS);
}
