//! The stream transports: TCP, TLS, WS and WSS, on threads of their own.

pub(crate) mod aside;
pub(crate) mod codec;
pub(crate) mod connect;
pub(crate) mod connection;
pub(crate) mod io;
pub(crate) mod listener;
pub(crate) mod outbox;
pub(crate) mod table;
pub(crate) mod websocket;

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sip::{Flow, Transmit, Transport};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

use crate::certificate::Certificate;
use crate::counters::{Counters, Counting};
use crate::event::{Event, Sink};
use crate::guard::Guard;
use crate::limits::{CONNECTING, CONNECTING_MESSAGES, DESCRIPTORS_FOR_OTHERS, GOODBYE};
use crate::tls::Tls;
use listener::Bound;
use outbox::Outbox;
use table::{Crowd, Head, Sent, Table};

/// What the stream transports are told once.
#[derive(Clone, Debug)]
pub struct StreamConfig {
    /// Threads that serve connections.
    pub threads: usize,
    /// Connections in all. It is cut down to what the process may open, less a reserve for media.
    pub max_connections: usize,
    /// Connections of one IPv4 address or one IPv6 network of 64 bits.
    pub max_connections_per_address: usize,
    /// Time for TLS and the opening of a WebSocket together.
    pub handshake_time: Duration,
    /// Time until the first message of a connection that a peer has opened.
    pub first_message_time: Duration,
    /// Time from the first byte of a message to its last.
    pub message_time: Duration,
    /// How long a connection may be silent.
    pub idle_time: Duration,
    /// After how much silence a WebSocket is asked whether its peer is there.
    pub ping_every: Duration,
    /// Time for the answer to that.
    pub pong_time: Duration,
    /// How long a peer may refuse to take a byte that is there for it.
    pub stall_time: Duration,
    /// Time for opening a connection of ours, TLS included.
    pub connect_time: Duration,
    /// What TLS and WSS show.
    pub certificate: Option<Arc<Certificate>>,
}

impl Default for StreamConfig {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            threads: std::thread::available_parallelism().map_or(1, usize::from).clamp(1, 8),
            max_connections: 20_000,
            max_connections_per_address: 2_000,
            handshake_time: seconds(10),
            first_message_time: seconds(30),
            message_time: seconds(30),
            idle_time: seconds(7_200),
            ping_every: seconds(25),
            pong_time: seconds(50),
            stall_time: seconds(10),
            connect_time: seconds(5),
            certificate: None,
        }
    }
}

/// What every connection looks at.
pub(crate) struct Shared {
    pub(crate) config: StreamConfig,
    pub(crate) guard: Guard,
    pub(crate) sink: Sink,
    pub(crate) table: Arc<Table>,
    pub(crate) tls: Option<Tls>,
    crowd: Arc<Crowd>,
    most: usize,
    connecting: Arc<AtomicUsize>,
    counting: [Counting; 5],
}

/// A connection of ours in opening, counted as long as this lives.
pub(crate) struct Opening(Arc<AtomicUsize>);

impl Drop for Opening {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Shared {
    pub(crate) fn counting(&self, transport: Transport) -> &Counting {
        &self.counting[place(transport)]
    }

    /// Counts a connection of this address, if there is room for it.
    pub(crate) fn admit(&self, address: IpAddr) -> Option<Head> {
        self.crowd.admit(address, self.most, self.config.max_connections_per_address)
    }

    /// Sends what was laid aside. It answers somebody who is connected; to nobody else a connection is opened for it.
    pub(crate) fn answer(&self, transmit: Transmit) {
        let Transmit { flow, bytes } = transmit;
        let counting = self.counting(flow.transport);
        match self.table.send(&flow, bytes) {
            Sent::Queued => {}
            Sent::Stuck => counting.send_overflows.one(),
            Sent::Nobody(_) => {
                counting.send_errors.one();
                (self.sink)(Event::Failed(flow));
            }
        }
    }

