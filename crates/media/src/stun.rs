//! STUN as ICE needs it of the side that only answers (RFC 8489, RFC 8445 §7.3), and how to tell it from what shares its
//! port (RFC 7983, RFC 5761). Messages are read where they lie and written into the caller's buffer.

use std::net::{IpAddr, SocketAddr};

use hmac::{Hmac, Mac};
use sha1::Sha1;

/// What a datagram is, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// STUN.
    Stun,
    /// DTLS.
    Dtls,
    /// RTP, or SRTP.
    Rtp,
    /// RTCP, or SRTCP.
    Rtcp,
    /// Nothing that belongs here.
    Other,
}

/// What a datagram is.
pub fn kind(datagram: &[u8]) -> Kind {
    match datagram {
        [0..=3, ..] => Kind::Stun,
        [20..=63, ..] => Kind::Dtls,
        [128..=191, 192..=223, ..] => Kind::Rtcp,
        [128..=191, _, ..] => Kind::Rtp,
        _ => Kind::Other,
    }
}

const HEADER: usize = 20;
const COOKIE: u32 = 0x2112_a442;
const FINGERPRINT_XOR: u32 = 0x5354_554e;
const BINDING_REQUEST: u16 = 0x0001;
const BINDING_SUCCESS: u16 = 0x0101;
const BINDING_ERROR: u16 = 0x0111;

const USERNAME: u16 = 0x0006;
const MESSAGE_INTEGRITY: u16 = 0x0008;
const ERROR_CODE: u16 = 0x0009;
const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const PRIORITY: u16 = 0x0024;
const USE_CANDIDATE: u16 = 0x0025;
const FINGERPRINT: u16 = 0x8028;
const ICE_CONTROLLED: u16 = 0x8029;

/// Bytes of MESSAGE-INTEGRITY and of FINGERPRINT, with their heads.
const INTEGRITY_LEN: usize = 24;
const FINGERPRINT_LEN: usize = 8;

/// Room for any answer of ours.
pub const ANSWER_BYTES: usize = 128;

/// A Binding request, as far as it has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// The whole message.
    message: &'a [u8],
    /// `ours:theirs`.
    pub username: Option<&'a str>,
    /// Where MESSAGE-INTEGRITY stands.
    integrity: Option<usize>,
    /// The pair is chosen.
    pub use_candidate: bool,
    /// Its priority, which every check has.
    pub priority: Option<u32>,
    /// The peer takes the part that is ours.
    pub controlled: bool,
    /// An attribute that we would have to understand.
    pub unknown: Option<u16>,
}

impl<'a> Request<'a> {
    /// Reads a Binding request with whole attributes, and the FINGERPRINT that every check has (RFC 8445 §7.1), right, at its end.
    pub fn read(message: &'a [u8]) -> Option<Request<'a>> {
        let header = message.first_chunk::<HEADER>()?;
        let kind = u16::from_be_bytes([header[0], header[1]]);
        let len = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let cookie = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
        if kind != BINDING_REQUEST || cookie != COOKIE || !len.is_multiple_of(4) || message.len() != HEADER + len {
            return None;
        }
        let mut request = Request {
            message,
            username: None,
            integrity: None,
            use_candidate: false,
            priority: None,
            controlled: false,
            unknown: None,
        };
        let (mut at, mut whole) = (HEADER, false);
        while at < message.len() {
            let [kind @ .., first, second] = message.get(at..)?.first_chunk::<4>()?;
            let kind = u16::from_be_bytes(*kind);
            let len = usize::from(u16::from_be_bytes([*first, *second]));
            let value = message.get(at + 4..)?.get(..len)?;
            // What stands behind the integrity is not protected by it: the fingerprint alone counts there.
            match (kind, request.integrity) {
                (FINGERPRINT, _) => {
                    let told = u32::from_be_bytes(value.try_into().ok()?);
                    whole = told == fingerprint(&message[..at]) && at + FINGERPRINT_LEN == message.len();
                }
                (_, Some(_)) => {}
                (USERNAME, None) => request.username = Some(std::str::from_utf8(value).ok()?),
                (MESSAGE_INTEGRITY, None) if len == 20 => request.integrity = Some(at),
                (USE_CANDIDATE, None) => request.use_candidate = true,
                (PRIORITY, None) => request.priority = Some(u32::from_be_bytes(value.try_into().ok()?)),
                (ICE_CONTROLLED, None) => request.controlled = true,
                (0x0000..=0x7fff, None) => request.unknown = request.unknown.or(Some(kind)),
                (0x8000.., None) => {}
            }
            at += 4 + len.next_multiple_of(4);
        }
        whole.then_some(request)
    }

    /// Whether it was made by somebody who knows the password.
    pub fn is_authentic(&self, password: &str) -> bool {
        let Some(at) = self.integrity else { return false };
        let Some(theirs) = self.message.get(at + 4..at + INTEGRITY_LEN) else { return false };
        let mut mac = keyed(password);
        authenticate(&mut mac, &self.message[..at]);
        mac.verify_slice(theirs).is_ok()
    }

    /// Success: the address it came from. Gives the length of the answer.
    pub fn answer(&self, from: SocketAddr, password: &str, out: &mut [u8]) -> Option<usize> {
        let mut writer = Writer::begin(BINDING_SUCCESS, self.transaction()?, out)?;
        writer.mapped_address(from)?;
        writer.finish(Some(password))
    }

    /// A refusal, for 420 with what was not understood; authentic when a password is given.
    pub fn refuse(&self, code: u16, password: Option<&str>, out: &mut [u8]) -> Option<usize> {
        let mut writer = Writer::begin(BINDING_ERROR, self.transaction()?, out)?;
        let reason: &[u8] = match code {
            400 => b"Bad Request",
            401 => b"Unauthenticated",
            420 => b"Unknown Attribute",
            487 => b"Role Conflict",
            _ => b"Error",
        };
        let mut value = [0; 32];
        value[2] = (code / 100) as u8;
        value[3] = (code % 100) as u8;
        value[4..4 + reason.len()].copy_from_slice(reason);
        writer.attribute(ERROR_CODE, &value[..4 + reason.len()])?;
        if let (420, Some(unknown)) = (code, self.unknown) {
            writer.attribute(UNKNOWN_ATTRIBUTES, &unknown.to_be_bytes())?;
        }
        writer.finish(password)
    }

    fn transaction(&self) -> Option<[u8; 12]> {
        self.message.get(8..HEADER)?.try_into().ok()
    }
}

/// The name that we gave to a leg, as a check names it, not yet authentic: the part of USERNAME before the colon.
pub fn local_ufrag(datagram: &[u8]) -> Option<&str> {
    if kind(datagram) != Kind::Stun {
        return None;
    }
    Request::read(datagram)?.username?.split(':').next()
}

struct Writer<'a> {
    out: &'a mut [u8],
    len: usize,
    transaction: [u8; 12],
}

