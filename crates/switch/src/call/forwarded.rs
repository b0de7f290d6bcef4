//! Forwarded: what the phones and the history are told of a call that was sent on.
//!
//! The phone that rings hears who was meant at first and why it is not they who ring, in both ways that there are: Diversion
//! (RFC 5806), which older phones and carriers read, and History-Info (RFC 7044). The caller stays who it was.

use bytes::Bytes;
use domain::{CallEventKind, Tenant};
use sip::header::{ContactValue, Diversion, HistoryInfo, NameAddr, Reason};
use sip::{ContactPolicy, Flow, Header, Name, Reply, Response, Scheme, Uri};

use super::Call;
use super::effect::Context;
use super::leg::CallerState;
use crate::feature::forward::{Chain, Hop, Why};
use crate::limits;
use crate::routing;

/// Call Is Being Forwarded (RFC 3261 §21.1.3).
const FORWARDED: u16 = 181;

impl Call {
    /// The call is being sent on: the history writes it down, and the caller is told.
    pub(super) fn forwarded(&mut self, cx: &mut Context<'_>, hop: &Hop) {
        let detail = format!("{} to {} ({})", hop.from, hop.to, hop.why.as_str());
        self.record.event(cx, CallEventKind::Forwarded, Some(detail));
        if let CallerState::Invited { server } = self.caller.state {
            cx.respond(server, Reply::new(FORWARDED).contact(ContactPolicy::Dialog));
        }
    }
}

/// The number of the tenant's own that a redirection (3xx) names: the first Contact with the tenant's domain, or our address.
/// Where strangers' addresses are named, nothing follows them.
pub(super) fn redirection(cx: &Context<'_>, flow: &Flow, response: &Response) -> Option<String> {
    let tenant = &cx.snapshot()?.tenant;
    let contacts = response.headers().typed_all::<ContactValue>().take(limits::MAX_REDIRECTIONS);
    contacts.filter_map(Result::ok).find_map(|contact| number_of(cx, tenant, flow, &contact.address()?.uri))
}

fn number_of(cx: &Context<'_>, tenant: &Tenant, flow: &Flow, uri: &Uri) -> Option<String> {
    let host = uri.host();
    let ours = match (uri.scheme(), host.ip()) {
        (Scheme::Tel, _) => true,
        (Scheme::Sip | Scheme::Sips, Some(ip)) => ip == flow.local.ip() || cx.settings.rtp_advertised.names(ip),
        (Scheme::Sip | Scheme::Sips, None) => {
            let named = host.to_string();
            let named = named.trim_end_matches('.');
            std::iter::once(&tenant.domain).chain(&tenant.domains).any(|own| own.eq_ignore_ascii_case(named))
        }
        (Scheme::Other(_), _) => false,
    };
    ours.then(|| routing::number_of_uri(uri)).flatten()
}

/// What a phone is told of how a call came to it; nothing when it came straight.
pub(super) fn forwarding_headers(chain: &Chain, domain: &str) -> Vec<(Name, Bytes)> {
    let hops = chain.hops();
    let mut headers = Vec::with_capacity(2 * hops.len() + 1);
    // The last one who sent the call on comes first (RFC 5806 §4.1).
    for hop in hops.iter().rev() {
        let from = NameAddr::new(Uri::sip(Some(&hop.from), domain, None));
        let from = from.with_param("reason", Some(word(hop.why).as_bytes())).with_param("counter", Some(b"1"));
        headers.push((Name::Diversion, Diversion(from).to_bytes()));
    }
    let mut index = "1".to_owned();
    let mut before: Option<(String, Why)> = None;
    let numbers = hops.iter().map(|hop| (&hop.from, Some(hop.why))).chain(hops.last().map(|hop| (&hop.to, None)));
    for (number, left) in numbers {
        let mut uri = Uri::sip(Some(number), domain, None);
        if let Some((_, why)) = &before {
            uri = uri.with_param("cause", Some(&cause(*why).to_string()));
        }
        if let Some(why) = left {
            uri = uri.with_header("Reason", &Reason::sip(cause(why), "").to_bytes());
        }
        let mut entry = NameAddr::new(uri).with_param("index", Some(index.as_bytes()));
        if let Some((parent, _)) = &before {
            entry = entry.with_param("mp", Some(parent.as_bytes()));
        }
        headers.push((Name::HistoryInfo, HistoryInfo(entry).to_bytes()));
        if let Some(why) = left {
            before = Some((index.clone(), why));
            index.push_str(".1");
        }
    }
    headers
}

/// The reason of a Diversion (RFC 5806 §5.1).
fn word(why: Why) -> &'static str {
    match why {
        Why::Always => "unconditional",
        Why::Busy => "user-busy",
        Why::DoNotDisturb => "do-not-disturb",
        Why::NoAnswer => "no-answer",
        Why::NotRegistered => "unavailable",
        Why::Deflected => "deflection",
    }
}

/// The status that stands for a reason (RFC 4458 §2, RFC 7044 §10.2).
fn cause(why: Why) -> u16 {
    match why {
        Why::Always => 302,
        Why::Busy => 486,
        Why::NoAnswer => 408,
        Why::DoNotDisturb | Why::Deflected => 480,
        Why::NotRegistered => 503,
    }
}
