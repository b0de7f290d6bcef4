//! A phone on a stream: it finds the messages in it by their length, and comes back on another port when it breaks.

use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use sip::Transport;

use super::Phone;
use super::talk::Stage;

/// How long a phone that has come back waits before it says so in its calls.
const MOMENT: Duration = Duration::from_secs(1);

/// What has come over the stream and is no whole message yet.
#[derive(Debug, Default)]
pub(super) struct Inbound {
    buffer: BytesMut,
}

impl Inbound {
    /// The next message, by the Content-Length that it names; line ends between messages are passed over.
    fn next(&mut self) -> Option<Bytes> {
        while matches!(self.buffer.first(), Some(b'\r' | b'\n')) {
            self.buffer.advance(1);
        }
        let head = self.buffer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
        let text = String::from_utf8_lossy(&self.buffer[..head]).into_owned();
        let length = text.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.trim().eq_ignore_ascii_case("Content-Length").then(|| value.trim().parse::<usize>().ok())?
        });
        let whole = head + length.unwrap_or_default();
        (self.buffer.len() >= whole).then(|| self.buffer.split_to(whole).freeze())
    }
}

impl Phone {
    /// Bytes have come over its connection. A WebSocket carries whole messages.
    pub(super) fn handle_stream(&mut self, now: Instant, bytes: &Bytes) {
        if matches!(self.setup.transport, Transport::Ws | Transport::Wss) {
            return self.handle_message(now, bytes);
        }
        self.inbound.buffer.extend_from_slice(bytes);
        while let Some(message) = self.inbound.next() {
            self.handle_message(now, &message);
        }
    }

    /// Its connection is gone, and with it what was half read or not answered yet. Calls that were not answered are over, the
    /// others go on: their audio travels another way.
    pub fn disconnected(&mut self, now: Instant) {
        self.inbound = Inbound::default();
        self.outbox.clear();
        self.clients.clear();
        self.servers.clear();
        self.was_cut = true;
        for talk in self.talks.iter_mut().filter(|talk| talk.stage != Stage::Talking) {
            talk.end(now, None);
        }
    }

    /// It has opened another connection, registers over it, and a moment later tells the other side of its calls where it is now.
    pub fn reconnect(&mut self, now: Instant) {
        self.setup.address.set_port(self.setup.address.port() + 1);
        self.challenge = None;
        self.register(now, self.setup.expires);
        for talk in self.talks.iter_mut().filter(|talk| talk.stage == Stage::Talking) {
            talk.wants_change = Some(now + MOMENT);
        }
    }

    /// Whether it has ever lost its connection, so that it may have missed something.
    #[must_use]
    pub fn was_cut(&self) -> bool {
        self.was_cut
    }
}
