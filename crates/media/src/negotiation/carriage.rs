//! How a description carries its audio: in clear, with keys in it (RFC 4568), or with a handshake (RFC 5763).

use super::Refusal;
use crate::dtls::{Fingerprint, Role};
use crate::ice::Credentials;
use crate::plan::Security;
use crate::profile::{Profile, SrtpKeys, SrtpPolicy};
use crate::sdp::{self, Description, Media, Setup};
use crate::srtp::{MasterKey, Suite};

/// The suites we offer, the best known first: every phone with SRTP has it.
const OFFERED: [Suite; 3] = [Suite::AesCm128HmacSha1_80, Suite::AeadAes128Gcm, Suite::AesCm128HmacSha1_32];

const PLAIN: &str = "RTP/AVP";
const KEYED: &str = "RTP/SAVP";
const BROWSER: &str = "UDP/TLS/RTP/SAVPF";
const HANDSHAKE: &str = "UDP/TLS/RTP/SAVP";

/// What one side's description says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Carriage {
    /// In clear.
    Plain,
    /// Its key, and the tag of the line that it stood on.
    Sdes { tag: u32, key: MasterKey },
    /// The fingerprint of its certificate, and who shall begin.
    Dtls { fingerprint: Fingerprint, setup: Setup },
}

/// Kinds of transport by their name on the `m=` line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Plain,
    Keyed,
    Handshake,
}

fn protocol(name: &str) -> Option<Protocol> {
    const NAMES: [(&str, Protocol); 6] = [
        (PLAIN, Protocol::Plain),
        ("RTP/AVPF", Protocol::Plain),
        (KEYED, Protocol::Keyed),
        ("RTP/SAVPF", Protocol::Keyed),
        (HANDSHAKE, Protocol::Handshake),
        (BROWSER, Protocol::Handshake),
    ];
    NAMES.into_iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|(_, protocol)| protocol)
}

/// How an offered stream is carried, as far as the profile lets it.
pub(super) fn offered(description: &Description, media: &Media, profile: &Profile) -> Result<Carriage, Refusal> {
    let policy = profile.policy();
    let handshake = || {
        let usable = profile.fingerprint.is_some();
        fingerprint(description, media).filter(|_| usable).map(|fingerprint| Carriage::Dtls {
            fingerprint,
            setup: setup(description, media).unwrap_or(Setup::ActPass),
        })
    };
    let keyed = || first_crypto(media).map(|(tag, key)| Carriage::Sdes { tag, key });
    let carriage = match (protocol(&media.protocol).ok_or(Refusal::TRANSPORT)?, policy) {
        (Protocol::Plain, SrtpPolicy::Off) => Some(Carriage::Plain),
        // Keys beside a plain transport: many phones offer encryption so to those who may not know it.
        (Protocol::Plain, SrtpPolicy::Prefer) => Some(keyed().unwrap_or(Carriage::Plain)),
        (Protocol::Plain, SrtpPolicy::Require) => keyed(),
        (Protocol::Keyed | Protocol::Handshake, SrtpPolicy::Off) => return Err(Refusal::SWITCHED_OFF),
        (Protocol::Keyed, _) => keyed().or_else(handshake),
        (Protocol::Handshake, _) => handshake(),
    };
    let carriage = carriage.ok_or(Refusal::INSECURE)?;
    if profile.webrtc && (!matches!(carriage, Carriage::Dtls { .. }) || credentials(description, media).is_none()) {
        return Err(Refusal::NO_BROWSER);
    }
    Ok(carriage)
}

/// What we have offered, to judge the answer by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OfferedCarriage {
    /// In clear, nothing else.
    Plain,
    /// Keys beside a plain transport.
    Optional,
    /// Keys.
    Sdes,
    /// A handshake.
    Dtls,
}

impl OfferedCarriage {
    /// What we offer to a leg; one that stands agreed is offered the same again.
    pub(crate) fn of(profile: &Profile, agreed: Option<&Carriage>) -> OfferedCarriage {
        match (profile.policy(), profile.keys, agreed) {
            (_, _, Some(Carriage::Dtls { .. })) => OfferedCarriage::Dtls,
            (SrtpPolicy::Require, _, Some(Carriage::Sdes { .. })) => OfferedCarriage::Sdes,
            (_, _, Some(Carriage::Sdes { .. })) => OfferedCarriage::Optional,
            (SrtpPolicy::Off, ..) => OfferedCarriage::Plain,
            (_, _, Some(Carriage::Plain)) => OfferedCarriage::Plain,
            (_, SrtpKeys::Dtls, None) if profile.fingerprint.is_some() => OfferedCarriage::Dtls,
            (_, _, None) if profile.webrtc => OfferedCarriage::Dtls,
            (SrtpPolicy::Prefer, ..) => OfferedCarriage::Optional,
            (SrtpPolicy::Require, ..) => OfferedCarriage::Sdes,
        }
    }
}

