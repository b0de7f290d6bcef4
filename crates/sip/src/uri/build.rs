//! Making URIs. Whatever is handed in, only bytes that may stand in a URI come out.

use std::net::{Ipv6Addr, SocketAddr};

use bytes::{BufMut, Bytes, BytesMut};

use super::{Kind, Uri};
use crate::scan;

impl Uri {
    /// A `sip:` URI. The user is escaped where it must be; an IPv6 address gets its brackets; bytes that no host can hold are left
    /// out.
    pub fn sip(user: Option<&str>, host: &str, port: Option<u16>) -> Uri {
        let mut out = BytesMut::with_capacity(16 + user.map_or(0, str::len) + host.len());
        out.put_slice(b"sip:");
        put_user(&mut out, user);
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if bare.parse::<Ipv6Addr>().is_ok() {
            out.put_u8(b'[');
            out.put_slice(bare.as_bytes());
            out.put_u8(b']');
        } else {
            out.extend(bare.bytes().filter(|byte| scan::is_host_byte(*byte)));
        }
        if let Some(port) = port {
            out.put_u8(b':');
            scan::put_number(&mut out, u64::from(port));
        }
        Uri::finished(out)
    }

    /// A `sip:` URI that points at an address and port.
    pub fn at(user: Option<&str>, address: SocketAddr) -> Uri {
        Uri::sip(user, &address.ip().to_string(), Some(address.port()))
    }

    /// A `sips:` URI that points at an address and port.
    pub fn secure_at(address: SocketAddr) -> Uri {
        let plain = Uri::at(None, address);
        let mut out = BytesMut::with_capacity(plain.bytes.len() + 1);
        out.put_slice(b"sips");
        out.put_slice(&plain.bytes[usize::from(plain.parts.scheme_end)..]);
        Uri::finished(out)
    }

    /// The same URI with the parameter set, at its old place if there was one, else behind the others. Only for `sip:`, `sips:`
    /// and `tel:`; others come back unchanged.
    pub fn with_param(&self, name: &str, value: Option<&str>) -> Uri {
        if self.parts.kind == Kind::Other {
            return self.clone();
        }
        let mut out = self.before_params(name.len() + value.map_or(0, str::len) + 2);
        let mut done = false;
        for (found, old) in self.params() {
            if !found.eq_ignore_ascii_case(name.as_bytes()) {
                put_pair(&mut out, found, old);
            } else if !done {
                put_encoded_pair(&mut out, name, value);
                done = true;
            }
        }
        if !done {
            put_encoded_pair(&mut out, name, value);
        }
        out.put_slice(self.tail());
        Uri::finished(out)
    }

    /// The same URI without the parameter.
    pub fn without_param(&self, name: &str) -> Uri {
        if !self.has_param(name) {
            return self.clone();
        }
        let mut out = self.before_params(0);
        for (found, value) in self.params().filter(|(found, _)| !found.eq_ignore_ascii_case(name.as_bytes())) {
            put_pair(&mut out, found, value);
        }
        out.put_slice(self.tail());
        Uri::finished(out)
    }

    /// The same URI without embedded headers, as a Request-URI must be (RFC 3261 §19.1.1).
    pub fn without_headers(&self) -> Uri {
        let end = usize::from(self.parts.headers_start);
        if self.parts.kind == Kind::Other || end == self.bytes.len() {
            return self.clone();
        }
        let bytes = self.bytes.slice(..end);
        Uri::parse(&bytes).unwrap_or_else(|_| Uri::unreadable(bytes))
    }

    /// The same `sip:` or `sips:` URI with another user and no password; other schemes come back unchanged.
    pub fn with_user(&self, user: Option<&str>) -> Uri {
        if !self.is_sip() {
            return self.clone();
        }
        let mut out = BytesMut::with_capacity(self.bytes.len() + user.map_or(0, str::len) + 1);
        out.put_slice(&self.bytes[..usize::from(self.parts.scheme_end) + 1]);
        put_user(&mut out, user);
        out.put_slice(&self.bytes[usize::from(self.parts.host_start)..]);
        Uri::finished(out)
    }

    /// The same URI with one more embedded header field, escaped (RFC 3261 §19.1.1). Only for `sip:`, `sips:` and `tel:`.
    pub fn with_header(&self, name: &str, value: &[u8]) -> Uri {
        if self.parts.kind == Kind::Other {
            return self.clone();
        }
        let mut out = BytesMut::with_capacity(self.bytes.len() + name.len() + 3 * value.len() + 2);
        out.put_slice(&self.bytes);
        out.put_u8(if self.tail().is_empty() { b'?' } else { b'&' });
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.!~*'()[]/?:+$".contains(&byte);
        scan::put_percent_encoded(&mut out, name.as_bytes(), plain);
        out.put_u8(b'=');
        scan::put_percent_encoded(&mut out, value, plain);
        Uri::finished(out)
    }

    fn before_params(&self, more: usize) -> BytesMut {
        let mut out = BytesMut::with_capacity(self.bytes.len() + more);
        out.put_slice(&self.bytes[..usize::from(self.parts.params_start)]);
        out
    }

    fn tail(&self) -> &[u8] {
        &self.bytes[usize::from(self.parts.headers_start)..]
    }

    fn finished(out: BytesMut) -> Uri {
        let bytes = out.freeze();
        Uri::parse(&bytes).unwrap_or_else(|_| Uri::unreadable(bytes))
    }
}

fn put_user(out: &mut BytesMut, user: Option<&str>) {
    let Some(user) = user.filter(|user| !user.is_empty()) else { return };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/".contains(&byte);
    scan::put_percent_encoded(out, user.as_bytes(), plain);
    out.put_u8(b'@');
}

fn put_pair(out: &mut BytesMut, name: &[u8], value: Option<&[u8]>) {
    out.put_u8(b';');
    out.put_slice(name);
    if let Some(value) = value {
        out.put_u8(b'=');
        out.put_slice(value);
    }
}

fn put_encoded_pair(out: &mut BytesMut, name: &str, value: Option<&str>) {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.!~*'()[]/:&+$".contains(&byte);
    out.put_u8(b';');
    scan::put_percent_encoded(out, name.as_bytes(), plain);
    if let Some(value) = value {
        out.put_u8(b'=');
        scan::put_percent_encoded(out, value.as_bytes(), plain);
    }
}

impl From<&Uri> for Bytes {
    fn from(uri: &Uri) -> Bytes {
        uri.bytes.clone()
    }
}
