//! The one ordered set of deadlines, and what happens when one has come.

use std::collections::BTreeSet;
use std::time::Instant;

use super::Endpoint;
use super::config::{ClientId, DialogId, Event, ServerId};
use crate::flow::Transmit;

/// Whose deadline it is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Timer {
    /// A server transaction.
    Server(ServerId),
    /// A client transaction.
    Client(ClientId),
    /// A 2xx without its ACK.
    Answer(DialogId),
    /// A reliable provisional answer without its PRACK.
    Provisional(DialogId),
    /// A dialog whose session is over.
    Lingering(DialogId),
}

#[derive(Default)]
pub(super) struct Deadlines {
    set: BTreeSet<(Instant, Timer)>,
}

impl Deadlines {
    /// Moves a deadline from where it was to where it is now.
    pub(super) fn set(&mut self, timer: Timer, old: Option<Instant>, new: Option<Instant>) {
        if old == new {
            return;
        }
        self.clear(timer, old);
        if let Some(at) = new {
            self.set.insert((at, timer));
        }
    }

    pub(super) fn clear(&mut self, timer: Timer, old: Option<Instant>) {
        if let Some(at) = old {
            self.set.remove(&(at, timer));
        }
    }

    fn first(&self) -> Option<Instant> {
        self.set.first().map(|(at, _)| *at)
    }

    fn pop_due(&mut self, now: Instant) -> Option<(Instant, Timer)> {
        if self.first()? > now {
            return None;
        }
        self.set.pop_first()
    }
}

impl<I> Endpoint<I> {
    /// When [`Endpoint::handle_timeout`] is wanted next.
    pub fn poll_timeout(&mut self) -> Option<Instant> {
        self.deadlines.first()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((_, timer)) = self.deadlines.pop_due(now) {
            match timer {
                Timer::Server(id) => {
                    if let Some(server) = self.servers.get_mut(id) {
                        server.due = None;
                        server.machine.handle_timeout(now);
                        self.drain_server(id);
                    }
                }
                Timer::Client(id) => self.client_due(now, id),
                Timer::Answer(id) => self.answer_due(now, id),
                Timer::Provisional(id) => self.provisional_due(now, id),
                Timer::Lingering(id) => {
                    if let Some(dialog) = self.dialogs.get_mut(id) {
                        dialog.gone_at = None;
                    }
                    self.drop_dialog(id);
                }
            }
        }
    }

    /// A 2xx is sent again, its interval doubling up to T2, until 64·T1 have passed (RFC 3261 §13.3.1.4). A peer that has not
    /// acknowledged one of several by then is not there.
    fn answer_due(&mut self, now: Instant, id: DialogId) {
        let t2 = self.config.timers.t2;
        let Some(dialog) = self.dialogs.get_mut(id) else { return };
        if dialog.answers.iter().any(|answer| now >= answer.give_up_at) {
            dialog.answers.clear();
            match dialog.held_bye.take() {
                Some(held) => self.send_held_bye(now, id, *held),
                None => self.events.push_back(Event::NoAck { dialog: id }),
            }
            return;
        }
        for answer in dialog.answers.iter_mut().filter(|answer| now >= answer.resend_at) {
            answer.interval = (answer.interval * 2).min(t2);
            answer.resend_at = now + answer.interval;
            self.transmits.push_back(Transmit { flow: answer.flow, bytes: answer.response.clone() });
        }
        let next = dialog.answers_due();
        self.deadlines.set(Timer::Answer(id), None, next);
    }
}
