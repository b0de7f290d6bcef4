//! Session descriptions: what phones send, what nobody should send, and that reading and writing agree.

use std::net::IpAddr;

use media::dtls::Fingerprint;
use media::limits;
use media::sdp::{
    Connection, Crypto, Description, Direction, Host, Kind, Media, Origin, RtpMap, SdpError, Secret, Secure, Setup,
};
use proptest::prelude::*;

const DESK_PHONE: &str = "v=0\r\n\
    o=- 20518 1 IN IP4 192.0.2.10\r\n\
    s=SDP data\r\n\
    c=IN IP4 192.0.2.10\r\n\
    t=0 0\r\n\
    m=audio 11780 RTP/AVP 0 8 18 9 101\r\n\
    a=rtpmap:0 PCMU/8000\r\n\
    a=rtpmap:8 PCMA/8000\r\n\
    a=rtpmap:18 G729/8000\r\n\
    a=fmtp:18 annexb=no\r\n\
    a=rtpmap:9 G722/8000\r\n\
    a=fmtp:101 0-15\r\n\
    a=rtpmap:101 telephone-event/8000\r\n\
    a=ptime:20\r\n\
    a=sendrecv\r\n";

fn read(text: &str) -> Description {
    Description::parse(text.as_bytes()).expect("readable")
}

#[test]
fn a_desk_phone_is_understood() {
    let description = read(DESK_PHONE);
    let origin = description.origin.expect("origin");
    assert_eq!((origin.id, origin.version), (20_518, 1));
    let address: IpAddr = "192.0.2.10".parse().expect("address");
    assert_eq!(description.connection, Some(Connection { host: Host::Ip(address) }));
    let [audio] = &description.media[..] else { panic!("one stream") };
    assert_eq!((&audio.kind, audio.port, &audio.protocol[..]), (&Kind::Audio, 11_780, "RTP/AVP"));
    assert_eq!(audio.formats, ["0", "8", "18", "9", "101"]);
    assert_eq!(audio.rtpmaps.len(), 5);
    assert_eq!(audio.fmtps, [(18, "annexb=no".to_owned()), (101, "0-15".to_owned())]);
    assert_eq!((audio.ptime_ms, audio.direction), (Some(20), Some(Direction::SendReceive)));
}

#[test]
fn sloppy_phones_are_understood_too() {
    let bare_line_feeds = DESK_PHONE.replace("\r\n", "\n");
    let bare_returns = DESK_PHONE.replace("\r\n", "\r");
    let blanks = DESK_PHONE.replace("\r\n", " \r\n\r\n");
    let padded = format!("{DESK_PHONE}\0\0");
    let unfinished = DESK_PHONE.trim_end();
    for text in [&bare_line_feeds, &bare_returns, &blanks, &padded, unfinished] {
        assert_eq!(read(text), read(DESK_PHONE), "{text:?}");
    }
    let odd = read(
        "v=0\no=phone with blanks in its name\ns=\nm=AUDIO 4000/2 rtp/avp 0\nc=in ip4 192.0.2.1/127\na=PTIME:20.0\n\
         a=rtcp:4010 IN IP4 198.51.100.9\na=SendOnly\na=rtpmap:nonsense\na=rtpmap:300 X/1\na=fmtp:0\nq=1\n",
    );
    assert_eq!(odd.origin, None);
    let audio = &odd.media[0];
    assert_eq!((&audio.kind, audio.port), (&Kind::Audio, 4_000));
    assert_eq!(audio.connection.as_ref().map(|c| &c.host), Some(&Host::Ip("192.0.2.1".parse().expect("address"))));
    assert_eq!((audio.ptime_ms, audio.rtcp), (Some(20), Some(4_010)));
    assert_eq!(audio.direction, Some(Direction::SendOnly));
    assert!(audio.rtpmaps.is_empty() && audio.fmtps.is_empty());
}

#[test]
fn text_in_another_alphabet_spoils_nothing() {
    let mut bytes = b"v=0\r\no=J\xfcrgen 1 1 IN IP4 192.0.2.1\r\ns=\xff\xfe\r\n".to_vec();
    bytes.extend(b"c=IN IP6 2001:db8::1\r\na=\xff\r\nm=audio 5004 RTP/AVP 0\r\n");
    let description = Description::parse(&bytes).expect("readable");
    assert_eq!(description.origin, None);
    assert_eq!(description.media.len(), 1);
    assert_eq!(description.connection.map(|c| c.host), Some(Host::Ip("2001:db8::1".parse().expect("address"))));
}

