//! Book: which messages belong together, and to whom.
//!
//! A plain value: time comes in with the messages, finished stretches go out. Messages with one Call-ID and one peer
//! address are one group. A group that belongs to nobody stays until there is no room; one that belongs to a call or a
//! registration leaves as a [`Stretch`] when it has been quiet for some seconds or its call is over.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use domain::{CallId, TenantId};

use super::message::Message;

/// A group is written down when nothing came for so long, in microseconds.
const QUIET_US: i64 = 5_000_000;
/// So long after a call is over its legs are written down: the last answers are in by then.
const CLOSED_US: i64 = 1_500_000;
/// So long a closed call's legs are still known, for copies that come late.
const LATE_US: i64 = 8_000_000;
/// Messages of one group; further ones are counted.
const GROUP_MESSAGES: usize = 1_000;
/// Bytes of one group.
const GROUP_BYTES: usize = 512 << 10;
/// Addresses that may send with one Call-ID at a time.
const GROUPS_PER_CALL_ID: usize = 16;
/// Owners of one Call-ID at a time: callers may choose what others have.
const OWNERS_PER_CALL_ID: usize = 8;
/// Longest Call-ID that is told apart, in characters: what a record keeps of it.
const CALL_ID_CHARS: usize = 255;
/// What a message and its place cost beside its bytes.
const OVERHEAD: usize = 160;
/// What a group costs beside its messages.
const GROUP_OVERHEAD: usize = 512;

/// What the book may hold.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of all messages together.
    pub bytes: usize,
    /// Registrations written down per minute; beyond, they stay in memory alone.
    pub registrations_per_minute: u32,
}

/// Whose messages they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Tenant.
    pub tenant: TenantId,
    /// What of the tenant's.
    pub kind: OwnerKind,
    /// Only messages from and to this address, where somebody else chose the Call-ID.
    pub remote: Option<IpAddr>,
}

/// What messages can belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnerKind {
    /// A call.
    Call(CallId),
    /// The registration of a phone that has proven who it is.
    Registration,
}

impl OwnerKind {
    /// The call.
    #[must_use]
    pub fn call(self) -> Option<CallId> {
        match self {
            OwnerKind::Call(call) => Some(call),
            OwnerKind::Registration => None,
        }
    }
}

/// Messages that leave the book, or are shown while they are in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Call-ID header.
    pub sip_call_id: Arc<str>,
    /// Whose they are.
    pub owner: Option<Owner>,
    /// In the order of time.
    pub messages: Vec<Message>,
}

/// Messages with one Call-ID and one peer address.
#[derive(Debug)]
struct Group {
    remote: IpAddr,
    messages: Vec<Message>,
    bytes: usize,
    last_us: i64,
    owner: Option<Owner>,
}

#[derive(Debug, Default)]
struct Entry {
    groups: Vec<Group>,
    /// The newest first: a Call-ID that is used again belongs to its newest use.
    owners: Vec<Owner>,
}

/// The book.
#[derive(Debug)]
pub struct Book {
    limits: Limits,
    entries: HashMap<Arc<str>, Entry>,
    /// Call-IDs of the legs of running calls.
    calls: HashMap<CallId, Vec<Arc<str>>>,
    bytes: usize,
    /// Groups of nobody in the order in which they began, looked at lazily.
    strangers: VecDeque<(Arc<str>, IpAddr)>,
    /// Groups with an owner, and when to see whether they are quiet.
    quiet: VecDeque<(i64, Arc<str>, IpAddr)>,
    closing: VecDeque<(i64, CallId)>,
    late: VecDeque<(i64, CallId)>,
    allowance: Allowance,
    ready: VecDeque<Stretch>,
    dropped: u64,
}

