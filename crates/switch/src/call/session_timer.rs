//! Session timer of one leg (RFC 4028): a session that is not refreshed ends, so that a peer which vanished is found even
//! when nobody is to be heard.
//!
//! ```text
//!                       2xx: we refresh                half the interval
//!   ┌──────┐ ───────────────────────────▶ ┌──────┐ ────────────────────▶ ┌────────┐
//!   │ Idle │            2xx               │ Ours │ ◀──────────────────── │ Asking │ ── 408, 481, no answer ─▶ end
//!   └──────┘ ─────┐     ┌───────────────▶ └──────┘  any other answer     └────────┘
//!                 ▼     │                     │                               │
//!                ┌────────┐ ◀─────────────────┘  2xx: the peer refreshes  ◀───┘
//!                │ Theirs │
//!                └────────┘    all three end the call min(32 s, interval / 3) before the interval is over
//! ```
//!
//! We offer to refresh wherever the peer leaves the choice to us: then nobody's call ends because of a phone that promised to
//! refresh and does not. A peer that knows no session timer is refreshed all the same, which tells us whether it is there;
//! without its promise such a session has no end of its own.

use std::time::{Duration, Instant};

use bytes::Bytes;
use sip::header::{MinSe, Params, Refresher, Require, SessionExpires};
use sip::{Header, Headers, Method, Name, Reply, Request, Response};

use super::effect::RequestKey;
use crate::limits;

/// The option tag.
const TIMER: &str = "timer";

/// The shortest interval of a peer that names none (RFC 4028 §5).
const DEFAULT_MIN_SE_S: u32 = 90;

/// Wait before a refresh that met another change is tried again (RFC 3261 §14.1), when the Call-ID is ours.
const GLARE_OURS: Duration = Duration::from_millis(2_500);

/// The same when the Call-ID is the peer's.
const GLARE_THEIRS: Duration = Duration::from_millis(900);

/// What the configuration says about session timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionTerms {
    /// The interval we ask for, in seconds; 0 asks for none.
    pub expires_s: u32,
    /// The shortest interval we take, in seconds.
    pub min_se_s: u32,
}

impl Default for SessionTerms {
    fn default() -> Self {
        Self { expires_s: 1_800, min_se_s: DEFAULT_MIN_SE_S }
    }
}

/// What a request of the peer says about its session timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Proposal {
    /// The interval it asks for, in seconds.
    seconds: Option<u32>,
    /// The shortest one it takes.
    min_se_s: u32,
    /// Who shall refresh.
    refresher: Option<Refresher>,
    /// Whether it knows session timers.
    supports: bool,
}

/// The interval of a peer is shorter than we take: the one that would do, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooSmall(u32);

impl TooSmall {
    /// The answer that says so (RFC 4028 §6).
    pub(crate) fn reply(self) -> Reply {
        Reply::new(422).header(Name::MinSe, seconds_of(self.0))
    }
}

/// Whether a first INVITE asks for a shorter interval than we take: refused before there is a call, since the phone comes again.
pub(crate) fn refuses(request: &Request, terms: SessionTerms) -> Option<Reply> {
    Proposal::of(request.headers(), terms).err().map(TooSmall::reply)
}

impl Proposal {
    /// Reads a request, or refuses its interval (RFC 4028 §9). A peer that does not know session timers cannot have meant it.
    pub(super) fn of(headers: &Headers, terms: SessionTerms) -> Result<Self, TooSmall> {
        let supports = [Name::Supported, Name::Require]
            .iter()
            .any(|name| headers.tokens(name).is_ok_and(|words| words.contains(TIMER)));
        let expires = headers.typed::<SessionExpires>().and_then(Result::ok).filter(|_| supports);
        let seconds = expires.as_ref().map(|expires| expires.seconds);
        if seconds.is_some_and(|seconds| seconds < terms.min_se_s) {
            return Err(TooSmall(terms.min_se_s));
        }
        let refresher = expires.and_then(|expires| expires.refresher);
        Ok(Self { seconds, min_se_s: min_se(headers).unwrap_or(DEFAULT_MIN_SE_S), refresher, supports })
    }
}

