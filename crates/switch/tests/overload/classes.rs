//! The lane of each message: generated over methods, dialogs and senders.

use bytes::Bytes;
use sip::{Message, Method};
use switch::overload::{Class, Fate, Standing, classify};

const STANDINGS: [Standing; 3] = [Standing::Registered(7), Standing::Neighbour, Standing::Stranger];

fn request(method: &str, uri: &str, to: &str) -> Message {
    let text = format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKa\r\nMax-Forwards: 70\r\n\
         From: <sip:1001@acme.test>;tag=a\r\nTo: <sip:1002@acme.test>{to}\r\nCall-ID: c\r\nCSeq: 1 {method}\r\n\r\n"
    );
    Message::parse_datagram(Bytes::from(text)).unwrap()
}

fn class(message: &Message, standing: Standing) -> (Class, Fate) {
    classify(message, standing, |user| user == b"112")
}

#[test]
fn what_belongs_to_something_is_never_turned_away() {
    let methods = Method::KNOWN.iter().map(Method::as_str).chain(["FROBNICATE"]);
    for method in methods {
        for standing in STANDINGS {
            let urgent = if standing == Standing::Stranger { Class::Renewal } else { Class::Urgent };
            assert_eq!(class(&request(method, "sip:a@b", ";tag=x"), standing), (urgent, Fate::Waits), "{method}");
            let (class, fate) = class(&request(method, "sip:a@b", ""), standing);
            if ["ACK", "BYE", "PRACK"].contains(&method) {
                assert_eq!((class, fate), (urgent, Fate::Waits), "{method}");
            }
            let refusable = !["ACK", "BYE", "PRACK", "CANCEL"].contains(&method);
            assert_eq!(fate != Fate::Waits, refusable, "{method} {standing:?}");
        }
    }
    let response = Bytes::from_static(
        b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKa\r\nFrom: <sip:a@b>;tag=a\r\nTo: <sip:c@d>;tag=b\r\n\
          Call-ID: c\r\nCSeq: 1 INVITE\r\n\r\n",
    );
    let response = Message::parse_datagram(response).unwrap();
    assert_eq!(class(&response, Standing::Registered(1)), (Class::Urgent, Fate::Waits));
    assert_eq!(class(&response, Standing::Stranger), (Class::Renewal, Fate::Waits));
}

#[test]
fn calls_come_before_renewals_and_these_before_strangers() {
    for (method, expected) in [
        ("INVITE", [Class::Call, Class::Renewal, Class::Stranger]),
        ("CANCEL", [Class::Call, Class::Renewal, Class::Stranger]),
        ("REGISTER", [Class::Renewal, Class::Renewal, Class::Stranger]),
        ("OPTIONS", [Class::Call, Class::Renewal, Class::Stranger]),
        ("SUBSCRIBE", [Class::Call, Class::Renewal, Class::Stranger]),
    ] {
        let classes = STANDINGS.map(|standing| class(&request(method, "sip:1002@acme.test", ""), standing).0);
        assert_eq!(classes, expected, "{method}");
    }
}

#[test]
fn emergency_calls_pass_all_others_and_strangers_cannot_make_any() {
    for (method, uri, expected) in [
        ("INVITE", "sip:112@acme.test", [Class::Emergency, Class::Emergency, Class::Stranger]),
        ("CANCEL", "sip:112@acme.test", [Class::Emergency, Class::Emergency, Class::Stranger]),
        ("INVITE", "sip:1123@acme.test", [Class::Call, Class::Renewal, Class::Stranger]),
        ("MESSAGE", "sip:112@acme.test", [Class::Call, Class::Renewal, Class::Stranger]),
    ] {
        let classes = STANDINGS.map(|standing| class(&request(method, uri, ""), standing).0);
        assert_eq!(classes, expected, "{method} {uri}");
    }
    assert_eq!(class(&request("INVITE", "sip:112@acme.test", ""), STANDINGS[0]).1, Fate::Waits);
}
