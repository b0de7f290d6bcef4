//! What is counted, against numbers reckoned by hand.

use super::*;

#[test]
fn packets_bytes_and_loss() {
    let mut bench = Bench::up();
    assert_eq!(Session::new(SessionId(1), 2, 1, SILENCE).stats()[0].codec, "");
    for sequence in [65_533, 65_534, 0, 1, 3, 2, 3] {
        bench.audio(A, sequence).expect("relayed");
    }
    let stats = bench.session.stats();
    let (a, b) = (&stats[0], &stats[1]);
    assert_eq!((a.codec, a.received.packets, a.received.bytes), ("PCMU", 7, 7 * 172));
    // 65533..=3 are seven numbers; 65535 never came, 3 came twice: RFC 3550 sets copies against losses.
    assert_eq!((a.received.expected, a.received.lost, a.received.late), (7, 0, 2));
    assert_eq!((b.sent.packets, b.sent.bytes, b.received.packets), (7, 7 * 172, 0));
    bench.audio(A, 10).expect("relayed");
    let a = &bench.session.stats()[0];
    assert_eq!((a.received.expected, a.received.lost), (14, 6));
}

#[test]
fn a_restart_is_no_loss() {
    let mut bench = Bench::up();
    for sequence in [100, 101, 102, 40_000, 40_001, 40_002] {
        bench.audio(A, sequence).expect("relayed");
    }
    let a = &bench.session.stats()[0];
    assert_eq!((a.received.packets, a.received.expected, a.received.lost), (6, 6, 0));
    bench.rtp(A, phone_a(), &packet(0, 9, 9, 0xcccc, &[0; 160])).expect("relayed");
    bench.rtp(A, phone_a(), &packet(0, 11, 9, 0xcccc, &[0; 160])).expect("relayed");
    let a = &bench.session.stats()[0];
    assert_eq!((a.received.packets, a.received.expected, a.received.lost), (8, 9, 1));
}

#[test]
fn one_packet_from_nowhere_is_no_loss() {
    let mut bench = Bench::up();
    for sequence in [100, 101, 30_000, 102, 103] {
        bench.audio(A, sequence).expect("relayed");
    }
    let a = &bench.session.stats()[0];
    assert_eq!((a.received.expected, a.received.lost), (4, 0));
}

#[test]
fn jitter_follows_the_formula() {
    let mut bench = Bench::up();
    for sequence in 0..200 {
        bench.audio(A, sequence).expect("relayed");
        bench.pass(FRAME);
    }
    assert_eq!(bench.session.stats()[0].received.jitter_us, 0, "an even stream");
    // Alternately 15 and 25 ms apart: each difference is 5 ms, to which the estimate converges.
    for sequence in 200..600u16 {
        bench.audio(A, sequence).expect("relayed");
        bench.pass(Duration::from_millis(if sequence % 2 == 0 { 15 } else { 25 }));
    }
    let jitter = bench.session.stats()[0].received.jitter_us;
    assert!((4_700..=5_100).contains(&jitter), "{jitter}");
    // Ten seconds on hold with a stopped clock are no jitter.
    bench.pass(Duration::from_secs(10));
    bench.audio(A, 600).expect("relayed");
    assert!(bench.session.stats()[0].received.jitter_us <= jitter);
}
