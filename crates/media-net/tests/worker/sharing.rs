//! Browsers at the port that they share: each finds its own leg, and nobody another's.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use media::ice::{Credentials, Pairing};
use media::{Command, Fact, LegAddress, Plan, SessionId};

use crate::bench::{Bench, ONE, PATIENCE, Phone, TWO, leg_plan, packet};
use crate::check::{CONTROLLING, NOMINATE, check};

/// A browser: one socket for everything.
struct Browser {
    socket: UdpSocket,
    pairing: Pairing,
    server: SocketAddr,
}

impl Browser {
    fn new(number: u8, server: SocketAddr) -> Browser {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let pairing = Pairing {
            local: Credentials::from_random(&[number; 32]),
            remote: Credentials::from_random(&[number + 100; 32]),
        };
        Browser { socket, pairing, server }
    }

    /// Asks for consent, naming itself as `ufrag`, and says whether it was granted.
    fn checks_as(&self, pairing: &Pairing) -> bool {
        let name = format!("{}:{}", pairing.local.ufrag, pairing.remote.ufrag);
        let message = check(&name, &pairing.local.password, &[CONTROLLING, NOMINATE]);
        self.socket.send_to(&message, self.server).unwrap();
        self.reads().is_some_and(|answer| answer[..2] == [1, 1])
    }

    fn says(&self, sequence: u16, sample: u8) {
        self.socket.send_to(&packet(sequence, sample), self.server).unwrap();
    }

    fn reads(&self) -> Option<Vec<u8>> {
        let mut room = [0; 2_048];
        let (len, from) = self.socket.recv_from(&mut room).ok()?;
        assert_eq!(from, self.server, "answers come from where was asked");
        Some(room[..len].to_vec())
    }

    fn hears_nothing(&self) {
        self.socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        assert_eq!(self.reads(), None);
        self.socket.set_read_timeout(Some(PATIENCE)).unwrap();
    }
}

/// Opens a session of a browser and a phone.
fn call(bench: &Bench, session: SessionId, number: u8) -> (Browser, Phone) {
    bench.send(Command::Open { session, legs: vec!["127.0.0.1".parse().unwrap(); 2] });
    let legs: Vec<LegAddress> = bench.await_fact(|fact| match fact {
        Fact::Opened { session: opened, legs } if opened == session => Some(legs),
        _ => None,
    });
    assert_ne!(legs[0].shared_port, 0);
    let browser = Browser::new(number, SocketAddr::new(legs[0].rtp.ip(), legs[0].shared_port));
    let phone = Phone::new("127.0.0.1", legs[1].rtp);
    let mut first = leg_plan(phone.address());
    (first.remote_rtp, first.remote_rtcp, first.sources) = (None, None, Vec::new());
    (first.ice, first.mux) = (Some(browser.pairing.clone()), true);
    bench.send(Command::Apply { session, plan: Plan { legs: vec![first, leg_plan(phone.address())] } });
    bench.settle();
    (browser, phone)
}

#[test]
fn each_browser_finds_its_own_call_at_the_one_port() {
    let bench = Bench::new(8, Duration::ZERO);
    let (ada, at_ada) = call(&bench, ONE, 1);
    let (bob, at_bob) = call(&bench, TWO, 2);
    assert_eq!(ada.server, bob.server);
    ada.says(1, 11);
    at_ada.hears_nothing();
    assert!(ada.checks_as(&ada.pairing) && bob.checks_as(&bob.pairing));
    for sequence in 2..6 {
        ada.says(sequence, 11);
        bob.says(sequence, 22);
        assert_eq!((at_ada.hear()[0], at_bob.hear()[0]), (11, 22));
        at_ada.say(sequence, 33);
        at_bob.say(sequence, 44);
        assert_eq!((ada.reads().unwrap()[12], bob.reads().unwrap()[12]), (33, 44));
    }
}

#[test]
fn nobody_is_heard_without_the_password_and_nobody_takes_anothers_place() {
    let bench = Bench::new(8, Duration::ZERO);
    let (ada, at_ada) = call(&bench, ONE, 1);
    assert!(ada.checks_as(&ada.pairing));
    let stranger = Browser::new(9, ada.server);
    let guessed = Pairing {
        local: Credentials { password: "a".repeat(24), ..ada.pairing.local.clone() },
        remote: ada.pairing.remote.clone(),
    };
    assert!(!stranger.checks_as(&guessed), "refused");
    stranger.says(1, 66);
    at_ada.hears_nothing();
    let nobodys = stranger.pairing.clone();
    stranger.socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    assert!(!stranger.checks_as(&nobodys), "a name that nobody has gets no answer");
    at_ada.say(1, 33);
    assert_eq!(ada.reads().unwrap()[12], 33, "the audio stays where it was");
}

#[test]
fn a_browser_that_moves_is_followed_once_it_has_proven_itself() {
    let bench = Bench::new(8, Duration::ZERO);
    let (ada, phone) = call(&bench, ONE, 1);
    assert!(ada.checks_as(&ada.pairing));
    let elsewhere = Browser { socket: UdpSocket::bind("127.0.0.1:0").unwrap(), pairing: ada.pairing.clone(), ..ada };
    elsewhere.socket.set_read_timeout(Some(PATIENCE)).unwrap();
    elsewhere.says(1, 11);
    phone.hears_nothing();
    assert!(elsewhere.checks_as(&elsewhere.pairing));
    elsewhere.says(2, 12);
    assert_eq!(phone.hear(), [12; 160]);
    phone.say(1, 33);
    assert_eq!(elsewhere.reads().unwrap()[12], 33);
}

#[test]
fn after_a_call_its_browser_reaches_nobody() {
    let bench = Bench::new(8, Duration::ZERO);
    let (ada, _) = call(&bench, ONE, 1);
    assert!(ada.checks_as(&ada.pairing));
    bench.close(ONE);
    let (bob, at_bob) = call(&bench, TWO, 2);
    assert!(bob.checks_as(&bob.pairing));
    ada.says(1, 66);
    at_bob.hears_nothing();
    let old = ada.pairing.clone();
    ada.socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    assert!(!ada.checks_as(&old));
    ada.hears_nothing();
}
