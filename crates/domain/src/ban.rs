//! Bans: addresses that nothing is taken from for a while.

use std::net::{IpAddr, Ipv6Addr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// An address that is shut out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ban {
    /// Whose; a [`source`].
    pub address: IpAddr,
    /// Why, for people.
    pub reason: String,
    /// How often it was banned before and since; each time lasts longer.
    pub strikes: u32,
    /// When it began.
    pub since: Timestamp,
    /// When it ends. For some time after that the ban is remembered, so that the next one lasts longer.
    pub until: Timestamp,
}

/// What counts as one neighbour: an IPv4 address, or the /64 of an IPv6 address, since a single host may use all of it.
#[must_use]
pub fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_host_is_one_source_whatever_address_it_takes() {
        for (address, expected) in [
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("2001:db8:1:2:ffff::1", "2001:db8:1:2::"),
            ("::1", "::"),
        ] {
            assert_eq!(source(ip(address)), ip(expected), "{address}");
            assert_eq!(source(source(ip(address))), ip(expected), "{address}");
        }
    }
}
