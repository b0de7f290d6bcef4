//! Points, locks and bans, on a virtual clock.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use domain::TenantId;
use switch::guard::{Account, Attempt, Banned, GuardConfig, Offence, Order, Sentry};
use uuid::Uuid;

const HOME: &str = "198.51.100.7";
const OFFICE: &str = "192.0.2.1";
const MINUTE: Duration = Duration::from_secs(60);

struct Bench {
    sentry: Sentry,
    now: Instant,
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn attempt(address: &str, name: &str) -> Attempt {
    let tenant = TenantId(Uuid::from_u128(1));
    Attempt { address: ip(address), account: Account::new(tenant, name.as_bytes()), proven: true }
}

impl Bench {
    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to begin at")]
    fn new() -> Self {
        Self { sentry: Sentry::new(GuardConfig::default()), now: Instant::now() + Duration::from_secs(1_000_000) }
    }

    fn wrong(&mut self, address: &str, name: &str) {
        self.sentry.wrong(self.now, &attempt(address, name), Some(Offence::WrongPassword));
    }

    fn guesses(&mut self, address: &str, name: &str) {
        self.sentry.wrong(self.now, &attempt(address, name), Some(Offence::UnknownName));
    }

    fn right(&mut self, address: &str, name: &str) {
        self.sentry.right(self.now, &attempt(address, name));
    }

    fn banned(&self, address: &str) -> bool {
        self.sentry.is_banned(self.now, ip(address))
    }

    fn locked(&self, address: &str, name: &str) -> bool {
        self.sentry.is_locked(self.now, &attempt(address, name))
    }

    fn orders(&mut self) -> Vec<Order> {
        std::iter::from_fn(|| self.sentry.poll_order()).collect()
    }

