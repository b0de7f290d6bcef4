//! Machine: one subscription as its notifier sees it (RFC 6665 §4.2).
//!
//! ```text
//!                change                 send_at
//!   ┌───────┐ ───────────▶ ┌───────────┐ ──────▶ NOTIFY ┐
//!   │ Quiet │              │ Gathering │                │       last NOTIFY        answered
//!   └───────┘ ◀─────┐      └───────────┘       ┌────────▼──┐ ─────────▶ ┌────────┐ ───────▶ Over
//!       │           └───────────────────────── │ Notifying │            │ Ending │
//!       │ refresh: NOTIFY        answered      └───────────┘            └────────┘
//!       └──────────────────────────────────────▲    ▲ │ change, refresh or end: remembered, told after the answer
//!                                                   └─┘
//! ```
//!
//! A phone whose connection is gone is waited for (`Waiting`): a browser loses its own with every network change and with a restart
//! of the switch, comes back by itself, and is then told how things stand.
//!
//! One NOTIFY is under way at a time. What changes meanwhile gathers, so a slow phone costs one NOTIFY per round trip however
//! much happens. Whoever does not answer, or answers that it knows no such subscription, has none any more (§4.2.2, RFC 5057 §5).

use std::time::{Duration, Instant};

use crate::limits;

/// Where a subscription stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Everything is told.
    Quiet(Life),
    /// Something has changed and will be told.
    Gathering { life: Life, send_at: Instant },
    /// A NOTIFY is under way.
    Notifying { life: Life, next: Next },
    /// The phone cannot be reached; it is told when it comes back.
    Waiting(Life),
    /// The last NOTIFY is under way.
    Ending,
    /// Nothing is left to do.
    Over,
}

/// What holds as long as a subscription is active.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Life {
    /// When it ends unless refreshed.
    pub(super) expires_at: Instant,
    /// NOTIFYs in a row that were refused for the moment.
    refusals: u8,
}

/// What follows the NOTIFY that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing.
    Rest,
    /// Something has changed since.
    Change,
    /// The phone has refreshed, or has come back, and is owed a NOTIFY.
    Refresh,
    /// The subscription has ended.
    End(Reason),
}

/// Why a subscription ended (RFC 6665 §4.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// It was not refreshed, was ended by the phone, or was only to fetch the state.
    Timeout,
    /// What it was about is gone.
    NoResource,
    /// The phone may subscribe no longer.
    Rejected,
}

impl Reason {
    /// The word of the header.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::NoResource => "noresource",
            Self::Rejected => "rejected",
        }
    }
}

/// Something that happened to a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// What it is about has changed; to be told at this time.
    Changed { send_at: Instant },
    /// The phone has subscribed again.
    Refreshed { expires_at: Instant },
    /// The phone has come back over another connection.
    Reached,
    /// It shall end.
    Ended(Reason),
    /// The NOTIFY under way has come to something.
    Answered(Answer),
    /// The time of [`State::poll_timeout`] has come.
    Deadline,
}

/// What became of a NOTIFY.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The phone has it.
    Delivered,
    /// The phone did not take it, and may the next one; after this time when it says so.
    Refused { retry_after: Option<Duration> },
    /// There is no way to the phone at present.
    Unreachable,
    /// The phone is not there, or knows no such subscription.
    Gone,
}

impl Answer {
    /// What a final status means. These are the ones that end the usage or the dialog (RFC 5057 §5.1, RFC 6665 §4.2.2).
    pub(super) fn of(code: u16, retry_after_s: Option<u32>) -> Self {
        match code {
            200..=299 => Self::Delivered,
            404 | 405 | 408 | 410 | 416 | 480..=485 | 489 | 501 | 604 => Self::Gone,
            _ => Self::Refused { retry_after: retry_after_s.map(|seconds| Duration::from_secs(u64::from(seconds))) },
        }
    }
}

/// What a subscription wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Tell the phone how things stand.
    Notify,
    /// Tell it for the last time, and why.
    NotifyLast(Reason),
}

impl State {
    /// A subscription that has just been accepted: the phone is told at once (§4.2.1.2).
    pub(super) fn begin(expires_at: Instant) -> (Self, Act) {
        (Self::Notifying { life: Life { expires_at, refusals: 0 }, next: Next::Rest }, Act::Notify)
    }

