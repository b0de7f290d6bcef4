//! The list of bans: who is shut out until when, and who was.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// One ban. After its end it is remembered for as long as the longest ban lasts, so that the next one is longer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Banned {
    /// A [`domain::source`].
    pub address: IpAddr,
    /// Why, for people.
    pub reason: String,
    /// How often it was banned, this time included.
    pub strikes: u32,
    /// When it began.
    pub since: Instant,
    /// When it ends.
    pub until: Instant,
}

/// What the doors have to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order<B = Banned> {
    /// Take nothing from this address, and remember that.
    Ban(B),
    /// Forget the ban of this address, which has ended or is lifted.
    Unban(IpAddr),
}

/// Bans, bounded in number: at the limit, the one that would be forgotten first is forgotten.
#[derive(Debug)]
pub(super) struct Bans {
    limit: usize,
    /// How long a ban is remembered after its end.
    memory: Duration,
    by_address: BTreeMap<IpAddr, Banned>,
    /// When each will be forgotten.
    ends: BTreeSet<(Instant, IpAddr)>,
    orders: VecDeque<Order>,
}

impl Bans {
    pub(super) fn new(limit: usize, memory: Duration) -> Self {
        Self { limit, memory, by_address: BTreeMap::new(), ends: BTreeSet::new(), orders: VecDeque::new() }
    }

    pub(super) fn is_banned(&self, now: Instant, address: IpAddr) -> bool {
        self.by_address.get(&address).is_some_and(|ban| ban.until > now)
    }

    /// How often an address was banned so far, as far as is remembered.
    pub(super) fn strikes(&self, address: IpAddr) -> u32 {
        self.by_address.get(&address).map_or(0, |ban| ban.strikes)
    }

    /// Bans, with an order to the doors.
    pub(super) fn put(&mut self, ban: Banned) {
        self.orders.push_back(Order::Ban(ban.clone()));
        self.restore(ban);
    }

    /// Bans without an order: the doors know.
    pub(super) fn restore(&mut self, ban: Banned) {
        if let Some(old) = self.by_address.get(&ban.address) {
            self.ends.remove(&(old.until + self.memory, ban.address));
        } else if self.by_address.len() >= self.limit
            && let Some((_, first)) = self.ends.first().copied()
        {
            self.lift(first);
        }
        self.ends.insert((ban.until + self.memory, ban.address));
        self.by_address.insert(ban.address, ban);
    }

    /// Forgets a ban; false when there was none.
    pub(super) fn lift(&mut self, address: IpAddr) -> bool {
        let Some(ban) = self.by_address.remove(&address) else { return false };
        self.ends.remove(&(ban.until + self.memory, address));
        self.orders.push_back(Order::Unban(address));
        true
    }

    /// Those that hold at `now`, by address.
    pub(super) fn active(&self, now: Instant) -> impl Iterator<Item = &Banned> {
        self.by_address.values().filter(move |ban| ban.until > now)
    }

    pub(super) fn addresses(&self) -> Vec<IpAddr> {
        self.by_address.keys().copied().collect()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        while let Some((_, address)) = self.ends.first().filter(|(end, _)| *end <= now).copied() {
            self.lift(address);
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.ends.first().map(|(end, _)| *end)
    }

    pub(super) fn poll_order(&mut self) -> Option<Order> {
        self.orders.pop_front()
    }
}
