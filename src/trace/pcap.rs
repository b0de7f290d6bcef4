//! A trace as a capture file (pcap, link type RAW): what Wireshark, tshark and sngrep open.
//!
//! Every message stands in one UDP datagram between its real addresses and ports, also where it travelled in a TCP stream, in
//! TLS or in a WebSocket: what is inside the encryption is what one wants to see, and the sequence numbers of a stream are not kept.

use std::net::{IpAddr, SocketAddr};

use super::message::{Message, Way};

/// Microseconds, in our own byte order, which is what readers find out from it.
const MAGIC: u32 = 0xa1b2_c3d4;
const VERSION: (u16, u16) = (2, 4);
const LONGEST: u32 = 65_535;
/// LINKTYPE_RAW: packets begin with an IPv4 or IPv6 header.
const RAW: u32 = 101;

const UDP: u8 = 17;
const UDP_HEADER: usize = 8;
const V4_HEADER: usize = 20;
const HOPS: u8 = 64;

/// The whole file.
#[must_use]
pub fn file<'a>(messages: impl IntoIterator<Item = &'a Message>) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(MAGIC.to_le_bytes());
    out.extend(VERSION.0.to_le_bytes());
    out.extend(VERSION.1.to_le_bytes());
    out.extend([0; 8]);
    out.extend(LONGEST.to_le_bytes());
    out.extend(RAW.to_le_bytes());
    for message in messages {
        let packet = packet(message);
        let length = u32::try_from(packet.len()).unwrap_or(LONGEST);
        let at = message.at_us.max(0);
        out.extend(u32::try_from(at / 1_000_000).unwrap_or(u32::MAX).to_le_bytes());
        out.extend(u32::try_from(at % 1_000_000).unwrap_or(0).to_le_bytes());
        out.extend(length.to_le_bytes());
        out.extend(length.to_le_bytes());
        out.extend(packet);
    }
    out
}

/// One IP packet with one UDP datagram.
fn packet(message: &Message) -> Vec<u8> {
    let (local, remote) = (message.flow.local, message.flow.remote);
    let (from, to) = match message.way {
        Way::In => (remote, local),
        Way::Out => (local, remote),
    };
    match (from.ip(), to.ip()) {
        (IpAddr::V4(source), IpAddr::V4(target)) => {
            let udp = datagram(from, to, &message.bytes, usize::from(u16::MAX) - V4_HEADER);
            let mut packet = vec![0x45, 0];
            packet.extend(length(V4_HEADER + udp.len()).to_be_bytes());
            packet.extend([0, 0, 0, 0, HOPS, UDP, 0, 0]);
            packet.extend(source.octets());
            packet.extend(target.octets());
            let sum = checksum(&packet);
            if let Some(place) = packet.get_mut(10..12) {
                place.copy_from_slice(&sum.to_be_bytes());
            }
            packet.extend(udp);
            packet
        }
        (source, target) => {
            let udp = datagram(from, to, &message.bytes, usize::from(u16::MAX));
            let mut packet = vec![0x60, 0, 0, 0];
            packet.extend(length(udp.len()).to_be_bytes());
            packet.extend([UDP, HOPS]);
            packet.extend(v6(source));
            packet.extend(v6(target));
            packet.extend(udp);
            packet
        }
    }
}

/// A UDP header with its checksum over the pseudo header (RFC 768, RFC 8200 §8.1), and the message. A message from a stream may
/// be longer than a datagram can be; its end is left out then.
fn datagram(from: SocketAddr, to: SocketAddr, message: &[u8], room: usize) -> Vec<u8> {
    let message = message.get(..message.len().min(room - UDP_HEADER)).unwrap_or_default();
    let size = length(UDP_HEADER + message.len());
    let mut udp = Vec::with_capacity(UDP_HEADER + message.len());
    udp.extend(from.port().to_be_bytes());
    udp.extend(to.port().to_be_bytes());
    udp.extend(size.to_be_bytes());
    udp.extend([0, 0]);
    udp.extend_from_slice(message);
    let mut summed = Vec::with_capacity(udp.len() + 40);
    match (from.ip(), to.ip()) {
        (IpAddr::V4(source), IpAddr::V4(target)) => {
            summed.extend(source.octets());
            summed.extend(target.octets());
        }
        (source, target) => {
            summed.extend(v6(source));
            summed.extend(v6(target));
        }
    }
    summed.extend([0, UDP]);
    summed.extend(size.to_be_bytes());
    summed.extend_from_slice(&udp);
    // Zero would say that there is no checksum.
    let sum = match checksum(&summed) {
        0 => u16::MAX,
        sum => sum,
    };
    if let Some(place) = udp.get_mut(6..8) {
        place.copy_from_slice(&sum.to_be_bytes());
    }
    udp
}

