//! Sounds to encode, and how much of one is in what was heard.

use std::f64::consts::TAU;

/// A sine of amplitude 10,000.
pub(crate) fn tone(hz: f64, rate_hz: f64, samples: usize) -> Vec<i16> {
    (0..samples).map(|n| (10_000.0 * (TAU * hz * n as f64 / rate_hz).sin()) as i16).collect()
}

/// Something like a voice at 48 kHz: the harmonics of a gliding pitch, in syllables.
pub(crate) fn voice(samples: usize) -> Vec<i16> {
    let mut phase = 0.0;
    (0..samples)
        .map(|n| {
            let seconds = n as f64 / 48_000.0;
            phase += TAU * (130.0 + 25.0 * (TAU * 0.7 * seconds).sin()) / 48_000.0;
            let syllable = (0.55 - 0.45 * (TAU * 4.0 * seconds).cos()).powi(2);
            let sound: f64 = (1..24).map(|k| (phase * f64::from(k)).sin() * (-f64::from(k) / 6.0).exp()).sum();
            (6_000.0 * syllable * sound) as i16
        })
        .collect()
}

/// Amplitude of a sine in a sound (Goertzel's sum in its plain form).
pub(crate) fn amplitude(hz: f64, rate_hz: f64, samples: &[i16]) -> f64 {
    let (mut real, mut imaginary) = (0.0, 0.0);
    for (n, sample) in samples.iter().enumerate() {
        let angle = TAU * hz * n as f64 / rate_hz;
        real += f64::from(*sample) * angle.cos();
        imaginary += f64::from(*sample) * angle.sin();
    }
    2.0 * (real * real + imaginary * imaginary).sqrt() / samples.len() as f64
}

/// How far a sound is above its difference from another, in decibels.
pub(crate) fn above_noise(sound: &[i16], heard: &[i16]) -> f64 {
    let noise: f64 = sound.iter().zip(heard).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum();
    10.0 * (power(sound) / noise.max(1e-9)).log10()
}

/// Sum of the squares.
pub(crate) fn power(sound: &[i16]) -> f64 {
    sound.iter().map(|sample| f64::from(*sample).powi(2)).sum()
}
