//! The fields that hold addresses and nothing else.

use std::ops::Deref;

use bytes::{Bytes, BytesMut};

use super::{Header, Name, NameAddr};
use crate::error::Error;

macro_rules! addresses {
    ($($name:ident, $list:literal, $text:literal, $what:literal;)*) => {$(
        #[doc = $what]
        #[derive(Clone, Debug, Eq, PartialEq)]
        pub struct $name(pub NameAddr);

        impl Header for $name {
            const NAME: Name = Name::$name;
            const LIST: bool = $list;

            fn parse(value: &Bytes) -> Result<$name, Error> {
                NameAddr::parse_in($text, value).map($name)
            }

            fn render(&self, out: &mut BytesMut) {
                self.0.render(out);
            }
        }

        impl Deref for $name {
            type Target = NameAddr;

            fn deref(&self) -> &NameAddr {
                &self.0
            }
        }
    )*};
}

addresses! {
    From, false, "From", "Who sends (RFC 3261 §20.20).";
    To, false, "To", "Who is meant (RFC 3261 §20.39).";
    Route, true, "Route", "A stop on the way to the target (RFC 3261 §20.34).";
    RecordRoute, true, "Record-Route", "A stop that wants to stay on the way (RFC 3261 §20.30).";
    Path, true, "Path", "A stop between registrar and phone (RFC 3327).";
    ServiceRoute, true, "Service-Route", "A stop between phone and its services (RFC 3608).";
    ReferTo, false, "Refer-To", "Whom to call (RFC 3515).";
    ReferredBy, false, "Referred-By", "Who asks for it (RFC 3892).";
    PAssertedIdentity, true, "P-Asserted-Identity", "Who calls, says a trusted element (RFC 3325).";
    PPreferredIdentity, true, "P-Preferred-Identity", "As whom the caller wishes to appear (RFC 3325).";
    Diversion, true, "Diversion", "Who sent the call elsewhere (RFC 5806).";
    RemotePartyId, true, "Remote-Party-ID", "Who is at the other end, for phones older than RFC 3325 (draft-ietf-sip-privacy-04).";
    HistoryInfo, true, "History-Info", "One target that a request has had on its way (RFC 7044 §5).";
}
