//! Shard: one switchboard. Tenants, phones and calls that share nothing with any other shard.

pub(crate) mod answer;
mod dispatch;
mod follow;
mod guard;
pub(crate) mod lines;
mod messages;
mod perform;
mod qualify;
mod subscriptions;
mod table;
mod transfer;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use domain::{
    Ban, CallId, ExtensionId, JournalEntry, Kept, MessageId, MessageWaiting, Registration, RegistrationChange,
    StoredMessage, Subscription, SubscriptionChange, TenantId, TenantSnapshot,
};
use jiff::Timestamp;
use media::dtls::Fingerprint;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use sip::{Admission, Endpoint, EndpointConfig, Flow, Gate, Message, Reply, Request, Scope, Transmit};

use crate::admit::{Admittance, Guard, Identity};
use crate::call::effect::{Ids, Settings};
use crate::call::session_timer::SessionTerms;
use crate::call::{CallKey, CallView, Input as CallInput};
use crate::clock::WallClock;
use crate::guard::{GuardConfig, Notice, Order};
use crate::message::Messages;
use crate::qualify::Qualify;
use crate::registrar::{Registrar, RegistrarConfig};
use crate::subscription::Subscriptions;
use subscriptions::{Sight, sight};
use table::Calls;

/// What a shard is told once.
#[derive(Clone, Debug)]
pub struct ShardConfig {
    /// SIP: names, timers, limits. Its shard number is the shard's.
    pub endpoint: EndpointConfig,
    /// What session descriptions name instead of the local address, for hosts behind cloud NAT.
    pub rtp_advertised: sip::Advertised,
    /// Of the certificate that media handshakes show; without one there are no browsers.
    pub media_fingerprint: Option<Arc<Fingerprint>>,
    /// How long phones ring when the tenant says nothing.
    pub no_answer_timeout: Duration,
    /// Session timers (RFC 4028).
    pub session: SessionTerms,
    /// Lifetime of a binding whose REGISTER names none, in seconds.
    pub default_expires: u32,
    /// Shortest lifetime of a binding, in seconds (423 below).
    pub min_expires: u32,
    /// Longest lifetime of a binding, in seconds.
    pub max_expires: u32,
    /// How many phones may register for one extension.
    pub max_bindings_per_extension: usize,
    /// How often phones behind NAT and in browsers are asked whether they are there; zero: never.
    pub qualify_every: Duration,
    /// The time of day at an instant.
    pub wall_clock: (Instant, Timestamp),
    /// Whatever is random in the shard grows from this.
    pub seed: [u8; 32],
    /// Who is banned for what, and for how long.
    pub guard: GuardConfig,
}

impl ShardConfig {
    /// A configuration with the usual lifetimes.
    #[must_use]
    pub fn new(endpoint: EndpointConfig, wall_clock: (Instant, Timestamp), seed: [u8; 32]) -> Self {
        Self {
            endpoint,
            rtp_advertised: sip::Advertised::default(),
            media_fingerprint: None,
            no_answer_timeout: Duration::from_secs(30),
            session: SessionTerms::default(),
            default_expires: 3_600,
            min_expires: 60,
            max_expires: 86_400,
            max_bindings_per_extension: 10,
            qualify_every: Duration::ZERO,
            wall_clock,
            seed,
            guard: GuardConfig::default(),
        }
    }
}

/// What a shard is told while it runs.
#[derive(Debug)]
pub enum Input {
    /// A SIP message came in.
    Sip {
        /// Where from.
        flow: Flow,
        /// The message.
        message: Message,
    },
    /// Nothing can be sent over a flow.
    SipFailed {
        /// The flow.
        flow: Flow,
    },
    /// A connection has ended; over its flow nothing comes or goes any more.
    FlowClosed {
        /// The flow.
        flow: Flow,
    },
    /// News from a media worker.
    Media(media::Fact),
    /// A tenant as it is now.
    Snapshot(Arc<TenantSnapshot>),
    /// A tenant that may not be served any more; its running calls go on.
    TenantGone(TenantId),
    /// Bindings of an earlier life, read back at start.
    Bindings(Vec<Registration>),
    /// For whom messages wait in the store.
    MessagesWaiting(Vec<(TenantId, ExtensionId)>),
    /// What has become of an [`Output::Message`].
    MessageKept {
        /// The message.
        id: MessageId,
        /// What became of it.
        kept: Kept,
    },
    /// The answer to an [`Output::FetchMessages`].
    Messages {
        /// Tenant.
        tenant: TenantId,
        /// For whom they are.
        extension: ExtensionId,
        /// In order; empty when none is left, `None` when the store could not be read.
        messages: Option<Vec<StoredMessage>>,
    },
    /// News and wishes for the guard.
    Guard(Notice),
    /// Subscriptions of an earlier life, read back at start, after the bindings.
    Subscriptions(Vec<Subscription>),
    /// So many messages wait for an extension.
    MessageWaiting {
        /// Tenant.
        tenant: TenantId,
        /// Number of the extension.
        extension: String,
        /// How many.
        waiting: MessageWaiting,
    },
    /// What time it is outside.
    WallClock(Timestamp),
    /// Take no new calls; running ones go on.
    Drain,
    /// End every call: the switch stops.
    HangUp,
}