    /// A subscription of an earlier life. Its phone is told a little later, since there may be many.
    pub(super) fn resume(expires_at: Instant, send_at: Instant) -> Self {
        Self::Gathering { life: Life { expires_at, refusals: 0 }, send_at }
    }

    /// A subscription of no duration, which only fetches the state (§4.4.3).
    pub(super) fn fetch() -> (Self, Act) {
        (Self::Ending, Act::NotifyLast(Reason::Timeout))
    }

    /// Takes one thing that happened.
    pub(super) fn handle(&mut self, now: Instant, input: Input) -> Option<Act> {
        let (next, act) = self.step(now, input);
        *self = next;
        act
    }

    /// When it wants to be woken.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Self::Quiet(life) | Self::Waiting(life) => Some(life.expires_at),
            Self::Gathering { life, send_at } => Some(life.expires_at.min(*send_at)),
            Self::Notifying { next: Next::End(_), .. } => None,
            Self::Notifying { life, .. } => Some(life.expires_at),
            Self::Ending | Self::Over => None,
        }
    }

    /// When it ends unless refreshed; `None` when it has ended.
    pub(super) fn expires_at(&self) -> Option<Instant> {
        match self {
            Self::Quiet(life) | Self::Gathering { life, .. } | Self::Notifying { life, .. } | Self::Waiting(life) => {
                Some(life.expires_at)
            }
            Self::Ending | Self::Over => None,
        }
    }

    /// Whether the phone may still refresh it.
    pub(super) fn is_active(&self) -> bool {
        match self {
            Self::Quiet(_) | Self::Gathering { .. } | Self::Waiting(_) => true,
            Self::Notifying { next, .. } => !matches!(next, Next::End(_)),
            Self::Ending | Self::Over => false,
        }
    }

    fn step(self, now: Instant, input: Input) -> (Self, Option<Act>) {
        match (self, input) {
            (Self::Quiet(life), Input::Changed { send_at }) => (Self::Gathering { life, send_at }, None),
            (state @ Self::Gathering { .. }, Input::Changed { .. }) => (state, None),
            (
                Self::Quiet(life) | Self::Gathering { life, .. } | Self::Waiting(life),
                Input::Refreshed { expires_at },
            ) => (Self::Notifying { life: Life { expires_at, ..life }, next: Next::Rest }, Some(Act::Notify)),
            (Self::Waiting(life), Input::Reached) => (Self::Notifying { life, next: Next::Rest }, Some(Act::Notify)),
            (Self::Waiting(life), Input::Deadline) if life.expires_at <= now => (Self::Over, None),
            (Self::Quiet(_) | Self::Gathering { .. } | Self::Waiting(_), Input::Ended(reason)) => {
                (Self::Ending, Some(Act::NotifyLast(reason)))
            }
            (Self::Quiet(life) | Self::Gathering { life, .. }, Input::Deadline) if life.expires_at <= now => {
                (Self::Ending, Some(Act::NotifyLast(Reason::Timeout)))
            }
            (Self::Gathering { life, send_at }, Input::Deadline) if send_at <= now => {
                (Self::Notifying { life, next: Next::Rest }, Some(Act::Notify))
            }
            (
                state @ (Self::Quiet(_) | Self::Gathering { .. }),
                Input::Deadline | Input::Answered(_) | Input::Reached,
            )
            | (state @ Self::Waiting(_), Input::Deadline | Input::Answered(_) | Input::Changed { .. }) => (state, None),
            (Self::Notifying { life, next }, input) => notifying(now, life, next, input),
            (Self::Ending, Input::Answered(_)) => (Self::Over, None),
            (
                state @ (Self::Ending | Self::Over),
                Input::Changed { .. }
                | Input::Refreshed { .. }
                | Input::Reached
                | Input::Ended(_)
                | Input::Deadline
                | Input::Answered(_),
            ) => (state, None),
        }
    }
}

