//! The values of WWW-Authenticate, Proxy-Authenticate, Authorization and Proxy-Authorization (RFC 7616 §3.3 and §3.4).

use bytes::{Bytes, BytesMut};

use crate::error::{Error, malformed};
use crate::limits::PARAMETERS;
use crate::scan;

use super::{Algorithm, Hex, Qop};

const CHALLENGE: &str = "challenge";
const CREDENTIALS: &str = "credentials";

/// One challenge: the value of a WWW-Authenticate or a Proxy-Authenticate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Challenge {
    /// The realm, unquoted.
    pub realm: Bytes,
    /// The nonce, unquoted.
    pub nonce: Bytes,
    /// The hash wanted.
    pub algorithm: Algorithm,
    /// The credentials were right but for their nonce: try again without asking the user.
    pub stale: bool,
    /// Text to be given back unchanged.
    pub opaque: Option<Bytes>,
    /// Whether `auth` is among the offered qualities of protection. Without any, RFC 2069 is meant.
    pub qop_auth: bool,
}

impl Challenge {
    /// A challenge of ours: `qop="auth"`, not stale, nothing opaque.
    pub fn new(realm: &str, nonce: Bytes, algorithm: Algorithm) -> Challenge {
        let realm = Bytes::copy_from_slice(realm.as_bytes());
        Challenge { realm, nonce, algorithm, stale: false, opaque: None, qop_auth: true }
    }

    /// Reads one challenge. Schemes and algorithms that are not ours give `Unsupported`: a client goes on to the next
    /// header line (RFC 8760 §2.4).
    pub fn parse(value: &Bytes) -> Result<Challenge, Error> {
        let mut fields = ChallengeFields::default();
        read(CHALLENGE, value, |name, text| {
            let field = match name {
                Name::Realm => &mut fields.realm,
                Name::Nonce => &mut fields.nonce,
                Name::Algorithm => &mut fields.algorithm,
                Name::Stale => &mut fields.stale,
                Name::Opaque => &mut fields.opaque,
                Name::Qop => &mut fields.qop,
                Name::Username | Name::Uri | Name::Response | Name::Nc | Name::Cnonce | Name::Other => return Ok(()),
            };
            fill(CHALLENGE, field, text)
        })?;
        let offers_auth = |qop: &Bytes| qop.split(|byte| *byte == b',').any(|one| is(one.trim_ascii(), "auth"));
        let qop_auth = match &fields.qop {
            Some(qop) if !offers_auth(qop) => return Err(Error::Unsupported { what: "qop" }),
            Some(_) => true,
            None => false,
        };
        Ok(Challenge {
            realm: required(CHALLENGE, fields.realm, "no realm")?,
            nonce: required(CHALLENGE, fields.nonce, "no nonce")?,
            algorithm: algorithm(fields.algorithm)?,
            stale: fields.stale.is_some_and(|stale| is(&stale, "true")),
            opaque: fields.opaque,
            qop_auth,
        })
    }

    /// Writes the value.
    pub fn render(&self, out: &mut BytesMut) {
        out.extend_from_slice(b"Digest realm=");
        scan::put_quoted(out, &self.realm);
        out.extend_from_slice(b", nonce=");
        scan::put_quoted(out, &self.nonce);
        out.extend_from_slice(b", algorithm=");
        out.extend_from_slice(self.algorithm.as_str().as_bytes());
        if self.qop_auth {
            out.extend_from_slice(b", qop=\"auth\"");
        }
        if self.stale {
            out.extend_from_slice(b", stale=true");
        }
        if let Some(opaque) = &self.opaque {
            out.extend_from_slice(b", opaque=");
            scan::put_quoted(out, opaque);
        }
    }

    /// The value by itself.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(96 + self.realm.len() + self.nonce.len());
        self.render(&mut out);
        out.freeze()
    }
}

/// The answer to a challenge: the value of an Authorization or a Proxy-Authorization.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Credentials {
    /// The user name, unquoted.
    pub username: Bytes,
    /// The realm, unquoted.
    pub realm: Bytes,
    /// The nonce, unquoted.
    pub nonce: Bytes,
    /// The digest-uri as it was hashed.
    pub uri: Bytes,
    /// The proof, in hexadecimal.
    pub response: Bytes,
    /// The hash used.
    pub algorithm: Algorithm,
    /// The quality of protection; without it `nc` is zero and `cnonce` empty.
    pub qop: Qop,
    /// How often the client has used the nonce.
    pub nc: u32,
    /// The client's own nonce.
    pub cnonce: Bytes,
    /// What the challenge asked to have back.
    pub opaque: Option<Bytes>,
}