impl Book {
    /// An empty book.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            entries: HashMap::new(),
            calls: HashMap::new(),
            bytes: 0,
            strangers: VecDeque::new(),
            quiet: VecDeque::new(),
            closing: VecDeque::new(),
            late: VecDeque::new(),
            allowance: Allowance { left: f64::from(limits.registrations_per_minute), at_us: i64::MIN },
            ready: VecDeque::new(),
            dropped: 0,
        }
    }

    /// A message passed a door.
    pub fn message(&mut self, message: Message) {
        let Some(sip_call_id) = sip::glance::call_id(&message.bytes).map(call_id_text) else {
            self.dropped += 1;
            return;
        };
        let remote = message.flow.remote.ip();
        let key = match self.entries.get_key_value(&*sip_call_id) {
            Some((key, _)) => Arc::clone(key),
            None => Arc::from(&*sip_call_id),
        };
        let cost = message.bytes.len() + OVERHEAD;
        if !self.make_group(&key, remote, message.at_us) {
            self.dropped += 1;
            return;
        }
        let Some(group) = self.entries.get_mut(&key).and_then(|entry| entry.of(remote)) else { return };
        group.last_us = group.last_us.max(message.at_us);
        if group.messages.len() >= GROUP_MESSAGES || group.bytes + cost > GROUP_BYTES {
            self.dropped += 1;
            return;
        }
        group.bytes += cost;
        group.messages.push(message);
        self.bytes += cost;
        self.make_room();
    }

    /// From now on messages with this Call-ID are somebody's, and those that are here already.
    pub fn belongs(&mut self, sip_call_id: &[u8], owner: Owner) {
        let key: Arc<str> = Arc::from(&*call_id_text(sip_call_id));
        let entry = self.entries.entry(Arc::clone(&key)).or_default();
        let same = |other: &Owner| other.kind == owner.kind && other.remote == owner.remote;
        if !entry.owners.iter().any(same) {
            entry.owners.truncate(OWNERS_PER_CALL_ID - 1);
            entry.owners.insert(0, owner);
        }
        for group in &mut entry.groups {
            if group.owner.is_none() && owner.remote.is_none_or(|only| only == group.remote) {
                group.owner = Some(owner);
                self.quiet.push_back((group.last_us + QUIET_US, Arc::clone(&key), group.remote));
            }
        }
        if let OwnerKind::Call(call) = owner.kind {
            let legs = self.calls.entry(call).or_default();
            if !legs.contains(&key) {
                legs.push(key);
            }
        }
    }

    /// A call is over.
    pub fn closed(&mut self, at_us: i64, call: CallId) {
        if self.calls.contains_key(&call) {
            self.closing.push_back((at_us + CLOSED_US, call));
            self.late.push_back((at_us + LATE_US, call));
        }
    }

    /// Writes down what has been quiet, or whose call is over.
    pub fn handle_timeout(&mut self, now_us: i64) {
        while let Some((_, call)) = self.closing.pop_front_if(|(at, _)| *at <= now_us) {
            self.write_call(now_us, call);
        }
        while let Some((_, call)) = self.late.pop_front_if(|(at, _)| *at <= now_us) {
            self.write_call(now_us, call);
            for key in self.calls.remove(&call).unwrap_or_default() {
                self.disown(&key, OwnerKind::Call(call));
            }
        }
        while let Some((_, key, remote)) = self.quiet.pop_front_if(|(at, _, _)| *at <= now_us) {
            let Some(group) = self.group(&key, remote) else { continue };
            let due = group.last_us + QUIET_US;
            if due <= now_us {
                self.write(now_us, &key, remote);
            } else {
                self.quiet.push_back((due, key, remote));
            }
        }
    }

    /// Writes down everything that is somebody's, because the end has come.
    pub fn finish(&mut self, now_us: i64) {
        let all = self.entries.iter().flat_map(|(key, entry)| {
            entry.groups.iter().map(|group| (Arc::clone(key), group.remote)).collect::<Vec<_>>()
        });
        let all: Vec<(Arc<str>, IpAddr)> = all.collect();
        for (key, remote) in all {
            self.write(now_us, &key, remote);
        }
    }

    /// The next stretch that is to be kept.
    pub fn poll_stretch(&mut self) -> Option<Stretch> {
        self.ready.pop_front()
    }

    /// What is here of a call's record id, or of a Call-ID and, when that is a leg of a call, of the call's other legs.
    #[must_use]
    pub fn find(&self, wanted: &str) -> Vec<Stretch> {
        let named = wanted.parse().ok().map(CallId);
        let text = call_id_text(wanted.as_bytes());
        let entry = self.entries.get_key_value(&*text);
        let mut calls: Vec<CallId> = named.filter(|call| self.calls.contains_key(call)).into_iter().collect();
        calls.extend(entry.iter().flat_map(|(_, entry)| &entry.owners).filter_map(|owner| owner.kind.call()));
        let mut found: Vec<Stretch> = Vec::new();
        if let Some((key, entry)) = entry {
            found.extend(entry.groups.iter().map(|group| group.stretch(key)));
        }
        for call in calls {
            let legs = self.calls.get(&call).into_iter().flatten().filter(|key| ***key != *text);
            for (key, entry) in legs.filter_map(|key| self.entries.get_key_value(key)) {
                found.extend(entry.groups.iter().filter(|group| group.is_of(call)).map(|group| group.stretch(key)));
            }
        }
        found.extend(self.ready.iter().filter(|stretch| stretch.is(named, &text)).cloned());
        found
    }

    /// Bytes held, what they cost beside themselves included.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Messages that were not kept, for want of a Call-ID or of room in their group.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Sees to it that there is a group; false when there are too many addresses already.
    fn make_group(&mut self, key: &Arc<str>, remote: IpAddr, at_us: i64) -> bool {
        let entry = self.entries.entry(Arc::clone(key)).or_default();
        if entry.of(remote).is_some() {
            return true;
        }
        if entry.groups.len() >= GROUPS_PER_CALL_ID {
            return false;
        }
        let owner = entry.owners.iter().find(|owner| owner.remote.is_none_or(|only| only == remote)).copied();
        entry.groups.push(Group { remote, messages: Vec::new(), bytes: 0, last_us: at_us, owner });
        self.bytes += GROUP_OVERHEAD;
        match owner {
            Some(_) => self.quiet.push_back((at_us + QUIET_US, Arc::clone(key), remote)),
            None => self.strangers.push_back((Arc::clone(key), remote)),
        }
        true
    }

    fn group(&self, key: &str, remote: IpAddr) -> Option<&Group> {
        self.entries.get(key)?.groups.iter().find(|group| group.remote == remote)
    }

    fn write_call(&mut self, now_us: i64, call: CallId) {
        for key in self.calls.get(&call).cloned().unwrap_or_default() {
            let Some(entry) = self.entries.get(&key) else { continue };
            let own = entry.groups.iter().filter(|group| group.is_of(call));
            let remotes: Vec<IpAddr> = own.map(|group| group.remote).collect();
            for remote in remotes {
                self.write(now_us, &key, remote);
            }
        }
    }

    /// Moves a group out, when it is somebody's.
    fn write(&mut self, now_us: i64, key: &Arc<str>, remote: IpAddr) {
        let Some(owner) = self.group(key, remote).and_then(|group| group.owner) else { return };
        if owner.kind == OwnerKind::Registration {
            self.disown(key, OwnerKind::Registration);
            if !self.allowance.take(now_us, self.limits.registrations_per_minute) {
                // One phone too many this minute: it stays like a stranger's.
                if let Some(group) = self.entries.get_mut(key).and_then(|entry| entry.of(remote)) {
                    group.owner = None;
                    self.strangers.push_back((Arc::clone(key), remote));
                }
                return;
            }
        }
        let Some(group) = self.remove(key, remote) else { return };
        if !group.messages.is_empty() {
            self.ready.push_back(group.into_stretch(key));
        }
    }

    fn remove(&mut self, key: &Arc<str>, remote: IpAddr) -> Option<Group> {
        let entry = self.entries.get_mut(key)?;
        let place = entry.groups.iter().position(|group| group.remote == remote)?;
        let group = entry.groups.swap_remove(place);
        self.bytes = self.bytes.saturating_sub(group.bytes + GROUP_OVERHEAD);
        self.forget_if_empty(key);
        Some(group)
    }

    fn disown(&mut self, key: &Arc<str>, kind: OwnerKind) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.owners.retain(|owner| owner.kind != kind);
        }
        self.forget_if_empty(key);
    }

    fn forget_if_empty(&mut self, key: &Arc<str>) {
        if self.entries.get(key).is_some_and(|entry| entry.groups.is_empty() && entry.owners.is_empty()) {
            self.entries.remove(key);
        }
    }

    /// The oldest strangers go first. When there is none, the oldest of the others is written down early.
    fn make_room(&mut self) {
        while self.bytes > self.limits.bytes {
            if let Some((key, remote)) = self.strangers.pop_front() {
                if self.group(&key, remote).is_some_and(|group| group.owner.is_none()) {
                    self.remove(&key, remote);
                }
            } else if let Some((at_us, key, remote)) = self.quiet.pop_front() {
                self.write(at_us, &key, remote);
            } else {
                return;
            }
        }
    }
}

