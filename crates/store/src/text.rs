//! Text from the network on its way into a column.

use std::borrow::Cow;

use crate::limits::{LONG_TEXT, SHORT_TEXT};

/// At most 255 characters, without NUL, which PostgreSQL's text cannot hold.
pub(crate) fn short(text: &str) -> String {
    clip(text, SHORT_TEXT)
}

/// The same with room for a whole SDP.
pub(crate) fn long(text: &str) -> String {
    clip(text, LONG_TEXT)
}

fn clip(text: &str, limit: usize) -> String {
    text.chars().filter(|&character| character != '\0').take(limit).collect()
}

/// Session descriptions are kept without the keys in them: `a=crypto` (RFC 4568) and `a=ice-pwd` (RFC 8839).
pub(crate) fn sdp(text: &str) -> String {
    long(text).split_inclusive('\n').map(mask).collect()
}

fn mask(line: &str) -> Cow<'_, str> {
    let end = &line[line.trim_end_matches(['\r', '\n']).len()..];
    let lower = line.to_ascii_lowercase();
    if lower.starts_with("a=crypto:") {
        let head: Vec<&str> = line.split_whitespace().take(2).collect();
        Cow::Owned(format!("{} inline:***{end}", head.join(" ")))
    } else if lower.starts_with("a=ice-pwd:") {
        Cow::Owned(format!("a=ice-pwd:***{end}"))
    } else {
        Cow::Borrowed(line)
    }
}

#[cfg(test)]
mod tests {
    use super::{sdp, short};

    #[test]
    fn text_fits_its_column() {
        assert_eq!(short("a\0b"), "ab");
        assert_eq!(short(&"é".repeat(300)).chars().count(), 255);
    }

    #[test]
    fn keys_are_masked() {
        let text =
            "v=0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2VjcmV0|2^20\r\na=ice-pwd:secret\r\nm=audio 1\r\n";
        let masked = sdp(text);
        assert_eq!(masked, "v=0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:***\r\na=ice-pwd:***\r\nm=audio 1\r\n");
    }
}
