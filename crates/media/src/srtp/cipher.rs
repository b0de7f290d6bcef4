//! Session keys (RFC 3711 §4.3), and what is done with them to one packet.

use std::fmt;

use aes::cipher::{InnerIvInit, KeyInit, StreamCipherCore};
use aes::{Aes128, Aes256};
use aes_gcm::{AeadInPlace, Aes128Gcm, Aes256Gcm};
use ctr::CtrCore;
use ctr::flavors::Ctr128BE;
use hmac::{Hmac, Mac};
use sha1::Sha1;
use subtle::ConstantTimeEq;

use super::key::{MasterKey, Suite};
use super::{RTCP_HEADER, RTCP_INDEX, SrtpError};

/// Tag of AES-GCM.
const GCM_TAG: usize = 16;

/// A packet's source and its index there.
type Position = (u32, u64);

#[expect(clippy::large_enum_variant, reason = "the keys of a leg are boxed together")]
/// The keys of one kind of packet, RTP or RTCP, in one direction. Keyed once.
pub(super) enum Cipher {
    Counter { aes: Aes128, salt: [u8; 14], mac: Box<Hmac<Sha1>>, tag_len: usize },
    Galois { gcm: Galois, salt: [u8; 12] },
}

/// AES-GCM of either key length.
pub(super) enum Galois {
    Short(Box<Aes128Gcm>),
    Long(Box<Aes256Gcm>),
}

impl fmt::Debug for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Cipher::Counter { .. } => "Counter",
            Cipher::Galois { .. } => "Galois",
        })
    }
}

impl Cipher {
    /// For RTP and for RTCP.
    pub(super) fn pair(master: &MasterKey) -> (Cipher, Cipher) {
        let rtp_tag = if master.suite() == Suite::AesCm128HmacSha1_32 { 4 } else { 10 };
        (Cipher::derive(master, 0, rtp_tag), Cipher::derive(master, 3, 10))
    }

    /// Labels are those of encryption, authentication and salt, in this order.
    fn derive(master: &MasterKey, label: u8, tag_len: usize) -> Cipher {
        let (mut key, mut mac, mut salt) = ([0; 32], [0; 20], [0; 14]);
        generate(master, label, &mut key[..master.suite().key_len()]);
        generate(master, label + 1, &mut mac);
        generate(master, label + 2, &mut salt);
        let short = &key[..16];
        let [nonce_salt @ .., _, _] = salt;
        match master.suite() {
            Suite::AesCm128HmacSha1_80 | Suite::AesCm128HmacSha1_32 => {
                Cipher::Counter { aes: Aes128::new(short.into()), salt, mac: Box::new(keyed(&mac)), tag_len }
            }
            Suite::AeadAes128Gcm => {
                Cipher::Galois { gcm: Galois::Short(Box::new(Aes128Gcm::new(short.into()))), salt: nonce_salt }
            }
            Suite::AeadAes256Gcm => {
                Cipher::Galois { gcm: Galois::Long(Box::new(Aes256Gcm::new(&key.into()))), salt: nonce_salt }
            }
        }
    }

    pub(super) fn tag_len(&self) -> usize {
        match self {
            Cipher::Counter { tag_len, .. } => *tag_len,
            Cipher::Galois { .. } => GCM_TAG,
        }
    }

    /// Protects a packet that ends where its tag begins.
    pub(super) fn seal_rtp(&self, packet: &mut [u8], payload: usize, position: Position) {
        let (body, tag) = packet.split_at_mut(packet.len() - self.tag_len());
        match self {
            Cipher::Counter { aes, salt, mac, .. } => {
                encrypt(aes, &counter_iv(salt, position), &mut body[payload..]);
                let full = authenticate(mac, body, &rollover(position));
                tag.copy_from_slice(&full[..tag.len()]);
            }
            Cipher::Galois { gcm, salt } => {
                let (header, plain) = body.split_at_mut(payload);
                seal_galois(gcm, &rtp_nonce(salt, position), header, plain, tag);
            }
        }
    }

