//! Guard: who has tried too often, and is not listened to for a while.
//!
//! Points are given for what honest phones seldom do, and leak away with time:
//!
//! | offence | points for the address | |
//! |---|---|---|
//! | a wrong password for a name there is | 10 | |
//! | a wrong password for a name there is not | 15 | who guesses names |
//! | a domain that is nobody's | 2 | |
//! | the name of a scanner as User-Agent, without a password | 20 | |
//! | a flood of what is no SIP | 20 | as the doors report it |
//!
//! A request without credentials, which every phone sends first, is no offence. 100 points ban an address, the first time
//! for five minutes, each further time twice as long. A point leaks away in three seconds, so a phone with a wrong password
//! that tries every half minute is never banned.
//!
//! **One wrong phone does not lock out its office.** From an address with phones that have logged in, wrong passwords for
//! one name lock this name at this address and nothing else; only who guesses names there is banned, after five times as
//! many points. **A name that the whole world guesses at** is locked for addresses that have never known its password.
//! Who is locked is answered as with a wrong password.
//!
//! **Nobody can have somebody else banned.** A nonce of ours is good only at the address it was sent to, so a wrong answer to
//! it proves that the sender receives there; on streams the connection does. What is not proven so counts only against
//! addresses from which nobody has logged in lately.

use std::hash::{DefaultHasher, Hasher};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use domain::{Ban, TenantId, source};
use sip::Prefix;

mod bans;
mod recent;
mod scores;

pub use bans::{Banned, Order};

use crate::limits;
use bans::Bans;
use recent::Recent;
use scores::Scores;

/// Points that ban an address.
const BAN: u32 = 100;
/// How many times as many it takes where phones have logged in.
const PATIENCE: u32 = 5;
/// Points of a wrong password for the pair of address and name, and for the name itself.
const WRONG: u32 = 10;
/// Points that lock a name at one address.
const PAIR_LOCK: u32 = 60;
/// The most of them, so that a lock ends five minutes after the last try.
const PAIR_MOST: u32 = 119;
/// Points that lock a name for addresses that have never known its password.
const NAME_LOCK: u32 = 2_000;
/// Answers to challenges that were never sent there, after which such answers tell nothing any more.
const DOUBT: u32 = 10;
/// Points that a success takes from its address.
const SUCCESS: u32 = 20;
const POINT: Duration = Duration::from_secs(3);
const PAIR_POINT: Duration = Duration::from_secs(5);
const NAME_POINT: Duration = Duration::from_secs(10);
const DOUBT_POINT: Duration = Duration::from_secs(30);
/// How long an address counts as one with phones after the last success.
const STANDING: Duration = Duration::from_secs(24 * 3_600);
/// How long an address is remembered as one that has known the password of a name.
const ACQUAINTANCE: Duration = Duration::from_secs(30 * 24 * 3_600);

/// How scanners call themselves when they do not lie. They are given points for it and nothing else.
const SCANNERS: [&[u8]; 9] = [
    b"friendly-scanner",
    b"friendly-request",
    b"sipvicious",
    b"sipcli",
    b"sip-scan",
    b"sipsak",
    b"sundayddr",
    b"vaxsipuseragent",
    b"pplsip",
];

/// What a guard is told once.
#[derive(Clone, Debug)]
pub struct GuardConfig {
    /// Addresses that are never given points and never banned.
    pub allow: Vec<Prefix>,
    /// How long a first ban lasts.
    pub first_ban: Duration,
    /// How long a ban lasts at the most; also how long it is remembered.
    pub longest_ban: Duration,
}

impl Default for GuardConfig {
    fn default() -> Self {
        Self { allow: Vec::new(), first_ban: Duration::from_secs(300), longest_ban: Duration::from_secs(24 * 3_600) }
    }
}

/// News and wishes from outside.
#[derive(Clone, Debug)]
pub enum Notice {
    /// Bans of an earlier life, read back at start; the doors know them already.
    Restore(Vec<Ban>),
    /// Nothing shall be taken from an address for a while.
    Ban {
        /// Which one; of an IPv6 address, its /64.
        address: IpAddr,
        /// For how long.
        lasts: Duration,
        /// Why, for people.
        reason: String,
    },
    /// An address shall be listened to again, or all of them.
    Unban(Option<IpAddr>),
    /// A door has met a flood of what is no SIP.
    Malformed {
        /// Where from.
        address: IpAddr,
        /// Whether it is certain that the sender receives there.
        proven: bool,
    },
}

/// What an address is given points for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offence {
    /// A wrong password for a name there is.
    WrongPassword,
    /// A password for a name there is not.
    UnknownName,
    /// A domain that is nobody's.
    UnknownDomain,
    /// The User-Agent of a scanner.
    Scanner,
    /// A flood of what is no SIP.
    Malformed,
}

