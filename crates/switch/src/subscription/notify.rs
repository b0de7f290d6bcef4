//! Notify: what a subscriber is told, composed at the moment of telling.

use std::time::Instant;

use bytes::{Bytes, BytesMut};
use domain::{MessageWaiting, TenantId};
use sip::header::{Event, Params, SubscriptionState};
use sip::package::{
    Activity, ContactEvent, Dialog, DialogInfo, DialogState, MessageCount, MessageSummary, Presence, RegContact,
    RegInfo, RegState, Tuple,
};
use sip::{DialogId, Header, Name};

use super::View;
use super::machine::{Act, Reason};
use super::package::Package;
use super::table::{Subscription, Told, Topic};
use crate::limits;

/// A NOTIFY to be sent.
#[derive(Debug)]
pub(crate) struct Notify {
    pub(crate) dialog: DialogId,
    pub(crate) headers: Vec<(Name, Bytes)>,
    pub(crate) body: Option<(String, Bytes)>,
}

/// What a phone is told that has not asked.
#[derive(Debug)]
pub(crate) struct Unasked {
    pub(crate) headers: Vec<(Name, Bytes)>,
    pub(crate) body: (String, Bytes),
}

/// What is known besides what the view shows.
pub(super) struct Facts<'a> {
    pub(super) waiting: MessageWaiting,
    pub(super) published: Vec<&'a Presence>,
}

/// Composes the next NOTIFY of a subscription, and remembers what it says.
pub(super) fn compose(
    now: Instant,
    view: &impl View,
    facts: &Facts<'_>,
    subscription: &mut Subscription,
    act: Act,
) -> Notify {
    let state = match act {
        Act::Notify => {
            let left = subscription.state.expires_at().map_or(0, |at| at.saturating_duration_since(now).as_secs());
            active(left)
        }
        Act::NotifyLast(reason) => terminated(reason),
    };
    // Nothing is told of what is gone, nor to those who may not know any more.
    let silent = matches!(act, Act::NotifyLast(Reason::NoResource | Reason::Rejected));
    let body = (!silent).then(|| {
        let content_type = subscription.topic.package.content_type().to_owned();
        (content_type, document(now, view, facts, subscription))
    });
    let headers = vec![(Name::Event, event(&subscription.topic)), (Name::SubscriptionState, state)];
    Notify { dialog: subscription.dialog, headers, body }
}

/// What a phone is told that has not asked (RFC 3842 knows no such thing, every PBX does it, and phones expect it).
pub(super) fn unasked(account: &str, waiting: MessageWaiting) -> Unasked {
    let event = Event { package: Bytes::from_static(b"message-summary"), params: Params::default() };
    let state = SubscriptionState { state: Bytes::from_static(b"active"), params: Params::default() };
    let headers = vec![(Name::Event, event.to_bytes()), (Name::SubscriptionState, state.to_bytes())];
    let body = MessageSummary { account, voice: count(waiting) }.to_bytes();
    Unasked { headers, body: (MessageSummary::CONTENT_TYPE.to_owned(), body) }
}

fn event(topic: &Topic) -> Bytes {
    let params = match &topic.event_id {
        Some(id) => Params::default().with("id", Some(id.as_bytes())),
        None => Params::default(),
    };
    let event = Event { package: Bytes::from_static(topic.package.as_str().as_bytes()), params };
    let mut out = BytesMut::new();
    event.render(&mut out);
    out.freeze()
}

fn active(left_s: u64) -> Bytes {
    let params = Params::default().with("expires", Some(left_s.to_string().as_bytes()));
    SubscriptionState { state: Bytes::from_static(b"active"), params }.to_bytes()
}

fn terminated(reason: Reason) -> Bytes {
    let params = Params::default().with("reason", Some(reason.as_str().as_bytes()));
    SubscriptionState { state: Bytes::from_static(b"terminated"), params }.to_bytes()
}

fn document(now: Instant, view: &impl View, facts: &Facts<'_>, subscription: &mut Subscription) -> Bytes {
    let Topic { tenant, package, resource, entity, .. } = &subscription.topic;
    let version = subscription.version;
    subscription.version = version.wrapping_add(1);
    match package {
        Package::Dialog => {
            let mut dialogs = view.dialogs(*tenant, resource, entity);
            dialogs.truncate(limits::MAX_DIALOGS_PER_DOCUMENT);
            let (document, told) = dialog_info(version, entity, dialogs, &subscription.told);
            subscription.told = Told::Dialogs(told);
            document
        }
        Package::Reg => {
            let contacts = view.contacts(now, *tenant, resource);
            let (document, told) = reg_info(version, entity, contacts, &subscription.told);
            subscription.told = Told::Contacts(told);
            document
        }
        Package::MessageSummary => MessageSummary { account: entity, voice: count(facts.waiting) }.to_bytes(),
        Package::Presence => {
            subscription.told = Told::Disturbable(is_disturbable(view, *tenant, resource));
            presence(now, view, *tenant, resource, entity, &facts.published).to_bytes(entity)
        }
    }
}

