//! G.722 (ITU-T G.722, 64 kbit/s).

use media::codec::{Decoder, Encoder};

use crate::signal::{above_noise, amplitude, power, tone};

/// Samples by which the filters of both sides delay together.
const DELAY: usize = 22;

fn encoded(samples: &[i16]) -> Vec<u8> {
    let mut payload = vec![0; samples.len()];
    let length = Encoder::g722().encode(samples, &mut payload).expect("room");
    payload.truncate(length);
    payload
}

fn decoded(bytes: &[u8]) -> Vec<i16> {
    let (mut decoder, mut heard) = (Decoder::g722(), Vec::new());
    for payload in bytes.chunks(160) {
        decoder.decode(payload, &mut heard).expect("any byte can be decoded");
    }
    heard
}

/// A triangle that grows steeper, in noise, from integers alone.
fn known() -> Vec<i16> {
    let (mut noise, mut level, mut step) = (1_u32, 0_i32, 7_i32);
    (0..16_000)
        .map(|n| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            level += step;
            if level.abs() > 20_000 {
                step = -step;
            }
            if n % 500 == 0 {
                step = step.signum() * (7 + n / 4);
            }
            (level + (noise >> 20) as i32 - 2_048).clamp(i16::MIN.into(), i16::MAX.into()) as i16
        })
        .collect()
}

#[test]
fn bytes_and_samples_are_those_of_another_implementation() {
    // Checksums of what FFmpeg 5.1 makes of the same samples, and of the same bytes.
    let bytes = encoded(&known());
    assert_eq!((bytes.len(), crc32fast::hash(&bytes)), (8_000, 0xf35c_8c01));
    let samples: Vec<u8> = decoded(&bytes).iter().flat_map(|sample| sample.to_le_bytes()).collect();
    assert_eq!((samples.len(), crc32fast::hash(&samples)), (32_000, 0xbb02_938a));
}

#[test]
fn tones_of_both_bands_come_back() {
    for (hz, least) in [(300.0, 30.0), (1_000.0, 30.0), (3_000.0, 30.0), (4_000.0, 15.0), (6_000.0, 15.0)] {
        let sound = tone(hz, 16_000.0, 16_000);
        let heard = decoded(&encoded(&sound));
        let (sound, heard) = (&sound[2_000..12_000], &heard[2_000 + DELAY..12_000 + DELAY]);
        let above = above_noise(sound, heard);
        assert!(above > least, "{hz} Hz: {above:.1} dB");
        let loudness = amplitude(hz, 16_000.0, heard);
        assert!((9_000.0..11_000.0).contains(&loudness), "{hz} Hz: {loudness:.0}");
    }
}

#[test]
fn silence_stays_silent() {
    let heard = decoded(&encoded(&[0; 16_000]));
    assert!(heard.iter().all(|sample| sample.abs() <= 8), "{:?}", heard.iter().max());
}

#[test]
fn silence_returns_after_any_noise() {
    let mut noise = 1_u32;
    let mut bytes: Vec<u8> = std::iter::repeat_with(|| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (noise >> 24) as u8
    })
    .take(8_000)
    .collect();
    bytes.extend(encoded(&[0; 32_000]));
    let heard = decoded(&bytes);
    assert_eq!(heard.len(), 48_000);
    assert!(power(&heard[..16_000]) > 1e9);
    assert!(heard[40_000..].iter().all(|sample| sample.abs() <= 64));
}

#[test]
fn an_odd_sample_goes_into_the_next_payload() {
    let sound = tone(700.0, 16_000.0, 1_000);
    let (mut encoder, mut bytes) = (Encoder::g722(), Vec::<u8>::new());
    for piece in sound.chunks(37) {
        let mut payload = [0; 20];
        let length = encoder.encode(piece, &mut payload).expect("room");
        bytes.extend(&payload[..length]);
    }
    assert_eq!(bytes, encoded(&sound));
}

#[test]
fn without_room_nothing_is_taken() {
    let sound = tone(700.0, 16_000.0, 321);
    let (mut encoder, mut payload) = (Encoder::g722(), [0; 160]);
    assert_eq!(encoder.encode(&sound[..1], &mut payload), Some(0));
    assert_eq!(encoder.encode(&sound[1..], &mut payload[..159]), None);
    assert_eq!(encoder.encode(&sound[1..], &mut payload), Some(160));
    assert_eq!(payload[..], encoded(&sound)[..]);
}

#[test]
fn there_is_no_concealment_of_its_own() {
    let mut out = Vec::new();
    let mut decoder = Decoder::g722();
    assert!(!decoder.conceal(320, &mut out) && !decoder.recover(&[0; 160], 320, &mut out));
    assert_eq!(out, []);
}
