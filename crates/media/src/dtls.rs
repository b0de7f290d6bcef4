//! DTLS-SRTP of one leg (RFC 5763, RFC 5764): a handshake on the path of the audio that brings its keys.
//!
//! The handshake itself is dimpl's. Ours is what makes it worth something: the peer's certificate is compared with the
//! fingerprint of its description, in both roles, before any key is given out.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use dimpl::{Config, Dtls, DtlsCertificate, Output, SrtpProfile};
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use subtle::ConstantTimeEq;
use thiserror::Error;

use crate::limits;
use crate::srtp::{self, MasterKey, Suite};

/// Longest datagram of a handshake that we send.
const DATAGRAM: usize = 1_500;

/// What most often is the reason that a certificate is missing.
const NO_CERTIFICATE: &str = "the phone showed no certificate that can be used here: it must be of ECDSA, not of RSA";

/// A hash of certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// SHA-1, which old phones still use.
    Sha1,
    /// SHA-256: ours.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Hash {
    const ALL: [(Hash, &'static str); 4] =
        [(Hash::Sha1, "sha-1"), (Hash::Sha256, "sha-256"), (Hash::Sha384, "sha-384"), (Hash::Sha512, "sha-512")];

    fn of(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Hash::Sha1 => Sha1::digest(bytes).to_vec(),
            Hash::Sha256 => Sha256::digest(bytes).to_vec(),
            Hash::Sha384 => Sha384::digest(bytes).to_vec(),
            Hash::Sha512 => Sha512::digest(bytes).to_vec(),
        }
    }

    fn len(self) -> usize {
        match self {
            Hash::Sha1 => 20,
            Hash::Sha256 => 32,
            Hash::Sha384 => 48,
            Hash::Sha512 => 64,
        }
    }
}

/// The fingerprint of a certificate (RFC 8122 §5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    hash: Hash,
    bytes: Vec<u8>,
}

impl Fingerprint {
    /// Of a certificate in DER, with SHA-256.
    pub fn of(certificate: &[u8]) -> Fingerprint {
        Fingerprint { hash: Hash::Sha256, bytes: Hash::Sha256.of(certificate) }
    }

    /// The value of an `a=fingerprint` line: `sha-256 AA:BB:…`.
    pub fn parse(text: &str) -> Option<Fingerprint> {
        let (name, digits) = text.trim().split_once(char::is_whitespace)?;
        let (hash, _) = Hash::ALL.into_iter().find(|(_, known)| known.eq_ignore_ascii_case(name))?;
        let mut bytes = Vec::with_capacity(hash.len());
        for pair in digits.trim().split(':') {
            if pair.len() != 2 || bytes.len() >= hash.len() {
                return None;
            }
            bytes.push(u8::from_str_radix(pair, 16).ok()?);
        }
        (bytes.len() == hash.len()).then_some(Fingerprint { hash, bytes })
    }

    /// Whether a certificate has it.
    pub fn is_of(&self, certificate: &[u8]) -> bool {
        self.hash.of(certificate).ct_eq(&self.bytes).into()
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Hash::ALL.into_iter().find(|(hash, _)| *hash == self.hash).map_or("", |(_, name)| name);
        f.write_str(name)?;
        for (index, byte) in self.bytes.iter().enumerate() {
            write!(f, "{}{byte:02X}", if index == 0 { ' ' } else { ':' })?;
        }
        Ok(())
    }
}

/// Our certificate, one for all legs.
#[derive(Clone)]
pub struct Identity {
    certificate: DtlsCertificate,
    fingerprint: Fingerprint,
    config: Arc<Config>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.fingerprint)
    }
}

/// A certificate with which no handshake can be made.
#[derive(Debug, Error)]
#[error("no DTLS can be spoken: {0}")]
pub struct BadIdentity(String);

impl Identity {
    /// An identity of an ECDSA P-256 certificate and its key, both in DER (PKCS #8).
    ///
    /// # Errors
    /// DTLS cannot be set up.
    pub fn new(certificate: Vec<u8>, private_key: Vec<u8>) -> Result<Identity, BadIdentity> {
        let config = Config::builder()
            .require_client_certificate(true)
            // Who may begin a handshake at all is decided by address or by ICE; a cookie would cost a round trip.
            .use_server_cookie(false)
            .handshake_timeout(limits::HANDSHAKE)
            .build()
            .map_err(|error| BadIdentity(error.to_string()))?;
        let fingerprint = Fingerprint::of(&certificate);
        let certificate = DtlsCertificate { certificate, private_key };
        Ok(Identity { certificate, fingerprint, config: Arc::new(config) })
    }

    /// What descriptions say of it.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }
}

/// Who begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// We do: `a=setup:active`.
    Client,
    /// The peer does: `a=setup:passive`.
    Server,
}

