//! Telephone events: passed on, and told once.

use super::*;

const EVENT: u8 = 101;

/// One event packet of phone A.
fn key(sequence: u16, timestamp: u32, event: u8, end: bool, duration: u16) -> Vec<u8> {
    let [high, low] = duration.to_be_bytes();
    packet(EVENT, sequence, timestamp, 0xaaaa, &[event, if end { 0x8a } else { 0x0a }, high, low])
}

fn digits(facts: impl IntoIterator<Item = Fact>) -> Vec<(char, u32)> {
    let digit = |fact| match fact {
        Fact::Digit { leg: A, digit, duration_ms, .. } => Some((digit, duration_ms)),
        _ => None,
    };
    facts.into_iter().filter_map(digit).collect()
}

/// A press of 100 ms: begin, four updates, three ends.
fn press(sequence: u16, timestamp: u32, event: u8) -> Vec<Vec<u8>> {
    (0..8u16).map(|step| key(sequence + step, timestamp, event, step >= 5, 160 * (step + 1).min(5))).collect()
}

#[test]
fn a_press_is_passed_with_the_other_number_and_told_once() {
    let mut bench = Bench::up();
    let before = bench.audio(A, 1).expect("relayed").header();
    for bytes in press(2, 320, 5) {
        let sent = bench.rtp(A, phone_a(), &bytes).expect("relayed");
        assert_eq!(sent.header().payload_type, 96);
        assert_eq!(sent.header().timestamp, before.timestamp.wrapping_add(160));
        assert_eq!(sent.payload(), &bytes[HEADER..]);
    }
    assert_eq!(digits(bench.facts()), [('5', 100)]);
}

#[test]
fn all_keys_have_their_names() {
    let mut bench = Bench::up();
    let mut seen = String::new();
    for event in 0..=17u8 {
        let start = u16::from(event) * 20;
        for bytes in press(start, 1_000 + u32::from(event) * 4_000, event) {
            bench.rtp(A, phone_a(), &bytes).expect("relayed");
        }
        seen.extend(digits(bench.facts()).iter().map(|(digit, _)| *digit));
    }
    assert_eq!(seen, "0123456789*#ABCD");
}

#[test]
fn whatever_part_of_a_press_is_lost_it_is_told_once() {
    for lost in 0..=255u8 {
        let mut bench = Bench::up();
        let mut told = Vec::new();
        for (index, bytes) in press(10, 5_000, 1).into_iter().chain(press(30, 9_000, 1)).enumerate() {
            // The first press suffers, the second arrives.
            if index >= 8 || lost & (1 << index) == 0 {
                bench.rtp(A, phone_a(), &bytes).expect("relayed");
            }
            let next = bench.now + FRAME;
            told.extend(bench.facts());
            told.extend(bench.run_until(next).1.into_iter().map(|(_, fact)| fact));
        }
        let until = bench.now + Duration::from_secs(1);
        told.extend(bench.run_until(until).1.into_iter().map(|(_, fact)| fact));
        let expected = if lost == 255 { 1 } else { 2 };
        assert_eq!(digits(told).len(), expected, "lost {lost:08b}");
    }
}

#[test]
fn disorder_and_copies_tell_nothing_twice() {
    let mut bench = Bench::up();
    let mut packets = press(10, 5_000, 9);
    packets.reverse();
    let again = packets.clone();
    for bytes in packets.into_iter().chain(press(30, 9_000, 9)).chain(again) {
        bench.rtp(A, phone_a(), &bytes).expect("relayed");
    }
    assert_eq!(digits(bench.facts()).len(), 2);
}

#[test]
fn a_press_whose_end_is_lost_is_told_by_the_next_one_or_by_time() {
    let mut bench = Bench::up();
    bench.rtp(A, phone_a(), &key(1, 800, 1, false, 400)).expect("relayed");
    bench.rtp(A, phone_a(), &key(2, 4_000, 2, false, 160)).expect("relayed");
    assert_eq!(digits(bench.facts()), [('1', 50)]);
    let until = bench.now + Duration::from_millis(250);
    let facts = bench.run_until(until).1;
    assert_eq!(facts.len(), 1);
    assert_eq!(facts[0].0, until - Duration::from_millis(50));
    assert_eq!(digits(facts.into_iter().map(|(_, fact)| fact)), [('2', 20)]);
    bench.rtp(A, phone_a(), &key(3, 4_000, 2, true, 800)).expect("relayed");
    assert_eq!(digits(bench.facts()), [], "its end comes too late to count again");
}

#[test]
fn two_presses_of_which_one_packet_each_arrives_are_both_told() {
    let mut bench = Bench::up();
    bench.rtp(A, phone_a(), &key(1, 800, 1, false, 400)).expect("relayed");
    bench.rtp(A, phone_a(), &key(9, 4_000, 1, true, 800)).expect("relayed");
    let until = bench.now + FRAME;
    let mut told = bench.facts();
    told.extend(bench.run_until(until).1.into_iter().map(|(_, fact)| fact));
    assert_eq!(digits(told), [('1', 50), ('1', 100)]);
}

#[test]
fn a_very_long_press_is_one_press() {
    let mut bench = Bench::up();
    bench.rtp(A, phone_a(), &key(1, 1_000, 0, false, 0xffff)).expect("relayed");
    bench.rtp(A, phone_a(), &key(2, 1_000 + 0xffff, 0, false, 160)).expect("relayed");
    bench.rtp(A, phone_a(), &key(3, 1_000 + 0xffff, 0, true, 1_600)).expect("relayed");
    assert_eq!(digits(bench.facts()), [('0', (0xffff + 1_600) / 8)]);
}

