//! The phones: each connects, registers, answers the server's questions, and comes back when its connection is gone.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;

use crate::figures::Delays;
use crate::phones::{header, lines, number};
use crate::streams::{Connection, Kind, connector};
use crate::witness::authorization;

/// Phones behind one address.
const OFFICE: usize = 20;
/// Phones that connect and register at once; the others wait for their turn.
const AT_ONCE: usize = 512;
/// After which a phone gives an attempt up, and how long it waits until the next.
const PATIENCE: Duration = Duration::from_secs(10);
const AGAIN: Duration = Duration::from_secs(2);
/// After which the bench gives up.
const HOPELESS: Duration = Duration::from_secs(300);

/// Told to all phones: the number of the wave, and how long each may wait at most before it connects.
type Call = (u32, Duration);

/// How one phone came in: how long the attempt took that led in, and how many before it failed or found no answer.
struct Arrived {
    took: Duration,
    failed: u32,
    unanswered: u32,
}

/// How all of them came in.
#[derive(Default)]
pub(crate) struct Wave {
    /// When the last one was registered.
    pub(crate) last: Duration,
    delays: Vec<Duration>,
    failed: u32,
    unanswered: u32,
}

impl fmt::Display for Wave {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { failed, unanswered, .. } = self;
        let delays = Delays(&self.delays);
        write!(f, "{failed} attempts failed, {unanswered} had no answer; connect and register {delays}")
    }
}

pub(crate) struct Crowd {
    runtime: Runtime,
    calls: watch::Sender<Call>,
    arrived: mpsc::UnboundedReceiver<Arrived>,
    phones: usize,
}

/// One phone.
struct Client {
    kind: Kind,
    index: usize,
    server: SocketAddr,
    domain: String,
    tls: TlsConnector,
    turns: Arc<Semaphore>,
}

impl Crowd {
    pub(crate) fn new(server: SocketAddr, domain: &str, kind: Kind, phones: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (calls, heard) = watch::channel((0, Duration::ZERO));
        let (report, arrived) = mpsc::unbounded_channel();
        let (tls, turns) = (connector(), Arc::new(Semaphore::new(AT_ONCE)));
        for index in 0..phones {
            let (tls, turns) = (tls.clone(), Arc::clone(&turns));
            let client = Client { kind, index, server, domain: domain.to_owned(), tls, turns };
            runtime.spawn(client.live(heard.clone(), report.clone()));
        }
        Self { runtime, calls, arrived, phones }
    }

    /// Resets the connections of all phones; each comes back after a pause of its own. Returns when all are registered.
    pub(crate) fn come(&mut self, pause: Duration) -> Wave {
        let began = Instant::now();
        self.calls.send_modify(|(number, longest)| (*number, *longest) = (*number + 1, pause));
        let mut wave = Wave::default();
        self.runtime.block_on(async {
            while wave.delays.len() < self.phones {
                let left = HOPELESS.saturating_sub(began.elapsed());
                let arrived = timeout(left, self.arrived.recv()).await;
                let Ok(Some(arrived)) = arrived else { panic!("only {} phones came: {wave}", wave.delays.len()) };
                wave.delays.push(arrived.took);
                wave.failed += arrived.failed;
                wave.unanswered += arrived.unanswered;
            }
        });
        wave.last = began.elapsed();
        wave
    }

    /// Lets the phones live for a while.
    pub(crate) fn rest(&self, during: Duration) {
        self.runtime.block_on(async { sleep(during).await });
    }
}

