//! Name servers on the wire: a small one on loopback answers what a zone of a few lines says.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hickory_resolver::proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, NAPTR, SRV};
use hickory_resolver::proto::rr::{Name, RData, Record};
use sip::Transport;
use sip::locate::{Fault, Hop};
use sip_net::Resolver;
use tokio::net::UdpSocket;

const EVERY: &[Transport] = &[Transport::Udp, Transport::Tcp, Transport::Tls];

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

fn srv(priority: u16, port: u16, target: &str) -> RData {
    RData::SRV(SRV::new(priority, 10, port, name(target)))
}

fn naptr(order: u16, service: &str, replacement: &str) -> RData {
    let text = |text: &str| text.as_bytes().to_vec().into_boxed_slice();
    RData::NAPTR(NAPTR::new(order, 10, text("s"), text(service), text(""), name(replacement)))
}

fn zone() -> Vec<(&'static str, RData)> {
    vec![
        ("carrier.test.", naptr(20, "SIP+D2U", "_sip._udp.carrier.test.")),
        ("carrier.test.", naptr(10, "SIPS+D2T", "_sips._tcp.carrier.test.")),
        ("_sips._tcp.carrier.test.", srv(20, 5071, "two.carrier.test.")),
        ("_sips._tcp.carrier.test.", srv(10, 5061, "one.carrier.test.")),
        ("_sip._udp.carrier.test.", srv(10, 5060, "one.carrier.test.")),
        ("one.carrier.test.", RData::A(A(Ipv4Addr::new(192, 0, 2, 1)))),
        ("one.carrier.test.", RData::AAAA(AAAA(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)))),
        ("two.carrier.test.", RData::A(A(Ipv4Addr::new(192, 0, 2, 2)))),
    ]
}

/// A name server; it counts what it is asked. `ttl` is in seconds.
async fn server(ttl: u32) -> (SocketAddr, Arc<AtomicUsize>) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (address, asked) = (socket.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counter = Arc::clone(&asked);
    tokio::spawn(async move {
        let mut buffer = [0; 4_096];
        loop {
            let Ok((length, from)) = socket.recv_from(&mut buffer).await else { return };
            counter.fetch_add(1, Ordering::Relaxed);
            let question = Message::from_vec(&buffer[..length]).unwrap();
            let query = question.queries[0].clone();
            let mut answer = Message::new(question.metadata.id, MessageType::Response, OpCode::Query);
            answer.add_query(query.clone());
            let wanted = query.name().to_lowercase();
            let known: Vec<_> = zone().into_iter().filter(|(owner, _)| name(owner) == wanted).collect();
            if known.is_empty() {
                answer.metadata.response_code = ResponseCode::NXDomain;
            }
            for (owner, data) in known {
                if data.record_type() == query.query_type() {
                    answer.add_answer(Record::from_rdata(name(owner), ttl, data));
                }
            }
            socket.send_to(&answer.to_vec().unwrap(), from).await.unwrap();
        }
    });
    (address, asked)
}

fn hop(transport: Transport, address: &str) -> Hop {
    Hop { transport, address: address.parse().unwrap() }
}

#[tokio::test]
async fn a_carrier_is_found_through_naptr_srv_and_addresses_of_both_kinds() {
    let (address, _) = server(60).await;
    let resolver = Resolver::of_servers(&[address]).unwrap();
    let uri = "sip:carrier.test".parse().unwrap();
    let found = resolver.locate(&uri, EVERY, 500, |_| 0).await.unwrap();
    assert_eq!(
        found,
        [
            hop(Transport::Tls, "192.0.2.1:5061"),
            hop(Transport::Tls, "[2001:db8::1]:5061"),
            hop(Transport::Tls, "192.0.2.2:5071"),
            hop(Transport::Udp, "192.0.2.1:5060"),
            hop(Transport::Udp, "[2001:db8::1]:5060"),
        ]
    );
}

#[tokio::test]
async fn answers_are_kept_for_their_time_to_live() {
    for (ttl, again) in [(60, false), (0, true)] {
        let (address, asked) = server(ttl).await;
        let resolver = Resolver::of_servers(&[address]).unwrap();
        let uri = "sip:one.carrier.test:5060".parse().unwrap();
        resolver.locate(&uri, EVERY, 500, |_| 0).await.unwrap();
        let before = asked.load(Ordering::Relaxed);
        resolver.locate(&uri, EVERY, 500, |_| 0).await.unwrap();
        assert_eq!(asked.load(Ordering::Relaxed) > before, again, "TTL {ttl}");
    }
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_told_from_a_server_that_does_not_answer() {
    let (address, _) = server(60).await;
    let resolver = Resolver::of_servers(&[address]).unwrap();
    let uri = "sip:nobody.test".parse().unwrap();
    assert_eq!(resolver.locate(&uri, EVERY, 500, |_| 0).await, Err(Fault::NoAddress));
    // A socket that is read by nobody.
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let resolver = Resolver::of_servers(&[silent.local_addr().unwrap()]).unwrap();
    let search = resolver.locate(&uri, EVERY, 500, |_| 0);
    let found = tokio::time::timeout(Duration::from_secs(15), search).await.expect("an end");
    assert_eq!(found, Err(Fault::NoServer));
}

#[tokio::test]
async fn the_second_name_server_answers_for_the_first() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (address, _) = server(60).await;
    let resolver = Resolver::of_servers(&[silent.local_addr().unwrap(), address]).unwrap();
    let uri = "sip:two.carrier.test:5060;transport=tcp".parse().unwrap();
    let found = resolver.locate(&uri, EVERY, 500, |_| 0).await.unwrap();
    assert_eq!(found, [hop(Transport::Tcp, "192.0.2.2:5060")]);
}
