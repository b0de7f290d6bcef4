//! The shard's part in asking phones whether they are there.

use std::time::Instant;

use domain::RegistrationId;
use sip::header::NameAddr;
use sip::{Method, OutgoingRequest, Uri};

use super::{Output, Shard};
use crate::limits;
use crate::qualify::Reach;

impl Shard {
    /// What has changed about the bindings goes to whoever has to know.
    pub(super) fn spread_bindings(&mut self, now: Instant) {
        while let Some(change) = self.registrar.poll_change() {
            self.qualify.observe(now, &change);
            self.offer_messages(now, &change);
            self.outputs.push_back(Output::Registration(change));
        }
    }

    /// Asks the phones whose turn it is.
    pub(super) fn ask_phones(&mut self, now: Instant) {
        while let Some(question) = self.qualify.pop_due(now) {
            let domain = self.admittance.tenant(question.tenant).map(|routes| routes.snapshot().tenant.domain.as_str());
            let from = NameAddr::new(Uri::sip(None, domain.unwrap_or("invalid"), None));
            let outgoing = OutgoingRequest {
                method: Method::Options,
                to: NameAddr::new(question.uri.clone()),
                uri: question.uri,
                flow: question.flow,
                from,
                call_id: None,
                headers: Vec::new(),
                body: None,
                max_forwards: limits::MAX_FORWARDS,
                route: question.route,
            };
            match self.endpoint.request(now, outgoing) {
                Ok(client) => self.qualify.asked(now, question.id, client),
                Err(_) => self.qualify.not_asked(now, question.id),
            }
        }
    }

    /// Whether a phone is there, as far as is known.
    #[must_use]
    pub fn reach(&self, id: RegistrationId) -> Reach {
        self.qualify.reach(id)
    }
}