    /// Checks and opens a packet with its tag.
    pub(super) fn open_rtp(&self, packet: &mut [u8], payload: usize, position: Position) -> Result<(), SrtpError> {
        let (body, tag) = packet.split_at_mut(packet.len() - self.tag_len());
        match self {
            Cipher::Counter { aes, salt, mac, .. } => {
                let full = authenticate(mac, body, &rollover(position));
                agree(&full[..tag.len()], tag)?;
                encrypt(aes, &counter_iv(salt, position), &mut body[payload..]);
                Ok(())
            }
            Cipher::Galois { gcm, salt } => {
                let (header, secret) = body.split_at_mut(payload);
                open_galois(gcm, &rtp_nonce(salt, position), header, secret, tag)
            }
        }
    }

    /// Protects a packet with room for tag and index; `word` is the index with its E flag.
    pub(super) fn seal_rtcp(&self, packet: &mut [u8], ssrc: u32, word: u32) {
        let end = packet.len() - self.tag_len() - RTCP_INDEX;
        let (body, tail) = packet.split_at_mut(end);
        let index = word.to_be_bytes();
        match self {
            Cipher::Counter { aes, salt, mac, .. } => {
                encrypt(aes, &counter_iv(salt, (ssrc, u64::from(word & !(1 << 31)))), &mut body[RTCP_HEADER..]);
                let (place, tag) = tail.split_at_mut(RTCP_INDEX);
                place.copy_from_slice(&index);
                let full = authenticate(mac, body, &index);
                tag.copy_from_slice(&full[..tag.len()]);
            }
            Cipher::Galois { gcm, salt } => {
                let (tag, place) = tail.split_at_mut(GCM_TAG);
                place.copy_from_slice(&index);
                let (header, plain) = body.split_at_mut(RTCP_HEADER);
                let associated = rtcp_associated(header, &index);
                seal_galois(gcm, &rtcp_nonce(salt, ssrc, word), &associated, plain, tag);
            }
        }
    }

    /// The index of a packet with its E flag.
    pub(super) fn rtcp_word(&self, packet: &[u8]) -> Option<u32> {
        let end = match self {
            Cipher::Counter { tag_len, .. } => packet.len().checked_sub(*tag_len)?,
            Cipher::Galois { .. } => packet.len(),
        };
        packet.get(..end)?.last_chunk().copied().map(u32::from_be_bytes)
    }

    /// Checks a packet with tag and index, and opens it if it is encrypted.
    pub(super) fn open_rtcp(&self, packet: &mut [u8], ssrc: u32, word: u32, encrypted: bool) -> Result<(), SrtpError> {
        let end = packet.len() - self.tag_len() - RTCP_INDEX;
        let (body, tail) = packet.split_at_mut(end);
        let index = word.to_be_bytes();
        match self {
            Cipher::Counter { aes, salt, mac, .. } => {
                let full = authenticate(mac, body, &index);
                let tag = &tail[RTCP_INDEX..];
                agree(&full[..tag.len()], tag)?;
                if encrypted {
                    encrypt(aes, &counter_iv(salt, (ssrc, u64::from(word & !(1 << 31)))), &mut body[RTCP_HEADER..]);
                }
                Ok(())
            }
            // Only with encryption: what is merely authentic (RFC 7714 §9.3) nobody sends.
            Cipher::Galois { .. } if !encrypted => Err(SrtpError::Forged),
            Cipher::Galois { gcm, salt } => {
                let (header, secret) = body.split_at_mut(RTCP_HEADER);
                let associated = rtcp_associated(header, &index);
                open_galois(gcm, &rtcp_nonce(salt, ssrc, word), &associated, secret, &tail[..GCM_TAG])
            }
        }
    }
}

