//! How each message is read: as a datagram, and as a stream in one piece, in two, and byte by byte.

use std::collections::BTreeSet;
use std::path::PathBuf;

use bytes::Bytes;
use sip::Message;

use crate::table::{self, Answer, ROWS, Reading, Stream};

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

/// What a stream cannot even frame is nothing that anybody is served for.
#[test]
fn what_is_other_on_a_stream_is_no_good_message() {
    for row in ROWS.iter().filter(|row| row.stream != Stream::Same && row.file != "valid-no-length") {
        assert!(!matches!(row.answer, Answer::Good { .. }), "{} {}", row.section, row.file);
    }
}
