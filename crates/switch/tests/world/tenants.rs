//! Two tenants with the same numbers never meet.

use domain::CallStatus;
use testkit::{Method, PhoneSetup, Stage, TenantBuilder, Weather, World, WorldConfig};

const NUMBERS: &[&str] = &["1001", "1002"];

/// Tenants alpha and beta, each with phones 1001 and 1002, named `alpha 1001` and so on.
fn two(seed: u64) -> World {
    let mut world = World::new(WorldConfig::new(seed, Weather::CALM));
    for slug in ["alpha", "beta"] {
        world.add_tenant(TenantBuilder::new(slug).with_extensions(NUMBERS));
        for number in NUMBERS {
            world.plug_in(slug, number, &format!("{slug} {number}"), |setup| setup);
        }
    }
    world.register_all();
    for slug in ["alpha", "beta"] {
        world.phone(&format!("{slug} 1002")).answers_after(1_000);
    }
    world
}

#[test]
fn the_same_number_leads_to_ones_own_colleague() {
    let mut world = two(80);
    world.phone("alpha 1001").dials("1002");
    world.phone("beta 1001").dials("1002");
    world.seconds(3);
    assert_eq!(world.hearing("alpha 1001"), ["alpha 1002"]);
    assert_eq!(world.hearing("beta 1001"), ["beta 1002"]);
    for slug in ["alpha", "beta"] {
        assert_eq!(world.look(&format!("{slug} 1002")).talks.len(), 1);
    }
    world.phone("alpha 1001").hangs_up();
    world.seconds(1);
    assert_eq!(world.stage("beta 1001"), Stage::Talking);
    assert_eq!(world.counts().calls, 1);
    assert_eq!(world.shard().calls(Some(world.tenant("alpha").id())).len(), 0);
    assert_eq!(world.shard().registrations(Some(world.tenant("alpha").id())).len(), 2);
    world.phone("beta 1002").hangs_up();
    world.finish();
}

/// A phone of beta asks for alpha's number in alpha's domain: it is challenged for alpha, and its password is none there.
#[test]
fn a_phone_cannot_dial_into_another_tenant() {
    let mut world = two(81);
    world.plug_in("beta", "1001", "intruder", |setup| PhoneSetup { domain: "alpha.test".into(), ..setup });
    world.phone("intruder").dials("1002");
    world.seconds(3);
    assert!(matches!(world.code("intruder"), Some(401 | 403 | 407)), "{:?}", world.code("intruder"));
    assert!(world.look("alpha 1002").talks.is_empty());
    assert_eq!(world.records().count(), 0);
    world.phone("intruder").registers();
    world.seconds(3);
    assert!(matches!(world.look("intruder").registration.code, Some(401 | 403 | 407)));
    assert_eq!(world.shard().registrations(None).len(), 4);
    // Whoever asks for alpha sees alpha's realm; that is not a breach but a challenge.
    let faults = world.faults();
    let others: Vec<&String> = faults.iter().filter(|fault| !fault.contains("intruder")).collect();
    assert!(others.is_empty(), "{others:#?}");
}

#[test]
fn a_stranger_gets_nothing() {
    let mut world = two(82);
    world.plug_in("alpha", "1001", "stranger", |setup| setup.with_password("guessed"));
    world.phone("stranger").registers();
    world.phone("stranger").dials("1002");
    for method in [Method::Options, Method::Message, Method::Subscribe, Method::Publish, Method::Info, Method::Refer] {
        // Who tries faster is not answered at all.
        world.seconds(60);
        world.phone("stranger").phone(|phone, now| phone.probe(now, method, "sip:1002@alpha.test"));
    }
    world.seconds(5);
    assert!(matches!(world.code("stranger"), Some(401 | 407)), "{:?}", world.code("stranger"));
    assert!(matches!(world.look("stranger").registration.code, Some(401)));
    let probes = &world.look("stranger").probes;
    assert_eq!(probes.len(), 6);
    assert!(probes.iter().all(|code| matches!(code, 401 | 403 | 407)), "every method is authenticated: {probes:?}");
    assert_eq!((world.records().count(), world.counts().calls), (0, 0));
    world.finish();
}

#[test]
fn a_domain_that_nobody_has() {
    let mut world = two(83);
    world.plug_in("alpha", "1001", "lost", |setup| PhoneSetup { domain: "gamma.test".into(), ..setup });
    world.phone("lost").registers();
    world.phone("lost").dials("1002");
    world.seconds(3);
    assert_eq!((world.code("lost"), world.look("lost").registration.code), (Some(403), Some(403)));
    world.finish();
}

#[test]
fn a_tenant_that_is_taken_away_keeps_its_running_call() {
    let mut world = two(84);
    world.phone("alpha 1001").dials("1002");
    world.seconds(3);
    world.remove_tenant("alpha");
    world.seconds(2);
    assert_eq!(world.hearing("alpha 1001"), ["alpha 1002"]);
    assert_eq!(world.counts().bindings, 2, "its bindings are gone, beta's are not");
    world.phone("alpha 1001").hangs_up();
    world.seconds(1);
    assert_eq!(world.record_of("alpha 1001").status, CallStatus::Completed);
    world.phone("alpha 1001").dials("1002");
    world.seconds(2);
    assert_eq!(world.code("alpha 1001"), Some(403));
    world.finish();
}
