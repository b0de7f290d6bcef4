//! Time, faults and crashes, on a medium that does as it is told.

use std::fs;
use std::io::Cursor;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use proptest::prelude::*;

use super::handle::pair;
use super::medium::Medium;
use super::ogg::Ogg;
use super::track::{Track, Turn};
use super::wav::{HEADER_BYTES, Wav};
use super::*;
use crate::limits::MAX_WAITING_BLOCKS;

/// A disk of so many bytes.
#[derive(Clone)]
struct Memory {
    bytes: Arc<Mutex<Vec<u8>>>,
    room: usize,
}

impl Memory {
    fn of(room: usize) -> Memory {
        Memory { bytes: Arc::default(), room }
    }

    fn bytes(&self) -> Vec<u8> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Medium for Memory {
    fn write_at(&mut self, at: u64, bytes: &[u8]) -> io::Result<usize> {
        let at = at as usize;
        let count = bytes.len().min(self.room.saturating_sub(at));
        if count == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let mut held = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        let length = held.len().max(at + count);
        held.resize(length, 0);
        held[at..at + count].copy_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner).truncate(length as usize);
        Ok(())
    }
}

/// An encoder whose packets say what they were made of.
struct Marks(u8);

impl PacketEncoder for Marks {
    fn encode(&mut self, samples: &[i16], packet: &mut Vec<u8>) -> bool {
        // One frame of 20 ms (RFC 6716, 3.1), of a length that needs two bytes every third time.
        self.0 = self.0.wrapping_add(1);
        packet.push(0x78);
        packet.resize(if self.0.is_multiple_of(3) { 400 } else { 60 }, samples[0] as u8);
        true
    }

    fn delay(&self) -> u16 {
        312
    }
}

fn marks(layout: Layout) -> Vec<Box<dyn PacketEncoder>> {
    (0..layout.channels()).map(|_| Box::new(Marks(0)) as _).collect()
}

fn wav(memory: &Memory, layout: Layout, max_frames: u64) -> (Recording, Track) {
    let (recording, source) = pair(8_000, layout, max_frames);
    let container = Wav::create(memory.clone(), 8_000, layout).unwrap();
    (recording, Track::new(Instant::now(), source, Box::new(container), layout))
}

fn read(bytes: &[u8]) -> (hound::WavSpec, Vec<i16>) {
    let mut reader = hound::WavReader::new(Cursor::new(bytes)).unwrap();
    let spec = reader.spec();
    (spec, reader.samples().map(Result::unwrap).collect())
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// So many blocks of so many frames.
    Blocks(usize, usize),
    Pause,
    Mask,
    Resume,
    /// The writer gets its turn.
    Turn,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1_usize..150, 0_usize..6).prop_map(|(count, frames)| Step::Blocks(count, frames)),
        1 => (1_usize..4, 900_usize..2_500).prop_map(|(count, frames)| Step::Blocks(count, frames)),
        1 => Just(Step::Pause),
        1 => Just(Step::Mask),
        2 => Just(Step::Resume),
        3 => Just(Step::Turn),
    ];
    prop::collection::vec(step, 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Whatever is paused, masked or lost: every sample stands at its time, and what is missing is silence.
    #[test]
    fn time_stays_true(steps in steps(), max_frames in prop_oneof![Just(u64::MAX), 0_u64..2_000]) {
        let memory = Memory::of(usize::MAX);
        let (mut recording, mut track) = wav(&memory, Layout::Sides, max_frames);
        let mut expected: Vec<i16> = Vec::new();
        let (mut state, mut waiting, mut lost, mut next) = (Step::Resume, 0, 0, 0_i16);
        let mut over = None;
        for step in steps {
            match step {
                Step::Blocks(count, frames) => for _ in 0..count {
                    let sides: Vec<[i16; 2]> = (0..frames).map(|_| { next = next % 30_000 + 1; [next, -next] }).collect();
                    let left: Vec<i16> = sides.iter().map(|side| side[0]).collect();
                    let right: Vec<i16> = sides.iter().map(|side| side[1]).collect();
                    recording.block(&left, &right);
                    if matches!(state, Step::Pause) {
                        continue;
                    }
                    for piece in sides.chunks(MAX_PIECE) {
                        let room = max_frames - (expected.len() / 2) as u64;
                        let piece = &piece[..piece.len().min(room as usize)];
                        if piece.is_empty() {
                            continue;
                        }
                        let heard = matches!(state, Step::Resume) && waiting < MAX_WAITING_BLOCKS;
                        waiting += usize::from(matches!(state, Step::Resume) && heard);
                        lost += if matches!(state, Step::Resume) && !heard { piece.len() as u64 } else { 0 };
                        expected.extend(piece.iter().flatten().map(|sample| if heard { *sample } else { 0 }));
                    }
                },
                Step::Pause => { recording.pause(); state = step; }
                Step::Mask => { recording.mask(); state = step; }
                Step::Resume => { recording.resume(); state = step; }
                Step::Turn if over.is_none() => {
                    waiting = 0;
                    if let Turn::Over(end) = track.turn(Instant::now()) {
                        over = Some(end);
                    }
                }
                Step::Turn => {}
            }
        }
        prop_assert_eq!(recording.duration_ms(), expected.len() as u64 / 16);
        recording.finish();
        let full = expected.len() as u64 / 2 == max_frames;
        let end = over.unwrap_or_else(|| match track.turn(Instant::now()) {
            Turn::Over(end) => end,
            Turn::On => End::Failed("it goes on".into()),
        });
        prop_assert_eq!(end, if full { End::MaxLength } else { End::Finished });
        prop_assert_eq!(read(&memory.bytes()).1, expected);
        prop_assert_eq!(track.lost(), lost);
    }
}

