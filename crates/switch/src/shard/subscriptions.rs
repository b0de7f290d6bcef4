//! Between the subscriptions and the rest of the shard: what they may see, and what they want sent.

use std::time::Instant;

use domain::{Extension, Registration, Subscription, TenantId};
use sip::header::NameAddr;
use sip::package::{ContactEvent, Dialog, DialogState, Direction, Participant, RegContact};
use sip::{ContactPolicy, DialogId, Endpoint, Flow, Method, OutgoingRequest, Reply, Request, ServerId, Uri};

use super::Shard;
use super::table::Calls;
use crate::admit::{Admittance, Identity};
use crate::call::{Call, Watched};
use crate::clock::WallClock;
use crate::limits;
use crate::registrar::{Binding, News, Registrar};
use crate::subscription::{Lamp, Order, Unasked, View, dialog_of};

/// What the subscriptions of a shard may see of it. A macro, since they themselves are borrowed at the same time.
macro_rules! sight {
    ($shard:expr) => {
        Sight {
            admittance: &$shard.admittance,
            registrar: &$shard.registrar,
            calls: &$shard.calls,
            endpoint: &$shard.endpoint,
            clock: &$shard.clock,
        }
    };
}
pub(super) use sight;

impl Shard {
    /// A SUBSCRIBE outside of any dialog.
    pub(super) fn subscribe(&mut self, now: Instant, server: ServerId, request: &Request, identity: &Identity) {
        let sight = sight!(self);
        let accepted = match self.subscriptions.subscribe(&sight, identity, request) {
            Ok(accepted) => accepted,
            Err(refusal) => return self.respond(now, server, refusal.reply()),
        };
        let reply = accepted.reply().contact(ContactPolicy::Dialog);
        match self.endpoint.accept_subscription(now, server, reply) {
            Ok(dialog) => self.subscriptions.opened(now, self.clock.at(now), accepted, dialog),
            Err(_) => self.respond(now, server, Reply::new(500)),
        }
    }

    /// A request in a dialog that is no call's; false when it is no subscription's either.
    pub(super) fn in_subscription(
        &mut self,
        now: Instant,
        server: ServerId,
        dialog: DialogId,
        request: &Request,
    ) -> bool {
        let reply = self.subscriptions.in_dialog(now, dialog, request);
        let known = reply.is_some();
        if let Some(reply) = reply {
            self.respond(now, server, reply.contact(ContactPolicy::Dialog));
        }
        known
    }

    /// Passes on what has changed, and sends what is to be sent, as much as a turn may.
    pub(super) fn serve_subscribers(&mut self, now: Instant) {
        while let Some((tenant, extension)) = self.calls.pop_changed() {
            self.subscriptions.calls_changed(now, tenant, &extension);
        }
        while let Some(news) = self.registrar.poll_news() {
            match news {
                News::Arrived { tenant, extension, flow, contact } => {
                    self.subscriptions.registrations_changed(now, tenant, &extension);
                    self.subscriptions.registered(tenant, &extension, flow);
                    self.reached(now, tenant, &extension, flow, &contact);
                }
                News::Left { tenant, extension } => self.subscriptions.registrations_changed(now, tenant, &extension),
            }
        }
        for _ in 0..limits::MAX_NOTIFIES_PER_TURN {
            match self.subscriptions.poll_order() {
                None => break,
                Some(Order::Forget(dialog)) => self.endpoint.forget(dialog),
                Some(Order::Keep(key, dialog)) => {
                    if let Some(state) = self.endpoint.export_dialog(dialog) {
                        self.subscriptions.keep(&self.clock, key, state);
                    }
                }
                Some(Order::Light(lamp)) => self.light(now, &lamp),
                Some(Order::Notify(key, telling)) => {
                    let sight = sight!(self);
                    let Some(notify) = self.subscriptions.notify(now, &sight, key, telling) else { continue };
                    let sent = self.endpoint.in_dialog(now, notify.dialog, Method::Notify, notify.headers, notify.body);
                    self.subscriptions.sent(now, key, sent.ok());
                }
            }
        }
        self.subscriptions.end_turn(now);
    }

