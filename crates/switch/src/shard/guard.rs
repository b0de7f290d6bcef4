//! The guard of the shard: what it is told from outside, and its orders on the way out.

use std::net::IpAddr;
use std::time::Instant;

use domain::Ban;

use super::{Output, Shard};
use crate::clock::WallClock;
use crate::guard::{Banned, Notice, Offence, Order};

impl Shard {
    /// The bans that hold at `now`, by address.
    #[must_use]
    pub fn bans(&self, now: Instant) -> Vec<Ban> {
        self.admittance.sentry().bans(now).map(|ban| dated(&self.clock, ban)).collect()
    }

    /// Whether an address can never be banned.
    #[must_use]
    pub fn is_allowed(&self, address: IpAddr) -> bool {
        self.admittance.sentry().is_allowed(address)
    }

    /// News and wishes for the guard.
    pub(super) fn guard(&mut self, now: Instant, notice: Notice) {
        let sentry = self.admittance.sentry_mut();
        match notice {
            Notice::Restore(bans) => {
                let clock = &self.clock;
                sentry.restore(bans.into_iter().map(|ban| Banned {
                    address: ban.address,
                    reason: ban.reason,
                    strikes: ban.strikes,
                    since: clock.instant(ban.since),
                    until: clock.instant(ban.until),
                }));
            }
            Notice::Ban { address, lasts, reason } => {
                sentry.ban(now, address, lasts, &reason);
            }
            Notice::Unban(Some(address)) => {
                sentry.lift(now, address);
            }
            Notice::Unban(None) => sentry.lift_all(now),
            Notice::Malformed { address, proven } => sentry.offend(now, address, Offence::Malformed, proven),
        }
    }

    /// The next order of the guard, with the time of day.
    pub(super) fn poll_guard(&mut self) -> Option<Output> {
        Some(Output::Guard(match self.admittance.sentry_mut().poll_order()? {
            Order::Ban(ban) => Order::Ban(dated(&self.clock, &ban)),
            Order::Unban(address) => Order::Unban(address),
        }))
    }
}

fn dated(clock: &WallClock, ban: &Banned) -> Ban {
    Ban {
        address: ban.address,
        reason: ban.reason.clone(),
        strikes: ban.strikes,
        since: clock.at(ban.since),
        until: clock.at(ban.until),
    }
}
