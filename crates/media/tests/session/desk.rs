//! Legs that share no codec, and whoever wants what legs say as samples.

use std::f64::consts::TAU;

use media::codec::{Decoder, Encoder, clock_hz, rate_hz};

use super::*;

const TIME: Duration = Duration::from_secs(2);

/// A phone that plays a tone in a codec, and understands what it hears in that codec.
struct Talker {
    leg: Leg,
    from: SocketAddr,
    codec: Codec,
    encoder: Encoder,
    decoder: Decoder,
    frequency_hz: f64,
    said: u32,
    sequence: u16,
    heard: Vec<i16>,
}

impl Talker {
    fn new(leg: Leg, codec: Codec, frequency_hz: f64) -> Self {
        let from = if leg == A { phone_a() } else { phone_b() };
        let encoder = Encoder::new(codec, None).expect("a known codec");
        let decoder = Decoder::new(codec).expect("a known codec");
        Talker { leg, from, codec, encoder, decoder, frequency_hz, said: 0, sequence: 0, heard: Vec::new() }
    }

    /// The next packet of 20 ms.
    fn packet(&mut self) -> Vec<u8> {
        let rate = rate_hz(self.codec).expect("a rate");
        let samples: Vec<i16> = (0..rate / 50).map(|n| self.sample(n, rate)).collect();
        self.said += rate / 50;
        let mut payload = [0; 1_000];
        let len = self.encoder.encode(&samples, &mut payload).expect("a frame");
        self.sequence = self.sequence.wrapping_add(1);
        let timestamp = u32::from(self.sequence) * clock_hz(self.codec) / 50;
        packet(payload_type(self.codec), self.sequence, timestamp, 0x1000 + u32::from(self.leg.0), &payload[..len])
    }

    fn sample(&self, n: u32, rate: u32) -> i16 {
        let angle = f64::from(self.said + n) * self.frequency_hz * TAU / f64::from(rate);
        (angle.sin() * 10_000.0) as i16
    }

    fn hear(&mut self, sent: &Sent) {
        assert_eq!(sent.header().payload_type, payload_type(self.codec));
        self.decoder.decode(sent.payload(), &mut self.heard).expect("what was sent can be read");
    }

    /// The share of one frequency in the second half of what was heard.
    fn share(&self, frequency_hz: f64) -> f64 {
        let rate = rate_hz(self.codec).expect("a rate");
        share(&self.heard[self.heard.len() / 2..], frequency_hz, rate)
    }
}

fn payload_type(codec: Codec) -> u8 {
    leg_plan(phone_a(), codec, 101).payload_type
}

fn share(samples: &[i16], frequency_hz: f64, rate: u32) -> f64 {
    let turn = frequency_hz * TAU / f64::from(rate);
    let (mut real, mut imaginary, mut power) = (0.0, 0.0, 0.0);
    for (n, sample) in samples.iter().enumerate() {
        let (sample, angle) = (f64::from(*sample), n as f64 * turn);
        real += sample * angle.cos();
        imaginary += sample * angle.sin();
        power += sample * sample;
    }
    if power == 0.0 { 0.0 } else { 2.0 * (real * real + imaginary * imaginary) / (power * samples.len() as f64) }
}

/// Both talk for a while, 20 ms at a time, and hear what comes.
fn talk(bench: &mut Bench, one: &mut Talker, other: &mut Talker, time: Duration) -> Vec<(Instant, Sent)> {
    let until = bench.now + time;
    let mut all = Vec::new();
    while bench.now < until {
        let mut sent = Vec::new();
        for talker in [&mut *one, &mut *other] {
            let bytes = talker.packet();
            sent.extend(bench.rtp(talker.leg, talker.from, &bytes).ok().map(|sent| (bench.now, sent)));
        }
        let next = bench.now + FRAME;
        sent.extend(bench.run_until(next).0);
        for (_, sent) in &sent {
            let talker = if sent.leg == one.leg { &mut *one } else { &mut *other };
            talker.hear(sent);
        }
        all.extend(sent);
    }
    all
}

#[test]
fn every_codec_is_heard_in_every_other_in_unbroken_streams() {
    let codecs = [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::Opus];
    for (a, b) in codecs.iter().flat_map(|a| codecs.map(|b| (*a, b))) {
        let mut bench = Bench::of(plan(a, b));
        let (mut one, mut other) = (Talker::new(A, a, 500.0), Talker::new(B, b, 1_100.0));
        let sent = talk(&mut bench, &mut one, &mut other, TIME);
        let (to_one, to_other) = (one.share(1_100.0), other.share(500.0));
        assert!(to_one > 0.9 && to_other > 0.9, "{a:?} {b:?}: {to_one} {to_other}");
        for leg in [A, B] {
            let codec = if leg == A { a } else { b };
            let headers: Vec<Header> = sent.iter().filter(|(_, s)| s.leg == leg).map(|(_, s)| s.header()).collect();
            assert!(headers.len() >= 95, "{a:?} {b:?}: {} packets in two seconds", headers.len());
            for pair in headers.windows(2) {
                assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1));
                assert_eq!(pair[1].timestamp, pair[0].timestamp.wrapping_add(clock_hz(codec) / 50));
                assert_eq!(pair[1].ssrc, pair[0].ssrc);
            }
        }
    }
}

