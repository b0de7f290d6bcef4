//! Files to be read, and ears for what was read.

use std::f64::consts::TAU;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The frequency and the amplitude of the tone in every file here.
pub(crate) const TONE_HZ: f64 = 440.0;
pub(crate) const LEVEL: f64 = 8_000.0;

/// A WAV file written by hound: `LEVEL` on every channel.
pub(crate) fn wav(directory: &Path, rate_hz: u32, channels: u16, seconds: f64) -> PathBuf {
    let path = directory.join(format!("{rate_hz}-{channels}-{seconds}.wav"));
    let spec =
        hound::WavSpec { channels, sample_rate: rate_hz, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut writer = hound::WavWriter::create(&path, spec).unwrap();
    for index in 0..(f64::from(rate_hz) * seconds) as usize {
        let angle = index as f64 * TONE_HZ * TAU / f64::from(rate_hz);
        for _ in 0..channels {
            writer.write_sample((LEVEL * angle.sin()) as i16).unwrap();
        }
    }
    writer.finalize().unwrap();
    path
}

/// The same sound as ffmpeg encodes it, with these options, into a file of this name.
pub(crate) fn encoded(directory: &Path, source: &Path, options: &str, name: &str) -> PathBuf {
    let path = directory.join(name);
    let output = Command::new("ffmpeg")
        .args(["-hide_banner", "-loglevel", "error", "-y", "-i"])
        .arg(source)
        .args(options.split_whitespace())
        .arg(&path)
        .output()
        .expect("ffmpeg; tools/packages test installs it");
    assert!(output.status.success(), "{options}: {}", String::from_utf8_lossy(&output.stderr));
    path
}

/// The amplitude of one frequency, away from the edges.
pub(crate) fn amplitude(samples: &[i16], rate_hz: u32, frequency_hz: f64) -> f64 {
    let edge = rate_hz as usize / 20;
    let middle = &samples[edge..samples.len() - edge];
    let (mut real, mut imaginary) = (0.0, 0.0);
    for (index, sample) in middle.iter().enumerate() {
        let angle = TAU * frequency_hz * index as f64 / f64::from(rate_hz);
        real += f64::from(*sample) * angle.cos();
        imaginary += f64::from(*sample) * angle.sin();
    }
    2.0 * real.hypot(imaginary) / middle.len() as f64
}

/// Half a second of the tone and nothing else.
pub(crate) fn assert_tone(samples: &[i16], rate_hz: u32, frames: std::ops::RangeInclusive<usize>, what: &str) {
    assert!(frames.contains(&samples.len()), "{what}: {} samples at {rate_hz} Hz", samples.len());
    let level = amplitude(samples, rate_hz, TONE_HZ);
    // LAME makes some rates half a decibel quieter.
    assert!((0.93..1.05).contains(&(level / LEVEL)), "{what}: a level of {level}");
    let edge = rate_hz as usize / 20;
    let middle = &samples[edge..samples.len() - edge];
    let power = middle.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / middle.len() as f64;
    let noise = power - level * level / 2.0;
    assert!(noise < power * 0.02, "{what}: a noise of {noise} beside {power}");
}
