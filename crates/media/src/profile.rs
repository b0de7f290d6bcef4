//! How the audio of one leg may be carried, and the secrets of that leg.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use sha2::{Digest as _, Sha512};

use crate::dtls::Fingerprint;
use crate::ice::Credentials;
use crate::srtp::{MasterKey, Suite};

/// Whether audio is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SrtpPolicy {
    /// Never.
    #[default]
    Off,
    /// Where the peer can.
    Prefer,
    /// Always.
    Require,
}

/// Where the keys come from in what we offer; an answer follows its offer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SrtpKeys {
    /// From the description (RFC 4568).
    #[default]
    Sdes,
    /// From a handshake (RFC 5764).
    Dtls,
}

/// What the owner of a leg says about it once, when the leg begins.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Where a registered phone's signalling comes from, if its media may come from there too.
    pub signalling: Option<IpAddr>,
    /// Whether its audio is encrypted. A browser's always is.
    pub srtp: SrtpPolicy,
    /// Where the keys come from in offers to it.
    pub keys: SrtpKeys,
    /// Whether it is a browser: ICE, DTLS and one port for everything.
    pub webrtc: bool,
    /// Whether keys are agreed to travel as telephone events; else they never do.
    pub events: bool,
    /// Whether keys that the other side presses as tones stay in the audio when there are no events.
    pub tones: bool,
    /// What its keys and names are made of.
    pub secret: Secret,
    /// Of our certificate; without one there is no DTLS.
    pub fingerprint: Option<Arc<Fingerprint>>,
}

impl Profile {
    /// A leg that knows of no encryption.
    pub fn plain(signalling: Option<IpAddr>) -> Profile {
        Profile {
            signalling,
            srtp: SrtpPolicy::Off,
            keys: SrtpKeys::Sdes,
            webrtc: false,
            events: true,
            tones: true,
            secret: Secret([0; 32]),
            fingerprint: None,
        }
    }

    /// What holds, be it set or not: nobody hears a browser in clear.
    pub(crate) fn policy(&self) -> SrtpPolicy {
        if self.webrtc { SrtpPolicy::Require } else { self.srtp }
    }
}

/// 32 random bytes of one leg, which nobody else knows and nothing shows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret(pub [u8; 32]);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    /// The name and password by which ICE knows us; others after each restart.
    pub(crate) fn credentials(&self, restarts: u32) -> Credentials {
        let bytes = self.derive(b"ice", &restarts.to_be_bytes());
        let (first, _) = bytes.split_at(32);
        let mut room = [0; 32];
        room.copy_from_slice(first);
        Credentials::from_random(&room)
    }

    /// The key of what we send with a suite.
    pub(crate) fn master_key(&self, suite: Suite) -> MasterKey {
        let bytes = self.derive(b"srtp", suite.name().as_bytes());
        let len = suite.key_len() + suite.salt_len();
        MasterKey::from_bytes(suite, &bytes[..len]).unwrap_or_else(|_| unreachable!("it has the length that it wants"))
    }

    fn derive(&self, what: &[u8], which: &[u8]) -> [u8; 64] {
        let mut hash = Sha512::new();
        hash.update(self.0);
        hash.update(what);
        hash.update(which);
        hash.finalize().into()
    }
}
