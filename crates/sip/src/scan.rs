//! The few ways in which bytes are looked through. Everything here works on borrowed slices and never fails.

use std::borrow::Cow;

use bytes::{BufMut, Bytes, BytesMut};

const TOKEN: u8 = 1;
const HOST: u8 = 2;

/// What each byte may be part of: `TOKEN` (RFC 3261 §25.1), `HOST` (names and addresses, with the underscore that people use).
const CLASS: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        if b.is_ascii_alphanumeric() {
            table[byte] = TOKEN | HOST;
        }
        byte += 1;
    }
    let more = b"-.!%*_+`'~";
    let mut at = 0;
    while at < more.len() {
        table[more[at] as usize] |= TOKEN;
        at += 1;
    }
    table[b'-' as usize] |= HOST;
    table[b'.' as usize] |= HOST;
    table[b'_' as usize] |= HOST;
    table
};

pub(crate) fn is_token_byte(byte: u8) -> bool {
    CLASS[usize::from(byte)] & TOKEN != 0
}

pub(crate) fn is_host_byte(byte: u8) -> bool {
    CLASS[usize::from(byte)] & HOST != 0
}

/// Position of the first byte that keeps `bytes` from being a token; zero when there is none at all.
pub(crate) fn token_error(bytes: &[u8]) -> Option<usize> {
    if bytes.is_empty() {
        return Some(0);
    }
    bytes.iter().position(|byte| !is_token_byte(*byte))
}

pub(crate) fn is_token(bytes: &[u8]) -> bool {
    token_error(bytes).is_none()
}

/// White space inside a value; CR and LF occur only where a fold was not unfolded.
pub(crate) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// The range of `bytes[start..end]` without the blanks at both ends.
pub(crate) fn trimmed(bytes: &[u8], mut start: usize, mut end: usize) -> (usize, usize) {
    while start < end && is_blank(bytes[start]) {
        start += 1;
    }
    while start < end && is_blank(bytes[end - 1]) {
        end -= 1;
    }
    (start, end)
}

/// `bytes[start..end]` without the blanks at both ends, sharing the memory.
pub(crate) fn slice(bytes: &Bytes, start: usize, end: usize) -> Bytes {
    let (start, end) = trimmed(bytes, start, end);
    bytes.slice(start..end)
}

/// Position of `wanted` at or behind `from`, eight bytes at a step.
pub(crate) fn find(bytes: &[u8], wanted: u8, from: usize) -> Option<usize> {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let rest = bytes.get(from..)?;
    let pattern = LOW * u64::from(wanted);
    let mut chunks = rest.chunks_exact(8);
    let mut at = from;
    for chunk in &mut chunks {
        let mut word = [0; 8];
        word.copy_from_slice(chunk);
        let differences = u64::from_le_bytes(word) ^ pattern;
        let zeros = differences.wrapping_sub(LOW) & !differences & HIGH;
        if zeros != 0 {
            return Some(at + (zeros.trailing_zeros() / 8) as usize);
        }
        at += 8;
    }
    let tail = chunks.remainder().iter().position(|byte| *byte == wanted)?;
    Some(at + tail)
}

/// The end of the quoted string that opens at `open`: the position of its closing quote.
pub(crate) fn closing_quote(bytes: &[u8], open: usize) -> Option<usize> {
    let mut at = open + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    None
}

/// The first position at or behind `from` that holds `wanted` outside quotes; the length when there is none. `None` means that a
/// quote stays open.
pub(crate) fn unquoted(bytes: &[u8], wanted: u8, from: usize) -> Option<usize> {
    let mut at = from;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => at = closing_quote(bytes, at)?,
            byte if byte == wanted => return Some(at),
            _ => {}
        }
        at += 1;
    }
    Some(bytes.len())
}

