//! Encryption and browsers: which offers are taken under which policy, what is answered, what is offered.

use std::sync::Arc;

use media::dtls::{Fingerprint, Role};
use media::sdp::Setup;
use media::srtp::{MasterKey, Suite};
use media::{Profile, Refusal, Secret, Security, SrtpKeys, SrtpPolicy};

use super::*;

const SHARED: u16 = 9_078;
const TO_BROWSER: MediaAddress = MediaAddress { shared_port: SHARED, ..TO_A };

fn ours() -> Fingerprint {
    Fingerprint::of(b"our certificate")
}

fn theirs() -> Fingerprint {
    Fingerprint::of(b"their certificate")
}

fn profile(srtp: SrtpPolicy) -> Profile {
    Profile { srtp, secret: Secret([7; 32]), fingerprint: Some(Arc::new(ours())), ..Profile::plain(None) }
}

fn browser() -> Profile {
    Profile { webrtc: true, ..profile(SrtpPolicy::Off) }
}

fn key(suite: Suite, byte: u8) -> MasterKey {
    MasterKey::from_bytes(suite, &vec![byte; suite.key_len() + suite.salt_len()]).unwrap()
}

/// A description of a phone over a transport, with further lines.
fn over(transport: &str, more: &str) -> Vec<u8> {
    String::from_utf8(phone(PHONE_A, 4_000, "0 8 101", &format!("{EVENTS}{more}")))
        .unwrap()
        .replace("RTP/AVP", transport)
        .into_bytes()
}

fn crypto(tag: u32, suite: Suite, byte: u8) -> String {
    format!("a=crypto:{tag} {} {}\r\n", suite.name(), key(suite, byte).to_inline())
}

fn handshake(setup: &str) -> String {
    format!("a=fingerprint:{}\r\na=setup:{setup}\r\n", theirs())
}

const ICE: &str = "a=ice-ufrag:abcd\r\na=ice-pwd:aaaaaaaaaaaaaaaaaaaaaaaa\r\n";

/// What a browser of the Chromium family offers, in its manner.
fn chromium(ufrag: &str, setup: &str) -> Vec<u8> {
    format!(
        "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
         a=extmap-allow-mixed\r\na=msid-semantic: WMS stream\r\n\
         m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\n\
         a=candidate:1 1 udp 2113937151 3f1c9a3e-0b1f-4a8e-9d53-7d5c4f6f8a11.local 50000 typ host generation 0\r\n\
         a=ice-ufrag:{ufrag}\r\na=ice-pwd:bbbbbbbbbbbbbbbbbbbbbbbb\r\na=ice-options:trickle\r\n\
         a=fingerprint:{}\r\na=setup:{setup}\r\na=mid:0\r\n\
         a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\na=sendrecv\r\na=msid:stream track\r\n\
         a=rtcp-mux\r\na=rtcp-rsize\r\na=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\n\
         a=fmtp:111 minptime=10;useinbandfec=1\r\na=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\n\
         a=rtpmap:9 G722/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:13 CN/8000\r\n\
         a=rtpmap:110 telephone-event/48000\r\na=rtpmap:126 telephone-event/8000\r\n\
         a=ssrc:1234 cname:x\r\n",
        theirs()
    )
    .into_bytes()
}

fn offered(profile: Profile, offer: &[u8]) -> Result<Negotiation, Refusal> {
    let mut leg = Negotiation::new(1, profile);
    leg.remote_offer(offer).map(|()| leg)
}

/// How our answer to an offer carries the audio: its transport, and what is planned.
fn answered(profile: Profile, offer: &[u8]) -> Result<(Media, LegPlan), Refusal> {
    let mut leg = offered(profile, offer)?;
    let (body, plan) = plan::terminate(&mut leg, TO_BROWSER)?;
    Ok((audio(&body), plan.legs[0].clone()))
}

#[derive(Debug, PartialEq)]
enum Kind {
    Plain,
    Sdes,
    Dtls,
    Refused,
}

fn kind(security: &Security) -> Kind {
    match security {
        Security::Plain => Kind::Plain,
        Security::Sdes { .. } => Kind::Sdes,
        Security::Dtls { .. } => Kind::Dtls,
    }
}

