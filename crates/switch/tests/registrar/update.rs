//! Bindings made, refreshed, replaced, ended and asked for.

use domain::RegistrationChange;
use sip::Name;

use crate::bench::{Bench, flow, identity, values};

#[test]
fn a_binding_holds_what_the_request_said() {
    let mut bench = Bench::new();
    let reply = bench.register(
        "Contact: \"A\" <sip:1001@10.0.0.1:5062;transport=udp>;q=0.7;+sip.instance=\"<urn:uuid:1>\";reg-id=2
         Expires: 600
         User-Agent: Phone/1.0
         Path: <sip:edge.test;lr>, <sip:core.test;lr>",
    );
    assert_eq!(reply.code, 200);
    assert_eq!(
        values(&reply, &Name::Contact),
        ["<sip:1001@10.0.0.1:5062;transport=udp>;expires=600;q=0.700;+sip.instance=\"<urn:uuid:1>\";reg-id=2"]
    );
    assert_eq!(values(&reply, &Name::Path), ["<sip:edge.test;lr>", "<sip:core.test;lr>"]);
    assert_eq!(values(&reply, &Name::Date), ["Tue, 14 Nov 2023 22:13:20 GMT"]);

    let kept = bench.only();
    assert_eq!((kept.tenant_id, kept.extension_id), (bench.identity.tenant, bench.identity.extension_id));
    assert_eq!((kept.extension.as_str(), kept.contact.as_str()), ("1001", "sip:1001@10.0.0.1:5062;transport=udp"));
    assert_eq!((kept.instance.as_deref(), kept.reg_id, kept.q), (Some("urn:uuid:1"), Some(2), 700));
    assert_eq!((kept.call_id.as_str(), kept.cseq, kept.transport.as_str()), ("first", 1, "udp"));
    assert_eq!((kept.local, kept.remote), (bench.flow.local, bench.flow.remote));
    assert_eq!(kept.user_agent.as_deref(), Some("Phone/1.0"));
    assert_eq!(kept.path, ["<sip:edge.test;lr>", "<sip:core.test;lr>"]);
    assert_eq!(kept.expires_at.as_second() - kept.registered_at.as_second(), 600);
    assert_eq!(bench.changes(), [RegistrationChange::Put(Box::new(kept))]);

    let binding = bench.registrar.bindings(bench.now, bench.identity.tenant, "1001").next().unwrap();
    assert_eq!(*binding.flow(), bench.flow);
    assert_eq!(binding.target().unwrap().as_bytes(), b"sip:1001@10.0.0.1:5062;transport=udp");
    assert_eq!(
        binding.path().iter().map(|hop| hop.uri.to_string()).collect::<Vec<_>>(),
        ["sip:edge.test;lr", "sip:core.test;lr"]
    );
}

#[test]
fn a_query_changes_nothing_and_lists_all() {
    let mut bench = Bench::new();
    assert_eq!(values(&bench.register(""), &Name::Contact), Vec::<String>::new());
    bench.phone(1).register("Contact: <sip:a@10.0.0.1>;q=0.2");
    bench.phone(2).register("Contact: <sip:b@10.0.0.2>");
    bench.phone(3).register("Contact: <sip:c@10.0.0.3>;q=0.5");
    bench.changes();
    let reply = bench.phone(4).register("Expires: 0");
    assert_eq!(
        values(&reply, &Name::Contact),
        [
            "<sip:b@10.0.0.2>;expires=3600",
            "<sip:c@10.0.0.3>;expires=3600;q=0.500",
            "<sip:a@10.0.0.1>;expires=3600;q=0.200"
        ]
    );
    assert_eq!(bench.contacts(), ["sip:b@10.0.0.2", "sip:c@10.0.0.3", "sip:a@10.0.0.1"]);
    assert_eq!(bench.changes(), []);
}

#[test]
fn a_refresh_keeps_identity_and_beginning() {
    let mut bench = Bench::new();
    bench.register("Contact: <sip:a@10.0.0.1>");
    let before = bench.only();
    bench.pass(100);
    bench.flow = flow(9);
    bench.register("Contact: <sip:a@10.0.0.1>;q=0.1\nUser-Agent: New");
    let after = bench.only();
    assert_eq!((after.id, after.registered_at), (before.id, before.registered_at));
    assert_eq!(after.expires_at.as_second() - before.expires_at.as_second(), 100);
    assert_eq!((after.remote, after.q, after.cseq), (flow(9).remote, 100, 2));
    assert_eq!(bench.changes().len(), 2);
    assert!(bench.registrar.on_flow(&flow(1)).is_none(), "the old flow leads nowhere");
    assert!(bench.registrar.on_flow(&flow(9)).is_some());
}

/// RFC 3261 §19.1.4 says which Contact is which.
#[test]
fn contacts_are_compared_by_meaning() {
    for (one, other, same) in [
        ("sip:a@10.0.0.1", "SIP:a@10.0.0.1", true),
        ("sip:%61@host.test", "sip:a@HOST.test", true),
        ("sip:a@host.test;x=1", "sip:a@host.test", true),
        ("sip:a@host.test;x=1", "sip:a@host.test;x=2", false),
        ("sip:a@10.0.0.1", "sip:A@10.0.0.1", false),
        ("sip:a@10.0.0.1", "sip:a@10.0.0.1:5060", false),
        ("sip:a@10.0.0.1", "sips:a@10.0.0.1", false),
        ("sip:a@host.test", "sip:a@host.test;transport=udp", false),
        ("sip:a@10.0.0.1", "sip:a@10.0.0.2", false),
        ("sip:a@[2001:db8::1]", "sip:a@[2001:DB8:0::1]", true),
    ] {
        let mut bench = Bench::new();
        bench.register(&format!("Contact: <{one}>"));
        bench.register(&format!("Contact: <{other}>"));
        assert_eq!(bench.registrar.len(), if same { 1 } else { 2 }, "{one} {other}");
        assert_eq!(bench.contacts().last().map(String::as_str), Some(other), "{one} {other}");
    }
}

