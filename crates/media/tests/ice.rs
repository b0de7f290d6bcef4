//! Checks and what they bring: an agent that only answers, and peers that know the password or do not.

#[path = "ice/check.rs"]
mod check;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use media::ice::{Checked, Credentials, Event, Lite, Pairing, host_candidate};
use media::limits;
use media::stun::ANSWER_BYTES;

use check::{CONTROLLING, NOMINATE, check};

/// Of a peer that takes the part that is ours.
const CONTROLLED: (u16, &[u8]) = (0x8029, &[7; 8]);

fn pairing(n: u8) -> Pairing {
    Pairing { local: Credentials::from_random(&[n; 32]), remote: Credentials::from_random(&[n + 100; 32]) }
}

fn username(pairing: &Pairing) -> String {
    format!("{}:{}", pairing.local.ufrag, pairing.remote.ufrag)
}

fn address(n: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], n))
}

#[expect(clippy::disallowed_methods, reason = "some beginning; from there the clock is virtual")]
fn beginning() -> Instant {
    Instant::now()
}

struct Bench {
    lite: Lite,
    now: Instant,
    pairing: Pairing,
}

impl Bench {
    fn new() -> Bench {
        let now = beginning();
        Bench { lite: Lite::new(now, pairing(1)), now, pairing: pairing(1) }
    }

    /// The class of the answer: 1 for success, else the error code; 0 for silence.
    fn receive(&mut self, from: SocketAddr, datagram: &[u8]) -> u16 {
        let mut out = [0; ANSWER_BYTES];
        match self.lite.receive(self.now, from, datagram, &mut out) {
            Checked::Ignore => 0,
            Checked::Respond(len) if out[1] == 1 => {
                assert!(len > 40);
                1
            }
            Checked::Respond(_) => u16::from(out[26]) * 100 + u16::from(out[27]),
        }
    }

    fn check(&mut self, from: u16, further: &[(u16, &[u8])]) -> u16 {
        let message = check(&username(&self.pairing), &self.pairing.local.password, further);
        self.receive(address(from), &message)
    }
}

#[test]
fn the_first_check_is_believed_and_a_nomination_moves_the_audio() {
    let mut bench = Bench::new();
    assert_eq!((bench.lite.selected(), bench.lite.allows(address(1))), (None, false));
    assert_eq!(bench.check(1, &[CONTROLLING]), 1);
    assert_eq!(bench.lite.poll_event(), Some(Event::Selected(address(1))));
    assert_eq!(bench.check(2, &[CONTROLLING]), 1);
    assert_eq!((bench.lite.poll_event(), bench.lite.selected()), (None, Some(address(1))));
    assert!(bench.lite.allows(address(2)));
    assert_eq!(bench.check(2, &[CONTROLLING, NOMINATE]), 1);
    assert_eq!(bench.lite.poll_event(), Some(Event::Selected(address(2))));
    assert_eq!(bench.check(2, &[CONTROLLING, NOMINATE]), 1);
    assert_eq!(bench.lite.poll_event(), None, "nothing has moved");
}

#[test]
fn whoever_does_not_know_the_password_changes_nothing() {
    let mut bench = Bench::new();
    let good = username(&bench.pairing);
    let other = Credentials::from_random(&[3; 32]);
    let swapped = format!("{}:{}", bench.pairing.remote.ufrag, bench.pairing.local.ufrag);
    let ours = bench.pairing.local.password.clone();
    for (name, password) in [
        (good.as_str(), other.password.as_str()),
        (good.as_str(), bench.pairing.remote.password.clone().as_str()),
        (swapped.as_str(), ours.as_str()),
        (bench.pairing.local.ufrag.clone().as_str(), ours.as_str()),
    ] {
        assert_eq!(bench.receive(address(1), &check(name, password, &[CONTROLLING, NOMINATE])), 401, "{name}");
    }
    let mut cut = check(&good, &ours, &[CONTROLLING]);
    cut.truncate(cut.len() - 32);
    assert_eq!(bench.receive(address(1), &cut), 0);
    assert_eq!((bench.lite.selected(), bench.lite.allows(address(1)), bench.lite.poll_event()), (None, false, None));
}

