//! `message/sipfrag`: a piece of a SIP message as a body (RFC 3420). The refer package tells with it how far a request has come
//! (RFC 3515 §2.4.5).

use bytes::Bytes;

use crate::builder::reason_phrase;

/// The content type. The version is what RFC 3420 §2.1 defaults to, and some phones want it written.
pub const SIPFRAG: &str = "message/sipfrag;version=2.0";

/// The status line of an answer, alone.
pub fn status_fragment(code: u16) -> Bytes {
    Bytes::from(format!("SIP/2.0 {code:03} {}\r\n", reason_phrase(code)))
}

/// The status of a fragment that begins with a status line.
pub fn fragment_status(body: &[u8]) -> Option<u16> {
    let rest = body.strip_prefix(b"SIP/2.0 ")?;
    let code = std::str::from_utf8(rest.get(..3)?).ok()?.parse().ok()?;
    let ends = rest.get(3).is_none_or(|byte| matches!(byte, b' ' | b'\r' | b'\n'));
    (100..700).contains(&code).then_some(code).filter(|_| ends)
}

#[cfg(test)]
mod tests {
    use super::{fragment_status, status_fragment};

    #[test]
    fn a_status_is_written_and_read() {
        assert_eq!(&status_fragment(180)[..], b"SIP/2.0 180 Ringing\r\n");
        assert_eq!(fragment_status(&status_fragment(503)), Some(503));
        assert_eq!(fragment_status(b"SIP/2.0 200"), Some(200));
        for bad in
            [&b"SIP/2.0 2000 OK"[..], b"SIP/2.0 099 No", b"SIP/2.0 2x0", b"INVITE sip:a@b SIP/2.0", b"", b"SIP/2.0 20"]
        {
            assert_eq!(fragment_status(bad), None, "{bad:?}");
        }
    }
}
