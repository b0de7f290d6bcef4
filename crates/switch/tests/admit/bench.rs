//! Tenants, a registrar, and requests before the gate.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use domain::{DeviceId, TenantSnapshot};
use jiff::Timestamp;
use sip::digest::{Challenge, ClientNonce, Credentials, Ha1, Login, respond};
use sip::{
    Admission, Endpoint, EndpointConfig, Event, Flow, Gate, Message, Method, Name, Reply, Request, Scope, Transport,
    Uri,
};
use switch::admit::{Admittance, Identity};
use switch::clock::WallClock;
use switch::guard::GuardConfig;
use switch::registrar::{Registrar, RegistrarConfig};
use testkit::TenantBuilder;
use uuid::Uuid;

/// The login of a device in tenant acme, which speaks for 1002.
pub(crate) const DEVICE: &str = "0b7c1c1e-7d7f-4a53-9c5e-2f1f6c0c9a11";

pub(crate) struct Bench {
    pub(crate) admittance: Admittance,
    pub(crate) registrar: Registrar,
    pub(crate) now: Instant,
    pub(crate) flow: Flow,
}

/// A request to be.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) method: &'static str,
    pub(crate) uri: String,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) lines: String,
}

/// Whose password a draft is signed with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signer<'a> {
    pub(crate) username: &'a str,
    pub(crate) password: &'a str,
    pub(crate) nc: u32,
}

impl<'a> Signer<'a> {
    pub(crate) fn new(username: &'a str, password: &'a str) -> Self {
        Self { username, password, nc: 1 }
    }
}

/// Extension 1001 of acme, as it should be.
pub(crate) const ALICE: Signer<'static> = Signer { username: "1001", password: "secret-acme-1001", nc: 1 };

impl Draft {
    /// What 1001 of acme sends.
    pub(crate) fn new(method: &'static str) -> Self {
        let own = "sip:1001@acme.test".to_owned();
        let (uri, to) = match method {
            "REGISTER" => ("sip:acme.test".to_owned(), own.clone()),
            _ => ("sip:1002@acme.test".to_owned(), "sip:1002@acme.test".to_owned()),
        };
        Self { method, uri, from: own, to, lines: String::new() }
    }

    pub(crate) fn uri(self, uri: &str) -> Self {
        Self { uri: uri.to_owned(), ..self }
    }

    pub(crate) fn from(self, from: &str) -> Self {
        Self { from: from.to_owned(), ..self }
    }

    pub(crate) fn to(self, to: &str) -> Self {
        Self { to: to.to_owned(), ..self }
    }

    pub(crate) fn line(mut self, line: &str) -> Self {
        self.lines.push_str(line);
        self.lines.push_str("\r\n");
        self
    }

    pub(crate) fn build(&self) -> Request {
        let Self { method, uri, from, to, lines } = self;
        let text = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKa\r\nMax-Forwards: 70\r\n\
             From: <{from}>;tag=a\r\nTo: <{to}>\r\nCall-ID: c\r\nCSeq: 1 {method}\r\n{lines}\r\n"
        );
        match Message::parse_datagram(Bytes::from(text)) {
            Ok(Message::Request(request)) => request,
            other => panic!("{other:?}"),
        }
    }

    /// With the answer to a challenge.
    pub(crate) fn signed(self, reply: &Reply, signer: Signer<'_>) -> Self {
        let (name, _) = challenges(reply).remove(0);
        let credentials = self.credentials(&challenges(reply)[0].1, signer);
        self.with_credentials(&name, &credentials)
    }

    pub(crate) fn credentials(&self, challenge: &Challenge, signer: Signer<'_>) -> Credentials {
        let ha1 = Ha1::new(signer.username.as_bytes(), &challenge.realm, signer.password.as_bytes());
        let login = Login { username: signer.username.as_bytes(), ha1: &ha1 };
        let method = Method::parse(&Bytes::from(self.method)).unwrap();
        let uri: Uri = self.uri.parse().unwrap();
        let client = ClientNonce { cnonce: b"0a4f113b", nc: signer.nc };
        respond(challenge, &login, &method, &uri, &client).unwrap()
    }

    pub(crate) fn with_credentials(self, name: &Name, credentials: &Credentials) -> Self {
        let name = match name {
            Name::WwwAuthenticate => "Authorization",
            _ => "Proxy-Authorization",
        };
        let value = String::from_utf8(credentials.to_bytes().to_vec()).unwrap();
        self.line(&format!("{name}: {value}"))
    }
}

impl Bench {
    /// Tenants acme, the default one, and beta, each with extensions 1001 and 1002.
    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to begin at")]
    pub(crate) fn new() -> Self {
        let now = Instant::now() + Duration::from_secs(1_000_000);
        let mut bench = Self {
            admittance: Admittance::new(now, [1; 32]),
            registrar: Registrar::new(RegistrarConfig {
                default_expires: 3_600,
                min_expires: 60,
                max_expires: 7_200,
                max_bindings: 10,
                seed: [7; 32],
            }),
            now,
            flow: flow(1),
        };
        bench.admittance.put(Arc::new(acme()));
        bench.admittance.put(beta());
        bench
    }

    /// The same, where every address may try as often as it likes.
    pub(crate) fn unguarded() -> Self {
        let mut bench = Self::new();
        let allow = ["0.0.0.0/0", "::/0"].map(|range| range.parse().unwrap()).to_vec();
        let admittance =
            Admittance::new(bench.now, [1; 32]).guarded_as(GuardConfig { allow, ..GuardConfig::default() });
        bench.admittance = admittance;
        bench.admittance.put(Arc::new(acme()));
        bench.admittance.put(beta());
        bench
    }

