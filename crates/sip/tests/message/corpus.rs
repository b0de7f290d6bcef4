//! What is read from the messages of `tests/corpus`, field by field. Which is accepted and which refused: `torture/table.rs`.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use sip::header::{ContactValue, Expires, RecordRoute, RetryAfter, Route, Via, Warning};
use sip::{Error, Host, Message, Name, Request, Response, Scheme};

fn corpus() -> BTreeMap<String, Bytes> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let files = std::fs::read_dir(folder).expect("the corpus is part of the crate");
    files
        .map(|file| file.expect("a readable entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sip"))
        .map(|path| {
            let name = path.file_stem().expect("a file name").to_string_lossy().into_owned();
            (name, std::fs::read(&path).expect("a readable file").into())
        })
        .collect()
}

fn parse(name: &str) -> Result<Message, Error> {
    Message::parse_datagram(corpus()[name].clone())
}

fn request(name: &str) -> Request {
    match parse(name) {
        Ok(Message::Request(request)) => request,
        other => panic!("{name}: {other:?}"),
    }
}

fn response(name: &str) -> Response {
    match parse(name) {
        Ok(Message::Response(response)) => response,
        other => panic!("{name}: {other:?}"),
    }
}

fn name_bytes(text: &'static str) -> Host {
    Host::Name(Bytes::from_static(text.as_bytes()))
}

