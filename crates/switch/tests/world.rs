//! Do calls work? Phones, one shard and one media worker on a virtual clock and a network of our own.
//!
//! Every test ends with [`testkit::World::finish`], which asks the oracles: one opened and one closed record for each call, all
//! counts back to zero, nothing of another tenant seen or heard, and a fresh pair of phones that can talk.
//!
//! `YAKYAK_SOAK=1` makes the random tests ten times as long; `YAKYAK_SEED=n` repeats one of them.

#[path = "world/basic.rs"]
mod basic;
#[path = "world/cancel.rs"]
mod cancel;
#[path = "world/corners.rs"]
mod corners;
#[path = "world/dialog.rs"]
mod dialog;
#[path = "world/dnd.rs"]
mod dnd;
#[path = "world/early.rs"]
mod early;
#[path = "world/flows.rs"]
mod flows;
#[path = "world/fork.rs"]
mod fork;
#[path = "world/forward.rs"]
mod forward;
#[path = "world/hold.rs"]
mod hold;
#[path = "world/identity.rs"]
mod identity;
#[path = "world/info.rs"]
mod info;
#[path = "world/limits.rs"]
mod limits;
#[path = "world/media.rs"]
mod media;
#[path = "world/message.rs"]
mod message;
#[path = "world/model.rs"]
mod model;
#[path = "world/offer.rs"]
mod offer;
#[path = "world/qualify.rs"]
mod qualify;
#[path = "world/registrar.rs"]
mod registrar;
#[path = "world/tenants.rs"]
mod tenants;
#[path = "world/timers.rs"]
mod timers;
#[path = "world/transfer.rs"]
mod transfer;
#[path = "world/transports.rs"]
mod transports;
#[path = "world/update.rs"]
mod update;
#[path = "world/vanish.rs"]
mod vanish;
#[path = "world/weather.rs"]
mod weather;
