//! Privacy: what a sender wants to be kept back (RFC 3323 §4.2).

use bytes::{BufMut, Bytes, BytesMut};

use super::{Header, Name};
use crate::error::{Error, malformed};
use crate::{limits, scan};

/// Words such as `id`, `user`, `header`, `session`, `history`, `none`, `critical`. The RFC puts semicolons between them; some phones
/// write commas, which are read as well.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Privacy(pub Vec<Bytes>);

impl Privacy {
    /// Whether this is asked for, without regard to case.
    pub fn asks_for(&self, word: &str) -> bool {
        self.0.iter().any(|found| found.eq_ignore_ascii_case(word.as_bytes()))
    }
}

impl Header for Privacy {
    const NAME: Name = Name::Privacy;

    fn parse(value: &Bytes) -> Result<Privacy, Error> {
        let mut words = Vec::new();
        let mut start = 0;
        while start < value.len() {
            let end =
                value[start..].iter().position(|byte| matches!(byte, b';' | b',')).map_or(value.len(), |at| start + at);
            let word = scan::slice(value, start, end);
            if !word.is_empty() && (!scan::is_token(&word) || words.len() == limits::PARAMETERS) {
                return malformed("Privacy", start);
            }
            words.extend((!word.is_empty()).then_some(word));
            start = end + 1;
        }
        if words.is_empty() { malformed("Privacy", 0) } else { Ok(Privacy(words)) }
    }

    fn render(&self, out: &mut BytesMut) {
        for (index, word) in self.0.iter().enumerate() {
            if index > 0 {
                out.put_u8(b';');
            }
            out.put_slice(word);
        }
    }
}
