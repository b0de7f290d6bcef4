//! Features: what a dialplan may do with a call, one file each.
//!
//! [`domain::Action`] names them, [`Feature`] runs them, and `feature` is the one match that joins the two. A feature sees neither
//! SIP nor SDP: it is told what happened to the call and appends verbs; the call carries the verbs out afterwards.

mod dial;
mod echo;
pub mod forward;
mod hangup;

use std::time::Instant;

use domain::{Action, Extension, ExtensionId, TenantSnapshot};
use media::Playback;

use crate::call::CallKey;
use crate::routing::{Route, Routes};
use crate::shard::lines::Lines;
use crate::verdict::Ending;
use forward::{Chain, Hop};

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
    /// A phone that [`Verbs::dial`] rang sends the call to a number inside the tenant.
    Redirected {
        /// The number.
        to: String,
        /// The status that said so (3xx).
        code: u16,
    },
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
    fn step(&mut self, now: Instant, event: Event, call: &mut Verbs<'_>) -> Flow;
}

/// What a feature may look at, and what it wants done, in order.
#[derive(Default)]
pub struct Verbs<'a> {
    view: View<'a>,
    wanted: Vec<Verb>,
}

/// What a feature may look at.
#[derive(Clone, Copy, Default)]
pub(crate) struct View<'a> {
    /// What numbers mean to the tenant; absent when it is gone.
    pub(crate) routes: Option<&'a Routes>,
    /// Who calls.
    pub(crate) caller: Option<ExtensionId>,
    /// The calls of each extension, and the one that asks.
    pub(crate) lines: Option<(&'a Lines, CallKey)>,
}

/// One thing a feature wants done.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verb {
    Answer,
    Dial { extension: String, chain: Chain },
    Forwarded(Hop),
    NoteForward(String),
    Play(Playback),
    Echo,
}

impl<'a> Verbs<'a> {
    pub(crate) fn new(view: View<'a>) -> Self {
        Self { view, wanted: Vec::new() }
    }

    /// Answer the caller; [`Event::Answered`] follows.
    pub fn answer(&mut self) {
        self.wanted.push(Verb::Answer);
    }

    /// Ring all phones of an extension of the caller's tenant, to which the call has come along a chain of forwards;
    /// [`Event::Bridged`], [`Event::Redirected`] or [`Event::Failed`] follows.
    pub fn dial(&mut self, extension: &str, chain: Chain) {
        self.wanted.push(Verb::Dial { extension: extension.to_owned(), chain });
    }

    /// Tell the caller and the history that the call is being sent on.
    pub fn forwarded(&mut self, hop: Hop) {
        self.wanted.push(Verb::Forwarded(hop));
    }

    /// Tell the history about a forward that cannot be followed.
    pub fn note_forward(&mut self, what: String) {
        self.wanted.push(Verb::NoteForward(what));
    }

    /// Play something to the caller; [`Event::PlaybackEnded`] follows.
    pub fn play(&mut self, source: Playback) {
        self.wanted.push(Verb::Play(source));
    }

    /// Send the caller's own audio back until the call ends.
    pub fn echo(&mut self) {
        self.wanted.push(Verb::Echo);
    }

    /// An extension of the caller's tenant that is in use.
    #[must_use]
    pub fn extension(&self, number: &str) -> Option<&'a Extension> {
        self.snapshot()?.extensions.get(number).filter(|extension| extension.enabled)
    }

    /// Where a number leads, dialled in a context.
    #[must_use]
    pub fn route(&self, context: &str, number: &str) -> Route {
        self.view.routes.map_or(Route::Unknown, |routes| routes.route(context, number))
    }

    /// Whether the number is the caller's own extension.
    #[must_use]
    pub fn is_caller(&self, number: &str) -> bool {
        let extension = self.extension(number).map(|extension| extension.id);
        extension.is_some() && extension == self.view.caller
    }

    /// Whether an extension has as many calls as it wants, this one not counted.
    #[must_use]
    pub fn is_busy(&self, extension: &Extension) -> bool {
        let waiting = if extension.call_waiting { None } else { Some(1) };
        let most = match (waiting, extension.max_calls) {
            (Some(one), Some(most)) => one.min(most),
            (Some(most), None) | (None, Some(most)) => most,
            (None, None) => return false,
        };
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        self.view.lines.is_some_and(|(lines, own)| lines.others(extension.id, own, most) >= most)
    }

    fn snapshot(&self) -> Option<&'a TenantSnapshot> {
        self.view.routes.map(|routes| &**routes.snapshot())
    }

    pub(crate) fn into_wanted(self) -> Vec<Verb> {
        self.wanted
    }
}

/// The feature that an action of the dialplan names; `dialed` is the number that led to it, `chain` who has sent the call on.
pub(crate) fn feature(action: &Action, dialed: &str, chain: Chain) -> Box<dyn Feature> {
    match action {
        Action::Dial(number) => Box::new(dial::Dial::new(number.as_deref().unwrap_or(dialed), chain)),
        Action::Echo => Box::new(echo::Echo::new()),
        Action::Hangup(cause) => Box::new(hangup::Hangup::new(*cause)),
    }
}
