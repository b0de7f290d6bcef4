//! Identity: whom a phone shows as the one at its other end (RFC 3325, Remote-Party-ID).
//!
//! A phone displays whom it dialled, or who called, until it is told of somebody else. Both headers say the same: newer phones
//! read P-Asserted-Identity (RFC 3325 §9.1), older ones Remote-Party-ID (draft-ietf-sip-privacy-04). Only extensions of the
//! tenant itself hear them, which is the trust domain of RFC 3325 §3.

use bytes::Bytes;
use sip::header::{NameAddr, PAssertedIdentity, Privacy, RemotePartyId};
use sip::{Header, Name, Reply, Response, Uri};

use super::Call;
use super::effect::Context;

/// What tells a phone who is at its other end. Nothing for somebody who is anonymous (RFC 3323 §4.1.1.3).
pub(crate) fn identity_headers(shown: &NameAddr) -> Vec<(Name, Bytes)> {
    if shown.uri.user().as_deref() == Some(b"anonymous") {
        return Vec::new();
    }
    let plain = NameAddr { params: sip::header::Params::default(), ..shown.clone() };
    let party = plain.clone().with_param("privacy", Some(b"off")).with_param("screen", Some(b"yes"));
    vec![
        (Name::PAssertedIdentity, PAssertedIdentity(plain).to_bytes()),
        // Without `party` a request names who calls, an answer who was called.
        (Name::RemotePartyId, RemotePartyId(party).to_bytes()),
    ]
}

/// Whether a phone asks that its user's name be kept back (RFC 3323 §4.2, RFC 3325 §9.3).
fn wants_privacy(response: &Response) -> bool {
    let mut asked = response.headers().typed_all::<Privacy>().flatten();
    asked.any(|privacy| ["id", "user", "header"].iter().any(|word| privacy.asks_for(word)))
}

impl Call {
    /// From now on the caller's phone hears of this extension as the one called.
    pub(super) fn name_called(&mut self, cx: &Context<'_>, number: &str) {
        let name = cx.snapshot().and_then(|snapshot| snapshot.extensions.get(number)?.display_name.as_deref());
        let called = NameAddr::new(Uri::sip(Some(number), &self.caller.domain, None));
        self.called = Some(called.with_display(name.unwrap_or_default().as_bytes()));
    }

    /// The phone called does not want its user to be named.
    pub(super) fn respect_privacy(&mut self, response: &Response) {
        if wants_privacy(response) {
            self.called = None;
        }
    }

    /// An answer to the caller that says who was called.
    pub(super) fn named(&self, reply: Reply) -> Reply {
        let headers = self.called.as_ref().map(identity_headers).unwrap_or_default();
        headers.into_iter().fold(reply, |reply, (name, value)| reply.header(name, value))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use sip::Name;
    use sip::header::NameAddr;

    use super::identity_headers;

    fn named(shown: &'static str) -> Vec<(Name, Bytes)> {
        identity_headers(&NameAddr::parse(&Bytes::from_static(shown.as_bytes())).unwrap())
    }

    #[test]
    fn both_headers_name_the_same_and_no_tag_is_told() {
        let pai = Bytes::from_static(b"\"Ann \\\"B\\\" C\" <sip:1001@alpha.test>");
        let party = Bytes::from([&pai[..], b";privacy=off;screen=yes"].concat());
        let expected = vec![(Name::PAssertedIdentity, pai), (Name::RemotePartyId, party)];
        assert_eq!(named("\"Ann \\\"B\\\" C\" <sip:1001@alpha.test>;tag=17"), expected);
    }

    #[test]
    fn nobody_is_named_who_is_anonymous() {
        assert_eq!(named("Anonymous <sip:anonymous@anonymous.invalid>"), vec![]);
    }
}