#[test]
fn what_cannot_be_read_is_told_with_its_line() {
    assert_eq!(Description::parse(b""), Err(SdpError::Empty));
    assert_eq!(Description::parse(b"\r\n\0\r\n"), Err(SdpError::Empty));
    for (text, line) in [
        ("hello", 1),
        ("o=- 1 1 IN IP4 192.0.2.1\r\nv=0\r\n", 1),
        ("v=0\r\ngarbage\r\n", 2),
        ("v=0\r\ns=-\r\nm=audio\r\n", 3),
        ("v=0\r\nm=audio x RTP/AVP 0\r\n", 2),
        ("v=0\r\nm=audio 70000 RTP/AVP 0\r\n", 2),
        ("v=0\r\nc=IN IP9 1.2.3.4\r\n", 2),
        ("v=0\r\nc=IN IP4\r\n", 2),
    ] {
        assert_eq!(Description::parse(text.as_bytes()), Err(SdpError::Malformed { line }), "{text:?}");
    }
}

#[test]
fn limits_are_kept() {
    let long = format!("v=0\r\ns={}\r\n", "x".repeat(limits::SDP_BYTES));
    assert_eq!(Description::parse(long.as_bytes()), Err(SdpError::TooMany("bytes")));
    let lines = format!("v=0\r\n{}", "a=x\r\n".repeat(limits::SDP_LINES));
    assert_eq!(Description::parse(lines.as_bytes()), Err(SdpError::TooMany("lines")));
    let streams = format!("v=0\r\n{}", "m=video 0 RTP/AVP 0\r\n".repeat(limits::SDP_MEDIA + 1));
    assert_eq!(Description::parse(streams.as_bytes()), Err(SdpError::TooMany("streams")));
    let formats = format!("v=0\r\nm=audio 1 RTP/AVP{}\r\n", " 0".repeat(limits::SDP_FORMATS + 1));
    assert_eq!(Description::parse(formats.as_bytes()), Err(SdpError::TooMany("formats")));
    let maps = format!("v=0\r\nm=audio 1 RTP/AVP 0\r\n{}", "a=rtpmap:0 PCMU/8000\r\n".repeat(limits::SDP_MAPPINGS + 9));
    assert_eq!(read(&maps).media[0].rtpmaps.len(), limits::SDP_MAPPINGS);
    let fmtp = format!("v=0\r\nm=audio 1 RTP/AVP 0\r\na=fmtp:0 {}\r\n", "y".repeat(limits::SDP_FMTP + 1));
    assert!(read(&fmtp).media[0].fmtps.is_empty());
}

#[test]
fn no_value_starts_a_line_of_its_own() {
    let mut media = Media::new(Kind::Other("video\r\na=evil".to_owned()), 1, "RTP/AVP\nc=IN IP4 6.6.6.6");
    media.fmtps.push((0, "x\r\nm=audio 6666 RTP/AVP 0".to_owned()));
    let description = Description { media: vec![media], ..Description::default() };
    let text = String::from_utf8(description.render().to_vec()).expect("text");
    assert_eq!(text.lines().count(), 5, "{text}");
    assert!(!text.contains("\nc=") && !text.contains("\nm=audio"));
}

fn token() -> impl Strategy<Value = String> {
    "[!-.0-~]{1,12}"
}

fn host() -> impl Strategy<Value = Host> {
    prop_oneof![
        any::<[u8; 4]>().prop_map(|octets| Host::Ip(IpAddr::from(octets))),
        any::<[u8; 16]>().prop_map(|octets| Host::Ip(IpAddr::from(octets))),
        "[a-z]{1,9}\\.example".prop_map(Host::Name),
    ]
}

fn direction() -> impl Strategy<Value = Option<Direction>> {
    let some = any::<(bool, bool)>().prop_map(|(sends, receives)| Direction::of(sends, receives));
    prop::option::of(some)
}

prop_compose! {
    fn crypto()(
        tag in 0u32..1_000_000_000,
        suite in token(),
        keys in "inline:[A-Za-z0-9+/]{1,40}",
        session in prop::collection::vec(token(), 0..3),
    ) -> Crypto {
        Crypto { tag, suite, keys: Secret(keys), session }
    }
}

