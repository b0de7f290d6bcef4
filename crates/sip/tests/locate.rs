//! RFC 3263 row by row: what is asked for a URI, and the order in which its addresses are tried.

use std::collections::HashMap;
use std::net::IpAddr;

use sip::locate::{Answer, Fault, Hop, Locate, Naptr, Question, Srv, Step};
use sip::{Transport, Uri};

const EVERY: &[Transport] = &[Transport::Udp, Transport::Tcp, Transport::Tls];

/// A name server of a few lines. What it does not know does not exist.
#[derive(Default)]
struct Zone {
    naptr: HashMap<&'static str, Vec<Naptr>>,
    srv: HashMap<&'static str, Vec<Srv>>,
    hosts: HashMap<&'static str, Vec<&'static str>>,
    silent: bool,
}

impl Zone {
    fn host(mut self, name: &'static str, addresses: &[&'static str]) -> Zone {
        self.hosts.insert(name, addresses.to_vec());
        self
    }

    fn srv(mut self, name: &'static str, rows: &[(u16, u16, u16, &str)]) -> Zone {
        let row = |(priority, weight, port, target): &(u16, u16, u16, &str)| Srv {
            priority: *priority,
            weight: *weight,
            port: *port,
            target: (*target).to_owned(),
        };
        self.srv.insert(name, rows.iter().map(row).collect());
        self
    }

    fn naptr(mut self, name: &'static str, rows: &[(u16, u16, &str, &str, &str)]) -> Zone {
        let row = |(order, preference, flags, service, replacement): &(u16, u16, &str, &str, &str)| Naptr {
            order: *order,
            preference: *preference,
            flags: (*flags).to_owned(),
            service: (*service).to_owned(),
            replacement: (*replacement).to_owned(),
        };
        self.naptr.insert(name, rows.iter().map(row).collect());
        self
    }

    fn answer(&self, question: &Question) -> Answer {
        if self.silent {
            return Answer::Failed;
        }
        match question {
            Question::Naptr(name) => Answer::Naptr(self.naptr.get(name.as_str()).cloned().unwrap_or_default()),
            Question::Srv(name) => Answer::Srv(self.srv.get(name.as_str()).cloned().unwrap_or_default()),
            Question::Address(name) => {
                let found = self.hosts.get(name.as_str()).cloned().unwrap_or_default();
                Answer::Addresses(found.iter().map(|ip| ip.parse::<IpAddr>().unwrap()).collect())
            }
        }
    }
}

/// Everything that is asked, and what comes of it.
fn run(
    uri: &str,
    can: &[Transport],
    bytes: usize,
    zone: &Zone,
    mut random: impl FnMut(u32) -> u32,
) -> (Vec<Question>, Result<Vec<Hop>, Fault>) {
    let uri: Uri = uri.parse().unwrap();
    let mut locate = Locate::new(&uri, can, bytes);
    let mut asked = Vec::new();
    for _ in 0..200 {
        match locate.step() {
            Step::Done(done) => return (asked, done),
            Step::Ask(question) => {
                locate.answer(zone.answer(&question), &mut random);
                asked.push(question);
            }
        }
    }
    panic!("it never ends: {asked:?}");
}

fn hops(uri: &str, zone: &Zone) -> Vec<String> {
    let (_, hops) = run(uri, EVERY, 500, zone, |_| 0);
    hops.unwrap().iter().map(|hop| format!("{} {}", hop.transport, hop.address)).collect()
}

fn questions(uri: &str, zone: &Zone) -> Vec<Question> {
    run(uri, EVERY, 500, zone, |_| 0).0
}

#[test]
fn numeric_hosts_need_no_question() {
    let zone = Zone::default();
    for (uri, hop) in [
        ("sip:a@192.0.2.1", "UDP 192.0.2.1:5060"),
        ("sip:a@192.0.2.1:5070", "UDP 192.0.2.1:5070"),
        ("sip:a@192.0.2.1;transport=tcp", "TCP 192.0.2.1:5060"),
        ("sip:a@192.0.2.1;transport=TLS", "TLS 192.0.2.1:5061"),
        ("sips:a@192.0.2.1", "TLS 192.0.2.1:5061"),
        ("sips:a@192.0.2.1;transport=tcp", "TLS 192.0.2.1:5061"),
        ("sip:[2001:db8::1]:5080", "UDP [2001:db8::1]:5080"),
    ] {
        assert_eq!(hops(uri, &zone), [hop], "{uri}");
        assert_eq!(questions(uri, &zone), [], "{uri}");
    }
}

