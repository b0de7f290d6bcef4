//! URIs: `sip:` and `sips:` in full (RFC 3261 §19.1), `tel:` as number and parameters (RFC 3966), anything else as it came.

mod build;
mod equivalent;

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{Ipv4Addr, Ipv6Addr};

use bytes::Bytes;

use crate::error::{Error, malformed};
use crate::limits;
use crate::scan;

/// The scheme of a URI, compared without regard to case.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Scheme {
    /// `sip:`
    Sip,
    /// `sips:`
    Sips,
    /// `tel:`
    Tel,
    /// Any other scheme, as it came.
    Other(Bytes),
}

/// Where a URI or a Via points.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Host {
    /// A name; names compare without regard to case, this type keeps the case it saw. Empty in URIs that have no host.
    Name(Bytes),
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address; it stands in brackets on the wire.
    V6(Ipv6Addr),
}

impl Host {
    /// Reads a host; an IPv6 address may come with or without brackets.
    pub fn parse(bytes: &Bytes) -> Result<Host, Error> {
        let inner = match bytes.as_ref() {
            [b'[', inner @ .., b']'] => inner,
            plain => plain,
        };
        let text = std::str::from_utf8(inner).unwrap_or_default();
        if inner.contains(&b':') || inner.len() != bytes.len() {
            return v6(text).map_or_else(|| malformed("host", 0), |address| Ok(Host::V6(address)));
        }
        match inner.iter().position(|byte| !scan::is_host_byte(*byte)) {
            Some(position) => malformed("host", position),
            None if inner.is_empty() => malformed("host", 0),
            None => Ok(text.parse().map_or_else(|_| Host::Name(bytes.clone()), Host::V4)),
        }
    }

    /// The address, when the host is one.
    pub fn ip(&self) -> Option<std::net::IpAddr> {
        match self {
            Host::Name(_) => None,
            Host::V4(address) => Some((*address).into()),
            Host::V6(address) => Some((*address).into()),
        }
    }

    /// Whether both name the same host: names without regard to case, addresses by value.
    pub fn matches(&self, other: &Host) -> bool {
        match (self, other) {
            (Host::Name(one), Host::Name(two)) => one.eq_ignore_ascii_case(two),
            _ => self == other,
        }
    }
}

/// An IPv6 address. The grammar of RFC 3261 asks for `:::` where two colons stand before an embedded IPv4 address; both are
/// read (RFC 5118 §4.10).
fn v6(text: &str) -> Option<Ipv6Addr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let (groups, v4) = text.split_once(":::")?;
    v4.parse::<Ipv4Addr>().ok()?;
    format!("{groups}::{v4}").parse().ok()
}

impl From<std::net::IpAddr> for Host {
    fn from(address: std::net::IpAddr) -> Host {
        match address {
            std::net::IpAddr::V4(address) => Host::V4(address),
            std::net::IpAddr::V6(address) => Host::V6(address),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(&String::from_utf8_lossy(name)),
            Host::V4(address) => write!(f, "{address}"),
            Host::V6(address) => write!(f, "[{address}]"),
        }
    }
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Kind {
    Sip,
    Sips,
    Tel,
    #[default]
    Other,
}

/// Offsets into the bytes of a URI; [`limits::LINE_BYTES`] keeps them small. Equal offsets mean that the part is absent.
#[derive(Clone, Copy, Debug, Default)]
struct Parts {
    kind: Kind,
    scheme_end: u16,
    /// The user (for `tel:` the number) begins behind the colon of the scheme.
    user_end: u16,
    /// Behind the colon of a password, or `user_end`.
    password_end: u16,
    host_start: u16,
    host_end: u16,
    port: Option<u16>,
    params_start: u16,
    headers_start: u16,
}

/// A URI over shared bytes. Cloning is cheap; `==` compares the bytes, [`Uri::equivalent`] the meaning.
#[derive(Clone)]
pub struct Uri {
    bytes: Bytes,
    parts: Parts,
}

impl Uri {
    /// Reads a URI that fills `bytes` from end to end.
    pub fn parse(bytes: &Bytes) -> Result<Uri, Error> {
        Uri::take(bytes.clone()).map_err(|(error, _)| error)
    }

    /// Like [`Uri::parse`], keeping `bytes` itself; a failure hands it back.
    pub(crate) fn take(bytes: Bytes) -> Result<Uri, (Error, Bytes)> {
        match parse(&bytes) {
            Ok(parts) => Ok(Uri { bytes, parts }),
            Err(error) => Err((error, bytes)),
        }
    }

    /// Bytes that are no URI, kept where a URI should stand so that the request can be answered.
    pub(crate) fn unreadable(bytes: Bytes) -> Uri {
        Uri { bytes, parts: Parts::default() }
    }

