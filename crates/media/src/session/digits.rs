//! Keys that legs press: as telephone events, or as tones in their audio; and how they get to the other leg.
//!
//! | pressed as | the other leg takes | it gets |
//! | --- | --- | --- |
//! | events | events of the same clock, its audio passed on as it is | the same packets |
//! | events | events otherwise | events that we make when the press is over |
//! | events | none | nothing from here: who is told of the press decides |
//! | tones | events | events that we make, and silence instead of the tones |
//! | tones | none, but tones | the audio with the tones in it |
//! | tones | neither | silence instead; who is told of the press decides |

use std::time::{Duration, Instant};

use super::Session;
use super::leg::Role;
use crate::codec::Decoder;
use crate::command::{Fact, Leg};
use crate::dtmf::{self, Detector, Heard, Reader};
use crate::g711;
use crate::plan::Codec;
use crate::rtp::Header;

/// Listens for tones in the audio of one leg.
#[derive(Debug, Default)]
pub(super) struct Tones(Option<Box<Listening>>);

#[derive(Debug)]
struct Listening {
    codec: Codec,
    decoder: Decoder,
    detector: Detector,
    samples: Vec<i16>,
}

impl Listening {
    fn new(codec: Codec) -> Option<Self> {
        let decoder = Decoder::new(codec)?;
        let detector = Detector::new(decoder.rate_hz())?;
        Some(Listening { codec, decoder, detector, samples: Vec::new() })
    }
}

impl Session {
    /// A packet of telephone events came from a leg.
    pub(super) fn read_event(&mut self, now: Instant, leg: Leg, header: &Header, packet: &[u8], clock_hz: u32) {
        let payload = packet.get(header.payload.clone()).and_then(dtmf::Payload::parse);
        let (Some(payload), Some(state)) = (payload, self.legs.get_mut(leg.index())) else { return };
        if state.events.clock_hz() != clock_hz {
            state.events = Reader::new(clock_hz);
        }
        if let Some(digit) = state.events.read(now, header.ssrc, header.timestamp, payload) {
            self.pressed(now, leg, digit);
        }
    }

    /// A press, told in events, is over: whoever did not get the packets themselves gets others.
    pub(super) fn pressed(&mut self, now: Instant, leg: Leg, digit: dtmf::Digit) {
        let takes = self.takes_events(leg);
        if takes && !self.passes_events(leg) {
            self.press_for_other(now, leg, digit);
        }
        self.tell_digit(leg, digit, takes);
    }

    fn press_for_other(&mut self, now: Instant, leg: Leg, digit: dtmf::Digit) {
        if let Some(other) = self.peer(leg) {
            self.press(now, other, digit.key, Duration::from_millis(u64::from(digit.duration_ms)));
        }
    }

    fn tell_digit(&mut self, leg: Leg, digit: dtmf::Digit, passed: bool) {
        let session = self.id;
        self.tell(Fact::Digit { session, leg, digit: digit.key, duration_ms: digit.duration_ms, passed });
    }

    /// Whether the one who hears a leg takes telephone events.
    fn takes_events(&self, leg: Leg) -> bool {
        let other = self.peer(leg).filter(|peer| !self.is_in_room(leg) && !self.is_in_room(*peer));
        let plan = other.and_then(|peer| self.legs.get(peer.index())).and_then(|other| other.plan.as_ref());
        plan.is_some_and(|plan| plan.dtmf.is_some())
    }

    /// Whether the packets of events of a leg reach the other one as they are.
    pub(super) fn passes_events(&self, leg: Leg) -> bool {
        let state = |leg: Leg| self.legs.get(leg.index());
        if state(leg).is_some_and(|own| matches!(own.role, Role::Echo)) {
            return true;
        }
        let plan = |leg: Leg| state(leg).and_then(|state| state.plan.as_ref());
        let (Some(own), Some(other)) = (plan(leg), self.peer(leg).and_then(plan)) else { return false };
        other.dtmf.is_some() && own.dtmf_clock_hz == other.dtmf_clock_hz && own.codec.goes_as(other.codec)
    }

    /// Whether a leg may press keys as tones: it has agreed to no events.
    pub(super) fn detects_tones(&self, leg: Leg) -> bool {
        let plan = self.legs.get(leg.index()).and_then(|state| state.plan.as_ref());
        plan.is_some_and(|plan| plan.dtmf.is_none() && plan.codec.is_known())
    }

    /// Looks for tones in a payload, and takes them out of it where the other leg shall not hear them. Whether the packet may go
    /// on: there are codecs without a payload for silence.
    pub(super) fn listen_for_tones(&mut self, now: Instant, leg: Leg, codec: Codec, payload: &mut [u8]) -> bool {
        let other = self.peer(leg).and_then(|peer| self.legs.get(peer.index()));
        let stay = other.and_then(|other| other.plan.as_ref()).is_none_or(|plan| plan.dtmf.is_none() && plan.tones);
        let Some(state) = self.legs.get_mut(leg.index()) else { return true };
        let listening = &mut state.tones.0;
        if !listening.as_ref().is_some_and(|listening| listening.codec == codec) {
            *listening = Listening::new(codec).map(Box::new);
        }
        let Some(listening) = listening else { return true };
        listening.samples.clear();
        if listening.decoder.decode(payload, &mut listening.samples).is_err() {
            return true;
        }
        let mut ended = None;
        listening.detector.push(&listening.samples);
        while let Some(heard) = listening.detector.poll() {
            if let Heard::Ended(digit) = heard {
                ended = Some(digit);
            }
        }
        let muted = !stay && listening.detector.is_suspected();
        if let Some(ear) = state.ear.as_mut().filter(|_| muted) {
            ear.hush();
        }
        let goes_on = !muted || silence(codec, payload);
        if let Some(digit) = ended {
            let takes = self.takes_events(leg);
            if takes {
                self.press_for_other(now, leg, digit);
            }
            self.tell_digit(leg, digit, takes || stay);
        }
        goes_on
    }
}

/// Fills a payload with silence; `false` for a codec in which there is none to fill it with.
fn silence(codec: Codec, payload: &mut [u8]) -> bool {
    match codec {
        Codec::Pcmu => payload.fill(g711::PCMU_SILENCE),
        Codec::Pcma => payload.fill(g711::PCMA_SILENCE),
        Codec::G722 | Codec::Opus | Codec::Other => return false,
    }
    true
}