/// How a handshake ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// The peer is who its description says.
    Connected {
        /// The key of what we send.
        send: MasterKey,
        /// The key of what the peer sends.
        receive: MasterKey,
    },
    /// There will be no keys.
    Failed(&'static str),
}

/// One handshake.
pub struct Association {
    dtls: Dtls,
    role: Role,
    expected: Fingerprint,
    state: State,
    outgoing: VecDeque<Vec<u8>>,
    wake_at: Option<Instant>,
    event: Option<Event>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The peer's certificate has not come.
    Unknown,
    /// It was the one that was announced.
    Known,
    /// The keys were given out. What comes now can repeat the last messages, and spoil nothing.
    Done,
    /// It is over; nothing more is said or heard.
    Over,
}

impl fmt::Debug for Association {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Association").field("role", &self.role).field("state", &self.state).finish_non_exhaustive()
    }
}

impl Association {
    /// A handshake with the peer whose certificate has the fingerprint. The client's first message is ready at once.
    pub fn new(now: Instant, identity: &Identity, role: Role, expected: Fingerprint) -> Association {
        let mut dtls = Dtls::new_12(Arc::clone(&identity.config), identity.certificate.clone(), now);
        dtls.set_active(role == Role::Client);
        let mut association = Association {
            dtls,
            role,
            expected,
            state: State::Unknown,
            outgoing: VecDeque::new(),
            wake_at: None,
            event: None,
        };
        association.handle_timeout(now);
        association
    }

    /// Takes a datagram. One that makes no sense changes nothing.
    pub fn receive(&mut self, now: Instant, datagram: &[u8]) {
        if self.state == State::Over {
            return;
        }
        let taken = self.dtls.handle_timeout(now).and_then(|()| self.dtls.handle_packet(datagram));
        match taken {
            Ok(()) => self.drain(),
            Err(dimpl::Error::CertificateError(_)) => self.fail(NO_CERTIFICATE),
            Err(_) => self.fail("the DTLS handshake failed"),
        }
    }

    /// Repeats what was lost.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.state == State::Over {
            return;
        }
        match self.dtls.handle_timeout(now) {
            Ok(()) => self.drain(),
            Err(_) => self.fail("the DTLS handshake was not answered in time"),
        }
    }

    /// When [`Association::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.wake_at
    }

    /// The next datagram to send; one that does not fit into `out` is lost.
    pub fn poll_datagram(&mut self, out: &mut [u8]) -> Option<usize> {
        let datagram = self.outgoing.pop_front()?;
        out.get_mut(..datagram.len())?.copy_from_slice(&datagram);
        Some(datagram.len())
    }

    /// How it ended, once.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.event.take()
    }

    fn drain(&mut self) {
        let mut room = vec![0; DATAGRAM];
        // Each turn takes something out of bounded queues; the last thing is always the time to wake.
        loop {
            match self.dtls.poll_output(&mut room) {
                Output::Timeout(at) => {
                    self.wake_at = Some(at);
                    return;
                }
                Output::Packet(packet) if self.outgoing.len() < limits::HANDSHAKE_DATAGRAMS => {
                    self.outgoing.push_back(packet.to_vec());
                }
                Output::PeerCert(certificate) => {
                    if !self.expected.is_of(certificate) {
                        return self.fail("the certificate is not the one that was announced");
                    }
                    self.state = State::Known;
                }
                Output::KeyingMaterial(material, profile) => {
                    if self.state != State::Known {
                        return self.fail("the peer showed no certificate");
                    }
                    match keys(self.role, profile, &material) {
                        Some(event) => (self.state, self.event) = (State::Done, Some(event)),
                        None => return self.fail("the DTLS handshake brought no keys"),
                    }
                }
                Output::BufferTooSmall { needed } => room.resize(needed, 0),
                // SRTP goes on without its handshake; data in it means nothing to us.
                _ => {}
            }
        }
    }

    fn fail(&mut self, why: &'static str) {
        if self.state != State::Done {
            self.event = Some(Event::Failed(why));
        }
        self.state = State::Over;
        self.outgoing.clear();
        self.wake_at = None;
    }
}

fn keys(role: Role, profile: SrtpProfile, material: &[u8]) -> Option<Event> {
    let suite = match profile {
        SrtpProfile::AES128_CM_SHA1_80 => Suite::AesCm128HmacSha1_80,
        SrtpProfile::AEAD_AES_128_GCM => Suite::AeadAes128Gcm,
        SrtpProfile::AEAD_AES_256_GCM => Suite::AeadAes256Gcm,
        _ => return None,
    };
    let (client, server) = srtp::from_dtls(suite, material).ok()?;
    Some(match role {
        Role::Client => Event::Connected { send: client, receive: server },
        Role::Server => Event::Connected { send: server, receive: client },
    })
}
