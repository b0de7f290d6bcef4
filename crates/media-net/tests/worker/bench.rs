//! A worker, and phones that speak just enough RTP.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use media::{Accept, Carries, Codec, Command, Fact, LegPlan, Plan, SessionId};
use media_net::{Counters, FetchPolicy, Worker, WorkerConfig};

pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
pub(crate) const ONE: SessionId = SessionId(1);
pub(crate) const TWO: SessionId = SessionId(2);

pub(crate) struct Bench {
    pub(crate) worker: Worker,
    pub(crate) range: RangeInclusive<u16>,
    facts: Receiver<Fact>,
}

impl Bench {
    pub(crate) fn new(pairs: u16, rest: Duration) -> Bench {
        Bench::listening(pairs, rest, |_| {})
    }

    /// With something that looks at each fact on the worker's thread, before the test does.
    pub(crate) fn listening(pairs: u16, rest: Duration, look: impl Fn(&Fact) + Send + 'static) -> Bench {
        let config = WorkerConfig { rest, ..WorkerConfig::new(quiet_ports(pairs * 2), 7) };
        Bench::start(config, look)
    }

    /// With a folder for recordings.
    pub(crate) fn recording(pairs: u16, folder: &std::path::Path) -> Bench {
        let recordings = Some(folder.to_owned());
        let config = WorkerConfig { rest: Duration::ZERO, recordings, ..WorkerConfig::new(quiet_ports(pairs * 2), 7) };
        Bench::start(config, |_| {})
    }

    pub(crate) fn silent_after(pairs: u16, silence_after: Duration) -> Bench {
        let config = WorkerConfig { silence_after, ..WorkerConfig::new(quiet_ports(pairs * 2), 7) };
        Bench::start(config, |_| {})
    }

    pub(crate) fn fetching(pairs: u16, fetch: FetchPolicy) -> Bench {
        let config = WorkerConfig { rest: Duration::ZERO, fetch, ..WorkerConfig::new(quiet_ports(pairs * 2), 7) };
        Bench::start(config, |_| {})
    }

    fn start(config: WorkerConfig, look: impl Fn(&Fact) + Send + 'static) -> Bench {
        let range = config.port_range.clone();
        let (sender, facts) = channel();
        let worker = Worker::start(config, move |fact| {
            look(&fact);
            let _ = sender.send(fact);
        })
        .unwrap();
        Bench { worker, range, facts }
    }

    pub(crate) fn send(&self, command: Command) {
        self.worker.send(command).unwrap();
    }

    pub(crate) fn next(&self) -> Fact {
        self.facts.recv_timeout(PATIENCE).expect("a fact")
    }

    /// The next fact of this kind; others are passed over.
    pub(crate) fn await_fact<T>(&self, pick: impl Fn(Fact) -> Option<T>) -> T {
        loop {
            if let Some(found) = pick(self.next()) {
                return found;
            }
        }
    }