#[test]
fn each_policy_takes_what_it_may_of_each_offer() {
    use SrtpPolicy::{Off, Prefer, Require};
    let (suite, sdes) = (Suite::AesCm128HmacSha1_80, crypto(1, Suite::AesCm128HmacSha1_80, 1));
    let unknown = "a=crypto:1 F8_128_HMAC_SHA1_80 inline:AAAA\r\n";
    let weakened = format!("a=crypto:1 {} {} UNENCRYPTED_SRTP\r\n", suite.name(), key(suite, 1).to_inline());
    for (transport, more, expected) in [
        ("RTP/AVP", "", [Kind::Plain, Kind::Plain, Kind::Refused]),
        ("RTP/AVPF", "", [Kind::Plain, Kind::Plain, Kind::Refused]),
        ("RTP/AVP", &*sdes, [Kind::Plain, Kind::Sdes, Kind::Sdes]),
        ("RTP/SAVP", &*sdes, [Kind::Refused, Kind::Sdes, Kind::Sdes]),
        ("RTP/SAVPF", &*sdes, [Kind::Refused, Kind::Sdes, Kind::Sdes]),
        ("RTP/SAVP", unknown, [Kind::Refused, Kind::Refused, Kind::Refused]),
        ("RTP/SAVP", &*weakened, [Kind::Refused, Kind::Refused, Kind::Refused]),
        ("RTP/SAVP", "", [Kind::Refused, Kind::Refused, Kind::Refused]),
        ("UDP/TLS/RTP/SAVP", &*handshake("actpass"), [Kind::Refused, Kind::Dtls, Kind::Dtls]),
        ("UDP/TLS/RTP/SAVPF", &*handshake("active"), [Kind::Refused, Kind::Dtls, Kind::Dtls]),
        ("RTP/SAVPF", &*handshake("actpass"), [Kind::Refused, Kind::Dtls, Kind::Dtls]),
        ("UDP/TLS/RTP/SAVP", "", [Kind::Refused, Kind::Refused, Kind::Refused]),
        ("TCP/RTP/AVP", "", [Kind::Refused, Kind::Refused, Kind::Refused]),
    ] {
        for (policy, expected) in [Off, Prefer, Require].into_iter().zip(expected) {
            let got = match answered(profile(policy), &over(transport, more)) {
                Ok((media, leg)) => {
                    assert_eq!(media.protocol, transport, "the answer stays in the transport of the offer");
                    kind(&leg.security)
                }
                Err(refusal) => {
                    assert_eq!(refusal.code, 488, "{refusal}");
                    Kind::Refused
                }
            };
            assert_eq!(got, expected, "{transport} {more} under {policy:?}");
        }
    }
}

#[test]
fn the_answer_to_keys_names_the_line_and_our_own_key() {
    let lines = format!(
        "a=crypto:1 F8_128_HMAC_SHA1_80 inline:AAAA\r\n{}{}",
        crypto(5, Suite::AeadAes128Gcm, 2),
        crypto(9, Suite::AesCm128HmacSha1_80, 3)
    );
    let (media, leg) = answered(profile(SrtpPolicy::Require), &over("RTP/SAVP", &lines)).unwrap();
    let [line] = &media.cryptos[..] else { panic!("one line") };
    assert_eq!((line.tag, line.suite.as_str()), (5, "AEAD_AES_128_GCM"));
    let Security::Sdes { send, receive } = leg.security else { panic!("keys") };
    assert_eq!(receive, key(Suite::AeadAes128Gcm, 2));
    assert_eq!(send.to_inline(), line.keys.0);
    assert!(send != receive);
}

#[test]
fn no_two_legs_have_the_same_key() {
    let other = Profile { secret: Secret([8; 32]), ..profile(SrtpPolicy::Prefer) };
    let offer = over("RTP/SAVP", &crypto(1, Suite::AesCm128HmacSha1_80, 1));
    let keys = |profile| answered(profile, &offer).unwrap().0.cryptos[0].keys.0.clone();
    assert_ne!(keys(profile(SrtpPolicy::Prefer)), keys(other));
}

