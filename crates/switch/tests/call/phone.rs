//! Phones that send exactly what a test tells them to.

use std::net::SocketAddr;

use sip::digest::{Challenge, ClientNonce, Ha1, Login};
use sip::{Method, Name, Request, Response, Uri};

use crate::bench::{Bench, PASSWORD, REALM};

/// A phone of an extension at an address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Phone {
    pub(crate) user: &'static str,
    pub(crate) address: SocketAddr,
}

pub(crate) fn phone(user: &'static str, last: u8) -> Phone {
    Phone { user, address: SocketAddr::from(([192, 0, 2, last], 5060)) }
}

/// One side of a dialog, as the phone holds it.
#[derive(Clone, Debug)]
pub(crate) struct Dialog {
    pub(crate) phone: Phone,
    call_id: String,
    local: String,
    remote: String,
    target: String,
    cseq: u32,
    branch: String,
}

fn value(headers: &sip::Headers, name: &Name) -> String {
    headers.get(name).map(|value| String::from_utf8(value.to_vec()).unwrap()).unwrap_or_default()
}

/// A description of one audio stream at the phone's address.
pub(crate) fn sdp(phone: Phone, extra: &str) -> String {
    sdp_with(phone, "0 8 101", extra)
}

pub(crate) fn sdp_with(phone: Phone, formats: &str, extra: &str) -> String {
    let ip = phone.address.ip();
    format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 30000 RTP/AVP {formats}\r\n\
         a=rtpmap:101 telephone-event/8000\r\n{extra}"
    )
}

fn with_body(head: &str, body: &str) -> String {
    let kind = if body.is_empty() || head.contains("\r\nc:") { "" } else { "Content-Type: application/sdp\r\n" };
    format!("{head}{kind}Content-Length: {}\r\n\r\n{body}", body.len())
}

fn authorization(response: &Response, user: &str, method: &Method, uri: &str) -> String {
    let (name, field) = match response.code() {
        401 => (Name::WwwAuthenticate, "Authorization"),
        407 => (Name::ProxyAuthenticate, "Proxy-Authorization"),
        other => panic!("{other} is no challenge"),
    };
    let challenge = Challenge::parse(&response.headers().get(&name).expect("a challenge")).unwrap();
    let ha1 = Ha1::new(user.as_bytes(), REALM.as_bytes(), PASSWORD.as_bytes());
    let uri = Uri::parse(&bytes::Bytes::from(uri.to_owned())).unwrap();
    let login = Login { username: user.as_bytes(), ha1: &ha1 };
    let credentials =
        sip::digest::respond(&challenge, &login, method, &uri, &ClientNonce { cnonce: b"0a4f113b", nc: 1 }).unwrap();
    format!("{field}: {}\r\n", String::from_utf8(credentials.to_bytes().to_vec()).unwrap())
}

impl Phone {
    pub(crate) fn register(self, bench: &mut Bench) {
        let n = bench.fresh();
        let uri = format!("sip:{REALM}");
        let Phone { user, address } = self;
        let head = |cseq: u32, auth: &str| {
            format!(
                "REGISTER {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {address};branch=z9hG4bKr{n}c{cseq};rport\r\n\
                 Max-Forwards: 70\r\nFrom: <sip:{user}@{REALM}>;tag=r{n}\r\nTo: <sip:{user}@{REALM}>\r\n\
                 Call-ID: reg{n}\r\nCSeq: {cseq} REGISTER\r\nContact: <sip:{user}@{address}>\r\nExpires: 3600\r\n{auth}"
            )
        };
        bench.send(address, with_body(&head(1, ""), ""));
        let challenge = bench.final_response(address);
        let auth = authorization(&challenge, user, &Method::Register, &uri);
        bench.send(address, with_body(&head(2, &auth), ""));
        bench.response(address, 200);
    }

    /// Sends an INVITE, answers the challenge, and has the INVITE taken.
    pub(crate) fn invite(self, bench: &mut Bench, number: &str, extra: &str, body: &str) -> Dialog {
        let from = format!("\"Forged\" <sip:{}@{REALM}>", self.user);
        self.invite_as(bench, &from, number, extra, body)
    }

