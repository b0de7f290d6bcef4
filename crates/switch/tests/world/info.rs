//! INFO and MESSAGE from phone to phone, in calm weather and in bad.

use std::time::Duration;

use testkit::{Method, Stage, Weather, World};

const PAIR: &[&str] = &["1001", "1002"];

fn talking(seed: u64, weather: Weather) -> World {
    let mut world = World::office_by_info(seed, weather, PAIR);
    world.phone("1002").answers_after(500);
    world.phone("1001").dials("1002");
    world.seconds(8);
    assert_eq!((world.stage("1001"), world.stage("1002")), (Stage::Talking, Stage::Talking));
    world
}

/// Each word arrives once, whatever the network does, and each speaker learns that it did.
#[test]
fn words_arrive_once_in_every_weather() {
    let delay = Duration::from_millis(5)..Duration::from_millis(60);
    let weathers = [
        Weather::CALM,
        Weather { loss: 0.1, delay: delay.clone(), ..Weather::CALM },
        Weather { duplicate: 0.5, delay, ..Weather::CALM },
        Weather::STORM,
    ];
    for (weather, seed) in weathers.into_iter().zip(200..) {
        let mut world = talking(seed, weather.clone());
        for key in ["1", "2", "3"] {
            world.phone("1001").says(Method::Info, "application/dtmf", key);
            world.seconds(20);
            world.phone("1002").says(Method::Message, "text/plain", key);
            world.seconds(20);
        }
        let told = |kind: &str| ["1", "2", "3"].map(|key| (kind.to_owned(), key.to_owned()));
        assert_eq!(world.talk("1002").told, told("application/dtmf"), "{weather:?}");
        assert_eq!(world.talk("1001").told, told("text/plain;charset=UTF-8"), "{weather:?}");
        assert_eq!((world.talk("1001").said.len(), world.talk("1002").said.len()), (3, 3), "{weather:?}");
        assert!(world.talk("1001").said.iter().chain(&world.talk("1002").said).all(|code| *code == 200), "{weather:?}");
        world.phone("1001").hangs_up();
        world.finish();
    }
}

#[test]
fn what_the_other_side_does_not_like_is_told() {
    let mut world = talking(210, Weather::CALM);
    world.phone("1002").answers_info_with(415);
    world.phone("1001").says(Method::Info, "application/dtmf-relay", "Signal=1\r\nDuration=100\r\n");
    world.seconds(1);
    world.phone("1001").says(Method::Info, "application/octet-stream", "x");
    world.seconds(1);
    assert_eq!((world.talk("1001").said.as_slice(), world.talk("1002").told.len()), (&[415, 415][..], 1));
    assert_eq!((world.stage("1001"), world.stage("1002")), (Stage::Talking, Stage::Talking));
    world.phone("1002").hangs_up();
    world.finish();
}

/// Keys in INFO reach a phone that wants them as events, each once, and the audio goes on.
#[test]
fn keys_in_info_are_heard_as_events() {
    let mut world = World::office(220, Weather::CALM, PAIR);
    world.phone("1002").answers_after(500);
    world.phone("1001").dials("1002");
    world.seconds(8);
    for key in ["1", "#", "5"] {
        world.phone("1001").says(Method::Info, "application/dtmf-relay", &format!("Signal={key}\r\nDuration=100\r\n"));
        world.seconds(1);
    }
    world.seconds(2);
    assert_eq!((world.talk("1002").keys.as_str(), world.talk("1002").told.len()), ("1#5", 0));
    assert_eq!(world.talk("1001").said, [200; 3]);
    assert_eq!(world.hearing("1002"), ["1001"]);
    world.phone("1001").hangs_up();
    world.finish();
}
