//! Events and subscriptions (RFC 6665), and Warning.

use bytes::{BufMut, Bytes, BytesMut};

use super::{Header, Name, Params};
use crate::error::{Error, malformed};
use crate::scan;

/// What a subscription is about (RFC 6665 §8.2.1).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Event {
    /// The package with its templates, as in `presence.winfo`.
    pub package: Bytes,
    /// Parameters, `id` among them.
    pub params: Params,
}

impl Event {
    /// A package without parameters.
    pub fn new(package: &str) -> Event {
        Event { package: Bytes::copy_from_slice(package.as_bytes()), params: Params::default() }
    }

    /// With an `id`.
    #[must_use]
    pub fn with_id(self, id: &str) -> Event {
        Event { params: self.params.with("id", Some(id.as_bytes())), ..self }
    }

    /// The `id` that tells subscriptions of one package apart.
    pub fn id(&self) -> Option<Bytes> {
        self.params.value("id")
    }
}

impl Header for Event {
    const NAME: Name = Name::Event;

    fn parse(value: &Bytes) -> Result<Event, Error> {
        let (package, params) = token_with_params("Event", value)?;
        Ok(Event { package, params })
    }

    fn render(&self, out: &mut BytesMut) {
        out.put_slice(&self.package);
        self.params.render(out);
    }
}

/// How a subscription stands (RFC 6665 §8.2.3).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SubscriptionState {
    /// `active`, `pending`, `terminated`, or another word.
    pub state: Bytes,
    /// Parameters: `expires`, `reason`, `retry-after`.
    pub params: Params,
}

impl SubscriptionState {
    /// A subscription that holds for so many seconds more.
    pub fn active(expires: u32) -> SubscriptionState {
        let params = Params::default().with("expires", Some(expires.to_string().as_bytes()));
        SubscriptionState { state: Bytes::from_static(b"active"), params }
    }

    /// One that has ended, and why (RFC 6665 §4.1.3).
    pub fn terminated(reason: &str) -> SubscriptionState {
        let params = Params::default().with("reason", Some(reason.as_bytes()));
        SubscriptionState { state: Bytes::from_static(b"terminated"), params }
    }

    /// Whether the subscription has ended.
    pub fn is_terminated(&self) -> bool {
        self.state.eq_ignore_ascii_case(b"terminated")
    }

    /// Seconds for which it still holds.
    pub fn expires(&self) -> Option<u32> {
        scan::seconds(&self.params.value("expires")?)
    }

    /// Why it ended.
    pub fn reason(&self) -> Option<Bytes> {
        self.params.value("reason")
    }

    /// Seconds after which to try again.
    pub fn retry_after(&self) -> Option<u32> {
        scan::seconds(&self.params.value("retry-after")?)
    }
}

impl Header for SubscriptionState {
    const NAME: Name = Name::SubscriptionState;

    fn parse(value: &Bytes) -> Result<SubscriptionState, Error> {
        let (state, params) = token_with_params("Subscription-State", value)?;
        Ok(SubscriptionState { state, params })
    }

    fn render(&self, out: &mut BytesMut) {
        out.put_slice(&self.state);
        self.params.render(out);
    }
}

fn token_with_params(header: &'static str, value: &Bytes) -> Result<(Bytes, Params), Error> {
    let split = scan::find(value, b';', 0).unwrap_or(value.len());
    let token = scan::slice(value, 0, split);
    match scan::token_error(&token) {
        Some(position) => malformed(header, position),
        None => Ok((token, Params::parse(header, &value.slice(split..))?)),
    }
}

/// What a refusal wants people to know (RFC 3261 §20.43).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Warning {
    /// Three digits; 3xx speak of the session description.
    pub code: u16,
    /// Who warns: a host, a host and port, or a pseudonym.
    pub agent: Bytes,
    /// The words, unquoted.
    pub text: Bytes,
}

impl Header for Warning {
    const NAME: Name = Name::Warning;
    const LIST: bool = true;

    fn parse(value: &Bytes) -> Result<Warning, Error> {
        let (start, end) = scan::trimmed(value, 0, value.len());
        let Some(quote) = scan::find(&value[..end], b'"', start) else {
            return malformed("Warning", end);
        };
        if end < quote + 2 || scan::closing_quote(&value[..end], quote) != Some(end - 1) {
            return malformed("Warning", quote);
        }
        let code_end = scan::find(&value[..quote], b' ', start).unwrap_or(quote);
        let agent = scan::slice(value, code_end, quote);
        match scan::number(&value[start..code_end], 999) {
            Some(code) if code >= 100 && !agent.is_empty() && !agent.iter().any(|byte| scan::is_blank(*byte)) => {
                Ok(Warning { code: code as u16, agent, text: scan::unescape(value.slice(quote + 1..end - 1)) })
            }
            _ => malformed("Warning", start),
        }
    }

    fn render(&self, out: &mut BytesMut) {
        scan::put_number(out, u64::from(self.code));
        out.put_u8(b' ');
        out.put_slice(&self.agent);
        out.put_u8(b' ');
        scan::put_quoted(out, &self.text);
    }
}
