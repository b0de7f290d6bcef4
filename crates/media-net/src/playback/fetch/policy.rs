//! Which addresses may be fetched from.
//!
//! Whoever can name a URL could otherwise have us read what only we can reach: a cloud's metadata, a neighbour's database,
//! our own control port (server-side request forgery). So only what every stranger can reach is fetched from, unless the
//! configuration names a host or a network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// An exception: a host or a network that may be fetched from although it is not public.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// A host by the name, or the address, that URLs call it by.
    Host(String),
    /// All addresses that begin with these bits.
    Network(IpAddr, u8),
}

/// Neither a host name, nor an address, nor a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("neither a host name nor a network, such as media.example.com or 192.168.0.0/16")]
pub struct NotAllowable;

/// What may be fetched: everything public, and the exceptions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FetchPolicy {
    /// The exceptions.
    pub allow: Vec<Allowed>,
}

/// How near to us an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    Public,
    /// This host and its own network: a host that is named in the configuration may be there.
    Private,
    /// Where no file is served: link-local addresses (and with them the metadata of clouds), groups, reserved ranges. Only a
    /// network that contains it allows it.
    Special,
}

impl FetchPolicy {
    /// Whether a URL that names `host` may be fetched from this address of it.
    pub(super) fn permits(&self, host: &str, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let reach = reach(address);
        reach == Reach::Public
            || self.allow.iter().any(|allowed| match allowed {
                Allowed::Host(name) => reach == Reach::Private && name.eq_ignore_ascii_case(host),
                Allowed::Network(network, bits) => contains(*network, *bits, address),
            })
    }
}

impl FromStr for Allowed {
    type Err = NotAllowable;

