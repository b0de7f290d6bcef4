//! Handshakes in memory: two associations, a virtual clock, and datagrams that get lost.

use std::time::{Duration, Instant};

use media::dtls::{Association, Event, Fingerprint, Identity, Role};

fn identity() -> (Identity, Vec<u8>) {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["test".to_owned()]).unwrap().self_signed(&key).unwrap();
    let der = certificate.der().to_vec();
    (Identity::new(der.clone(), key.serialize_der()).unwrap(), der)
}

#[expect(clippy::disallowed_methods, reason = "some beginning; from there the clock is virtual")]
fn beginning() -> Instant {
    Instant::now()
}

struct Pair {
    now: Instant,
    client: Association,
    server: Association,
    sent: usize,
}

impl Pair {
    fn new(client: &Identity, server: &Identity, seen_by_client: Fingerprint, seen_by_server: Fingerprint) -> Pair {
        let now = beginning();
        Pair {
            now,
            client: Association::new(now, client, Role::Client, seen_by_client),
            server: Association::new(now, server, Role::Server, seen_by_server),
            sent: 0,
        }
    }

    /// Lets them talk until both are done or `seconds` have passed; the datagrams that `lost` names by number are lost.
    fn talk(&mut self, seconds: u64, lost: impl Fn(usize) -> bool) -> (Option<Event>, Option<Event>) {
        let until = self.now + Duration::from_secs(seconds);
        let (mut client, mut server) = (None, None);
        while self.now < until && (client.is_none() || server.is_none()) {
            let mut room = [0; 2_000];
            let mut quiet = true;
            while let Some(len) = self.client.poll_datagram(&mut room) {
                quiet = false;
                self.sent += 1;
                if !lost(self.sent) {
                    self.server.receive(self.now, &room[..len]);
                }
            }
            while let Some(len) = self.server.poll_datagram(&mut room) {
                quiet = false;
                self.sent += 1;
                if !lost(self.sent) {
                    self.client.receive(self.now, &room[..len]);
                }
            }
            client = client.or_else(|| self.client.poll_event());
            server = server.or_else(|| self.server.poll_event());
            if quiet {
                let wake = [self.client.poll_timeout(), self.server.poll_timeout()].into_iter().flatten().min();
                self.now = wake.unwrap_or(until).max(self.now + Duration::from_millis(1));
                self.client.handle_timeout(self.now);
                self.server.handle_timeout(self.now);
            }
        }
        (client, server)
    }
}

fn mirrored(pair: (Option<Event>, Option<Event>)) {
    match pair {
        (
            Some(Event::Connected { send, receive }),
            Some(Event::Connected { send: their_send, receive: their_receive }),
        ) => {
            assert!(send == their_receive && receive == their_send && send != receive);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn both_sides_get_the_same_keys() {
    let ((client, client_der), (server, server_der)) = (identity(), identity());
    let mut pair = Pair::new(&client, &server, Fingerprint::of(&server_der), Fingerprint::of(&client_der));
    mirrored(pair.talk(5, |_| false));
}

#[test]
fn each_datagram_may_get_lost() {
    let ((client, client_der), (server, server_der)) = (identity(), identity());
    let new = || Pair::new(&client, &server, Fingerprint::of(&server_der), Fingerprint::of(&client_der));
    let mut calm = new();
    mirrored(calm.talk(5, |_| false));
    for number in 1..=calm.sent {
        mirrored(new().talk(20, |sent| sent == number));
    }
}

#[test]
fn a_wrong_certificate_ends_it_in_either_role() {
    let ((client, client_der), (server, server_der), (_, other)) = (identity(), identity(), identity());
    let wrong = Fingerprint::of(&other);
    let mut pair = Pair::new(&client, &server, wrong.clone(), Fingerprint::of(&client_der));
    let (at_client, at_server) = pair.talk(40, |_| false);
    assert!(matches!(at_client, Some(Event::Failed(why)) if why.contains("certificate")), "{at_client:?}");
    assert!(!matches!(at_server, Some(Event::Connected { .. })), "{at_server:?}");
    let mut pair = Pair::new(&client, &server, Fingerprint::of(&server_der), wrong);
    let (_, at_server) = pair.talk(40, |_| false);
    assert!(matches!(at_server, Some(Event::Failed(why)) if why.contains("certificate")), "{at_server:?}");
}

#[test]
fn nobody_answers_for_ever() {
    let ((client, _), (server, server_der)) = (identity(), identity());
    let mut pair = Pair::new(&client, &server, Fingerprint::of(&server_der), Fingerprint::of(&server_der));
    let (at_client, at_server) = pair.talk(120, |_| true);
    assert!(matches!(at_client, Some(Event::Failed(_))), "{at_client:?}");
    assert_eq!(at_server, None, "a server that was asked nothing waits");
    assert!(pair.now > beginning() + Duration::from_secs(100), "the clock is virtual");
}

#[test]
fn garbage_in_between_changes_nothing() {
    let ((client, client_der), (server, server_der)) = (identity(), identity());
    let mut pair = Pair::new(&client, &server, Fingerprint::of(&server_der), Fingerprint::of(&client_der));
    let mut noise = 0x2545_f491_4f6c_dd1d_u64;
    for round in 0..200_usize {
        let bytes: Vec<u8> = (0..round)
            .map(|_| {
                noise ^= noise << 13;
                noise ^= noise >> 7;
                noise ^= noise << 17;
                noise as u8
            })
            .collect();
        pair.client.receive(pair.now, &bytes);
        pair.server.receive(pair.now, &bytes);
    }
    mirrored(pair.talk(20, |_| false));
    // Whatever comes once the keys are there does not take them away.
    for kind in 0..=64 {
        let mut record = vec![kind, 254, 253, 0, 0, 0, 0, 0, 0, 1, kind, 0, 40];
        record.extend([kind; 40]);
        pair.client.receive(pair.now, &record);
        pair.server.receive(pair.now, &record);
    }
    assert_eq!((pair.client.poll_event(), pair.server.poll_event()), (None, None));
}

#[test]
fn fingerprints_are_read_and_written() {
    let (_, der) = identity();
    let fingerprint = Fingerprint::of(&der);
    let text = fingerprint.to_string();
    assert!(text.starts_with("sha-256 ") && text.len() == 8 + 95, "{text}");
    assert_eq!(Fingerprint::parse(&text), Some(fingerprint.clone()));
    assert_eq!(Fingerprint::parse(&text.to_lowercase().replace("sha", "SHA")), Some(fingerprint.clone()));
    assert!(fingerprint.is_of(&der) && !fingerprint.is_of(&der[1..]));
    for bad in ["", "sha-256", "sha-256 AA", "md5 AA:BB", &text[..text.len() - 1], &format!("{text}:00"), "sha-1 +1:02"]
    {
        assert_eq!(Fingerprint::parse(bad), None, "{bad}");
    }
}
