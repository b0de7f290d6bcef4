//! Fields whose value is a number, some with parameters behind it.

use bytes::{BufMut, Bytes, BytesMut};

use super::{Header, Name, Params};
use crate::error::{Error, malformed};
use crate::scan;

macro_rules! seconds {
    ($($name:ident, $text:literal, $what:literal;)*) => {$(
        #[doc = $what]
        #[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
        pub struct $name(pub u32);

        impl Header for $name {
            const NAME: Name = Name::$name;

            fn parse(value: &Bytes) -> Result<$name, Error> {
                let (start, end) = scan::trimmed(value, 0, value.len());
                match scan::seconds(&value[start..end]) {
                    Some(seconds) => Ok($name(seconds)),
                    None => malformed($text, start),
                }
            }

            fn render(&self, out: &mut BytesMut) {
                scan::put_number(out, u64::from(self.0));
            }
        }
    )*};
}

seconds! {
    Expires, "Expires", "Seconds for which something holds (RFC 3261 §20.19). More than 32 bits is as long as possible.";
    MinExpires, "Min-Expires", "Shortest registration in seconds that is accepted (RFC 3261 §20.23).";
}

/// How many more hops a request may take (RFC 3261 §20.22).
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct MaxForwards(pub u8);

impl Header for MaxForwards {
    const NAME: Name = Name::MaxForwards;

    fn parse(value: &Bytes) -> Result<MaxForwards, Error> {
        let (start, end) = scan::trimmed(value, 0, value.len());
        match scan::number(&value[start..end], 255) {
            Some(hops) => Ok(MaxForwards(hops as u8)),
            None => malformed("Max-Forwards", start),
        }
    }

    fn render(&self, out: &mut BytesMut) {
        scan::put_number(out, u64::from(self.0));
    }
}

/// The number of a reliable provisional answer (RFC 3262 §7.1).
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct RSeq(pub u32);

impl Header for RSeq {
    const NAME: Name = Name::RSeq;

    fn parse(value: &Bytes) -> Result<RSeq, Error> {
        let (start, end) = scan::trimmed(value, 0, value.len());
        match scan::number(&value[start..end], u64::from(u32::MAX)) {
            Some(number) => Ok(RSeq(number as u32)),
            None => malformed("RSeq", start),
        }
    }

    fn render(&self, out: &mut BytesMut) {
        scan::put_number(out, u64::from(self.0));
    }
}

/// Who refreshes a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refresher {
    /// The side that sent the request.
    Uac,
    /// The side that answered it.
    Uas,
}

/// How long a session lasts without a refresh (RFC 4028 §4).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SessionExpires {
    /// The interval in seconds.
    pub seconds: u32,
    /// Who refreshes, when it is settled.
    pub refresher: Option<Refresher>,
    /// Parameters other than `refresher`.
    pub params: Params,
}

impl Header for SessionExpires {
    const NAME: Name = Name::SessionExpires;

    fn parse(value: &Bytes) -> Result<SessionExpires, Error> {
        let (seconds, params) = seconds_with_params("Session-Expires", value)?;
        let refresher = match params.value("refresher") {
            Some(side) if side.eq_ignore_ascii_case(b"uac") => Some(Refresher::Uac),
            Some(side) if side.eq_ignore_ascii_case(b"uas") => Some(Refresher::Uas),
            _ => None,
        };
        Ok(SessionExpires { seconds, refresher, params: params.without("refresher") })
    }

    fn render(&self, out: &mut BytesMut) {
        scan::put_number(out, u64::from(self.seconds));
        match self.refresher {
            Some(Refresher::Uac) => out.put_slice(b";refresher=uac"),
            Some(Refresher::Uas) => out.put_slice(b";refresher=uas"),
            None => {}
        }
        self.params.render(out);
    }
}

/// The shortest session interval that is accepted (RFC 4028 §5).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MinSe {
    /// The interval in seconds.
    pub seconds: u32,
    /// Parameters.
    pub params: Params,
}

impl Header for MinSe {
    const NAME: Name = Name::MinSe;

    fn parse(value: &Bytes) -> Result<MinSe, Error> {
        let (seconds, params) = seconds_with_params("Min-SE", value)?;
        Ok(MinSe { seconds, params })
    }

    fn render(&self, out: &mut BytesMut) {
        scan::put_number(out, u64::from(self.seconds));
        self.params.render(out);
    }
}

/// When to try again (RFC 3261 §20.33).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RetryAfter {
    /// Seconds from now.
    pub seconds: u32,
    /// The comment in parentheses, without them.
    pub comment: Option<Bytes>,
    /// Parameters; `duration` tells how long the callee can be reached then.
    pub params: Params,
}

impl RetryAfter {
    /// So many seconds, and nothing else.
    pub fn new(seconds: u32) -> RetryAfter {
        RetryAfter { seconds, comment: None, params: Params::default() }
    }
}

impl Header for RetryAfter {
    const NAME: Name = Name::RetryAfter;

    fn parse(value: &Bytes) -> Result<RetryAfter, Error> {
        let (start, end) = scan::trimmed(value, 0, value.len());
        let digits = value[start..end].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let Some(seconds) = scan::seconds(&value[start..start + digits]) else {
            return malformed("Retry-After", start);
        };
        let (mut rest, _) = scan::trimmed(value, start + digits, end);
        let mut comment = None;
        if value.get(rest) == Some(&b'(') {
            let Some(close) = scan::find(&value[..end], b')', rest) else {
                return malformed("Retry-After", rest);
            };
            comment = Some(value.slice(rest + 1..close));
            rest = close + 1;
        }
        let params = Params::parse("Retry-After", &value.slice(rest..end))?;
        Ok(RetryAfter { seconds, comment, params })
    }

    fn render(&self, out: &mut BytesMut) {
        scan::put_number(out, u64::from(self.seconds));
        if let Some(comment) = &self.comment {
            out.put_slice(b" (");
            out.extend(comment.iter().filter(|byte| !matches!(byte, b'(' | b')')));
            out.put_u8(b')');
        }
        self.params.render(out);
    }
}

fn seconds_with_params(header: &'static str, value: &Bytes) -> Result<(u32, Params), Error> {
    let split = scan::find(value, b';', 0).unwrap_or(value.len());
    let (start, end) = scan::trimmed(value, 0, split);
    let Some(seconds) = scan::seconds(&value[start..end]) else {
        return malformed(header, start);
    };
    Ok((seconds, Params::parse(header, &value.slice(split..))?))
}
