//! Master keys, and how descriptions (RFC 4568) and handshakes (RFC 5764) bring them.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use thiserror::Error;

/// What encrypts and authenticates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Suite {
    /// AES-128 in counter mode, HMAC-SHA1 cut to 80 bits (RFC 3711).
    AesCm128HmacSha1_80,
    /// The same cut to 32 bits; reports keep 80.
    AesCm128HmacSha1_32,
    /// AES-128 in Galois/counter mode (RFC 7714).
    AeadAes128Gcm,
    /// AES-256 in Galois/counter mode (RFC 7714).
    AeadAes256Gcm,
}

impl Suite {
    /// The name in `a=crypto`.
    pub fn name(self) -> &'static str {
        match self {
            Suite::AesCm128HmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Suite::AesCm128HmacSha1_32 => "AES_CM_128_HMAC_SHA1_32",
            Suite::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Suite::AeadAes256Gcm => "AEAD_AES_256_GCM",
        }
    }

    /// The suite with this name.
    pub fn named(name: &str) -> Option<Suite> {
        [Suite::AesCm128HmacSha1_80, Suite::AesCm128HmacSha1_32, Suite::AeadAes128Gcm, Suite::AeadAes256Gcm]
            .into_iter()
            .find(|suite| name.eq_ignore_ascii_case(suite.name()))
    }

    /// Bytes of its key.
    pub const fn key_len(self) -> usize {
        match self {
            Suite::AesCm128HmacSha1_80 | Suite::AesCm128HmacSha1_32 | Suite::AeadAes128Gcm => 16,
            Suite::AeadAes256Gcm => 32,
        }
    }

    /// Bytes of its salt.
    pub const fn salt_len(self) -> usize {
        match self {
            Suite::AesCm128HmacSha1_80 | Suite::AesCm128HmacSha1_32 => 14,
            Suite::AeadAes128Gcm | Suite::AeadAes256Gcm => 12,
        }
    }
}

/// Why something is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadKey {
    /// It has the wrong number of bytes.
    #[error("the key has the wrong length")]
    Length,
    /// It is not written as RFC 4568 says.
    #[error("the key cannot be read")]
    Malformed,
    /// It is one of several that packets name (a master key identifier), which nobody uses.
    #[error("master key identifiers are not supported")]
    Identifier,
}

/// A key and a salt, from which the keys of a session are derived. Shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKey {
    suite: Suite,
    /// Of AES-128 the first 16 bytes.
    key: [u8; 32],
    /// Of AES-GCM the first 12.
    salt: [u8; 14],
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MasterKey").field("suite", &self.suite).finish_non_exhaustive()
    }
}

impl MasterKey {
    /// A key from its bytes, the salt behind the key.
    ///
    /// # Errors
    /// There are not just as many as the suite wants.
    pub fn from_bytes(suite: Suite, bytes: &[u8]) -> Result<MasterKey, BadKey> {
        if bytes.len() != suite.key_len() + suite.salt_len() {
            return Err(BadKey::Length);
        }
        let (key, salt) = bytes.split_at(suite.key_len());
        let mut master = MasterKey { suite, key: [0; 32], salt: [0; 14] };
        master.key[..key.len()].copy_from_slice(key);
        master.salt[..salt.len()].copy_from_slice(salt);
        Ok(master)
    }

    /// A key as `a=crypto` has it: `inline:` and base64, then perhaps a lifetime.
    ///
    /// # Errors
    /// It is not of that form, of the wrong length, or has an identifier.
    pub fn from_inline(suite: Suite, text: &str) -> Result<MasterKey, BadKey> {
        let rest = text.strip_prefix("inline:").ok_or(BadKey::Malformed)?;
        let mut parts = rest.split('|');
        let encoded = parts.next().unwrap_or_default().trim_end_matches('=');
        // The lifetime, `2^31` or a number, is longer than any call; an identifier has a colon.
        if parts.any(|part| part.contains(':')) {
            return Err(BadKey::Identifier);
        }
        let bytes = STANDARD_NO_PAD.decode(encoded).map_err(|_| BadKey::Malformed)?;
        MasterKey::from_bytes(suite, &bytes)
    }

    /// The same the other way.
    pub fn to_inline(&self) -> String {
        let mut bytes = self.key().to_vec();
        bytes.extend_from_slice(self.salt());
        format!("inline:{}", STANDARD.encode(bytes))
    }

    /// What it is for.
    pub fn suite(&self) -> Suite {
        self.suite
    }

    pub(super) fn key(&self) -> &[u8] {
        &self.key[..self.suite.key_len()]
    }

    pub(super) fn salt(&self) -> &[u8] {
        &self.salt[..self.suite.salt_len()]
    }
}

/// The keys of client and server from what a DTLS handshake exports (RFC 5764 §4.2): both keys, then both salts.
///
/// # Errors
/// There are not just as many bytes as the suite wants.
pub fn from_dtls(suite: Suite, material: &[u8]) -> Result<(MasterKey, MasterKey), BadKey> {
    let (key, salt) = (suite.key_len(), suite.salt_len());
    if material.len() != 2 * (key + salt) {
        return Err(BadKey::Length);
    }
    let (keys, salts) = material.split_at(2 * key);
    let one = |index: usize| {
        let mut bytes = keys[index * key..][..key].to_vec();
        bytes.extend_from_slice(&salts[index * salt..][..salt]);
        MasterKey::from_bytes(suite, &bytes)
    };
    Ok((one(0)?, one(1)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_text() {
        for suite in [Suite::AesCm128HmacSha1_80, Suite::AeadAes128Gcm, Suite::AeadAes256Gcm] {
            let bytes: Vec<u8> = (0..(suite.key_len() + suite.salt_len()) as u8).collect();
            let key = MasterKey::from_bytes(suite, &bytes).unwrap();
            assert_eq!(MasterKey::from_inline(suite, &key.to_inline()), Ok(key.clone()));
            assert_eq!(MasterKey::from_inline(suite, &format!("{}|2^31", key.to_inline())), Ok(key.clone()));
            let named = MasterKey::from_inline(suite, &format!("{}|2^31|1:4", key.to_inline()));
            assert_eq!(named, Err(BadKey::Identifier));
            assert!(!format!("{key:?}").contains("10, 11"));
            assert_eq!(Suite::named(&suite.name().to_lowercase()), Some(suite));
        }
        let suite = Suite::AesCm128HmacSha1_32;
        assert_eq!(MasterKey::from_inline(suite, "inline:AAAA"), Err(BadKey::Length));
        assert_eq!(MasterKey::from_inline(suite, "inline:%%%"), Err(BadKey::Malformed));
        assert_eq!(MasterKey::from_inline(suite, "AAAA"), Err(BadKey::Malformed));
    }

    #[test]
    fn a_handshake_gives_both_keys_and_then_both_salts() {
        let material: Vec<u8> = (0..60).collect();
        let (client, server) = from_dtls(Suite::AesCm128HmacSha1_80, &material).unwrap();
        assert_eq!((client.key[0], client.salt[0], server.key[0], server.salt[0]), (0, 32, 16, 46));
        assert_eq!(from_dtls(Suite::AeadAes128Gcm, &material), Err(BadKey::Length));
        assert!(from_dtls(Suite::AeadAes128Gcm, &material[..56]).is_ok());
        let material: Vec<u8> = (0..88).collect();
        let (_, server) = from_dtls(Suite::AeadAes256Gcm, &material).unwrap();
        assert_eq!((server.key[0], server.salt[0]), (32, 76));
    }
}
