//! Where a message begins and ends, and what is too much.

use bytes::Bytes;
use sip::{Error, Message, Name, Request, limits};

const HEAD: &str = "OPTIONS sip:b@yak.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n\
                    From: <sip:a@yak.example>;tag=1\r\nTo: <sip:b@yak.example>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n";

fn parse(text: impl Into<Vec<u8>>) -> Result<Message, Error> {
    Message::parse_datagram(Bytes::from(text.into()))
}

fn request(text: impl Into<Vec<u8>>) -> Request {
    match parse(text) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_body_longer_than_content_length_is_cut() {
    let request = request(format!("{HEAD}Content-Length: 4\r\n\r\nbodyrest"));
    assert_eq!(&request.body()[..], b"body");
    assert!(request.bytes().ends_with(b"\r\n\r\nbody"));
    assert_eq!(request.validate(), Ok(()));
}

#[test]
fn a_body_shorter_than_content_length_is_told_to_the_sender() {
    let request = request(format!("{HEAD}Content-Length: 5\r\n\r\nbody"));
    let fault = request.validate().unwrap_err();
    assert!(matches!(fault, Error::Malformed { header: "Content-Length", .. }), "{fault}");
    assert_eq!(fault.status(), 400);
    assert!(request.via().is_ok() && request.cseq().is_ok(), "it can be answered");
}

#[test]
fn lengths_that_agree_are_one_length() {
    let body = |lengths: &str| {
        let request = request(format!("{HEAD}{lengths}\r\nbody"));
        request.validate().map(|()| request.body())
    };
    assert_eq!(body("Content-Length: 2\r\nl: 2\r\n").as_deref(), Ok(&b"bo"[..]));
    assert!(body("Content-Length: 2\r\nl: 3\r\n").is_err());
    assert!(body("Content-Length: 2, 3\r\n").is_err());
    assert!(body("Content-Length: +2\r\n").is_err());
    assert!(body("Content-Length:\r\n").is_err());
    assert_eq!(body("Content-Length: 0000000000000000000000000000000002\r\n").as_deref(), Ok(&b"bo"[..]));
}

#[test]
fn line_ends_before_the_start_line_and_bare_line_feeds_are_tolerated() {
    let text = format!("\r\n\r\n{HEAD}\r\n");
    assert_eq!(request(text.clone()).bytes().len(), text.len() - 4);
    let bare = format!("{HEAD}Subject: x\r\n y\r\n\r\nbody").replace("\r\n", "\n");
    let request = request(bare);
    assert_eq!(request.validate(), Ok(()));
    assert_eq!(&request.body()[..], b"body");
    assert_eq!(request.headers().get(&Name::Subject).as_deref(), Some(&b"x y"[..]));
}

#[test]
fn a_message_cut_anywhere_is_refused_or_shorter_but_never_misread() {
    let whole = format!("{HEAD}Content-Length: 4\r\n\r\nbody").into_bytes();
    for end in 0..whole.len() {
        match parse(&whole[..end]) {
            Ok(Message::Request(request)) => assert!(request.validate().is_err(), "cut at {end}"),
            Ok(Message::Response(response)) => panic!("cut at {end}: {response:?}"),
            Err(_) => {}
        }
    }
}

#[test]
fn a_cut_response_is_dropped_and_a_bad_line_in_one_is_passed_over() {
    let (_, head) = HEAD.split_once("\r\n").unwrap();
    let whole = format!("SIP/2.0 200 OK\r\nno name here\r\n{head}Content-Length: 4\r\n\r\nbody").into_bytes();
    for end in 0..whole.len() {
        assert!(parse(&whole[..end]).is_err(), "cut at {end}");
    }
    let Ok(Message::Response(response)) = parse(whole) else { panic!("a response") };
    assert_eq!((response.validate(), response.headers().len()), (Ok(()), 6));
}

#[test]
fn limits_hold() {
    let with_lines = |count: usize| {
        let more = count - HEAD.matches("\r\n").count() + 1;
        parse(format!("{HEAD}{}\r\n", "X: y\r\n".repeat(more)))
    };
    assert_eq!(with_lines(limits::HEADER_LINES).unwrap().headers().len(), limits::HEADER_LINES);
    let why = |error| match error {
        Error::Violation { why, .. } => why,
        other => panic!("{other}"),
    };
    assert_eq!(with_lines(limits::HEADER_LINES + 1).map_err(why).unwrap_err(), "too many header lines");
    assert_eq!(with_lines(5_000).map_err(why).unwrap_err(), "too many header lines");
    let with_line = |length: usize| parse(format!("{HEAD}X: {}\r\n\r\n", "y".repeat(length - 3)));
    assert!(with_line(limits::LINE_BYTES).is_ok());
    assert_eq!(with_line(limits::LINE_BYTES + 1).map_err(why).unwrap_err(), "line too long");
    let folded = parse(format!("{HEAD}X: y\r\n{}\r\n", " fold\r\n".repeat(limits::LINE_BYTES / 6)));
    assert_eq!(folded.map_err(why).unwrap_err(), "line too long");
    let start = parse(format!("OPTIONS sip:{} SIP/2.0\r\n\r\n", "a".repeat(limits::LINE_BYTES)));
    assert_eq!(start.map_err(why).unwrap_err(), "too long");
    let whole = parse(vec![b'a'; limits::MESSAGE_BYTES + 1]);
    assert_eq!(whole.map_err(why).unwrap_err(), "too long");
    let list = request(format!("{HEAD}Contact: {}\r\n\r\n", "*,".repeat(2 * limits::LIST_VALUES)));
    assert_eq!(list.headers().values(&Name::Contact).count(), limits::LIST_VALUES);
    let params = request(format!("{HEAD}Event: a{}\r\n\r\n", ";p".repeat(limits::PARAMETERS + 1)));
    assert!(params.headers().typed::<sip::header::Event>().unwrap().is_err());
}

#[test]
fn a_request_without_a_version_is_not_sip() {
    for text in
        ["OPTIONS sip:b\r\n\r\n", "OPTIONS\r\n\r\n", "\r\n", "", " \r\n\r\n", "x x x\r\n\r\n", "SIP/2.0\r\n\r\n"]
    {
        assert!(parse(text).is_err(), "{text:?}");
    }
    for code in ["099", "700", "20", "2000", "-20", "2x0", ""] {
        assert!(parse(format!("SIP/2.0 {code} OK\r\n\r\n")).is_err(), "{code}");
    }
    assert!(parse("SIP/3.0 200 OK\r\n\r\n").is_err());
    assert!(parse("sip/2.0 200 OK\r\n\r\n").is_ok(), "the version is not case-sensitive");
}

#[test]
fn lines_of_one_name_keep_their_order_across_spellings() {
    let request = request(format!("{HEAD}k: a, b\r\nX-Own: 1\r\nSUPPORTED : c\r\nx-own: 2\r\nSupported:\r\n\r\n"));
    let words = request.headers().tokens(&Name::Supported).unwrap();
    assert_eq!(words.0, ["a", "b", "c"].map(Bytes::from));
    let own: Vec<Bytes> = request.headers().all(&Name::from("X-OWN")).collect();
    assert_eq!(own, ["1", "2"].map(Bytes::from));
    let names: Vec<String> = request.headers().iter().skip(5).map(|(name, _)| name.to_string()).collect();
    assert_eq!(names, ["Supported", "X-Own", "Supported", "x-own", "Supported"]);
}
