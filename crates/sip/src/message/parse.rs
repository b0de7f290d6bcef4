//! Bytes to message: one pass over the lines, one allocation for the ranges.

use bytes::Bytes;

use super::{Field, Headers, Message, Request, Response};
use crate::error::{Error, malformed};
use crate::header::Name;
use crate::header::name::{OTHER, lookup};
use crate::method::Method;
use crate::uri::Uri;
use crate::{limits, scan};

const VERSION: &[u8] = b"SIP/2.0";

/// How errors name a header line that has no name.
const BAD_LINE: &str = "header";

pub(super) fn datagram(bytes: Bytes) -> Result<Message, Error> {
    if bytes.len() > limits::MESSAGE_BYTES {
        return Err(Error::TOO_LONG);
    }
    // Line ends before the start line are keep-alives and are passed over (RFC 3261 §7.5).
    let start = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(bytes.len());
    let bytes = if start == 0 { bytes } else { bytes.slice(start..) };
    let Some(line) = line_at(&bytes, 0) else {
        return malformed("start line", bytes.len());
    };
    if line.end > limits::LINE_BYTES {
        return Err(Error::Violation { header: "start line", why: "too long" });
    }
    let is_response = bytes.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"SIP/"));
    if is_response { response(bytes, line) } else { request(bytes, line) }
}

/// A request of which only the head was understood. A response with this fault is an error.
pub(super) fn head(bytes: Bytes, fault: Error) -> Result<Message, Error> {
    match datagram(bytes)? {
        Message::Request(mut request) => {
            request.fault = Some(fault);
            Ok(Message::Request(request))
        }
        Message::Response(_) => Err(fault),
    }
}

/// What the head of a message says of the body behind it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum BodyLength {
    /// Nothing.
    Missing,
    /// No number, or several that differ.
    Unreadable,
    /// So many bytes.
    Bytes(usize),
}

/// Reads Content-Length out of a head, which ends with its empty line.
pub(super) fn body_length(head: &[u8]) -> BodyLength {
    let mut length = BodyLength::Missing;
    let mut at = 0;
    while let Some(line) = line_at(head, at).filter(|line| line.start < line.end) {
        let (line, folded) = with_continuations(head, line);
        at = line.next;
        let Some(field) = field(head, line, folded).filter(|field| field.id == Name::ContentLength.id()) else {
            continue;
        };
        let value = &head[field.value_start as usize..field.value_end as usize];
        length = match (scan::number(value, u64::from(u32::MAX)).map(|found| found as usize), length) {
            (Some(found), BodyLength::Missing) => BodyLength::Bytes(found),
            (Some(found), BodyLength::Bytes(other)) if found == other => length,
            _ => return BodyLength::Unreadable,
        };
    }
    length
}

/// One line without its end, and where the next one begins.
#[derive(Clone, Copy)]
struct Line {
    start: usize,
    end: usize,
    next: usize,
}

/// The line that begins at `start`. A bare LF ends a line as CRLF does; a bare CR does not.
fn line_at(bytes: &[u8], start: usize) -> Option<Line> {
    let feed = scan::find(bytes, b'\n', start)?;
    let end = if feed > start && bytes[feed - 1] == b'\r' { feed - 1 } else { feed };
    Some(Line { start, end, next: feed + 1 })
}

fn request(bytes: Bytes, line: Line) -> Result<Message, Error> {
    let text = &bytes[..line.end];
    let (Some(first), Some(last)) = (scan::find(text, b' ', 0), text.iter().rposition(|byte| *byte == b' ')) else {
        return malformed("start line", 0);
    };
    let method = Method::within(&bytes, 0, first)?;
    let mut fault = None;
    let (uri, version) = if first < last {
        (bytes.slice(first + 1..last), &text[last + 1..])
    } else {
        (bytes.slice(last + 1..line.end), &text[line.end..])
    };
    if !version.eq_ignore_ascii_case(VERSION) {
        // Something must say that this is SIP at all, else there is nobody to answer.
        match contains_version(text) {
            Some(position) if first < last && position == last + 1 => {
                fault = Some(Error::Unsupported { what: "SIP version" })
            }
            Some(position) => fault = Some(Error::Malformed { header: "start line", position }),
            None => return malformed("start line", last),
        }
    }
    let uri = Uri::take(uri).unwrap_or_else(|(error, bytes)| {
        fault.get_or_insert(error);
        Uri::unreadable(bytes)
    });
    let headers = headers(bytes, line.next, &mut fault)?;
    Ok(Message::Request(Request { method, uri, headers, fault }))
}

fn contains_version(line: &[u8]) -> Option<usize> {
    line.windows(5).position(|word| word[..5].eq_ignore_ascii_case(b" SIP/")).map(|at| at + 1)
}

