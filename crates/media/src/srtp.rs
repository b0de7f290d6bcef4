//! SRTP and SRTCP (RFC 3711, RFC 7714), in place and without allocation.
//!
//! A [`Sealer`] protects what goes to a peer, an [`Opener`] checks and opens what comes from it; each has the key of its
//! direction. A packet that is not authentic, or was seen before, changes nothing: neither counters nor windows nor the
//! list of sources.

mod cipher;
mod key;
mod source;

use thiserror::Error;

use crate::limits;
use cipher::Cipher;
use source::{Received, Sent, Window};

pub use key::{BadKey, MasterKey, Suite, from_dtls};

/// Bytes of a fixed RTP header.
const RTP_HEADER: usize = 12;
/// Bytes of an RTCP header with its SSRC: what stays readable.
const RTCP_HEADER: usize = 8;
/// Bytes of the E flag and the index behind an SRTCP packet.
const RTCP_INDEX: usize = 4;
/// The E flag: the packet is encrypted.
const ENCRYPTED: u32 = 1 << 31;

/// Why a packet was neither protected nor opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SrtpError {
    /// It is too short, or no RTP or RTCP.
    #[error("the packet is malformed")]
    Malformed,
    /// Its tag is wrong.
    #[error("the packet is not authentic")]
    Forged,
    /// It, or one so much newer that nothing can be said, was seen before.
    #[error("the packet was seen before")]
    Replayed,
    /// There is no room for the tag behind it.
    #[error("the buffer has no room for the tag")]
    NoRoom,
    /// The key has protected as many packets as it may (RFC 3711 §9.2).
    #[error("the key is worn out")]
    WornOut,
}

/// Protects what is sent.
#[derive(Debug)]
pub struct Sealer {
    rtp: Cipher,
    rtcp: Cipher,
    sources: Vec<Sent>,
    rtcp_index: u32,
}

impl Sealer {
    /// A sealer with the key of our direction.
    pub fn new(master: &MasterKey) -> Sealer {
        let (rtp, rtcp) = Cipher::pair(master);
        Sealer { rtp, rtcp, sources: Vec::with_capacity(1), rtcp_index: 0 }
    }

    /// Protects the RTP packet in the first `len` bytes; gives its new length.
    ///
    /// # Errors
    /// It is no RTP packet, the buffer is too short for the tag, or the key is worn out.
    pub fn seal_rtp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, SrtpError> {
        let header = RtpHeader::read(buffer.get(..len).ok_or(SrtpError::Malformed)?)?;
        let end = len + self.rtp.tag_len();
        if buffer.len() < end {
            return Err(SrtpError::NoRoom);
        }
        let index = self.sent(header.ssrc).next(header.sequence)?;
        self.rtp.seal_rtp(&mut buffer[..end], header.payload, (header.ssrc, index));
        Ok(end)
    }

    /// Protects the RTCP packet in the first `len` bytes; gives its new length.
    ///
    /// # Errors
    /// It is no RTCP packet, the buffer is too short for index and tag, or the key is worn out.
    pub fn seal_rtcp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, SrtpError> {
        let ssrc = rtcp_ssrc(buffer.get(..len).ok_or(SrtpError::Malformed)?)?;
        let end = len + self.rtcp.tag_len() + RTCP_INDEX;
        if buffer.len() < end {
            return Err(SrtpError::NoRoom);
        }
        if self.rtcp_index >= ENCRYPTED - 1 {
            return Err(SrtpError::WornOut);
        }
        self.rtcp_index += 1;
        self.rtcp.seal_rtcp(&mut buffer[..end], ssrc, ENCRYPTED | self.rtcp_index);
        Ok(end)
    }

    /// What was sent of a source. There is one, or with a replaced stream a few; beyond the limit the oldest begins anew.
    fn sent(&mut self, ssrc: u32) -> &mut Sent {
        let index = self.sources.iter().position(|sent| sent.ssrc == ssrc).unwrap_or_else(|| {
            if self.sources.len() >= limits::SRTP_SOURCES {
                self.sources.remove(0);
            }
            self.sources.push(Sent::new(ssrc));
            self.sources.len() - 1
        });
        &mut self.sources[index]
    }
}

/// Checks and opens what is received.
#[derive(Debug)]
pub struct Opener {
    rtp: Cipher,
    rtcp: Cipher,
    sources: Vec<Received>,
    /// SRTCP indices of all sources together: they share one counter (RFC 3711 §3.2.1).
    rtcp_seen: Vec<(u32, Window)>,
}

