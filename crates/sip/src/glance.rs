//! A glance at a message as it travels: its Call-ID without parsing the rest, and its secrets masked where they stand.
//!
//! A trace keeps messages for weeks and shows them to people. What proves somebody's identity must not be in it: the digest
//! `response` (RFC 3261 §22, RFC 8760), every credential of another scheme (a Bearer token, RFC 8898), and what a person
//! has typed to another, unless it is wanted. Masks are as long as what they cover, so lengths and positions stay true.

use crate::scan;

const MASK: u8 = b'*';

/// Parameters of a digest that prove something.
const PROOFS: [&[u8]; 2] = [b"response", b"rspauth"];
/// Parts of names by which header fields of our neighbours' own making carry secrets.
const SECRET_NAMES: [&[u8]; 5] = [b"token", b"secret", b"password", b"api-key", b"cookie"];

/// The Call-ID, as it stands there; the first one when there are several.
#[must_use]
pub fn call_id(message: &[u8]) -> Option<&[u8]> {
    let mut lines = Lines { message, at: 0 };
    while let Some(line) = lines.next() {
        if !matches!(message.get(line.start), Some(b'c' | b'C' | b'i' | b'I')) {
            continue;
        }
        let Some((name, value)) = parts(message, line) else { continue };
        if name.eq_ignore_ascii_case(b"call-id") || name.eq_ignore_ascii_case(b"i") {
            return message.get(value.start..value.end);
        }
    }
    None
}

/// Masks the secrets of the header section, and the body of a message between people (a MESSAGE, keys sent by INFO) unless
/// `keep_typed`. Returns where the body begins, whose own secrets are not SIP's business.
pub fn mask(message: &mut [u8], keep_typed: bool) -> usize {
    let method = message.iter().position(|byte| *byte == b' ').and_then(|end| message.get(..end)).unwrap_or_default();
    let mut hide_body = !keep_typed && method == b"MESSAGE";
    let may_have_keys = !keep_typed && method == b"INFO";
    let mut at = 0;
    loop {
        let mut lines = Lines { message, at };
        let Some(line) = lines.next() else {
            at = lines.at;
            break;
        };
        at = lines.at;
        let Some((name, value)) = parts(message, line) else { continue };
        let kind = kind(name);
        match kind {
            Kind::Plain => {}
            Kind::ContentType => {
                let text = &message[value.start..value.end];
                hide_body |= may_have_keys && (contains(text, b"dtmf") || contains(text, b"digits"));
            }
            Kind::Credentials => mask_credentials(&mut message[value.start..value.end]),
            Kind::Info => mask_proofs(&mut message[value.start..value.end]),
            Kind::Secret => cover(&mut message[value.start..value.end]),
        }
    }
    if hide_body {
        cover(&mut message[at..]);
    }
    at
}

/// What a header field may give away.
enum Kind {
    Plain,
    ContentType,
    Credentials,
    Info,
    Secret,
}

fn kind(name: &[u8]) -> Kind {
    let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
    if is(b"authorization") || is(b"proxy-authorization") {
        Kind::Credentials
    } else if is(b"authentication-info") || is(b"proxy-authentication-info") {
        Kind::Info
    } else if is(b"content-type") || is(b"c") {
        Kind::ContentType
    } else if SECRET_NAMES.iter().any(|part| contains(name, part)) {
        Kind::Secret
    } else {
        Kind::Plain
    }
}

/// Digest parameters but the proof stay, since they tell why a login fails; of any other scheme only its name stays.
fn mask_credentials(value: &mut [u8]) {
    let scheme = value.iter().position(|byte| scan::is_blank(*byte)).unwrap_or(value.len());
    let (scheme, rest) = value.split_at_mut(scheme);
    if scheme.eq_ignore_ascii_case(b"digest") { mask_proofs(rest) } else { cover(rest) }
}

/// Masks the proofs in `name=value, name="value"`. What cannot be told apart is masked whole.
fn mask_proofs(parameters: &mut [u8]) {
    let mut at = 0;
    while at < parameters.len() {
        let Some(end) = scan::unquoted(parameters, b',', at) else {
            cover(&mut parameters[at..]);
            return;
        };
        if let Some(equals) = scan::find(&parameters[..end], b'=', at) {
            let (from, to) = scan::trimmed(parameters, at, equals);
            if PROOFS.iter().any(|proof| parameters[from..to].eq_ignore_ascii_case(proof)) {
                for byte in parameters[equals + 1..end].iter_mut().filter(|byte| **byte != b'"') {
                    hide(byte);
                }
            }
        }
        at = end + 1;
    }
}

/// Masks everything but line ends and blanks.
fn cover(bytes: &mut [u8]) {
    bytes.iter_mut().for_each(hide);
}

fn hide(byte: &mut u8) {
    if !scan::is_blank(*byte) {
        *byte = MASK;
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part))
}

#[derive(Clone, Copy)]
struct Range {
    start: usize,
    end: usize,
}

/// Name and value of a header line.
fn parts(message: &[u8], line: Range) -> Option<(&[u8], Range)> {
    let colon = scan::find(message.get(..line.end)?, b':', line.start)?;
    let (from, to) = scan::trimmed(message, line.start, colon);
    let (start, end) = scan::trimmed(message, colon + 1, line.end);
    Some((&message[from..to], Range { start, end }))
}

/// The lines of the header section, each with the lines that continue it; the start line is the first.
struct Lines<'a> {
    message: &'a [u8],
    at: usize,
}

