//! Dial: ring an extension and connect it with the caller, or send the call where the extension wants it.
//!
//! ```text
//!            forward always ───────────────────┐
//! Entered ──▶ not to be disturbed ─▶ busy ─────┤
//!            as many calls as it wants ─▶ busy ─┼──▶ the number it has chosen, or else the end
//!            ring ──▶ 486, nobody, no phone ────┤
//!                 └─▶ 3xx from a phone ─────────┘
//! ```
//!
//! | what | is told |
//! |---|---|
//! | the forwards lead in a circle | 482, cause 25 |
//! | more than [`limits::MAX_FORWARDS_PER_CALL`](crate::limits::MAX_FORWARDS_PER_CALL) forwards | 483, cause 25 |
//! | a forward that leads nowhere, or back to the caller | it is as if there were none |

use std::collections::VecDeque;
use std::time::Instant;

use domain::{Action, Extension};

use super::forward::{Chain, Hop, Why};
use super::{Event, Feature, Flow, Verbs};
use crate::routing::Route;
use crate::verdict::Ending;

/// The feature behind [`domain::Action::Dial`].
pub(super) struct Dial {
    /// Whose phones ring.
    extension: String,
    /// How the call came here.
    chain: Chain,
    place: Place,
}

/// Where the call is.
enum Place {
    /// With the extension.
    Here,
    /// With rows of the dialplan, to which the extension has sent it.
    Elsewhere {
        /// What runs now.
        feature: Box<dyn Feature>,
        /// What is tried when it fails.
        rows: VecDeque<Action>,
        /// The number that led there.
        number: String,
    },
}

impl Dial {
    pub(super) fn new(extension: &str, chain: Chain) -> Self {
        Self { extension: extension.to_owned(), chain, place: Place::Here }
    }

    /// The call comes to the extension.
    fn enter(&mut self, now: Instant, call: &mut Verbs<'_>) -> Flow {
        let Some(extension) = call.extension(&self.extension) else { return Flow::Done(Ending::UnknownNumber) };
        if self.chain.holds(extension.id) {
            return Flow::Done(Ending::ForwardLoop);
        }
        if let Some(flow) = self.forward(now, Why::Always, extension, call) {
            return flow;
        }
        let refusal = if extension.do_not_disturb {
            Some(Ending::DoNotDisturb)
        } else if call.is_busy(extension) {
            Some(Ending::Busy)
        } else {
            None
        };
        match refusal {
            Some(ending) => self.failed(now, ending, call),
            None => {
                call.dial(&self.extension, self.chain.clone());
                Flow::Stay
            }
        }
    }

    /// Nobody has taken the call.
    fn failed(&mut self, now: Instant, ending: Ending, call: &mut Verbs<'_>) -> Flow {
        let forwarded = Why::of(ending)
            .zip(call.extension(&self.extension))
            .and_then(|(why, extension)| self.forward(now, why, extension, call));
        forwarded.unwrap_or(Flow::Done(ending))
    }

    /// Sends the call where the extension wants it for this reason; `None` when it wants it nowhere.
    fn forward(&mut self, now: Instant, why: Why, from: &Extension, call: &mut Verbs<'_>) -> Option<Flow> {
        let to = why.number(from)?.to_owned();
        self.send_on(now, why, from, to, call)
    }

    fn send_on(&mut self, now: Instant, why: Why, from: &Extension, to: String, call: &mut Verbs<'_>) -> Option<Flow> {
        let route = call.route(&from.context, &to);
        match &route {
            // Whom everybody is sent to can still reach the one who sends.
            Route::Extension(number) if call.is_caller(number) => return None,
            Route::Unknown => {
                call.note_forward(format!("{} to {to} ({}) leads nowhere", from.number, why.as_str()));
                return None;
            }
            Route::Extension(_) | Route::Actions(_) => {}
        }
        let hop = Hop { from: from.number.clone(), from_id: from.id, to: to.clone(), why };
        if let Err(ending) = self.chain.push(hop.clone()) {
            return Some(Flow::Done(ending));
        }
        call.forwarded(hop);
        Some(match route {
            Route::Extension(number) => {
                self.extension = number;
                self.enter(now, call)
            }
            Route::Actions(steps) => self.elsewhere(now, steps.iter().cloned().collect(), to, call),
            Route::Unknown => Flow::Done(Ending::UnknownNumber),
        })
    }

    /// The call goes on with rows of the dialplan.
    fn elsewhere(&mut self, now: Instant, mut rows: VecDeque<Action>, number: String, call: &mut Verbs<'_>) -> Flow {
        let Some(action) = rows.pop_front() else { return Flow::Done(Ending::UnknownNumber) };
        let feature = super::feature(&action, &number, self.chain.clone());
        self.place = Place::Elsewhere { feature, rows, number };
        self.pass_on(now, Event::Entered, call)
    }

    /// Tells the rows what happened, one after another until one does not fail.
    fn pass_on(&mut self, now: Instant, event: Event, call: &mut Verbs<'_>) -> Flow {
        let Place::Elsewhere { feature, rows, number } = &mut self.place else { return Flow::Stay };
        if matches!(event, Event::Answered | Event::Bridged) {
            rows.clear();
        }
        let mut event = event;
        loop {
            match feature.step(now, event, call) {
                Flow::Stay => return Flow::Stay,
                Flow::Done(ending) => {
                    let Some(action) = rows.pop_front() else { return Flow::Done(ending) };
                    *feature = super::feature(&action, number, self.chain.clone());
                    event = Event::Entered;
                }
            }
        }
    }
}

impl Feature for Dial {
    fn step(&mut self, now: Instant, event: Event, call: &mut Verbs<'_>) -> Flow {
        if matches!(self.place, Place::Elsewhere { .. }) {
            return self.pass_on(now, event, call);
        }
        match event {
            Event::Entered => self.enter(now, call),
            Event::Failed(ending) => self.failed(now, ending, call),
            Event::Redirected { to, code } => {
                let from = call.extension(&self.extension);
                let sent = from.and_then(|from| self.send_on(now, Why::Deflected, from, to, call));
                sent.unwrap_or(Flow::Done(Ending::Refused(code)))
            }
            Event::Answered | Event::Bridged | Event::PlaybackEnded => Flow::Stay,
        }
    }
}
