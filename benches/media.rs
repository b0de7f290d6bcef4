//! What media costs, one packet and one beat at a time, in memory.
//!
//! `cargo bench --bench media [-- NAME]`

use std::f64::consts::TAU;
use std::hint::black_box;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion};
use media::codec::{Encoder, clock_hz, rate_hz};
use media::dtmf::Detector;
use media::mixer::{Mixer, Part, PartyId, Seat};
use media::{Accept, Carries, Channel, Codec, Leg, LegPlan, Plan, Session, SessionId, Verdict};

const BEAT: Duration = Duration::from_millis(20);

fn payload_type(codec: Codec) -> u8 {
    match codec {
        Codec::Pcmu => 0,
        Codec::Pcma => 8,
        Codec::G722 => 9,
        Codec::Opus => 107,
        Codec::Other => 18,
    }
}

fn leg(remote: SocketAddr, codec: Codec) -> LegPlan {
    let payload_type = payload_type(codec);
    LegPlan {
        remote_rtp: Some(remote),
        remote_rtcp: Some(SocketAddr::new(remote.ip(), remote.port() + 1)),
        send: true,
        receive: true,
        codec,
        codec_name: "",
        clock_hz: clock_hz(codec),
        payload_type,
        fmtp: None,
        accepts: vec![Accept { payload_type, carries: Carries::Audio(codec) }],
        dtmf: Some(101),
        dtmf_clock_hz: 8_000,
        tones: true,
        ptime_ms: 20,
        sources: vec![remote.ip()],
        security: media::Security::Plain,
        ice: None,
        mux: false,
    }
}

/// A voice of sorts: a second of vowels, in blocks of 20 ms.
fn voice(rate: u32) -> Vec<Vec<i16>> {
    let sample = |n: u32| {
        let t = f64::from(n) / f64::from(rate);
        let pitch = 130.0 + 20.0 * (t * 3.0).sin();
        let part = |k: f64, loud: f64| (t * pitch * k * TAU).sin() * loud;
        ((part(1.0, 4_000.0) + part(3.0, 2_500.0) + part(8.0, 900.0)) * (t * TAU).sin().abs()) as i16
    };
    (0..50).map(|block| (0..rate / 50).map(|n| sample(block * rate / 50 + n)).collect()).collect()
}

/// The packets of a second, without their headers.
fn payloads(codec: Codec) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(codec, None).expect("a codec");
    let blocks = voice(rate_hz(codec).expect("a rate"));
    blocks
        .iter()
        .map(|block| {
            let mut payload = vec![0; 1_500];
            let len = encoder.encode(block, &mut payload).expect("a frame");
            payload.truncate(len);
            payload
        })
        .collect()
}

fn addresses() -> (SocketAddr, SocketAddr) {
    ("127.0.0.10:4000".parse().expect("an address"), "127.0.0.20:5000".parse().expect("an address"))
}

/// Packets of one leg, each 20 ms after the one before, and whatever becomes of them at the other one.
fn packets(criterion: &mut Criterion) {
    let (a, b) = addresses();
    let mut group = criterion.benchmark_group("one packet");
    let known = [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::Opus];
    for (from, to) in known.iter().flat_map(|from| known.map(|to| (*from, to))) {
        let mut now = Instant::now();
        let mut session = Session::new(SessionId(7), 2, 42, Duration::from_secs(3_600));
        session.apply(now, Plan { legs: vec![leg(a, from), leg(b, to)] });
        let payloads = payloads(from);
        let mut buffer = [0_u8; 2_048];
        let mut out = [0_u8; 2_048];
        let mut count = 0_u32;
        group.bench_function(BenchmarkId::new(format!("{from:?}"), format!("{to:?}")), |bencher| {
            bencher.iter(|| {
                count = count.wrapping_add(1);
                now += BEAT;
                let payload = &payloads[count as usize % 50];
                buffer[..2].copy_from_slice(&[0x80, payload_type(from)]);
                buffer[2..4].copy_from_slice(&(count as u16).to_be_bytes());
                buffer[4..8].copy_from_slice(&count.wrapping_mul(clock_hz(from) / 50).to_be_bytes());
                buffer[8..12].copy_from_slice(&[0xaa; 4]);
                buffer[12..12 + payload.len()].copy_from_slice(payload);
                let verdict =
                    session.receive(now, Leg::CALLER, Channel::Rtp, a, black_box(&mut buffer), 12 + payload.len());
                if !matches!(verdict, Verdict::Forward { .. }) {
                    session.handle_timeout(now);
                    while session.poll_packet(&mut out).is_some() {}
                }
                while session.poll_fact().is_some() {}
            });
        });
    }
    group.finish();
}

fn tones(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("keys in 20 ms of audio");
    for rate in [8_000, 48_000] {
        let blocks = voice(rate);
        let mut detector = Detector::new(rate).expect("a rate");
        let mut count = 0;
        group.bench_function(BenchmarkId::from_parameter(rate), |bencher| {
            bencher.iter(|| {
                count += 1;
                detector.push(black_box(&blocks[count % 50]));
                detector.poll()
            });
        });
    }
    group.finish();
}

/// A beat of a room in which everybody says something.
fn rooms(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("one beat of a room");
    for parties in [3_u64, 10, 100, 500] {
        let blocks = voice(8_000);
        let mut mixer = Mixer::new(8_000).expect("a rate");
        for party in 0..parties {
            mixer.seat(PartyId(party), Seat::new(Part::Member));
        }
        let mut out = [0; 160];
        let mut beat = 0;
        group.bench_function(BenchmarkId::from_parameter(parties), |bencher| {
            bencher.iter(|| {
                beat += 1;
                for party in 0..parties {
                    mixer.hear(PartyId(party), &blocks[(beat + party as usize) % 50]);
                }
                mixer.mix();
                for party in 0..parties {
                    mixer.mix_for(PartyId(party), black_box(&mut out));
                }
                mixer.done();
                while mixer.poll_speaking().is_some() {}
            });
        });
    }
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    packets(&mut criterion);
    tones(&mut criterion);
    rooms(&mut criterion);
    criterion.final_summary();
}
