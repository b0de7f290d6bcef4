//! Parameters behind a header value: `;name`, `;name=token`, `;name="quoted"`.

use bytes::{BufMut, Bytes, BytesMut};

use crate::error::{Error, malformed};
use crate::{limits, scan};

/// The parameters of one header value, in order, kept as they came and read when asked for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Params {
    /// What stands behind the first semicolon; every quote in it is closed.
    raw: Bytes,
}

impl Params {
    /// Reads what follows a value: nothing, or a semicolon and parameters.
    pub fn parse(header: &'static str, bytes: &Bytes) -> Result<Params, Error> {
        let bytes = scan::slice(bytes, 0, bytes.len());
        match bytes.first() {
            None => return Ok(Params::default()),
            Some(b';') => {}
            Some(_) => return malformed(header, 0),
        }
        let raw = scan::slice(&bytes, 1, bytes.len());
        let (mut at, mut count) = (0, 0);
        while at < raw.len() {
            let Some(end) = scan::unquoted(&raw, b';', at) else {
                return malformed(header, at);
            };
            check_one(header, &raw[at..end], at)?;
            count += 1;
            if count > limits::PARAMETERS {
                return Err(Error::Violation { header, why: "too many parameters" });
            }
            at = end + 1;
        }
        Ok(Params { raw })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// The parameter `name`: absent, present without a value, or with its value; quotes and backslashes are taken away.
    pub fn get(&self, name: &str) -> Option<Option<Bytes>> {
        let (_, value) = self.pairs().find(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes()))?;
        Some(value.map(|value| self.unquoted(value)))
    }

    /// The value of the parameter `name`, when it has one.
    pub fn value(&self, name: &str) -> Option<Bytes> {
        self.get(name).flatten()
    }

    /// Whether the parameter `name` is present, with or without a value.
    pub fn contains(&self, name: &str) -> bool {
        self.pairs().any(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes()))
    }

    /// All parameters in order, values unquoted.
    pub fn iter(&self) -> impl Iterator<Item = (Bytes, Option<Bytes>)> {
        self.pairs().map(|(name, value)| (self.raw.slice_ref(name), value.map(|value| self.unquoted(value))))
    }

    /// The same parameters with one set, at its old place if there was one, else behind the others. A value that is neither a token
    /// nor a host comes out quoted.
    #[must_use]
    pub fn with(&self, name: &str, value: Option<&[u8]>) -> Params {
        let mut out = BytesMut::with_capacity(self.raw.len() + name.len() + value.map_or(0, <[u8]>::len) + 4);
        let mut done = false;
        for (found, old) in self.pairs() {
            if !found.eq_ignore_ascii_case(name.as_bytes()) {
                put_raw(&mut out, found, old);
            } else if !done {
                put_pair(&mut out, name, value);
                done = true;
            }
        }
        if !done {
            put_pair(&mut out, name, value);
        }
        Params { raw: out.freeze() }
    }

    /// The same parameters without one.
    #[must_use]
    pub fn without(&self, name: &str) -> Params {
        if !self.contains(name) {
            return self.clone();
        }
        let mut out = BytesMut::with_capacity(self.raw.len());
        for (found, value) in self.pairs().filter(|(found, _)| !found.eq_ignore_ascii_case(name.as_bytes())) {
            put_raw(&mut out, found, value);
        }
        Params { raw: out.freeze() }
    }

    pub(crate) fn render(&self, out: &mut BytesMut) {
        if !self.raw.is_empty() {
            out.put_u8(b';');
            out.put_slice(&self.raw);
        }
    }

    /// Names and values as they stand there, blanks trimmed, quotes kept.
    fn pairs(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        let raw = self.raw.as_ref();
        let mut at = 0;
        std::iter::from_fn(move || {
            while at < raw.len() {
                let start = at;
                let end = scan::unquoted(raw, b';', start).unwrap_or(raw.len());
                at = end + 1;
                let (start, end) = scan::trimmed(raw, start, end);
                if start < end {
                    return Some(split(&raw[start..end]));
                }
            }
            None
        })
    }

    fn unquoted(&self, value: &[u8]) -> Bytes {
        match value {
            [b'"', content @ .., b'"'] => scan::unescape(self.raw.slice_ref(content)),
            _ => self.raw.slice_ref(value),
        }
    }
}

fn split(pair: &[u8]) -> (&[u8], Option<&[u8]>) {
    match scan::find(pair, b'=', 0) {
        None => (pair, None),
        Some(equals) => {
            let (_, name_end) = scan::trimmed(pair, 0, equals);
            let (value_start, value_end) = scan::trimmed(pair, equals + 1, pair.len());
            (&pair[..name_end], Some(&pair[value_start..value_end]))
        }
    }
}

/// A name must be a token; a value is a token, a host or one quoted string. Empty parameters (`;;`) are let through.
fn check_one(header: &'static str, pair: &[u8], position: usize) -> Result<(), Error> {
    let (start, end) = scan::trimmed(pair, 0, pair.len());
    if start == end {
        return Ok(());
    }
    let (name, value) = split(&pair[start..end]);
    if !scan::is_token(name) {
        return malformed(header, position + start);
    }
    match value {
        Some(quoted @ [b'"', ..]) if scan::closing_quote(quoted, 0) != Some(quoted.len() - 1) => {
            malformed(header, position + start)
        }
        Some([b'"', ..]) | None => Ok(()),
        // More than RFC 3261 allows: phones put URIs and slashes into unquoted values.
        Some(plain) if plain.iter().any(|byte| matches!(byte, 0..=b' ' | b'"' | b',' | 0x7f)) => {
            malformed(header, position + start)
        }
        Some(_) => Ok(()),
    }
}

fn put_raw(out: &mut BytesMut, name: &[u8], value: Option<&[u8]>) {
    if !out.is_empty() {
        out.put_u8(b';');
    }
    out.put_slice(name);
    if let Some(value) = value {
        out.put_u8(b'=');
        out.put_slice(value);
    }
}

fn put_pair(out: &mut BytesMut, name: &str, value: Option<&[u8]>) {
    put_raw(out, name.as_bytes(), None);
    let Some(value) = value else { return };
    out.put_u8(b'=');
    if !value.is_empty() && value.iter().all(|byte| scan::is_token_byte(*byte) || b"[]:".contains(byte)) {
        out.put_slice(value);
    } else {
        scan::put_quoted(out, value);
    }
}
