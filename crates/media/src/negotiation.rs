//! What one leg and we have told each other: its offers and answers, ours, and what is agreed.

pub(crate) mod carriage;
mod stream;

use bytes::Bytes;
use thiserror::Error;

use crate::dtls::{Fingerprint, Role};
use crate::plan::MediaAddress;
use crate::profile::Profile;
use crate::sdp::{Connection, Description, Direction, Host, Media, Origin, Secure};

pub(crate) use carriage::{Carriage, OfferedCarriage};
pub(crate) use stream::{Encoding, Events, Format, Stream, events_format, events_of};

/// Why a description cannot be accepted, ready for the SIP answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{code} {text}")]
pub struct Refusal {
    /// SIP status: 400 unreadable, 488 not acceptable, 491 an offer is pending, 500 asked out of turn.
    pub code: u16,
    /// A plain sentence.
    pub text: &'static str,
}

impl Refusal {
    pub(crate) const fn new(code: u16, text: &'static str) -> Self {
        Refusal { code, text }
    }
    pub(crate) const NO_COMMON_CODEC: Refusal = Refusal::new(488, "The two sides have no codec in common.");
    pub(crate) const UNREADABLE: Refusal = Refusal::new(400, "The session description cannot be read.");
    pub(crate) const NO_AUDIO: Refusal = Refusal::new(488, "The session description has no audio stream.");
    pub(crate) const TRANSPORT: Refusal =
        Refusal::new(488, "The audio stream uses a transport that is not known here.");
    pub(crate) const SWITCHED_OFF: Refusal = Refusal::new(488, "Encrypted audio is switched off for this extension.");
    pub(crate) const INSECURE: Refusal =
        Refusal::new(488, "The audio must be encrypted, and no usable key was offered.");
    pub(crate) const NO_BROWSER: Refusal =
        Refusal::new(488, "This phone is taken for a browser, but its description has no ICE and no DTLS.");
    pub(crate) const NO_SHARED_PORT: Refusal =
        Refusal::new(488, "There is no port for browsers: see [rtp] webrtc_port.");
    pub(crate) const NO_ADDRESS: Refusal = Refusal::new(488, "The audio stream has no IP address we may send to.");
    pub(crate) const REFUSED: Refusal = Refusal::new(488, "The other side refused the audio stream.");
    pub(crate) const PENDING: Refusal = Refusal::new(491, "Another offer is still pending.");
    pub(crate) const NOT_OFFERED: Refusal = Refusal::new(400, "An answer came without an offer.");
    pub(crate) const OUT_OF_TURN: Refusal = Refusal::new(500, "There is no description to work on yet.");
}

/// A codec both sides of a leg may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Usable {
    pub(crate) encoding: Encoding,
    pub(crate) fmtp: Option<String>,
    /// Payload type we send.
    pub(crate) send: u8,
    /// Payload type the leg sends.
    pub(crate) receive: u8,
}

/// Payload types of telephone events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EventMap {
    pub(crate) clock_hz: u32,
    pub(crate) send: u8,
    pub(crate) receive: u8,
}

/// A finished offer and answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Agreed {
    /// Our direction as we declared it.
    pub(crate) direction: Direction,
    pub(crate) remote: Stream,
    pub(crate) usable: Vec<Usable>,
    pub(crate) events: Vec<EventMap>,
    /// Our part in a handshake.
    pub(crate) role: Option<Role>,
    /// How often ICE began anew.
    pub(crate) restarts: u32,
}

/// Our last offer: what an answer to it is matched against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Offered {
    pub(crate) index: usize,
    pub(crate) direction: Direction,
    pub(crate) formats: Vec<Format>,
    pub(crate) events: Vec<Events>,
    pub(crate) carriage: OfferedCarriage,
    pub(crate) restarts: u32,
}

/// Our part of what is agreed, and what an answer to it would be matched against.
#[derive(Clone, Debug)]
struct Standing {
    description: Description,
    offered: Offered,
}

#[derive(Clone, Debug)]
enum State {
    /// Nothing, or everything agreed. An answer to the last offer may still be replaced by that of another branch.
    Stable {
        offered: Option<Offered>,
    },
    RemoteOffer {
        stream: Stream,
        media: Vec<Media>,
    },
    LocalOffer {
        offered: Offered,
        media: Vec<Media>,
    },
}

/// Whether a description is a browser's: it names a handshake and ICE for its audio.
pub fn is_browser(body: &[u8]) -> bool {
    Description::parse(body).is_ok_and(|description| carriage::is_browser(&description))
}