fn min_se(headers: &Headers) -> Option<u32> {
    let named = headers.typed::<MinSe>()?.ok()?;
    Some(named.seconds.min(limits::MAX_SESSION_S))
}

/// Who refreshes, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// There is no timer, or no 2xx yet.
    Idle,
    /// We refresh. Without `end_at` the peer knows no session timer.
    Ours { refresh_at: Instant, end_at: Option<Instant> },
    /// Our refresh is on its way.
    Asking { request: RequestKey, method: Asked, end_at: Option<Instant>, since: Instant },
    /// The peer refreshes.
    Theirs { end_at: Instant },
}

/// How we refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// By UPDATE, which touches nothing else.
    Update,
    /// By an INVITE with the description as it stands.
    Invite,
}

/// What a deadline or an answer asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// A refresh shall be sent now.
    Refresh,
    /// The peer is not there any more.
    End,
}

/// The session timer of one leg.
#[derive(Clone, Debug)]
pub(super) struct SessionTimer {
    state: State,
    /// The interval in force, in seconds.
    seconds: u32,
    /// The longest Min-SE that the peer has named, in seconds.
    min_se_s: u32,
    /// Whether the peer takes UPDATE (its Allow).
    takes_update: bool,
    /// Whether the Call-ID of the leg is ours.
    owns_call_id: bool,
    /// What the INVITE of the peer that waits for our 2xx asks for.
    proposal: Option<Proposal>,
}

impl SessionTimer {
    /// The timer of a leg whose dialog the peer began. An interval that is too small has been refused before.
    pub(super) fn of_invite(request: &Request, terms: SessionTerms) -> Self {
        let mut timer = Self::new(false);
        if let Ok(proposal) = Proposal::of(request.headers(), terms) {
            timer.invited(proposal, request.headers());
        }
        timer
    }

    /// The timer of a leg whose dialog we began.
    pub(super) fn of_callee() -> Self {
        Self::new(true)
    }

    fn new(owns_call_id: bool) -> Self {
        Self {
            state: State::Idle,
            seconds: 0,
            min_se_s: DEFAULT_MIN_SE_S,
            takes_update: false,
            owns_call_id,
            proposal: None,
        }
    }

    /// Takes from any message of the peer whether it knows UPDATE (RFC 3311 §4). A message without Allow says nothing.
    pub(super) fn learn_allow(&mut self, headers: &Headers) {
        if headers.contains(&Name::Allow) {
            self.takes_update =
                headers.tokens(&Name::Allow).is_ok_and(|words| words.iter().any(|word| &word[..] == b"UPDATE"));
        }
    }

    /// The peer has refused an UPDATE as something it does not know.
    pub(super) fn forget_update(&mut self) {
        self.takes_update = false;
    }

    /// Whether the peer takes UPDATE.
    pub(super) fn takes_update(&self) -> bool {
        self.takes_update
    }

    /// What an INVITE or UPDATE of ours says (RFC 4028 §7.1).
    pub(super) fn headers(&self, terms: SessionTerms) -> Vec<(Name, Bytes)> {
        if terms.expires_s == 0 {
            return Vec::new();
        }
        let refresher = match self.state {
            State::Theirs { .. } => Refresher::Uas,
            State::Idle | State::Ours { .. } | State::Asking { .. } => Refresher::Uac,
        };
        // Once agreed, an interval stays what it is (RFC 4028 §7.4).
        let seconds = if self.state == State::Idle { terms.expires_s } else { self.seconds };
        let seconds = seconds.max(self.min_se_s);
        let mut headers = vec![(Name::SessionExpires, expires(seconds, refresher))];
        if self.min_se_s > DEFAULT_MIN_SE_S {
            headers.push((Name::MinSe, seconds_of(self.min_se_s)));
        }
        headers
    }

    /// The peer has sent an INVITE, which may be accepted later.
    pub(super) fn invited(&mut self, proposal: Proposal, headers: &Headers) {
        self.learn_allow(headers);
        self.proposal = Some(proposal);
    }