/// What a shard wants done.
#[derive(Clone, Debug)]
pub enum Output {
    /// A SIP message to be sent.
    Transmit(Transmit),
    /// An order to the media workers.
    Media(media::Command),
    /// Something for the history.
    Journal(JournalEntry),
    /// A change of the durable copy of the bindings.
    Registration(RegistrationChange),
    /// A message to be kept until a phone registers; [`Input::MessageKept`] is awaited.
    Message(Box<StoredMessage>),
    /// The messages that wait for an extension are wanted; [`Input::Messages`] is awaited.
    FetchMessages {
        /// Tenant.
        tenant: TenantId,
        /// For whom they are.
        extension: ExtensionId,
        /// Only those after this one.
        after: Option<MessageId>,
    },
    /// A phone has taken a message that was kept.
    MessageDelivered {
        /// Tenant.
        tenant: TenantId,
        /// The message.
        id: MessageId,
        /// When.
        at: Timestamp,
    },
    /// A change of the durable copy of the subscriptions.
    Subscription(SubscriptionChange),
    /// What the doors have to do about bans.
    Guard(Order<Ban>),
    /// A phone is about to be called: from here on this Call-ID belongs to a call.
    Leg {
        /// Tenant of the call.
        tenant: TenantId,
        /// The record of the call.
        call: CallId,
        /// Call-ID header of the new leg.
        sip_call_id: Bytes,
    },
}

/// How much there is of everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls, those included whose record is about to be closed.
    pub calls: usize,
    /// Bindings.
    pub bindings: usize,
    /// Subscriptions; each has a dialog.
    pub subscriptions: usize,
    /// Media sessions open, or on their way from or to it.
    pub media_sessions: usize,
    /// Messages between extensions, on their way to phones or to the store.
    pub messages: usize,
    /// Transactions and dialogs.
    pub endpoint: sip::Counts,
}

/// One switchboard; see the crate's documentation for how it is driven.
pub struct Shard {
    settings: Settings,
    clock: WallClock,
    endpoint: Endpoint<Identity>,
    admittance: Admittance,
    registrar: Registrar,
    qualify: Qualify,
    calls: Calls,
    subscriptions: Subscriptions,
    messages: Messages,
    ids: Ids,
    outputs: VecDeque<Output>,
    draining: bool,
    /// A call whose next step shall panic.
    fault: Option<CallKey>,
}

impl Shard {
    /// A shard without tenants.
    #[must_use]
    pub fn new(config: ShardConfig) -> Self {
        let (now, timestamp) = config.wall_clock;
        let mut random = ChaCha8Rng::from_seed(config.seed);
        let shard = config.endpoint.shard;
        Self {
            settings: Settings {
                rtp_advertised: config.rtp_advertised,
                fingerprint: config.media_fingerprint,
                no_answer_timeout: config.no_answer_timeout,
                session: config.session,
            },
            clock: WallClock::new(now, timestamp),
            endpoint: Endpoint::new(config.endpoint),
            admittance: Admittance::new(now, seed(&mut random)).guarded_as(config.guard),
            registrar: Registrar::new(RegistrarConfig {
                default_expires: config.default_expires,
                min_expires: config.min_expires,
                max_expires: config.max_expires,
                max_bindings: config.max_bindings_per_extension,
                seed: seed(&mut random),
            }),
            qualify: Qualify::new(config.qualify_every, seed(&mut random)),
            calls: Calls::new(shard),
            subscriptions: Subscriptions::new(seed(&mut random)),
            messages: Messages::default(),
            ids: Ids(random),
            outputs: VecDeque::new(),
            draining: false,
            fault: None,
        }
    }

