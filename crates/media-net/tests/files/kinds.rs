//! Every kind of file that is played, at every rate.

use std::path::Path;

use media_net::{PlaybackError, Rate, load_file};

use crate::sound::{assert_tone, encoded, wav};

const RATES: [Rate; 3] = [Rate::Narrow, Rate::Wide, Rate::Full];

/// Half a second, give or take so many milliseconds of the file's own frames.
fn assert_half_a_second(path: &Path, tolerance_ms: usize) {
    for rate in RATES {
        let samples = load_file(path, rate).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let (half, tolerance) = (rate.hz() as usize / 2, rate.hz() as usize * tolerance_ms / 1_000);
        assert_tone(&samples, rate.hz(), half - tolerance..=half + tolerance, &path.display().to_string());
    }
}

#[test]
fn wav_of_every_rate_and_both_channels() {
    let directory = tempfile::tempdir().unwrap();
    for rate_hz in [8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 12_345] {
        for channels in [1, 2] {
            assert_half_a_second(&wav(directory.path(), rate_hz, channels, 0.5), 1);
        }
    }
}

#[test]
fn wav_of_every_encoding() {
    let directory = tempfile::tempdir().unwrap();
    let source = wav(directory.path(), 16_000, 2, 0.5);
    for codec in ["pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le", "pcm_mulaw", "pcm_alaw"] {
        let path = encoded(directory.path(), &source, &format!("-c:a {codec}"), &format!("{codec}.wav"));
        assert_half_a_second(&path, 0);
    }
    // With texts between the header and the samples, and a length that nobody knew.
    let tagged = encoded(directory.path(), &source, "-metadata title=Hello -metadata comment=World", "tagged.wav");
    assert_half_a_second(&tagged, 0);
    let mut piped = std::fs::read(&source).unwrap();
    piped[4..8].fill(0xff);
    piped[40..44].fill(0xff);
    let path = directory.path().join("piped.wav");
    std::fs::write(&path, piped).unwrap();
    assert_half_a_second(&path, 0);
}

#[test]
fn mp3_with_its_padding_taken_away() {
    let directory = tempfile::tempdir().unwrap();
    for (rate_hz, channels) in [(8_000, 1), (16_000, 1), (22_050, 2), (44_100, 2), (48_000, 1)] {
        let source = wav(directory.path(), rate_hz, channels, 0.5);
        let path = encoded(directory.path(), &source, "-c:a libmp3lame -b:a 64k", &format!("{rate_hz}.mp3"));
        assert_half_a_second(&path, 1);
    }
    let source = wav(directory.path(), 44_100, 2, 0.5);
    let bare = encoded(directory.path(), &source, "-c:a libmp3lame -q:a 2 -id3v2_version 0 -write_xing 0", "bare.mp3");
    assert_half_a_second(&bare, 60);
    // What the name claims does not matter.
    let renamed = directory.path().join("in-truth-mp3.wav");
    std::fs::copy(&bare, &renamed).unwrap();
    assert_half_a_second(&renamed, 60);
}

#[test]
fn ogg_vorbis() {
    let directory = tempfile::tempdir().unwrap();
    for (rate_hz, channels) in [(8_000, 1), (16_000, 2), (44_100, 1), (48_000, 2)] {
        let source = wav(directory.path(), rate_hz, channels, 0.5);
        let path = encoded(directory.path(), &source, "-c:a libvorbis -q:a 4", &format!("{rate_hz}.ogg"));
        assert_half_a_second(&path, 1);
    }
}

#[test]
fn ogg_opus() {
    let directory = tempfile::tempdir().unwrap();
    for (rate_hz, channels, options) in
        [(8_000, 1, "-b:a 24k"), (16_000, 2, "-b:a 64k"), (48_000, 2, "-frame_duration 60")]
    {
        let source = wav(directory.path(), rate_hz, channels, 0.5);
        let path = encoded(directory.path(), &source, &format!("-c:a libopus {options}"), &format!("{rate_hz}.opus"));
        assert_half_a_second(&path, 1);
    }
}