/// Offer and answer of one leg: a plain value that its owner passes to [`crate::plan`] without looking inside.
#[derive(Clone, Debug)]
pub struct Negotiation {
    id: u64,
    profile: Profile,
    version: u64,
    sent: Option<Description>,
    state: State,
    agreed: Option<Agreed>,
    standing: Option<Standing>,
    /// The `m=` lines of the session as last agreed; later offers keep their number and order.
    layout: Vec<Media>,
}

impl Negotiation {
    /// A leg of which nothing is known yet. `id` is the session id of our `o=` line.
    pub fn new(id: u64, profile: Profile) -> Self {
        Negotiation {
            id,
            profile,
            version: 0,
            sent: None,
            state: State::Stable { offered: None },
            agreed: None,
            standing: None,
            layout: Vec::new(),
        }
    }

    /// The leg's offer; pending until answered or rolled back.
    pub fn remote_offer(&mut self, body: &[u8]) -> Result<(), Refusal> {
        if !self.is_stable() {
            return Err(Refusal::PENDING);
        }
        let description = Description::parse(body).map_err(|_| Refusal::UNREADABLE)?;
        let stream = Stream::offered(&description, &self.profile)?;
        self.state = State::RemoteOffer { stream, media: description.media };
        Ok(())
    }

    /// The leg's answer to our offer. May come again, from another branch or in the final response, and then replaces
    /// the one before. A refused answer leaves everything as it was.
    pub fn remote_answer(&mut self, body: &[u8]) -> Result<(), Refusal> {
        let (offered, layout) = match &self.state {
            State::LocalOffer { offered, media } => (offered, media),
            State::Stable { offered: Some(offered) } => (offered, &self.layout),
            State::Stable { offered: None } | State::RemoteOffer { .. } => {
                return Err(Refusal::NOT_OFFERED);
            }
        };
        let description = Description::parse(body).map_err(|_| Refusal::UNREADABLE)?;
        let agreed = stream::answered(&description, offered, &self.profile, self.handshake())?;
        let layout = layout.clone();
        let offered = offered.clone();
        self.agreed = Some(agreed);
        self.layout = layout;
        let description = self.sent.clone();
        self.standing = description.map(|description| Standing { description, offered: offered.clone() });
        self.state = State::Stable { offered: Some(offered) };
        Ok(())
    }

    /// Forgets a pending offer, in either direction: what was agreed before stands.
    pub fn rollback(&mut self) {
        if !self.is_stable() {
            self.state = State::Stable { offered: None };
        }
    }

    /// Offers what stands agreed once more, unchanged and under its version (RFC 3264, 8), as a refresh of the session wants
    /// it; the version grows only when something else was offered meanwhile. Pending until answered or rolled back.
    pub fn repeat(&mut self) -> Result<Bytes, Refusal> {
        if !self.is_stable() {
            return Err(Refusal::PENDING);
        }
        let Standing { description, offered } = self.standing.clone().ok_or(Refusal::OUT_OF_TURN)?;
        let media = description.media.clone();
        let body = self.send(description);
        self.state = State::LocalOffer { offered, media };
        Ok(body)
    }

    /// Whether no offer is pending.
    pub fn is_stable(&self) -> bool {
        matches!(self.state, State::Stable { .. })
    }

    /// Whether our offer waits for its answer.
    pub fn awaits_answer(&self) -> bool {
        matches!(self.state, State::LocalOffer { .. })
    }

    /// Whether an offer and an answer have been agreed.
    pub fn is_agreed(&self) -> bool {
        self.agreed.is_some()
    }

    /// Whether the leg (by its pending offer, else by what is agreed) wants to hear nothing: it has put us on hold.
    pub fn remote_hold(&self) -> bool {
        self.remote().is_some_and(|stream| !stream.direction.receives())
    }

    /// Version in the `o=` line of our last description; 0 before the first.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Our last description as it was sent.
    pub fn local_body(&self) -> Option<Bytes> {
        self.sent.as_ref().map(Description::render)
    }

    /// Our part of what is agreed.
    pub(crate) fn standing_body(&self) -> Option<Bytes> {
        self.standing.as_ref().map(|standing| standing.description.render())
    }

    pub(crate) fn profile(&self) -> &Profile {
        &self.profile
    }

