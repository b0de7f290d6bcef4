//! UPDATE (RFC 3311): a change of the session that touches no INVITE, or a sign of life without a change.
//!
//! With a description it goes through to the other side as a re-INVITE does, by UPDATE where that side takes it. Without one it
//! concerns us alone: it refreshes the session timer of its leg (RFC 4028) and where the phone wants to be reached.

use sip::{ContactPolicy, Reply, Request, ServerId};

use super::effect::Context;
use super::session_timer::{Asked, Proposal};
use super::{Call, Side, Stage};

impl Call {
    /// A side sends an UPDATE.
    pub(super) fn update(&mut self, cx: &mut Context<'_>, side: Side, server: ServerId, request: &Request) {
        let terms = cx.settings.session;
        let proposal = match Proposal::of(request.headers(), terms) {
            Ok(proposal) => proposal,
            Err(too_small) => return cx.respond(server, too_small.reply()),
        };
        let changing = self.is_changing();
        let Some(end) = self.end_of(side) else { return cx.respond(server, Reply::new(481)) };
        let body = request.body();
        if body.is_empty() {
            end.timer.learn_allow(request.headers());
            let headers = end.timer.accept(cx.now, terms, proposal);
            let reply = Reply::new(200).contact(ContactPolicy::Dialog);
            let reply = headers.into_iter().fold(reply, |reply, (name, value)| reply.header(name, value));
            return cx.respond(server, reply);
        }
        if !changing {
            end.timer.invited(proposal, request.headers());
        }
        let done = match &self.stage {
            _ if changing => Err(491),
            Stage::Bridged(_) => self.pass_on(cx, side, server, &body, Asked::Update),
            Stage::Alone(_) => self.change_alone(cx, server, &body),
            Stage::Idle | Stage::Opening(_) | Stage::Ringing(_) | Stage::Ending(_) | Stage::Over => Err(491),
        };
        if let Err(code) = done {
            cx.respond(server, Reply::new(code));
        }
    }
}
