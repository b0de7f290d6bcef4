//! The port that all browsers of a worker share, and how a datagram finds its leg there (RFC 8445, RFC 9443).
//!
//! Before anything else a browser asks with STUN, naming the user fragment that we gave it: that finds its leg. Once the
//! leg has believed an address (its check was authentic), what comes from there finds the leg by the address. Nothing is
//! learnt here from a datagram alone, and there is one socket per local address, opened on demand.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;

use rustix::event::epoll::{self, EventData, EventFlags};
use tracing::warn;

use crate::legs;
use crate::limits::{MAX_SHARED_ADDRESSES, MAX_SHARED_SOCKETS};
use crate::slots::Key;

/// Keys of the shared sockets in epoll, counted down from here; no slot ever has these numbers.
const FIRST_KEY: u64 = u64::MAX - 2;

/// Which of the shared sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place(u8);

/// The sockets, and who is reached through them.
#[derive(Debug)]
pub(crate) struct Shared {
    /// The port that is wanted; 0 lets the kernel choose for each address.
    port: u16,
    sockets: Vec<(SocketAddr, UdpSocket)>,
    by_ufrag: HashMap<String, Key>,
    by_address: HashMap<(Place, SocketAddr), Key>,
    /// Whether a socket that could not be had was told.
    told: bool,
}

impl Shared {
    pub(crate) fn new(port: u16) -> Shared {
        Shared { port, sockets: Vec::new(), by_ufrag: HashMap::new(), by_address: HashMap::new(), told: false }
    }

    /// The socket that faces peers of a local address.
    pub(crate) fn open(&mut self, ip: IpAddr, epoll: &OwnedFd) -> io::Result<(Place, SocketAddr)> {
        if let Some(index) = self.sockets.iter().position(|(local, _)| local.ip() == ip) {
            return Ok((Place(index as u8), self.sockets[index].0));
        }
        if self.sockets.len() >= MAX_SHARED_SOCKETS {
            return Err(io::Error::new(io::ErrorKind::QuotaExceeded, "too many local addresses"));
        }
        let socket = legs::open(SocketAddr::new(ip, self.port))?;
        let local = socket.local_addr()?;
        let place = Place(self.sockets.len() as u8);
        epoll::add(epoll, &socket, EventData::new_u64(FIRST_KEY - u64::from(place.0)), EventFlags::IN)?;
        self.sockets.push((local, socket));
        Ok((place, local))
    }

    /// The port at which browsers reach a local address; 0 when it cannot be had, which is told once.
    pub(crate) fn port_of(&mut self, ip: IpAddr, epoll: &OwnedFd) -> u16 {
        match self.open(ip, epoll) {
            Ok((_, local)) => local.port(),
            Err(error) => {
                if !self.told {
                    let port = self.port;
                    warn!(%ip, port, %error, "browsers cannot be called: set [rtp] webrtc_port to a port that is free");
                }
                self.told = true;
                0
            }
        }
    }

    /// Which socket an event of epoll is about.
    pub(crate) fn place(&self, bits: u64) -> Option<Place> {
        let index = FIRST_KEY.checked_sub(bits)?;
        (index < self.sockets.len() as u64).then_some(Place(index as u8))
    }

    pub(crate) fn socket(&self, place: Place) -> Option<&UdpSocket> {
        self.sockets.get(usize::from(place.0)).map(|(_, socket)| socket)
    }

    /// Whether one of our own sockets has the address.
    pub(crate) fn is_own(&self, address: SocketAddr) -> bool {
        self.sockets.iter().any(|(local, _)| *local == address)
    }

    /// A leg can be found by its user fragment from now on.
    pub(crate) fn name(&mut self, ufrag: &str, key: Key) {
        self.by_ufrag.insert(ufrag.to_owned(), key);
    }

    /// A user fragment is not in use any more.
    pub(crate) fn forget_name(&mut self, ufrag: &str) {
        self.by_ufrag.remove(ufrag);
    }

    /// The leg that a user fragment was given to.
    pub(crate) fn named(&self, ufrag: &str) -> Option<Key> {
        self.by_ufrag.get(ufrag).copied()
    }

    /// The leg behind an address.
    pub(crate) fn behind(&self, place: Place, address: SocketAddr) -> Option<Key> {
        self.by_address.get(&(place, address)).copied()
    }

    /// A leg has believed an address. `false` at the limit: it has to be named with each datagram then, which audio cannot.
    pub(crate) fn believe(&mut self, place: Place, address: SocketAddr, key: Key) -> bool {
        if self.by_address.len() >= MAX_SHARED_ADDRESSES && !self.by_address.contains_key(&(place, address)) {
            return false;
        }
        self.by_address.insert((place, address), key);
        true
    }

    /// An address is not a leg's any more.
    pub(crate) fn forget(&mut self, place: Place, address: SocketAddr, key: Key) {
        if self.behind(place, address) == Some(key) {
            self.by_address.remove(&(place, address));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use rustix::event::epoll::CreateFlags;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn key(slot: u32) -> Key {
        Key { slot, generation: 3, leg: 1, rtcp: false }
    }

    #[test]
    fn one_socket_serves_each_local_address() {
        let epoll = epoll::create(CreateFlags::CLOEXEC).unwrap();
        let mut shared = Shared::new(0);
        let (first, local) = shared.open(HERE, &epoll).unwrap();
        assert_eq!(shared.open(HERE, &epoll).unwrap(), (first, local));
        let (second, other) = shared.open("127.0.0.2".parse().unwrap(), &epoll).unwrap();
        assert!(first != second && local != other && shared.is_own(local) && shared.is_own(other));
        assert_eq!((shared.place(u64::MAX - 2), shared.place(u64::MAX - 3)), (Some(first), Some(second)));
        for nobody in [u64::MAX, u64::MAX - 1, u64::MAX - 4, 0] {
            assert_eq!(shared.place(nobody), None);
        }
        assert!(shared.open("203.0.113.1".parse().unwrap(), &epoll).is_err());
    }

    #[test]
    fn a_leg_is_found_by_its_name_and_by_what_it_believes() {
        let epoll = epoll::create(CreateFlags::CLOEXEC).unwrap();
        let mut shared = Shared::new(0);
        let (place, _) = shared.open(HERE, &epoll).unwrap();
        let address: SocketAddr = "127.0.0.1:4000".parse().unwrap();
        assert_eq!((shared.named("abcd"), shared.behind(place, address)), (None, None));
        shared.name("abcd", key(1));
        assert!(shared.believe(place, address, key(1)));
        assert_eq!((shared.named("abcd"), shared.behind(place, address)), (Some(key(1)), Some(key(1))));
        // Somebody else's end does not take it away.
        shared.forget(place, address, key(2));
        assert_eq!(shared.behind(place, address), Some(key(1)));
        shared.forget(place, address, key(1));
        shared.forget_name("abcd");
        assert_eq!((shared.named("abcd"), shared.behind(place, address)), (None, None));
    }

    #[test]
    fn believed_addresses_are_bounded() {
        let mut shared = Shared::new(0);
        let address = |n: usize| SocketAddr::new(IpAddr::V4(Ipv4Addr::from(n as u32)), 9);
        for n in 0..MAX_SHARED_ADDRESSES {
            assert!(shared.believe(Place(0), address(n), key(1)));
        }
        assert!(!shared.believe(Place(0), address(MAX_SHARED_ADDRESSES), key(2)));
        assert!(shared.believe(Place(0), address(0), key(2)), "a known address may move to another leg");
    }
}
