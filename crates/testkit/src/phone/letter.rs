//! Letters: MESSAGE outside of any call (RFC 3428).

use std::time::Instant;

use rsip::headers::UntypedHeader;
use rsip::message::HeadersExt;
use rsip::{Header, Method, Request};

use super::Phone;
use super::message::{self, Draft};
use super::transaction::Purpose;

/// A message that a phone got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Its From, without the tag.
    pub from: String,
    /// Its Content-Type.
    pub content_type: String,
    /// Its body.
    pub body: String,
    /// Its Date.
    pub date: Option<String>,
}

/// How a phone takes letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Letters {
    /// With this status.
    Answers(u16),
    /// Without a word, as if it were not there.
    Ignores,
}

impl Phone {
    /// Sends a message to a number or a whole URI, and keeps its final status among the probes.
    pub fn write(&mut self, now: Instant, to: &str, content_type: &str, body: &str) {
        let uri = if to.contains(':') { to.to_owned() } else { format!("sip:{to}@{}", self.setup.domain) };
        let (tag, call_id) = (self.random(), self.random());
        let made = Draft {
            method: Method::Message,
            uri: &uri,
            via: &self.setup.via(),
            branch: &self.fresh_branch(),
            from: &format!("<{}>;tag={tag:016x}", self.setup.record()),
            to: &format!("<{uri}>"),
            call_id: &format!("letter-{call_id:016x}"),
            cseq: 1,
            contact: None,
            agent: "desk phone",
        }
        .build(Vec::new(), None);
        if let Some(mut request) = self.built(made) {
            request.headers.retain(|header| !matches!(header, Header::ContentLength(_)));
            request.headers.push(Header::ContentType(content_type.into()));
            request.headers.push(Header::ContentLength(body.len().to_string().into()));
            request.body = body.as_bytes().to_vec();
            self.request(now, request, Purpose::Probe);
        }
    }

    /// Somebody has written.
    pub(super) fn lettered(&mut self, now: Instant, place: usize, request: &Request) {
        if message::contact(request).is_some() {
            self.complain("a MESSAGE with a Contact (RFC 3428 §9)");
        }
        let Letters::Answers(code) = self.manner.letters else {
            // As if it had never come.
            self.servers.remove(place);
            return;
        };
        let from = request.from_header().map(|from| from.value().to_owned()).unwrap_or_default();
        let kind = request.headers.iter().find_map(|header| match header {
            Header::ContentType(kind) => Some(kind.value().to_owned()),
            _ => None,
        });
        let letter = Letter {
            from: from.split(";tag=").next().unwrap_or_default().to_owned(),
            content_type: kind.unwrap_or_default(),
            body: String::from_utf8_lossy(&request.body).into_owned(),
            date: request.headers.iter().find_map(|header| match header {
                Header::Date(date) => Some(date.value().to_owned()),
                _ => None,
            }),
        };
        if code < 300 {
            self.letters.push(letter);
        }
        self.respond(now, place, code, None);
    }
}
