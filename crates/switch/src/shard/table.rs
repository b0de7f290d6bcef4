//! The table of calls: who owns which dialog and which request, and who wants to be woken when.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Instant;

use domain::{CallId, TenantId};
use media::SessionId;
use sip::header::NameAddr;
use sip::package::{DialogState, Direction};
use sip::{ClientId, DialogId, ServerId};

use crate::admit::Identity;
use crate::call::effect::RequestKey;
use crate::call::{Call, CallKey, CallView, Parties, Standing, Watched};
use crate::limits;
use crate::shard::lines::Lines;

/// One call, and what the endpoint holds on its behalf.
struct Entry {
    /// Absent while a step runs.
    call: Option<Box<Call>>,
    tenant: TenantId,
    record: CallId,
    /// Requests that wait for our final answer: the caller's INVITE, a re-INVITE that was passed on.
    servers: Vec<ServerId>,
    dialogs: Vec<DialogId>,
    requests: Vec<(RequestKey, ClientId)>,
    deadline: Option<Instant>,
    /// What the call was counted as after its last step.
    counted: Standing,
    /// The extensions that took part in it after its last step.
    parties: Parties,
    /// The extensions in it, as they stood after its last step.
    watched: Vec<Seen>,
}

/// An extension in a call, as far as a change of it is to be noticed.
#[derive(PartialEq)]
struct Seen {
    number: String,
    direction: Direction,
    state: DialogState,
    holds: bool,
    remote: Option<NameAddr>,
}

impl Seen {
    fn of(watched: &Watched<'_>) -> Self {
        Self {
            number: watched.number.to_owned(),
            direction: watched.direction,
            state: watched.state,
            holds: watched.holds,
            remote: watched.remote.cloned(),
        }
    }

    fn is(&self, watched: &Watched<'_>) -> bool {
        (self.direction, self.state, self.holds) == (watched.direction, watched.state, watched.holds)
            && self.number == watched.number
            && self.remote.as_ref() == watched.remote
    }
}

/// What the endpoint holds for one call.
pub(super) struct Holdings {
    /// Requests that wait for our final answer.
    pub(super) servers: Vec<ServerId>,
    /// Requests of ours.
    pub(super) clients: Vec<ClientId>,
    /// Dialogs.
    pub(super) dialogs: Vec<DialogId>,
}

/// All calls of a shard. The hash maps are for look-up alone.
pub(super) struct Calls {
    calls: BTreeMap<CallKey, Entry>,
    dialogs: HashMap<DialogId, CallKey>,
    requests: HashMap<ClientId, (CallKey, RequestKey)>,
    deadlines: BTreeSet<(Instant, CallKey)>,
    running: HashMap<TenantId, usize>,
    lines: Lines,
    media_sessions: usize,
    /// The calls of each extension.
    extensions: HashMap<TenantId, HashMap<String, BTreeSet<CallKey>>>,
    /// Extensions whose calls have changed since [`Calls::pop_changed`] was last asked.
    changed: BTreeSet<(TenantId, String)>,
    next: u64,
}

impl Calls {
    /// Keys, and with them media sessions, carry the shard's number in front.
    pub(super) fn new(shard: u8) -> Self {
        Self {
            calls: BTreeMap::new(),
            dialogs: HashMap::new(),
            requests: HashMap::new(),
            deadlines: BTreeSet::new(),
            running: HashMap::new(),
            lines: Lines::default(),
            media_sessions: 0,
            extensions: HashMap::new(),
            changed: BTreeSet::new(),
            next: u64::from(shard) << 56,
        }
    }

    pub(super) fn fresh_key(&mut self) -> CallKey {
        self.next += 1;
        CallKey(self.next)
    }

    pub(super) fn insert(&mut self, key: CallKey, call: Call, server: ServerId, dialog: DialogId) {
        let tenant = call.tenant();
        let entry = Entry {
            call: None,
            tenant,
            record: call.id(),
            servers: vec![server],
            dialogs: Vec::with_capacity(2),
            requests: Vec::new(),
            deadline: None,
            counted: Standing::default(),
            parties: Parties::default(),
            watched: Vec::new(),
        };
        self.calls.insert(key, entry);
        self.own_dialog(key, dialog);
        self.put(key, Box::new(call));
    }

