//! Who hears whom, and who must not.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use domain::CallStatus;
use testkit::phone::audio::Speech;
use testkit::{Law, SWITCH, Stage, TenantBuilder, Voice, Weather, World, WorldConfig};

const PAIR: &[&str] = &["1001", "1002"];

fn custom(seed: u64, one: &[Law], other: &[Law], nat: bool) -> World {
    let mut world = World::new(WorldConfig::new(seed, Weather::CALM));
    world.add_tenant(TenantBuilder::new("alpha").with_extensions(PAIR));
    let boxed = |setup: testkit::PhoneSetup| if nat { setup.behind_nat() } else { setup };
    world.plug_in("alpha", "1001", "1001", |setup| boxed(setup.with_laws(one)));
    world.plug_in("alpha", "1002", "1002", |setup| boxed(setup.with_laws(other)));
    world.register_all();
    world.phone("1002").answers_after(300);
    world
}

#[test]
fn phones_that_share_no_codec_hear_each_other() {
    for (one, other) in [(Law::Mu, Law::A), (Law::A, Law::Mu)] {
        let mut world = custom(50, &[one], &[other], false);
        world.phone("1001").dials("1002");
        world.seconds(3);
        assert_eq!((world.hearing("1001"), world.hearing("1002")), (vec!["1002".into()], vec!["1001".into()]));
        world.phone("1001").hangs_up();
        world.seconds(1);
        let codecs: Vec<&str> = world.record_of("1001").media.iter().map(|leg| leg.codec.as_str()).collect();
        assert_eq!(codecs, [one.name(), other.name()]);
        world.finish();
    }
}

#[test]
fn phones_behind_nat_hear_each_other() {
    let mut world = custom(51, &[Law::Mu], &[Law::Mu], true);
    world.phone("1001").dials("1002");
    world.seconds(3);
    assert_eq!((world.hearing("1001"), world.hearing("1002")), (vec!["1002".into()], vec!["1001".into()]));
    world.phone("1002").holds();
    world.seconds(1);
    world.phone("1002").resumes();
    world.seconds(1);
    assert_eq!((world.hearing("1001"), world.hearing("1002")), (vec!["1002".into()], vec!["1001".into()]));
    world.phone("1002").hangs_up();
    world.finish();
}

#[test]
fn early_media_is_heard_before_the_answer() {
    let mut world = World::office(52, Weather::CALM, PAIR);
    world.phone("1002").speaks_early().answers_after(5_000);
    world.phone("1001").dials("1002");
    world.seconds(3);
    assert_eq!((world.stage("1001"), world.hearing("1001")), (Stage::Ringing, vec!["1002".into()]));
    world.seconds(4);
    assert_eq!((world.hearing("1001"), world.hearing("1002")), (vec!["1002".into()], vec!["1001".into()]));
    world.phone("1001").hangs_up();
    world.seconds(1);
    let record = world.record_of("1001");
    assert_eq!((record.setup_duration_ms(), record.call_duration_ms()), (Some(5_000), Some(2_000)));
    world.finish();
}

#[test]
fn the_echo_test_beeps_and_sends_back() {
    let mut world = World::office(53, Weather::CALM, &["1001"]);
    world.phone("1001").dials("*43");
    world.run_for(Duration::from_millis(300));
    assert_eq!(world.hearing("1001"), [testkit::world::TONE]);
    world.seconds(3);
    assert_eq!(world.hearing("1001"), ["1001"]);
    world.phone("1001").holds();
    world.seconds(1);
    assert!(world.hearing("1001").is_empty());
    world.phone("1001").resumes();
    world.seconds(1);
    assert_eq!(world.hearing("1001"), ["1001"]);
    world.phone("1001").hangs_up();
    world.seconds(1);
    let record = world.record_of("1001");
    assert_eq!((record.status, record.media.len()), (CallStatus::Completed, 1));
    world.finish();
}

/// Packets of a stranger to every port of the worker, in the middle of a call: nobody hears them, nobody else gets the audio.
#[test]
fn a_stranger_is_not_heard_and_hears_nothing() {
    let mut world = custom(54, &[Law::Mu], &[Law::Mu], false);
    let stranger: SocketAddr = "10.66.6.6:4000".parse().unwrap();
    world.phone("1001").dials("1002");
    for sequence in 0..300_u16 {
        for port in 30_000..30_008 {
            world.inject(stranger, SocketAddr::new(SWITCH, port), rtp(sequence, Voice(2_000)));
        }
        world.run_for(Duration::from_millis(10));
    }
    assert_eq!((world.hearing("1001"), world.hearing("1002")), (vec!["1002".into()], vec!["1001".into()]));
    assert!(world.elsewhere.is_empty(), "{:?}", world.elsewhere);
    world.phone("1001").hangs_up();
    world.seconds(1);
    assert!(world.record_of("1001").media.iter().all(|leg| leg.strangers > 200));
    world.finish();
}

/// The same from the phone's own address: another port there gets in only when the phone itself has been silent.
#[test]
fn another_port_of_the_phone_is_not_heard_while_the_phone_speaks() {
    let mut world = custom(55, &[Law::Mu], &[Law::Mu], false);
    world.phone("1001").dials("1002");
    world.seconds(1);
    let mut other = world.look("1001").setup.address;
    other.set_port(47_000);
    for sequence in 0..300_u16 {
        for port in [30_000, 30_002] {
            world.inject(other, SocketAddr::new(SWITCH, port), rtp(sequence, Voice(2_000)));
        }
        world.run_for(Duration::from_millis(10));
    }
    assert_eq!(world.heard("1002"), ["1001"]);
    world.phone("1001").hangs_up();
    world.finish();
}

fn rtp(sequence: u16, voice: Voice) -> Bytes {
    let mut packet = vec![0x80, 0];
    packet.extend(sequence.to_be_bytes());
    packet.extend((u32::from(sequence) * 160).to_be_bytes());
    packet.extend(0xbad_cafe_u32.to_be_bytes());
    packet.extend(Speech::new(voice).of(Law::Mu));
    packet.into()
}
