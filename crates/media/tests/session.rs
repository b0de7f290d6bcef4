//! Relay sessions, driven packet by packet on a clock of the test's own.

#[path = "session/desk.rs"]
mod desk;
#[path = "session/garbage.rs"]
mod garbage;
#[path = "session/keys.rs"]
mod keys;
#[path = "session/matrix.rs"]
mod matrix;
#[path = "session/playback.rs"]
mod playback;
#[path = "session/relay.rs"]
mod relay;
#[path = "session/reports.rs"]
mod reports;
#[path = "session/secure.rs"]
mod secure;
#[path = "session/silence.rs"]
mod silence;
#[path = "session/sources.rs"]
mod sources;
#[path = "session/statistics.rs"]
mod statistics;
#[path = "session/tones.rs"]
mod tones;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use media::rtp::{HEADER, Header, Rewrite};
use media::{Accept, Carries, Channel, Codec, Fact, Leg, LegPlan, Plan, Security, Session, SessionId, Verdict};

const A: Leg = Leg::CALLER;
const B: Leg = Leg::CALLEE;
const SILENCE: Duration = Duration::from_secs(30);
const FRAME: Duration = Duration::from_millis(20);

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn phone_a() -> SocketAddr {
    address("127.0.0.10:4000")
}

fn phone_b() -> SocketAddr {
    address("127.0.0.20:5000")
}

#[expect(clippy::disallowed_methods, reason = "a test needs one first moment; all others are reckoned from it")]
fn beginning() -> Instant {
    Instant::now()
}

fn leg_plan(remote: SocketAddr, codec: Codec, dtmf: u8) -> LegPlan {
    let (codec_name, payload_type) = match codec {
        Codec::Pcmu => ("PCMU", 0),
        Codec::Pcma => ("PCMA", 8),
        Codec::G722 => ("G722", 9),
        Codec::Opus => ("opus", 107),
        Codec::Other => ("G729", 18),
    };
    let audio = |payload_type, codec| Accept { payload_type, carries: Carries::Audio(codec) };
    let mut accepts =
        vec![audio(payload_type, codec), Accept { payload_type: dtmf, carries: Carries::Event { clock_hz: 8_000 } }];
    if codec.is_known() {
        accepts.extend([audio(0, Codec::Pcmu), audio(8, Codec::Pcma)]);
    }
    LegPlan {
        remote_rtp: Some(remote),
        remote_rtcp: Some(SocketAddr::new(remote.ip(), remote.port() + 1)),
        send: true,
        receive: true,
        codec,
        codec_name,
        clock_hz: if codec == Codec::Opus { 48_000 } else { 8_000 },
        payload_type,
        accepts,
        dtmf: Some(dtmf),
        dtmf_clock_hz: 8_000,
        tones: true,
        fmtp: None,
        ptime_ms: 20,
        sources: vec![remote.ip()],
        security: Security::Plain,
        ice: None,
        mux: false,
    }
}

fn plan(a: Codec, b: Codec) -> Plan {
    Plan { legs: vec![leg_plan(phone_a(), a, 101), leg_plan(phone_b(), b, 96)] }
}

fn packet(payload_type: u8, sequence: u16, timestamp: u32, ssrc: u32, payload: &[u8]) -> Vec<u8> {
    let mut header = [0; HEADER];
    Rewrite { payload_type, sequence, timestamp, ssrc }.create(&mut header, false);
    [&header, payload].concat()
}

/// What left the session.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Sent {
    leg: Leg,
    channel: Channel,
    to: SocketAddr,
    bytes: Vec<u8>,
}

impl Sent {
    fn header(&self) -> Header {
        Header::parse(&self.bytes).expect("we send what can be read")
    }

    fn payload(&self) -> &[u8] {
        &self.bytes[self.header().payload]
    }
}

/// Things with the moment at which they happened.
type Timed<T> = Vec<(Instant, T)>;

struct Bench {
    session: Session,
    now: Instant,
    /// Reports that the session made by itself.
    reports: Timed<Sent>,
}

impl Bench {
    fn with(legs: usize) -> Self {
        Bench { session: Session::new(SessionId(7), legs, 42, SILENCE), now: beginning(), reports: Vec::new() }
    }

    /// A bridged call in µ-law.
    fn up() -> Self {
        Bench::of(plan(Codec::Pcmu, Codec::Pcmu))
    }

    fn of(plan: Plan) -> Self {
        let mut bench = Bench::with(plan.legs.len());
        bench.apply(plan);
        bench
    }

    fn apply(&mut self, plan: Plan) {
        self.session.apply(self.now, plan);
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    fn on(&mut self, leg: Leg, channel: Channel, from: SocketAddr, bytes: &[u8]) -> Result<Sent, Verdict> {
        let mut buffer = [0; 2_500];
        buffer[..bytes.len()].copy_from_slice(bytes);
        match self.session.receive(self.now, leg, channel, from, &mut buffer, bytes.len()) {
            Verdict::Forward { leg, channel, to, len } => Ok(Sent { leg, channel, to, bytes: buffer[..len].to_vec() }),
            verdict @ (Verdict::Consume | Verdict::Drop(_)) => Err(verdict),
        }
    }

    fn rtp(&mut self, leg: Leg, from: SocketAddr, bytes: &[u8]) -> Result<Sent, Verdict> {
        self.on(leg, Channel::Rtp, from, bytes)
    }

    /// Audio of phone A or B in the codec of its plan here: µ-law.
    fn audio(&mut self, leg: Leg, sequence: u16) -> Result<Sent, Verdict> {
        let (from, ssrc) = if leg == A { (phone_a(), 0xaaaa) } else { (phone_b(), 0xbbbb) };
        self.rtp(leg, from, &packet(0, sequence, u32::from(sequence) * 160, ssrc, &[0x11; 160]))
    }

    fn facts(&mut self) -> Vec<Fact> {
        std::iter::from_fn(|| self.session.poll_fact()).collect()
    }

    fn made(&mut self) -> Vec<Sent> {
        let mut buffer = [0; 1_500];
        let mut sent = Vec::new();
        while let Some(out) = self.session.poll_packet(&mut buffer) {
            sent.push(Sent { leg: out.leg, channel: out.channel, to: out.to, bytes: buffer[..out.len].to_vec() });
        }
        sent
    }

    /// Lets time run to `until`, stopping at every deadline; all audio made and everything told on the way.
    fn run_until(&mut self, until: Instant) -> (Timed<Sent>, Timed<Fact>) {
        let (mut sent, mut facts) = (Vec::new(), Vec::new());
        while let Some(due) = self.session.poll_timeout().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.session.handle_timeout(self.now);
            let (audio, reports): (Vec<Sent>, Vec<Sent>) =
                self.made().into_iter().partition(|s| s.channel == Channel::Rtp);
            sent.extend(audio.into_iter().map(|s| (self.now, s)));
            self.reports.extend(reports.into_iter().map(|s| (self.now, s)));
            facts.extend(self.facts().into_iter().map(|f| (self.now, f)));
        }
        self.now = until;
        (sent, facts)
    }
}
