//! Key presses that we make for a leg: as telephone events where it knows them, else as tones.
//!
//! Presses wait for each other. While one is on its way the audio of the other leg rests, so that nothing sounds beside it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::playback::{Player, Samples};
use super::rewrite::{Origin, Rewriter};
use crate::dtmf::{EventPacket, Writer};
use crate::limits;
use crate::plan::LegPlan;
use crate::rtp::{HEADER, Rewrite};

const TICK: Duration = Duration::from_millis(20);
/// The least pause between two presses.
const PAUSE: Duration = Duration::from_millis(60);
/// How loud events say that they are, in dB below 0 dBm0.
const VOLUME: u8 = 10;

/// The presses of one leg.
#[derive(Debug, Default)]
pub(super) struct Keys {
    waiting: VecDeque<(char, Duration)>,
    press: Option<Press>,
}

#[derive(Debug)]
enum Press {
    Event(Box<Event>),
    Tones(Box<Player>),
    /// Between two presses.
    Pause {
        until: Instant,
    },
}

#[derive(Debug)]
struct Event {
    writer: Writer,
    next_at: Instant,
    /// When what is to be sent was due.
    due_at: Instant,
    /// What is to be sent now, and how often still.
    packet: Option<EventPacket>,
    begun: bool,
    sequence: u16,
}

impl Keys {
    /// Puts a press behind those that wait; too many, and letters that are no key, are forgotten.
    pub(super) fn press(&mut self, now: Instant, plan: &LegPlan, key: char, duration: Duration) {
        if self.waiting.len() < limits::PRESSES {
            self.waiting.push_back((key, duration.min(limits::EVENT)));
        }
        if self.press.is_none() {
            self.begin(now, plan);
        }
    }

    /// Whether a press is on its way.
    pub(super) fn is_busy(&self) -> bool {
        matches!(self.press, Some(Press::Event(_) | Press::Tones(_)))
    }

    fn begin(&mut self, now: Instant, plan: &LegPlan) {
        self.press = None;
        while let Some((key, duration)) = self.waiting.pop_front() {
            self.press = match plan.dtmf {
                Some(_) => Writer::new(plan.dtmf_clock_hz, key, duration, VOLUME).map(|writer| {
                    Press::Event(Box::new(Event {
                        writer,
                        next_at: now,
                        due_at: now,
                        packet: None,
                        begun: false,
                        sequence: 0,
                    }))
                }),
                None if plan.codec.is_known() => {
                    Samples::key(key, duration).map(|samples| Press::Tones(Box::new(Player::new(now, samples))))
                }
                None => None,
            };
            if self.press.is_some() {
                return;
            }
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        Some(match self.press.as_ref()? {
            Press::Event(event) => event.next_at,
            Press::Tones(player) => player.next_at(),
            Press::Pause { until } => *until,
        })
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, plan: Option<&LegPlan>) {
        let over = match &mut self.press {
            None => return,
            Some(Press::Event(event)) => event.advance(now),
            Some(Press::Tones(player)) => {
                player.advance(now);
                player.is_over()
            }
            Some(Press::Pause { until }) if *until <= now => {
                return match plan {
                    Some(plan) => self.begin(now, plan),
                    None => self.press = None,
                };
            }
            Some(Press::Pause { .. }) => false,
        };
        if over {
            self.press = Some(Press::Pause { until: now + PAUSE });
        }
    }

    /// Writes the next packet that is due.
    pub(super) fn packet(&mut self, stream: &mut Rewriter, plan: &LegPlan, out: &mut [u8]) -> Option<usize> {
        match self.press.as_mut()? {
            Press::Event(event) => event.packet(stream, plan, out),
            Press::Tones(player) => player.packet(stream, plan, out),
            Press::Pause { .. } => None,
        }
    }
}

impl Event {
    /// Whether it is over.
    fn advance(&mut self, now: Instant) -> bool {
        if now < self.next_at {
            return false;
        }
        self.due_at = self.next_at;
        self.next_at += TICK;
        self.packet = self.writer.tick();
        self.packet.is_none()
    }

    fn packet(&mut self, stream: &mut Rewriter, plan: &LegPlan, out: &mut [u8]) -> Option<usize> {
        let payload_type = plan.dtmf?;
        let packet = self.packet.as_mut().filter(|packet| packet.copies > 0)?;
        let (header, payload) = out.split_first_chunk_mut::<HEADER>()?;
        payload.get_mut(..4)?.copy_from_slice(&packet.payload);
        if !self.begun {
            stream.forget_input();
        }
        let (sequence, timestamp) =
            stream.map(self.due_at, plan.clock_hz, Origin::Keys, self.sequence, packet.timestamp_offset);
        let rewrite = Rewrite { payload_type, sequence, timestamp, ssrc: stream.ssrc };
        rewrite.create(header, packet.marker);
        packet.copies -= 1;
        packet.marker = false;
        self.begun = true;
        self.sequence = self.sequence.wrapping_add(1);
        Some(HEADER + 4)
    }
}