    pub(crate) fn admit(&mut self, draft: &Draft) -> Admission<Identity> {
        self.admit_in(draft, Scope::OutOfDialog)
    }

    pub(crate) fn admit_in(&mut self, draft: &Draft, scope: Scope) -> Admission<Identity> {
        let mut gate = self.admittance.gate(&self.registrar);
        gate.admit(self.now, &self.flow, &draft.build(), scope)
    }

    /// The answer to somebody who does not pass.
    pub(crate) fn refusal(&mut self, draft: &Draft) -> Reply {
        match self.admit(draft) {
            Admission::Refuse(reply) => reply,
            other => panic!("{other:?}\n{draft:?}"),
        }
    }

    /// Asks, and answers the challenge: what a phone does.
    pub(crate) fn try_as(&mut self, draft: Draft, signer: Signer<'_>) -> Admission<Identity> {
        let challenge = self.refusal(&draft);
        self.admit(&draft.signed(&challenge, signer))
    }

    /// The status with which a phone that answers its challenge is refused; 200 when it passes.
    pub(crate) fn code_as(&mut self, draft: Draft, signer: Signer<'_>) -> u16 {
        code(&self.try_as(draft, signer))
    }

    /// Registers the phone behind the flow, for 1001 of a tenant.
    pub(crate) fn register(&mut self, snapshot: &TenantSnapshot) {
        let extension = &snapshot.extensions["1001"];
        let identity = Identity {
            tenant: snapshot.tenant.id,
            extension: extension.number.clone(),
            extension_id: extension.id,
            user_id: None,
            device_id: None,
            username: extension.number.clone(),
        };
        let clock = WallClock::new(self.now, Timestamp::UNIX_EPOCH);
        let request = Draft::new("REGISTER").line("Contact: <sip:1001@10.0.0.1>").build();
        assert_eq!(self.registrar.register(self.now, &clock, &self.flow, &identity, &request).code, 200);
    }
}

/// A gate that lets everybody in.
struct Open;

impl Gate<()> for Open {
    fn admit(&mut self, _: Instant, _: &Flow, _: &Request, _: Scope) -> Admission<()> {
        Admission::Pass(())
    }
}

/// A request that names a dialog. Which one is for the shard to judge, so any will do.
#[expect(clippy::disallowed_methods, reason = "a test needs some instant to begin at")]
pub(crate) fn in_a_dialog() -> Scope {
    let mut endpoint = Endpoint::new(EndpointConfig::new([3; 32], "test"));
    let invite = Draft::new("INVITE").line("Contact: <sip:1001@10.0.0.1>").build();
    endpoint.handle_message(Instant::now(), flow(1), Message::Request(invite), &mut Open);
    match endpoint.poll_event() {
        Some(Event::Invite { dialog, .. }) => Scope::Dialog(dialog),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn acme() -> TenantSnapshot {
    let built = TenantBuilder::new("acme").with_extensions(&["1001", "1002", "1003", "1004"]).by_default().snapshot();
    let mut snapshot = TenantSnapshot::clone(&built);
    snapshot.tenant.domains = vec!["Sip.Acme.Example".to_owned(), "acme.example.".to_owned()];
    let mut device = snapshot.credentials["1002"].clone();
    device.username = DEVICE.to_owned();
    device.ha1 = domain::Ha1::new(DEVICE, &snapshot.tenant.realm, "device-secret");
    device.device_id = Some(DeviceId(Uuid::from_u128(2)));
    snapshot.credentials.insert(DEVICE.to_owned(), device);
    snapshot.credentials.get_mut("1003").unwrap().enabled = false;
    snapshot.extensions.get_mut("1004").unwrap().enabled = false;
    let mut orphan = snapshot.credentials["1001"].clone();
    orphan.username = "orphan".to_owned();
    orphan.ha1 = domain::Ha1::new("orphan", &snapshot.tenant.realm, "secret-acme-orphan");
    orphan.extension = "9999".to_owned();
    snapshot.credentials.insert("orphan".to_owned(), orphan);
    snapshot
}

pub(crate) fn beta() -> Arc<TenantSnapshot> {
    TenantBuilder::new("beta").with_extensions(&["1001", "1002"]).snapshot()
}

pub(crate) fn flow(number: u8) -> Flow {
    let remote = SocketAddr::from(([10, 0, 0, number], 5060));
    Flow { transport: Transport::Udp, local: "10.9.9.9:5060".parse().unwrap(), remote }
}

pub(crate) fn code(admission: &Admission<Identity>) -> u16 {
    match admission {
        Admission::Pass(_) => 200,
        Admission::Refuse(reply) => reply.code,
        Admission::Drop => 0,
    }
}

/// The challenges of an answer, with the header each stands in.
pub(crate) fn challenges(reply: &Reply) -> Vec<(Name, Challenge)> {
    reply.headers.iter().map(|(name, value)| (name.clone(), Challenge::parse(value).unwrap())).collect()
}

/// The realm of a refusal that is a challenge.
pub(crate) fn realm(reply: &Reply) -> String {
    String::from_utf8(challenges(reply)[0].1.realm.to_vec()).unwrap()
}

/// Everything of an answer but the nonce.
pub(crate) fn face(reply: &Reply) -> String {
    let lines = reply.headers.iter().map(|(name, value)| {
        let nonce = String::from_utf8(Challenge::parse(value).unwrap().nonce.to_vec()).unwrap();
        format!("{}: {}\n", name.as_str(), String::from_utf8_lossy(value).replace(&nonce, "NONCE"))
    });
    let lines: String = lines.collect();
    format!("{} {:?} {:?} {:?}\n{lines}", reply.code, reply.reason, reply.body, reply.contact)
}
