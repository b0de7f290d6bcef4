//! Guard: who is not listened to, and how much is taken from strangers.
//!
//! All receiving threads share it and ask it before anything is parsed. It decides nothing by itself: who is banned and
//! which flows belong to registered phones it is told, by the one who knows. What it counts are the messages of each
//! source (an IPv4 address, or the /64 of an IPv6 address) in two leaky buckets.
//!
//! | who sends | is taken |
//! |---|---|
//! | a banned source | nothing |
//! | the flow of a registered phone | everything |
//! | another flow of a source where phones are registered | [`GuardLimits::neighbours_per_s`] |
//! | anybody else | [`GuardLimits::strangers_per_s`], and all of them together [`GuardLimits::all_strangers_per_s`] |
//!
//! Every table is bounded; at the limit, the source that came first is forgotten, and begins anew.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use sip::{Flow, Transport};

use crate::limits::{MALFORMED_BURST, MALFORMED_PER_REPORT, MALFORMED_PER_S, MAX_BANS, MAX_KNOWN_FLOWS, MAX_SOURCES};

/// How much is taken of whom.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GuardLimits {
    /// Messages per second of a source that is not known.
    pub strangers_per_s: f64,
    /// How many of them may come at once: an office that is switched on for the first time.
    pub strangers_burst: f64,
    /// Messages per second of all sources together that are not known: what they cost must leave time for the others.
    pub all_strangers_per_s: f64,
    /// How many of them may come at once.
    pub all_strangers_burst: f64,
    /// Messages per second from flows that are not known, of a source where phones are registered.
    pub neighbours_per_s: f64,
    /// How many of them may come at once: an office that is switched on again.
    pub neighbours_burst: f64,
}

impl Default for GuardLimits {
    fn default() -> Self {
        Self {
            strangers_per_s: 100.0,
            strangers_burst: 1_000.0,
            all_strangers_per_s: 2_000.0,
            all_strangers_burst: 4_000.0,
            neighbours_per_s: 4_000.0,
            neighbours_burst: 20_000.0,
        }
    }
}

/// How a sender stands with us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// A phone is registered from this very flow; with the group it was told to belong to.
    Registered(u64),
    /// Phones are registered from this address.
    Neighbour,
    /// Nobody is known there.
    Stranger,
}

/// Whether a message is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is.
    Yes(Standing),
    /// Its source sends too much.
    TooMuch,
    /// Its source is banned.
    Banned,
}

/// What was not taken since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GuardCounters {
    /// Datagrams, messages and connections of banned sources.
    pub banned: u64,
    /// Messages of sources that sent too much.
    pub too_much: u64,
}

/// Who is taken everything from.
pub type Allow = Box<dyn Fn(IpAddr) -> bool + Send + Sync>;

/// Hears of floods of what is no SIP: their source, and whether it is certain that they came from there.
pub type Report = Box<dyn Fn(IpAddr, bool) + Send + Sync>;

/// See the module's documentation. Clones share everything.
#[derive(Clone)]
pub struct Guard(Arc<Shared>);

struct Shared {
    limits: GuardLimits,
    began: Instant,
    bans: DashMap<IpAddr, Instant>,
    /// So that nothing is looked up while nobody is banned.
    banned: AtomicUsize,
    flows: DashMap<(Transport, SocketAddr), Known>,
    /// How many known flows each source has.
    homes: DashMap<IpAddr, u32>,
    sources: DashMap<IpAddr, Source>,
    /// All strangers together.
    strangers: Mutex<Bucket>,
    /// The sources in the order in which they came.
    order: Mutex<VecDeque<IpAddr>>,
    dropped_banned: AtomicU64,
    dropped_too_much: AtomicU64,
    allow: Allow,
    report: Report,
}

struct Known {
    bindings: u32,
    group: u64,
}

