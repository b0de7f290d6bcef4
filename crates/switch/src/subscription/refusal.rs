//! Refusal: why a SUBSCRIBE or a PUBLISH is not taken, and what it is answered. One match for both.

use bytes::{Bytes, BytesMut};
use sip::header::MinExpires;
use sip::{Header, Name, Reply};

use super::package::{Package, allow_events};
use crate::limits;

/// Why a request of the event framework is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It cannot be read, or lacks what it needs.
    Bad,
    /// No package of ours (RFC 6665 §4.2.1.1).
    UnknownEvent,
    /// The tenant has no such number.
    UnknownResource,
    /// Whoever asks may not know, or may not say.
    NotYours,
    /// There are as many as there may be of one extension or one tenant.
    TooMany,
    /// There are as many as there may be.
    Full,
    /// Too short a lifetime.
    TooBrief,
    /// None of the documents that are accepted is one we write.
    NotAcceptable(Package),
    /// A document of another kind than the package has.
    UnknownDocument(Package),
    /// A document that is too long.
    TooLong,
    /// The entity tag is not, or no longer, known (RFC 3903 §6 step 3).
    UnknownTag,
    /// There is no such subscription.
    NoSubscription,
}

impl Refusal {
    /// The answer.
    pub(crate) fn reply(self) -> Reply {
        match self {
            Self::Bad => Reply::new(400),
            Self::UnknownEvent => Reply::new(489).header(Name::AllowEvents, allow_events()),
            Self::UnknownResource => Reply::new(404),
            Self::NotYours | Self::TooMany => Reply::new(403),
            Self::Full => Reply::new(503).header(Name::RetryAfter, Bytes::from(limits::RETRY_AFTER_S.to_string())),
            Self::TooBrief => {
                let mut value = BytesMut::new();
                MinExpires(limits::MIN_SUBSCRIPTION_S).render(&mut value);
                Reply::new(423).header(Name::MinExpires, value.freeze())
            }
            Self::NotAcceptable(package) => Reply::new(406).header(Name::Accept, package.accept()),
            Self::UnknownDocument(package) => Reply::new(415).header(Name::Accept, package.accept()),
            Self::TooLong => Reply::new(413),
            Self::UnknownTag => Reply::new(412),
            Self::NoSubscription => Reply::new(481),
        }
    }
}
