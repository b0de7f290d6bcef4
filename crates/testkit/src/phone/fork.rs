//! Several early dialogs behind one phone, as from a proxy that forks (RFC 3261 §12.1, §16.7): each rings under a tag of its own, and
//! one of them takes the call.

use std::time::Instant;

use rsip::headers::UntypedHeader;
use rsip::message::HeadersExt;

use super::Phone;
use super::message;
use super::talk::{Role, Stage};

impl Phone {
    /// Rings from the further ends.
    pub(super) fn ring_forks(&mut self, now: Instant, place: usize, call: usize) {
        for _ in 1..self.manner.skills.early_dialogs {
            let request = self.servers[place].request.clone();
            let to = request.to_header().map(|to| to.value().to_owned()).unwrap_or_default();
            let local = format!("{to};tag={:016x}", self.random());
            let first = &self.talks[call];
            let (call_id, remote) = (first.call_id.clone(), first.remote.clone());
            let mut talk = self.talk(now, Role::Callee, call_id, (local.clone(), remote));
            let first = &self.talks[call];
            talk.stage = Stage::Ringing;
            talk.version = 1;
            talk.law = first.law;
            talk.theirs.clone_from(&first.theirs);
            talk.invite.clone_from(&first.invite);
            talk.target.clone_from(&first.target);
            talk.remote_tag.clone_from(&first.remote_tag);
            talk.remote_cseq = first.remote_cseq;
            self.talks.push(talk);
            let fork = self.talks.len() - 1;
            let early = self.manner.early_media;
            let sdp = early.then(|| self.answer_to(fork));
            let contact = self.setup.contact();
            let code = if early { 183 } else { 180 };
            let response = message::answer(&request, code, &local, Some(&contact), sdp);
            self.send(bytes::Bytes::from(response));
            if early && self.manner.speaks {
                self.talks[fork].speak_from(now);
            }
        }
    }

    /// The end that takes the call: the last one. The others ring no more.
    pub(super) fn choose_fork(&mut self, now: Instant, place: usize, call: usize) -> usize {
        let invite = self.talks[call].invite.clone();
        let rings = |talk: &super::Talk| talk.invite == invite && talk.stage == Stage::Ringing;
        let chosen = self.talks.iter().rposition(rings).unwrap_or(call);
        self.servers[place].call = Some(chosen);
        self.end_forks(now, place, chosen);
        chosen
    }

    /// Ends what rings under the same INVITE, one excepted.
    pub(super) fn end_forks(&mut self, now: Instant, place: usize, except: usize) {
        let invite = self.servers[place].branch.clone();
        for (index, talk) in self.talks.iter_mut().enumerate() {
            if index != except && talk.invite == invite && talk.stage == Stage::Ringing {
                talk.end(now, None);
            }
        }
    }
}
