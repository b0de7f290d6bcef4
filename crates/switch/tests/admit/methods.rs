//! Every method is authenticated: generated from the table.

use sip::{Admission, Method, Name, Scope};
use switch::admit::policy::{POLICIES, Policy, of};

use crate::bench::{ALICE, Bench, Draft, acme, challenges, code, in_a_dialog};

/// The methods of the table and some that nobody knows.
fn methods() -> impl Iterator<Item = (&'static str, Policy)> {
    let known = POLICIES.iter().map(|(method, policy)| (method.as_str(), *policy));
    known.chain(["FROBNICATE", "invite", "REGISTER2", "X-1"].map(|method| (method, Policy::Proxy)))
}

#[test]
fn the_table_has_every_method_once() {
    for method in Method::KNOWN {
        assert_eq!(POLICIES.iter().filter(|(listed, _)| listed == method).count(), 1, "{method}");
    }
    assert_eq!(POLICIES.len(), Method::KNOWN.len());
    assert_eq!(of(&Method::Other("FROBNICATE".into())), Policy::Proxy);
}

#[test]
fn no_method_passes_without_a_password() {
    for (method, policy) in methods() {
        for scope in [Scope::OutOfDialog, in_a_dialog()] {
            let mut bench = Bench::new();
            let admission = bench.admit_in(&Draft::new(method), scope);
            let expected = match policy {
                Policy::Server => 401,
                Policy::Proxy => 407,
                Policy::Never => 0,
            };
            assert_eq!(code(&admission), expected, "{method} {scope:?}");
            if let Admission::Refuse(reply) = admission {
                let header = if expected == 401 { Name::WwwAuthenticate } else { Name::ProxyAuthenticate };
                assert_eq!(challenges(&reply).len(), 1, "{method}");
                assert_eq!(challenges(&reply)[0].0, header, "{method}");
            }
        }
    }
}

#[test]
fn every_method_passes_with_the_password() {
    for (method, policy) in methods().filter(|(_, policy)| *policy != Policy::Never) {
        let mut bench = Bench::new();
        assert_eq!(bench.code_as(Draft::new(method), ALICE), 200, "{method} {policy:?}");
    }
}

#[test]
fn a_password_for_one_method_is_none_for_another() {
    for (method, _) in methods().filter(|(method, policy)| *policy != Policy::Never && *method != "MESSAGE") {
        let mut bench = Bench::new();
        let message = Draft::new("MESSAGE").uri("sip:acme.test").to("sip:1001@acme.test");
        let challenge = bench.refusal(&message);
        let stolen = message.signed(&challenge, ALICE).lines;
        let draft = Draft { lines: stolen, ..Draft::new(method).uri("sip:acme.test").to("sip:1001@acme.test") };
        assert!([401, 407].contains(&bench.refusal(&draft).code), "{method}");
    }
}

#[test]
fn only_options_passes_on_the_strength_of_its_flow() {
    for (method, policy) in methods().filter(|(_, policy)| *policy != Policy::Never) {
        let mut bench = Bench::new();
        bench.register(&acme());
        let passes = method == "OPTIONS";
        assert_eq!(code(&bench.admit(&Draft::new(method))) == 200, passes, "{method} {policy:?}");
    }
    let mut bench = Bench::new();
    bench.register(&acme());
    match bench.admit(&Draft::new("OPTIONS").uri("sip:10.9.9.9").from("sip:whoever@nowhere.test")) {
        Admission::Pass(identity) => {
            assert_eq!((identity.tenant, identity.extension.as_str()), (acme().tenant.id, "1001"));
            assert_eq!(identity.extension_id, acme().extensions["1001"].id);
        }
        other => panic!("{other:?}"),
    }
    // Another port of the same address is another flow, and another tenant's domain another matter.
    bench.flow.remote.set_port(5061);
    assert_eq!(code(&bench.admit(&Draft::new("OPTIONS"))), 401);
    bench.flow.remote.set_port(5060);
    assert_eq!(code(&bench.admit(&Draft::new("OPTIONS").uri("sip:beta.test"))), 401);
}
