//! One UDP socket: how it is bound, and how a datagram passes through it.

use std::borrow::Borrow;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use quinn_udp::{RecvMeta, UdpSocketState};
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

use crate::counters::Counting;
use crate::limits;

/// A socket could not be opened where the configuration wants it.
#[derive(Debug, thiserror::Error)]
#[error("cannot open {transport} {address}: {source}")]
pub struct BindError {
    /// The transport that should have been there.
    pub transport: sip::Transport,
    /// The address that was asked for.
    pub address: SocketAddr,
    /// What the system said.
    pub source: io::Error,
}

/// Bound sockets that do not receive yet.
///
/// Binding and receiving are apart so that every address is known good (and privileges may be
/// dropped) before the first message comes in.
#[derive(Debug)]
pub struct UdpSockets {
    pub(crate) sockets: Vec<Socket>,
}

impl UdpSockets {
    /// Where the sockets are bound, in the order asked for, each address once; a port 0 has become the real one.
    pub fn local_addresses(&self) -> Vec<SocketAddr> {
        addresses(&self.sockets)
    }
}

/// The addresses of some sockets, each once.
pub(crate) fn addresses<S: Borrow<Socket>>(sockets: &[S]) -> Vec<SocketAddr> {
    let mut addresses: Vec<SocketAddr> = sockets.iter().map(|socket| socket.borrow().bound).collect();
    // Those of one address stand together.
    addresses.dedup();
    addresses
}

/// Binds one socket per address. IPv6 sockets take IPv6 only, so `0.0.0.0` and `[::]` may stand side
/// by side on one port and no IPv4 peer ever appears in its IPv6-mapped dress.
///
/// # Errors
/// The first address that cannot be bound; sockets bound before it are closed again.
pub fn bind(addresses: &[SocketAddr]) -> Result<UdpSockets, BindError> {
    bind_several(addresses, 1)
}

/// Binds so many sockets per address, at least one. The kernel shares the datagrams out among them by their source (`SO_REUSEPORT`),
/// so that those of one peer stay in order.
pub(crate) fn bind_several(addresses: &[SocketAddr], each: usize) -> Result<UdpSockets, BindError> {
    let mut sockets: Vec<Socket> = Vec::new();
    for address in addresses {
        let wrong = |source| BindError { transport: sip::Transport::Udp, address: *address, source };
        let mut wanted = *address;
        for _ in 0..each.max(1) {
            if sockets.len() >= limits::MAX_SOCKETS {
                let why = format!("more than {} sockets", limits::MAX_SOCKETS);
                return Err(wrong(io::Error::new(io::ErrorKind::QuotaExceeded, why)));
            }
            let socket = Socket::bind(wanted, each > 1).map_err(wrong)?;
            // A port that the kernel has chosen for the first is that of all.
            wanted.set_port(socket.bound.port());
            sockets.push(socket);
        }
    }
    Ok(UdpSockets { sockets })
}

#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) udp: UdpSocket,
    pub(crate) bound: SocketAddr,
    pub(crate) counting: Counting,
    messages: UdpSocketState,
}

impl Socket {
    fn bind(address: SocketAddr, shared: bool) -> io::Result<Socket> {
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let udp = UdpSocket::from(rustix::net::socket_with(family, SocketType::DGRAM, flags, None)?);
        if address.is_ipv4() {
            nix::sys::socket::setsockopt(&udp, nix::sys::socket::sockopt::Ipv4PacketInfo, &true)?;
        } else {
            sockopt::set_ipv6_v6only(&udp, true)?;
            nix::sys::socket::setsockopt(&udp, nix::sys::socket::sockopt::Ipv6RecvPacketInfo, &true)?;
        }
        if shared {
            sockopt::set_socket_reuseport(&udp, true)?;
        }
        enlarge_receive_buffer(&udp);
        rustix::net::bind(&udp, &address)?;
        let bound = udp.local_addr()?;
        Ok(Socket { udp, bound, counting: Counting::default(), messages: message_state(address)? })
    }

