//! What a SUBSCRIBE asks for, read before anything is done about it (RFC 6665 §4.2.1).

use sip::header::{Event, Expires};
use sip::{Name, Request};

use super::package::Package;
use super::refusal::Refusal;
use crate::limits;
use crate::routing;

/// A SUBSCRIBE, understood.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) package: Package,
    pub(super) event_id: Option<String>,
    /// Seconds; 0 ends the subscription, or only fetches the state.
    pub(super) expires_s: u32,
    /// The number it is about, when the Request-URI names one.
    pub(super) resource: Option<String>,
}

pub(super) fn read(request: &Request) -> Result<Ask, Refusal> {
    let headers = request.headers();
    let event = match headers.typed::<Event>() {
        None => return Err(Refusal::UnknownEvent),
        Some(Err(_)) => return Err(Refusal::Bad),
        Some(Ok(event)) => event,
    };
    let package = Package::named(&event.package).ok_or(Refusal::UnknownEvent)?;
    let event_id = match event.id() {
        None => None,
        Some(id) => Some(word(&id).ok_or(Refusal::Bad)?),
    };
    if !package.is_accepted(headers) {
        return Err(Refusal::NotAcceptable(package));
    }
    Ok(Ask { package, event_id, expires_s: lifetime(request)?, resource: resource(request)? })
}

/// The number that a Request-URI names, when it names any.
pub(super) fn resource(request: &Request) -> Result<Option<String>, Refusal> {
    let user = request.uri().user_raw().filter(|user| !user.is_empty());
    user.map(|_| routing::number_of_uri(request.uri()).ok_or(Refusal::UnknownResource)).transpose()
}

/// For how long the request wants something to hold; 0 for not at all.
pub(super) fn lifetime(request: &Request) -> Result<u32, Refusal> {
    let seconds = match request.headers().typed::<Expires>() {
        None => limits::SUBSCRIPTION_S,
        Some(Err(_)) => return Err(Refusal::Bad),
        Some(Ok(Expires(seconds))) => seconds.min(limits::MAX_SUBSCRIPTION_S),
    };
    if (1..limits::MIN_SUBSCRIPTION_S).contains(&seconds) { Err(Refusal::TooBrief) } else { Ok(seconds) }
}

/// The one entity tag of a conditional PUBLISH (RFC 3903 §11.3.2).
pub(super) fn if_match(request: &Request) -> Result<Option<String>, Refusal> {
    let mut values = request.headers().all(&Name::SipIfMatch);
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => word(value.trim_ascii()).map(Some).ok_or(Refusal::Bad),
        (Some(_), Some(_)) => Err(Refusal::Bad),
    }
}

/// A word of a bounded length.
fn word(bytes: &[u8]) -> Option<String> {
    let fits = !bytes.is_empty() && bytes.len() <= limits::MAX_EVENT_ID && bytes.iter().all(u8::is_ascii_graphic);
    fits.then(|| String::from_utf8_lossy(bytes).into_owned())
}