impl Opener {
    /// An opener with the key of the peer's direction.
    pub fn new(master: &MasterKey) -> Opener {
        let (rtp, rtcp) = Cipher::pair(master);
        Opener { rtp, rtcp, sources: Vec::with_capacity(1), rtcp_seen: Vec::new() }
    }

    /// Opens the SRTP packet in the first `len` bytes; gives the length of the RTP packet.
    ///
    /// # Errors
    /// It is malformed, forged or replayed; nothing has changed then but, with a forged one of AES-GCM, the buffer.
    pub fn open_rtp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, SrtpError> {
        let packet = buffer.get_mut(..len).ok_or(SrtpError::Malformed)?;
        let header = RtpHeader::read(packet)?;
        let end =
            len.checked_sub(self.rtp.tag_len()).filter(|end| *end >= header.payload).ok_or(SrtpError::Malformed)?;
        let known = self.sources.iter().position(|source| source.ssrc == header.ssrc);
        let index = match known {
            Some(known) => self.sources[known].index(header.sequence)?,
            None => u64::from(header.sequence),
        };
        self.rtp.open_rtp(packet, header.payload, (header.ssrc, index))?;
        match known {
            Some(known) => self.sources[known].accept(index),
            None => {
                if self.sources.len() >= limits::SRTP_SOURCES {
                    self.sources.remove(0);
                }
                self.sources.push(Received::new(header.ssrc, index));
            }
        }
        Ok(end)
    }

    /// Opens the SRTCP packet in the first `len` bytes; gives the length of the RTCP packet.
    ///
    /// # Errors
    /// As for [`Opener::open_rtp`].
    pub fn open_rtcp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, SrtpError> {
        let packet = buffer.get_mut(..len).ok_or(SrtpError::Malformed)?;
        let ssrc = rtcp_ssrc(packet)?;
        let end = len
            .checked_sub(self.rtcp.tag_len() + RTCP_INDEX)
            .filter(|end| *end >= RTCP_HEADER)
            .ok_or(SrtpError::Malformed)?;
        let word = self.rtcp.rtcp_word(packet).ok_or(SrtpError::Malformed)?;
        let index = u64::from(word & !ENCRYPTED);
        let known = self.rtcp_seen.iter().position(|(known, _)| *known == ssrc);
        if known.is_some_and(|known| self.rtcp_seen[known].1.has_seen(index)) {
            return Err(SrtpError::Replayed);
        }
        self.rtcp.open_rtcp(packet, ssrc, word, word & ENCRYPTED != 0)?;
        match known {
            Some(known) => self.rtcp_seen[known].1.accept(index),
            None => {
                if self.rtcp_seen.len() >= limits::SRTP_SOURCES {
                    self.rtcp_seen.remove(0);
                }
                self.rtcp_seen.push((ssrc, Window::new(index)));
            }
        }
        Ok(end)
    }
}

/// What SRTP needs of an RTP header.
#[derive(Clone, Copy, Debug)]
struct RtpHeader {
    sequence: u16,
    ssrc: u32,
    /// Where the encrypted part begins: behind contributing sources and extension.
    payload: usize,
}

impl RtpHeader {
    fn read(packet: &[u8]) -> Result<RtpHeader, SrtpError> {
        let fixed = packet.first_chunk::<RTP_HEADER>().ok_or(SrtpError::Malformed)?;
        if fixed[0] >> 6 != 2 {
            return Err(SrtpError::Malformed);
        }
        let mut payload = RTP_HEADER + 4 * usize::from(fixed[0] & 0x0f);
        if fixed[0] & 0x10 != 0 {
            let extension = packet.get(payload..payload + 4).ok_or(SrtpError::Malformed)?;
            payload += 4 + 4 * usize::from(u16::from_be_bytes([extension[2], extension[3]]));
        }
        if payload > packet.len() {
            return Err(SrtpError::Malformed);
        }
        Ok(RtpHeader {
            sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
            ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
            payload,
        })
    }
}

fn rtcp_ssrc(packet: &[u8]) -> Result<u32, SrtpError> {
    let header = packet.first_chunk::<RTCP_HEADER>().ok_or(SrtpError::Malformed)?;
    if header[0] >> 6 != 2 {
        return Err(SrtpError::Malformed);
    }
    Ok(u32::from_be_bytes([header[4], header[5], header[6], header[7]]))
}