    /// Begins anew with the last INVITE of the peer, which we are about to accept; returns what the 2xx says.
    pub(super) fn accept_invited(&mut self, now: Instant, terms: SessionTerms) -> Vec<(Name, Bytes)> {
        match self.proposal.take() {
            Some(proposal) => self.accept(now, terms, proposal),
            None => Vec::new(),
        }
    }

    /// Begins anew with a request of the peer that we are about to accept; returns what the 2xx says (RFC 4028 §9, table 2).
    pub(super) fn accept(&mut self, now: Instant, terms: SessionTerms, proposal: Proposal) -> Vec<(Name, Bytes)> {
        self.min_se_s = self.min_se_s.max(proposal.min_se_s);
        let most = terms.expires_s.max(proposal.min_se_s);
        // An interval may be shortened and never be lengthened.
        self.seconds = match (proposal.seconds, terms.expires_s) {
            (Some(asked), 0) => asked,
            (Some(asked), _) => asked.min(most),
            (None, 0) => {
                self.state = State::Idle;
                return Vec::new();
            }
            (None, _) => most,
        };
        if !proposal.supports {
            self.refresh_ours(now, false);
            return Vec::new();
        }
        let refresher = proposal.refresher.unwrap_or(Refresher::Uas);
        match refresher {
            Refresher::Uac => self.refresh_theirs(now),
            Refresher::Uas => self.refresh_ours(now, true),
        }
        vec![
            (Name::Require, Require::new([TIMER]).to_bytes()),
            (Name::SessionExpires, expires(self.seconds, refresher)),
        ]
    }

    /// Begins anew with the 2xx to an INVITE or UPDATE of ours (RFC 4028 §7.2).
    pub(super) fn accepted(&mut self, now: Instant, terms: SessionTerms, response: &Response) {
        self.learn_allow(response.headers());
        let told = response.headers().typed::<SessionExpires>().and_then(Result::ok);
        match told {
            // An interval that nobody may ask for would be a storm of refreshes.
            Some(told) => {
                self.seconds = told.seconds.clamp(DEFAULT_MIN_SE_S.min(terms.min_se_s), limits::MAX_SESSION_S);
                match told.refresher {
                    Some(Refresher::Uas) => self.refresh_theirs(now),
                    Some(Refresher::Uac) | None => self.refresh_ours(now, true),
                }
            }
            None if terms.expires_s == 0 => self.state = State::Idle,
            None => {
                self.seconds = terms.expires_s;
                self.refresh_ours(now, false);
            }
        }
    }

    /// A peer finds our interval too small: whether a longer one that it names may be tried (RFC 4028 §7.3).
    pub(super) fn raise(&mut self, response: &Response) -> bool {
        let before = self.min_se_s;
        self.min_se_s = before.max(min_se(response.headers()).unwrap_or(0));
        self.min_se_s > before
    }

    fn refresh_ours(&mut self, now: Instant, promised: bool) {
        let refresh_at = now + Duration::from_secs(u64::from(self.seconds)) / 2;
        self.begin(State::Ours { refresh_at, end_at: promised.then(|| self.end_at(now)) });
    }

    fn refresh_theirs(&mut self, now: Instant) {
        self.begin(State::Theirs { end_at: self.end_at(now) });
    }

    /// A refresh that is on its way decides, when it is answered, who comes next; it has the new interval's time.
    fn begin(&mut self, fresh: State) {
        match (&mut self.state, fresh) {
            (State::Asking { end_at, .. }, State::Theirs { end_at: at }) => *end_at = Some(at),
            (State::Asking { end_at, .. }, State::Ours { end_at: at, .. }) => *end_at = at,
            _ => self.state = fresh,
        }
    }

    /// When the call ends without a refresh (RFC 4028 §10).
    fn end_at(&self, now: Instant) -> Instant {
        let interval = Duration::from_secs(u64::from(self.seconds));
        now + interval - (interval / 3).min(Duration::from_secs(32))
    }

