//! Names that an endpoint gives and keys by which it finds things again.

use bytes::{BufMut, Bytes, BytesMut};
use hmac::{Hmac, Mac};
use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};
use sha2::Sha256;

use super::config::ClientId;
use crate::error::Error;
use crate::header::Via;
use crate::header::via::MAGIC_COOKIE;
use crate::message::Request;
use crate::method::Method;

const HEX: &[u8; 16] = b"0123456789abcdef";
/// Characters of a branch before the number of the transaction: the cookie and two for the shard.
const BRANCH_HEAD: usize = 7 + 2;

/// Branches, tags and Call-IDs. The shard's number stands in front of each, so that an answer finds its shard.
pub(super) struct Names {
    random: ChaCha8Rng,
    shard: u8,
    secret: [u8; 32],
}

impl Names {
    pub(super) fn new(random: &mut ChaCha8Rng, shard: u8) -> Names {
        let mut secret = [0; 32];
        random.fill_bytes(&mut secret);
        let mut seed = [0; 32];
        random.fill_bytes(&mut seed);
        Names { random: ChaCha8Rng::from_seed(seed), shard, secret }
    }

    /// A tag: 64 unpredictable bits.
    pub(super) fn tag(&mut self) -> Bytes {
        let mut out = BytesMut::with_capacity(18);
        put_hex(&mut out, &[self.shard]);
        put_hex(&mut out, &self.random.next_u64().to_be_bytes());
        out.freeze()
    }

    /// A Call-ID: 128 unpredictable bits, no address.
    pub(super) fn call_id(&mut self) -> Bytes {
        let mut out = BytesMut::with_capacity(34);
        put_hex(&mut out, &[self.shard]);
        put_hex(&mut out, &self.random.next_u64().to_be_bytes());
        put_hex(&mut out, &self.random.next_u64().to_be_bytes());
        out.freeze()
    }

    /// A branch that carries the number of its transaction, and 64 bits that nobody can guess.
    pub(super) fn branch(&mut self, id: ClientId) -> Bytes {
        let mut out = BytesMut::with_capacity(BRANCH_HEAD + 32);
        out.put_slice(MAGIC_COOKIE);
        put_hex(&mut out, &[self.shard]);
        put_hex(&mut out, &id.0.to_be_bytes());
        put_hex(&mut out, &self.random.next_u64().to_be_bytes());
        out.freeze()
    }

    /// The transaction that a branch of ours names.
    pub(super) fn client_of(branch: &[u8]) -> Option<ClientId> {
        let digits = branch.get(BRANCH_HEAD..BRANCH_HEAD + 16)?;
        let text = std::str::from_utf8(digits).ok()?;
        u64::from_str_radix(text, 16).ok().map(ClientId)
    }

    /// First CSeq of a direction in which we have sent nothing yet.
    pub(super) fn first_cseq(&mut self) -> u32 {
        self.random.next_u32() & 0x7fff
    }

    /// RSeq of the first reliable answer to an INVITE (RFC 3262 §3).
    pub(super) fn first_rseq(&mut self) -> u32 {
        (self.random.next_u32() & 0x3fff_ffff) + 1
    }

    /// A number that differs from request to request, but not between copies of one.
    pub(super) fn spread(&self, request: &Request) -> u32 {
        let hash = self.hash(request);
        u32::from_be_bytes([hash[8], hash[9], hash[10], hash[11]])
    }

    /// The tag of an answer that leaves nothing behind: the same for every copy of the request.
    pub(super) fn stateless_tag(&self, request: &Request) -> Bytes {
        let hash = self.hash(request);
        let mut out = BytesMut::with_capacity(18);
        put_hex(&mut out, &[self.shard]);
        put_hex(&mut out, &hash[..8]);
        out.freeze()
    }

    fn hash(&self, request: &Request) -> [u8; 32] {
        let headers = request.headers();
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).expect("HMAC takes a key of any length");
        for name in [crate::header::Name::Via, crate::header::Name::From, crate::header::Name::CallId] {
            mac.update(&headers.get(&name).unwrap_or_default());
            mac.update(&[0]);
        }
        mac.update(&headers.get(&crate::header::Name::CSeq).unwrap_or_default());
        mac.finalize().into_bytes().into()
    }
}

fn put_hex(out: &mut BytesMut, bytes: &[u8]) {
    for byte in bytes {
        out.put_u8(HEX[usize::from(byte >> 4)]);
        out.put_u8(HEX[usize::from(byte & 15)]);
    }
}

/// What makes two requests one transaction (RFC 3261 §17.2.3): branch, sent-by, and the method, ACK and INVITE being
/// one. A peer of RFC 2543, whose branch does not say that it is unique, is known by the other fields instead.
pub(super) fn server_key(request: &Request, method: &Method) -> Result<Box<[u8]>, Error> {
    let via = request.via()?;
    let mut key = Vec::with_capacity(96);
    match via.branch().filter(|_| via.has_magic_cookie()) {
        Some(branch) => key.extend_from_slice(&branch),
        None => {
            key.extend_from_slice(request.uri().as_bytes());
            key.push(0);
            key.extend_from_slice(&merge_key(request)?);
        }
    }
    key.push(0);
    put_sent_by(&mut key, &via);
    key.push(0);
    key.extend_from_slice(match method {
        Method::Ack => Method::Invite.as_bytes(),
        other => other.as_bytes(),
    });
    Ok(key.into_boxed_slice())
}

fn put_sent_by(key: &mut Vec<u8>, via: &Via) {
    key.extend_from_slice(via.host.to_string().to_ascii_lowercase().as_bytes());
    key.extend_from_slice(&via.port.unwrap_or(0).to_be_bytes());
}

/// What copies of one request that came by different ways have in common (RFC 3261 §8.2.2.2).
pub(super) fn merge_key(request: &Request) -> Result<Box<[u8]>, Error> {
    let mut key = Vec::with_capacity(96);
    key.extend_from_slice(&request.call_id()?);
    key.push(0);
    key.extend_from_slice(&request.from()?.tag().unwrap_or_default());
    key.push(0);
    let cseq = request.cseq()?;
    key.extend_from_slice(&cseq.number.to_be_bytes());
    // An ACK for a refusal carries the method of its own; the INVITE it belongs to does not.
    key.extend_from_slice(match &cseq.method {
        Method::Ack | Method::Cancel => Method::Invite.as_bytes(),
        other => other.as_bytes(),
    });
    Ok(key.into_boxed_slice())
}
