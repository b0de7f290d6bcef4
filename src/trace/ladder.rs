//! Ladder: a trace as a drawing for the terminal. Peers and YakYak stand side by side, time runs down.

use std::fmt::Write as _;

use sip::Message as Sip;

use super::message::{Message, Way};

/// Room for the time in front, in characters.
const MARGIN: usize = 11;
/// Least and most distance between two lines of life.
const NARROWEST: usize = 20;
const WIDEST: usize = 46;
const SELF_NAME: &str = "YakYak";

/// One message of a trace and what is known of it.
#[derive(Clone, Debug)]
pub struct Step {
    /// Which leg, counted from 0 in the order in which they began.
    pub leg: usize,
    /// The message.
    pub message: Message,
    /// A copy of what went the same way before.
    pub again: bool,
}

/// The messages of several legs in the order of time, each once.
#[must_use]
pub fn steps(legs: Vec<Vec<Message>>) -> Vec<Step> {
    let mut legs = legs;
    legs.retain(|messages| !messages.is_empty());
    for messages in &mut legs {
        messages.sort_by_key(|message| message.at_us);
        messages.dedup();
    }
    legs.sort_by_key(|messages| messages.first().map(|message| message.at_us));
    let mut steps = Vec::new();
    for (leg, messages) in legs.into_iter().enumerate() {
        for (index, message) in messages.iter().enumerate() {
            let before = messages.get(..index).unwrap_or_default();
            let again = before.iter().any(|earlier| {
                earlier.way == message.way && earlier.flow == message.flow && earlier.bytes == message.bytes
            });
            steps.push(Step { leg, message: message.clone(), again });
        }
    }
    steps.sort_by_key(|step| step.message.at_us);
    steps
}

impl Step {
    /// What stands on the arrow: method or status, what it is about, and the media it describes.
    #[must_use]
    pub fn label(&self) -> String {
        let label = match Sip::parse_datagram(self.message.bytes.clone()) {
            Ok(parsed) => label(&parsed),
            Err(_) => "unreadable".to_owned(),
        };
        // In front, since the end is what a narrow terminal cuts.
        printable(&if self.again { format!("again: {label}") } else { label })
    }

    /// The whole message for people: line ends stay, other controls cannot do anything.
    #[must_use]
    pub fn text(&self) -> String {
        let text = String::from_utf8_lossy(&self.message.bytes);
        text.replace("\r\n", "\n").chars().map(|letter| if letter == '\n' { letter } else { tame(letter) }).collect()
    }

    /// Milliseconds since a time.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "milliseconds within a call")]
    pub fn since_ms(&self, first_us: i64) -> f64 {
        (self.message.at_us - first_us) as f64 / 1_000.0
    }
}

fn label(message: &Sip) -> String {
    let about = |message: &sip::Response| {
        let method = message.cseq().map(|cseq| cseq.method.to_string()).unwrap_or_default();
        if method.is_empty() { method } else { format!(" ({method})") }
    };
    let mut label = match message {
        Sip::Request(request) => {
            let proves = [sip::Name::Authorization, sip::Name::ProxyAuthorization];
            let proven = proves.iter().any(|name| request.headers().contains(name));
            format!("{}{}", request.method(), if proven { " with digest" } else { "" })
        }
        Sip::Response(response) => {
            let reason = String::from_utf8_lossy(response.reason()).into_owned();
            format!("{} {reason}{}", response.code(), about(response))
        }
    };
    if let Some(summary) = media::sdp::summary(&message.body()) {
        let _ = write!(label, " · {summary}");
    }
    label
}

/// A line of life: YakYak's, or that of the far end of a leg.
#[derive(Debug)]
struct Peer {
    leg: usize,
    remote: std::net::SocketAddr,
    name: String,
    address: String,
}

/// Everything in one drawing, at most `width` characters wide where that is possible at all.
#[must_use]
pub fn draw(steps: &[Step], width: usize) -> String {
    let Some(first) = steps.first() else { return String::new() };
    let peers = peers(steps);
    // A quarter before the first line of life and half of a heading behind the last.
    let gap = width.saturating_sub(MARGIN) * 4 / (4 * peers.len() + 3);
    if gap < NARROWEST {
        return list(steps, &peers);
    }
    let canvas = Canvas { gap: gap.min(WIDEST), lines: peers.len() + 1 };
    let mut names = vec![SELF_NAME.to_owned()];
    let mut addresses = vec![first.message.flow.local.to_string()];
    for (index, peer) in peers.iter().enumerate() {
        let place = if index == 0 { 0 } else { names.len() };
        names.insert(place, peer.name.clone());
        addresses.insert(place, peer.address.clone());
    }
    let mut out = String::new();
    let _ = writeln!(out, "{}", canvas.heading("", &names));
    let _ = writeln!(out, "{}", canvas.heading("ms", &addresses));
    for step in steps {
        let index = peers.iter().position(|peer| peer.is_of(step)).unwrap_or(0);
        let theirs = if index == 0 { 0 } else { index + 1 };
        let (from, to) = match step.message.way {
            Way::In => (theirs, 1),
            Way::Out => (1, theirs),
        };
        let time = format!("{:.1}", step.since_ms(first.message.at_us));
        let _ = writeln!(out, "{}", canvas.arrow(&time, from, to, &step.label()));
    }
    out
}