const MAX_PIECE: usize = crate::limits::MAX_BLOCK_FRAMES;

#[test]
fn the_file_is_readable_at_every_moment_and_never_two_seconds_behind() {
    for masked in [false, true] {
        let memory = Memory::of(usize::MAX);
        let (mut recording, mut track) = wav(&memory, Layout::Mixed, u64::MAX);
        assert_eq!(read(&memory.bytes()).1.len(), 0);
        if masked {
            recording.mask();
        }
        let begin = Instant::now();
        for tenth in 1..=100_u32 {
            for _ in 0..5 {
                recording.block(&[1; 160], &[2; 160]);
            }
            assert_eq!(track.turn(begin + Duration::from_millis(100) * tenth), Turn::On);
            let there = read(&memory.bytes()).1.len();
            assert!(there + 2 * 8_000 > tenth as usize * 800, "{there} samples after {tenth} tenths");
        }
    }
}

#[test]
fn a_full_disk_ends_the_recording_and_keeps_what_is_there() {
    for room in HEADER_BYTES..HEADER_BYTES + 1_500 {
        let memory = Memory::of(room);
        let (mut recording, mut track) = wav(&memory, Layout::Sides, u64::MAX);
        let begin = Instant::now();
        let mut ended = None;
        for second in 1..=8_u64 {
            recording.block(&[7; 50], &[8; 50]);
            if let Turn::Over(end) = track.turn(begin + Duration::from_secs(second)) {
                ended = Some(end);
                break;
            }
        }
        assert!(matches!(&ended, Some(End::Failed(why)) if !why.is_empty()), "{room}: {ended:?}");
        assert!(recording.is_over());
        let (spec, samples) = read(&memory.bytes());
        assert_eq!((spec.channels, spec.sample_rate), (2, 8_000));
        let frames = (room - HEADER_BYTES) / 4;
        assert_eq!(samples, [7, 8].repeat(frames), "{room}");
        assert_eq!(track.frames(), frames as u64);
        // The call goes on, and nothing piles up.
        recording.block(&[9; 50], &[9; 50]);
        assert!(recording.is_over());
    }
}

