//! Late offers: an INVITE without a description, where the other side offers first (RFC 3261 §13.2.1, RFC 6337 §2.2).

use std::time::Duration;

use domain::CallStatus;
use testkit::{Hold, Law, Reliable, Stage, TenantBuilder, Weather, World, WorldConfig};

/// 1001 calls without an offer; 1002 has as many phones as `laws` has entries.
fn office(seed: u64, weather: Weather, laws: &[&[Law]]) -> World {
    let mut world = World::new(WorldConfig::new(seed, weather));
    world.add_tenant(TenantBuilder::new("alpha").with_extensions(&["1001", "1002"]));
    world.plug_in("alpha", "1001", "1001", |setup| setup);
    for (name, laws) in ["a", "b", "c"].into_iter().zip(laws) {
        world.plug_in("alpha", "1002", name, |setup| setup.with_laws(laws));
    }
    world.register_all();
    world.phone("1001").offers_late();
    world
}

fn hear_each_other(world: &World, name: &str) {
    let window = Duration::from_secs(1);
    assert_eq!((world.stage("1001"), world.stage(name)), (Stage::Talking, Stage::Talking), "seed {}", world.seed());
    assert_eq!(world.hearing_within("1001", window), [name], "seed {}", world.seed());
    assert_eq!(world.hearing_within(name, window), ["1001"], "seed {}", world.seed());
}

fn hang_up(mut world: World) {
    world.phone("1001").hangs_up();
    world.seconds(8);
    assert_eq!(world.record_of("1001").status, CallStatus::Completed);
    world.finish();
}

const BOTH: &[Law] = &[Law::Mu, Law::A];

/// The offer comes in the 200 and its answer in the ACK; where reliable answers are known, already in the 183 and the PRACK.
#[test]
fn in_every_weather_and_whoever_is_reliable() {
    let delay = Duration::from_millis(5)..Duration::from_millis(60);
    let weathers = [
        Weather::CALM,
        Weather { loss: 0.1, delay: delay.clone(), ..Weather::CALM },
        Weather { duplicate: 0.5, delay, ..Weather::CALM },
        Weather::STORM,
    ];
    let mut seed = 450;
    for weather in weathers {
        for caller in [Reliable::Never, Reliable::Supported, Reliable::Required] {
            for early in [false, true] {
                seed += 1;
                let mut world = office(seed, weather.clone(), &[BOTH]);
                world.phone("1001").is_reliable(caller);
                let phone = world.phone("a").answers_after(14_000);
                if early {
                    phone.speaks_early();
                }
                world.phone("1001").dials("1002");
                world.seconds(12);
                let heard = early && caller != Reliable::Never;
                assert_eq!(world.heard("1001").is_empty(), !heard, "seed {seed}: {caller:?}, early media {early}");
                world.seconds(16);
                hear_each_other(&world, "a");
                hang_up(world);
            }
        }
    }
}

#[test]
fn to_phones_with_one_codec_each() {
    for (seed, law) in [(480, Law::Mu), (481, Law::A)] {
        for caller in [Reliable::Never, Reliable::Supported] {
            let mut world = office(seed, Weather::CALM, &[&[law]]);
            world.phone("1001").is_reliable(caller).phone(|phone, _| phone.setup.laws = vec![Law::A]);
            world.phone("a").speaks_early().answers_after(1_000);
            world.phone("1001").dials("1002");
            world.seconds(3);
            hear_each_other(&world, "a");
            hang_up(world);
        }
    }
}

/// The first to be heard is not the one that takes the call, and speaks another codec.
#[test]
fn to_a_fork() {
    for (seed, caller) in [(482, Reliable::Never), (483, Reliable::Supported)] {
        let mut world = office(seed, Weather::CALM, &[&[Law::Mu], &[Law::A], BOTH]);
        world.phone("1001").is_reliable(caller);
        world.phone("a").speaks_early().rings_on();
        world.phone("b").speaks_early().answers_after(3_000);
        world.phone("c").refuses(486, 1_000);
        world.phone("1001").dials("1002");
        world.seconds(2);
        assert_eq!(world.hearing("1001").len(), usize::from(caller != Reliable::Never), "{caller:?}");
        world.seconds(3);
        hear_each_other(&world, "b");
        world.phone("1001").holds();
        world.seconds(1);
        assert!(world.talk("b").is_held());
        hang_up(world);
    }
}

#[test]
fn to_the_echo_test() {
    for (seed, caller) in [(484, Reliable::Never), (485, Reliable::Required)] {
        let mut world = office(seed, Weather::CALM, &[BOTH]);
        world.phone("1001").is_reliable(caller);
        world.phone("1001").dials("*43");
        world.seconds(3);
        assert!(world.heard("1001").contains(&"1001".to_owned()), "{caller:?}");
        hang_up(world);
    }
}

#[test]
fn cancelled_at_every_moment() {
    let delay = Duration::from_millis(60);
    for ms in (0..1_400).step_by(50) {
        let mut world = office(486, Weather { delay: delay..delay, ..Weather::CALM }, &[BOTH]);
        world.phone("1001").is_reliable(Reliable::Supported);
        world.phone("a").speaks_early().answers_after(700);
        world.phone("1001").dials("1002");
        world.run_for(Duration::from_millis(ms));
        world.phone("1001").cancels();
        world.seconds(8);
        assert_eq!((world.stage("1001"), world.stage("a")), (Stage::Over, Stage::Over), "after {ms} ms");
        world.finish();
    }
}

/// A re-INVITE without a description gets the session as it stands, hold and all, and answers it in the ACK.
#[test]
fn in_mid_call() {
    for (seed, asks, answers) in [(487, "1001", "a"), (488, "a", "1001")] {
        let mut world = office(seed, Weather::CALM, &[BOTH]);
        world.phone("a").answers_after(100);
        world.phone("1001").dials("1002");
        world.seconds(2);
        world.phone(asks).asks_for_an_offer();
        world.seconds(1);
        assert_eq!(world.talk(asks).changes, [200]);
        hear_each_other(&world, "a");
        world.phone(answers).holds_with(Hold::SendOnly);
        world.seconds(1);
        world.phone(asks).asks_for_an_offer();
        world.seconds(1);
        assert_eq!((world.talk(asks).changes.as_slice(), world.talk(asks).is_held()), (&[200, 200][..], true));
        assert_eq!(world.hearing(answers), Vec::<String>::new(), "who holds goes on to hear nothing");
        world.phone(answers).resumes();
        world.seconds(1);
        hear_each_other(&world, "a");
        hang_up(world);
    }
}
