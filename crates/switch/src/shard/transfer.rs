//! Transfers that bring two calls together (RFC 3891): a REFER whose target is a call that is there already, and an INVITE that
//! takes the place of a phone in a call.

use std::time::Instant;

use bytes::Bytes;
use sip::header::Replaces;
use sip::{DialogId, Header, Reply, Request, ServerId};

use super::Shard;
use crate::call::place::Party;
use crate::call::transfer;
use crate::call::{CallKey, Setup};

/// The call that the Refer-To of a REFER names, unescaped.
pub(super) fn replaces_of_refer(request: &Request) -> Option<Bytes> {
    transfer::refer_to(request).ok()?.uri.header("Replaces")
}

impl Shard {
    /// The call and the dialog that a Replaces names. It is written by one who sees the dialog from the far end, or, in an INVITE that
    /// was made from a dialog document (RFC 4235), by one who watches that far end.
    fn named(&self, replaces: &Replaces) -> Option<(CallKey, DialogId)> {
        let Replaces { call_id, to_tag, from_tag, .. } = replaces;
        let dialog = self
            .endpoint
            .find_dialog(call_id, to_tag, from_tag)
            .or_else(|| self.endpoint.find_dialog(call_id, from_tag, to_tag))?;
        Some((self.calls.of_dialog(dialog)?, dialog))
    }

    /// An attended transfer. Whoever asks for it has to be in both calls: the other side of the first takes its place in the second.
    pub(super) fn attended(
        &mut self,
        now: Instant,
        key: CallKey,
        dialog: DialogId,
        server: ServerId,
        request: &Request,
        replaces: &Bytes,
    ) {
        self.calls.owe(key, server);
        let named = Replaces::parse(replaces).ok().and_then(|replaces| self.named(&replaces));
        let named = named.filter(|(other, _)| *other != key);
        let verdict = named.map_or(Err(481), |target| self.calls.may_join((key, dialog), target));
        let (other, place) = match (named, verdict) {
            (Some(target), Ok(())) => target,
            (_, Err(491)) => return self.run(now, key, |_, cx| cx.respond(server, Reply::new(491))),
            _ => return self.run(now, key, |call, cx| call.refuse_part(cx, dialog, server, request)),
        };
        let mut party = None;
        self.run(now, key, |call, cx| party = call.part(cx, dialog, server, request));
        if let Some(party) = party {
            self.calls.move_dialog(party.dialog(), key, other);
            self.run(now, other, |call, cx| call.adopt(cx, party, place));
        }
    }

    /// An INVITE that takes somebody's place.
    pub(super) fn replace(&mut self, now: Instant, setup: &Setup<'_>, replaces: &Replaces) {
        let named = self.named(replaces).filter(|(key, _)| self.calls.tenant(*key) == Some(setup.identity.tenant));
        let Some((key, place)) = named else { return self.respond(now, setup.server, Reply::new(481)) };
        if let Err(code) = self.calls.may_replace((key, place), setup.identity, replaces.early_only) {
            return self.respond(now, setup.server, Reply::new(code));
        }
        if !self.calls.own_dialog(key, setup.dialog) {
            return self.respond(now, setup.server, Reply::new(503));
        }
        self.calls.owe(key, setup.server);
        let mut refused = false;
        self.run(now, key, |call, cx| match Party::invited(cx, setup) {
            Ok(party) => call.adopt(cx, party, place),
            Err(code) => {
                refused = true;
                cx.respond(setup.server, Reply::new(code));
            }
        });
        if refused {
            self.calls.disown(key, setup.dialog);
        }
    }
}