    /// The scheme.
    pub fn scheme(&self) -> Scheme {
        match self.parts.kind {
            Kind::Sip => Scheme::Sip,
            Kind::Sips => Scheme::Sips,
            Kind::Tel => Scheme::Tel,
            Kind::Other => Scheme::Other(self.bytes.slice(..usize::from(self.parts.scheme_end))),
        }
    }

    /// Whether the scheme is `sip:` or `sips:`.
    pub fn is_sip(&self) -> bool {
        matches!(self.parts.kind, Kind::Sip | Kind::Sips)
    }

    /// The user with its escapes resolved; for `tel:` the number. A password is not part of it.
    pub fn user(&self) -> Option<Cow<'_, [u8]>> {
        self.user_raw().map(scan::percent_decoded)
    }

    /// The user as it stands in the URI; for `tel:` the number.
    pub fn user_raw(&self) -> Option<&[u8]> {
        self.part(self.opaque_start(), self.parts.user_end)
    }

    /// The password as it stands in the URI.
    pub fn password_raw(&self) -> Option<&[u8]> {
        self.part(self.parts.user_end + 1, self.parts.password_end)
    }

    /// The host; an empty name where the scheme has none.
    pub fn host(&self) -> Host {
        let bytes = self.bytes.slice(usize::from(self.parts.host_start)..usize::from(self.parts.host_end));
        Host::parse(&bytes).unwrap_or(Host::Name(Bytes::new()))
    }

    /// The host as it stands in the URI, brackets included; empty where the scheme has none.
    pub fn host_raw(&self) -> &[u8] {
        &self.bytes[usize::from(self.parts.host_start)..usize::from(self.parts.host_end)]
    }

    /// The port, when one is written.
    pub fn port(&self) -> Option<u16> {
        self.parts.port
    }

    /// The parameter `name`: absent, present without a value, or with the value as it stands in the URI.
    pub fn param(&self, name: &str) -> Option<Option<Bytes>> {
        let (_, value) = self.params().find(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes()))?;
        Some(value.map(|value| self.bytes.slice_ref(value)))
    }

    /// Whether the parameter `name` is present, with or without a value.
    pub fn has_param(&self, name: &str) -> bool {
        self.params().any(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes()))
    }

    /// The parameters in order, as they stand in the URI.
    pub fn params(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        pairs(self.part(self.parts.params_start, self.parts.headers_start).unwrap_or_default(), b';')
    }

    /// The embedded header fields in order, as they stand behind the question mark.
    pub fn headers(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        let start = usize::from(self.parts.headers_start);
        let headers = if self.parts.kind == Kind::Other { &[][..] } else { self.bytes.get(start + 1..).unwrap_or(&[]) };
        pairs(headers, b'&')
    }

    /// The value of an embedded header field, unescaped; of several the first.
    pub fn header(&self, name: &str) -> Option<Bytes> {
        let (_, value) =
            self.headers().find(|(given, _)| scan::percent_decoded(given).eq_ignore_ascii_case(name.as_bytes()))?;
        Some(Bytes::copy_from_slice(&scan::percent_decoded(value?)))
    }

    /// The whole URI.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The whole URI, sharing its memory.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    fn opaque_start(&self) -> u16 {
        self.parts.scheme_end + 1
    }

    fn part(&self, start: u16, end: u16) -> Option<&[u8]> {
        (start < end).then(|| &self.bytes[usize::from(start)..usize::from(end)])
    }
}

impl PartialEq for Uri {
    fn eq(&self, other: &Uri) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Uri {}

impl Hash for Uri {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bytes.hash(state);
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.bytes))
    }
}

impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uri({:?})", self.bytes)
    }
}

impl std::str::FromStr for Uri {
    type Err = Error;

    fn from_str(text: &str) -> Result<Uri, Error> {
        Uri::parse(&Bytes::copy_from_slice(text.as_bytes()))
    }
}

fn pairs(list: &[u8], separator: u8) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
    list.split(move |byte| *byte == separator).filter(|pair| !pair.is_empty()).map(|pair| {
        match scan::find(pair, b'=', 0) {
            Some(equals) => (&pair[..equals], Some(&pair[equals + 1..])),
            None => (pair, None),
        }
    })
}

