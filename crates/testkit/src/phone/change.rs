//! Hold and resume, from here and from the other side (RFC 3261 §14).

use std::time::{Duration, Instant};

use rsip::{Method, Request, Response};

use super::Phone;
use super::description::{Description, Hold};
use super::message;
use super::talk::{Role, Stage};
use super::transaction::Purpose;

impl Phone {
    /// Changes the running call to this kind of hold, or to none.
    pub(super) fn change(&mut self, now: Instant, hold: Option<Hold>) {
        let Some(call) = self.talks.iter().rposition(|talk| talk.stage == Stage::Talking) else { return };
        let talk = &mut self.talks[call];
        talk.hold_before = talk.hold;
        talk.hold = hold;
        self.ask_to_change(now, call);
    }

    /// Sends the re-INVITE, or waits until it may be sent.
    pub(super) fn ask_to_change(&mut self, now: Instant, call: usize) {
        self.talks[call].wants_change = None;
        if self.talks[call].stage != Stage::Talking {
            return;
        }
        if self.talks[call].unacknowledged || self.is_changing(call) {
            self.talks[call].wants_change = Some(now + Duration::from_millis(200));
            return;
        }
        let talk = &mut self.talks[call];
        talk.version += 1;
        let sdp = self.describe(call);
        let method = if self.manner.skills.update { Method::Update } else { Method::Invite };
        if let Some(request) = self.in_talk(call, method, Vec::new(), Some(sdp)) {
            let branch = self.request(now, request, Purpose::Change(call));
            if method == Method::Invite {
                self.talks[call].invite = branch;
            }
        }
    }

    /// Sends a re-INVITE without a description: the other side offers, our ACK answers (RFC 3261 §14.1).
    pub fn ask_for_offer(&mut self, now: Instant) {
        let Some(call) = self.talks.iter().rposition(|talk| talk.stage == Stage::Talking) else { return };
        if let Some(request) = self.in_talk(call, Method::Invite, Vec::new(), None) {
            self.talks[call].invite = self.request(now, request, Purpose::Change(call));
        }
    }

    pub(super) fn is_changing(&self, call: usize) -> bool {
        self.clients.iter().any(|client| client.purpose == Purpose::Change(call) && client.is_open())
    }

    /// What the other side says to a change.
    pub(super) fn changed(&mut self, now: Instant, call: usize, code: u16, answered: Option<(usize, &Response)>) {
        let laws = self.setup.laws.clone();
        let (speaks, acknowledges) = (self.manner.speaks, self.manner.acknowledges);
        self.talks[call].changes.push(code);
        match (code, answered) {
            (200..=299, Some((place, response))) => {
                self.timer_agreed(now, call, response);
                let update = self.clients[place].request.method == Method::Update;
                let offered = self.clients[place].request.body.is_empty();
                if update && offered {
                    return;
                }
                self.note_version(call, &response.body);
                let talk = &mut self.talks[call];
                let goes_on = talk.stage != Stage::Over;
                let agreed = Description::parse(&response.body).is_some_and(|theirs| talk.agree(theirs, &laws));
                if speaks && goes_on {
                    talk.speak_from(now);
                }
                if goes_on && !agreed {
                    self.complain("a change was accepted without a usable description");
                }
                if acknowledges && !update {
                    self.talks[call].version += u64::from(offered);
                    let sdp = offered.then(|| self.answer_to(call));
                    let ack = self.in_talk(call, Method::Ack, Vec::new(), sdp).map(bytes::Bytes::from);
                    self.clients[place].finish(now, ack.clone());
                    if let Some(ack) = ack {
                        self.send(ack);
                    }
                }
            }
            (491, _) => {
                // RFC 3261 §14.1: the one who made the Call-ID waits longer.
                let wait = if self.talks[call].role == Role::Caller { 2_100..4_000 } else { 0..2_000 };
                let wait = self.dice.duration(&(Duration::from_millis(wait.start)..Duration::from_millis(wait.end)));
                if self.talks[call].stage == Stage::Talking {
                    self.talks[call].wants_change = Some(now + wait.max(Duration::from_millis(10)));
                }
            }
            (422, Some((_, response))) if self.accepts_longer(call, response) => {
                self.talks[call].wants_change = Some(now + Duration::from_millis(10));
            }
            (408 | 481, _) => {
                let ended = self.talks[call].stage == Stage::Over;
                if !ended {
                    self.talks[call].left = true;
                    self.bye(now, call);
                }
            }
            _ => {
                let talk = &mut self.talks[call];
                talk.hold = talk.hold_before;
            }
        }
    }

    /// The other side wants a change.
    pub(super) fn asked_to_change(&mut self, now: Instant, place: usize, call: usize, request: &Request) {
        self.servers[place].call = Some(call);
        if self.is_changing(call) {
            return self.respond(now, place, 491, None);
        }
        if self.finds_too_small(request) {
            return self.respond(now, place, 422, None);
        }
        if self.manner.refuses_changes {
            return self.respond(now, place, 488, None);
        }
        let laws = self.setup.laws.clone();
        self.note_version(call, &request.body);
        let talk = &mut self.talks[call];
        talk.timer.refreshed += 1;
        talk.named.extend(message::other(request, "P-Asserted-Identity"));
        let agreed = Description::parse(&request.body).is_some_and(|theirs| talk.agree(theirs, &laws));
        if !agreed {
            return self.respond(now, place, 488, None);
        }
        if let Some(target) = message::contact(request) {
            talk.target = target;
        }
        talk.version += 1;
        let sdp = self.answer_to(call);
        if self.manner.speaks {
            self.talks[call].speak_from(now);
        }
        self.respond(now, place, 200, Some(sdp));
    }
}
