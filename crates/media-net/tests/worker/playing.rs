//! Tones, files and echo.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use media::{Command, Fact, Leg, Playback};

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
fn every_kind_of_file_is_read_at_its_true_length_and_pitch() {
    let directory = tempfile::tempdir().unwrap();
    for rate_hz in [8_000, 16_000, 44_100, 48_000] {
        for channels in [1, 2] {
            let samples = media_net::load_wav(&wav(directory.path(), rate_hz, channels, 0.5)).unwrap();
            assert_eq!(samples.len(), 4_000, "{rate_hz} Hz, {channels}");
            let rises = samples.windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count();
            assert!((218..=221).contains(&rises), "{rate_hz} Hz, {channels}: {rises} periods");
            let loudest = samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap();
            assert!((7_500..8_500).contains(&loudest), "{rate_hz} Hz, {channels}: {loudest}");
        }
    }
}

#[test]
fn what_is_no_playable_file_is_refused() {
    use media_net::PlaybackError;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    assert!(matches!(media_net::load_wav(&path), Err(PlaybackError::Io(_))));
    assert!(matches!(media_net::load_wav(directory.path()), Err(PlaybackError::NotAFile)));
    assert!(matches!(media_net::load_wav(Path::new("/dev/zero")), Err(PlaybackError::NotAFile)));
    for broken in [&b""[..], b"RIFF", b"RIFF\xff\xff\xff\xffWAVEfmt ", &[0x55; 1_000]] {
        std::fs::write(&path, broken).unwrap();
        assert!(matches!(media_net::load_wav(&path), Err(PlaybackError::Wav(_))), "{broken:?}");
    }
    assert!(matches!(
        media_net::load_wav(&wav(directory.path(), 11_025, 1, 0.1)),
        Err(PlaybackError::Format { rate_hz: 11_025, .. })
    ));
    assert!(matches!(media_net::load_wav(&wav(directory.path(), 8_000, 3, 0.1)), Err(PlaybackError::Format { .. })));
}

#[test]
fn a_file_that_is_too_long_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let long = wav(directory.path(), 8_000, 1, 301.0);
    assert!(matches!(media_net::load_wav(&long), Err(media_net::PlaybackError::TooLarge)));
    let huge = directory.path().join("huge.wav");
    std::fs::File::create(&huge).unwrap().set_len(1 << 40).unwrap();
    assert!(matches!(media_net::load_wav(&huge), Err(media_net::PlaybackError::TooLarge)));
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
