//! The session timer of a phone (RFC 4028), in its own words.

use std::time::{Duration, Instant};

use rsip::message::HasHeaders;
use rsip::{Header, Method, Request, Response};

use super::Phone;
use super::message;
use super::skill::{Refreshes, names};
use super::talk::Stage;
use super::transaction::Purpose;

/// What a call knows of its session timer.
#[derive(Clone, Debug, Default)]
pub struct TalkTimer {
    /// The interval in force, in seconds.
    pub interval_s: Option<u32>,
    /// Whether it is this phone that refreshes.
    pub is_ours: bool,
    /// How often the other side has refreshed or changed the session.
    pub refreshed: usize,
    pub(super) refresh_at: Option<Instant>,
    pub(super) expires_at: Option<Instant>,
    min_se_s: u32,
}

/// An interval, and whether the side that sent the request refreshes, as a message names them.
fn named(message: &impl HasHeaders) -> Option<(u32, Option<bool>)> {
    let value = message::other(message, "Session-Expires")?;
    let (seconds, params) = value.split_once(';').unwrap_or((&value, ""));
    let refresher = params.strip_prefix("refresher=").map(|side| side == "uac");
    Some((seconds.trim().parse().ok()?, refresher))
}

fn min_se(message: &impl HasHeaders) -> Option<u32> {
    message::other(message, "Min-SE")?.parse().ok()
}

impl Phone {
    /// The timer that a request of the phone asks for.
    pub(super) fn wants_timer(&self, call: usize) -> Vec<Header> {
        let Some(skill) = self.manner.skills.timer else { return Vec::new() };
        let timer = &self.talks[call].timer;
        let side = match (skill.refreshes, timer.interval_s) {
            (_, Some(_)) if timer.is_ours => ";refresher=uac",
            (_, Some(_)) => ";refresher=uas",
            (Refreshes::Itself, None) => ";refresher=uac",
            (Refreshes::Other, None) => ";refresher=uas",
            (Refreshes::Unsaid, None) => "",
        };
        let seconds = skill.expires_s.max(timer.min_se_s);
        let mut headers = vec![Header::Other("Session-Expires".into(), format!("{seconds}{side}"))];
        if timer.min_se_s > 0 {
            headers.push(Header::Other("Min-SE".into(), timer.min_se_s.to_string()));
        }
        headers
    }

    /// What the phone's 2xx to a request says; starts the timer. `None` when the interval is too small.
    pub(super) fn takes_timer(&mut self, now: Instant, call: usize, request: &Request) -> Vec<Header> {
        let Some(skill) = self.manner.skills.timer.filter(|_| names(request, "timer", false)) else {
            return Vec::new();
        };
        let (seconds, asked) = named(request).unwrap_or((skill.expires_s, None));
        let theirs = asked.unwrap_or(skill.refreshes == Refreshes::Other);
        self.start_timer(now, call, seconds, !theirs);
        let side = if theirs { "uac" } else { "uas" };
        vec![
            Header::Require("timer".into()),
            Header::Other("Session-Expires".into(), format!("{seconds};refresher={side}")),
        ]
    }

    /// Whether a request asks for a shorter interval than the phone takes.
    pub(super) fn finds_too_small(&self, request: &Request) -> bool {
        let least = self.manner.skills.timer.map_or(0, |skill| skill.min_se_s);
        named(request).is_some_and(|(seconds, _)| seconds < least)
    }

    /// What the other side's 2xx to a request of the phone says.
    pub(super) fn timer_agreed(&mut self, now: Instant, call: usize, response: &Response) {
        if self.manner.skills.timer.is_none() {
            return;
        }
        match named(response) {
            Some((seconds, theirs)) => {
                if theirs.is_none() {
                    self.complain("a Session-Expires in an answer that names no refresher");
                }
                self.start_timer(now, call, seconds, theirs == Some(true));
            }
            None => {
                let timer = &mut self.talks[call].timer;
                (timer.interval_s, timer.refresh_at, timer.expires_at) = (None, None, None);
            }
        }
    }

    fn start_timer(&mut self, now: Instant, call: usize, seconds: u32, is_ours: bool) {
        let keeps = self.manner.skills.timer.is_some_and(|skill| skill.keeps_promises);
        let (timer, interval) = (&mut self.talks[call].timer, Duration::from_secs(seconds.into()));
        timer.interval_s = Some(seconds);
        timer.is_ours = is_ours;
        timer.refresh_at = (is_ours && keeps).then(|| now + interval / 2);
        timer.expires_at = (!is_ours).then(|| now + interval);
    }

    /// A 422: whether a longer interval can be asked for.
    pub(super) fn accepts_longer(&mut self, call: usize, response: &Response) -> bool {
        let timer = &mut self.talks[call].timer;
        let before = timer.min_se_s;
        timer.min_se_s = before.max(min_se(response).unwrap_or(0));
        timer.min_se_s > before
    }

    /// It is time to refresh: by UPDATE where the phone knows it, else by an INVITE with the same description.
    pub(super) fn refresh_session(&mut self, now: Instant, call: usize) {
        self.talks[call].timer.refresh_at = None;
        if self.talks[call].stage != Stage::Talking {
            return;
        }
        if self.talks[call].unacknowledged || self.is_changing(call) {
            self.talks[call].timer.refresh_at = Some(now + Duration::from_millis(500));
            return;
        }
        let update = self.manner.skills.update;
        let sdp = (!update).then(|| self.describe(call));
        let method = if update { Method::Update } else { Method::Invite };
        if let Some(request) = self.in_talk(call, method, Vec::new(), sdp) {
            let branch = self.request(now, request, Purpose::Change(call));
            if method == Method::Invite {
                self.talks[call].invite = branch;
            }
        }
    }

    /// Nobody has refreshed the session.
    pub(super) fn session_expired(&mut self, now: Instant, call: usize) {
        self.talks[call].timer.expires_at = None;
        if self.talks[call].stage == Stage::Talking {
            self.complain("a session that was not refreshed in time");
            self.talks[call].left = true;
            self.bye(now, call);
        }
    }
}
