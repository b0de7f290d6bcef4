//! `"Display" <uri>;params` and its short form `uri;params` (RFC 3261 §20.10, §25.1).

use bytes::{BufMut, Bytes, BytesMut};

use super::Params;
use crate::error::{Error, malformed};
use crate::scan;
use crate::uri::Uri;

/// A URI with a display name before it and parameters behind it, as in From, To, Contact, Route and many more.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NameAddr {
    /// The display name, quotes and backslashes taken away. Any bytes: treat it as data.
    pub display: Option<Bytes>,
    /// The URI.
    pub uri: Uri,
    /// The parameters of the field, not those of the URI.
    pub params: Params,
}

impl NameAddr {
    /// An address with neither display name nor parameters.
    pub fn new(uri: Uri) -> NameAddr {
        NameAddr { display: None, uri, params: Params::default() }
    }

    /// Reads one address.
    pub fn parse(value: &Bytes) -> Result<NameAddr, Error> {
        NameAddr::parse_in("address", value)
    }

    /// Reads one address of the field `header`, which errors then name.
    pub(crate) fn parse_in(header: &'static str, value: &Bytes) -> Result<NameAddr, Error> {
        let (start, end) = scan::trimmed(value, 0, value.len());
        let open = match value.get(start) {
            None => return malformed(header, 0),
            Some(b'"') => match scan::closing_quote(&value[..end], start) {
                Some(close) => return quoted_display(header, value, start, close, end),
                None => return malformed(header, start),
            },
            Some(_) => scan::find(&value[..end], b'<', start),
        };
        let Some(open) = open else {
            return addr_spec(header, value, start, end);
        };
        // RFC 3261 wants tokens here; people write any text. What would make the value ambiguous is refused.
        if let Some(at) = value[start..open].iter().position(|byte| matches!(byte, b',' | b'"' | b';' | b'>')) {
            return malformed(header, start + at);
        }
        let display = scan::slice(value, start, open);
        let display = (!display.is_empty()).then_some(display);
        bracketed(header, value, display, open, end)
    }

    /// The tag, when there is one that is not empty.
    pub fn tag(&self) -> Option<Bytes> {
        self.params.value("tag").filter(|tag| !tag.is_empty())
    }

    /// Whether there is a tag parameter at all, be it empty.
    pub fn has_tag(&self) -> bool {
        self.params.contains("tag")
    }

    /// The same address with this tag.
    #[must_use]
    pub fn with_tag(mut self, tag: &[u8]) -> NameAddr {
        self.params = self.params.with("tag", Some(tag));
        self
    }

    /// The same address without a tag.
    #[must_use]
    pub fn without_tag(mut self) -> NameAddr {
        self.params = self.params.without("tag");
        self
    }

    /// The same address with this display name.
    #[must_use]
    pub fn with_display(mut self, display: &[u8]) -> NameAddr {
        self.display = (!display.is_empty()).then(|| Bytes::copy_from_slice(display));
        self
    }

    /// The same address with one parameter set.
    #[must_use]
    pub fn with_param(mut self, name: &str, value: Option<&[u8]>) -> NameAddr {
        self.params = self.params.with(name, value);
        self
    }

    /// Writes the address, the display name quoted and the URI in brackets.
    pub fn render(&self, out: &mut BytesMut) {
        if let Some(display) = &self.display {
            scan::put_quoted(out, display);
            out.put_u8(b' ');
        }
        out.put_u8(b'<');
        out.put_slice(self.uri.as_bytes());
        out.put_u8(b'>');
        self.params.render(out);
    }

    /// The address as bytes of its own.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(self.uri.as_bytes().len() + 48);
        self.render(&mut out);
        out.freeze()
    }
}

impl From<Uri> for NameAddr {
    fn from(uri: Uri) -> NameAddr {
        NameAddr::new(uri)
    }
}

fn quoted_display(
    header: &'static str,
    value: &Bytes,
    open_quote: usize,
    close_quote: usize,
    end: usize,
) -> Result<NameAddr, Error> {
    let (open, _) = scan::trimmed(value, close_quote + 1, end);
    if value.get(open) != Some(&b'<') {
        return malformed(header, open);
    }
    let display = scan::unescape(value.slice(open_quote + 1..close_quote));
    let display = (!display.is_empty()).then_some(display);
    bracketed(header, value, display, open, end)
}

fn bracketed(
    header: &'static str,
    value: &Bytes,
    display: Option<Bytes>,
    open: usize,
    end: usize,
) -> Result<NameAddr, Error> {
    let Some(close) = scan::find(&value[..end], b'>', open) else {
        return malformed(header, open);
    };
    let uri = uri(header, scan::slice(value, open + 1, close), open + 1)?;
    let params = Params::parse(header, &value.slice(close + 1..end))?;
    Ok(NameAddr { display, uri, params })
}

/// Without brackets everything behind the first semicolon belongs to the field, and the URI may hold neither comma nor question
/// mark (RFC 3261 §20).
fn addr_spec(header: &'static str, value: &Bytes, start: usize, end: usize) -> Result<NameAddr, Error> {
    let split = scan::find(&value[..end], b';', start).unwrap_or(end);
    if let Some(at) = value[start..split].iter().position(|byte| matches!(byte, b'?' | b',')) {
        return malformed(header, start + at);
    }
    let uri = uri(header, scan::slice(value, start, split), start)?;
    let params = Params::parse(header, &value.slice(split..end))?;
    Ok(NameAddr { display: None, uri, params })
}

fn uri(header: &'static str, bytes: Bytes, offset: usize) -> Result<Uri, Error> {
    Uri::take(bytes).map_err(|(error, _)| match error {
        Error::Malformed { position, .. } => Error::Malformed { header, position: offset + position },
        other => other,
    })
}
