//! What a phone asks for: REGISTER, INVITE, CANCEL, BYE; and what becomes of it.

use std::time::{Duration, Instant};

use rsip::message::HeadersExt;
use rsip::{Header, Method, Request, Response};

use super::audio::{Ear, Law};
use super::description::Description;
use super::message::{self, Challenge, Draft};
use super::session::TalkTimer;
use super::subscribe::kept;
use super::talk::{Role, Stage, Talk};
use super::transaction::{Client, Purpose};
use super::{Phone, reason_of};

/// Challenges that are answered for one request.
const MOST_ATTEMPTS: u8 = 2;

/// Challenges that are answered when they say that the credentials were right.
const MOST_STALE: u8 = 4;

impl Phone {
    /// Sends a REGISTER; zero seconds end the binding.
    pub fn register(&mut self, now: Instant, expires: u32) {
        let contact = format!("{};expires={expires}", self.setup.contact());
        self.registration.cseq += 1;
        let request = self.draft_register(Some(&contact));
        if let Some(request) = request {
            self.request(now, request, Purpose::Register);
        }
    }

    /// Asks which bindings there are.
    pub fn query_bindings(&mut self, now: Instant) {
        self.registration.cseq += 1;
        if let Some(request) = self.draft_register(None) {
            self.request(now, request, Purpose::Register);
        }
    }

    fn draft_register(&mut self, contact: Option<&str>) -> Option<Request> {
        let tag = format!("{:08x}", self.random() >> 32);
        let made = Draft {
            method: Method::Register,
            uri: &format!("sip:{}", self.setup.domain),
            via: &self.setup.via(),
            branch: &self.fresh_branch(),
            from: &format!("<{}>;tag={tag}", self.setup.record()),
            to: &format!("<{}>", self.setup.record()),
            call_id: &self.registration.call_id,
            cseq: self.registration.cseq,
            contact,
            agent: "desk phone",
        }
        .build(Vec::new(), None);
        self.built(made)
    }

    /// Calls a number; returns the place of the call.
    pub fn dial(&mut self, now: Instant, number: &str) -> usize {
        self.dial_with(now, number, Vec::new())
    }

    pub(super) fn dial_with(&mut self, now: Instant, number: &str, further: Vec<Header>) -> usize {
        let local = format!("<{}>;tag={:016x}", self.setup.record(), self.random());
        let remote = format!("<sip:{number}@{}>", self.setup.domain);
        let call_id = format!("{:016x}@{}", self.random(), self.setup.claims);
        let talk = self.talk(now, Role::Caller, call_id, (local, remote));
        self.talks.push(talk);
        let call = self.talks.len() - 1;
        self.talks[call].target = format!("sip:{number}@{}", self.setup.domain);
        let late = self.manner.skills.late_offer;
        self.talks[call].version = u64::from(!late);
        self.talks[call].offers_late = late;
        let sdp = (!late).then(|| self.describe(call));
        if let Some(request) = self.in_talk(call, Method::Invite, further, sdp) {
            self.talks[call].invite = self.request(now, request, Purpose::Invite(call));
        }
        call
    }

    pub(super) fn talk(&mut self, now: Instant, role: Role, call_id: String, ends: (String, String)) -> Talk {
        let (local, remote) = ends;
        Talk {
            call_id,
            role,
            stage: Stage::Calling,
            code: None,
            reason: None,
            began_at: now,
            answered_at: None,
            over_at: None,
            left: false,
            ear: Ear::default(),
            keys: String::new(),
            changes: Vec::new(),
            told: Vec::new(),
            said: Vec::new(),
            news: Vec::new(),
            replaces: false,
            progress: Vec::new(),
            pracked: 0,
            pracks: Vec::new(),
            named: Vec::new(),
            versions: Vec::new(),
            timer: TalkTimer::default(),
            admitted: false,
            local,
            remote,
            remote_tag: None,
            target: String::new(),
            cseq: 0,
            invite_cseq: 0,
            rseq: None,
            offers_late: false,
            picks_up: false,
            remote_cseq: None,
            session: self.random() >> 2,
            version: 0,
            port: self.fresh_port(),
            hold: None,
            hold_before: None,
            theirs: None,
            law: Law::Mu,
            wants_out: false,
            wants_change: None,
            react_at: None,
            hang_up_at: None,
            speak_at: None,
            invite: String::new(),
            unacknowledged: false,
            sequence: u16::try_from(self.random() >> 48).unwrap_or_default(),
            timestamp: u32::try_from(self.random() >> 32).unwrap_or_default(),
            ssrc: u32::try_from(self.random() >> 32).unwrap_or_default(),
            last_key: None,
        }
    }

