//! Features: what a dialplan may do with a call, one file each.
//!
//! [`domain::Action`] names them, [`Feature`] runs them, and `feature` is the one match that joins the two. A feature sees neither
//! SIP nor SDP: it is told what happened to the call and appends verbs; the call carries the verbs out afterwards.

mod dial;
mod echo;
mod hangup;

use std::time::Instant;

use domain::Action;
use media::Playback;

use crate::verdict::Ending;

/// What a feature is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The call has come to this feature.
    Entered,
    /// The caller hears us and nobody else, as [`Verbs::answer`] wanted.
    Answered,
    /// The caller talks to the one whom [`Verbs::dial`] wanted.
    Bridged,
    /// What the feature wanted cannot be had.
    Failed(Ending),
    /// What [`Verbs::play`] wanted has been played to its end.
    PlaybackEnded,
}

/// How it goes on after a step.
#[derive(Clone, Debug, PartialEq)]
pub enum Flow {
    /// The feature waits for the next event.
    Stay,
    /// The feature is through; without a further dialplan row the call ends this way.
    Done(Ending),
}

/// One feature of one call.
pub trait Feature: Send {
    /// Takes one event and says how it goes on.
    fn step(&mut self, now: Instant, event: Event, call: &mut Verbs) -> Flow;
}

/// What a feature wants done, in order.
#[derive(Debug, Default)]
pub struct Verbs {
    wanted: Vec<Verb>,
}

/// One thing a feature wants done.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verb {
    Answer,
    Dial(String),
    Play(Playback),
    Echo,
}

impl Verbs {
    /// Answer the caller; [`Event::Answered`] follows.
    pub fn answer(&mut self) {
        self.wanted.push(Verb::Answer);
    }

    /// Ring all phones of an extension of the caller's tenant; [`Event::Bridged`] or [`Event::Failed`] follows.
    pub fn dial(&mut self, extension: &str) {
        self.wanted.push(Verb::Dial(extension.to_owned()));
    }

    /// Play something to the caller; [`Event::PlaybackEnded`] follows.
    pub fn play(&mut self, source: Playback) {
        self.wanted.push(Verb::Play(source));
    }

    /// Send the caller's own audio back until the call ends.
    pub fn echo(&mut self) {
        self.wanted.push(Verb::Echo);
    }

    pub(crate) fn into_wanted(self) -> Vec<Verb> {
        self.wanted
    }
}

/// The feature that an action of the dialplan names; `dialed` is the number that led to it.
pub(crate) fn feature(action: &Action, dialed: &str) -> Box<dyn Feature> {
    match action {
        Action::Dial(number) => Box::new(dial::Dial::new(number.as_deref().unwrap_or(dialed))),
        Action::Echo => Box::new(echo::Echo::new()),
        Action::Hangup(cause) => Box::new(hangup::Hangup::new(*cause)),
    }
}
