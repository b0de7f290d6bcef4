//! Locate: from a URI to the addresses a request may be sent to (RFC 3263 §4).
//!
//! ```text
//!   numeric host ─────────────────────────────────────────────────────────────▶ hops
//!   host with a port ───────────────────────────────────────▶ A/AAAA ──────────▶ hops
//!   host, `transport` named ──────────────▶ SRV ───────────▶ A/AAAA of targets ▶ hops
//!                                             └ none ──────▶ A/AAAA of the host ▶ hops
//!   host alone ──────────▶ NAPTR ─────────▶ SRV of replacements …
//!                            └ none ──────▶ SRV for each transport we have …
//! ```
//!
//! The questions go out one after the other and their answers come back as values, so that whoever asks needs neither a resolver nor
//! a thread. Hops come in the order in which they are to be tried: SRV priority first, then chance by weight (RFC 2782).

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use thiserror::Error;

use crate::flow::Transport;
use crate::limits;
use crate::uri::{Host, Scheme, Uri};

/// Bytes from which a request does not go over UDP unless it has to (RFC 3261 §18.1.1, for a path of unknown MTU).
pub const LARGE: usize = 1_300;

/// What is to be looked up. Names have no dot at the end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Question {
    /// NAPTR records of a domain.
    Naptr(String),
    /// SRV records of a service.
    Srv(String),
    /// A and AAAA records of a host.
    Address(String),
}

/// A NAPTR record (RFC 3403 §4.1), as far as SIP reads it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Naptr {
    /// Lower ones first.
    pub order: u16,
    /// Among equals of `order` lower ones first.
    pub preference: u16,
    /// `s` for a replacement that has SRV records.
    pub flags: String,
    /// `SIP+D2U` and its like.
    pub service: String,
    /// The name to go on with.
    pub replacement: String,
}

/// An SRV record (RFC 2782).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Srv {
    /// Lower ones first.
    pub priority: u16,
    /// Chance among equals of `priority`.
    pub weight: u16,
    /// Port.
    pub port: u16,
    /// Host; empty or `.` when the service is not offered.
    pub target: String,
}

/// What a question came to. A name that does not exist has no records.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// For [`Question::Naptr`].
    Naptr(Vec<Naptr>),
    /// For [`Question::Srv`].
    Srv(Vec<Srv>),
    /// For [`Question::Address`], in the order in which they are to be tried.
    Addresses(Vec<IpAddr>),
    /// No server has answered.
    Failed,
}

/// One place a request may be sent to.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Hop {
    /// How.
    pub transport: Transport,
    /// Where to.
    pub address: SocketAddr,
}

/// Why there is no hop.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum Fault {
    /// The URI is no `sip:` or `sips:`, or names a transport that we do not have.
    #[error("the URI names no transport that is available here")]
    Transport,
    /// The names lead to no address.
    #[error("the name has no address")]
    NoAddress,
    /// No name server has answered.
    #[error("no name server has answered")]
    NoServer,
}

/// What is wanted next.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Step {
    /// This has to be looked up; [`Locate::answer`] brings what came of it.
    Ask(Question),
    /// Finished.
    Done(Result<Vec<Hop>, Fault>),
}

/// What is still to be done, in order.
#[derive(Clone, Debug)]
enum Task {
    Naptr,
    Srv { name: String, transport: Transport },
    Address { host: String, port: u16, transport: Transport },
}

/// One URI on its way to addresses.
#[derive(Debug)]
pub struct Locate {
    host: String,
    secure: bool,
    can: Vec<Transport>,
    large: bool,
    /// The transport that the URI names.
    named: Option<Transport>,
    tasks: VecDeque<Task>,
    hops: Vec<Hop>,
    /// Whether SRV records were found, so that the plain name is of no interest.
    found_service: bool,
    fell_back: bool,
    failed: bool,
    asked: usize,
}

