//! What a phone is, and how it takes incoming calls.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use sip::Transport;

use super::NAT_SHIFT;
use super::audio::{Law, Voice};
use super::letter::Letters;
use super::skill::Skills;
use crate::world::SIP_PORT;

/// What a phone is.
#[derive(Clone, Debug)]
pub struct PhoneSetup {
    /// What tests call it.
    pub name: String,
    /// Slug of its tenant.
    pub tenant: String,
    /// Its number, and digest username.
    pub extension: String,
    /// Domain of its tenant.
    pub domain: String,
    /// Its password.
    pub password: String,
    /// The switch.
    pub registrar: SocketAddr,
    /// How its signalling travels.
    pub transport: Transport,
    /// Where its signalling really comes from.
    pub address: SocketAddr,
    /// The address it believes to have and writes into Via, Contact and SDP.
    pub claims: IpAddr,
    /// Its codecs, the preferred one first.
    pub laws: Vec<Law>,
    /// What its audio sounds like.
    pub voice: Voice,
    /// Lifetime of its bindings, in seconds.
    pub expires: u32,
    /// Whether it registers again by itself when most of that time is over.
    pub refreshes: bool,
}

impl PhoneSetup {
    /// The same phone behind a NAT box.
    #[must_use]
    pub fn behind_nat(mut self) -> PhoneSetup {
        self.claims = IpAddr::from([192, 168, 178, 20]);
        self.address.set_port(SIP_PORT + NAT_SHIFT);
        self
    }

    /// The same phone with these codecs alone.
    #[must_use]
    pub fn with_laws(mut self, laws: &[Law]) -> PhoneSetup {
        self.laws = laws.to_vec();
        self
    }

    /// The same phone with another password.
    #[must_use]
    pub fn with_password(mut self, password: &str) -> PhoneSetup {
        password.clone_into(&mut self.password);
        self
    }

    /// The same phone with bindings of this lifetime.
    #[must_use]
    pub fn with_expires(mut self, seconds: u32) -> PhoneSetup {
        self.expires = seconds;
        self
    }

    /// The same phone, which keeps its binding alive.
    #[must_use]
    pub fn that_refreshes(mut self) -> PhoneSetup {
        self.refreshes = true;
        self
    }

    /// The same phone with its signalling over this transport.
    #[must_use]
    pub fn over(mut self, transport: Transport) -> PhoneSetup {
        self.transport = transport;
        self
    }

    /// How far the ports the world sees are above those it believes to have.
    pub(super) fn shift(&self) -> u16 {
        if self.claims == self.address.ip() { 0 } else { NAT_SHIFT }
    }

    /// `host:port` of its Via and Contact.
    pub(super) fn sent_by(&self) -> String {
        super::host(self.claims, SIP_PORT)
    }

    /// Transport and `host:port` of its Via.
    pub(super) fn via(&self) -> String {
        format!("{} {}", self.transport, self.sent_by())
    }

    /// Its Contact.
    pub(super) fn contact(&self) -> String {
        let (user, sent_by) = (self.contact_user(), self.sent_by());
        match self.transport {
            Transport::Udp => format!("<sip:{user}@{sent_by}>"),
            other => format!("<sip:{user}@{sent_by};transport={}>", other.uri_param()),
        }
    }

    /// Its Contact. The user part is its own, so that it notices calls meant for others.
    pub(super) fn contact_user(&self) -> String {
        format!("line{}", self.voice.0)
    }

    /// Its address of record.
    pub(super) fn record(&self) -> String {
        format!("sip:{}@{}", self.extension, self.domain)
    }
}

/// What happens when it rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// Somebody picks up.
    Answers,
    /// It refuses with this status.
    Refuses(u16),
    /// Nobody is there.
    RingsOn,
}

/// How a phone takes calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manner {
    /// What happens.
    pub reaction: Reaction,
    /// When it happens.
    pub after: Duration,
    /// Whether 180 is sent at all.
    pub rings: bool,
    /// Whether it sends 183 with a description and speaks before it is answered.
    pub early_media: bool,
    /// Whether it acknowledges.
    pub acknowledges: bool,
    /// Whether it refuses every re-INVITE.
    pub refuses_changes: bool,
    /// How long it talks before it hangs up by itself.
    pub talks_for: Option<Duration>,
    /// Whether it answers its CANCEL with a 200 for the INVITE, as if both had crossed.
    pub crosses_cancel: bool,
    /// Whether audio leaves it.
    pub speaks: bool,
    /// Whether every 200 of it comes twice, from two ends, as from behind a proxy that forks.
    pub answers_twice: bool,
    /// Whether it hangs up when its transfer has come about; otherwise it waits until it is told to go.
    pub leaves: bool,
    /// How it takes messages outside of calls.
    pub letters: Letters,
    /// What it can do beyond RFC 3261.
    pub skills: Skills,
}

impl Default for Manner {
    fn default() -> Manner {
        Manner {
            reaction: Reaction::RingsOn,
            after: Duration::ZERO,
            rings: true,
            early_media: false,
            acknowledges: true,
            refuses_changes: false,
            talks_for: None,
            crosses_cancel: false,
            speaks: true,
            answers_twice: false,
            leaves: false,
            letters: Letters::Answers(200),
            skills: Skills::default(),
        }
    }
}