    /// A phone has registered over this flow: what it has subscribed to goes on there. It is the one that subscribed when it has the
    /// same Contact and is not registered where the subscription was: a browser whose connection broke, a phone whose NAT box
    /// has given it another port. Of a phone that cannot be reached the port may differ, since its new connection has another.
    fn reached(&mut self, now: Instant, tenant: TenantId, extension: &str, flow: Flow, contact: &str) {
        let Some(id) = sight!(self).extension(tenant, extension).map(|extension| extension.id) else { return };
        let Ok(contact) = contact.parse::<Uri>() else { return };
        for (key, dialog) in self.subscriptions.dialogs_of(tenant, id) {
            let Some(known) = self.endpoint.dialog(dialog) else { continue };
            let target = known.target();
            let alike = || (target.user_raw(), target.host_raw()) == (contact.user_raw(), contact.host_raw());
            let same = contact.equivalent(target) || self.subscriptions.is_waiting(key) && alike();
            let is_elsewhere = || {
                let mut bindings = self.registrar.bindings(now, tenant, extension);
                bindings.any(|binding| binding.flow() == known.flow())
            };
            if *known.flow() != flow {
                if !same || is_elsewhere() {
                    continue;
                }
                self.endpoint.move_dialog(dialog, flow);
            }
            self.subscriptions.reached(now, key);
        }
    }

    /// Takes over subscriptions of an earlier life. Those that have expired, whose extension is gone, or whose dialog cannot be
    /// read are ended instead; their phones subscribe anew when they refresh.
    pub(super) fn restore_subscriptions(&mut self, now: Instant, subscriptions: Vec<Subscription>) {
        let mut nth = 0;
        for durable in subscriptions {
            let expires_at = self.clock.instant(durable.expires_at);
            let sight = sight!(self);
            let owner = sight.extension(durable.tenant_id, &durable.extension);
            let holds = expires_at > now
                && owner.is_some_and(|owner| owner.id == durable.extension_id)
                && sight.extension(durable.tenant_id, &durable.resource).is_some();
            let dialog = holds.then(|| self.endpoint.restore_dialog(&dialog_of(&durable)).ok()).flatten();
            let Some(dialog) = dialog else {
                self.subscriptions.lost(&durable);
                continue;
            };
            if !self.subscriptions.restore(now, durable.clone(), dialog, expires_at, nth) {
                self.endpoint.forget(dialog);
                self.subscriptions.lost(&durable);
            }
            nth += 1;
        }
    }

    /// Tells phones about a mailbox that have not asked. What they answer is nobody's business.
    fn light(&mut self, now: Instant, lamp: &Lamp) {
        let Lamp { tenant, extension, flow } = lamp;
        let Some(routes) = self.admittance.tenant(*tenant) else { return };
        let account = Uri::sip(Some(extension), &routes.snapshot().tenant.domain, None);
        let text = String::from_utf8_lossy(account.as_bytes());
        let Some(Unasked { headers, body }) = self.subscriptions.unasked(*tenant, extension, &text) else { return };
        let asked: Vec<_> = self
            .subscriptions
            .mailbox_dialogs(*tenant, extension)
            .into_iter()
            .filter_map(|dialog| self.endpoint.dialog(dialog).map(|dialog| *dialog.flow()))
            .collect();
        let all: Vec<_> = self.registrar.bindings(now, *tenant, extension).collect();
        let has_asked =
            |device: &Binding| all.iter().any(|binding| binding.is_with(device) && asked.contains(binding.flow()));
        // One for each device, however many flows it keeps.
        let devices = self.registrar.targets(now, *tenant, extension).into_iter();
        let devices = devices.filter(|binding| flow.is_none_or(|flow| flow == *binding.flow()));
        for binding in devices.filter(|device| !has_asked(device)) {
            let Ok(uri) = binding.target() else { continue };
            let outgoing = OutgoingRequest {
                method: Method::Notify,
                uri,
                flow: *binding.flow(),
                from: NameAddr::new(account.clone()),
                to: NameAddr::new(account.clone()),
                call_id: None,
                headers: headers.clone(),
                body: Some(body.clone()),
                max_forwards: limits::MAX_FORWARDS,
                route: binding.path(),
            };
            // With too many transactions under way the lamp is lit by the next change.
            let _ = self.endpoint.request(now, outgoing);
        }
    }
}