/// A session key of a label: the key stream of the master key, begun at the salt and the label.
fn generate(master: &MasterKey, label: u8, out: &mut [u8]) {
    let mut iv = [0; 16];
    iv[..master.salt().len()].copy_from_slice(master.salt());
    iv[7] ^= label;
    match <[u8; 16]>::try_from(master.key()) {
        Ok(key) => encrypt(&Aes128::new(&key.into()), &iv, out),
        // RFC 6188 §3 for the longer keys.
        Err(_) => {
            let stream = CtrCore::<Aes256, Ctr128BE>::inner_iv_init(Aes256::new(master.key().into()), &iv.into());
            stream.apply_keystream_partial(out.into());
        }
    }
}

/// Adds the key stream: the same either way.
fn encrypt(aes: &Aes128, iv: &[u8; 16], data: &mut [u8]) {
    let stream = CtrCore::<&Aes128, Ctr128BE>::inner_iv_init(aes, iv.into());
    stream.apply_keystream_partial(data.into());
}

/// RFC 3711 §4.1.1.
fn counter_iv(salt: &[u8; 14], (ssrc, index): Position) -> [u8; 16] {
    let mut iv = [0; 16];
    iv[..14].copy_from_slice(salt);
    xor(&mut iv[4..8], &ssrc.to_be_bytes());
    xor(&mut iv[8..14], &index.to_be_bytes()[2..]);
    iv
}

/// RFC 7714 §8.1.
fn rtp_nonce(salt: &[u8; 12], (ssrc, index): Position) -> [u8; 12] {
    let mut nonce = *salt;
    xor(&mut nonce[2..6], &ssrc.to_be_bytes());
    xor(&mut nonce[6..12], &index.to_be_bytes()[2..]);
    nonce
}

/// RFC 7714 §9.1.
fn rtcp_nonce(salt: &[u8; 12], ssrc: u32, word: u32) -> [u8; 12] {
    let mut nonce = *salt;
    xor(&mut nonce[2..6], &ssrc.to_be_bytes());
    xor(&mut nonce[8..12], &(word & !(1 << 31)).to_be_bytes());
    nonce
}

/// Header and index: what is authentic but readable (RFC 7714 §9.2).
fn rtcp_associated(header: &[u8], index: &[u8; 4]) -> [u8; RTCP_HEADER + RTCP_INDEX] {
    let mut associated = [0; RTCP_HEADER + RTCP_INDEX];
    associated[..RTCP_HEADER].copy_from_slice(header);
    associated[RTCP_HEADER..].copy_from_slice(index);
    associated
}

fn rollover((_, index): Position) -> [u8; 4] {
    ((index >> 16) as u32).to_be_bytes()
}

fn xor(place: &mut [u8], with: &[u8]) {
    for (byte, with) in place.iter_mut().zip(with) {
        *byte ^= with;
    }
}

fn keyed(key: &[u8; 20]) -> Hmac<Sha1> {
    // Shorter than a block: no key of this length is refused.
    let mut block = [0; 64];
    block[..20].copy_from_slice(key);
    <Hmac<Sha1> as hmac::digest::KeyInit>::new(&block.into())
}

fn authenticate(mac: &Hmac<Sha1>, body: &[u8], behind: &[u8; 4]) -> [u8; 20] {
    let mut mac = mac.clone();
    mac.update(body);
    mac.update(behind);
    mac.finalize().into_bytes().into()
}

fn agree(ours: &[u8], theirs: &[u8]) -> Result<(), SrtpError> {
    if bool::from(ours.ct_eq(theirs)) { Ok(()) } else { Err(SrtpError::Forged) }
}

fn seal_galois(gcm: &Galois, nonce: &[u8; 12], associated: &[u8], plain: &mut [u8], tag: &mut [u8]) {
    // It fails for plain texts of 64 GB alone.
    let made = match gcm {
        Galois::Short(gcm) => gcm.encrypt_in_place_detached(nonce.into(), associated, plain),
        Galois::Long(gcm) => gcm.encrypt_in_place_detached(nonce.into(), associated, plain),
    };
    if let Ok(made) = made {
        tag.copy_from_slice(&made);
    }
}

