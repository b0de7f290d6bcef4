//! Codec: from bytes of a connection to messages, and back.

use std::io;

use bytes::{BufMut as _, Bytes, BytesMut};
use sip::Message;
use sip::framing::{Decoder, Frame, PONG};

use super::websocket::{Content, WebSocket};

/// How messages lie in the bytes of a connection.
pub(crate) enum Codec {
    /// TCP and TLS: by Content-Length.
    Stream(Decoder),
    /// WS and WSS.
    WebSocket(Box<WebSocket>),
}

/// What came.
pub(crate) enum Taken {
    /// A message.
    Message(Message),
    /// A message behind which nothing can be read; the connection closes after the answer.
    Last(Message),
    /// Something that only keeps the connection alive.
    KeepAlive,
    /// Something that is no SIP message.
    Unreadable,
    /// The peer says goodbye.
    Close,
}

impl Codec {
    /// Takes bytes as they came.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        match self {
            Codec::Stream(decoder) => decoder.push(bytes),
            Codec::WebSocket(socket) => socket.push(bytes),
        }
    }

    /// The next thing that came; `None` when more bytes are needed. What answers it without anybody's help goes to `out`.
    pub(crate) fn next(&mut self, out: &mut BytesMut) -> io::Result<Option<Taken>> {
        match self {
            Codec::Stream(decoder) => {
                let frame = decoder.next_frame().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
                Ok(frame.map(|frame| match frame {
                    Frame::Message(message) => Taken::Message(message),
                    Frame::Last(message) => Taken::Last(message),
                    Frame::Ping => {
                        out.put_slice(PONG);
                        Taken::KeepAlive
                    }
                    Frame::Unreadable(_) => Taken::Unreadable,
                }))
            }
            Codec::WebSocket(socket) => Ok(match socket.next(out)? {
                None => None,
                Some(Content::Message(bytes)) => {
                    Some(Message::parse_datagram(bytes).map_or(Taken::Unreadable, Taken::Message))
                }
                Some(Content::Ping) => {
                    socket.write(Bytes::from_static(PONG), out)?;
                    Some(Taken::KeepAlive)
                }
                Some(Content::Alive) => Some(Taken::KeepAlive),
                Some(Content::Close) => Some(Taken::Close),
            }),
        }
    }

    /// Writes a message.
    pub(crate) fn write(&mut self, message: Bytes, out: &mut BytesMut) -> io::Result<()> {
        match self {
            Codec::Stream(_) => {
                out.put_slice(&message);
                Ok(())
            }
            Codec::WebSocket(socket) => socket.write(message, out),
        }
    }

    /// Asks whether the peer is still there, where the protocol has a question for it; otherwise TCP's own keep-alive must do.
    pub(crate) fn ping(&mut self, out: &mut BytesMut) -> io::Result<()> {
        match self {
            Codec::Stream(_) => Ok(()),
            Codec::WebSocket(socket) => socket.ping(out),
        }
    }

    /// Writes what a goodbye consists of.
    pub(crate) fn close(&mut self, out: &mut BytesMut) {
        match self {
            Codec::Stream(_) => {}
            Codec::WebSocket(socket) => socket.close(out),
        }
    }

    /// Whether a message has begun and its end has not come yet.
    pub(crate) fn is_midway(&self) -> bool {
        match self {
            Codec::Stream(decoder) => decoder.is_midway(),
            Codec::WebSocket(socket) => socket.is_midway(),
        }
    }
}
