//! Nonces that need no table: time and number in clear, sealed with HMAC-SHA256 together with the realm.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::limits::NONCE_LIFETIME_MS;

/// Six bytes of milliseconds, three of sequence number, fifteen of seal; a multiple of three, so that base64 has one
/// spelling for it.
const RAW_BYTES: usize = 24;
const CLEAR_BYTES: usize = 9;
const TEXT_BYTES: usize = 32;

/// What [`NonceKey::check`] found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NonceVerdict {
    /// Ours, for this realm, and young enough.
    Fresh,
    /// Ours, but too old. When the digest is otherwise right, the next challenge says `stale=true`.
    Stale,
    /// Not ours, or not for this realm. After a restart with another secret this is what becomes of every nonce, so here
    /// too `stale=true` is proper when the digest is otherwise right.
    Foreign,
}

/// Issues nonces and knows them again. Not `Clone`: two copies would issue the same nonces.
pub struct NonceKey {
    mac: Hmac<Sha256>,
    sequence: u32,
}

impl NonceKey {
    /// A key with a secret that nobody else has.
    pub fn new(secret: [u8; 32]) -> NonceKey {
        let mac = Hmac::new_from_slice(&secret).expect("an HMAC takes a key of any length");
        NonceKey { mac, sequence: 0 }
    }

    /// A nonce for `realm` that was never issued before. `now_ms` is the caller's monotonic clock, the same one that
    /// goes into [`NonceKey::check`].
    pub fn issue(&mut self, now_ms: u64, realm: &str) -> Bytes {
        self.sequence = self.sequence.wrapping_add(1);
        let mut raw = [0; RAW_BYTES];
        raw[..6].copy_from_slice(&now_ms.to_be_bytes()[2..]);
        raw[6..CLEAR_BYTES].copy_from_slice(&self.sequence.to_be_bytes()[1..]);
        let seal = self.seal(&raw[..CLEAR_BYTES], realm).finalize().into_bytes();
        let (_, room) = raw.split_at_mut(CLEAR_BYTES);
        room.copy_from_slice(&seal[..RAW_BYTES - CLEAR_BYTES]);
        Bytes::from(URL_SAFE_NO_PAD.encode(raw))
    }

    /// Whether `nonce` is one of ours for `realm`, and fresh.
    pub fn check(&self, nonce: &[u8], realm: &str, now_ms: u64) -> NonceVerdict {
        let Some(raw) = decode(nonce) else { return NonceVerdict::Foreign };
        let (clear, seal) = raw.split_at(CLEAR_BYTES);
        if self.seal(clear, realm).verify_truncated_left(seal).is_err() {
            return NonceVerdict::Foreign;
        }
        // A nonce from the future means that the caller's clock is not monotonic; it must not live for ever.
        match now_ms.checked_sub(issued_at(&raw)) {
            Some(age) if age < NONCE_LIFETIME_MS => NonceVerdict::Fresh,
            Some(_) | None => NonceVerdict::Stale,
        }
    }

    /// The clear part has a fixed length, so it cannot be confused with the beginning of a realm.
    fn seal(&self, clear: &[u8], realm: &str) -> Hmac<Sha256> {
        let mut mac = self.mac.clone();
        mac.update(clear);
        mac.update(realm.as_bytes());
        mac
    }
}

impl std::fmt::Debug for NonceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NonceKey(…)")
    }
}

/// The order in which a nonce was issued: milliseconds above, sequence number below. Says nothing about the seal.
pub(super) fn order(nonce: &[u8]) -> Option<Order> {
    let raw = decode(nonce)?;
    let sequence = u32::from_be_bytes([0, raw[6], raw[7], raw[8]]);
    Some(Order { issued_at_ms: issued_at(&raw), sequence })
}

/// See [`order`].
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Order {
    pub(super) issued_at_ms: u64,
    pub(super) sequence: u32,
}

fn issued_at(raw: &[u8; RAW_BYTES]) -> u64 {
    u64::from_be_bytes([0, 0, raw[0], raw[1], raw[2], raw[3], raw[4], raw[5]])
}

fn decode(nonce: &[u8]) -> Option<[u8; RAW_BYTES]> {
    if nonce.len() != TEXT_BYTES {
        return None;
    }
    let mut raw = [0; RAW_BYTES];
    let length = URL_SAFE_NO_PAD.decode_slice(nonce, &mut raw).ok()?;
    (length == RAW_BYTES).then_some(raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_000_000;

    #[test]
    fn fresh_until_the_lifetime_is_over() {
        let mut key = NonceKey::new([1; 32]);
        let nonce = key.issue(NOW, "a");
        assert_eq!(key.check(&nonce, "a", NOW), NonceVerdict::Fresh);
        assert_eq!(key.check(&nonce, "a", NOW + NONCE_LIFETIME_MS - 1), NonceVerdict::Fresh);
        assert_eq!(key.check(&nonce, "a", NOW + NONCE_LIFETIME_MS), NonceVerdict::Stale);
        assert_eq!(key.check(&nonce, "a", u64::MAX), NonceVerdict::Stale);
    }

    #[test]
    fn a_nonce_from_the_future_is_stale() {
        let mut key = NonceKey::new([1; 32]);
        let nonce = key.issue(NOW, "a");
        assert_eq!(key.check(&nonce, "a", NOW - 1), NonceVerdict::Stale);
    }

    #[test]
    fn another_realm_or_secret_is_foreign() {
        let nonce = NonceKey::new([1; 32]).issue(NOW, "a");
        assert_eq!(NonceKey::new([1; 32]).check(&nonce, "a", NOW), NonceVerdict::Fresh);
        assert_eq!(NonceKey::new([1; 32]).check(&nonce, "ab", NOW), NonceVerdict::Foreign);
        assert_eq!(NonceKey::new([1; 32]).check(&nonce, "", NOW), NonceVerdict::Foreign);
        assert_eq!(NonceKey::new([2; 32]).check(&nonce, "a", NOW), NonceVerdict::Foreign);
    }

    #[test]
    fn every_changed_byte_is_foreign() {
        let mut key = NonceKey::new([1; 32]);
        let nonce = key.issue(NOW, "a");
        for at in 0..nonce.len() {
            for byte in (0..=255u8).filter(|byte| *byte != nonce[at]) {
                let mut forged = nonce.to_vec();
                forged[at] = byte;
                assert_eq!(key.check(&forged, "a", NOW), NonceVerdict::Foreign, "byte {at} as {byte}");
            }
        }
    }

    #[test]
    fn other_lengths_are_foreign() {
        let mut key = NonceKey::new([1; 32]);
        let nonce = key.issue(NOW, "a");
        let longer = [&nonce[..], b"A"].concat();
        let padded = [&nonce[..], b"="].concat();
        for wrong in [&b""[..], &nonce[..31], &nonce[..28], &longer, &padded, &[b'A'; 4_000]] {
            assert_eq!(key.check(wrong, "a", NOW), NonceVerdict::Foreign);
        }
    }

    #[test]
    fn nonces_of_one_millisecond_differ_and_keep_their_order() {
        let mut key = NonceKey::new([1; 32]);
        let nonces: Vec<Bytes> = (0..100).map(|_| key.issue(NOW, "a")).collect();
        let orders: Vec<Order> = nonces.iter().filter_map(|nonce| order(nonce)).collect();
        assert!(orders.is_sorted_by(|one, two| one < two) && orders.len() == 100);
        assert_eq!(orders[0].issued_at_ms, NOW);
    }
}
