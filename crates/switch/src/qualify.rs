//! Qualify: phones that a NAT box or a browser may lose are asked now and then whether they are there (RFC 3261 §11).
//!
//! ```text
//!            OPTIONS              any answer: reachable, and how long it took
//!   Resting ──────────▶ Asked ────────────────────────────────────────────────▶ Resting
//!      ▲                  │ none, or it could not be sent: unreachable
//!      └──────────────────┘
//! ```
//!
//! The question also keeps the NAT binding open. A phone that does not answer is not rung until it answers again or registers
//! anew. Asked are phones on a WebSocket, and those whose Contact is not where their messages come from.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use domain::{Registration, RegistrationChange, RegistrationId, TenantId};
use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};
use sip::header::NameAddr;
use sip::{ClientId, Flow, Transport, Uri};

use crate::registrar::{flow_of, path_of};

/// Whether a phone is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// It was not asked, or has not answered yet.
    #[default]
    Unknown,
    /// It has answered.
    Reachable {
        /// How long the answer took.
        round_trip: Duration,
    },
    /// It gave no answer.
    Unreachable,
}

/// One phone to be asked.
#[derive(Debug)]
struct Phone {
    tenant: TenantId,
    flow: Flow,
    contact: Box<str>,
    path: Vec<NameAddr>,
    reach: Reach,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Resting { ask_at: Instant },
    Asked { client: ClientId, since: Instant },
}

/// A question that is due.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) id: RegistrationId,
    pub(crate) tenant: TenantId,
    pub(crate) uri: Uri,
    pub(crate) flow: Flow,
    pub(crate) route: Vec<NameAddr>,
}

/// All phones that are asked. The maps are for look-up alone.
pub(crate) struct Qualify {
    /// Zero when nobody is asked.
    every: Duration,
    phones: HashMap<RegistrationId, Phone>,
    asked: HashMap<ClientId, RegistrationId>,
    deadlines: BTreeSet<(Instant, RegistrationId)>,
    random: ChaCha8Rng,
}

impl Qualify {
    /// Nobody is known yet.
    pub(crate) fn new(every: Duration, seed: [u8; 32]) -> Self {
        let random = ChaCha8Rng::from_seed(seed);
        Self { every, phones: HashMap::new(), asked: HashMap::new(), deadlines: BTreeSet::new(), random }
    }

    /// A binding was made, refreshed or ended.
    pub(crate) fn observe(&mut self, now: Instant, change: &RegistrationChange) {
        match change {
            RegistrationChange::Put(registration) => self.put(now, registration),
            RegistrationChange::Removed { id, .. } => self.remove(*id),
        }
    }

    /// A binding as it is now.
    pub(crate) fn put(&mut self, now: Instant, registration: &Registration) {
        let flow = flow_of(registration).filter(|flow| !self.every.is_zero() && wants_asking(registration, flow));
        let Some(flow) = flow else { return self.remove(registration.id) };
        if let Some(phone) = self.phones.get_mut(&registration.id) {
            phone.contact = registration.contact.as_str().into();
            phone.path = path_of(registration);
            // It has just spoken: whatever it was, it is there.
            let moved = phone.flow != flow;
            if moved || phone.reach == Reach::Unreachable {
                phone.flow = flow;
                phone.reach = Reach::Unknown;
            }
            // A question that is out may have gone to where it is not any more, or have been lost: its end says nothing now.
            if let State::Asked { client, .. } = phone.state {
                self.asked.remove(&client);
                self.rest(now, registration.id);
            }
            return;
        }
        // Spread over the interval, so that phones that came together are not asked together.
        let wait = self.every.mul_f64(f64::from(self.random.next_u32()) / f64::from(u32::MAX));
        let ask_at = now + wait;
        let phone = Phone {
            tenant: registration.tenant_id,
            flow,
            contact: registration.contact.as_str().into(),
            path: path_of(registration),
            reach: Reach::Unknown,
            state: State::Resting { ask_at },
        };
        self.phones.insert(registration.id, phone);
        self.deadlines.insert((ask_at, registration.id));
    }

    fn remove(&mut self, id: RegistrationId) {
        match self.phones.remove(&id).map(|phone| phone.state) {
            Some(State::Resting { ask_at }) => {
                self.deadlines.remove(&(ask_at, id));
            }
            Some(State::Asked { client, .. }) => {
                self.asked.remove(&client);
            }
            None => {}
        }
    }

    /// The next phone to be asked by `now`; [`Qualify::asked`] or [`Qualify::not_asked`] follows.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<Question> {
        loop {
            let (at, id) = self.deadlines.first().copied().filter(|(at, _)| *at <= now)?;
            self.deadlines.remove(&(at, id));
            let Some(phone) = self.phones.get(&id) else { continue };
            let Ok(uri) = phone.contact.parse() else {
                self.phones.remove(&id);
                continue;
            };
            return Some(Question { id, tenant: phone.tenant, uri, flow: phone.flow, route: phone.path.clone() });
        }
    }

    /// The question is on its way.
    pub(crate) fn asked(&mut self, now: Instant, id: RegistrationId, client: ClientId) {
        if let Some(phone) = self.phones.get_mut(&id) {
            phone.state = State::Asked { client, since: now };
            self.asked.insert(client, id);
        }
    }

    /// The question could not be sent for reasons of our own.
    pub(crate) fn not_asked(&mut self, now: Instant, id: RegistrationId) {
        self.rest(now, id);
    }

    /// An answer, or that none came; false when it is to no question of ours.
    pub(crate) fn concluded(&mut self, now: Instant, client: ClientId, answered: bool) -> bool {
        let Some(id) = self.asked.remove(&client) else { return false };
        if let Some(phone) = self.phones.get_mut(&id)
            && let State::Asked { since, .. } = phone.state
        {
            phone.reach = if answered {
                Reach::Reachable { round_trip: now.saturating_duration_since(since) }
            } else {
                Reach::Unreachable
            };
        }
        self.rest(now, id);
        true
    }

    fn rest(&mut self, now: Instant, id: RegistrationId) {
        if let Some(phone) = self.phones.get_mut(&id) {
            let ask_at = now + self.every;
            phone.state = State::Resting { ask_at };
            self.deadlines.insert((ask_at, id));
        }
    }

    /// Whether a phone is there, as far as is known.
    pub(crate) fn reach(&self, id: RegistrationId) -> Reach {
        self.phones.get(&id).map(|phone| phone.reach).unwrap_or_default()
    }

    /// When the next phone is to be asked.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }
}

/// Whether the way to a phone may break without anybody noticing.
fn wants_asking(registration: &Registration, flow: &Flow) -> bool {
    let target = || registration.contact.parse::<Uri>().ok();
    match flow.transport {
        Transport::Ws | Transport::Wss => true,
        Transport::Udp => {
            let Some(target) = target() else { return false };
            let port = target.port().unwrap_or(flow.transport.default_port());
            target.host().ip() != Some(flow.remote.ip()) || port != flow.remote.port()
        }
        // Whoever connects has a port of its own, NAT or not: the address tells.
        Transport::Tcp | Transport::Tls => target().is_some_and(|target| target.host().ip() != Some(flow.remote.ip())),
    }
}
