//! Who is connected, counted in all and by address.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// The book of those who are connected. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Guests {
    book: Arc<Mutex<Book>>,
    most: usize,
    most_per_address: usize,
}

#[derive(Debug, Default)]
struct Book {
    all: usize,
    by_address: BTreeMap<IpAddr, usize>,
}

/// One of them; leaves when dropped.
#[derive(Debug)]
pub(crate) struct Guest {
    book: Arc<Mutex<Book>>,
    address: IpAddr,
}

impl Guests {
    pub(crate) fn new(most: usize, most_per_address: usize) -> Self {
        Self { book: Arc::default(), most, most_per_address }
    }

    /// `None`: too many are here already.
    pub(crate) fn admit(&self, address: IpAddr) -> Option<Guest> {
        let address = counted_as(address);
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        let from_there = book.by_address.get(&address).copied().unwrap_or(0);
        if book.all >= self.most || from_there >= self.most_per_address {
            return None;
        }
        book.all += 1;
        book.by_address.insert(address, from_there + 1);
        Some(Guest { book: Arc::clone(&self.book), address })
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        book.all = book.all.saturating_sub(1);
        match book.by_address.get_mut(&self.address) {
            Some(count @ 2..) => *count -= 1,
            _ => {
                book.by_address.remove(&self.address);
            }
        }
    }
}

/// A network of 64 bits is one house in IPv6.
fn counted_as(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() & !u128::from(u64::MAX)).into()),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_limits_hold_and_whoever_leaves_makes_room() {
        let guests = Guests::new(3, 2);
        let [a, b, c]: [IpAddr; 3] = ["192.0.2.1", "192.0.2.2", "192.0.2.3"].map(|text| text.parse().unwrap());
        let first = guests.admit(a).unwrap();
        let _second = guests.admit(a).unwrap();
        assert!(guests.admit(a).is_none(), "two from one address");
        let _third = guests.admit(b).unwrap();
        assert!(guests.admit(c).is_none(), "three in all");
        drop(first);
        let _fourth = guests.admit(c).unwrap();
        assert!(guests.admit(a).is_none());
    }

    #[test]
    fn an_ipv6_network_of_64_bits_is_one_address_and_nothing_is_kept_of_those_who_left() {
        let guests = Guests::new(9, 1);
        let guest = guests.admit("2001:db8::1".parse().unwrap()).unwrap();
        assert!(guests.admit("2001:db8::ffff:2".parse().unwrap()).is_none());
        let other = guests.admit("2001:db8:0:1::1".parse().unwrap()).unwrap();
        drop((guest, other));
        let book = guests.book.lock().unwrap();
        assert!(book.by_address.is_empty() && book.all == 0, "{book:?}");
    }
}