impl Offence {
    const ALL: [Self; 5] =
        [Self::WrongPassword, Self::UnknownName, Self::UnknownDomain, Self::Scanner, Self::Malformed];

    fn points(self) -> u32 {
        match self {
            Self::WrongPassword => 10,
            Self::UnknownName => 15,
            Self::UnknownDomain => 2,
            Self::Scanner | Self::Malformed => 20,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::WrongPassword => "wrong password",
            Self::UnknownName => "unknown name",
            Self::UnknownDomain => "unknown domain",
            Self::Scanner => "request of a scanner",
            Self::Malformed => "flood of what is no SIP",
        }
    }
}

/// How often each offence was committed.
#[derive(Debug, Default)]
struct Tally([u32; Offence::ALL.len()]);

/// A name of a tenant: a fingerprint, so that names nobody has cost what the others cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Account(TenantId, u64);

impl Account {
    /// The account of a name, whether or not it is there.
    #[must_use]
    pub fn new(tenant: TenantId, name: &[u8]) -> Self {
        let mut hasher = DefaultHasher::new();
        hasher.write(name);
        Self(tenant, hasher.finish())
    }

    fn least() -> Self {
        Self(TenantId(uuid::Uuid::nil()), 0)
    }

    fn most() -> Self {
        Self(TenantId(uuid::Uuid::max()), u64::MAX)
    }
}

/// One try to log in.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    /// Where from; a [`source`].
    pub address: IpAddr,
    /// As whom.
    pub account: Account,
    /// Whether it is certain that the sender receives at this address.
    pub proven: bool,
}

/// See the module's documentation.
pub struct Sentry {
    config: GuardConfig,
    addresses: Scores<IpAddr, Tally>,
    pairs: Scores<(IpAddr, Account)>,
    names: Scores<Account>,
    doubts: Scores<IpAddr>,
    standing: Recent<IpAddr>,
    acquainted: Recent<(IpAddr, Account)>,
    bans: Bans,
}

impl Sentry {
    /// A guard that has seen nothing yet.
    #[must_use]
    pub fn new(config: GuardConfig) -> Self {
        let limit = limits::MAX_GUARDED;
        Self {
            addresses: Scores::new(limit, BAN * PATIENCE * 2, POINT),
            pairs: Scores::new(limit, PAIR_MOST, PAIR_POINT),
            names: Scores::new(limit, NAME_LOCK * 2, NAME_POINT),
            doubts: Scores::new(limit, DOUBT * 2, DOUBT_POINT),
            standing: Recent::new(limit),
            acquainted: Recent::new(limit),
            bans: Bans::new(limits::MAX_BANS, config.longest_ban),
            config,
        }
    }

    /// Whether an address is exempt from everything here.
    #[must_use]
    pub fn is_allowed(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.config.allow.iter().any(|network| network.contains(address))
    }

    /// Whether nothing is taken from an address.
    #[must_use]
    pub fn is_banned(&self, now: Instant, address: IpAddr) -> bool {
        self.bans.is_banned(now, source(address))
    }

    /// Whether this name may not log in from this address at present, whatever its password.
    #[must_use]
    pub fn is_locked(&self, now: Instant, attempt: &Attempt) -> bool {
        let pair = (attempt.address, attempt.account);
        // Each is asked, so that the answer takes the same time for everybody.
        let here = self.pairs.get(now, pair) >= PAIR_LOCK;
        let everywhere = self.names.get(now, attempt.account) >= NAME_LOCK;
        let known = self.acquainted.holds(now, pair);
        let allowed = self.is_allowed(attempt.address);
        (here || everywhere && !known) && !allowed
    }

    /// Whether an address has answered so many challenges that it was never sent that a right one may be a guess.
    #[must_use]
    pub fn is_doubtful(&self, now: Instant, address: IpAddr) -> bool {
        self.doubts.get(now, address) >= DOUBT
    }

    /// A password was right.
    pub fn right(&mut self, now: Instant, attempt: &Attempt) {
        let pair = (attempt.address, attempt.account);
        self.standing.hold(now, attempt.address, now + STANDING);
        self.acquainted.hold(now, pair, now + ACQUAINTANCE);
        self.pairs.clear(pair);
        self.addresses.ease(now, attempt.address, SUCCESS);
    }

