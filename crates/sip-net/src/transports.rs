//! Every transport behind one door.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use sip::{Transmit, Transport};

use crate::counters::Counters;
use crate::event::{Event, Sink};
use crate::guard::Guard;
use crate::limits;
use crate::receive::Received;
use crate::socket::{self, BindError, UdpSockets};
use crate::stream::listener::Bound;
use crate::stream::{StreamConfig, Streams};
use crate::transport::{self, UdpTransport};

/// Where to listen, or where it is listened, transport by transport.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// UDP.
    pub udp: Vec<SocketAddr>,
    /// TCP.
    pub tcp: Vec<SocketAddr>,
    /// TLS over TCP.
    pub tls: Vec<SocketAddr>,
    /// WebSocket.
    pub ws: Vec<SocketAddr>,
    /// WebSocket over TLS.
    pub wss: Vec<SocketAddr>,
}

impl Addresses {
    /// The addresses of one transport.
    pub fn of(&self, transport: Transport) -> &[SocketAddr] {
        match transport {
            Transport::Udp => &self.udp,
            Transport::Tcp => &self.tcp,
            Transport::Tls => &self.tls,
            Transport::Ws => &self.ws,
            Transport::Wss => &self.wss,
        }
    }
}

/// Bound sockets of every transport that do not receive yet.
#[derive(Debug)]
pub struct Sockets {
    udp: UdpSockets,
    streams: Vec<Bound>,
}

impl Sockets {
    /// Binds everything, or nothing.
    ///
    /// # Errors
    /// The first address that cannot be bound.
    pub fn bind(addresses: &Addresses) -> Result<Self, BindError> {
        Self::bind_several(addresses, 1)
    }

    /// The same with so many sockets, and so many receiving threads, for each UDP address.
    ///
    /// # Errors
    /// The first address that cannot be bound.
    pub fn bind_several(addresses: &Addresses, udp_sockets: usize) -> Result<Self, BindError> {
        let udp = socket::bind_several(&addresses.udp, udp_sockets)?;
        let mut streams = Vec::new();
        for transport in [Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss] {
            for address in addresses.of(transport) {
                let bound = if streams.len() < limits::MAX_SOCKETS {
                    Bound::bind(transport, *address)
                } else {
                    Err(io::Error::new(
                        io::ErrorKind::QuotaExceeded,
                        format!("more than {} sockets", limits::MAX_SOCKETS),
                    ))
                };
                streams.push(bound.map_err(|source| BindError { transport, address: *address, source })?);
            }
        }
        Ok(Self { udp, streams })
    }

    /// Where they are bound, in the order asked for; a port 0 has become the real one.
    pub fn addresses(&self) -> Addresses {
        let of = |transport| {
            let streams = self.streams.iter().filter(move |bound| bound.transport == transport);
            streams.map(|bound| bound.address).collect()
        };
        Addresses {
            udp: self.udp.local_addresses(),
            tcp: of(Transport::Tcp),
            tls: of(Transport::Tls),
            ws: of(Transport::Ws),
            wss: of(Transport::Wss),
        }
    }
}

/// Sends over whatever transport a flow names, and hears all of them. Clones share everything.
#[derive(Clone)]
pub struct Transports {
    udp: UdpTransport,
    streams: Arc<Streams>,
    sink: Sink,
}

impl Transports {
    /// Starts receiving, from whom `guard` lets. Each event is given to `sink`, on a thread of this crate.
    ///
    /// # Errors
    /// No thread or no descriptor could be had, or TLS cannot be set up.
    pub fn start(sockets: Sockets, config: StreamConfig, guard: &Guard, sink: Sink) -> io::Result<Self> {
        let streams = Arc::new(Streams::start(sockets.streams, config, guard.clone(), Arc::clone(&sink))?);
        let received = Arc::clone(&sink);
        let udp = transport::start(sockets.udp, guard, move |message: Received| received(Event::Received(message)))?;
        Ok(Self { udp, streams, sink })
    }

    /// Sends one message, and never waits. A message that cannot be sent comes back as [`Event::Failed`] with its flow. What
    /// the wire, or a peer that does not read, loses is not told.
    pub fn send(&self, transmit: Transmit) {
        if transmit.flow.transport != Transport::Udp {
            return self.streams.send(transmit);
        }
        if let Err(error) = self.udp.send(&transmit) {
            tracing::debug!(flow = %transmit.flow, %error, "a SIP message could not be sent");
            (self.sink)(Event::Failed(transmit.flow));
        }
    }

    /// Where it is listened.
    pub fn addresses(&self) -> Addresses {
        Addresses {
            udp: self.udp.local_addresses(),
            tcp: self.streams.addresses(Transport::Tcp),
            tls: self.streams.addresses(Transport::Tls),
            ws: self.streams.addresses(Transport::Ws),
            wss: self.streams.addresses(Transport::Wss),
        }
    }

    /// Connections that stand or are being opened, of all stream transports.
    pub fn connections(&self) -> usize {
        self.streams.connections()
    }

    /// Totals of one transport.
    pub fn counters(&self, transport: Transport) -> Counters {
        match transport {
            Transport::Udp => self.udp.counters(),
            stream => self.streams.counters(stream),
        }
    }

    /// Lets no datagram and no connection in any more. Sending still works: last answers go out after the door has closed.
    pub fn shutdown(&self) {
        self.udp.shutdown();
        self.streams.stop_listening();
    }

    /// Lets every connection write what waits and say goodbye. It waits for about a second, and must not be called from
    /// within a runtime.
    pub fn close(&self) {
        self.shutdown();
        self.streams.close();
    }
}
