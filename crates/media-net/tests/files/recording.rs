//! Recordings, from blocks to files that others read.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use media_net::recording::{
    End, Format, Layout, PacketEncoder, Recorder, Recording, RecordingError, RecordingId, Report, Shape, repair_all,
};
use sha2::{Digest, Sha256};

use crate::sound::{amplitude, encoded};

const ONE: RecordingId = RecordingId(1);
const HOUR: Duration = Duration::from_secs(3_600);

struct Studio {
    recorder: Recorder,
    reports: Receiver<Report>,
}

impl Studio {
    fn at(base: &Path) -> Studio {
        let (sender, reports) = channel();
        let recorder = Recorder::start(base, move |report| drop(sender.send(report))).unwrap();
        Studio { recorder, reports }
    }

    fn record(&self, name: &str, shape: Shape) -> Recording {
        self.recorder.record(ONE, Path::new(name), shape).unwrap()
    }

    fn report(&self) -> Report {
        self.reports.recv_timeout(Duration::from_secs(20)).expect("a report")
    }
}

fn shape(rate_hz: u32, layout: Layout) -> Shape {
    Shape { rate_hz, layout, format: Format::Wav, max_length: HOUR }
}

/// Waits for room in the queue, as the media thread never does.
fn say(recording: &mut Recording, rate_hz: u32, left_hz: f64, right_hz: f64, milliseconds: usize) {
    let tone = |frequency_hz: f64, start: usize, level: f64| -> Vec<i16> {
        let sample =
            |index: usize| level * (std::f64::consts::TAU * frequency_hz * index as f64 / f64::from(rate_hz)).sin();
        (start..start + rate_hz as usize / 50).map(|index| sample(index) as i16).collect()
    };
    for block in 0..milliseconds / 20 {
        let start = block * rate_hz as usize / 50;
        recording.block(&tone(left_hz, start, 8_000.0), &tone(right_hz, start, 4_000.0));
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn each_side_has_its_channel() {
    let folder = tempfile::tempdir().unwrap();
    let studio = Studio::at(&folder.path().join("recordings"));
    for rate_hz in [8_000, 16_000, 48_000] {
        let mut recording = studio.record(&format!("tenant/{rate_hz}.wav"), shape(rate_hz, Layout::Sides));
        say(&mut recording, rate_hz, 440.0, 1_000.0, 1_000);
        assert_eq!(recording.duration_ms(), 1_000);
        recording.finish();
        let report = studio.report();
        assert_eq!((report.id, report.lost_ms, &report.end), (ONE, 0, &End::Finished));
        let saved = report.saved.unwrap();
        assert_eq!(saved.path, folder.path().join(format!("recordings/tenant/{rate_hz}.wav")));
        let bytes = fs::read(&saved.path).unwrap();
        assert_eq!((saved.bytes, saved.duration_ms), (44 + u64::from(rate_hz) * 4, 1_000));
        assert_eq!(bytes.len() as u64, saved.bytes);
        assert_eq!(saved.sha256, <[u8; 32]>::from(Sha256::digest(&bytes)));
        assert_eq!(fs::metadata(&saved.path).unwrap().permissions().mode() & 0o777, 0o600);
        let mut reader = hound::WavReader::new(&bytes[..]).unwrap();
        let spec = reader.spec();
        assert_eq!((spec.channels, spec.sample_rate, spec.bits_per_sample), (2, rate_hz, 16));
        let samples: Vec<i16> = reader.samples().map(Result::unwrap).collect();
        for (channel, frequency_hz, level) in [(0, 440.0, 8_000.0), (1, 1_000.0, 4_000.0)] {
            let side: Vec<i16> = samples.iter().skip(channel).step_by(2).copied().collect();
            let heard = amplitude(&side, rate_hz, frequency_hz);
            assert!((heard - level).abs() < 10.0, "{rate_hz} Hz, channel {channel}: {heard}");
            assert!(amplitude(&side, rate_hz, 1_440.0 - frequency_hz) < 10.0, "the other side is not heard here");
        }
    }
    assert_eq!(names(&folder.path().join("recordings/tenant")), ["16000.wav", "48000.wav", "8000.wav"]);
}

#[test]
fn both_sides_are_mixed_without_turning_over() {
    let folder = tempfile::tempdir().unwrap();
    let studio = Studio::at(folder.path());
    let mut recording = studio.record("mixed.wav", shape(8_000, Layout::Mixed));
    recording.block(&[1, 2, 30_000, -30_000], &[10, 20, 30_000, -30_000]);
    recording.block(&[5, 6], &[]);
    recording.block(&[], &[7]);
    recording.pause();
    recording.block(&[100], &[100]);
    recording.mask();
    recording.block(&[100], &[100]);
    recording.resume();
    recording.block(&[8], &[0]);
    drop(recording);
    let saved = studio.report().saved.unwrap();
    let samples: Vec<i16> = hound::WavReader::open(saved.path).unwrap().samples().map(Result::unwrap).collect();
    assert_eq!(samples, [11, 22, i16::MAX, i16::MIN, 5, 6, 7, 0, 8]);
}

#[test]
fn the_greatest_length_is_exact() {
    let folder = tempfile::tempdir().unwrap();
    let studio = Studio::at(folder.path());
    let shape = Shape { max_length: Duration::from_millis(1_010), ..shape(8_000, Layout::Sides) };
    let mut recording = studio.record("long.wav", shape);
    say(&mut recording, 8_000, 440.0, 440.0, 1_500);
    assert!(recording.is_over());
    let report = studio.report();
    assert_eq!(report.end, End::MaxLength);
    let saved = report.saved.unwrap();
    assert_eq!((saved.duration_ms, saved.bytes), (1_010, 44 + 8_080 * 4));
}

/// A queue that nobody empties in time.
#[test]
fn a_disk_that_is_too_slow_costs_sound_and_not_time() {
    let folder = tempfile::tempdir().unwrap();
    let studio = Studio::at(folder.path());
    let mut recording = studio.record("flood.wav", shape(8_000, Layout::Mixed));
    // Far more at once than the queue holds.
    for _ in 0..20_000 {
        recording.block(&[1; 160], &[]);
    }
    assert_eq!(recording.duration_ms(), 400_000);
    recording.finish();
    let report = studio.report();
    let saved = report.saved.unwrap();
    assert_eq!((saved.duration_ms, &report.end), (400_000, &End::Finished));
    let heard = hound::WavReader::open(saved.path)
        .unwrap()
        .samples::<i16>()
        .filter(|sample| *sample.as_ref().unwrap() == 1)
        .count();
    assert!(report.lost_ms > 0, "nothing was lost");
    assert_eq!(heard as u64 / 8 + report.lost_ms, 400_000);
}

#[test]
fn the_end_of_the_recorder_finishes_all() {
    let folder = tempfile::tempdir().unwrap();
    let Studio { recorder, reports } = Studio::at(folder.path());
    let mut recordings: Vec<Recording> = (0..20)
        .map(|index| {
            let name = format!("{index}.wav");
            recorder.record(RecordingId(index), Path::new(&name), shape(8_000, Layout::Sides)).unwrap()
        })
        .collect();
    recordings.iter_mut().for_each(|recording| say(recording, 8_000, 440.0, 1_000.0, 100));
    drop(recorder);
    let mut reports: Vec<Report> = reports.iter().collect();
    reports.sort_by_key(|report| report.id);
    assert_eq!(reports.len(), 20);
    for (index, report) in reports.into_iter().enumerate() {
        assert_eq!((report.id, report.end), (RecordingId(index as u64), End::Finished));
        assert_eq!(report.saved.unwrap().duration_ms, 100);
    }
    for recording in &mut recordings {
        recording.block(&[1], &[1]);
        assert!(recording.is_over());
    }
}

#[test]
fn what_cannot_be_written_is_told_and_harms_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    let base = folder.path().join("base");
    fs::create_dir(&base).unwrap();
    fs::write(base.join("there.wav"), b"before").unwrap();
    fs::write(base.join("file"), b"").unwrap();
    std::os::unix::fs::symlink(outside.path(), base.join("link")).unwrap();
    let studio = Studio::at(&base);
    for name in ["there.wav", "link/call.wav", "link/deeper/call.wav", "file/call.wav"] {
        let mut recording = studio.record(name, shape(8_000, Layout::Sides));
        recording.block(&[1], &[1]);
        let report = studio.report();
        assert!(matches!(&report.end, End::Failed(why) if !why.is_empty()), "{name}: {report:?}");
        assert_eq!(report.saved, None);
        assert!(recording.is_over());
    }
    assert_eq!(names(outside.path()).len(), 0);
    assert_eq!(names(&base), ["file", "link", "there.wav"]);
    for name in ["", "../call.wav", "/tmp/call.wav", "call.wav.part"] {
        let refused = studio.recorder.record(ONE, Path::new(name), shape(8_000, Layout::Sides));
        assert_eq!(refused.unwrap_err(), RecordingError::Place, "{name:?}");
    }
    let odd = studio.recorder.record(ONE, Path::new("a.wav"), shape(11_025, Layout::Sides));
    assert!(matches!(odd, Err(RecordingError::Shape(_))));
    let alone = Shape { format: Format::OggOpus(Vec::new()), ..shape(8_000, Layout::Sides) };
    assert!(matches!(studio.recorder.record(ONE, Path::new("a.ogg"), alone), Err(RecordingError::Shape(_))));
}

struct Faulty;

impl PacketEncoder for Faulty {
    fn encode(&mut self, _: &[i16], _: &mut Vec<u8>) -> bool {
        panic!("a fault in an encoder, on purpose");
    }

    fn delay(&self) -> u16 {
        0
    }
}

#[test]
fn a_fault_in_an_encoder_ends_one_recording() {
    let folder = tempfile::tempdir().unwrap();
    let studio = Studio::at(folder.path());
    let mut good = studio.record("good.wav", shape(8_000, Layout::Sides));
    let faulty = Shape { format: Format::OggOpus(vec![Box::new(Faulty)]), ..shape(8_000, Layout::Mixed) };
    let mut bad = studio.recorder.record(RecordingId(2), Path::new("bad.ogg"), faulty).unwrap();
    say(&mut bad, 8_000, 440.0, 440.0, 100);
    let report = studio.report();
    assert_eq!((report.id, report.saved), (RecordingId(2), None));
    assert!(matches!(report.end, End::Failed(_)));
    say(&mut good, 8_000, 440.0, 440.0, 100);
    good.finish();
    assert_eq!(studio.report().saved.unwrap().duration_ms, 100);
    assert_eq!(names(folder.path()), ["good.wav"]);
}

#[test]
fn what_a_crash_left_is_finished_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("a/b");
    fs::create_dir_all(&deep).unwrap();
    let studio = Studio::at(folder.path());
    let mut recording = studio.record("whole.wav", shape(8_000, Layout::Sides));
    say(&mut recording, 8_000, 440.0, 1_000.0, 1_000);
    recording.finish();
    let whole = fs::read(studio.report().saved.unwrap().path).unwrap();
    fs::write(deep.join("one.wav.part"), &whole[..16_047]).unwrap();
    fs::write(deep.join("none.wav.part"), &whole[..44]).unwrap();
    fs::write(folder.path().join("other.part"), b"something else").unwrap();
    let saved = repair_all(folder.path());
    assert_eq!(saved.len(), 1);
    assert_eq!((saved[0].path.clone(), saved[0].duration_ms), (deep.join("one.wav"), 500));
    assert_eq!(names(&deep), ["one.wav"]);
    assert_eq!(names(folder.path()), ["a", "other.part", "whole.wav"]);
    assert_eq!(repair_all(&folder.path().join("nowhere")), []);
}

