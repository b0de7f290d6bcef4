//! Rooms and recordings, with phones that each play a tone.

use std::f64::consts::TAU;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use media::{Command, Fact, Leg, RecordingChange, RecordingOrder, RoomId, RoomPart, RoomSeat, SessionId, g711, tone};

use crate::bench::{Bench, ONE, Phone, TWO};

const THREE: SessionId = SessionId(3);
const ROOM: RoomId = RoomId(9);

/// Lets phones play their tones for a while, and says what each of them heard.
fn talk(phones: &[(&Phone, f64)], time: Duration) -> Vec<Vec<i16>> {
    let mut heard = vec![Vec::new(); phones.len()];
    for (phone, _) in phones {
        phone.rtp.set_nonblocking(true).unwrap();
    }
    let start = Instant::now();
    let beats = u32::try_from(time.as_millis() / 20).unwrap();
    for beat in 0..beats {
        for (phone, hz) in phones {
            let sample = |n: u32| (f64::from(beat * 160 + n) * hz * TAU / 8_000.0).sin() * 8_000.0;
            let payload: Vec<u8> = (0..160).map(|n| g711::encode_pcmu(sample(n) as i16)).collect();
            let mut packet = vec![0x80, 0];
            packet.extend((beat as u16).to_be_bytes());
            packet.extend((beat * 160).to_be_bytes());
            packet.extend(u32::from(phone.address().port()).to_be_bytes());
            packet.extend(payload);
            phone.rtp.send_to(&packet, phone.leg).unwrap();
        }
        std::thread::sleep((start + Duration::from_millis(20) * (beat + 1)).saturating_duration_since(Instant::now()));
        for ((phone, _), heard) in phones.iter().zip(&mut heard) {
            let mut room = [0; 2_048];
            while let Ok((len, _)) = phone.rtp.recv_from(&mut room) {
                heard.extend(room[12..len].iter().map(|byte| g711::decode_pcmu(*byte)));
            }
        }
    }
    heard
}

/// The tones of some that are in what was heard, in its second half.
fn tones(heard: &[i16], of: &[u32]) -> Vec<u32> {
    let settled = &heard[heard.len() / 2..];
    of.iter().copied().filter(|hz| tone::share(settled, *hz) > 0.1).collect()
}

fn join(bench: &Bench, session: SessionId, leg: Leg, part: RoomPart) {
    bench.send(Command::Join { session, leg, room: ROOM, rate_hz: 8_000, seat: RoomSeat::new(part) });
}

#[test]
fn three_in_a_room_hear_each_other_and_who_speaks_is_told() {
    let bench = Bench::new(6, Duration::ZERO);
    let phones: Vec<Phone> = [ONE, TWO, THREE]
        .into_iter()
        .map(|session| {
            let local = bench.open(session, &["127.0.0.1"]).unwrap();
            let phone = Phone::new("127.0.0.1", local[0]);
            bench.apply(session, &[&phone]);
            join(&bench, session, Leg::CALLER, RoomPart::Member);
            phone
        })
        .collect();
    let hz = [400, 700, 1_100];
    let talking: Vec<(&Phone, f64)> = phones.iter().zip(hz.map(f64::from)).collect();
    let heard = talk(&talking, Duration::from_millis(1_500));
    let heard: Vec<Vec<u32>> = heard.iter().map(|heard| tones(heard, &hz)).collect();
    assert_eq!(heard, [vec![700, 1_100], vec![400, 1_100], vec![400, 700]]);
    let mut speaking = Vec::new();
    while speaking.len() < 3 {
        speaking.push(bench.await_fact(|fact| match fact {
            Fact::Speaking { session, leg: Leg::CALLER, speaking: true } => Some(session),
            _ => None,
        }));
    }
    speaking.sort();
    assert_eq!(speaking, [ONE, TWO, THREE]);
    // One leaves by its session's end, and is no longer heard.
    bench.close(THREE);
    let heard = talk(&talking[..2], Duration::from_millis(1_000));
    assert_eq!(heard.iter().map(|heard| tones(heard, &hz)).collect::<Vec<_>>(), [vec![700], vec![400]]);
}

#[test]
fn a_supervisor_listens_to_a_call_and_whispers_and_the_call_goes_on_afterwards() {
    let bench = Bench::new(6, Duration::ZERO);
    let call = bench.call(ONE);
    let local = bench.open(TWO, &["127.0.0.1"]).unwrap();
    let supervisor = Phone::new("127.0.0.1", local[0]);
    bench.apply(TWO, &[&supervisor]);
    let hz = [400, 700, 1_100];
    let talking = [(&call.caller, 400.0), (&call.callee, 700.0), (&supervisor, 1_100.0)];
    let hears = |time| talk(&talking, time).iter().map(|heard| tones(heard, &hz)).collect::<Vec<_>>();
    let time = Duration::from_millis(1_000);
    assert_eq!(talk(&talking[..2], time).iter().map(|heard| tones(heard, &hz)).collect::<Vec<_>>(), [[700], [400]]);
    join(&bench, ONE, Leg::CALLER, RoomPart::Member);
    join(&bench, ONE, Leg::CALLEE, RoomPart::Member);
    join(&bench, TWO, Leg::CALLER, RoomPart::Listener);
    assert_eq!(hears(time), [vec![700], vec![400], vec![400, 700]]);
    join(&bench, TWO, Leg::CALLER, RoomPart::Whisperer { session: ONE, leg: Leg::CALLEE });
    assert_eq!(hears(time), [vec![700], vec![400, 1_100], vec![400, 700]]);
    for leg in [Leg::CALLER, Leg::CALLEE] {
        bench.send(Command::Leave { session: ONE, leg });
    }
    bench.send(Command::Leave { session: TWO, leg: Leg::CALLER });
    bench.settle();
    assert_eq!(talk(&talking[..2], time).iter().map(|heard| tones(heard, &hz)).collect::<Vec<_>>(), [[700], [400]]);
}