#[test]
fn a_device_that_comes_back_with_another_address_replaces_itself() {
    let mut bench = Bench::new();
    bench.phone(1).register("Contact: <sip:a@10.0.0.1>;+sip.instance=\"<urn:uuid:1>\";reg-id=1");
    bench.phone(2).register("Contact: <sip:a@10.0.0.2>;+sip.instance=\"<urn:uuid:1>\";reg-id=1");
    assert_eq!(bench.sorted_contacts(), ["sip:a@10.0.0.2"]);
    // Another flow of the same device, and another device, are other bindings.
    bench.phone(3).register("Contact: <sip:a@10.0.0.3>;+sip.instance=\"<urn:uuid:1>\";reg-id=2");
    bench.phone(4).register("Contact: <sip:a@10.0.0.4>;+sip.instance=\"<urn:uuid:2>\";reg-id=1");
    bench.phone(5).register("Contact: <sip:a@10.0.0.5>;+sip.instance=\"<urn:uuid:3>\"");
    bench.phone(6).register("Contact: <sip:a@10.0.0.6>;+sip.instance=\"<urn:uuid:3>\"");
    assert_eq!(bench.sorted_contacts(), ["sip:a@10.0.0.2", "sip:a@10.0.0.3", "sip:a@10.0.0.4", "sip:a@10.0.0.6"]);
    // Ended by the device, whatever address it says.
    bench.phone(7).register("Contact: <sip:a@10.0.0.7>;+sip.instance=\"<urn:uuid:3>\";expires=0");
    assert_eq!(bench.contacts().len(), 3);
}

#[test]
fn one_contact_ends_alone_and_a_star_ends_all() {
    let mut bench = Bench::new();
    bench.phone(1).register("Contact: <sip:a@10.0.0.1>, <sip:b@10.0.0.1>");
    bench.phone(2).register("Contact: <sip:c@10.0.0.2>");
    let reply = bench.phone(1).register("Contact: <sip:a@10.0.0.1>;expires=0");
    assert_eq!(values(&reply, &Name::Contact).len(), 2);
    assert_eq!(bench.sorted_contacts(), ["sip:b@10.0.0.1", "sip:c@10.0.0.2"]);
    let reply = bench.phone(1).register("Contact: <sip:nobody@10.0.0.1>;expires=0");
    assert_eq!((reply.code, bench.registrar.len()), (200, 2));
    bench.changes();
    let reply = bench.phone(3).register("Contact: *\nExpires: 0");
    assert_eq!((reply.code, values(&reply, &Name::Contact).len(), bench.registrar.len()), (200, 0, 0));
    assert!(bench.changes().iter().all(|change| matches!(change, RegistrationChange::Removed { .. })));
    assert_eq!(bench.registrar.poll_timeout(), None);
}

#[test]
fn what_a_request_says_last_of_a_contact_holds() {
    let mut bench = Bench::new();
    bench.register("Contact: <sip:a@10.0.0.1>;q=0.1, <sip:a@10.0.0.1>;q=0.2");
    assert_eq!((bench.only().q, bench.changes().len()), (200, 1));
    bench.register("Contact: <sip:a@10.0.0.1>, <sip:a@10.0.0.1>;expires=0");
    assert_eq!(bench.registrar.len(), 0);
    bench.register("Contact: <sip:a@10.0.0.1>;expires=0\nContact: <sip:a@10.0.0.1>");
    assert_eq!(bench.registrar.len(), 1);
}

#[test]
fn extensions_and_tenants_do_not_touch_one_another() {
    let mut bench = Bench::new();
    bench.register("Contact: <sip:a@10.0.0.1>");
    for (tenant, extension) in [(1, "1002"), (2, "1001")] {
        bench.identity = identity(tenant, extension);
        assert_eq!(bench.contacts(), Vec::<String>::new());
        bench.register("Contact: *\nExpires: 0");
        bench.phone(2).register("Contact: <sip:a@10.0.0.1>");
    }
    bench.identity = identity(1, "1001");
    assert_eq!((bench.contacts().len(), bench.registrar.len()), (1, 3));
    assert_eq!(bench.registrar.registrations(Some(identity(2, "1001").tenant)).len(), 1);
}

#[test]
fn a_flow_of_two_tenants_stands_for_neither() {
    let mut bench = Bench::new();
    bench.register("Contact: <sip:a@10.0.0.1>");
    bench.identity = identity(1, "1002");
    bench.register("Contact: <sip:b@10.0.0.1>");
    assert!(bench.registrar.on_flow(&bench.flow).is_some(), "two extensions of one tenant");
    bench.identity = identity(2, "1001");
    bench.register("Contact: <sip:c@10.0.0.1>");
    assert!(bench.registrar.on_flow(&bench.flow).is_none());
    bench.register("Contact: *\nExpires: 0");
    assert!(bench.registrar.on_flow(&bench.flow).is_some());
}
