//! The server: a child of the bench, on a core of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use media::srtp::{MasterKey, Suite};
use media::{Accept, Carries, Codec, Fact, LegPlan, SessionId};
use media_net::{Worker, WorkerConfig};

use crate::floor::Floor;

/// `USER_HZ`, in which the kernel tells CPU time whatever its own clock is.
const TICKS_PER_SECOND: u64 = 100;

/// Who relays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The least there could be.
    Floor,
    /// Ours, in clear.
    Product,
    /// Ours, the second leg with AES-CM and HMAC-SHA1.
    Cm,
    /// Ours, the second leg with AES-GCM.
    Gcm,
}

impl Kind {
    pub(crate) const ALL: [Kind; 4] = [Kind::Floor, Kind::Product, Kind::Cm, Kind::Gcm];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Floor => "floor",
            Kind::Product => "product",
            Kind::Cm => "AES-CM",
            Kind::Gcm => "AES-GCM",
        }
    }

    pub(crate) fn named(name: &str) -> Kind {
        Kind::ALL.into_iter().find(|kind| kind.name() == name).expect("one of ours")
    }

    /// How the second leg is encrypted.
    pub(crate) fn suite(self) -> Option<Suite> {
        match self {
            Kind::Floor | Kind::Product => None,
            Kind::Cm => Some(Suite::AesCm128HmacSha1_80),
            Kind::Gcm => Some(Suite::AeadAes128Gcm),
        }
    }
}

/// The bench's side of a running server.
pub(crate) struct Server {
    child: Child,
    /// One port for each stream; 2n and 2n + 1 are the legs of a call.
    pub(crate) ports: Vec<u16>,
    /// What the process grew by when the calls were opened.
    pub(crate) bytes_per_call: u64,
}

impl Server {
    pub(crate) fn start(kind: Kind, streams: usize, peers: [SocketAddr; 2]) -> Server {
        let program = std::env::current_exe().expect("our own path");
        let kind = kind.name();
        let mut child = Command::new(program)
            .args(["serve", kind])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a server process");
        writeln!(child.stdin.as_mut().expect("a pipe"), "{streams} {} {}", peers[0], peers[1]).expect("a reader");
        let mut answer = String::new();
        BufReader::new(child.stdout.as_mut().expect("a pipe")).read_line(&mut answer).expect("an answer");
        let mut numbers = answer.split_whitespace().map(|word| word.parse::<u64>().expect("a number"));
        let bytes_per_call = numbers.next().expect("the memory");
        let ports: Vec<u16> = numbers.map(|port| port as u16).collect();
        assert_eq!(ports.len(), streams, "the server did not open every leg");
        Server { child, ports, bytes_per_call }
    }

    /// User and system time of the server so far.
    pub(crate) fn cpu_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("a living server");
        // The name, in brackets, may hold blanks; what follows it does not.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks: u64 = fields[11..=12].iter().map(|field| field.parse::<u64>().expect("ticks")).sum();
        Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The child's main: reads what is wanted, answers with its ports, relays until it is killed.
pub(crate) fn serve(kind: Kind) {
    crate::pin(crate::cores()[0]);
    let mut order = String::new();
    std::io::stdin().lock().read_line(&mut order).expect("an order");
    let words: Vec<&str> = order.split_whitespace().collect();
    let streams: usize = words[0].parse().expect("a number");
    let peers = [words[1], words[2]].map(|peer| peer.parse().expect("an address"));
    let before = resident_bytes();
    let answer = |ports: Vec<u16>| {
        let grown = resident_bytes().saturating_sub(before) / (streams as u64 / 2);
        let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
        println!("{grown} {}", ports.join(" "));
    };
    match kind {
        Kind::Floor => {
            let floor = Floor::open(streams, peers);
            answer(floor.ports());
            // Should the bench die, the pipe breaks, and so do we.
            std::thread::spawn(|| {
                wait_for_the_end();
                std::process::exit(0);
            });
            floor.run();
        }
        Kind::Product | Kind::Cm | Kind::Gcm => {
            let (worker, ports) = open_calls(kind, streams / 2, peers);
            answer(ports);
            wait_for_the_end();
            worker.shutdown();
        }
    }
}

fn wait_for_the_end() {
    let _ = std::io::stdin().lock().read(&mut [0]);
}

fn open_calls(kind: Kind, calls: usize, peers: [SocketAddr; 2]) -> (Worker, Vec<u16>) {
    let (facts, opened) = std::sync::mpsc::channel();
    let config = WorkerConfig::new(20_000..=60_000, u64::from(std::process::id()));
    let worker = Worker::start(config, move |fact| {
        let _ = facts.send(fact);
    })
    .expect("a worker");
    let mut ports = Vec::new();
    for call in 0..calls {
        let session = SessionId(call as u64);
        let legs = vec![IpAddr::from(Ipv4Addr::LOCALHOST); 2];
        worker.send(media::Command::Open { session, legs }).expect("an idle worker");
        match opened.recv() {
            Ok(Fact::Opened { legs, .. }) => ports.extend(legs.iter().map(|leg| leg.rtp.port())),
            other => panic!("no ports: {other:?}"),
        }
        let mut plan = media::Plan { legs: peers.iter().map(|peer| leg_plan(*peer)).collect() };
        if let Some(suite) = kind.suite() {
            plan.legs[1].security = media::Security::Sdes { send: key(suite, OURS), receive: key(suite, THEIRS) };
        }
        worker.send(media::Command::Apply { session, plan }).expect("an idle worker");
    }
    (worker, ports)
}

/// What the keys of both directions of an encrypted leg are made of.
pub(crate) const OURS: u8 = 1;
pub(crate) const THEIRS: u8 = 2;

pub(crate) fn key(suite: Suite, byte: u8) -> MasterKey {
    MasterKey::from_bytes(suite, &vec![byte; suite.key_len() + suite.salt_len()]).expect("a key")
}

/// PCMU and telephone events, both ways.
fn leg_plan(peer: SocketAddr) -> LegPlan {
    LegPlan {
        remote_rtp: Some(peer),
        remote_rtcp: None,
        send: true,
        receive: true,
        codec: Codec::Pcmu,
        codec_name: "PCMU",
        clock_hz: 8_000,
        payload_type: 0,
        accepts: vec![
            Accept { payload_type: 0, carries: Carries::Audio(Codec::Pcmu) },
            Accept { payload_type: 101, carries: Carries::Event { clock_hz: 8_000 } },
        ],
        dtmf: Some(101),
        dtmf_clock_hz: 8_000,
        tones: true,
        fmtp: None,
        ptime_ms: 20,
        sources: vec![peer.ip()],
        security: media::Security::Plain,
        ice: None,
        mux: false,
    }
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = statm.split_whitespace().nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages * 4_096
}
