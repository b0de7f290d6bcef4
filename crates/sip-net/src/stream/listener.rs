//! Listening sockets of the stream transports, and what happens to a connection until it stands.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::Instant;

use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use sip::{Flow, Transport};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tracing::{trace, warn};

use super::Shared;
use super::codec::Codec;
use super::connection::Connection;
use super::io::Io;
use super::outbox::Outbox;
use super::table::{Arrival, Head};
use super::websocket::{self, Opening};
use crate::limits::{ACCEPT_REST, BACKLOG, GOODBYE, QUEUE_MESSAGES, UPGRADE_BYTES};
use crate::receive::without_flow_label;

/// A bound listening socket that does not accept yet.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) transport: Transport,
    pub(crate) address: SocketAddr,
    listener: StdListener,
}

impl Bound {
    pub(crate) fn bind(transport: Transport, address: SocketAddr) -> io::Result<Self> {
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
        // A restart must not wait for the connections of the process before it to be forgotten.
        sockopt::set_socket_reuseaddr(&socket, true)?;
        if address.is_ipv6() {
            sockopt::set_ipv6_v6only(&socket, true)?;
        }
        rustix::net::bind(&socket, &address)?;
        rustix::net::listen(&socket, BACKLOG)?;
        let listener = StdListener::from(socket);
        Ok(Self { transport, address: listener.local_addr()?, listener })
    }
}

/// Whether flows of ours may begin at this listening address.
pub(crate) fn serves(transport: Transport, listening: SocketAddr, flow: &Flow) -> bool {
    let ours = listening.ip();
    let same_ip = ours == flow.local.ip() || ours.is_unspecified() && ours.is_ipv4() == flow.local.is_ipv4();
    transport == flow.transport && listening.port() == flow.local.port() && same_ip
}

/// Accepts until the transports close.
pub(crate) async fn accept(bound: Bound, shared: Arc<Shared>) {
    let Bound { transport, address, listener } = bound;
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            warn!(%transport, %address, %error, "cannot accept connections");
            return;
        }
    };
    let counting = shared.counting(transport);
    let mut warned = false;
    loop {
        let (stream, remote) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // A connection that was gone again before we came costs nothing; no descriptors or memory left means that
                // others must end first. Those that stand, and their calls, go on.
                if !matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
                    counting.turned_away.one();
                    if !std::mem::replace(&mut warned, true) {
                        warn!(%transport, %address, %error, "cannot accept connections at the moment");
                    }
                    tokio::time::sleep(ACCEPT_REST).await;
                }
                continue;
            }
        };
        warned = false;
        let remote = without_flow_label(remote);
        if shared.guard.is_banned(remote.ip(), Instant::now()) {
            counting.turned_away.one();
            continue;
        }
        let Some(head) = shared.admit(remote.ip()) else {
            counting.turned_away.one();
            continue;
        };
        counting.accepted.one();
        let arrival = shared.table.arrive();
        tokio::spawn(begin(stream, (transport, remote), (head, arrival), Arc::clone(&shared)));
    }
}

/// TLS, then the WebSocket, as far as the transport has them; then the connection runs.
async fn begin(
    stream: TcpStream,
    (transport, remote): (Transport, SocketAddr),
    (_head, arrival): (Head, Arrival),
    shared: Arc<Shared>,
) {
    let Ok(local) = stream.local_addr() else { return };
    let flow = Flow { transport, local: without_flow_label(local), remote };
    tune(&stream);
    let opening = timeout(shared.config.handshake_time, open(stream, transport, &shared)).await;
    let (io, codec) = match opening {
        Ok(Ok(opened)) => opened,
        Ok(Err(error)) => {
            trace!(%flow, %error, "a connection did not come about");
            return shared.counting(transport).failed_openings.one();
        }
        Err(_) => {
            trace!(%flow, "a connection took too long to come about");
            return shared.counting(transport).failed_openings.one();
        }
    };
    let outbox = Arc::new(Outbox::new(QUEUE_MESSAGES));
    let Some(place) = shared.table.enter(flow, &outbox, arrival, true) else { return };
    Connection::new(io, codec, outbox, place, flow, shared).run().await;
}

async fn open(stream: TcpStream, transport: Transport, shared: &Shared) -> io::Result<(Io, Codec)> {
    let mut io = match (transport.is_secure(), &shared.tls) {
        (false, _) => Io::Plain(stream),
        (true, Some(tls)) => Io::Tls(Box::new(tls.acceptor.accept(stream).await?.into())),
        (true, None) => return Err(io::Error::other("no certificate")),
    };
    let codec = match transport {
        Transport::Ws | Transport::Wss => Codec::WebSocket(upgrade(&mut io).await?),
        Transport::Udp | Transport::Tcp | Transport::Tls => Codec::Stream(sip::framing::Decoder::default()),
    };
    Ok((io, codec))
}

/// The opening of a WebSocket; a refusal is written before it fails.
async fn upgrade(io: &mut Io) -> io::Result<Box<websocket::WebSocket>> {
    let mut received = Vec::with_capacity(1_024);
    loop {
        if (&mut *io).take(UPGRADE_BYTES as u64).read_buf(&mut received).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match websocket::open(&received) {
            Opening::Incomplete => {}
            Opening::Open(answer, socket) => {
                io.write_all(&answer).await?;
                io.flush().await?;
                return Ok(socket);
            }
            Opening::Refused(answer) => {
                if let Some(answer) = answer {
                    io.write_all(&answer).await?;
                    let _ = timeout(GOODBYE, io.shutdown()).await;
                }
                return Err(io::Error::new(io::ErrorKind::InvalidData, "no WebSocket for SIP"));
            }
        }
    }
}

/// Small messages leave at once, and a peer that has vanished is found in about two minutes, also when nobody writes to it.
pub(crate) fn tune(stream: &TcpStream) {
    use std::time::Duration;

    let _ = stream.set_nodelay(true);
    let _ = sockopt::set_socket_keepalive(stream, true);
    let _ = sockopt::set_tcp_keepidle(stream, Duration::from_secs(60));
    let _ = sockopt::set_tcp_keepintvl(stream, Duration::from_secs(20));
    let _ = sockopt::set_tcp_keepcnt(stream, 3);
    let _ = sockopt::set_tcp_user_timeout(stream, 30_000);
}

/// The address that `flow` leaves from, on a port of the kernel's choice.
pub(crate) fn source(local: SocketAddr) -> SocketAddr {
    let ip: IpAddr = local.ip();
    SocketAddr::new(ip, 0)
}
