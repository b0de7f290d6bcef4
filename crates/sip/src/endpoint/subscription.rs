//! Subscriptions: dialogs that a SUBSCRIBE makes (RFC 6665 §4.4), or a REFER outside of any dialog (RFC 3515 §2.4.4), and the
//! one that a REFER leaves in the dialog of a session (RFC 5057 §4.1).

use std::time::Instant;

use bytes::Bytes;

use super::Endpoint;
use super::config::{DialogId, Reply, ServerId};
use super::timers::Timer;
use crate::dialog::{Dialog, Stage};
use crate::error::Error;
use crate::header::Name;
use crate::method::Method;

impl<I> Endpoint<I> {
    /// Answers a SUBSCRIBE, or a REFER outside of any dialog, with a 2xx that makes a dialog. NOTIFYs then go by
    /// [`Endpoint::in_dialog`], a refresh comes as [`Event::InDialog`](super::Event::InDialog), and
    /// [`Endpoint::forget`] ends it.
    ///
    /// # Errors
    /// The request waits for no answer or is no such request, the answer is no 2xx, or there are too many dialogs. The
    /// request then still waits for its answer.
    pub fn accept_subscription(&mut self, now: Instant, id: ServerId, reply: Reply) -> Result<DialogId, Error> {
        let misuse = |what| Err(Error::Misuse { what });
        let waiting = self.servers.get(id).and_then(|server| Some((server, server.request.as_ref()?)));
        let Some((server, request)) = waiting else {
            return misuse("an answer to a request that waits for none");
        };
        let subscribes = matches!(request.method(), Method::Subscribe | Method::Refer);
        if !subscribes || server.dialog.is_some() || !(200..300).contains(&reply.code) {
            return misuse("a subscription begins with the 2xx to a request outside of any dialog");
        }
        if self.dialogs.len() >= self.config.max_dialogs {
            return misuse("too many dialogs");
        }
        let dialog = Dialog::of_request(request, server.flow(), &server.tag, self.names.first_cseq())?;
        let dialog = self.dialogs.insert(dialog);
        if let Some(server) = self.servers.get_mut(id) {
            server.dialog = Some(dialog);
        }
        self.respond(now, id, reply)?;
        Ok(dialog)
    }

    /// The session in a dialog is over. The dialog stays for as long as the peer waits to hear what became of its REFER.
    pub(super) fn end_session(&mut self, now: Instant, id: DialogId) {
        self.stop_answering(id);
        match self.dialogs.get_mut(id) {
            Some(dialog) if dialog.referred => {
                let gone_at = now + self.config.timers.t1 * 64;
                dialog.stage = Stage::Lingering;
                let old = dialog.gone_at.replace(gone_at);
                self.deadlines.set(Timer::Lingering(id), old, Some(gone_at));
            }
            _ => self.drop_dialog(id),
        }
    }

    /// The peer has been told what became of its REFER.
    pub(super) fn told(&mut self, id: DialogId) {
        let Some(dialog) = self.dialogs.get_mut(id) else { return };
        dialog.referred = false;
        if dialog.stage == Stage::Lingering {
            self.drop_dialog(id);
        }
    }
}

/// Whether a NOTIFY with these headers says that nothing will follow.
pub(super) fn is_last_news(headers: &[(Name, Bytes)]) -> bool {
    const LAST: &[u8] = b"terminated";
    let state = headers.iter().find(|(name, _)| *name == Name::SubscriptionState);
    state.is_some_and(|(_, value)| value.get(..LAST.len()).is_some_and(|word| word.eq_ignore_ascii_case(LAST)))
}
