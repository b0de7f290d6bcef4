//! Names of header fields, long and compact.

use std::fmt;
use std::hash::{Hash, Hasher};

use bytes::Bytes;

/// The number of a known name; `OTHER` for all others.
pub(crate) type Id = u8;
pub(crate) const OTHER: Id = 255;

macro_rules! names {
    ($($variant:ident = $text:literal $($compact:literal)?;)*) => {
        /// The name of a header field. Compact forms are the same name; case does not count.
        #[derive(Clone)]
        #[expect(missing_docs, reason = "each variant is the field of that name")]
        pub enum Name {
            $($variant,)*
            /// A field this crate has no name for, spelt as it came.
            Other(Bytes),
        }

        #[derive(Clone, Copy)]
        enum Known { $($variant),* }

        const NAMES: &[&str] = &[$($text),*];

        /// The known name of each compact letter.
        const COMPACT: [Id; 26] = {
            let mut table = [OTHER; 26];
            $($(table[($compact - b'a') as usize] = Known::$variant as Id;)?)*
            table
        };

        impl Name {
            pub(crate) fn id(&self) -> Id {
                match self {
                    $(Name::$variant => Known::$variant as Id,)*
                    Name::Other(_) => OTHER,
                }
            }

            /// The name that `id` stands for; `text` is asked only when it is none of the known ones.
            pub(crate) fn from_id(id: Id, text: impl FnOnce() -> Bytes) -> Name {
                const VARIANTS: &[Name] = &[$(Name::$variant),*];
                match VARIANTS.get(usize::from(id)) {
                    Some(name) => name.clone(),
                    None => Name::Other(text()),
                }
            }
        }
    };
}

names! {
    Accept = "Accept";
    AcceptContact = "Accept-Contact" b'a';
    AcceptEncoding = "Accept-Encoding";
    AcceptLanguage = "Accept-Language";
    AlertInfo = "Alert-Info";
    Allow = "Allow";
    AllowEvents = "Allow-Events" b'u';
    AuthenticationInfo = "Authentication-Info";
    Authorization = "Authorization";
    CallId = "Call-ID" b'i';
    CallInfo = "Call-Info";
    Contact = "Contact" b'm';
    ContentDisposition = "Content-Disposition";
    ContentEncoding = "Content-Encoding" b'e';
    ContentLanguage = "Content-Language";
    ContentLength = "Content-Length" b'l';
    ContentType = "Content-Type" b'c';
    CSeq = "CSeq";
    Date = "Date";
    Diversion = "Diversion";
    ErrorInfo = "Error-Info";
    Event = "Event" b'o';
    Expires = "Expires";
    FlowTimer = "Flow-Timer";
    From = "From" b'f';
    HistoryInfo = "History-Info";
    Identity = "Identity" b'y';
    InReplyTo = "In-Reply-To";
    Join = "Join";
    MaxForwards = "Max-Forwards";
    MimeVersion = "MIME-Version";
    MinExpires = "Min-Expires";
    MinSe = "Min-SE";
    Organization = "Organization";
    PAccessNetworkInfo = "P-Access-Network-Info";
    PAssertedIdentity = "P-Asserted-Identity";
    PCalledPartyId = "P-Called-Party-ID";
    PPreferredIdentity = "P-Preferred-Identity";
    Path = "Path";
    Priority = "Priority";
    Privacy = "Privacy";
    ProxyAuthenticate = "Proxy-Authenticate";
    ProxyAuthorization = "Proxy-Authorization";
    ProxyRequire = "Proxy-Require";
    RAck = "RAck";
    Reason = "Reason";
    RecordRoute = "Record-Route";
    ReferSub = "Refer-Sub";
    ReferTo = "Refer-To" b'r';
    ReferredBy = "Referred-By" b'b';
    RejectContact = "Reject-Contact" b'j';
    RemotePartyId = "Remote-Party-ID";
    Replaces = "Replaces";
    ReplyTo = "Reply-To";
    RequestDisposition = "Request-Disposition" b'd';
    Require = "Require";
    RetryAfter = "Retry-After";
    Route = "Route";
    RSeq = "RSeq";
    Server = "Server";
    ServiceRoute = "Service-Route";
    SessionExpires = "Session-Expires" b'x';
    SipEtag = "SIP-ETag";
    SipIfMatch = "SIP-If-Match";
    Subject = "Subject" b's';
    SubscriptionState = "Subscription-State";
    Supported = "Supported" b'k';
    TargetDialog = "Target-Dialog";
    Timestamp = "Timestamp";
    To = "To" b't';
    Unsupported = "Unsupported";
    UserAgent = "User-Agent";
    Via = "Via" b'v';
    Warning = "Warning";
    WwwAuthenticate = "WWW-Authenticate";
}