#[test]
fn of_two_streams_the_encrypted_one_is_taken_where_it_is_preferred() {
    let sdes = crypto(1, Suite::AesCm128HmacSha1_80, 1);
    let offer =
        String::from_utf8(phone(PHONE_A, 4_000, "0", "")).unwrap() + &format!("m=audio 4002 RTP/SAVP 0\r\n{sdes}");
    for (policy, index) in [(SrtpPolicy::Off, 0), (SrtpPolicy::Prefer, 1), (SrtpPolicy::Require, 1)] {
        let mut leg = offered(profile(policy), offer.as_bytes()).unwrap();
        let (body, _) = plan::terminate(&mut leg, TO_A).unwrap();
        let ports: Vec<u16> = read(&body).media.iter().map(|media| media.port).collect();
        assert_eq!(ports.iter().position(|port| *port != 0), Some(index), "{policy:?}");
        assert_eq!(ports.len(), 2);
    }
}

/// Our offer to a leg of this profile.
fn offer_to(profile: Profile) -> (Negotiation, Description) {
    let caller = offered(Profile::plain(None), &phone(PHONE_A, 4_000, "0 101", EVENTS)).unwrap();
    let mut leg = Negotiation::new(2, profile);
    let body = plan::offer(&caller, &mut leg, TO_BROWSER, Reach::Single).unwrap();
    (leg, read(&body))
}

#[test]
fn what_is_offered_follows_policy_and_kind() {
    use SrtpPolicy::{Off, Prefer, Require};
    for (policy, keys, transport, cryptos) in [
        (Off, SrtpKeys::Sdes, "RTP/AVP", 0),
        (Off, SrtpKeys::Dtls, "RTP/AVP", 0),
        (Prefer, SrtpKeys::Sdes, "RTP/AVP", 3),
        (Require, SrtpKeys::Sdes, "RTP/SAVP", 3),
        (Prefer, SrtpKeys::Dtls, "UDP/TLS/RTP/SAVP", 0),
        (Require, SrtpKeys::Dtls, "UDP/TLS/RTP/SAVP", 0),
    ] {
        let (_, offer) = offer_to(Profile { keys, ..profile(policy) });
        let media = &offer.media[0];
        assert_eq!((media.protocol.as_str(), media.cryptos.len()), (transport, cryptos), "{policy:?} {keys:?}");
        let dtls = transport.starts_with("UDP");
        assert_eq!(media.secure.setup, dtls.then_some(Setup::ActPass));
        assert_eq!((media.rtcp_mux, media.port), (dtls, TO_A.rtp_port));
        assert!(!offer.ice_lite && media.secure.ice_ufrag.is_none());
    }
}

#[test]
fn answers_are_held_to_what_was_offered() {
    use SrtpPolicy::{Off, Prefer, Require};
    let (suite, other) = (Suite::AesCm128HmacSha1_80, Suite::AesCm128HmacSha1_32);
    let right = crypto(1, suite, 1);
    let third = crypto(3, other, 1);
    let wrong_suite = crypto(1, other, 1);
    let not_offered = crypto(4, suite, 1);
    for (policy, keys, transport, more, expected) in [
        (Off, SrtpKeys::Sdes, "RTP/AVP", "", Kind::Plain),
        (Off, SrtpKeys::Sdes, "RTP/SAVP", &*right, Kind::Refused),
        (Prefer, SrtpKeys::Sdes, "RTP/AVP", "", Kind::Plain),
        (Prefer, SrtpKeys::Sdes, "RTP/AVP", &*right, Kind::Sdes),
        (Prefer, SrtpKeys::Sdes, "RTP/SAVP", &*third, Kind::Sdes),
        (Require, SrtpKeys::Sdes, "RTP/SAVP", &*right, Kind::Sdes),
        (Require, SrtpKeys::Sdes, "RTP/SAVP", &*wrong_suite, Kind::Refused),
        (Require, SrtpKeys::Sdes, "RTP/SAVP", &*not_offered, Kind::Refused),
        (Require, SrtpKeys::Sdes, "RTP/SAVP", "", Kind::Refused),
        (Require, SrtpKeys::Sdes, "RTP/AVP", "", Kind::Refused),
        (Require, SrtpKeys::Dtls, "UDP/TLS/RTP/SAVP", &*handshake("active"), Kind::Dtls),
        (Require, SrtpKeys::Dtls, "UDP/TLS/RTP/SAVP", "", Kind::Refused),
        (Prefer, SrtpKeys::Dtls, "RTP/AVP", "", Kind::Refused),
    ] {
        let (mut leg, _) = offer_to(Profile { keys, ..profile(policy) });
        let got = match leg.remote_answer(&over(transport, more)) {
            Ok(()) => {
                let mut caller = offered(Profile::plain(None), &phone(PHONE_A, 4_000, "0", "")).unwrap();
                let (_, plan) = plan::answer(&mut caller, &leg, TO_A).unwrap();
                assert_eq!(plan.legs[0].security, Security::Plain);
                kind(&plan.legs[1].security)
            }
            Err(refusal) => {
                assert_eq!(refusal.code, 488);
                Kind::Refused
            }
        };
        assert_eq!(got, expected, "{policy:?} {keys:?} answered {transport} {more}");
    }
}

