//! The four transaction machines of RFC 3261 §17 as corrected by RFC 6026.
//!
//! | machine | figure | timers |
//! |---|---|---|
//! | [`InviteClient`] | RFC 3261 figure 5, RFC 6026 §7.2 | A B D M |
//! | [`InviteServer`] | RFC 3261 figure 7, RFC 6026 §7.1 | G H I L |
//! | [`Client`] | RFC 3261 figure 6 | E F K |
//! | [`Server`] | RFC 3261 figure 8 | J |
//!
//! Beside them stands [`provisional`], which repeats reliable provisional answers until their PRACK comes (RFC 3262).
//!
//! A machine knows one transaction and nothing else: no addresses, no headers, no table of siblings. It is fed status
//! codes and rendered bytes, and answers with a short queue of outputs. The owner drives every machine alike:
//!
//! 1. call one of the `handle_*` functions (or `respond` on a server) with the present time,
//! 2. drain `poll_output` until it is empty,
//! 3. sleep until `poll_timeout`, then call `handle_timeout`.
//!
//! States own their deadlines, so leaving a state drops its timers. Where the RFC gives a timer the value zero
//! (D, I, J, K over a reliable transport) the waiting state is skipped and the machine terminates at once. `Terminated`
//! is the last output of every machine and comes exactly once; whatever arrives afterwards is ignored.
//!
//! The machines share no rule for the next retransmission: A doubles without limit, E doubles up to T2 and is T2 once
//! a provisional response came, G doubles up to T2. Each file says its own.

use std::time::Duration;

pub mod client;
pub mod invite_client;
pub mod invite_server;
pub mod provisional;
pub mod server;

pub use client::Client;
pub use invite_client::InviteClient;
pub use invite_server::InviteServer;
pub use server::Server;

/// The three base values from which every transaction timer is derived (RFC 3261 §17.1.1.1 and table 4).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Timers {
    /// Estimate of the round-trip time; first retransmission interval, and 64 of them are the patience of a transaction.
    pub t1: Duration,
    /// Longest interval between retransmissions of non-INVITE requests and of final responses to INVITE.
    pub t2: Duration,
    /// Longest time a message stays in the network.
    pub t4: Duration,
}

impl Default for Timers {
    fn default() -> Timers {
        Timers { t1: Duration::from_millis(500), t2: Duration::from_secs(4), t4: Duration::from_secs(5) }
    }
}

/// What a status code means to a transaction.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Class {
    /// 1xx
    Provisional,
    /// 2xx
    Success,
    /// 300 to 699
    Refusal,
}

impl Class {
    /// Codes outside 100 to 699 never leave the parser; should one arrive, it ends the transaction as a refusal.
    fn of(code: u16) -> Class {
        match code {
            100..=199 => Class::Provisional,
            200..=299 => Class::Success,
            _ => Class::Refusal,
        }
    }
}
