//! Fields that tie messages to dialogs and to each other.

use bytes::{BufMut, Bytes, BytesMut};

use super::{Header, Name, Params};
use crate::error::{Error, malformed};
use crate::method::Method;
use crate::scan;

/// The number and method of a request within its dialog (RFC 3261 §20.16).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CSeq {
    /// The number. RFC 3261 ends at 2³¹−1; anything that fits is taken.
    pub number: u32,
    /// The method.
    pub method: Method,
}

impl Header for CSeq {
    const NAME: Name = Name::CSeq;

    fn parse(value: &Bytes) -> Result<CSeq, Error> {
        let mut words = Words { header: "CSeq", value, at: 0 };
        let number = words.number()?;
        let method = words.method()?;
        Ok(CSeq { number, method })
    }

    fn render(&self, out: &mut BytesMut) {
        scan::put_number(out, u64::from(self.number));
        out.put_u8(b' ');
        out.put_slice(self.method.as_bytes());
    }
}

/// Which reliable provisional answer a PRACK confirms (RFC 3262 §7.2).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RAck {
    /// The RSeq of that answer.
    pub rseq: u32,
    /// The CSeq number of the request it answered.
    pub cseq: u32,
    /// The method of that request.
    pub method: Method,
}

impl Header for RAck {
    const NAME: Name = Name::RAck;

    fn parse(value: &Bytes) -> Result<RAck, Error> {
        let mut words = Words { header: "RAck", value, at: 0 };
        let rseq = words.number()?;
        let cseq = words.number()?;
        let method = words.method()?;
        Ok(RAck { rseq, cseq, method })
    }

    fn render(&self, out: &mut BytesMut) {
        scan::put_number(out, u64::from(self.rseq));
        out.put_u8(b' ');
        scan::put_number(out, u64::from(self.cseq));
        out.put_u8(b' ');
        out.put_slice(self.method.as_bytes());
    }
}

/// Words between blanks.
struct Words<'a> {
    header: &'static str,
    value: &'a Bytes,
    at: usize,
}

impl Words<'_> {
    fn next(&mut self) -> Bytes {
        let (start, end) = scan::trimmed(self.value, self.at, self.value.len());
        let length = self.value[start..end].iter().take_while(|byte| !scan::is_blank(**byte)).count();
        self.at = start + length;
        self.value.slice(start..self.at)
    }

    fn number(&mut self) -> Result<u32, Error> {
        match scan::number(&self.next(), u64::from(u32::MAX)) {
            Some(number) => Ok(number as u32),
            None => malformed(self.header, self.at),
        }
    }

    /// The last word.
    fn method(&mut self) -> Result<Method, Error> {
        let word = self.next();
        let (rest, end) = scan::trimmed(self.value, self.at, self.value.len());
        match Method::parse(&word) {
            Ok(method) if rest == end => Ok(method),
            _ => malformed(self.header, self.at),
        }
    }
}

/// The identity that all messages of a call leg share (RFC 3261 §20.8). Compared byte by byte.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct CallId(pub Bytes);

impl Header for CallId {
    const NAME: Name = Name::CallId;

    fn parse(value: &Bytes) -> Result<CallId, Error> {
        let (start, end) = scan::trimmed(value, 0, value.len());
        if start == end {
            return malformed("Call-ID", start);
        }
        match value[start..end].iter().position(|byte| matches!(byte, 0..=b' ' | 0x7f)) {
            Some(at) => malformed("Call-ID", start + at),
            None => Ok(CallId(value.slice(start..end))),
        }
    }

    fn render(&self, out: &mut BytesMut) {
        out.put_slice(&self.0);
    }
}

/// Which dialog an INVITE takes the place of (RFC 3891).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Replaces {
    /// The Call-ID of that dialog.
    pub call_id: Bytes,
    /// Its tag on the receiver's side.
    pub to_tag: Bytes,
    /// Its tag on the other side.
    pub from_tag: Bytes,
    /// Only while that dialog is early.
    pub early_only: bool,
}

impl Header for Replaces {
    const NAME: Name = Name::Replaces;

    fn parse(value: &Bytes) -> Result<Replaces, Error> {
        let split = scan::find(value, b';', 0).unwrap_or(value.len());
        let params = Params::parse("Replaces", &value.slice(split..))?;
        let call_id = scan::slice(value, 0, split);
        match (params.value("to-tag"), params.value("from-tag")) {
            (Some(to_tag), Some(from_tag)) if !call_id.is_empty() => {
                Ok(Replaces { call_id, to_tag, from_tag, early_only: params.contains("early-only") })
            }
            _ => malformed("Replaces", split),
        }
    }

    fn render(&self, out: &mut BytesMut) {
        out.put_slice(&self.call_id);
        let tags = Params::default().with("to-tag", Some(&self.to_tag)).with("from-tag", Some(&self.from_tag));
        let params = if self.early_only { tags.with("early-only", None) } else { tags };
        params.render(out);
    }
}

/// Why a request was sent (RFC 3326).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reason {
    /// `SIP`, `Q.850` or another protocol.
    pub protocol: Bytes,
    /// The code within that protocol.
    pub cause: Option<u16>,
    /// The words, unquoted.
    pub text: Option<Bytes>,
}

impl Reason {
    /// A SIP status as reason.
    pub fn sip(code: u16, text: &str) -> Reason {
        Reason::of("SIP", code, text)
    }

    /// A Q.850 cause as reason.
    pub fn q850(cause: u16, text: &str) -> Reason {
        Reason::of("Q.850", cause, text)
    }

    fn of(protocol: &'static str, cause: u16, text: &str) -> Reason {
        let text = (!text.is_empty()).then(|| Bytes::copy_from_slice(text.as_bytes()));
        Reason { protocol: Bytes::from_static(protocol.as_bytes()), cause: Some(cause), text }
    }
}

impl Header for Reason {
    const NAME: Name = Name::Reason;
    const LIST: bool = true;

    fn parse(value: &Bytes) -> Result<Reason, Error> {
        let split = scan::find(value, b';', 0).unwrap_or(value.len());
        let protocol = scan::slice(value, 0, split);
        if let Some(position) = scan::token_error(&protocol) {
            return malformed("Reason", position);
        }
        let params = Params::parse("Reason", &value.slice(split..))?;
        let cause = params.value("cause").and_then(|digits| scan::number(&digits, 65_535)).map(|cause| cause as u16);
        Ok(Reason { protocol, cause, text: params.value("text") })
    }

    fn render(&self, out: &mut BytesMut) {
        out.put_slice(&self.protocol);
        if let Some(cause) = self.cause {
            out.put_slice(b";cause=");
            scan::put_number(out, u64::from(cause));
        }
        if let Some(text) = &self.text {
            out.put_slice(b";text=");
            scan::put_quoted(out, text);
        }
    }
}
