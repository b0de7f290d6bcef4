//! The receiving thread of one socket.

use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, SocketAddrV6};
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use quinn_udp::RecvMeta;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tracing::{trace, warn};

use crate::guard::{Guard, Taken};
use crate::limits::{BATCH, ERROR_REST, MAX_DATAGRAM_BYTES};
use crate::socket::Socket;

/// One message as it came in.
#[derive(Debug)]
pub struct Received {
    /// The path it took; its local address is the one that the peer addressed.
    pub flow: sip::Flow,
    /// The message.
    pub message: sip::Message,
    /// When it was taken from the socket.
    pub at: Instant,
}

/// Receives until `stop` becomes readable.
pub(crate) fn run(socket: &Socket, stop: &Arc<OwnedFd>, guard: &Guard, sink: &impl Fn(Received) -> bool) {
    // Pages that no datagram has touched are never given memory, so the full size costs nothing.
    let mut storage = vec![0_u8; BATCH * MAX_DATAGRAM_BYTES];
    let mut buffers: Vec<IoSliceMut<'_>> = storage.chunks_exact_mut(MAX_DATAGRAM_BYTES).map(IoSliceMut::new).collect();
    let mut about = [RecvMeta::default(); BATCH];
    loop {
        match wait(socket, stop) {
            Ready::Datagrams => {}
            Ready::Stop => return,
            Ready::Nothing => continue,
        }
        // A short batch says that the queue is empty; after a full one the next is tried at once.
        loop {
            let number = match socket.receive(&mut buffers, &mut about) {
                Ok(number) => number,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => {
                    socket.counting.receive_errors.one();
                    trace!(local = %socket.bound, %error, "receiving failed");
                    rest(stop);
                    break;
                }
            };
            let at = Instant::now();
            for (buffer, about) in buffers.iter().zip(&about[..number]) {
                for datagram in datagrams(buffer, about) {
                    take(socket, datagram, (about, at), guard, sink);
                }
            }
            if number < BATCH || stopped(stop) {
                break;
            }
        }
    }
}

enum Ready {
    Datagrams,
    Stop,
    Nothing,
}

fn wait(socket: &Socket, stop: &OwnedFd) -> Ready {
    let mut sources = [PollFd::new(&socket.udp, PollFlags::IN), PollFd::new(stop, PollFlags::IN)];
    if poll(&mut sources, None).is_err() {
        return Ready::Nothing;
    }
    if !sources[1].revents().is_empty() {
        return Ready::Stop;
    }
    if sources[0].revents().is_empty() { Ready::Nothing } else { Ready::Datagrams }
}

fn stopped(stop: &OwnedFd) -> bool {
    let mut source = [PollFd::new(stop, PollFlags::IN)];
    poll(&mut source, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
}

/// Sleeps a moment, but not through the end.
fn rest(stop: &OwnedFd) {
    let time = Timespec { tv_sec: 0, tv_nsec: ERROR_REST.subsec_nanos().into() };
    let _ = poll(&mut [PollFd::new(stop, PollFlags::IN)], Some(&time));
}

/// The datagrams of one buffer: one, or several of `stride` bytes where the kernel has joined them.
fn datagrams<'a>(buffer: &'a [u8], about: &RecvMeta) -> impl Iterator<Item = &'a [u8]> {
    let bytes = &buffer[..about.len.min(buffer.len())];
    bytes.is_empty().then_some(bytes).into_iter().chain(bytes.chunks(about.stride.max(1)))
}

