//! SIP over a WebSocket (RFC 7118), from the client's side.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;

use crate::exit::Refusal;

/// The sub-protocol by which a server knows that this is SIP.
const PROTOCOL: &str = "sip";

/// An open connection.
pub(super) struct WebSocket(WebSocketStream<TcpStream>);

impl WebSocket {
    /// Opens one, and tells its near end.
    pub(super) async fn open(server: SocketAddr) -> Result<(Self, SocketAddr)> {
        let nobody = |error: &dyn std::fmt::Display| {
            Refusal::new(format!("nobody answers at ws://{server} ({error}); see `yakyak status` and [sip] ws"))
        };
        let stream = TcpStream::connect(server).await.map_err(|error| nobody(&error))?;
        stream.set_nodelay(true)?;
        let local = stream.local_addr()?;
        let request = ClientRequestBuilder::new(format!("ws://{server}/").parse()?).with_sub_protocol(PROTOCOL);
        let (socket, _) = tokio_tungstenite::client_async(request, stream).await.map_err(|error| nobody(&error))?;
        Ok((Self(socket), local))
    }

    pub(super) async fn send(&mut self, message: &Bytes) -> Result<()> {
        let text = std::str::from_utf8(message).context("a message of ours is no text")?;
        self.0.send(Message::text(text)).await.context("the server has closed the WebSocket")
    }

    /// The next message; pings are answered on the way.
    pub(super) async fn receive(&mut self) -> Result<Bytes> {
        loop {
            match self.0.next().await.context("the server has closed the WebSocket")?? {
                Message::Text(text) => return Ok(Bytes::from(text)),
                Message::Binary(bytes) => return Ok(bytes),
                Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => {}
            }
        }
    }
}