    /// Takes a batch of datagrams. Never waits: nothing there is [`io::ErrorKind::WouldBlock`].
    pub(crate) fn receive(&self, buffers: &mut [IoSliceMut<'_>], about: &mut [RecvMeta]) -> io::Result<usize> {
        self.messages.recv((&self.udp).into(), buffers, about)
    }

    /// Sends one datagram from `local`, which must be an address of this socket.
    pub(crate) fn send(&self, local: SocketAddr, remote: SocketAddr, bytes: &[u8]) -> io::Result<()> {
        let transmit = quinn_udp::Transmit {
            destination: remote,
            ecn: None,
            contents: bytes,
            segment_size: None,
            src_ip: self.bound.ip().is_unspecified().then_some(local.ip()),
        };
        match self.messages.try_send((&self.udp).into(), &transmit) {
            // An ICMP error of an earlier datagram, reported late; this one has not been tried yet.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                self.messages.try_send((&self.udp).into(), &transmit)
            }
            outcome => outcome,
        }
    }

    /// How well this socket stands for the local address of a flow: 2 exactly, 1 as a wildcard, 0 not.
    pub(crate) fn fit(&self, local: SocketAddr) -> u8 {
        let same_door = self.bound.port() == local.port() && self.bound.is_ipv4() == local.is_ipv4();
        match same_door {
            true if self.bound.ip() == local.ip() => 2,
            true if self.bound.ip().is_unspecified() => 1,
            _ => 0,
        }
    }
}

/// The state with which quinn-udp reads and writes control messages.
///
/// It is made on a socket of its own, since making it also turns on what QUIC wants and SIP must not
/// have: a ban on fragments (a SIP message over UDP may be longer than the path's MTU, RFC 3261
/// §18.1.1), and a clock reading per packet.
fn message_state(like: SocketAddr) -> io::Result<UdpSocketState> {
    let loopback: IpAddr = if like.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
    let pattern = UdpSocket::bind((loopback, 0))?;
    UdpSocketState::new((&pattern).into())
}

/// More than the system-wide limit needs privilege; what is granted is what is taken.
fn enlarge_receive_buffer(socket: &UdpSocket) {
    let wanted = limits::RECEIVE_BUFFER_BYTES;
    if sockopt::set_socket_recv_buffer_size_force(socket, wanted / 2).is_err() {
        let _ = sockopt::set_socket_recv_buffer_size(socket, wanted / 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_message_may_be_cut_into_fragments_on_its_way() {
        let v4 = Socket::bind("127.0.0.1:0".parse().unwrap(), false).unwrap();
        assert_ne!(sockopt::ip_mtu_discover(&v4.udp).unwrap(), sockopt::Ipv4PathMtuDiscovery::PROBE);
        let v6 = Socket::bind("[::1]:0".parse().unwrap(), false).unwrap();
        assert_ne!(sockopt::ipv6_mtu_discover(&v6.udp).unwrap(), sockopt::Ipv6PathMtuDiscovery::PROBE);
        assert!(!nix::sys::socket::getsockopt(&v6.udp, nix::sys::socket::sockopt::Ipv6DontFrag).unwrap());
    }

    #[test]
    fn the_exact_socket_is_preferred_to_the_wildcard() {
        let socket = Socket::bind("127.0.0.1:0".parse().unwrap(), false).unwrap();
        let wildcard = Socket::bind("0.0.0.0:0".parse().unwrap(), false).unwrap();
        let at = |ip: &str, socket: &Socket| SocketAddr::new(ip.parse().unwrap(), socket.bound.port());
        assert_eq!((socket.fit(at("127.0.0.1", &socket)), socket.fit(at("127.0.0.2", &socket))), (2, 0));
        assert_eq!((wildcard.fit(at("127.0.0.2", &wildcard)), wildcard.fit(at("::1", &wildcard))), (1, 0));
    }
}
