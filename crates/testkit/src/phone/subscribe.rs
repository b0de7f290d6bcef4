//! What a phone watches: its subscriptions, what it is told, and what it publishes.

use std::time::{Duration, Instant};

use rsip::message::{HasHeaders, HeadersExt};
use rsip::{Header, Method, Request, Response};

use super::Phone;
use super::message::{self, Draft};
use super::transaction::Purpose;

/// A subscription of a phone.
#[derive(Clone, Debug)]
pub struct Watch {
    /// Value of its Event header.
    pub event: String,
    /// Final status of its newest SUBSCRIBE.
    pub code: Option<u16>,
    /// Seconds that the last 200 gave it.
    pub granted: Option<u32>,
    /// What it was told, in order.
    pub told: Vec<Told>,
    /// Whether the switch has said that nothing more will come.
    pub is_over: bool,
    /// What its NOTIFYs are answered with; nothing at all for 0.
    pub answers: u16,
    call_id: String,
    local: String,
    remote: String,
    target: String,
    cseq: u32,
    remote_cseq: Option<u32>,
}

/// What a NOTIFY said.
#[derive(Clone, Debug)]
pub struct Told {
    /// When it came.
    pub at: Instant,
    /// Value of Event.
    pub event: String,
    /// Value of Subscription-State.
    pub state: String,
    /// Value of Content-Type.
    pub content_type: String,
    /// Body.
    pub body: String,
}

/// The final answer to something a phone has asked.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status.
    pub code: u16,
    /// Names and values of its headers.
    pub headers: Vec<(String, String)>,
}

impl Answer {
    /// The value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

impl Told {
    /// The text between the first `<tag…>` and its end.
    #[must_use]
    pub fn text_of(&self, tag: &str) -> Option<&str> {
        let (_, rest) = self.body.split_once(&format!("<{tag}"))?;
        let (_, rest) = rest.split_once('>')?;
        rest.split_once(&format!("</{tag}>")).map(|(text, _)| text)
    }

    /// The value of the first attribute of this name.
    #[must_use]
    pub fn value_of(&self, attribute: &str) -> Option<&str> {
        let (_, rest) = self.body.split_once(&format!(" {attribute}=\""))?;
        rest.split_once('"').map(|(value, _)| value)
    }
}

impl Phone {
    /// Subscribes to a package of a URI; returns the place of the subscription.
    pub fn subscribe(&mut self, now: Instant, event: &str, uri: &str, expires: u32) -> usize {
        let (call_id, tag) = (self.random(), self.random());
        self.watches.push(Watch {
            event: event.to_owned(),
            code: None,
            granted: None,
            told: Vec::new(),
            is_over: false,
            answers: 200,
            call_id: format!("sub-{call_id:016x}"),
            local: format!("<{}>;tag={tag:016x}", self.setup.record()),
            remote: format!("<{uri}>"),
            target: uri.to_owned(),
            cseq: 0,
            remote_cseq: None,
        });
        let place = self.watches.len() - 1;
        self.resubscribe(now, place, expires);
        place
    }

    /// Subscribes again, or for the last time, in the dialog that there is.
    pub fn resubscribe(&mut self, now: Instant, place: usize, expires: u32) {
        let branch = self.fresh_branch();
        self.watches[place].cseq += 1;
        let watch = &self.watches[place];
        let contact = self.setup.contact();
        let made = Draft {
            method: Method::Subscribe,
            uri: &watch.target,
            via: &self.setup.via(),
            branch: &branch,
            from: &watch.local,
            to: &watch.remote,
            call_id: &watch.call_id,
            cseq: watch.cseq,
            contact: Some(&contact),
            agent: "desk phone",
        }
        .build(
            vec![
                Header::Event(watch.event.clone().into()),
                Header::Expires(expires.to_string().into()),
                Header::Supported("replaces".into()),
            ],
            None,
        );
        if let Some(request) = self.built(made) {
            self.request(now, request, Purpose::Subscribe(place));
        }
    }

    /// A phone that has restarted remembers none of its subscriptions.
    pub fn forget_watches(&mut self) {
        for watch in &mut self.watches {
            watch.call_id.clear();
        }
    }