impl Entry {
    fn of(&mut self, remote: IpAddr) -> Option<&mut Group> {
        self.groups.iter_mut().find(|group| group.remote == remote)
    }
}

impl Group {
    fn is_of(&self, call: CallId) -> bool {
        self.owner.is_some_and(|owner| owner.kind == OwnerKind::Call(call))
    }

    fn stretch(&self, key: &Arc<str>) -> Stretch {
        ordered(key, self.owner, self.messages.clone())
    }

    fn into_stretch(self, key: &Arc<str>) -> Stretch {
        ordered(key, self.owner, self.messages)
    }
}

fn ordered(key: &Arc<str>, owner: Option<Owner>, mut messages: Vec<Message>) -> Stretch {
    messages.sort_by_key(|message| message.at_us);
    Stretch { sip_call_id: Arc::clone(key), owner, messages }
}

impl Stretch {
    /// The call it belongs to.
    #[must_use]
    pub fn call(&self) -> Option<CallId> {
        self.owner.and_then(|owner| owner.kind.call())
    }

    fn is(&self, call: Option<CallId>, sip_call_id: &str) -> bool {
        *self.sip_call_id == *sip_call_id || (call.is_some() && self.call() == call)
    }
}

/// How many registrations may still be written down: a bucket that holds a minute's worth and fills evenly.
#[derive(Debug)]
struct Allowance {
    left: f64,
    at_us: i64,
}

