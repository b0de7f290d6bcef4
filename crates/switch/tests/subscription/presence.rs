//! Presence (RFC 3856): whether a colleague can be reached, and what she does.

use crate::desk::{last, office, watch};

#[test]
fn registered_talking_not_to_be_disturbed_and_gone() {
    let mut world = office(80);
    let lamp = watch(&mut world, "1000", "presence", "sip:1002@alpha.test");
    let told = last(&world, "1000", lamp);
    assert_eq!(
        (told.content_type.as_str(), told.value_of("entity")),
        ("application/pidf+xml", Some("sip:1002@alpha.test"))
    );
    assert_eq!((told.text_of("basic"), told.body.contains("note")), (Some("open"), false));

    world.phone("1002").rings_on();
    world.phone("1001").dials("1002");
    world.seconds(1);
    assert_eq!(last(&world, "1000", lamp).text_of("note"), Some("Ringing"));
    world.phone("1002").picks_up();
    world.seconds(1);
    let told = last(&world, "1000", lamp);
    assert_eq!(told.text_of("note"), Some("On the phone"));
    assert!(told.body.contains("<rpid:on-the-phone/>"));
    world.phone("1002").hangs_up();
    world.seconds(1);
    assert_eq!(
        (last(&world, "1000", lamp).text_of("note"), last(&world, "1000", lamp).text_of("basic")),
        (None, Some("open"))
    );

    let tenant = world.tenant("alpha").with_settings("1002", |extension| extension.do_not_disturb = true);
    world.add_tenant(tenant.next_revision());
    world.seconds(1);
    let told = last(&world, "1000", lamp);
    assert_eq!(told.text_of("note"), Some("Do not disturb"));
    assert!(told.body.contains("<rpid:busy/>"));
    let tenant = world.tenant("alpha").with_settings("1002", |extension| extension.do_not_disturb = false);
    world.add_tenant(tenant.next_revision());
    world.phone("1002").unregisters();
    world.seconds(1);
    let told = last(&world, "1000", lamp);
    assert_eq!((told.text_of("note"), told.text_of("basic")), (None, Some("closed")));
    world.finish();
}
