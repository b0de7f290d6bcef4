//! Digest authentication: RFC 7616 as RFC 8760 brings it to SIP, MD5 and SHA-256 with `qop=auth`.
//!
//! The parts are independent and hold no user database. A server joins them in this order:
//!
//! 1. [`Credentials::parse`] reads the value of Authorization or Proxy-Authorization.
//! 2. The caller compares realm and algorithm with those it offers and looks up the HA1 by user name; for an unknown user
//!    it takes some HA1 of its own making, so that both cases cost the same.
//! 3. [`verify`] compares the response, in constant time, and the `uri` with the Request-URI.
//! 4. [`NonceKey::check`] tells whether we issued the nonce for this realm, and whether it is still fresh.
//! 5. [`NonceCounts::accept`] refuses a pair of nonce and count that was there before. It comes last, so that only who
//!    knows a password can occupy its memory.
//!
//! Only when `verify` was right may the new challenge say `stale=true`.
//!
//! ```
//! use bytes::Bytes;
//! use sip::digest::{self, Algorithm, Challenge, ClientNonce, Ha1, Login, NonceCounts, NonceKey, NonceVerdict};
//! use sip::{Method, Uri};
//!
//! let ha1 = Ha1::new(b"1001", b"demo.internal", b"secret");
//! let uri = Uri::parse(&Bytes::from_static(b"sip:demo.internal"))?;
//! let (mut key, mut counts) = (NonceKey::new([7; 32]), NonceCounts::default());
//!
//! let challenge = Challenge::new("demo.internal", key.issue(1_000, "demo.internal"), Algorithm::Md5);
//! let login = Login { username: b"1001", ha1: &ha1 };
//! let client = ClientNonce { cnonce: b"c0ffee", nc: 1 };
//! let credentials = digest::respond(&challenge, &login, &Method::Register, &uri, &client).expect("MD5 is always there");
//!
//! assert!(digest::verify(&credentials, &Method::Register, &uri, &ha1));
//! assert_eq!(key.check(&credentials.nonce, "demo.internal", 2_000), NonceVerdict::Fresh);
//! assert!(counts.accept(&credentials.nonce, credentials.nc, 2_000));
//! assert!(!counts.accept(&credentials.nonce, credentials.nc, 2_000), "a replay");
//! # Ok::<(), sip::Error>(())
//! ```

mod client;
mod counts;
mod nonce;
mod value;

use std::fmt;

use bytes::Bytes;
use md5::Md5;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::method::Method;
use crate::uri::Uri;

pub use client::{Account, authorization};
pub use counts::NonceCounts;
pub use nonce::{NonceKey, NonceVerdict};
pub use value::{Challenge, Credentials};

/// The hash of a challenge.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Algorithm {
    /// `MD5`, also meant where no algorithm is named.
    #[default]
    Md5,
    /// `SHA-256` (RFC 8760).
    Sha256,
}

impl Algorithm {
    /// The name as it stands on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Algorithm::Md5 => "MD5",
            Algorithm::Sha256 => "SHA-256",
        }
    }
}

/// Which quality of protection credentials claim. `auth-int` is not ours: nobody sends it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Qop {
    /// None, as in RFC 2069. A server of ours never accepts it; old servers elsewhere ask for it.
    Absent,
    /// `auth`
    Auth,
}

/// H(username ":" realm ":" password), the stored half of a password.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Ha1 {
    /// With MD5.
    pub md5: [u8; 16],
    /// With SHA-256, where it is known.
    pub sha256: Option<[u8; 32]>,
}

impl Ha1 {
    /// Both hashes of a password.
    pub fn new(username: &[u8], realm: &[u8], password: &[u8]) -> Ha1 {
        let parts = [username, b":", realm, b":", password];
        Ha1 { md5: hash::<Md5>(&parts).into(), sha256: Some(hash::<Sha256>(&parts).into()) }
    }
}

impl fmt::Debug for Ha1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ha1(…)")
    }
}

/// Who answers a challenge.
#[derive(Clone, Copy, Debug)]
pub struct Login<'a> {
    /// The user name, unquoted.
    pub username: &'a [u8],
    /// The hash of name, realm and password; it must belong to the realm of the challenge.
    pub ha1: &'a Ha1,
}

/// The client's share in the response.
#[derive(Clone, Copy, Debug)]
pub struct ClientNonce<'a> {
    /// Any text the server cannot foresee.
    pub cnonce: &'a [u8],
    /// How often the nonce was used, this time included.
    pub nc: u32,
}

/// Whether `credentials` prove knowledge of `ha1` for this very request.
///
/// The response is compared in constant time, and is computed whatever else is wrong. Credentials without `qop=auth`
/// are refused, and so is a `uri` that is not the Request-URI (byte for byte, or by RFC 3261 §19.1.4). The realm is
/// not looked at: it stands in the HA1. Whether the nonce is ours and unused is for [`NonceKey`] and [`NonceCounts`].
pub fn verify(credentials: &Credentials, method: &Method, request_uri: &Uri, ha1: &Ha1) -> bool {
    let known = match credentials.algorithm {
        Algorithm::Md5 => true,
        Algorithm::Sha256 => ha1.sha256.is_some(),
    };
    let right = response(credentials, method.as_bytes(), ha1).matches(&credentials.response);
    let lawful = known && credentials.qop == Qop::Auth && is_same_uri(&credentials.uri, request_uri);
    (right & Choice::from(u8::from(lawful))).into()
}

