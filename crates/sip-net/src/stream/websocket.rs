//! WebSocket with the sub-protocol `sip` (RFC 7118, RFC 6455), over memory: bytes in, bytes out.
//!
//! One message of SIP is one message of the WebSocket, text or binary. Opening, masking, fragments, ping and close are
//! tungstenite's; it reads and writes buffers here, so that the same connection task serves every stream transport.

use std::io::{self, Read, Write};

use bytes::{Buf as _, Bytes, BytesMut};
use sip::framing;
use sip::limits::MESSAGE_BYTES;
use tokio_tungstenite::tungstenite::error::{Error, ProtocolError};
use tokio_tungstenite::tungstenite::handshake::machine::TryParse as _;
use tokio_tungstenite::tungstenite::handshake::server::{self, Request};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes, http};

use crate::limits::{OUT_HIGH_BYTES, READ_BYTES, UPGRADE_BYTES};

const PROTOCOL: &str = "sip";
const PROTOCOL_HEADER: &str = "Sec-WebSocket-Protocol";

/// How far an opening is.
pub(crate) enum Opening {
    /// More bytes are needed.
    Incomplete,
    /// The answer, and the WebSocket that stands once it is written.
    Open(Vec<u8>, Box<WebSocket>),
    /// The answer with which it is refused; `None` when what came is no HTTP.
    Refused(Option<Vec<u8>>),
}

/// An open WebSocket.
pub(crate) struct WebSocket {
    context: WebSocketContext,
    pipe: Pipe,
}

/// One thing that came.
pub(crate) enum Content {
    /// A message; what it holds should be SIP.
    Message(Bytes),
    /// A CRLF CRLF inside a message, which is answered with one CRLF.
    Ping,
    /// Only to be counted: ping, pong, a lone CRLF.
    Alive,
    /// The peer has said goodbye.
    Close,
}

/// Reads the opening (RFC 6455 §4.2.1) out of what has come so far. Whatever the path and the Origin, the sub-protocol must be
/// `sip` (RFC 7118 §4.2): without it the peer wants something else of us than we have.
pub(crate) fn open(received: &[u8]) -> Opening {
    let (length, request) = match Request::try_parse(received) {
        Ok(Some(found)) => found,
        Ok(None) if received.len() < UPGRADE_BYTES => return Opening::Incomplete,
        Ok(None) => return Opening::Refused(Some(refusal("431 Request Header Fields Too Large", ""))),
        Err(Error::Protocol(ProtocolError::WrongHttpMethod)) => {
            return Opening::Refused(Some(refusal("405 Method Not Allowed", "Allow: GET\r\n")));
        }
        Err(Error::Protocol(ProtocolError::WrongHttpVersion)) => {
            return Opening::Refused(Some(refusal("505 HTTP Version Not Supported", "")));
        }
        Err(_) => return Opening::Refused(None),
    };
    let mut response = match server::create_response(&request) {
        Ok(response) => response,
        Err(Error::Protocol(ProtocolError::MissingSecWebSocketVersionHeader)) => {
            return Opening::Refused(Some(refusal("426 Upgrade Required", "Sec-WebSocket-Version: 13\r\n")));
        }
        Err(Error::Protocol(
            ProtocolError::MissingConnectionUpgradeHeader | ProtocolError::MissingUpgradeWebSocketHeader,
        )) => {
            return Opening::Refused(Some(refusal("426 Upgrade Required", "Upgrade: websocket\r\n")));
        }
        Err(_) => return Opening::Refused(Some(refusal("400 Bad Request", ""))),
    };
    if !offers_sip(&request) {
        return Opening::Refused(Some(refusal("400 Bad Request", "Sec-WebSocket-Protocol: sip\r\n")));
    }
    response.headers_mut().insert(PROTOCOL_HEADER, http::HeaderValue::from_static(PROTOCOL));
    let mut answer = Vec::with_capacity(256);
    match server::write_response(&mut answer, &response) {
        Ok(()) => Opening::Open(answer, Box::new(WebSocket::new(received.get(length..).unwrap_or_default()))),
        Err(_) => Opening::Refused(None),
    }
}

