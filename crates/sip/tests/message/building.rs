//! Built messages are parsed messages, and nobody can smuggle a line into one.

use bytes::Bytes;
use sip::header::{CSeq, CallId, ContactValue, MaxForwards, NameAddr, Via};
use sip::{Header, Message, Method, Name, Request, RequestBuilder, ResponseBuilder, Transport, Uri, reason_phrase};

fn invite() -> Request {
    let target: Uri = "sip:bob@192.0.2.20:5070".parse().unwrap();
    let ada = NameAddr::new(Uri::sip(Some("ada"), "yak.example", None)).with_display(b"Ada \"A\"").with_tag(b"f1");
    RequestBuilder::new(Method::Invite, &target)
        .header(&Via::new(
            Transport::Udp,
            "192.0.2.1".parse::<std::net::IpAddr>().unwrap().into(),
            Some(5060),
            b"z9hG4bKq",
        ))
        .header(&MaxForwards(70))
        .header(&sip::header::From(ada.clone()))
        .header(&sip::header::To(NameAddr::new(target.clone())))
        .header(&CallId(Bytes::from_static(b"call@yak")))
        .header(&CSeq { number: 7, method: Method::Invite })
        .header(&ContactValue::Address(ada))
        .raw("X-Own", "value")
        .body("application/sdp", Bytes::from_static(b"v=0\r\n"))
        .build()
}

fn again(bytes: &Bytes) -> Message {
    Message::parse_datagram(bytes.clone()).expect("what we build we can read")
}

fn lines(message: &sip::Headers) -> Vec<(String, Bytes)> {
    message.iter().map(|(name, value)| (name.to_string(), value)).collect()
}

#[test]
fn a_built_request_is_the_request_that_is_read() {
    let built = invite();
    assert_eq!(
        std::str::from_utf8(built.bytes()).unwrap(),
        "INVITE sip:bob@192.0.2.20:5070 SIP/2.0\r\n\
         Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKq;rport\r\n\
         Max-Forwards: 70\r\n\
         From: \"Ada \\\"A\\\"\" <sip:ada@yak.example>;tag=f1\r\n\
         To: <sip:bob@192.0.2.20:5070>\r\n\
         Call-ID: call@yak\r\n\
         CSeq: 7 INVITE\r\n\
         Contact: \"Ada \\\"A\\\"\" <sip:ada@yak.example>;tag=f1\r\n\
         X-Own: value\r\n\
         Content-Type: application/sdp\r\n\
         Content-Length: 5\r\n\r\n\
         v=0\r\n"
    );
    assert_eq!(built.validate(), Ok(()));
    let Message::Request(read) = again(built.bytes()) else { panic!("a request") };
    assert_eq!(lines(read.headers()), lines(built.headers()));
    assert_eq!((read.method(), read.uri(), read.body()), (built.method(), built.uri(), built.body()));
}

#[test]
fn a_built_response_is_the_response_that_is_read() {
    let request = invite();
    let mut builder = ResponseBuilder::new(180, None);
    for name in [Name::Via, Name::From, Name::To, Name::CallId, Name::CSeq] {
        builder = builder.copy(request.headers(), &name);
    }
    let built = builder.build();
    assert!(
        built.bytes().starts_with(b"SIP/2.0 180 Ringing\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKq;rport\r\n")
    );
    assert!(built.bytes().ends_with(b"\r\nContent-Length: 0\r\n\r\n"));
    assert_eq!((built.code(), built.reason()), (180, reason_phrase(180).as_bytes()));
    assert_eq!(built.validate(), Ok(()));
    let Message::Response(read) = again(built.bytes()) else { panic!("a response") };
    assert_eq!((read.code(), read.reason()), (built.code(), built.reason()));
    assert_eq!(lines(read.headers()), lines(built.headers()));
}

#[test]
fn no_value_becomes_a_line() {
    let evil = "x\r\nVia: SIP/2.0/UDP 203.0.113.9\r\n\r\nbody\0\n";
    let uri = Uri::sip(Some(evil), evil, None);
    let address = NameAddr::new(uri.clone()).with_display(evil.as_bytes()).with_tag(evil.as_bytes());
    let built = RequestBuilder::new(Method::Other(Bytes::from(evil)), &uri)
        .raw("Subject", evil)
        .raw(evil, "dropped")
        .raw("X Y", "dropped")
        .raw("", "dropped")
        .named(&Name::Other(Bytes::from("X-A\r\nX-B")), "dropped")
        .header(&sip::header::From(address))
        .raw("content-LENGTH", "99")
        .raw("l", "99")
        .body(evil, Bytes::from_static(b"\r\n\0"))
        .build();
    let head = &built.bytes()[..built.bytes().len() - 3];
    assert!(!head.contains(&0));
    let text = std::str::from_utf8(head).unwrap();
    assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
    assert_eq!(text.matches('\r').count(), text.matches("\r\n").count());
    let names: Vec<String> = built.headers().iter().map(|(name, _)| name.to_string()).collect();
    assert_eq!(names, ["Subject", "From", "Content-Type", "Content-Length"]);
    let Message::Request(read) = again(built.bytes()) else { panic!("a request") };
    assert_eq!(lines(read.headers()), lines(built.headers()));
    assert_eq!(read.method(), built.method());
    assert_eq!(read.from().unwrap().uri, uri);
    assert_eq!(&read.body()[..], b"\r\n\0");

    let answer = ResponseBuilder::new(9_999, Some(evil)).raw("Warning", evil).build();
    let Message::Response(read) = again(answer.bytes()) else { panic!("a response") };
    assert_eq!((read.code(), read.headers().len()), (699, 2));
}

#[test]
fn a_method_of_no_legal_byte_still_makes_a_start_line() {
    let uri = Uri::sip(None, "yak.example", None);
    let built = RequestBuilder::new(Method::Other(Bytes::from_static(b"\r\n ")), &uri).build();
    assert!(built.bytes().starts_with(b"- sip:yak.example SIP/2.0\r\n"));
}

#[test]
fn an_unreadable_uri_is_sent_escaped() {
    let wire = Bytes::from_static(b"OPTIONS sip:b c@yak.example SIP/2.0\r\n\r\n");
    let Ok(Message::Request(request)) = Message::parse_datagram(wire) else { panic!("a request") };
    assert!(request.validate().is_err());
    let built = RequestBuilder::new(Method::Options, request.uri()).build();
    assert!(built.bytes().starts_with(b"OPTIONS sip:b%20c@yak.example SIP/2.0\r\n"));
}

#[test]
fn a_given_content_type_is_not_doubled() {
    let built = ResponseBuilder::new(200, None)
        .raw("c", "text/plain")
        .body("application/sdp", Bytes::from_static(b"x"))
        .build();
    let types: Vec<Bytes> = built.headers().all(&Name::ContentType).collect();
    assert_eq!(types, [Bytes::from("text/plain")]);
}

#[test]
fn typed_values_render_on_their_own() {
    assert_eq!(&CSeq { number: 1, method: Method::Ack }.to_bytes()[..], b"1 ACK");
}
