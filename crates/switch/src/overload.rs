//! Overload: what is done first, and what is turned away, when more comes than can be done.
//!
//! Receiving threads sort every message into one of five lanes, by looking at the message and at who sends it, and at
//! nothing else. What waits in a lane is taken by turns among the groups in it (tenants, or the addresses of strangers), so
//! that a crowd in one group does not make the others wait.
//!
//! | lane | what | taken | turned away when its group has waited |
//! |---|---|---|---|
//! | [`Class::Urgent`] | answers, ACK, BYE, everything inside a dialog; facts and questions of the house | first | never |
//! | [`Class::Emergency`] | INVITE to an emergency number | next | never |
//! | [`Class::Call`] | everything else of registered phones | 5 of 8 | 40 ms |
//! | [`Class::Renewal`] | their REGISTER; and what comes from addresses where phones are registered | 2 of 8 | 200 ms |
//! | [`Class::Stranger`] | everybody else | 1 of 8 | 100 ms |
//!
//! A handful of each group may always wait, strangers excepted: when a few wait long, it is not for one another. To turn away is to answer 503 with Retry-After, at once and on the thread that received the request (RFC 3261 §21.5.4).
//! A request that belongs to something that exists, such as BYE or CANCEL, is never turned away. A CANCEL waits in the lane
//! of its INVITE, so that it does not overtake it.

use std::hash::{DefaultHasher, Hasher};

use sip::{Message, Method, Name, Request};

mod fair;
mod lanes;

pub use lanes::{Lanes, Letter, Offered};

/// The lanes, the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// It belongs to something that exists, or frees something.
    Urgent,
    /// An emergency call.
    Emergency,
    /// What registered phones ask for.
    Call,
    /// What keeps phones registered.
    Renewal,
    /// What strangers ask for.
    Stranger,
}

/// How the sender of a message stands with us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// A phone is registered from this very flow; with the group it belongs to.
    Registered(u64),
    /// Phones are registered from its address.
    Neighbour,
    /// Nobody is known there.
    Stranger,
}

/// What shall become of a message when there is no room for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It waits, as long as there is any room at all.
    Waits,
    /// It is turned away.
    TurnedAway,
    /// It is an INVITE, by which mark: it is turned away unless an earlier copy was taken. Then the copy is forgotten, since an
    /// answer to it would end the call that the other has begun.
    TurnedAwayUnless(u64),
}

/// The lane of a message and its fate. `is_emergency` tells whether a user part is an emergency number of the sender's.
pub fn classify(message: &Message, standing: Standing, is_emergency: impl FnOnce(&[u8]) -> bool) -> (Class, Fate) {
    let stranger = standing == Standing::Stranger;
    // Inside a dialog strangers are no strangers; but what says to be inside one may be invented.
    let belongs = if stranger { Class::Renewal } else { Class::Urgent };
    let Message::Request(request) = message else { return (belongs, Fate::Waits) };
    let method = request.method();
    if matches!(method, Method::Ack | Method::Bye | Method::Prack) || request.to().is_ok_and(|to| to.has_tag()) {
        return (belongs, Fate::Waits);
    }
    let fate = match method {
        Method::Cancel => Fate::Waits,
        Method::Invite => Fate::TurnedAwayUnless(mark(request)),
        _ => Fate::TurnedAway,
    };
    let calls = matches!(method, Method::Invite | Method::Cancel);
    let emergency = calls && !stranger && request.uri().user_raw().is_some_and(is_emergency);
    match standing {
        _ if emergency => (Class::Emergency, Fate::Waits),
        Standing::Registered(_) if *method == Method::Register => (Class::Renewal, fate),
        Standing::Registered(_) => (Class::Call, fate),
        Standing::Neighbour => (Class::Renewal, fate),
        Standing::Stranger => (Class::Stranger, fate),
    }
}

/// What copies of an INVITE have in common: the topmost Via with its branch.
fn mark(request: &Request) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(&request.headers().get(&Name::Via).unwrap_or_default());
    hasher.finish()
}