    /// How long the ban of an address lasts.
    fn lasts(&self, address: &str) -> Duration {
        self.sentry.bans(self.now).find(|ban| ban.address == ip(address)).unwrap().until - self.now
    }
}

#[test]
fn who_tries_password_after_password_is_banned() {
    let mut bench = Bench::new();
    for number in 1..=10 {
        assert!(!bench.banned(HOME), "after {number}");
        bench.wrong(HOME, "1001");
    }
    let now = bench.now;
    let ban = Banned {
        address: ip(HOME),
        reason: "10 × wrong password".to_owned(),
        strikes: 1,
        since: now,
        until: now + 5 * MINUTE,
    };
    assert_eq!(bench.orders(), [Order::Ban(ban)]);
    assert!(bench.banned(HOME) && !bench.banned("198.51.100.8"));
    bench.now += 5 * MINUTE;
    assert!(!bench.banned(HOME), "it ends");
}

#[test]
fn who_guesses_names_is_banned_sooner() {
    let mut bench = Bench::new();
    for number in 0..7 {
        assert!(!bench.banned(HOME));
        bench.guesses(HOME, &format!("{number}"));
    }
    assert!(bench.banned(HOME));
    assert_eq!(bench.sentry.bans(bench.now).next().unwrap().reason, "7 × unknown name");
}

#[test]
fn a_phone_with_a_wrong_password_that_tries_now_and_then_is_never_banned() {
    let mut bench = Bench::new();
    for _ in 0..10_000 {
        bench.wrong(HOME, "1001");
        assert!(!bench.banned(HOME));
        bench.now += MINUTE / 2;
    }
    assert_eq!(bench.orders(), []);
}

#[test]
fn one_wrong_phone_does_not_lock_out_its_office() {
    let mut bench = Bench::new();
    bench.right(OFFICE, "1002");
    for _ in 0..100_000 {
        bench.wrong(OFFICE, "1001");
        bench.now += Duration::from_millis(100);
    }
    assert!(!bench.banned(OFFICE), "the office is not banned");
    assert!(bench.locked(OFFICE, "1001"), "the name is locked there");
    assert!(!bench.locked(OFFICE, "1002"), "and no other");
    assert!(!bench.locked(HOME, "1001"), "nor is it locked elsewhere");
    bench.now += 5 * MINUTE;
    assert!(!bench.locked(OFFICE, "1001"), "five minutes after the last try");
}

#[test]
fn a_lock_is_not_prolonged_by_the_right_password() {
    let mut bench = Bench::new();
    bench.right(OFFICE, "1002");
    for _ in 0..100 {
        bench.wrong(OFFICE, "1001");
    }
    for _ in 0..301 {
        bench.sentry.wrong(bench.now, &attempt(OFFICE, "1001"), None);
        bench.now += Duration::from_secs(1);
    }
    assert!(!bench.locked(OFFICE, "1001"));
    bench.right(OFFICE, "1001");
    for _ in 0..5 {
        bench.wrong(OFFICE, "1001");
    }
    assert!(!bench.locked(OFFICE, "1001"), "a success forgives what was before");
}

#[test]
fn an_office_is_banned_when_names_are_guessed_from_it() {
    let mut bench = Bench::new();
    bench.right(OFFICE, "1002");
    let mut guesses = 0;
    while !bench.banned(OFFICE) {
        bench.guesses(OFFICE, &format!("guess {guesses}"));
        guesses += 1;
        assert!(guesses < 100);
    }
    assert_eq!(guesses, 34, "five times as many points as elsewhere");
}

#[test]
fn a_name_that_the_world_guesses_at_stays_open_to_who_has_known_its_password() {
    let mut bench = Bench::new();
    bench.right(OFFICE, "1001");
    for number in 0..=250_u32 {
        bench.wrong(&format!("203.0.113.{number}"), "1001");
    }
    assert!(bench.locked(HOME, "1001"), "from a new place it cannot be told from a guess");
    assert!(!bench.locked(OFFICE, "1001") && !bench.locked(HOME, "1002"));
    assert_eq!(bench.orders(), [], "nobody has tried twice");
    bench.now += Duration::from_secs(3 * 3_600);
    assert!(!bench.locked(HOME, "1001"));
}

#[test]
fn each_ban_lasts_twice_as_long_until_a_day() {
    let mut bench = Bench::new();
    let mut lasted = Vec::new();
    for _ in 0..12 {
        for _ in 0..10 {
            bench.wrong(HOME, "1001");
        }
        lasted.push(bench.lasts(HOME).as_secs() / 60);
        bench.now += bench.lasts(HOME);
    }
    assert_eq!(lasted, [5, 10, 20, 40, 80, 160, 320, 640, 1_280, 1_440, 1_440, 1_440]);
    // A day after the end nothing is remembered.
    bench.orders();
    bench.now += Duration::from_secs(24 * 3_600);
    assert_eq!(bench.sentry.poll_timeout(), Some(bench.now));
    bench.sentry.handle_timeout(bench.now);
    assert_eq!(bench.orders(), [Order::Unban(ip(HOME))]);
    for _ in 0..10 {
        bench.wrong(HOME, "1001");
    }
    assert_eq!(bench.lasts(HOME), 5 * MINUTE);
}

#[test]
fn nobody_can_have_an_office_banned_by_forging_its_address() {
    let mut bench = Bench::new();
    bench.right(OFFICE, "1002");
    for number in 0..10_000 {
        let mut forged = attempt(OFFICE, &format!("{number}"));
        forged.proven = false;
        bench.sentry.wrong(bench.now, &forged, Some(Offence::UnknownName));
        for offence in [Offence::Scanner, Offence::Malformed, Offence::UnknownDomain] {
            bench.sentry.offend(bench.now, ip(OFFICE), offence, false);
        }
    }
    assert!(!bench.banned(OFFICE) && !bench.locked(OFFICE, "1002"));
    assert!(bench.sentry.is_doubtful(bench.now, ip(OFFICE)), "all that is lost is the word \"stale\"");
    // Where nobody has logged in, there is nobody to protect.
    for _ in 0..5 {
        bench.sentry.offend(bench.now, ip(HOME), Offence::Scanner, false);
    }
    assert!(bench.banned(HOME));
}

#[test]
fn the_allow_list_is_never_banned_and_never_locked() {
    let mut bench = Bench::new();
    let allow = vec!["198.51.100.0/24".parse().unwrap()];
    bench.sentry = Sentry::new(GuardConfig { allow, ..GuardConfig::default() });
    for _ in 0..1_000 {
        bench.wrong(HOME, "1001");
        bench.guesses(HOME, "x");
        bench.sentry.offend(bench.now, ip(HOME), Offence::Scanner, true);
    }
    assert!(!bench.sentry.ban(bench.now, ip(HOME), MINUTE, "by hand"));
    assert!(!bench.banned(HOME) && !bench.locked(HOME, "1001"));
    assert_eq!(bench.sentry.sizes(), [0, 0, 0]);
    let old = |address| Banned {
        address: ip(address),
        reason: String::new(),
        strikes: 1,
        since: bench.now,
        until: bench.now + MINUTE,
    };
    bench.sentry.restore([old(HOME), old(OFFICE)]);
    assert!(bench.banned(OFFICE) && !bench.banned(HOME), "an old ban of an address that is allowed by now is lifted");
    assert_eq!(bench.orders(), [Order::Unban(ip(HOME))]);
}

#[test]
fn bans_by_hand_are_made_and_lifted() {
    let mut bench = Bench::new();
    assert!(bench.sentry.ban(bench.now, ip("2001:db8:1:2:3::4"), MINUTE, "a bad\nday"));
    assert!(bench.banned("2001:db8:1:2::1") && !bench.banned("2001:db8:1:3::1"), "an IPv6 host is its /64");
    assert_eq!(bench.sentry.bans(bench.now).next().unwrap().reason, "a badday");
    for _ in 0..10 {
        bench.wrong(HOME, "1001");
    }
    assert!(bench.locked(HOME, "1001"));
    bench.orders();
    assert!(bench.sentry.lift(bench.now, ip(HOME)));
    assert!(!bench.sentry.lift(bench.now, ip(HOME)), "it is not banned any more");
    assert!(!bench.banned(HOME) && !bench.locked(HOME, "1001"), "what led to it is forgiven");
    bench.sentry.lift_all(bench.now);
    assert_eq!(bench.orders(), [Order::Unban(ip(HOME)), Order::Unban(ip("2001:db8:1:2::"))]);
    assert_eq!(bench.sentry.bans(bench.now).count(), 0);
    assert!(bench.sentry.ban(bench.now, ip(HOME), Duration::MAX, ""), "for ever is a hundred years");
    bench.now += Duration::from_secs(99 * 365 * 24 * 3_600);
    assert!(bench.banned(HOME));
}

#[test]
fn memory_is_bounded_whoever_comes() {
    let mut bench = Bench::new();
    for number in 0..200_000_u32 {
        let address = IpAddr::from(std::net::Ipv4Addr::from(number));
        let account = Account::new(TenantId(Uuid::nil()), &number.to_be_bytes());
        bench.sentry.wrong(bench.now, &Attempt { address, account, proven: true }, Some(Offence::UnknownName));
        if number < 40_000 {
            bench.sentry.ban(bench.now, address, MINUTE, "");
        }
    }
    assert_eq!(bench.sentry.sizes(), [65_536; 3]);
    assert_eq!(bench.sentry.bans(bench.now).count(), 16_384);
}

#[test]
fn scanners_are_known_by_how_they_begin() {
    for agent in ["friendly-scanner", "Friendly-Scanner/1.0", "VaxSIPUserAgent/3.1", "sipvicious", "sipcli/v1.8"] {
        assert!(Sentry::is_scanner(agent.as_bytes()), "{agent}");
    }
    for agent in ["", "Yealink SIP-T46S", "baresip v1.0.0", "not a friendly-scanner", "sip"] {
        assert!(!Sentry::is_scanner(agent.as_bytes()), "{agent}");
    }
}
