//! Effects: what a shard decided is carried out here, without waiting.

use std::sync::Arc;

use domain::{JournalEntry, Kept};
use media_net::Worker;
use sip_net::Transports;
use store::{Journal, MessageAnswer, MessageKeeper, MessageOrder, RegistrationWriter, SubscriptionWriter};
use switch::{Input, Output};

use crate::gatehouse::Gatehouse;
use crate::switchboard::{Effects, Mailbox};
use crate::trace::Recorder;

/// The doors a shard's decisions leave through.
pub struct Doors {
    /// SIP.
    pub transport: Transports,
    /// Media.
    pub worker: Arc<Worker>,
    /// Call records, legs and events.
    pub journal: Arc<Journal>,
    /// The durable copy of the bindings.
    pub registrations: Arc<RegistrationWriter>,
    /// The durable copy of the subscriptions.
    pub subscriptions: Arc<SubscriptionWriter>,
    /// What keeps every message.
    pub recorder: Recorder,
    /// Who is listened to.
    pub gatehouse: Gatehouse,
    /// Messages that wait for a phone.
    pub messages: Arc<MessageKeeper>,
    /// Back to the shard, when a door is shut.
    pub mailbox: Mailbox,
}

impl Effects for Doors {
    fn perform(&mut self, output: Output) {
        self.recorder.note(&output);
        match output {
            Output::Transmit(transmit) => {
                self.recorder.sent(&transmit);
                self.transport.send(transmit);
            }
            Output::Media(command) => self.command(command),
            Output::Leg { .. } => {}
            Output::Journal(entry) => {
                tell(&entry);
                self.journal.append(entry);
            }
            Output::Registration(change) => {
                self.gatehouse.registration(&change);
                if !self.registrations.push(change) {
                    tracing::warn!(
                        "too many registrations wait for the database; one stays unwritten until its refresh"
                    );
                }
            }
            Output::Subscription(change) => {
                if !self.subscriptions.push(change) {
                    tracing::warn!("too many subscriptions wait for the database; one would be lost by a restart");
                }
            }
            Output::Guard(order) => self.gatehouse.order(order),
            Output::Message(message) => {
                let id = message.id;
                if !self.messages.push(MessageOrder::Keep(message)) {
                    self.mailbox.post(Input::MessageKept { id, kept: Kept::Failed });
                }
            }
            Output::FetchMessages { tenant, extension, after } => {
                if !self.messages.push(MessageOrder::Fetch { tenant, extension, after }) {
                    self.mailbox.post(Input::Messages { tenant, extension, messages: None });
                }
            }
            Output::MessageDelivered { tenant, id, at } => {
                if !self.messages.push(MessageOrder::Delivered { tenant, id, at }) {
                    tracing::warn!(message = %id, "too many marks wait for the database; a message may come twice");
                }
            }
        }
    }
}

/// What the store says of a message, as the shard hears it.
pub fn message_answer(answer: MessageAnswer) -> Input {
    match answer {
        MessageAnswer::Kept { id, kept } => Input::MessageKept { id, kept },
        MessageAnswer::Waiting { tenant, extension, messages } => Input::Messages { tenant, extension, messages },
    }
}

impl Doors {
    fn command(&self, command: media::Command) {
        let session = match &command {
            media::Command::Open { session, .. } => Some(*session),
            _ => None,
        };
        if self.worker.send(command).is_err()
            && let Some(session) = session
        {
            let why = "the media worker is too busy";
            self.mailbox.post(Input::Media(media::Fact::OpenFailed { session, why }));
        }
    }
}

/// The story of a call, for the log. Numbers and names stay out of it.
fn tell(entry: &JournalEntry) {
    match entry {
        JournalEntry::Opened(record) => {
            tracing::info!(tenant = %record.tenant_id, call = %record.id, "call begins");
        }
        JournalEntry::Closed(record) => {
            tracing::info!(
                tenant = %record.tenant_id,
                call = %record.id,
                status = %record.status,
                sip = record.sip_response_code,
                talked_ms = record.call_duration_ms(),
                why = record.disconnect_reason.as_deref().unwrap_or_default(),
                "call is over"
            );
        }
        JournalEntry::Event(event) if event.kind == domain::CallEventKind::Emergency => {
            tracing::warn!(tenant = %event.tenant_id, call = %event.call_id, "an emergency number was dialled");
        }
        JournalEntry::Event(event) => {
            tracing::debug!(tenant = %event.tenant_id, call = %event.call_id, kind = %event.kind, "call");
        }
        JournalEntry::Leg(_) => {}
    }
}