#[test]
fn a_browser_is_answered_with_ice_and_a_handshake_at_the_shared_port() {
    let mut leg = offered(browser(), &chromium("abcd", "actpass")).unwrap();
    let (body, plan) = plan::terminate(&mut leg, TO_BROWSER).unwrap();
    let description = read(&body);
    assert!(description.ice_lite);
    assert_eq!(description.bundle, ["0"]);
    let media = audio(&body);
    assert_eq!((media.protocol.as_str(), media.port), ("UDP/TLS/RTP/SAVPF", SHARED));
    assert!(media.rtcp_mux && media.end_of_candidates && media.msid.is_some());
    assert_eq!(media.candidates.len(), 1);
    assert!(media.candidates[0].contains(&format!("198.51.100.1 {SHARED} typ host")));
    assert_eq!(media.secure.fingerprints, [ours()]);
    assert_eq!(media.secure.setup, Some(Setup::Passive));
    assert_eq!(
        (media.mid.as_deref(), media.formats.as_slice()),
        (Some("0"), &["111".to_owned(), "110".to_owned()][..])
    );
    let leg = &plan.legs[0];
    assert_eq!(leg.security, Security::Dtls { role: Role::Server, fingerprint: theirs() });
    let ice = leg.ice.as_ref().unwrap();
    assert_eq!(ice.remote.ufrag, "abcd");
    assert_eq!(Some(&ice.local.ufrag), media.secure.ice_ufrag.as_ref());
    assert_eq!(ice.local.password, media.secure.ice_pwd.unwrap().0);
    assert!(leg.send && leg.receive && leg.mux && leg.sources.is_empty() && leg.remote_rtp.is_none());
}

#[test]
fn a_browser_is_offered_what_it_understands_and_its_answer_is_taken() {
    let (mut leg, offer) = offer_to(browser());
    let media = &offer.media[0];
    assert!(offer.ice_lite && offer.bundle == ["0"] && media.rtcp_mux);
    assert_eq!((media.protocol.as_str(), media.port), ("UDP/TLS/RTP/SAVPF", SHARED));
    assert_eq!(media.secure.setup, Some(Setup::ActPass));
    leg.remote_answer(&chromium("wxyz", "active")).unwrap();
    let mut caller = offered(Profile::plain(None), &phone(PHONE_A, 4_000, "0", "")).unwrap();
    let (_, plan) = plan::answer(&mut caller, &leg, TO_A).unwrap();
    assert_eq!(plan.legs[1].security, Security::Dtls { role: Role::Server, fingerprint: theirs() });
    assert_eq!(plan.legs[1].ice.as_ref().unwrap().remote.ufrag, "wxyz");
    assert_eq!((plan.legs[0].codec_name, plan.legs[1].codec_name), ("PCMU", "PCMU"));
}

