//! The generator: all callers behind one socket, all callees behind another.
//!
//! It writes SIP by hand, so that the program under test does not also speak for its peers.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use md5::{Digest as _, Md5};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::figures::Figures;

pub(crate) const PASSWORD: &str = "correct-horse-battery";

/// After which a request is sent again.
const RESEND: Duration = Duration::from_millis(500);
/// After which a transaction has failed.
const GIVE_UP: Duration = Duration::from_secs(10);

/// Extension number of a phone.
pub(crate) fn number(index: usize) -> String {
    (10_000 + index).to_string()
}

/// What to generate.
pub(crate) struct Load {
    what: What,
    per_s: u32,
    during: Duration,
    hold: Duration,
    /// How many extensions take part.
    among: usize,
    /// How many phones each of them registers.
    lines: u64,
}

#[derive(Clone, Copy, PartialEq)]
enum What {
    Registrations,
    Calls,
}

impl Load {
    pub(crate) fn registrations(per_s: u32, during: Duration) -> Self {
        Self { what: What::Registrations, per_s, during, hold: Duration::ZERO, among: usize::MAX, lines: 1 }
    }

    pub(crate) fn calls(per_s: u32, during: Duration, hold: Duration) -> Self {
        Self { what: What::Calls, per_s, during, hold, among: usize::MAX, lines: 1 }
    }
}

impl Load {
    /// The same from fewer extensions.
    pub(crate) fn among(self, among: usize) -> Self {
        Self { among, ..self }
    }

    /// The same with several phones for each extension, one after the other.
    pub(crate) fn lines(self, lines: u64) -> Self {
        Self { lines, ..self }
    }
}

/// One registration or call on its way.
struct Work {
    what: What,
    from: String,
    to: String,
    began: Instant,
    stage: Stage,
    /// The last request, for sending again.
    request: String,
    sent_at: Instant,
    /// When the authenticated INVITE left, then what the server has added so far.
    delay: Duration,
    remote: String,
    target: String,
    /// The proxies on the way, as Route header lines.
    routes: String,
    /// Which of several phones of the extension registers.
    line: u64,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Stage {
    Challenged,
    Answered,
    Up { until: Instant },
    Ending,
}

pub(crate) struct Phones {
    server: SocketAddr,
    domain: String,
    callers: UdpSocket,
    callees: UdpSocket,
    extensions: usize,
    next: u64,
    work: HashMap<u64, Work>,
    /// Which call a callee's number belongs to, and when its 200 left.
    called: HashMap<String, (u64, Instant)>,
    /// In the order of their deadlines; looked at lazily.
    ends: std::collections::VecDeque<(Instant, u64)>,
    figures: Figures,
    up: usize,
}

impl Phones {
    pub(crate) fn new(server: SocketAddr, domain: String, extensions: usize) -> Self {
        let socket = || {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.set_nonblocking(true).unwrap();
            let _ = rustix::net::sockopt::set_socket_recv_buffer_size(&socket, 4 << 20);
            socket
        };
        Self {
            server,
            domain,
            callers: socket(),
            callees: socket(),
            extensions,
            next: 0,
            work: HashMap::new(),
            called: HashMap::new(),
            ends: std::collections::VecDeque::new(),
            figures: Figures::default(),
            up: 0,
        }
    }

    /// Registers every extension, each with so many phones: the upper half at the callees' socket. Returns how many phones
    /// there are.
    pub(crate) fn register_all(&mut self, lines: usize) -> usize {
        let per_s = 2_000;
        let all = self.extensions * lines;
        let during = Duration::from_secs_f64(all as f64 / f64::from(per_s));
        self.next = 0;
        let figures = self.run(Load::registrations(per_s, during).lines(lines as u64));
        assert!(figures.completed == all as u64, "not every phone could register: {figures}");
        all
    }

    pub(crate) fn run(&mut self, load: Load) -> Figures {
        self.run_with(load, |_| {})
    }

    /// Runs a load to its end; `seen` hears how many calls are up whenever one more is.
    pub(crate) fn run_with(&mut self, load: Load, mut seen: impl FnMut(usize)) -> Figures {
        self.figures = Figures::default();
        let began = Instant::now();
        let total = (f64::from(load.per_s) * load.during.as_secs_f64()).round() as u64;
        let mut look_at = began + RESEND;
        loop {
            let now = Instant::now();
            let due = ((now - began).as_secs_f64() * f64::from(load.per_s)) as u64;
            while self.figures.begun < due.min(total) {
                self.begin(&load, now);
            }
            self.receive(&load, &mut seen);
            self.end_due(now);
            if now >= look_at {
                self.resend(now);
                look_at = now + RESEND / 5;
            }
            if self.figures.begun == total && self.work.is_empty() {
                return std::mem::take(&mut self.figures);
            }
            self.wait();
        }
    }

