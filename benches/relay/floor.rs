//! The floor: the least that a relay over epoll can do. It knows nothing of RTP.

use std::net::{SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};

/// Sockets as the product has them: two for each leg, of which the second stays silent.
pub(crate) struct Floor {
    epoll: OwnedFd,
    sockets: Vec<UdpSocket>,
    _silent: Vec<UdpSocket>,
    peers: [SocketAddr; 2],
}

impl Floor {
    pub(crate) fn open(streams: usize, peers: [SocketAddr; 2]) -> Floor {
        let epoll = epoll::create(CreateFlags::CLOEXEC).expect("epoll");
        let open = |key: u64| {
            let socket = UdpSocket::bind(("127.0.0.1", 0)).expect("a socket");
            socket.set_nonblocking(true).expect("a socket that does not wait");
            epoll::add(&epoll, &socket, EventData::new_u64(key), EventFlags::IN).expect("epoll");
            socket
        };
        let sockets = (0..streams).map(|index| open(index as u64)).collect();
        let silent = (0..streams).map(|_| open(u64::MAX)).collect();
        Floor { epoll, sockets, _silent: silent, peers }
    }

    pub(crate) fn ports(&self) -> Vec<u16> {
        self.sockets.iter().map(|socket| socket.local_addr().expect("an address").port()).collect()
    }

    /// Relays for ever: what comes in on a leg goes out on the other.
    pub(crate) fn run(self) {
        let mut events: Vec<Event> = Vec::with_capacity(256);
        let mut buffer = [0; 2_048];
        loop {
            events.clear();
            epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), None).expect("epoll");
            for event in &events {
                let leg = event.data.u64() as usize;
                let Some(socket) = self.sockets.get(leg) else { continue };
                let Ok((length, _)) = socket.recv_from(&mut buffer) else { continue };
                let other = leg ^ 1;
                let _ = self.sockets[other].send_to(&buffer[..length], self.peers[other & 1]);
            }
        }
    }
}