#[test]
fn a_leg_without_events_gets_none_but_they_are_told() {
    let mut plan = plan(Codec::Pcmu, Codec::Pcmu);
    plan.legs[1].dtmf = None;
    let mut bench = Bench::of(plan);
    for bytes in press(1, 100, 11) {
        assert_eq!(bench.rtp(A, phone_a(), &bytes), Err(Verdict::Consume));
    }
    assert_eq!(digits(bench.facts()), [('#', 100)]);
}

#[test]
fn a_new_source_begins_anew() {
    let mut bench = Bench::up();
    for bytes in press(1, 8_000, 3) {
        bench.rtp(A, phone_a(), &bytes).expect("relayed");
    }
    for mut bytes in press(1, 8_000, 3) {
        bytes[11] ^= 0xff;
        bench.rtp(A, phone_a(), &bytes).expect("relayed");
    }
    assert_eq!(digits(bench.facts()).len(), 2);
}

#[test]
fn an_event_too_short_to_read_is_passed_and_tells_nothing() {
    let mut bench = Bench::up();
    bench.rtp(A, phone_a(), &packet(EVENT, 1, 1, 1, &[5, 0x80])).expect("relayed");
    assert_eq!(digits(bench.facts()), []);
}

/// A call in which B knows no telephone events.
fn without_events() -> Bench {
    let mut plan = plan(Codec::Pcmu, Codec::Pcmu);
    plan.legs[1].dtmf = None;
    plan.legs[1].accepts.retain(|accept| !matches!(accept.carries, Carries::Event { .. }));
    Bench::of(plan)
}

#[test]
fn a_key_tells_whether_it_gets_through_by_itself() {
    for (mut bench, expected) in [(Bench::up(), true), (without_events(), false)] {
        for bytes in press(1, 320, 5) {
            let _ = bench.rtp(A, phone_a(), &bytes);
        }
        let passed: Vec<bool> = bench
            .facts()
            .into_iter()
            .filter_map(|fact| match fact {
                Fact::Digit { passed, .. } => Some(passed),
                _ => None,
            })
            .collect();
        assert_eq!(passed, [expected]);
    }
}

#[test]
fn keys_are_pressed_as_events_one_after_the_other() {
    let mut bench = Bench::up();
    let before = bench.audio(A, 7).expect("relayed").header();
    for key in ['4', '#', 'x'] {
        bench.session.press(bench.now, B, key, Duration::from_millis(100));
    }
    assert_eq!(bench.audio(A, 8), Err(Verdict::Consume), "audio rests meanwhile");
    let (sent, _) = bench.run_until(bench.now + Duration::from_secs(1));
    let mut reader = media::dtmf::Reader::new(8_000);
    let mut told = Vec::new();
    for (index, (at, sent)) in sent.iter().enumerate() {
        let header = sent.header();
        assert_eq!((sent.leg, sent.to, header.payload_type, header.ssrc), (B, phone_b(), 96, before.ssrc));
        assert_eq!(header.sequence, before.sequence.wrapping_add(1 + u16::try_from(index).expect("few")));
        let payload = media::dtmf::Payload::parse(sent.payload()).expect("four bytes");
        told.extend(reader.read(*at, header.ssrc, header.timestamp, payload));
    }
    let told: Vec<(char, u32)> = told.iter().map(|digit| (digit.key, digit.duration_ms)).collect();
    assert_eq!(told, [('4', 100), ('#', 100)]);
    let markers = sent.iter().filter(|(_, sent)| sent.bytes[1] & 0x80 != 0).count();
    assert_eq!((sent.len(), markers), (2 * 9, 2));
    let after = bench.audio(A, 60).expect("relayed again").header();
    assert_eq!(after.sequence, sent.last().expect("some").1.header().sequence.wrapping_add(1));
}

#[test]
fn where_events_are_unknown_keys_are_pressed_as_tones() {
    let mut bench = without_events();
    bench.session.press(bench.now, B, '6', Duration::from_millis(120));
    let (sent, facts) = bench.run_until(bench.now + Duration::from_secs(1));
    let samples: Vec<i16> = sent
        .iter()
        .flat_map(|(_, sent)| sent.payload().iter().map(|byte| media::g711::decode_pcmu(*byte)).collect::<Vec<_>>())
        .collect();
    assert_eq!(samples.len(), 160 * 10, "120 ms of tones, 80 ms of silence");
    let heard = &samples[80..900];
    let share = media::tone::share(heard, 770) + media::tone::share(heard, 1_477);
    assert!(share > 0.95, "{share}");
    assert!(facts.iter().all(|(_, fact)| !matches!(fact, Fact::PlaybackEnded { .. })));
    assert!(bench.audio(A, 8).is_ok());
}

#[test]
fn presses_that_wait_are_bounded_and_need_a_plan() {
    let mut bench = Bench::with(2);
    bench.session.press(bench.now, B, '1', Duration::from_millis(100));
    assert_eq!(bench.session.poll_timeout(), None);
    let mut bench = Bench::up();
    for _ in 0..1_000 {
        bench.session.press(bench.now, B, '1', Duration::MAX);
    }
    let until = bench.now + (media::limits::EVENT + Duration::from_secs(1)) * 66;
    let (sent, _) = bench.run_until(until);
    let markers = sent.iter().filter(|(_, sent)| sent.bytes[1] & 0x80 != 0).count();
    assert_eq!(markers, media::limits::PRESSES + 1);
    assert!(bench.session.poll_timeout().is_none_or(|at| at >= until), "nothing is left to do");
}
