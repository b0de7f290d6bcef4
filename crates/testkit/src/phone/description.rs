//! The phone's own session descriptions: as little SDP as a phone can do with.

use std::net::SocketAddr;

use super::audio::Law;

/// Payload type of telephone events (RFC 4733), here and in every description a phone writes.
pub const EVENTS: u8 = 101;

/// How a phone puts the other side on hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// `a=sendonly`: the other side hears music, here the phone's own voice.
    SendOnly,
    /// `a=inactive`: silence both ways.
    Inactive,
    /// `c=IN IP4 0.0.0.0`, as RFC 2543 had it.
    ZeroAddress,
}

/// What one side says about its audio.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Where it wants RTP.
    pub address: SocketAddr,
    /// Whether it sends.
    pub sends: bool,
    /// Whether it listens.
    pub receives: bool,
    /// Its codecs, the preferred one first.
    pub laws: Vec<Law>,
    /// Payload type of its telephone events.
    pub events: Option<u8>,
}

impl Description {
    /// The text, in the given version of the session.
    #[must_use]
    pub fn render(&self, session: u64, version: u64) -> String {
        let family = if self.address.is_ipv4() { "IP4" } else { "IP6" };
        let ip = self.address.ip();
        let types = self.laws.iter().map(|law| law.payload_type()).chain(self.events);
        let types: Vec<String> = types.map(|payload_type| payload_type.to_string()).collect();
        let mut text = format!(
            "v=0\r\no=- {session} {version} IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n\
             m=audio {} RTP/AVP {}\r\n",
            self.address.port(),
            types.join(" ")
        );
        for law in &self.laws {
            text.push_str(&format!("a=rtpmap:{} {}/8000\r\n", law.payload_type(), law.name()));
        }
        if let Some(payload_type) = self.events {
            text.push_str(&format!("a=rtpmap:{payload_type} telephone-event/8000\r\n"));
        }
        let direction = match (self.sends, self.receives) {
            (true, true) => "sendrecv",
            (true, false) => "sendonly",
            (false, true) => "recvonly",
            (false, false) => "inactive",
        };
        text.push_str(&format!("a=ptime:20\r\na={direction}\r\n"));
        text
    }

    /// Reads a description with one audio stream.
    #[must_use]
    pub fn parse(body: &[u8]) -> Option<Description> {
        let text = std::str::from_utf8(body).ok()?;
        let (mut ip, mut port, mut laws) = (None, None, Vec::new());
        let (mut sends, mut receives, mut events) = (true, true, None);
        for line in text.split("\r\n") {
            match line.split_once('=') {
                Some(("c", value)) => ip = value.rsplit(' ').next()?.parse().ok(),
                Some(("m", value)) => {
                    let mut words = value.split(' ');
                    if (words.next(), port.is_some()) != (Some("audio"), false) {
                        return None;
                    }
                    port = words.next()?.parse().ok();
                    laws = words.skip(1).filter_map(|word| Law::of_payload_type(word.parse().ok()?)).collect();
                }
                Some(("a", "sendrecv")) => (sends, receives) = (true, true),
                Some(("a", "sendonly")) => (sends, receives) = (true, false),
                Some(("a", "recvonly")) => (sends, receives) = (false, true),
                Some(("a", "inactive")) => (sends, receives) = (false, false),
                Some(("a", value)) => {
                    let map = value.strip_prefix("rtpmap:").and_then(|map| map.strip_suffix(" telephone-event/8000"));
                    events = map.and_then(|payload_type| payload_type.parse().ok()).or(events);
                }
                _ => {}
            }
        }
        Some(Description { address: SocketAddr::new(ip?, port?), sends, receives, laws, events })
    }
}

#[cfg(test)]
mod tests {
    use super::{Description, Law};

    #[test]
    fn reads_what_it_writes() {
        for (sends, receives) in [(true, true), (true, false), (false, true), (false, false)] {
            let address = "192.0.2.1:4000".parse().unwrap();
            let description = Description { address, sends, receives, laws: vec![Law::A, Law::Mu], events: Some(101) };
            assert_eq!(Description::parse(description.render(1, 2).as_bytes()), Some(description));
        }
        assert_eq!(Description::parse(b"v=0\r\n"), None);
    }
}
