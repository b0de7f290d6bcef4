//! Messages in a stream: however the bytes are cut, the same frames come out.

use proptest::prelude::*;
use sip::framing::{Decoder, Frame};
use sip::{Error, Message, limits};

fn message(call_id: &str, body: &str) -> String {
    format!(
        "OPTIONS sip:pbx.example SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bKa\r\nFrom: <sip:a@example>;tag=1\r\nTo: \
         <sip:pbx.example>\r\nCall-ID: {call_id}\r\nCSeq: 1 OPTIONS\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A frame in words, so that two runs can be compared.
fn told(frame: &Frame) -> String {
    let text = |message: &Message| String::from_utf8_lossy(message.bytes()).into_owned();
    match frame {
        Frame::Message(message) => text(message),
        Frame::Last(Message::Request(request)) => {
            format!("last, {}: {}", request.validate().unwrap_err().status(), text(&request.clone().into()))
        }
        Frame::Last(Message::Response(_)) => "a response comes out as last".to_owned(),
        Frame::Ping => "ping".to_owned(),
        Frame::Unreadable(error) => format!("unreadable: {error}"),
    }
}

/// What comes out when the stream comes in these pieces.
fn frames<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
    let (mut decoder, mut out) = (Decoder::default(), Vec::new());
    for piece in pieces {
        decoder.push(piece);
        loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => out.push(told(&frame)),
                Ok(None) => break,
                Err(error) => {
                    out.push(format!("lost: {error}"));
                    return out;
                }
            }
        }
    }
    out
}

fn whole(stream: &str) -> Vec<String> {
    frames([stream.as_bytes()])
}

fn byte_by_byte(stream: &str) -> Vec<String> {
    frames(stream.as_bytes().chunks(1))
}

/// The same frames, whole and byte by byte.
fn reads(stream: &str, expected: &[String]) {
    assert_eq!(whole(stream), expected);
    assert_eq!(byte_by_byte(stream), expected);
}

#[test]
fn two_messages_in_one_segment_are_two() {
    let (one, two) = (message("one", "body"), message("two", ""));
    reads(&[one.as_str(), &two].concat(), &[one.clone(), two.clone()]);
}

#[test]
fn line_ends_between_messages_are_passed_over_and_two_are_a_ping() {
    let one = message("one", "");
    for between in ["\r\n", "\n", "\r", "\r\r\n", "\n\r\n"] {
        reads(&[&one, between, &one].concat(), &[one.clone(), one.clone()]);
    }
    reads(&["\r\n\r\n", &one].concat(), &["ping".into(), one.clone()]);
    reads(&[&one, "\r\n\r\n\r\n", &one].concat(), &[one.clone(), "ping".into(), one.clone()]);
    reads("\r\n\r\n\r\n\r\n", &["ping".into(), "ping".into()]);
}

#[test]
fn bare_line_feeds_and_the_compact_name_do_as_well() {
    let one = message("one", "12").replace("\r\n", "\n").replace("Content-Length", "l");
    let folded = message("two", "34").replace("Content-Length: ", "CONTENT-LENGTH :\r\n ");
    reads(&[one.as_str(), &folded].concat(), &[one.clone(), folded.clone()]);
}

#[test]
fn a_length_that_cannot_be_known_ends_the_stream_with_400() {
    let missing = message("one", "").replace("Content-Length: 0\r\n", "");
    let behind = message("two", "");
    reads(&[missing.as_str(), &behind].concat(), &[format!("last, 400: {missing}")]);
    for bad in ["-1", "", "1,2", "0x10", "99999999999", "5\r\nContent-Length: 6"] {
        let bad = message("one", "").replace("Length: 0", &format!("Length: {bad}"));
        reads(&[bad.as_str(), &behind].concat(), &[format!("last, 400: {bad}")]);
    }
    let twice = message("one", "").replace("Length: 0", "Length: 0\r\nl: 0");
    reads(&[twice.as_str(), &behind].concat(), &[twice.clone(), behind]);
}

#[test]
fn a_response_without_a_length_is_dropped_with_the_stream() {
    let response = message("one", "").replace("OPTIONS sip:pbx.example SIP/2.0", "SIP/2.0 200 OK");
    let without = response.replace("Content-Length: 0\r\n", "");
    reads(&without, &["lost: Content-Length cannot be read at byte 145".to_owned()]);
}

#[test]
fn what_frames_well_and_reads_badly_costs_itself_alone() {
    let bad = message("one", "").replace("OPTIONS sip:pbx.example SIP/2.0", "SIP/2.0 4294967301 better not");
    let good = message("two", "");
    let seen = whole(&[bad.as_str(), &good].concat());
    assert_eq!(seen, ["unreadable: start line cannot be read at byte 8".to_owned(), good]);
}

#[test]
fn limits_hold_before_anything_is_kept() {
    let mut decoder = Decoder::default();
    decoder.push(b"OPTIONS sip:pbx.example SIP/2.0\r\n");
    let line = format!("X: {}\r\n", "x".repeat(1_000));
    for _ in 0..=limits::STREAM_HEAD_BYTES / line.len() {
        assert!(matches!(decoder.next_frame(), Ok(None)));
        decoder.push(line.as_bytes());
    }
    assert_eq!(decoder.next_frame().unwrap_err(), Error::Violation { header: "header", why: "too long" });
    decoder.push(line.as_bytes());
    assert!(matches!(decoder.next_frame(), Ok(None)), "what comes after is not kept");

    // A body that will never be read is not waited for.
    let long = message("one", "").replace("Length: 0", "Length: 70000");
    reads(&long, &[format!("last, 513: {long}")]);
    let fits = message("one", "").replace("Length: 0", "Length: 60000") + &"x".repeat(60_000);
    assert_eq!(whole(&fits), [fits]);
}

#[test]
fn a_message_under_way_is_told_from_silence() {
    let mut decoder = Decoder::default();
    for quiet in [&b""[..], b"\r\n", b"\r", b"\n"] {
        decoder.push(quiet);
        assert!(matches!(decoder.next_frame(), Ok(None | Some(Frame::Ping))));
        assert!(!decoder.is_midway());
    }
    decoder.push(b"O");
    assert!(matches!(decoder.next_frame(), Ok(None)));
    assert!(decoder.is_midway());
}

/// Pieces of streams: messages, line ends, broken messages, noise.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => ("[a-z]{1,8}", "[ -~\r\n]{0,40}").prop_map(|(id, body)| message(&id, &body)),
        3 => "[\r\n]{1,6}",
        1 => Just(message("x", "").replace("Content-Length: 0\r\n", "")),
        1 => Just(message("x", "").replace("SIP/2.0\r\nVia", "HTTP/1.1\r\nVia")),
        1 => "[ -~\r\n\t]{0,30}",
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn cutting_the_stream_anywhere_changes_nothing(stream in pieces(), cuts in prop::collection::vec(1_usize..200, 1..8)) {
        let bytes = stream.as_bytes();
        let expected = whole(&stream);
        prop_assert_eq!(&byte_by_byte(&stream), &expected);
        let (mut rest, mut parts) = (bytes, Vec::new());
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (part, more) = rest.split_at((*cut).min(rest.len()));
            parts.push(part);
            rest = more;
        }
        prop_assert_eq!(&frames(parts), &expected);
    }
}
