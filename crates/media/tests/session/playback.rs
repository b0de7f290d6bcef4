//! Tones and recordings, one frame every 20 ms.

use media::{Samples, g711, tone};

use super::*;

fn alone(codec: Codec) -> Bench {
    Bench::of(Plan { legs: vec![leg_plan(phone_a(), codec, 101)] })
}

#[test]
fn a_tone_is_heard_in_the_codec_of_the_leg_and_ends() {
    for codec in [Codec::Pcmu, Codec::Pcma] {
        let mut bench = alone(codec);
        let start = bench.now;
        bench.session.play(start, A, Samples::tone(440, 500));
        let (sent, facts) = bench.run_until(start + Duration::from_secs(2));
        assert_eq!(sent.len(), 25);
        let mut samples = Vec::new();
        let base = sent[0].1.header();
        for (index, (at, sent)) in sent.iter().enumerate() {
            assert_eq!(*at, start + FRAME * index as u32);
            let header = sent.header();
            assert_eq!((sent.leg, sent.to, sent.payload().len()), (A, phone_a(), 160));
            assert_eq!(header.marker, index == 0);
            assert_eq!(header.ssrc, base.ssrc);
            assert_eq!(header.sequence, base.sequence.wrapping_add(index as u16));
            assert_eq!(header.timestamp, base.timestamp.wrapping_add(160 * index as u32));
            let decode = if codec == Codec::Pcma { g711::decode_pcma } else { g711::decode_pcmu };
            samples.extend(sent.payload().iter().map(|byte| decode(*byte)));
        }
        assert!(tone::share(&samples, 440) > 0.9 && tone::share(&samples, 1_000) < 0.05);
        let ended = Fact::PlaybackEnded { session: SessionId(7), leg: A };
        assert_eq!(facts, [(start + Duration::from_millis(500), ended)]);
    }
}

#[test]
fn a_recording_is_heard_sample_by_sample_and_filled_with_silence() {
    let mut bench = alone(Codec::Pcma);
    let samples: Vec<i16> = (0..200).map(|n| n * 100).collect();
    let start = bench.now;
    bench.session.play(start, A, Samples::pcm(samples.clone()));
    let (sent, facts) = bench.run_until(start + Duration::from_secs(1));
    let heard: Vec<u8> = sent.iter().flat_map(|(_, sent)| sent.payload().to_vec()).collect();
    let mut expected: Vec<u8> = samples.into_iter().map(g711::encode_pcma).collect();
    expected.resize(320, g711::PCMA_SILENCE);
    assert_eq!(heard, expected);
    assert_eq!(facts[0].0, start + 2 * FRAME);
}

#[test]
fn nothing_to_play_ends_at_once() {
    let mut bench = alone(Codec::Pcmu);
    bench.session.play(bench.now, A, Samples::pcm(Vec::new()));
    let (sent, facts) = bench.run_until(bench.now);
    assert_eq!((sent.len(), facts.len()), (0, 1));
}

#[test]
fn the_relay_rests_while_a_leg_is_played_to() {
    let mut bench = Bench::up();
    let before = bench.audio(B, 1).expect("relayed").header();
    bench.pass(FRAME);
    bench.session.play(bench.now, A, Samples::tone(400, 40));
    assert_eq!(bench.audio(B, 2), Err(Verdict::Consume));
    bench.audio(A, 1).expect("the other way goes on");
    let (sent, _) = bench.run_until(bench.now + 2 * FRAME);
    let played: Vec<u16> = sent.iter().map(|(_, sent)| sent.header().sequence.wrapping_sub(before.sequence)).collect();
    assert_eq!(played, [1, 2], "the stream goes on without a seam");
    assert!(sent.iter().all(|(_, sent)| sent.header().ssrc == before.ssrc));
    assert_eq!(sent[0].1.header().timestamp, before.timestamp.wrapping_add(160));
    let after = bench.audio(B, 5).expect("relayed again").header();
    assert_eq!(after.sequence, before.sequence.wrapping_add(3));
}

#[test]
fn a_second_playback_takes_over_and_stop_is_silent() {
    let mut bench = alone(Codec::Pcmu);
    let start = bench.now;
    bench.session.play(start, A, Samples::tone(400, 10_000));
    let first = bench.run_until(start + FRAME).0;
    bench.session.play(start + 2 * FRAME, A, Samples::tone(600, 10_000));
    let second = bench.run_until(start + 3 * FRAME).0;
    let last = first[1].1.header();
    let next = second[0].1.header();
    assert!(next.marker);
    assert_eq!(next.sequence, last.sequence.wrapping_add(1));
    assert_eq!(next.timestamp, last.timestamp.wrapping_add(160));
    bench.session.stop(bench.now, A);
    let (sent, facts) = bench.run_until(bench.now + Duration::from_secs(1));
    assert_eq!((sent.len(), facts.len()), (0, 0));
}

#[test]
fn a_held_leg_is_not_played_to_but_time_goes_on() {
    let mut plan = Plan { legs: vec![leg_plan(phone_a(), Codec::Pcmu, 101)] };
    plan.legs[0].send = false;
    let mut bench = Bench::of(plan.clone());
    let start = bench.now;
    bench.session.play(start, A, Samples::tone(400, 200));
    assert!(bench.run_until(start + Duration::from_millis(99)).0.is_empty());
    plan.legs[0].send = true;
    bench.apply(plan);
    let (sent, facts) = bench.run_until(start + Duration::from_millis(500));
    assert_eq!(sent.len(), 5);
    assert_eq!(facts[0].0, start + Duration::from_millis(200));
}

#[test]
fn a_codec_we_cannot_speak_gets_silence_of_the_right_length() {
    let mut bench = alone(Codec::Other);
    let start = bench.now;
    bench.session.play(start, A, Samples::tone(400, 200));
    let (sent, facts) = bench.run_until(start + Duration::from_secs(1));
    assert!(sent.is_empty());
    assert_eq!(facts.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [start + Duration::from_millis(200)]);
}

#[test]
fn a_late_worker_sends_a_few_frames_and_skips_the_rest() {
    let mut bench = alone(Codec::Pcmu);
    let start = bench.now;
    bench.session.play(start, A, Samples::tone(400, 1_000));
    bench.pass(Duration::from_millis(600));
    bench.session.handle_timeout(bench.now);
    let burst = bench.made();
    assert_eq!(burst.len(), 5);
    let (sent, facts) = bench.run_until(start + Duration::from_secs(2));
    assert_eq!(sent.len(), 19);
    assert_eq!(facts[0].0, start + Duration::from_millis(1_000));
    bench.session.play(bench.now, A, Samples::tone(400, 100));
    bench.pass(Duration::from_secs(3_600));
    bench.session.handle_timeout(bench.now);
    bench.made();
    bench.session.handle_timeout(bench.now);
    assert_eq!(bench.facts().len(), 1, "even an hour late it ends");
}

#[test]
fn a_buffer_too_small_gets_nothing() {
    let mut bench = alone(Codec::Pcmu);
    bench.session.play(bench.now, A, Samples::tone(400, 100));
    bench.session.handle_timeout(bench.now);
    assert_eq!(bench.session.poll_packet(&mut [0; 171]), None);
    assert!(bench.session.poll_packet(&mut [0; 172]).is_some());
}
