//! Legs: what the call holds of each side, and of the media between them.

use std::net::{IpAddr, SocketAddr};

use domain::CallLeg;
use media::{MediaAddress, Negotiation};
use sip::header::NameAddr;
use sip::{DialogId, Flow, ServerId, Uri};

use super::effect::RequestKey;
use crate::registrar::Binding;

/// The far end of a dialog.
pub(super) struct End {
    /// Its dialog.
    pub(super) dialog: DialogId,
    /// The way to it.
    pub(super) flow: Flow,
    /// What it and we have told each other about media.
    pub(super) negotiation: Negotiation,
}

/// The side that called.
pub(super) struct Caller {
    pub(super) end: End,
    /// How far its INVITE has come.
    pub(super) state: CallerState,
    /// Its row of the history.
    pub(super) leg: CallLeg,
    /// The From that others see.
    pub(super) shown: NameAddr,
    /// Main domain of its tenant: the host part of the To that others see.
    pub(super) domain: String,
    /// Hops its INVITE has left.
    pub(super) max_forwards: u8,
}

/// How far the INVITE of a caller has come.
pub(super) enum CallerState {
    /// No final answer yet.
    Invited {
        /// The transaction to answer.
        server: ServerId,
    },
    /// Our 200 is out.
    Answered,
    /// The dialog is over.
    Gone,
}

/// A phone that can be called.
pub(super) struct Target {
    /// Its Contact.
    pub(super) uri: Uri,
    /// The way to it.
    pub(super) flow: Flow,
    /// The proxies on the way (RFC 3327).
    pub(super) path: Vec<NameAddr>,
}

impl Target {
    /// The phone behind a binding.
    pub(super) fn of(binding: &Binding) -> Option<Self> {
        Some(Self { uri: binding.target().ok()?, flow: *binding.flow(), path: binding.path() })
    }
}

/// One phone that is being called.
pub(super) struct Branch {
    /// Its INVITE.
    pub(super) request: RequestKey,
    /// The way to it.
    pub(super) flow: Flow,
    /// What it and we have told each other about media.
    pub(super) negotiation: Negotiation,
    /// Its row of the history.
    pub(super) leg: CallLeg,
}

/// The side that was called and has answered.
pub(super) struct Callee {
    pub(super) end: End,
    /// Its row of the history.
    pub(super) leg: CallLeg,
}

/// The ports of a call.
pub(super) enum Media {
    /// None yet.
    None,
    /// Asked for.
    Opening,
    /// RTP address of each leg.
    Open(Vec<SocketAddr>),
    /// Being given back.
    Closing,
    /// Given back, or never had.
    Closed,
}

impl Media {
    /// What the description for a leg names.
    pub(super) fn address(&self, leg: media::Leg, flow: &Flow, advertised: Option<IpAddr>) -> Option<MediaAddress> {
        let Media::Open(addresses) = self else { return None };
        let opened = addresses.get(usize::from(leg.0))?;
        let facing = if opened.ip().is_unspecified() { flow.local.ip() } else { opened.ip() };
        Some(MediaAddress { ip: advertised.unwrap_or(facing), rtp_port: opened.port() })
    }
}
