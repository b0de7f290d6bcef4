//! STUN Binding, as far as a SIP port needs it: keep-alive over UDP (RFC 5626 §4.4.2, RFC 5389).
//!
//! A phone asks "where do you see me?" through its NAT, and learns from the answer that the flow still is what it was. Nothing
//! is kept between two requests, and an answer is hardly longer than what it answers.

use std::net::{IpAddr, SocketAddr};

const MAGIC_COOKIE: u32 = 0x2112_a442;
const HEADER_BYTES: usize = 20;
const BINDING_REQUEST: u16 = 0x0001;
const BINDING_SUCCESS: u16 = 0x0101;
const BINDING_ERROR: u16 = 0x0111;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const ERROR_CODE: u16 = 0x0009;
const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
/// From here on an attribute that is not understood may be passed over.
const OPTIONAL: u16 = 0x8000;
/// MAPPED-ADDRESS to REALM and NONCE, as far as RFC 5389 §18.2 defines them; none of them changes our answer.
const UNDERSTOOD: [u16; 6] = [0x0001, 0x0006, 0x0008, 0x0014, 0x0015, 0x0020];
/// How many unknown attributes an error names.
const NAMED: usize = 8;

/// Whether a datagram is STUN: SIP never begins with a byte this small, and the cookie stands in its place (RFC 5389 §8).
pub fn is_stun(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| *first < 4) && word(datagram, 4) == Some(MAGIC_COOKIE)
}

/// The answer to a Binding request from `remote`; `None` when the datagram is no such request.
pub fn answer(datagram: &[u8], remote: SocketAddr) -> Option<Vec<u8>> {
    let length = usize::from(half(datagram, 2)?);
    if !is_stun(datagram) || half(datagram, 0)? != BINDING_REQUEST || length % 4 != 0 {
        return None;
    }
    let attributes = datagram.get(HEADER_BYTES..).filter(|rest| rest.len() == length)?;
    let unknown = unknown_attributes(attributes)?;
    let transaction = datagram.get(8..HEADER_BYTES)?;
    let mut body = Vec::with_capacity(32);
    let kind = if unknown.is_empty() {
        put_address(&mut body, remote, transaction);
        BINDING_SUCCESS
    } else {
        put(&mut body, ERROR_CODE, &[0, 0, 4, 20]);
        let names: Vec<u8> = unknown.iter().flat_map(|kind| kind.to_be_bytes()).collect();
        put(&mut body, UNKNOWN_ATTRIBUTES, &names);
        BINDING_ERROR
    };
    let mut out = Vec::with_capacity(HEADER_BYTES + body.len());
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&u16::try_from(body.len()).ok()?.to_be_bytes());
    out.extend_from_slice(&MAGIC_COOKIE.to_be_bytes());
    out.extend_from_slice(transaction);
    out.append(&mut body);
    Some(out)
}

/// Attributes that we must understand and do not (RFC 5389 §7.3.1); `None` when the lengths lead out of the message.
fn unknown_attributes(mut attributes: &[u8]) -> Option<Vec<u16>> {
    let mut unknown = Vec::new();
    while !attributes.is_empty() {
        let kind = half(attributes, 0)?;
        let length = usize::from(half(attributes, 2)?);
        attributes = attributes.get(4 + length.next_multiple_of(4)..)?;
        if kind < OPTIONAL && !UNDERSTOOD.contains(&kind) && unknown.len() < NAMED {
            unknown.push(kind);
        }
    }
    Some(unknown)
}

/// RFC 5389 §15.2: the address, hidden from NATs that rewrite whatever looks like one.
fn put_address(body: &mut Vec<u8>, address: SocketAddr, transaction: &[u8]) {
    let cookie = MAGIC_COOKIE.to_be_bytes();
    let mask = cookie.iter().chain(transaction);
    let port = address.port() ^ u16::from_be_bytes([cookie[0], cookie[1]]);
    let mut value = vec![0, if address.is_ipv4() { 1 } else { 2 }];
    value.extend_from_slice(&port.to_be_bytes());
    match address.ip() {
        IpAddr::V4(ip) => value.extend(ip.octets().iter().zip(mask).map(|(byte, mask)| byte ^ mask)),
        IpAddr::V6(ip) => value.extend(ip.octets().iter().zip(mask).map(|(byte, mask)| byte ^ mask)),
    }
    put(body, XOR_MAPPED_ADDRESS, &value);
}