#[test]
fn what_is_no_browser_is_refused_as_one_and_says_so() {
    for offer in [
        over("RTP/AVP", ""),
        over("RTP/SAVP", &crypto(1, Suite::AesCm128HmacSha1_80, 1)),
        over("UDP/TLS/RTP/SAVPF", &handshake("actpass")),
        over("UDP/TLS/RTP/SAVPF", ICE),
    ] {
        let refusal = offered(browser(), &offer).unwrap_err();
        assert_eq!(refusal.code, 488, "{refusal}");
    }
    assert!(offered(browser(), &over("UDP/TLS/RTP/SAVPF", &(handshake("actpass") + ICE))).is_ok());
    let mut leg = offered(browser(), &chromium("abcd", "actpass")).unwrap();
    let refusal = plan::terminate(&mut leg, TO_A).unwrap_err();
    assert!(refusal.text.contains("webrtc_port"), "{refusal}");
    let uncertified = Profile { fingerprint: None, ..browser() };
    assert_eq!(offered(uncertified, &chromium("abcd", "actpass")).unwrap_err().code, 488);
}

#[test]
fn a_reoffer_keeps_names_keys_and_roles_and_a_restart_changes_the_names() {
    let mut leg = offered(browser(), &chromium("abcd", "actpass")).unwrap();
    let (first, plan_first) = plan::terminate(&mut leg, TO_BROWSER).unwrap();
    leg.remote_offer(&chromium("abcd", "actpass")).unwrap();
    let (second, plan_second) = plan::terminate(&mut leg, TO_BROWSER).unwrap();
    assert_eq!((audio(&first), plan_first.clone()), (audio(&second), plan_second));
    leg.remote_offer(&chromium("neww", "actpass")).unwrap();
    leg.rollback();
    leg.remote_offer(&chromium("neww", "actpass")).unwrap();
    let (third, plan_third) = plan::terminate(&mut leg, TO_BROWSER).unwrap();
    let names = |body: &[u8]| audio(body).secure.ice_ufrag.unwrap();
    assert!(names(&first) == names(&second) && names(&first) != names(&third));
    assert_eq!(plan_third.legs[0].security, plan_first.legs[0].security, "the handshake stays");
    let ice = plan_third.legs[0].ice.as_ref().unwrap();
    assert_eq!((ice.remote.ufrag.as_str(), &ice.local.ufrag), ("neww", &names(&third)));
    // Ours keeps the names that hold now.
    let body = leg.repeat().unwrap();
    assert_eq!(names(&body), names(&third));
}

#[test]
fn an_encrypted_leg_and_one_in_clear_are_bridged() {
    let mut call =
        Call { a: Negotiation::new(1, profile(SrtpPolicy::Require)), b: Negotiation::new(2, Profile::plain(None)) };
    let offer = over("RTP/SAVP", &crypto(7, Suite::AesCm128HmacSha1_80, 1));
    let (to_b, to_a, plan) = call.exchange(&offer, &phone(PHONE_B, 5_000, "0 101", EVENTS));
    assert_eq!(audio(&to_b).protocol, "RTP/AVP");
    assert!(audio(&to_b).cryptos.is_empty());
    assert_eq!((audio(&to_a).protocol.as_str(), audio(&to_a).cryptos[0].tag), ("RTP/SAVP", 7));
    assert_eq!((kind(&plan.legs[0].security), kind(&plan.legs[1].security)), (Kind::Sdes, Kind::Plain));
    // On hold and back the keys stay.
    let (_, _, held) = call.exchange(&offer, &phone(PHONE_B, 5_000, "0 101", EVENTS));
    assert_eq!(held.legs[0].security, plan.legs[0].security);
}

#[test]
fn a_handshake_without_a_browser_stays_at_its_own_port() {
    let (media, leg) =
        answered(profile(SrtpPolicy::Prefer), &over("UDP/TLS/RTP/SAVP", &(handshake("passive") + "a=rtcp-mux\r\n")))
            .unwrap();
    assert_eq!((media.port, media.secure.setup, media.rtcp_mux), (TO_A.rtp_port, Some(Setup::Active), true));
    assert_eq!(leg.security, Security::Dtls { role: Role::Client, fingerprint: theirs() });
    assert!(leg.ice.is_none() && leg.mux && leg.remote_rtp.is_some());
}
