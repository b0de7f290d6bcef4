//! The way by which SIP goes to the server and comes from it.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use sip::{Flow, Message, Transport};
use tokio::net::UdpSocket;

#[cfg(feature = "selftest-webrtc")]
use super::websocket::WebSocket;
use crate::exit::Refusal;

/// Longest datagram.
const DATAGRAM: usize = 65_535;

/// A connected socket or connection.
pub(super) struct Link {
    way: Way,
    flow: Flow,
}

enum Way {
    Udp(UdpSocket),
    #[cfg(feature = "selftest-webrtc")]
    WebSocket(Box<WebSocket>),
}

impl Link {
    /// Over UDP.
    pub(super) async fn udp(server: SocketAddr) -> Result<Self> {
        let any = match server {
            SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        };
        let socket = UdpSocket::bind(any).await?;
        socket.connect(server).await.with_context(|| format!("there is no way to {server}"))?;
        let flow = Flow { transport: Transport::Udp, local: socket.local_addr()?, remote: server };
        Ok(Self { way: Way::Udp(socket), flow })
    }

    /// Over a WebSocket.
    #[cfg(feature = "selftest-webrtc")]
    pub(super) async fn websocket(server: SocketAddr) -> Result<Self> {
        let (socket, local) = WebSocket::open(server).await?;
        let flow = Flow { transport: Transport::Ws, local, remote: server };
        Ok(Self { way: Way::WebSocket(Box::new(socket)), flow })
    }

    /// Both ends.
    pub(super) fn flow(&self) -> Flow {
        self.flow
    }

    pub(super) async fn send(&mut self, message: &Bytes) -> Result<()> {
        match &mut self.way {
            Way::Udp(socket) => socket.send(message).await.map(|_| ()).map_err(|error| gone(self.flow, &error).into()),
            #[cfg(feature = "selftest-webrtc")]
            Way::WebSocket(socket) => socket.send(message).await,
        }
    }

    /// The next message that can be read. Nothing is lost when it is not waited for to the end.
    pub(super) async fn receive(&mut self) -> Result<Message> {
        loop {
            let bytes = match &mut self.way {
                Way::Udp(socket) => {
                    let mut buffer = vec![0; DATAGRAM];
                    let length = socket.recv(&mut buffer).await.map_err(|error| gone(self.flow, &error))?;
                    buffer.truncate(length);
                    Bytes::from(buffer)
                }
                #[cfg(feature = "selftest-webrtc")]
                Way::WebSocket(socket) => socket.receive().await?,
            };
            if let Ok(message) = Message::parse_datagram(bytes) {
                return Ok(message);
            }
        }
    }
}

fn gone(flow: Flow, error: &std::io::Error) -> Refusal {
    let (transport, server) = (flow.transport, flow.remote);
    Refusal::new(format!(
        "nobody answers at {server} over {transport} ({error}); see `yakyak status`, or name it with --server"
    ))
}
