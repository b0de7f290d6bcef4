//! A shard with one tenant, three extensions, and everything that comes out of it.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use domain::{
    Action, CallEventKind, CallId, CallLeg, CallRecord, Credential, DialplanEntry, DialplanId, DigestOffer, Extension,
    ExtensionId, Ha1, JournalEntry, SipLogin, Tenant, TenantId, TenantSnapshot, TenantStatus,
};
use media::{Command, DirectionStats, Fact, LegAddress, LegStats, SessionId};
use sip::{EndpointConfig, Flow, Message, Method, Request, Response, Transport};
use switch::{Input, Output, Shard, ShardConfig};
use uuid::Uuid;

pub(crate) const REALM: &str = "alpha.test";
pub(crate) const PASSWORD: &str = "correct horse";

/// Our address that faces every phone.
pub(crate) fn local() -> SocketAddr {
    "192.0.2.1:5060".parse().unwrap()
}

pub(crate) fn flow(remote: SocketAddr) -> Flow {
    Flow { transport: Transport::Udp, local: local(), remote }
}

/// A shard on a virtual clock.
pub(crate) struct Bench {
    pub(crate) shard: Shard,
    pub(crate) now: Instant,
    inboxes: BTreeMap<SocketAddr, VecDeque<Message>>,
    pub(crate) media: Vec<Command>,
    /// Whether ports open and close by themselves.
    pub(crate) worker: bool,
    pub(crate) journal: Vec<JournalEntry>,
    /// Which Call-IDs were said to belong to which call.
    pub(crate) told: Vec<(TenantId, CallId, Bytes)>,
    ports: u16,
    session_legs: BTreeMap<SessionId, usize>,
    pub(crate) number: u32,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    /// The usual tenant, changed a little.
    pub(crate) fn with(change: impl FnOnce(&mut TenantSnapshot)) -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "an Instant can be had in no other way; the value does not matter"
        )]
        let now = Instant::now() + Duration::from_secs(100_000);
        let noon = jiff::Timestamp::from_second(1_700_000_000).unwrap();
        let endpoint = EndpointConfig::new([7; 32], "YakYak");
        let mut snapshot = tenant();
        change(&mut snapshot);
        let mut shard = Shard::new(ShardConfig::new(endpoint, (now, noon), [9; 32]));
        shard.handle(now, Input::Snapshot(Arc::new(snapshot)));
        Self {
            shard,
            now,
            inboxes: BTreeMap::new(),
            media: Vec::new(),
            worker: true,
            journal: Vec::new(),
            told: Vec::new(),
            ports: 40_000,
            session_legs: BTreeMap::new(),
            number: 0,
        }
    }

    /// A number that was not used before.
    pub(crate) fn fresh(&mut self) -> u32 {
        self.number += 1;
        self.number
    }

    pub(crate) fn send(&mut self, from: SocketAddr, message: impl Into<String>) {
        let bytes = bytes::Bytes::from(message.into().into_bytes());
        let message = Message::parse_datagram(bytes).expect("a phone's message");
        self.input(Input::Sip { flow: flow(from), message });
    }

    pub(crate) fn input(&mut self, input: Input) {
        self.shard.handle(self.now, input);
        self.pump();
    }

    fn pump(&mut self) {
        while let Some(output) = self.shard.poll_output() {
            match output {
                Output::Transmit(transmit) => {
                    let message = Message::parse_datagram(transmit.bytes).expect("our own message");
                    assert_eq!(transmit.flow.local, local());
                    self.inboxes.entry(transmit.flow.remote).or_default().push_back(message);
                }
                Output::Media(command) => self.work(command),
                Output::Journal(entry) => self.journal.push(entry),
                Output::Leg { tenant, call, sip_call_id } => self.told.push((tenant, call, sip_call_id)),
                Output::Registration(_) | Output::Subscription(_) | Output::Guard(_) => {}
                Output::Message(_) | Output::FetchMessages { .. } | Output::MessageDelivered { .. } => {}
            }
        }
    }

    fn work(&mut self, command: Command) {
        self.media.push(command.clone());
        if !self.worker {
            return;
        }
        match command {
            Command::Open { session, legs } => {
                self.session_legs.insert(session, legs.len());
                let legs = legs
                    .into_iter()
                    .map(|ip| {
                        self.ports += 2;
                        LegAddress::alone(SocketAddr::new(ip, self.ports))
                    })
                    .collect();
                self.shard.handle(self.now, Input::Media(Fact::Opened { session, legs }));
            }
            Command::Close { session } => {
                let received = DirectionStats { packets: 50, lost: 1, jitter_us: 1_500, ..DirectionStats::default() };
                let stats = LegStats { received, codec: "PCMU", ..LegStats::default() };
                let legs = vec![stats; self.session_legs.remove(&session).expect("closed once, after it was opened")];
                self.shard.handle(self.now, Input::Media(Fact::Closed { session, legs }));
            }
            Command::Apply { .. }
            | Command::Play { .. }
            | Command::Echo { .. }
            | Command::Stop { .. }
            | Command::Join { .. }
            | Command::Leave { .. }
            | Command::Record { .. }
            | Command::Recording { .. }
            | Command::Press { .. } => {}
        }
    }

    /// Lets time pass, every deadline at its time.
    pub(crate) fn advance(&mut self, by: Duration) {
        let end = self.now + by;
        while let Some(due) = self.shard.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.shard.handle_timeout(self.now);
            self.pump();
        }
        self.now = end;
    }

    /// The next message a phone got.
    pub(crate) fn next(&mut self, phone: SocketAddr) -> Option<Message> {
        self.inboxes.get_mut(&phone)?.pop_front()
    }

    /// The next message a phone got, a response with this code; 100 is passed over.
    #[track_caller]
    pub(crate) fn response(&mut self, phone: SocketAddr, code: u16) -> Response {
        loop {
            match self.next(phone) {
                Some(Message::Response(response)) if response.code() == 100 && code != 100 => {}
                Some(Message::Response(response)) if response.code() == code => return response,
                Some(Message::Response(other)) => {
                    panic!("{phone} got {}, expected {code}:\n{}", other.code(), String::from_utf8_lossy(other.bytes()))
                }
                Some(Message::Request(other)) => panic!("{phone} got {}, expected {code}", other.method()),
                None => panic!("{phone} got nothing, expected {code}"),
            }
        }
    }

    /// The next message a phone got, a final response; 100 is passed over.
    #[track_caller]
    pub(crate) fn final_response(&mut self, phone: SocketAddr) -> Response {
        loop {
            match self.next(phone) {
                Some(Message::Response(response)) if response.code() == 100 => {}
                Some(Message::Response(response)) if response.code() >= 200 => return response,
                other => panic!("{phone} got {other:?}, expected a final response"),
            }
        }
    }

    /// The next message a phone got, a request with this method.
    #[track_caller]
    pub(crate) fn request(&mut self, phone: SocketAddr, method: &Method) -> Request {
        match self.next(phone) {
            Some(Message::Request(request)) if request.method() == method => request,
            Some(Message::Request(other)) => panic!("{phone} got {}, expected {method}", other.method()),
            Some(Message::Response(other)) => panic!("{phone} got {}, expected {method}", other.code()),
            None => panic!("{phone} got nothing, expected {method}"),
        }
    }

    #[track_caller]
    pub(crate) fn nothing(&mut self, phone: SocketAddr) {
        match self.next(phone) {
            None => {}
            Some(message) => panic!("{phone} got\n{}", String::from_utf8_lossy(message.bytes())),
        }
    }

    /// Forgets what came out so far.
    pub(crate) fn forget_messages(&mut self) {
        self.inboxes.clear();
    }

    pub(crate) fn opened(&self) -> Vec<&CallRecord> {
        self.journal
            .iter()
            .filter_map(|entry| if let JournalEntry::Opened(row) = entry { Some(&**row) } else { None })
            .collect()
    }

    pub(crate) fn closed(&self) -> Vec<&CallRecord> {
        self.journal
            .iter()
            .filter_map(|entry| if let JournalEntry::Closed(row) = entry { Some(&**row) } else { None })
            .collect()
    }

    pub(crate) fn legs(&self) -> Vec<&CallLeg> {
        self.journal
            .iter()
            .filter_map(|entry| if let JournalEntry::Leg(row) = entry { Some(&**row) } else { None })
            .collect()
    }

    pub(crate) fn events(&self) -> Vec<CallEventKind> {
        self.journal
            .iter()
            .filter_map(|entry| if let JournalEntry::Event(row) = entry { Some(row.kind) } else { None })
            .collect()
    }

    /// What the events of a kind say, in order.
    pub(crate) fn details(&self, kind: CallEventKind) -> Vec<&str> {
        let events = self.journal.iter().filter_map(|entry| match entry {
            JournalEntry::Event(row) if row.kind == kind => row.detail.as_deref(),
            _ => None,
        });
        events.collect()
    }

    /// The plans given to the worker, in order.
    pub(crate) fn plans(&self) -> Vec<&media::Plan> {
        self.media
            .iter()
            .filter_map(|command| if let Command::Apply { plan, .. } = command { Some(plan) } else { None })
            .collect()
    }

    /// Whatever happened, nothing is left of it: one record each, and every count back at zero.
    #[track_caller]
    pub(crate) fn end(&mut self) -> CallRecord {
        self.advance(Duration::from_secs(60));
        let counts = self.shard.counts();
        assert_eq!((counts.calls, counts.media_sessions), (0, 0), "calls and media sessions");
        let left = counts.endpoint;
        assert_eq!((left.server_transactions, left.client_transactions, left.dialogs), (0, 0, 0), "endpoint");
        assert!(self.session_legs.is_empty(), "sessions of the worker");
        assert_eq!(self.opened().len(), 1, "records opened");
        assert_eq!(self.closed().len(), 1, "records closed");
        assert_eq!(self.opened()[0].id, self.closed()[0].id);
        self.closed()[0].clone()
    }
}

