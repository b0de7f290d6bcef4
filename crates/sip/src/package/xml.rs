//! XML, as little of it as event packages need: a writer that escapes, and a small reader with limits.
//!
//! The reader takes UTF-8 alone. It knows elements, attributes, text, CDATA, comments, processing instructions, character references
//! and the five entities that every document has. A document type is refused: with it come entities that grow without end.

use std::fmt::Write;

use bytes::Bytes;

use crate::error::{Error, malformed};
use crate::limits;

/// Writes a document element by element, one to a line and without indentation: with one call in it a NOTIFY still fits into
/// one packet.
pub(super) struct Writer {
    out: String,
    open: Vec<&'static str>,
}

impl Writer {
    pub(super) fn new() -> Self {
        Self { out: String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"), open: Vec::with_capacity(6) }
    }

    /// Begins an element. Attributes come in the order given.
    pub(super) fn open(&mut self, name: &'static str, attributes: &[(&str, &str)]) {
        self.tag(name, attributes);
        self.out.push_str(">\n");
        self.open.push(name);
    }

    /// Ends the element that began last.
    pub(super) fn close(&mut self) {
        if let Some(name) = self.open.pop() {
            let _ = writeln!(self.out, "</{name}>");
        }
    }

    /// An element with nothing in it.
    pub(super) fn empty(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.tag(name, attributes);
        self.out.push_str("/>\n");
    }

    /// An element with text in it.
    pub(super) fn text(&mut self, name: &str, attributes: &[(&str, &str)], text: &str) {
        self.tag(name, attributes);
        self.out.push('>');
        escape(&mut self.out, text);
        let _ = writeln!(self.out, "</{name}>");
    }

    /// The document, every element closed.
    pub(super) fn finish(mut self) -> Bytes {
        while !self.open.is_empty() {
            self.close();
        }
        Bytes::from(self.out)
    }

    fn tag(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.out.push('<');
        self.out.push_str(name);
        for (name, value) in attributes {
            let _ = write!(self.out, " {name}=\"");
            escape(&mut self.out, value);
            self.out.push('"');
        }
    }
}

/// Text that means itself, in an element and in an attribute alike. What no document can hold becomes U+FFFD.
fn escape(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\t' | '\n' | '\r' => {
                let _ = write!(out, "&#{};", u32::from(character));
            }
            character if is_allowed(character) => out.push(character),
            _ => out.push('\u{fffd}'),
        }
    }
}

/// Characters that a document may hold (XML 1.0 §2.2).
fn is_allowed(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// One element of a document that was read.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Element {
    /// Its name without prefix: documents are told apart by their content type, and people get name spaces wrong.
    pub(super) name: String,
    attributes: Vec<(String, String)>,
    /// All text directly in it, blanks at both ends left out.
    pub(super) text: String,
    pub(super) children: Vec<Element>,
}

impl Element {
    /// The children of a name.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The first child of a name.
    pub(super) fn first(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The value of an attribute.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Reads a document.
///
/// # Errors
/// It is no well-formed document, is larger or deeper than we read, or has a document type.
pub(super) fn read(bytes: &[u8]) -> Result<Element, Error> {
    if bytes.len() > limits::XML_BYTES {
        return Err(Error::Violation { header: BODY, why: "the document is too long" });
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
        Err(error) => return malformed(BODY, error.valid_up_to()),
    };
    Reader { text, at: 0, elements: 0 }.document()
}

const BODY: &str = "body";

struct Reader<'a> {
    text: &'a str,
    at: usize,
    elements: usize,
}

impl<'a> Reader<'a> {
    fn document(mut self) -> Result<Element, Error> {
        let mut open: Vec<Element> = Vec::new();
        loop {
            let text = self.until("<")?;
            match open.last_mut() {
                Some(element) => unescape(&mut element.text, text, self.at)?,
                None if text.trim().is_empty() => {}
                None => return self.fault(),
            }
            if self.skip("<?") {
                self.until("?>")?;
                self.skip("?>");
            } else if self.skip("<!--") {
                self.until("-->")?;
                self.skip("-->");
            } else if self.skip("<![CDATA[") {
                let text = self.until("]]>")?;
                self.skip("]]>");
                match open.last_mut() {
                    Some(element) => element.text.push_str(text),
                    None => return self.fault(),
                }
            } else if self.skip("<!") {
                return Err(Error::Violation { header: BODY, why: "a document type" });
            } else if self.skip("</") {
                let name = self.name()?;
                self.blanks();
                if !self.skip(">") {
                    return self.fault();
                }
                let Some(element) = open.pop().filter(|element| element.name == local(name)) else {
                    return self.fault();
                };
                if let Some(root) = self.closed(&mut open, element)? {
                    return Ok(root);
                }
            } else if self.skip("<") {
                let (element, is_empty) = self.element()?;
                if open.len() >= limits::XML_DEPTH {
                    return Err(Error::Violation { header: BODY, why: "elements lie too deep" });
                }
                match is_empty {
                    false => open.push(element),
                    true => {
                        if let Some(root) = self.closed(&mut open, element)? {
                            return Ok(root);
                        }
                    }
                }
            } else {
                return self.fault();
            }
        }
    }

    /// An element has ended: it goes to its parent, or is the document.
    fn closed(&mut self, open: &mut [Element], mut element: Element) -> Result<Option<Element>, Error> {
        element.text = element.text.trim().to_owned();
        match open.last_mut() {
            Some(parent) => {
                parent.children.push(element);
                Ok(None)
            }
            None => Ok(Some(element)),
        }
    }

