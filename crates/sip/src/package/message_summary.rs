//! `application/simple-message-summary`: how many messages wait (RFC 3842).

use std::fmt::Write;

use bytes::Bytes;

/// What waits in one mailbox.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct MessageCount {
    /// Never heard.
    pub new: u32,
    /// Heard and kept.
    pub old: u32,
    /// Those of the new ones that are urgent.
    pub urgent_new: u32,
    /// Those of the old ones that are urgent.
    pub urgent_old: u32,
}

/// The summary of one mailbox.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MessageSummary<'a> {
    /// Whose mailbox, as a URI.
    pub account: &'a str,
    /// Voice messages.
    pub voice: MessageCount,
}

impl MessageSummary<'_> {
    /// The content type of the document.
    pub const CONTENT_TYPE: &'static str = "application/simple-message-summary";

    /// The document (§5.2).
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let MessageCount { new, old, urgent_new, urgent_old } = self.voice;
        let waiting = if new > 0 { "yes" } else { "no" };
        let mut out = format!("Messages-Waiting: {waiting}\r\nMessage-Account: ");
        // One line is one fact.
        out.extend(self.account.chars().filter(|character| !character.is_control()));
        let _ = write!(out, "\r\nVoice-Message: {new}/{old} ({urgent_new}/{urgent_old})\r\n");
        Bytes::from(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lamp_follows_the_new_ones() {
        let voice = MessageCount { new: 2, old: 8, urgent_new: 0, urgent_old: 2 };
        assert_eq!(
            MessageSummary { account: "sip:1001@alpha.test", voice }.to_bytes(),
            "Messages-Waiting: yes\r\nMessage-Account: sip:1001@alpha.test\r\nVoice-Message: 2/8 (0/2)\r\n"
        );
        let voice = MessageCount { old: 3, ..MessageCount::default() };
        assert_eq!(
            MessageSummary { account: "sip:1\r\nX: 1@a", voice }.to_bytes(),
            "Messages-Waiting: no\r\nMessage-Account: sip:1X: 1@a\r\nVoice-Message: 0/3 (0/0)\r\n"
        );
    }
}
