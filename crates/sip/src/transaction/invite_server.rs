//! INVITE server transaction: RFC 3261 §17.2.1, figure 7, with the Accepted state of RFC 6026 §7.1.
//!
//! ```text
//!                               │ INVITE / (owner passes it to TU)
//!    INVITE / send latest 1xx   ▼
//!                     ┌────╔════════════╗────┐ 1xx from TU
//!                     └───▶║ Proceeding ║◀───┘ send
//!      2xx from TU / send  ╚══╤══════╤══╝  300-699 from TU / send
//!          ┌──────────────────┘      └──────────────┐
//!          ▼                                        ▼     INVITE, Timer G
//!     ╔══════════╗──┐ 2xx from TU / send      ╔═══════════╗──┐ send response
//!     ║ Accepted ║◀─┘ ACK / tell TU           ║ Completed ║◀─┘
//!     ╚════╤═════╝    INVITE / –              ╚══╤═════╤══╝
//!          │                                 ACK │     │ Timer H / tell TU
//!          │                                     ▼     │
//!          │                           ╔═══════════╗   │
//!          │ Timer L                   ║ Confirmed ║   │
//!          │                           ╚═════╤═════╝   │
//!          │         ╔════════════╗  Timer I │         │
//!          └────────▶║ Terminated ║◀─────────┴─────────┘
//!                    ╚════════════╝
//! ```
//!
//! A transport error is told to the TU and changes no state (RFC 3261 §17.2.4 as rewritten by RFC 6026 §8.8): the
//! retransmitted INVITE must still find its transaction. Repeating a 2xx until its ACK comes is the work of the TU
//! (RFC 3261 §13.3.1.4). The 100 of §17.2.1 is the owner's first `respond`; the machine has no 200 ms timer.

#![deny(clippy::wildcard_enum_match_arm)]

use std::collections::VecDeque;
use std::mem;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{Class, Timers};

/// What the machine asks of its owner.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Output {
    /// Put these bytes on the wire: a response, fresh or repeated.
    Send(Bytes),
    /// An ACK reached the Accepted state: it acknowledges a 2xx and belongs to the TU. The ACK of a 300–699 is
    /// absorbed and not told.
    Acked,
    /// No ACK for the 300–699 within Timer H.
    AckTimeout,
    /// A response could not be sent. The transaction stays as it is.
    TransportFailed,
    /// The transaction is over and may be dropped. Always the last output.
    Terminated,
}

/// One INVITE transaction seen from the receiver of the INVITE.
#[derive(Debug)]
pub struct InviteServer {
    state: State,
    timers: Timers,
    reliable: bool,
    outputs: VecDeque<Output>,
}

#[derive(Debug)]
enum State {
    Proceeding {
        /// The most recent provisional response; none before the first.
        latest: Option<Bytes>,
    },
    Completed {
        response: Bytes,
        /// Absent over a reliable transport.
        resend: Option<Resend>,
        /// Timer H
        give_up_at: Instant,
    },
    Confirmed {
        /// Timer I
        gone_at: Instant,
    },
    Accepted {
        /// Timer L
        gone_at: Instant,
    },
    Terminated,
}

/// Timer G
#[derive(Debug)]
struct Resend {
    at: Instant,
    interval: Duration,
}

enum Input {
    Invite,
    Ack,
    Provisional(Bytes),
    Success(Bytes),
    Refusal(Bytes),
    Timeout,
    TransportError,
}

impl InviteServer {
    /// Starts the transaction of an INVITE that the owner has just received and passes on itself.
    pub fn new(_now: Instant, timers: &Timers, reliable: bool) -> InviteServer {
        InviteServer { state: State::Proceeding { latest: None }, timers: *timers, reliable, outputs: VecDeque::new() }
    }

    /// The INVITE was received once more.
    pub fn handle_request_again(&mut self, now: Instant) {
        self.step(now, Input::Invite);
    }

    /// An ACK that matches this transaction by its branch.
    pub fn handle_ack(&mut self, now: Instant) {
        self.step(now, Input::Ack);
    }

    /// A response of the TU, already rendered. A response that the state no longer permits is ignored.
    pub fn respond(&mut self, now: Instant, code: u16, response: Bytes) {
        let input = match Class::of(code) {
            Class::Provisional => Input::Provisional(response),
            Class::Success => Input::Success(response),
            Class::Refusal => Input::Refusal(response),
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
            State::Completed { resend, give_up_at, .. } => Some(match resend {
                Some(resend) => resend.at.min(*give_up_at),
                None => *give_up_at,
            }),
            State::Confirmed { gone_at } | State::Accepted { gone_at } => Some(*gone_at),
            State::Proceeding { .. } | State::Terminated => None,
        }
    }

