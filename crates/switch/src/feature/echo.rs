//! Echo: answer, beep, and send back what is heard, so that a caller can judge the line alone.

use std::time::Instant;

use media::Playback;

use super::{Event, Feature, Flow, Verbs};

/// The beep that says that the echo begins.
const BEEP: Playback = Playback::Tone { frequency_hz: 1_000, duration_ms: 400 };

/// The feature behind [`domain::Action::Echo`].
pub(super) struct Echo {}

impl Echo {
    pub(super) fn new() -> Self {
        Self {}
    }
}

impl Feature for Echo {
    fn step(&mut self, _now: Instant, event: Event, call: &mut Verbs<'_>) -> Flow {
        match event {
            Event::Entered => call.answer(),
            Event::Answered => call.play(BEEP),
            Event::PlaybackEnded => call.echo(),
            Event::Failed(ending) => return Flow::Done(ending),
            Event::Bridged | Event::Redirected { .. } => {}
        }
        Flow::Stay
    }
}
