//! Two readers, one corpus: our `sip` and rsip. Every difference is listed with its reason; a new one fails.
//!
//! `cargo test -p yakyak-testkit --test differential -- --nocapture` prints the table. `tests/differences.txt` holds what is expected: one
//! line for each difference, `file | field | ours | rsip | reason`. With `YAKYAK_BLESS=1` the file is written anew and keeps the
//! reasons it has; a line without a reason fails.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rsip::SipMessage;
use rsip::headers::{ToTypedHeader, UntypedHeader};
use rsip::message::{HasHeaders, HeadersExt};
use sip::header::{ContactValue, Via};
use sip::{Message, Name};

/// What a reader makes of a message, field by field.
type Reading = BTreeMap<&'static str, String>;

/// A difference: where it shows, and what either side says.
type Difference = (String, &'static str, String, String);

const ABSENT: &str = "(nothing)";

fn corpus() -> BTreeMap<String, Bytes> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = [here.join("tests/corpus"), here.join("../sip/tests/corpus")];
    let entries =
        folders.iter().flat_map(|folder| std::fs::read_dir(folder).expect("both corpora are part of the repository"));
    let paths = entries.map(|entry| entry.expect("a readable entry").path());
    let messages = paths.filter(|path| path.extension().is_some_and(|extension| extension == "sip")).map(|path| {
        let name = path.file_stem().expect("a file name").to_string_lossy().into_owned();
        (name, Bytes::from(std::fs::read(&path).expect("a readable file")))
    });
    messages.collect()
}

fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

/// Where our reader objects. The position within the header is its own affair.
fn complaint(error: &sip::Error) -> String {
    match error {
        sip::Error::Malformed { header, .. } => (*header).to_owned(),
        other => other.to_string(),
    }
}

/// What we read; the error when the message is not to be acted upon.
fn ours(bytes: &Bytes) -> Result<Reading, String> {
    let message = Message::parse_datagram(bytes.clone()).map_err(|error| format!("dropped: {}", complaint(&error)))?;
    let (start, valid, (from, to, call_id, cseq)) = match &message {
        Message::Request(request) => (
            format!("{} {}", text(request.method().as_bytes()), text(request.uri().as_bytes())),
            request.validate(),
            (request.from(), request.to(), request.call_id(), request.cseq()),
        ),
        Message::Response(response) => (
            response.code().to_string(),
            response.validate(),
            (response.from(), response.to(), response.call_id(), response.cseq()),
        ),
    };
    valid.map_err(|error| format!("refused: {}", complaint(&error)))?;
    let headers = message.headers();
    let read = |error: sip::Error| error.to_string();
    let (from, to, cseq) = (from.map_err(read)?, to.map_err(read)?, cseq.map_err(read)?);
    let vias: Vec<Via> = headers.typed_all::<Via>().filter_map(Result::ok).collect();
    let contacts: Vec<String> = headers
        .typed_all::<ContactValue>()
        .map(|contact| match contact {
            Ok(ContactValue::Star) => "*".to_owned(),
            Ok(ContactValue::Address(address)) => text(address.uri.as_bytes()),
            Err(_) => "unreadable".to_owned(),
        })
        .collect();
    let tag = |tag: Option<Bytes>| tag.map_or(ABSENT.to_owned(), |tag| text(&tag));
    Ok(Reading::from([
        ("start line", start),
        ("Vias", vias.len().to_string()),
        ("branch", tag(vias.first().and_then(Via::branch))),
        ("From URI", text(from.uri.as_bytes())),
        ("From tag", tag(from.tag())),
        ("To URI", text(to.uri.as_bytes())),
        ("To tag", tag(to.tag())),
        ("Call-ID", text(&call_id.map_err(read)?)),
        ("CSeq", format!("{} {}", cseq.number, text(cseq.method.as_bytes()))),
        ("Contacts", contacts.join(" ")),
        ("Content-Type", headers.get(&Name::ContentType).map_or(ABSENT.to_owned(), |value| text(&value))),
        ("fields", headers.iter().count().to_string()),
        ("body", text(&message.body())),
    ]))
}

