//! What no honest phone does but tests want: requests of no call, requests in the calls of others, single key presses.

use std::time::Instant;

use rsip::Method;

use super::Phone;
use super::message::Draft;
use super::talk::Stage;
use super::transaction::Purpose;
use crate::network::Datagram;

/// What names a dialog.
#[derive(Clone, Debug)]
pub struct DialogIds {
    /// The phone's own end, with its tag.
    pub from: String,
    /// The other end, with its tag.
    pub to: String,
    /// Call-ID.
    pub call_id: String,
    /// Where requests of the dialog go.
    pub target: String,
    /// The last CSeq of the phone.
    pub cseq: u32,
}

impl Phone {
    /// Presses a key in its running call.
    pub fn press(&mut self, key: char) {
        let shift = self.setup.shift();
        let Some(talk) = self.talks.iter_mut().rev().find(|talk| talk.stage == Stage::Talking) else { return };
        let mut from = self.setup.address;
        from.set_port(talk.port + shift);
        for (to, bytes) in talk.press(key) {
            self.outbox.push_back(Datagram { from, to, bytes });
        }
    }

    /// What names the dialog of its newest call, for those who are not to know it.
    #[must_use]
    pub fn dialog_ids(&self) -> Option<DialogIds> {
        let talk = self.talks.last()?;
        Some(DialogIds {
            from: talk.local.clone(),
            to: format!("{};tag={}", talk.remote, talk.remote_tag.as_ref()?),
            call_id: talk.call_id.clone(),
            target: talk.target.clone(),
            cseq: talk.cseq,
        })
    }

    /// Sends a request in somebody else's dialog and keeps its final status. The From names whoever `from` says, with the tag of
    /// the dialog.
    pub fn intrude(&mut self, now: Instant, ids: &DialogIds, method: Method, from: Option<&str>) {
        let tag = ids.from.rsplit(";tag=").next().unwrap_or_default();
        let from = from.map_or(ids.from.clone(), |from| format!("<{from}>;tag={tag}"));
        let made = Draft {
            method,
            uri: &ids.target,
            via: &self.setup.via(),
            branch: &self.fresh_branch(),
            from: &from,
            to: &ids.to,
            call_id: &ids.call_id,
            cseq: ids.cseq + 1,
            contact: (method == Method::Invite).then_some("<sip:thief@10.66.6.6>"),
            agent: "desk phone",
        }
        .build(Vec::new(), None);
        if let Some(request) = self.built(made) {
            self.request(now, request, Purpose::Probe);
        }
    }

    /// Sends a request that belongs to no call and keeps its final status.
    pub fn probe(&mut self, now: Instant, method: Method, uri: &str) {
        let (tag, call_id) = (self.random(), self.random());
        let made = Draft {
            method,
            uri,
            via: &self.setup.via(),
            branch: &self.fresh_branch(),
            from: &format!("<{}>;tag={tag:016x}", self.setup.record()),
            to: &format!("<{uri}>"),
            call_id: &format!("probe-{call_id:016x}"),
            cseq: 1,
            contact: None,
            agent: "desk phone",
        }
        .build(Vec::new(), None);
        if let Some(request) = self.built(made) {
            self.request(now, request, Purpose::Probe);
        }
    }
}
