//! TCP, TLS, WS and WSS from outside: real sockets on loopback, and a sink that keeps every event.

#[path = "streams/bench.rs"]
mod bench;

#[path = "streams/certificates.rs"]
mod certificates;
#[path = "streams/ends.rs"]
mod ends;
#[path = "streams/limits.rs"]
mod limits;
#[path = "streams/messages.rs"]
mod messages;
#[path = "streams/outgoing.rs"]
mod outgoing;
#[path = "streams/websockets.rs"]
mod websockets;