/// Gives out the packets of a file that ffmpeg has encoded.
struct Replay {
    packets: std::vec::IntoIter<Vec<u8>>,
    delay: u16,
}

impl Replay {
    fn of(directory: &Path, frequency_hz: u32) -> Box<dyn PacketEncoder> {
        let tone = directory.join(format!("{frequency_hz}.tone.wav"));
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 48_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(&tone, spec).unwrap();
        for index in 0..3 * 48_000 {
            let angle = std::f64::consts::TAU * f64::from(frequency_hz) * f64::from(index) / 48_000.0;
            writer.write_sample((8_000.0 * angle.sin()) as i16).unwrap();
        }
        writer.finalize().unwrap();
        let file =
            encoded(directory, &tone, "-c:a libopus -b:a 96k -frame_duration 20", &format!("{frequency_hz}.opus"));
        let bytes = fs::read(file).unwrap();
        let (mut rest, mut packets, mut packet) = (&bytes[..], Vec::new(), Vec::new());
        while !rest.is_empty() {
            let (header, after) = rest.split_at(27);
            let (segments, mut after) = after.split_at(usize::from(header[26]));
            for length in segments {
                let (segment, behind) = after.split_at(usize::from(*length));
                packet.extend_from_slice(segment);
                after = behind;
                if *length < 255 {
                    packets.push(std::mem::take(&mut packet));
                }
            }
            rest = after;
        }
        let delay = u16::from_le_bytes([packets[0][10], packets[0][11]]);
        packets.drain(..2);
        Box::new(Replay { packets: packets.into_iter(), delay })
    }
}