/// How an answered stream is carried.
pub(super) fn answered(
    description: &Description,
    media: &Media,
    offered: OfferedCarriage,
) -> Result<Carriage, Refusal> {
    let transport = protocol(&media.protocol).ok_or(Refusal::TRANSPORT)?;
    let keyed = || {
        let (tag, key) = first_crypto(media)?;
        let ours = usize::try_from(tag).ok().and_then(|tag| OFFERED.get(tag.checked_sub(1)?))?;
        (*ours == key.suite()).then_some(Carriage::Sdes { tag, key })
    };
    match (offered, transport) {
        (OfferedCarriage::Plain, Protocol::Plain) => Some(Carriage::Plain),
        (OfferedCarriage::Optional, Protocol::Plain) => Some(keyed().unwrap_or(Carriage::Plain)),
        (OfferedCarriage::Optional | OfferedCarriage::Sdes, _) => keyed(),
        (OfferedCarriage::Dtls, Protocol::Keyed | Protocol::Handshake) => {
            fingerprint(description, media).map(|fingerprint| Carriage::Dtls {
                fingerprint,
                setup: setup(description, media).unwrap_or(Setup::Active),
            })
        }
        (OfferedCarriage::Plain, _) | (OfferedCarriage::Dtls, Protocol::Plain) => None,
    }
    .ok_or(Refusal::INSECURE)
}

/// Writes into our offer how the stream is carried.
pub(crate) fn offer(media: &mut Media, profile: &Profile, offered: OfferedCarriage) {
    match offered {
        OfferedCarriage::Plain => {}
        OfferedCarriage::Optional | OfferedCarriage::Sdes => {
            if offered == OfferedCarriage::Sdes {
                KEYED.clone_into(&mut media.protocol);
            }
            media.cryptos = (1..).zip(OFFERED).map(|(tag, suite)| crypto(profile, tag, suite)).collect();
        }
        OfferedCarriage::Dtls => {
            if profile.webrtc { BROWSER } else { HANDSHAKE }.clone_into(&mut media.protocol);
            handshake(media, profile, Setup::ActPass);
            media.rtcp_mux = true;
        }
    }
}

/// Writes into our answer how the stream is carried, in the transport in which it was offered.
pub(crate) fn answer(media: &mut Media, profile: &Profile, protocol: &str, theirs: &Carriage, role: Option<Role>) {
    protocol.clone_into(&mut media.protocol);
    match theirs {
        Carriage::Plain => {}
        Carriage::Sdes { tag, key } => media.cryptos = vec![crypto(profile, *tag, key.suite())],
        Carriage::Dtls { .. } => {
            let setup = if role == Some(Role::Client) { Setup::Active } else { Setup::Passive };
            handshake(media, profile, setup);
        }
    }
}

fn handshake(media: &mut Media, profile: &Profile, setup: Setup) {
    media.secure.fingerprints = profile.fingerprint.iter().map(|ours| (**ours).clone()).collect();
    media.secure.setup = Some(setup);
}

fn crypto(profile: &Profile, tag: u32, suite: Suite) -> sdp::Crypto {
    sdp::Crypto {
        tag,
        suite: suite.name().to_owned(),
        keys: sdp::Secret(profile.secret.master_key(suite).to_inline()),
        session: Vec::new(),
    }
}

/// Our part in a handshake: what it has been stays. Where the peer leaves the choice it begins, since its first message
/// also opens the way through its NAT.
pub(crate) fn role(theirs: &Carriage, before: Option<(&Fingerprint, Role)>) -> Option<Role> {
    let Carriage::Dtls { fingerprint, setup } = theirs else { return None };
    Some(match (setup, before) {
        (Setup::Active, _) => Role::Server,
        (Setup::Passive, _) => Role::Client,
        (Setup::ActPass | Setup::HoldConn, Some((known, role))) if known == fingerprint => role,
        (Setup::ActPass | Setup::HoldConn, _) => Role::Server,
    })
}

/// What a worker has to know of it.
pub(crate) fn security(theirs: &Carriage, role: Option<Role>, profile: &Profile) -> Security {
    match (theirs, role) {
        (Carriage::Plain, _) => Security::Plain,
        (Carriage::Sdes { key, .. }, _) => {
            Security::Sdes { send: profile.secret.master_key(key.suite()), receive: key.clone() }
        }
        (Carriage::Dtls { fingerprint, .. }, role) => {
            Security::Dtls { role: role.unwrap_or(Role::Server), fingerprint: fingerprint.clone() }
        }
    }
}

/// The credentials of the peer's ICE, at the stream or at the session.
pub(super) fn credentials(description: &Description, media: &Media) -> Option<Credentials> {
    let ufrag = media.secure.ice_ufrag.as_ref().or(description.secure.ice_ufrag.as_ref())?;
    let password = media.secure.ice_pwd.as_ref().or(description.secure.ice_pwd.as_ref())?;
    Credentials::parse(ufrag, &password.0)
}

/// Whether an audio stream wants both a handshake and ICE.
pub(super) fn is_browser(description: &Description) -> bool {
    description.media.iter().any(|media| {
        media.kind == sdp::Kind::Audio
            && protocol(&media.protocol) == Some(Protocol::Handshake)
            && credentials(description, media).is_some()
            && fingerprint(description, media).is_some()
    })
}

/// The first line that we can use: of a suite that we have, without parameters that weaken it.
fn first_crypto(media: &Media) -> Option<(u32, MasterKey)> {
    media.cryptos.iter().find_map(|crypto| {
        let harmless = |parameter: &String| parameter.starts_with("WSH=") || parameter == "KDR=0";
        if !crypto.session.iter().all(harmless) {
            return None;
        }
        let key = MasterKey::from_inline(Suite::named(&crypto.suite)?, &crypto.keys.0).ok()?;
        Some((crypto.tag, key))
    })
}

fn fingerprint(description: &Description, media: &Media) -> Option<Fingerprint> {
    media.secure.fingerprints.first().or(description.secure.fingerprints.first()).cloned()
}

fn setup(description: &Description, media: &Media) -> Option<Setup> {
    media.secure.setup.or(description.secure.setup)
}