    /// With whom a handshake has been agreed, and our part in it.
    pub(crate) fn handshake(&self) -> Option<(&Fingerprint, Role)> {
        let agreed = self.agreed.as_ref()?;
        match &agreed.remote.carriage {
            Carriage::Dtls { fingerprint, .. } => Some((fingerprint, agreed.role?)),
            Carriage::Plain | Carriage::Sdes { .. } => None,
        }
    }

    /// How often ICE has begun anew once the peer's credentials are these: other ones are a restart (RFC 8839, 4.4.1.1.1).
    pub(crate) fn restarts(&self, remote: Option<&Stream>) -> u32 {
        match (&self.agreed, remote) {
            (None, _) => 0,
            (Some(agreed), None) => agreed.restarts,
            (Some(agreed), Some(remote)) => agreed.restarts + u32::from(agreed.remote.ice != remote.ice),
        }
    }

    pub(crate) fn agreed(&self) -> Option<&Agreed> {
        self.agreed.as_ref()
    }

    /// The leg's pending offer, else its part of what is agreed.
    pub(crate) fn remote(&self) -> Option<&Stream> {
        match &self.state {
            State::RemoteOffer { stream, .. } => Some(stream),
            State::Stable { .. } | State::LocalOffer { .. } => self.agreed.as_ref().map(|agreed| &agreed.remote),
        }
    }

    pub(crate) fn pending_offer(&self) -> Option<(&Stream, &[Media])> {
        match &self.state {
            State::RemoteOffer { stream, media } => Some((stream, media)),
            State::Stable { .. } | State::LocalOffer { .. } => None,
        }
    }

    pub(crate) fn layout(&self) -> &[Media] {
        &self.layout
    }

    /// Makes our offer pending and renders it.
    pub(crate) fn commit_offer(&mut self, local: MediaAddress, media: Vec<Media>, offered: Offered) -> Bytes {
        let body = self.describe(local, media.clone());
        self.state = State::LocalOffer { offered, media };
        body
    }

    /// Answers the pending offer of the leg and renders the answer.
    pub(crate) fn commit_answer(&mut self, local: MediaAddress, media: Vec<Media>, agreed: Agreed) -> Bytes {
        let body = self.describe(local, media.clone());
        self.layout = media;
        let description = self.sent.clone();
        let offered = Offered::again(&agreed, &self.profile);
        self.standing = description.map(|description| Standing { description, offered });
        self.agreed = Some(agreed);
        self.state = State::Stable { offered: None };
        body
    }

    fn describe(&mut self, local: MediaAddress, media: Vec<Media>) -> Bytes {
        self.send(Description {
            origin: Some(Origin {
                username: "-".to_owned(),
                id: self.id,
                version: self.version,
                address: Host::Ip(local.ip),
            }),
            connection: Some(Connection { host: Host::Ip(local.ip) }),
            direction: None,
            bundle: media.iter().filter(|media| media.port != 0).filter_map(|media| media.mid.clone()).collect(),
            ice_lite: self.profile.webrtc,
            secure: Secure::default(),
            media,
        })
    }

    /// Renders a description of ours; the version grows only when something else in it changed (RFC 3264, 8).
    fn send(&mut self, mut description: Description) -> Bytes {
        if let Some(origin) = &mut description.origin {
            origin.version = self.version;
        }
        if self.sent.as_ref() != Some(&description) {
            self.version += 1;
            if let Some(origin) = &mut description.origin {
                origin.version = self.version;
            }
        }
        let body = description.render();
        self.sent = Some(description);
        body
    }
}

impl Agreed {
    /// The telephone events that go with a codec: those of its clock (RFC 4733, 2.1), else those there are.
    pub(crate) fn events_for(&self, encoding: &Encoding) -> Option<EventMap> {
        let same = self.events.iter().find(|map| map.clock_hz == encoding.clock_hz);
        same.or(self.events.first()).copied()
    }
}

impl Offered {
    /// What an answer of ours would have offered.
    fn again(agreed: &Agreed, profile: &Profile) -> Self {
        let format = |usable: &Usable| Format {
            payload_type: usable.receive,
            encoding: usable.encoding.clone(),
            fmtp: usable.fmtp.clone(),
        };
        Self {
            index: agreed.remote.index,
            direction: agreed.direction,
            formats: agreed.usable.iter().map(format).collect(),
            events: agreed.events.iter().map(|map| Events::new(map.receive, map.clock_hz)).collect(),
            carriage: OfferedCarriage::of(profile, Some(&agreed.remote.carriage)),
            restarts: agreed.restarts,
        }
    }
}