    /// When [`SessionTimer::handle_timeout`] is wanted.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Idle => None,
            State::Ours { refresh_at, end_at } => Some(end_at.map_or(refresh_at, |end_at| end_at.min(refresh_at))),
            State::Asking { end_at, .. } => end_at,
            State::Theirs { end_at } => Some(end_at),
        }
    }

    /// What is due. A refresh that cannot be sent at the moment comes due again soon.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Option<Due> {
        match &mut self.state {
            State::Ours { end_at: Some(end_at), .. }
            | State::Asking { end_at: Some(end_at), .. }
            | State::Theirs { end_at }
                if *end_at <= now =>
            {
                self.state = State::Idle;
                Some(Due::End)
            }
            State::Ours { refresh_at, .. } if *refresh_at <= now => {
                *refresh_at = now + limits::REFRESH_AGAIN;
                Some(Due::Refresh)
            }
            State::Idle | State::Ours { .. } | State::Asking { .. } | State::Theirs { .. } => None,
        }
    }

    /// Our refresh goes out, by the method that [`SessionTimer::takes_update`] allows.
    pub(super) fn asking(&mut self, now: Instant, request: RequestKey, method: Asked) {
        if let State::Ours { end_at, .. } = self.state {
            self.state = State::Asking { request, method, end_at, since: now };
        }
    }

    /// The refresh that is on its way.
    pub(super) fn pending(&self) -> Option<(RequestKey, Asked)> {
        match self.state {
            State::Asking { request, method, .. } => Some((request, method)),
            State::Idle | State::Ours { .. } | State::Theirs { .. } => None,
        }
    }

    /// The final answer to our refresh.
    pub(super) fn answered(&mut self, now: Instant, terms: SessionTerms, response: &Response) -> Option<Due> {
        let State::Asking { method, end_at, since, .. } = self.state else { return None };
        let glare = if self.owns_call_id { GLARE_OURS } else { GLARE_THEIRS };
        let again = |after: Duration| State::Ours { refresh_at: now + after, end_at };
        match response.code() {
            200..=299 => {
                self.state = State::Idle;
                self.accepted(now, terms, response);
                None
            }
            408 | 481 => {
                self.state = State::Idle;
                Some(Due::End)
            }
            422 if self.raise(response) => {
                self.state = again(Duration::ZERO);
                Some(Due::Refresh)
            }
            405 | 501 if method == Asked::Update => {
                self.takes_update = false;
                self.state = again(Duration::ZERO);
                Some(Due::Refresh)
            }
            491 => {
                self.state = again(glare);
                None
            }
            // It is there, and that is all we wanted to know of a peer that promised nothing.
            _ if end_at.is_none() => {
                self.state = State::Idle;
                self.refresh_ours(since, false);
                None
            }
            _ => {
                self.state = again(limits::REFRESH_AGAIN);
                None
            }
        }
    }
}

/// An interval as Min-SE names it (RFC 4028 §5).
fn seconds_of(min_se_s: u32) -> Bytes {
    MinSe { seconds: min_se_s, params: Params::default() }.to_bytes()
}

fn expires(seconds: u32, refresher: Refresher) -> Bytes {
    SessionExpires { seconds, refresher: Some(refresher), params: Params::default() }.to_bytes()
}

impl Asked {
    /// The method.
    pub(super) fn method(self) -> Method {
        match self {
            Self::Update => Method::Update,
            Self::Invite => Method::Invite,
        }
    }
}

#[cfg(test)]
mod tests {
    use sip::Message;

    use super::*;

    const TERMS: SessionTerms = SessionTerms { expires_s: 1_800, min_se_s: 90 };