/// What rsip reads; its error when it does not.
fn theirs(bytes: &Bytes) -> Result<Reading, String> {
    let message = SipMessage::try_from(bytes.clone()).map_err(|_| "refused".to_owned())?;
    let start = match &message {
        SipMessage::Request(request) => format!("{} {}", request.method, request.uri),
        SipMessage::Response(response) => response.status_code.code().to_string(),
    };
    let refused = |header: &'static str| move |_: rsip::Error| format!("refused: {header}");
    let via = message.via_header().and_then(|via| via.typed()).map_err(refused("Via"))?;
    let from = message.from_header().and_then(|from| from.typed()).map_err(refused("From"))?;
    let to = message.to_header().and_then(|to| to.typed()).map_err(refused("To"))?;
    let cseq = message.cseq_header().and_then(|cseq| cseq.typed()).map_err(refused("CSeq"))?;
    let call_id = message.call_id_header().map_err(refused("Call-ID"))?.value().to_owned();
    let contacts: Vec<String> = message
        .contact_headers()
        .into_iter()
        .map(|contact| contact.typed().map_or("unreadable".to_owned(), |contact| contact.uri.to_string()))
        .collect();
    let kind = message.headers().iter().find_map(|header| match header {
        rsip::Header::ContentType(kind) => Some(kind.value().to_owned()),
        _ => None,
    });
    let vias = message.headers().iter().filter(|header| matches!(header, rsip::Header::Via(_))).count();
    Ok(Reading::from([
        ("start line", start),
        ("Vias", vias.to_string()),
        ("branch", via.branch().map_or(ABSENT.to_owned(), |branch| branch.value().to_owned())),
        ("From URI", from.uri.to_string()),
        ("From tag", from.tag().map_or(ABSENT.to_owned(), |tag| tag.value().to_owned())),
        ("To URI", to.uri.to_string()),
        ("To tag", to.tag().map_or(ABSENT.to_owned(), |tag| tag.value().to_owned())),
        ("Call-ID", call_id),
        ("CSeq", format!("{} {}", cseq.seq, cseq.method)),
        ("Contacts", contacts.join(" ")),
        ("Content-Type", kind.unwrap_or(ABSENT.to_owned())),
        ("fields", message.headers().iter().count().to_string()),
        ("body", text(message.body())),
    ]))
}

/// Everything the two readers do not agree on.
fn differences(name: &str, bytes: &Bytes) -> Vec<Difference> {
    let row = |field, ours: &str, theirs: &str| (name.to_owned(), field, ours.to_owned(), theirs.to_owned());
    match (ours(bytes), theirs(bytes)) {
        (Err(_), Err(_)) => Vec::new(),
        (Ok(_), Err(theirs)) => vec![row("message", "read", &theirs)],
        (Err(ours), Ok(_)) => vec![row("message", &ours, "read")],
        (Ok(ours), Ok(theirs)) => ours
            .iter()
            .filter(|(field, value)| theirs[*field] != **value)
            .map(|(field, value)| row(*field, value, &theirs[field]))
            .collect(),
    }
}

fn expectations_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/differences.txt")
}

/// The expected differences and their reasons.
fn expectations() -> BTreeMap<String, String> {
    let file = std::fs::read_to_string(expectations_file()).unwrap_or_default();
    file.lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| {
            let (key, reason) = line.rsplit_once(" | ").unwrap_or((line, ""));
            (key.to_owned(), reason.to_owned())
        })
        .collect()
}

#[test]
#[expect(clippy::print_stdout, reason = "the table is what one runs this test for")]
fn every_difference_has_its_reason() {
    let corpus = corpus();
    let expected = expectations();
    let mut found = BTreeMap::new();
    for (name, bytes) in &corpus {
        for (name, field, ours, theirs) in differences(name, bytes) {
            let key = format!("{name} | {field} | {ours} | {theirs}");
            let reason = expected.get(&key).cloned().unwrap_or_default();
            println!("{name:32} {field:13} ours: {ours:.60}  rsip: {theirs:.60}\n{:32} because {reason}", "");
            found.insert(key, reason);
        }
    }
    println!("{} messages, {} differences", corpus.len(), found.len());
    if std::env::var_os("YAKYAK_BLESS").is_some() {
        let lines: String = found.iter().map(|(key, reason)| format!("{key} | {reason}\n")).collect();
        let head = "# file | field | ours | rsip | reason; see differential.rs\n";
        std::fs::write(expectations_file(), format!("{head}{lines}")).expect("a writable file");
    }
    let new: Vec<&String> = found.iter().filter(|(_, reason)| reason.is_empty()).map(|(key, _)| key).collect();
    assert!(new.is_empty(), "differences without a reason:\n{new:#?}");
    let gone: Vec<&String> = expected.keys().filter(|key| !found.contains_key(*key)).collect();
    assert!(gone.is_empty(), "differences that are there no more:\n{gone:#?}");
}
