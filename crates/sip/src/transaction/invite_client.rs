//! INVITE client transaction: RFC 3261 §17.1.1, figure 5, with the Accepted state of RFC 6026 §7.2.
//!
//! ```text
//!                           │ INVITE from TU / send INVITE
//!            Timer A        ▼
//!            send INVITE ╔═════════╗  Timer B, transport error / tell TU
//!                  ┌─────╢ Calling ╟──────────────────────────────────────┐
//!                  └────▶╚═╤══╤══╤═╝                                      │
//!            2xx / deliver │  │  │ 300-699 / send ACK, deliver            │
//!          ┌───────────────┘  │  └──────────────────────────┐             │
//!          │     1xx / deliver│                             │             │
//!          │              ╔═══▼════════╗                    │             │
//!          │         ┌────╢ Proceeding ║ 300-699            │             │
//!          │     1xx └───▶║            ╟───────────────────▶│             │
//!          │      deliver ╚═══╤════════╝ send ACK, deliver  │             │
//!          │    2xx / deliver │                             │             │
//!          ▼                  │                       ╔═════▼═════╗       │
//!     ╔══════════╗◀───────────┘             300-699 ┌─╢ Completed ║       │
//!  ┌──╢ Accepted ║                         send ACK └▶╚═════╤═════╝       │
//!  └─▶╚════╤═════╝                                  Timer D │ transport   │
//! 2xx      │ Timer M                                        │ error /     │
//! deliver  │                 ╔════════════╗                 │ tell TU     │
//!          └────────────────▶║ Terminated ║◀────────────────┴─────────────┘
//!                            ╚════════════╝
//! ```
//!
//! The ACK for a 2xx is not ours: the transaction user sends it (RFC 3261 §13.2.2.4). In Proceeding and Accepted
//! nothing of ours is on the wire, so a transport error there belongs to somebody else and is ignored. When the only way by
//! which an answer can come is closed, Proceeding ends like Calling.

#![deny(clippy::wildcard_enum_match_arm)]

use std::collections::VecDeque;
use std::mem;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{Class, Timers};

/// The least value of Timer D over an unreliable transport.
const TIMER_D_LEAST: Duration = Duration::from_secs(32);

/// What the machine asks of its owner.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Output {
    /// Put these bytes on the wire: the INVITE, again the INVITE, or the ACK for a 300–699.
    Send(Bytes),
    /// Pass the response that was just handled to the transaction user.
    Deliver,
    /// No response came within Timer B; to be treated as 408.
    Timeout,
    /// The transport failed; to be treated as 503. After a delivered final response it is only news.
    TransportFailed,
    /// The transaction is over and may be dropped. Always the last output.
    Terminated,
}

/// One INVITE transaction seen from the sender of the INVITE.
#[derive(Debug)]
pub struct InviteClient {
    state: State,
    timers: Timers,
    reliable: bool,
    outputs: VecDeque<Output>,
}

#[derive(Debug)]
enum State {
    Calling {
        request: Bytes,
        /// Absent over a reliable transport.
        resend: Option<Resend>,
        /// Timer B
        give_up_at: Instant,
    },
    Proceeding,
    Completed {
        ack: Bytes,
        /// Timer D
        gone_at: Instant,
    },
    Accepted {
        /// Timer M
        gone_at: Instant,
    },
    Terminated,
}

/// Timer A
#[derive(Debug)]
struct Resend {
    at: Instant,
    interval: Duration,
}

enum Input<A> {
    Provisional,
    Success,
    Refusal { ack: A },
    Timeout,
    TransportError,
    Closed,
}

impl InviteClient {
    /// Starts the transaction; the first output sends `request`.
    pub fn new(now: Instant, timers: &Timers, request: Bytes, reliable: bool) -> InviteClient {
        let resend = (!reliable).then(|| Resend { at: now + timers.t1, interval: timers.t1 });
        InviteClient {
            outputs: VecDeque::from([Output::Send(request.clone())]),
            state: State::Calling { request, resend, give_up_at: now + timers.t1 * 64 },
            timers: *timers,
            reliable,
        }
    }

    /// A response whose branch and CSeq method match. `ack` renders the ACK of RFC 3261 §17.1.1.3 and is called once,
    /// for the first 300–699; retransmissions of the response are answered with the same bytes.
    pub fn handle_response(&mut self, now: Instant, code: u16, ack: impl FnOnce() -> Bytes) {
        let input = match Class::of(code) {
            Class::Provisional => Input::Provisional,
            Class::Success => Input::Success,
            Class::Refusal => Input::Refusal { ack },
        };
        self.step(now, input);
    }