/// A NOTIFY is under way.
fn notifying(now: Instant, life: Life, next: Next, input: Input) -> (State, Option<Act>) {
    let waits = |next| (State::Notifying { life, next }, None);
    match (input, next) {
        (Input::Answered(Answer::Gone), _) | (Input::Answered(Answer::Unreachable), Next::End(_)) => {
            (State::Over, None)
        }
        // It has come back while the NOTIFY was on its way over the old connection.
        (Input::Answered(Answer::Unreachable), Next::Refresh) => answered(now, life, next, limits::GATHER),
        (Input::Answered(Answer::Unreachable), Next::Rest | Next::Change) => (State::Waiting(life), None),
        (Input::Answered(Answer::Delivered), next) => answered(now, Life { refusals: 0, ..life }, next, limits::GATHER),
        (Input::Answered(Answer::Refused { retry_after }), next) => {
            let refusals = life.refusals + 1;
            if refusals >= limits::MAX_NOTIFY_REFUSALS {
                return (State::Over, None);
            }
            // What the phone did not take it is owed.
            let next = if next == Next::Rest { Next::Change } else { next };
            let wait = retry_after.unwrap_or(limits::NOTIFY_RETRY).clamp(limits::GATHER, limits::MAX_NOTIFY_RETRY);
            answered(now, Life { refusals, ..life }, next, wait)
        }
        (Input::Changed { .. }, Next::Rest) => waits(Next::Change),
        (Input::Changed { .. } | Input::Deadline, Next::End(_)) => waits(next),
        (Input::Changed { .. }, Next::Change | Next::Refresh) => waits(next),
        (Input::Refreshed { expires_at }, _) => {
            (State::Notifying { life: Life { expires_at, ..life }, next: Next::Refresh }, None)
        }
        (Input::Reached, Next::End(_)) => waits(next),
        (Input::Reached, Next::Rest | Next::Change | Next::Refresh) => waits(Next::Refresh),
        (Input::Ended(reason), _) => waits(Next::End(reason)),
        (Input::Deadline, Next::Rest | Next::Change | Next::Refresh) if life.expires_at <= now => {
            waits(Next::End(Reason::Timeout))
        }
        (Input::Deadline, Next::Rest | Next::Change | Next::Refresh) => waits(next),
    }
}

