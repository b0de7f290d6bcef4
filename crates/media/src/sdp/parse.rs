//! Bytes into descriptions. Strict where a misreading would send audio to the wrong place, tolerant elsewhere: bare line
//! feeds, blanks at line ends, lines out of order, unknown lines and attributes.

use std::net::IpAddr;

use super::secure::{bundle, candidate, token as owned_token, words};
use super::{Connection, Crypto, Description, Direction, Host, Kind, Media, Origin, RtpMap, SdpError};
use crate::limits;

impl Description {
    /// Reads a description.
    pub fn parse(body: &[u8]) -> Result<Description, SdpError> {
        if body.len() > limits::SDP_BYTES {
            return Err(SdpError::TooMany("bytes"));
        }
        let mut description = Description::default();
        let mut begun = false;
        for (index, raw) in body.split(|byte| matches!(byte, b'\n' | b'\r')).enumerate() {
            if index >= 2 * limits::SDP_LINES {
                return Err(SdpError::TooMany("lines"));
            }
            let content = trim(raw);
            if content.is_empty() {
                continue;
            }
            // Counted only when it is told: counting for every line would make long bodies costly.
            let malformed = || SdpError::Malformed { line: 1 + lines_before(body, raw) };
            let (kind, value) = split_line(content).ok_or_else(malformed)?;
            if !begun && kind != b'v' {
                return Err(malformed());
            }
            begun = true;
            description.line(kind, value).map_err(|fault| match fault {
                Fault::Line => malformed(),
                Fault::TooMany(what) => SdpError::TooMany(what),
            })?;
        }
        if begun { Ok(description) } else { Err(SdpError::Empty) }
    }