    /// Sleeps until something arrives, or a millisecond.
    fn wait(&self) {
        let mut sockets = [PollFd::new(&self.callers, PollFlags::IN), PollFd::new(&self.callees, PollFlags::IN)];
        let patience = Timespec { tv_sec: 0, tv_nsec: 500_000 };
        let _ = poll(&mut sockets, Some(&patience));
    }

    fn begin(&mut self, load: &Load, now: Instant) {
        let id = self.next;
        self.next += 1;
        self.figures.begun += 1;
        let half = self.extensions / 2;
        let (from, to) = match load.what {
            What::Registrations => (number(id as usize % self.extensions.min(load.among)), String::new()),
            What::Calls => (number(id as usize % half), number(half + id as usize % half)),
        };
        let line = id / self.extensions as u64 % load.lines;
        let request = match load.what {
            What::Registrations => self.register(id, &from, line, 1, ""),
            What::Calls => self.invite(id, &from, &to, 1, ""),
        };
        self.send(&from, &request);
        let work = Work {
            what: load.what,
            from,
            to,
            began: now,
            stage: Stage::Challenged,
            request,
            sent_at: now,
            delay: Duration::ZERO,
            remote: String::new(),
            target: String::new(),
            routes: String::new(),
            line,
        };
        self.work.insert(id, work);
    }

    fn is_callee(&self, number_text: &str) -> bool {
        number_text >= number(self.extensions / 2).as_str()
    }

    fn send(&self, from: &str, text: &str) {
        let socket = if self.is_callee(from) { &self.callees } else { &self.callers };
        let _ = socket.send_to(text.as_bytes(), self.server);
    }

    fn receive(&mut self, load: &Load, seen: &mut impl FnMut(usize)) {
        let mut buffer = vec![0; 65_535];
        for _ in 0..256 {
            match self.callers.recv(&mut buffer) {
                Ok(length) => self.heard(&String::from_utf8_lossy(&buffer[..length]), false, load, seen),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => {}
            }
        }
        for _ in 0..256 {
            match self.callees.recv(&mut buffer) {
                Ok(length) => self.heard(&String::from_utf8_lossy(&buffer[..length]), true, load, seen),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => {}
            }
        }
    }

    fn heard(&mut self, text: &str, callee: bool, load: &Load, seen: &mut impl FnMut(usize)) {
        match text.strip_prefix("SIP/2.0 ") {
            Some(rest) => {
                let code: u16 = rest.get(..3).and_then(|code| code.parse().ok()).unwrap_or(0);
                self.response(text, code, load, seen);
            }
            None if callee => self.callee_request(text),
            None => {}
        }
    }

    fn response(&mut self, text: &str, code: u16, load: &Load, seen: &mut impl FnMut(usize)) {
        let Some(id) = header(text, "Call-ID").and_then(|value| value.strip_prefix('b')?.parse::<u64>().ok()) else {
            return;
        };
        let Some(mut work) = self.work.remove(&id) else { return };
        let now = Instant::now();
        match (work.what, work.stage, code) {
            (_, _, 100..200) => {}
            (What::Registrations, Stage::Challenged, 401) => {
                let authorization = self.authorize(text, "WWW-Authenticate", "Authorization", "REGISTER", &work, id);
                work.request = self.register(id, &work.from, work.line, 2, &authorization);
                work.stage = Stage::Answered;
                work.sent_at = now;
                self.send(&work.from, &work.request);
            }
            (What::Registrations, Stage::Answered, 200) => {
                self.figures.completed += 1;
                self.figures.delays.push(now - work.began);
                return;
            }
            (What::Calls, Stage::Challenged, 407) => {
                let ack = self.within("ACK", id, &work, 1, &format!("b{id}-1"), text);
                self.send(&work.from, &ack);
                let authorization =
                    self.authorize(text, "Proxy-Authenticate", "Proxy-Authorization", "INVITE", &work, id);
                work.request = self.invite(id, &work.from, &work.to, 2, &authorization);
                work.stage = Stage::Answered;
                work.sent_at = now;
                self.called.insert(work.to.clone(), (id, now));
                self.send(&work.from, &work.request);
            }
            (What::Calls, Stage::Answered, 200) => {
                if let Some((_, answered)) = self.called.get(&work.to) {
                    work.delay += now - *answered;
                }
                self.figures.delays.push(work.delay);
                work.remote = header(text, "To").unwrap_or_default().to_owned();
                let contact = header(text, "Contact").unwrap_or_default();
                work.target = contact.trim_start_matches('<').split('>').next().unwrap_or_default().to_owned();
                let routes: Vec<&str> = lines(text, "Record-Route").collect();
                work.routes = routes.iter().rev().map(|route| format!("Route: {route}\r\n")).collect();
                let ack = self.within("ACK", id, &work, 2, &format!("b{id}-a"), text);
                self.send(&work.from, &ack);
                let until = now + load.hold;
                work.stage = Stage::Up { until };
                self.ends.push_back((until, id));
                self.up += 1;
                seen(self.up);
            }
            (What::Calls, Stage::Up { .. }, 200) => {
                let ack = self.within("ACK", id, &work, 2, &format!("b{id}-a"), text);
                self.send(&work.from, &ack);
            }
            (What::Calls, Stage::Ending, 200) if text.contains(" BYE\r\n") => {
                self.figures.completed += 1;
                self.up -= 1;
                self.called.remove(&work.to);
                return;
            }
            (_, Stage::Ending, 200..300) | (_, Stage::Answered, 401 | 407) => {}
            (What::Registrations, _, 503) => {
                self.figures.refusals.push(now - work.sent_at);
                return;
            }
            (What::Calls, Stage::Challenged | Stage::Answered, 503) => {
                let cseq = if work.stage == Stage::Challenged { 1 } else { 2 };
                let ack = self.within("ACK", id, &work, cseq, &format!("b{id}-{cseq}"), text);
                self.send(&work.from, &ack);
                self.called.remove(&work.to);
                self.figures.refusals.push(now - work.sent_at);
                return;
            }
            _ => {
                if self.figures.failed < 3 {
                    eprintln!("unexpected {code} at {:?}: {}", work.stage, text.lines().next().unwrap_or_default());
                }
                self.figures.failed += 1;
                return;
            }
        }
        self.work.insert(id, work);
    }

