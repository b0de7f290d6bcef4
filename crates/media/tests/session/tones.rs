//! Keys pressed as tones, or under another clock, and how the other leg gets them.

use media::dtmf::{Generator, Shape};
use media::g711;

use super::*;

/// 600 ms in µ-law: a low hum, and in the middle of it the tones of a key for 100 ms.
fn pressed(key: char) -> Vec<u8> {
    let shape = Shape { on: Duration::from_millis(100), ..Shape::default() };
    let mut generator = Generator::with(8_000, key, shape).expect("a key");
    let mut samples: Vec<i16> = (0..4_800).map(|n| ((f64::from(n) * 0.2).sin() * 300.0) as i16).collect();
    let mut tones = vec![0; 800];
    let count = generator.fill(&mut tones);
    samples[1_600..1_600 + count.min(800)].copy_from_slice(&tones[..count.min(800)]);
    samples.into_iter().map(g711::encode_pcmu).collect()
}

/// Phone A says something in packets of 20 ms; what B gets, and what is told.
fn say(bench: &mut Bench, audio: &[u8]) -> (Vec<Sent>, Vec<Fact>) {
    let (mut sent, mut facts) = (Vec::new(), Vec::new());
    for (index, payload) in audio.chunks(160).enumerate() {
        let sequence = index as u16 + 1;
        let bytes = packet(0, sequence, u32::from(sequence) * 160, 0xaaaa, payload);
        sent.extend(bench.rtp(A, phone_a(), &bytes).ok());
        let next = bench.now + FRAME;
        let (made, told) = bench.run_until(next);
        sent.extend(made.into_iter().map(|(_, sent)| sent));
        facts.extend(bench.facts());
        facts.extend(told.into_iter().map(|(_, fact)| fact));
    }
    (sent, facts)
}

fn digits(facts: &[Fact]) -> Vec<(Leg, char, bool)> {
    let digit = |fact: &Fact| match fact {
        Fact::Digit { leg, digit, passed, .. } => Some((*leg, *digit, *passed)),
        _ => None,
    };
    facts.iter().filter_map(digit).collect()
}

/// Keys in the events that B got, each once.
fn events(sent: &[Sent], payload_type: u8) -> Vec<u8> {
    let mut keys: Vec<(u32, u8)> = Vec::new();
    for sent in sent.iter().filter(|sent| sent.header().payload_type == payload_type) {
        let press = (sent.header().timestamp, sent.payload()[0]);
        if keys.last() != Some(&press) {
            keys.push(press);
        }
    }
    keys.into_iter().map(|(_, key)| key).collect()
}

/// Milliseconds of what B heard that are loud.
fn loud_ms(sent: &[Sent]) -> usize {
    let audio = sent.iter().filter(|sent| sent.header().payload_type == 0);
    let samples = audio.flat_map(|sent| sent.payload().to_vec()).map(g711::decode_pcmu);
    samples.filter(|sample| sample.unsigned_abs() > 1_000).count() / 8
}

fn without_events(legs: &[usize]) -> Plan {
    let mut plan = plan(Codec::Pcmu, Codec::Pcmu);
    for leg in legs {
        plan.legs[*leg].dtmf = None;
        plan.legs[*leg].accepts.retain(|accept| !matches!(accept.carries, media::Carries::Event { .. }));
    }
    plan
}

#[test]
fn tones_become_events_for_who_takes_events_and_are_not_heard_beside_them() {
    for key in ['0', '5', '#', 'D'] {
        let mut bench = Bench::of(without_events(&[0]));
        let (sent, facts) = say(&mut bench, &pressed(key));
        assert_eq!(digits(&facts), [(A, key, true)]);
        assert_eq!(events(&sent, 96), [media::dtmf::event(key).expect("a key")], "once");
        assert!(loud_ms(&sent) < 40, "{key}: {} ms of tones leaked", loud_ms(&sent));
    }
}

#[test]
fn tones_stay_tones_between_phones_that_know_nothing_else() {
    let mut bench = Bench::of(without_events(&[0, 1]));
    let audio = pressed('7');
    let (sent, facts) = say(&mut bench, &audio);
    assert_eq!(digits(&facts), [(A, '7', true)]);
    let heard: Vec<u8> = sent.iter().flat_map(|sent| sent.payload().to_vec()).collect();
    assert_eq!(heard, audio, "not a sample is changed");
}

#[test]
fn tones_are_told_alone_where_the_other_side_is_told_in_words() {
    let mut plan = without_events(&[0, 1]);
    plan.legs[1].tones = false;
    let mut bench = Bench::of(plan);
    let (sent, facts) = say(&mut bench, &pressed('7'));
    assert_eq!(digits(&facts), [(A, '7', false)], "whoever is told has to tell");
    assert!(loud_ms(&sent) < 40, "{} ms of tones leaked", loud_ms(&sent));
    assert_eq!(sent.len(), 30, "the stream has no gap");
}

#[test]
fn tones_of_a_phone_that_has_agreed_to_events_are_its_own_affair() {
    let mut bench = Bench::up();
    let audio = pressed('7');
    let (sent, facts) = say(&mut bench, &audio);
    assert_eq!(digits(&facts), []);
    assert_eq!(sent.iter().flat_map(|sent| sent.payload().to_vec()).collect::<Vec<u8>>(), audio);
}

#[test]
fn a_caller_alone_with_us_is_heard_too() {
    let mut plan = without_events(&[0]);
    plan.legs.truncate(1);
    let mut bench = Bench::of(plan);
    let (_, facts) = say(&mut bench, &pressed('9'));
    assert_eq!(digits(&facts), [(A, '9', true)]);
}

#[test]
fn events_of_another_clock_or_codec_are_made_anew() {
    let mut wide = plan(Codec::Opus, Codec::Pcmu);
    wide.legs[0].dtmf_clock_hz = 48_000;
    for accept in &mut wide.legs[0].accepts {
        if accept.payload_type == 101 {
            accept.carries = media::Carries::Event { clock_hz: 48_000 };
        }
    }
    let mut bench = Bench::of(wide);
    let mut sent = Vec::new();
    let mut facts = Vec::new();
    // 120 ms at 48 kHz, its end sent three times.
    for (index, duration) in [960_u16, 1_920, 2_880, 3_840, 4_800, 5_760, 5_760, 5_760].into_iter().enumerate() {
        let end = if index >= 5 { 0x80 } else { 0 };
        let [high, low] = duration.to_be_bytes();
        let bytes = packet(101, index as u16, 48_000, 0xaaaa, &[4, end | 10, high, low]);
        assert_eq!(bench.rtp(A, phone_a(), &bytes), Err(Verdict::Consume));
        let next = bench.now + FRAME;
        let (made, told) = bench.run_until(next);
        sent.extend(made.into_iter().map(|(_, sent)| sent));
        facts.extend(told.into_iter().map(|(_, fact)| fact));
        facts.extend(bench.facts());
    }
    let (made, _) = bench.run_until(bench.now + Duration::from_millis(300));
    sent.extend(made.into_iter().map(|(_, sent)| sent));
    assert_eq!(digits(&facts), [(A, '4', true)]);
    assert_eq!(events(&sent, 96), [4]);
    let last = sent.iter().rev().find(|sent| sent.header().payload_type == 96).expect("an event");
    assert_eq!(last.payload(), [4, 0x8a, 3, 192], "120 ms at 8 kHz");
}