fn offers_sip(request: &Request) -> bool {
    let offers = request.headers().get_all(PROTOCOL_HEADER);
    let mut words = offers.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    words.any(|word| word.trim().eq_ignore_ascii_case(PROTOCOL))
}

fn refusal(status: &str, header: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\n{header}Connection: close\r\nContent-Length: 0\r\n\r\n").into_bytes()
}

impl WebSocket {
    fn new(received: &[u8]) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BYTES / 2)
            .write_buffer_size(0)
            .max_write_buffer_size(OUT_HIGH_BYTES.max(4 * MESSAGE_BYTES))
            .max_message_size(Some(MESSAGE_BYTES))
            .max_frame_size(Some(MESSAGE_BYTES));
        let context = WebSocketContext::new(Role::Server, Some(config));
        Self { context, pipe: Pipe { received: BytesMut::from(received), written: BytesMut::new() } }
    }

    /// Takes bytes as they came.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.pipe.received.extend_from_slice(bytes);
    }

    /// The next thing that came; what is to be written in answer goes to `out`.
    pub(crate) fn next(&mut self, out: &mut BytesMut) -> io::Result<Option<Content>> {
        let read = self.context.read(&mut self.pipe);
        self.pipe.move_to(out);
        let bytes = match read {
            Ok(Message::Text(text)) => Bytes::from(text),
            Ok(Message::Binary(bytes)) => bytes,
            Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => return Ok(Some(Content::Alive)),
            Ok(Message::Close(_)) => {
                // Reading on lets the answer to the goodbye be written.
                let _ = self.context.read(&mut self.pipe);
                self.pipe.move_to(out);
                return Ok(Some(Content::Close));
            }
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(Error::ConnectionClosed | Error::AlreadyClosed) => return Ok(Some(Content::Close)),
            Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error.to_string())),
        };
        Ok(Some(match bytes.as_ref() {
            framing::PING => Content::Ping,
            blanks if blanks.iter().all(|byte| matches!(byte, b'\r' | b'\n' | 0 | b' ')) => Content::Alive,
            _ => Content::Message(bytes),
        }))
    }

    /// Whether a frame has begun and its end has not come yet.
    pub(crate) fn is_midway(&self) -> bool {
        // What tungstenite has taken in already does not show; the idle time limits that.
        self.pipe.received.has_remaining()
    }

    /// Writes a message: as text where it is text, as browsers want it.
    pub(crate) fn write(&mut self, message: Bytes, out: &mut BytesMut) -> io::Result<()> {
        let message = match Utf8Bytes::try_from(message.clone()) {
            Ok(text) => Message::Text(text),
            Err(_) => Message::Binary(message),
        };
        self.put(message, out)
    }

    /// Asks whether the peer is still there.
    pub(crate) fn ping(&mut self, out: &mut BytesMut) -> io::Result<()> {
        self.put(Message::Ping(Bytes::new()), out)
    }

    /// Says goodbye.
    pub(crate) fn close(&mut self, out: &mut BytesMut) {
        let _ = self.context.close(&mut self.pipe, None);
        self.pipe.move_to(out);
    }

    fn put(&mut self, message: Message, out: &mut BytesMut) -> io::Result<()> {
        let written = self.context.write(&mut self.pipe, message).and_then(|()| self.context.flush(&mut self.pipe));
        self.pipe.move_to(out);
        written.map_err(|error| io::Error::other(error.to_string()))
    }
}

/// The two directions as tungstenite sees them: reading never waits, writing always succeeds.
struct Pipe {
    received: BytesMut,
    written: BytesMut,
}

impl Pipe {
    fn move_to(&mut self, out: &mut BytesMut) {
        if !self.written.is_empty() {
            out.extend_from_slice(&self.written);
            self.written = BytesMut::new();
        }
    }
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.received.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let length = buffer.len().min(self.received.len());
        self.received.copy_to_slice(&mut buffer[..length]);
        if self.received.is_empty() {
            self.received = BytesMut::new();
        }
        Ok(length)
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.written.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
