//! How many connections there may be.

use std::net::{SocketAddr, TcpStream};

use rustix::net::{AddressFamily, SocketFlags, SocketType};
use sip::Transport;
use sip_net::StreamConfig;

use crate::bench::{House, PATIENCE, hangs_up, options, reads, write};

fn from(ip: &str, to: SocketAddr) -> TcpStream {
    let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
    rustix::net::bind(&socket, &SocketAddr::new(ip.parse().unwrap(), 0)).unwrap();
    rustix::net::connect(&socket, &to).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// It stands, and is served.
fn served(house: &House, stream: &mut TcpStream) {
    write(stream, options("one", ""));
    let flow = house.received().flow;
    assert_eq!(flow.remote, stream.local_addr().unwrap());
    house.send(flow, &b"answer"[..]);
    reads(stream, b"answer");
}

#[test]
fn one_address_may_not_take_everything() {
    let house = House::with(StreamConfig { max_connections_per_address: 3, ..StreamConfig::default() });
    let address = house.address(Transport::Tcp, false);
    let mut first: Vec<_> = (0..3).map(|_| from("127.0.0.9", address)).collect();
    for stream in &mut first {
        served(&house, stream);
    }
    hangs_up(&mut from("127.0.0.9", address));
    // The count is over all transports.
    hangs_up(&mut from("127.0.0.9", house.address(Transport::Wss, false)));
    served(&house, &mut from("127.0.0.10", address));
    house.closed();
    assert_eq!(house.transports.counters(Transport::Tcp).turned_away, 1);

    // One that goes makes room for one.
    drop(first.pop());
    house.closed();
    house.until("its place is free", |transports| transports.connections() == 2);
    served(&house, &mut from("127.0.0.9", address));
}

#[test]
fn there_is_a_limit_for_all() {
    let house = House::with(StreamConfig { max_connections: 4, ..StreamConfig::default() });
    let address = house.address(Transport::Tcp, false);
    let mut all: Vec<_> = (1..=4).map(|number| from(&format!("127.0.1.{number}"), address)).collect();
    for stream in &mut all {
        served(&house, stream);
    }
    hangs_up(&mut from("127.0.0.1", address));
    for stream in &mut all {
        served(&house, stream);
    }
}