impl Allowance {
    fn take(&mut self, now_us: i64, per_minute: u32) -> bool {
        const MINUTE_US: f64 = 60_000_000.0;
        let most = f64::from(per_minute);
        #[expect(clippy::cast_precision_loss, reason = "a fraction of a minute more or less")]
        let since = now_us.saturating_sub(self.at_us).max(0) as f64;
        self.left = (self.left + since * most / MINUTE_US).min(most);
        self.at_us = self.at_us.max(now_us);
        let may = self.left >= 1.0;
        if may {
            self.left -= 1.0;
        }
        may
    }
}

/// A Call-ID as records keep it: at most 255 characters, without controls.
#[must_use]
pub fn call_id_text(sip_call_id: &[u8]) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(sip_call_id);
    if text.len() <= CALL_ID_CHARS && !text.chars().any(char::is_control) {
        return text;
    }
    let cleaned = text.chars().take(CALL_ID_CHARS).map(|letter| if letter.is_control() { '?' } else { letter });
    Cow::Owned(cleaned.collect())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use sip::{Flow, Transport};
    use uuid::Uuid;

    use super::*;
    use crate::trace::message::Way;

    const SECOND: i64 = 1_000_000;
    const ALICE: &str = "127.0.0.1:5070";
    const BOB: &str = "127.0.0.2:5080";

    fn book(bytes: usize, registrations_per_minute: u32) -> Book {
        Book::new(Limits { bytes, registrations_per_minute })
    }

    fn message(at_us: i64, call_id: &str, remote: &str) -> Message {
        let flow = Flow {
            transport: Transport::Udp,
            local: "127.0.0.9:5060".parse().unwrap(),
            remote: remote.parse().unwrap(),
        };
        let text = format!("OPTIONS sip:x SIP/2.0\r\nCall-ID: {call_id}\r\n\r\n{}", "x".repeat(100));
        Message { at_us, way: Way::In, flow, bytes: Bytes::from(text) }
    }

    fn call(number: u128) -> CallId {
        CallId(Uuid::from_u128(number))
    }

    fn owner(kind: OwnerKind, remote: Option<&str>) -> Owner {
        let remote = remote.map(|text| text.parse::<std::net::SocketAddr>().unwrap().ip());
        Owner { tenant: TenantId(Uuid::from_u128(7)), kind, remote }
    }

    /// Call-ID and times of everything that has become ready.
    fn ready(book: &mut Book) -> Vec<(String, Vec<i64>)> {
        std::iter::from_fn(|| book.poll_stretch())
            .map(|stretch| {
                let times = stretch.messages.iter().map(|message| message.at_us).collect();
                (stretch.sip_call_id.to_string(), times)
            })
            .collect()
    }

    #[test]
    fn the_legs_of_a_call_are_written_when_it_is_over() {
        let mut book = book(1 << 20, 10);
        book.message(message(1, "a", ALICE));
        book.belongs(b"a", owner(OwnerKind::Call(call(1)), Some(ALICE)));
        book.belongs(b"b", owner(OwnerKind::Call(call(1)), None));
        book.message(message(3, "b", BOB));
        // Doors are emptied one after the other, so times may come out of order.
        book.message(message(2, "a", ALICE));
        assert_eq!(book.find("a").len(), 2, "one leg leads to the other");
        assert_eq!(book.find(&call(1).to_string()).len(), 2);
        book.closed(4, call(1));
        book.handle_timeout(SECOND);
        assert!(ready(&mut book).is_empty(), "the last answers may still come");
        book.message(message(SECOND, "b", BOB));
        book.handle_timeout(2 * SECOND);
        assert_eq!(ready(&mut book), [("a".to_owned(), vec![1, 2]), ("b".to_owned(), vec![3, SECOND])]);
        book.message(message(3 * SECOND, "a", ALICE));
        book.handle_timeout(9 * SECOND);
        assert_eq!(ready(&mut book), [("a".to_owned(), vec![3 * SECOND])], "a late copy is the call's too");
        assert_eq!((book.bytes(), book.entries.len(), book.calls.len()), (0, 0, 0), "nothing is left");
    }

    #[test]
    fn a_long_call_is_written_while_it_lasts() {
        let mut book = book(1 << 20, 10);
        book.belongs(b"a", owner(OwnerKind::Call(call(1)), None));
        book.message(message(0, "a", ALICE));
        book.message(message(4 * SECOND, "a", ALICE));
        book.handle_timeout(5 * SECOND);
        assert!(ready(&mut book).is_empty(), "it is not quiet yet");
        book.handle_timeout(9 * SECOND);
        assert_eq!(ready(&mut book), [("a".to_owned(), vec![0, 4 * SECOND])]);
        book.message(message(60 * SECOND, "a", ALICE));
        book.handle_timeout(66 * SECOND);
        assert_eq!(ready(&mut book), [("a".to_owned(), vec![60 * SECOND])]);
        assert_eq!(book.bytes(), 0);
    }

    #[test]
    fn strangers_stay_in_memory_and_the_oldest_make_room() {
        let mut book = book(20_000, 10);
        for number in 0..1_000 {
            book.message(message(number * SECOND, &format!("s{number}"), ALICE));
            assert!(book.bytes() <= 20_000);
        }
        book.handle_timeout(2_000 * SECOND);
        assert!(ready(&mut book).is_empty(), "nothing of theirs is written");
        assert!(book.find("s0").is_empty());
        assert_eq!(book.find("s999").len(), 1);
        assert!(book.entries.len() < 40 && book.strangers.len() < 40);
    }

    #[test]
    fn a_flood_of_strangers_does_not_push_out_a_call() {
        let mut book = book(20_000, 10);
        book.message(message(0, "a", ALICE));
        book.belongs(b"a", owner(OwnerKind::Call(call(1)), Some(ALICE)));
        for number in 0..1_000 {
            book.message(message(number, &format!("s{number}"), BOB));
        }
        assert_eq!(book.find("a").len(), 1);
        book.finish(0);
        assert_eq!(ready(&mut book), [("a".to_owned(), vec![0])]);
    }

    #[test]
    fn without_room_what_is_somebodys_is_written_early() {
        let mut book = book(5_000, 10);
        for number in 0..10 {
            let name = format!("a{number}");
            book.belongs(name.as_bytes(), owner(OwnerKind::Call(call(1)), None));
            book.message(message(number, &name, ALICE));
        }
        assert!(book.bytes() <= 5_000);
        assert_eq!(ready(&mut book)[0], ("a0".to_owned(), vec![0]));
    }

    #[test]
    fn another_peer_with_the_same_call_id_is_kept_apart() {
        let mut book = book(1 << 20, 10);
        book.message(message(1, "a", ALICE));
        book.message(message(2, "a", BOB));
        book.belongs(b"a", owner(OwnerKind::Call(call(1)), Some(ALICE)));
        book.closed(3, call(1));
        book.handle_timeout(2 * SECOND);
        assert_eq!(ready(&mut book), [("a".to_owned(), vec![1])]);
        let left = book.find("a");
        assert_eq!((left.len(), left[0].owner), (1, None));
        for host in 10..60 {
            book.message(message(5, "a", &format!("127.0.1.{host}:1")));
        }
        assert_eq!(book.find("a").len(), GROUPS_PER_CALL_ID);
        assert_eq!(book.dropped(), 35);
    }

    #[test]
    fn registrations_are_written_within_the_allowance() {
        let mut book = book(1 << 20, 2);
        let register = |book: &mut Book, at: i64, name: &str| {
            book.message(message(at, name, ALICE));
            book.belongs(name.as_bytes(), owner(OwnerKind::Registration, Some(ALICE)));
            book.handle_timeout(at + QUIET_US);
            ready(book).len()
        };
        let written: Vec<usize> =
            (0..4).map(|number| register(&mut book, number * SECOND, &format!("r{number}"))).collect();
        assert_eq!(written, [1, 1, 0, 0], "two a minute");
        assert_eq!(book.find("r3").len(), 1, "the others can be looked at in memory");
        assert_eq!(register(&mut book, 40 * SECOND, "r5"), 1, "half a minute later there is room for one");
        assert_eq!(register(&mut book, 41 * SECOND, "r6"), 0);
    }

    #[test]
    fn a_group_is_bounded() {
        let mut book = book(64 << 20, 10);
        for number in 0..5_000 {
            book.message(message(number, "a", ALICE));
        }
        assert_eq!(book.find("a")[0].messages.len(), GROUP_MESSAGES);
        assert_eq!(book.dropped(), 4_000);
        let mut nameless = message(1, "a", ALICE);
        nameless.bytes = Bytes::from_static(b"nothing of ours");
        book.message(nameless);
        assert_eq!(book.dropped(), 4_001);
    }

    #[test]
    fn call_ids_are_those_of_the_records() {
        assert_eq!(call_id_text(b"a@b"), "a@b");
        assert_eq!(call_id_text(b"a\tb\xff"), "a?b\u{fffd}");
        assert_eq!(call_id_text(&[b'x'; 300]).len(), 255);
    }
}