#[test]
fn what_cannot_be_joined_is_told() {
    let bench = Bench::new(2, Duration::ZERO);
    bench.open(ONE, &["127.0.0.1"]).unwrap();
    let seat = RoomSeat::new(RoomPart::Member);
    bench.send(Command::Join { session: ONE, leg: Leg::CALLER, room: ROOM, rate_hz: 44_100, seat });
    let why = |fact| match fact {
        Fact::NotJoined { session: ONE, why, .. } => Some(why),
        _ => None,
    };
    assert_eq!(bench.await_fact(why), "a room has 8000, 16000 or 48000 samples per second");
    join(&bench, ONE, Leg::CALLEE, RoomPart::Member);
    assert_eq!(bench.await_fact(why), "the session has no such leg");
    join(&bench, TWO, Leg::CALLER, RoomPart::Member);
    bench.send(Command::Leave { session: TWO, leg: Leg::CALLER });
    bench.settle();
}

fn order(name: &str, opus_bps: Option<u32>) -> RecordingOrder {
    RecordingOrder { name: PathBuf::from(name), rate_hz: 8_000, mixed: false, opus_bps, max_length_ms: 60_000 }
}

fn recorded(bench: &Bench) -> media::Recorded {
    bench.await_fact(|fact| match fact {
        Fact::Recorded { session: ONE, recorded } => Some(recorded),
        _ => None,
    })
}

#[test]
fn a_call_is_recorded_one_side_on_each_channel_and_nobody_notices() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::recording(4, folder.path());
    let call = bench.call(ONE);
    let talking = [(&call.caller, 400.0), (&call.callee, 700.0)];
    bench.send(Command::Record { session: ONE, order: order("today/call.wav", None) });
    let heard = talk(&talking, Duration::from_millis(1_200));
    assert_eq!((tones(&heard[0], &[400, 700]), tones(&heard[1], &[400, 700])), (vec![700], vec![400]));
    // What comes now is masked, and then nobody is recorded any more.
    bench.send(Command::Recording { session: ONE, change: RecordingChange::Mask });
    talk(&talking, Duration::from_millis(600));
    bench.send(Command::Recording { session: ONE, change: RecordingChange::Finish });
    let recorded = recorded(&bench);
    assert_eq!((recorded.fault.clone(), recorded.lost_ms, recorded.reached_max_length), (None, 0, false));
    let path = recorded.path.clone().unwrap();
    assert_eq!(path, folder.path().join("today/call.wav"));
    assert_eq!(std::fs::metadata(&path).unwrap().len(), recorded.bytes);
    let mut reader = hound::WavReader::open(&path).unwrap();
    assert_eq!((reader.spec().channels, reader.spec().sample_rate), (2, 8_000));
    let samples: Vec<i16> = reader.samples().collect::<Result<_, _>>().unwrap();
    let side = |side: usize| samples.iter().skip(side).step_by(2).copied().collect::<Vec<i16>>();
    for (channel, hz, other) in [(0, 400, 700), (1, 700, 400)] {
        let all = side(channel);
        assert!((12_800..16_800).contains(&all.len()), "{} samples", all.len());
        let said = &all[2_400..8_000];
        assert!(tone::share(said, hz) > 0.9 && tone::share(said, other) < 0.01, "channel {channel}");
        assert!(all[all.len() - 2_400..].iter().all(|sample| *sample == 0), "masked");
    }
    bench.close(ONE);
}

#[test]
fn a_recording_ends_with_its_session_and_at_its_greatest_length() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::recording(4, folder.path());
    let call = bench.call(ONE);
    let short = RecordingOrder { max_length_ms: 200, ..order("short.wav", None) };
    bench.send(Command::Record { session: ONE, order: short });
    let first = recorded(&bench);
    assert_eq!((first.reached_max_length, first.duration_ms), (true, 200));
    bench.send(Command::Record { session: ONE, order: order("whole.ogg", Some(16_000)) });
    talk(&[(&call.caller, 400.0)], Duration::from_millis(500));
    bench.send(Command::Close { session: ONE });
    let second = recorded(&bench);
    assert!(second.fault.is_none() && second.duration_ms >= 300, "{second:?}");
    assert!(std::fs::read(second.path.unwrap()).unwrap().starts_with(b"OggS"));
}

#[test]
fn what_cannot_be_recorded_is_told_and_the_call_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::recording(4, folder.path());
    let call = bench.call(ONE);
    bench.send(Command::Record { session: ONE, order: order("../outside.wav", None) });
    assert!(recorded(&bench).fault.unwrap().contains("not a name inside the folder"));
    let strange = RecordingOrder { rate_hz: 11_025, ..order("strange.wav", None) };
    bench.send(Command::Record { session: ONE, order: strange });
    assert!(recorded(&bench).fault.is_some());
    let bare = Bench::new(4, Duration::ZERO);
    bare.call(ONE);
    bare.send(Command::Record { session: ONE, order: order("call.wav", None) });
    assert!(recorded(&bare).fault.unwrap().contains("no folder for recordings"));
    let heard = talk(&[(&call.caller, 400.0), (&call.callee, 700.0)], Duration::from_millis(400));
    assert_eq!(tones(&heard[1], &[400, 700]), [400]);
}