#[test]
fn a_port_rules_services_out() {
    let zone = Zone::default().host("a.example", &["192.0.2.1", "2001:db8::1"]);
    assert_eq!(questions("sip:A.example:5070", &zone), [Question::Address("a.example".into())]);
    assert_eq!(hops("sip:a.example.:5070", &zone), ["UDP 192.0.2.1:5070", "UDP [2001:db8::1]:5070"]);
    assert_eq!(hops("sips:a.example:5071", &zone), ["TLS 192.0.2.1:5071", "TLS [2001:db8::1]:5071"]);
}

#[test]
fn a_transport_is_asked_for_alone() {
    let zone = Zone::default()
        .srv("_sip._tcp.a.example", &[(10, 0, 5080, "one.a.example.")])
        .host("one.a.example", &["192.0.2.9"]);
    assert_eq!(hops("sip:a.example;transport=tcp", &zone), ["TCP 192.0.2.9:5080"]);
    let plain = Zone::default().host("a.example", &["192.0.2.1"]);
    assert_eq!(
        questions("sip:a.example;transport=tcp", &plain),
        [Question::Srv("_sip._tcp.a.example".into()), Question::Address("a.example".into())]
    );
    assert_eq!(hops("sip:a.example;transport=tcp", &plain), ["TCP 192.0.2.1:5060"]);
}

#[test]
fn naptr_chooses_the_transport_by_order_and_preference() {
    let zone = Zone::default()
        .naptr(
            "a.example",
            &[
                (20, 10, "s", "SIP+D2U", "_sip._udp.a.example"),
                (10, 20, "S", "sip+d2t", "_sip._tcp.a.example."),
                (10, 10, "s", "SIPS+D2T", "_sips._tcp.a.example"),
                (5, 5, "s", "SIP+D2S", "_sip._sctp.a.example"),
                (5, 5, "u", "E2U+sip", "x.example"),
            ],
        )
        .srv("_sips._tcp.a.example", &[(1, 0, 5061, "t.a.example")])
        .srv("_sip._tcp.a.example", &[(1, 0, 5060, "t.a.example")])
        .srv("_sip._udp.a.example", &[(1, 0, 5060, "u.a.example")])
        .host("t.a.example", &["192.0.2.1"])
        .host("u.a.example", &["192.0.2.2"]);
    assert_eq!(hops("sip:a.example", &zone), ["TLS 192.0.2.1:5061", "TCP 192.0.2.1:5060", "UDP 192.0.2.2:5060"]);
    assert_eq!(hops("sips:a.example", &zone), ["TLS 192.0.2.1:5061"], "nothing that can be read on the way");
}

#[test]
fn without_naptr_every_transport_is_asked_for() {
    let zone =
        Zone::default().srv("_sip._tcp.a.example", &[(1, 0, 5062, "t.a.example")]).host("t.a.example", &["192.0.2.1"]);
    assert_eq!(hops("sip:a.example", &zone), ["TCP 192.0.2.1:5062"]);
    let asked = questions("sip:a.example", &zone);
    let names: Vec<_> = ["_sip._udp.a.example", "_sip._tcp.a.example", "_sips._tcp.a.example"].into();
    for name in names {
        assert!(asked.contains(&Question::Srv(name.into())), "{name}: {asked:?}");
    }
    let plain = Zone::default().host("a.example", &["192.0.2.7"]);
    assert_eq!(hops("sip:a.example", &plain), ["UDP 192.0.2.7:5060"]);
    assert_eq!(hops("sips:a.example", &plain), ["TLS 192.0.2.7:5061"]);
}