prop_compose! {
    fn secure()(
        certificates in prop::collection::vec(any::<[u8; 8]>(), 0..3),
        setup in prop::option::of(prop::sample::select(vec![
            Setup::Active, Setup::Passive, Setup::ActPass, Setup::HoldConn,
        ])),
        ice_ufrag in prop::option::of("[A-Za-z0-9+/]{4,12}"),
        ice_pwd in prop::option::of("[A-Za-z0-9+/]{22,40}"),
        ice_options in prop::option::of("[a-z0-9]{1,9}"),
    ) -> Secure {
        let fingerprints = certificates.iter().map(|certificate| Fingerprint::of(certificate)).collect();
        Secure { fingerprints, setup, ice_ufrag, ice_pwd: ice_pwd.map(Secret), ice_options }
    }
}

prop_compose! {
    fn media()(
        other in prop::option::of("[b-z]{1,8}"),
        port in any::<u16>(),
        protocol in token(),
        formats in prop::collection::vec(token(), 0..6),
        host in prop::option::of(host()),
        maps in prop::collection::vec((0u8..128, "[A-Za-z0-9-]{1,9}", 1u32..96_000, 1u8..3), 0..4),
        fmtps in prop::collection::vec((0u8..128, "[!-~]{1,20}"), 0..3),
        times in (prop::option::of(1u16..1_000), prop::option::of(1u16..1_000)),
        direction in direction(),
        rtcp in prop::option::of(1u16..),
        (cryptos, secure) in (prop::collection::vec(crypto(), 0..3), secure()),
        (rtcp_mux, end_of_candidates, mid, candidate) in
            (any::<bool>(), any::<bool>(), prop::option::of(token()), any::<[u8; 4]>()),
    ) -> Media {
        Media {
            kind: other.map_or(Kind::Audio, Kind::Other),
            port,
            protocol,
            formats,
            connection: host.map(|host| Connection { host }),
            rtpmaps: maps.into_iter().map(|(payload_type, encoding, clock_hz, channels)| {
                RtpMap { payload_type, encoding, clock_hz, channels }
            }).collect(),
            fmtps,
            ptime_ms: times.0,
            maxptime_ms: times.1,
            direction,
            rtcp,
            rtcp_mux,
            msid: mid.as_ref().map(|mid| format!("{mid} audio")),
            mid,
            cryptos,
            secure,
            candidates: vec![media::ice::host_candidate(candidate.into(), port)],
            end_of_candidates,
        }
    }
}

prop_compose! {
    fn description()(
        origin in prop::option::of((token(), any::<u64>(), any::<u64>(), host())),
        connection in prop::option::of(host()),
        direction in direction(),
        (bundle, ice_lite, secure) in (prop::collection::vec(token(), 0..3), any::<bool>(), secure()),
        media in prop::collection::vec(media(), 0..4),
    ) -> Description {
        Description {
            origin: origin.map(|(username, id, version, address)| Origin { username, id, version, address }),
            connection: connection.map(|host| Connection { host }),
            direction,
            bundle,
            ice_lite,
            secure,
            media,
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(description in description()) {
        prop_assert_eq!(Description::parse(&description.render()), Ok(description));
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        let _ = Description::parse(&bytes);
    }

    #[test]
    fn random_lines_that_are_read_are_written_readably(lines in prop::collection::vec("[vocmsabt]=\\PC{0,40}", 0..30)) {
        let text = format!("v=0\r\n{}", lines.join("\r\n"));
        if let Ok(description) = Description::parse(text.as_bytes()) {
            prop_assert_eq!(Description::parse(&description.render()), Ok(description));
        }
    }

    #[test]
    fn a_mutated_description_that_is_read_is_written_readably(
        changes in prop::collection::vec((0..DESK_PHONE.len(), any::<u8>()), 1..8),
        cut in 0..DESK_PHONE.len(),
    ) {
        let mut bytes = DESK_PHONE.as_bytes().to_vec();
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        for bytes in [&bytes[..], &bytes[..cut]] {
            if let Ok(description) = Description::parse(bytes) {
                prop_assert_eq!(Description::parse(&description.render()), Ok(description));
            }
        }
    }
}