/// The end of the list element that begins at `from`: the next comma outside quotes and angle brackets, or the length. An open
/// quote or bracket swallows the rest, and whoever parses the element finds the fault.
pub(crate) fn element_end(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    let mut in_brackets = false;
    while at < bytes.len() {
        match bytes[at] {
            b'"' if !in_brackets => match closing_quote(bytes, at) {
                Some(close) => at = close,
                None => return bytes.len(),
            },
            b'<' => in_brackets = true,
            b'>' => in_brackets = false,
            b',' if !in_brackets => return at,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

/// The content of a quoted string (without its quotes) with the backslashes taken away; shared when there are none.
pub(crate) fn unescape(content: Bytes) -> Bytes {
    if find(&content, b'\\', 0).is_none() {
        return content;
    }
    let mut out = BytesMut::with_capacity(content.len());
    let mut bytes = content.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => out.extend(bytes.next()),
            byte => out.put_u8(*byte),
        }
    }
    out.freeze()
}

/// Writes `content` as a quoted string.
pub(crate) fn put_quoted(out: &mut BytesMut, content: &[u8]) {
    out.reserve(content.len() + 2);
    out.put_u8(b'"');
    for byte in content {
        if matches!(byte, b'"' | b'\\') {
            out.put_u8(b'\\');
        }
        out.put_u8(*byte);
    }
    out.put_u8(b'"');
}

/// A whole number of digits only. `None` when a byte is no digit, there is none, or the number is larger than `max`.
pub(crate) fn number(digits: &[u8], max: u64) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    let mut value: u64 = 0;
    for byte in digits {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?;
    }
    (value <= max).then_some(value)
}

/// A number of seconds. Larger than 32 bits means "as long as possible" (RFC 3261 §25.1 leaves delta-seconds unbounded).
pub(crate) fn seconds(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(number(digits, u64::from(u32::MAX)).map_or(u32::MAX, |value| value as u32))
}

/// Writes a number in decimal.
pub(crate) fn put_number(out: &mut BytesMut, mut value: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

fn hex(byte: u8) -> Option<u8> {
    (byte as char).to_digit(16).map(|digit| digit as u8)
}

/// The byte that the escape at `at` stands for, when there is a whole one.
pub(crate) fn escape_at(bytes: &[u8], at: usize) -> Option<u8> {
    match bytes.get(at..at + 3) {
        Some([b'%', high, low]) => Some(hex(*high)? << 4 | hex(*low)?),
        _ => None,
    }
}

/// `bytes` with every `%hh` resolved; what is no whole escape stays as it is.
pub(crate) fn percent_decoded(bytes: &[u8]) -> Cow<'_, [u8]> {
    if find(bytes, b'%', 0).is_none() {
        return Cow::Borrowed(bytes);
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if let Some(byte) = escape_at(bytes, at) {
            out.push(byte);
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    Cow::Owned(out)
}

/// Writes `bytes`, escaping those that `plain` does not allow.
pub(crate) fn put_percent_encoded(out: &mut BytesMut, bytes: &[u8], plain: impl Fn(u8) -> bool) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in bytes {
        if plain(*byte) {
            out.put_u8(*byte);
        } else {
            out.extend_from_slice(&[b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn find_agrees_with_the_plain_loop_at_every_offset() {
        let bytes: Vec<u8> = (0..64).map(|n| if n % 11 == 3 { b'\n' } else { 0x80 | n }).collect();
        for from in 0..=bytes.len() + 1 {
            let plain = bytes.iter().enumerate().skip(from).find(|(_, b)| **b == b'\n').map(|(at, _)| at);
            assert_eq!(find(&bytes, b'\n', from), plain, "from {from}");
        }
    }

    #[test]
    fn elements_end_at_commas_outside_quotes_and_brackets() {
        let list = br#""a, \", b" <sip:x,y@z>;p="q,r", second"#;
        assert_eq!(element_end(list, 0), list.len() - 8);
        assert_eq!(element_end(br#"open "quote, swallows"#, 0), 21);
    }

    #[test]
    fn numbers_refuse_signs_blanks_and_overflow() {
        assert_eq!(number(b"42", 100), Some(42));
        assert_eq!(number(b"0000000000000000000000042", 100), Some(42));
        for wrong in [&b""[..], b"-1", b"+1", b" 1", b"101", b"18446744073709551616"] {
            assert_eq!(number(wrong, 100), None);
        }
        assert_eq!(seconds(b"99999999999999999999999"), Some(u32::MAX));
    }
}
