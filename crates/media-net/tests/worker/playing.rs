//! Tones, files and echo.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use media::{Command, Fact, Leg, Playback};
use media_net::FetchPolicy;

use crate::bench::{Bench, ONE, Phone};

/// A session of one leg, as an announcement or the echo test has it.
fn alone(bench: &Bench) -> Phone {
    let local = bench.open(ONE, &["127.0.0.1"]).unwrap();
    let phone = Phone::new("127.0.0.1", local[0]);
    bench.apply(ONE, &[&phone]);
    phone
}

fn play(bench: &Bench, source: Playback) {
    bench.send(Command::Play { session: ONE, leg: Leg::CALLER, source });
}

fn wait_for_the_end(bench: &Bench) {
    bench.await_fact(|fact| matches!(fact, Fact::PlaybackEnded { session: ONE, .. }).then_some(()));
}

fn wav(directory: &Path, rate_hz: u32, channels: u16, seconds: f32) -> PathBuf {
    let path = directory.join(format!("{rate_hz}-{channels}.wav"));
    let spec =
        hound::WavSpec { channels, sample_rate: rate_hz, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut writer = hound::WavWriter::create(&path, spec).unwrap();
    for index in 0..(rate_hz as f32 * seconds) as usize {
        let angle = index as f32 * 440.0 * std::f32::consts::TAU / rate_hz as f32;
        for _ in 0..channels {
            writer.write_sample((8_000.0 * angle.sin()) as i16).unwrap();
        }
    }
    writer.finalize().unwrap();
    path
}

#[test]
fn a_file_is_heard_and_its_end_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let bench = Bench::new(2, Duration::ZERO);
    let phone = alone(&bench);
    let before = Instant::now();
    play(&bench, Playback::File(wav(directory.path(), 16_000, 2, 0.3)));
    let loud = (0..15).map(|_| phone.hear()).filter(|payload| payload.iter().any(|byte| byte & 0x7f < 0x30)).count();
    assert!(loud >= 14, "{loud} packets of sound");
    wait_for_the_end(&bench);
    let took = before.elapsed();
    assert!(took >= Duration::from_millis(250) && took < Duration::from_secs(3), "{took:?}");
}

#[test]
fn a_file_that_cannot_be_read_ends_at_once() {
    let bench = Bench::new(2, Duration::ZERO);
    let phone = alone(&bench);
    play(&bench, Playback::File("/nowhere/at/all.wav".into()));
    wait_for_the_end(&bench);
    phone.hears_nothing();
}

#[test]
fn a_file_on_the_web_is_heard() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = std::fs::read(wav(directory.path(), 16_000, 1, 0.3)).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/announcement", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4_096]).unwrap();
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n", bytes.len())
            .unwrap();
        stream.write_all(&bytes).unwrap();
    });
    let bench = Bench::fetching(2, FetchPolicy { allow: vec!["127.0.0.1".parse().unwrap()] });
    let phone = alone(&bench);
    play(&bench, Playback::Url(url));
    let loud = (0..15).map(|_| phone.hear()).filter(|payload| payload.iter().any(|byte| byte & 0x7f < 0x30)).count();
    assert!(loud >= 14, "{loud} packets of sound");
    wait_for_the_end(&bench);
    server.join().unwrap();
}

#[test]
fn a_file_that_may_not_be_fetched_ends_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let bench = Bench::new(2, Duration::ZERO);
    let phone = alone(&bench);
    play(&bench, Playback::Url(format!("http://{}/secret", listener.local_addr().unwrap())));
    wait_for_the_end(&bench);
    phone.hears_nothing();
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "nobody has asked");
}

#[test]
fn a_file_that_was_stopped_while_it_was_read_is_not_played() {
    let directory = tempfile::tempdir().unwrap();
    let bench = Bench::new(2, Duration::ZERO);
    let phone = alone(&bench);
    for _ in 0..20 {
        play(&bench, Playback::File(wav(directory.path(), 48_000, 2, 1.0)));
        bench.send(Command::Stop { session: ONE, leg: Leg::CALLER });
    }
    bench.settle();
    phone.hears_nothing();
}

#[test]
fn a_tone_is_heard_at_fifty_packets_a_second() {
    let bench = Bench::new(2, Duration::ZERO);
    let phone = alone(&bench);
    let before = Instant::now();
    play(&bench, Playback::Tone { frequency_hz: 440, duration_ms: 200 });
    for _ in 0..10 {
        assert_eq!(phone.hear().len(), 160);
    }
    wait_for_the_end(&bench);
    let took = before.elapsed();
    assert!(took >= Duration::from_millis(150) && took < Duration::from_secs(2), "{took:?}");
    phone.hears_nothing();
}

#[test]
fn an_echo_comes_back_until_it_is_stopped() {
    let bench = Bench::new(2, Duration::ZERO);
    let phone = alone(&bench);
    bench.send(Command::Echo { session: ONE, leg: Leg::CALLER });
    bench.settle();
    for sequence in 0..5 {
        phone.say(sequence, 40 + sequence as u8);
        assert_eq!(phone.hear(), [40 + sequence as u8; 160]);
    }
    bench.send(Command::Stop { session: ONE, leg: Leg::CALLER });
    bench.settle();
    phone.say(5, 45);
    phone.hears_nothing();
}
