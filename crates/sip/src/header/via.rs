//! Via (RFC 3261 §20.42) with `rport` and `received` (RFC 3581).

use std::net::IpAddr;

use bytes::{BufMut, Bytes, BytesMut};

use super::{Header, Name, Params};
use crate::error::{Error, malformed};
use crate::flow::Transport;
use crate::scan;
use crate::uri::Host;

/// The start of a branch that is unique across space and time (RFC 3261 §8.1.1.7).
pub const MAGIC_COOKIE: &[u8] = b"z9hG4bK";

/// One hop that a request has taken.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Via {
    /// The transport as it stands there: `UDP`, `TLS`, or one we never heard of.
    pub transport: Bytes,
    /// The host of sent-by.
    pub host: Host,
    /// The port of sent-by.
    pub port: Option<u16>,
    /// The parameters.
    pub params: Params,
}

impl Via {
    /// A Via of our own, asking for `rport`.
    pub fn new(transport: Transport, host: Host, port: Option<u16>, branch: &[u8]) -> Via {
        let params = Params::default().with("branch", Some(branch)).with("rport", None);
        Via { transport: Bytes::from_static(transport.as_str().as_bytes()), host, port, params }
    }

    /// The branch.
    pub fn branch(&self) -> Option<Bytes> {
        self.params.value("branch").filter(|branch| !branch.is_empty())
    }

    /// Whether the branch begins with the magic cookie, so that it alone identifies the transaction.
    pub fn has_magic_cookie(&self) -> bool {
        self.branch().is_some_and(|branch| branch.len() > MAGIC_COOKIE.len() && branch.starts_with(MAGIC_COOKIE))
    }

    /// The address the request came from, as the receiver noted it; brackets around IPv6 are tolerated (RFC 5118 §4.5).
    pub fn received(&self) -> Option<IpAddr> {
        Host::parse(&self.params.value("received")?).ok()?.ip()
    }

    /// `rport`: absent, asked for, or filled in.
    pub fn rport(&self) -> Option<Option<u16>> {
        let value = self.params.get("rport")?;
        Some(value.and_then(|digits| scan::number(&digits, 65_535)).map(|port| port as u16))
    }

    /// The multicast address that answers go to (RFC 3261 §18.2.2).
    pub fn maddr(&self) -> Option<Bytes> {
        self.params.value("maddr")
    }

    /// The same Via with `received` set.
    #[must_use]
    pub fn with_received(mut self, address: IpAddr) -> Via {
        self.params = self.params.with("received", Some(address.to_string().as_bytes()));
        self
    }

    /// The same Via with `rport` filled in.
    #[must_use]
    pub fn with_rport(mut self, port: u16) -> Via {
        self.params = self.params.with("rport", Some(port.to_string().as_bytes()));
        self
    }
}

impl Header for Via {
    const NAME: Name = Name::Via;
    const LIST: bool = true;

    fn parse(value: &Bytes) -> Result<Via, Error> {
        let mut cursor = Cursor { value, at: 0 };
        let name = cursor.token(b'/')?;
        let version = cursor.token(b'/')?;
        if !name.eq_ignore_ascii_case(b"SIP") || version.as_ref() != b"2.0" {
            return malformed("Via", 0);
        }
        let transport = cursor.word();
        if let Some(position) = scan::token_error(&transport) {
            return malformed("Via", cursor.at + position);
        }
        let (host, port, at) = sent_by(value, cursor.at)?;
        let params = Params::parse("Via", &value.slice(at..))?;
        Ok(Via { transport, host, port, params })
    }

    fn render(&self, out: &mut BytesMut) {
        out.put_slice(b"SIP/2.0/");
        out.put_slice(&self.transport);
        out.put_u8(b' ');
        put_host(out, &self.host);
        if let Some(port) = self.port {
            out.put_u8(b':');
            scan::put_number(out, u64::from(port));
        }
        self.params.render(out);
    }
}

pub(crate) fn put_host(out: &mut BytesMut, host: &Host) {
    match host {
        Host::Name(name) => out.put_slice(name),
        address => out.put_slice(address.to_string().as_bytes()),
    }
}

struct Cursor<'a> {
    value: &'a Bytes,
    at: usize,
}

impl Cursor<'_> {
    /// What stands before the next `separator`, which is passed.
    fn token(&mut self, separator: u8) -> Result<Bytes, Error> {
        let Some(end) = scan::find(self.value, separator, self.at) else {
            return malformed("Via", self.at);
        };
        let token = scan::slice(self.value, self.at, end);
        self.at = end + 1;
        Ok(token)
    }

    /// The next run without blanks; blanks before and behind it are passed.
    fn word(&mut self) -> Bytes {
        let (start, end) = scan::trimmed(self.value, self.at, self.value.len());
        let length = self.value[start..end].iter().take_while(|byte| !scan::is_blank(**byte)).count();
        (self.at, _) = scan::trimmed(self.value, start + length, end);
        self.value.slice(start..start + length)
    }
}

/// Host, port and where the parameters begin; blanks may stand around the colon.
fn sent_by(value: &Bytes, start: usize) -> Result<(Host, Option<u16>, usize), Error> {
    let end = scan::find(value, b';', start).unwrap_or(value.len());
    let (start, trimmed_end) = scan::trimmed(value, start, end);
    let host_length = match value.get(start) {
        Some(b'[') => scan::find(&value[..trimmed_end], b']', start).map_or(0, |close| close + 1 - start),
        _ => value[start..trimmed_end].iter().take_while(|byte| scan::is_host_byte(**byte)).count(),
    };
    let host_end = start + host_length;
    let Ok(host) = Host::parse(&value.slice(start..host_end)) else {
        return malformed("Via", start);
    };
    let (colon, _) = scan::trimmed(value, host_end, trimmed_end);
    if colon == trimmed_end {
        return Ok((host, None, end));
    }
    let (port, port_end) = scan::trimmed(value, colon + 1, trimmed_end);
    match scan::number(&value[port..port_end], 65_535) {
        Some(port) if value[colon] == b':' => Ok((host, Some(port as u16), end)),
        _ => malformed("Via", colon),
    }
}