/// Where the search for a name of these bytes begins. Length and three letters tell known names apart; the factors are such that
/// today no two of them meet.
const fn slot(name: &[u8]) -> u8 {
    let first = name[0].to_ascii_lowercase();
    let last = name[name.len() - 1].to_ascii_lowercase();
    let middle = name[name.len() / 2].to_ascii_lowercase();
    (name.len() as u8).wrapping_mul(233) ^ first.wrapping_mul(76) ^ last.wrapping_mul(156) ^ middle.wrapping_mul(164)
}

/// An open-addressed table of the long names; `OTHER` marks a free place.
const TABLE: [Id; 256] = {
    assert!(NAMES.len() < 128, "the table must stay half empty");
    let mut table = [OTHER; 256];
    let mut id = 0;
    while id < NAMES.len() {
        let mut at = slot(NAMES[id].as_bytes());
        while table[at as usize] != OTHER {
            at = at.wrapping_add(1);
        }
        table[at as usize] = id as Id;
        id += 1;
    }
    table
};

/// The known name that these bytes spell, or `OTHER`.
pub(crate) fn lookup(name: &[u8]) -> Id {
    match name {
        [] => OTHER,
        [letter] if letter.is_ascii_alphabetic() => COMPACT[usize::from(letter.to_ascii_lowercase() - b'a')],
        _ => {
            let mut at = slot(name);
            loop {
                let id = TABLE[usize::from(at)];
                if id == OTHER {
                    return OTHER;
                }
                // Nearly everybody writes names as the RFCs do, and comparing bytes is cheaper than folding their case.
                let known = NAMES[usize::from(id)].as_bytes();
                if known == name || known.eq_ignore_ascii_case(name) {
                    return id;
                }
                at = at.wrapping_add(1);
            }
        }
    }
}

impl Name {
    /// The name that these bytes spell, long or compact.
    pub fn parse(name: &Bytes) -> Name {
        Name::from_id(lookup(name), || name.clone())
    }

    /// The long form, as it is written.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Name::Other(name) => name,
            known => NAMES[usize::from(known.id())].as_bytes(),
        }
    }

    /// The long form as text; empty when a peer wrote something that is no text.
    pub fn as_str(&self) -> &str {
        match self {
            Name::Other(name) => std::str::from_utf8(name).unwrap_or_default(),
            known => NAMES[usize::from(known.id())],
        }
    }

    /// The long form for errors, which carry nothing that a peer wrote.
    pub(crate) fn label(&self) -> &'static str {
        NAMES.get(usize::from(self.id())).copied().unwrap_or("header")
    }
}

impl From<&str> for Name {
    fn from(name: &str) -> Name {
        Name::from_id(lookup(name.as_bytes()), || Bytes::copy_from_slice(name.as_bytes()))
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Name) -> bool {
        match (self, other) {
            (Name::Other(one), Name::Other(two)) => one.eq_ignore_ascii_case(two),
            (one, two) => one.id() == two.id(),
        }
    }
}

impl Eq for Name {}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id().hash(state);
        if let Name::Other(name) = self {
            name.to_ascii_lowercase().hash(state);
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.as_bytes()))
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_name_is_found_in_any_case() {
        for (id, name) in NAMES.iter().enumerate() {
            assert_eq!(usize::from(lookup(name.as_bytes())), id, "{name}");
            assert_eq!(usize::from(lookup(name.to_ascii_uppercase().as_bytes())), id, "{name}");
            assert_eq!(Name::from(*name).as_str(), *name);
        }
    }

    #[test]
    fn compact_letters_are_the_registered_ones() {
        let registered = [
            ("a", Name::AcceptContact),
            ("b", Name::ReferredBy),
            ("c", Name::ContentType),
            ("d", Name::RequestDisposition),
            ("e", Name::ContentEncoding),
            ("f", Name::From),
            ("i", Name::CallId),
            ("j", Name::RejectContact),
            ("k", Name::Supported),
            ("l", Name::ContentLength),
            ("m", Name::Contact),
            ("o", Name::Event),
            ("r", Name::ReferTo),
            ("s", Name::Subject),
            ("t", Name::To),
            ("u", Name::AllowEvents),
            ("v", Name::Via),
            ("x", Name::SessionExpires),
            ("y", Name::Identity),
        ];
        for (letter, name) in registered {
            assert_eq!(Name::from(letter), name);
            assert_eq!(Name::from(letter.to_ascii_uppercase().as_str()), name);
        }
        assert_eq!(Name::from("z"), Name::Other(Bytes::from_static(b"Z")));
    }
}
