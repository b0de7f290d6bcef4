//! What a phone is asked for: INVITE, ACK, CANCEL, BYE, and whatever else.

use std::time::Instant;

use rsip::headers::UntypedHeader;
use rsip::message::HeadersExt;
use rsip::{Method, Request};

use super::description::Description;
use super::message;
use super::setup::Reaction;
use super::talk::{Role, Stage};
use super::transaction::Server;
use super::{Phone, reason};

impl Phone {
    /// A request.
    pub(super) fn handle_request(&mut self, now: Instant, request: Request) {
        let Some(branch) = message::branch(&request) else { return };
        if request.method == Method::Ack {
            return self.acknowledged(now, &branch, &request);
        }
        let known =
            self.servers.iter().find(|server| server.branch == branch && server.request.method == request.method);
        if let Some(server) = known {
            if let Some(response) = server.response() {
                self.send(response);
            }
            return;
        }
        let call = self.call_of(&request);
        let to_tag = message::to_tag(&request);
        self.servers.push(Server::new(now, branch.clone(), request.clone(), call));
        let place = self.servers.len() - 1;
        if request.method == Method::Cancel {
            return self.cancelled(now, place, &branch, &request);
        }
        let code = match (request.method, call, to_tag) {
            (Method::Invite, None, None) => return self.rung(now, place, &request),
            (Method::Invite | Method::Bye, Some(call), Some(_)) if self.follows(call, &request) => {
                return if request.method == Method::Bye {
                    self.respond(now, place, 200, None);
                    self.talks[call].end(now, reason(&request));
                } else {
                    self.asked_to_change(now, place, call, &request);
                };
            }
            (Method::Update, Some(call), Some(_)) if self.follows(call, &request) => {
                return self.asked_to_update(now, place, call, &request);
            }
            (Method::PRack, Some(call), Some(_)) if self.follows(call, &request) => {
                return self.pracked(now, place, call, &request);
            }
            (Method::Info | Method::Message, Some(call), Some(_)) if self.follows(call, &request) => {
                return self.told(now, place, call, &request);
            }
            // The subscription of a REFER may outlive the call (RFC 5057 §5.2).
            (Method::Notify, Some(call), Some(_)) => {
                return self.notified(now, place, call, &request);
            }
            (Method::Message, None, None) => return self.lettered(now, place, &request),
            (Method::Invite, Some(_), None) => 482,
            (Method::Invite | Method::Bye | Method::Update | Method::PRack | Method::Info, _, _) => 481,
            (Method::Options, _, _) => {
                self.asked += 1;
                200
            }
            (Method::Notify, None, _) => match self.watched(now, &request) {
                0 => return,
                code => code,
            },
            _ => 405,
        };
        self.respond(now, place, code, None);
    }

    /// Whether a request in a dialog is the other side's next one, in a call that goes on.
    fn follows(&mut self, call: usize, request: &Request) -> bool {
        let Some((number, _)) = message::cseq(request) else { return false };
        let tag = message::from_tag(request);
        let user = self.setup.contact_user();
        if request.uri.user() != Some(&user) {
            self.complain(format!("a request for {}", request.uri));
        }
        let talk = &mut self.talks[call];
        let ours = talk.stage != Stage::Over && (talk.remote_tag == tag);
        if ours && talk.remote_cseq.is_some_and(|before| before >= number) {
            // Overtaken by a later one: RFC 3261 §12.2.2 asks for 500, which 481 here would turn into a lost call.
            self.complain(format!("CSeq {number} came late"));
        }
        let talk = &mut self.talks[call];
        if ours {
            talk.remote_cseq = Some(number);
        }
        ours
    }