    /// The next thing to do, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn step(&mut self, now: Instant, input: Input) {
        let state = mem::replace(&mut self.state, State::Terminated);
        self.state = match (state, input) {
            (State::Proceeding { latest }, Input::Invite) => {
                self.outputs.extend(latest.clone().map(Output::Send));
                State::Proceeding { latest }
            }
            (State::Proceeding { .. }, Input::Provisional(response)) => {
                self.outputs.push_back(Output::Send(response.clone()));
                State::Proceeding { latest: Some(response) }
            }
            (State::Proceeding { .. }, Input::Success(response)) => self.accept(now, response),
            (State::Proceeding { .. }, Input::Refusal(response)) => self.complete(now, response),

            (State::Completed { response, resend, give_up_at }, Input::Invite) => {
                self.outputs.push_back(Output::Send(response.clone()));
                State::Completed { response, resend, give_up_at }
            }
            (State::Completed { .. }, Input::Ack) => self.confirm(now),
            (State::Completed { give_up_at, .. }, Input::Timeout) if now >= give_up_at => {
                self.terminate(Some(Output::AckTimeout))
            }
            (State::Completed { response, resend: Some(resend), give_up_at }, Input::Timeout) if now >= resend.at => {
                self.answer_again(now, response, resend, give_up_at)
            }

            (State::Confirmed { gone_at }, Input::Timeout) if now >= gone_at => self.terminate(None),

            (State::Accepted { gone_at }, Input::Success(response)) => {
                self.outputs.push_back(Output::Send(response));
                State::Accepted { gone_at }
            }
            (State::Accepted { gone_at }, Input::Ack) => {
                self.outputs.push_back(Output::Acked);
                State::Accepted { gone_at }
            }
            (State::Accepted { gone_at }, Input::Timeout) if now >= gone_at => self.terminate(None),

            (
                state @ (State::Proceeding { .. } | State::Completed { .. } | State::Accepted { .. }),
                Input::TransportError,
            ) => {
                self.outputs.push_back(Output::TransportFailed);
                state
            }

            (state @ State::Proceeding { .. }, Input::Ack | Input::Timeout)
            | (
                state @ State::Completed { .. },
                Input::Provisional(_) | Input::Success(_) | Input::Refusal(_) | Input::Timeout,
            )
            | (
                state @ State::Accepted { .. },
                Input::Invite | Input::Provisional(_) | Input::Refusal(_) | Input::Timeout,
            )
            | (
                state @ (State::Confirmed { .. } | State::Terminated),
                Input::Invite
                | Input::Ack
                | Input::Provisional(_)
                | Input::Success(_)
                | Input::Refusal(_)
                | Input::Timeout
                | Input::TransportError,
            ) => state,
        };
    }

    fn accept(&mut self, now: Instant, response: Bytes) -> State {
        self.outputs.push_back(Output::Send(response));
        State::Accepted { gone_at: now + self.timers.t1 * 64 }
    }

    fn complete(&mut self, now: Instant, response: Bytes) -> State {
        self.outputs.push_back(Output::Send(response.clone()));
        State::Completed {
            response,
            resend: (!self.reliable).then(|| Resend { at: now + self.timers.t1, interval: self.timers.t1 }),
            give_up_at: now + self.timers.t1 * 64,
        }
    }

    /// Timer G doubles at every firing up to T2.
    fn answer_again(&mut self, now: Instant, response: Bytes, resend: Resend, give_up_at: Instant) -> State {
        self.outputs.push_back(Output::Send(response.clone()));
        let interval = (resend.interval * 2).min(self.timers.t2);
        State::Completed { response, resend: Some(Resend { at: now + interval, interval }), give_up_at }
    }

    /// Further ACKs are swallowed for T4; a reliable transport brings none.
    fn confirm(&mut self, now: Instant) -> State {
        if self.reliable {
            return self.terminate(None);
        }
        State::Confirmed { gone_at: now + self.timers.t4 }
    }

    fn terminate(&mut self, news: Option<Output>) -> State {
        self.outputs.extend(news);
        self.outputs.push_back(Output::Terminated);
        State::Terminated
    }
}