/// Two buckets; what has been poured in leaks out with time.
#[derive(Default)]
struct Source {
    messages: Bucket,
    malformed: Bucket,
}

#[derive(Default)]
struct Bucket {
    level: f64,
    at_s: f64,
}

impl Bucket {
    /// Pours one in; false when it would overflow, and then it stays as it is.
    fn pour(&mut self, now_s: f64, per_s: f64, most: f64) -> bool {
        self.level = (self.level.min(most) - (now_s - self.at_s).max(0.0) * per_s).max(0.0);
        self.at_s = now_s;
        if self.level + 1.0 > most {
            return false;
        }
        self.level += 1.0;
        true
    }
}

/// What counts as one sender.
fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

impl Guard {
    /// A guard that knows nobody. Addresses of which `allow` says so are not counted. `report` is called on receiving threads
    /// and must not wait; it hears of one source about once for every hundred datagrams that are no SIP, and not at all of
    /// those who seldom send some.
    pub fn new(limits: GuardLimits, allow: Allow, report: Report) -> Self {
        Self(Arc::new(Shared {
            limits,
            began: Instant::now(),
            bans: DashMap::new(),
            banned: AtomicUsize::new(0),
            flows: DashMap::new(),
            homes: DashMap::new(),
            sources: DashMap::new(),
            strangers: Mutex::default(),
            order: Mutex::default(),
            dropped_banned: AtomicU64::new(0),
            dropped_too_much: AtomicU64::new(0),
            allow,
            report,
        }))
    }

    /// A guard that takes everything from everybody.
    pub fn open() -> Self {
        let (per_s, burst) = (f64::INFINITY, f64::INFINITY);
        let limits = GuardLimits {
            strangers_per_s: per_s,
            strangers_burst: burst,
            all_strangers_per_s: per_s,
            all_strangers_burst: burst,
            neighbours_per_s: per_s,
            neighbours_burst: burst,
        };
        Self::new(limits, Box::new(|_| true), Box::new(|_, _| ()))
    }

