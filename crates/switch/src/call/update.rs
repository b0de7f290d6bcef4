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
        let body = request.body();
        // Before the 200 there is no session whose timer could be refreshed (RFC 4028 §7.4).
        if body.is_empty() && !self.caller.is_answered() {
            return cx.respond(server, Reply::new(200).contact(ContactPolicy::Dialog));
        }
        let Some(end) = self.end_of(side) else { return };
        if body.is_empty() {
            end.timer.learn_allow(request.headers());
            let headers = end.timer.accept(cx.now, terms, proposal);
            let reply = Reply::new(200).contact(ContactPolicy::Dialog);
            let reply = headers.into_iter().fold(reply, |reply, (name, value)| reply.header(name, value));
            return cx.respond(server, reply);
        }
        if !changing
            && self.caller.is_answered()
            && let Some(end) = self.end_of(side)
        {
            end.timer.invited(proposal, request.headers());
        }
        let done = match &self.stage {
            _ if changing => Err(491),
            Stage::Bridged(_) => self.pass_on(cx, side, server, &body, Asked::Update),
            Stage::Alone(_) => self.change_alone(cx, server, &body),
            Stage::Ringing(_) if side == Side::Caller && !self.caller.is_answered() => {
                self.change_early(cx, server, &body)
            }
            Stage::Idle | Stage::Opening(_) | Stage::Ringing(_) | Stage::Ending(_) | Stage::Over => Err(491),
        };
        if let Err(code) = done {
            cx.respond(server, Reply::new(code));
        }
    }
}