    /// Moves a call out for a step; [`Calls::put`] brings it back.
    pub(super) fn take(&mut self, key: CallKey) -> Option<Box<Call>> {
        self.calls.get_mut(&key)?.call.take()
    }

    /// Brings a call back after a step, or forgets it when it is over.
    pub(super) fn put(&mut self, key: CallKey, call: Box<Call>) {
        let Some(entry) = self.calls.get_mut(&key) else { return };
        let counted = call.standing();
        let before = std::mem::replace(&mut entry.counted, counted);
        let running = self.running.entry(entry.tenant).or_default();
        *running = (*running + usize::from(counted.running)).saturating_sub(usize::from(before.running));
        if *running == 0 {
            self.running.remove(&entry.tenant);
        }
        self.media_sessions =
            (self.media_sessions + usize::from(counted.media)).saturating_sub(usize::from(before.media));
        let parties = call.parties();
        let before = std::mem::replace(&mut entry.parties, parties);
        self.lines.change(key, &before, &parties);
        let deadline = call.poll_timeout();
        if entry.deadline != deadline {
            if let Some(old) = std::mem::replace(&mut entry.deadline, deadline) {
                self.deadlines.remove(&(old, key));
            }
            self.deadlines.extend(deadline.map(|at| (at, key)));
        }
        self.watch(key, &call);
        let Some(entry) = self.calls.get_mut(&key) else { return };
        if call.is_over() {
            self.forget(key);
        } else {
            entry.call = Some(call);
        }
    }

    /// Notices what a step has changed about the extensions in a call.
    fn watch(&mut self, key: CallKey, call: &Call) {
        let Some(entry) = self.calls.get_mut(&key) else { return };
        let watched = call.watched();
        if entry.watched.len() == watched.len() && entry.watched.iter().zip(&watched).all(|(old, new)| old.is(new)) {
            return;
        }
        let before = std::mem::replace(&mut entry.watched, watched.iter().map(Seen::of).collect());
        let tenant = entry.tenant;
        let extensions = self.extensions.entry(tenant).or_default();
        for old in before.iter().filter(|old| !watched.iter().any(|new| old.is(new))) {
            self.changed.insert((tenant, old.number.clone()));
            if watched.iter().any(|new| new.number == old.number) {
                continue;
            }
            if let Some(calls) = extensions.get_mut(&old.number) {
                calls.remove(&key);
                if calls.is_empty() {
                    extensions.remove(&old.number);
                }
            }
        }
        for new in &watched {
            if !before.iter().any(|old| old.is(new)) {
                extensions.entry(new.number.to_owned()).or_default().insert(key);
                self.changed.insert((tenant, new.number.to_owned()));
            }
        }
        if extensions.is_empty() {
            self.extensions.remove(&tenant);
        }
    }

    /// The next extension whose calls have changed.
    pub(super) fn pop_changed(&mut self) -> Option<(TenantId, String)> {
        self.changed.pop_first()
    }

    /// The calls of an extension, the oldest first.
    pub(super) fn of_extension(&self, tenant: TenantId, number: &str) -> impl Iterator<Item = &Call> {
        let keys = self.extensions.get(&tenant).and_then(|extensions| extensions.get(number));
        let entries = keys.into_iter().flatten().filter_map(|key| self.calls.get(key));
        entries.filter_map(|entry| entry.call.as_deref())
    }

    fn forget(&mut self, key: CallKey) {
        let Some(entry) = self.calls.remove(&key) else { return };
        for dialog in entry.dialogs {
            self.dialogs.remove(&dialog);
        }
        for (_, client) in entry.requests {
            self.requests.remove(&client);
        }
        if let Some(deadline) = entry.deadline {
            self.deadlines.remove(&(deadline, key));
        }
    }

