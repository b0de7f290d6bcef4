//! HA1: the stored half of a digest password (RFC 7616 §3.4.2, RFC 8760).

use std::fmt;

use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// `H(username:realm:password)` under both algorithms.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ha1 {
    /// MD5, `users.sip_ha1`.
    pub md5: [u8; 16],
    /// SHA-256, `users.sip_ha1_sha256`; absent for rows imported with MD5 alone.
    pub sha256: Option<[u8; 32]>,
}

impl Ha1 {
    /// Both hashes of a password.
    #[must_use]
    pub fn new(username: &str, realm: &str, password: &str) -> Self {
        let text = format!("{username}:{realm}:{password}");
        Self { md5: Md5::digest(text.as_bytes()).into(), sha256: Some(Sha256::digest(text.as_bytes()).into()) }
    }

    /// The MD5 hash in lower-case hexadecimal, as the database stores it.
    #[must_use]
    pub fn md5_hex(&self) -> String {
        hex(&self.md5)
    }

    /// The SHA-256 hash in lower-case hexadecimal, as the database stores it.
    #[must_use]
    pub fn sha256_hex(&self) -> Option<String> {
        self.sha256.as_ref().map(|hash| hex(hash))
    }

    /// Reads the hexadecimal columns; `None` when one of them is not a hash.
    #[must_use]
    pub fn from_hex(md5: &str, sha256: Option<&str>) -> Option<Self> {
        let sha256 = match sha256 {
            Some(text) => Some(unhex(text)?),
            None => None,
        };
        Some(Self { md5: unhex(md5)?, sha256 })
    }
}

/// A hash is as good as a password, so it never reaches a log.
impl fmt::Debug for Ha1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ha1(…)")
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::Ha1;

    /// RFC 7616 §3.9.1: both algorithms over the same credentials.
    #[test]
    fn hashes_survive_the_database() {
        let ha1 = Ha1::new("Mufasa", "http-auth@example.org", "Circle of Life");
        assert_eq!(ha1.md5_hex(), "3d78807defe7de2157e2b0b6573a855f");
        let again = Ha1::from_hex(&ha1.md5_hex(), ha1.sha256_hex().as_deref());
        assert_eq!(again.as_ref(), Some(&ha1));
        assert_eq!(format!("{ha1:?}"), "Ha1(…)");
    }

    #[test]
    fn what_is_no_hash_is_refused() {
        assert_eq!(Ha1::from_hex("", None), None);
        assert_eq!(Ha1::from_hex(&"g".repeat(32), None), None);
        assert_eq!(Ha1::from_hex(&"é".repeat(16), None), None);
        assert_eq!(Ha1::from_hex(&"0".repeat(32), Some("00")), None);
    }
}
