//! A browser whose connection breaks: its lamps go on where it comes back. Driven message by message, over WSS.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sip::digest::{Challenge, ClientNonce, Ha1, Login};
use sip::{EndpointConfig, Flow, Message, Method, Name, Request, Response, Transport, Uri};
use switch::{Input, Output, Shard, ShardConfig};
use testkit::TenantBuilder;

const DOMAIN: &str = "alpha.test";
const REALM: &str = "alpha.realm.test";
const CONTACT: &str = "sip:k3j9x@f00d.invalid;transport=ws";

fn browser(port: u16) -> Flow {
    Flow {
        transport: Transport::Wss,
        local: "192.0.2.1:443".parse().unwrap(),
        remote: SocketAddr::from(([198, 51, 100, 7], port)),
    }
}

struct Desk {
    shard: Shard,
    now: Instant,
    cseq: u32,
    contact: String,
}

impl Desk {
    fn new() -> Self {
        let clock = testkit::Clock::new();
        let endpoint = EndpointConfig::new([3; 32], "YakYak");
        let mut shard = Shard::new(ShardConfig::new(endpoint, (clock.now(), clock.wall()), [4; 32]));
        let tenant = TenantBuilder::new("alpha").with_extensions(&["1001", "1002"]).snapshot();
        shard.handle(clock.now(), Input::Snapshot(tenant));
        Self { shard, now: clock.now(), cseq: 0, contact: CONTACT.to_owned() }
    }

    fn send(&mut self, flow: Flow, text: String) {
        let message = Message::parse_datagram(text.into()).expect("a message");
        self.shard.handle(self.now, Input::Sip { flow, message });
    }

    /// Everything the browser got, and over which connection.
    fn received(&mut self) -> Vec<(Flow, Message)> {
        let mut received = Vec::new();
        while let Some(output) = self.shard.poll_output() {
            if let Output::Transmit(transmit) = output {
                received.push((transmit.flow, Message::parse_datagram(transmit.bytes).expect("a message of ours")));
            }
        }
        received
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.shard.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.shard.handle_timeout(self.now);
        }
        self.now = end;
    }

    /// Sends a request outside of dialogs with the password; what came with its 200 and behind it.
    fn ask(&mut self, flow: Flow, method: &Method, uri: &str, extra: &str) -> (Response, Vec<(Flow, Message)>) {
        let call_id = format!("{method}-{}", flow.remote.port());
        let mut authorization = String::new();
        loop {
            self.cseq += 1;
            let cseq = self.cseq;
            self.send(
                flow,
                format!(
                    "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/WSS x.invalid;branch=z9hG4bK{cseq}\r\nMax-Forwards: 70\r\n\
                     From: <sip:1001@{DOMAIN}>;tag=b\r\nTo: <sip:{}@{DOMAIN}>\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n\
                     Contact: <{}>\r\n{extra}{authorization}Content-Length: 0\r\n\r\n",
                    if *method == Method::Register { "1001" } else { "1002" },
                    self.contact,
                ),
            );
            let mut received = self.received();
            let (_, Message::Response(response)) = received.remove(0) else { panic!("an answer first") };
            if response.code() != 401 {
                return (response, received);
            }
            let challenge = Challenge::parse(&response.headers().get(&Name::WwwAuthenticate).unwrap()).unwrap();
            let ha1 = Ha1::new(b"1001", REALM.as_bytes(), b"secret-alpha-1001");
            let login = Login { username: b"1001", ha1: &ha1 };
            let uri = Uri::parse(&bytes::Bytes::from(uri.to_owned())).unwrap();
            let nonce = ClientNonce { cnonce: b"0a4f113b", nc: 1 };
            let credentials = sip::digest::respond(&challenge, &login, method, &uri, &nonce).unwrap();
            authorization = format!("Authorization: {}\r\n", String::from_utf8_lossy(&credentials.to_bytes()));
        }
    }

    fn answer(&mut self, flow: Flow, request: &Request) {
        let value = |name| String::from_utf8_lossy(&request.headers().get(&name).unwrap()).into_owned();
        let text = format!(
            "SIP/2.0 200 OK\r\nVia: {}\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {}\r\nContent-Length: 0\r\n\r\n",
            value(Name::Via),
            value(Name::From),
            value(Name::To),
            value(Name::CallId),
            value(Name::CSeq)
        );
        self.send(flow, text);
    }
}

fn notify(received: &[(Flow, Message)]) -> (Flow, Request) {
    match received {
        [(flow, Message::Request(request))] if *request.method() == Method::Notify => (*flow, request.clone()),
        other => panic!("one NOTIFY, not {other:?}"),
    }
}

#[test]
fn a_browser_comes_back_over_another_connection() {
    let mut desk = Desk::new();
    let domain = format!("sip:{DOMAIN}");
    let (first, second) = (browser(50_001), browser(50_002));
    desk.ask(first, &Method::Register, &domain, "");
    let (ok, behind) = desk.ask(first, &Method::Subscribe, "sip:1002@alpha.test", "Event: presence\r\n");
    assert_eq!(ok.code(), 200);
    let (flow, note) = notify(&behind);
    assert_eq!(flow, first);
    assert!(note.headers().get(&Name::Contact).is_some_and(|contact| contact.starts_with(b"<sip:")));
    desk.answer(first, &note);

    // The connection breaks; something happens that cannot be told.
    desk.shard.handle(desk.now, Input::FlowClosed { flow: first });
    let tenant = TenantBuilder::new("alpha").with_extensions(&["1001", "1002"]);
    let tenant = tenant.with_settings("1002", |extension| extension.do_not_disturb = true).next_revision();
    desk.shard.handle(desk.now, Input::Snapshot(tenant.snapshot()));
    desk.pass(Duration::from_secs(1));
    desk.shard.handle(desk.now, Input::SipFailed { flow: first });
    desk.pass(Duration::from_secs(60));
    desk.received();
    assert_eq!(desk.shard.counts().subscriptions, 1, "the subscription waits");

    // The browser is back: it is told at once, over the new connection.
    let (_, behind) = desk.ask(second, &Method::Register, &domain, "");
    let (flow, note) = notify(&behind);
    assert_eq!(flow, second);
    assert!(String::from_utf8_lossy(&note.body()).contains("<note>Do not disturb</note>"));
    desk.answer(second, &note);
    desk.pass(Duration::from_secs(60));
    assert!(desk.received().is_empty());
    assert_eq!(desk.shard.counts().subscriptions, 1);
}

/// Another device of the same extension on the same host is another device.
#[test]
fn a_subscription_does_not_go_over_to_a_neighbour() {
    let mut desk = Desk::new();
    let (first, second) = (browser(50_001), browser(50_002));
    let (_, behind) = desk.ask(first, &Method::Subscribe, "sip:1002@alpha.test", "Event: presence\r\n");
    let (_, note) = notify(&behind);
    desk.answer(first, &note);
    desk.contact = CONTACT.replace(";transport", ":5061;transport");
    desk.ask(second, &Method::Register, &format!("sip:{DOMAIN}"), "");
    let tenant = TenantBuilder::new("alpha").with_extensions(&["1001", "1002"]);
    let tenant = tenant.with_settings("1002", |extension| extension.do_not_disturb = true).next_revision();
    desk.shard.handle(desk.now, Input::Snapshot(tenant.snapshot()));
    desk.pass(Duration::from_secs(1));
    assert_eq!(notify(&desk.received()).0, first);
}