/// The pages of an Ogg file: each one's flags, granule and packets.
fn pages(mut bytes: &[u8]) -> Vec<(u8, u64, usize)> {
    let mut pages = Vec::new();
    while !bytes.is_empty() {
        let page = super::ogg::page(bytes).expect("whole pages");
        let segments = &bytes[27..27 + usize::from(bytes[26])];
        pages.push((bytes[5], page.granule, segments.iter().filter(|length| **length < 255).count()));
        bytes = &bytes[page.length..];
    }
    pages
}

#[test]
fn an_ogg_file_counts_its_time_and_says_where_it_ends() {
    for layout in [Layout::Mixed, Layout::Sides] {
        let memory = Memory::of(usize::MAX);
        let mut ogg = Ogg::create(memory.clone(), 8_000, layout, marks(layout), 7).unwrap();
        for _ in 0..100 {
            // 10 ms: half a packet.
            ogg.append(&vec![5; 80 * layout.channels()]).unwrap();
        }
        ogg.settle().unwrap();
        for _ in 0..3 {
            ogg.append(&vec![5; 80 * layout.channels()]).unwrap();
        }
        ogg.close().unwrap();
        let pages = pages(&memory.bytes());
        // 1,030 ms and the delay of the encoder, in packets of 20 ms: 52, of which one had waited when the page was written.
        assert_eq!(pages, [(2, 0, 1), (0, 0, 1), (0, 49 * 960, 49), (4, 49_440 + 312, 3)], "{layout:?}");
    }
}

#[test]
fn an_ogg_file_of_nothing_is_a_file_all_the_same() {
    let memory = Memory::of(usize::MAX);
    let mut ogg = Ogg::create(memory.clone(), 48_000, Layout::Mixed, marks(Layout::Mixed), 7).unwrap();
    ogg.close().unwrap();
    assert_eq!(pages(&memory.bytes()), [(2, 0, 1), (0, 0, 1), (4, 312, 1)]);
}

#[test]
fn a_full_disk_leaves_whole_pages_of_ogg() {
    for room in (200..30_000).step_by(97) {
        let memory = Memory::of(room);
        let Ok(container) = Ogg::create(memory.clone(), 8_000, Layout::Sides, marks(Layout::Sides), 7) else {
            continue;
        };
        let (mut recording, source) = pair(8_000, Layout::Sides, u64::MAX);
        let begin = Instant::now();
        let mut track = Track::new(begin, source, Box::new(container), Layout::Sides);
        let mut second = 0;
        let end = loop {
            second += 1;
            (0..25).for_each(|_| recording.block(&[7; 160], &[8; 160]));
            if let Turn::Over(end) = track.turn(begin + Duration::from_secs(second)) {
                break end;
            }
        };
        assert!(matches!(end, End::Failed(_)), "{room}: {end:?}");
        let pages = pages(&memory.bytes());
        let audio = &pages[2..];
        let Some((flags, granule, _)) = audio.last() else {
            assert_eq!(track.frames(), 0, "{room}");
            continue;
        };
        assert_eq!(*flags, 4, "{room}");
        assert!(audio.iter().rev().skip(1).all(|(flags, ..)| *flags == 0), "{room}");
        assert_eq!(track.frames(), (granule - 312) / 6, "{room}");
    }
}

/// A file that was left behind, broken off after each of its bytes, is repaired to what it holds.
#[test]
fn a_crash_at_any_byte_leaves_a_file_that_can_be_repaired() {
    let folder = tempfile::tempdir().unwrap();
    let (part, whole) = (folder.path().join("call.wav.part"), folder.path().join("call.wav"));
    for layout in [Layout::Mixed, Layout::Sides] {
        let memory = Memory::of(usize::MAX);
        let mut wav = Wav::create(memory.clone(), 16_000, layout).unwrap();
        let samples: Vec<i16> = (0..100).collect();
        wav.append(&samples).unwrap();
        wav.settle().unwrap();
        // The header of the crash may be older than the samples, or younger.
        for stale in [false, true] {
            for length in 0..=memory.bytes().len() {
                let mut bytes = memory.bytes();
                if stale {
                    bytes[..HEADER_BYTES].copy_from_slice(&super::wav::header(16_000, layout, 0));
                }
                fs::write(&part, &bytes[..length]).unwrap();
                let saved = repair(&part).unwrap();
                assert!(!part.exists());
                let frames = length.saturating_sub(HEADER_BYTES) / layout.frame_bytes() as usize;
                let Some(saved) = saved else {
                    assert_eq!(frames, 0, "{length}");
                    assert!(!whole.exists());
                    continue;
                };
                let bytes = fs::read(&whole).unwrap();
                let (spec, heard) = read(&bytes);
                assert_eq!((usize::from(spec.channels), spec.sample_rate), (layout.channels(), 16_000));
                assert_eq!(heard, samples[..frames * layout.channels()]);
                assert_eq!((saved.path.as_path(), saved.bytes), (whole.as_path(), bytes.len() as u64));
                assert_eq!(saved.duration_ms, frames as u64 / 16);
                fs::remove_file(&whole).unwrap();
            }
        }
    }
}