    /// The transport could not deliver what the machine sent.
    pub fn handle_transport_error(&mut self, now: Instant) {
        self.step(now, Input::<fn() -> Bytes>::TransportError);
    }

    /// The connection has ended, and the peer cannot open another one to us (RFC 7118): no answer will come.
    pub fn handle_closed(&mut self, now: Instant) {
        self.step(now, Input::<fn() -> Bytes>::Closed);
    }

    /// Time has passed; does nothing before the deadline.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.step(now, Input::<fn() -> Bytes>::Timeout);
    }

    /// When `handle_timeout` is wanted next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Calling { resend, give_up_at, .. } => Some(match resend {
                Some(resend) => resend.at.min(*give_up_at),
                None => *give_up_at,
            }),
            State::Completed { gone_at, .. } | State::Accepted { gone_at } => Some(*gone_at),
            State::Proceeding | State::Terminated => None,
        }
    }

    /// The next thing to do, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn step<A: FnOnce() -> Bytes>(&mut self, now: Instant, input: Input<A>) {
        let state = mem::replace(&mut self.state, State::Terminated);
        self.state = match (state, input) {
            (State::Calling { .. } | State::Proceeding, Input::Provisional) => {
                self.outputs.push_back(Output::Deliver);
                State::Proceeding
            }
            (State::Calling { .. } | State::Proceeding, Input::Success) => self.accept(now),
            (State::Calling { .. } | State::Proceeding, Input::Refusal { ack }) => self.complete(now, ack()),
            (State::Calling { give_up_at, .. }, Input::Timeout) if now >= give_up_at => {
                self.terminate(Some(Output::Timeout))
            }
            (State::Calling { request, resend: Some(resend), give_up_at }, Input::Timeout) if now >= resend.at => {
                self.call_again(now, request, resend, give_up_at)
            }
            (State::Calling { .. }, Input::TransportError)
            | (State::Calling { .. } | State::Proceeding | State::Completed { .. }, Input::Closed) => {
                self.terminate(Some(Output::TransportFailed))
            }

            (State::Completed { ack, gone_at }, Input::Refusal { .. }) => {
                self.outputs.push_back(Output::Send(ack.clone()));
                State::Completed { ack, gone_at }
            }
            (State::Completed { gone_at, .. }, Input::Timeout) if now >= gone_at => self.terminate(None),
            (State::Completed { .. }, Input::TransportError) => self.terminate(Some(Output::TransportFailed)),

            (State::Accepted { gone_at }, Input::Success) => {
                self.outputs.push_back(Output::Deliver);
                State::Accepted { gone_at }
            }
            (State::Accepted { gone_at }, Input::Timeout) if now >= gone_at => self.terminate(None),

            (state @ (State::Calling { .. } | State::Proceeding), Input::Timeout)
            | (state @ State::Proceeding, Input::TransportError)
            | (state @ State::Completed { .. }, Input::Provisional | Input::Success | Input::Timeout)
            | (
                state @ State::Accepted { .. },
                Input::Provisional | Input::Refusal { .. } | Input::Timeout | Input::TransportError | Input::Closed,
            )
            | (
                state @ State::Terminated,
                Input::Provisional
                | Input::Success
                | Input::Refusal { .. }
                | Input::Timeout
                | Input::TransportError
                | Input::Closed,
            ) => state,
        };
    }

    /// Timer A doubles at every firing; unlike E and G it is not capped, Timer B ends it first.
    fn call_again(&mut self, now: Instant, request: Bytes, resend: Resend, give_up_at: Instant) -> State {
        self.outputs.push_back(Output::Send(request.clone()));
        let interval = resend.interval * 2;
        State::Calling { request, resend: Some(Resend { at: now + interval, interval }), give_up_at }
    }

    fn accept(&mut self, now: Instant) -> State {
        self.outputs.push_back(Output::Deliver);
        State::Accepted { gone_at: now + self.timers.t1 * 64 }
    }

    fn complete(&mut self, now: Instant, ack: Bytes) -> State {
        self.outputs.push_back(Output::Send(ack.clone()));
        self.outputs.push_back(Output::Deliver);
        if self.reliable {
            return self.terminate(None);
        }
        // The server repeats its answer for 64·T1 (Timer H), so with a long T1 the least value would be too short.
        let wait = TIMER_D_LEAST.max(self.timers.t1 * 64);
        State::Completed { ack, gone_at: now + wait }
    }

    fn terminate(&mut self, news: Option<Output>) -> State {
        self.outputs.extend(news);
        self.outputs.push_back(Output::Terminated);
        State::Terminated
    }
}
