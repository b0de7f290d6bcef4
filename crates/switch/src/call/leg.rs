//! Legs: what the call holds of each side, and of the media between them.

use std::time::Duration;

use bytes::Bytes;
use domain::CallLeg;
use media::{Leg, LegAddress, MediaAddress, Negotiation};
use sip::header::NameAddr;
use sip::{Advertised, DialogId, Flow, Name, ServerId, Uri};

use super::early::Early;
use super::effect::RequestKey;
use super::session_timer::SessionTimer;
use crate::feature::forward::Chain;
use crate::limits;
use crate::registrar::Binding;

/// The far end of a dialog.
#[derive(Clone)]
pub(super) struct End {
    /// Its dialog.
    pub(super) dialog: DialogId,
    /// The way to it.
    pub(super) flow: Flow,
    /// What it and we have told each other about media.
    pub(super) negotiation: Negotiation,
    /// Which pair of the session's ports faces it. Who takes somebody's place takes over its ports.
    pub(super) ports: Leg,
    /// How long its session lasts without a sign of it.
    pub(super) timer: SessionTimer,
}

/// The side that called, or that stayed when the one who called was transferred away.
pub(super) struct Caller {
    pub(super) end: End,
    /// How far its INVITE has come.
    pub(super) state: CallerState,
    /// Its row of the history.
    pub(super) leg: CallLeg,
    /// The From that others see.
    pub(super) shown: NameAddr,
    /// Number of its extension, by whose rights it dials.
    pub(super) number: String,
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
    /// Number of its extension.
    pub(super) number: String,
}

impl Target {
    /// The phone behind a binding.
    pub(super) fn of(binding: &Binding) -> Option<Self> {
        Some(Self {
            uri: binding.target().ok()?,
            flow: *binding.flow(),
            path: binding.path(),
            number: binding.registration().extension.clone(),
        })
    }
}

/// The phones to be called, and how.
pub(super) struct Order {
    /// The phones.
    pub(super) targets: Vec<Target>,
    /// Who has sent the call on to them.
    pub(super) chain: Chain,
    /// How long they ring.
    pub(super) ring_for: Duration,
}

/// One phone that is being called.
pub(super) struct Branch {
    /// Its INVITE.
    pub(super) request: RequestKey,
    /// Where it is.
    pub(super) target: Target,
    /// What its INVITE says of those who sent the call to it.
    pub(super) forwarding: Vec<(Name, Bytes)>,
    /// Our offer to it; each of its dialogs answers for itself.
    pub(super) negotiation: Negotiation,
    /// Its row of the history.
    pub(super) leg: CallLeg,
    /// How long its session will last without a sign of it.
    pub(super) timer: SessionTimer,
    /// Its early dialogs: several when a proxy behind it forks.
    pub(super) early: Vec<Early>,
}

/// The side that was called and has answered.
pub(super) struct Callee {
    pub(super) end: End,
    /// Its row of the history.
    pub(super) leg: CallLeg,
    /// Who others see that it is.
    pub(super) shown: NameAddr,
    /// Number of its extension.
    pub(super) number: String,
}

impl Caller {
    /// Somebody who has answered, and now takes the caller's place.
    pub(super) fn of(callee: Callee, domain: String) -> Self {
        let Callee { end, leg, shown, number } = callee;
        Self { end, state: CallerState::Answered, leg, shown, number, domain, max_forwards: limits::MAX_FORWARDS }
    }

    /// The same, when it becomes the other side of somebody else's call.
    pub(super) fn into_callee(self) -> Callee {
        Callee { end: self.end, leg: self.leg, shown: self.shown, number: self.number }
    }

    pub(super) fn is_answered(&self) -> bool {
        matches!(self.state, CallerState::Answered)
    }
}

/// Somebody who is not named to others (RFC 3323 §4.1.1.3).
pub(super) fn anonymous() -> NameAddr {
    NameAddr::new(Uri::sip(Some("anonymous"), "anonymous.invalid", None)).with_display(b"Anonymous")
}

/// The pair of ports opposite to one.
pub(super) fn opposite(ports: Leg) -> Leg {
    if ports == Leg::CALLER { Leg::CALLEE } else { Leg::CALLER }
}

/// The ports of a call.
pub(super) enum Media {
    /// None yet.
    None,
    /// Asked for.
    Opening,
    /// Where each leg reaches us.
    Open(Vec<LegAddress>),
    /// Being given back.
    Closing,
    /// Given back, or never had.
    Closed,
}

impl Media {
    /// What the description for a leg names.
    pub(super) fn address(&self, leg: media::Leg, flow: &Flow, advertised: &Advertised) -> Option<MediaAddress> {
        let Media::Open(addresses) = self else { return None };
        let opened = addresses.get(usize::from(leg.0))?;
        let LegAddress { rtp, shared_port } = *opened;
        let facing = if rtp.ip().is_unspecified() { flow.local.ip() } else { rtp.ip() };
        Some(MediaAddress { ip: advertised.facing(flow.remote.ip(), facing), rtp_port: rtp.port(), shared_port })
    }
}