/// Whether a person wants to be disturbed.
pub(super) fn is_disturbable(view: &impl View, tenant: TenantId, number: &str) -> bool {
    view.extension(tenant, number).is_none_or(|extension| !extension.do_not_disturb)
}

/// The calls of an extension, and those that have ended since the last document.
///
/// As long as there are few, every document is a full one: whoever missed one is right again with the next, and phones that
/// never learnt about partial ones follow too. The ended ones stand in it all the same, since some phones clear a lamp only
/// when they are told so. A phone with many calls, a receptionist's, gets what has changed: the whole would not fit into a packet.
fn dialog_info(version: u32, entity: &str, dialogs: Vec<Dialog>, told: &Told) -> (Bytes, Vec<Dialog>) {
    let before = match told {
        Told::Dialogs(before) => Some(before.as_slice()),
        Told::Nothing | Told::Contacts(_) | Told::Disturbable(_) => None,
    };
    let is_full = before.is_none() || dialogs.len() <= limits::FULL_DOCUMENT_DIALOGS;
    let before = before.unwrap_or_default();
    let is_news = |dialog: &&Dialog| is_full || !before.contains(dialog);
    let ended = before.iter().filter(|old| !dialogs.iter().any(|dialog| dialog.id == old.id)).map(Dialog::terminated);
    let shown: Vec<Dialog> = dialogs.iter().filter(is_news).cloned().chain(ended).collect();
    (DialogInfo { version, is_full, entity, dialogs: &shown }.to_bytes(), dialogs)
}

/// The phones of an extension, and those that have left since the last document.
fn reg_info(version: u32, aor: &str, contacts: Vec<RegContact>, told: &Told) -> (Bytes, Vec<RegContact>) {
    let before = match told {
        Told::Contacts(before) => before.as_slice(),
        Told::Nothing | Told::Dialogs(_) | Told::Disturbable(_) => &[],
    };
    let gone = before.iter().filter(|old| !contacts.iter().any(|contact| contact.id == old.id));
    let gone = gone.map(|old| RegContact { event: ContactEvent::Unregistered, expires_s: 0, ..old.clone() });
    let shown: Vec<RegContact> = contacts.iter().cloned().chain(gone).collect();
    let state = match (contacts.is_empty(), shown.is_empty()) {
        (false, _) => RegState::Active,
        (true, false) => RegState::Terminated,
        (true, true) => RegState::Init,
    };
    (RegInfo { version, aor, state, contacts: &shown }.to_bytes(), contacts)
}

/// What is known of a person: whether a phone is registered, whether it is used, and what phones have published.
fn presence(
    now: Instant,
    view: &impl View,
    tenant: TenantId,
    number: &str,
    entity: &str,
    published: &[&Presence],
) -> Presence {
    let dialogs = view.dialogs(tenant, number, entity);
    let talks = dialogs.iter().any(|dialog| dialog.state == DialogState::Confirmed);
    let own = match (talks, dialogs.is_empty(), !is_disturbable(view, tenant, number)) {
        (true, _, _) => Some(("On the phone", Activity::ON_THE_PHONE)),
        (false, false, _) => Some(("Ringing", Activity::ON_THE_PHONE)),
        (false, true, true) => Some(("Do not disturb", Activity::BUSY)),
        (false, true, false) => None,
    };
    let mut presence = Presence {
        tuples: vec![Tuple {
            id: "phone".to_owned(),
            is_open: Some(view.is_registered(now, tenant, number)),
            contact: Some(entity.to_owned()),
            note: None,
        }],
        note: own.map(|(note, _)| note.to_owned()),
        activities: own.map(|(_, activity)| activity).into_iter().collect(),
    };
    for document in published {
        for tuple in &document.tuples {
            // Two phones may well use the same id.
            let id = format!("p{}", presence.tuples.len());
            presence.tuples.push(Tuple { id, ..tuple.clone() });
        }
        presence.note = presence.note.or_else(|| document.note.clone());
        for activity in &document.activities {
            if !presence.activities.contains(activity) {
                presence.activities.push(*activity);
            }
        }
    }
    presence
}

fn count(waiting: MessageWaiting) -> MessageCount {
    let MessageWaiting { new, old, urgent_new, urgent_old } = waiting;
    MessageCount { new, old, urgent_new, urgent_old }
}
