//! The brain: registrar, admission, routing, calls, features.
//!
//! A [`Shard`] is one deterministic value. [`Input`]s go in with the time at which they happened, [`Output`]s come out; nothing
//! here opens a socket, reads a clock, starts a thread or knows SQL, so any number of calls can be replayed on a virtual clock.
//!
//! ```text
//! Input::Sip ──▶ sip::Endpoint ──admit──▶ event ──▶ registrar | routing ──▶ Call ──▶ Feature
//!                     ▲                                                      │ verbs
//!                     └───────────── effects, carried out after the step ◀───┘
//! ```
//!
//! The loop of the shell is `handle` or `handle_timeout`, then `poll_output` until it is empty, then sleep until `poll_timeout`.

#![forbid(unsafe_code)]

pub mod admit;
pub mod call;
pub mod clock;
pub mod feature;
pub mod guard;
pub mod limits;
mod message;
pub mod overload;
pub mod qualify;
pub mod registrar;
pub mod routing;
pub mod shard;
mod subscription;
pub mod verdict;

pub use call::CallView;
pub use call::session_timer::SessionTerms;
pub use qualify::Reach;
pub use shard::{Counts, Input, Output, Shard, ShardConfig};
