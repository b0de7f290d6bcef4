//! The header section as ranges into the message.

use bytes::{BufMut, Bytes, BytesMut};

use crate::error::Error;
use crate::header::name::{Id, OTHER};
use crate::header::{Header, Name, TokenList};
use crate::{limits, scan};

/// One header line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) name_start: u32,
    pub(crate) name_length: u16,
    pub(crate) id: Id,
    /// The value goes on over further lines and must be unfolded before use.
    pub(crate) folded: bool,
    pub(crate) value_start: u32,
    pub(crate) value_end: u32,
}

/// The header fields of a message in their order, read on demand, and the body behind them.
#[derive(Clone, Debug)]
pub struct Headers {
    pub(crate) bytes: Bytes,
    pub(crate) fields: Vec<Field>,
    pub(crate) body_start: u32,
}

impl Headers {
    /// Every header line in order: its name, and its value without the blanks around it. A folded value comes as one line.
    pub fn iter(&self) -> impl Iterator<Item = (Name, Bytes)> {
        self.fields.iter().map(|field| (Name::from_id(field.id, || self.spelling(field)), self.value(field)))
    }

    /// The value of the first line with this name.
    pub fn get(&self, name: &Name) -> Option<Bytes> {
        self.lines(name.clone()).next().map(|field| self.value(field))
    }

    /// Whether there is a line with this name.
    pub fn contains(&self, name: &Name) -> bool {
        self.lines(name.clone()).next().is_some()
    }

    /// How many lines have this name.
    pub fn count(&self, name: &Name) -> usize {
        self.lines(name.clone()).count()
    }

    /// The values of all lines with this name, one per line, commas and all.
    pub fn all(&self, name: &Name) -> impl Iterator<Item = Bytes> + use<'_> {
        self.lines(name.clone()).map(|field| self.value(field))
    }

    /// All values of a field whose lines may hold several between commas; quotes and angle brackets keep theirs. At most
    /// [`limits::LIST_VALUES`] are read.
    pub fn values(&self, name: &Name) -> impl Iterator<Item = Bytes> + use<'_> {
        self.all(name).flat_map(|line| Elements { line, at: 0 }).take(limits::LIST_VALUES)
    }

    /// The first value of a field, typed.
    pub fn typed<H: Header>(&self) -> Option<Result<H, Error>> {
        let line = self.get(&H::NAME)?;
        let first = if H::LIST { Elements { line: line.clone(), at: 0 }.next() } else { None };
        Some(H::parse(&first.unwrap_or(line)))
    }

    /// Every value of a field, typed, from the first line to the last.
    pub fn typed_all<H: Header>(&self) -> impl Iterator<Item = Result<H, Error>> {
        self.lines(H::NAME)
            .map(|field| self.value(field))
            .flat_map(|line| if H::LIST { Elements { line, at: 0 } } else { Elements::whole(line) })
            .take(limits::LIST_VALUES)
            .map(|value| H::parse(&value))
    }

    /// The first value of a field that must be there.
    pub fn required<H: Header>(&self) -> Result<H, Error> {
        match self.typed::<H>() {
            Some(parsed) => parsed,
            None => Err(Error::Violation { header: H::NAME.label(), why: "is missing" }),
        }
    }

    /// The words of all lines of a field such as Supported, Require or Allow, together.
    pub fn tokens(&self, name: &Name) -> Result<TokenList, Error> {
        let mut list = TokenList::default();
        for line in self.all(name) {
            list.read_line(name.label(), &line)?;
        }
        Ok(list)
    }

    /// How many header lines there are.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there is no header line.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    pub(crate) fn body(&self) -> Bytes {
        self.bytes.slice(self.body_start as usize..)
    }

    fn lines(&self, name: Name) -> impl Iterator<Item = &Field> {
        let id = name.id();
        self.fields.iter().filter(move |field| {
            field.id == id && (id != OTHER || self.name_bytes(field).eq_ignore_ascii_case(name.as_bytes()))
        })
    }

    fn name_bytes(&self, field: &Field) -> &[u8] {
        let start = field.name_start as usize;
        &self.bytes[start..start + usize::from(field.name_length)]
    }

    fn spelling(&self, field: &Field) -> Bytes {
        let start = field.name_start as usize;
        self.bytes.slice(start..start + usize::from(field.name_length))
    }

    fn value(&self, field: &Field) -> Bytes {
        let range = field.value_start as usize..field.value_end as usize;
        if field.folded { unfolded(&self.bytes[range]) } else { self.bytes.slice(range) }
    }
}

/// A value on several lines as one line: each line end with the blanks around it becomes one space (RFC 3261 §7.3.1).
fn unfolded(value: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(value.len());
    let mut lines = value.split(|byte| *byte == b'\n').map(|line| {
        let (start, end) = scan::trimmed(line, 0, line.len());
        &line[start..end]
    });
    out.put_slice(lines.next().unwrap_or_default());
    for line in lines {
        out.put_u8(b' ');
        out.put_slice(line);
    }
    out.freeze()
}

/// The elements of one line. Empty ones are left out (`a,,b`), as lenient readers of HTTP and SIP do.
struct Elements {
    line: Bytes,
    at: usize,
}

impl Elements {
    /// The line as its only element.
    fn whole(line: Bytes) -> Elements {
        Elements { at: usize::MAX, line }
    }
}

impl Iterator for Elements {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if self.at == usize::MAX {
            self.at = self.line.len();
            return Some(self.line.clone());
        }
        while self.at < self.line.len() {
            let end = scan::element_end(&self.line, self.at);
            let value = scan::slice(&self.line, self.at, end);
            self.at = end + 1;
            if !value.is_empty() {
                return Some(value);
            }
        }
        None
    }
}
