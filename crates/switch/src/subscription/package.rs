//! Packages: what can be subscribed to, whose, and by whom.

use bytes::Bytes;
use sip::header::{Accept, AllowEvents};
use sip::package::{DialogInfo, MessageSummary, Presence, RegInfo};
use sip::{Header, Headers, Name};

/// An event package that we notify of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Package {
    /// The calls of an extension (RFC 4235).
    Dialog,
    /// The messages that wait for it (RFC 3842).
    MessageSummary,
    /// Whether its person can be reached (RFC 3856).
    Presence,
    /// Its phones (RFC 3680).
    Reg,
}

impl Package {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::Dialog, Self::MessageSummary, Self::Presence, Self::Reg];

    /// The word of the Event header.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Dialog => "dialog",
            Self::MessageSummary => "message-summary",
            Self::Presence => "presence",
            Self::Reg => "reg",
        }
    }

    /// The package of a word; event packages are compared as written (RFC 6665 §8.2.1).
    pub(crate) fn named(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|package| package.as_str().as_bytes() == name)
    }

    /// The content type of its documents.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Dialog => DialogInfo::CONTENT_TYPE,
            Self::MessageSummary => MessageSummary::CONTENT_TYPE,
            Self::Presence => Presence::CONTENT_TYPE,
            Self::Reg => RegInfo::CONTENT_TYPE,
        }
    }

    /// Whether only the phones of an extension may know: who has written, and where its phones are, is nobody else's business.
    pub(crate) fn is_private(self) -> bool {
        matches!(self, Self::MessageSummary | Self::Reg)
    }

    /// Whether somebody who sends this Accept takes our documents; without one they do (RFC 6665 §3.1.3).
    pub(crate) fn is_accepted(self, headers: &Headers) -> bool {
        if !headers.contains(&Name::Accept) {
            return true;
        }
        let mine = self.content_type();
        let of_kind = mine.split('/').next().unwrap_or_default();
        headers.values(&Name::Accept).any(|value| {
            let range = value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
            let range = String::from_utf8_lossy(range).to_ascii_lowercase();
            range == mine || range == "*/*" || range.strip_suffix("/*") == Some(of_kind)
        })
    }

    /// Value of Accept for what we could have sent or taken.
    pub(crate) fn accept(self) -> Bytes {
        Accept::new([self.content_type()]).to_bytes()
    }
}

/// Value of Allow-Events.
pub(crate) fn allow_events() -> Bytes {
    AllowEvents::new(Package::ALL.map(Package::as_str)).to_bytes()
}

#[cfg(test)]
mod tests {
    use sip::{Message, Request};

    use super::*;

    fn request(extra: &str) -> Request {
        let text = format!(
            "SUBSCRIBE sip:1@a SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bKa\r\nFrom: <sip:1@a>;tag=1\r\nTo: <sip:1@a>\r\n\
             Call-ID: 1\r\nCSeq: 1 SUBSCRIBE\r\n{extra}\r\n"
        );
        match Message::parse_datagram(Bytes::from(text)).unwrap() {
            Message::Request(request) => request,
            Message::Response(_) => panic!("a request"),
        }
    }

    #[test]
    fn accept_is_read_in_all_its_forms() {
        for (extra, dialog, summary) in [
            ("", true, true),
            ("Accept: application/dialog-info+xml\r\n", true, false),
            ("Accept: text/plain, Application/Dialog-Info+XML;q=0.5\r\n", true, false),
            ("Accept: text/plain\r\nAccept: application/simple-message-summary\r\n", false, true),
            ("Accept: application/*\r\n", true, true),
            ("Accept: */*\r\n", true, true),
            ("Accept: application/sdp\r\n", false, false),
            ("Accept: \r\n", false, false),
        ] {
            let request = request(extra);
            assert_eq!(Package::Dialog.is_accepted(request.headers()), dialog, "{extra}");
            assert_eq!(Package::MessageSummary.is_accepted(request.headers()), summary, "{extra}");
        }
    }

    #[test]
    fn every_package_is_found_by_its_word() {
        for package in Package::ALL {
            assert_eq!(Package::named(package.as_str().as_bytes()), Some(package));
        }
        assert_eq!(Package::named(b"presence.winfo"), None);
        assert_eq!(Package::named(b"Dialog"), None);
        assert_eq!(allow_events(), "dialog, message-summary, presence, reg");
    }
}
