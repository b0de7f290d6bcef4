//! The phones: one thread that sends every packet on time and looks for what comes back in between.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use media::srtp::{Opener, Sealer, Suite};
use rustix::net::sockopt;

use crate::server::{OURS, THEIRS, key};

/// Packets of one stream per second, their distance, and their size with the RTP header.
const PER_SECOND: u64 = 50;
const DISTANCE: Duration = Duration::from_millis(20);
const PACKET_BYTES: usize = 172;
const HEADER_BYTES: usize = 12;

/// Traffic before the measurement begins: caches and branch predictors are as warm as in use.
const WARM_UP: Duration = Duration::from_millis(500);

/// How long a packet may take before it is called lost.
const PATIENCE: Duration = Duration::from_millis(500);

/// The callers send from one socket and the called from another. It makes no difference to the server,
/// whose own sockets are one per leg, and it leaves the generator time to be punctual.
pub(crate) struct Generator {
    sockets: [UdpSocket; 2],
    streams: usize,
    /// How those who are called encrypt.
    suite: Option<Suite>,
}

/// What one run saw.
#[derive(Debug, Clone)]
pub(crate) struct Traffic {
    pub(crate) sent: u64,
    pub(crate) received: u64,
    pub(crate) cpu: Duration,
    /// Delays of the received packets, in nanoseconds, in rising order.
    pub(crate) delays_ns: Vec<u32>,
}

impl Generator {
    pub(crate) fn new(streams: usize, suite: Option<Suite>) -> Generator {
        let open = || {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
            socket.set_nonblocking(true).expect("a socket that does not wait");
            if sockopt::set_socket_recv_buffer_size_force(&socket, 16 << 20).is_err() {
                let _ = sockopt::set_socket_recv_buffer_size(&socket, 16 << 20);
            }
            socket
        };
        Generator { sockets: [open(), open()], streams, suite }
    }

    pub(crate) fn addresses(&self) -> [SocketAddr; 2] {
        [0, 1].map(|side| self.sockets[side].local_addr().expect("an address"))
    }

    pub(crate) fn run(&self, ports: &[u16], length: Duration, cpu_time: impl Fn() -> Duration) -> Traffic {
        let mut streams: Vec<Stream> =
            ports.iter().enumerate().map(|(index, port)| Stream::new(index, *port, self.suite)).collect();
        let mut ears = self.ears(ports);
        self.send_and_receive(&mut streams, &mut ears, WARM_UP, &mut Vec::new());
        let mut delays_ns = Vec::with_capacity(self.streams * (length.as_secs() + 1) as usize * PER_SECOND as usize);
        let before = cpu_time();
        let sent = self.send_and_receive(&mut streams, &mut ears, length, &mut delays_ns);
        let cpu = cpu_time().saturating_sub(before);
        delays_ns.sort_unstable();
        Traffic { sent, received: delays_ns.len() as u64, cpu, delays_ns }
    }

    /// Each stream has its own moment within the 20 ms. What is due is sent, however late; nothing is
    /// left out because the server is slow.
    fn send_and_receive(
        &self,
        streams: &mut [Stream],
        ears: &mut Ears,
        length: Duration,
        delays_ns: &mut Vec<u32>,
    ) -> u64 {
        let start = Instant::now();
        let total = length.as_millis() as u64 / DISTANCE.as_millis() as u64 * streams.len() as u64;
        let gap_ns = DISTANCE.as_nanos() as u64 / streams.len() as u64;
        let (mut sent, mut accepted, mut received) = (0_u64, 0_u64, 0_u64);
        let mut last_sent = start;
        while received < accepted || sent < total {
            let now = Instant::now();
            if sent < total && (now - start).as_nanos() as u64 >= sent * gap_ns {
                let stream = &mut streams[(sent % self.streams as u64) as usize];
                accepted += u64::from(stream.send(&self.sockets, start));
                sent += 1;
                last_sent = now;
            } else if sent == total && last_sent.elapsed() > PATIENCE {
                break;
            }
            received += self.receive(ears, start, delays_ns);
        }
        sent
    }

    /// What opens the packets of each encrypted leg, by the server's port.
    fn ears(&self, ports: &[u16]) -> Ears {
        let encrypted = ports.iter().skip(1).step_by(2);
        self.suite
            .map_or_else(Ears::new, |suite| encrypted.map(|port| (*port, Opener::new(&key(suite, OURS)))).collect())
    }

    fn receive(&self, ears: &mut Ears, start: Instant, delays_ns: &mut Vec<u32>) -> u64 {
        let mut packet = [0; 2_048];
        let mut number = 0;
        for socket in &self.sockets {
            // Few at a time: the next packet to be sent may be due.
            for _ in 0..4 {
                let Ok((mut length, from)) = socket.recv_from(&mut packet) else { break };
                if let Some(opener) = ears.get_mut(&from.port()) {
                    let Ok(clear) = opener.open_rtp(&mut packet, length) else { continue };
                    length = clear;
                }
                if length != PACKET_BYTES {
                    continue;
                }
                let stamp: [u8; 8] = packet[HEADER_BYTES..HEADER_BYTES + 8].try_into().expect("eight bytes");
                // A packet of the part before this one has a time that is larger than now.
                let now_ns = start.elapsed().as_nanos() as u64;
                if let Some(delay) = now_ns.checked_sub(u64::from_be_bytes(stamp)) {
                    delays_ns.push(u32::try_from(delay).unwrap_or(u32::MAX));
                    number += 1;
                }
            }
        }
        number
    }
}

type Ears = HashMap<u16, Opener>;

struct Stream {
    seal: Option<Sealer>,
    side: usize,
    to: SocketAddr,
    sequence: u16,
    packet: [u8; PACKET_BYTES],
}

impl Stream {
    fn new(index: usize, port: u16, suite: Option<Suite>) -> Stream {
        let mut packet = [0xff; PACKET_BYTES];
        packet[..2].copy_from_slice(&[0x80, 0]);
        packet[8..HEADER_BYTES].copy_from_slice(&(index as u32).to_be_bytes());
        let seal = suite.filter(|_| index % 2 == 1).map(|suite| Sealer::new(&key(suite, THEIRS)));
        Stream { seal, side: index % 2, to: (Ipv4Addr::LOCALHOST, port).into(), sequence: 0, packet }
    }

    fn send(&mut self, sockets: &[UdpSocket; 2], start: Instant) -> bool {
        self.packet[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        self.packet[4..8].copy_from_slice(&(u32::from(self.sequence) * 160).to_be_bytes());
        self.sequence = self.sequence.wrapping_add(1);
        let now_ns = start.elapsed().as_nanos() as u64;
        self.packet[HEADER_BYTES..HEADER_BYTES + 8].copy_from_slice(&now_ns.to_be_bytes());
        let socket = &sockets[self.side];
        let Some(seal) = &mut self.seal else { return socket.send_to(&self.packet, self.to).is_ok() };
        let mut room = [0; PACKET_BYTES + 16];
        room[..PACKET_BYTES].copy_from_slice(&self.packet);
        let len = seal.seal_rtp(&mut room, PACKET_BYTES).expect("room for a tag");
        socket.send_to(&room[..len], self.to).is_ok()
    }
}
