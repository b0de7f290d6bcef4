//! Connections that the house opens itself, and those of peers that it uses in both directions.

use std::io::Read as _;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use sip::{Flow, Transport};
use sip_net::{Event, StreamConfig};

use crate::bench::{House, PATIENCE, options, reads, tcp, write};

fn flow(house: &House, transport: Transport, remote: SocketAddr) -> Flow {
    Flow { transport, local: house.address(transport, false), remote }
}

fn failed(house: &House) -> Flow {
    match house.event() {
        Event::Failed(flow) => flow,
        other => panic!("{other:?} instead of a failure"),
    }
}

#[test]
fn a_connection_is_opened_on_demand_and_kept() {
    let house = House::open();
    let peer = TcpListener::bind("127.0.0.7:0").unwrap();
    let flow = flow(&house, Transport::Tcp, peer.local_addr().unwrap());
    house.send(flow, &b"one "[..]);
    house.send(flow, &b"two "[..]);
    let (mut stream, from) = peer.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(from.ip(), flow.local.ip());
    reads(&mut stream, b"one two ");
    house.send(flow, &b"three"[..]);
    reads(&mut stream, b"three");

    // What comes back has the flow that was asked for: our listening address.
    write(&mut stream, options("one", ""));
    assert_eq!(house.received().flow, flow);
    assert_eq!(house.transports.counters(Transport::Tcp).opened, 1);
    drop(stream);
    assert_eq!(house.closed(), flow);
    // And then a new one.
    house.send(flow, &b"again"[..]);
    let (mut stream, _) = peer.accept().unwrap();
    reads(&mut stream, b"again");
}

#[test]
fn tls_is_opened_as_well() {
    let (house, peer) = (House::open(), House::open());
    let flow = flow(&house, Transport::Tls, peer.address(Transport::Tls, false));
    house.send(flow, options("one", ""));
    let received = peer.received();
    assert_eq!(received.message.bytes(), options("one", "").as_bytes());
    peer.send(received.flow, options("two", ""));
    assert_eq!(house.received().flow, flow);
}

#[test]
fn where_nobody_is_the_message_comes_back() {
    let house = House::with(StreamConfig { connect_time: Duration::from_millis(300), ..StreamConfig::default() });
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for transport in [Transport::Tcp, Transport::Tls] {
        house.send(flow(&house, transport, nobody), &b"one"[..]);
        assert_eq!(failed(&house), flow(&house, transport, nobody));
    }
    // A browser cannot be called; it must have come.
    for transport in [Transport::Ws, Transport::Wss] {
        house.send(flow(&house, transport, nobody), &b"one"[..]);
        assert_eq!(failed(&house), flow(&house, transport, nobody));
    }
    // Nobody listens in our name at another address.
    let mut elsewhere = flow(&house, Transport::Tcp, nobody);
    elsewhere.local.set_port(1);
    house.send(elsewhere, &b"one"[..]);
    assert_eq!(failed(&house), elsewhere);
    // A peer that takes the connection and says nothing of TLS.
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let mute_flow = flow(&house, Transport::Tls, mute.local_addr().unwrap());
    house.send(mute_flow, &b"one"[..]);
    let (mut stream, _) = mute.accept().unwrap();
    assert_eq!(failed(&house), mute_flow);
    let mut hello = Vec::new();
    let _ = stream.read_to_end(&mut hello);
    assert!(!hello.is_empty());
    assert_eq!(house.transports.connections(), 0);
}

#[test]
fn a_queue_for_a_connection_in_opening_is_bounded() {
    let house = House::with(StreamConfig { connect_time: Duration::from_secs(20), ..StreamConfig::default() });
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let flow = flow(&house, Transport::Tls, mute.local_addr().unwrap());
    for _ in 0..=64 {
        house.send(flow, &b"one"[..]);
    }
    assert_eq!(house.closed(), flow);
    assert_eq!(house.transports.counters(Transport::Tls).send_overflows, 1);
}

#[test]
fn an_alias_leads_back_over_the_peers_own_connection() {
    let house = House::open();
    let address = house.address(Transport::Tcp, false);
    let mut stream = tcp(address);
    write(&mut stream, options("one", ";alias"));
    let connection = house.received().flow;
    let mut named = connection;
    named.remote.set_port(5_999);
    house.send(named, &b"by its name"[..]);
    reads(&mut stream, b"by its name");

    // Whoever comes second does not get the name.
    let mut second = tcp(address);
    write(&mut second, options("two", ";alias"));
    house.received();
    house.send(named, &b"still the first"[..]);
    reads(&mut stream, b"still the first");

    // Both ways to it end together, and then the name leads to nobody.
    drop(stream);
    assert_eq!((house.closed(), house.closed()), (connection, named));
    house.send(named, &b"gone"[..]);
    assert_eq!(failed(&house), named);

    // Without being asked for, there is none.
    let mut plain = tcp(address);
    write(&mut plain, options("three", ""));
    house.received();
    house.send(named, &b"nobody"[..]);
    assert_eq!(failed(&house), named);
}