#[test]
fn flac_alone_and_in_ogg() {
    let directory = tempfile::tempdir().unwrap();
    for (rate_hz, channels) in [(8_000, 1), (16_000, 2), (44_100, 1), (48_000, 2)] {
        let source = wav(directory.path(), rate_hz, channels, 0.5);
        assert_half_a_second(&encoded(directory.path(), &source, "-c:a flac", &format!("{rate_hz}.flac")), 1);
        assert_half_a_second(&encoded(directory.path(), &source, "-c:a flac", &format!("{rate_hz}.oga")), 1);
    }
    let source = wav(directory.path(), 48_000, 2, 0.5);
    assert_half_a_second(&encoded(directory.path(), &source, "-c:a flac -sample_fmt s32", "24-bit.flac"), 1);
}

#[test]
fn stereo_is_mixed_and_not_summed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("loud.wav");
    let spec = hound::WavSpec {
        channels: 2,
        sample_rate: 8_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(&path, spec).unwrap();
    for (left, right) in [(i16::MAX, i16::MAX), (i16::MIN, i16::MIN), (30_000, -30_000), (1_000, 3_000)] {
        writer.write_sample(left).unwrap();
        writer.write_sample(right).unwrap();
    }
    writer.finalize().unwrap();
    assert_eq!(load_file(&path, Rate::Narrow).unwrap()[..], [i16::MAX, i16::MIN, 0, 2_000]);
}

#[test]
fn what_is_not_played_says_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    let refusal = |path: &Path| {
        let error = load_file(path, Rate::Narrow).unwrap_err();
        let line = error.to_string();
        assert!(!line.contains('\n') && line.contains(':'), "{line:?}");
        error
    };
    assert!(matches!(refusal(&path), PlaybackError::Io(_)));
    assert!(matches!(refusal(directory.path()), PlaybackError::NotAFile));
    assert!(matches!(refusal(Path::new("/dev/zero")), PlaybackError::NotAFile));
    for unknown in [&b""[..], b"RIFF", b"<html><body>Not found", &[0x55; 1_000], &[0xff; 1_000], b"\xff\xfb\xf0\x00"] {
        std::fs::write(&path, unknown).unwrap();
        assert!(matches!(refusal(&path), PlaybackError::Unknown), "{unknown:?}");
    }
    for broken in [&b"RIFF\xff\xff\xff\xffWAVEfmt "[..], b"OggS1234", b"fLaC1234", b"ID3\x04\0\0\0\0\0\0after the tag"]
    {
        std::fs::write(&path, broken).unwrap();
        assert!(matches!(refusal(&path), PlaybackError::Broken(_)), "{broken:?}: {:?}", refusal(&path));
    }
    let stereo = wav(directory.path(), 48_000, 2, 0.2);
    let mono = wav(directory.path(), 16_000, 1, 0.2);
    let speex = encoded(directory.path(), &mono, "-c:a libspeex", "speex.ogg");
    assert!(matches!(refusal(&speex), PlaybackError::Encoding(_)), "{:?}", refusal(&speex));
    let many = encoded(directory.path(), &stereo, "-c:a libopus -mapping_family 255", "many.opus");
    assert!(matches!(refusal(&many), PlaybackError::Encoding(_)), "{:?}", refusal(&many));
    let adpcm = encoded(directory.path(), &stereo, "-c:a adpcm_ima_wav", "adpcm.wav");
    assert!(matches!(refusal(&adpcm), PlaybackError::Encoding(_)), "{:?}", refusal(&adpcm));
    let wide = encoded(directory.path(), &stereo, "-ac 6", "six.wav");
    assert!(matches!(refusal(&wide), PlaybackError::Format { channels: 6, .. }), "{:?}", refusal(&wide));
    let fast = encoded(directory.path(), &stereo, "-ar 96000", "fast.flac");
    assert!(matches!(refusal(&fast), PlaybackError::Format { rate_hz: 96_000, .. }));
    assert!(matches!(refusal(&wav(directory.path(), 8_000, 1, 0.0)), PlaybackError::Empty));
}