    fn from_str(text: &str) -> Result<Allowed, NotAllowable> {
        let text = text.trim();
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        match (address.parse::<IpAddr>(), bits) {
            (Ok(address), Some(bits)) => {
                let bits = bits.parse().ok().filter(|bits| *bits <= width(address)).ok_or(NotAllowable)?;
                Ok(Allowed::Network(address, bits))
            }
            (Ok(address), None) => Ok(Allowed::Network(address, width(address))),
            (Err(_), Some(_)) => Err(NotAllowable),
            (Err(_), None) => {
                let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
                let good = !text.is_empty() && text.len() <= 253 && text.bytes().all(is_name);
                if good { Ok(Allowed::Host(text.to_ascii_lowercase())) } else { Err(NotAllowable) }
            }
        }
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn contains(network: IpAddr, bits: u8, address: IpAddr) -> bool {
    match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => begins_v4(address, network, bits),
        (IpAddr::V6(network), IpAddr::V6(address)) => begins_v6(address, network, bits),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

fn begins_v4(address: Ipv4Addr, network: Ipv4Addr, bits: u8) -> bool {
    let shift = 32_u32.saturating_sub(u32::from(bits));
    address.to_bits().checked_shr(shift) == network.to_bits().checked_shr(shift)
}

fn begins_v6(address: Ipv6Addr, network: Ipv6Addr, bits: u8) -> bool {
    let shift = 128_u32.saturating_sub(u32::from(bits));
    address.to_bits().checked_shr(shift) == network.to_bits().checked_shr(shift)
}

/// By the registries of special-purpose addresses (RFC 6890 and its updates).
fn reach(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(address) => reach_v4(address),
        IpAddr::V6(address) => reach_v6(address),
    }
}

fn reach_v4(address: Ipv4Addr) -> Reach {
    const PRIVATE: [([u8; 4], u8); 5] =
        [([10, 0, 0, 0], 8), ([172, 16, 0, 0], 12), ([192, 168, 0, 0], 16), ([127, 0, 0, 0], 8), ([100, 64, 0, 0], 10)];
    const SPECIAL: [([u8; 4], u8); 10] = [
        ([0, 0, 0, 0], 8),
        ([169, 254, 0, 0], 16),
        ([192, 0, 0, 0], 24),
        ([192, 0, 2, 0], 24),
        ([192, 88, 99, 0], 24),
        ([198, 18, 0, 0], 15),
        ([198, 51, 100, 0], 24),
        ([203, 0, 113, 0], 24),
        ([224, 0, 0, 0], 4),
        ([240, 0, 0, 0], 4),
    ];
    let inside =
        |ranges: &[([u8; 4], u8)]| ranges.iter().any(|(network, bits)| begins_v4(address, (*network).into(), *bits));
    if inside(&PRIVATE) {
        Reach::Private
    } else if inside(&SPECIAL) {
        Reach::Special
    } else {
        Reach::Public
    }
}

/// Only 2000::/3 is given out; the rest is private or special. What carries an IPv4 address is where that one is.
fn reach_v6(address: Ipv6Addr) -> Reach {
    const SPECIAL: [(Ipv6Addr, u8); 3] = [
        (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
        (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
        (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
    ];
    let bits = address.to_bits();
    let carried = |shift: u32| reach_v4(Ipv4Addr::from_bits((bits >> shift) as u32));
    match address.segments() {
        _ if address.is_loopback() => Reach::Private,
        [first, ..] if first & 0xfe00 == 0xfc00 => Reach::Private,
        [0x64, 0xff9b, 0, 0, 0, 0, _, _] => carried(0),
        [0x2002, ..] => carried(80),
        [first, ..] if first & 0xe000 != 0x2000 => Reach::Special,
        _ if SPECIAL.iter().any(|(network, bits)| begins_v6(address, *network, *bits)) => Reach::Special,
        _ => Reach::Public,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permits(allow: &[&str], host: &str, address: &str) -> bool {
        let allow = allow.iter().map(|text| text.parse().unwrap()).collect();
        FetchPolicy { allow }.permits(host, address.parse().unwrap())
    }

    #[test]
    fn what_is_public_is_permitted() {
        for address in
            ["1.1.1.1", "100.63.255.255", "100.128.0.0", "172.15.0.1", "172.32.0.1", "192.0.1.1", "223.255.255.255"]
        {
            assert!(permits(&[], "a.example", address), "{address}");
        }
        for address in [
            "2606:4700::1111",
            "2a00:1450::1",
            "2001:4860:4860::8888",
            "64:ff9b::101:101",
            "2002:101:101::1",
            "::ffff:1.1.1.1",
        ] {
            assert!(permits(&[], "a.example", address), "{address}");
        }
    }

    #[test]
    fn what_is_not_public_is_refused() {
        let refused = [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "127.255.255.255",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:a00:1::1",
            "3fff::1",
            "4000::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ];
        for address in refused {
            assert!(!permits(&[], "a.example", address), "{address}");
            assert!(!permits(&["other.example", "203.0.112.0/24", "fd01::/16"], "a.example", address), "{address}");
        }
    }

    #[test]
    fn a_named_host_may_be_private_and_nothing_worse() {
        for address in ["10.0.0.1", "127.0.0.1", "100.64.0.1", "fd00::1", "::1", "::ffff:192.168.1.1"] {
            assert!(permits(&["PBX.lan"], "pbx.LAN", address), "{address}");
            assert!(!permits(&["PBX.lan"], "pbx.lan.evil.example", address), "{address}");
        }
        for address in ["169.254.169.254", "0.0.0.0", "224.0.0.1", "fe80::1", "::ffff:169.254.169.254"] {
            assert!(!permits(&["pbx.lan"], "pbx.lan", address), "{address}");
        }
    }

    #[test]
    fn a_named_network_is_permitted_under_every_name() {
        assert!(permits(&["10.1.0.0/16"], "a.example", "10.1.2.3"));
        assert!(permits(&["10.1.0.0/16"], "a.example", "::ffff:10.1.2.3"));
        assert!(!permits(&["10.1.0.0/16"], "a.example", "10.2.0.1"));
        assert!(permits(&["127.0.0.1"], "localhost", "127.0.0.1"));
        assert!(!permits(&["127.0.0.1"], "localhost", "127.0.0.2"));
        assert!(permits(&["fd00::/8"], "a.example", "fd12::1"));
        assert!(permits(&["0.0.0.0/0"], "a.example", "169.254.1.1"));
        assert!(!permits(&["0.0.0.0/0"], "a.example", "::1"));
    }

    #[test]
    fn exceptions_are_read_from_text() {
        assert_eq!("Media.Example.COM".parse(), Ok(Allowed::Host("media.example.com".into())));
        assert_eq!("10.0.0.0/8".parse(), Ok(Allowed::Network("10.0.0.0".parse().unwrap(), 8)));
        assert_eq!(" ::1 ".parse(), Ok(Allowed::Network("::1".parse().unwrap(), 128)));
        for text in ["", " ", "10.0.0.0/33", "::/129", "10.0.0.0/", "host/8", "http://host", "a b", "host:80"] {
            assert_eq!(text.parse::<Allowed>(), Err(NotAllowable), "{text:?}");
        }
    }
}