impl Locate {
    /// Begins with the URI of the next hop. `can` are the transports we have, the preferred one first; `bytes` is the length of the
    /// request.
    pub fn new(uri: &Uri, can: &[Transport], bytes: usize) -> Locate {
        let secure = uri.scheme() == Scheme::Sips;
        let mut locate = Locate {
            host: String::new(),
            secure,
            can: can.iter().copied().filter(|transport| !secure || transport.is_secure()).collect(),
            large: bytes > LARGE,
            named: None,
            tasks: VecDeque::new(),
            hops: Vec::new(),
            found_service: false,
            fell_back: false,
            failed: false,
            asked: 0,
        };
        let named = uri.param("transport").flatten();
        locate.named = named.as_deref().and_then(|name| transport_of(name, secure));
        let unknown = named.is_some() && !locate.named.is_some_and(|named| locate.can.contains(&named));
        if !uri.is_sip() || unknown || locate.can.is_empty() {
            locate.can.clear();
            return locate;
        }
        match (uri.host(), uri.port()) {
            (Host::V4(ip), port) => locate.push_hop(IpAddr::V4(ip), port, locate.usual()),
            (Host::V6(ip), port) => locate.push_hop(IpAddr::V6(ip), port, locate.usual()),
            (Host::Name(name), port) => {
                locate.host = String::from_utf8_lossy(&name).trim_end_matches('.').to_ascii_lowercase();
                locate.begin(port);
            }
        }
        locate
    }

    fn begin(&mut self, port: Option<u16>) {
        let host = self.host.clone();
        match (port, self.named) {
            (Some(port), _) => self.tasks.push_back(Task::Address { host, port, transport: self.usual() }),
            (None, Some(named)) => self.tasks.push_back(Task::Srv { name: service(named, &host), transport: named }),
            (None, None) => self.tasks.push_back(Task::Naptr),
        }
    }

    /// The transport when nothing says another one.
    fn usual(&self) -> Transport {
        let fallback = if self.secure { Transport::Tls } else { Transport::Udp };
        let usual = self.named.unwrap_or(fallback);
        if self.can.contains(&usual) { usual } else { self.can.first().copied().unwrap_or(usual) }
    }

    /// What is to be done next. Asked again without an answer it says the same.
    pub fn step(&mut self) -> Step {
        if self.can.is_empty() {
            return Step::Done(Err(Fault::Transport));
        }
        loop {
            if self.hops.len() >= limits::HOPS || self.asked >= limits::DNS_QUESTIONS {
                self.tasks.clear();
            }
            match self.tasks.front() {
                Some(Task::Naptr) => return Step::Ask(Question::Naptr(self.host.clone())),
                Some(Task::Srv { name, .. }) => return Step::Ask(Question::Srv(name.clone())),
                Some(Task::Address { host, .. }) => return Step::Ask(Question::Address(host.clone())),
                None => {}
            }
            if !self.hops.is_empty() {
                return Step::Done(Ok(std::mem::take(&mut self.hops)));
            }
            if !self.fall_back() {
                return Step::Done(Err(if self.failed { Fault::NoServer } else { Fault::NoAddress }));
            }
        }
    }

    /// Without a service the host itself is meant (§4.2); true when there is something to ask for.
    fn fall_back(&mut self) -> bool {
        if self.found_service || self.fell_back || self.host.is_empty() {
            return false;
        }
        self.fell_back = true;
        let transport = self.usual();
        self.tasks.push_back(Task::Address { host: self.host.clone(), port: transport.default_port(), transport });
        true
    }

    /// What came of the question of the last [`Locate::step`]. `random` gives a number below its argument.
    pub fn answer(&mut self, answer: Answer, random: &mut impl FnMut(u32) -> u32) {
        let Some(task) = self.tasks.pop_front() else { return };
        self.asked += 1;
        match (task, answer) {
            (Task::Naptr, Answer::Naptr(records)) => self.naptr(records),
            (Task::Naptr, Answer::Failed) => {
                self.failed = true;
                self.naptr(Vec::new());
            }
            (Task::Srv { transport, .. }, Answer::Srv(records)) => self.srv(records, transport, random),
            (Task::Address { port, transport, .. }, Answer::Addresses(addresses)) => {
                for ip in addresses.into_iter().take(limits::ADDRESSES) {
                    self.push_hop(ip, Some(port), transport);
                }
            }
            (_, Answer::Failed) => self.failed = true,
            // An answer to another question is none.
            (_, Answer::Naptr(_) | Answer::Srv(_) | Answer::Addresses(_)) => {}
        }
    }

