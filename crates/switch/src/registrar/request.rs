//! What a REGISTER asks for, read before anything is done about it.

use bytes::Bytes;
use sip::header::{ContactValue, Expires, Path};
use sip::{Header, Name, Request, Uri};

use super::RegistrarConfig;
use crate::limits;
use crate::verdict::Ending;

/// A REGISTER, understood.
pub(super) struct Ask {
    pub(super) call_id: String,
    pub(super) cseq: u32,
    pub(super) user_agent: Option<String>,
    pub(super) path: Vec<String>,
    /// Whether its sender keeps its flows alive and wants them used (RFC 5626): it says so, names itself and the flow, and
    /// whoever stands between us takes part.
    pub(super) outbound: bool,
    pub(super) wish: Wish,
}

/// What shall become of the bindings.
pub(super) enum Wish {
    /// Nothing: no Contact, so the sender only wants to know them.
    Query,
    /// `Contact: *`: all shall end.
    Clear,
    /// These shall be made, refreshed or ended.
    Change(Vec<Contact>),
}

/// One Contact.
pub(super) struct Contact {
    pub(super) uri: Uri,
    pub(super) text: String,
    pub(super) instance: Option<String>,
    pub(super) reg_id: Option<u32>,
    /// In thousandths.
    pub(super) q: u16,
    /// In seconds; 0 ends the binding.
    pub(super) expires: u32,
}

impl Contact {
    /// Whether both mean the same binding.
    pub(super) fn same(&self, other: &Self) -> bool {
        let device = self.instance.is_some() && self.instance == other.instance && self.reg_id == other.reg_id;
        device || self.uri.equivalent(&other.uri)
    }
}

pub(super) fn read(request: &Request, config: &RegistrarConfig) -> Result<Ask, Ending> {
    let headers = request.headers();
    let call_id = text(&request.call_id().map_err(bad)?)?;
    let cseq = request.cseq().map_err(bad)?.number;
    let user_agent = headers.get(&Name::UserAgent).map(|value| shortened(&value));
    let mut path = Vec::new();
    for value in headers.values(&Name::Path) {
        Path::parse(&value).map_err(bad)?;
        if path.len() == limits::MAX_PATHS {
            return Err(Ending::BadRequest);
        }
        path.push(text(&value)?);
    }
    let wish = wish(request, config)?;
    let outbound = outbound(request, &wish);
    Ok(Ask { call_id, cseq, user_agent, path, outbound, wish })
}

/// RFC 5626 §6. A proxy on the way must have marked its Path with `ob`, else its flows do not stay.
fn outbound(request: &Request, wish: &Wish) -> bool {
    let headers = request.headers();
    let says = |name: &Name| {
        headers.tokens(name).is_ok_and(|tags| tags.iter().any(|tag| tag.eq_ignore_ascii_case(b"outbound")))
    };
    let Wish::Change(contacts) = wish else { return false };
    let named =
        contacts.iter().any(|contact| contact.expires > 0 && contact.instance.is_some() && contact.reg_id.is_some());
    let direct = headers.values(&Name::Via).nth(1).is_none();
    let edge = headers.values(&Name::Path).last().and_then(|value| Path::parse(&value).ok());
    let kept = direct || edge.is_some_and(|edge| edge.0.uri.params().any(|(name, _)| name.eq_ignore_ascii_case(b"ob")));
    (says(&Name::Supported) || says(&Name::Require)) && named && kept
}

fn wish(request: &Request, config: &RegistrarConfig) -> Result<Wish, Ending> {
    let headers = request.headers();
    let header_expires = headers.typed::<Expires>().and_then(Result::ok).map(|expires| expires.0);
    let values: Vec<Bytes> = headers.values(&Name::Contact).take(limits::MAX_CONTACTS_PER_REGISTER + 1).collect();
    if values.len() > limits::MAX_CONTACTS_PER_REGISTER {
        return Err(Ending::BadRequest);
    }
    let mut contacts = Vec::with_capacity(values.len());
    for value in &values {
        match ContactValue::parse(value).map_err(bad)? {
            // RFC 3261 §10.2.2: alone, and with an Expires of zero.
            ContactValue::Star if values.len() == 1 && header_expires == Some(0) => return Ok(Wish::Clear),
            ContactValue::Star => return Err(Ending::BadRequest),
            value => contacts.push(contact(&value, header_expires, config)?),
        }
    }
    Ok(if contacts.is_empty() { Wish::Query } else { Wish::Change(contacts) })
}

fn contact(value: &ContactValue, header_expires: Option<u32>, config: &RegistrarConfig) -> Result<Contact, Ending> {
    let address = value.address().ok_or(Ending::BadRequest)?;
    if !address.uri.is_sip() {
        return Err(Ending::BadContact);
    }
    let expires = value.expires().or(header_expires).unwrap_or(config.default_expires).min(config.max_expires);
    if expires != 0 && expires < config.min_expires {
        return Err(Ending::TooBrief);
    }
    Ok(Contact {
        text: text(address.uri.bytes())?,
        uri: address.uri.clone(),
        instance: value.instance().map(|instance| text(&instance)).transpose()?,
        reg_id: value.reg_id(),
        q: value.q().unwrap_or(FULL_PREFERENCE),
        expires,
    })
}

/// The `q` of a Contact that names none (RFC 3261 leaves it open; RFC 2543 said 1).
pub(super) const FULL_PREFERENCE: u16 = 1_000;

/// Text that may be kept: neither too long nor with characters that a database column cannot hold.
fn text(bytes: &[u8]) -> Result<String, Ending> {
    let text = std::str::from_utf8(bytes).map_err(|_| Ending::BadRequest)?;
    let fits = text.len() <= limits::MAX_BINDING_TEXT && !text.chars().any(char::is_control);
    if fits { Ok(text.to_owned()) } else { Err(Ending::BadRequest) }
}

/// Text that is kept for people alone, so what does not fit is left out.
fn shortened(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut short = String::new();
    for character in text.chars().filter(|character| !character.is_control()) {
        if short.len() + character.len_utf8() > limits::MAX_USER_AGENT {
            break;
        }
        short.push(character);
    }
    short
}

fn bad(_: sip::Error) -> Ending {
    Ending::BadRequest
}