    /// From now on the dialog's requests go to this call. A call with too many dialogs gets no further one.
    pub(super) fn own_dialog(&mut self, key: CallKey, dialog: DialogId) -> bool {
        let Some(entry) = self.calls.get_mut(&key) else { return false };
        if entry.dialogs.contains(&dialog) {
            return true;
        }
        if entry.dialogs.len() >= limits::MAX_DIALOGS_PER_CALL {
            return false;
        }
        entry.dialogs.push(dialog);
        self.dialogs.insert(dialog, key);
        true
    }

    /// From now on the answers to a request go to this call.
    pub(super) fn own_request(&mut self, key: CallKey, request: RequestKey, client: ClientId) {
        if let Some(entry) = self.calls.get_mut(&key) {
            entry.requests.push((request, client));
            self.requests.insert(client, (key, request));
        }
    }

    pub(super) fn client(&self, key: CallKey, request: RequestKey) -> Option<ClientId> {
        let requests = &self.calls.get(&key)?.requests;
        requests.iter().find(|(owned, _)| *owned == request).map(|(_, client)| *client)
    }

    /// The call waits for nothing more from a request.
    pub(super) fn release(&mut self, key: CallKey, request: RequestKey) {
        let Some(entry) = self.calls.get_mut(&key) else { return };
        if let Some(index) = entry.requests.iter().position(|(owned, _)| *owned == request) {
            let (_, client) = entry.requests.swap_remove(index);
            self.requests.remove(&client);
        }
    }

    pub(super) fn of_dialog(&self, dialog: DialogId) -> Option<CallKey> {
        self.dialogs.get(&dialog).copied()
    }

    /// Whether the far end of a dialog is a phone of this extension.
    pub(super) fn owns(&self, dialog: DialogId, identity: &Identity) -> bool {
        let entry = self.of_dialog(dialog).and_then(|key| self.calls.get(&key));
        let call = entry.and_then(|entry| entry.call.as_ref());
        call.is_some_and(|call| {
            call.tenant() == identity.tenant && call.extension_of(dialog) == Some(identity.extension_id)
        })
    }

    /// Whether one who is in two calls may bring them together: both are of one tenant, the far ends of both dialogs are phones of
    /// one extension, and neither call is busy with anything else; otherwise why not: 491 when it may be tried again.
    pub(super) fn may_join(&self, from: (CallKey, DialogId), to: (CallKey, DialogId)) -> Result<(), u16> {
        let call = |key| self.calls.get(&key).and_then(|entry| entry.call.as_ref()).ok_or(481_u16);
        let (one, other) = (call(from.0)?, call(to.0)?);
        let extension = one.extension_of(from.1);
        let may = one.tenant() == other.tenant()
            && extension.is_some()
            && extension == other.extension_of(to.1)
            && one.may_part(from.1)
            && other.may_adopt(to.1, false);
        match may {
            false => Err(481),
            true if one.is_changing() || other.is_changing() => Err(491),
            true => Ok(()),
        }
    }

    /// Whether an INVITE may take the place of who is behind a dialog; otherwise its answer (RFC 3891 §3). A call that rings may be
    /// picked up by anybody of the tenant; one who talks is replaced by another phone of its own extension alone (§5).
    pub(super) fn may_replace(
        &self,
        (key, place): (CallKey, DialogId),
        identity: &Identity,
        early_only: bool,
    ) -> Result<(), u16> {
        let call = self.calls.get(&key).and_then(|entry| entry.call.as_ref()).ok_or(481_u16)?;
        match call.is_confirmed(place) {
            _ if !call.may_adopt(place, true) => Err(481),
            true if call.extension_of(place) != Some(identity.extension_id) => Err(403),
            true if early_only => Err(486),
            true if call.is_changing() => Err(491),
            // A caller's own early dialog is no one's to take.
            false if call.is_caller(place) => Err(481),
            _ => Ok(()),
        }
    }