impl Lines<'_> {
    /// `None` at the empty line, with `at` behind it, and at the end.
    fn next(&mut self) -> Option<Range> {
        let start = self.at;
        let mut end = self.line_end(start)?;
        if self.message[start..end].iter().all(|byte| matches!(byte, b'\r' | b'\n')) {
            return None;
        }
        while let Some(b' ' | b'\t') = self.message.get(end) {
            let Some(further) = self.line_end(end) else { break };
            end = further;
        }
        Some(Range { start, end })
    }

    /// Where the line that begins at `start` ends, its line end included.
    fn line_end(&mut self, start: usize) -> Option<usize> {
        if start >= self.message.len() {
            return None;
        }
        let end = scan::find(self.message, b'\n', start).map_or(self.message.len(), |feed| feed + 1);
        self.at = end;
        Some(end)
    }
}

#[cfg(test)]
mod tests {
    use super::{call_id, mask};

    fn masked(text: &str, keep_typed: bool) -> String {
        let mut bytes = text.as_bytes().to_vec();
        let body = mask(&mut bytes, keep_typed);
        assert_eq!(bytes.len(), text.len(), "a mask is as long as what it covers");
        let expected = text.find("\r\n\r\n").map_or(text.len(), |end| end + 4);
        assert_eq!(body, expected, "where the body begins");
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn the_call_id_is_found_in_every_spelling() {
        for (head, wanted) in [
            ("Call-ID: a@b\r\n", Some("a@b")),
            ("i:a@b\r\n", Some("a@b")),
            ("CALL-ID  :  a@b  \r\n", Some("a@b")),
            ("Call-ID:\r\n  a@b\r\n", Some("a@b")),
            ("Contact: <sip:x>\r\nCall-Info: y\r\nCall-ID: a@b\n", Some("a@b")),
            ("Call-Info: a@b\r\n", None),
        ] {
            let text = format!("OPTIONS sip:x SIP/2.0\r\n{head}\r\nCall-ID: body\r\n");
            let found = call_id(text.as_bytes()).map(|found| String::from_utf8_lossy(found).into_owned());
            assert_eq!(found.as_deref(), wanted, "{head:?}");
        }
        for text in ["", "\r\n", "Call-ID", "\r\nCall-ID: x\r\n"] {
            assert_eq!(call_id(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn the_proof_of_a_digest_is_masked_and_nothing_else() {
        let text = "REGISTER sip:x SIP/2.0\r\nAuthorization: Digest username=\"1001\", response=\"0123456789abcdef\",\r\n \
                    uri=\"sip:x\",nc=00000001, cnonce=\"response=1,\"\r\nTo: <sip:response=a@x>\r\n\r\n";
        assert_eq!(masked(text, true), text.replace("0123456789abcdef", "****************"));
        let bare = "INVITE sip:x SIP/2.0\r\nproxy-authorization : digest Response = abc , a=b\r\n\r\n";
        assert_eq!(masked(bare, true), bare.replace("abc", "***"));
        let folded = "INVITE sip:x SIP/2.0\r\nAuthorization: Digest a=b, response=\r\n\t\"abc\"\r\n\r\n";
        assert_eq!(masked(folded, true), folded.replace("abc", "***"));
        let info = "SIP/2.0 200 OK\r\nAuthentication-Info: rspauth=\"abc\", nextnonce=\"n\"\r\n\r\n";
        assert_eq!(masked(info, true), info.replace("abc", "***"));
    }

    #[test]
    fn other_credentials_are_masked_whole() {
        let text = "REGISTER sip:x SIP/2.0\r\nAuthorization: Bearer eyJ.abc.def\r\nX-Auth-Token: abc def\r\n\r\n";
        let expected = "REGISTER sip:x SIP/2.0\r\nAuthorization: Bearer ***********\r\nX-Auth-Token: *** ***\r\n\r\n";
        assert_eq!(masked(text, true), expected);
        let open = "REGISTER sip:x SIP/2.0\r\nAuthorization: Digest a=\"open, response=\"abc\"\r\n\r\n";
        assert!(!masked(open, true).contains("abc"), "an open quote hides no proof");
    }

    #[test]
    fn what_people_type_is_masked_unless_wanted() {
        let text = "MESSAGE sip:x SIP/2.0\r\nContent-Length: 9\r\n\r\nsee you\r\n";
        assert_eq!(masked(text, true), text);
        assert_eq!(masked(text, false), text.replace("see you", "*** ***"));
        let keys = "INFO sip:x SIP/2.0\r\nc: application/dtmf-relay\r\n\r\nSignal=5\r\n";
        assert_eq!(masked(keys, false), keys.replace("Signal=5", "********"));
        let other = "INFO sip:x SIP/2.0\r\nc: application/media_control+xml\r\n\r\n<x/>\r\n";
        assert_eq!(masked(other, false), other);
    }

    #[test]
    fn a_message_cut_anywhere_is_looked_at_in_peace() {
        let text =
            b"INVITE sip:x SIP/2.0\r\nAuthorization: Digest response=\"abc\", x=\"\\\"\r\n y\r\nCall-ID: a\r\n\r\nbody";
        for end in 0..=text.len() {
            let mut part = text[..end].to_vec();
            let _ = call_id(&part);
            assert!(mask(&mut part, false) <= end);
            assert!(end < 60 || !part.windows(3).any(|three| three == b"abc"));
        }
    }
}