fn put(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    body.extend_from_slice(&kind.to_be_bytes());
    body.extend_from_slice(&u16::try_from(value.len()).unwrap_or(0).to_be_bytes());
    body.extend_from_slice(value);
    body.resize(body.len().next_multiple_of(4), 0);
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_be_bytes)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The transaction of the test vectors in RFC 5769.
    const TRANSACTION: [u8; 12] = [0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae];

    fn request(attributes: &[u8]) -> Vec<u8> {
        let mut message = vec![0, 1, 0, u8::try_from(attributes.len()).unwrap(), 0x21, 0x12, 0xa4, 0x42];
        message.extend_from_slice(&TRANSACTION);
        message.extend_from_slice(attributes);
        message
    }

    /// RFC 5769 §2.1, without what belongs to ICE: SOFTWARE, USERNAME, MESSAGE-INTEGRITY.
    fn attributes_of_rfc_5769() -> Vec<u8> {
        let mut attributes = vec![0x80, 0x22, 0x00, 0x10];
        attributes.extend_from_slice(b"STUN test client");
        attributes.extend_from_slice(&[0x00, 0x06, 0x00, 0x09]);
        attributes.extend_from_slice(b"evtj:h6vY   ");
        attributes.extend_from_slice(&[0x00, 0x08, 0x00, 0x14]);
        attributes.extend_from_slice(&[
            0x9a, 0xea, 0xa7, 0x0c, 0xbf, 0xd8, 0xcb, 0x56, 0x78, 0x1e, 0xf2, 0xb5, 0xb2, 0xd3, 0xf2, 0x49, 0xc1, 0xb5,
            0x71, 0xa2,
        ]);
        attributes
    }

    #[test]
    fn the_addresses_of_rfc_5769_are_written_as_there() {
        // §2.2: 192.0.2.1 port 32853.
        let answered = answer(&request(&attributes_of_rfc_5769()), "192.0.2.1:32853".parse().unwrap()).unwrap();
        let mut expected = vec![0x01, 0x01, 0x00, 0x0c, 0x21, 0x12, 0xa4, 0x42];
        expected.extend_from_slice(&TRANSACTION);
        expected.extend_from_slice(&[0x00, 0x20, 0x00, 0x08, 0x00, 0x01, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43]);
        assert_eq!(answered, expected);
        // §2.3: 2001:db8:1234:5678:11:2233:4455:6677 port 32853.
        let remote = "[2001:db8:1234:5678:11:2233:4455:6677]:32853".parse().unwrap();
        let answered = answer(&request(&[]), remote).unwrap();
        let mapped = [
            0x00, 0x02, 0xa1, 0x47, 0x01, 0x13, 0xa9, 0xfa, 0xa5, 0xd3, 0xf1, 0x79, 0xbc, 0x25, 0xf4, 0xb5, 0xbe, 0xd2,
            0xb9, 0xd9,
        ];
        assert_eq!(answered[..4], [0x01, 0x01, 0x00, 0x18]);
        assert_eq!(answered[HEADER_BYTES..], [&[0x00, 0x20, 0x00, 0x14][..], &mapped].concat());
    }

    #[test]
    fn what_must_be_understood_and_is_not_is_named() {
        // PRIORITY, of ICE.
        let answered = answer(&request(&[0x00, 0x24, 0x00, 0x04, 1, 2, 3, 4]), "192.0.2.1:1".parse().unwrap()).unwrap();
        let attributes = [0, 9, 0, 4, 0, 0, 4, 20, 0, 10, 0, 2, 0x00, 0x24, 0, 0];
        assert_eq!(answered[..4], [0x01, 0x11, 0x00, 0x10]);
        assert_eq!(answered[HEADER_BYTES..], attributes);
    }

    #[test]
    fn anything_else_is_passed_over() {
        let remote = "192.0.2.1:1".parse().unwrap();
        let good = request(&attributes_of_rfc_5769());
        for length in 0..good.len() {
            assert_eq!(answer(&good[..length], remote), None, "cut at {length}");
        }
        let mut indication = good.clone();
        indication[1] = 0x11;
        assert_eq!(answer(&indication, remote), None);
        let mut response = good.clone();
        response[0] = 1;
        assert_eq!(answer(&response, remote), None);
        assert!(!is_stun(b"OPTIONS sip:a@b SIP/2.0\r\n"));
        assert!(!is_stun(&[0, 1, 0, 0, 1, 2, 3, 4]));
        // A length that leads out of the message.
        assert_eq!(answer(&request(&[0x80, 0x22, 0xff, 0xff]), remote), None);
    }
}