    /// Takes one thing that happened at `now`.
    pub fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Sip { flow, message } => {
                let mut gate = Doorkeeper {
                    guard: self.admittance.gate(&self.registrar),
                    calls: &self.calls,
                    subscriptions: &self.subscriptions,
                };
                self.endpoint.handle_message(now, flow, message, &mut gate);
            }
            Input::SipFailed { flow } => {
                self.endpoint.handle_transport_error(now, flow);
                // A datagram that could not be sent says nothing of the next; where a connection is missing, it stays missing.
                if flow.transport.is_reliable() {
                    self.registrar.flow_closed(&flow);
                }
            }
            Input::FlowClosed { flow } => {
                self.endpoint.handle_transport_error(now, flow);
                self.registrar.flow_closed(&flow);
            }
            Input::Media(fact) => self.media(now, fact),
            Input::Snapshot(snapshot) => {
                let tenant = snapshot.tenant.id;
                self.registrar.retain(&snapshot);
                self.admittance.put(snapshot);
                self.subscriptions.retain(now, &sight!(self), tenant);
            }
            Input::TenantGone(tenant) => {
                self.admittance.remove(tenant);
                self.registrar.remove_tenant(tenant);
                self.subscriptions.remove_tenant(now, tenant);
                self.messages_gone(now, tenant);
            }
            Input::Subscriptions(subscriptions) => self.restore_subscriptions(now, subscriptions),
            Input::MessageWaiting { tenant, extension, waiting } => {
                self.subscriptions.messages(now, tenant, &extension, waiting);
            }
            Input::Bindings(bindings) => {
                self.registrar.restore(now, &self.clock, bindings);
                for registration in self.registrar.registrations(None) {
                    self.qualify.put(now, &registration);
                }
            }
            Input::MessagesWaiting(waiting) => self.messages_waiting(now, waiting),
            Input::MessageKept { id, kept } => self.message_kept(now, id, kept),
            Input::Messages { tenant, extension, messages } => {
                self.messages_fetched(now, tenant, extension, messages);
            }
            Input::Guard(notice) => self.guard(now, notice),
            Input::WallClock(timestamp) => self.clock = WallClock::new(now, timestamp),
            Input::Drain => self.draining = true,
            Input::HangUp => {
                self.draining = true;
                for key in self.calls.keys() {
                    self.step(now, key, CallInput::HangUp);
                }
            }
        }
        self.settle(now);
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
        self.registrar.handle_timeout(now);
        self.admittance.sentry_mut().handle_timeout(now);
        self.ask_phones(now);
        self.subscriptions.handle_timeout(now);
        self.messages_due(now);
        self.settle(now);
        while let Some(key) = self.calls.pop_due(now) {
            self.step(now, key, CallInput::Deadline);
            self.settle(now);
        }
    }

    /// When [`Shard::handle_timeout`] shall be called, unless something happens before.
    pub fn poll_timeout(&mut self) -> Option<Instant> {
        let own = [
            self.endpoint.poll_timeout(),
            self.registrar.poll_timeout(),
            self.calls.poll_timeout(),
            self.admittance.sentry().poll_timeout(),
            self.qualify.poll_timeout(),
            self.subscriptions.poll_timeout(),
            self.messages.poll_timeout(),
        ];
        own.into_iter().flatten().min()
    }

    /// The next thing to be done.
    pub fn poll_output(&mut self) -> Option<Output> {
        if let Some(output) = self.outputs.pop_front() {
            return Some(output);
        }
        if let Some(transmit) = self.endpoint.poll_transmit() {
            return Some(Output::Transmit(transmit));
        }
        if let Some(change) = self.subscriptions.poll_change() {
            return Some(Output::Subscription(change));
        }
        self.poll_guard()
    }

    /// The live bindings, of one tenant or of all.
    #[must_use]
    pub fn registrations(&self, tenant: Option<TenantId>) -> Vec<Registration> {
        self.registrar.registrations(tenant)
    }

    /// The running calls, of one tenant or of all, oldest first.
    #[must_use]
    pub fn calls(&self, tenant: Option<TenantId>) -> Vec<CallView> {
        self.calls.views(tenant)
    }

    /// Whether an extension is known here already: the news of a new one takes a moment.
    #[must_use]
    pub fn knows(&self, tenant: TenantId, extension: &str) -> bool {
        self.admittance.tenant(tenant).is_some_and(|routes| routes.snapshot().extensions.contains_key(extension))
    }

    /// How much there is of everything.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            calls: self.calls.len(),
            bindings: self.registrar.len(),
            subscriptions: self.subscriptions.len(),
            media_sessions: self.calls.media_sessions(),
            messages: self.messages.len(),
            endpoint: self.endpoint.counts(),
        }
    }

    /// Makes the next step of a call panic, to see that nothing else does.
    #[doc(hidden)]
    pub fn inject_panic(&mut self, call: CallId) {
        self.fault = self.calls.find(call);
    }
}

/// The gate of the shard: who may ask anything, and who may touch a call that is there.
struct Doorkeeper<'a> {
    guard: Guard<'a>,
    calls: &'a Calls,
    subscriptions: &'a Subscriptions,
}

impl Gate<Identity> for Doorkeeper<'_> {
    fn admit(&mut self, now: Instant, flow: &Flow, request: &Request, scope: Scope) -> Admission<Identity> {
        match (self.guard.admit(now, flow, request, scope), scope) {
            // The ids of a dialog are no secret to whoever has seen a message: an extension reaches its own dialogs alone.
            (Admission::Pass(identity), Scope::Dialog(dialog))
                if !self.calls.owns(dialog, &identity) && !self.subscriptions.owns(dialog, &identity) =>
            {
                Admission::Refuse(Reply::new(403))
            }
            (admission, _) => admission,
        }
    }
}

fn seed(random: &mut ChaCha8Rng) -> [u8; 32] {
    let mut bytes = [0; 32];
    rand_core::RngCore::fill_bytes(random, &mut bytes);
    bytes
}