/// RFC 4475 §3.1.1.1: folding, compact names, blanks before colons, several values on a line.
#[test]
fn tortuous_white_space_is_read_through() {
    let request = request("valid-whitespace");
    assert_eq!(request.to().unwrap().tag().as_deref(), Some(&b"88z"[..]));
    let from = request.from().unwrap();
    assert_eq!(from.display.as_deref(), Some(&br#"A \" name"#[..]));
    assert_eq!(from.tag().as_deref(), Some(&b"12q"[..]));
    assert_eq!(request.max_forwards(), Some(68));
    assert_eq!(request.cseq().unwrap().number, 7);
    let vias: Vec<Via> = request.headers().typed_all().collect::<Result<_, _>>().unwrap();
    let hops: Vec<_> = vias.iter().map(|via| (via.transport.to_vec(), via.port, via.branch().unwrap())).collect();
    assert_eq!(
        hops,
        [
            (b"UDP".to_vec(), None, Bytes::from_static(b"z9hG4bKws")),
            (b"TCP".to_vec(), None, Bytes::from_static(b"z9hG4bKws2")),
            (b"UDP".to_vec(), Some(5066), Bytes::from_static(b"old")),
        ]
    );
    assert_eq!(request.headers().get(&Name::Subject).as_deref(), Some(&b""[..]));
    let folded = request.headers().get(&Name::from("newfangled")).unwrap();
    assert_eq!(&folded[..], b"odd value spread over;many lines  ,;, and \"quoted part\"");
    let contact = request.headers().typed::<ContactValue>().unwrap().unwrap();
    assert_eq!(contact.q(), Some(330));
    assert!(contact.address().unwrap().params.contains("secondparam"));
    let route = request.headers().typed::<Route>().unwrap().unwrap();
    assert!(route.uri.has_param("lr"));
}

/// RFC 4475 §3.1.1.2, §3.1.1.5: a method is any token, and escapes in it mean nothing.
#[test]
fn methods_are_any_token() {
    assert_eq!(request("valid-odd-method").method().as_bytes(), b"!odd-Method0123456789_*+`.%real'~");
    let odd = request("valid-odd-method");
    assert_eq!(odd.uri().host(), name_bytes("yak.example"));
    assert_eq!(odd.uri().user_raw(), Some(&b"2_odd.U~(to-be!sure)&isn't+it$/wild?,/;;*"[..]));
    assert_eq!(odd.uri().password_raw(), Some(&b"&pw+has=1,odd!*pas$wo~d_too.(really)"[..]));
    let escaped = request("valid-percent-method");
    assert_eq!(escaped.method().as_bytes(), b"RE%47IST%45R");
    assert_eq!(escaped.to().unwrap().display.as_deref(), Some(&b"%Z%45"[..]));
}

/// RFC 4475 §3.1.1.3, §3.1.1.4: escapes are resolved once, null included.
#[test]
fn escapes_are_data() {
    let request_ = request("valid-escaped-user");
    assert_eq!(request_.uri().user().as_deref(), Some(&b"sips:user@far.example"[..]));
    assert_eq!(request_.uri().host(), name_bytes("yak.example"));
    assert_eq!(request_.to().unwrap().uri.user().as_deref(), Some(&b"user"[..]));
    let null = request("valid-escaped-null");
    assert_eq!(null.to().unwrap().uri.user().as_deref(), Some(&b"null-\0-null"[..]));
    assert_eq!(null.headers().typed_all::<ContactValue>().count(), 2);
}

/// RFC 4475 §3.1.1.8: what follows the body in the datagram is no message.
#[test]
fn a_datagram_holds_one_message() {
    let request = request("valid-two-in-one");
    assert_eq!(request.method().as_str(), "REGISTER");
    assert!(request.body().is_empty());
    assert!(request.bytes().ends_with(b"\r\n\r\n"));
    assert!(!request.bytes().windows(6).any(|word| word == b"second"));
}

/// RFC 4475 §3.1.1.9: parameters in the user part belong to the user.
#[test]
fn semicolons_in_the_user_stay_there() {
    let request = request("valid-semicolon-user");
    assert_eq!(request.uri().user().as_deref(), Some(&b"user;par=u@far.example"[..]));
    assert_eq!(request.uri().params().count(), 0);
}

#[test]
fn bodies_are_bytes() {
    let body = request("valid-binary-body").body();
    assert!(body.windows(256).any(|window| window.iter().enumerate().all(|(at, byte)| at == usize::from(*byte))));
    assert_eq!(&request("valid-no-length").body()[..], b"body to the end");
}

/// RFC 4475 §3.1.1.12, §3.1.1.13.
#[test]
fn reasons_are_any_bytes_or_none() {
    assert!(response("valid-reason-utf8").reason().starts_with(b"= \xd1\x8f\xd0\xba"));
    assert_eq!(response("valid-reason-empty").reason(), b"");
    assert_eq!(response("valid-reason-missing-space").reason(), b"");
    assert_eq!(response("valid-reason-missing-space").code(), 180);
}

#[test]
fn record_routes_come_in_order() {
    let routes: Vec<RecordRoute> = response("valid-answer").headers().typed_all().collect::<Result<_, _>>().unwrap();
    let hosts: Vec<Host> = routes.iter().map(|route| route.uri.host()).collect();
    assert_eq!(hosts, ["p1.example", "p2.example", "p3.example"].map(name_bytes));
}

/// RFC 4475 §3.3.2 to §3.3.4: schemes we do not know are still URIs.
#[test]
fn foreign_schemes_are_kept() {
    let scheme = |name| request(name).uri().scheme();
    assert_eq!(scheme("valid-unknown-scheme"), Scheme::Other(Bytes::from_static(b"herdcall")));
    assert_eq!(scheme("valid-novel-scheme"), Scheme::Other(Bytes::from_static(b"h323")));
    assert_eq!(scheme("valid-urn"), Scheme::Other(Bytes::from_static(b"urn")));
    assert_eq!(scheme("valid-tel"), Scheme::Tel);
    let tel = request("valid-tel");
    assert_eq!(tel.uri().user().as_deref(), Some(&b"+1-555-010-4455"[..]));
    assert_eq!(tel.uri().param("phone-context").flatten().as_deref(), Some(&b"+1"[..]));
}

/// RFC 4475 §3.1.2.4, §3.1.2.5: numbers too large for their type. Where the RFC names a way out it is taken.
#[test]
fn oversized_numbers_do_not_wrap() {
    let request = request("invalid-scalars");
    assert!(request.cseq().is_err());
    assert_eq!(request.max_forwards(), None);
    assert_eq!(request.headers().typed::<Expires>().unwrap(), Ok(Expires(u32::MAX)));
    let contact = request.headers().typed::<ContactValue>().unwrap().unwrap();
    assert_eq!(contact.expires(), Some(u32::MAX));
    let response = response("invalid-response-scalars");
    assert_eq!(response.headers().typed::<RetryAfter>().unwrap().unwrap().seconds, u32::MAX);
    assert!(response.headers().typed::<Warning>().unwrap().is_err());
}

/// RFC 4475 §3.1.2.13, §3.3.12 to §3.3.14: a question mark needs brackets.
#[test]
fn a_contact_with_headers_needs_brackets() {
    let contact = |name| request(name).headers().typed::<ContactValue>().unwrap();
    assert!(contact("invalid-contact-question").is_err());
    let good = contact("valid-contact-headers").unwrap();
    let uri = &good.address().unwrap().uri;
    assert_eq!(uri.headers().next(), Some((&b"Route"[..], Some(&b"%3Csip:sip.example%3E"[..]))));
    assert_eq!(uri.without_headers().as_bytes(), b"sip:user@yak.example");
    let unknown: Vec<ContactValue> =
        request("valid-contact-unknown-param").headers().typed_all().collect::<Result<_, _>>().unwrap();
    let addresses: Vec<_> = unknown.iter().map(|contact| contact.address().unwrap()).collect();
    assert!(addresses[0].params.contains("odd-param") && !addresses[0].uri.has_param("odd-param"));
    assert!(addresses[1].uri.has_param("odd-param") && !addresses[1].params.contains("odd-param"));
}

#[test]
fn a_branch_of_the_cookie_alone_identifies_nothing() {
    assert!(!request("valid-bare-branch").via().unwrap().has_magic_cookie());
    assert!(request("valid-invite").via().unwrap().has_magic_cookie());
    assert_eq!(request("valid-rfc2543").via().unwrap().branch(), None);
}

/// RFC 5118 §4.1 to §4.9.
#[test]
fn ipv6_is_an_address_like_any_other() {
    let v6 = |text: &str| Host::V6(text.parse().unwrap());
    let register = request("valid-v6-register");
    assert_eq!(register.uri().host(), v6("2001:db8::10"));
    assert_eq!((register.via().unwrap().host, register.via().unwrap().port), (v6("2001:db8::9:1"), Some(5060)));
    let inside = request("valid-v6-port-inside");
    assert_eq!((inside.uri().host(), inside.uri().port()), (v6("2001:db8::10:5070"), None));
    let outside = request("valid-v6-port-outside");
    assert_eq!((outside.uri().host(), outside.uri().port()), (v6("2001:db8::10"), Some(5070)));
    let vias: Vec<Via> = request("valid-v6-received").headers().typed_all().collect::<Result<_, _>>().unwrap();
    let received: Vec<_> = vias.iter().map(|via| via.received().unwrap().to_string()).collect();
    assert_eq!(received, ["2001:db8::9:255", "2001:db8::9:256"]);
    assert_eq!(request("valid-v6-mapped").via().unwrap().host, v6("::ffff:192.0.2.10"));
    // §4.10: the grammar of RFC 3261 wants a colon too many before an embedded IPv4 address.
    for name in ["valid-v6-two-colons", "valid-v6-three-colons"] {
        assert_eq!(request(name).uri().host(), v6("2001:db8::192.0.2.1"), "{name}");
        assert_eq!(request(name).to().unwrap().uri.host(), v6("2001:db8::192.0.2.1"), "{name}");
    }
}

#[test]
fn registration_contacts_are_read_whole() {
    let request = request("valid-register");
    let contacts: Vec<ContactValue> = request.headers().typed_all().collect::<Result<_, _>>().unwrap();
    let [desk, other] = contacts.as_slice() else { panic!("{contacts:?}") };
    assert_eq!(desk.address().unwrap().display.as_deref(), Some(&b"Desk; 2, left"[..]));
    assert_eq!((desk.q(), desk.expires(), desk.reg_id()), (Some(700), Some(3600), Some(1)));
    assert_eq!(desk.instance().as_deref(), Some(&b"urn:uuid:00000000-0000-4000-8000-0000cafe0001"[..]));
    assert_eq!(desk.address().unwrap().uri.param("line").flatten().as_deref(), Some(&b"7"[..]));
    assert_eq!((other.q(), other.expires()), (None, None));
    let star = self::request("valid-star").headers().typed::<ContactValue>().unwrap();
    assert_eq!(star, Ok(ContactValue::Star));
}