    /// The description this phone offers in a call.
    pub(super) fn describe(&self, call: usize) -> String {
        let talk = &self.talks[call];
        talk.description(self.media(talk.port), &self.setup.laws)
    }

    /// A request of a call.
    pub(super) fn in_talk(
        &mut self,
        call: usize,
        method: Method,
        mut further: Vec<Header>,
        sdp: Option<String>,
    ) -> Option<Request> {
        let refreshes = matches!(method, Method::Invite | Method::Update);
        if refreshes {
            further.extend(self.boasts(call, method));
        }
        let (branch, via, contact) = (self.fresh_branch(), self.setup.via(), self.setup.contact());
        let talk = &mut self.talks[call];
        if method != Method::Ack {
            talk.cseq += 1;
        }
        if method == Method::Invite {
            talk.invite_cseq = talk.cseq;
        }
        let to = match &talk.remote_tag {
            Some(tag) => format!("{};tag={tag}", talk.remote),
            None => talk.remote.clone(),
        };
        let made = Draft {
            method,
            uri: &talk.target,
            via: &via,
            branch: &branch,
            from: &talk.local,
            to: &to,
            call_id: &talk.call_id,
            cseq: if method == Method::Ack { talk.invite_cseq } else { talk.cseq },
            contact: refreshes.then_some(&contact),
            agent: "desk phone",
        }
        .build(further, sdp);
        self.built(made)
    }

    /// Sends a request, with credentials when there is a challenge to answer; returns its branch.
    pub(super) fn request(&mut self, now: Instant, request: Request, purpose: Purpose) -> String {
        self.request_again(now, request, purpose, 0)
    }

    fn request_again(&mut self, now: Instant, mut request: Request, purpose: Purpose, attempts: u8) -> String {
        let cnonce = format!("{:08x}", self.random() >> 32);
        let is_answerable = !matches!(request.method, Method::Cancel | Method::Ack);
        if let Some(challenge) = self.challenge.as_mut().filter(|challenge| is_answerable && challenge.is_fresh()) {
            let login = (self.setup.extension.as_str(), self.setup.password.as_str());
            request.headers.push(challenge.respond(request.method, &request.uri, login, &cnonce));
        }
        let branch = message::branch(&request).unwrap_or_default();
        let reliable = self.setup.transport.is_reliable();
        let client = Client::new(now, branch.clone(), request, purpose, attempts, reliable);
        self.send(client.bytes());
        self.clients.push(client);
        branch
    }

    /// Leaves a call: CANCEL, BYE or a refusal, whichever its stage asks for.
    pub fn hang_up(&mut self, now: Instant, call: usize) {
        let Some(talk) = self.talks.get_mut(call).filter(|talk| talk.stage != Stage::Over) else { return };
        talk.left = true;
        match (talk.role, talk.stage) {
            (Role::Caller, Stage::Calling | Stage::Ringing) => {
                talk.wants_out = true;
                self.cancel(now, call);
            }
            (Role::Callee, Stage::Calling | Stage::Ringing) => self.refuse(now, call, 603),
            // A callee waits for the ACK of its 200 (RFC 3261 §15).
            (_, Stage::Talking) if talk.unacknowledged => talk.wants_out = true,
            (_, Stage::Talking) => self.bye(now, call),
            (_, Stage::Over) => {}
        }
    }

    /// Sends the CANCEL of a call once it may be sent.
    pub(super) fn cancel(&mut self, now: Instant, call: usize) {
        let talk = &mut self.talks[call];
        let open = self.clients.iter().find(|client| client.branch == talk.invite && client.is_proceeding());
        if let Some(client) = open
            && talk.wants_out
        {
            talk.wants_out = false;
            let made = message::cancel(&client.request);
            if let Some(request) = self.built(made) {
                self.request(now, request, Purpose::Cancel);
            }
        }
    }

    pub(super) fn bye(&mut self, now: Instant, call: usize) {
        if let Some(request) = self.in_talk(call, Method::Bye, Vec::new(), None) {
            self.talks[call].end(now, None);
            self.request(now, request, Purpose::Bye(call));
        }
    }

