//! The shard's part in messages between extensions.

use std::time::Instant;

use domain::{ExtensionId, Kept, MessageId, RegistrationChange, StoredMessage, TenantId};
use sip::{ClientId, Flow, Request, ServerId};

use super::{Output, Shard};
use crate::admit::Identity;
use crate::message::mailbox::MailboxKey;
use crate::message::{Around, Effect, Messages};

impl Shard {
    /// Something happens to the messages, and then what comes of it is done.
    fn with_messages(
        &mut self,
        now: Instant,
        tenant: Option<TenantId>,
        work: impl FnOnce(&mut Messages, &mut Around<'_>),
    ) {
        let routes = tenant.and_then(|tenant| self.admittance.tenant(tenant)).cloned();
        let mut around = Around {
            now,
            at: self.clock.at(now),
            tenant: routes.as_ref().map(|routes| &**routes.snapshot()),
            registrar: &self.registrar,
            qualify: &self.qualify,
            ids: &mut self.ids,
        };
        work(&mut self.messages, &mut around);
        while let Some(effect) = self.messages.poll_effect() {
            match effect {
                Effect::Send { sending, outgoing } => match self.endpoint.request(now, *outgoing) {
                    Ok(client) => self.messages.sent(sending, client),
                    Err(_) => self.messages.unsent(&mut around, sending),
                },
                Effect::Respond { server, reply } => {
                    // The transaction may have ended meanwhile; then nobody waits for the answer.
                    let _ = self.endpoint.respond(now, server, reply);
                }
                Effect::Store(message) => self.outputs.push_back(Output::Message(message)),
                Effect::Fetch { mailbox: MailboxKey { tenant, extension }, after } => {
                    self.outputs.push_back(Output::FetchMessages { tenant, extension, after });
                }
                Effect::Delivered { tenant, id } => {
                    self.outputs.push_back(Output::MessageDelivered { tenant, id, at: around.at });
                }
            }
        }
    }

    /// A MESSAGE outside of any dialog.
    pub(super) fn message(
        &mut self,
        now: Instant,
        server: ServerId,
        request: &Request,
        flow: &Flow,
        identity: &Identity,
    ) {
        self.with_messages(now, Some(identity.tenant), |messages, cx| {
            messages.request(cx, server, request, flow, identity);
        });
    }

    /// An answer to a message, or none in time; false when the request was no message.
    pub(super) fn message_answered(&mut self, now: Instant, client: ClientId, code: Option<u16>) -> bool {
        let Some(tenant) = self.messages.owner(client) else { return false };
        self.with_messages(now, tenant, |messages, cx| messages.answered(cx, client, code));
        true
    }

    /// What has become of a message that was to be kept.
    pub(super) fn message_kept(&mut self, now: Instant, id: MessageId, kept: Kept) {
        let tenant = self.messages.tenant_of(id);
        self.with_messages(now, tenant, |messages, cx| messages.kept(cx, id, kept));
    }

    /// Messages that wait for an extension.
    pub(super) fn messages_fetched(
        &mut self,
        now: Instant,
        tenant: TenantId,
        extension: ExtensionId,
        messages: Option<Vec<StoredMessage>>,
    ) {
        let mailbox = MailboxKey { tenant, extension };
        self.with_messages(now, Some(tenant), |service, cx| service.fetched(cx, mailbox, messages));
    }

    /// For whom messages wait.
    pub(super) fn messages_waiting(&mut self, now: Instant, waiting: Vec<(TenantId, ExtensionId)>) {
        let mailboxes = waiting.into_iter().map(|(tenant, extension)| MailboxKey { tenant, extension });
        self.with_messages(now, None, |messages, _| messages.waiting(mailboxes));
    }

    /// A tenant is gone.
    pub(super) fn messages_gone(&mut self, now: Instant, tenant: TenantId) {
        self.with_messages(now, None, |messages, _| messages.remove_tenant(now, tenant));
    }

    /// A binding was made or refreshed: what waits for its extension can be delivered.
    pub(super) fn offer_messages(&mut self, now: Instant, change: &RegistrationChange) {
        let RegistrationChange::Put(registration) = change else { return };
        let mailbox = MailboxKey { tenant: registration.tenant_id, extension: registration.extension_id };
        self.with_messages(now, Some(registration.tenant_id), |messages, cx| {
            messages.registered(cx.now, mailbox, &registration.extension);
        });
    }

    /// Messages that have waited long enough.
    pub(super) fn messages_due(&mut self, now: Instant) {
        while let Some(tenant) = self.messages.pop_due(now) {
            self.with_messages(now, Some(tenant), Messages::handle_due);
        }
        self.with_messages(now, None, |_, _| {});
    }
}
