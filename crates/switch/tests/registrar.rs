//! The registrar by itself: RFC 3261 §10.3 step by step, on a clock that only the test moves.

#[path = "registrar/bench.rs"]
mod bench;

#[path = "registrar/flows.rs"]
mod flows;
#[path = "registrar/lifetime.rs"]
mod lifetime;
#[path = "registrar/many.rs"]
mod many;
#[path = "registrar/order.rs"]
mod order;
#[path = "registrar/refusal.rs"]
mod refusal;
#[path = "registrar/restore.rs"]
mod restore;
#[path = "registrar/update.rs"]
mod update;
