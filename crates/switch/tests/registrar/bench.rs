//! A registrar, its clock, and REGISTERs to give it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use domain::{ExtensionId, Registration, RegistrationChange, TenantId};
use jiff::Timestamp;
use sip::{Flow, Message, Name, Reply, Request, Transport};
use switch::admit::Identity;
use switch::clock::WallClock;
use switch::registrar::{Registrar, RegistrarConfig};
use uuid::Uuid;

/// When every test begins.
pub(crate) const NOON_S: i64 = 1_700_000_000;

pub(crate) struct Bench {
    pub(crate) registrar: Registrar,
    pub(crate) clock: WallClock,
    pub(crate) now: Instant,
    pub(crate) flow: Flow,
    pub(crate) identity: Identity,
    call_id: String,
    cseq: u32,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with_most(10)
    }

    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to begin at")]
    pub(crate) fn with_most(max_bindings: usize) -> Self {
        let now = Instant::now() + Duration::from_secs(1_000_000);
        Self {
            registrar: Registrar::new(RegistrarConfig {
                default_expires: 3_600,
                min_expires: 60,
                max_expires: 7_200,
                max_bindings,
                seed: [7; 32],
            }),
            clock: WallClock::new(now, Timestamp::from_second(NOON_S).unwrap()),
            now,
            flow: flow(1),
            identity: identity(1, "1001"),
            call_id: "first".to_owned(),
            cseq: 0,
        }
    }

    /// Another phone of the same extension, with a Call-ID and a flow of its own.
    pub(crate) fn phone(&mut self, number: u16) -> &mut Self {
        self.flow = flow(number);
        self.call_id = format!("phone-{number}");
        self
    }

    /// Sends a REGISTER with these header lines, which is the next of its Call-ID.
    pub(crate) fn register(&mut self, lines: &str) -> Reply {
        self.cseq += 1;
        let (call_id, cseq) = (self.call_id.clone(), self.cseq);
        self.register_as(&call_id, cseq, lines)
    }

    pub(crate) fn register_as(&mut self, call_id: &str, cseq: u32, lines: &str) -> Reply {
        let request = register(call_id, cseq, lines);
        self.registrar.register(self.now, &self.clock, &self.flow, &self.identity, &request)
    }

    pub(crate) fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    /// The Contacts that a call to the extension goes to, in order.
    pub(crate) fn contacts(&self) -> Vec<String> {
        let bindings = self.registrar.bindings(self.now, self.identity.tenant, &self.identity.extension);
        bindings.map(|binding| binding.registration().contact.clone()).collect()
    }

    /// The same, for bindings that were made at one instant and so have no order.
    pub(crate) fn sorted_contacts(&self) -> Vec<String> {
        let mut contacts = self.contacts();
        contacts.sort();
        contacts
    }

    pub(crate) fn only(&self) -> Registration {
        let mut all = self.registrar.registrations(None);
        assert_eq!(all.len(), 1, "{all:#?}");
        all.remove(0)
    }

    /// What has changed since the last look.
    pub(crate) fn changes(&mut self) -> Vec<RegistrationChange> {
        std::iter::from_fn(|| self.registrar.poll_change()).collect()
    }
}

pub(crate) fn register(call_id: &str, cseq: u32, lines: &str) -> Request {
    let text = format!(
        "REGISTER sip:acme.test SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK{cseq}\r\nMax-Forwards: 70\r\n\
         From: <sip:1001@acme.test>;tag=a\r\nTo: <sip:1001@acme.test>\r\nCall-ID: {call_id}\r\n\
         CSeq: {cseq} REGISTER\r\n{}\r\n",
        lines.lines().map(|line| format!("{}\r\n", line.trim())).collect::<String>(),
    );
    parse(text.into_bytes())
}

pub(crate) fn parse(bytes: Vec<u8>) -> Request {
    match Message::parse_datagram(Bytes::from(bytes)) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn flow(number: u16) -> Flow {
    let remote = SocketAddr::from(([10, 0, (number >> 8) as u8, number as u8], 5060));
    Flow { transport: Transport::Udp, local: "10.9.9.9:5060".parse().unwrap(), remote }
}

pub(crate) fn tenant(number: u128) -> TenantId {
    TenantId(Uuid::from_u128(number))
}

pub(crate) fn identity(tenant_number: u128, extension: &str) -> Identity {
    Identity {
        tenant: tenant(tenant_number),
        extension: extension.to_owned(),
        extension_id: ExtensionId(Uuid::from_u128(tenant_number << 64 | extension.parse::<u128>().unwrap())),
        user_id: None,
        device_id: None,
        username: extension.to_owned(),
    }
}

/// The values of a header of an answer.
pub(crate) fn values(reply: &Reply, name: &Name) -> Vec<String> {
    let found = reply.headers.iter().filter(|(other, _)| other == name);
    found.map(|(_, value)| String::from_utf8(value.to_vec()).unwrap()).collect()
}