/// For a terminal too narrow: one line per message.
fn list(steps: &[Step], peers: &[Peer]) -> String {
    let first = steps.first().map_or(0, |step| step.message.at_us);
    let mut out = String::new();
    for step in steps {
        let peer = peers.iter().find(|peer| peer.is_of(step));
        let (name, address) = peer.map_or(("", ""), |peer| (peer.name.as_str(), peer.address.as_str()));
        let way = match step.message.way {
            Way::In => "→",
            Way::Out => "←",
        };
        let _ = writeln!(out, "{:>9.1}  {name} {address} {way} {}", step.since_ms(first), step.label());
    }
    out
}

/// The far ends in the order in which they appear. One address that is on two legs stands there twice.
fn peers(steps: &[Step]) -> Vec<Peer> {
    let mut peers: Vec<Peer> = Vec::new();
    for step in steps {
        if !peers.iter().any(|peer| peer.is_of(step)) {
            let flow = step.message.flow;
            let name = name(&step.message).map(|name| printable(&name)).unwrap_or_else(|| "?".to_owned());
            let address = format!("{} {}", flow.remote, flow.transport);
            peers.push(Peer { leg: step.leg, remote: flow.remote, name, address });
        }
    }
    peers
}

impl Peer {
    fn is_of(&self, step: &Step) -> bool {
        self.leg == step.leg && self.remote == step.message.flow.remote
    }
}

/// Who the far end of a message is: the user of From when it asks, that of To when it is asked.
fn name(message: &Message) -> Option<String> {
    let parsed = Sip::parse_datagram(message.bytes.clone()).ok()?;
    let (from, to, asks) = match &parsed {
        Sip::Request(request) => (request.from(), request.to(), message.way == Way::In),
        Sip::Response(response) => (response.from(), response.to(), message.way == Way::Out),
    };
    let party = if asks { from } else { to }.ok()?;
    let user = party.uri.user()?;
    Some(String::from_utf8_lossy(&user).into_owned())
}

/// Where the lines of life stand.
struct Canvas {
    gap: usize,
    lines: usize,
}

impl Canvas {
    fn column(&self, line: usize) -> usize {
        MARGIN + self.gap / 4 + line * self.gap
    }

    /// Words centred over the lines of life.
    fn heading(&self, front: &str, words: &[String]) -> String {
        let mut row = Row::new(front);
        for (line, word) in words.iter().enumerate() {
            let word = cut(word, self.gap.saturating_sub(2));
            let from = self.column(line).saturating_sub(word.chars().count() / 2).max(MARGIN);
            row.put(from, &word);
        }
        row.text()
    }

    /// One message: an arrow between two lines of life, and its label on it.
    fn arrow(&self, time: &str, from: usize, to: usize, label: &str) -> String {
        let mut row = Row::new(time);
        for line in 0..self.lines {
            row.put(self.column(line), "│");
        }
        let (left, right) = (self.column(from.min(to)) + 1, self.column(from.max(to)).saturating_sub(1));
        for place in left..=right {
            row.put(place, "─");
        }
        if from < to {
            row.put(right, "▶")
        } else {
            row.put(left, "◀")
        }
        let room = (right + 1).saturating_sub(left + 2);
        let label = cut(&format!(" {label} "), room);
        let start = left + 1 + room.saturating_sub(label.chars().count()) / 2;
        row.put(start, &label);
        row.text()
    }
}

/// A row of characters with the time in front.
struct Row(Vec<char>);

impl Row {
    fn new(front: &str) -> Self {
        Self(format!("{front:>width$}", width = MARGIN - 2).chars().collect())
    }

    fn put(&mut self, from: usize, text: &str) {
        for (index, letter) in text.chars().enumerate() {
            let place = from + index;
            while self.0.len() <= place {
                self.0.push(' ');
            }
            if let Some(spot) = self.0.get_mut(place) {
                *spot = letter;
            }
        }
    }

    fn text(&self) -> String {
        self.0.iter().collect::<String>().trim_end().to_owned()
    }
}

