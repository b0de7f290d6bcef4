//! Messages that wait (RFC 3842): for who has asked, and for who has not.

use domain::MessageWaiting;
use switch::Input;
use testkit::World;

use crate::desk::{last, office, watch, watched};

fn wait(world: &mut World, slug: &str, extension: &str, new: u32, old: u32) {
    let waiting = MessageWaiting { new, old, urgent_new: new / 2, urgent_old: 0 };
    let tenant = world.tenant(slug).id();
    world.tell(Input::MessageWaiting { tenant, extension: extension.to_owned(), waiting });
}

#[test]
fn the_lamp_of_a_phone_that_has_asked() {
    let mut world = office(60);
    let lamp = watch(&mut world, "1001", "message-summary", "sip:1001@alpha.test");
    let told = last(&world, "1001", lamp);
    assert_eq!(told.content_type, "application/simple-message-summary");
    assert_eq!(
        told.body,
        "Messages-Waiting: no\r\nMessage-Account: sip:1001@alpha.test\r\nVoice-Message: 0/0 (0/0)\r\n"
    );
    wait(&mut world, "alpha", "1001", 2, 1);
    wait(&mut world, "beta", "1001", 9, 9);
    world.seconds(1);
    assert_eq!(
        last(&world, "1001", lamp).body,
        "Messages-Waiting: yes\r\nMessage-Account: sip:1001@alpha.test\r\nVoice-Message: 2/1 (1/0)\r\n"
    );
    let told = watched(&world, "1001", lamp).told.len();
    wait(&mut world, "alpha", "1001", 2, 1);
    world.seconds(1);
    assert_eq!(watched(&world, "1001", lamp).told.len(), told, "no news is not told");
    assert!(world.look("1001").unasked.is_empty(), "who has asked is not told twice");
    assert!(world.look("1002").unasked.is_empty());
    // A phone that asks the domain means its own mailbox.
    let bare = watch(&mut world, "1001", "message-summary", "sip:alpha.test");
    assert!(last(&world, "1001", bare).body.contains("sip:1001@alpha.test\r\nVoice-Message: 2/1"));
    world.finish();
}

#[test]
fn the_lamp_of_a_phone_that_has_not() {
    let mut world = office(61);
    world.plug_in("alpha", "1001", "mobile", |setup| setup);
    world.seconds(1);
    assert!(world.look("1001").unasked.is_empty(), "nobody knows of a mailbox");
    wait(&mut world, "alpha", "1001", 3, 0);
    world.seconds(1);
    let told = world.look("1001").unasked.clone();
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].event.as_str(), told[0].state.as_str()), ("message-summary", "active"));
    assert!(told[0].body.contains("Voice-Message: 3/0"));
    assert!(world.look("thief").unasked.is_empty() && world.look("1002").unasked.is_empty());
    // A phone that comes later, and one that starts anew, are told; the others not again, nor at a refresh.
    world.phone("mobile").registers();
    world.phone("1001").registers();
    world.seconds(1);
    assert_eq!((world.look("mobile").unasked.len(), world.look("1001").unasked.len()), (1, 1));
    // Heard: all phones are told.
    wait(&mut world, "alpha", "1001", 0, 3);
    world.seconds(1);
    for phone in ["mobile", "1001"] {
        let told = world.look(phone).unasked.last().expect("a NOTIFY");
        assert!(told.body.starts_with("Messages-Waiting: no"), "{phone}");
        assert_eq!(world.look(phone).unasked.len(), 2);
    }
    world.finish();
}
