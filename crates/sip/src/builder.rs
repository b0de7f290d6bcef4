//! Building messages. What comes out is a parsed message again, and no value can add a line to it: CR, LF and NUL never leave a
//! builder.

mod reason;

use bytes::{BufMut, Bytes, BytesMut};

pub use reason::reason_phrase;

use crate::header::name::lookup;
use crate::header::{Header, Name};
use crate::message::{Field, Headers, Request, Response};
use crate::method::Method;
use crate::scan;
use crate::uri::Uri;

const USUAL_BYTES: usize = 1_024;
const USUAL_LINES: usize = 16;

/// Header lines and body on their way into a message.
#[derive(Debug)]
struct Lines {
    out: BytesMut,
    fields: Vec<Field>,
    body: Option<(String, Bytes)>,
}

impl Lines {
    fn new() -> Lines {
        Lines { out: BytesMut::with_capacity(USUAL_BYTES), fields: Vec::with_capacity(USUAL_LINES), body: None }
    }

    /// One line. A name that is no token, or that is ours to write, adds nothing.
    fn put(&mut self, name: &[u8], value: impl FnOnce(&mut BytesMut)) {
        let id = lookup(name);
        if id != Name::ContentLength.id() && scan::is_token(name) && name.len() <= usize::from(u16::MAX) {
            let long = Name::from_id(id, || Bytes::copy_from_slice(name));
            self.put_line(&long, value);
        }
    }

    fn put_line(&mut self, name: &Name, value: impl FnOnce(&mut BytesMut)) {
        let name_start = self.out.len();
        self.out.put_slice(name.as_bytes());
        self.out.put_slice(b": ");
        let start = self.out.len();
        value(&mut self.out);
        make_harmless(&mut self.out[start..]);
        let (value_start, value_end) = scan::trimmed(&self.out, start, self.out.len());
        self.fields.push(Field {
            name_start: name_start as u32,
            name_length: name.as_bytes().len() as u16,
            id: name.id(),
            folded: false,
            value_start: value_start as u32,
            value_end: value_end as u32,
        });
        self.out.put_slice(b"\r\n");
    }

    fn finish(mut self) -> Headers {
        let body = self.body.take();
        let length = body.as_ref().map_or(0, |(_, body)| body.len());
        if let Some((content_type, _)) = &body {
            let written = Name::ContentType.id();
            if !self.fields.iter().any(|field| field.id == written) {
                self.put_line(&Name::ContentType, |out| out.put_slice(content_type.as_bytes()));
            }
        }
        self.put_line(&Name::ContentLength, |out| scan::put_number(out, length as u64));
        self.out.put_slice(b"\r\n");
        let body_start = self.out.len() as u32;
        if let Some((_, body)) = &body {
            self.out.put_slice(body);
        }
        Headers { bytes: self.out.freeze(), fields: self.fields, body_start }
    }
}

/// Turns whatever could end a line, or a string in C, into a space.
fn make_harmless(value: &mut [u8]) {
    for byte in value {
        if matches!(byte, b'\r' | b'\n' | 0) {
            *byte = b' ';
        }
    }
}

macro_rules! lines {
    ($($builder:ident),*) => {$(
        impl $builder {
            /// Adds a typed header line.
            #[must_use]
            pub fn header<H: Header>(mut self, header: &H) -> Self {
                self.lines.put(H::NAME.as_bytes(), |out| header.render(out));
                self
            }

            /// Adds a header line as it is given, under its long name. A name that is no token adds nothing; nor does Content-Length,
            /// which the builder counts itself.
            #[must_use]
            pub fn raw(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
                self.lines.put(name.as_bytes(), |out| out.put_slice(value.as_ref()));
                self
            }

            /// Like [`Self::raw`], for a name that is already known.
            #[must_use]
            pub fn named(mut self, name: &Name, value: impl AsRef<[u8]>) -> Self {
                self.lines.put(name.as_bytes(), |out| out.put_slice(value.as_ref()));
                self
            }

            /// Adds every line of this name that `headers` has, in order and as they came.
            #[must_use]
            pub fn copy(mut self, headers: &Headers, name: &Name) -> Self {
                for value in headers.all(name) {
                    self.lines.put(name.as_bytes(), |out| out.put_slice(&value));
                }
                self
            }

            /// Sets the body and its type.
            #[must_use]
            pub fn body(mut self, content_type: &str, body: Bytes) -> Self {
                self.lines.body = Some((content_type.to_owned(), body));
                self
            }
        }
    )*};
}

lines!(RequestBuilder, ResponseBuilder);

/// Builds a request line by line, in the order of the calls; Content-Type and Content-Length come last.
#[derive(Debug)]
pub struct RequestBuilder {
    method: Method,
    uri: Uri,
    lines: Lines,
}

impl RequestBuilder {
    /// Begins a request. Bytes that no method or URI can hold are left out or escaped.
    pub fn new(method: Method, uri: &Uri) -> RequestBuilder {
        let method = written_method(method);
        let uri = match uri.as_bytes().iter().any(|byte| matches!(byte, 0..=b' ' | 0x7f)) {
            true => Uri::unreadable(escaped(uri.as_bytes())),
            false => uri.clone(),
        };
        let mut lines = Lines::new();
        lines.out.put_slice(method.as_bytes());
        lines.out.put_u8(b' ');
        lines.out.put_slice(uri.as_bytes());
        lines.out.put_slice(b" SIP/2.0\r\n");
        RequestBuilder { method, uri, lines }
    }

    /// The finished request.
    pub fn build(self) -> Request {
        Request { method: self.method, uri: self.uri, headers: self.lines.finish(), fault: None }
    }
}

/// A method that can stand in a start line and that reads back as itself.
fn written_method(method: Method) -> Method {
    let Method::Other(name) = method else { return method };
    let legal: Bytes = name.iter().copied().filter(|byte| scan::is_token_byte(*byte)).collect();
    Method::parse(&legal).unwrap_or(Method::Other(Bytes::from_static(b"-")))
}

fn escaped(uri: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(uri.len() + 16);
    scan::put_percent_encoded(&mut out, uri, |byte| !matches!(byte, 0..=b' ' | 0x7f));
    out.freeze()
}

/// Builds a response line by line, in the order of the calls; Content-Type and Content-Length come last.
#[derive(Debug)]
pub struct ResponseBuilder {
    code: u16,
    reason: (u32, u32),
    lines: Lines,
}

impl ResponseBuilder {
    /// Begins a response; without a reason it gets the usual one ([`reason_phrase`]). A code outside 100 to 699 is a fault of ours
    /// and becomes the nearest one inside.
    pub fn new(code: u16, reason: Option<&str>) -> ResponseBuilder {
        let code = code.clamp(100, 699);
        let mut lines = Lines::new();
        lines.out.put_slice(b"SIP/2.0 ");
        scan::put_number(&mut lines.out, u64::from(code));
        lines.out.put_u8(b' ');
        let start = lines.out.len();
        lines.out.put_slice(reason.unwrap_or_else(|| reason_phrase(code)).as_bytes());
        make_harmless(&mut lines.out[start..]);
        let reason = (start as u32, lines.out.len() as u32);
        lines.out.put_slice(b"\r\n");
        ResponseBuilder { code, reason, lines }
    }

    /// The finished response.
    pub fn build(self) -> Response {
        Response { code: self.code, reason: self.reason, headers: self.lines.finish() }
    }
}
