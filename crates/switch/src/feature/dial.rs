//! Dial: ring an extension and connect it with the caller.

use std::time::Instant;

use super::{Event, Feature, Flow, Verbs};

/// The feature behind [`domain::Action::Dial`].
pub(super) struct Dial {
    extension: String,
}

impl Dial {
    pub(super) fn new(extension: &str) -> Self {
        Self { extension: extension.to_owned() }
    }
}

impl Feature for Dial {
    fn step(&mut self, _now: Instant, event: Event, call: &mut Verbs) -> Flow {
        match event {
            Event::Entered => call.dial(&self.extension),
            Event::Failed(ending) => return Flow::Done(ending),
            Event::Answered | Event::Bridged | Event::PlaybackEnded => {}
        }
        Flow::Stay
    }
}
