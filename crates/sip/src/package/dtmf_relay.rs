//! A key press in the body of an INFO: `application/dtmf-relay` (`Signal=5`, `Duration=160`) and `application/dtmf` (the key
//! alone). No RFC describes them; every gateway writes them.

use std::time::Duration;

/// The type of what we write.
pub const DTMF_RELAY: &str = "application/dtmf-relay";

/// The length of a press that names none.
const USUAL: Duration = Duration::from_millis(160);

/// One key press.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyPress {
    /// `0`–`9`, `*`, `#`, `A`–`D`.
    pub key: char,
    /// How long it is held.
    pub duration: Duration,
}

impl KeyPress {
    /// Reads either form; nothing when it names no key, or several.
    #[must_use]
    pub fn parse(body: &[u8]) -> Option<KeyPress> {
        let text = std::str::from_utf8(body.get(..body.len().min(256))?).ok()?;
        let mut key = None;
        let mut duration = USUAL;
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            match line.split_once('=') {
                Some((name, value)) if name.trim().eq_ignore_ascii_case("signal") => key = Some(value),
                Some((name, value)) if name.trim().eq_ignore_ascii_case("duration") => {
                    duration = Duration::from_millis(value.trim().parse().ok()?);
                }
                Some(_) => {}
                None if key.is_none() => key = Some(line),
                None => return None,
            }
        }
        Some(KeyPress { key: named(key?.trim())?, duration })
    }

    /// The body of `application/dtmf-relay`.
    #[must_use]
    pub fn render(&self) -> String {
        format!("Signal={}\r\nDuration={}\r\n", self.key, self.duration.as_millis())
    }
}

/// Some write the codes of RFC 4733 instead of the letters.
fn named(text: &str) -> Option<char> {
    let mut letters = text.chars();
    match (letters.next()?.to_ascii_uppercase(), letters.as_str()) {
        (key @ ('0'..='9' | '*' | '#' | 'A'..='D'), "") => Some(key),
        ('1', "0") => Some('*'),
        ('1', "1") => Some('#'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(key: char, ms: u64) -> Option<KeyPress> {
        Some(KeyPress { key, duration: Duration::from_millis(ms) })
    }

    #[test]
    fn both_forms_are_read() {
        for (body, expected) in [
            ("Signal=5\r\nDuration=250\r\n", press('5', 250)),
            ("Signal= *\nDuration = 90", press('*', 90)),
            ("duration=100\r\nsignal=d", press('D', 100)),
            ("Signal=11\r\n", press('#', 160)),
            ("7", press('7', 160)),
            ("10\r\n", press('*', 160)),
            ("Signal=5\r\nVolume=3\r\n", press('5', 160)),
        ] {
            assert_eq!(KeyPress::parse(body.as_bytes()), expected, "{body:?}");
        }
        for bad in [
            "",
            "\r\n",
            "55",
            "Signal=",
            "Signal=E",
            "Signal=12",
            "5\r\n6",
            "Signal=5\r\nDuration=x",
            "Duration=5",
            "é",
        ] {
            assert_eq!(KeyPress::parse(bad.as_bytes()), None, "{bad:?}");
        }
        assert_eq!(KeyPress::parse(&[b'5', 0xff]), None);
    }

    #[test]
    fn what_is_written_is_read() {
        let press = KeyPress { key: '#', duration: Duration::from_millis(120) };
        assert_eq!(KeyPress::parse(press.render().as_bytes()), Some(press));
    }
}
