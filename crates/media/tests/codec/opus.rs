//! Opus (RFC 6716, RFC 7587).

use std::sync::OnceLock;

use media::codec::{Decoder, Encoder, OpusBandwidth, OpusParameters, Undecodable};
use opus_pure::{Application, Bandwidth, OpusEncoder};

use crate::signal::{above_noise, amplitude, power, tone, voice};

/// 20 ms.
const FRAME: usize = 960;

fn encoded(parameters: OpusParameters, sound: &[i16], frame: usize) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::opus(parameters).expect("encodes");
    sound
        .chunks_exact(frame)
        .map(|samples| {
            let mut payload = vec![0; 1_500];
            let length = encoder.encode(samples, &mut payload).expect("a frame");
            payload.truncate(length);
            payload
        })
        .collect()
}

fn decoded(packets: &[Vec<u8>]) -> Vec<i16> {
    let (mut decoder, mut heard) = (Decoder::opus().expect("decodes"), Vec::new());
    for packet in packets {
        decoder.decode(packet, &mut heard).expect("decodable");
    }
    heard
}

fn ready_for_loss() -> OpusParameters {
    OpusParameters { fec: true, expected_loss_percent: 20, ..OpusParameters::default() }
}

/// Packets of every coder, channel count and frame length, as others may send them.
pub(crate) fn packets() -> &'static [Vec<u8>] {
    static PACKETS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    PACKETS.get_or_init(|| {
        let bandwidths = [Bandwidth::Narrowband, Bandwidth::Wideband, Bandwidth::Superwideband, Bandwidth::Fullband];
        let mut packets = Vec::new();
        for (channels, bandwidth) in [1, 2].into_iter().flat_map(|channels| bandwidths.map(|band| (channels, band))) {
            for (milliseconds, application) in
                [(10, Application::Voip), (60, Application::Voip), (5, Application::Audio)]
            {
                let mut encoder = OpusEncoder::new(48_000, channels, application).expect("encodes");
                encoder.bitrate_bps = 20_000;
                encoder.use_inband_fec = true;
                encoder.packet_loss_perc = 15;
                encoder.force_bandwidth = Some(bandwidth);
                let frame = 48 * milliseconds;
                let sound = voice(frame * channels * 4);
                packets.extend(sound.chunks_exact(frame * channels).map(|samples| {
                    let mut packet = vec![0; 1_500];
                    let length = encoder.encode_s16(samples, frame, &mut packet).expect("a frame");
                    packet.truncate(length);
                    packet
                }));
            }
        }
        packets
    })
}

#[test]
fn voice_comes_back_in_frames_of_every_length() {
    for frame in [480, 960, 1_920, 2_880] {
        let packets = encoded(OpusParameters::default(), &tone(440.0, 48_000.0, 48_000), frame);
        let heard = decoded(&packets);
        assert_eq!(heard.len(), packets.len() * frame);
        let loudness = amplitude(440.0, 48_000.0, &heard[9_600..43_200]);
        assert!((8_000.0..12_000.0).contains(&loudness), "{frame}: {loudness:.0}");
        let bits = packets.iter().map(Vec::len).sum::<usize>() as f64 * 8.0 / (heard.len() as f64 / 48_000.0);
        assert!((20_000.0..36_000.0).contains(&bits), "{frame}: {bits:.0} bit/s");
    }
}

#[test]
fn a_frame_of_another_length_or_without_room_is_refused() {
    let mut encoder = Encoder::opus(OpusParameters::default()).expect("encodes");
    for samples in [0, 1, 120, 320, 959, 961, 5_760] {
        assert_eq!(encoder.encode(&vec![0; samples], &mut [0; 1_500]), None, "{samples}");
    }
    assert_eq!(encoder.encode(&[0; FRAME], &mut []), None);
    let mut tight = [0; 30];
    assert!(encoder.encode(&voice(FRAME), &mut tight).is_some_and(|length| length <= 30));
}

