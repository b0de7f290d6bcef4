//! Messages of a phone, built and read through rsip.
//!
//! What rsip cannot do soundly stands here in plain text: it writes `qop` in quotes and reads no Content-Length.

use bytes::Bytes;
use rsip::headers::{ToTypedHeader, UntypedHeader};
use rsip::message::{HasHeaders, HeadersExt};
use rsip::services::DigestGenerator;
use rsip::{Header, Headers, Method, Request, Response, SipMessage, Uri};

/// What goes into every request.
pub(super) struct Draft<'a> {
    pub(super) method: Method,
    /// Request-URI.
    pub(super) uri: &'a str,
    /// Transport and `host:port` of the Via.
    pub(super) via: &'a str,
    pub(super) branch: &'a str,
    /// Whole From and To values, tags included.
    pub(super) from: &'a str,
    pub(super) to: &'a str,
    pub(super) call_id: &'a str,
    pub(super) cseq: u32,
    pub(super) contact: Option<&'a str>,
    pub(super) agent: &'a str,
}

impl Draft<'_> {
    /// The request. `sdp` is its body, when it has one.
    pub(super) fn build(&self, further: Vec<Header>, sdp: Option<String>) -> Result<Request, rsip::Error> {
        let mut headers: Headers = vec![
            Header::Via(format!("SIP/2.0/{};branch={};rport", self.via, self.branch).into()),
            Header::MaxForwards("70".into()),
            Header::From(self.from.into()),
            Header::To(self.to.into()),
            Header::CallId(self.call_id.into()),
            Header::CSeq(rsip::typed::CSeq { seq: self.cseq, method: self.method }.into()),
            Header::UserAgent(self.agent.into()),
        ]
        .into();
        headers.extend(self.contact.map(|contact| Header::Contact(contact.into())).into_iter().collect());
        headers.extend(further);
        let body = body(&mut headers, sdp);
        Ok(Request { method: self.method, uri: Uri::try_from(self.uri)?, version: rsip::Version::V2, headers, body })
    }
}

/// The answer to a request.
pub(super) fn answer(request: &Request, code: u16, to: &str, contact: Option<&str>, sdp: Option<String>) -> Response {
    let copied = |header: &&Header| {
        matches!(
            header,
            Header::Via(_) | Header::From(_) | Header::CallId(_) | Header::CSeq(_) | Header::RecordRoute(_)
        )
    };
    let mut headers: Headers = request.headers.iter().filter(copied).cloned().collect::<Vec<_>>().into();
    headers.push(Header::To(to.into()));
    headers.extend(contact.map(|contact| Header::Contact(contact.into())).into_iter().collect());
    let body = body(&mut headers, sdp);
    Response { status_code: code.into(), version: rsip::Version::V2, headers, body }
}

/// The ACK of a final answer that is no 2xx (RFC 3261 §17.1.1.3).
pub(super) fn acknowledge(invite: &Request, response: &Response) -> Result<Request, rsip::Error> {
    let kept = |header: &&Header| {
        matches!(
            header,
            Header::Via(_) | Header::From(_) | Header::CallId(_) | Header::MaxForwards(_) | Header::Route(_)
        )
    };
    let mut headers: Headers = invite.headers.iter().filter(kept).cloned().collect::<Vec<_>>().into();
    headers.push(Header::To(response.to_header()?.clone()));
    headers.push(Header::CSeq(rsip::typed::CSeq { seq: invite.cseq_header()?.seq()?, method: Method::Ack }.into()));
    let body = body(&mut headers, None);
    Ok(Request { method: Method::Ack, uri: invite.uri.clone(), version: rsip::Version::V2, headers, body })
}

/// The CANCEL of an INVITE (RFC 3261 §9.1).
pub(super) fn cancel(invite: &Request) -> Result<Request, rsip::Error> {
    let kept = |header: &&Header| {
        matches!(
            header,
            Header::Via(_)
                | Header::From(_)
                | Header::To(_)
                | Header::CallId(_)
                | Header::MaxForwards(_)
                | Header::Route(_)
        )
    };
    let mut headers: Headers = invite.headers.iter().filter(kept).cloned().collect::<Vec<_>>().into();
    headers.push(Header::CSeq(rsip::typed::CSeq { seq: invite.cseq_header()?.seq()?, method: Method::Cancel }.into()));
    let body = body(&mut headers, None);
    Ok(Request { method: Method::Cancel, uri: invite.uri.clone(), version: rsip::Version::V2, headers, body })
}

fn body(headers: &mut Headers, sdp: Option<String>) -> Vec<u8> {
    if sdp.is_some() {
        headers.push(Header::ContentType("application/sdp".into()));
    }
    let body = sdp.unwrap_or_default().into_bytes();
    headers.push(Header::ContentLength(body.len().to_string().into()));
    body
}

