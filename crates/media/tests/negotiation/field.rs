//! Descriptions as they come from the field: `crates/sip/tests/field`, and what we would answer to each offer.

use std::path::Path;

use media::sdp::{Description, Host, Kind};
use media::{Negotiation, Profile, Reach, plan};

use super::{EVENTS, PHONE_B, TO_A, TO_B, phone};

/// The body of a message.
fn body(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sip/tests/field").join(format!("{file}.sip"));
    let message = std::fs::read_to_string(&path).expect("a readable file");
    message.split_once("\r\n\r\n").expect("a body").1.to_owned()
}

/// Address, port and protocol of the audio, its codecs in order, and what else is read of it.
fn reading(file: &str) -> String {
    let description = Description::parse(body(file).as_bytes()).expect("a description");
    let audio = description.media.iter().find(|media| media.kind == Kind::Audio).expect("audio");
    let host = audio.connection.as_ref().or(description.connection.as_ref()).expect("an address");
    let codecs: Vec<String> = audio
        .formats
        .iter()
        .map(|format| {
            let number = format.parse().unwrap_or(u8::MAX);
            let map = audio.rtpmaps.iter().find(|map| map.payload_type == number);
            let fmtp = audio.fmtps.iter().find(|(payload_type, _)| *payload_type == number);
            let name = map.map_or_else(|| format.clone(), |map| format!("{}/{}", map.encoding, map.clock_hz));
            fmtp.map_or_else(|| name.clone(), |(_, parameters)| format!("{name} ({parameters})"))
        })
        .collect();
    let direction = audio.direction.or(description.direction).unwrap_or_default();
    let Host::Ip(ip) = host.host else { panic!("{file} names a host") };
    format!("{ip}:{} {}: {}; {direction:?} {:?}", audio.port, audio.protocol, codecs.join(", "), audio.ptime_ms)
}

#[test]
fn every_description_is_understood() {
    let rows = [
        (
            "grandstream-invite",
            "192.0.2.22:5004 RTP/AVP: PCMU/8000, PCMA/8000, G729/8000 (annexb=no), G722/8000, G726-32/8000, opus/48000 (useinbandfec=1), telephone-event/8000 (0-15); SendReceive Some(20)",
        ),
        ("poly-hold-answer", "192.0.2.23:2224 RTP/AVP: G722/8000, telephone-event/8000; ReceiveOnly None"),
        (
            "snom-invite",
            "192.0.2.24:54320 RTP/SAVP: G722/8000, PCMU/8000, PCMA/8000, GSM/8000, G726-32/8000, AAL2-G726-32/8000, G729/8000 (annexb=no), telephone-event/8000 (0-15); SendReceive Some(20)",
        ),
        (
            "zoiper-invite",
            "192.0.2.27:58000 RTP/AVP: opus/48000 (sprop-maxcapturerate=16000; minptime=20; useinbandfec=1), 9, telephone-event/48000 (0-16), telephone-event/8000 (0-16), 0, 8, 3; SendReceive None",
        ),
        (
            "jssip-invite",
            "192.0.2.28:47100 UDP/TLS/RTP/SAVPF: opus/48000 (minptime=10;useinbandfec=1), red/48000 (111/111), G722/8000, PCMU/8000, PCMA/8000, CN/8000, telephone-event/48000, telephone-event/8000; SendReceive None",
        ),
        ("freeswitch-answer", "192.0.2.31:24986 RTP/AVP: PCMA/8000, telephone-event/8000 (0-15); SendReceive Some(20)"),
        (
            "carrier-invite",
            "203.0.113.41:16388 RTP/AVP: G729/8000 (annexb=no), PCMU/8000, PCMA/8000, telephone-event/8000 (0-15); SendReceive None",
        ),
        ("carrier-progress", "203.0.113.41:16402 RTP/AVP: 8, telephone-event/8000; SendReceive Some(30)"),
        (
            "pjsip-invite",
            "192.0.2.34:4000 RTP/AVP: PCMA/8000, PCMU/8000, telephone-event/8000 (0-16); SendReceive None",
        ),
    ];
    for (file, expected) in rows {
        assert_eq!(reading(file), expected, "{file}");
    }
}

/// What the two sides of a call agree on when the other phone speaks A-law and µ-law: the law, or the status of the refusal.
#[test]
fn every_offer_is_answered_or_refused_as_it_should_be() {
    let rows = [
        ("grandstream-invite", Ok("8")),
        // Encrypted media is not spoken yet: no silent fall back to plain RTP.
        ("snom-invite", Err(488)),
        ("zoiper-invite", Ok("8")),
        ("jssip-invite", Err(488)),
        ("carrier-invite", Ok("8")),
        ("pjsip-invite", Ok("8")),
    ];
    for (file, expected) in rows {
        let (mut a, mut b) = (Negotiation::new(1, Profile::plain(None)), Negotiation::new(2, Profile::plain(None)));
        let found = a.remote_offer(body(file).as_bytes()).map_err(|refusal| refusal.code).and_then(|()| {
            plan::offer(&a, &mut b, TO_B, Reach::Single).map_err(|refusal| refusal.code)?;
            b.remote_answer(&phone(PHONE_B, 5_000, "8 101", EVENTS)).expect("a good answer");
            let (answer, plan) = plan::answer(&mut a, &b, TO_A).map_err(|refusal| refusal.code)?;
            assert!(plan.legs.iter().all(|leg| leg.send && leg.receive), "{file}");
            Ok(super::audio(&answer).formats[0].clone())
        });
        assert_eq!(found.as_deref().map_err(|code| *code), expected, "{file}");
    }
}