impl Client {
    async fn live(self, mut calls: watch::Receiver<Call>, report: mpsc::UnboundedSender<Arrived>) {
        let mut connection: Option<Connection> = None;
        loop {
            let cut = match &mut connection {
                None => calls.changed().await,
                Some(open) => tokio::select! {
                    cut = calls.changed() => cut,
                    () = self.serve(open) => panic!("the server has closed the connection of phone {}", self.index),
                },
            };
            if cut.is_err() {
                return;
            }
            drop(connection.take());
            let (wave, longest) = *calls.borrow_and_update();
            // Spread evenly, and otherwise in each wave.
            let place = (self.index as u32).wrapping_mul(2_654_435_761).wrapping_add(wave.wrapping_mul(97));
            sleep(longest.mul_f64(f64::from(place) / f64::from(u32::MAX))).await;
            let (mut failed, mut unanswered) = (0, 0);
            loop {
                let Ok(_turn) = self.turns.acquire().await else { return };
                let began = Instant::now();
                match timeout(PATIENCE, self.enter(wave, failed + unanswered)).await {
                    Ok(Ok(open)) => {
                        connection = Some(open);
                        let _ = report.send(Arrived { took: began.elapsed(), failed, unanswered });
                        break;
                    }
                    Ok(Err(error)) => {
                        failed += 1;
                        if failed == 1 && self.index.is_multiple_of(500) {
                            eprintln!("phone {}: {error}", self.index);
                        }
                    }
                    Err(_) => unanswered += 1,
                }
                drop(_turn);
                sleep(AGAIN).await;
            }
        }
    }

    /// Connects and registers.
    async fn enter(&self, wave: u32, attempt: u32) -> io::Result<Connection> {
        let office = self.index / OFFICE;
        let from = Ipv4Addr::new(127, 10, (office / 250) as u8, (office % 250 + 1) as u8);
        let mut connection = Connection::open(self.kind, IpAddr::V4(from), self.server, &self.tls).await?;
        let local = connection.local;
        let (user, domain, kind) = (number(self.index), &self.domain, self.kind);
        let host = match kind {
            Kind::Tls => local.to_string(),
            Kind::Wss => format!("p{}.invalid", self.index),
        };
        let call = format!("r{}-{wave}-{attempt}", self.index);
        let mut credentials = String::new();
        for sequence in 1..=2 {
            let request = format!(
                "REGISTER sip:{domain} SIP/2.0\r\nVia: SIP/2.0/{name} {host};branch=z9hG4bK{call}-{sequence}\r\n\
                 Max-Forwards: 70\r\nFrom: <sip:{user}@{domain}>;tag={call}\r\nTo: <sip:{user}@{domain}>\r\n\
                 Call-ID: {call}\r\nCSeq: {sequence} REGISTER\r\nContact: <sip:{user}@{host};transport={parameter}>\r\n\
                 Expires: 3600\r\n{credentials}Content-Length: 0\r\n\r\n",
                name = kind.name(),
                parameter = kind.parameter(),
            );
            connection.send(&request).await?;
            let answer = loop {
                let message = connection.receive().await?;
                match message.starts_with("SIP/2.0 ") {
                    true => break message,
                    false => connection.send(&agreement(&message)).await?,
                }
            };
            match (answer.get(8..11), sequence) {
                (Some("200"), _) => return Ok(connection),
                (Some("401"), 1) => credentials = authorization(&answer, &user, domain),
                _ => return Err(io::Error::other(answer.lines().next().unwrap_or_default().to_owned())),
            }
        }
        Err(io::Error::other("the password is not taken"))
    }

    /// Answers whatever comes until the connection ends.
    async fn serve(&self, connection: &mut Connection) {
        while let Ok(message) = connection.receive().await {
            if !message.starts_with("SIP/2.0 ") && connection.send(&agreement(&message)).await.is_err() {
                return;
            }
        }
    }
}

/// 200 to a question whether the phone is there.
fn agreement(request: &str) -> String {
    let copy = |name: &str| lines(request, name).map(|value| format!("{name}: {value}\r\n")).collect::<String>();
    let to = header(request, "To").unwrap_or_default();
    format!(
        "SIP/2.0 200 OK\r\n{}{}To: {to};tag=phone\r\n{}{}Content-Length: 0\r\n\r\n",
        copy("Via"),
        copy("From"),
        copy("Call-ID"),
        copy("CSeq")
    )
}
