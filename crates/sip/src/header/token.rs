//! Lists of tokens, and Content-Type.

use std::ops::Deref;

use bytes::{BufMut, Bytes, BytesMut};

use super::{Header, Name, Params};
use crate::error::{Error, malformed};
use crate::{limits, scan};

/// Words between commas: option tags, methods, event packages.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TokenList(pub Vec<Bytes>);

impl TokenList {
    /// A list of these words.
    pub fn new<'a>(words: impl IntoIterator<Item = &'a str>) -> TokenList {
        TokenList(words.into_iter().map(|word| Bytes::copy_from_slice(word.as_bytes())).collect())
    }

    /// Whether `word` is among them, without regard to case.
    pub fn contains(&self, word: &str) -> bool {
        self.0.iter().any(|found| found.eq_ignore_ascii_case(word.as_bytes()))
    }

    /// The words in order.
    pub fn iter(&self) -> impl Iterator<Item = &Bytes> {
        self.0.iter()
    }

    /// Whether there are none; a field may well be empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds the words of one line.
    pub(crate) fn read_line(&mut self, header: &'static str, line: &Bytes) -> Result<(), Error> {
        let mut at = 0;
        while at < line.len() {
            let end = scan::element_end(line, at);
            let word = scan::slice(line, at, end);
            if self.0.len() == limits::LIST_VALUES {
                return Err(Error::Violation { header, why: "too many values" });
            }
            if let Some(position) = word.iter().position(|byte| matches!(byte, 0 | b'\r' | b'\n')) {
                return malformed(header, at + position);
            }
            if !word.is_empty() {
                self.0.push(word);
            }
            at = end + 1;
        }
        Ok(())
    }

    fn render(&self, out: &mut BytesMut) {
        for (index, word) in self.0.iter().enumerate() {
            if index > 0 {
                out.put_slice(b", ");
            }
            out.put_slice(word);
        }
    }
}

macro_rules! lists {
    ($($name:ident, $text:literal, $what:literal;)*) => {$(
        #[doc = $what]
        ///
        /// Reads one line; [`Headers::tokens`](crate::Headers::tokens) takes all lines together.
        #[derive(Clone, Debug, Default, Eq, PartialEq)]
        pub struct $name(pub TokenList);

        impl $name {
            /// A list of these words.
            pub fn new<'a>(words: impl IntoIterator<Item = &'a str>) -> $name {
                $name(TokenList::new(words))
            }
        }

        impl Header for $name {
            const NAME: Name = Name::$name;

            fn parse(value: &Bytes) -> Result<$name, Error> {
                let mut list = TokenList::default();
                list.read_line($text, value)?;
                Ok($name(list))
            }

            fn render(&self, out: &mut BytesMut) {
                self.0.render(out);
            }
        }

        impl Deref for $name {
            type Target = TokenList;

            fn deref(&self) -> &TokenList {
                &self.0
            }
        }
    )*};
}

lists! {
    Accept, "Accept", "Bodies that are understood (RFC 3261 §20.1); parameters stay with their type.";
    Allow, "Allow", "Methods that are understood (RFC 3261 §20.5).";
    AllowEvents, "Allow-Events", "Event packages that are understood (RFC 6665 §8.2.2).";
    ProxyRequire, "Proxy-Require", "Extensions that every proxy must understand (RFC 3261 §20.29).";
    Require, "Require", "Extensions that the receiver must understand (RFC 3261 §20.32).";
    Supported, "Supported", "Extensions that the sender understands (RFC 3261 §20.37).";
    Unsupported, "Unsupported", "Extensions that were required and are not understood (RFC 3261 §20.40).";
}

/// The type of a body (RFC 3261 §20.15).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ContentType {
    /// The part before the slash.
    pub kind: Bytes,
    /// The part behind the slash.
    pub subtype: Bytes,
    /// Parameters such as `boundary`.
    pub params: Params,
}

impl ContentType {
    /// Whether the type is `kind/subtype`, without regard to case or parameters.
    pub fn is(&self, kind: &str, subtype: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind.as_bytes()) && self.subtype.eq_ignore_ascii_case(subtype.as_bytes())
    }

    /// Whether the body is a session description.
    pub fn is_sdp(&self) -> bool {
        self.is("application", "sdp")
    }
}

impl Header for ContentType {
    const NAME: Name = Name::ContentType;

    fn parse(value: &Bytes) -> Result<ContentType, Error> {
        let end = scan::find(value, b';', 0).unwrap_or(value.len());
        let Some(slash) = scan::find(&value[..end], b'/', 0) else {
            return malformed("Content-Type", 0);
        };
        let kind = scan::slice(value, 0, slash);
        let subtype = scan::slice(value, slash + 1, end);
        if !scan::is_token(&kind) || !scan::is_token(&subtype) {
            return malformed("Content-Type", 0);
        }
        Ok(ContentType { kind, subtype, params: Params::parse("Content-Type", &value.slice(end..))? })
    }

    fn render(&self, out: &mut BytesMut) {
        out.put_slice(&self.kind);
        out.put_u8(b'/');
        out.put_slice(&self.subtype);
        self.params.render(out);
    }
}