/// One datagram on its way in. A panic (a fault of ours) costs this datagram and nothing else.
fn take(
    socket: &Socket,
    datagram: &[u8],
    (about, at): (&RecvMeta, Instant),
    guard: &Guard,
    sink: &impl Fn(Received) -> bool,
) {
    socket.counting.received.one();
    if is_keep_alive(datagram) {
        socket.counting.keep_alives.one();
        return;
    }
    let Some(flow) = flow(socket, about) else {
        socket.counting.unparsable.one();
        trace!(remote = %about.addr, "datagram to no address of ours");
        return;
    };
    // The guard counts what it does not let in.
    if !matches!(guard.take(&flow, at), Taken::Yes(_)) {
        return;
    }
    if sip::stun::is_stun(datagram) {
        socket.counting.keep_alives.one();
        if let Some(answer) = sip::stun::answer(datagram, flow.remote) {
            let _ = socket.send(flow.local, flow.remote, &answer);
        }
        return;
    }
    let handled = catch_unwind(AssertUnwindSafe(|| {
        let message = match sip::Message::parse_datagram(Bytes::copy_from_slice(datagram)) {
            Ok(message) => message,
            Err(error) => {
                socket.counting.unparsable.one();
                guard.malformed(&flow, at);
                trace!(remote = %flow.remote, bytes = datagram.len(), %error, "not a SIP message");
                return;
            }
        };
        if !sink(Received { flow, message, at }) {
            socket.counting.refused.one();
        }
    }));
    if handled.is_err() {
        socket.counting.unparsable.one();
        warn!(remote = %flow.remote, bytes = datagram.len(), "a datagram was dropped after a panic");
    }
}

/// CRLF CRLF (RFC 5626 §4.4.1), a lone CRLF, a NUL, spaces: what phones send to keep a NAT open. A
/// message needs a line end after something printable, so blanks alone are never one.
fn is_keep_alive(datagram: &[u8]) -> bool {
    datagram.iter().all(|byte| matches!(byte, b'\r' | b'\n' | 0 | b' ' | b'\t'))
}

/// The path of a datagram, or nothing when it was sent to a group or a broadcast address: an answer
/// could not leave from there.
fn flow(socket: &Socket, about: &RecvMeta) -> Option<sip::Flow> {
    let local = about.dst_ip.unwrap_or(socket.bound.ip());
    let broadcast = matches!(local, std::net::IpAddr::V4(address) if address.is_broadcast());
    if local.is_unspecified() || local.is_multicast() || broadcast {
        return None;
    }
    Some(sip::Flow {
        transport: sip::Transport::Udp,
        local: SocketAddr::new(local, socket.bound.port()),
        remote: without_flow_label(about.addr),
    })
}

/// The scope stays, since a link-local peer cannot be reached without it; the flow label goes, since
/// two datagrams of one peer must have equal flows.
pub(crate) fn without_flow_label(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(_) => address,
        SocketAddr::V6(v6) => SocketAddrV6::new(*v6.ip(), v6.port(), 0, v6.scope_id()).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_datagrams_are_parted_at_the_stride() {
        let mut about = RecvMeta::default();
        (about.len, about.stride) = (7, 3);
        assert_eq!(datagrams(b"aaabbbc---", &about).collect::<Vec<_>>(), [&b"aaa"[..], b"bbb", b"c"]);
        (about.len, about.stride) = (0, 0);
        assert_eq!(datagrams(b"xxxx", &about).collect::<Vec<_>>(), [b""]);
    }

    #[test]
    fn keep_alives_are_told_from_messages() {
        for quiet in [&b""[..], b"\r\n\r\n", b"\r\n", b"\0", b"\0\0\0\0", b" "] {
            assert!(is_keep_alive(quiet), "{quiet:?}");
        }
        for loud in [&b"jaK"[..], b"\r\nOPTIONS", b"\x80"] {
            assert!(!is_keep_alive(loud), "{loud:?}");
        }
    }

    #[test]
    fn flow_labels_do_not_part_the_flows_of_one_peer() {
        let labelled: SocketAddr = SocketAddrV6::new("fe80::1".parse().unwrap(), 5060, 77, 3).into();
        let plain: SocketAddr = SocketAddrV6::new("fe80::1".parse().unwrap(), 5060, 0, 3).into();
        assert_eq!(without_flow_label(labelled), plain);
    }
}