    pub(crate) fn open(&self, session: SessionId, legs: &[&str]) -> Result<Vec<SocketAddr>, &'static str> {
        let legs = legs.iter().map(|ip| ip.parse().unwrap()).collect();
        self.send(Command::Open { session, legs });
        self.await_fact(|fact| match fact {
            Fact::Opened { session: opened, legs } if opened == session => {
                Some(Ok(legs.iter().map(|leg| leg.rtp).collect()))
            }
            Fact::OpenFailed { session: failed, why } if failed == session => Some(Err(why)),
            _ => None,
        })
    }

    /// A call between two phones on this machine; the plan has been carried out when this returns.
    pub(crate) fn call(&self, session: SessionId) -> Call {
        let local = self.open(session, &["127.0.0.1", "127.0.0.1"]).unwrap();
        let phones = [Phone::new("127.0.0.1", local[0]), Phone::new("127.0.0.1", local[1])];
        self.apply(session, &[&phones[0], &phones[1]]);
        let [caller, callee] = phones;
        Call { caller, callee }
    }

    pub(crate) fn apply(&self, session: SessionId, phones: &[&Phone]) {
        let legs = phones.iter().map(|phone| leg_plan(phone.address())).collect();
        self.send(Command::Apply { session, plan: Plan { legs } });
        self.settle();
    }

    pub(crate) fn close(&self, session: SessionId) -> Vec<media::LegStats> {
        self.send(Command::Close { session });
        self.await_fact(|fact| match fact {
            Fact::Closed { session: closed, legs } if closed == session => Some(legs),
            _ => None,
        })
    }

    /// Waits until every command so far has been carried out: an impossible one is answered in its turn.
    pub(crate) fn settle(&self) {
        let nobody = SessionId(u64::MAX);
        assert!(self.open(nobody, &[]).is_err());
    }

    pub(crate) fn wait_for(&self, what: impl Fn(Counters) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !what(self.worker.counters()) {
            assert!(Instant::now() < end, "{:?}", self.worker.counters());
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

pub(crate) struct Call {
    pub(crate) caller: Phone,
    pub(crate) callee: Phone,
}

/// One side of a call: sends to its leg's ports, hears what comes from there.
pub(crate) struct Phone {
    pub(crate) rtp: UdpSocket,
    pub(crate) leg: SocketAddr,
}

impl Phone {
    pub(crate) fn new(ip: &str, leg: SocketAddr) -> Phone {
        let rtp = UdpSocket::bind((ip, 0)).unwrap();
        rtp.set_read_timeout(Some(PATIENCE)).unwrap();
        Phone { rtp, leg }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.rtp.local_addr().unwrap()
    }

    pub(crate) fn say(&self, sequence: u16, sample: u8) {
        self.rtp.send_to(&packet(sequence, sample), self.leg).unwrap();
    }

    /// The next packet, which must come from the leg: its payload.
    pub(crate) fn hear(&self) -> Vec<u8> {
        let mut buffer = [0; 2_048];
        let (length, from) = self.rtp.recv_from(&mut buffer).expect("a packet");
        assert_eq!(from, self.leg);
        assert_eq!((buffer[0] >> 6, buffer[1] & 0x7f), (2, 0), "PCMU");
        buffer[12..length].to_vec()
    }

    pub(crate) fn hears_nothing(&self) {
        self.rtp.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        assert!(self.rtp.recv_from(&mut [0; 2_048]).is_err());
        self.rtp.set_read_timeout(Some(PATIENCE)).unwrap();
    }
}

pub(crate) fn packet(sequence: u16, sample: u8) -> Vec<u8> {
    let mut packet = vec![0x80, 0];
    packet.extend(sequence.to_be_bytes());
    packet.extend((u32::from(sequence) * 160).to_be_bytes());
    packet.extend([1, 2, 3, 4]);
    packet.resize(172, sample);
    packet
}

pub(crate) fn leg_plan(peer: SocketAddr) -> LegPlan {
    LegPlan {
        remote_rtp: Some(peer),
        remote_rtcp: Some(SocketAddr::new(peer.ip(), peer.port() ^ 1)),
        send: true,
        receive: true,
        codec: Codec::Pcmu,
        codec_name: "PCMU",
        clock_hz: 8_000,
        payload_type: 0,
        accepts: vec![Accept { payload_type: 0, carries: Carries::Audio(Codec::Pcmu) }],
        dtmf: None,
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

/// A range below the ephemeral ports in which nobody sits now. Each test asks for its own.
fn quiet_ports(number: u16) -> RangeInclusive<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let here: IpAddr = "127.0.0.1".parse().unwrap();
    for _ in 0..200 {
        let start = (std::process::id() as u16 % 97) * 200;
        let offset = start.wrapping_add(NEXT.fetch_add(number, Ordering::Relaxed)) % 20_000;
        let first = 10_000 + offset / 2 * 2;
        let range = first..=first + number - 1;
        if range.clone().all(|port| UdpSocket::bind((here, port)).is_ok()) {
            return range;
        }
    }
    panic!("no {number} ports in a row are free");
}