    /// An answer.
    pub(super) fn handle_response(&mut self, now: Instant, response: &Response) {
        let (Some(branch), Some((_, method))) = (message::branch(response), message::cseq(response)) else { return };
        let found = self.clients.iter().position(|client| client.branch == branch && client.request.method == method);
        let Some(place) = found else {
            // Forgotten by now: late repetitions are no fault.
            return;
        };
        let code = response.status_code.code();
        let client = &mut self.clients[place];
        if !client.is_open() {
            if let Some(ack) = client.ack().filter(|_| code >= 200) {
                self.send(ack);
            }
            return;
        }
        let (request, purpose) = (client.request.clone(), client.purpose);
        if code < 200 {
            client.proceed(now);
            if let Purpose::Invite(call) = purpose {
                self.provisional(now, call, response);
            }
            return;
        }
        let mut ack = None;
        if method == Method::Invite && code >= 300 {
            let made = message::acknowledge(&request, response);
            ack = self.built(made).map(bytes::Bytes::from);
            if let Some(ack) = ack.clone() {
                self.send(ack);
            }
        }
        self.clients[place].finish(now, ack);
        if matches!(code, 401 | 407) && self.answer_challenge(now, place, response) {
            return;
        }
        self.concluded(now, purpose, code, Some((place, response)));
    }

    /// Sends a refused request again, with credentials; false when that is no use.
    fn answer_challenge(&mut self, now: Instant, place: usize, response: &Response) -> bool {
        let Client { request, purpose, attempts, .. } = &self.clients[place];
        let (request, purpose, attempts) = (request.clone(), *purpose, *attempts);
        let Some(challenge) = Challenge::of(response) else { return false };
        self.challenge = None;
        // The first credentials may hang on a nonce kept from an earlier request; those after a challenge may not.
        let most = if challenge.is_stale() { MOST_STALE } else { MOST_ATTEMPTS };
        if attempts >= most || self.is_waived(purpose) {
            return false;
        }
        self.challenge = Some(challenge);
        let mut again = request.clone();
        again.headers.retain(|header| {
            !matches!(
                header,
                Header::Authorization(_) | Header::ProxyAuthorization(_) | Header::Via(_) | Header::CSeq(_)
            )
        });
        let cseq = match purpose {
            Purpose::Register => {
                self.registration.cseq += 1;
                self.registration.cseq
            }
            Purpose::Invite(call)
            | Purpose::Change(call)
            | Purpose::Bye(call)
            | Purpose::Prack(call)
            | Purpose::Say(call) => {
                self.talks[call].cseq += 1;
                self.talks[call].cseq
            }
            Purpose::Subscribe(watch) => self.next_watch_cseq(watch),
            Purpose::Cancel | Purpose::Probe | Purpose::Ask => {
                message::cseq(&request).map_or(2, |(number, _)| number + 1)
            }
        };
        let (branch, via) = (self.fresh_branch(), self.setup.via());
        again.headers.push(Header::Via(format!("SIP/2.0/{via};branch={branch};rport").into()));
        again.headers.push(Header::CSeq(rsip::typed::CSeq { seq: cseq, method: request.method }.into()));
        let branch = self.request_again(now, again, purpose, attempts + 1);
        if let (Purpose::Invite(call) | Purpose::Change(call), Method::Invite) = (purpose, request.method) {
            self.talks[call].invite = branch;
            self.talks[call].invite_cseq = cseq;
        }
        true
    }

    /// Whether a challenged INVITE is one that is not wanted any more.
    fn is_waived(&mut self, purpose: Purpose) -> bool {
        matches!(purpose, Purpose::Invite(call) if self.talks[call].wants_out)
    }

    /// 100 and its kin.
    fn provisional(&mut self, now: Instant, call: usize, response: &Response) {
        let code = response.status_code.code();
        let laws = self.setup.laws.clone();
        let speaks = self.manner.speaks;
        self.talks[call].admitted = true;
        if code > 100 {
            // The early dialog (RFC 3261 §12.1.2).
            self.talks[call].remote_tag = message::to_tag(response);
            self.talks[call].target = message::contact(response).unwrap_or_default();
            if self.talks[call].target.is_empty() {
                self.complain("a provisional answer without Contact");
            }
            if !self.acknowledges_provisional(now, call, response) {
                return;
            }
            self.talks[call].progress.push(code);
            self.talks[call].named.extend(message::other(response, "P-Asserted-Identity"));
        }
        let talk = &mut self.talks[call];
        if code > 100 && talk.stage == Stage::Calling {
            talk.stage = Stage::Ringing;
        }
        if let Some(theirs) = Description::parse(&response.body).filter(|_| code > 100)
            && talk.agree(theirs, &laws)
            && speaks
        {
            talk.speak_from(now);
        }
        if talk.wants_out {
            self.cancel(now, call);
        }
    }

