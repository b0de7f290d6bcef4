//! Reliable provisional answers (RFC 3262), on both ends of a phone.

use std::time::Instant;

use rsip::{Header, Method, Request, Response};

use super::Phone;
use super::description::Description;
use super::message;
use super::skill::{Reliable, names};
use super::transaction::Purpose;

impl Phone {
    /// Acknowledges a provisional answer that wants it. False when it has been seen before.
    pub(super) fn acknowledges_provisional(&mut self, now: Instant, call: usize, response: &Response) -> bool {
        let number = message::other(response, "RSeq").and_then(|number| number.parse::<u32>().ok());
        let (Some(number), true) = (number, names(response, "100rel", true)) else { return true };
        if self.manner.skills.reliable == Reliable::Never {
            self.complain("a reliable provisional answer that nobody asked for");
        }
        let talk = &mut self.talks[call];
        match talk.rseq {
            Some(before) if number <= before => return false,
            Some(before) if number != before + 1 => return false,
            _ => talk.rseq = Some(number),
        }
        if matches!(self.manner.skills.reliable, Reliable::Promised | Reliable::Never) {
            return true;
        }
        let answers = self.answers_offer(call, response);
        let invite = self.talks[call].invite_cseq;
        let rack = Header::Other("RAck".into(), format!("{number} {invite} INVITE"));
        if let Some(request) = self.in_talk(call, Method::PRack, vec![rack], answers) {
            self.request(now, request, Purpose::Prack(call));
        }
        true
    }

    /// The answer to the offer that a provisional answer brings to an INVITE without one.
    fn answers_offer(&mut self, call: usize, response: &Response) -> Option<String> {
        let laws = self.setup.laws.clone();
        let talk = &mut self.talks[call];
        if !talk.offers_late || talk.theirs.is_some() {
            return None;
        }
        let theirs = Description::parse(&response.body)?;
        if !talk.agree(theirs, &laws) {
            self.complain("an offer in a provisional answer that cannot be used");
            return None;
        }
        self.talks[call].version = 1;
        Some(self.answer_to(call))
    }

    /// Whether a provisional answer of the phone to this INVITE is to be reliable.
    pub(super) fn is_reliable(&self, request: &Request) -> bool {
        let offered = names(request, "100rel", false) || names(request, "100rel", true);
        offered && self.manner.skills.reliable != Reliable::Never
    }

    /// The other side has seen a provisional answer of the phone.
    pub(super) fn pracked(&mut self, now: Instant, place: usize, call: usize, request: &Request) {
        self.servers[place].call = Some(call);
        let rack = message::other(request, "RAck").unwrap_or_default();
        let talk = &self.talks[call];
        let invite = self.servers.iter().position(|server| {
            server.branch == talk.invite
                && server.request.method == Method::Invite
                && server.rack.as_deref() == Some(&rack)
        });
        let Some(invite) = invite else { return self.respond(now, place, 481, None) };
        if !self.servers[invite].is_final() {
            self.servers[invite].acknowledged();
        }
        self.servers[invite].rack = None;
        self.talks[call].pracked += 1;
        self.respond(now, place, 200, None);
        if std::mem::take(&mut self.talks[call].picks_up) {
            self.pick_up(now, call);
        }
    }
}
