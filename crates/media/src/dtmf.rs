//! Telephone events (RFC 4733): every key press of a stream is reported once, however many of its packets arrive.
//!
//! A press is one RTP timestamp. It ends with the first packet that has the end bit; when all of those are lost, with
//! the next press or after a gap.

use std::time::Instant;

use crate::limits;

/// Events older than this (in timestamp units, 10 s) are no late packets of the press before but new ones.
const LATE: u32 = 80_000;
/// A press longer than this goes on under a new timestamp (RFC 4733, 2.5.1.3).
const SEGMENT: u32 = 0xffff;

/// The payload of one event packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payload {
    /// Event code; 0–15 are keys.
    pub event: u8,
    /// The press is over.
    pub end: bool,
    /// Length so far, in timestamp units.
    pub duration: u16,
}

impl Payload {
    /// Reads a payload; `None` when it is too short. Redundant copies behind the first are not looked at.
    pub fn parse(payload: &[u8]) -> Option<Payload> {
        let [event, flags, high, low, ..] = *payload else {
            return None;
        };
        Some(Payload { event, end: flags & 0x80 != 0, duration: u16::from_be_bytes([high, low]) })
    }
}

/// The key of an event code.
pub fn key(event: u8) -> Option<char> {
    const KEYS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#', 'A', 'B', 'C', 'D'];
    KEYS.get(usize::from(event)).copied()
}

/// The event code of a key.
pub fn event(key: char) -> Option<u8> {
    (0..16).find(|event| self::key(*event) == Some(key))
}

/// One finished press.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digit {
    /// The key.
    pub key: char,
    /// How long it was held.
    pub duration_ms: u32,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Idle,
    Pressed {
        press: Press,
        give_up_at: Instant,
    },
}

#[derive(Clone, Copy, Debug)]
struct Press {
    event: u8,
    ssrc: u32,
    timestamp: u32,
    /// Length of segments before this one.
    before: u32,
    duration: u16,
}

impl Press {
    fn is(self, event: u8, ssrc: u32, timestamp: u32) -> bool {
        (self.event, self.ssrc, self.timestamp) == (event, ssrc, timestamp)
    }

    fn digit(self) -> Option<Digit> {
        let units = self.before.saturating_add(u32::from(self.duration));
        Some(Digit { key: key(self.event)?, duration_ms: units / 8 })
    }
}

/// Reads the events of one stream.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    state: State,
    /// Source and timestamp of the last finished press: its repeated ends are no new press.
    finished: Option<(u32, u32)>,
}

impl Reader {
    /// Takes one event packet; returns a press that is now known to be over.
    pub fn read(&mut self, now: Instant, ssrc: u32, timestamp: u32, payload: Payload) -> Option<Digit> {
        key(payload.event)?;
        if self.is_old(ssrc, timestamp) {
            return None;
        }
        let (mut press, earlier) = match self.state {
            State::Idle => (None, None),
            State::Pressed { press, .. } if press.is(payload.event, ssrc, timestamp) => (Some(press), None),
            State::Pressed { press, .. } if press.is(payload.event, ssrc, timestamp.wrapping_sub(SEGMENT)) => {
                let before = press.before.saturating_add(SEGMENT);
                let next = Press { timestamp, before, duration: 0, ..press };
                (Some(next), None)
            }
            State::Pressed { press, .. } => {
                // A packet of before the running press is late, and that press was reported already.
                if press.ssrc == ssrc && press.timestamp.wrapping_sub(timestamp) < LATE {
                    return None;
                }
                (None, press.digit())
            }
        };
        let press = press.get_or_insert(Press { event: payload.event, ssrc, timestamp, before: 0, duration: 0 });
        press.duration = press.duration.max(payload.duration);
        if payload.end {
            self.finished = Some((ssrc, timestamp));
            self.state = State::Idle;
            // With an earlier press unfinished and this one already over, the earlier is told now, this one is told by
            // the deadline.
            if earlier.is_some() {
                self.state = State::Pressed { press: *press, give_up_at: now };
                return earlier;
            }
            return press.digit();
        }
        self.state = State::Pressed { press: *press, give_up_at: now + limits::EVENT_GAP };
        earlier
    }

    /// Ends a press whose end never arrived.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Digit> {
        let State::Pressed { press, give_up_at } = self.state else {
            return None;
        };
        if now < give_up_at {
            return None;
        }
        self.finished = Some((press.ssrc, press.timestamp));
        self.state = State::Idle;
        press.digit()
    }

    /// When [`Reader::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Idle => None,
            State::Pressed { give_up_at, .. } => Some(give_up_at),
        }
    }

    fn is_old(&self, ssrc: u32, timestamp: u32) -> bool {
        self.finished.is_some_and(|(source, last)| source == ssrc && last.wrapping_sub(timestamp) < LATE)
    }
}