    /// Sends a request that belongs to nothing and keeps its whole final answer.
    pub fn ask(&mut self, now: Instant, method: Method, uri: &str, headers: &[(&str, &str)], body: &str) {
        let (tag, call_id) = (self.random(), self.random());
        let contact = self.setup.contact();
        let made = Draft {
            method,
            uri,
            via: &self.setup.via(),
            branch: &self.fresh_branch(),
            from: &format!("<{}>;tag={tag:016x}", self.setup.record()),
            to: &format!("<{uri}>"),
            call_id: &format!("ask-{call_id:016x}"),
            cseq: 1,
            contact: Some(&contact),
            agent: "desk phone",
        }
        .build(
            headers.iter().map(|(name, value)| Header::Other((*name).to_owned(), (*value).to_owned())).collect(),
            None,
        );
        if let Some(mut request) = self.built(made) {
            request.headers.retain(|header| !matches!(header, Header::ContentLength(_)));
            request.headers.push(Header::ContentLength(body.len().to_string().into()));
            request.body = body.as_bytes().to_vec();
            self.request(now, request, Purpose::Ask);
        }
    }

    /// The CSeq of the next SUBSCRIBE of a subscription.
    pub(super) fn next_watch_cseq(&mut self, place: usize) -> u32 {
        self.watches[place].cseq += 1;
        self.watches[place].cseq
    }

    /// The final answer to a SUBSCRIBE, or none.
    pub(super) fn subscribed(&mut self, place: usize, code: u16, response: Option<&Response>) {
        self.watches[place].code = Some(code);
        let Some(response) = response.filter(|_| code == 200) else { return };
        let (to, contact) = (response.to_header().map(|to| to.to_string()), message::contact(response));
        let expires = header(response, "Expires").and_then(|value| value.parse().ok());
        let (Ok(to), Some(contact), Some(expires)) = (to, contact, expires) else {
            return self.complain(format!("a 200 to SUBSCRIBE without To, Contact or Expires: {response}"));
        };
        let watch = &mut self.watches[place];
        watch.granted = Some(expires);
        watch.target = contact;
        watch.remote = to.split_once(':').map_or(to.clone(), |(_, value)| value.trim().to_owned());
    }

    /// A NOTIFY of no call; what it is answered, 0 for nothing.
    pub(super) fn watched(&mut self, now: Instant, request: &Request) -> u16 {
        let value = |name: &str| header(request, name).unwrap_or_default();
        let told = Told {
            at: now,
            event: value("Event"),
            state: value("Subscription-State"),
            content_type: value("Content-Type"),
            body: String::from_utf8_lossy(&request.body).into_owned(),
        };
        if told.event.is_empty() || told.state.is_empty() || message::contact(request).is_none() {
            self.complain(format!("a NOTIFY without Event, Subscription-State or Contact: {request}"));
        }
        let (call_id, tag) = (message::call_id(request), message::to_tag(request));
        let Some(tag) = tag else {
            self.unasked.push(told);
            return 200;
        };
        let own = |watch: &&mut Watch| watch.call_id == call_id && watch.local.ends_with(&format!(";tag={tag}"));
        let number = message::cseq(request).map(|(number, _)| number);
        let Some(watch) = self.watches.iter_mut().find(own) else { return 481 };
        if watch.answers == 0 {
            return 0;
        }
        // A NOTIFY that was overtaken by a later one (RFC 3261 §12.2.2).
        if watch.remote_cseq >= number {
            return 500;
        }
        watch.remote_cseq = number;
        watch.is_over |= told.state.starts_with("terminated");
        watch.told.push(told);
        watch.answers
    }
}

/// An answer as it is kept.
pub(super) fn kept(response: &Response) -> Answer {
    let split = |header: &Header| {
        let text = header.to_string();
        let (name, value) = text.split_once(':')?;
        Some((name.trim().to_owned(), value.trim().to_owned()))
    };
    Answer { code: response.status_code.code(), headers: response.headers.iter().filter_map(split).collect() }
}

/// How long after `since` a subscription was told something with this state of a dialog.
#[must_use]
pub fn told_within(watch: &Watch, since: Instant, state: &str) -> Option<Duration> {
    let told = watch.told.iter().filter(|told| told.at >= since);
    let mut matching = told.filter(|told| told.body.contains(&format!("<state>{state}</state>")));
    matching.next().map(|told| told.at - since)
}

/// The value of a header, whatever rsip makes of it.
pub(super) fn header(message: &impl HasHeaders, name: &str) -> Option<String> {
    message.headers().iter().find_map(|header| {
        let text = header.to_string();
        let (found, value) = text.split_once(':')?;
        found.trim().eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}
