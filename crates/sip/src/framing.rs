//! Stream framing: where one message ends and the next begins on TCP and TLS (RFC 3261 §18.3, RFC 5626 §4.4.1).
//!
//! ```text
//!            CRLF CRLF: ping                empty line               Content-Length bytes
//!  Between ───────────────▶ Between ─▶ Head ───────────▶ Body(total) ────────────────────▶ Between
//! ```
//!
//! Bytes go in as they come from the socket, however they were cut; frames come out. Nothing is decided before enough bytes
//! are there to decide it, so that the cuts change nothing. What a message says of its own length never decides an allocation:
//! the buffer grows by what has arrived, and not beyond the limits.

use bytes::{Buf, Bytes, BytesMut};

use crate::error::Error;
use crate::limits;
use crate::message::{BodyLength, Message};

/// What answers a [`Frame::Ping`] (RFC 5626 §3.5.1).
pub const PONG: &[u8] = b"\r\n";

/// What a peer sends to see whether the connection lives.
pub const PING: &[u8] = b"\r\n\r\n";

/// One thing that stood in the stream.
#[derive(Debug)]
pub enum Frame {
    /// A message.
    Message(Message),
    /// A message whose end cannot be told, so that nothing behind it can be read either. It carries its fault: once the
    /// answer has left, the connection should be closed.
    Last(Message),
    /// Two line ends between messages: the peer asks for [`PONG`].
    Ping,
    /// Bytes of a known length that are no SIP message. What follows can be read.
    Unreadable(Error),
}

/// Cuts a stream of bytes into frames.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: BytesMut,
    /// How far the empty line has been looked for.
    scanned: usize,
    state: State,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    /// Line ends may come, or a message.
    #[default]
    Between,
    /// A message has begun.
    Head,
    /// The message is complete at so many bytes.
    Body { total: usize },
    /// Nothing more can be read.
    Lost,
}

impl Decoder {
    /// Takes bytes as they came.
    pub fn push(&mut self, bytes: &[u8]) {
        if !matches!(self.state, State::Lost) {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// Whether a message has begun and its end has not come yet.
    pub fn is_midway(&self) -> bool {
        matches!(self.state, State::Head | State::Body { .. })
    }

    /// The next frame; `None` when more bytes are needed.
    ///
    /// # Errors
    /// What comes is no SIP, or longer than any message may be. Nothing more can be read from this stream.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, Error> {
        loop {
            match self.state {
                State::Between => match self.between() {
                    Between::Ping => return Ok(Some(Frame::Ping)),
                    Between::Message => self.state = State::Head,
                    Between::Unclear => return Ok(None),
                },
                State::Head => {
                    let Some(head) = self.head_end() else {
                        if self.buffer.len() > limits::STREAM_HEAD_BYTES {
                            return self.lost(Error::Violation { header: "header", why: "too long" });
                        }
                        return Ok(None);
                    };
                    if head > limits::STREAM_HEAD_BYTES {
                        return self.lost(Error::Violation { header: "header", why: "too long" });
                    }
                    match Message::body_length(&self.buffer[..head]) {
                        BodyLength::Bytes(body) if body <= limits::MESSAGE_BYTES - head => {
                            self.state = State::Body { total: head + body };
                        }
                        BodyLength::Bytes(_) => return self.last(head, Error::TOO_LONG),
                        BodyLength::Missing | BodyLength::Unreadable => {
                            return self.last(head, Error::Malformed { header: "Content-Length", position: head });
                        }
                    }
                }
                State::Body { total } if self.buffer.len() < total => return Ok(None),
                State::Body { total } => {
                    let message = Message::parse_datagram(self.take(total));
                    self.state = State::Between;
                    return Ok(Some(message.map_or_else(Frame::Unreadable, Frame::Message)));
                }
                State::Lost => return Ok(None),
            }
        }
    }

    /// Passes over line ends. A single one answers a ping of ours, or stands before a message (RFC 3261 §7.5).
    fn between(&mut self) -> Between {
        loop {
            match self.buffer.as_ref() {
                [b'\r', b'\n', b'\r', b'\n', ..] => {
                    self.advance(PING.len());
                    return Between::Ping;
                }
                [] | [b'\r'] | [b'\r', b'\n'] | [b'\r', b'\n', b'\r'] => return Between::Unclear,
                [b'\r', b'\n', ..] => self.advance(2),
                [b'\r' | b'\n', ..] => self.advance(1),
                _ => return Between::Message,
            }
        }
    }

    /// Where the empty line ends, looked for in new bytes only.
    fn head_end(&mut self) -> Option<usize> {
        let bytes = self.buffer.as_ref();
        let mut at = self.scanned;
        while let Some(feed) = crate::scan::find(bytes, b'\n', at) {
            match bytes.get(feed + 1..) {
                Some([b'\n', ..]) => return Some(feed + 2),
                Some([b'\r', b'\n', ..]) => return Some(feed + 3),
                // Too short to tell: this line end is looked at again.
                Some([] | [b'\r']) => {
                    self.scanned = feed;
                    return None;
                }
                _ => at = feed + 1,
            }
        }
        self.scanned = bytes.len();
        None
    }

    /// The message of which only the head can be found. A response without an end is nobody's, and is passed over.
    fn last(&mut self, head: usize, fault: Error) -> Result<Option<Frame>, Error> {
        let head = self.take(head);
        let message = Message::parse_head(head, fault);
        self.forget();
        message.map(|message| Some(Frame::Last(message)))
    }

    fn lost(&mut self, error: Error) -> Result<Option<Frame>, Error> {
        self.forget();
        Err(error)
    }

    fn forget(&mut self) {
        self.state = State::Lost;
        self.buffer = BytesMut::new();
    }

    /// The first bytes, in memory of their own: whoever keeps a message must not keep its neighbours with it.
    fn take(&mut self, length: usize) -> Bytes {
        let bytes = Bytes::copy_from_slice(&self.buffer[..length]);
        self.advance(length);
        bytes
    }

    fn advance(&mut self, length: usize) {
        self.buffer.advance(length);
        self.scanned = 0;
        if self.buffer.is_empty() {
            // An idle connection holds no memory.
            self.buffer = BytesMut::new();
        }
    }
}

enum Between {
    Ping,
    Message,
    Unclear,
}