    /// The end of a request: a final answer, or none.
    pub(super) fn concluded(
        &mut self,
        now: Instant,
        purpose: Purpose,
        code: u16,
        answered: Option<(usize, &Response)>,
    ) {
        match purpose {
            Purpose::Register => self.registered(now, code, answered.map(|(_, response)| response)),
            Purpose::Invite(call) => self.invited(now, call, code, answered),
            Purpose::Change(call) => self.changed(now, call, code, answered),
            Purpose::Say(call) => self.talks[call].said.push(code),
            Purpose::Prack(call) => self.talks[call].pracks.push(code),
            Purpose::Probe => self.probes.push(code),
            Purpose::Subscribe(watch) => self.subscribed(watch, code, answered.map(|(_, response)| response)),
            Purpose::Ask => self.answers.extend(answered.map(|(_, response)| kept(response))),
            Purpose::Bye(_) | Purpose::Cancel => {}
        }
    }

    fn registered(&mut self, now: Instant, code: u16, response: Option<&Response>) {
        self.registration.code = Some(code);
        let Some(response) = response.filter(|_| code == 200) else { return };
        let user = format!("{}@{}", self.setup.contact_user(), self.setup.sent_by());
        let contacts: Vec<String> = response.contact_headers().iter().map(|contact| contact.to_string()).collect();
        // rsip reads one Contact of a line; the text serves for several.
        let text = contacts.join(",");
        self.registration.listed = text.matches("<sip").count();
        let own = text.split(",").find(|contact| contact.contains(&user));
        let seconds = own
            .and_then(|contact| contact.split("expires=").nth(1))
            .and_then(|rest| rest.split(|character: char| !character.is_ascii_digit()).next()?.parse().ok());
        self.registration.until = seconds.map(|seconds| now + Duration::from_secs(seconds));
        let refresh = seconds.filter(|_| self.setup.refreshes).map(|seconds| Duration::from_secs(seconds) * 4 / 5);
        self.registration.refresh_at = refresh.map(|wait| now + wait);
    }

    /// The final answer to the INVITE of a call.
    fn invited(&mut self, now: Instant, call: usize, code: u16, answered: Option<(usize, &Response)>) {
        let laws = self.setup.laws.clone();
        let (speaks, acknowledges, talks_for) = (self.manner.speaks, self.manner.acknowledges, self.manner.talks_for);
        if code == 422
            && let Some((_, response)) = answered
            && self.accepts_longer(call, response)
        {
            // RFC 4028 §7.3: the same call once more.
            let sdp = (!self.talks[call].offers_late).then(|| self.describe(call));
            self.talks[call].remote_tag = None;
            if let Some(request) = self.in_talk(call, Method::Invite, Vec::new(), sdp) {
                self.talks[call].invite = self.request(now, request, Purpose::Invite(call));
            }
            return;
        }
        let talk = &mut self.talks[call];
        talk.code = Some(code);
        talk.admitted |= !matches!(code, 400..=403 | 407 | 408);
        let Some((place, response)) = answered.filter(|_| (200..300).contains(&code)) else {
            let reason = answered.and_then(|(_, response)| reason_of(response));
            talk.end(now, reason);
            return;
        };
        talk.stage = Stage::Talking;
        talk.answered_at = Some(now);
        talk.remote_tag = message::to_tag(response);
        talk.target = message::contact(response).unwrap_or_default();
        talk.named.extend(message::other(response, "P-Asserted-Identity"));
        let answers = talk.offers_late && talk.theirs.is_none();
        // After an offer and answer in provisional answers the 200 may go without (RFC 6337 §3.1.1).
        let agreed = (response.body.is_empty() && talk.rseq.is_some() && talk.theirs.is_some())
            || Description::parse(&response.body).is_some_and(|theirs| talk.agree(theirs, &laws));
        if speaks && agreed {
            talk.speak_from(now);
        }
        talk.hang_up_at = talks_for.map(|duration| now + duration);
        let wants_out = talk.wants_out || talk.left;
        if !agreed {
            self.complain(format!("a 200 without a usable description: {:?}", String::from_utf8_lossy(&response.body)));
        }
        if self.talks[call].target.is_empty() || self.talks[call].remote_tag.is_none() {
            self.complain("a 200 without Contact or tag");
        }
        self.timer_agreed(now, call, response);
        if acknowledges {
            self.talks[call].version += u64::from(answers);
            let sdp = answers.then(|| self.answer_to(call));
            let ack = self.in_talk(call, Method::Ack, Vec::new(), sdp).map(bytes::Bytes::from);
            self.clients[place].finish(now, ack.clone());
            if let Some(ack) = ack {
                self.send(ack);
            }
        }
        if wants_out {
            self.bye(now, call);
        }
    }
}