#[test]
fn servers_come_by_priority_and_then_by_chance() {
    let zone = Zone::default()
        .srv(
            "_sip._udp.a.example",
            &[
                (20, 0, 5060, "z.example"),
                (10, 60, 5060, "x.example"),
                (10, 20, 5060, "y.example"),
                (10, 0, 5060, "w.example"),
            ],
        )
        .host("w.example", &["192.0.2.1"])
        .host("x.example", &["192.0.2.2"])
        .host("y.example", &["192.0.2.3"])
        .host("z.example", &["192.0.2.4"]);
    let mut first = [0_u32; 4];
    let mut seed = 1_u64;
    for _ in 0..4_000 {
        let (_, found) = run("sip:a.example;transport=udp", EVERY, 500, &zone, |below| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            u32::try_from((seed >> 33) % u64::from(below)).unwrap()
        });
        let found = found.unwrap();
        let last = |hop: &Hop| match hop.address.ip() {
            IpAddr::V4(ip) => usize::from(ip.octets()[3]),
            IpAddr::V6(_) => 0,
        };
        assert_eq!(found.len(), 4);
        assert_eq!(last(&found[3]), 4, "the higher number is the lower priority");
        first[last(&found[0]) - 1] += 1;
    }
    assert!((2_700..3_300).contains(&first[1]), "three of four begin with the one that weighs 60: {first:?}");
    assert!((700..1_250).contains(&first[2]), "{first:?}");
    assert!((1..200).contains(&first[0]), "no weight is little chance, not none: {first:?}");
}

#[test]
fn a_service_that_is_not_offered_is_not_replaced_by_the_name() {
    let zone = Zone::default().srv("_sip._udp.a.example", &[(0, 0, 0, ".")]).host("a.example", &["192.0.2.1"]);
    assert_eq!(run("sip:a.example;transport=udp", EVERY, 500, &zone, |_| 0).1, Err(Fault::NoAddress));
}

#[test]
fn long_requests_try_tcp_first() {
    let zone = Zone::default().host("a.example", &["192.0.2.1"]);
    let found = run("sip:a.example", EVERY, 1_301, &zone, |_| 0).1.unwrap();
    let transports: Vec<_> = found.iter().map(|hop| hop.transport).collect();
    assert_eq!(transports, [Transport::Tcp, Transport::Udp]);
    let found = run("sip:a.example", EVERY, 1_300, &zone, |_| 0).1.unwrap();
    assert_eq!(found.len(), 1);
    let found = run("sip:192.0.2.1", &[Transport::Udp], 5_000, &zone, |_| 0).1.unwrap();
    assert_eq!(found.len(), 1, "without TCP there is no choice");
}

#[test]
fn what_cannot_be_reached_is_told() {
    let zone = Zone::default();
    for (uri, fault) in [
        ("sip:a.example", Fault::NoAddress),
        ("sip:a.example;transport=sctp", Fault::Transport),
        ("sip:a.example;transport=ws", Fault::Transport),
        ("tel:+15551234", Fault::Transport),
    ] {
        assert_eq!(run(uri, EVERY, 500, &zone, |_| 0).1, Err(fault), "{uri}");
    }
    assert_eq!(run("sips:a.example", &[Transport::Udp], 500, &zone, |_| 0).1, Err(Fault::Transport));
    let silent = Zone { silent: true, ..Zone::default() };
    assert_eq!(run("sip:a.example", EVERY, 500, &silent, |_| 0).1, Err(Fault::NoServer));
}

#[test]
fn a_zone_that_never_ends_is_left_early() {
    let many: Vec<(u16, u16, u16, String)> = (0..200).map(|n| (n, 1, 5060, format!("h{n}.example"))).collect();
    let rows: Vec<(u16, u16, u16, &str)> = many.iter().map(|(p, w, port, t)| (*p, *w, *port, t.as_str())).collect();
    let zone = Zone::default().srv("_sip._udp.a.example", &rows);
    let (asked, found) = run("sip:a.example;transport=udp", EVERY, 500, &zone, |_| 0);
    assert_eq!(found, Err(Fault::NoAddress));
    assert!(asked.len() <= 32, "{}", asked.len());
}
