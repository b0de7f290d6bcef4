//! Non-INVITE client transaction: RFC 3261 §17.1.2, figure 6.
//!
//! ```text
//!                        │ request from TU / send request
//!         Timer E        ▼
//!         send  ┌───╔════════╗  Timer F, transport error / tell TU
//!               └──▶║ Trying ╟───────────────────────────────┐
//!                   ╚═╤════╤═╝                               │
//!       1xx / deliver │    │ 200-699 / deliver               │
//!                     ▼    └────────────────┐                │
//!  Timer E ┌───╔════════════╗               │                │
//!  send    └──▶║ Proceeding ╟─── Timer F, transport error ──▶│
//!  1xx     ┌───║            ║               │    tell TU     │
//!  deliver └──▶╚═════╤══════╝               │                │
//!                    │ 200-699 / deliver    │                │
//!                    ▼                      │                │
//!              ╔═══════════╗◀───────────────┘                │
//!              ║ Completed ║                                 │
//!              ╚═════╤═════╝                                 │
//!                    │ Timer K      ╔════════════╗           │
//!                    └─────────────▶║ Terminated ║◀──────────┘
//!                                   ╚════════════╝
//! ```

#![deny(clippy::wildcard_enum_match_arm)]

use std::collections::VecDeque;
use std::mem;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{Class, Timers};

/// What the machine asks of its owner.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Output {
    /// Put these bytes on the wire: the request, fresh or repeated.
    Send(Bytes),
    /// Pass the response that was just handled to the transaction user.
    Deliver,
    /// No final response came within Timer F; to be treated as 408.
    Timeout,
    /// The transport failed; to be treated as 503.
    TransportFailed,
    /// The transaction is over and may be dropped. Always the last output.
    Terminated,
}

/// One transaction of any method but INVITE and ACK, seen from the sender of the request.
#[derive(Debug)]
pub struct Client {
    state: State,
    timers: Timers,
    reliable: bool,
    outputs: VecDeque<Output>,
}

#[derive(Debug)]
enum State {
    Trying(Waiting),
    Proceeding(Waiting),
    Completed {
        /// Timer K
        gone_at: Instant,
    },
    Terminated,
}

/// A request that has no final response yet.
#[derive(Debug)]
struct Waiting {
    request: Bytes,
    /// Absent over a reliable transport.
    resend: Option<Resend>,
    /// Timer F
    give_up_at: Instant,
}

/// Timer E
#[derive(Debug)]
struct Resend {
    at: Instant,
    interval: Duration,
}

enum Input {
    Provisional,
    Final,
    Timeout,
    TransportError,
}

impl Client {
    /// Starts the transaction; the first output sends `request`.
    pub fn new(now: Instant, timers: &Timers, request: Bytes, reliable: bool) -> Client {
        let resend = (!reliable).then(|| Resend { at: now + timers.t1, interval: timers.t1 });
        Client {
            outputs: VecDeque::from([Output::Send(request.clone())]),
            state: State::Trying(Waiting { request, resend, give_up_at: now + timers.t1 * 64 }),
            timers: *timers,
            reliable,
        }
    }

    /// A response whose branch and CSeq method match.
    pub fn handle_response(&mut self, now: Instant, code: u16) {
        let input = match Class::of(code) {
            Class::Provisional => Input::Provisional,
            Class::Success | Class::Refusal => Input::Final,
        };
        self.step(now, input);
    }

    /// The transport could not deliver what the machine sent.
    pub fn handle_transport_error(&mut self, now: Instant) {
        self.step(now, Input::TransportError);
    }

    /// Time has passed; does nothing before the deadline.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.step(now, Input::Timeout);
    }

    /// When `handle_timeout` is wanted next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Trying(waiting) | State::Proceeding(waiting) => Some(match &waiting.resend {
                Some(resend) => resend.at.min(waiting.give_up_at),
                None => waiting.give_up_at,
            }),
            State::Completed { gone_at } => Some(*gone_at),
            State::Terminated => None,
        }
    }

    /// The next thing to do, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn step(&mut self, now: Instant, input: Input) {
        let state = mem::replace(&mut self.state, State::Terminated);
        self.state = match (state, input) {
            // The pending Timer E keeps its deadline; only the interval after it becomes T2.
            (State::Trying(waiting) | State::Proceeding(waiting), Input::Provisional) => {
                self.outputs.push_back(Output::Deliver);
                State::Proceeding(waiting)
            }
            (State::Trying(_) | State::Proceeding(_), Input::Final) => self.complete(now),
            (State::Trying(waiting) | State::Proceeding(waiting), Input::Timeout) if now >= waiting.give_up_at => {
                self.terminate(Some(Output::Timeout))
            }
            (State::Trying(waiting), Input::Timeout) => {
                // Timer E doubles at every firing up to T2.
                let t2 = self.timers.t2;
                State::Trying(self.try_again(now, waiting, |interval| (interval * 2).min(t2)))
            }
            (State::Proceeding(waiting), Input::Timeout) => {
                // The server is known to be alive: Timer E is T2 from here on.
                let t2 = self.timers.t2;
                State::Proceeding(self.try_again(now, waiting, |_| t2))
            }
            (State::Trying(_) | State::Proceeding(_), Input::TransportError) => {
                self.terminate(Some(Output::TransportFailed))
            }
            (State::Completed { gone_at }, Input::Timeout) if now >= gone_at => self.terminate(None),
            (
                state @ (State::Completed { .. } | State::Terminated),
                Input::Provisional | Input::Final | Input::Timeout | Input::TransportError,
            ) => state,
        };
    }

    /// Sends the request once more if Timer E is due, and sets it to what the state wants.
    fn try_again(&mut self, now: Instant, mut waiting: Waiting, next: impl FnOnce(Duration) -> Duration) -> Waiting {
        if let Some(resend) = waiting.resend.as_mut().filter(|resend| now >= resend.at) {
            self.outputs.push_back(Output::Send(waiting.request.clone()));
            resend.interval = next(resend.interval);
            resend.at = now + resend.interval;
        }
        waiting
    }

    /// Repeated responses are swallowed for T4; a reliable transport brings none.
    fn complete(&mut self, now: Instant) -> State {
        self.outputs.push_back(Output::Deliver);
        if self.reliable {
            return self.terminate(None);
        }
        State::Completed { gone_at: now + self.timers.t4 }
    }

    fn terminate(&mut self, news: Option<Output>) -> State {
        self.outputs.extend(news);
        self.outputs.push_back(Output::Terminated);
        State::Terminated
    }
}
