//! One connection of a phone: TLS, in it SIP or a WebSocket with SIP, written by hand.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::phones::header;

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    Tls,
    Wss,
}

impl Kind {
    /// As Via names it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tls => "TLS",
            Self::Wss => "WSS",
        }
    }

    /// What a Contact says behind its address.
    pub(crate) fn parameter(self) -> &'static str {
        match self {
            Self::Tls => "tls",
            Self::Wss => "ws",
        }
    }

    /// As the server names its listening address.
    pub(crate) fn listener(self) -> &'static str {
        match self {
            Self::Tls => "sip_tls",
            Self::Wss => "sip_wss",
        }
    }
}

/// TLS that takes any certificate and remembers nothing: each handshake is a whole one.
pub(crate) fn connector() -> TlsConnector {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone(provider)))
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    TlsConnector::from(Arc::new(config))
}

pub(crate) struct Connection {
    kind: Kind,
    stream: TlsStream<TcpStream>,
    pub(crate) local: SocketAddr,
    /// What has come and is no whole message yet.
    received: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(kind: Kind, from: IpAddr, server: SocketAddr, tls: &TlsConnector) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(from, 0))?;
        let stream = socket.connect(server).await?;
        stream.set_nodelay(true)?;
        // Dropped, it is reset: nobody says goodbye.
        rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO))?;
        let local = stream.local_addr()?;
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        let stream = tls.connect(name, stream).await?;
        let mut connection = Self { kind, stream, local, received: Vec::new() };
        if kind == Kind::Wss {
            connection.upgrade(server).await?;
        }
        Ok(connection)
    }

    /// The opening of a WebSocket (RFC 6455 §4.1).
    async fn upgrade(&mut self, server: SocketAddr) -> io::Result<()> {
        let request = format!(
            "GET /ws HTTP/1.1\r\nHost: {server}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: eWFreWFrLWJlbmNoLWtleQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sip\r\n\r\n"
        );
        self.stream.write_all(request.as_bytes()).await?;
        self.stream.flush().await?;
        let end = loop {
            if let Some(end) = end_of_head(&self.received) {
                break end;
            }
            self.read().await?;
        };
        let answer: Vec<u8> = self.received.drain(..end).collect();
        match answer.starts_with(b"HTTP/1.1 101 ") {
            true => Ok(()),
            false => Err(io::Error::other("no WebSocket")),
        }
    }

    pub(crate) async fn send(&mut self, message: &str) -> io::Result<()> {
        match self.kind {
            Kind::Tls => self.stream.write_all(message.as_bytes()).await?,
            Kind::Wss => self.stream.write_all(&frame(TEXT, message.as_bytes())).await?,
        }
        self.stream.flush().await
    }

    /// The next message. Nothing is lost when it is not waited for.
    pub(crate) async fn receive(&mut self) -> io::Result<String> {
        loop {
            let taken = match self.kind {
                Kind::Tls => take_message(&mut self.received),
                Kind::Wss => match take_frame(&mut self.received) {
                    Some((PING, payload)) => {
                        self.stream.write_all(&frame(PONG, &payload)).await?;
                        self.stream.flush().await?;
                        continue;
                    }
                    Some((CLOSE, _)) => return Err(io::ErrorKind::ConnectionAborted.into()),
                    Some((_, payload)) => Some(payload),
                    None => None,
                },
            };
            match taken {
                Some(bytes) => return Ok(String::from_utf8_lossy(&bytes).into_owned()),
                None => self.read().await?,
            }
        }
    }

    async fn read(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.received).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// A whole frame of a client (RFC 6455 §5.2); its mask is zero, which changes no byte.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let length = payload.len();
    let mut frame = vec![0x80 | opcode];
    match u8::try_from(length) {
        Ok(short) if short < 126 => frame.push(0x80 | short),
        _ => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}

/// The opcode and the payload of the next frame of the server, if it is there.
fn take_frame(received: &mut Vec<u8>) -> Option<(u8, Vec<u8>)> {
    let (first, second) = (*received.first()?, *received.get(1)?);
    let (begin, length) = match second & 0x7f {
        126 => (4, usize::from(u16::from_be_bytes(received.get(2..4)?.try_into().unwrap()))),
        127 => panic!("no message here is so long"),
        length => (2, usize::from(length)),
    };
    let payload = received.get(begin..begin + length)?.to_vec();
    received.drain(..begin + length);
    Some((first & 0x0f, payload))
}

/// The next message of a stream of bytes, if it is there.
fn take_message(received: &mut Vec<u8>) -> Option<Vec<u8>> {
    while received.starts_with(b"\r\n") {
        received.drain(..2);
    }
    let end = end_of_head(received)?;
    let text = String::from_utf8_lossy(&received[..end]);
    let body: usize = header(&text, "Content-Length").and_then(|length| length.parse().ok()).unwrap_or(0);
    (received.len() >= end + body).then(|| received.drain(..end + body).collect())
}

fn end_of_head(received: &[u8]) -> Option<usize> {
    received.windows(4).position(|bytes| bytes == b"\r\n\r\n").map(|at| at + 4)
}

#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
