//! Random and mutated bytes: nothing panics, and what was read once reads the same again.

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use sip::header::*;
use sip::{Header, Headers, Message, Method, Name, RequestBuilder, Uri};

/// Asks a message everything that can be asked.
fn exercise(bytes: Bytes) {
    let Ok(message) = Message::parse_datagram(bytes) else { return };
    let headers = message.headers();
    match &message {
        Message::Request(request) => {
            let _ = request.validate();
            uri(request.uri());
            let _ = (request.via(), request.from(), request.to(), request.call_id(), request.cseq());
        }
        Message::Response(response) => {
            let _ = (response.validate(), response.reason(), response.code());
        }
    }
    for (name, value) in headers.iter() {
        assert!(headers.contains(&name) && headers.get(&name).is_some());
        assert!(!value.contains(&b'\n'));
        let _ = (headers.values(&name).count(), headers.tokens(&name));
        if let Ok(address) = NameAddr::parse(&value) {
            uri(&address.uri);
            assert!(NameAddr::parse(&harmless(&address.to_bytes())).is_ok(), "{address:?}");
        }
    }
    typed(headers);
    let _ = (message.body(), message.bytes());
}

fn typed(headers: &Headers) {
    fn all<H: Header>(headers: &Headers) {
        for value in headers.typed_all::<H>().flatten() {
            let again = harmless(&value.to_bytes());
            assert!(H::parse(&again).is_ok(), "{}: {again:?}", H::NAME);
        }
        let _ = headers.typed::<H>().is_some();
    }
    all::<Via>(headers);
    all::<From>(headers);
    all::<To>(headers);
    all::<ContactValue>(headers);
    all::<Route>(headers);
    all::<CSeq>(headers);
    all::<RAck>(headers);
    all::<Replaces>(headers);
    all::<Reason>(headers);
    all::<Event>(headers);
    all::<SubscriptionState>(headers);
    all::<SessionExpires>(headers);
    all::<RetryAfter>(headers);
    all::<Warning>(headers);
    all::<ContentType>(headers);
    all::<Supported>(headers);
    all::<Expires>(headers);
    all::<Privacy>(headers);
}

/// What a builder makes of a value.
fn harmless(value: &[u8]) -> Bytes {
    value.iter().map(|byte| if matches!(byte, b'\r' | b'\n' | 0) { b' ' } else { *byte }).collect::<BytesMut>().freeze()
}

fn uri(uri: &Uri) {
    let _ = (uri.scheme(), uri.user(), uri.password_raw(), uri.host(), uri.port(), uri.headers().count());
    for (name, _) in uri.params() {
        assert!(uri.has_param(&String::from_utf8_lossy(name)) || std::str::from_utf8(name).is_err());
    }
    assert!(uri.equivalent(uri), "{uri:?}");
    let _ = (uri.with_param("x", Some("y")), uri.without_param("lr"), uri.without_headers(), uri.with_user(Some("z")));
}

fn corpus() -> Vec<Vec<u8>> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// Bytes that mean something to a parser.
const PICKS: &[u8] = b"\r\n \t:;,=<>\"\\@[]%?&*()\0\xff0";

/// A message of the corpus after a few small accidents.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let accident = (0..4_u8, any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>());
    (prop::sample::select(corpus()), prop::collection::vec(accident, 0..12)).prop_map(|(mut bytes, accidents)| {
        for (kind, at, to, byte) in accidents {
            if bytes.is_empty() {
                break;
            }
            let (at, to) = (at.index(bytes.len()), to.index(bytes.len()));
            let pick = PICKS[usize::from(byte) % PICKS.len()];
            match kind {
                0 => bytes[at] = byte,
                1 => bytes[at] = pick,
                2 => bytes.insert(at, pick),
                _ => drop(bytes.drain(at.min(to)..at.max(to).min(at.min(to) + 40))),
            }
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_messages_never_panic(bytes in mutated()) {
        exercise(bytes.into());
    }

    #[test]
    fn random_bytes_never_panic(start in "(|INVITE sip:a@b SIP/2.0\r\n|SIP/2.0 200 OK\r\n)", bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        exercise([start.as_bytes(), &bytes].concat().into());
    }

    #[test]
    fn random_syntax_never_panics(value in "[a-z0-9\"\\\\<>;,=:@%?&\\[\\]*()/ \t.\r\n]{0,60}", name in "(v|f|t|m|Route|CSeq|RAck|Replaces|Reason|o|Subscription-State|x|Retry-After|Warning|c|k|Expires)") {
        exercise(format!("INVITE sip:{value} SIP/2.0\r\n{name}: {value}\r\n\r\n").into());
    }

    #[test]
    fn built_messages_read_back(
        lines in prop::collection::vec(("[A-Za-z\r\n :-]{0,10}", prop::collection::vec(any::<u8>(), 0..40)), 0..12),
        method in prop::collection::vec(any::<u8>(), 0..8),
        user in ".{0,12}",
        host in ".{1,12}",
        display in prop::collection::vec(any::<u8>(), 0..12),
        body in prop::option::of(prop::collection::vec(any::<u8>(), 0..60)),
    ) {
        let target = Uri::sip(Some(&user), &format!("h{host}"), Some(5060));
        prop_assert_eq!(target.user().unwrap_or_default(), user.as_bytes());
        let address = NameAddr::new(target.clone()).with_display(&display).with_tag(&display);
        let mut builder = RequestBuilder::new(Method::Other(method.into()), &target).header(&To(address));
        for (name, value) in &lines {
            builder = builder.raw(name, value);
        }
        if let Some(body) = &body {
            builder = builder.body("text/plain", body.clone().into());
        }
        let built = builder.build();
        let Ok(Message::Request(read)) = Message::parse_datagram(built.bytes().clone()) else {
            return Err(TestCaseError::fail("unreadable"));
        };
        let all = |headers: &Headers| headers.iter().collect::<Vec<(Name, Bytes)>>();
        prop_assert_eq!(all(read.headers()), all(built.headers()));
        prop_assert_eq!((read.method(), read.uri()), (built.method(), built.uri()));
        prop_assert_eq!(read.body(), body.unwrap_or_default());
        prop_assert_eq!(read.to().unwrap().display.unwrap_or_default(), harmless(&display));
    }

    #[test]
    fn params_keep_any_value(name in "[a-z+.-]{1,8}", value in prop::collection::vec(any::<u8>(), 0..20), other in "[a-z]{9,12}") {
        let params = Params::default().with(&other, None).with(&name, Some(&value)).with(&other, Some(b"x"));
        prop_assert_eq!(params.value(&name), Some(Bytes::from(value)));
        prop_assert_eq!(params.without(&name).iter().count(), 1);
    }
}