impl Credentials {
    /// Reads the value of a header line. Other schemes and algorithms give `Unsupported`.
    pub fn parse(value: &Bytes) -> Result<Credentials, Error> {
        let mut fields = CredentialsFields::default();
        read(CREDENTIALS, value, |name, text| {
            let field = match name {
                Name::Username => &mut fields.username,
                Name::Realm => &mut fields.realm,
                Name::Nonce => &mut fields.nonce,
                Name::Uri => &mut fields.uri,
                Name::Response => &mut fields.response,
                Name::Algorithm => &mut fields.algorithm,
                Name::Qop => &mut fields.qop,
                Name::Nc => &mut fields.nc,
                Name::Cnonce => &mut fields.cnonce,
                Name::Opaque => &mut fields.opaque,
                Name::Stale | Name::Other => return Ok(()),
            };
            fill(CREDENTIALS, field, text)
        })?;
        let (qop, nc, cnonce) = match fields.qop {
            None => (Qop::Absent, 0, Bytes::new()),
            Some(qop) if is(&qop, "auth") => {
                let nc = required(CREDENTIALS, fields.nc, "qop without nc")?;
                (Qop::Auth, count(&nc)?, required(CREDENTIALS, fields.cnonce, "qop without cnonce")?)
            }
            Some(_) => return Err(Error::Unsupported { what: "qop" }),
        };
        Ok(Credentials {
            username: required(CREDENTIALS, fields.username, "no username")?,
            realm: required(CREDENTIALS, fields.realm, "no realm")?,
            nonce: required(CREDENTIALS, fields.nonce, "no nonce")?,
            uri: required(CREDENTIALS, fields.uri, "no uri")?,
            response: required(CREDENTIALS, fields.response, "no response")?,
            algorithm: algorithm(fields.algorithm)?,
            qop,
            nc,
            cnonce,
            opaque: fields.opaque,
        })
    }

    /// Writes the value.
    pub fn render(&self, out: &mut BytesMut) {
        out.extend_from_slice(b"Digest username=");
        scan::put_quoted(out, &self.username);
        for (name, value) in [
            (&b", realm="[..], &self.realm),
            (b", nonce=", &self.nonce),
            (b", uri=", &self.uri),
            (b", response=", &self.response),
        ] {
            out.extend_from_slice(name);
            scan::put_quoted(out, value);
        }
        out.extend_from_slice(b", algorithm=");
        out.extend_from_slice(self.algorithm.as_str().as_bytes());
        match self.qop {
            Qop::Absent => {}
            Qop::Auth => {
                out.extend_from_slice(b", qop=auth, nc=");
                out.extend_from_slice(Hex::of(&self.nc.to_be_bytes()).as_bytes());
                out.extend_from_slice(b", cnonce=");
                scan::put_quoted(out, &self.cnonce);
            }
        }
        if let Some(opaque) = &self.opaque {
            out.extend_from_slice(b", opaque=");
            scan::put_quoted(out, opaque);
        }
    }

    /// The value by itself.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(256 + self.uri.len() + self.nonce.len());
        self.render(&mut out);
        out.freeze()
    }
}

#[derive(Default)]
struct ChallengeFields {
    realm: Option<Bytes>,
    nonce: Option<Bytes>,
    algorithm: Option<Bytes>,
    stale: Option<Bytes>,
    opaque: Option<Bytes>,
    qop: Option<Bytes>,
}

#[derive(Default)]
struct CredentialsFields {
    username: Option<Bytes>,
    realm: Option<Bytes>,
    nonce: Option<Bytes>,
    uri: Option<Bytes>,
    response: Option<Bytes>,
    algorithm: Option<Bytes>,
    qop: Option<Bytes>,
    nc: Option<Bytes>,
    cnonce: Option<Bytes>,
    opaque: Option<Bytes>,
}

enum Name {
    Username,
    Realm,
    Nonce,
    Uri,
    Response,
    Algorithm,
    Qop,
    Nc,
    Cnonce,
    Opaque,
    Stale,
    Other,
}