    /// What a called phone does: rings, answers at once, agrees to BYE.
    fn callee_request(&mut self, text: &str) {
        let method = text.split(' ').next().unwrap_or_default();
        match method {
            "INVITE" => {
                let start = text.lines().next().unwrap_or_default();
                let called =
                    start.split("sip:").nth(1).and_then(|rest| rest.split(['@', '-']).next()).unwrap_or_default();
                let now = Instant::now();
                if let Some((id, since)) = self.called.get_mut(called) {
                    if let Some(work) = self.work.get_mut(id)
                        && work.delay.is_zero()
                    {
                        work.delay = now - *since;
                    }
                    *since = now;
                }
                let _ = self.callees.send_to(self.answer(text, "180 Ringing", "").as_bytes(), self.server);
                let _ = self.callees.send_to(self.answer(text, "200 OK", &self.description()).as_bytes(), self.server);
            }
            "BYE" => {
                let _ = self.callees.send_to(self.answer(text, "200 OK", "").as_bytes(), self.server);
            }
            _ => {}
        }
    }

    fn end_due(&mut self, now: Instant) {
        while self.ends.front().is_some_and(|(until, _)| *until <= now) {
            let Some((_, id)) = self.ends.pop_front() else { return };
            let Some(mut work) = self.work.remove(&id) else { continue };
            work.request = self.within("BYE", id, &work, 3, &format!("b{id}-3"), "");
            work.stage = Stage::Ending;
            work.sent_at = now;
            self.send(&work.from, &work.request);
            self.work.insert(id, work);
        }
    }

    fn resend(&mut self, now: Instant) {
        let late: Vec<u64> = self
            .work
            .iter()
            .filter(|(_, work)| !matches!(work.stage, Stage::Up { .. }) && now - work.sent_at >= RESEND)
            .map(|(id, _)| *id)
            .collect();
        for id in late {
            let Some(mut work) = self.work.remove(&id) else { continue };
            if now - work.began > GIVE_UP + Duration::from_secs(20) {
                self.figures.failed += 1;
                continue;
            }
            self.figures.resent += 1;
            work.sent_at = now;
            self.send(&work.from, &work.request);
            self.work.insert(id, work);
        }
    }

    fn local(&self, from: &str) -> SocketAddr {
        if self.is_callee(from) { self.callees.local_addr().unwrap() } else { self.callers.local_addr().unwrap() }
    }

    fn register(&self, id: u64, from: &str, line: u64, cseq: u32, authorization: &str) -> String {
        let local = self.local(from);
        let user = if line == 0 { from.to_owned() } else { format!("{from}-{line}") };
        format!(
            "REGISTER sip:{domain} SIP/2.0\r\nVia: SIP/2.0/UDP {local};rport;branch=z9hG4bKb{id}-{cseq}\r\nMax-Forwards: 70\r\n\
             From: <sip:{from}@{domain}>;tag=b{id}\r\nTo: <sip:{from}@{domain}>\r\nCall-ID: b{id}\r\nCSeq: {cseq} REGISTER\r\n\
             Contact: <sip:{user}@{local}>\r\nExpires: 3600\r\n{authorization}User-Agent: bench\r\nContent-Length: 0\r\n\r\n",
            domain = self.domain
        )
    }