#[test]
fn parameters_reach_the_encoder() {
    let sound = voice(48_000);
    let size = |parameters| encoded(parameters, &sound, FRAME).iter().map(Vec::len).sum::<usize>();
    let plain = OpusParameters::default();
    assert!(
        size(OpusParameters { bitrate_bps: 12_000, ..plain }) * 2
            < size(OpusParameters { bitrate_bps: 48_000, ..plain })
    );
    let constant = encoded(OpusParameters { constant_rate: true, ..plain }, &sound, FRAME);
    assert!(constant.iter().all(|packet| packet.len() == 80));
    // Configurations up to 11 are SILK alone, up to 8 kHz (RFC 6716, Table 2).
    let wide = encoded(OpusParameters { max_bandwidth: OpusBandwidth::Wide, ..plain }, &sound, FRAME);
    assert!(wide.iter().all(|packet| packet[0] >> 3 <= 11));
    let full = encoded(plain, &sound, FRAME);
    assert!(full.iter().all(|packet| packet[0] >> 3 > 11));
}

#[test]
fn silence_is_not_sent_where_the_other_side_wants_none() {
    let mut sound = voice(48_000);
    sound.extend(vec![0; 96_000]);
    let packets = encoded(OpusParameters { dtx: true, ..OpusParameters::default() }, &sound, FRAME);
    let unsent = packets.iter().filter(|packet| packet.len() <= 2).count();
    assert!((50..100).contains(&unsent), "{unsent}");
    assert!(packets[..50].iter().all(|packet| packet.len() > 2));
    let heard = decoded(&packets);
    assert_eq!(heard.len(), sound.len());
    assert!(heard[96_000..].iter().all(|sample| sample.abs() < 200));
}

#[test]
fn a_lost_packet_is_recovered_from_the_next() {
    let packets = encoded(ready_for_loss(), &voice(96_000), FRAME);
    let clean = decoded(&packets);
    let (mut with, mut without, mut recovered) = (Vec::new(), Vec::new(), 0);
    let (mut recovering, mut concealing) = (Decoder::opus().expect("decodes"), Decoder::opus().expect("decodes"));
    for (n, packet) in packets.iter().enumerate() {
        if n % 7 == 5 && n + 1 < packets.len() {
            // Between syllables nothing is worth sending twice.
            if recovering.recover(&packets[n + 1], FRAME, &mut with) {
                recovered += 1;
            } else {
                assert!(recovering.conceal(FRAME, &mut with));
            }
            assert!(concealing.conceal(FRAME, &mut without));
        } else {
            recovering.decode(packet, &mut with).expect("decodable");
            concealing.decode(packet, &mut without).expect("decodable");
        }
    }
    assert!(recovered >= 10, "{recovered} of 14");
    let [with, without] = [with, without].map(|heard| above_noise(&clean, &heard));
    assert!(with > without + 6.0, "{with:.1} {without:.1} dB");
}

#[test]
fn redundancy_is_sent_to_whom_loses_packets_and_wants_it() {
    let sound = voice(48_000);
    let wanted = OpusParameters::from_fmtp("useinbandfec=1;maxaveragebitrate=24000");
    let recovered = |mut encoder: Encoder, lost: Option<u8>| {
        let mut decoder = Decoder::opus().expect("decodes");
        if let Some(percent) = lost {
            encoder.expect_loss(percent);
        }
        let mut payload = [0; 1_500];
        sound.chunks_exact(FRAME).fold(0, |recovered, samples| {
            let length = encoder.encode(samples, &mut payload).expect("a frame");
            let again = decoder.recover(&payload[..length], FRAME, &mut Vec::new());
            decoder.decode(&payload[..length], &mut Vec::new()).expect("decodable");
            recovered + usize::from(again)
        })
    };
    let encoder = |parameters| Encoder::opus(parameters).expect("encodes");
    assert!(recovered(encoder(wanted), None) > 30);
    assert_eq!(recovered(encoder(wanted), Some(0)), 0);
    assert_eq!(recovered(encoder(OpusParameters { fec: false, ..wanted }), Some(20)), 0);
}

