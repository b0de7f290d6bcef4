//! The gate by itself: who gets in, and that all others learn nothing.

#[path = "admit/bench.rs"]
mod bench;

#[path = "admit/digest.rs"]
mod digest;
#[path = "admit/entitled.rs"]
mod entitled;
#[path = "admit/everywhere.rs"]
mod everywhere;
#[path = "admit/guarded.rs"]
mod guarded;
#[path = "admit/methods.rs"]
mod methods;
#[path = "admit/tenant.rs"]
mod tenant;
#[path = "admit/timing.rs"]
mod timing;
