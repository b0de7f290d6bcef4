//! The durable copy of a subscription: what is kept, how far ahead, and what is made of it after a restart.
//!
//! Version and CSeq grow with every NOTIFY, and must never go back. They are kept [`limits::KEPT_AHEAD`] ahead of what was sent, so
//! that a subscription is written once in so many NOTIFYs and not with each; after a restart they go on from there. Gaps do no
//! harm: documents after a restart are full ones, and CSeq need only grow (RFC 3261 §12.2.2).

use domain::Subscription as Durable;
use domain::SubscriptionId;
use jiff::Timestamp;
use sip::DialogState;

use super::package::Package;
use super::table::{Subscriber, Subscription, Topic};
use crate::limits;

/// What is kept of a subscription.
pub(super) fn keep(subscription: &Subscription, state: DialogState, expires_at: Timestamp) -> Durable {
    let Topic { tenant, package, resource, entity, event_id } = &subscription.topic;
    Durable {
        id: subscription.id,
        tenant_id: *tenant,
        extension_id: subscription.subscriber.extension_id,
        extension: subscription.subscriber.extension.clone(),
        package: package.as_str().to_owned(),
        event_id: event_id.clone(),
        resource: resource.clone(),
        entity: entity.clone(),
        version: subscription.version.saturating_add(limits::KEPT_AHEAD),
        call_id: state.call_id,
        local: state.local,
        remote: state.remote,
        target: state.target,
        routes: state.routes,
        transport: state.transport,
        local_address: state.local_address,
        remote_address: state.remote_address,
        secure: state.secure,
        local_cseq: state.local_cseq.saturating_add(limits::KEPT_AHEAD),
        remote_cseq: state.remote_cseq,
        expires_at,
    }
}

/// A subscription that was kept, taken apart; `None` when it is of a package that we do not have.
pub(super) fn restore(durable: Durable) -> Option<(SubscriptionId, Topic, Subscriber, u32)> {
    let topic = Topic {
        tenant: durable.tenant_id,
        package: Package::named(durable.package.as_bytes())?,
        resource: durable.resource,
        entity: durable.entity,
        event_id: durable.event_id,
    };
    let subscriber = Subscriber { extension: durable.extension, extension_id: durable.extension_id };
    Some((durable.id, topic, subscriber, durable.version))
}

/// The dialog of a subscription that was kept.
pub(crate) fn dialog(durable: &Durable) -> DialogState {
    DialogState {
        session: false,
        initiated: false,
        call_id: durable.call_id.clone(),
        local: durable.local.clone(),
        remote: durable.remote.clone(),
        target: durable.target.clone(),
        routes: durable.routes.clone(),
        transport: durable.transport.clone(),
        local_address: durable.local_address,
        remote_address: durable.remote_address,
        secure: durable.secure,
        local_cseq: durable.local_cseq,
        remote_cseq: durable.remote_cseq,
    }
}