fn open_galois(
    gcm: &Galois,
    nonce: &[u8; 12],
    associated: &[u8],
    secret: &mut [u8],
    tag: &[u8],
) -> Result<(), SrtpError> {
    match gcm {
        Galois::Short(gcm) => gcm.decrypt_in_place_detached(nonce.into(), associated, secret, tag.into()),
        Galois::Long(gcm) => gcm.decrypt_in_place_detached(nonce.into(), associated, secret, tag.into()),
    }
    .map_err(|_| SrtpError::Forged)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter_map(|b| char::from(b).to_digit(16).map(|d| d as u8)).collect();
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }

    /// RFC 3711, appendix B.3.
    #[test]
    fn session_keys_are_those_of_the_rfc() {
        let master = hex("E1F97A0D3E018BE0D64FA32C06DE4139 0EC675AD498AFEEBB6960B3AABE6");
        let master = MasterKey::from_bytes(Suite::AesCm128HmacSha1_80, &master).unwrap();
        for (label, expected) in [
            (0, "C61E7A93744F39EE10734AFE3FF7A087"),
            (2, "30CBBC08863D8C85D49DB34A9AE1"),
            (1, "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"),
        ] {
            let expected = hex(expected);
            let mut key = vec![0; expected.len()];
            generate(&master, label, &mut key);
            assert_eq!(key, expected, "label {label}");
        }
    }

    /// RFC 3711, appendix B.2.
    #[test]
    fn the_key_stream_is_that_of_the_rfc() {
        let aes = Aes128::new_from_slice(&hex("2B7E151628AED2A6ABF7158809CF4F3C")).unwrap();
        let salt: [u8; 14] = hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD").try_into().unwrap();
        let mut stream = [0; 48];
        encrypt(&aes, &counter_iv(&salt, (0, 0)), &mut stream);
        let expected =
            "E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB 41E95B3BB0A2E8DD477901E4FCA894C0";
        assert_eq!(stream[..], hex(expected)[..]);
    }

    /// RFC 7714, §16.1.1 and §17.1: the session keys are given.
    #[test]
    fn galois_packets_are_those_of_the_rfc() {
        let cipher = Cipher::Galois {
            gcm: Galois::Short(Box::new(Aes128Gcm::new_from_slice(&hex("000102030405060708090a0b0c0d0e0f")).unwrap())),
            salt: hex("517569642070726f2071756f").try_into().unwrap(),
        };
        let plain = hex(
            "8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976 69736120 696e2070 61727465 73207472 6573",
        );
        let sealed = hex(
            "8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a 51c7d19b 36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce",
        );
        let position = (0x5501_a0b2, 0xf17b);
        let mut packet = [&plain[..], &[0; 16]].concat();
        cipher.seal_rtp(&mut packet, 12, position);
        assert_eq!(packet, sealed);
        cipher.open_rtp(&mut packet, 12, position).unwrap();
        assert_eq!(packet[..plain.len()], plain[..]);

        let report = hex(
            "81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61 deadbeef deadbeef deadbeef deadbeef deadbeef",
        );
        let sealed = hex(
            "81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d c676a5f1 730d6fda 4ce09b46 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade 800005d4",
        );
        let mut packet = [&report[..], &[0; 20]].concat();
        cipher.seal_rtcp(&mut packet, 0x4d61_7273, 0x8000_05d4);
        assert_eq!(packet, sealed);
        assert_eq!(cipher.rtcp_word(&packet), Some(0x8000_05d4));
        cipher.open_rtcp(&mut packet, 0x4d61_7273, 0x8000_05d4, true).unwrap();
        assert_eq!(packet[..report.len()], report[..]);
    }
}
