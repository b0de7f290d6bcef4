//! How each message is read: as a datagram, and as a stream in one piece, in two, and byte by byte.

use std::collections::BTreeSet;
use std::path::PathBuf;

use bytes::Bytes;
use sip::Message;
use sip::framing::{Decoder, Frame};

use crate::table::{self, ROWS, Reading, Stream};

pub(super) fn corpus() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")
}

pub(super) fn bytes(file: &str) -> Bytes {
    table::bytes(&corpus(), file).into()
}

/// What the parser makes of one message that is whole.
fn reading(message: Result<Message, sip::Error>) -> Reading {
    match message {
        Err(_) => Reading::Dropped,
        Ok(Message::Request(request)) => {
            request.validate().map_or_else(|error| Reading::Faulty(error.status()), |()| Reading::Sound)
        }
        // Nobody can refuse a response.
        Ok(Message::Response(response)) => response.validate().map_or(Reading::Dropped, |()| Reading::Sound),
    }
}

#[test]
fn every_message_has_its_row_and_every_section_its_message() {
    let files = std::fs::read_dir(corpus()).expect("the corpus is part of the crate");
    let paths = files.map(|file| file.expect("a readable entry").path());
    let messages = paths.filter(|path| path.extension().is_some_and(|extension| extension == "sip"));
    let stems = messages.map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned());
    let (stems, rows): (BTreeSet<String>, BTreeSet<String>) =
        (stems.collect(), ROWS.iter().map(|row| row.file.to_owned()).collect());
    assert_eq!(stems, rows);
    assert_eq!(rows.len(), ROWS.len(), "each message stands in one row");
    let sections: BTreeSet<String> = ROWS.iter().map(|row| row.section.to_owned()).collect();
    let numbered = |prefix: &str, last: u32| (1..=last).map(|number| format!("{prefix}{number}")).collect::<Vec<_>>();
    let all = [
        numbered("4475 3.1.1.", 13),
        numbered("4475 3.1.2.", 19),
        numbered("4475 3.2.", 1),
        numbered("4475 3.3.", 15),
        numbered("4475 3.4.", 1),
        numbered("5118 4.", 10),
        vec!["own".to_owned()],
    ];
    assert_eq!(sections, all.into_iter().flatten().collect());
}

#[test]
fn as_a_datagram() {
    for row in ROWS {
        let message = Message::parse_datagram(bytes(row.file));
        assert_eq!(reading(message), row.reading, "{} {}", row.section, row.file);
    }
}

/// What a decoder makes of a stream: its readings in order, `None` for a keep-alive, and how it ends.
#[derive(Debug, Eq, PartialEq)]
struct Framed {
    readings: Vec<Option<Reading>>,
    end: End,
}

#[derive(Debug, Eq, PartialEq)]
enum End {
    /// The next message may begin.
    Between,
    /// More bytes of this one are missing.
    Midway,
    /// Nothing more can be read.
    Lost,
}

fn framed<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Framed {
    let mut decoder = Decoder::default();
    let mut readings = Vec::new();
    for piece in pieces {
        decoder.push(piece);
        loop {
            match decoder.next_frame() {
                Ok(None) => break,
                Ok(Some(Frame::Ping)) => readings.push(None),
                Ok(Some(Frame::Message(message))) => readings.push(Some(reading(Ok(message)))),
                Ok(Some(Frame::Unreadable(_))) => readings.push(Some(Reading::Dropped)),
                Ok(Some(Frame::Last(message))) => {
                    readings.push(Some(reading(Ok(message))));
                    return Framed { readings, end: End::Lost };
                }
                Err(_) => return Framed { readings, end: End::Lost },
            }
        }
    }
    Framed { readings, end: if decoder.is_midway() { End::Midway } else { End::Between } }
}

#[test]
fn as_a_stream_however_it_is_cut() {
    for row in ROWS {
        let name = (row.section, row.file);
        let bytes = bytes(row.file);
        let whole = framed(std::iter::once(&bytes[..]));
        let (readings, end) = match row.stream {
            // The second half of the two in one is a message without a length, and without anybody to answer to.
            Stream::Same if row.file == "valid-two-in-one" => {
                (vec![Some(Reading::Sound), Some(Reading::Faulty(400))], End::Lost)
            }
            Stream::Same => (vec![Some(row.reading)], End::Between),
            Stream::Waits => (vec![], End::Midway),
            Stream::Refused => (vec![Some(Reading::Faulty(400))], End::Lost),
            Stream::Closed => (vec![], End::Lost),
            Stream::Pong => (vec![None], End::Between),
        };
        assert_eq!(whole, Framed { readings, end }, "{name:?}");
        assert_eq!(framed(bytes.chunks(1)), whole, "{name:?} byte by byte");
        for at in (1..bytes.len()).step_by(7) {
            let (one, other) = bytes.split_at(at);
            assert_eq!(framed([one, other].into_iter()), whole, "{name:?} cut at {at}");
        }
    }
}

/// Whatever stood in the stream before and stands behind it, each message that has an end is read alike.
#[test]
fn as_one_stream_of_all() {
    let rows = || ROWS.iter().filter(|row| row.stream == Stream::Same && row.file != "valid-two-in-one");
    let all: Vec<u8> = rows().flat_map(|row| bytes(row.file)).collect();
    let readings: Vec<Option<Reading>> = rows().map(|row| Some(row.reading)).collect();
    for size in [1, 13, 1_400, all.len()] {
        assert_eq!(framed(all.chunks(size)).readings, readings, "in pieces of {size}");
    }
}
