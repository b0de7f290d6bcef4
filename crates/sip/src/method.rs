//! Request methods (RFC 3261 §7.1 and the extensions that PBXs meet).

use std::fmt;

use bytes::Bytes;

use crate::error::{Error, malformed};
use crate::scan;

macro_rules! methods {
    ($($variant:ident = $text:literal, $what:literal;)*) => {
        /// A request method. Names are case-sensitive: `invite` is another method than `INVITE`.
        #[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub enum Method {
            $(#[doc = $what] $variant,)*
            /// Any other token, kept as it came.
            Other(Bytes),
        }

        impl Method {
            /// Every method this crate knows by name.
            pub const KNOWN: &'static [Method] = &[$(Method::$variant),*];

            /// The method as it stands on the wire.
            pub fn as_bytes(&self) -> &[u8] {
                match self {
                    $(Method::$variant => $text.as_bytes(),)*
                    Method::Other(name) => name,
                }
            }

            fn known(name: &[u8]) -> Option<Method> {
                $(if name == $text.as_bytes() { return Some(Method::$variant); })*
                None
            }
        }
    };
}

methods! {
    Invite = "INVITE", "Opens or changes a session (RFC 3261).";
    Ack = "ACK", "Confirms the final answer to an INVITE (RFC 3261).";
    Bye = "BYE", "Ends a session (RFC 3261).";
    Cancel = "CANCEL", "Withdraws an INVITE that has no final answer (RFC 3261).";
    Register = "REGISTER", "Binds a contact to an address of record (RFC 3261).";
    Options = "OPTIONS", "Asks what the other side can do (RFC 3261).";
    Info = "INFO", "Carries application data inside a dialog (RFC 6086).";
    Prack = "PRACK", "Acknowledges a reliable provisional answer (RFC 3262).";
    Update = "UPDATE", "Changes a session without touching the INVITE (RFC 3311).";
    Refer = "REFER", "Asks the other side to call somebody (RFC 3515).";
    Subscribe = "SUBSCRIBE", "Asks for news of a resource (RFC 6665).";
    Notify = "NOTIFY", "Brings news of a resource (RFC 6665).";
    Message = "MESSAGE", "An instant message (RFC 3428).";
    Publish = "PUBLISH", "Hands in event state (RFC 3903).";
}

impl Method {
    /// Reads a method. Fails when the bytes are not a token.
    pub fn parse(name: &Bytes) -> Result<Method, Error> {
        Method::within(name, 0, name.len())
    }

    /// Reads the method in a part of `bytes`, which only an unknown method goes on sharing.
    pub(crate) fn within(bytes: &Bytes, start: usize, end: usize) -> Result<Method, Error> {
        let name = &bytes[start..end];
        if let Some(known) = Method::known(name) {
            return Ok(known);
        }
        match scan::token_error(name) {
            None => Ok(Method::Other(bytes.slice(start..end))),
            Some(position) => malformed("method", position),
        }
    }

    /// The method as text; methods are ASCII.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// Whether this crate knows the method by name.
    pub fn is_known(&self) -> bool {
        !matches!(self, Method::Other(_))
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