impl Name {
    fn of(name: &[u8]) -> Name {
        let known = [
            ("username", Name::Username),
            ("realm", Name::Realm),
            ("nonce", Name::Nonce),
            ("uri", Name::Uri),
            ("response", Name::Response),
            ("algorithm", Name::Algorithm),
            ("qop", Name::Qop),
            ("nc", Name::Nc),
            ("cnonce", Name::Cnonce),
            ("opaque", Name::Opaque),
            ("stale", Name::Stale),
        ];
        known.into_iter().find(|(text, _)| is(name, text)).map_or(Name::Other, |(_, known)| known)
    }
}

fn is(text: &[u8], word: &str) -> bool {
    text.eq_ignore_ascii_case(word.as_bytes())
}

/// A parameter that comes twice could mean one thing to us and another to whoever looked before us.
fn fill(header: &'static str, field: &mut Option<Bytes>, text: Bytes) -> Result<(), Error> {
    match field.replace(text) {
        None => Ok(()),
        Some(_) => Err(Error::Violation { header, why: "a parameter comes twice" }),
    }
}

fn required(header: &'static str, field: Option<Bytes>, why: &'static str) -> Result<Bytes, Error> {
    field.ok_or(Error::Violation { header, why })
}

fn algorithm(field: Option<Bytes>) -> Result<Algorithm, Error> {
    match field {
        None => Ok(Algorithm::Md5),
        Some(name) if is(&name, "MD5") => Ok(Algorithm::Md5),
        Some(name) if is(&name, "SHA-256") => Ok(Algorithm::Sha256),
        Some(_) => Err(Error::Unsupported { what: "digest algorithm" }),
    }
}

/// Eight hexadecimal digits. The response is computed over lower-case ones, as the grammar demands; a client that writes
/// others is challenged anew at its tenth request and starts over at one.
fn count(text: &[u8]) -> Result<u32, Error> {
    if text.len() != 8 {
        return Err(Error::Violation { header: CREDENTIALS, why: "nc has eight digits" });
    }
    let mut value = 0;
    for byte in text {
        let Some(digit) = char::from(*byte).to_digit(16) else {
            return Err(Error::Violation { header: CREDENTIALS, why: "nc is hexadecimal" });
        };
        value = value << 4 | digit;
    }
    Ok(value)
}

/// Walks `Digest name=value, name="value" …` and hands out names and unquoted values, sharing the memory.
fn read(
    header: &'static str,
    value: &Bytes,
    mut field: impl FnMut(Name, Bytes) -> Result<(), Error>,
) -> Result<(), Error> {
    let (start, end) = scan::trimmed(value, 0, value.len());
    let value = &value.slice(..end);
    let scheme_end = value.iter().skip(start).position(|byte| scan::is_blank(*byte)).map_or(end, |at| start + at);
    if !is(&value[start..scheme_end], "Digest") {
        return Err(Error::Unsupported { what: "authentication scheme" });
    }
    let mut at = scheme_end;
    for _ in 0..PARAMETERS {
        while at < end && (scan::is_blank(value[at]) || value[at] == b',') {
            at += 1;
        }
        if at == end {
            return Ok(());
        }
        let Some(equals) = scan::find(value, b'=', at) else { return malformed(header, at) };
        let (name_start, name_end) = scan::trimmed(value, at, equals);
        if let Some(fault) = scan::token_error(&value[name_start..name_end]) {
            return malformed(header, name_start + fault);
        }
        let (text, next) = read_text(header, value, equals + 1)?;
        field(Name::of(&value[name_start..name_end]), text)?;
        at = next;
    }
    Err(Error::Violation { header, why: "too many parameters" })
}

/// The value behind an equals sign, and the position of the comma or the end that must follow it.
fn read_text(header: &'static str, value: &Bytes, from: usize) -> Result<(Bytes, usize), Error> {
    let (start, _) = scan::trimmed(value, from, value.len());
    if value.get(start) != Some(&b'"') {
        let end = scan::find(value, b',', start).unwrap_or(value.len());
        let text = scan::slice(value, start, end);
        return match text.iter().position(|byte| scan::is_blank(*byte) || *byte == b'"') {
            Some(position) => malformed(header, start + position),
            None => Ok((text, end)),
        };
    }
    let Some(close) = scan::closing_quote(value, start) else { return malformed(header, start) };
    let text = scan::unescape(value.slice(start + 1..close));
    let (next, _) = scan::trimmed(value, close + 1, value.len());
    match value.get(next) {
        None | Some(b',') => Ok((text, next)),
        Some(_) => malformed(header, next),
    }
}
