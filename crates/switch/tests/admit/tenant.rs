//! Which tenant a request is for.

use std::sync::Arc;

use domain::TenantStatus;
use testkit::TenantBuilder;

use crate::bench::{ALICE, Bench, Draft, Signer, acme, beta, code, flow, in_a_dialog, realm};

/// What a REGISTER and an INVITE to this URI are answered with: the realm of the challenge, or the status.
fn asked(bench: &mut Bench, uri: &str) -> Result<String, u16> {
    let answers = ["REGISTER", "INVITE"].map(|method| {
        let reply = bench.refusal(&Draft::new(method).uri(uri));
        if reply.headers.is_empty() { Err(reply.code) } else { Ok(realm(&reply)) }
    });
    assert_eq!(answers[0], answers[1], "{uri}");
    answers[0].clone()
}

#[test]
fn the_domain_of_the_request_uri_decides() {
    let acme = Ok("acme.realm.test".to_owned());
    let beta = Ok("beta.realm.test".to_owned());
    for (uri, expected) in [
        ("sip:acme.test", &acme),
        ("sip:1002@acme.test", &acme),
        ("sip:1002@acme.test:5070;transport=udp", &acme),
        ("sips:1002@acme.test", &acme),
        ("sip:ACME.Test", &acme),
        ("sip:acme.test.", &acme),
        ("sip:sip.acme.example", &acme),
        ("sip:SIP.ACME.EXAMPLE.", &acme),
        ("sip:acme.example", &acme),
        ("sip:1002@beta.test", &beta),
        ("sip:acme.test@beta.test", &beta),
        ("sip:1002@beta.test;maddr=acme.test", &beta),
        ("sip:10.9.9.9", &acme),
        ("sip:1002@10.9.9.9:5060", &acme),
        ("sip:1002@[2001:db8::1]", &acme),
        ("tel:+49301234", &acme),
        ("sip:nowhere.test", &Err(403)),
        ("sip:1002@sub.acme.test", &Err(403)),
        ("sip:1002@test", &Err(403)),
        ("sip:1002@acme.test..", &Err(403)),
        ("sip:1002@xacme.test", &Err(403)),
        ("mailto:1002@acme.test", &Err(403)),
        ("http://acme.test/", &Err(403)),
    ] {
        assert_eq!(&asked(&mut Bench::new(), uri), expected, "{uri}");
    }
}

#[test]
fn a_bare_address_belongs_to_the_tenant_of_the_registered_phone() {
    let mut bench = Bench::new();
    bench.register(&beta());
    assert_eq!(asked(&mut bench, "sip:1002@10.9.9.9"), Ok("beta.realm.test".to_owned()));
    assert_eq!(asked(&mut bench, "sip:1002@acme.test"), Ok("acme.realm.test".to_owned()), "a domain says it better");
    bench.flow = flow(2);
    assert_eq!(asked(&mut bench, "sip:1002@10.9.9.9"), Ok("acme.realm.test".to_owned()), "somebody else's flow");
}

#[test]
fn in_a_dialog_the_from_decides_where_the_request_uri_says_nothing() {
    let mut bench = Bench::new();
    let beta = Draft::new("BYE").uri("sip:10.9.9.9:5060").from("sip:1001@beta.test");
    let sip::Admission::Refuse(reply) = bench.admit_in(&beta, in_a_dialog()) else { panic!("passed") };
    assert_eq!(realm(&reply), "beta.realm.test");
    let signed = beta.signed(&reply, Signer::new("1001", "secret-beta-1001"));
    assert_eq!(code(&bench.admit_in(&signed, in_a_dialog())), 200);
    let strange = Draft::new("BYE").uri("sip:10.9.9.9:5060").from("sip:1001@nowhere.test");
    let sip::Admission::Refuse(reply) = bench.admit_in(&strange, in_a_dialog()) else { panic!("passed") };
    assert_eq!(realm(&reply), "acme.realm.test");
}

#[test]
fn without_a_default_tenant_a_bare_address_is_nobody() {
    let mut bench = Bench::new();
    let mut snapshot = acme();
    snapshot.tenant.is_default = false;
    bench.admittance.put(Arc::new(snapshot));
    assert_eq!(asked(&mut bench, "sip:10.9.9.9"), Err(403));
    assert_eq!(asked(&mut bench, "sip:acme.test"), Ok("acme.realm.test".to_owned()));
}

#[test]
fn tenants_come_change_and_go() {
    let mut bench = Bench::new();
    let mut snapshot = acme();
    snapshot.tenant.domain = "new.test".to_owned();
    snapshot.tenant.domains.clear();
    bench.admittance.put(Arc::new(snapshot.clone()));
    for (uri, leads) in [("sip:new.test", true), ("sip:acme.test", false), ("sip:sip.acme.example", false)] {
        assert_eq!(asked(&mut bench, uri).is_ok(), leads, "{uri}");
    }
    assert!(bench.admittance.tenant(snapshot.tenant.id).is_some());
    bench.admittance.remove(snapshot.tenant.id);
    assert!(bench.admittance.tenant(snapshot.tenant.id).is_none());
    for uri in ["sip:new.test", "sip:10.9.9.9"] {
        assert_eq!(asked(&mut bench, uri), Err(403), "{uri}");
    }
    bench.admittance.remove(snapshot.tenant.id);
    assert!(asked(&mut bench, "sip:beta.test").is_ok());
}

#[test]
fn a_domain_stays_with_the_tenant_that_has_it() {
    let mut bench = Bench::new();
    let mut thief = (*TenantBuilder::new("thief").with_extensions(&["1001"]).snapshot()).clone();
    thief.tenant.domains = vec!["acme.test".to_owned()];
    let id = thief.tenant.id;
    bench.admittance.put(Arc::new(thief));
    assert_eq!(asked(&mut bench, "sip:acme.test"), Ok("acme.realm.test".to_owned()));
    bench.admittance.remove(id);
    assert_eq!(asked(&mut bench, "sip:acme.test"), Ok("acme.realm.test".to_owned()));
}

#[test]
fn a_tenant_that_is_not_active_is_refused_like_one_that_is_not_there() {
    for status in [TenantStatus::Suspended, TenantStatus::Cancelled, TenantStatus::Deleted] {
        let mut bench = Bench::new();
        let draft = Draft::new("INVITE");
        let challenge = bench.refusal(&draft);
        let signed = draft.signed(&challenge, ALICE);
        bench.register(&acme());
        let mut snapshot = acme();
        snapshot.tenant.status = status;
        bench.admittance.put(Arc::new(snapshot));
        for draft in [signed, Draft::new("OPTIONS"), Draft::new("REGISTER")] {
            let (reply, unknown) =
                (bench.refusal(&draft), bench.refusal(&Draft::new("INVITE").uri("sip:nowhere.test")));
            assert_eq!(format!("{reply:?}"), format!("{unknown:?}"), "{status}");
        }
    }
}

#[test]
fn the_password_of_one_tenant_opens_no_other() {
    // Same number, same wish, the other tenant's realm: whatever the phone answers, it is not enough.
    let mut bench = Bench::new();
    let draft = Draft::new("INVITE").uri("sip:1002@beta.test").from("sip:1001@beta.test");
    assert_eq!(bench.code_as(draft.clone(), ALICE), 407);
    let own = Draft::new("INVITE");
    let challenge = bench.refusal(&own);
    let own = own.signed(&challenge, ALICE);
    assert_eq!(bench.refusal(&Draft { lines: own.lines, ..draft }).code, 407);
}
