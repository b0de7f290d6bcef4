//! Keys, in every way they can be pressed, in every codec, to every leg that takes them in every way: once, and once only.

use media::codec::{Decoder, Encoder, clock_hz, rate_hz};
use media::dtmf::{self, Detector, Generator, Heard, Shape, Writer};

use super::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Telephone events.
    Events,
    /// Tones in the audio.
    Tones,
    /// Told by the switch, outside the audio.
    Words,
}

/// µ-law goes the same ways as A-law.
const CODECS: [Codec; 3] = [Codec::Pcma, Codec::G722, Codec::Opus];

fn leg_of(remote: SocketAddr, codec: Codec, way: Way, events: u8) -> LegPlan {
    let mut leg = leg_plan(remote, codec, events);
    leg.tones = way == Way::Tones;
    if way != Way::Events {
        leg.dtmf = None;
        leg.accepts.retain(|accept| !matches!(accept.carries, media::Carries::Event { .. }));
    }
    leg
}

/// Phone A presses a key; everything that B gets, and what is told.
struct Outcome {
    events: Vec<char>,
    tones: Vec<char>,
    told: Vec<(char, bool)>,
}

fn press(from: (Way, Codec), to: (Way, Codec), key: char) -> Outcome {
    let mut bench =
        Bench::of(Plan { legs: vec![leg_of(phone_a(), from.1, from.0, 101), leg_of(phone_b(), to.1, to.0, 96)] });
    let rate = rate_hz(from.1).expect("a rate");
    let mut encoder = Encoder::new(from.1, None).expect("a codec");
    let shape = Shape { on: Duration::from_millis(120), ..Shape::default() };
    let mut generator = Generator::with(rate, key, shape).expect("a key");
    let mut writer = Writer::new(8_000, key, Duration::from_millis(120), 10).expect("a key");
    let (mut sent, mut told) = (Vec::new(), Vec::new());
    let mut sequence = 0_u16;
    for beat in 0..75_u32 {
        let timestamp = beat * clock_hz(from.1) / 50;
        let mut packets = Vec::new();
        let pressing = (25..40).contains(&beat);
        let event = if pressing && from.0 == Way::Events { writer.tick() } else { None };
        if let Some(event) = event {
            for _ in 0..event.copies {
                packets.push((101, 25 * clock_hz(from.1) / 50, event.payload.to_vec()));
            }
        } else {
            let mut samples = vec![0; rate as usize / 50];
            for (n, sample) in samples.iter_mut().enumerate() {
                *sample = ((f64::from(beat * rate / 50 + n as u32) * 0.1).sin() * 100.0) as i16;
            }
            if pressing && from.0 == Way::Tones {
                let count = generator.fill(&mut samples);
                samples[count..].fill(0);
            }
            let mut payload = [0; 1_000];
            let len = encoder.encode(&samples, &mut payload).expect("a frame");
            packets.push((leg_plan(phone_a(), from.1, 101).payload_type, timestamp, payload[..len].to_vec()));
        }
        for (payload_type, timestamp, payload) in packets {
            sequence += 1;
            let bytes = packet(payload_type, sequence, timestamp, 0xaaaa, &payload);
            sent.extend(bench.rtp(A, phone_a(), &bytes).ok());
        }
        let next = bench.now + FRAME;
        let mut facts = bench.facts();
        let (made, more) = bench.run_until(next);
        sent.extend(made.into_iter().map(|(_, sent)| sent));
        facts.extend(more.into_iter().map(|(_, fact)| fact));
        for fact in facts {
            let Fact::Digit { leg: A, digit, passed, duration_ms, .. } = fact else { continue };
            told.push((digit, passed));
            // What the switch does for a leg that is told nothing in words.
            if !passed && to.0 == Way::Tones {
                bench.session.press(bench.now, B, digit, Duration::from_millis(u64::from(duration_ms)));
            }
        }
    }
    let sent: Vec<Sent> = sent.into_iter().filter(|sent| sent.leg == B).collect();
    Outcome { events: events(&sent), tones: tones(&sent, to.1), told }
}

fn events(sent: &[Sent]) -> Vec<char> {
    let mut presses: Vec<(u32, u8)> = Vec::new();
    for sent in sent.iter().filter(|sent| sent.header().payload_type == 96) {
        let press = (sent.header().timestamp, sent.payload()[0]);
        if !presses.contains(&press) {
            presses.push(press);
        }
    }
    presses.into_iter().filter_map(|(_, event)| dtmf::key(event)).collect()
}

/// Keys that B would hear in its audio.
fn tones(sent: &[Sent], codec: Codec) -> Vec<char> {
    let mut decoder = Decoder::new(codec).expect("a codec");
    let mut detector = Detector::new(decoder.rate_hz()).expect("a rate");
    let mut keys = Vec::new();
    for sent in sent.iter().filter(|sent| sent.header().payload_type != 96) {
        let mut samples = Vec::new();
        decoder.decode(sent.payload(), &mut samples).expect("what was sent can be read");
        detector.push(&samples);
        while let Some(heard) = detector.poll() {
            if let Heard::Began(key) = heard {
                keys.push(key);
            }
        }
    }
    keys
}

#[test]
fn a_key_arrives_once_and_once_only() {
    for (n, from_way) in [Way::Events, Way::Tones].into_iter().enumerate() {
        for (m, to_way) in [Way::Events, Way::Tones, Way::Words].into_iter().enumerate() {
            for (i, from) in CODECS.into_iter().enumerate() {
                for (k, to) in CODECS.into_iter().enumerate() {
                    let key = dtmf::key(((n * 7 + m * 5 + i * 3 + k) % 16) as u8).expect("a key");
                    let what = format!("{key} as {from_way:?} in {from:?}, to {to_way:?} in {to:?}");
                    let Outcome { events, tones, told } = press((from_way, from), (to_way, to), key);
                    let told: Vec<char> = match told[..] {
                        [(told, passed)] => {
                            assert_eq!(
                                passed,
                                to_way == Way::Events || (from_way, to_way) == (Way::Tones, Way::Tones),
                                "{what}"
                            );
                            vec![told]
                        }
                        _ => panic!("{what}: told {told:?}"),
                    };
                    assert_eq!(told, [key], "{what}");
                    assert_eq!(events, if to_way == Way::Events { vec![key] } else { vec![] }, "{what}: events");
                    assert_eq!(tones, if to_way == Way::Tones { vec![key] } else { vec![] }, "{what}: tones");
                }
            }
        }
    }
}