/// The NOTIFY that was under way is done; a change that is still to be told waits so long.
fn answered(now: Instant, life: Life, next: Next, wait: Duration) -> (State, Option<Act>) {
    match next {
        Next::Rest => (State::Quiet(life), None),
        Next::Change => (State::Gathering { life, send_at: now + wait }, None),
        Next::Refresh => (State::Notifying { life, next: Next::Rest }, Some(Act::Notify)),
        Next::End(reason) => (State::Ending, Some(Act::NotifyLast(reason))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to begin at")]
    fn start() -> Instant {
        Instant::now()
    }

    const HOUR: Duration = Duration::from_secs(3_600);
    const SECOND: Duration = Duration::from_secs(1);
    const DELIVERED: Input = Input::Answered(Answer::Delivered);

    fn quiet(now: Instant) -> State {
        let (mut state, act) = State::begin(now + HOUR);
        assert_eq!(act, Act::Notify);
        assert_eq!(state.handle(now, DELIVERED), None);
        state
    }

    #[test]
    fn changes_gather_and_one_notify_is_under_way() {
        let now = start();
        let mut state = quiet(now);
        assert_eq!(state.handle(now, Input::Changed { send_at: now + SECOND }), None);
        assert_eq!(state.handle(now, Input::Changed { send_at: now + 5 * SECOND }), None);
        assert_eq!(state.poll_timeout(), Some(now + SECOND), "a later change does not put the first one off");
        assert_eq!(state.handle(now, Input::Deadline), None, "not yet");
        assert_eq!(state.handle(now + SECOND, Input::Deadline), Some(Act::Notify));
        for _ in 0..3 {
            assert_eq!(state.handle(now + SECOND, Input::Changed { send_at: now + 2 * SECOND }), None);
        }
        assert_eq!(state.handle(now + 4 * SECOND, DELIVERED), None);
        assert_eq!(state.poll_timeout(), Some(now + 4 * SECOND + limits::GATHER));
        assert_eq!(state.handle(now + 5 * SECOND, Input::Deadline), Some(Act::Notify));
        assert_eq!(state.handle(now + 5 * SECOND, DELIVERED), None);
        assert_eq!(state, quiet(now));
    }

    #[test]
    fn a_refresh_is_answered_with_a_notify_at_once() {
        let now = start();
        let mut state = quiet(now);
        assert_eq!(state.handle(now, Input::Refreshed { expires_at: now + 2 * HOUR }), Some(Act::Notify));
        assert_eq!(state.handle(now, Input::Refreshed { expires_at: now + 3 * HOUR }), None, "one is under way");
        assert_eq!(state.handle(now, DELIVERED), Some(Act::Notify));
        assert_eq!(state.handle(now, DELIVERED), None);
        assert_eq!(state.poll_timeout(), Some(now + 3 * HOUR));
    }

    #[test]
    fn whatever_ends_it_is_told_last_and_once() {
        let now = start();
        let mut state = quiet(now);
        assert_eq!(state.handle(now + HOUR, Input::Deadline), Some(Act::NotifyLast(Reason::Timeout)));
        assert!(!state.is_active());
        assert_eq!(state.handle(now + HOUR, Input::Ended(Reason::NoResource)), None);
        assert_eq!(state.handle(now + HOUR, Input::Refreshed { expires_at: now + 2 * HOUR }), None);
        assert_eq!(state.handle(now + HOUR, Input::Answered(Answer::Refused { retry_after: None })), None);
        assert_eq!(state, State::Over);

        let (mut state, _) = State::begin(now + HOUR);
        assert_eq!(state.handle(now, Input::Ended(Reason::Rejected)), None, "after the one that is under way");
        assert_eq!((state.is_active(), state.poll_timeout()), (false, None));
        assert_eq!(state.handle(now, Input::Changed { send_at: now }), None);
        assert_eq!(state.handle(now, DELIVERED), Some(Act::NotifyLast(Reason::Rejected)));
        assert_eq!(state.handle(now, DELIVERED), None);
        assert_eq!(state, State::Over);

        let (mut state, act) = State::fetch();
        assert_eq!(act, Act::NotifyLast(Reason::Timeout));
        assert_eq!(state.handle(now, Input::Answered(Answer::Gone)), None);
        assert_eq!(state, State::Over);
    }

    #[test]
    fn a_phone_that_cannot_be_reached_is_waited_for() {
        let now = start();
        let unreachable = Input::Answered(Answer::Unreachable);
        let (mut state, _) = State::begin(now + HOUR);
        assert_eq!(state.handle(now, unreachable), None);
        assert_eq!((state.is_active(), state.poll_timeout()), (true, Some(now + HOUR)));
        assert_eq!(state.handle(now, Input::Changed { send_at: now }), None);
        assert_eq!(state.handle(now, Input::Reached), Some(Act::Notify));
        assert_eq!(state.handle(now, Input::Reached), None, "one is under way, over the connection that is no more");
        assert_eq!(state.handle(now, unreachable), Some(Act::Notify));
        assert_eq!(state.handle(now, DELIVERED), None);
        assert_eq!((state, state.handle(now, Input::Reached)), (quiet(now), None));

        let (mut state, _) = State::begin(now + HOUR);
        state.handle(now, unreachable);
        assert_eq!(state.handle(now + HOUR, Input::Deadline), None);
        assert_eq!(state, State::Over);
        let (mut state, _) = State::begin(now + HOUR);
        state.handle(now, Input::Ended(Reason::NoResource));
        state.handle(now, unreachable);
        assert_eq!(state, State::Over);
    }

    #[test]
    fn a_phone_that_is_gone_ends_it_and_one_that_is_unwell_is_asked_again() {
        let now = start();
        for code in [404, 408, 481, 489, 604] {
            let (mut state, _) = State::begin(now + HOUR);
            assert_eq!(state.handle(now, Input::Answered(Answer::of(code, None))), None);
            assert_eq!(state, State::Over, "{code}");
        }
        let (mut state, _) = State::begin(now + HOUR);
        let mut at = now;
        for turn in 1..limits::MAX_NOTIFY_REFUSALS {
            assert_eq!(state.handle(at, Input::Answered(Answer::of(503, Some(7)))), None, "{turn}");
            assert_eq!(state.poll_timeout(), Some(at + 7 * SECOND));
            at += 7 * SECOND;
            assert_eq!(state.handle(at, Input::Deadline), Some(Act::Notify));
        }
        assert_eq!(state.handle(at, Input::Answered(Answer::of(503, Some(7)))), None);
        assert_eq!(state, State::Over);
        let (mut state, _) = State::begin(now + HOUR);
        state.handle(now, Input::Answered(Answer::of(500, Some(u32::MAX))));
        assert_eq!(state.poll_timeout(), Some(now + limits::MAX_NOTIFY_RETRY));
    }
}