fn parse(bytes: &[u8]) -> Result<Parts, Error> {
    if bytes.len() > limits::LINE_BYTES {
        return Err(Error::Violation { header: "URI", why: "too long" });
    }
    if let Some(position) = bytes.iter().position(|byte| matches!(byte, 0..=b' ' | 0x7f | b'<' | b'>' | b'"')) {
        return malformed("URI", position);
    }
    let Some(colon) = scan::find(bytes, b':', 0) else {
        return malformed("URI", bytes.len());
    };
    let scheme = &bytes[..colon];
    let starts_well = scheme.first().is_some_and(u8::is_ascii_alphabetic);
    if !starts_well || !scheme.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte)) {
        return malformed("URI", 0);
    }
    if colon + 1 == bytes.len() {
        return malformed("URI", colon + 1);
    }
    let mut parts = Parts { scheme_end: colon as u16, ..Parts::default() };
    if scheme.eq_ignore_ascii_case(b"sip") || scheme.eq_ignore_ascii_case(b"sips") {
        parts.kind = if scheme.len() == 3 { Kind::Sip } else { Kind::Sips };
        check_escapes(bytes)?;
        parse_sip(bytes, parts)
    } else if scheme.eq_ignore_ascii_case(b"tel") {
        parts.kind = Kind::Tel;
        parse_tel(bytes, parts)
    } else {
        let end = bytes.len() as u16;
        Ok(Parts { host_start: end, host_end: end, params_start: end, headers_start: end, ..parts })
    }
}

fn parse_sip(bytes: &[u8], mut parts: Parts) -> Result<Parts, Error> {
    let start = usize::from(parts.scheme_end) + 1;
    let mut host_start = start;
    if let Some(at) = scan::find(bytes, b'@', start) {
        let user_end = scan::find(&bytes[..at], b':', start).unwrap_or(at);
        if user_end == start {
            return malformed("URI", start);
        }
        parts.user_end = user_end as u16;
        parts.password_end = at as u16;
        host_start = at + 1;
    }
    let host_end = host_end(bytes, host_start)?;
    parts.host_start = host_start as u16;
    parts.host_end = host_end as u16;
    let mut at = host_end;
    if bytes.get(at) == Some(&b':') {
        let digits = bytes[at + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let Some(port) = scan::number(&bytes[at + 1..at + 1 + digits], 65_535) else {
            return malformed("URI", at + 1);
        };
        parts.port = Some(port as u16);
        at += 1 + digits;
    }
    if !matches!(bytes.get(at), None | Some(b';' | b'?')) {
        return malformed("URI", at);
    }
    parse_tail(bytes, at, parts)
}

/// Checks an IPv6 address or a run of host bytes and returns its end.
fn host_end(bytes: &[u8], start: usize) -> Result<usize, Error> {
    if bytes.get(start) == Some(&b'[') {
        let Some(close) = scan::find(bytes, b']', start) else {
            return malformed("URI", start);
        };
        let address = std::str::from_utf8(&bytes[start + 1..close]).unwrap_or_default();
        return if v6(address).is_some() { Ok(close + 1) } else { malformed("URI", start) };
    }
    let length = bytes[start..].iter().take_while(|byte| scan::is_host_byte(**byte)).count();
    if length == 0 { malformed("URI", start) } else { Ok(start + length) }
}

fn parse_tel(bytes: &[u8], mut parts: Parts) -> Result<Parts, Error> {
    let start = usize::from(parts.scheme_end) + 1;
    let end = bytes[start..].iter().position(|byte| matches!(byte, b';' | b'?')).map_or(bytes.len(), |n| start + n);
    if end == start {
        return malformed("URI", start);
    }
    parts.user_end = end as u16;
    parts.password_end = end as u16;
    parts.host_start = end as u16;
    parts.host_end = end as u16;
    parse_tail(bytes, end, parts)
}

/// Parameters and headers, from the first `;` or `?` on.
fn parse_tail(bytes: &[u8], start: usize, mut parts: Parts) -> Result<Parts, Error> {
    let headers = scan::find(bytes, b'?', start).unwrap_or(bytes.len());
    if let Some(at) = scan::find(&bytes[..headers], b'@', start) {
        return malformed("URI", at);
    }
    if bytes[start..headers].iter().filter(|byte| **byte == b';').count() > limits::PARAMETERS {
        return Err(Error::Violation { header: "URI", why: "too many parameters" });
    }
    if bytes[headers..].iter().filter(|byte| **byte == b'&').count() > limits::PARAMETERS {
        return Err(Error::Violation { header: "URI", why: "too many headers" });
    }
    parts.params_start = start as u16;
    parts.headers_start = headers as u16;
    Ok(parts)
}

fn check_escapes(bytes: &[u8]) -> Result<(), Error> {
    let mut from = 0;
    while let Some(at) = scan::find(bytes, b'%', from) {
        if scan::escape_at(bytes, at).is_none() {
            return malformed("URI", at);
        }
        from = at + 3;
    }
    Ok(())
}