#[test]
fn more_than_the_redundant_frame_is_concealed_before_it() {
    let packets = encoded(ready_for_loss(), &voice(48_000), FRAME);
    let mut decoder = Decoder::opus().expect("decodes");
    let mut out = Vec::new();
    decoder.decode(&packets[20], &mut out).expect("decodable");
    for samples in [FRAME, FRAME + 37, 3 * FRAME, 5_760] {
        out.clear();
        assert!(decoder.recover(&packets[24], samples, &mut out));
        assert_eq!(out.len(), samples);
    }
    for samples in [0, FRAME - 1, 5_761] {
        assert!(!decoder.recover(&packets[24], samples, &mut out));
        assert_eq!(out.len(), 5_760);
    }
}

#[test]
fn a_packet_that_carries_nothing_twice_recovers_nothing() {
    let packets = encoded(OpusParameters::default(), &voice(48_000), FRAME);
    let mut decoder = Decoder::opus().expect("decodes");
    let mut out = Vec::new();
    decoder.decode(&packets[20], &mut out).expect("decodable");
    out.clear();
    for next in [&packets[22][..], &packets[22][..1], &[], &[0xff, 0xff, 0xff]] {
        assert!(!decoder.recover(next, FRAME, &mut out));
    }
    assert_eq!(out, []);
}

#[test]
fn concealment_goes_on_with_the_sound_and_dies_away() {
    // The middle of a syllable.
    let packets = encoded(OpusParameters::default(), &voice(19 * FRAME), FRAME);
    let (mut decoder, mut heard) = (Decoder::opus().expect("decodes"), Vec::new());
    for packet in &packets {
        decoder.decode(packet, &mut heard).expect("decodable");
    }
    let before = power(&heard[heard.len() - FRAME..]);
    heard.clear();
    for samples in [FRAME, 37, 1, 5_760, 121, 481] {
        let already = heard.len();
        assert!(decoder.conceal(samples, &mut heard));
        assert_eq!(heard.len() - already, samples);
    }
    assert!(power(&heard[..FRAME]) > before / 4.0);
    for _ in 0..10 {
        heard.clear();
        assert!(decoder.conceal(5_760, &mut heard));
    }
    assert!(power(&heard[..FRAME]) < before / 1_000.0);
    heard.clear();
    assert!(!decoder.conceal(0, &mut heard) && !decoder.conceal(5_761, &mut heard));
    assert_eq!(heard, []);
}

#[test]
fn every_kind_of_packet_becomes_one_channel() {
    for packet in packets() {
        let (mut decoder, mut out) = (Decoder::opus().expect("decodes"), Vec::new());
        decoder.decode(packet, &mut out).expect("decodable");
        assert_eq!(out.len(), opus_pure::packet::samples_48k(packet).expect("a packet"), "{:?}", &packet[..2]);
    }
    // A packet of 120 ms: six frames of 20 ms, all silent.
    let mut out = Vec::new();
    Decoder::opus().expect("decodes").decode(&[0x0b, 6, 0, 0, 0, 0, 0, 0], &mut out).expect("decodable");
    assert_eq!(out.len(), 5_760);
}

#[test]
fn what_is_no_packet_is_refused() {
    let mut decoder = Decoder::opus().expect("decodes");
    let mut out = Vec::new();
    // Nothing; halves of an odd length; a frame longer than the packet; no frames; padding without end.
    for payload in [&[][..], &[1, 2], &[2, 9, 1], &[3, 0], &[3, 0x41, 255], &[3]] {
        assert_eq!(decoder.decode(payload, &mut out), Err(Undecodable), "{payload:?}");
    }
    assert_eq!(out, []);
    // A frame without a byte is how nothing is said (RFC 6716, 3.1).
    decoder.decode(&[0x08], &mut out).expect("decodable");
    assert_eq!(out.len(), FRAME);
}
