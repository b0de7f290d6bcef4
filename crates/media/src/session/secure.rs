//! What protects a leg: ICE in front of its address, SRTP around its packets, and where the keys come from.
//!
//! Whatever is learnt from a packet is learnt after it has been found authentic: a check by its MESSAGE-INTEGRITY, a packet
//! by its tag. A leg whose keys come from a handshake lets nothing pass before.

use std::net::SocketAddr;
use std::time::Instant;

use super::DropReason;
use crate::dtls::{self, Association, Identity};
use crate::ice::{self, Checked, Lite};
use crate::plan::{LegPlan, Security};
use crate::srtp::{MasterKey, Opener, Sealer, SrtpError};
use crate::stun;

/// Both directions of a leg.
#[derive(Debug)]
struct Keys {
    seal: Sealer,
    open: Opener,
}

impl Keys {
    fn new(send: &MasterKey, receive: &MasterKey) -> Box<Keys> {
        Box::new(Keys { seal: Sealer::new(send), open: Opener::new(receive) })
    }
}

/// What is around the packets.
#[derive(Debug, Default)]
enum Cover {
    /// Nothing.
    #[default]
    Plain,
    /// SRTP with the keys of the descriptions.
    Keyed(Box<Keys>),
    /// SRTP with the keys of a handshake, once it is done.
    Handshake { association: Box<Association>, keys: Option<Box<Keys>> },
    /// SRTP that can never come about.
    Failed,
}

/// Something that happened to a leg's protection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// Its audio goes to this address from now on.
    Selected(SocketAddr),
    /// It cannot be protected, and therefore not be heard.
    Failed(&'static str),
    /// Nobody has checked the path for so long that nobody is there.
    ConsentLost,
}

#[derive(Debug, Default)]
pub(super) struct Protection {
    cover: Cover,
    security: Security,
    ice: Option<Box<Lite>>,
    failure: Option<&'static str>,
}

impl Protection {
    /// Whether packets need no look before they are taken for RTP.
    pub(super) fn is_plain(&self) -> bool {
        matches!(self.cover, Cover::Plain) && self.ice.is_none()
    }

    /// Whether packets prove who sent them.
    pub(super) fn authenticates(&self) -> bool {
        !matches!(self.cover, Cover::Plain)
    }

    /// Carries out a plan. What has not changed keeps its counters.
    pub(super) fn apply(&mut self, now: Instant, plan: &LegPlan, identity: Option<&Identity>) {
        let same_peer = self.security == plan.security;
        match (&plan.ice, &mut self.ice) {
            (None, ice) => *ice = None,
            (Some(wanted), Some(lite)) if same_peer => lite.update(now, wanted.clone()),
            // Who takes somebody's place is believed nothing of what that one was.
            (Some(wanted), ice) => *ice = Some(Box::new(Lite::new(now, wanted.clone()))),
        }
        if same_peer {
            return;
        }
        self.security = plan.security.clone();
        self.cover = match (&plan.security, identity) {
            (Security::Plain, _) => Cover::Plain,
            (Security::Sdes { send, receive }, _) => Cover::Keyed(Keys::new(send, receive)),
            (Security::Dtls { role, fingerprint }, Some(identity)) => {
                let association = Box::new(Association::new(now, identity, *role, fingerprint.clone()));
                Cover::Handshake { association, keys: None }
            }
            (Security::Dtls { .. }, None) => {
                self.failure = Some("there is no certificate for encrypted audio");
                Cover::Failed
            }
        };
    }

    /// Whether ICE believes an address; nothing where there is no ICE.
    pub(super) fn believes(&self, from: SocketAddr) -> Option<bool> {
        self.ice.as_ref().map(|ice| ice.allows(from))
    }

    /// Where ICE sends; nothing where there is no ICE, or not yet.
    pub(super) fn selected(&self) -> Option<SocketAddr> {
        self.ice.as_ref().and_then(|ice| ice.selected())
    }