impl<'a> Writer<'a> {
    fn begin(kind: u16, transaction: [u8; 12], out: &'a mut [u8]) -> Option<Writer<'a>> {
        let header = out.get_mut(..HEADER)?;
        header[..2].copy_from_slice(&kind.to_be_bytes());
        header[2..4].fill(0);
        header[4..8].copy_from_slice(&COOKIE.to_be_bytes());
        header[8..].copy_from_slice(&transaction);
        Some(Writer { out, len: HEADER, transaction })
    }

    fn attribute(&mut self, kind: u16, value: &[u8]) -> Option<()> {
        let padded = value.len().next_multiple_of(4);
        let place = self.out.get_mut(self.len..self.len + 4 + padded)?;
        place[..2].copy_from_slice(&kind.to_be_bytes());
        place[2..4].copy_from_slice(&(value.len() as u16).to_be_bytes());
        place[4..4 + value.len()].copy_from_slice(value);
        place[4 + value.len()..].fill(0);
        self.len += 4 + padded;
        Some(())
    }

    fn mapped_address(&mut self, address: SocketAddr) -> Option<()> {
        let mut value = [0; 20];
        let cookie = COOKIE.to_be_bytes();
        value[2..4].copy_from_slice(&(address.port() ^ (COOKIE >> 16) as u16).to_be_bytes());
        let len = match address.ip().to_canonical() {
            IpAddr::V4(ip) => {
                value[1] = 1;
                for (byte, (part, with)) in value[4..8].iter_mut().zip(ip.octets().iter().zip(cookie)) {
                    *byte = part ^ with;
                }
                8
            }
            IpAddr::V6(ip) => {
                value[1] = 2;
                let with = cookie.iter().chain(&self.transaction);
                for (byte, (part, with)) in value[4..20].iter_mut().zip(ip.octets().iter().zip(with)) {
                    *byte = part ^ with;
                }
                20
            }
        };
        self.attribute(XOR_MAPPED_ADDRESS, &value[..len])
    }

    fn finish(mut self, password: Option<&str>) -> Option<usize> {
        if let Some(password) = password {
            self.announce(INTEGRITY_LEN);
            let mut mac = keyed(password);
            mac.update(&self.out[..self.len]);
            let tag: [u8; 20] = mac.finalize().into_bytes().into();
            self.attribute(MESSAGE_INTEGRITY, &tag)?;
        }
        self.announce(FINGERPRINT_LEN);
        let sum = fingerprint(&self.out[..self.len]);
        self.attribute(FINGERPRINT, &sum.to_be_bytes())?;
        Some(self.len)
    }

    /// Says in the header how long the message is with what follows: integrity and fingerprint are made over that.
    fn announce(&mut self, further: usize) {
        let len = (self.len + further - HEADER) as u16;
        self.out[2..4].copy_from_slice(&len.to_be_bytes());
    }
}

fn keyed(password: &str) -> Hmac<Sha1> {
    // HMAC takes a key of any length.
    <Hmac<Sha1> as Mac>::new_from_slice(password.as_bytes()).unwrap_or_else(|_| unreachable!("a key of any length"))
}

/// The message up to its integrity, with the length that it had then.
fn authenticate(mac: &mut Hmac<Sha1>, before: &[u8]) {
    let len = (before.len() + INTEGRITY_LEN - HEADER) as u16;
    mac.update(&before[..2]);
    mac.update(&len.to_be_bytes());
    mac.update(&before[4..]);
}

fn fingerprint(before: &[u8]) -> u32 {
    crc32fast::hash(before) ^ FINGERPRINT_XOR
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5769 §2.1, a request with the password `VOkJxbRl1RmTxUk/WvJxBt`.
    const SAMPLE: &str = "
        000100582112a442b7e7a701bc34d686fa87dfae
        802200105354554e207465737420636c69656e74
        002400046e0001ff 80290008932ff9b151263b36
        000600096576746a3a68367659202020
        000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2
        80280004e57a3bcf";
    const PASSWORD: &str = "VOkJxbRl1RmTxUk/WvJxBt";

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter_map(|b| char::from(b).to_digit(16).map(|d| d as u8)).collect();
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }

