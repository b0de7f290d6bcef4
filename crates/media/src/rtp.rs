//! RTP headers (RFC 3550, section 5.1): read, and the fields a relay rewrites.

use std::ops::Range;

use crate::limits;

/// Length of the fixed header.
pub const HEADER: usize = 12;

/// A checked RTP header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Marker bit.
    pub marker: bool,
    /// Payload type, 0–127.
    pub payload_type: u8,
    /// Sequence number.
    pub sequence: u16,
    /// Timestamp in units of the payload's clock.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
    /// Where the payload lies in the packet: behind contributing sources and extension, before any padding.
    pub payload: Range<usize>,
}

impl Header {
    /// Reads a packet; `None` when it is no RTP of version 2 or its lengths do not fit.
    pub fn parse(packet: &[u8]) -> Option<Header> {
        if packet.len() > limits::PACKET_BYTES {
            return None;
        }
        let (fixed, rest) = packet.split_first_chunk::<HEADER>()?;
        let [flags, marked, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3] = *fixed;
        if flags >> 6 != 2 {
            return None;
        }
        let mut start = 4 * usize::from(flags & 0x0f);
        if flags & 0x10 != 0 {
            let extension = rest.get(start..start + 4)?;
            let words = u16::from_be_bytes([extension[2], extension[3]]);
            start += 4 + 4 * usize::from(words);
        }
        let body = rest.get(start..)?;
        let padding = if flags & 0x20 != 0 {
            let padding = usize::from(*body.last()?);
            if padding == 0 || padding > body.len() {
                return None;
            }
            padding
        } else {
            0
        };
        Some(Header {
            marker: marked & 0x80 != 0,
            payload_type: marked & 0x7f,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([c0, c1, c2, c3]),
            payload: HEADER + start..packet.len() - padding,
        })
    }
}

/// The header fields that a relay sets anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rewrite {
    /// Payload type.
    pub payload_type: u8,
    /// Sequence number.
    pub sequence: u16,
    /// Timestamp.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
}

impl Rewrite {
    /// Writes the fields into a packet; the marker and everything else stay. A packet without a whole header is left
    /// alone.
    pub fn apply(self, packet: &mut [u8]) {
        if let Some(header) = packet.first_chunk_mut::<HEADER>() {
            header[1] = (header[1] & 0x80) | (self.payload_type & 0x7f);
            header[2..4].copy_from_slice(&self.sequence.to_be_bytes());
            header[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
            header[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
        }
    }

    /// Writes a whole plain header: no padding, extension or contributing sources.
    pub fn create(self, header: &mut [u8; HEADER], marker: bool) {
        header[0] = 0x80;
        header[1] = if marker { 0x80 } else { 0 };
        self.apply(header);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: [u8; 14] = [0x80, 0x88, 0, 7, 0, 0, 1, 0, 1, 2, 3, 4, 0xd5, 0xd5];

    #[test]
    fn reads_a_plain_header() {
        let header = Header::parse(&PLAIN).expect("well-formed");
        assert_eq!(
            header,
            Header { marker: true, payload_type: 8, sequence: 7, timestamp: 256, ssrc: 0x0102_0304, payload: 12..14 }
        );
    }

    #[test]
    fn finds_the_payload_between_extension_and_padding() {
        let mut packet = vec![0xb1, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1];
        packet.extend([9, 9, 9, 9]);
        packet.extend([0xbe, 0xde, 0, 1, 0x10, 0, 0, 0]);
        packet.extend([1, 2, 3, 0, 0, 3]);
        assert_eq!(Header::parse(&packet).expect("well-formed").payload, 24..27);
    }

    #[test]
    fn refuses_what_does_not_fit() {
        let other_version = [&[0x40][..], &PLAIN[1..]].concat();
        let padding_too_long = [&[0xa0][..], &PLAIN[1..12], &[3, 3]].concat();
        let padding_of_nothing = [&[0xa0][..], &PLAIN[1..12], &[0, 0]].concat();
        let sources_missing = [&[0x81][..], &PLAIN[1..]].concat();
        let extension_missing = [&[0x90][..], &PLAIN[1..]].concat();
        for bad in [
            &PLAIN[..11],
            &[],
            &other_version,
            &padding_too_long,
            &padding_of_nothing,
            &sources_missing,
            &extension_missing,
            &vec![0x80; limits::PACKET_BYTES + 1],
        ] {
            assert_eq!(Header::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn rewrites_and_keeps_the_marker() {
        let mut packet = PLAIN;
        let rewrite = Rewrite { payload_type: 0, sequence: 0xffff, timestamp: 1, ssrc: 5 };
        rewrite.apply(&mut packet);
        let header = Header::parse(&packet).expect("still well-formed");
        assert!(header.marker);
        assert_eq!((header.payload_type, header.sequence), (0, 0xffff));
        assert_eq!((header.timestamp, header.ssrc), (1, 5));
        assert_eq!(header.payload, 12..14);
    }
}