fn cut(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    text.chars().take(room.saturating_sub(1)).chain(['…']).collect()
}

/// What comes from the network may not steer the terminal.
fn printable(text: &str) -> String {
    text.chars().map(tame).collect()
}

fn tame(letter: char) -> char {
    if letter.is_control() { '\u{fffd}' } else { letter }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use sip::{Flow, Transport};

    use super::*;

    const OFFER: &str = "v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio 4000 RTP/AVP 0 8\r\n";

    fn message(at_us: i64, way: Way, remote: &str, start: &str, call_id: &str, body: &str) -> Message {
        let cseq = if start.starts_with("SIP") { "INVITE" } else { start.split(' ').next().unwrap() };
        let text = format!(
            "{start}\r\nVia: SIP/2.0/UDP 127.0.0.1\r\nFrom: <sip:1001@x>;tag=1\r\nTo: <sip:1002@x>\r\nCall-ID: {call_id}\r\n\
             CSeq: 1 {cseq}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let flow = Flow {
            transport: Transport::Udp,
            local: "127.0.0.1:5060".parse().unwrap(),
            remote: remote.parse().unwrap(),
        };
        Message { at_us: 1_000_000_000 + at_us, way, flow, bytes: Bytes::from(text) }
    }

    fn call() -> Vec<Step> {
        const ALICE: &str = "127.0.0.2:5070";
        const BOB: &str = "127.0.0.3:5080";
        let invite = message(0, Way::In, ALICE, "INVITE sip:1002@x SIP/2.0", "a", OFFER);
        let copy = Message { at_us: invite.at_us + 500_000, ..invite.clone() };
        let a = vec![
            invite,
            message(800, Way::Out, ALICE, "SIP/2.0 100 Trying", "a", ""),
            copy,
            message(900_250, Way::Out, ALICE, "SIP/2.0 486 Busy Here", "a", ""),
        ];
        let b = vec![
            message(1_500, Way::Out, BOB, "INVITE sip:1002@127.0.0.3 SIP/2.0", "b", OFFER),
            message(900_000, Way::In, BOB, "SIP/2.0 486 Busy \u{1b}[2J", "b", ""),
        ];
        steps(vec![b, a])
    }

    #[test]
    fn a_call_as_a_ladder() {
        let expected = [
            "                  1001                               YakYak                               1002",
            "       ms  127.0.0.2:5070 UDP                    127.0.0.1:5060                    127.0.0.3:5080 UDP",
            "      0.0           │─── INVITE · PCMU PCMA sendrecv ──▶│                                   │",
            "      0.8           │◀────── 100 Trying (INVITE) ───────│                                   │",
            "      1.5           │                                   │─── INVITE · PCMU PCMA sendrecv ──▶│",
            "    500.0           │─ again: INVITE · PCMU PCMA sendr…▶│                                   │",
            "    900.0           │                                   │◀──── 486 Busy \u{fffd}[2J (INVITE) ──────│",
            "    900.2           │◀──── 486 Busy Here (INVITE) ──────│                                   │",
        ];
        let drawn = draw(&call(), 110);
        assert_eq!(drawn.lines().collect::<Vec<_>>(), expected, "\n{drawn}");
    }

    #[test]
    fn a_narrow_terminal_gets_a_list() {
        let drawn = draw(&call(), 40);
        let lines: Vec<&str> = drawn.lines().collect();
        assert_eq!(lines.len(), 6);
        assert_eq!(lines[0], "      0.0  1001 127.0.0.2:5070 UDP → INVITE · PCMU PCMA sendrecv");
        assert_eq!(lines[2], "      1.5  1002 127.0.0.3:5080 UDP ← INVITE · PCMU PCMA sendrecv");
        assert_eq!(lines[3], "    500.0  1001 127.0.0.2:5070 UDP → again: INVITE · PCMU PCMA sendrecv");
    }

    #[test]
    fn nothing_drawn_is_wider_than_the_terminal_and_nothing_steers_it() {
        for width in [80, 100, 133, 200] {
            for line in draw(&call(), width).lines() {
                assert!(line.chars().count() <= width, "{width}: {line}");
                assert!(!line.contains('\u{1b}'));
            }
        }
        assert!(!call()[4].text().contains(['\u{1b}', '\r']));
        assert_eq!(draw(&[], 100), "");
    }

    #[test]
    fn pieces_that_overlap_are_shown_once() {
        let one = message(0, Way::In, "127.0.0.2:5070", "OPTIONS sip:x SIP/2.0", "a", "");
        let steps = steps(vec![vec![one.clone(), one.clone()], Vec::new()]);
        assert_eq!(steps.len(), 1);
        assert!(!steps[0].again);
    }
}
