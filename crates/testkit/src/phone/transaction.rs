//! The phone's own transactions: what is sent again, and until when (RFC 3261 §17, in the phone's own words).

use std::time::{Duration, Instant};

use bytes::Bytes;
use rsip::{Method, Request};

/// First wait before something is sent again.
const T1: Duration = Duration::from_millis(500);
/// Longest such wait, INVITE requests excepted.
const T2: Duration = Duration::from_secs(4);
/// When one gives up, and how long answers are remembered.
const GIVE_UP: Duration = Duration::from_secs(32);
/// How long a phone waits for the final answer to an INVITE.
const PATIENCE: Duration = Duration::from_secs(180);

/// What a request was sent for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Register,
    /// The INVITE of a call.
    Invite(usize),
    /// A re-INVITE or UPDATE.
    Change(usize),
    Bye(usize),
    Cancel,
    /// The acknowledgement of a reliable provisional answer.
    Prack(usize),
    /// INFO or MESSAGE in a call.
    Say(usize),
    /// The SUBSCRIBE of a subscription.
    Subscribe(usize),
    /// Anything whose whole answer is kept.
    Ask,
    /// Anything whose answer alone matters.
    Probe,
}

/// A request of ours.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) branch: String,
    pub(super) request: Request,
    pub(super) purpose: Purpose,
    /// How many challenges it comes after.
    pub(super) attempts: u8,
    bytes: Bytes,
    state: ClientState,
}

#[derive(Debug)]
enum ClientState {
    Trying {
        resend_at: Instant,
        interval: Duration,
        give_up_at: Instant,
    },
    /// An INVITE that has had a provisional answer.
    Proceeding {
        give_up_at: Instant,
    },
    /// `ack` answers repetitions of the final answer to an INVITE.
    Answered {
        ack: Option<Bytes>,
        forget_at: Instant,
    },
}

/// What a timer of a client wants.
pub(super) enum Due {
    Nothing,
    Send(Bytes),
    /// No answer came.
    TimedOut,
    Forget,
}

impl Client {
    /// A request that has just been sent; on a reliable transport once is enough (RFC 3261 §17.1.2.2).
    pub(super) fn new(
        now: Instant,
        branch: String,
        request: Request,
        purpose: Purpose,
        attempts: u8,
        reliable: bool,
    ) -> Client {
        let bytes = Bytes::from(request.clone());
        let first = if reliable { GIVE_UP } else { T1 };
        let state = ClientState::Trying { resend_at: now + first, interval: first, give_up_at: now + GIVE_UP };
        Client { branch, request, purpose, attempts, bytes, state }
    }

    pub(super) fn bytes(&self) -> Bytes {
        self.bytes.clone()
    }

    /// Whether it is an INVITE that may be cancelled by now (RFC 3261 §9.1).
    pub(super) fn is_proceeding(&self) -> bool {
        matches!(self.state, ClientState::Proceeding { .. })
    }

    /// Whether no final answer has come yet.
    pub(super) fn is_open(&self) -> bool {
        !matches!(self.state, ClientState::Answered { .. })
    }

    /// A provisional answer.
    pub(super) fn proceed(&mut self, now: Instant) {
        if let (ClientState::Trying { .. }, Method::Invite) = (&self.state, self.request.method) {
            self.state = ClientState::Proceeding { give_up_at: now + PATIENCE };
        }
    }

    /// The final answer.
    pub(super) fn finish(&mut self, now: Instant, ack: Option<Bytes>) {
        self.state = ClientState::Answered { ack, forget_at: now + GIVE_UP };
    }

    /// What a repeated final answer is answered with.
    pub(super) fn ack(&self) -> Option<Bytes> {
        match &self.state {
            ClientState::Answered { ack, .. } => ack.clone(),
            ClientState::Trying { .. } | ClientState::Proceeding { .. } => None,
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) -> Due {
        let longest = if self.request.method == Method::Invite { GIVE_UP } else { T2 };
        match &mut self.state {
            ClientState::Trying { give_up_at, .. } | ClientState::Proceeding { give_up_at } if *give_up_at <= now => {
                Due::TimedOut
            }
            ClientState::Trying { resend_at, interval, .. } if *resend_at <= now => {
                *interval = (*interval * 2).min(longest);
                *resend_at = now + *interval;
                Due::Send(self.bytes.clone())
            }
            ClientState::Answered { forget_at, .. } if *forget_at <= now => Due::Forget,
            ClientState::Trying { .. } | ClientState::Proceeding { .. } | ClientState::Answered { .. } => Due::Nothing,
        }
    }

    pub(super) fn poll_timeout(&self) -> Instant {
        match &self.state {
            ClientState::Trying { resend_at, give_up_at, .. } => *resend_at.min(give_up_at),
            ClientState::Proceeding { give_up_at } => *give_up_at,
            ClientState::Answered { forget_at, .. } => *forget_at,
        }
    }
}

/// A request of the switch.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) branch: String,
    pub(super) request: Request,
    /// The call it belongs to.
    pub(super) call: Option<usize>,
    /// The last answer.
    response: Option<Bytes>,
    is_final: bool,
    /// A final answer to an INVITE goes out until it is acknowledged.
    resend: Option<(Instant, Duration)>,
    /// What the PRACK of a reliable provisional answer names.
    pub(super) rack: Option<String>,
    forget_at: Instant,
}

/// What a timer of a server wants.
pub(super) enum Waiting {
    Nothing,
    Send(Bytes),
    /// The final answer to an INVITE was never acknowledged.
    NoAck,
    Forget,
}

impl Server {
    pub(super) fn new(now: Instant, branch: String, request: Request, call: Option<usize>) -> Server {
        Server {
            branch,
            request,
            call,
            response: None,
            is_final: false,
            resend: None,
            rack: None,
            forget_at: now + PATIENCE,
        }
    }

    pub(super) fn respond(&mut self, now: Instant, code: u16, bytes: Bytes) {
        self.response = Some(bytes);
        if code >= 200 {
            self.is_final = true;
            self.forget_at = now + GIVE_UP;
            self.resend = (self.request.method == Method::Invite).then_some((now + T1, T1));
        }
    }

    /// The answer just given is repeated until its PRACK comes (RFC 3262 §3).
    pub(super) fn repeat(&mut self, now: Instant, rack: String) {
        self.rack = Some(rack);
        self.resend = Some((now + T1, T1));
    }

    /// What a repeated request is answered with.
    pub(super) fn response(&self) -> Option<Bytes> {
        self.response.clone()
    }

    /// Whether the final answer has been given.
    pub(super) fn is_final(&self) -> bool {
        self.is_final
    }

    /// The ACK has come.
    pub(super) fn acknowledged(&mut self) {
        self.resend = None;
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) -> Waiting {
        if self.forget_at <= now {
            return if self.resend.take().is_some() { Waiting::NoAck } else { Waiting::Forget };
        }
        match (&mut self.resend, &self.response) {
            (Some((at, interval)), Some(response)) if *at <= now => {
                *interval = (*interval * 2).min(T2);
                *at = now + *interval;
                Waiting::Send(response.clone())
            }
            _ => Waiting::Nothing,
        }
    }

    pub(super) fn poll_timeout(&self) -> Instant {
        self.resend.map_or(self.forget_at, |(at, _)| at.min(self.forget_at))
    }
}
