//! Flows: connections that end, and devices that keep several (RFC 5626).

use domain::{RegistrationChange, RegistrationId};
use sip::{Name, Transport};

use crate::bench::{Bench, flow, identity, values};

/// The Contacts that a call rings.
fn rung(bench: &Bench) -> Vec<String> {
    let targets = bench.registrar.targets(bench.now, bench.identity.tenant, &bench.identity.extension);
    targets.into_iter().map(|binding| binding.registration().contact.clone()).collect()
}

#[test]
fn a_closed_flow_takes_its_bindings_with_it_and_no_others() {
    let mut bench = Bench::new();
    bench.flow.transport = Transport::Tcp;
    let closed = bench.flow;
    bench.register("Contact: <sip:a@10.0.0.1;transport=tcp>");
    bench.register("Contact: <sip:b@10.0.0.1;transport=tcp>");
    bench.identity = identity(1, "1002");
    bench.register("Contact: <sip:c@10.0.0.1;transport=tcp>");
    let mut expected: Vec<RegistrationId> = bench.registrar.registrations(None).iter().map(|kept| kept.id).collect();
    expected.sort();
    bench.phone(2).register("Contact: <sip:d@10.0.0.2>");
    bench.changes();

    bench.registrar.flow_closed(&closed);
    let removed = |change| match change {
        RegistrationChange::Removed { id, .. } => id,
        RegistrationChange::Put(kept) => panic!("{kept:?} instead of an end"),
    };
    let mut ended: Vec<RegistrationId> = bench.changes().into_iter().map(removed).collect();
    ended.sort();
    assert_eq!((ended.len(), ended), (3, expected));
    assert_eq!(bench.only().contact, "sip:d@10.0.0.2");
    // The same addresses over another transport are another flow.
    bench.registrar.flow_closed(&sip::Flow { transport: Transport::Tcp, ..flow(2) });
    assert_eq!(bench.registrar.len(), 1);
}

#[test]
fn outbound_is_granted_to_whoever_asks_and_names_device_and_flow() {
    let granted = |bench: &mut Bench, lines: &str| {
        let reply = bench.register(lines);
        assert_eq!(reply.code, 200);
        (values(&reply, &Name::Require), values(&reply, &Name::FlowTimer))
    };
    let yes = |seconds: &str| (vec!["outbound".to_owned()], vec![seconds.to_owned()]);
    let no = (Vec::new(), Vec::new());
    let contact = "Contact: <sip:a@10.0.0.1>;+sip.instance=\"<urn:uuid:1>\"";

    let mut bench = Bench::new();
    assert_eq!(granted(&mut bench, &format!("{contact};reg-id=1\nSupported: path, Outbound")), yes("25"));
    assert_eq!(granted(&mut bench, &format!("{contact};reg-id=1\nRequire: outbound")), yes("25"));
    assert_eq!(granted(&mut bench, &format!("{contact};reg-id=1")), no);
    assert_eq!(granted(&mut bench, &format!("{contact}\nSupported: outbound")), no);
    assert_eq!(granted(&mut bench, "Contact: <sip:a@10.0.0.1>;reg-id=1\nSupported: outbound"), no);
    assert_eq!(granted(&mut bench, "Supported: outbound"), no);
    assert_eq!(granted(&mut bench, &format!("{contact};reg-id=1;expires=0\nSupported: outbound")), no);
    bench.flow.transport = Transport::Wss;
    assert_eq!(granted(&mut bench, &format!("{contact};reg-id=1\nSupported: outbound")), yes("120"));

    // Behind a proxy its Path must say that it keeps the flow.
    let behind = format!("{contact};reg-id=1\nSupported: outbound\nVia: SIP/2.0/UDP 10.9.9.9;branch=z9hG4bKx");
    assert_eq!(granted(&mut bench, &behind), no);
    assert_eq!(granted(&mut bench, &format!("{behind}\nPath: <sip:edge.test;lr>")), no);
    let path = "Path: <sip:core.test;lr>, <sip:token@edge.test;lr;ob>";
    assert_eq!(granted(&mut bench, &format!("{behind}\n{path}")), yes("120"));
}

#[test]
fn a_device_with_several_flows_rings_once() {
    let mut bench = Bench::new();
    let device = "+sip.instance=\"<urn:uuid:1>\"";
    bench.phone(1).register(&format!("Contact: <sip:one@10.0.0.1>;{device};reg-id=1\nExpires: 600"));
    bench.pass(10);
    bench.phone(2).register(&format!("Contact: <sip:two@10.0.0.2>;{device};reg-id=2\nExpires: 600"));
    bench.phone(3).register("Contact: <sip:other@10.0.0.3>\nExpires: 600");
    assert_eq!(bench.sorted_contacts(), ["sip:one@10.0.0.1", "sip:other@10.0.0.3", "sip:two@10.0.0.2"]);
    assert_eq!(rung(&bench).len(), 2);
    assert!(!rung(&bench).contains(&"sip:one@10.0.0.1".to_owned()));

    // Refreshing the first makes it the newer one; losing it brings the second back.
    bench.pass(10);
    bench.phone(1).register(&format!("Contact: <sip:one@10.0.0.1>;{device};reg-id=1\nExpires: 600"));
    assert!(!rung(&bench).contains(&"sip:two@10.0.0.2".to_owned()));
    bench.registrar.flow_closed(&flow(1));
    assert!(rung(&bench).contains(&"sip:two@10.0.0.2".to_owned()));
}