    #[test]
    fn the_request_of_the_rfc_is_read_and_authentic() {
        let message = hex(SAMPLE);
        let request = Request::read(&message).unwrap();
        assert_eq!((request.username, request.priority), (Some("evtj:h6vY"), Some(0x6e00_01ff)));
        assert!(request.controlled && !request.use_candidate && request.unknown.is_none());
        assert!(request.is_authentic(PASSWORD) && !request.is_authentic("VOkJxbRl1RmTxUk/WvJxBu"));
        assert_eq!(local_ufrag(&message), Some("evtj"));
    }

    #[test]
    fn a_changed_byte_is_noticed() {
        let message = hex(SAMPLE);
        for index in 0..message.len() {
            let mut changed = message.clone();
            changed[index] ^= 1;
            let believed = Request::read(&changed).is_some_and(|request| request.is_authentic(PASSWORD));
            assert!(!believed, "byte {index}");
        }
        for end in 0..message.len() {
            assert_eq!(Request::read(&message[..end]), None, "{end} bytes");
        }
    }

    /// RFC 5769 §2.2 and §2.3 without SOFTWARE, which ours does not tell: mapped addresses as there.
    #[test]
    fn answers_name_the_address_and_are_authentic() {
        let message = hex(SAMPLE);
        let request = Request::read(&message).unwrap();
        let mut out = [0; ANSWER_BYTES];
        let len = request.answer("192.0.2.1:32853".parse().unwrap(), PASSWORD, &mut out).unwrap();
        assert_eq!(out[..2], [1, 1]);
        assert_eq!(out[4..20], message[4..20]);
        assert_eq!(out[20..32], hex("0020 0008 0001a147e112a643")[..]);
        let integrity = len - FINGERPRINT_LEN - INTEGRITY_LEN;
        let mut mac = keyed(PASSWORD);
        authenticate(&mut mac, &out[..integrity]);
        assert!(mac.verify_slice(&out[integrity + 4..integrity + INTEGRITY_LEN]).is_ok());
        assert_eq!(out[len - 4..len], fingerprint(&out[..len - FINGERPRINT_LEN]).to_be_bytes());
        let v6 = "[2001:db8:1234:5678:11:2233:4455:6677]:32853".parse().unwrap();
        request.answer(v6, PASSWORD, &mut out).unwrap();
        assert_eq!(out[20..44], hex("0020 0014 0002a147 0113a9faa5d3f179bc25f4b5bed2b9d9")[..]);
        for room in 0..len {
            let mut small = vec![0; room];
            assert_eq!(request.answer("192.0.2.1:32853".parse().unwrap(), PASSWORD, &mut small), None);
        }
    }

    #[test]
    fn refusals_say_why() {
        let message = hex(SAMPLE);
        let request = Request { unknown: Some(0x7777), ..Request::read(&message).unwrap() };
        let mut out = [0; ANSWER_BYTES];
        for code in [400, 401, 420, 487] {
            let len = request.refuse(code, None, &mut out).unwrap();
            assert_eq!((out[0], out[1], out[26], out[27]), (1, 0x11, (code / 100) as u8, (code % 100) as u8));
            assert_eq!(usize::from(u16::from_be_bytes([out[2], out[3]])), len - HEADER);
        }
        let len = request.refuse(420, None, &mut out).unwrap();
        assert!(out[..len].windows(6).any(|window| window == [0, 0x0a, 0, 2, 0x77, 0x77]));
    }

    #[test]
    fn what_shares_the_port_is_told_apart() {
        for (first, expected) in [
            ([0, 1], Kind::Stun),
            ([22, 254], Kind::Dtls),
            ([0x80, 0], Kind::Rtp),
            ([0x80, 0x80 | 111], Kind::Rtp),
            ([0x81, 200], Kind::Rtcp),
            ([64, 0], Kind::Other),
            ([255, 0], Kind::Other),
        ] {
            assert_eq!(kind(&first), expected, "{first:?}");
        }
        assert_eq!(kind(&[]), Kind::Other);
    }
}