    fn line(&mut self, kind: u8, value: &[u8]) -> Result<(), Fault> {
        match kind {
            b'o' if self.media.is_empty() => self.origin = origin(value),
            b'c' => {
                let connection = connection(value).ok_or(Fault::Line)?;
                let place = match self.media.last_mut() {
                    Some(media) => &mut media.connection,
                    None => &mut self.connection,
                };
                place.get_or_insert(connection);
            }
            b'm' => {
                if self.media.len() >= limits::SDP_MEDIA {
                    return Err(Fault::TooMany("streams"));
                }
                self.media.push(media(value)?);
            }
            b'a' => {
                if let Ok(text) = std::str::from_utf8(value) {
                    self.attribute(text);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn attribute(&mut self, text: &str) {
        let (name, value) = match text.split_once(':') {
            Some((name, value)) => (name.trim(), value.trim()),
            None => (text.trim(), ""),
        };
        if let Some(direction) = direction(name) {
            match self.media.last_mut() {
                Some(media) => media.direction = Some(direction),
                None => self.direction = Some(direction),
            }
            return;
        }
        match self.media.last_mut() {
            Some(media) => media.attribute(name, value),
            None => self.own_attribute(name, value),
        }
    }

    fn own_attribute(&mut self, name: &str, value: &str) {
        if self.secure.attribute(name, value) {
            return;
        }
        if name.eq_ignore_ascii_case("group") {
            if self.bundle.is_empty() {
                self.bundle = bundle(value).unwrap_or_default();
            }
        } else if name.eq_ignore_ascii_case("ice-lite") {
            self.ice_lite = true;
        }
    }
}

impl Media {
    fn attribute(&mut self, name: &str, value: &str) {
        if self.secure.attribute(name, value) || self.transport_attribute(name, value) {
            return;
        }
        if name.eq_ignore_ascii_case("rtpmap") {
            push(&mut self.rtpmaps, limits::SDP_MAPPINGS, rtpmap(value));
        } else if name.eq_ignore_ascii_case("fmtp") {
            push(&mut self.fmtps, limits::SDP_MAPPINGS, fmtp(value));
        } else if name.eq_ignore_ascii_case("ptime") {
            self.ptime_ms = milliseconds(value).or(self.ptime_ms);
        } else if name.eq_ignore_ascii_case("maxptime") {
            self.maxptime_ms = milliseconds(value).or(self.maxptime_ms);
        } else if name.eq_ignore_ascii_case("rtcp") {
            let port = value.split_ascii_whitespace().next();
            self.rtcp = port.and_then(|p| p.parse().ok()).filter(|p| *p != 0);
        }
    }

    /// Whether it was an attribute of the transport.
    fn transport_attribute(&mut self, name: &str, value: &str) -> bool {
        if name.eq_ignore_ascii_case("crypto") {
            push(&mut self.cryptos, limits::SDP_CRYPTOS, Crypto::parse(value));
        } else if name.eq_ignore_ascii_case("candidate") {
            push(&mut self.candidates, limits::SDP_CANDIDATES, candidate(value));
        } else if name.eq_ignore_ascii_case("end-of-candidates") {
            self.end_of_candidates = true;
        } else if name.eq_ignore_ascii_case("rtcp-mux") {
            self.rtcp_mux = true;
        } else if name.eq_ignore_ascii_case("mid") {
            self.mid = owned_token(value).or(self.mid.take());
        } else if name.eq_ignore_ascii_case("msid") {
            self.msid = words(value).or(self.msid.take());
        } else {
            return false;
        }
        true
    }
}

/// Keeps what could be read, up to a limit.
fn push<T>(list: &mut Vec<T>, most: usize, item: Option<T>) {
    if let Some(item) = item
        && list.len() < most
    {
        list.push(item);
    }
}

enum Fault {
    Line,
    TooMany(&'static str),
}

/// Blanks and stray NULs at the ends of a line mean nothing.
fn trim(line: &[u8]) -> &[u8] {
    let blank = |b: &u8| matches!(b, b' ' | b'\t' | 0);
    let Some(start) = line.iter().position(|b| !blank(b)) else {
        return &[];
    };
    let end = line.iter().rposition(|b| !blank(b)).map_or(start, |i| i + 1);
    &line[start..end]
}

fn lines_before(body: &[u8], line: &[u8]) -> usize {
    // `line` is a part of `body`, so the difference of their addresses is its offset.
    let offset = (line.as_ptr() as usize).saturating_sub(body.as_ptr() as usize);
    body.iter().take(offset).filter(|b| **b == b'\n').count()
}

fn split_line(line: &[u8]) -> Option<(u8, &[u8])> {
    match line {
        [kind, b'=', value @ ..] if kind.is_ascii_alphabetic() => Some((kind.to_ascii_lowercase(), trim(value))),
        _ => None,
    }
}

fn token(text: &str) -> Option<&str> {
    let fits = !text.is_empty() && text.len() <= limits::SDP_TOKEN;
    (fits && text.bytes().all(|b| b.is_ascii_graphic())).then_some(text)
}

fn origin(value: &[u8]) -> Option<Origin> {
    let text = std::str::from_utf8(value).ok()?;
    let mut words = text.split_ascii_whitespace();
    let username = token(words.next()?)?.to_owned();
    let id = words.next()?.parse().ok()?;
    let version = words.next()?.parse().ok()?;
    Some(Origin { username, id, version, address: network(words)? })
}

fn connection(value: &[u8]) -> Option<Connection> {
    let text = std::str::from_utf8(value).ok()?;
    Some(Connection { host: network(text.split_ascii_whitespace())? })
}

/// `IN IP4 192.0.2.1`, with or without `/ttl`.
fn network<'a>(mut words: impl Iterator<Item = &'a str>) -> Option<Host> {
    if !words.next()?.eq_ignore_ascii_case("IN") {
        return None;
    }
    let family = words.next()?;
    if !family.eq_ignore_ascii_case("IP4") && !family.eq_ignore_ascii_case("IP6") {
        return None;
    }
    let address = words.next()?;
    let address = address.split_once('/').map_or(address, |(host, _)| host);
    let bare = address.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(ip) => Some(Host::Ip(ip)),
        Err(_) => Some(Host::Name(token(address)?.to_owned())),
    }
}

fn media(value: &[u8]) -> Result<Media, Fault> {
    let text = std::str::from_utf8(value).map_err(|_| Fault::Line)?;
    let mut words = text.split_ascii_whitespace();
    let kind = words.next().and_then(token).ok_or(Fault::Line)?;
    let kind = if kind.eq_ignore_ascii_case("audio") { Kind::Audio } else { Kind::Other(kind.to_owned()) };
    let port = words.next().ok_or(Fault::Line)?;
    let port = port.split_once('/').map_or(port, |(port, _)| port);
    let port = port.parse().map_err(|_| Fault::Line)?;
    let protocol = words.next().and_then(token).ok_or(Fault::Line)?;
    let mut media = Media::new(kind, port, protocol);
    for format in words {
        if media.formats.len() >= limits::SDP_FORMATS {
            return Err(Fault::TooMany("formats"));
        }
        media.formats.push(token(format).ok_or(Fault::Line)?.to_owned());
    }
    Ok(media)
}

fn direction(name: &str) -> Option<Direction> {
    const NAMES: [(&str, Direction); 4] = [
        ("sendrecv", Direction::SendReceive),
        ("sendonly", Direction::SendOnly),
        ("recvonly", Direction::ReceiveOnly),
        ("inactive", Direction::Inactive),
    ];
    NAMES.into_iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|(_, direction)| direction)
}

/// `101 telephone-event/8000`, `111 opus/48000/2`.
fn rtpmap(value: &str) -> Option<RtpMap> {
    let (number, rest) = value.split_once(char::is_whitespace)?;
    let payload_type = number.parse().ok().filter(|pt| *pt < 128)?;
    let mut parts = rest.trim().split('/');
    let encoding = token(parts.next()?)?.to_owned();
    let clock_hz = parts.next()?.trim().parse().ok().filter(|hz| *hz != 0)?;
    let channels = match parts.next() {
        Some(channels) => channels.trim().parse().ok().filter(|n| *n != 0)?,
        None => 1,
    };
    Some(RtpMap { payload_type, encoding, clock_hz, channels })
}

fn fmtp(value: &str) -> Option<(u8, String)> {
    let (number, rest) = value.split_once(char::is_whitespace)?;
    let payload_type = number.parse().ok().filter(|pt| *pt < 128)?;
    let rest = rest.trim();
    let fits = !rest.is_empty() && rest.len() <= limits::SDP_FMTP;
    (fits && !rest.contains(char::is_control)).then(|| (payload_type, rest.to_owned()))
}

/// Some phones write `20.0`.
fn milliseconds(value: &str) -> Option<u16> {
    let whole = value.split('.').next()?.trim();
    whole.parse().ok().filter(|ms| (1..=1_000).contains(ms))
}
