//! Turned away: refusals by whoever receives, while the endpoint has too much to do to look at a request at all.
//!
//! Such an answer needs no endpoint and no table, so it can be written on the thread that received the request. It is the
//! same for every copy of the request (RFC 3261 §8.2.7), and its ACK finds nothing and is forgotten.

use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

use super::config::Reply;
use super::keys::Names;
use super::stateless::refusal;
use crate::flow::{Flow, Transmit};
use crate::header::{Header, Name, RetryAfter};
use crate::message::Request;

/// Writes refusals without an endpoint.
pub struct TurnedAway {
    names: Names,
}

impl TurnedAway {
    /// With a secret of its own, from which the To tags grow.
    pub fn new(seed: [u8; 32], shard: u8) -> TurnedAway {
        TurnedAway { names: Names::new(&mut ChaCha8Rng::from_seed(seed), shard) }
    }

    /// 503 with a Retry-After of one to `most` seconds, which differs from request to request, so that those who were turned
    /// away together do not come back together. `None` for an ACK, and for what is too broken to be answered.
    pub fn busy(&self, flow: Flow, request: &Request, most: u32) -> Option<Transmit> {
        let seconds = 1 + self.names.spread(request) % most.max(1);
        let reply = Reply::new(503).header(Name::RetryAfter, RetryAfter::new(seconds).to_bytes());
        refusal(flow, request, &self.names.stateless_tag(request), &reply, None)
    }
}
