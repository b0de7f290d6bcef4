//! Bindings across a restart, and across changes of the tenant.

use domain::{Registration, RegistrationChange, TenantSnapshot};
use jiff::{SignedDuration, Timestamp};
use testkit::TenantBuilder;

use crate::bench::{Bench, identity};

/// What three phones leave behind.
fn kept() -> Vec<Registration> {
    let mut bench = Bench::new();
    bench.phone(1).register("Contact: <sip:a@h.test>;expires=100;q=0.5\nPath: <sip:p.test;lr>");
    bench.phone(2).register("Contact: <sip:b@h.test>;expires=200;+sip.instance=\"<urn:uuid:2>\";reg-id=1");
    bench.identity = identity(2, "1001");
    bench.phone(3).register("Contact: <sip:c@h.test>;expires=300");
    bench.registrar.registrations(None)
}

fn later(mut registrations: Vec<Registration>, seconds: i64) -> Vec<Registration> {
    for registration in &mut registrations {
        registration.expires_at += SignedDuration::from_secs(seconds);
    }
    registrations
}

#[test]
fn phones_stay_reachable_across_a_restart() {
    let kept = kept();
    let mut bench = Bench::new();
    bench.registrar.restore(bench.now, &bench.clock, kept.clone());
    assert_eq!(bench.registrar.registrations(None), kept);
    assert_eq!(bench.contacts(), ["sip:b@h.test", "sip:a@h.test"]);
    assert_eq!(bench.changes(), []);
    bench.phone(2);
    let binding = bench.registrar.on_flow(&bench.flow).unwrap();
    assert_eq!((binding.registration().contact.as_str(), *binding.flow()), ("sip:b@h.test", bench.flow));
    // They expire, are refreshed and keep their order as if nothing had happened.
    assert_eq!(bench.register_as("phone-2", 2, "Contact: <sip:b@h.test>").code, 500);
    assert_eq!(bench.register_as("phone-2", 3, "Contact: <sip:b@h.test>").code, 200);
    bench.pass(100);
    bench.registrar.handle_timeout(bench.now);
    assert_eq!(bench.contacts(), ["sip:b@h.test"]);
}

#[test]
fn what_ended_meanwhile_does_not_come_back() {
    let mut bench = Bench::new();
    bench.registrar.restore(bench.now, &bench.clock, later(kept(), -150));
    assert_eq!(bench.registrar.len(), 2);
    let mut broken = later(kept(), 1_000);
    broken[0].contact = "nonsense".to_owned();
    broken[1].transport = "carrier-pigeon".to_owned();
    broken[2].expires_at = Timestamp::MIN;
    let ids: Vec<_> = broken.iter().map(|registration| registration.id).collect();
    bench = Bench::new();
    bench.registrar.restore(bench.now, &bench.clock, broken);
    let removed: Vec<_> = bench
        .changes()
        .into_iter()
        .map(|change| match change {
            RegistrationChange::Removed { id, .. } => id,
            RegistrationChange::Put(put) => panic!("{put:?}"),
        })
        .collect();
    assert_eq!((bench.registrar.len(), removed), (0, ids));
}

#[test]
fn what_is_known_better_by_now_stays() {
    let mut bench = Bench::new();
    bench.phone(9).register("Contact: <sip:a@h.test>;q=0.9");
    bench.phone(9).register("Contact: <sip:new@h.test>;+sip.instance=\"<urn:uuid:2>\";reg-id=1");
    bench.changes();
    bench.registrar.restore(bench.now, &bench.clock, kept());
    assert_eq!(bench.contacts(), ["sip:new@h.test", "sip:a@h.test"]);
    assert_eq!((bench.registrar.len(), bench.changes().len()), (3, 2));
}

#[test]
fn a_snapshot_ends_the_bindings_of_extensions_that_are_gone() {
    let builder = TenantBuilder::new("acme").with_extensions(&["1001", "1002", "1003", "1004"]);
    let snapshot = TenantSnapshot::clone(&builder.snapshot());
    let mut bench = Bench::new();
    for (phone, number) in (1..).zip(["1001", "1002", "1003", "1004"]) {
        bench.identity = identity(1, number);
        bench.identity.tenant = snapshot.tenant.id;
        bench.identity.extension_id = snapshot.extensions[number].id;
        bench.phone(phone).register(&format!("Contact: <sip:{number}@h.test>"));
    }
    bench.identity = identity(2, "1002");
    bench.phone(9).register("Contact: <sip:other@h.test>");
    bench.changes();
    bench.registrar.retain(&snapshot);
    assert_eq!((bench.registrar.len(), bench.changes().len()), (5, 0));

    let mut changed = snapshot.clone();
    changed.extensions.remove("1002");
    changed.extensions.get_mut("1003").unwrap().enabled = false;
    // Deleted and made again under the same number: another extension.
    changed.extensions.get_mut("1004").unwrap().id = identity(1, "1004").extension_id;
    bench.registrar.retain(&changed);
    let left: Vec<_> = bench.registrar.registrations(None).into_iter().map(|left| left.contact).collect();
    assert_eq!(left, ["sip:1001@h.test", "sip:other@h.test"]);
    assert_eq!(bench.changes().len(), 3);

    bench.registrar.remove_tenant(snapshot.tenant.id);
    assert_eq!((bench.registrar.len(), bench.changes().len()), (1, 1));
    assert_eq!(bench.contacts(), ["sip:other@h.test"]);
}