/// Reads a message and holds it to what every message must have (RFC 3261 §8.1.1, §20.14).
pub(super) fn read(bytes: &Bytes) -> Result<SipMessage, String> {
    let complain = |what: &str| format!("{what} in {:?}", String::from_utf8_lossy(bytes));
    let message = SipMessage::try_from(bytes.clone()).map_err(|error| complain(&format!("rsip finds {error}")))?;
    let mandatory = message.via_header().is_ok()
        && message.from_header().is_ok()
        && message.to_header().is_ok()
        && message.call_id_header().is_ok()
        && message.cseq_header().is_ok_and(|cseq| cseq.typed().is_ok());
    if !mandatory {
        return Err(complain("a mandatory header is missing"));
    }
    let length = message.headers().iter().find_map(|header| match header {
        Header::ContentLength(length) => length.value().trim().parse::<usize>().ok(),
        _ => None,
    });
    if length != Some(message.body().len()) {
        return Err(complain("a wrong Content-Length"));
    }
    match branch(&message) {
        Some(branch) if branch.starts_with("z9hG4bK") => Ok(message),
        _ => Err(complain("no branch of RFC 3261")),
    }
}

/// The branch of the topmost Via.
pub(super) fn branch(message: &impl HeadersExt) -> Option<String> {
    Some(message.via_header().ok()?.typed().ok()?.branch()?.value().to_owned())
}

/// The tag of the From.
pub(super) fn from_tag(message: &impl HeadersExt) -> Option<String> {
    Some(message.from_header().ok()?.tag().ok()??.value().to_owned())
}

/// The tag of the To.
pub(super) fn to_tag(message: &impl HeadersExt) -> Option<String> {
    Some(message.to_header().ok()?.tag().ok()??.value().to_owned())
}

/// The Call-ID.
pub(super) fn call_id(message: &impl HeadersExt) -> String {
    message.call_id_header().map(|call_id| call_id.value().to_owned()).unwrap_or_default()
}

/// Number and method of the CSeq.
pub(super) fn cseq(message: &impl HeadersExt) -> Option<(u32, Method)> {
    let typed = message.cseq_header().ok()?.typed().ok()?;
    Some((typed.seq, typed.method))
}

/// The URI of the first Contact.
pub(super) fn contact(message: &impl HeadersExt) -> Option<String> {
    Some(message.contact_header().ok()?.uri().ok()?.to_string())
}

/// A header that rsip does not know.
pub(super) fn other(message: &impl HasHeaders, name: &str) -> Option<String> {
    message.headers().iter().find_map(|header| match header {
        Header::Other(other, value) if other.eq_ignore_ascii_case(name) => Some(value.clone()),
        _ => None,
    })
}

/// The value of a header, whatever it is to rsip.
pub(super) fn line(message: &impl HasHeaders, name: &str) -> Option<String> {
    message.headers().iter().find_map(|header| {
        let text = header.to_string();
        let (given, value) = text.split_once(':')?;
        given.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

/// A challenge and how often it has been answered.
#[derive(Clone, Debug)]
pub(super) struct Challenge {
    challenge: rsip::typed::WwwAuthenticate,
    proxy: bool,
    uses: u8,
}

/// Uses of one nonce: more and rsip's `nc`, which is decimal, would differ from the hexadecimal one of RFC 7616.
const MOST_USES: u8 = 9;

impl Challenge {
    /// The first challenge of a 401 or 407 that can be answered with MD5.
    pub(super) fn of(response: &Response) -> Option<Challenge> {
        response.headers.iter().find_map(|header| {
            let (challenge, proxy) = match header {
                Header::WwwAuthenticate(value) => (value.typed().ok()?, false),
                Header::ProxyAuthenticate(value) => (value.typed().ok()?.0, true),
                _ => return None,
            };
            let md5 = matches!(challenge.algorithm, None | Some(rsip::headers::auth::Algorithm::Md5));
            (md5 && challenge.qop.is_some()).then_some(Challenge { challenge, proxy, uses: 0 })
        })
    }

    /// Whether it says that only the nonce was too old.
    pub(super) fn is_stale(&self) -> bool {
        self.challenge.stale.as_deref().is_some_and(|stale| stale.eq_ignore_ascii_case("true"))
    }

    /// Whether the nonce may be used once more.
    pub(super) fn is_fresh(&self) -> bool {
        self.uses < MOST_USES
    }

    /// The answer for one more request.
    pub(super) fn respond(&mut self, method: Method, uri: &Uri, login: (&str, &str), cnonce: &str) -> Header {
        self.uses += 1;
        let (username, password) = login;
        let nc = self.uses;
        let qop = rsip::headers::auth::AuthQop::Auth { cnonce: cnonce.to_owned(), nc };
        let response = DigestGenerator {
            username,
            password,
            nonce: &self.challenge.nonce,
            uri,
            realm: &self.challenge.realm,
            method: &method,
            qop: Some(&qop),
            algorithm: rsip::headers::auth::Algorithm::Md5,
        }
        .compute();
        let opaque = self.challenge.opaque.iter().map(|opaque| format!(", opaque=\"{opaque}\"")).collect::<String>();
        let value = format!(
            "Digest username=\"{username}\", realm=\"{}\", nonce=\"{}\", uri=\"{uri}\", response=\"{response}\", \
             algorithm=MD5, cnonce=\"{cnonce}\", qop=auth, nc={nc:08}{opaque}",
            self.challenge.realm, self.challenge.nonce
        );
        if self.proxy { Header::ProxyAuthorization(value.into()) } else { Header::Authorization(value.into()) }
    }
}