fn length(bytes: usize) -> u16 {
    u16::try_from(bytes).unwrap_or(u16::MAX)
}

fn v6(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}

/// The Internet checksum (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let mut sum = 0_u64;
    for pair in bytes.chunks(2) {
        let high = pair.first().copied().unwrap_or(0);
        let low = pair.get(1).copied().unwrap_or(0);
        sum += u64::from(u16::from_be_bytes([high, low]));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use sip::{Flow, Transport};

    use super::{checksum, file};
    use crate::trace::message::{Message, Way};

    fn message(way: Way, local: &str, remote: &str, text: &'static str) -> Message {
        let (local, remote) = (local.parse().unwrap(), remote.parse().unwrap());
        let flow = Flow { transport: Transport::Udp, local, remote };
        Message { at_us: 1_700_000_000_123_456, way, flow, bytes: Bytes::from_static(text.as_bytes()) }
    }

    #[test]
    fn the_bytes_of_a_file_with_one_message() {
        let bytes = file(&[message(Way::In, "10.0.0.1:5060", "10.0.0.2:5070", "abc")]);
        #[rustfmt::skip]
        let expected = [
            0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 101, 0, 0, 0,
            0x00, 0xf1, 0x53, 0x65, 0x40, 0xe2, 0x01, 0x00, 31, 0, 0, 0, 31, 0, 0, 0,
            0x45, 0, 0, 31, 0, 0, 0, 0, 64, 17, 0x66, 0xcc, 10, 0, 0, 2, 10, 0, 0, 1,
            0x13, 0xce, 0x13, 0xc4, 0, 11, 0, 0, b'a', b'b', b'c',
        ];
        let mut expected = expected.to_vec();
        let mut pseudo = vec![10, 0, 0, 2, 10, 0, 0, 1, 0, 17, 0, 11];
        pseudo.extend(&expected[60..]);
        let at = expected.len() - 5;
        expected[at..at + 2].copy_from_slice(&checksum(&pseudo).to_be_bytes());
        assert_eq!(bytes, expected);
        assert_eq!(checksum(&bytes[40..60]), 0, "a header with its checksum sums to nothing");
    }

    #[test]
    fn a_packet_of_version_six_sums_to_nothing() {
        let bytes = file(&[message(Way::Out, "[2001:db8::1]:5061", "[2001:db8::2]:40000", "hello")]);
        let packet = &bytes[40..];
        assert_eq!((packet[0], packet[6], packet.len()), (0x60, 17, 40 + 8 + 5));
        let mut summed = packet[8..40].to_vec();
        summed.extend([0, 17, 0, 13]);
        summed.extend(&packet[40..]);
        assert_eq!(checksum(&summed), 0);
        assert_eq!(&packet[40..44], [0x13, 0xc5, 0x9c, 0x40], "from our port to theirs");
    }

    #[test]
    fn a_message_longer_than_a_datagram_is_cut() {
        let long: &'static str = Box::leak("x".repeat(70_000).into_boxed_str());
        for (ours, theirs, size) in [("10.0.0.1:1", "10.0.0.2:2", 65_535), ("[::1]:1", "[::1]:2", 65_535 + 40)] {
            assert_eq!(file(&[message(Way::In, ours, theirs, long)]).len(), 24 + 16 + size);
        }
    }
}
