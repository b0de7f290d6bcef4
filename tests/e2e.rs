//! The real binary, with real sockets, a real PostgreSQL and real peers. What measures time is in `load.rs`.

#[path = "e2e/server.rs"]
mod server;
#[path = "e2e/sipp.rs"]
mod sipp;
#[path = "../crates/sip/tests/torture/table.rs"]
mod table;
#[path = "e2e/wire.rs"]
mod wire;

#[path = "e2e/baresip.rs"]
mod baresip;
#[path = "e2e/browser.rs"]
mod browser;
#[path = "e2e/calls.rs"]
mod calls;
#[path = "e2e/command_line.rs"]
mod command_line;
#[path = "e2e/faults.rs"]
mod faults;
#[path = "e2e/features.rs"]
mod features;
#[path = "e2e/garbage.rs"]
mod garbage;
#[path = "e2e/linphone.rs"]
mod linphone;
#[path = "e2e/page.rs"]
mod page;
#[path = "e2e/selftest.rs"]
mod selftest;
#[path = "e2e/storm.rs"]
mod storm;
#[path = "e2e/tenants.rs"]
mod tenants;
#[path = "e2e/torture.rs"]
mod torture;
#[path = "e2e/trace.rs"]
mod trace;
#[path = "e2e/transports.rs"]
mod transports;
#[path = "e2e/webrtc.rs"]
mod webrtc;
