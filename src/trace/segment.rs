//! Segment: a stretch of messages as the bytes that the store keeps.
//!
//! zlib around a version byte and one frame per message: time (µs since 1970, 8 bytes), way, transport, both addresses
//! (family, address, port), length (4 bytes), message; all little-endian. What proves an identity is masked before.

use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::Bytes;
use flate2::read::ZlibDecoder;
use flate2::{Compress, Compression, FlushCompress, Status};
use jiff::Timestamp;
use sip::{Flow, Transport};
use store::SipTrace;

use super::book::{OwnerKind, Stretch};
use super::message::{Message, Way};

const VERSION: u8 = 1;
/// More than any group may hold.
const LARGEST: u64 = 4 << 20;

/// Masks and compresses, with room that is used again.
pub struct Packer {
    keep_typed: bool,
    frames: Vec<u8>,
    compress: Compress,
}

impl Packer {
    /// A packer; `keep_typed` leaves the text of messages between people as it is.
    #[must_use]
    pub fn new(keep_typed: bool) -> Self {
        // The fastest level costs half of the next and packs SIP as small.
        Self { keep_typed, frames: Vec::new(), compress: Compress::new(Compression::fast(), true) }
    }

    /// A stretch of somebody's as a row; nothing when it is nobody's.
    pub fn pack(&mut self, stretch: &Stretch) -> Option<SipTrace> {
        let owner = stretch.owner?;
        let (first, last) = (stretch.messages.first()?, stretch.messages.last()?);
        let call_id = match owner.kind {
            OwnerKind::Call(call) => Some(call),
            OwnerKind::Registration => None,
        };
        Some(SipTrace {
            tenant_id: owner.tenant,
            call_id,
            sip_call_id: stretch.sip_call_id.to_string(),
            started_at: time(first.at_us),
            ended_at: time(last.at_us),
            messages: u32::try_from(stretch.messages.len()).unwrap_or(u32::MAX),
            data: self.data(&stretch.messages),
        })
    }

    /// Messages as bytes, their secrets masked.
    pub fn data(&mut self, messages: &[Message]) -> Vec<u8> {
        self.frames.clear();
        self.frames.push(VERSION);
        for message in messages {
            write(&mut self.frames, message);
            let from = self.frames.len() - message.bytes.len();
            if let Some(kept) = self.frames.get_mut(from..) {
                mask(kept, self.keep_typed);
            }
        }
        self.compress.reset();
        let mut packed = Vec::with_capacity(self.frames.len() / 2 + 128);
        loop {
            let at = usize::try_from(self.compress.total_in()).unwrap_or(usize::MAX);
            let rest = self.frames.get(at..).unwrap_or_default();
            match self.compress.compress_vec(rest, &mut packed, FlushCompress::Finish) {
                Ok(Status::StreamEnd) | Err(_) => return packed,
                Ok(Status::Ok | Status::BufError) => packed.reserve(packed.capacity().max(1_024)),
            }
        }
    }
}

/// Takes what proves an identity out of a message, keeping its length.
pub fn mask(message: &mut [u8], keep_typed: bool) {
    let body = sip::glance::mask(message, keep_typed);
    if let Some(body) = message.get_mut(body..) {
        media::sdp::mask_keys(body);
    }
}

/// The messages of a row; what cannot be read ends it.
#[must_use]
pub fn unpack(data: &[u8]) -> Vec<Message> {
    let Some(frames) = inflate(data) else { return Vec::new() };
    let mut rest = Reader(&frames);
    if rest.byte() != Some(VERSION) {
        return Vec::new();
    }
    std::iter::from_fn(|| rest.message()).collect()
}

fn inflate(data: &[u8]) -> Option<Vec<u8>> {
    let mut frames = Vec::new();
    ZlibDecoder::new(data).take(LARGEST).read_to_end(&mut frames).ok()?;
    Some(frames)
}

