//! An endpoint on a virtual clock, and everything it has done since the last `expect`, as short lines.
//!
//! ```text
//! 500 A< 200 1 INVITE          at 500 ms a 200 left for Alice's address
//! 500 B< INVITE 1 sip:bob@…    at 500 ms an INVITE with CSeq 1 left for Bob's
//! 500 invite s0 d0 as guest    the transaction user heard of a first request and a first dialog
//! 500 gate BYE                 the gate was asked about a request in a dialog
//! ```
//!
//! Ids are numbered in the order in which they were first heard of.

use std::fmt::Debug;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sip::{
    Admission, ClientId, ContactPolicy, DialogId, Endpoint, EndpointConfig, Error, Event, Flow, Gate, Message, Method,
    Name, OutgoingRequest, Reply, Request, Response, Scope, ServerId, Transmit, Transport, Uri,
};

use super::script::{Script, request_of, response_of};

pub(super) const ALICE: &str = "127.0.0.10:5060";
pub(super) const BOB: &str = "127.0.0.20:5060";

/// What the gate says to all that it is asked.
#[derive(Clone, Copy)]
pub(super) enum Door {
    Open,
    Challenge,
    Silent,
}

struct Keeper<'a> {
    door: Door,
    asked: &'a mut Vec<String>,
}

impl Gate<&'static str> for Keeper<'_> {
    fn admit(&mut self, _: Instant, _: &Flow, request: &Request, scope: Scope) -> Admission<&'static str> {
        if matches!(scope, Scope::Dialog(_)) {
            self.asked.push(format!("gate {}", request.method()));
        }
        match self.door {
            Door::Open => Admission::Pass("guest"),
            Door::Challenge => Admission::Refuse(Reply::new(401).header(Name::WwwAuthenticate, "Digest realm=\"x\"")),
            Door::Silent => Admission::Drop,
        }
    }
}

pub(super) struct Bench {
    start: Instant,
    pub(super) now: Instant,
    pub(super) endpoint: Endpoint<&'static str>,
    pub(super) door: Door,
    /// What everybody speaks.
    pub(super) transport: Transport,
    pub(super) sent: Vec<Transmit>,
    log: Vec<String>,
    servers: Vec<ServerId>,
    clients: Vec<ClientId>,
    dialogs: Vec<DialogId>,
}