impl PacketEncoder for Replay {
    fn encode(&mut self, _: &[i16], packet: &mut Vec<u8>) -> bool {
        self.packets.next().map(|next| packet.extend(next)).is_some()
    }

    fn delay(&self) -> u16 {
        self.delay
    }
}

/// One channel, and two streams that make two channels, as another decoder hears them.
#[test]
fn opus_in_ogg_is_what_others_understand() {
    let folder = tempfile::tempdir().unwrap();
    let studio = Studio::at(&folder.path().join("recordings"));
    for layout in [Layout::Mixed, Layout::Sides] {
        let tones: &[u32] = if layout == Layout::Mixed { &[440] } else { &[440, 1_000] };
        let format = Format::OggOpus(tones.iter().map(|hz| Replay::of(folder.path(), *hz)).collect());
        let mut recording = studio.record(&format!("{layout:?}.ogg"), Shape { format, ..shape(48_000, layout) });
        (0..125).for_each(|_| recording.block(&[1; 960], &[1; 960]));
        recording.block(&[1; 480], &[]);
        recording.finish();
        let report = studio.report();
        assert_eq!((&report.end, report.lost_ms), (&End::Finished, 0));
        let saved = report.saved.unwrap();
        assert_eq!(saved.duration_ms, 2_510);
        let back = encoded(folder.path(), &saved.path, "-xerror -c:a pcm_s16le", &format!("{layout:?}.wav"));
        let mut reader = hound::WavReader::open(back).unwrap();
        assert_eq!(usize::from(reader.spec().channels), layout.channels());
        assert_eq!(reader.duration(), 2_510 * 48);
        let samples: Vec<i16> = reader.samples().map(Result::unwrap).collect();
        for (channel, frequency_hz) in tones.iter().enumerate() {
            let side: Vec<i16> = samples.iter().skip(channel).step_by(layout.channels()).copied().collect();
            let level = amplitude(&side, 48_000, f64::from(*frequency_hz));
            assert!((7_000.0..9_000.0).contains(&level), "{layout:?}, channel {channel}: {level}");
            assert!(
                amplitude(&side, 48_000, 1_440.0 - f64::from(*frequency_hz)) < 200.0,
                "{layout:?}, channel {channel}"
            );
        }
    }
}