    /// The same under another name.
    pub(crate) fn invite_as(self, bench: &mut Bench, from: &str, number: &str, extra: &str, body: &str) -> Dialog {
        let n = bench.fresh();
        let uri = format!("sip:{number}@{REALM}");
        let Phone { user, address } = self;
        let from = format!("{from};tag=i{n}");
        let head = |cseq: u32, auth: &str| {
            format!(
                "INVITE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {address};branch=z9hG4bKi{n}c{cseq};rport\r\n\
                 Max-Forwards: 30\r\nFrom: {from}\r\nTo: <{uri}>\r\nCall-ID: call{n}\r\nCSeq: {cseq} INVITE\r\n\
                 Contact: <sip:{user}@{address}>\r\nUser-Agent: Test phone\r\n{extra}{auth}"
            )
        };
        bench.send(address, with_body(&head(1, ""), body));
        let challenge = bench.final_response(address);
        let to = value(challenge.headers(), &Name::To);
        bench.send(
            address,
            with_body(
                &format!(
                    "ACK {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {address};branch=z9hG4bKi{n}c1;rport\r\nMax-Forwards: 70\r\n\
                     From: {from}\r\nTo: {to}\r\nCall-ID: call{n}\r\nCSeq: 1 ACK\r\n"
                ),
                "",
            ),
        );
        let auth = authorization(&challenge, user, &Method::Invite, &uri);
        bench.send(address, with_body(&head(2, &auth), body));
        Dialog {
            phone: self,
            call_id: format!("call{n}"),
            local: from,
            remote: format!("<{uri}>"),
            target: uri,
            cseq: 2,
            branch: format!("z9hG4bKi{n}c2"),
        }
    }

    /// An answer to a request, with a To tag of the phone's own.
    pub(crate) fn answer(self, bench: &mut Bench, request: &Request, code: u16, tag: &str, body: &str) {
        self.answer_with(bench, request, code, tag, "", body);
    }

    pub(crate) fn answer_with(
        self,
        bench: &mut Bench,
        request: &Request,
        code: u16,
        tag: &str,
        extra: &str,
        body: &str,
    ) {
        let headers = request.headers();
        let mut head = format!("SIP/2.0 {code} Whatever\r\n");
        for via in headers.all(&Name::Via) {
            head += &format!("Via: {}\r\n", String::from_utf8_lossy(&via));
        }
        let to = value(headers, &Name::To);
        let to = if to.contains(";tag=") || tag.is_empty() { to } else { format!("{to};tag={tag}") };
        head += &format!(
            "From: {}\r\nTo: {to}\r\nCall-ID: {}\r\nCSeq: {}\r\nContact: <sip:{}@{}>\r\nUser-Agent: Answering phone\r\n{extra}",
            value(headers, &Name::From),
            value(headers, &Name::CallId),
            value(headers, &Name::CSeq),
            self.user,
            self.address,
        );
        bench.send(self.address, with_body(&head, body));
    }

    /// The called side of a dialog, from the INVITE it got.
    pub(crate) fn dialog(self, invite: &Request, tag: &str) -> Dialog {
        let headers = invite.headers();
        let contact = value(headers, &Name::Contact);
        Dialog {
            phone: self,
            call_id: value(headers, &Name::CallId),
            local: format!("{};tag={tag}", value(headers, &Name::To)),
            remote: value(headers, &Name::From),
            target: contact[contact.find('<').unwrap() + 1..contact.find('>').unwrap()].to_owned(),
            cseq: 100,
            branch: String::new(),
        }
    }
}

impl Dialog {
    /// What a response says about the other end.
    pub(crate) fn learn(&mut self, response: &Response) {
        self.remote = value(response.headers(), &Name::To);
        let contact = value(response.headers(), &Name::Contact);
        if let (Some(start), Some(end)) = (contact.find('<'), contact.find('>')) {
            self.target = contact[start + 1..end].to_owned();
        }
    }

    fn head(&mut self, method: &str, cseq: u32, branch: &str) -> String {
        let Phone { user, address } = self.phone;
        format!(
            "{method} {} SIP/2.0\r\nVia: SIP/2.0/UDP {address};branch={branch};rport\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\n\
             Call-ID: {}\r\nCSeq: {cseq} {method}\r\nContact: <sip:{user}@{address}>\r\n",
            self.target, self.local, self.remote, self.call_id
        )
    }

    /// Acknowledges the 2xx to the last INVITE.
    pub(crate) fn ack(&mut self, bench: &mut Bench, body: &str) {
        let n = bench.fresh();
        let head = self.head("ACK", self.cseq, &format!("z9hG4bKa{n}"));
        bench.send(self.phone.address, with_body(&head, body));
    }

