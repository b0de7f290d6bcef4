//! The sockets of one leg.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use crate::limits::MAX_PORT_TRIES;
use crate::ports::Ports;
use crate::slots::Key;

/// An RTP port and the RTCP port above it, on one local address.
#[derive(Debug)]
pub(crate) struct LegSockets {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    pub(crate) local: SocketAddr,
}

impl LegSockets {
    /// Opens a free pair. A port that another program sits on goes to the end of the queue.
    pub(crate) fn open(ip: IpAddr, ports: &mut Ports) -> Result<LegSockets, &'static str> {
        for _ in 0..MAX_PORT_TRIES {
            let port = ports.take().ok_or("no media port is free")?;
            match open_pair(ip, port) {
                Ok(sockets) => return Ok(sockets),
                Err(error) => {
                    ports.give_back(port);
                    match error.kind() {
                        io::ErrorKind::AddrInUse => {}
                        io::ErrorKind::AddrNotAvailable => return Err("the media address is not of this machine"),
                        io::ErrorKind::PermissionDenied => return Err("the media ports need privilege"),
                        _ => return Err("no socket could be opened"),
                    }
                }
            }
        }
        Err("other programs occupy the media ports")
    }

    /// Lets epoll report both sockets under the leg's key.
    pub(crate) fn watch(&self, epoll: &OwnedFd, key: Key) -> io::Result<()> {
        for rtcp in [false, true] {
            let data = EventData::new_u64(Key { rtcp, ..key }.to_bits());
            epoll::add(epoll, self.socket(rtcp), data, EventFlags::IN)?;
        }
        Ok(())
    }

    pub(crate) fn socket(&self, rtcp: bool) -> &UdpSocket {
        if rtcp { &self.rtcp } else { &self.rtp }
    }
}

fn open_pair(ip: IpAddr, port: u16) -> io::Result<LegSockets> {
    let local = SocketAddr::new(ip, port);
    Ok(LegSockets { rtp: open(local)?, rtcp: open(SocketAddr::new(ip, port + 1))?, local })
}

pub(crate) fn open(local: SocketAddr) -> io::Result<UdpSocket> {
    let family = if local.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = UdpSocket::from(rustix::net::socket_with(family, SocketType::DGRAM, flags, None)?);
    rustix::net::bind(&socket, &local)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    /// An even port with a free neighbour, and its holder.
    fn free_pair() -> (u16, LegSockets) {
        let any = |_| UdpSocket::bind((HERE, 0)).unwrap().local_addr().unwrap().port() & !1;
        (0..100).map(any).find_map(|port| Some((port, open_pair(HERE, port).ok()?))).unwrap()
    }

    #[test]
    fn a_port_of_somebody_else_is_passed_over() {
        let (port, holder) = free_pair();
        let mut ports = Ports::new(&(port..=port + 1), 0);
        assert_eq!(LegSockets::open(HERE, &mut ports).unwrap_err(), "other programs occupy the media ports");
        assert_eq!(ports.free(), 1);
        drop(holder);
        let leg = LegSockets::open(HERE, &mut ports).unwrap();
        assert_eq!((leg.local.port(), ports.free()), (port, 0));
        assert_eq!(leg.socket(true).local_addr().unwrap().port(), port + 1);
        assert_eq!(LegSockets::open(HERE, &mut ports).unwrap_err(), "no media port is free");
    }

    #[test]
    fn a_taken_rtcp_port_spoils_the_pair() {
        let (port, holder) = free_pair();
        let LegSockets { rtp, rtcp, .. } = holder;
        drop(rtp);
        let mut ports = Ports::new(&(port..=port + 1), 0);
        assert!(LegSockets::open(HERE, &mut ports).is_err());
        drop(rtcp);
        assert!(LegSockets::open(HERE, &mut ports).is_ok());
    }

    #[test]
    fn an_address_of_somebody_else_fails_at_once() {
        let mut ports = Ports::new(&(20_000..=20_100), 0);
        let error = LegSockets::open("203.0.113.1".parse().unwrap(), &mut ports).unwrap_err();
        assert_eq!((error, ports.free()), ("the media address is not of this machine", 50));
    }
}