pub(super) fn flow(remote: &str) -> Flow {
    Flow { transport: Transport::Udp, local: address("127.0.0.1:5060"), remote: address(remote) }
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

pub(super) fn config() -> EndpointConfig {
    EndpointConfig::new([7; 32], "YakYak")
}

/// An INVITE to Bob with a session description.
pub(super) fn offer_to_bob() -> OutgoingRequest {
    let body = Some(("application/sdp".to_owned(), Bytes::from_static(b"v=0\r\n")));
    OutgoingRequest { body, ..to_bob(Method::Invite) }
}

/// A request to Bob.
pub(super) fn to_bob(method: Method) -> OutgoingRequest {
    let address = |user| sip::header::NameAddr::new(Uri::sip(Some(user), "pbx.example", None));
    OutgoingRequest {
        method,
        uri: Uri::sip(Some("bob"), "127.0.0.20", Some(5060)),
        flow: flow(BOB),
        from: address("alice"),
        to: address("bob"),
        call_id: None,
        headers: Vec::new(),
        body: None,
        max_forwards: 69,
        route: Vec::new(),
    }
}

/// The number of an id, in the order in which they were first heard of.
fn number<T: PartialEq>(known: &mut Vec<T>, id: T) -> usize {
    known.iter().position(|old| *old == id).unwrap_or_else(|| {
        known.push(id);
        known.len() - 1
    })
}

impl Bench {
    pub(super) fn new() -> Bench {
        Bench::with(config())
    }

    #[expect(clippy::disallowed_methods, reason = "a virtual clock needs one real instant to count from")]
    pub(super) fn with(config: EndpointConfig) -> Bench {
        let start = Instant::now();
        Bench {
            start,
            now: start,
            endpoint: Endpoint::new(config),
            door: Door::Open,
            transport: Transport::Udp,
            sent: Vec::new(),
            log: Vec::new(),
            servers: Vec::new(),
            clients: Vec::new(),
            dialogs: Vec::new(),
        }
    }

    /// A message comes in from an address.
    pub(super) fn from(&mut self, remote: &str, script: &Script) -> &mut Bench {
        self.receive(remote, script.message())
    }

    pub(super) fn alice(&mut self, script: &Script) -> &mut Bench {
        self.from(ALICE, script)
    }

    pub(super) fn bob(&mut self, script: &Script) -> &mut Bench {
        self.from(BOB, script)
    }

    pub(super) fn receive(&mut self, remote: &str, message: Message) -> &mut Bench {
        let mut asked = Vec::new();
        let mut keeper = Keeper { door: self.door, asked: &mut asked };
        let flow = self.flow(remote);
        self.endpoint.handle_message(self.now, flow, message, &mut keeper);
        asked.into_iter().for_each(|line| self.note(&line));
        self.drain();
        self
    }

    /// What everybody speaks, from this address.
    pub(super) fn flow(&self, remote: &str) -> Flow {
        Flow { transport: self.transport, ..flow(remote) }
    }

    /// The phone at one address has come back at another.
    pub(super) fn moves(&mut self, old: &str, new: &str, dialogs: usize) -> &mut Bench {
        let (old, new) = (self.flow(old), self.flow(new));
        assert_eq!(self.endpoint.move_flow(old, new), dialogs);
        self.drain();
        self
    }

    pub(super) fn transport_error(&mut self, remote: &str) -> &mut Bench {
        let flow = self.flow(remote);
        self.endpoint.handle_transport_error(self.now, flow);
        self.drain();
        self
    }

    /// Lets the clock run to `at_ms`, stopping at every deadline on the way, that of `at_ms` included.
    pub(super) fn run_to(&mut self, at_ms: u64) -> &mut Bench {
        let end = self.start + Duration::from_millis(at_ms);
        while let Some(deadline) = self.endpoint.poll_timeout().filter(|&deadline| deadline <= end) {
            assert!(deadline >= self.now, "a deadline in the past");
            self.now = deadline;
            self.endpoint.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
        self.endpoint.handle_timeout(self.now);
        self.drain();
        self
    }

    pub(super) fn respond(&mut self, server: usize, code: u16) -> &mut Bench {
        self.reply(server, Reply::new(code))
    }

    pub(super) fn reply(&mut self, server: usize, reply: Reply) -> &mut Bench {
        let result = self.endpoint.respond(self.now, self.servers[server], reply);
        self.done(result)
    }

    pub(super) fn invite(&mut self, outgoing: OutgoingRequest) -> &mut Bench {
        let result = self.endpoint.invite(self.now, outgoing);
        self.begun(result)
    }

    pub(super) fn request(&mut self, outgoing: OutgoingRequest) -> &mut Bench {
        let result = self.endpoint.request(self.now, outgoing);
        self.begun(result)
    }

    pub(super) fn in_dialog(&mut self, dialog: usize, method: Method) -> &mut Bench {
        let result = self.endpoint.in_dialog(self.now, self.dialogs[dialog], method, Vec::new(), None);
        self.begun(result)
    }

    pub(super) fn in_dialog_with(&mut self, dialog: usize, method: Method, headers: &[(Name, &str)]) -> &mut Bench {
        let headers = headers.iter().map(|(name, value)| (name.clone(), Bytes::copy_from_slice(value.as_bytes())));
        let result = self.endpoint.in_dialog(self.now, self.dialogs[dialog], method, headers.collect(), None);
        self.begun(result)
    }

    /// A request inside a dialog that brings a session description.
    pub(super) fn describe_in_dialog(&mut self, dialog: usize, method: Method) -> &mut Bench {
        let body = Some(("application/sdp".to_owned(), Bytes::from_static(b"v=0\r\n")));
        let result = self.endpoint.in_dialog(self.now, self.dialogs[dialog], method, Vec::new(), body);
        self.begun(result)
    }

    pub(super) fn in_dialog_body(
        &mut self,
        dialog: usize,
        method: Method,
        body: Option<(String, Bytes)>,
    ) -> &mut Bench {
        let result = self.endpoint.in_dialog(self.now, self.dialogs[dialog], method, Vec::new(), body);
        self.begun(result)
    }

    pub(super) fn export(&self, dialog: usize) -> Option<sip::DialogState> {
        self.endpoint.export_dialog(self.dialogs[dialog])
    }

    /// Takes over a dialog of an earlier life; it gets the next number.
    pub(super) fn restore(&mut self, state: &sip::DialogState) -> &mut Bench {
        let result = self.endpoint.restore_dialog(state).map(|id| {
            number(&mut self.dialogs, id);
        });
        self.done(result)
    }

    /// Answers with a session description.
    pub(super) fn describe(&mut self, server: usize, code: u16) -> &mut Bench {
        self.reply(server, Reply::new(code).body("application/sdp", Bytes::from_static(b"v=0\r\n")))
    }

    /// Accepts a SUBSCRIBE or REFER; the dialog gets the next number.
    pub(super) fn accept(&mut self, server: usize, reply: Reply) -> &mut Bench {
        let result = self.endpoint.accept_subscription(self.now, self.servers[server], reply);
        let result = result.map(|id| {
            number(&mut self.dialogs, id);
        });
        self.done(result)
    }

    /// The number of the dialog with these ids.
    pub(super) fn find(&self, call_id: &str, local_tag: &str, remote_tag: &str) -> Option<usize> {
        let bytes = |text: &str| Bytes::copy_from_slice(text.as_bytes());
        let id = self.endpoint.find_dialog(&bytes(call_id), &bytes(local_tag), &bytes(remote_tag))?;
        self.dialogs.iter().position(|known| *known == id)
    }

    pub(super) fn cancel(&mut self, client: usize) -> &mut Bench {
        self.endpoint.cancel(self.now, self.clients[client], None);
        self.drain();
        self
    }

    pub(super) fn ack(&mut self, dialog: usize) -> &mut Bench {
        self.endpoint.ack(self.now, self.dialogs[dialog], None);
        self.drain();
        self
    }

    pub(super) fn forget(&mut self, dialog: usize) -> &mut Bench {
        self.endpoint.forget(self.dialogs[dialog]);
        self.drain();
        self
    }

    pub(super) fn dialog(&self, dialog: usize) -> Option<&sip::Dialog> {
        self.endpoint.dialog(self.dialogs[dialog])
    }

    pub(super) fn client(&self, client: usize) -> ClientId {
        self.clients[client]
    }

    fn begun(&mut self, result: Result<ClientId, Error>) -> &mut Bench {
        let result = result.map(|id| {
            number(&mut self.clients, id);
        });
        self.done(result)
    }

    fn done(&mut self, result: Result<(), Error>) -> &mut Bench {
        if let Err(error) = result {
            self.note(&error.to_string());
        }
        self.drain();
        self
    }

    /// Everything done since the last `expect` is exactly this.
    #[track_caller]
    pub(super) fn expect<'a>(&mut self, expected: impl IntoIterator<Item = &'a str>) -> &mut Bench {
        let log = std::mem::take(&mut self.log);
        let expected: Vec<_> = expected.into_iter().collect();
        assert_eq!(log, expected, "\n{log:#?}");
        self
    }

    /// What stands in the latest message that left, line by line; the endpoint's own random names are replaced.
    #[track_caller]
    pub(super) fn shows<'a>(&mut self, names: &[&str], expected: impl IntoIterator<Item = &'a str>) -> &mut Bench {
        let message = Message::parse_datagram(self.sent.last().expect("something left").bytes.clone());
        let message = message.expect("we send what can be read");
        let wanted = |name: &Name| names.iter().any(|wanted| *wanted == name.to_string());
        let lines: Vec<_> = message
            .headers()
            .iter()
            .filter(|(name, _)| wanted(name))
            .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(&value)))
            .collect();
        assert_eq!(lines, expected.into_iter().collect::<Vec<_>>(), "\n{lines:#?}");
        self
    }

    /// How many transactions of others, transactions of ours and dialogs there are.
    #[track_caller]
    pub(super) fn counts(&mut self, servers: usize, clients: usize, dialogs: usize) -> &mut Bench {
        let counts = self.endpoint.counts();
        let counted = (counts.server_transactions, counts.client_transactions, counts.dialogs);
        assert_eq!(counted, (servers, clients, dialogs));
        self
    }

    /// After all has been said, nothing is left and nothing is due.
    #[track_caller]
    pub(super) fn ends(&mut self) -> &mut Bench {
        let at_ms = u64::try_from((self.now - self.start).as_millis()).expect("tests are short");
        self.run_to(at_ms + 70_000).expect([]).counts(0, 0, 0);
        assert_eq!(self.endpoint.poll_timeout(), None);
        self
    }

    /// The endpoint's tag in the latest message that left.
    pub(super) fn tag(&self) -> String {
        let to = response_of(&self.sent.last().expect("something left").bytes).to().expect("a To");
        String::from_utf8(to.tag().expect("a tag").to_vec()).expect("our tags are text")
    }

    pub(super) fn last_request(&self) -> Request {
        request_of(&self.sent.last().expect("something left").bytes)
    }

    pub(super) fn last_request_named(&self, method: &str) -> Request {
        let named = |bytes: &&Bytes| bytes.starts_with(format!("{method} ").as_bytes());
        request_of(self.sent.iter().rev().map(|sent| &sent.bytes).find(named).expect("such a request left"))
    }

    fn note(&mut self, line: &str) {
        let at_ms = (self.now - self.start).as_millis();
        self.log.push(format!("{at_ms} {line}"));
    }

    fn drain(&mut self) {
        while let Some(transmit) = self.endpoint.poll_transmit() {
            let line = format!("{}< {}", place(&transmit.flow), summary(&transmit.bytes));
            self.note(&line);
            self.sent.push(transmit);
        }
        while let Some(event) = self.endpoint.poll_event() {
            let line = self.tell(event);
            self.note(&line);
        }
    }

    fn tell(&mut self, event: Event<&'static str>) -> String {
        let mut server = |id| format!("s{}", number(&mut self.servers, id));
        let mut client = |id| format!("c{}", number(&mut self.clients, id));
        let mut dialog = |id| format!("d{}", number(&mut self.dialogs, id));
        let on = |id: Option<String>| id.map(|id| format!(" {id}")).unwrap_or_default();
        match event {
            Event::Invite { id, dialog: of, identity, .. } => {
                format!("invite {} {} as {identity}", server(id), dialog(of))
            }
            Event::Request { id, request, identity, .. } => {
                format!("request {} {} as {identity}", server(id), request.method())
            }
            Event::InDialog { id, dialog: of, request, .. } => {
                format!("within {} {} {}", dialog(of), server(id), request.method())
            }
            Event::Cancelled { id, dialog: of, reason } => {
                let cause = reason.and_then(|reason| reason.cause);
                format!("cancelled {} {}{}", server(id), dialog(of), on(cause.map(|cause| cause.to_string())))
            }
            Event::Acked { dialog: of, .. } => format!("acked {}", dialog(of)),
            Event::NoAck { dialog: of } => format!("no ack {}", dialog(of)),
            Event::NoPrack { id, dialog: of } => format!("no prack {} {}", server(id), dialog(of)),
            Event::Response { id, dialog: of, response, .. } => {
                format!("response {}{} {}", client(id), on(of.map(dialog)), response.code())
            }
            Event::Failed { id, dialog: of, why } => {
                format!("failed {}{} {why:?}", client(id), on(of.map(dialog)))
            }
        }
    }
}

fn place(flow: &Flow) -> String {
    match flow.remote.to_string().as_str() {
        ALICE => "A".to_owned(),
        BOB => "B".to_owned(),
        other => other.to_owned(),
    }
}

fn summary(bytes: &Bytes) -> String {
    match Message::parse_datagram(bytes.clone()).expect("we send what can be read") {
        Message::Request(request) => {
            request.validate().expect("we send valid requests");
            let number = request.cseq().expect("a CSeq").number;
            format!("{} {number} {}", request.method(), String::from_utf8_lossy(request.uri().as_bytes()))
        }
        Message::Response(response) => answer_line(&response),
    }
}

fn answer_line(response: &Response) -> String {
    let cseq = response.headers().get(&Name::CSeq).unwrap_or_default();
    format!("{} {}", response.code(), String::from_utf8_lossy(&cseq))
}

/// An answer that carries our Contact.
pub(super) fn with_contact(code: u16) -> Reply {
    Reply::new(code).contact(ContactPolicy::Dialog)
}

/// Shows a value the way a test's expectation is written.
pub(super) fn debug<T: Debug>(value: T) -> String {
    format!("{value:?}")
}
