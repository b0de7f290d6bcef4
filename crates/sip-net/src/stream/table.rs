//! Table: every connection by its flow, and the order in which its end is told.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use sip::Flow;

use super::outbox::{Full, Outbox};
use crate::event::{Event, Sink};

/// Every connection that stands or is being opened.
pub(crate) struct Table {
    inner: Mutex<Inner>,
    sink: Sink,
}

#[derive(Default)]
struct Inner {
    flows: HashMap<Flow, Entry>,
    /// Where else a peer may be written to over a connection that it opened (RFC 5923).
    aliases: HashMap<Flow, Flow>,
    next: u64,
    closed: bool,
}

struct Entry {
    id: u64,
    outbox: Arc<Outbox>,
    alias: Option<Flow>,
}

/// A place in the table. When it goes, the end of the connection is told.
pub(crate) struct Place {
    table: Arc<Table>,
    flow: Flow,
    id: u64,
    /// Whether a connection ever stood here.
    pub(crate) connected: bool,
}

/// When a connection came, compared with others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival(u64);

/// What became of a message.
pub(crate) enum Sent {
    /// It waits for the socket.
    Queued,
    /// Nobody is connected there.
    Nobody(Bytes),
    /// The peer does not read; its connection is ended.
    Stuck,
}

impl Table {
    pub(crate) fn new(sink: Sink) -> Arc<Self> {
        Arc::new(Self { inner: Mutex::default(), sink })
    }

    /// A number for a connection that has just come. The order of these numbers is that of the connections.
    pub(crate) fn arrive(&self) -> Arrival {
        let mut inner = self.lock();
        inner.next += 1;
        Arrival(inner.next)
    }

    /// Takes a place. Whoever had it before is gone, and is told to be so first. `None` when a later connection has the place
    /// already, so that this one must be the one that is gone, and once the table is closed.
    pub(crate) fn enter(
        self: &Arc<Self>,
        flow: Flow,
        outbox: &Arc<Outbox>,
        arrival: Arrival,
        connected: bool,
    ) -> Option<Place> {
        let id = arrival.0;
        let mut inner = self.lock();
        if inner.closed || inner.flows.get(&flow).is_some_and(|other| other.id > id) {
            return None;
        }
        if let Some(old) = inner.remove(&flow, None) {
            self.tell_end(flow, &old, true);
        }
        inner.flows.insert(flow, Entry { id, outbox: Arc::clone(outbox), alias: None });
        Some(Place { table: Arc::clone(self), flow, id, connected })
    }

    /// Queues a message for whoever is connected there.
    pub(crate) fn send(&self, flow: &Flow, message: Bytes) -> Sent {
        let mut inner = self.lock();
        let flow = match inner.flows.contains_key(flow) {
            true => *flow,
            false => inner.aliases.get(flow).copied().unwrap_or(*flow),
        };
        let Some(entry) = inner.flows.get(&flow) else { return Sent::Nobody(message) };
        match entry.outbox.push(message) {
            Ok(()) => Sent::Queued,
            Err(Full) => {
                if let Some(entry) = inner.remove(&flow, None) {
                    self.tell_end(flow, &entry, true);
                }
                Sent::Stuck
            }
        }
    }

    /// How many connections there are.
    pub(crate) fn len(&self) -> usize {
        self.lock().flows.len()
    }

    /// Lets nobody in any more, and tells everybody to write what waits and to say goodbye.
    pub(crate) fn finish(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        for entry in inner.flows.values() {
            entry.outbox.finish();
        }
    }

    /// Under the lock, so that nobody can take the flow before its end is told.
    fn tell_end(&self, flow: Flow, entry: &Entry, connected: bool) {
        entry.outbox.drop_now();
        let event = |flow| if connected { Event::Closed(flow) } else { Event::Failed(flow) };
        (self.sink)(event(flow));
        if let Some(alias) = entry.alias {
            (self.sink)(event(alias));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Takes an entry out, unless another one has come in its place.
    fn remove(&mut self, flow: &Flow, id: Option<u64>) -> Option<Entry> {
        if id.is_some_and(|id| self.flows.get(flow).is_none_or(|entry| entry.id != id)) {
            return None;
        }
        let entry = self.flows.remove(flow)?;
        if let Some(alias) = &entry.alias {
            self.aliases.remove(alias);
        }
        Some(entry)
    }
}

impl Place {
    /// Lets messages to `alias` take this connection, unless another one has that name. The address must be the peer's own:
    /// nobody may draw to himself what is meant for another host.
    pub(crate) fn also_at(&self, alias: Flow) {
        let mut inner = self.table.lock();
        if alias == self.flow || alias.remote.ip() != self.flow.remote.ip() || inner.aliases.contains_key(&alias) {
            return;
        }
        if let Some(entry) =
            inner.flows.get_mut(&self.flow).filter(|entry| entry.id == self.id && entry.alias.is_none())
        {
            entry.alias = Some(alias);
            inner.aliases.insert(alias, self.flow);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inner = self.table.lock();
        if let Some(entry) = inner.remove(&self.flow, Some(self.id)) {
            self.table.tell_end(self.flow, &entry, self.connected);
        }
    }
}

/// Connections counted by address, from their first byte on.
#[derive(Debug, Default)]
pub(crate) struct Crowd {
    inner: Mutex<Heads>,
}

#[derive(Debug, Default)]
struct Heads {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// One connection that is counted for as long as this lives.
pub(crate) struct Head {
    crowd: Arc<Crowd>,
    address: IpAddr,
}

impl Crowd {
    /// Counts one more, unless there are too many in all or of this address.
    pub(crate) fn admit(self: &Arc<Self>, address: IpAddr, most: usize, most_per_address: usize) -> Option<Head> {
        let address = neighbourhood(address);
        let mut heads = self.lock();
        let here = heads.by_address.get(&address).copied().unwrap_or(0);
        if heads.all >= most || here >= most_per_address {
            return None;
        }
        heads.all += 1;
        heads.by_address.insert(address, here + 1);
        Some(Head { crowd: Arc::clone(self), address })
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.lock().all
    }

    fn lock(&self) -> MutexGuard<'_, Heads> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Head {
    fn drop(&mut self) {
        let mut heads = self.crowd.lock();
        heads.all = heads.all.saturating_sub(1);
        if let Some(here) = heads.by_address.get_mut(&self.address) {
            *here -= 1;
            if *here == 0 {
                heads.by_address.remove(&self.address);
            }
        }
    }
}

/// One IPv6 customer has a /64 of addresses, and is one neighbour all the same.
fn neighbourhood(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> 64 << 64).into()),
    }
}
