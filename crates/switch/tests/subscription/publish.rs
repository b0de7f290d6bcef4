//! PUBLISH: presence that phones hand in (RFC 3903 §6).

use testkit::{Method, World};

use crate::desk::{last, office, watch, watched};

const OWN: &str = "sip:1002@alpha.test";

fn away(note: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"{OWN}\">\
         <tuple id=\"a\"><status><basic>open</basic></status></tuple><note>{note}</note></presence>"
    )
}

/// Publishes; the status, and the entity tag when there is one.
fn publish(world: &mut World, tag: Option<&str>, expires: u32, body: &str) -> (u16, Option<String>) {
    let expires = expires.to_string();
    let mut headers = vec![("Event", "presence"), ("Expires", expires.as_str())];
    headers.extend(tag.map(|tag| ("SIP-If-Match", tag)));
    if !body.is_empty() {
        headers.push(("Content-Type", "application/pidf+xml"));
    }
    send(world, "1002", &headers, body)
}

fn send(world: &mut World, phone: &str, headers: &[(&str, &str)], body: &str) -> (u16, Option<String>) {
    world.phone(phone).phone(|phone, now| phone.ask(now, Method::Publish, OWN, headers, body));
    world.seconds(1);
    let answer = world.look(phone).answers.last().expect("an answer");
    (answer.code, answer.header("SIP-ETag").map(str::to_owned))
}

#[test]
fn published_refreshed_modified_and_removed() {
    let mut world = office(90);
    let lamp = watch(&mut world, "1000", "presence", OWN);
    let (code, first) = publish(&mut world, None, 600, &away("At &lt;lunch> &amp; back"));
    assert_eq!(code, 200);
    assert_eq!(last(&world, "1000", lamp).text_of("note"), Some("At &lt;lunch&gt; &amp; back"));
    assert_eq!(world.look("1002").answers.last().and_then(|answer| answer.header("Expires")), Some("600"));

    let told = watched(&world, "1000", lamp).told.len();
    let (code, second) = publish(&mut world, first.as_deref(), 600, "");
    assert_eq!((code, second != first), (200, true));
    assert_eq!(watched(&world, "1000", lamp).told.len(), told, "a refresh changes nothing for watchers");
    assert_eq!(publish(&mut world, first.as_deref(), 600, "").0, 412, "an old tag is worth nothing");

    let (code, third) = publish(&mut world, second.as_deref(), 600, &away("In a meeting"));
    assert_eq!(code, 200);
    assert_eq!(last(&world, "1000", lamp).text_of("note"), Some("In a meeting"));

    assert_eq!(publish(&mut world, third.as_deref(), 0, "").0, 200);
    assert_eq!(last(&world, "1000", lamp).text_of("note"), None);
    assert_eq!(publish(&mut world, third.as_deref(), 600, "").0, 412);
    world.finish();
}

#[test]
fn what_is_not_refreshed_runs_out() {
    let mut world = office(91);
    let lamp = watch(&mut world, "1000", "presence", OWN);
    let (_, tag) = publish(&mut world, None, 60, &away("Away"));
    assert_eq!(last(&world, "1000", lamp).text_of("note"), Some("Away"));
    world.seconds(61);
    assert_eq!(last(&world, "1000", lamp).text_of("note"), None);
    assert_eq!(publish(&mut world, tag.as_deref(), 60, "").0, 412);
    world.finish();
}

#[test]
fn every_refusal_has_its_status() {
    let mut world = office(92);
    assert_eq!(publish(&mut world, None, 600, "").0, 400, "neither body nor tag");
    assert_eq!(publish(&mut world, Some("unknown"), 600, &away("x")).0, 412);
    assert_eq!(publish(&mut world, None, 30, &away("x")).0, 423);
    assert_eq!(publish(&mut world, None, 600, "<html/>").0, 400);
    assert_eq!(publish(&mut world, None, 600, "<!DOCTYPE a><presence/>").0, 400);
    assert_eq!(publish(&mut world, None, 600, &" ".repeat(16_385)).0, 413);
    let (presence, pidf) = (("Event", "presence"), ("Content-Type", "application/pidf+xml"));
    assert_eq!(send(&mut world, "1002", &[("Event", "dialog"), pidf], &away("x")).0, 489);
    assert_eq!(send(&mut world, "1002", &[pidf], &away("x")).0, 489);
    assert_eq!(send(&mut world, "1002", &[presence, ("Content-Type", "text/plain")], "I am away").0, 415);
    assert_eq!(send(&mut world, "1001", &[presence, pidf], &away("x")).0, 403);
    // What holds for no time at all is answered, and not kept.
    assert_eq!(publish(&mut world, None, 0, &away("x")).0, 200);
    for turn in 0..9 {
        assert_eq!(publish(&mut world, None, 600, &away("x")).0, if turn < 8 { 200 } else { 403 });
    }
    world.finish();
}
