//! The real binary and the real switchboard, where time is measured. Such tests stand in a binary of their own, because
//! cargo runs test binaries one after another, and one of them at a time: beside others they would measure the others.

use std::sync::{Mutex, MutexGuard, PoisonError};

#[expect(dead_code, reason = "shared with e2e.rs, which uses the rest")]
#[path = "e2e/server.rs"]
mod server;
#[expect(dead_code, reason = "shared with e2e.rs, which uses the rest")]
#[path = "e2e/wire.rs"]
mod wire;

#[path = "e2e/blf.rs"]
mod blf;
#[path = "e2e/defence.rs"]
mod defence;
#[path = "e2e/overload.rs"]
mod overload;

static ALONE: Mutex<()> = Mutex::new(());

/// The test that holds this runs by itself; one that failed does not keep the others from it.
fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}
