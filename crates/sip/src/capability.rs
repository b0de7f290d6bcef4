//! Capability: what we can do, written down once. Allow, Supported and every 405 and 420 are made from these two lists.
//!
//! A word stands here when it works from one end to the other, not before.

use crate::method::Method;

/// Methods that we take (RFC 3261 §20.5).
pub const ALLOW: &str =
    "INVITE, ACK, BYE, CANCEL, OPTIONS, REGISTER, PRACK, UPDATE, INFO, REFER, SUBSCRIBE, NOTIFY, PUBLISH, MESSAGE";

/// Option tags that we know (RFC 3261 §20.37).
pub const SUPPORTED: &str = "100rel, outbound, path, timer, replaces, norefersub";

/// Whether an option tag is one of ours, without regard to case.
pub fn supports(tag: &[u8]) -> bool {
    SUPPORTED.split(", ").any(|known| known.as_bytes().eq_ignore_ascii_case(tag))
}

/// Whether a request of ours says what we can do: those that make or change a session, and those that ask for one.
pub(crate) fn is_told_with(method: &Method) -> bool {
    matches!(method, Method::Invite | Method::Update | Method::Refer | Method::Subscribe)
}

/// Whether an answer of ours says what we can do (RFC 3261 §11.2, §13.3.1.4; RFC 3311 §5.1).
pub(crate) fn is_told_in_answer(method: &Method, code: u16) -> bool {
    match method {
        Method::Invite | Method::Options => (200..300).contains(&code),
        _ => false,
    }
}

/// Whether an answer says that a method is no use here, and must name those that are (RFC 3261 §8.2.1, §21.4.6).
pub(crate) fn must_allow(code: u16) -> bool {
    matches!(code, 405 | 501)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_methods_names_known_ones_and_each_once() {
        let mut seen = Vec::new();
        for name in ALLOW.split(", ") {
            let method = Method::KNOWN.iter().find(|method| method.as_str() == name);
            assert!(method.is_some() && !seen.contains(&method), "{name}");
            seen.push(method);
        }
    }

    #[test]
    fn tags_are_found_in_any_case_and_whole() {
        assert!(supports(b"path") && supports(b"PATH"));
        assert!(!supports(b"pat") && !supports(b"") && !supports(b"eventlist"));
    }
}