    fn start() -> Instant {
        #[expect(
            clippy::disallowed_methods,
            reason = "an Instant can be had in no other way; its value does not matter"
        )]
        Instant::now()
    }

    fn message(first: &str, extra: &str) -> Message {
        let text = format!(
            "{first}\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\n\
             Call-ID: x\r\nCSeq: 1 INVITE\r\n{extra}\r\n"
        );
        Message::parse_datagram(text.into_bytes().into()).unwrap()
    }

    fn proposal(extra: &str) -> Result<Proposal, TooSmall> {
        let Message::Request(request) = message("INVITE sip:c@d SIP/2.0", extra) else { panic!("a request") };
        Proposal::of(request.headers(), TERMS)
    }

    fn response(code: u16, extra: &str) -> Response {
        let Message::Response(response) = message(&format!("SIP/2.0 {code} Yes"), extra) else { panic!("a response") };
        response
    }

    /// The headers of our 2xx to a request, and when the timer wants to be woken first.
    fn accepted(extra: &str) -> (Vec<String>, Option<u64>) {
        let (now, mut timer) = (start(), SessionTimer::new(false));
        let headers = timer.accept(now, TERMS, proposal(extra).unwrap());
        let texts = headers.iter().map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value))).collect();
        (texts, timer.poll_timeout().map(|at| (at - now).as_secs()))
    }

    /// RFC 4028 §9, table 2, and the intervals.
    #[test]
    fn what_a_request_is_answered_and_who_refreshes() {
        let told = |value: &str| vec!["Require: timer".to_owned(), format!("Session-Expires: {value}")];
        let rows = [
            // The peer knows nothing of it: we look after it without a word.
            ("", vec![], 900),
            ("Session-Expires: 100;refresher=uac\r\n", vec![], 900),
            // It knows, and leaves everything to us.
            ("Supported: timer\r\n", told("1800;refresher=uas"), 900),
            ("Supported: 100rel, timer\r\nSession-Expires: 600\r\n", told("600;refresher=uas"), 300),
            ("k: timer\r\nx: 600;refresher=uas\r\n", told("600;refresher=uas"), 300),
            // The peer refreshes: the call ends 32 s, or a third, before the time is over.
            ("Supported: timer\r\nSession-Expires: 600;refresher=uac\r\n", told("600;refresher=uac"), 568),
            ("Supported: timer\r\nSession-Expires: 90;refresher=uac\r\n", told("90;refresher=uac"), 60),
            ("Require: timer\r\nSession-Expires: 93;refresher=uac\r\n", told("93;refresher=uac"), 62),
            // Longer than we like, but not shorter than it likes.
            ("Supported: timer\r\nSession-Expires: 7200\r\n", told("1800;refresher=uas"), 900),
            ("Supported: timer\r\nSession-Expires: 7200\r\nMin-SE: 3600\r\n", told("3600;refresher=uas"), 1_800),
        ];
        for (extra, headers, wakes) in rows {
            assert_eq!(accepted(extra), (headers, Some(wakes)), "{extra}");
        }
        assert_eq!(proposal("Supported: timer\r\nSession-Expires: 89\r\n"), Err(TooSmall(90)));
    }

    #[test]
    fn the_answer_to_our_request_says_who_refreshes() {
        let rows = [
            ("", 900, Due::Refresh),
            ("Session-Expires: 600;refresher=uac\r\n", 300, Due::Refresh),
            ("Session-Expires: 600\r\n", 300, Due::Refresh),
            ("Session-Expires: 600;refresher=uas\r\n", 568, Due::End),
            // Nobody gets us to refresh without pause.
            ("Session-Expires: 0;refresher=uac\r\n", 45, Due::Refresh),
        ];
        for (extra, wakes, due) in rows {
            let (now, mut timer) = (start(), SessionTimer::of_callee());
            timer.accepted(now, TERMS, &response(200, extra));
            let at = timer.poll_timeout().unwrap();
            assert_eq!(((at - now).as_secs(), timer.handle_timeout(at)), (wakes, Some(due)), "{extra}");
        }
    }

    fn asking(extra: &str) -> (Instant, SessionTimer) {
        let (now, mut timer) = (start(), SessionTimer::of_callee());
        timer.accepted(now, TERMS, &response(200, extra));
        let now = now + Duration::from_secs(900);
        assert_eq!(timer.handle_timeout(now), Some(Due::Refresh));
        timer.asking(now, RequestKey(1), Asked::Update);
        (now, timer)
    }

    /// What an answer to a refresh leads to at once, and when the timer wakes next, in milliseconds.
    #[test]
    fn what_the_answer_to_a_refresh_leads_to() {
        let promised = "Allow: UPDATE\r\nSession-Expires: 1800;refresher=uac\r\n";
        let rows = [
            (promised, 200, "Session-Expires: 1800;refresher=uac\r\n", None, Some(900_000)),
            (promised, 200, "Session-Expires: 1800;refresher=uas\r\n", None, Some(1_768_000)),
            // It forgets the timer: from now on we look after it alone.
            (promised, 200, "", None, Some(900_000)),
            (promised, 481, "", Some(Due::End), None),
            (promised, 408, "", Some(Due::End), None),
            (promised, 422, "Min-SE: 2000\r\n", Some(Due::Refresh), Some(0)),
            (promised, 422, "Min-SE: 90\r\n", None, Some(10_000)),
            (promised, 405, "", Some(Due::Refresh), Some(0)),
            (promised, 501, "", Some(Due::Refresh), Some(0)),
            (promised, 491, "", None, Some(2_500)),
            (promised, 500, "", None, Some(10_000)),
            // Whoever promised nothing has shown that it is there.
            ("", 488, "", None, Some(900_000)),
            ("", 481, "", Some(Due::End), None),
        ];
        for (before, code, extra, due, wakes) in rows {
            let (now, mut timer) = asking(before);
            assert_eq!(timer.answered(now, TERMS, &response(code, extra)), due, "{before} {code} {extra}");
            let at = timer.poll_timeout().map(|at| at.saturating_duration_since(now).as_millis());
            assert_eq!(at, wakes, "{before} {code} {extra}");
        }
    }

    #[test]
    fn a_refresh_that_goes_wrong_again_and_again_ends_the_call_in_time() {
        let (mut now, mut timer) = asking("Session-Expires: 1800;refresher=uac\r\n");
        let begun = now;
        let mut tries = 0;
        loop {
            timer.answered(now, TERMS, &response(500, ""));
            now = timer.poll_timeout().unwrap();
            match timer.handle_timeout(now) {
                Some(Due::End) => break,
                due => assert_eq!(due, Some(Due::Refresh)),
            }
            timer.asking(now, RequestKey(2), Asked::Invite);
            tries += 1;
        }
        assert_eq!((tries, now - begun), (86, Duration::from_secs(868)));
        assert_eq!(timer.poll_timeout(), None);
    }

    #[test]
    fn a_longer_interval_is_asked_for_once_it_was_named() {
        let mut timer = SessionTimer::of_callee();
        let text = |timer: &SessionTimer| {
            let headers = timer.headers(TERMS);
            headers
                .iter()
                .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value)))
                .collect::<Vec<_>>()
        };
        assert_eq!(text(&timer), ["Session-Expires: 1800;refresher=uac"]);
        assert!(timer.raise(&response(422, "Min-SE: 3600\r\n")));
        assert_eq!(text(&timer), ["Session-Expires: 3600;refresher=uac", "Min-SE: 3600"]);
        assert!(!timer.raise(&response(422, "Min-SE: 3600\r\n")), "once is enough");
        timer.accepted(start(), TERMS, &response(200, "Session-Expires: 3600;refresher=uas\r\n"));
        assert_eq!(text(&timer), ["Session-Expires: 3600;refresher=uas", "Min-SE: 3600"]);
        assert_eq!(timer.headers(SessionTerms { expires_s: 0, ..TERMS }), vec![]);
    }

    #[test]
    fn a_request_of_the_peer_does_not_lose_our_own() {
        let (now, mut timer) = asking("Session-Expires: 1800;refresher=uac\r\n");
        let theirs = proposal("Supported: timer\r\nSession-Expires: 600;refresher=uac\r\n").unwrap();
        assert_eq!(timer.accept(now, TERMS, theirs).len(), 2);
        assert_eq!(timer.pending(), Some((RequestKey(1), Asked::Update)));
        assert_eq!(timer.poll_timeout(), Some(now + Duration::from_secs(568)));
    }
}
