//! ICE of the side that only answers (RFC 8445, "lite"): which addresses of a peer are believed, and which of them is
//! spoken to.
//!
//! Only an authentic check makes an address believed, and only a nomination moves the audio. Whatever else arrives changes
//! nothing. A peer that has stopped checking for [`limits::CONSENT`] is gone (RFC 7675).

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use crate::limits;
use crate::stun::Request;

pub use crate::stun::local_ufrag;

/// Characters of user fragments and passwords.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// A name and password for checks. The password is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// `ice-ufrag`.
    pub ufrag: String,
    /// `ice-pwd`.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("ufrag", &self.ufrag).finish_non_exhaustive()
    }
}

impl Credentials {
    /// Credentials of random bytes: 48 bits of name, 144 bits of password.
    pub fn from_random(bytes: &[u8; 32]) -> Credentials {
        let text = |bytes: &[u8]| bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte & 63)])).collect();
        Credentials { ufrag: text(&bytes[..8]), password: text(&bytes[8..]) }
    }

    /// Credentials as a description has them; of the lengths and letters of RFC 8839 §5.4.
    pub fn parse(ufrag: &str, password: &str) -> Option<Credentials> {
        let fits = |text: &str| text.len() <= 256 && text.bytes().all(|byte| ALPHABET.contains(&byte));
        let good = ufrag.len() >= 4 && password.len() >= 22 && fits(ufrag) && fits(password);
        good.then(|| Credentials { ufrag: ufrag.to_owned(), password: password.to_owned() })
    }
}

/// Both sides' credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pairing {
    /// Ours.
    pub local: Credentials,
    /// The peer's.
    pub remote: Credentials,
}

/// The value of an `a=candidate` line for an address of ours (RFC 8839 §5.1).
pub fn host_candidate(ip: IpAddr, port: u16) -> String {
    // RFC 8445 §5.1.2: type preference 126 for host candidates, and one address for the one component.
    let priority = (126_u32 << 24) | (65_535 << 8) | 255;
    format!("1 1 udp {priority} {ip} {port} typ host")
}

/// What becomes of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// So many bytes answer it.
    Respond(usize),
    /// It is no check, or not for us; nothing is said.
    Ignore,
}

/// What a check, or the lack of checks, has brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Audio goes to this address from now on.
    Selected(SocketAddr),
    /// The peer has not asked for so long that it is gone.
    ConsentLost,
}

/// The agent of one leg.
#[derive(Debug)]
pub struct Lite {
    pairing: Pairing,
    /// Until the first check with the new ones, after a restart.
    before: Option<Pairing>,
    /// Addresses whose checks were authentic, the newest last.
    valid: Vec<SocketAddr>,
    selected: Option<SocketAddr>,
    checked_at: Instant,
    lost: bool,
    event: Option<Event>,
}

impl Lite {
    /// An agent that waits for its first check.
    pub fn new(now: Instant, pairing: Pairing) -> Lite {
        Lite { pairing, before: None, valid: Vec::new(), selected: None, checked_at: now, lost: false, event: None }
    }

    /// New credentials restart ICE (RFC 8445 §9): the pair in use stays until another one is chosen.
    pub fn update(&mut self, now: Instant, pairing: Pairing) {
        if self.pairing != pairing {
            self.before = Some(std::mem::replace(&mut self.pairing, pairing));
            (self.checked_at, self.lost) = (now, false);
        }
    }

    /// Judges a check and writes its answer into `out`, which holds [`crate::stun::ANSWER_BYTES`].
    pub fn receive(&mut self, now: Instant, from: SocketAddr, datagram: &[u8], out: &mut [u8]) -> Checked {
        let Some(request) = Request::read(datagram) else { return Checked::Ignore };
        let Some(username) = request.username else { return answered(request.refuse(400, None, out)) };
        let new = named(username, &self.pairing) && request.is_authentic(&self.pairing.local.password);
        let old = || {
            let before = self.before.as_ref();
            before.filter(|pairing| named(username, pairing) && request.is_authentic(&pairing.local.password))
        };
        let password = match new.then_some(&self.pairing).or_else(old) {
            Some(pairing) => pairing.local.password.clone(),
            None => return answered(request.refuse(401, None, out)),
        };
        if request.unknown.is_some() {
            return answered(request.refuse(420, Some(&password), out));
        }
        if request.controlled {
            // The side that only answers is always the controlled one (§6.1.1).
            return answered(request.refuse(487, Some(&password), out));
        }
        if new {
            self.before = None;
        }
        (self.checked_at, self.lost) = (now, false);
        self.believe(from);
        if self.selected.is_none() || (request.use_candidate && self.selected != Some(from)) {
            self.selected = Some(from);
            self.event = Some(Event::Selected(from));
        }
        answered(request.answer(from, &password, out))
    }

    /// The oldest that is not in use makes room.
    fn believe(&mut self, from: SocketAddr) {
        if self.valid.contains(&from) {
            return;
        }
        if self.valid.len() >= limits::ICE_PAIRS {
            let selected = self.selected;
            if let Some(oldest) = self.valid.iter().position(|address| Some(*address) != selected) {
                self.valid.remove(oldest);
            }
        }
        self.valid.push(from);
    }

    /// Whether packets from there are the peer's, as far as an address can tell.
    pub fn allows(&self, from: SocketAddr) -> bool {
        self.valid.contains(&from)
    }

    /// Where the peer is spoken to: the nominated address, before that the first believed one.
    pub fn selected(&self) -> Option<SocketAddr> {
        self.selected
    }

    /// When [`Lite::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.lost { None } else { self.checked_at.checked_add(limits::CONSENT) }
    }

    /// Notices that nobody has checked for long.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_some_and(|at| at <= now) {
            self.lost = true;
            self.event = Some(Event::ConsentLost);
        }
    }

    /// What has happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.event.take()
    }
}

fn answered(len: Option<usize>) -> Checked {
    len.map_or(Checked::Ignore, Checked::Respond)
}

/// `ours:theirs` (RFC 8445 §7.2.2).
fn named(username: &str, pairing: &Pairing) -> bool {
    username.split_once(':') == Some((&pairing.local.ufrag, &pairing.remote.ufrag))
}