    /// The rest of a start tag, behind its `<`; whether it is an end tag too.
    fn element(&mut self) -> Result<(Element, bool), Error> {
        self.elements += 1;
        if self.elements > limits::XML_ELEMENTS {
            return Err(Error::Violation { header: BODY, why: "too many elements" });
        }
        let mut element = Element { name: local(self.name()?).to_owned(), ..Element::default() };
        loop {
            self.blanks();
            if self.skip("/>") {
                return Ok((element, true));
            }
            if self.skip(">") {
                return Ok((element, false));
            }
            if element.attributes.len() >= limits::XML_ATTRIBUTES {
                return Err(Error::Violation { header: BODY, why: "too many attributes" });
            }
            let name = self.name()?;
            self.blanks();
            if !self.skip("=") {
                return self.fault();
            }
            self.blanks();
            let quote = match (self.skip("\""), self.skip("'")) {
                (true, _) => "\"",
                (false, true) => "'",
                (false, false) => return self.fault(),
            };
            let mut value = String::new();
            let raw = self.until(quote)?;
            unescape(&mut value, raw, self.at)?;
            self.skip(quote);
            element.attributes.push((local(name).to_owned(), value));
        }
    }

    /// A name, prefix included.
    fn name(&mut self) -> Result<&'a str, Error> {
        let rest = self.rest();
        let ends =
            |character: char| character.is_whitespace() || matches!(character, '<' | '>' | '/' | '=' | '"' | '\'');
        let end = rest.find(ends).unwrap_or(rest.len());
        match rest.get(..end) {
            Some(name) if !name.is_empty() => {
                self.at += end;
                Ok(name)
            }
            _ => self.fault(),
        }
    }

    fn blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    /// What stands before `mark`, which must come.
    fn until(&mut self, mark: &str) -> Result<&'a str, Error> {
        let rest = self.rest();
        match rest.split_once(mark) {
            Some((before, _)) => {
                self.at += before.len();
                Ok(before)
            }
            None => self.fault(),
        }
    }

    /// Passes over `mark`, if it is next.
    fn skip(&mut self, mark: &str) -> bool {
        let is_next = self.rest().starts_with(mark);
        if is_next {
            self.at += mark.len();
        }
        is_next
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn fault<T>(&self) -> Result<T, Error> {
        malformed(BODY, self.at)
    }
}

/// A name without its prefix.
fn local(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}

/// Appends text with its references resolved.
fn unescape(out: &mut String, text: &str, position: usize) -> Result<(), Error> {
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let Some((name, after)) = after.split_once(';') else { return malformed(BODY, position) };
        let number = |digits: &str, base| u32::from_str_radix(digits, base).ok().and_then(char::from_u32);
        let character = match name {
            "amp" => Some('&'),
            "lt" => Some('<'),
            "gt" => Some('>'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            _ => match name.strip_prefix('#') {
                Some(hex) if hex.starts_with('x') => number(hex.get(1..).unwrap_or_default(), 16),
                Some(decimal) => number(decimal, 10),
                None => None,
            },
        };
        match character.filter(|character| is_allowed(*character)) {
            Some(character) => out.push(character),
            None => return malformed(BODY, position),
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> String {
        let mut writer = Writer::new();
        writer.open("a", &[("b", text)]);
        writer.text("c", &[], text);
        writer.empty("d", &[]);
        String::from_utf8(writer.finish().to_vec()).unwrap()
    }

    #[test]
    fn what_is_written_is_read_back() {
        for text in ["plain", "<&>\"'", "a\r\n\tb", "größer 😀", "]]>", "<!--", "&amp;"] {
            let document = written(text);
            let element = read(document.as_bytes()).unwrap();
            assert_eq!((element.name.as_str(), element.attribute("b")), ("a", Some(text)));
            assert_eq!(element.children.iter().map(|child| child.name.as_str()).collect::<Vec<_>>(), ["c", "d"]);
            assert_eq!(element.first("c").unwrap().text, text);
        }
        assert_eq!(
            written("\0\u{b}<"),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<a b=\"\u{fffd}\u{fffd}&lt;\">\n\
             <c>\u{fffd}\u{fffd}&lt;</c>\n<d/>\n</a>\n"
        );
    }

    #[test]
    fn documents_of_all_manners_are_read() {
        let text = "\u{feff}<?xml version='1.0'?><!-- a > b -->\n<p:a xmlns:p='x' q = \"1\" ><b/>one<![CDATA[<two>]]>&#x33;\
                    <p:c\n></p:c ></p:a>trailing";
        let element = read(text.as_bytes()).unwrap();
        assert_eq!((element.name.as_str(), element.text.as_str()), ("a", "one<two>3"));
        assert_eq!((element.attribute("q"), element.attribute("p")), (Some("1"), Some("x")));
        assert_eq!(element.all("c").count(), 1);
    }

    #[test]
    fn what_is_no_document_is_refused() {
        let deep = "<a>".repeat(limits::XML_DEPTH + 1);
        let many = format!("<a>{}</a>", "<b/>".repeat(limits::XML_ELEMENTS));
        let wide = format!("<a{}/>", " b=''".repeat(limits::XML_ATTRIBUTES + 1));
        let long = format!("<a>{}</a>", " ".repeat(limits::XML_BYTES));
        for text in [
            "",
            "a",
            "<",
            "<a",
            "<a>",
            "<a></b>",
            "</a>",
            "<a b></a>",
            "<a b=c/>",
            "<a b='c/>",
            "<a>&b;</a>",
            "<a>&amp</a>",
            "<a>&#0;</a>",
            "<a>&#xd800;</a>",
            "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
            "<![CDATA[a]]>",
            "<a><!-- </a>",
            "<><//>",
            &deep,
            &many,
            &wide,
            &long,
        ] {
            assert!(read(text.as_bytes()).is_err(), "{text}");
        }
        assert!(read(b"<a>\xff</a>").is_err());
    }
}