    /// A dialog is nobody's any more.
    pub(super) fn disown(&mut self, key: CallKey, dialog: DialogId) {
        if let Some(entry) = self.calls.get_mut(&key) {
            entry.dialogs.retain(|owned| *owned != dialog);
            if self.dialogs.get(&dialog) == Some(&key) {
                self.dialogs.remove(&dialog);
            }
        }
    }

    /// A dialog goes over to another call with whoever is behind it.
    pub(super) fn move_dialog(&mut self, dialog: DialogId, from: CallKey, to: CallKey) {
        if let Some(entry) = self.calls.get_mut(&from) {
            entry.dialogs.retain(|owned| *owned != dialog);
        }
        self.dialogs.remove(&dialog);
        self.own_dialog(to, dialog);
    }

    pub(super) fn of_request(&self, client: ClientId) -> Option<(CallKey, RequestKey)> {
        self.requests.get(&client).copied()
    }

    /// The call of a media session, when it is one of ours.
    pub(super) fn of_session(&self, session: SessionId) -> Option<CallKey> {
        let key = CallKey(session.0);
        self.calls.contains_key(&key).then_some(key)
    }

    /// A request has come whose final answer the call owes.
    pub(super) fn owe(&mut self, key: CallKey, server: ServerId) {
        if let Some(entry) = self.calls.get_mut(&key) {
            entry.servers.push(server);
        }
    }

    /// A request has got its final answer.
    pub(super) fn settle(&mut self, key: CallKey, server: ServerId) {
        if let Some(entry) = self.calls.get_mut(&key) {
            entry.servers.retain(|owed| *owed != server);
        }
    }

    /// Everything the endpoint holds for a call.
    pub(super) fn holdings(&self, key: CallKey) -> Option<Holdings> {
        let entry = self.calls.get(&key)?;
        Some(Holdings {
            servers: entry.servers.clone(),
            clients: entry.requests.iter().map(|(_, client)| *client).collect(),
            dialogs: entry.dialogs.clone(),
        })
    }

    /// Which extension takes part in which call.
    pub(super) fn lines(&self) -> &Lines {
        &self.lines
    }

    pub(super) fn tenant(&self, key: CallKey) -> Option<TenantId> {
        self.calls.get(&key).map(|entry| entry.tenant)
    }

    /// Whose call it is, and its record.
    pub(super) fn record(&self, key: CallKey) -> Option<(TenantId, CallId)> {
        self.calls.get(&key).map(|entry| (entry.tenant, entry.record))
    }

    /// Calls of a tenant that count for its limit.
    pub(super) fn running(&self, tenant: TenantId) -> usize {
        self.running.get(&tenant).copied().unwrap_or(0)
    }

    pub(super) fn len(&self) -> usize {
        self.calls.len()
    }

    pub(super) fn media_sessions(&self) -> usize {
        self.media_sessions
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// The next call that wanted to be woken by `now`.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<CallKey> {
        let (at, key) = self.deadlines.first().copied().filter(|(at, _)| *at <= now)?;
        self.deadlines.remove(&(at, key));
        if let Some(entry) = self.calls.get_mut(&key) {
            entry.deadline = None;
        }
        Some(key)
    }

    /// Every call, for when all of them end.
    pub(super) fn keys(&self) -> Vec<CallKey> {
        self.calls.keys().copied().collect()
    }

    /// For operators; goes through all calls.
    pub(super) fn views(&self, tenant: Option<TenantId>) -> Vec<CallView> {
        let entries = self.calls.values().filter(|entry| tenant.is_none_or(|tenant| tenant == entry.tenant));
        entries.filter_map(|entry| entry.call.as_ref()).map(|call| call.view()).collect()
    }

    /// For tests; goes through all calls.
    pub(super) fn find(&self, call: CallId) -> Option<CallKey> {
        self.calls
            .iter()
            .find(|(_, entry)| entry.call.as_ref().is_some_and(|held| held.view().id == call))
            .map(|(key, _)| *key)
    }
}
