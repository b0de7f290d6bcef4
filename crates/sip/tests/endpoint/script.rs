//! What peers say: requests and answers as text, a line at a time.

use bytes::Bytes;
use sip::{Message, Request, Response};

/// A message that is being written.
#[derive(Clone, Debug)]
pub(super) struct Script {
    start: String,
    lines: Vec<(String, String)>,
    body: String,
}

impl Script {
    /// A request of Alice to Bob, number 1 of her call, with a branch that is hers alone.
    pub(super) fn request(method: &str) -> Script {
        let lines = [
            ("Via", format!("SIP/2.0/UDP 127.0.0.10:5060;branch=z9hG4bK{method}1")),
            ("From", "<sip:alice@pbx.example>;tag=alice".to_owned()),
            ("To", "<sip:bob@pbx.example>".to_owned()),
            ("Call-ID", "call-1".to_owned()),
            ("CSeq", format!("1 {method}")),
            ("Contact", "<sip:alice@127.0.0.10:5060>".to_owned()),
            ("Max-Forwards", "70".to_owned()),
        ];
        Script {
            start: format!("{method} sip:bob@pbx.example SIP/2.0"),
            lines: lines.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            body: String::new(),
        }
    }

    /// An answer to a request of the endpoint's.
    pub(super) fn answer(request: &Request, code: u16, tag: &str) -> Script {
        let copied = ["Via", "Record-Route", "From", "To", "Call-ID", "CSeq"];
        let mut lines = Vec::new();
        for (name, value) in request.headers().iter() {
            let name = name.to_string();
            if copied.contains(&name.as_str()) {
                lines.push((name, String::from_utf8_lossy(&value).into_owned()));
            }
        }
        let mut script = Script { start: format!("SIP/2.0 {code} Words"), lines, body: String::new() };
        if !tag.is_empty() && request.to().is_ok_and(|to| !to.has_tag()) {
            script = script.tagged(tag);
        }
        script.and("Contact", "<sip:bob@127.0.0.20:5060>")
    }

    pub(super) fn uri(mut self, uri: &str) -> Script {
        let method = self.start.split(' ').next().unwrap_or_default();
        self.start = format!("{method} {uri} SIP/2.0");
        self
    }

    pub(super) fn start(mut self, line: &str) -> Script {
        line.clone_into(&mut self.start);
        self
    }

    /// The same request under another number, with a branch of its own.
    pub(super) fn cseq(self, number: u32) -> Script {
        let method = self.start.split(' ').next().unwrap_or_default().to_owned();
        self.set("CSeq", &format!("{number} {method}")).branch(&format!("z9hG4bK{method}{number}"))
    }

    pub(super) fn branch(self, branch: &str) -> Script {
        self.set("Via", &format!("SIP/2.0/UDP 127.0.0.10:5060;branch={branch}"))
    }

    pub(super) fn tagged(self, tag: &str) -> Script {
        let to = self.lines.iter().find(|(name, _)| name == "To").map(|(_, to)| to.clone()).unwrap_or_default();
        self.set("To", &format!("{to};tag={tag}"))
    }

    /// Replaces a line where it stands.
    pub(super) fn set(mut self, name: &str, value: &str) -> Script {
        match self.lines.iter_mut().find(|(given, _)| given == name) {
            Some((_, old)) => value.clone_into(old),
            None => return self.and(name, value),
        }
        self
    }

    /// Adds a line.
    pub(super) fn and(mut self, name: &str, value: &str) -> Script {
        self.lines.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds a session description, as far as the endpoint looks at one.
    pub(super) fn described(mut self) -> Script {
        "v=0\r\n".clone_into(&mut self.body);
        self.set("Content-Type", "application/sdp")
    }

    pub(super) fn without(mut self, name: &str) -> Script {
        self.lines.retain(|(given, _)| given != name);
        self
    }

    pub(super) fn message(&self) -> Message {
        let lines: String = self.lines.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let text = format!("{}\r\n{lines}Content-Length: {}\r\n\r\n{}", self.start, self.body.len(), self.body);
        Message::parse_datagram(Bytes::from(text)).expect("scripts can be read")
    }
}

pub(super) fn request_of(bytes: &Bytes) -> Request {
    match Message::parse_datagram(bytes.clone()) {
        Ok(Message::Request(request)) => request,
        other => panic!("no request: {other:?}"),
    }
}

pub(super) fn response_of(bytes: &Bytes) -> Response {
    match Message::parse_datagram(bytes.clone()) {
        Ok(Message::Response(response)) => response,
        other => panic!("no response: {other:?}"),
    }
}
