//! Codecs: what is encoded is heard again, what is lost is concealed, and no payload whatever does harm.

#[path = "codec/g722.rs"]
mod g722;
#[path = "codec/opus.rs"]
mod opus;
#[path = "codec/signal.rs"]
mod signal;

use media::Codec;
use media::codec::{Decoder, Encoder, OpusParameters, Undecodable};
use proptest::prelude::*;

/// A decoder of every codec.
fn decoders() -> [Decoder; 4] {
    [
        Decoder::new(Codec::Pcmu).expect("decodes"),
        Decoder::new(Codec::Pcma).expect("decodes"),
        Decoder::g722(),
        Decoder::opus().expect("decodes"),
    ]
}

#[test]
fn codecs_move_between_threads_and_can_be_printed() {
    fn check<T: Send + std::fmt::Debug>(value: T) {
        assert!(!format!("{value:?}").is_empty());
    }
    decoders().into_iter().for_each(check);
    check(Encoder::g722());
    check(Encoder::opus(OpusParameters::default()));
}

#[test]
fn every_codec_has_its_own_sampling_rate() {
    assert_eq!(decoders().map(|decoder| decoder.rate_hz()), [8_000, 8_000, 16_000, 48_000]);
    assert_eq!(Encoder::g722().rate_hz(), 16_000);
    assert_eq!(Encoder::opus(OpusParameters::default()).expect("encodes").rate_hz(), 48_000);
}

#[test]
fn a_payload_of_more_than_120_ms_cannot_be_decoded() {
    for mut decoder in decoders().into_iter().take(3) {
        let mut out = Vec::new();
        assert_eq!(decoder.decode(&[0x55; 960], &mut out), Ok(()));
        assert_eq!(out.len(), decoder.rate_hz() as usize * 120 / 1_000);
        assert_eq!(decoder.decode(&[0x55; 961], &mut out), Err(Undecodable));
        assert_eq!(out.len(), decoder.rate_hz() as usize * 120 / 1_000);
    }
    // Seven frames of 20 ms.
    let mut out = Vec::new();
    assert_eq!(decoders()[3].decode(&[0x0b, 7, 0, 0, 0, 0, 0, 0, 0], &mut out), Err(Undecodable));
    assert_eq!(out, []);
}

#[derive(Clone, Debug)]
enum Arrival {
    Payload(Vec<u8>),
    Recovery(Vec<u8>, usize),
    Loss(usize),
}

fn arrivals() -> impl Strategy<Value = Vec<Arrival>> {
    let noise = prop::collection::vec(any::<u8>(), 0..200).boxed();
    let voice = (0..opus::packets().len(), any::<prop::sample::Index>(), any::<u8>(), any::<bool>());
    // A packet that was made properly, cut, with a byte of it changed.
    let damaged = voice.prop_map(|(packet, at, byte, cut)| {
        let mut payload = opus::packets()[packet].clone();
        let at = at.index(payload.len());
        if cut {
            payload.truncate(at)
        } else {
            payload[at] = byte
        }
        payload
    });
    let payload = prop_oneof![noise, damaged.boxed()].boxed();
    let samples = prop_oneof![0..6_000_usize, Just(960), Just(2_880)];
    let arrival = prop_oneof![
        3 => payload.clone().prop_map(Arrival::Payload),
        1 => (payload, samples.clone()).prop_map(|(payload, samples)| Arrival::Recovery(payload, samples)),
        1 => samples.prop_map(Arrival::Loss),
    ];
    prop::collection::vec(arrival, 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_payload_does_harm(arrivals in arrivals()) {
        for mut decoder in decoders() {
            let longest = decoder.rate_hz() as usize * 120 / 1_000;
            for arrival in &arrivals {
                // What was in the buffer stays there.
                let mut out = vec![7; 3];
                let (made, exactly) = match arrival {
                    Arrival::Payload(payload) => (decoder.decode(payload, &mut out).is_ok(), None),
                    Arrival::Recovery(next, samples) => (decoder.recover(next, *samples, &mut out), Some(*samples)),
                    Arrival::Loss(samples) => (decoder.conceal(*samples, &mut out), Some(*samples)),
                };
                prop_assert_eq!(&out[..3], &[7; 3]);
                let appended = out.len() - 3;
                prop_assert!(appended <= longest);
                prop_assert!(made || appended == 0);
                prop_assert!(!made || exactly.is_none_or(|samples| samples == appended));
            }
        }
    }
}
