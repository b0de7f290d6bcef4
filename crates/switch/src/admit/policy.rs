//! Which method is let in how: one table.

use sip::Method;

/// How a request outside of a dialog, or one that comes over another flow than its dialog's, is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// With an Authorization; otherwise 401 with WWW-Authenticate: we are who the request is for (RFC 3261 §22.2).
    Server,
    /// With a Proxy-Authorization; otherwise 407 with Proxy-Authenticate: the request is for somebody behind us, and phones
    /// know us as the proxy on the way (RFC 3261 §22.3).
    Proxy,
    /// Not at all and without a word: these belong to an INVITE or to nothing, and cannot be challenged (RFC 3261 §22.1).
    Never,
}

/// Every method that the SIP layer knows. What is not here gets [`Policy::Proxy`].
pub const POLICIES: &[(Method, Policy)] = &[
    (Method::Invite, Policy::Proxy),
    (Method::Ack, Policy::Never),
    (Method::Bye, Policy::Proxy),
    (Method::Cancel, Policy::Never),
    (Method::Register, Policy::Server),
    (Method::Options, Policy::Server),
    (Method::Info, Policy::Proxy),
    (Method::Prack, Policy::Proxy),
    (Method::Update, Policy::Proxy),
    (Method::Refer, Policy::Proxy),
    (Method::Subscribe, Policy::Server),
    (Method::Notify, Policy::Proxy),
    (Method::Message, Policy::Proxy),
    (Method::Publish, Policy::Server),
];

/// The policy of a method.
#[must_use]
pub fn of(method: &Method) -> Policy {
    POLICIES.iter().find(|(known, _)| known == method).map_or(Policy::Proxy, |(_, policy)| *policy)
}