    /// A password was wrong, for a name that is there or not. `None` is a right one for a name that is locked: that costs
    /// the same work and no points.
    pub fn wrong(&mut self, now: Instant, attempt: &Attempt, offence: Option<Offence>) {
        let address = attempt.address;
        if self.is_allowed(address) {
            return;
        }
        let counts = offence.is_some();
        self.doubts.add(now, address, u32::from(counts && !attempt.proven));
        let wrong = if counts && attempt.proven { WRONG } else { 0 };
        // What is tried where the name is locked already is no danger to it.
        let locked = self.pairs.get(now, (address, attempt.account)) >= PAIR_LOCK;
        self.pairs.add(now, (address, attempt.account), wrong);
        self.names.add(now, attempt.account, if locked { 0 } else { wrong });
        // Where phones have logged in, a wrong password may be one wrong phone: its name is locked above, and that is all.
        let office = self.standing.holds(now, address);
        let spared = office && offence == Some(Offence::WrongPassword);
        let counts = if office { attempt.proven && !spared } else { counts };
        let points = offence.filter(|_| counts).map_or(0, Offence::points);
        self.score(now, address, offence, points);
    }

    /// Something else that honest phones seldom do.
    pub fn offend(&mut self, now: Instant, address: IpAddr, offence: Offence, proven: bool) {
        let address = source(address);
        if !self.is_allowed(address) && (proven || !self.standing.holds(now, address)) {
            self.score(now, address, Some(offence), offence.points());
        }
    }

    fn score(&mut self, now: Instant, address: IpAddr, offence: Option<Offence>, points: u32) {
        let (total, tally) = self.addresses.add(now, address, points);
        if let Some(offence) = offence
            && let Some(count) = tally.0.get_mut(offence as usize)
        {
            *count = count.saturating_add(1);
        }
        let limit = if self.standing.holds(now, address) { BAN * PATIENCE } else { BAN };
        if total < limit || points == 0 || self.bans.is_banned(now, address) {
            return;
        }
        let reason = reason(tally);
        let strikes = self.bans.strikes(address);
        let lasts = self.config.first_ban.saturating_mul(1_u32.checked_shl(strikes).unwrap_or(u32::MAX));
        self.put(now, address, lasts.min(self.config.longest_ban), reason);
    }

    fn put(&mut self, now: Instant, address: IpAddr, lasts: Duration, reason: String) {
        let strikes = self.bans.strikes(address).saturating_add(1);
        let until = now.checked_add(lasts).unwrap_or(now + limits::LONGEST_BAN);
        self.bans.put(Banned { address, reason, strikes, since: now, until });
        self.addresses.clear(address);
    }

    /// Whether the User-Agent is that of a scanner.
    #[must_use]
    pub fn is_scanner(agent: &[u8]) -> bool {
        SCANNERS.iter().any(|name| agent.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)))
    }

    /// Bans an address on somebody's word; false when it is on the allow list.
    pub fn ban(&mut self, now: Instant, address: IpAddr, lasts: Duration, reason: &str) -> bool {
        if self.is_allowed(address) {
            return false;
        }
        let reason = reason.chars().filter(|c| !c.is_control()).take(limits::MAX_TEXT).collect();
        self.put(now, source(address), lasts.min(limits::LONGEST_BAN), reason);
        true
    }

    /// Lifts a ban and forgives what led to it; false when the address was not banned.
    pub fn lift(&mut self, now: Instant, address: IpAddr) -> bool {
        let address = source(address);
        let banned = self.bans.is_banned(now, address);
        self.bans.lift(address);
        self.addresses.clear(address);
        self.doubts.clear(address);
        self.pairs.clear_range((address, Account::least()), (address, Account::most()));
        banned
    }

    /// Lifts every ban.
    pub fn lift_all(&mut self, now: Instant) {
        for address in self.bans.addresses() {
            self.lift(now, address);
        }
    }

    /// Bans of an earlier life, which the doors know already. Those on the allow list are lifted.
    pub fn restore(&mut self, bans: impl IntoIterator<Item = Banned>) {
        for ban in bans {
            let (address, allowed) = (ban.address, self.is_allowed(ban.address));
            self.bans.restore(ban);
            if allowed {
                self.bans.lift(address);
            }
        }
    }

    /// The bans that hold at `now`, by address.
    pub fn bans(&self, now: Instant) -> impl Iterator<Item = &Banned> {
        self.bans.active(now)
    }

    /// Forgets what has ended long enough ago.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.bans.handle_timeout(now);
    }

    /// When [`Sentry::handle_timeout`] shall be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.bans.poll_timeout()
    }

    /// The next order to the doors.
    pub fn poll_order(&mut self) -> Option<Order> {
        self.bans.poll_order()
    }

    /// How many addresses, pairs and names have points.
    #[must_use]
    pub fn sizes(&self) -> [usize; 3] {
        [self.addresses.len(), self.pairs.len(), self.names.len()]
    }
}

/// "7 × wrong password, 3 × unknown name"
fn reason(tally: &Tally) -> String {
    let counted = Offence::ALL.into_iter().zip(tally.0).filter(|(_, count)| *count > 0);
    let parts: Vec<String> = counted.map(|(offence, count)| format!("{count} × {}", offence.words())).collect();
    parts.join(", ")
}