    fn description(&self) -> String {
        "v=0\r\no=bench 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9000 RTP/AVP 0 101\r\n\
         a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=sendrecv\r\n"
            .to_owned()
    }

    fn invite(&self, id: u64, from: &str, to: &str, cseq: u32, authorization: &str) -> String {
        let local = self.local(from);
        let body = self.description();
        format!(
            "INVITE sip:{to}@{domain} SIP/2.0\r\nVia: SIP/2.0/UDP {local};rport;branch=z9hG4bKb{id}-{cseq}\r\nMax-Forwards: 70\r\n\
             From: <sip:{from}@{domain}>;tag=b{id}\r\nTo: <sip:{to}@{domain}>\r\nCall-ID: b{id}\r\nCSeq: {cseq} INVITE\r\n\
             Contact: <sip:{from}@{local}>\r\n{authorization}User-Agent: bench\r\nContent-Type: application/sdp\r\n\
             Content-Length: {length}\r\n\r\n{body}",
            domain = self.domain,
            length = body.len()
        )
    }

    /// A request of the caller inside its call, or the ACK of a refusal (whose To it takes from the response).
    fn within(&self, method: &str, id: u64, work: &Work, cseq: u32, branch: &str, response: &str) -> String {
        let local = self.local(&work.from);
        let domain = &self.domain;
        let target = if work.target.is_empty() { format!("sip:{}@{domain}", work.to) } else { work.target.clone() };
        let to = if work.remote.is_empty() { header(response, "To").unwrap_or_default() } else { &work.remote };
        format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {local};rport;branch=z9hG4bK{branch}\r\nMax-Forwards: 70\r\n\
             {routes}From: <sip:{from}@{domain}>;tag=b{id}\r\nTo: {to}\r\nCall-ID: b{id}\r\nCSeq: {cseq} {method}\r\n\
             Content-Length: 0\r\n\r\n",
            from = work.from,
            routes = work.routes,
        )
    }

    fn answer(&self, request: &str, status: &str, body: &str) -> String {
        let copy = |name: &str| header(request, name).unwrap_or_default().to_owned();
        let to = copy("To");
        let tag = if to.contains(";tag=") { "" } else { ";tag=callee" };
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let all = |name: &str| lines(request, name).map(|value| format!("{name}: {value}\r\n")).collect::<String>();
        format!(
            "SIP/2.0 {status}\r\n{}{}From: {}\r\nTo: {to}{tag}\r\nCall-ID: {}\r\nCSeq: {}\r\n\
             Contact: <sip:callee@{}>\r\n{kind}Content-Length: {}\r\n\r\n{body}",
            all("Via"),
            all("Record-Route"),
            copy("From"),
            copy("Call-ID"),
            copy("CSeq"),
            self.callees.local_addr().unwrap(),
            body.len()
        )
    }

    /// The header that answers a challenge (RFC 2617 with qop=auth).
    fn authorize(&self, response: &str, challenge: &str, name: &str, method: &str, work: &Work, id: u64) -> String {
        let challenge = header(response, challenge).unwrap_or_default();
        let (realm, nonce) = (quoted(challenge, "realm"), quoted(challenge, "nonce"));
        let uri = match work.what {
            What::Registrations => format!("sip:{}", self.domain),
            What::Calls => format!("sip:{}@{}", work.to, self.domain),
        };
        let ha1 = hex(&format!("{}:{realm}:{PASSWORD}", work.from));
        let ha2 = hex(&format!("{method}:{uri}"));
        let answer = hex(&format!("{ha1}:{nonce}:00000001:b{id}:auth:{ha2}"));
        format!(
            "{name}: Digest username=\"{}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", response=\"{answer}\", \
             algorithm=MD5, qop=auth, nc=00000001, cnonce=\"b{id}\"\r\n",
            work.from
        )
    }
}

pub(crate) fn header<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    lines(text, name).next()
}

/// The values of all lines of a header.
pub(crate) fn lines<'a>(text: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    text.split("\r\n").skip(1).take_while(|line| !line.is_empty()).filter_map(move |line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

pub(crate) fn quoted<'a>(value: &'a str, name: &str) -> &'a str {
    value.split(&format!("{name}=\"")).nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default()
}

pub(crate) fn hex(text: &str) -> String {
    Md5::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
