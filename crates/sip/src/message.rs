//! Messages: one shared buffer, a start line, and ranges of header fields (RFC 3261 §7).
//!
//! Parsing fails only where there is nothing to answer to: no SIP start line, a limit exceeded, a response whose body is cut
//! short. Every other fault of a request is kept and reported by [`Request::validate`], so that the sender can be told.

mod headers;
mod parse;
mod validate;

use bytes::Bytes;

pub(crate) use headers::Field;
pub use headers::Headers;
pub(crate) use parse::BodyLength;

use crate::error::Error;
use crate::header::{CSeq, NameAddr, Via};
use crate::method::Method;
use crate::uri::Uri;

/// A request or a response.
#[derive(Clone, Debug)]
pub enum Message {
    /// A request.
    Request(Request),
    /// A response.
    Response(Response),
}

impl Message {
    /// Reads the message in one datagram. Its body ends with Content-Length, what follows is ignored; without Content-Length it
    /// ends with the datagram (RFC 3261 §18.3). A body shorter than Content-Length fails a response and marks a request.
    pub fn parse_datagram(bytes: Bytes) -> Result<Message, Error> {
        parse::datagram(bytes)
    }

    /// What a head, up to and with its empty line, says of the body.
    pub(crate) fn body_length(head: &[u8]) -> BodyLength {
        parse::body_length(head)
    }

    /// Reads a request of which only the head can be found, and marks it with `fault`.
    pub(crate) fn parse_head(bytes: Bytes, fault: Error) -> Result<Message, Error> {
        parse::head(bytes, fault)
    }

    /// The header fields.
    pub fn headers(&self) -> &Headers {
        match self {
            Message::Request(request) => &request.headers,
            Message::Response(response) => &response.headers,
        }
    }

    /// The whole message as it came, without what preceded the start line or followed the body.
    pub fn bytes(&self) -> &Bytes {
        self.headers().bytes()
    }

    /// The body.
    pub fn body(&self) -> Bytes {
        self.headers().body()
    }
}

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: Headers,
    /// The first fault that parsing met.
    pub(crate) fault: Option<Error>,
}

impl Request {
    /// The method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The Request-URI. When [`Request::validate`] fails for it, it has no host and an unknown scheme.
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Whether everything that answering and routing needs is there and readable: the start line, Via, From, To, Call-ID, CSeq with
    /// the same method, Max-Forwards if present, Content-Length. The fault tells the status to refuse with
    /// ([`Error::status`]).
    pub fn validate(&self) -> Result<(), Error> {
        validate::request(self)
    }
}

/// A response.
#[derive(Clone, Debug)]
pub struct Response {
    pub(crate) code: u16,
    /// Where the reason phrase stands in the message.
    pub(crate) reason: (u32, u32),
    pub(crate) headers: Headers,
}

impl Response {
    /// The status code, 100 to 699.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// The reason phrase; any bytes, perhaps none.
    pub fn reason(&self) -> &[u8] {
        &self.headers.bytes()[self.reason.0 as usize..self.reason.1 as usize]
    }

    /// Whether Via, From, To, Call-ID and CSeq are there and readable. A response that fails goes nowhere.
    pub fn validate(&self) -> Result<(), Error> {
        validate::response(self)
    }
}

macro_rules! accessors {
    ($($message:ident),*) => {$(
        impl $message {
            /// The header fields.
            pub fn headers(&self) -> &Headers {
                &self.headers
            }

            /// The body.
            pub fn body(&self) -> Bytes {
                self.headers.body()
            }

            /// The whole message as it came, without what preceded the start line or followed the body.
            pub fn bytes(&self) -> &Bytes {
                self.headers.bytes()
            }

            /// The topmost Via.
            pub fn via(&self) -> Result<Via, Error> {
                self.headers.required::<Via>()
            }

            /// From.
            pub fn from(&self) -> Result<NameAddr, Error> {
                self.headers.required::<crate::header::From>().map(|from| from.0)
            }

            /// To.
            pub fn to(&self) -> Result<NameAddr, Error> {
                self.headers.required::<crate::header::To>().map(|to| to.0)
            }

            /// Call-ID.
            pub fn call_id(&self) -> Result<Bytes, Error> {
                self.headers.required::<crate::header::CallId>().map(|call_id| call_id.0)
            }

            /// CSeq.
            pub fn cseq(&self) -> Result<CSeq, Error> {
                self.headers.required::<CSeq>()
            }

            /// Max-Forwards, when it is there and readable.
            pub fn max_forwards(&self) -> Option<u8> {
                self.headers.typed::<crate::header::MaxForwards>()?.ok().map(|hops| hops.0)
            }

            /// Content-Type as it stands there.
            pub fn content_type(&self) -> Option<Bytes> {
                self.headers.get(&crate::header::Name::ContentType)
            }
        }
    )*};
}

accessors!(Request, Response);

impl From<Request> for Message {
    fn from(request: Request) -> Message {
        Message::Request(request)
    }
}

impl From<Response> for Message {
    fn from(response: Response) -> Message {
        Message::Response(response)
    }
}
