//! Reliable provisional answers, seen from the side that sends them: RFC 3262 §3.
//!
//! ```text
//!                       ╔═══════╗
//!      ┌───────────────▶║ Quiet ║◀──────────┐
//!      │ PRACK,         ╚═══╤═══╝           │
//!      │ none waits         │ 1xx / send    │
//!      │                    ▼               │
//!      │      Timer ┌──╔════════════╗──┐ PRACK / send
//!      │      send  └─▶║            ║◀─┘ the next
//!      └───────────────╢    Sent    ║
//!                 ┌───▶║            ╟───────────────┐
//!         1xx / – └────╚═════╤══════╝ 64·T1 / tell  │
//!                            │        TU            │
//!               final answer │                      ▼
//!                            ▼                ╔═══════════╗
//!                      ╔══════════╗           ║ Abandoned ║
//!                      ║ Answered ║           ╚═══════════╝
//!                      ╚══════════╝
//! ```
//!
//! One answer is on its way at a time; those behind it wait. After the final answer nothing is repeated any more, but the
//! PRACK for what was on its way is still good.

#![deny(clippy::wildcard_enum_match_arm)]

use std::collections::VecDeque;
use std::mem;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::Timers;
use crate::limits;

/// What the machine asks of its owner.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Output {
    /// Put these bytes on the wire: an answer, fresh or repeated.
    Send(Bytes),
    /// No PRACK came within 64·T1; the INVITE should be refused with a 5xx.
    Timeout,
}

/// A rendered answer with its number.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// Its RSeq.
    pub rseq: u32,
    /// The whole message.
    pub bytes: Bytes,
    /// Whether it brings a session description. A 2xx has to wait for the PRACK then.
    pub described: bool,
}

/// The reliable provisional answers to one INVITE.
#[derive(Clone, Debug)]
pub struct Provisional {
    state: State,
    timers: Timers,
    outputs: VecDeque<Output>,
}

#[derive(Clone, Debug)]
enum State {
    /// Every answer has its PRACK.
    Quiet,
    Sent {
        answer: Answer,
        waiting: VecDeque<Answer>,
        resend_at: Instant,
        interval: Duration,
        give_up_at: Instant,
    },
    /// The final answer is out.
    Answered {
        /// Whose PRACK is still good.
        rseq: Option<u32>,
    },
    Abandoned,
}

enum Input {
    Answer(Answer),
    Prack,
    Final,
    Timeout,
}

impl Provisional {
    /// Without any answer so far.
    pub fn new(timers: &Timers) -> Provisional {
        Provisional { state: State::Quiet, timers: *timers, outputs: VecDeque::new() }
    }

    /// An answer, to be sent when those before it have their PRACK. After the final answer it is ignored.
    pub fn send(&mut self, now: Instant, answer: Answer) {
        self.step(now, Input::Answer(answer));
    }

    /// A PRACK for this number; false when no answer waits for it.
    pub fn handle_prack(&mut self, now: Instant, rseq: u32) -> bool {
        let expected = match &self.state {
            State::Sent { answer, .. } => Some(answer.rseq),
            State::Answered { rseq } => *rseq,
            State::Quiet | State::Abandoned => None,
        };
        if expected != Some(rseq) {
            return false;
        }
        self.step(now, Input::Prack);
        true
    }

    /// The final answer is sent: nothing is repeated any more, and what waits is not sent at all.
    pub fn stop(&mut self, now: Instant) {
        self.step(now, Input::Final);
    }

    /// Whether a description waits for its PRACK: a 2xx may not be sent before it comes (RFC 3262 §3).
    pub fn holds_success(&self) -> bool {
        match &self.state {
            State::Sent { answer, waiting, .. } => answer.described || waiting.iter().any(|answer| answer.described),
            State::Quiet | State::Answered { .. } | State::Abandoned => false,
        }
    }

    /// Whether no further answer can wait.
    pub fn is_full(&self) -> bool {
        match &self.state {
            State::Sent { waiting, .. } => waiting.len() >= limits::PROVISIONALS,
            State::Quiet | State::Answered { .. } | State::Abandoned => false,
        }
    }

    /// Time has passed; does nothing before the deadline.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.step(now, Input::Timeout);
    }

    /// When `handle_timeout` is wanted next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Sent { resend_at, give_up_at, .. } => Some(*resend_at.min(give_up_at)),
            State::Quiet | State::Answered { .. } | State::Abandoned => None,
        }
    }

    /// The next thing to do, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn step(&mut self, now: Instant, input: Input) {
        let state = mem::replace(&mut self.state, State::Abandoned);
        self.state = match (state, input) {
            (State::Quiet, Input::Answer(answer)) => self.sent(now, answer, VecDeque::new()),
            (State::Quiet, Input::Final) => State::Answered { rseq: None },

            (State::Sent { answer, mut waiting, resend_at, interval, give_up_at }, Input::Answer(next)) => {
                waiting.push_back(next);
                State::Sent { answer, waiting, resend_at, interval, give_up_at }
            }
            (State::Sent { mut waiting, .. }, Input::Prack) => match waiting.pop_front() {
                Some(next) => self.sent(now, next, waiting),
                None => State::Quiet,
            },
            (State::Sent { answer, .. }, Input::Final) => State::Answered { rseq: Some(answer.rseq) },
            (State::Sent { give_up_at, .. }, Input::Timeout) if now >= give_up_at => {
                self.outputs.push_back(Output::Timeout);
                State::Abandoned
            }
            (State::Sent { answer, waiting, resend_at, interval, give_up_at }, Input::Timeout) if now >= resend_at => {
                // Doubles without limit; 64·T1 ends it.
                self.outputs.push_back(Output::Send(answer.bytes.clone()));
                let interval = interval * 2;
                State::Sent { answer, waiting, resend_at: now + interval, interval, give_up_at }
            }

            (State::Answered { .. }, Input::Prack) => State::Answered { rseq: None },

            (state @ State::Quiet, Input::Prack | Input::Timeout)
            | (state @ State::Sent { .. }, Input::Timeout)
            | (state @ State::Answered { .. }, Input::Answer(_) | Input::Final | Input::Timeout)
            | (state @ State::Abandoned, Input::Answer(_) | Input::Prack | Input::Final | Input::Timeout) => state,
        };
    }

    fn sent(&mut self, now: Instant, answer: Answer, waiting: VecDeque<Answer>) -> State {
        self.outputs.push_back(Output::Send(answer.bytes.clone()));
        let interval = self.timers.t1;
        State::Sent { answer, waiting, resend_at: now + interval, interval, give_up_at: now + self.timers.t1 * 64 }
    }
}