fn response(bytes: Bytes, line: Line) -> Result<Message, Error> {
    let text = &bytes[..line.end];
    if !text[..VERSION.len().min(text.len())].eq_ignore_ascii_case(VERSION) || text.get(VERSION.len()) != Some(&b' ') {
        return malformed("start line", 0);
    }
    let digits = VERSION.len() + 1;
    let end = scan::find(text, b' ', digits).unwrap_or(text.len());
    let code = match scan::number(&text[digits..end], 699) {
        Some(code) if code >= 100 && end - digits == 3 => code as u16,
        _ => return malformed("start line", digits),
    };
    let reason = ((end + 1).min(line.end) as u32, line.end as u32);
    let mut fault = None;
    let headers = headers(bytes, line.next, &mut fault)?;
    match fault {
        // A bad line is passed over; what is needed of a response is read when it is used.
        None | Some(Error::Malformed { header: BAD_LINE, .. }) => {
            Ok(Message::Response(Response { code, reason, headers }))
        }
        Some(fault) => Err(fault),
    }
}

/// The header section from `start`, and the body. The first fault that can still be answered goes to `fault`.
fn headers(bytes: Bytes, start: usize, fault: &mut Option<Error>) -> Result<Headers, Error> {
    let mut fields = Vec::with_capacity(limits::USUAL_HEADER_LINES);
    let mut at = start;
    let body_start = loop {
        let Some(line) = line_at(&bytes, at) else {
            // No empty line: the datagram was cut, or its sender forgot it.
            *fault = Some(Error::Malformed { header: "message", position: bytes.len() });
            break bytes.len();
        };
        if line.start == line.end {
            break line.next;
        }
        let (line, folded) = with_continuations(&bytes, line);
        if line.end - line.start > limits::LINE_BYTES {
            return Err(Error::Violation { header: "header", why: "line too long" });
        }
        if fields.len() == limits::HEADER_LINES {
            return Err(Error::Violation { header: "message", why: "too many header lines" });
        }
        match field(&bytes, line, folded) {
            Some(field) => fields.push(field),
            None => {
                fault.get_or_insert(Error::Malformed { header: BAD_LINE, position: line.start });
            }
        }
        at = line.next;
    };
    let headers = Headers { bytes, fields, body_start: body_start as u32 };
    Ok(cut_to_length(headers, fault))
}

/// The line together with those behind it that begin with a blank.
fn with_continuations(bytes: &[u8], mut line: Line) -> (Line, bool) {
    let mut folded = false;
    while let Some(b' ' | b'\t') = bytes.get(line.next) {
        let Some(more) = line_at(bytes, line.next) else { break };
        line = Line { start: line.start, ..more };
        folded = true;
    }
    (line, folded)
}

/// The ranges of one header line; `None` when it has no name.
fn field(bytes: &[u8], line: Line, folded: bool) -> Option<Field> {
    let colon = scan::find(&bytes[..line.end], b':', line.start)?;
    let (name_start, name_end) = (line.start, trim_end(bytes, line.start, colon));
    let name = &bytes[name_start..name_end];
    let id = lookup(name);
    if id == OTHER && !scan::is_token(name) {
        return None;
    }
    let (value_start, value_end) = scan::trimmed(bytes, colon + 1, line.end);
    Some(Field {
        name_start: name_start as u32,
        name_length: (name_end - name_start) as u16,
        id,
        folded: folded && scan::find(&bytes[..value_end], b'\n', value_start).is_some(),
        value_start: value_start as u32,
        value_end: value_end as u32,
    })
}

fn trim_end(bytes: &[u8], start: usize, mut end: usize) -> usize {
    while end > start && scan::is_blank(bytes[end - 1]) {
        end -= 1;
    }
    end
}

/// Cuts the body to Content-Length. Several lengths must agree, or two readers would see two messages.
fn cut_to_length(mut headers: Headers, fault: &mut Option<Error>) -> Headers {
    let present = headers.bytes.len() - headers.body_start as usize;
    let mut length = None;
    let mut wrong = false;
    let name = Name::ContentLength.id();
    for field in headers.fields.iter().filter(|field| field.id == name) {
        // A folded number is read too: its line end counts among the blanks around it.
        let value = &headers.bytes[field.value_start as usize..field.value_end as usize];
        let found = scan::number(value, u64::from(u32::MAX)).map(|found| found as usize);
        wrong |= found.is_none() || (length.is_some() && length != found);
        length = length.or(found);
    }
    match length {
        _ if wrong => {}
        None => return headers,
        Some(length) if length <= present => {
            headers.bytes.truncate(headers.body_start as usize + length);
            return headers;
        }
        Some(_) => {}
    }
    let position = headers.body_start as usize;
    // Nothing tells a response with this fault from one that was tampered with: this fault goes before any other.
    *fault = Some(Error::Malformed { header: "Content-Length", position });
    headers
}