/// One tenant: 1001, 1002, 1003, the echo test, and a number that is hung up on.
fn tenant() -> TenantSnapshot {
    let extension = |number: &str, id: u128| Extension {
        display_name: Some(format!("Phone {number}")),
        ..Extension::new(ExtensionId(Uuid::from_u128(id)), number, "default")
    };
    let credential = |number: &str| Credential {
        username: number.to_owned(),
        ha1: Ha1::new(number, REALM, PASSWORD),
        user_id: None,
        device_id: None,
        extension: number.to_owned(),
        enabled: true,
    };
    let row = |id: u128, exten: &str, priority: u32, action: Action| DialplanEntry {
        id: DialplanId(Uuid::from_u128(id)),
        context: "default".to_owned(),
        exten: exten.to_owned(),
        priority,
        action,
    };
    let numbers = ["1001", "1002", "1003"];
    TenantSnapshot {
        tenant: Tenant {
            id: TenantId(Uuid::from_u128(1)),
            name: "Alpha".to_owned(),
            slug: "alpha".to_owned(),
            realm: REALM.to_owned(),
            domain: REALM.to_owned(),
            domains: Vec::new(),
            is_default: true,
            status: TenantStatus::Active,
            sip_login: SipLogin::Number,
            digest_algorithms: DigestOffer::Md5,
            timezone: "UTC".to_owned(),
            locale: "en".to_owned(),
            max_concurrent_calls: 10,
            ring_timeout_s: 20,
            emergency_numbers: vec!["112".to_owned()],
        },
        revision: 1,
        credentials: numbers.iter().map(|number| ((*number).to_owned(), credential(number))).collect(),
        extensions: numbers
            .iter()
            .zip(100..)
            .map(|(number, id)| ((*number).to_owned(), extension(number, id)))
            .collect::<HashMap<_, _>>(),
        dialplan: vec![
            row(1, "*43", 1, Action::Echo),
            row(2, "600", 1, Action::Dial(Some("1003".to_owned()))),
            row(3, "600", 2, Action::Dial(Some("1002".to_owned()))),
            row(4, "666", 1, Action::Hangup(Some(21))),
        ],
    }
}
