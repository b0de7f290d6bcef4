//! Gatehouse: what the shard decides about who is listened to, carried to the doors, to the database and into the log.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use domain::{Ban, Registration, RegistrationChange, RegistrationId};
use jiff::Timestamp;
use sip::{Flow, Transport};
use sip_net::{Guard, GuardLimits};
use store::BanWriter;
use switch::Input;
use switch::guard::{GuardConfig, Notice, Order};

use crate::front::group;
use crate::settings::Settings;
use crate::switchboard::Mailbox;

/// Bans that are told one by one in a minute; of the others only their number is told.
const TOLD_PER_MINUTE: u32 = 20;

/// The guard of the receiving threads. It reports floods to a mailbox, as soon as it is told which.
#[must_use]
pub fn guard(settings: &Settings) -> (Guard, Arc<OnceLock<Mailbox>>) {
    let strangers = f64::from(settings.guard.strangers_per_s);
    let usual = GuardLimits::default();
    let limits = GuardLimits {
        strangers_per_s: strangers,
        strangers_burst: strangers * 10.0,
        all_strangers_per_s: strangers * 20.0,
        all_strangers_burst: strangers * 40.0,
        neighbours_per_s: usual.neighbours_per_s.max(strangers),
        neighbours_burst: usual.neighbours_burst.max(strangers * 10.0),
    };
    let mailbox: Arc<OnceLock<Mailbox>> = Arc::default();
    let told = Arc::clone(&mailbox);
    let allow = settings.guard.allow.clone();
    let report = move |address, proven| {
        if let Some(mailbox) = told.get() {
            mailbox.post(Input::Guard(Notice::Malformed { address, proven }));
        }
    };
    let allow = move |address: IpAddr| allow.iter().any(|network| network.contains(address.to_canonical()));
    (Guard::new(limits, Box::new(allow), Box::new(report)), mailbox)
}

/// What the shard's guard is told.
#[must_use]
pub fn config(settings: &Settings) -> GuardConfig {
    GuardConfig {
        allow: settings.guard.allow.clone(),
        first_ban: Duration::from_secs(settings.guard.first_ban_s),
        longest_ban: Duration::from_secs(settings.guard.longest_ban_s),
    }
}

/// Knows the flows of registered phones and the bans.
pub struct Gatehouse {
    guard: Guard,
    bans: Arc<BanWriter>,
    /// For look-up alone: what ends is told by its id.
    flows: HashMap<RegistrationId, Flow>,
    minute: Instant,
    told: u32,
}

impl Gatehouse {
    /// Nobody is known and nobody is banned yet.
    #[must_use]
    pub fn new(guard: Guard, bans: Arc<BanWriter>) -> Self {
        Self { guard, bans, flows: HashMap::new(), minute: Instant::now(), told: 0 }
    }

    /// The bindings and the bans of an earlier life.
    pub fn restore(&mut self, bindings: &[Registration], bans: &[Ban]) {
        for binding in bindings {
            self.know(binding);
        }
        for ban in bans {
            self.shut(ban);
        }
    }

    /// A binding is made, moved or ended.
    pub fn registration(&mut self, change: &RegistrationChange) {
        match change {
            RegistrationChange::Put(registration) => self.know(registration),
            RegistrationChange::Removed { id, .. } => {
                if let Some(flow) = self.flows.remove(id) {
                    self.guard.forget(&flow);
                }
            }
        }
    }

    /// An address is banned, or no longer.
    pub fn order(&mut self, order: Order<Ban>) {
        match order {
            Order::Ban(ban) => {
                self.shut(&ban);
                self.tell(&ban);
                self.bans.put(ban);
            }
            Order::Unban(address) => {
                self.guard.unban(address);
                self.bans.remove(address);
            }
        }
    }

    fn know(&mut self, registration: &Registration) {
        let named = |transport: &Transport| transport.as_str().eq_ignore_ascii_case(&registration.transport);
        let Some(transport) = Transport::ALL.into_iter().find(named) else { return };
        let flow = Flow { transport, local: registration.local, remote: registration.remote };
        match self.flows.insert(registration.id, flow) {
            Some(old) if old == flow => return,
            Some(old) => self.guard.forget(&old),
            None => {}
        }
        self.guard.know(&flow, group(registration.tenant_id));
    }

    /// The doors count in instants, of which no clock outside can change the length.
    fn shut(&self, ban: &Ban) {
        let left = Duration::try_from(ban.until.duration_since(Timestamp::now())).unwrap_or_default();
        let now = Instant::now();
        if let Some(until) = now.checked_add(left).filter(|until| *until > now) {
            self.guard.ban(ban.address, until);
        }
    }

    fn tell(&mut self, ban: &Ban) {
        let now = Instant::now();
        if now.duration_since(self.minute) > Duration::from_secs(60) {
            let silent = self.told.saturating_sub(TOLD_PER_MINUTE);
            if silent > 0 {
                tracing::warn!(addresses = silent, "further addresses were banned; see `yakyak ban list`");
            }
            (self.minute, self.told) = (now, 0);
        }
        self.told += 1;
        if self.told <= TOLD_PER_MINUTE {
            let Ban { address, reason, strikes, until, .. } = ban;
            tracing::warn!(address = %shown(*address), %reason, strikes, %until, "banned");
        }
    }
}

/// An IPv6 ban is one of a /64, and shows it.
#[must_use]
pub fn shown(address: IpAddr) -> String {
    if address.is_ipv6() { format!("{address}/64") } else { address.to_string() }
}
