//! Effects: what a call wants done outside itself, kept until its step is over.
//!
//! A step that panics has its effects thrown away, so nobody ever sees half a step.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use domain::{DtmfMode, JournalEntry, SrtpKeys, SrtpPolicy, TenantSnapshot, WebRtc};
use jiff::Timestamp;
use media::dtls::Fingerprint;
use rand_chacha::ChaCha8Rng;
use rand_core::RngCore;
use sip::header::Reason;
use sip::{DialogId, Flow, Method, Name, OutgoingRequest, Reply, ServerId};
use uuid::Uuid;

use super::session_timer::SessionTerms;
use crate::qualify::Qualify;
use crate::registrar::Registrar;
use crate::routing::Routes;
use crate::shard::lines::Lines;

/// A request that a call has sent: the call's own name for it, so that calls know no transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RequestKey(pub(crate) u32);

/// One thing to be done.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Answer a request.
    Respond { server: ServerId, reply: Reply },
    /// Send an INVITE outside of any dialog.
    Invite { request: RequestKey, outgoing: Box<OutgoingRequest> },
    /// Send a request inside a dialog and tell the call what becomes of it.
    InDialog { request: RequestKey, dialog: DialogId, method: Method, headers: Vec<(Name, Bytes)>, body: Option<Body> },
    /// Withdraw an INVITE; the call still waits for its final answer.
    Cancel { request: RequestKey, reason: Option<Reason> },
    /// The call waits for nothing more from this request; a late 2xx is acknowledged and ended by the shard.
    Release { request: RequestKey },
    /// Acknowledge a 2xx.
    Ack { dialog: DialogId },
    /// End a dialog; its answer is nobody's business.
    Bye { dialog: DialogId, reason: Option<Reason> },
    /// Drop a dialog that the other side has ended or does not know.
    Forget { dialog: DialogId },
    /// Something for the media workers.
    Media(media::Command),
    /// Something for the history.
    Journal(JournalEntry),
}

/// A content type and what it describes.
pub(crate) type Body = (String, Bytes);

/// The content type of every session description.
pub(crate) const SDP: &str = "application/sdp";

/// A session description as a message body.
pub(crate) fn sdp(description: Bytes) -> Option<Body> {
    Some((SDP.to_owned(), description))
}

/// What a call may look at during one step, and where it leaves its effects.
pub(crate) struct Context<'a> {
    /// Now, on the clock of deadlines.
    pub(crate) now: Instant,
    /// Now, on the clock of people.
    pub(crate) at: Timestamp,
    /// What numbers mean to the tenant at present; `None` when it is gone.
    pub(crate) routes: Option<&'a Routes>,
    /// Who is reachable where.
    pub(crate) registrar: &'a Registrar,
    /// Whether they are there.
    pub(crate) qualify: &'a Qualify,
    /// Which extension takes part in which call, as it was before this step.
    pub(crate) lines: &'a Lines,
    /// What the configuration says.
    pub(crate) settings: &'a Settings,
    /// Fresh identities.
    pub(crate) ids: &'a mut Ids,
    /// What the step wants done.
    pub(crate) effects: &'a mut Vec<Effect>,
}

impl<'a> Context<'a> {
    /// The tenant as it is at present; `None` when it is gone.
    pub(crate) fn snapshot(&self) -> Option<&'a TenantSnapshot> {
        self.routes.map(|routes| &**routes.snapshot())
    }

    /// A fresh identity of this moment.
    pub(crate) fn uuid(&mut self) -> Uuid {
        self.ids.uuid(self.at)
    }

    /// How the audio of a phone may be carried: as its extension wants it. `browser` decides where the extension does not.
    pub(crate) fn profile(&mut self, flow: &Flow, number: &str, browser: bool) -> media::Profile {
        let extension = self.snapshot().and_then(|snapshot| snapshot.extensions.get(number));
        let audio = extension.map(|extension| extension.audio).unwrap_or_default();
        media::Profile {
            signalling: Some(flow.remote.ip()),
            srtp: match audio.srtp {
                SrtpPolicy::Off => media::SrtpPolicy::Off,
                SrtpPolicy::Prefer => media::SrtpPolicy::Prefer,
                SrtpPolicy::Require => media::SrtpPolicy::Require,
            },
            keys: match audio.srtp_keys {
                SrtpKeys::Sdes => media::SrtpKeys::Sdes,
                SrtpKeys::Dtls => media::SrtpKeys::Dtls,
            },
            webrtc: match audio.webrtc {
                WebRtc::Auto => browser,
                WebRtc::On => true,
                WebRtc::Off => false,
            },
            events: match audio.dtmf {
                DtmfMode::Auto | DtmfMode::Rfc4733 => true,
                DtmfMode::Info | DtmfMode::Inband => false,
            },
            tones: match audio.dtmf {
                DtmfMode::Auto | DtmfMode::Inband => true,
                DtmfMode::Info | DtmfMode::Rfc4733 => false,
            },
            secret: self.ids.secret(),
            fingerprint: self.settings.fingerprint.clone(),
        }
    }

    pub(crate) fn respond(&mut self, server: ServerId, reply: Reply) {
        self.effects.push(Effect::Respond { server, reply });
    }

    pub(crate) fn media(&mut self, command: media::Command) {
        self.effects.push(Effect::Media(command));
    }
}

/// The settings that calls read.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// What SDP names instead of the local address.
    pub(crate) rtp_advertised: sip::Advertised,
    /// Of the certificate that media handshakes show.
    pub(crate) fingerprint: Option<Arc<Fingerprint>>,
    /// How long phones ring when the tenant says nothing.
    pub(crate) no_answer_timeout: std::time::Duration,
    /// Session timers.
    pub(crate) session: SessionTerms,
}

/// The seeded source of identities.
pub(crate) struct Ids(pub(crate) ChaCha8Rng);

impl Ids {
    /// A UUIDv7 of this moment.
    pub(crate) fn uuid(&mut self, at: Timestamp) -> Uuid {
        let mut random = [0; 10];
        self.0.fill_bytes(&mut random);
        domain::uuid_v7(u64::try_from(at.as_millisecond()).unwrap_or(0), random)
    }

    /// A fresh Call-ID that tells nothing about us.
    pub(crate) fn call_id(&mut self) -> String {
        format!("{:016x}{:016x}", self.0.next_u64(), self.0.next_u64())
    }

    /// What the keys of a leg are made of.
    pub(crate) fn secret(&mut self) -> media::Secret {
        let mut random = [0; 32];
        self.0.fill_bytes(&mut random);
        media::Secret(random)
    }

    /// A number that nobody can guess, for `o=` lines.
    pub(crate) fn number(&mut self) -> u64 {
        // RFC 8866 §5.2 allows any number; half of the range keeps it positive for parsers that read it signed.
        self.0.next_u64() >> 2
    }
}
