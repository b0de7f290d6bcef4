//! When two URIs mean the same (RFC 3261 §19.1.4; RFC 3966 §4 for `tel:`).

use super::{Kind, Uri};
use crate::scan;

/// Parameters that make a difference even when only one of the URIs has them. The section's text names all but `transport`, which
/// its examples add.
const DECISIVE: [&[u8]; 5] = [b"user", b"ttl", b"method", b"maddr", b"transport"];

impl Uri {
    /// Whether both URIs mean the same. Not transitive: a parameter that only one side has is mostly ignored.
    pub fn equivalent(&self, other: &Uri) -> bool {
        if self.parts.kind != other.parts.kind {
            return false;
        }
        match self.parts.kind {
            Kind::Sip | Kind::Sips => {
                same_part(self.user_raw(), other.user_raw(), false)
                    && same_part(self.password_raw(), other.password_raw(), false)
                    && self.host().matches(&other.host())
                    && self.port() == other.port()
                    && params_agree(self, other)
                    && params_agree(other, self)
                    && headers_agree(self, other)
                    && headers_agree(other, self)
            }
            Kind::Tel => same_number(self, other) && tel_params_agree(self, other) && tel_params_agree(other, self),
            Kind::Other => self.bytes == other.bytes,
        }
    }
}

/// The next character of `text` at `at` and where the one after it begins. An escaped byte counts as itself unless it is reserved;
/// then the escape is another character than the byte, and gets a number beyond the bytes.
fn character(text: &[u8], at: usize) -> (u16, usize) {
    match scan::escape_at(text, at) {
        Some(byte) if b";/?:@&=+$,%".contains(&byte) => (256 + u16::from(byte), at + 3),
        Some(byte) => (u16::from(byte), at + 3),
        None => (u16::from(text[at]), at + 1),
    }
}

fn same_text(one: &[u8], two: &[u8], ignore_case: bool) -> bool {
    let fold = |character: u16| match u8::try_from(character) {
        Ok(byte) if ignore_case => u16::from(byte.to_ascii_lowercase()),
        _ => character,
    };
    let (mut at_one, mut at_two) = (0, 0);
    while at_one < one.len() && at_two < two.len() {
        let (left, next_one) = character(one, at_one);
        let (right, next_two) = character(two, at_two);
        if fold(left) != fold(right) {
            return false;
        }
        (at_one, at_two) = (next_one, next_two);
    }
    at_one == one.len() && at_two == two.len()
}

fn same_part(one: Option<&[u8]>, two: Option<&[u8]>, ignore_case: bool) -> bool {
    match (one, two) {
        (Some(one), Some(two)) => same_text(one, two, ignore_case),
        (one, two) => one.is_none() && two.is_none(),
    }
}

/// Every parameter of `one` is in `two` with the same value, or does not matter there.
fn params_agree(one: &Uri, two: &Uri) -> bool {
    one.params().all(|(name, value)| match two.params().find(|(other, _)| same_text(name, other, true)) {
        Some((_, other)) => same_part(value, other, true),
        None => !DECISIVE.iter().any(|decisive| same_text(name, decisive, true)),
    })
}

/// Every embedded header of `one` is in `two` with the same value; order does not count.
fn headers_agree(one: &Uri, two: &Uri) -> bool {
    one.headers().all(|(name, value)| {
        two.headers().any(|(other, other_value)| same_text(name, other, true) && same_part(value, other_value, false))
    })
}

/// Numbers compare without their visual separators.
fn same_number(one: &Uri, two: &Uri) -> bool {
    let digits = |uri: &'_ Uri| -> Vec<u8> {
        let number = uri.user_raw().unwrap_or_default();
        number.iter().filter(|byte| !b"-.()".contains(byte)).map(u8::to_ascii_lowercase).collect()
    };
    digits(one) == digits(two)
}

fn tel_params_agree(one: &Uri, two: &Uri) -> bool {
    one.params().all(|(name, value)| {
        two.params().any(|(other, other_value)| same_text(name, other, true) && same_part(value, other_value, true))
    })
}