#[test]
fn packets_have_the_length_that_the_other_side_asked_for() {
    for (ptime_ms, codec, bytes) in [(10, Codec::G722, 80), (30, Codec::Pcmu, 240), (60, Codec::G722, 480)] {
        let mut wanted = plan(Codec::Opus, codec);
        wanted.legs[1].ptime_ms = ptime_ms;
        let mut bench = Bench::of(wanted);
        let (mut one, mut other) = (Talker::new(A, Codec::Opus, 500.0), Talker::new(B, codec, 1_100.0));
        let sent = talk(&mut bench, &mut one, &mut other, TIME);
        let to_b: Vec<&Sent> = sent.iter().map(|(_, sent)| sent).filter(|sent| sent.leg == B).collect();
        assert!(to_b.len() >= 1_900 / usize::from(ptime_ms), "{}", to_b.len());
        assert!(to_b.iter().all(|sent| sent.payload().len() == bytes));
        assert!(other.share(500.0) > 0.9);
    }
}

#[test]
fn who_holds_is_not_heard_and_hears_nothing_and_comes_back() {
    let mut bench = Bench::of(plan(Codec::Pcmu, Codec::G722));
    let (mut one, mut other) = (Talker::new(A, Codec::Pcmu, 500.0), Talker::new(B, Codec::G722, 1_100.0));
    talk(&mut bench, &mut one, &mut other, TIME);
    let mut held = plan(Codec::Pcmu, Codec::G722);
    (held.legs[0].receive, held.legs[1].send) = (false, false);
    (held.legs[0].send, held.legs[1].receive) = (false, false);
    bench.apply(held);
    assert_eq!(talk(&mut bench, &mut one, &mut other, TIME), []);
    bench.apply(plan(Codec::Pcmu, Codec::G722));
    talk(&mut bench, &mut one, &mut other, TIME);
    assert!(one.share(1_100.0) > 0.9 && other.share(500.0) > 0.9);
}

#[test]
fn after_a_change_to_a_common_codec_packets_are_passed_on_as_they_are() {
    let mut bench = Bench::of(plan(Codec::Pcmu, Codec::G722));
    let (mut one, mut other) = (Talker::new(A, Codec::Pcmu, 500.0), Talker::new(B, Codec::G722, 1_100.0));
    talk(&mut bench, &mut one, &mut other, TIME);
    bench.apply(plan(Codec::Pcmu, Codec::Pcmu));
    let (sent, facts) = bench.run_until(bench.now + FRAME);
    assert_eq!((sent, facts), (vec![], vec![]));
    let passed = bench.audio(A, 1).expect("passed on");
    assert_eq!(passed.payload(), [0x11; 160]);
    let silent_for = bench.session.poll_timeout().expect("the watch for silence") - bench.now;
    assert!(silent_for > FRAME, "no beat is due any more");
}

#[test]
fn something_is_played_in_every_codec() {
    for codec in [Codec::G722, Codec::Opus] {
        let mut bench = Bench::of(Plan { legs: vec![leg_plan(phone_a(), codec, 101)] });
        bench.session.play(bench.now, A, media::Samples::tone(440, 1_000));
        let (sent, facts) = bench.run_until(bench.now + TIME);
        let mut listener = Talker::new(A, codec, 0.0);
        sent.iter().for_each(|(_, sent)| listener.hear(sent));
        assert_eq!((sent.len(), facts.len()), (50, 1));
        assert!(listener.share(440.0) > 0.9, "{}", listener.share(440.0));
    }
}

