//! The registrations of an extension, for its own phones (RFC 3680).

use crate::desk::{last, office, watch, watched};

#[test]
fn phones_that_come_and_go() {
    let mut world = office(70);
    world.plug_in("alpha", "1001", "mobile", |setup| setup);
    let place = watch(&mut world, "1001", "reg", "sip:1001@alpha.test");
    let told = last(&world, "1001", place);
    assert_eq!(
        (told.content_type.as_str(), told.value_of("aor")),
        ("application/reginfo+xml", Some("sip:1001@alpha.test"))
    );
    assert_eq!((told.body.matches("<contact ").count(), told.body.contains("event=\"registered\"")), (1, true));
    let told = watched(&world, "1001", place).told.len();
    world.phone("1001").registers();
    world.seconds(1);
    assert_eq!(watched(&world, "1001", place).told.len(), told, "a refresh is no news");
    world.phone("mobile").registers();
    world.seconds(1);
    assert_eq!(last(&world, "1001", place).body.matches("event=\"registered\"").count(), 2);
    world.phone("mobile").unregisters();
    world.seconds(1);
    let told = last(&world, "1001", place);
    assert_eq!(told.body.matches("event=\"registered\"").count(), 1);
    assert_eq!(told.body.matches("state=\"terminated\" event=\"unregistered\"").count(), 1);
    assert!(told.body.contains("version=\"2\""));
    world.finish();
}