fn write(out: &mut Vec<u8>, message: &Message) {
    out.extend(message.at_us.to_le_bytes());
    out.push(match message.way {
        Way::In => 0,
        Way::Out => 1,
    });
    let transport = Transport::ALL.iter().position(|transport| *transport == message.flow.transport);
    out.push(transport.and_then(|at| u8::try_from(at).ok()).unwrap_or(u8::MAX));
    for address in [message.flow.local, message.flow.remote] {
        match address.ip() {
            IpAddr::V4(ip) => {
                out.push(4);
                out.extend(ip.octets());
            }
            IpAddr::V6(ip) => {
                out.push(6);
                out.extend(ip.octets());
            }
        }
        out.extend(address.port().to_le_bytes());
    }
    out.extend(u32::try_from(message.bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(&message.bytes);
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn address(&mut self) -> Option<SocketAddr> {
        let ip: IpAddr = match self.byte()? {
            4 => Ipv4Addr::from(self.array::<4>()?).into(),
            6 => Ipv6Addr::from(self.array::<16>()?).into(),
            _ => return None,
        };
        Some(SocketAddr::new(ip, u16::from_le_bytes(self.array()?)))
    }

    fn message(&mut self) -> Option<Message> {
        let at_us = i64::from_le_bytes(self.array()?);
        let way = match self.byte()? {
            0 => Way::In,
            1 => Way::Out,
            _ => return None,
        };
        let transport = *Transport::ALL.get(usize::from(self.byte()?))?;
        let (local, remote) = (self.address()?, self.address()?);
        let length = usize::try_from(u32::from_le_bytes(self.array()?)).ok()?;
        let bytes = Bytes::copy_from_slice(self.take(length)?);
        Some(Message { at_us, way, flow: Flow { transport, local, remote }, bytes })
    }
}

fn time(microseconds: i64) -> Timestamp {
    Timestamp::from_microsecond(microseconds).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::{Packer, unpack};
    use crate::trace::message::{Message, Way};
    use bytes::Bytes;
    use sip::{Flow, Transport};

    fn message(at_us: i64, way: Way, remote: &str, text: &str) -> Message {
        let local = if remote.starts_with('[') { "[::1]:5060" } else { "127.0.0.1:5060" };
        let flow = Flow { transport: Transport::Wss, local: local.parse().unwrap(), remote: remote.parse().unwrap() };
        Message { at_us, way, flow, bytes: Bytes::copy_from_slice(text.as_bytes()) }
    }

    #[test]
    fn what_is_packed_is_unpacked_without_its_secrets() {
        let secret = "REGISTER sip:x SIP/2.0\r\nAuthorization: Digest response=\"abcd\"\r\n\r\na=ice-pwd:wxyz\r\n";
        let hidden = secret.replace("abcd", "****").replace("wxyz", "****");
        let sent = [
            message(1, Way::In, "127.0.0.2:5070", secret),
            message(-5, Way::Out, "[2001:db8::7]:443", "SIP/2.0 200 OK\r\n\r\n"),
        ];
        let mut packer = Packer::new(false);
        for _ in 0..2 {
            let expected = [message(1, Way::In, "127.0.0.2:5070", &hidden), sent[1].clone()];
            assert_eq!(unpack(&packer.data(&sent)), expected, "a packer can be used again");
        }
        assert!(unpack(&packer.data(&[])).is_empty());
    }

    #[test]
    fn noise_and_torn_rows_are_read_in_peace() {
        let mut seed = 88_172_645_463_325_252_u64;
        let mut letter = || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            char::from(b'!' + u8::try_from(seed % 90).unwrap())
        };
        let noise: String = (0..60_000).map(|_| letter()).collect();
        let packed = Packer::new(true).data(&[message(1, Way::In, "127.0.0.2:1", &noise)]);
        assert!(packed.len() > 40_000, "this does not pack well");
        assert_eq!(unpack(&packed)[0].bytes.len(), 60_000);
        let plain = Packer::new(true).data(&[message(1, Way::In, "127.0.0.2:1", &"x".repeat(60_000))]);
        assert_eq!(unpack(&plain)[0].bytes.len(), 60_000, "this packs better than is thought of");
        for end in (0..packed.len()).step_by(997) {
            assert!(unpack(&packed[..end]).is_empty(), "cut at {end}");
        }
        assert!(unpack(b"not zlib").is_empty());
    }
}
