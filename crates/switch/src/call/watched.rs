//! Watched: the extensions in a call, as the lamps of their colleagues show them (RFC 4235).

use domain::CallLeg;
use sip::header::NameAddr;
use sip::package::{DialogState, Direction};
use sip::{DialogId, Uri};

use super::leg::CallerState;
use super::ringing::Ringing;
use super::{Call, Stage};

/// One extension in a call. What does not stand here changes no lamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Watched<'a> {
    /// Its number.
    pub(crate) number: &'a str,
    /// Who called.
    pub(crate) direction: Direction,
    /// How far it has come.
    pub(crate) state: DialogState,
    /// Whether it has put the other side on hold.
    pub(crate) holds: bool,
    /// Who is at the other end.
    pub(crate) remote: Option<&'a NameAddr>,
    /// What was dialled, when nobody is known to be at the other end.
    pub(crate) dialed: &'a str,
    /// Its dialog with us, once there is one.
    pub(crate) dialog: Option<DialogId>,
}

impl Call {
    /// The extensions in this call. A phone that calls its own extension stands here twice, once in each direction; several
    /// phones of one extension that ring are one.
    pub(crate) fn watched(&self) -> Vec<Watched<'_>> {
        if self.is_ending() {
            return Vec::new();
        }
        let mut watched: Vec<Watched<'_>> = self.watched_caller().into_iter().collect();
        match &self.stage {
            Stage::Ringing(ringing) => self.watch_ringing(ringing, &mut watched),
            Stage::Bridged(bridged) => {
                let callee = &bridged.callee;
                watched.extend(callee.leg.extension_id.map(|_| Watched {
                    number: &callee.number,
                    direction: direction(&callee.leg),
                    state: DialogState::Confirmed,
                    holds: callee.end.negotiation.remote_hold(),
                    remote: Some(&self.caller.shown),
                    dialed: "",
                    dialog: Some(callee.end.dialog),
                }));
            }
            Stage::Idle | Stage::Opening(_) | Stage::Alone(_) | Stage::Ending(_) | Stage::Over => {}
        }
        watched
    }

    fn watched_caller(&self) -> Option<Watched<'_>> {
        let caller = &self.caller;
        caller.leg.extension_id?;
        let (remote, rings) = match &self.stage {
            Stage::Bridged(bridged) => (Some(&bridged.callee.shown), false),
            Stage::Ringing(ringing) => {
                (self.called.as_ref(), ringing.branches().any(|branch| !branch.early.is_empty()))
            }
            Stage::Idle | Stage::Opening(_) | Stage::Alone(_) | Stage::Ending(_) | Stage::Over => {
                (self.called.as_ref(), false)
            }
        };
        let state = match (&caller.state, rings) {
            (CallerState::Gone, _) => return None,
            (CallerState::Answered, _) => DialogState::Confirmed,
            (CallerState::Invited { .. }, true) => DialogState::Early,
            (CallerState::Invited { .. }, false) => DialogState::Trying,
        };
        Some(Watched {
            number: &caller.number,
            direction: direction(&caller.leg),
            state,
            holds: state == DialogState::Confirmed && caller.end.negotiation.remote_hold(),
            remote,
            dialed: self.dialed().unwrap_or_default(),
            dialog: Some(caller.end.dialog),
        })
    }

    fn watch_ringing<'a>(&'a self, ringing: &'a Ringing, watched: &mut Vec<Watched<'a>>) {
        let caller = watched.len();
        for branch in ringing.branches().filter(|branch| branch.leg.extension_id.is_some()) {
            let dialog = branch.early.first().map(|early| early.dialog);
            let state = if dialog.is_some() { DialogState::Early } else { DialogState::Trying };
            let known = watched.iter_mut().skip(caller).find(|known| known.number == branch.target.number);
            match known {
                Some(known) if known.dialog.is_none() => (known.dialog, known.state) = (dialog, state),
                Some(_) => {}
                None => watched.push(Watched {
                    number: &branch.target.number,
                    direction: direction(&branch.leg),
                    state,
                    holds: false,
                    remote: Some(&self.caller.shown),
                    dialed: "",
                    dialog,
                }),
            }
        }
    }

    /// Who is at the other end of a watched extension, as a name and an address.
    pub(crate) fn remote_of(&self, watched: &Watched<'_>) -> NameAddr {
        let dialed = || NameAddr::new(Uri::sip(Some(watched.dialed), &self.caller.domain, None));
        watched.remote.cloned().unwrap_or_else(dialed)
    }
}

/// Who called, whatever has become of the call since.
fn direction(leg: &CallLeg) -> Direction {
    if leg.is_caller { Direction::Initiator } else { Direction::Recipient }
}
