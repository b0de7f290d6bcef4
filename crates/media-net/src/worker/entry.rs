//! What stands in a slot: a session with its sockets, or the sockets alone while their ports rest.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use media::{Leg, Session, SessionId};

use crate::legs::LegSockets;
use crate::recording::Recording;
use crate::shared::Place;
use crate::slots::Key;

#[expect(clippy::large_enum_variant, reason = "each lies in a box of its own, and one becomes the other in place")]
pub(super) enum Entry {
    Live(Live),
    Resting(Resting),
}

pub(super) struct Live {
    pub(super) id: SessionId,
    /// Of its slot: what keys of its legs carry.
    pub(super) generation: u16,
    pub(super) session: Session,
    pub(super) legs: Vec<LegSockets>,
    pub(super) deadline: Option<Instant>,
    /// Counts the requests for files; [`Live::waits_for`] tells which one each leg still wants.
    pub(super) serial: u32,
    pub(super) waits_for: Vec<Option<u32>>,
    /// For each leg, where on the browsers' port it lives, if it does.
    pub(super) shared: Vec<Option<SharedLeg>>,
    /// The addresses that its legs believe at that port.
    pub(super) believed: Vec<(Place, SocketAddr, Key)>,
    /// Takes down what its legs say.
    pub(super) recording: Option<Recording>,
    /// Who may send by the present plan: whose packets keep the ports from other calls afterwards.
    pub(super) peers: Vec<IpAddr>,
}

impl Live {
    /// A file that is still being read for this leg will not be played.
    pub(super) fn forget_file(&mut self, leg: Leg) {
        if let Some(waits_for) = self.waits_for.get_mut(usize::from(leg.0)) {
            *waits_for = None;
        }
    }
}

/// A leg at the port of the browsers.
#[derive(Debug)]
pub(super) struct SharedLeg {
    pub(super) place: Place,
    /// The name by which its checks find it.
    pub(super) ufrag: String,
}

#[derive(Debug)]
pub(super) struct Resting {
    pub(super) legs: Vec<LegSockets>,
    pub(super) deadline: Option<Instant>,
    pub(super) peers: Vec<IpAddr>,
    pub(super) since: Instant,
    pub(super) last_heard: Instant,
}

impl Resting {
    /// Takes one datagram and forgets it. Only the former peers prolong the rest: a stranger who sprays
    /// our ports must not be able to use them all up.
    pub(super) fn drain(&mut self, now: Instant, leg: u8, rtcp: bool, buffer: &mut [u8]) -> io::Result<()> {
        let Some(leg) = self.legs.get(usize::from(leg)) else { return Ok(()) };
        let (_, from) = leg.socket(rtcp).recv_from(buffer)?;
        if self.peers.contains(&from.ip()) {
            self.last_heard = now;
        }
        Ok(())
    }
}
