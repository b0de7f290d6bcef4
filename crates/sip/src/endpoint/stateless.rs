//! Answers: what each carries, and those that leave nothing behind.

use std::net::SocketAddr;
use std::ops::RangeInclusive;

use bytes::Bytes;

use super::Endpoint;
use super::config::{ContactPolicy, Reply};
use crate::builder::ResponseBuilder;
use crate::capability::{self, ALLOW, SUPPORTED};
use crate::dialog::is_secure;
use crate::flow::{Flow, Transmit, Transport};
use crate::header::{ContactValue, Header, Name, NameAddr, RetryAfter, To, Via};
use crate::message::{Request, Response};
use crate::method::Method;
use crate::uri::Uri;

/// The port of a Via that names none (RFC 3261 §18.2.2).
const DEFAULT_PORT: u16 = 5060;

impl<I> Endpoint<I> {
    /// Answers without keeping anything. ACK never gets an answer. What is refused may come from a stranger, and to strangers
    /// the program does not give its name: it would tell a scanner where to look further.
    pub(super) fn refuse(&mut self, flow: Flow, request: &Request, reply: &Reply) {
        let tag = self.names.stateless_tag(request);
        let contact =
            (reply.contact == ContactPolicy::Dialog).then(|| self.contact(&flow, is_secure(request.uri(), &flow)));
        if let Some(transmit) = refusal(flow, request, &tag, reply, contact.as_ref()) {
            self.transmits.push_back(transmit);
        }
    }

    /// Answers with a word on when to come again: spread over the peers, but the same in every copy.
    pub(super) fn refuse_for_now(&mut self, flow: Flow, request: &Request, code: u16, seconds: RangeInclusive<u32>) {
        let width = seconds.end() - seconds.start() + 1;
        let seconds = seconds.start() + self.names.spread(request) % width;
        let reply = Reply::new(code).header(Name::RetryAfter, RetryAfter::new(seconds).to_bytes());
        self.refuse(flow, request, &reply);
    }

    /// Writes an answer (RFC 3261 §8.2.6, §12.1.1).
    pub(super) fn render(&self, flow: &Flow, request: &Request, tag: &[u8], reply: &Reply) -> Response {
        let contact =
            (reply.contact == ContactPolicy::Dialog).then(|| self.contact(flow, is_secure(request.uri(), flow)));
        write(flow, request, tag, reply, (contact.as_ref(), &self.config.server))
    }

    /// Our Contact as the peer on this flow reaches it. A `sips:` URI says by its scheme that TLS is meant (RFC 5630 §3.1.3).
    pub(super) fn contact(&self, flow: &Flow, secure: bool) -> ContactValue {
        let address = self.shown_address(flow);
        let uri = if secure { Uri::secure_at(address) } else { Uri::at(None, address) };
        ContactValue::Address(NameAddr::new(match flow.transport {
            Transport::Udp => uri,
            Transport::Tls if secure => uri,
            other => uri.with_param("transport", Some(other.uri_param())),
        }))
    }

    /// Our address as it stands in Via and Contact: what is advertised to this peer, on flows of the same family.
    pub(super) fn shown_address(&self, flow: &Flow) -> SocketAddr {
        let ip = self.config.advertised.facing(flow.remote.ip(), flow.local.ip());
        SocketAddr::new(ip, flow.local.port())
    }
}

/// An answer that leaves nothing behind, on its way; `None` for ACK, which has no answer.
pub(super) fn refusal(
    flow: Flow,
    request: &Request,
    tag: &[u8],
    reply: &Reply,
    contact: Option<&ContactValue>,
) -> Option<Transmit> {
    if *request.method() == Method::Ack {
        return None;
    }
    let response = write(&flow, request, tag, reply, (contact, ""));
    Some(Transmit { flow: reply_to(flow, request)?, bytes: response.bytes().clone() })
}

/// Writes an answer. Without a name of the program it carries no Server.
fn write(
    flow: &Flow,
    request: &Request,
    tag: &[u8],
    reply: &Reply,
    (contact, server): (Option<&ContactValue>, &str),
) -> Response {
    let headers = request.headers();
    let mut builder = ResponseBuilder::new(reply.code, reply.reason.as_deref());
    for (index, value) in headers.values(&Name::Via).enumerate() {
        let value = if index == 0 { received(&value, flow) } else { value };
        builder = builder.named(&Name::Via, value);
    }
    if makes_dialog(request, reply.code) {
        builder = builder.copy(headers, &Name::RecordRoute);
    }
    builder = builder.copy(headers, &Name::From);
    builder = match request.to() {
        Ok(to) if !to.has_tag() && reply.code > 100 => builder.header(&To(to.with_tag(tag))),
        _ => builder.copy(headers, &Name::To),
    };
    builder = builder.copy(headers, &Name::CallId).copy(headers, &Name::CSeq);
    if reply.code == 100 {
        builder = builder.copy(headers, &Name::Timestamp);
    }
    if let Some(contact) = contact {
        builder = builder.header(contact);
    }
    let has = |name: &Name| reply.headers.iter().any(|(given, _)| given == name);
    let told = capability::is_told_in_answer(request.method(), reply.code);
    if (told || capability::must_allow(reply.code)) && !has(&Name::Allow) {
        builder = builder.named(&Name::Allow, ALLOW);
    }
    if told && !has(&Name::Supported) {
        builder = builder.named(&Name::Supported, SUPPORTED);
    }
    for (name, value) in &reply.headers {
        builder = builder.named(name, value);
    }
    if reply.code > 100 && !server.is_empty() {
        builder = builder.named(&Name::Server, server);
    }
    if let Some((content_type, body)) = &reply.body {
        builder = builder.body(content_type, body.clone());
    }
    builder.build()
}

/// Whether the answer makes or may make a dialog.
fn makes_dialog(request: &Request, code: u16) -> bool {
    match request.method() {
        Method::Invite => (101..300).contains(&code),
        Method::Subscribe | Method::Refer => (200..300).contains(&code),
        _ => false,
    }
}

/// The top Via as it goes back: with the address we saw (RFC 3261 §18.2.1, RFC 3581 §4).
fn received(value: &Bytes, flow: &Flow) -> Bytes {
    let Ok(via) = Via::parse(value) else { return value.clone() };
    let asks = via.rport().is_some();
    if !asks && via.host.ip() == Some(flow.remote.ip()) {
        return value.clone();
    }
    let via = via.with_received(flow.remote.ip());
    if asks { via.with_rport(flow.remote.port()) } else { via }.to_bytes()
}

/// Where answers to a request go: back over its flow, to the port of the Via unless the peer asked for `rport`
/// (RFC 3261 §18.2.2, RFC 3581 §4). `maddr` is not followed: it would let a stranger aim our answers.
pub(super) fn reply_to(flow: Flow, request: &Request) -> Option<Flow> {
    let via = request.via().ok()?;
    let mut reply_to = flow;
    if via.rport().is_none() && !flow.transport.is_reliable() {
        reply_to.remote.set_port(via.port.filter(|port| *port != 0).unwrap_or(DEFAULT_PORT));
    }
    Some(reply_to)
}