#[test]
fn roles_and_unknown_attributes_are_refused_and_believe_nothing() {
    let mut bench = Bench::new();
    assert_eq!(bench.check(1, &[CONTROLLED]), 487);
    assert_eq!(bench.check(1, &[CONTROLLING, (0x7abc, &[1, 2])]), 420);
    assert_eq!(bench.lite.selected(), None);
    assert_eq!(bench.check(1, &[CONTROLLING, (0xc057, &[0; 4])]), 1, "what need not be understood is passed over");
}

#[test]
fn believed_addresses_are_bounded_and_the_one_in_use_stays() {
    let mut bench = Bench::new();
    bench.check(1, &[CONTROLLING, NOMINATE]);
    let most = u16::try_from(limits::ICE_PAIRS).unwrap();
    for n in 2..=3 * most {
        assert_eq!(bench.check(n, &[CONTROLLING]), 1);
    }
    assert!(bench.lite.allows(address(1)) && bench.lite.allows(address(3 * most)));
    let believed = (1..=3 * most).filter(|n| bench.lite.allows(address(*n))).count();
    assert_eq!(believed, limits::ICE_PAIRS);
}

#[test]
fn a_peer_that_stops_asking_is_gone() {
    let mut bench = Bench::new();
    bench.check(1, &[CONTROLLING]);
    bench.lite.poll_event();
    bench.now += limits::CONSENT - Duration::from_millis(1);
    bench.lite.handle_timeout(bench.now);
    assert_eq!(bench.lite.poll_event(), None);
    bench.check(1, &[CONTROLLING]);
    assert_eq!(bench.lite.poll_timeout(), Some(bench.now + limits::CONSENT));
    bench.now += limits::CONSENT;
    bench.lite.handle_timeout(bench.now);
    assert_eq!((bench.lite.poll_event(), bench.lite.poll_timeout()), (Some(Event::ConsentLost), None));
}

#[test]
fn after_a_restart_the_old_name_holds_until_the_new_one_is_used() {
    let mut bench = Bench::new();
    bench.check(1, &[CONTROLLING, NOMINATE]);
    bench.lite.poll_event();
    let (old, new) = (bench.pairing.clone(), pairing(2));
    bench.lite.update(bench.now, new.clone());
    assert_eq!(bench.check(1, &[CONTROLLING]), 1, "the old one");
    assert_eq!(bench.lite.selected(), Some(address(1)), "audio goes on meanwhile");
    bench.pairing = new;
    assert_eq!(bench.check(5, &[CONTROLLING, NOMINATE]), 1);
    assert_eq!(bench.lite.poll_event(), Some(Event::Selected(address(5))));
    bench.pairing = old;
    assert_eq!(bench.check(1, &[CONTROLLING, NOMINATE]), 401, "over");
}

#[test]
fn credentials_are_of_the_letters_and_lengths_of_the_rfc() {
    let bytes: Vec<u8> = (0..32).map(|n| n * 8 + 3).collect();
    let made = Credentials::from_random(&bytes.try_into().unwrap());
    assert_eq!((made.ufrag.len(), made.password.len()), (8, 24));
    assert_eq!(Credentials::parse(&made.ufrag, &made.password), Some(made.clone()));
    assert!(!format!("{made:?}").contains(&made.password));
    let long = "a".repeat(257);
    for (ufrag, password) in [
        ("abc", &*made.password),
        ("abcd", "short"),
        ("ab d", &*made.password),
        (&*long, &*made.password),
        ("abcd", &*long),
    ] {
        assert_eq!(Credentials::parse(ufrag, password), None, "{ufrag} {password}");
    }
}

#[test]
fn a_candidate_says_where_we_are() {
    assert_eq!(host_candidate("192.0.2.1".parse().unwrap(), 9078), "1 1 udp 2130706431 192.0.2.1 9078 typ host");
    assert!(host_candidate("2001:db8::1".parse().unwrap(), 1).ends_with(" 2001:db8::1 1 typ host"));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(2_000))]
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200), head in 0..4_u8) {
        let mut bench = Bench::new();
        let mut message = check(&username(&bench.pairing), &bench.pairing.local.password, &[CONTROLLING]);
        let at = usize::from(head) * 7;
        for (place, byte) in message.iter_mut().skip(at).zip(&bytes) {
            *place = *byte;
        }
        let changed = !bytes.is_empty();
        let answer = bench.receive(address(1), &message);
        proptest::prop_assert!(!changed || answer != 1 || bytes.len() < 8);
        bench.receive(address(1), &bytes);
    }
}