    /// Somebody calls.
    fn rung(&mut self, now: Instant, place: usize, request: &Request) {
        let user = self.setup.contact_user();
        if request.uri.user() != Some(&user) {
            self.complain(format!("a call for {}", request.uri));
            return self.respond(now, place, 404, None);
        }
        let (Some(target), Some(theirs)) = (message::contact(request), Description::parse(&request.body)) else {
            self.complain(format!("an INVITE without Contact or description: {request}"));
            return self.respond(now, place, 400, None);
        };
        let value = |header: Result<&str, rsip::Error>| header.unwrap_or_default().to_owned();
        let tag = format!("{:016x}", self.random());
        let local = format!("{};tag={tag}", value(request.to_header().map(|to| to.value())));
        // The tag is the last parameter that the switch writes.
        let remote = value(request.from_header().map(|from| from.value()));
        let remote = remote.split(";tag=").next().unwrap_or_default().to_owned();
        let mut talk = self.talk(now, Role::Callee, message::call_id(request), (local, remote));
        talk.stage = Stage::Ringing;
        talk.target = target;
        talk.remote_tag = message::from_tag(request);
        talk.remote_cseq = message::cseq(request).map(|(number, _)| number);
        talk.invite = message::branch(request).unwrap_or_default();
        talk.version = 1;
        talk.named.extend(message::other(request, "P-Asserted-Identity"));
        let agreed = talk.agree(theirs, &self.setup.laws);
        self.talks.push(talk);
        let call = self.talks.len() - 1;
        self.servers[place].call = Some(call);
        if !agreed {
            return self.refuse(now, call, 488);
        }
        if self.finds_too_small(request) {
            return self.refuse(now, call, 422);
        }
        if self.manner.early_media {
            let sdp = self.answer_to(call);
            self.respond(now, place, 183, Some(sdp));
            if self.manner.speaks {
                self.talks[call].speak_from(now);
            }
        } else if self.manner.rings {
            self.respond(now, place, 180, None);
        }
        self.ring_forks(now, place, call);
        if self.manner.reaction != Reaction::RingsOn {
            self.talks[call].react_at = Some(now + self.manner.after);
        }
    }

    pub(super) fn answer_to(&self, call: usize) -> String {
        let talk = &self.talks[call];
        talk.answer(self.media(talk.port), &self.setup.laws)
    }

    /// Picks up, or refuses, as its manner is.
    pub(super) fn react(&mut self, now: Instant, call: usize) {
        match self.manner.reaction {
            Reaction::Answers => self.pick_up(now, call),
            Reaction::Refuses(code) => self.refuse(now, call, code),
            Reaction::RingsOn => {}
        }
    }

    /// Answers a ringing call.
    pub fn pick_up(&mut self, now: Instant, call: usize) {
        let talks_for = self.manner.talks_for;
        let speaks = self.manner.speaks;
        let Some(place) = self.ringing(call) else { return };
        // RFC 3262 §3: not while a description of the phone is unacknowledged.
        if self.servers[place].rack.is_some() && self.manner.early_media {
            self.talks[call].picks_up = true;
            return;
        }
        let call = self.choose_fork(now, place, call);
        let talk = &mut self.talks[call];
        talk.stage = Stage::Talking;
        talk.answered_at = Some(now);
        talk.code = Some(200);
        talk.unacknowledged = true;
        talk.react_at = None;
        talk.hang_up_at = talks_for.map(|duration| now + duration);
        if speaks {
            talk.speak_from(now);
        }
        let sdp = self.answer_to(call);
        self.respond(now, place, 200, Some(sdp));
        if self.manner.answers_twice {
            self.answer_again(now, place, call);
        }
    }

    /// The 200 of a second end behind the same INVITE (RFC 3261 §13.2.2.4). It becomes a call of its own, which the switch has to
    /// acknowledge and to end.
    fn answer_again(&mut self, now: Instant, place: usize, call: usize) {
        let request = self.servers[place].request.clone();
        let to = request.to_header().map(|to| to.value().to_owned()).unwrap_or_default();
        let local = format!("{to};tag={:016x}", self.random());
        let (call_id, remote) = (self.talks[call].call_id.clone(), self.talks[call].remote.clone());
        let mut talk = self.talk(now, Role::Callee, call_id, (local.clone(), remote));
        talk.stage = Stage::Talking;
        talk.code = Some(200);
        talk.unacknowledged = true;
        talk.target.clone_from(&self.talks[call].target);
        talk.remote_tag.clone_from(&self.talks[call].remote_tag);
        talk.remote_cseq = self.talks[call].remote_cseq;
        self.talks.push(talk);
        let contact = self.setup.contact();
        let sdp = self.answer_to(call);
        let response = message::answer(&request, 200, &local, Some(&contact), Some(sdp));
        self.send(bytes::Bytes::from(response));
    }

    /// Refuses a ringing call.
    pub(super) fn refuse(&mut self, now: Instant, call: usize, code: u16) {
        let Some(place) = self.ringing(call) else { return };
        self.respond(now, place, code, None);
        let talk = &mut self.talks[call];
        talk.code = Some(code);
        talk.left = true;
        talk.end(now, None);
    }

