//! Every method, on every transport, at every place where a request may come: out of a dialog, inside one on its flow and
//! from another, with an empty To tag and with one that nobody knows. Generated from the table of methods.

use std::time::Instant;

use bytes::Bytes;
use sip::{
    Admission, Counts, Endpoint, EndpointConfig, Event, Flow, Gate, Message, Method, Reply, Request, Scope, Transport,
};
use switch::admit::Identity;
use switch::admit::policy::{POLICIES, Policy};

use crate::bench::{Bench, flow};

/// Lets everybody in, as somebody.
struct Open(Identity);

impl Gate<Identity> for Open {
    fn admit(&mut self, _: Instant, _: &Flow, _: &Request, _: Scope) -> Admission<Identity> {
        Admission::Pass(self.0.clone())
    }
}

/// Where a request comes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Outside,
    OnItsFlow,
    FromElsewhere,
    EmptyTag,
    UnknownTag,
}

const PLACES: [Place; 5] = [Place::Outside, Place::OnItsFlow, Place::FromElsewhere, Place::EmptyTag, Place::UnknownTag];

fn message(method: &str, transport: Transport, branch: &str, tag: Option<&str>) -> Message {
    let tag = tag.map(|tag| format!(";tag={tag}")).unwrap_or_default();
    let number = if branch == "first" { 1 } else { 2 };
    let text = format!(
        "{method} sip:1002@acme.test SIP/2.0\r\nVia: SIP/2.0/{transport} 10.0.0.1;branch=z9hG4bK{branch}\r\nMax-Forwards: 70\r\n\
         From: <sip:1001@acme.test>;tag=a\r\nTo: <sip:1002@acme.test>{tag}\r\nCall-ID: c\r\nCSeq: {number} {method}\r\n\
         Contact: <sip:1001@10.0.0.1>\r\nContent-Length: 0\r\n\r\n"
    );
    Message::parse_datagram(Bytes::from(text)).unwrap()
}

/// What a request of somebody without a password came to: the status of its answer (0 for none), whether anybody above the
/// endpoint heard of it, and what it left behind.
fn outcome(method: &str, transport: Transport, place: Place) -> (u16, bool, Counts) {
    let mut bench = Bench::new();
    let own = Flow { transport, ..flow(1) };
    let mut endpoint: Endpoint<Identity> = Endpoint::new(EndpointConfig::new([3; 32], "test"));
    let mut open = Open(Identity {
        tenant: crate::bench::acme().tenant.id,
        extension: "1001".to_owned(),
        extension_id: crate::bench::acme().extensions["1001"].id,
        user_id: None,
        device_id: None,
        username: "1001".to_owned(),
    });
    endpoint.handle_message(bench.now, own, message("INVITE", transport, "first", None), &mut open);
    let Some(Event::Invite { id, .. }) = endpoint.poll_event() else { panic!("no INVITE") };
    endpoint.respond(bench.now, id, Reply::new(200)).unwrap();
    let ok = std::iter::from_fn(|| endpoint.poll_transmit()).last().unwrap();
    let Ok(Message::Response(ok)) = Message::parse_datagram(ok.bytes) else { panic!("no 200") };
    let tag = String::from_utf8(ok.to().unwrap().tag().unwrap().to_vec()).unwrap();
    endpoint.handle_message(bench.now, own, message("ACK", transport, "first-ack", Some(&tag)), &mut open);
    while endpoint.poll_event().is_some() || endpoint.poll_transmit().is_some() {}
    let before = endpoint.counts();

    let tag = match place {
        Place::Outside => None,
        Place::OnItsFlow | Place::FromElsewhere => Some(tag.as_str()),
        Place::EmptyTag => Some(""),
        Place::UnknownTag => Some("00deadbeefdeadbeef"),
    };
    let from = if place == Place::OnItsFlow { own } else { Flow { transport, ..flow(9) } };
    bench.flow = from;
    let mut gate = bench.admittance.gate(&bench.registrar);
    endpoint.handle_message(bench.now, from, message(method, transport, "second", tag), &mut gate);
    let answer = endpoint.poll_transmit().map_or(0, |sent| match Message::parse_datagram(sent.bytes) {
        Ok(Message::Response(response)) => response.code(),
        other => panic!("{other:?}"),
    });
    let heard = endpoint.poll_event().is_some();
    let after = endpoint.counts();
    let left = Counts {
        server_transactions: after.server_transactions - before.server_transactions,
        client_transactions: after.client_transactions - before.client_transactions,
        dialogs: after.dialogs - before.dialogs,
    };
    (answer, heard, left)
}

#[test]
fn every_method_is_authenticated_at_every_place_on_every_transport() {
    let known = POLICIES.iter().map(|(method, policy)| (method.as_str().to_owned(), *policy));
    let methods: Vec<(String, Policy)> = known.chain([("FROBNICATE".to_owned(), Policy::Proxy)]).collect();
    let nothing = Counts { server_transactions: 0, client_transactions: 0, dialogs: 0 };
    for (method, policy) in &methods {
        for transport in Transport::ALL {
            for place in PLACES {
                let challenge = if *policy == Policy::Server { 401 } else { 407 };
                let expected = match (method.as_str(), place) {
                    // They match something or are dropped, and are never challenged.
                    ("ACK", _) => 0,
                    ("CANCEL", _) => 481,
                    (_, Place::Outside | Place::FromElsewhere) => challenge,
                    (_, Place::EmptyTag | Place::UnknownTag) => 481,
                    // A dialog's ids and its flow together are credentials.
                    (_, Place::OnItsFlow) => continue,
                };
                let (answer, heard, left) = outcome(method, transport, place);
                assert_eq!(answer, expected, "{method} {transport} {place:?}");
                assert!(!heard, "{method} {transport} {place:?} is heard");
                assert_eq!(left, nothing, "{method} {transport} {place:?} leaves something");
            }
        }
    }
}

#[test]
fn inside_a_dialog_on_its_flow_nobody_is_asked() {
    for transport in Transport::ALL {
        for (method, policy) in POLICIES.iter().filter(|(_, policy)| *policy != Policy::Never) {
            // What goes with no reliable answer, no UPDATE and no PRACK of ours may be refused, but not challenged.
            let (answer, heard, _) = outcome(method.as_str(), transport, Place::OnItsFlow);
            assert!(![401, 407].contains(&answer), "{method} {transport} {policy:?}");
            assert!(heard || *method == Method::Prack, "{method} {transport} answered {answer}");
        }
    }
}
