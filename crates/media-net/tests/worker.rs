//! The worker on real loopback sockets.

#[path = "worker/bench.rs"]
mod bench;
#[path = "../../media/tests/ice/check.rs"]
mod check;
#[path = "worker/playing.rs"]
mod playing;
#[path = "worker/ports.rs"]
mod ports;
#[path = "worker/relaying.rs"]
mod relaying;
#[path = "worker/rooms.rs"]
mod rooms;
#[path = "worker/sharing.rs"]
mod sharing;
