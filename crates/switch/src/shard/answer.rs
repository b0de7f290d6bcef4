//! Answers that need no call, and the parts that answers share.

use bytes::Bytes;
use sip::{ContactPolicy, Header, Method, Name, Reply};

use crate::call::effect::Body;
use crate::limits;
use crate::verdict::Ending;

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
    if code == 503 {
        return reply.header(Name::RetryAfter, Bytes::from(limits::RETRY_AFTER_S.to_string()));
    }
    reply
}

/// What we can do (RFC 3261 §11.2); the endpoint adds methods and extensions.
pub(crate) fn options() -> Reply {
    Reply::new(200).header(Name::Accept, Bytes::from_static(b"application/sdp"))
}

/// A method that is no use here: 405 when it is one we know, 501 otherwise (RFC 3261 §8.2.1, §21.5.2).
pub(crate) fn not_allowed(method: &Method) -> Reply {
    Reply::new(if method.is_known() { 405 } else { 501 })
}

/// A request inside a dialog that changes nothing.
pub(crate) fn in_dialog(method: &Method) -> Reply {
    if *method == Method::Options { options() } else { not_allowed(method) }
}
