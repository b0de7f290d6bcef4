//! Connections that we open, since a message has to go where nobody is connected.

use std::io;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use sip::{Flow, Transport};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tracing::trace;

use super::codec::Codec;
use super::connection::Connection;
use super::io::Io;
use super::listener::{source, tune};
use super::outbox::Outbox;
use super::table::{Head, Place};
use super::{Opening, Shared};

/// Opens a connection and runs it. Until it stands, what is sent there waits in the outbox; when it does not come about, the
/// flow has failed.
pub(crate) async fn connect(
    flow: Flow,
    outbox: Arc<Outbox>,
    mut place: Place,
    counted: (Head, Opening),
    shared: Arc<Shared>,
) {
    let (_head, opening) = counted;
    let opened = timeout(shared.config.connect_time, open(&flow, &shared)).await;
    let counting = shared.counting(flow.transport);
    let io = match opened {
        Ok(Ok(io)) => io,
        Ok(Err(error)) => {
            trace!(%flow, %error, "cannot connect");
            return counting.failed_openings.one();
        }
        Err(_) => {
            trace!(%flow, "connecting took too long");
            return counting.failed_openings.one();
        }
    };
    drop(opening);
    counting.opened.one();
    place.connected = true;
    outbox.widen();
    let codec = Codec::Stream(sip::framing::Decoder::default());
    Connection::new(io, codec, outbox, place, flow, shared).expected().run().await;
}

async fn open(flow: &Flow, shared: &Shared) -> io::Result<Io> {
    let socket = if flow.remote.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.bind(source(flow.local))?;
    let stream: TcpStream = socket.connect(flow.remote).await?;
    tune(&stream);
    match (flow.transport, &shared.tls) {
        (Transport::Tls, Some(tls)) => {
            let name = ServerName::IpAddress(flow.remote.ip().into());
            Ok(Io::Tls(Box::new(tls.connector.connect(name, stream).await?.into())))
        }
        (Transport::Tls, None) => Err(io::Error::other("no TLS")),
        _ => Ok(Io::Plain(stream)),
    }
}
