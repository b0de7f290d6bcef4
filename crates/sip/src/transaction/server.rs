//! Non-INVITE server transaction: RFC 3261 §17.2.2, figure 8.
//!
//! ```text
//!                          │ request / (owner passes it to TU)
//!                          ▼
//!              request ┌─╔════════╗
//!                    – └▶║ Trying ║
//!                        ╚═╤════╤═╝
//!       1xx from TU / send │    │ 200-699 from TU / send
//!                          ▼    └───────────────────────┐
//!  request  / send ┌─╔════════════╗                     │
//!  latest 1xx      └▶║ Proceeding ║                     │
//!  1xx from  ┌───────║            ║                     │
//!  TU / send └──────▶╚═════╤══════╝                     │
//!                          │ 200-699 from TU / send     │
//!                          ▼                            │
//!  request  / send   ┌─╔═══════════╗◀───────────────────┘
//!  the response      └▶║ Completed ║
//!                      ╚═════╤═════╝
//!                            │ Timer J
//!                      ╔═════▼══════╗
//!                      ║ Terminated ║
//!                      ╚════════════╝
//! ```
//!
//! Figure 8 leaves Proceeding and Completed on a transport error. RFC 6026 §8.8 rewrote the text behind those arrows
//! (RFC 3261 §17.2.4, common to both server transactions): the TU is told, and the machine stays where it is, so that
//! a retransmitted request is answered and not executed a second time.

#![deny(clippy::wildcard_enum_match_arm)]

use std::collections::VecDeque;
use std::mem;
use std::time::Instant;

use bytes::Bytes;

use super::{Class, Timers};

/// What the machine asks of its owner.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Output {
    /// Put these bytes on the wire: a response, fresh or repeated.
    Send(Bytes),
    /// A response could not be sent. The transaction stays as it is.
    TransportFailed,
    /// The transaction is over and may be dropped. Always the last output.
    Terminated,
}

/// One transaction of any method but INVITE and ACK, seen from the receiver of the request.
#[derive(Debug)]
pub struct Server {
    state: State,
    timers: Timers,
    reliable: bool,
    outputs: VecDeque<Output>,
}

#[derive(Debug)]
enum State {
    Trying,
    Proceeding {
        latest: Bytes,
    },
    Completed {
        response: Bytes,
        /// Timer J
        gone_at: Instant,
    },
    Terminated,
}

enum Input {
    Request,
    Provisional(Bytes),
    Final(Bytes),
    Timeout,
    TransportError,
}

impl Server {
    /// Starts the transaction of a request that the owner has just received and passes on itself.
    pub fn new(_now: Instant, timers: &Timers, reliable: bool) -> Server {
        Server { state: State::Trying, timers: *timers, reliable, outputs: VecDeque::new() }
    }

    /// The request was received once more.
    pub fn handle_request_again(&mut self, now: Instant) {
        self.step(now, Input::Request);
    }

    /// A response of the TU, already rendered. A response after the final one is ignored.
    pub fn respond(&mut self, now: Instant, code: u16, response: Bytes) {
        let input = match Class::of(code) {
            Class::Provisional => Input::Provisional(response),
            Class::Success | Class::Refusal => Input::Final(response),
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
            State::Completed { gone_at, .. } => Some(*gone_at),
            State::Trying | State::Proceeding { .. } | State::Terminated => None,
        }
    }

    /// The next thing to do, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn step(&mut self, now: Instant, input: Input) {
        let state = mem::replace(&mut self.state, State::Terminated);
        self.state = match (state, input) {
            (State::Trying | State::Proceeding { .. }, Input::Provisional(response)) => {
                self.outputs.push_back(Output::Send(response.clone()));
                State::Proceeding { latest: response }
            }
            (State::Trying | State::Proceeding { .. }, Input::Final(response)) => self.complete(now, response),
            (State::Proceeding { latest }, Input::Request) => {
                self.outputs.push_back(Output::Send(latest.clone()));
                State::Proceeding { latest }
            }
            (State::Completed { response, gone_at }, Input::Request) => {
                self.outputs.push_back(Output::Send(response.clone()));
                State::Completed { response, gone_at }
            }
            (State::Completed { gone_at, .. }, Input::Timeout) if now >= gone_at => self.terminate(),
            (state @ (State::Proceeding { .. } | State::Completed { .. }), Input::TransportError) => {
                self.outputs.push_back(Output::TransportFailed);
                state
            }
            (state @ State::Trying, Input::Request | Input::Timeout | Input::TransportError)
            | (state @ State::Proceeding { .. }, Input::Timeout)
            | (state @ State::Completed { .. }, Input::Provisional(_) | Input::Final(_) | Input::Timeout)
            | (
                state @ State::Terminated,
                Input::Request | Input::Provisional(_) | Input::Final(_) | Input::Timeout | Input::TransportError,
            ) => state,
        };
    }

    /// A repeated request is answered for 64·T1; a reliable transport repeats none.
    fn complete(&mut self, now: Instant, response: Bytes) -> State {
        self.outputs.push_back(Output::Send(response.clone()));
        if self.reliable {
            return self.terminate();
        }
        State::Completed { response, gone_at: now + self.timers.t1 * 64 }
    }

    fn terminate(&mut self) -> State {
        self.outputs.push_back(Output::Terminated);
        State::Terminated
    }
}
