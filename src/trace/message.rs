//! One message of a trace.

use bytes::Bytes;
use sip::Flow;

/// Which way a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    /// To us.
    In,
    /// From us.
    Out,
}

/// A message as it travelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// When it passed our door, in microseconds since 1970.
    pub at_us: i64,
    /// Which way.
    pub way: Way,
    /// Between which addresses.
    pub flow: Flow,
    /// All of it.
    pub bytes: Bytes,
}
