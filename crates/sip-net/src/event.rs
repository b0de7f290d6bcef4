//! What the transports tell, and whom.

use std::sync::Arc;

use crate::receive::Received;

/// Something that happened on the wire.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly every event is a message; a box would cost each an allocation")]
pub enum Event {
    /// A message came in.
    Received(Received),
    /// A message could not be sent: nobody is connected there, or nobody can be reached.
    Failed(sip::Flow),
    /// A connection has ended. It is told before another connection has the same flow, and after the last message of this
    /// one.
    Closed(sip::Flow),
}

/// Takes events, from any thread, without waiting. `false`: too many messages wait, and this one is lost. What has failed or is
/// closed must not be refused. While it takes a message it may send; while it takes anything else it must not.
pub type Sink = Arc<dyn Fn(Event) -> bool + Send + Sync>;
