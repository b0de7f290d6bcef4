//! The media worker: ports, sockets, playback files and recordings for the sessions of [`media`].
//!
//! One worker is one thread with a port range of its own. It carries out [`media::Command`]s and tells
//! [`media::Fact`]s; it never sees a session description and decides nothing about a call.
//!
//! ```text
//! shard ══queue + eventfd══▶ worker ══callback══▶ shard
//!                              │
//!  leg A ◀──UDP──▶ epoll ─▶ one buffer ─▶ media::Session::receive, in place ─▶ UDP ◀──▶ leg B
//! ```
//!
//! A relayed packet costs its share of one `epoll_wait`, one receive and one send. No channel, no lock
//! and no allocation is on its way.

#![forbid(unsafe_code)]

mod counters;
mod deadlines;
mod identity;
mod legs;
mod limits;
mod mailbox;
mod playback;
mod ports;
pub mod recording;
mod shared;
mod slots;
mod worker;

pub use counters::Counters;
pub use identity::{IdentityError, identity};
pub use playback::{Allowed, FetchError, FetchPolicy, NotAllowable, PlaybackError, Rate, load_file, load_url};
pub use worker::{Busy, Worker, WorkerConfig};
