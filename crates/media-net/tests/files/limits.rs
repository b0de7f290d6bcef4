//! Files that are too large, cut off, or made to do harm.

use std::fs;

use media_net::{PlaybackError, Rate, load_file};
use proptest::prelude::*;

use crate::sound::{encoded, wav};

#[test]
fn a_file_that_is_too_long_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let long = wav(directory.path(), 8_000, 1, 301.0);
    assert!(matches!(load_file(&long, Rate::Narrow), Err(PlaybackError::TooLarge)));
    let huge = directory.path().join("huge.wav");
    fs::File::create(&huge).unwrap().set_len(1 << 40).unwrap();
    assert!(matches!(load_file(&huge, Rate::Narrow), Err(PlaybackError::TooLarge)));
    // Small on disk, long to hear.
    let silence = encoded(directory.path(), &long, "-af volume=0 -c:a flac", "silence.flac");
    assert!(matches!(load_file(&silence, Rate::Narrow), Err(PlaybackError::TooLarge)));
}

#[test]
fn a_text_that_claims_gigabytes_is_passed_over() {
    let directory = tempfile::tempdir().unwrap();
    let good = fs::read(wav(directory.path(), 8_000, 1, 0.1)).unwrap();
    let mut bomb = good[..12].to_vec();
    bomb.extend(b"LIST\xf0\xff\xff\xffINFOINAM\xe0\xff\xff\xff");
    bomb.extend(&good[12..]);
    let path = directory.path().join("bomb.wav");
    fs::write(&path, bomb).unwrap();
    assert!(matches!(load_file(&path, Rate::Narrow), Err(PlaybackError::Broken(_))));
}

/// Wherever a file breaks off, it is played up to there or refused.
#[test]
fn a_file_that_breaks_off_is_played_as_far_as_it_goes() {
    let directory = tempfile::tempdir().unwrap();
    let source = wav(directory.path(), 16_000, 1, 4.0);
    let files = [
        source.clone(),
        encoded(directory.path(), &source, "-c:a libmp3lame", "cut.mp3"),
        encoded(directory.path(), &source, "-c:a libvorbis -page_duration 20000", "cut.ogg"),
        encoded(directory.path(), &source, "-c:a flac -frame_size 512", "cut.flac"),
    ];
    for file in files {
        let whole = fs::read(&file).unwrap();
        let path = directory.path().join("part");
        let mut longest = 0;
        for tenth in 0..=10 {
            fs::write(&path, &whole[..whole.len() * tenth / 10]).unwrap();
            if let Ok(samples) = load_file(&path, Rate::Narrow) {
                assert!(samples.len() >= longest, "{}: {tenth}", file.display());
                longest = samples.len();
            }
            if tenth == 8 {
                assert!(longest > 20_000, "{}: {longest} samples of four fifths", file.display());
            }
        }
        assert!((31_900..=32_100).contains(&longest), "{}: {longest}", file.display());
    }
}

#[test]
fn damaged_files_never_do_more_than_be_refused() {
    let directory = tempfile::tempdir().unwrap();
    let source = wav(directory.path(), 8_000, 1, 0.1);
    let files: Vec<Vec<u8>> = [
        ("pcm_s16le", "a.wav"),
        ("libmp3lame", "a.mp3"),
        ("libvorbis", "a.ogg"),
        ("libopus", "a.opus"),
        ("flac", "a.flac"),
    ]
    .iter()
    .map(|(codec, name)| fs::read(encoded(directory.path(), &source, &format!("-c:a {codec}"), name)).unwrap())
    .collect();
    let path = directory.path().join("damaged");
    let damage =
        (0..files.len(), prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8), any::<bool>());
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig { cases: 200, ..ProptestConfig::default() });
    runner
        .run(&damage, |(file, changes, at_the_start)| {
            let mut bytes = files[file].clone();
            let most = if at_the_start { bytes.len().min(128) } else { bytes.len() };
            for (place, value) in changes {
                bytes[place.index(most)] = value;
            }
            fs::write(&path, &bytes).unwrap();
            // A decoder may give up by a panic, which costs its thread of the loader and nothing else.
            let loaded = std::panic::catch_unwind(|| load_file(&path, Rate::Narrow));
            if let Ok(Ok(samples)) = loaded {
                prop_assert!(samples.len() <= 300 * 8_000);
            }
            Ok(())
        })
        .unwrap();
}