#[test]
fn a_crash_at_any_byte_leaves_whole_pages_of_ogg() {
    let folder = tempfile::tempdir().unwrap();
    let part = folder.path().join("call.ogg.part");
    let memory = Memory::of(usize::MAX);
    let mut ogg = Ogg::create(memory.clone(), 8_000, Layout::Sides, marks(Layout::Sides), 7).unwrap();
    for _ in 0..4 {
        (0..2).for_each(|_| ogg.append(&[5; 320]).unwrap());
        ogg.settle().unwrap();
    }
    let bytes = memory.bytes();
    let all = pages(&bytes);
    let mut best = 0;
    for length in 0..=bytes.len() {
        fs::write(&part, &bytes[..length]).unwrap();
        let repaired = repair(&part);
        // The first page says whose file it is.
        let Some(saved) = repaired.unwrap() else {
            assert_eq!(best, 0, "{length}");
            continue;
        };
        let kept = pages(&fs::read(&saved.path).unwrap());
        let (last, before) = kept.split_last().unwrap();
        assert_eq!(before, &all[..kept.len() - 1]);
        assert_eq!(last.0, 4, "{length}");
        assert_eq!(saved.duration_ms, (last.1 - 312) / 48, "{length}");
        assert!(kept.len() >= best, "{length}");
        best = kept.len();
        fs::remove_file(&saved.path).unwrap();
    }
    assert_eq!(best, all.len());
}

#[test]
fn what_is_no_recording_is_not_repaired() {
    let folder = tempfile::tempdir().unwrap();
    let part = folder.path().join("call.wav.part");
    let foreign = [&b"a text"[..], &[b'R'; 100], b"OggS\0"];
    for bytes in [foreign[0], foreign[1]] {
        fs::write(&part, bytes).unwrap();
        assert_eq!(repair(&part).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(fs::read(&part).unwrap(), bytes, "it stays as it is");
    }
    let other = folder.path().join("call.wav");
    fs::write(&other, b"RIFF").unwrap();
    assert_eq!(repair(&other).unwrap_err().kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn a_file_that_is_there_already_is_never_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let part = folder.path().join("call.wav.part");
    let mut bytes = super::wav::header(8_000, Layout::Mixed, 2).to_vec();
    bytes.extend([1, 0]);
    fs::write(&part, &bytes).unwrap();
    fs::write(folder.path().join("call.wav"), b"before").unwrap();
    assert_eq!(repair(&part).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(fs::read(folder.path().join("call.wav")).unwrap(), b"before");
    assert!(part.exists());
}

#[test]
fn names_stay_inside() {
    for good in ["call.wav", "2026/12/01/call.wav", "a b/ü.ogg", "..call"] {
        assert_eq!(super::place::name(Path::new(good)), Some(PathBuf::from(good)), "{good:?}");
    }
    let long = "a".repeat(251);
    let deep = "a/".repeat(17) + "b";
    for bad in
        ["", ".", "..", "/etc/call.wav", "../call.wav", "a/../../call.wav", "a/", "call.wav.part", "a\0b", &long, &deep]
    {
        assert_eq!(super::place::name(Path::new(bad)), None, "{bad:?}");
    }
}
