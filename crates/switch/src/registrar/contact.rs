//! What the Contacts of a REGISTER ask for, read and checked before anything is changed.

use bytes::Bytes;
use sip::header::{ContactValue, Expires, NameAddr};
use sip::{Name, Reply, Request, Uri};

use super::RegistrarConfig;
use crate::limits;

/// What a REGISTER asks for.
pub(super) enum Wish {
    /// To know what is there.
    Query,
    /// To end every binding.
    Clear,
    /// To make, refresh or end some.
    Update(Vec<Contact>),
}

/// One Contact.
pub(super) struct Contact {
    pub(super) uri: Uri,
    pub(super) instance: Option<String>,
    pub(super) reg_id: Option<u32>,
    /// In thousandths.
    pub(super) q: u16,
    /// In seconds; zero ends the binding.
    pub(super) expires: u32,
}

/// Reads all Contacts, or says how the REGISTER is refused.
pub(super) fn wish(request: &Request, config: &RegistrarConfig) -> Result<Wish, Reply> {
    let bad = || Reply::new(400);
    let mut values = Vec::new();
    for value in request.headers().typed_all::<ContactValue>() {
        values.push(value.map_err(|_| bad())?);
        if values.len() > limits::MAX_CONTACTS_PER_REGISTER {
            return Err(bad());
        }
    }
    let header = match request.headers().typed::<Expires>() {
        Some(Ok(expires)) => Some(expires.0),
        // RFC 3261 §10.2.1.1: what cannot be read counts as 3600.
        Some(Err(_)) => Some(3_600),
        None => None,
    };
    if values.iter().any(|value| matches!(value, ContactValue::Star)) {
        return if values.len() == 1 && header == Some(0) { Ok(Wish::Clear) } else { Err(bad()) };
    }
    if values.is_empty() {
        return Ok(Wish::Query);
    }
    let contacts = values.iter().map(|value| contact(value, header, config));
    contacts.collect::<Result<_, _>>().map(Wish::Update)
}

fn contact(value: &ContactValue, header: Option<u32>, config: &RegistrarConfig) -> Result<Contact, Reply> {
    let bad = || Reply::new(400);
    let ContactValue::Address(address) = value else { return Err(bad()) };
    let uri = address.uri.without_headers();
    if !uri.is_sip() || uri.as_bytes().len() > limits::MAX_BINDING_TEXT || std::str::from_utf8(uri.as_bytes()).is_err() {
        return Err(bad());
    }
    let instance = value.instance().map(|instance| text(&instance)).transpose()?;
    let asked = value.expires().or(header).unwrap_or(config.default_expires);
    if asked > 0 && asked < config.min_expires {
        let least = Bytes::from(config.min_expires.to_string());
        return Err(Reply::new(423).header(Name::MinExpires, least));
    }
    Ok(Contact {
        uri,
        instance,
        reg_id: value.reg_id(),
        q: value.q().unwrap_or(1_000),
        expires: asked.min(config.max_expires),
    })
}

/// The Path of the REGISTER (RFC 3327).
pub(super) fn path(request: &Request) -> Result<Vec<String>, Reply> {
    let mut path = Vec::new();
    for value in request.headers().values(&Name::Path) {
        if path.len() >= limits::MAX_PATHS || NameAddr::parse(&value).is_err() {
            return Err(Reply::new(400));
        }
        path.push(text(&value)?);
    }
    Ok(path)
}

/// Text of bounded length that a database can hold.
pub(super) fn text(bytes: &[u8]) -> Result<String, Reply> {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.len() <= limits::MAX_BINDING_TEXT && !text.contains('\0') => Ok(text.to_owned()),
        _ => Err(Reply::new(400)),
    }
}
