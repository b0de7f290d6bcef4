//! Front: what the receiving threads know about who sends, and how they turn somebody away.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{OnceLock, PoisonError, RwLock};

use domain::{TenantId, TenantSnapshot};
use sip::{Flow, Message, Transmit, TurnedAway};
use sip_net::Guard;
use switch::overload::{Class, Fate, Standing, classify};

/// Those who are turned away may come again after one to so many seconds.
const COME_AGAIN_S: u32 = 10;

type Send = Box<dyn Fn(Transmit) + std::marker::Send + Sync>;

/// Sorts what comes in, on the threads that receive it.
pub struct Front {
    guard: Guard,
    turned_away: TurnedAway,
    /// The way out; there is none before the transports run.
    send: OnceLock<Send>,
    /// Emergency numbers of each tenant that has some.
    emergency: RwLock<HashMap<u64, Vec<String>>>,
    turned: AtomicU64,
}

impl Front {
    /// `secret` is the one behind the tags of refusals.
    #[must_use]
    pub fn new(guard: Guard, secret: [u8; 32]) -> Self {
        Self {
            guard,
            turned_away: TurnedAway::new(secret, 0),
            send: OnceLock::new(),
            emergency: RwLock::default(),
            turned: AtomicU64::new(0),
        }
    }

    /// Where refusals go. Told once, as soon as there is a way out.
    pub fn sends_through(&self, send: impl Fn(Transmit) + std::marker::Send + Sync + 'static) {
        let _ = self.send.set(Box::new(send));
    }

    /// A tenant as it is now.
    pub fn put(&self, snapshot: &TenantSnapshot) {
        let (group, numbers) = (group(snapshot.tenant.id), &snapshot.tenant.emergency_numbers);
        let mut emergency = self.emergency.write().unwrap_or_else(PoisonError::into_inner);
        if numbers.is_empty() {
            emergency.remove(&group);
        } else {
            emergency.insert(group, numbers.clone());
        }
    }

    /// A tenant is gone.
    pub fn remove(&self, tenant: TenantId) {
        self.emergency.write().unwrap_or_else(PoisonError::into_inner).remove(&group(tenant));
    }

    /// The lane of a message, its fate, and how its sender stands with us.
    pub fn sort(&self, flow: &Flow, message: &Message) -> (Class, Fate, Standing) {
        let standing = match self.guard.standing(flow) {
            sip_net::Standing::Registered(group) => Standing::Registered(group),
            sip_net::Standing::Neighbour => Standing::Neighbour,
            sip_net::Standing::Stranger => Standing::Stranger,
        };
        let (class, fate) = classify(message, standing, |user| self.is_emergency(standing, user));
        (class, fate, standing)
    }

    /// Tells the sender to come again.
    pub fn turn_away(&self, flow: Flow, message: &Message) {
        self.turned.fetch_add(1, Ordering::Relaxed);
        if let (Message::Request(request), Some(send)) = (message, self.send.get())
            && let Some(transmit) = self.turned_away.busy(flow, request, COME_AGAIN_S)
        {
            send(transmit);
        }
    }

    /// How many were turned away since the start.
    #[must_use]
    pub fn turned(&self) -> u64 {
        self.turned.load(Ordering::Relaxed)
    }

    /// Who is listened to.
    #[must_use]
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// A registered phone has the numbers of its tenant; of a phone beside one it is not known yet whose it is.
    fn is_emergency(&self, standing: Standing, user: &[u8]) -> bool {
        let emergency = self.emergency.read().unwrap_or_else(PoisonError::into_inner);
        let named = |numbers: &Vec<String>| numbers.iter().any(|number| number.as_bytes() == user);
        match standing {
            Standing::Registered(group) => emergency.get(&group).is_some_and(named),
            Standing::Neighbour => emergency.values().any(named),
            Standing::Stranger => false,
        }
    }
}

/// The group in which the phones of a tenant wait together.
#[must_use]
pub fn group(tenant: TenantId) -> u64 {
    tenant.0.as_u64_pair().1
}
