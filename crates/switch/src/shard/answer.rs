//! Answers that need no call, and the parts that answers share.

use bytes::Bytes;
use sip::{ContactPolicy, Header, Method, Name, Reply, Request};

use crate::call::effect::Body;
use crate::limits;
use crate::subscription::allow_events;
use crate::verdict::Ending;

/// The one kind of session description there is.
const SDP: &str = "application/sdp";

/// 200 with a session description, for an INVITE.
pub(crate) fn ok(body: Option<Body>) -> Reply {
    let reply = Reply::new(200).contact(ContactPolicy::Dialog);
    match body {
        Some((kind, description)) => reply.body(&kind, description),
        None => reply,
    }
}

/// The final answer to an INVITE that came to nothing.
pub(crate) fn refusal(ending: Ending) -> Reply {
    let code = ending.verdict().sip;
    let reply = Reply::new(code).header(Name::Reason, ending.reason().to_bytes());
    match code {
        503 => reply.header(Name::RetryAfter, Bytes::from(limits::RETRY_AFTER_S.to_string())),
        415 => reply.header(Name::Accept, SDP),
        _ => reply,
    }
}

/// Whether we can read what an INVITE brings, and its sender what we would answer (RFC 3261 §8.2.3, §20.1).
pub(crate) fn readable(request: &Request) -> Result<(), Ending> {
    let kind = request.content_type().filter(|_| !request.body().is_empty());
    if kind.is_some_and(|kind| !is_sdp(&kind)) {
        return Err(Ending::Offer(415));
    }
    let mut accepted = request.headers().values(&Name::Accept).peekable();
    if accepted.peek().is_some() && !accepted.any(|kind| is_sdp(&kind)) {
        return Err(Ending::Offer(406));
    }
    Ok(())
}

/// Whether a media type or range, without its parameters, takes in a session description.
fn is_sdp(kind: &[u8]) -> bool {
    let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    [SDP, "application/*", "*/*"].iter().any(|known| kind.eq_ignore_ascii_case(known.as_bytes()))
}

/// What we can do (RFC 3261 §11.2, RFC 6665 §8.2.2); the endpoint adds methods and extensions.
pub(crate) fn options() -> Reply {
    Reply::new(200).header(Name::Accept, SDP).header(Name::AllowEvents, allow_events())
}

/// A method that is no use here: 405 when it is one we know, 501 otherwise (RFC 3261 §8.2.1, §21.5.2).
pub(crate) fn not_allowed(method: &Method) -> Reply {
    Reply::new(if method.is_known() { 405 } else { 501 })
}

/// A request that names no dialog, by a method that is no use there. Those that live only in a dialog miss theirs (RFC 3261
/// §12.2.2, §15.1.2).
pub(crate) fn outside_a_dialog(method: &Method) -> Reply {
    match method {
        Method::Bye | Method::Info | Method::Prack | Method::Update | Method::Notify => Reply::new(481),
        _ => not_allowed(method),
    }
}

/// A request inside a dialog that changes nothing.
pub(crate) fn in_dialog(method: &Method) -> Reply {
    if *method == Method::Options { options() } else { not_allowed(method) }
}
