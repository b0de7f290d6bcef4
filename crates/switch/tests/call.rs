//! Calls through one shard, message by message: scripted phones, a scripted media worker, a virtual clock, no network.

#[path = "call/bench.rs"]
mod bench;
#[path = "call/identity.rs"]
mod identity;
#[path = "call/phone.rs"]
mod phone;

#[path = "call/chaos.rs"]
mod chaos;
#[path = "call/early.rs"]
mod early;
#[path = "call/echo.rs"]
mod echo;
#[path = "call/fault.rs"]
mod fault;
#[path = "call/forward.rs"]
mod forward;
#[path = "call/info.rs"]
mod info;
#[path = "call/leaks.rs"]
mod leaks;
#[path = "call/refusal.rs"]
mod refusal;
#[path = "call/reinvite.rs"]
mod reinvite;
#[path = "call/reliable.rs"]
mod reliable;
#[path = "call/ringing.rs"]
mod ringing;
#[path = "call/teardown.rs"]
mod teardown;
#[path = "call/update.rs"]
mod update;