    /// Takes nothing from a source until then.
    pub fn ban(&self, address: IpAddr, until: Instant) {
        let bans = &self.0.bans;
        let address = source(address);
        if bans.len() >= MAX_BANS && !bans.contains_key(&address) {
            return;
        }
        if bans.insert(address, until).is_none() {
            self.0.banned.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Listens to a source again.
    pub fn unban(&self, address: IpAddr) {
        if self.0.bans.remove(&source(address)).is_some() {
            self.0.banned.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Whether nothing is taken from a source. Who asks for a datagram or a connection does not take it, so it is counted.
    pub fn is_banned(&self, address: IpAddr, now: Instant) -> bool {
        let shared = &*self.0;
        if shared.banned.load(Ordering::Relaxed) == 0 {
            return false;
        }
        let address = source(address);
        let until = shared.bans.get(&address).map(|until| *until);
        match until {
            Some(until) if until > now => {
                shared.dropped_banned.fetch_add(1, Ordering::Relaxed);
                true
            }
            Some(until) => {
                if shared.bans.remove_if(&address, |_, known| *known == until).is_some() {
                    shared.banned.fetch_sub(1, Ordering::Relaxed);
                }
                false
            }
            None => false,
        }
    }

    /// A phone is registered from this flow; `group` is whom it belongs to. To be called once for each binding.
    pub fn know(&self, flow: &Flow, group: u64) {
        let shared = &*self.0;
        if shared.flows.len() >= MAX_KNOWN_FLOWS {
            return;
        }
        let mut known = shared.flows.entry((flow.transport, flow.remote)).or_insert(Known { bindings: 0, group });
        known.bindings += 1;
        known.group = group;
        if known.bindings == 1 {
            drop(known);
            *shared.homes.entry(source(flow.remote.ip())).or_insert(0) += 1;
        }
    }

    /// A binding from this flow has ended.
    pub fn forget(&self, flow: &Flow) {
        let shared = &*self.0;
        let Entry::Occupied(mut known) = shared.flows.entry((flow.transport, flow.remote)) else { return };
        if known.get().bindings > 1 {
            known.get_mut().bindings -= 1;
            return;
        }
        known.remove();
        if let Entry::Occupied(mut home) = shared.homes.entry(source(flow.remote.ip())) {
            if *home.get() > 1 {
                *home.get_mut() -= 1;
            } else {
                home.remove();
            }
        }
    }

    /// How the sender on a flow stands with us, whether or not it is listened to.
    pub fn standing(&self, flow: &Flow) -> Standing {
        let shared = &*self.0;
        if let Some(known) = shared.flows.get(&(flow.transport, flow.remote)) {
            return Standing::Registered(known.group);
        }
        match shared.homes.contains_key(&source(flow.remote.ip())) {
            true => Standing::Neighbour,
            false => Standing::Stranger,
        }
    }

    /// Whether a message is taken. To be asked once for each, before it is parsed.
    pub fn take(&self, flow: &Flow, now: Instant) -> Taken {
        let shared = &*self.0;
        if self.is_banned(flow.remote.ip(), now) {
            return Taken::Banned;
        }
        let limits = &shared.limits;
        let standing = self.standing(flow);
        let (per_s, burst) = match standing {
            Standing::Registered(_) => return Taken::Yes(standing),
            Standing::Neighbour => (limits.neighbours_per_s, limits.neighbours_burst),
            Standing::Stranger => (limits.strangers_per_s, limits.strangers_burst),
        };
        let address = source(flow.remote.ip());
        if (shared.allow)(flow.remote.ip()) {
            return Taken::Yes(standing);
        }
        let own = self.with_source(address, now, |source, now_s| source.messages.pour(now_s, per_s, burst));
        if own && (standing != Standing::Stranger || self.has_room_for_strangers(now)) {
            return Taken::Yes(standing);
        }
        shared.dropped_too_much.fetch_add(1, Ordering::Relaxed);
        Taken::TooMuch
    }

    /// What came was no SIP.
    pub fn malformed(&self, flow: &Flow, now: Instant) {
        if (self.0.allow)(flow.remote.ip()) {
            return;
        }
        let address = source(flow.remote.ip());
        let flood = self.with_source(address, now, |source, now_s| {
            let flood = !source.malformed.pour(now_s, MALFORMED_PER_S, MALFORMED_BURST);
            if flood {
                source.malformed.level -= MALFORMED_PER_REPORT;
            }
            flood
        });
        if flood {
            (self.0.report)(address, flow.transport.is_reliable());
        }
    }

    /// What was not taken since the start.
    pub fn counters(&self) -> GuardCounters {
        GuardCounters {
            banned: self.0.dropped_banned.load(Ordering::Relaxed),
            too_much: self.0.dropped_too_much.load(Ordering::Relaxed),
        }
    }

    /// Entries of all tables together.
    pub fn size(&self) -> usize {
        let shared = &*self.0;
        shared.bans.len() + shared.flows.len() + shared.homes.len() + shared.sources.len()
    }

    fn has_room_for_strangers(&self, now: Instant) -> bool {
        let (shared, limits) = (&*self.0, &self.0.limits);
        let now_s = now.saturating_duration_since(shared.began).as_secs_f64();
        let mut strangers = shared.strangers.lock().unwrap_or_else(PoisonError::into_inner);
        strangers.pour(now_s, limits.all_strangers_per_s, limits.all_strangers_burst)
    }

    fn with_source<T>(&self, address: IpAddr, now: Instant, work: impl FnOnce(&mut Source, f64) -> T) -> T {
        let shared = &*self.0;
        let now_s = now.saturating_duration_since(shared.began).as_secs_f64();
        if let Some(mut known) = shared.sources.get_mut(&address) {
            return work(&mut known, now_s);
        }
        let mut fresh = Source::default();
        let done = work(&mut fresh, now_s);
        let oldest = {
            let mut order = shared.order.lock().unwrap_or_else(PoisonError::into_inner);
            order.push_back(address);
            if order.len() > MAX_SOURCES { order.pop_front() } else { None }
        };
        // Two threads may meet a new source at once; then it stands twice in the order and is forgotten a little early.
        if let Some(oldest) = oldest {
            shared.sources.remove(&oldest);
        }
        shared.sources.insert(address, fresh);
        done
    }
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard").field("size", &self.size()).field("counters", &self.counters()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn flow(remote: &str) -> Flow {
        Flow { transport: Transport::Udp, local: "127.0.0.1:5060".parse().unwrap(), remote: remote.parse().unwrap() }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn guard() -> Guard {
        Guard::new(GuardLimits::default(), Box::new(|_| false), Box::new(|_, _| ()))
    }

    /// How many of so many messages are taken.
    fn taken(guard: &Guard, flow: &Flow, now: Instant, number: usize) -> usize {
        (0..number).filter(|_| matches!(guard.take(flow, now), Taken::Yes(_))).count()
    }

    #[test]
    fn nothing_is_taken_from_a_banned_source_until_its_time_is_over() {
        let (guard, now) = (guard(), Instant::now());
        guard.ban(ip("2001:db8:1:2:3::4"), now + Duration::from_secs(10));
        guard.know(&flow("[2001:db8:1:2::9]:5060"), 7);
        assert_eq!(guard.take(&flow("[2001:db8:1:2::9]:5060"), now), Taken::Banned, "the whole /64, known or not");
        assert_eq!(guard.take(&flow("[2001:db8:1:3::9]:5060"), now), Taken::Yes(Standing::Stranger));
        assert_eq!(guard.counters().banned, 1);
        let later = now + Duration::from_secs(10);
        assert_eq!(guard.take(&flow("[2001:db8:1:2::9]:5060"), later), Taken::Yes(Standing::Registered(7)));
        guard.ban(ip("192.0.2.1"), now + Duration::from_secs(10));
        assert!(guard.is_banned(ip("192.0.2.1"), now) && guard.is_banned(ip("::ffff:192.0.2.1"), now));
        guard.unban(ip("192.0.2.1"));
        guard.unban(ip("192.0.2.1"));
        assert!(!guard.is_banned(ip("192.0.2.1"), now));
    }

    #[test]
    fn strangers_have_a_share_neighbours_a_larger_one_and_registered_phones_all() {
        let (guard, now) = (guard(), Instant::now());
        let (phone, other) = (flow("192.0.2.1:5060"), flow("192.0.2.1:6060"));
        assert_eq!(taken(&guard, &other, now, 5_000), 1_000);
        assert_eq!(taken(&guard, &flow("192.0.2.2:5060"), now, 5_000), 1_000, "each source has its own");
        let later = now + Duration::from_secs(1);
        assert_eq!(taken(&guard, &other, later, 5_000), 100);
        guard.know(&phone, 3);
        assert_eq!(taken(&guard, &phone, later, 100_000), 100_000);
        assert_eq!(guard.take(&phone, later), Taken::Yes(Standing::Registered(3)));
        assert_eq!(guard.take(&other, later), Taken::Yes(Standing::Neighbour));
        assert_eq!(taken(&guard, &other, later, 100_000), 19_000 - 1, "what it took as a stranger counts");
        guard.forget(&phone);
        assert_eq!(guard.take(&phone, later + Duration::from_secs(60)), Taken::Yes(Standing::Stranger));
        assert_eq!(guard.counters().too_much, 4_000 + 4_000 + 4_900 + 81_001);
    }

    #[test]
    fn all_strangers_together_have_a_share_as_well() {
        let (guard, now) = (guard(), Instant::now());
        guard.know(&flow("192.0.2.1:5060"), 3);
        let crowd = |now: Instant| -> usize {
            (0..200).map(|host| taken(&guard, &flow(&format!("198.51.100.{host}:5060")), now, 100)).sum()
        };
        assert_eq!(crowd(now), 4_000);
        assert_eq!(crowd(now + Duration::from_secs(1)), 2_000);
        assert_eq!(
            taken(&guard, &flow("192.0.2.1:6060"), now + Duration::from_secs(1), 1_000),
            1_000,
            "not neighbours"
        );
    }

    #[test]
    fn two_bindings_of_one_flow_are_two() {
        let (guard, now, phone) = (guard(), Instant::now(), flow("192.0.2.1:5060"));
        guard.know(&phone, 1);
        guard.know(&phone, 1);
        guard.know(&flow("192.0.2.1:7000"), 1);
        guard.forget(&phone);
        assert_eq!(guard.take(&phone, now), Taken::Yes(Standing::Registered(1)));
        guard.forget(&phone);
        assert_eq!(guard.take(&phone, now), Taken::Yes(Standing::Neighbour));
        guard.forget(&flow("192.0.2.1:7000"));
        guard.forget(&flow("192.0.2.1:7000"));
        assert_eq!(guard.take(&phone, now), Taken::Yes(Standing::Stranger));
        assert!(guard.0.flows.is_empty() && guard.0.homes.is_empty());
    }

    #[test]
    fn a_flood_of_what_is_no_sip_is_reported_and_a_little_of_it_is_not() {
        let reports = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&reports);
        let report = move |address, proven| heard.lock().unwrap().push((address, proven));
        let (guard, now) = (Guard::new(GuardLimits::default(), Box::new(|_| false), Box::new(report)), Instant::now());
        for second in 0..1_000 {
            for _ in 0..10 {
                guard.malformed(&flow("192.0.2.1:5060"), now + Duration::from_secs(second));
            }
        }
        assert_eq!(*reports.lock().unwrap(), []);
        for _ in 0..1_000 {
            guard.malformed(&flow("192.0.2.2:5060"), now);
        }
        assert_eq!(*reports.lock().unwrap(), [(ip("192.0.2.2"), false); 5]);
    }

    #[test]
    fn who_is_allowed_is_not_counted() {
        let reports = Arc::new(Mutex::new(0));
        let heard = Arc::clone(&reports);
        let report = move |_, _| *heard.lock().unwrap() += 1;
        let allowed = ip("192.0.2.1");
        let guard = Guard::new(GuardLimits::default(), Box::new(move |ip| ip == allowed), Box::new(report));
        let now = Instant::now();
        assert_eq!(taken(&guard, &flow("192.0.2.1:5060"), now, 100_000), 100_000);
        for _ in 0..10_000 {
            guard.malformed(&flow("192.0.2.1:5060"), now);
        }
        assert_eq!((*reports.lock().unwrap(), guard.size()), (0, 0));
    }

    #[test]
    fn memory_is_bounded_however_many_come() {
        let (guard, now) = (guard(), Instant::now());
        for number in 0..200_000_u32 {
            let remote = SocketAddr::from((std::net::Ipv4Addr::from(number), 5060));
            guard.take(&Flow { remote, ..flow("192.0.2.1:1") }, now);
            guard.ban(std::net::Ipv4Addr::from(1 << 30 | number).into(), now + Duration::from_secs(1));
        }
        assert_eq!(guard.size(), MAX_SOURCES + MAX_BANS);
        assert_eq!(guard.0.order.lock().unwrap().len(), MAX_SOURCES);
    }

    #[test]
    fn many_threads_agree() {
        let (guard, now) = (guard(), Instant::now());
        let total: usize = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..4).map(|_| scope.spawn(|| taken(&guard, &flow("192.0.2.1:5060"), now, 5_000))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert!((1_000..=1_004).contains(&total), "{total}");
    }
}
