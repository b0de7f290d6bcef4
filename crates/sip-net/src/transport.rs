//! The running transport: its threads, and the way out.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use rustix::event::{EventfdFlags, eventfd};
use tracing::trace;

use crate::counters::Counters;
use crate::guard::Guard;
use crate::receive::{self, Received};
use crate::socket::{Socket, UdpSockets, addresses};

/// Sends through the sockets it was started with. Clones share them; the last one to go stops the
/// receiving threads.
#[derive(Debug, Clone)]
pub struct UdpTransport {
    shared: Arc<Shared>,
}

/// Starts one receiving thread per socket. Each parsed message is given to `sink`, on the thread of
/// its socket; `sink` must not wait. It says `false` when its queue is full: the message is then lost
/// and counted. From whom anything is taken at all, `guard` says.
///
/// # Errors
/// No thread or no descriptor could be had.
pub fn start<S>(sockets: UdpSockets, guard: &Guard, sink: S) -> io::Result<UdpTransport>
where
    S: Fn(Received) -> bool + Send + Sync + Clone + 'static,
{
    let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
    let sockets: Arc<[Arc<Socket>]> = sockets.sockets.into_iter().map(Arc::new).collect();
    let transport =
        UdpTransport { shared: Arc::new(Shared { sockets: Arc::clone(&sockets), stop, threads: Mutex::default() }) };
    for (index, socket) in sockets.iter().enumerate() {
        let (socket, stop, sink) = (Arc::clone(socket), Arc::clone(&transport.shared.stop), sink.clone());
        let guard = guard.clone();
        let thread = thread::Builder::new()
            .name(format!("sip-udp-{index}"))
            .spawn(move || receive::run(&socket, &stop, &guard, &sink))?;
        transport.shared.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
    }
    Ok(transport)
}

impl UdpTransport {
    /// Sends one message, on the calling thread, from the flow's local address. A full send buffer
    /// loses the message (and counts it) as the wire might have done.
    ///
    /// # Errors
    /// No socket stands at the flow's local address, or the system refuses the datagram: the peer
    /// cannot be reached from there, and the transaction should hear of it.
    pub fn send(&self, transmit: &sip::Transmit) -> io::Result<()> {
        let sip::Flow { local, remote, .. } = transmit.flow;
        let socket = self.shared.socket_at(local).ok_or_else(|| {
            io::Error::new(io::ErrorKind::AddrNotAvailable, format!("no UDP socket is open at {local}"))
        })?;
        match socket.send(local, remote, &transmit.bytes) {
            Ok(()) => socket.counting.sent.one(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => socket.counting.send_overflows.one(),
            Err(error) => {
                socket.counting.send_errors.one();
                trace!(%local, %remote, %error, "sending failed");
                return Err(error);
            }
        }
        Ok(())
    }

    /// Where the sockets are bound.
    pub fn local_addresses(&self) -> Vec<SocketAddr> {
        addresses(&self.shared.sockets)
    }

    /// Totals over all sockets.
    pub fn counters(&self) -> Counters {
        let mut total = Counters::default();
        for socket in self.shared.sockets.iter() {
            socket.counting.add_to(&mut total);
        }
        total
    }

    /// Ends receiving and waits for the threads. Sending still works: last answers go out after the
    /// door has closed. A second call does nothing.
    pub fn shutdown(&self) {
        self.shared.shutdown();
    }
}

#[derive(Debug)]
struct Shared {
    sockets: Arc<[Arc<Socket>]>,
    stop: Arc<OwnedFd>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Shared {
    fn socket_at(&self, local: SocketAddr) -> Option<&Socket> {
        let best = self.sockets.iter().max_by_key(|socket| socket.fit(local))?;
        (best.fit(local) > 0).then_some(best)
    }

    fn shutdown(&self) {
        // Nobody reads the counter back, so it stays readable for every thread.
        let _ = rustix::io::write(&*self.stop, &1_u64.to_ne_bytes());
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // The last clone may be dropped by a sink, on the very thread that would be waited for.
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.shutdown();
    }
}