    /// The transaction of a call that rings here.
    fn ringing(&self, call: usize) -> Option<usize> {
        let talk = self.talks.get(call).filter(|talk| talk.stage == Stage::Ringing && talk.role == Role::Callee)?;
        self.servers.iter().position(|server| server.branch == talk.invite && server.request.method == Method::Invite)
    }

    pub(super) fn respond(&mut self, now: Instant, place: usize, code: u16, sdp: Option<String>) {
        let contact = self.setup.contact();
        let server = &self.servers[place];
        let is_invite = server.request.method == Method::Invite;
        let to = match (server.call, message::to_tag(&server.request)) {
            (Some(call), None) => self.talks[call].local.clone(),
            (_, Some(_)) => server.request.to_header().map(|to| to.value().to_owned()).unwrap_or_default(),
            (None, None) => {
                let to = server.request.to_header().map(|to| to.value().to_owned()).unwrap_or_default();
                format!("{to};tag={}", server.branch.trim_start_matches("z9hG4bK"))
            }
        };
        let refreshes = is_invite || server.request.method == Method::Update;
        let (request, call) = (server.request.clone(), server.call);
        let further = self.further(now, place, code, sdp.is_some());
        let mut response = message::answer(&request, code, &to, (refreshes && code < 300).then_some(&contact), sdp);
        response.headers.extend(further);
        if let (Some(call), true, 200..=299) = (call, refreshes, code) {
            let timer = self.takes_timer(now, call, &request);
            response.headers.extend(timer);
        }
        let bytes = bytes::Bytes::from(response.clone());
        self.servers[place].respond(now, code, bytes.clone());
        if let Some(rack) = message::other(&response, "RSeq").filter(|_| code < 200) {
            let number = message::cseq(&request).map_or(0, |(number, _)| number);
            self.servers[place].repeat(now, format!("{rack} {number} INVITE"));
        }
        self.send(bytes);
    }

    /// What an answer says beyond what every answer says.
    fn further(&mut self, _now: Instant, place: usize, code: u16, describes: bool) -> Vec<rsip::Header> {
        let request = self.servers[place].request.clone();
        let mut headers = Vec::new();
        if matches!(request.method, Method::Invite | Method::Update) && code < 300 {
            headers = self.admits();
        }
        if code == 422 {
            let least = self.manner.skills.timer.map_or(90, |skill| skill.min_se_s);
            headers.push(rsip::Header::Other("Min-SE".into(), least.to_string()));
        }
        // One at a time, and only those that matter (RFC 3262 §3).
        let reliable = request.method == Method::Invite && (101..200).contains(&code) && self.is_reliable(&request);
        if reliable && self.servers[place].rack.is_none() && (describes || !self.manner.early_media) {
            headers.push(rsip::Header::Require("100rel".into()));
            headers.push(rsip::Header::Other("RSeq".into(), "4711".into()));
        }
        headers
    }

    fn acknowledged(&mut self, now: Instant, branch: &str, ack: &Request) {
        if let Some(server) =
            self.servers.iter_mut().find(|server| server.branch == branch && server.request.method == Method::Invite)
        {
            server.acknowledged();
            return;
        }
        let Some(call) = self.call_of(ack) else { return };
        let number = message::cseq(ack).map(|(number, _)| number);
        let call_id = self.talks[call].call_id.clone();
        let of_invite = |server: &&mut Server| {
            message::call_id(&server.request) == call_id
                && server.request.method == Method::Invite
                && message::cseq(&server.request).map(|(number, _)| number) == number
        };
        if let Some(server) = self.servers.iter_mut().find(of_invite) {
            server.acknowledged();
        }
        let talk = &mut self.talks[call];
        talk.unacknowledged = false;
        if std::mem::take(&mut talk.wants_out) && talk.stage == Stage::Talking {
            self.bye(now, call);
        }
    }

    fn cancelled(&mut self, now: Instant, place: usize, branch: &str, request: &Request) {
        let invite =
            self.servers.iter().position(|server| server.branch == branch && server.request.method == Method::Invite);
        let Some(invite) = invite else { return self.respond(now, place, 481, None) };
        let call = self.servers[invite].call;
        self.servers[place].call = call;
        self.respond(now, place, 200, None);
        let Some(call) = call.filter(|_| !self.servers[invite].is_final()) else { return };
        if self.manner.crosses_cancel {
            return self.pick_up(now, call);
        }
        self.respond(now, invite, 487, None);
        self.end_forks(now, invite, call);
        let talk = &mut self.talks[call];
        talk.code = Some(487);
        talk.end(now, reason(request));
    }
}
