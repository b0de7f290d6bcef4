//! A probe with an echo, a deaf one and others, on a clock that only the tests move.

use std::collections::VecDeque;

use super::*;
use crate::quality::{Measured, mean_opinion_score};

#[expect(clippy::disallowed_methods, reason = "a test needs one first moment; all others are reckoned from it")]
fn beginning() -> Instant {
    Instant::now()
}

const CONFIG: ProbeConfig =
    ProbeConfig { codec: Codec::Pcmu, payload_type: 0, ssrc: 7, sequence: 65_530, timestamp: u32::MAX - 300 };

/// What stands at the other end: turns the n-th packet into what comes back, and when.
type Other<'a> = &'a mut dyn FnMut(usize, &[u8]) -> Option<(Duration, Vec<u8>)>;

fn run(other: Other) -> (Heard, Duration) {
    let start = beginning();
    let mut now = start;
    let mut probe = Probe::new(now, CONFIG).unwrap();
    let mut way: VecDeque<(Instant, Vec<u8>)> = VecDeque::new();
    let mut buffer = [0; PACKET_BYTES];
    let mut count = 0;
    while let Some(next) = probe.poll_timeout() {
        while way.front().is_some_and(|(at, _)| *at <= next) {
            let (at, packet) = way.pop_front().unwrap();
            probe.receive(at, &packet);
        }
        now = next;
        if let Some(len) = probe.poll_packet(now, &mut buffer) {
            way.extend(other(count, &buffer[..len]).map(|(after, packet)| (now + after, packet)));
            way.make_contiguous().sort_by_key(|(at, _)| *at);
            count += 1;
        }
    }
    assert!(probe.is_finished());
    (probe.heard(), now - start)
}

const WAY: Duration = Duration::from_millis(30);

#[test]
fn a_clean_echo_is_heard_as_it_was_spoken() {
    let (heard, took) = run(&mut |_, packet| Some((WAY, packet.to_vec())));
    assert!(heard.is_own_tone() && heard.purity > 0.9, "{heard:?}");
    assert!(heard.gain_db.unwrap().abs() < 0.1 && (heard.level_db.unwrap() + 13.3).abs() < 0.2, "{heard:?}");
    assert_eq!((heard.lost, heard.jitter, heard.round_trip), (0.0, Duration::ZERO, Some(WAY)));
    assert!(took >= TONE && took < TONE + Duration::from_secs(1), "{took:?}");
}

#[test]
fn a_beep_before_the_echo_is_waited_for() {
    let mut beep = Tone::new(1_000, Duration::from_millis(900));
    let mut encoder = Encoder::new(Codec::Pcmu, None).unwrap();
    let (heard, took) = run(&mut |_, packet| {
        let mut packet = packet.to_vec();
        let mut samples = [0; FRAME];
        if beep.fill(&mut samples) > 0 {
            encoder.encode(&samples, &mut packet[rtp::HEADER..]).unwrap();
        }
        Some((WAY, packet))
    });
    assert!(heard.is_own_tone(), "{heard:?}");
    assert_eq!((heard.lost, heard.round_trip), (0.0, Some(WAY)));
    assert!(took > TONE + Duration::from_millis(900), "{took:?}");
}

#[test]
fn what_is_lost_on_the_way_is_missed() {
    // The very first packet of the tone is among the lost ones.
    for lose in [0, 3] {
        let (heard, _) = run(&mut |n, packet| (n % 10 != lose).then(|| (WAY, packet.to_vec())));
        assert!(heard.is_own_tone(), "{heard:?}");
        assert!((heard.lost - 0.1).abs() < 0.01, "{heard:?}");
        assert!(heard.round_trip.unwrap().abs_diff(WAY) <= FRAME_TIME, "{heard:?}");
        let measured = Measured { codec: "PCMU", lost: heard.lost, jitter: heard.jitter, round_trip: heard.round_trip };
        assert!(mean_opinion_score(&measured) < 4.0);
    }
}

#[test]
fn a_restless_way_shows_as_jitter() {
    let (heard, _) = run(&mut |n, packet| Some((WAY + Duration::from_millis(n as u64 % 2 * 15), packet.to_vec())));
    assert!(heard.is_own_tone() && heard.lost == 0.0, "{heard:?}");
    assert!((Duration::from_millis(12)..Duration::from_millis(16)).contains(&heard.jitter), "{heard:?}");
}

#[test]
fn nothing_and_silence_and_another_tone_are_no_echo() {
    let (nothing, took) = run(&mut |_, _| None);
    assert_eq!((nothing.packets, nothing.frequency_hz, nothing.lost, nothing.round_trip), (0, None, 1.0, None));
    assert!(took <= IMPATIENCE + TONE + TAIL + 2 * FRAME_TIME, "{took:?}");

    let (silence, _) = run(&mut |_, packet| {
        let mut packet = packet.to_vec();
        packet[rtp::HEADER..].fill(crate::g711::PCMU_SILENCE);
        Some((WAY, packet))
    });
    assert!(silence.packets > 150 && !silence.is_own_tone(), "{silence:?}");
    assert_eq!((silence.frequency_hz, silence.level_db, silence.round_trip), (None, None, None));

    let mut hum = Tone::new(440, Duration::from_secs(60));
    let mut encoder = Encoder::new(Codec::Pcmu, None).unwrap();
    let (other, _) = run(&mut |_, packet| {
        let mut packet = packet.to_vec();
        let mut samples = [0; FRAME];
        hum.fill(&mut samples);
        encoder.encode(&samples, &mut packet[rtp::HEADER..]).unwrap();
        Some((WAY, packet))
    });
    assert!(other.frequency_hz.unwrap().abs_diff(440) <= 1 && !other.is_own_tone(), "{other:?}");
    assert_eq!((other.lost, other.round_trip), (0.0, None));
}

#[test]
fn rubbish_repetitions_and_other_payloads_change_nothing() {
    let (clean, _) = run(&mut |_, packet| Some((WAY, packet.to_vec())));
    let start = beginning();
    let mut probe = Probe::new(start, CONFIG).unwrap();
    let mut buffer = [0; PACKET_BYTES];
    while let Some(next) = probe.poll_timeout() {
        if let Some(len) = probe.poll_packet(next, &mut buffer) {
            let at = next + Duration::from_millis(5);
            probe.receive(at, &[]);
            probe.receive(at, &[0x80; 5]);
            let mut event = buffer;
            event[1] = 101;
            probe.receive(at, &event);
            probe.receive(at, &buffer[..len]);
            probe.receive(at, &buffer[..len]);
        }
    }
    let heard = probe.heard();
    assert_eq!((heard.lost, heard.frequency_hz), (0.0, clean.frequency_hz));
    assert_eq!(heard.round_trip, Some(Duration::from_millis(5)));
}

#[test]
fn a_codec_that_is_only_passed_through_cannot_be_probed() {
    assert!(Probe::new(beginning(), ProbeConfig { codec: Codec::Other, ..CONFIG }).is_none());
}