    /// The services of a domain, or, when it names none, one for each transport we have (§4.1).
    fn naptr(&mut self, mut records: Vec<Naptr>) {
        records.sort_by_key(|record| (record.order, record.preference));
        records.truncate(limits::NAPTR_RECORDS);
        for record in records {
            let transport = match record.service.to_ascii_uppercase().as_str() {
                "SIP+D2U" => Transport::Udp,
                "SIP+D2T" => Transport::Tcp,
                "SIPS+D2T" => Transport::Tls,
                "SIP+D2W" => Transport::Ws,
                "SIPS+D2W" => Transport::Wss,
                _ => continue,
            };
            let name = record.replacement.trim_end_matches('.').to_ascii_lowercase();
            if record.flags.eq_ignore_ascii_case("s") && self.can.contains(&transport) && !name.is_empty() {
                self.tasks.push_back(Task::Srv { name, transport });
            }
        }
        if self.tasks.is_empty() {
            for transport in self.can.clone() {
                // WebSocket servers are found by name alone (RFC 7118 §5.5).
                if !matches!(transport, Transport::Ws | Transport::Wss) {
                    self.tasks.push_back(Task::Srv { name: service(transport, &self.host), transport });
                }
            }
        }
    }

    /// The hosts of a service, in the order of RFC 2782; they come before whatever else was to be asked.
    fn srv(&mut self, mut records: Vec<Srv>, transport: Transport, random: &mut impl FnMut(u32) -> u32) {
        self.found_service |= !records.is_empty();
        records.retain(|record| !record.target.trim_end_matches('.').is_empty());
        records.sort_by_key(|record| (record.priority, record.weight != 0));
        records.truncate(limits::SRV_RECORDS);
        let mut ordered = Vec::with_capacity(records.len());
        for group in records.chunk_by(|a, b| a.priority == b.priority) {
            let mut group = group.to_vec();
            while !group.is_empty() {
                let total: u32 = group.iter().map(|record| u32::from(record.weight)).sum();
                let mark = random(total + 1);
                let mut sum = 0;
                let place = group.iter().position(|record| {
                    sum += u32::from(record.weight);
                    sum >= mark
                });
                ordered.push(group.remove(place.unwrap_or(0)));
            }
        }
        for record in ordered.into_iter().rev() {
            let host = record.target.trim_end_matches('.').to_ascii_lowercase();
            self.tasks.push_front(Task::Address { host, port: record.port, transport });
        }
    }

    /// One hop more. A long request tries TCP first and UDP if that is refused (RFC 3261 §18.1.1).
    fn push_hop(&mut self, ip: IpAddr, port: Option<u16>, transport: Transport) {
        let address = |transport: Transport| SocketAddr::new(ip, port.unwrap_or(transport.default_port()));
        let instead = transport == Transport::Udp && self.large && self.can.contains(&Transport::Tcp);
        for transport in instead.then_some(Transport::Tcp).into_iter().chain([transport]) {
            let hop = Hop { transport, address: address(transport) };
            if self.hops.len() < limits::HOPS && !self.hops.contains(&hop) {
                self.hops.push(hop);
            }
        }
    }
}

/// The transport that a URI parameter means.
fn transport_of(name: &[u8], secure: bool) -> Option<Transport> {
    let name = name.to_ascii_lowercase();
    Some(match (name.as_slice(), secure) {
        (b"udp", false) => Transport::Udp,
        (b"tcp", false) => Transport::Tcp,
        (b"tcp" | b"tls", true) | (b"tls", false) => Transport::Tls,
        (b"ws", false) => Transport::Ws,
        (b"ws" | b"wss", true) | (b"wss", false) => Transport::Wss,
        _ => return None,
    })
}

/// The name under which a service stands (§4.1).
fn service(transport: Transport, host: &str) -> String {
    let label = match transport {
        Transport::Udp => "_sip._udp",
        Transport::Tcp => "_sip._tcp",
        Transport::Tls => "_sips._tcp",
        Transport::Ws => "_sip._ws",
        Transport::Wss => "_sips._ws",
    };
    format!("{label}.{host}")
}
