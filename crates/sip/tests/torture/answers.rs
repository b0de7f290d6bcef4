//! What the endpoint answers to each message, before anybody behind it has a say.

use std::time::Instant;

use sip::{Admission, Endpoint, EndpointConfig, Event, Flow, Gate, Message, Name, Reply, Request, Scope, Transport};

use super::reading::bytes;
use crate::table::{Answer, ROWS};

/// Lets everybody in, or nobody.
struct Door {
    open: bool,
}

impl Gate<()> for Door {
    fn admit(&mut self, _: Instant, _: &Flow, _: &Request, _: Scope) -> Admission<()> {
        match self.open {
            true => Admission::Pass(()),
            false => Admission::Refuse(Reply::new(401).header(Name::WwwAuthenticate, "Digest realm=\"x\"")),
        }
    }
}

/// What became of a message.
#[derive(Debug, Eq, PartialEq)]
struct Outcome {
    /// The final statuses that left.
    codes: Vec<u16>,
    /// Whether somebody behind the endpoint heard of it.
    passed: bool,
}

#[expect(clippy::disallowed_methods, reason = "a virtual clock needs one real instant to count from")]
fn outcome(file: &str, transport: Transport, door: Door) -> Outcome {
    let now = Instant::now();
    let mut door = door;
    let mut endpoint = Endpoint::new(EndpointConfig::new([3; 32], "YakYak"));
    let address = |text: &str| text.parse().expect("an address");
    let flow = Flow { transport, local: address("127.0.0.1:5060"), remote: address("127.0.0.10:5060") };
    if let Ok(message) = Message::parse_datagram(bytes(file)) {
        endpoint.handle_message(now, flow, message, &mut door);
    }
    let mut codes = Vec::new();
    while let Some(transmit) = endpoint.poll_transmit() {
        match Message::parse_datagram(transmit.bytes) {
            Ok(Message::Response(response)) => codes.extend((response.code() > 100).then_some(response.code())),
            other => panic!("{file}: {other:?}"),
        }
    }
    let mut passed = false;
    while let Some(event) = endpoint.poll_event() {
        assert!(matches!(event, Event::Invite { .. } | Event::Request { .. }), "{file}: {event:?}");
        passed = true;
    }
    if !passed {
        assert_eq!(endpoint.counts(), sip::Counts::default(), "{file}: what is refused leaves nothing");
    }
    Outcome { codes, passed }
}

#[test]
fn behind_a_gate_that_passes() {
    for row in ROWS {
        let (codes, passed) = match row.answer {
            Answer::Silence => (vec![], false),
            Answer::Refused(code) | Answer::Good { known: code @ 420, .. } => (vec![code], false),
            Answer::Good { .. } => (vec![], true),
        };
        for transport in Transport::ALL {
            let outcome = outcome(row.file, transport, Door { open: true });
            let expected = Outcome { codes: codes.clone(), passed };
            assert_eq!(outcome, expected, "{} {} over {transport}", row.section, row.file);
        }
    }
}

#[test]
fn behind_a_gate_that_challenges() {
    for row in ROWS {
        let codes = match row.answer {
            Answer::Silence => vec![],
            Answer::Refused(code) => vec![code],
            Answer::Good { .. } => vec![401],
        };
        let outcome = outcome(row.file, Transport::Udp, Door { open: false });
        assert_eq!(outcome, Outcome { codes, passed: false }, "{} {}", row.section, row.file);
    }
}