#[test]
fn a_tapped_session_tells_both_sides_apart_and_goes_on_as_it_was() {
    for (a, b, tap_hz) in [(Codec::Pcmu, Codec::Pcmu, 8_000), (Codec::Opus, Codec::G722, 16_000)] {
        let mut bench = Bench::of(plan(a, b));
        let (mut one, mut other) = (Talker::new(A, a, 500.0), Talker::new(B, b, 1_100.0));
        assert!(bench.session.tap(bench.now, tap_hz));
        let (mut caller, mut callee) = (Vec::new(), Vec::new());
        for _ in 0..100 {
            talk(&mut bench, &mut one, &mut other, FRAME);
            while let Some(sides) = bench.session.poll_sides() {
                caller.extend_from_slice(sides.caller());
                callee.extend_from_slice(sides.callee());
            }
        }
        let expected = tap_hz as usize / 50 * 100;
        assert_eq!((caller.len(), callee.len()), (expected, expected), "time is kept");
        let half = expected / 2;
        assert!(share(&caller[half..], 500.0, tap_hz) > 0.9 && share(&callee[half..], 1_100.0, tap_hz) > 0.9);
        assert!(one.share(1_100.0) > 0.9 && other.share(500.0) > 0.9, "both hear each other all the same");
        bench.session.untap();
        assert!(bench.session.poll_sides().is_none());
    }
    let mut bench = Bench::up();
    assert!(!bench.session.tap(bench.now, 11_025), "a rate that nobody has");
}

#[test]
fn silence_is_taken_down_too() {
    let mut bench = Bench::up();
    bench.session.tap(bench.now, 8_000);
    let mut blocks = 0;
    for _ in 0..50 {
        bench.run_until(bench.now + FRAME);
        while let Some(sides) = bench.session.poll_sides() {
            assert!(sides.caller().iter().chain(sides.callee()).all(|sample| *sample == 0));
            blocks += 1;
        }
    }
    assert_eq!(blocks, 50);
}

#[test]
fn a_leg_in_a_room_is_heard_there_alone_and_hears_the_room() {
    let mut bench = Bench::of(plan(Codec::Pcmu, Codec::Opus));
    let (mut one, mut other) = (Talker::new(A, Codec::Pcmu, 500.0), Talker::new(B, Codec::Opus, 1_100.0));
    assert!(!bench.session.join(A, 44_100) && bench.session.join(A, 16_000));
    let mut heard = Vec::new();
    let mut room = [0; 960];
    for beat in 0..100u32 {
        let sent = talk(&mut bench, &mut one, &mut other, FRAME);
        assert!(sent.iter().all(|(_, sent)| sent.leg == A), "the other leg hears nothing of it");
        if let Some(block) = bench.session.hear_leg(bench.now, A, &mut room) {
            assert_eq!(block.len(), 320);
            heard.extend_from_slice(block);
        }
        let tone: Vec<i16> = (0..320u32)
            .map(|n| ((f64::from(beat * 320 + n) * 700.0 * TAU / 16_000.0).sin() * 9_000.0) as i16)
            .collect();
        bench.session.say_to_leg(bench.now, A, &tone);
        for sent in bench.made() {
            one.hear(&sent);
        }
    }
    assert!(heard.len() > 95 * 320 && share(&heard[heard.len() / 2..], 500.0, 16_000) > 0.9);
    assert!(one.share(700.0) > 0.9, "{}", one.share(700.0));
    assert!(other.heard.is_empty() && bench.session.hear_leg(bench.now, B, &mut room).is_none());
    bench.session.leave(A);
    one.heard.clear();
    talk(&mut bench, &mut one, &mut other, TIME);
    assert!(one.share(1_100.0) > 0.9 && other.share(500.0) > 0.9);
}

#[test]
fn a_phone_that_keeps_silent_is_there_and_its_line_is_heard() {
    let mut joined = plan(Codec::Pcmu, Codec::G722);
    joined.legs[0].accepts.push(media::Accept { payload_type: 13, carries: media::Carries::Noise });
    let mut bench = Bench::of(joined);
    let (mut one, mut other) = (Talker::new(A, Codec::Pcmu, 500.0), Talker::new(B, Codec::G722, 1_100.0));
    talk(&mut bench, &mut one, &mut other, Duration::from_millis(500));
    // Silent for longer than a call may be silent, but for a word of noise now and then.
    let mut facts = Vec::new();
    other.heard.clear();
    for n in 0..200_u32 {
        one.sequence += 1;
        let timestamp = 25 * 160 + n * 1_600;
        let noise = packet(13, one.sequence, timestamp, 0x1000, &[45]);
        assert_eq!(bench.rtp(A, phone_a(), &noise), Err(Verdict::Consume));
        let next = bench.now + Duration::from_millis(200);
        let (sent, told) = bench.run_until(next);
        sent.iter().filter(|(_, sent)| sent.leg == B).for_each(|(_, sent)| other.hear(sent));
        facts.extend(told.into_iter().map(|(_, fact)| fact));
    }
    let silent = facts.iter().any(|fact| matches!(fact, Fact::Silent { leg: A, .. }));
    assert!(!silent, "{facts:?}");
    let settled = &other.heard[other.heard.len() / 2..];
    let power = settled.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / settled.len() as f64;
    let db = 10.0 * (power / 32_768.0_f64.powi(2)).log10();
    assert!((-49.0..-41.0).contains(&db), "{db}");
}