/// The credentials that answer `challenge`. `None` when it wants SHA-256 and that hash is not known.
pub fn respond(
    challenge: &Challenge,
    login: &Login<'_>,
    method: &Method,
    uri: &Uri,
    client: &ClientNonce<'_>,
) -> Option<Credentials> {
    if challenge.algorithm == Algorithm::Sha256 && login.ha1.sha256.is_none() {
        return None;
    }
    let mut credentials = Credentials {
        username: Bytes::copy_from_slice(login.username),
        realm: challenge.realm.clone(),
        nonce: challenge.nonce.clone(),
        uri: uri.bytes().clone(),
        response: Bytes::new(),
        algorithm: challenge.algorithm,
        qop: if challenge.qop_auth { Qop::Auth } else { Qop::Absent },
        nc: client.nc,
        cnonce: Bytes::copy_from_slice(client.cnonce),
        opaque: challenge.opaque.clone(),
    };
    credentials.response = Bytes::copy_from_slice(response(&credentials, method.as_bytes(), login.ha1).as_bytes());
    Some(credentials)
}

fn is_same_uri(claimed: &Bytes, request_uri: &Uri) -> bool {
    claimed == request_uri.as_bytes() || Uri::parse(claimed).is_ok_and(|claimed| claimed.equivalent(request_uri))
}

/// The `response` that belongs to everything else in the credentials (RFC 7616 §3.4.1).
fn response(credentials: &Credentials, method: &[u8], ha1: &Ha1) -> Hex {
    match credentials.algorithm {
        Algorithm::Md5 => keyed::<Md5>(credentials, method, &ha1.md5),
        Algorithm::Sha256 => keyed::<Sha256>(credentials, method, &ha1.sha256.unwrap_or_default()),
    }
}

fn keyed<D: Digest>(credentials: &Credentials, method: &[u8], ha1: &[u8]) -> Hex {
    let a1 = Hex::of(ha1);
    let a2 = Hex::of(&hash::<D>(&[method, b":", &credentials.uri]));
    let (a1, a2, nonce) = (a1.as_bytes(), a2.as_bytes(), credentials.nonce.as_ref());
    let result = match credentials.qop {
        Qop::Absent => hash::<D>(&[a1, b":", nonce, b":", a2]),
        Qop::Auth => {
            let nc = Hex::of(&credentials.nc.to_be_bytes());
            hash::<D>(&[a1, b":", nonce, b":", nc.as_bytes(), b":", &credentials.cnonce, b":auth:", a2])
        }
    };
    Hex::of(&result)
}

fn hash<D: Digest>(parts: &[&[u8]]) -> sha2::digest::Output<D> {
    let mut hasher = D::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize()
}

/// Up to 32 bytes in lower-case hexadecimal, without the heap.
struct Hex {
    text: [u8; 64],
    length: usize,
}

impl Hex {
    fn of(bytes: &[u8]) -> Hex {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; 64];
        for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        Hex { text, length: (bytes.len() * 2).min(64) }
    }

    fn as_bytes(&self) -> &[u8] {
        &self.text[..self.length]
    }

    /// In constant time for a given length; the digits of `claimed` may be of either case.
    fn matches(&self, claimed: &[u8]) -> Choice {
        let mut lower = [0; 64];
        if claimed.len() != self.length {
            return Choice::from(0);
        }
        lower[..self.length].copy_from_slice(claimed);
        lower.make_ascii_lowercase();
        lower.ct_eq(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(algorithm: Algorithm, nonce: &'static str, cnonce: &'static str) -> Credentials {
        Credentials {
            username: Bytes::from_static(b"Mufasa"),
            realm: Bytes::new(),
            nonce: Bytes::from_static(nonce.as_bytes()),
            uri: Bytes::from_static(b"/dir/index.html"),
            response: Bytes::new(),
            algorithm,
            qop: Qop::Auth,
            nc: 1,
            cnonce: Bytes::from_static(cnonce.as_bytes()),
            opaque: None,
        }
    }

    #[test]
    fn rfc_2617_section_3_5() {
        let credentials = example(Algorithm::Md5, "dcd98b7102dd2f0e8b11d0f600bfb0c093", "0a4f113b");
        let ha1 = Ha1::new(b"Mufasa", b"testrealm@host.com", b"Circle Of Life");
        assert_eq!(response(&credentials, b"GET", &ha1).as_bytes(), b"6629fae49393a05397450978507c4ef1");
    }

    #[test]
    fn rfc_7616_section_3_9_1() {
        let nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
        let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        let ha1 = Ha1::new(b"Mufasa", b"http-auth@example.org", b"Circle of Life");
        for (algorithm, expected) in [
            (Algorithm::Md5, "8ca523f5e9506fed4657c9700eebdbec"),
            (Algorithm::Sha256, "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ] {
            let credentials = example(algorithm, nonce, cnonce);
            assert_eq!(response(&credentials, b"GET", &ha1).as_bytes(), expected.as_bytes());
        }
    }

    #[test]
    fn hexadecimal_compares_whole_values_of_either_case() {
        let hex = Hex::of(&[0x00, 0x9f, 0xab]);
        assert_eq!(hex.as_bytes(), b"009fab");
        assert!(bool::from(hex.matches(b"009fab")) && bool::from(hex.matches(b"009FAB")));
        for wrong in [&b""[..], b"009fa", b"009fac", b"009fab0", b"009fab\0", &[b'0'; 200]] {
            assert!(!bool::from(hex.matches(wrong)));
        }
    }
}
