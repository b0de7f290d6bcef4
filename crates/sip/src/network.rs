//! Which address of ours a peer is told: the LAN, the public and the overlay network may each need another.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::error::Error;

/// A network: `192.0.2.0/24`, `2001:db8::/32`, or a single address.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Prefix {
    address: IpAddr,
    /// How many bits of it count.
    bits: u8,
}

impl Prefix {
    /// Whether an address lies inside.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(ours), IpAddr::V4(other)) => {
                let shift = 32 - u32::from(self.bits);
                ours.to_bits().checked_shr(shift) == other.to_bits().checked_shr(shift)
            }
            (IpAddr::V6(ours), IpAddr::V6(other)) => {
                let shift = 128 - u32::from(self.bits);
                ours.to_bits().checked_shr(shift) == other.to_bits().checked_shr(shift)
            }
            _ => false,
        }
    }
}

impl FromStr for Prefix {
    type Err = Error;

    fn from_str(text: &str) -> Result<Prefix, Error> {
        const WRONG: Error = Error::Malformed { header: "network", position: 0 };
        let (address, bits) = match text.trim().split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text.trim(), None),
        };
        let address: IpAddr = address.parse().map_err(|_| WRONG)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) => bits.parse().ok().filter(|bits| *bits <= most).ok_or(WRONG)?,
            None => most,
        };
        Ok(Prefix { address, bits })
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// What to tell whom.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Advertised {
    /// The longest prefix first. Without an address, the local one that faces the peer is told.
    networks: Vec<(Prefix, Option<IpAddr>)>,
    elsewhere: Option<IpAddr>,
}

impl Advertised {
    /// The same address everywhere; without one, the local address that faces the peer.
    pub fn everywhere(address: Option<IpAddr>) -> Advertised {
        Advertised { networks: Vec::new(), elsewhere: address }
    }

    /// With another address, or the local one, for the peers of a network.
    #[must_use]
    pub fn with(mut self, network: Prefix, address: Option<IpAddr>) -> Advertised {
        let place = self.networks.partition_point(|(other, _)| other.bits >= network.bits);
        self.networks.insert(place, (network, address));
        self
    }

    /// Whether anybody is told this address.
    pub fn names(&self, address: IpAddr) -> bool {
        self.elsewhere == Some(address) || self.networks.iter().any(|(_, told)| *told == Some(address))
    }

    /// What a peer is told that sees us at `local`. An address of the other family is of no use to it, and is passed over.
    pub fn facing(&self, peer: IpAddr, local: IpAddr) -> IpAddr {
        let network = self.networks.iter().find(|(network, _)| network.contains(peer));
        let address = network.map_or(self.elsewhere, |(_, address)| *address);
        address.filter(|address| address.is_ipv4() == local.is_ipv4()).unwrap_or(local)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn prefixes_are_read_and_contain_what_they_should() {
        let cases = [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.1.2.3/8", "10.9.9.9", true),
            ("0.0.0.0/0", "203.0.113.1", true),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.8", false),
            ("192.0.2.128/25", "192.0.2.127", false),
            ("2001:db8::/32", "2001:db8:1::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::/0", "fe80::1", true),
            ("::/0", "192.0.2.1", false),
            ("0.0.0.0/0", "::1", false),
        ];
        for (network, address, inside) in cases {
            assert_eq!(network.parse::<Prefix>().unwrap().contains(ip(address)), inside, "{address} in {network}");
        }
        for bad in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.0/-1", "10.0.0.0/", "lan"] {
            assert!(bad.parse::<Prefix>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_longest_prefix_wins_whatever_the_order() {
        let networks = [
            ("10.0.0.0/8", Some("10.0.0.1")),
            ("10.1.0.0/16", Some("10.1.0.1")),
            ("10.1.2.0/24", None),
            ("100.64.0.0/10", Some("100.64.0.9")),
        ];
        let build = |networks: &mut dyn Iterator<Item = &(&str, Option<&str>)>| {
            let outside = Advertised::everywhere(Some(ip("203.0.113.5")));
            networks.fold(outside, |all, (network, address)| all.with(network.parse().unwrap(), address.map(ip)))
        };
        let local = ip("172.16.0.4");
        for advertised in [build(&mut networks.iter()), build(&mut networks.iter().rev())] {
            let told = |peer| advertised.facing(ip(peer), local);
            assert_eq!(told("10.9.9.9"), ip("10.0.0.1"));
            assert_eq!(told("10.1.9.9"), ip("10.1.0.1"));
            assert_eq!(told("10.1.2.9"), local, "a network without an address is told the local one");
            assert_eq!(told("100.100.1.1"), ip("100.64.0.9"));
            assert_eq!(told("198.51.100.1"), ip("203.0.113.5"));
        }
    }

    #[test]
    fn an_address_of_the_other_family_is_not_told() {
        let advertised = Advertised::everywhere(Some(ip("203.0.113.5")));
        assert_eq!(advertised.facing(ip("2001:db8::1"), ip("2001:db8::2")), ip("2001:db8::2"));
        assert_eq!(Advertised::default().facing(ip("192.0.2.1"), ip("192.0.2.2")), ip("192.0.2.2"));
    }
}