    /// Acknowledges the 2xx to the first INVITE, after other requests.
    pub(crate) fn ack_invite(&mut self, bench: &mut Bench, body: &str) {
        let cseq = std::mem::replace(&mut self.cseq, 2);
        self.ack(bench, body);
        self.cseq = cseq;
    }

    /// Acknowledges a reliable provisional answer to the first INVITE.
    pub(crate) fn prack(&mut self, bench: &mut Bench, rseq: &str, body: &str) {
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        self.send_as(bench, "PRACK", &format!("RAck: {rseq} 2 INVITE\r\n{kind}"), body);
    }

    /// Acknowledges a refusal of the last INVITE: same branch, To as in the response.
    pub(crate) fn ack_refusal(&mut self, bench: &mut Bench, response: &Response) {
        let remote = std::mem::replace(&mut self.remote, value(response.headers(), &Name::To));
        let branch = self.branch.clone();
        let head = self.head("ACK", self.cseq, &branch);
        bench.send(self.phone.address, with_body(&head, ""));
        self.remote = remote;
    }

    /// Sends CANCEL and has it taken.
    pub(crate) fn cancel(&mut self, bench: &mut Bench) {
        self.send_cancel(bench);
        bench.response(self.phone.address, 200);
    }

    pub(crate) fn send_cancel(&mut self, bench: &mut Bench) {
        let branch = self.branch.clone();
        let remote = self.remote.split(";tag=").next().unwrap().to_owned();
        let remote = if self.cseq == 2 { remote } else { self.remote.clone() };
        let kept = std::mem::replace(&mut self.remote, remote);
        let head = self.head("CANCEL", self.cseq, &branch);
        bench.send(self.phone.address, with_body(&head, ""));
        self.remote = kept;
    }

    /// Counts requests that a copy of this dialog has sent.
    pub(crate) fn skip(&mut self, requests: u32) {
        self.cseq += requests;
    }

    /// Sends a request inside the dialog with lines and a body of its own.
    pub(crate) fn send_as(&mut self, bench: &mut Bench, method: &str, lines: &str, body: &str) {
        let n = bench.fresh();
        self.cseq += 1;
        self.branch = format!("z9hG4bKd{n}");
        let branch = self.branch.clone();
        let head = self.head(method, self.cseq, &branch);
        bench.send(self.phone.address, format!("{head}{lines}Content-Length: {}\r\n\r\n{body}", body.len()));
    }

    /// Sends a request inside the dialog.
    pub(crate) fn send(&mut self, bench: &mut Bench, method: &str, body: &str) {
        let n = bench.fresh();
        self.cseq += 1;
        self.branch = format!("z9hG4bKd{n}");
        let branch = self.branch.clone();
        let head = self.head(method, self.cseq, &branch);
        bench.send(self.phone.address, with_body(&head, body));
    }
}

/// Two phones in the middle of a call.
pub(crate) struct Talk {
    pub(crate) bench: Bench,
    pub(crate) alice: Dialog,
    pub(crate) bob: Dialog,
}

pub(crate) const ALICE: u8 = 11;
pub(crate) const CAROL: u8 = 13;
pub(crate) const BOB: u8 = 12;

/// 1001 calls 1002, who answers.
pub(crate) fn talk() -> Talk {
    talk_on(Bench::new())
}

pub(crate) fn talk_on(mut bench: Bench) -> Talk {
    let (alice, bob) = (phone("1001", ALICE), phone("1002", BOB));
    alice.register(&mut bench);
    bob.register(&mut bench);
    let mut caller = alice.invite(&mut bench, "1002", "", &sdp(alice, ""));
    let invite = bench.request(bob.address, &Method::Invite);
    bob.answer(&mut bench, &invite, 180, "bob", "");
    bench.response(alice.address, 180);
    bob.answer(&mut bench, &invite, 200, "bob", &sdp(bob, ""));
    bench.request(bob.address, &Method::Ack);
    let ok = bench.response(alice.address, 200);
    caller.learn(&ok);
    caller.ack(&mut bench, "");
    bench.nothing(alice.address);
    bench.nothing(bob.address);
    Talk { bench, alice: caller, bob: bob.dialog(&invite, "bob") }
}
