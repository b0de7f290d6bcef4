//! Transfers as a phone makes them (RFC 3515, RFC 3891): REFER, what it is told of it, and an INVITE that takes somebody's place.

use std::time::Instant;

use rsip::{Header, Method, Request};

use super::Phone;
use super::message;
use super::probe::DialogIds;
use super::talk::{Role, Stage};
use super::transaction::Purpose;

impl Phone {
    /// Transfers its newest running call to a number.
    pub fn transfer(&mut self, now: Instant, number: &str) {
        let to = format!("<sip:{number}@{}>", self.setup.domain);
        self.refer(now, to);
    }

    /// Sends a REFER with this Refer-To in its newest running call.
    pub fn refer(&mut self, now: Instant, refer_to: String) {
        if let Some(call) = self.talks.iter().rposition(|talk| talk.stage == Stage::Talking) {
            self.send_refer(now, call, refer_to);
        }
    }

    /// Joins the other sides of its two newest calls: the older one runs, the newer one may still ring.
    pub fn join_calls(&mut self, now: Instant) {
        let mut open = self.talks.iter().enumerate().rev().filter(|(_, talk)| talk.stage != Stage::Over);
        let (Some((second, _)), Some((first, _))) = (open.next(), open.next()) else { return };
        let talk = &self.talks[second];
        let tag = talk.local.rsplit(";tag=").next().unwrap_or_default();
        let theirs = talk.remote_tag.clone().unwrap_or_default();
        let call_id = talk.call_id.replace('@', "%40");
        let target = talk.remote.trim_matches(|character| matches!(character, '<' | '>')).to_owned();
        let target = target.rsplit('<').next().unwrap_or_default().to_owned();
        let refer_to = format!("<{target}?Replaces={call_id}%3Bto-tag%3D{theirs}%3Bfrom-tag%3D{tag}>");
        self.send_refer(now, first, refer_to);
    }

    fn send_refer(&mut self, now: Instant, call: usize, refer_to: String) {
        let by = format!("<{}>", self.setup.record());
        let further = vec![Header::Other("Refer-To".into(), refer_to), Header::Other("Referred-By".into(), by)];
        if let Some(request) = self.in_talk(call, Method::Refer, further, None) {
            self.request(now, request, Purpose::Say(call));
        }
    }

    /// Calls a number in the place of who is behind a dialog. The tags stand as whoever owns the far end of the dialog names them;
    /// `as_watched` turns them round.
    pub fn dial_replacing(&mut self, now: Instant, number: &str, ids: &DialogIds, as_watched: bool, early_only: bool) {
        let tag = |end: &str| end.rsplit(";tag=").next().unwrap_or_default().to_owned();
        let (own, other) = (tag(&ids.from), tag(&ids.to));
        let (to_tag, from_tag) = if as_watched { (own, other) } else { (other, own) };
        let early = if early_only { ";early-only" } else { "" };
        let replaces = format!("{};to-tag={to_tag};from-tag={from_tag}{early}", ids.call_id);
        let call = self.dial_with(now, number, vec![Header::Other("Replaces".into(), replaces)]);
        self.talks[call].replaces = true;
    }

    /// What comes of its REFER.
    pub(super) fn notified(&mut self, now: Instant, place: usize, call: usize, request: &Request) {
        let package = message::line(request, "Event").unwrap_or_default();
        let state = message::line(request, "Subscription-State").unwrap_or_default();
        let status = sip::package::fragment_status(&request.body);
        let Some(status) = status.filter(|_| package.starts_with("refer")) else {
            self.complain(format!("a NOTIFY of {package:?}"));
            return self.respond(now, place, 489, None);
        };
        let ends = status >= 200;
        if ends != state.starts_with("terminated") {
            self.complain(format!("a NOTIFY of {status} that is {state}"));
        }
        self.talks[call].news.push(status);
        self.respond(now, place, 200, None);
        if ends && (200..300).contains(&status) && self.talks[call].stage == Stage::Talking && self.manner.leaves {
            self.bye(now, call);
        }
    }

    /// Whether it takes part in more than one call.
    pub fn open_calls(&self) -> usize {
        self.talks.iter().filter(|talk| talk.stage != Stage::Over).count()
    }

    /// The role it has in its newest call.
    pub fn role(&self) -> Option<Role> {
        self.talks.last().map(|talk| talk.role)
    }
}
