//! Hangup: end the call with a cause of the dialplan's choice.

use std::time::Instant;

use super::{Event, Feature, Flow, Verbs};
use crate::verdict::Ending;

/// Q.850 16, normal call clearing: the cause of a row that names none.
const NORMAL_CLEARING: u8 = 16;

/// The feature behind [`domain::Action::Hangup`].
pub(super) struct Hangup {
    cause: u8,
}

impl Hangup {
    pub(super) fn new(cause: Option<u8>) -> Self {
        Self { cause: cause.unwrap_or(NORMAL_CLEARING) }
    }
}

impl Feature for Hangup {
    fn step(&mut self, _now: Instant, _event: Event, _call: &mut Verbs<'_>) -> Flow {
        Flow::Done(Ending::Dialplan(self.cause))
    }
}