    fn open_one(&self) -> Option<Opening> {
        let opening = Opening(Arc::clone(&self.connecting));
        (self.connecting.fetch_add(1, Ordering::Relaxed) < CONNECTING).then_some(opening)
    }
}

fn place(transport: Transport) -> usize {
    Transport::ALL.iter().position(|one| *one == transport).unwrap_or(0)
}

/// The running stream transports.
pub(crate) struct Streams {
    shared: Arc<Shared>,
    served: Vec<(Transport, std::net::SocketAddr)>,
    listening: Mutex<Vec<JoinHandle<()>>>,
    runtime: Mutex<Option<Runtime>>,
}

impl Streams {
    pub(crate) fn start(bound: Vec<Bound>, config: StreamConfig, guard: Guard, sink: Sink) -> std::io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(config.threads.max(1))
            .thread_name("sip-stream")
            .enable_all()
            .build()?;
        let tls = config.certificate.clone().map(Tls::new).transpose().map_err(std::io::Error::other)?;
        let shared = Arc::new(Shared {
            most: config.max_connections.min(descriptors()),
            table: Table::new(Arc::clone(&sink)),
            crowd: Arc::default(),
            connecting: Arc::default(),
            counting: Default::default(),
            config,
            guard,
            sink,
            tls,
        });
        let served = bound.iter().map(|bound| (bound.transport, bound.address)).collect();
        let _inside = runtime.enter();
        let listening = bound.into_iter().map(|bound| tokio::spawn(listener::accept(bound, Arc::clone(&shared))));
        let listening = Mutex::new(listening.collect());
        drop(_inside);
        Ok(Self { shared, served, listening, runtime: Mutex::new(Some(runtime)) })
    }

    /// Queues a message for its flow; opens a connection where that is possible. What fails is told through the sink.
    pub(crate) fn send(&self, transmit: Transmit) {
        let Some(Transmit { flow, bytes }) = aside::lay(transmit) else { return };
        let counting = self.shared.counting(flow.transport);
        let message = match self.shared.table.send(&flow, bytes) {
            Sent::Queued => return,
            Sent::Stuck => return counting.send_overflows.one(),
            Sent::Nobody(message) => message,
        };
        if !self.connect(flow, message) {
            counting.send_errors.one();
            (self.shared.sink)(Event::Failed(flow));
        }
    }

    /// Begins to open a connection for a message. Nobody can open one to a browser.
    fn connect(&self, flow: Flow, message: bytes::Bytes) -> bool {
        let can = matches!(flow.transport, Transport::Tcp | Transport::Tls) && flow.remote.port() != 0;
        let ours = || self.served.iter().any(|(transport, address)| listener::serves(*transport, *address, &flow));
        if !can || !ours() {
            return false;
        }
        let runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(runtime) = runtime.as_ref() else { return false };
        let (Some(opening), Some(head)) = (self.shared.open_one(), self.shared.admit(flow.remote.ip())) else {
            return false;
        };
        let outbox = Arc::new(Outbox::new(CONNECTING_MESSAGES));
        let Some(place) = self.shared.table.enter(flow, &outbox, self.shared.table.arrive(), false) else {
            return false;
        };
        if outbox.push(message).is_err() {
            // Longer than any queue may be; dropping the place says so.
            return true;
        }
        runtime.spawn(connect::connect(flow, outbox, place, (head, opening), Arc::clone(&self.shared)));
        true
    }

    /// Where connections of a transport are accepted.
    pub(crate) fn addresses(&self, transport: Transport) -> Vec<std::net::SocketAddr> {
        self.served.iter().filter(|(one, _)| *one == transport).map(|(_, address)| *address).collect()
    }

    /// How many connections there are, openings included.
    pub(crate) fn connections(&self) -> usize {
        self.shared.crowd.len()
    }

    pub(crate) fn counters(&self, transport: Transport) -> Counters {
        let mut total = Counters::default();
        self.shared.counting(transport).add_to(&mut total);
        total
    }

    /// Accepts nobody any more.
    pub(crate) fn stop_listening(&self) {
        for task in self.listening.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            task.abort();
        }
    }

    /// Lets every connection write what waits and say goodbye, and ends the threads.
    pub(crate) fn close(&self) {
        self.stop_listening();
        self.shared.table.finish();
        let runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(runtime) = runtime else { return };
        let until = Instant::now() + GOODBYE;
        while self.shared.table.len() > 0 && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(2));
        }
        runtime.shutdown_timeout(GOODBYE);
    }
}

impl Drop for Streams {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            runtime.shutdown_background();
        }
    }
}

/// How many descriptors connections may take. What the system allows is asked for first.
fn descriptors() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    }
    let allowed = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let ours = allowed.saturating_sub(DESCRIPTORS_FOR_OTHERS.min(allowed / 2));
    usize::try_from(ours).unwrap_or(usize::MAX)
}