/// A recording at each rate by our own encoder: every side on its channel, at its level, at its time.
#[test]
fn opus_of_our_own_keeps_level_and_time() {
    let folder = tempfile::tempdir().unwrap();
    let studio = Studio::at(&folder.path().join("recordings"));
    for rate_hz in [8_000, 16_000, 48_000] {
        let format = Format::OggOpus(media_net::recording::opus(rate_hz, Layout::Sides, 32_000).unwrap());
        let mut recording = studio.record(&format!("{rate_hz}.ogg"), Shape { format, ..shape(rate_hz, Layout::Sides) });
        let silence = vec![0; rate_hz as usize / 50];
        (0..25).for_each(|_| recording.block(&silence, &silence));
        say(&mut recording, rate_hz, 440.0, 1_000.0, 1_000);
        recording.finish();
        let saved = studio.report().saved.unwrap();
        assert_eq!(saved.duration_ms, 1_500);
        assert!(saved.bytes < 20_000, "{} bytes", saved.bytes);
        let back = encoded(folder.path(), &saved.path, "-xerror -c:a pcm_s16le", &format!("{rate_hz}.back.wav"));
        let samples: Vec<i16> = hound::WavReader::open(back).unwrap().samples().map(Result::unwrap).collect();
        assert_eq!(samples.len(), 2 * 1_500 * 48);
        for (channel, frequency_hz, level) in [(0, 440.0, 8_000.0), (1, 1_000.0, 4_000.0)] {
            let side: Vec<i16> = samples.iter().skip(channel).step_by(2).copied().collect();
            let heard = amplitude(&side[500 * 48..], 48_000, frequency_hz);
            assert!((0.85..1.15).contains(&(heard / level)), "{rate_hz} Hz, channel {channel}: {heard}");
            let begin =
                side.iter().position(|sample| f64::from(sample.unsigned_abs()) > level / 2.0).unwrap() as f64 / 48.0;
            assert!((499.0..503.0).contains(&begin), "{rate_hz} Hz, channel {channel} begins at {begin} ms");
        }
    }
}