    /// Answers a check in place; gives the length of the answer.
    pub(super) fn check(&mut self, now: Instant, from: SocketAddr, buffer: &mut [u8], len: usize) -> Option<usize> {
        let ice = self.ice.as_mut()?;
        let mut answer = [0; stun::ANSWER_BYTES];
        match ice.receive(now, from, buffer.get(..len)?, &mut answer) {
            Checked::Respond(len) => {
                buffer.get_mut(..len)?.copy_from_slice(answer.get(..len)?);
                Some(len)
            }
            Checked::Ignore => None,
        }
    }

    /// Takes a datagram of the handshake.
    pub(super) fn shake(&mut self, now: Instant, datagram: &[u8]) {
        if let Cover::Handshake { association, .. } = &mut self.cover {
            association.receive(now, datagram);
            self.settle();
        }
    }

    /// What came of the handshake.
    fn settle(&mut self) {
        let Cover::Handshake { association, keys } = &mut self.cover else { return };
        match association.poll_event() {
            Some(dtls::Event::Connected { send, receive }) => *keys = Some(Keys::new(&send, &receive)),
            Some(dtls::Event::Failed(why)) => {
                self.failure = Some(why);
                self.cover = Cover::Failed;
            }
            None => {}
        }
    }

    /// Opens what came; gives its length in clear.
    pub(super) fn open_rtp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, DropReason> {
        match self.keys()? {
            Some(keys) => keys.open.open_rtp(buffer, len).map_err(reason),
            None => Ok(len),
        }
    }

    /// The same for RTCP.
    pub(super) fn open_rtcp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, DropReason> {
        match self.keys()? {
            Some(keys) => keys.open.open_rtcp(buffer, len).map_err(reason),
            None => Ok(len),
        }
    }

    /// Protects what goes; gives its length on the wire.
    pub(super) fn seal_rtp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, DropReason> {
        match self.keys()? {
            Some(keys) => keys.seal.seal_rtp(buffer, len).map_err(reason),
            None => Ok(len),
        }
    }

    /// The same for RTCP.
    pub(super) fn seal_rtcp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, DropReason> {
        match self.keys()? {
            Some(keys) => keys.seal.seal_rtcp(buffer, len).map_err(reason),
            None => Ok(len),
        }
    }

    fn keys(&mut self) -> Result<Option<&mut Keys>, DropReason> {
        match &mut self.cover {
            Cover::Plain => Ok(None),
            Cover::Keyed(keys) | Cover::Handshake { keys: Some(keys), .. } => Ok(Some(keys)),
            Cover::Handshake { keys: None, .. } | Cover::Failed => Err(DropReason::NoKeys),
        }
    }

    /// When [`Protection::handle_timeout`] is due.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let handshake = match &self.cover {
            Cover::Handshake { association, .. } => association.poll_timeout(),
            Cover::Plain | Cover::Keyed(_) | Cover::Failed => None,
        };
        let consent = self.ice.as_ref().and_then(|ice| ice.poll_timeout());
        [handshake, consent].into_iter().flatten().min()
    }

    /// Repeats what the handshake has lost, and notices when a peer is gone.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if let Cover::Handshake { association, .. } = &mut self.cover
            && association.poll_timeout().is_some_and(|at| at <= now)
        {
            association.handle_timeout(now);
            self.settle();
        }
        if let Some(ice) = &mut self.ice {
            ice.handle_timeout(now);
        }
    }

    /// The next datagram of the handshake.
    pub(super) fn poll_datagram(&mut self, out: &mut [u8]) -> Option<usize> {
        match &mut self.cover {
            Cover::Handshake { association, .. } => association.poll_datagram(out),
            Cover::Plain | Cover::Keyed(_) | Cover::Failed => None,
        }
    }

    /// What has happened.
    pub(super) fn poll_event(&mut self) -> Option<Event> {
        if let Some(why) = self.failure.take() {
            return Some(Event::Failed(why));
        }
        Some(match self.ice.as_mut()?.poll_event()? {
            ice::Event::Selected(address) => Event::Selected(address),
            ice::Event::ConsentLost => Event::ConsentLost,
        })
    }
}

fn reason(error: SrtpError) -> DropReason {
    match error {
        SrtpError::Malformed | SrtpError::NoRoom => DropReason::Malformed,
        SrtpError::Forged => DropReason::Forged,
        SrtpError::Replayed => DropReason::Replayed,
        SrtpError::WornOut => DropReason::NoKeys,
    }
}