/// What the subscriptions of a shard may see of it.
pub(super) struct Sight<'a> {
    pub(super) admittance: &'a Admittance,
    pub(super) registrar: &'a Registrar,
    pub(super) calls: &'a Calls,
    pub(super) endpoint: &'a Endpoint<Identity>,
    pub(super) clock: &'a WallClock,
}

impl View for Sight<'_> {
    fn extension(&self, tenant: TenantId, number: &str) -> Option<&Extension> {
        let extension = self.admittance.tenant(tenant)?.snapshot().extensions.get(number)?;
        extension.enabled.then_some(extension)
    }

    fn dialogs(&self, tenant: TenantId, number: &str, entity: &str) -> Vec<Dialog> {
        let calls = self.calls.of_extension(tenant, number).take(limits::MAX_DIALOGS_PER_DOCUMENT);
        calls
            .flat_map(|call| {
                let watched = call.watched().into_iter().filter(|watched| watched.number == number);
                watched.map(move |watched| self.dialog(call, &watched, entity))
            })
            .collect()
    }

    fn contacts(&self, now: Instant, tenant: TenantId, number: &str) -> Vec<RegContact> {
        let at = self.clock.at(now);
        let seconds = |span: jiff::SignedDuration| u64::try_from(span.as_secs()).unwrap_or(0);
        let bindings = self.registrar.bindings(now, tenant, number);
        let contact = |registration: &Registration| RegContact {
            id: registration.id.0.simple().to_string(),
            uri: registration.contact.clone(),
            event: ContactEvent::Registered,
            registered_s: seconds(at.duration_since(registration.registered_at)),
            expires_s: seconds(registration.expires_at.duration_since(at)),
            q: registration.q,
            call_id: registration.call_id.clone(),
            cseq: registration.cseq,
        };
        bindings.map(|binding| contact(binding.registration())).collect()
    }

    fn is_registered(&self, now: Instant, tenant: TenantId, number: &str) -> bool {
        self.registrar.bindings(now, tenant, number).next().is_some()
    }
}

impl Sight<'_> {
    /// A call as one of its extensions sees it. The ids are those that its phone knows: local is the phone's end, remote is ours.
    fn dialog(&self, call: &Call, watched: &Watched<'_>, entity: &str) -> Dialog {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let ids = watched.dialog.and_then(|dialog| self.endpoint.dialog(dialog));
        let remote = call.remote_of(watched);
        let address = text(remote.uri.as_bytes());
        let letter = match watched.direction {
            Direction::Initiator => 'i',
            Direction::Recipient => 'r',
        };
        // The lower half of the identity is random, and enough to tell the calls of one extension apart.
        let (_, low) = call.id().0.as_u64_pair();
        Dialog {
            id: format!("{low:016x}{letter}"),
            call_id: ids.map(|dialog| text(dialog.call_id())),
            local_tag: ids.map(|dialog| text(dialog.remote_tag())),
            remote_tag: ids.map(|dialog| text(dialog.local_tag())),
            direction: watched.direction,
            state: watched.state,
            local: Participant {
                identity: entity.to_owned(),
                display: None,
                target: entity.to_owned(),
                is_rendering: !(watched.holds && watched.state == DialogState::Confirmed),
            },
            remote: Some(Participant {
                display: remote.display.as_deref().filter(|name| !name.is_empty()).map(text),
                identity: address.clone(),
                target: address,
                is_rendering: true,
            }),
        }
    }
}
