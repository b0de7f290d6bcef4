//! UPDATE (RFC 3311), INFO (RFC 6086) and MESSAGE in a call: what changes or says something without an INVITE.

use std::time::Instant;

use rsip::{Header, Method, Request};

use super::Phone;
use super::audio::Law;
use super::description::Hold;
use super::message;
use super::talk::Stage;
use super::transaction::Purpose;

impl Phone {
    /// Sends an UPDATE in its newest call, ringing or not; with a description or without one.
    pub fn update(&mut self, now: Instant, describes: bool) {
        let Some(call) = self.talks.iter().rposition(|talk| talk.stage != Stage::Over) else { return };
        self.talks[call].version += u64::from(describes);
        let sdp = describes.then(|| self.describe(call));
        if let Some(request) = self.in_talk(call, Method::Update, Vec::new(), sdp) {
            self.request(now, request, Purpose::Change(call));
        }
    }

    /// Holds the other side by UPDATE, or takes it back, in its newest call, ringing or not.
    pub fn update_hold(&mut self, now: Instant, hold: Option<Hold>) {
        let Some(talk) = self.talks.iter_mut().rfind(|talk| talk.stage != Stage::Over) else { return };
        talk.hold_before = talk.hold;
        talk.hold = hold;
        self.update(now, true);
    }

    /// Goes over to these codecs in its running call.
    pub fn change_laws(&mut self, now: Instant, laws: &[Law]) {
        let Some(call) = self.talks.iter().rposition(|talk| talk.stage == Stage::Talking) else { return };
        self.setup.laws = laws.to_vec();
        self.ask_to_change(now, call);
    }

    /// The other side sends an UPDATE.
    pub(super) fn asked_to_update(&mut self, now: Instant, place: usize, call: usize, request: &Request) {
        self.servers[place].call = Some(call);
        if !self.manner.skills.update {
            self.complain("an UPDATE to a phone that does not know it");
            return self.respond(now, place, 405, None);
        }
        if self.finds_too_small(request) {
            return self.respond(now, place, 422, None);
        }
        if !request.body.is_empty() {
            return self.asked_to_change(now, place, call, request);
        }
        let talk = &mut self.talks[call];
        talk.timer.refreshed += 1;
        talk.named.extend(message::other(request, "P-Asserted-Identity"));
        if let Some(target) = message::contact(request) {
            talk.target = target;
        }
        self.respond(now, place, 200, None);
    }

    /// Says something in its newest call: INFO or MESSAGE.
    pub fn say(&mut self, now: Instant, method: Method, content_type: &str, body: &str) {
        let Some(call) = self.talks.iter().rposition(|talk| talk.stage != Stage::Over) else { return };
        let header = Header::ContentType(content_type.into());
        if let Some(mut request) = self.in_talk(call, method, Vec::new(), None) {
            request.headers.retain(|header| !matches!(header, Header::ContentLength(_)));
            request.headers.push(header);
            request.headers.push(Header::ContentLength(body.len().to_string().into()));
            request.body = body.as_bytes().to_vec();
            self.request(now, request, Purpose::Say(call));
        }
    }

    /// The other side says something.
    pub(super) fn told(&mut self, now: Instant, place: usize, call: usize, request: &Request) {
        self.servers[place].call = Some(call);
        let kind = request.headers.iter().find_map(|header| match header {
            Header::ContentType(kind) => Some(kind.to_string()),
            _ => None,
        });
        let kind = kind.unwrap_or_default().trim_start_matches("Content-Type: ").to_owned();
        self.talks[call].told.push((kind, String::from_utf8_lossy(&request.body).into_owned()));
        self.respond(now, place, self.manner.skills.info, None);
    }

    /// The version of the other side's session, as its description names it.
    pub(super) fn note_version(&mut self, call: usize, body: &[u8]) {
        let text = String::from_utf8_lossy(body);
        let origin = text.lines().find_map(|line| line.strip_prefix("o="));
        let version: Option<u64> = origin.and_then(|origin| origin.split(' ').nth(2)?.parse().ok());
        self.talks[call].versions.extend(version);
    }
}
