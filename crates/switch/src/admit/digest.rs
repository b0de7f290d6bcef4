//! Digest (RFC 3261 §22, RFC 7616, RFC 8760) as the side that asks.

use std::time::Instant;

use domain::{Credential, DigestOffer, TenantSnapshot};
use sip::digest::{Algorithm, Challenge, Credentials, Ha1, NonceCounts, NonceKey, NonceVerdict, verify};
use sip::{Name, Reply, Request};

use super::policy::Policy;
use crate::limits;

/// Challenges, and judges the answers.
pub(super) struct Examiner {
    epoch: Instant,
    key: NonceKey,
    counts: NonceCounts,
}

/// What became of an examination.
pub(super) enum Proof<'a> {
    /// The sender knows the password of this login.
    Right(&'a Credential),
    /// It does not, or has not said so: the challenge to send.
    Wanting(Reply),
}

/// How far a digest was right.
enum Digest<'a> {
    Right(&'a Credential),
    /// Right, but for a nonce that is used up, too old or not ours.
    Stale,
    Wrong,
}

impl Examiner {
    pub(super) fn new(epoch: Instant, secret: [u8; 32]) -> Self {
        Self { epoch, key: NonceKey::new(secret), counts: NonceCounts::default() }
    }

    pub(super) fn examine<'a>(
        &mut self,
        now: Instant,
        request: &Request,
        policy: Policy,
        snapshot: &'a TenantSnapshot,
    ) -> Proof<'a> {
        let now_ms = u64::try_from(now.saturating_duration_since(self.epoch).as_millis()).unwrap_or(u64::MAX);
        let mut stale = false;
        if let Some(credentials) = credentials(request, snapshot) {
            match self.judge(now_ms, request, &credentials, snapshot) {
                Digest::Right(credential) => return Proof::Right(credential),
                Digest::Stale => stale = true,
                Digest::Wrong => {}
            }
        }
        Proof::Wanting(self.challenge(now_ms, policy, snapshot, stale))
    }

    /// The same steps in the same order whoever is named: a login that does not exist, or is disabled itself or through its
    /// extension, is compared with a hash that nothing fits.
    fn judge<'a>(
        &mut self,
        now_ms: u64,
        request: &Request,
        credentials: &Credentials,
        snapshot: &'a TenantSnapshot,
    ) -> Digest<'a> {
        let username = std::str::from_utf8(&credentials.username).unwrap_or_default();
        let known = snapshot.credentials.get(username).filter(|credential| {
            let extension = snapshot.extensions.get(&credential.extension);
            credential.enabled && extension.is_some_and(|extension| extension.enabled)
        });
        let ha1 = known.map_or(NOBODY, |credential| Ha1 { md5: credential.ha1.md5, sha256: credential.ha1.sha256 });
        let right = verify(credentials, request.method(), request.uri(), &ha1);
        let nonce = self.key.check(&credentials.nonce, &snapshot.tenant.realm, now_ms);
        match known {
            Some(credential) if right => match nonce {
                NonceVerdict::Fresh if self.counts.accept(&credentials.nonce, credentials.nc, now_ms) => {
                    Digest::Right(credential)
                }
                // After a restart every nonce is foreign, and the phone shall not ask its owner for the password again.
                NonceVerdict::Fresh | NonceVerdict::Stale | NonceVerdict::Foreign => Digest::Stale,
            },
            _ => Digest::Wrong,
        }
    }

    /// One header per algorithm, the preferred one first (RFC 8760 §2.3).
    fn challenge(&mut self, now_ms: u64, policy: Policy, snapshot: &TenantSnapshot, stale: bool) -> Reply {
        let (code, name) = match policy {
            Policy::Server => (401, Name::WwwAuthenticate),
            Policy::Proxy | Policy::Never => (407, Name::ProxyAuthenticate),
        };
        let realm = &snapshot.tenant.realm;
        let nonce = self.key.issue(now_ms, realm);
        let mut reply = Reply::new(code);
        for algorithm in offered(snapshot.tenant.digest_algorithms) {
            let challenge = Challenge { stale, ..Challenge::new(realm, nonce.clone(), *algorithm) };
            reply = reply.header(name.clone(), challenge.to_bytes());
        }
        reply
    }
}

/// A login without a password.
const NOBODY: Ha1 = Ha1 { md5: [0; 16], sha256: Some([0; 32]) };

/// The credentials for the tenant's realm, with an algorithm that the tenant offers.
///
/// Both headers count whatever the method: a phone that has learnt our nonce in one kind of challenge may use it in the other.
fn credentials(request: &Request, snapshot: &TenantSnapshot) -> Option<Credentials> {
    let headers = request.headers();
    let values = headers.all(&Name::Authorization).chain(headers.all(&Name::ProxyAuthorization));
    let mut read = values.take(limits::MAX_AUTHORIZATIONS).filter_map(|value| Credentials::parse(&value).ok());
    read.find(|credentials| {
        credentials.realm == snapshot.tenant.realm.as_bytes()
            && offered(snapshot.tenant.digest_algorithms).contains(&credentials.algorithm)
    })
}

fn offered(offer: DigestOffer) -> &'static [Algorithm] {
    match offer {
        DigestOffer::Md5 => &[Algorithm::Md5],
        DigestOffer::Sha256AndMd5 => &[Algorithm::Sha256, Algorithm::Md5],
        DigestOffer::Sha256 => &[Algorithm::Sha256],
    }
}
