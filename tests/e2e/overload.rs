//! More than can be done: a real switchboard with slow doors, so that its rate is known on any machine.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use sip::{EndpointConfig, Flow, Message, Name, Transport};
use sip_net::Guard;
use switch::{Input, Output, ShardConfig};
use testkit::TenantBuilder;
use yakyak::front::{Front, group};
use yakyak::switchboard::{Effects, Mailbox, Switchboard, Unopened};

/// What one answer costs the switchboard: it can give nearly 200 a second.
const COST: Duration = Duration::from_millis(5);
/// INVITEs per second that it is good for.
const RATED: u32 = 80;
/// On a machine that does other things a test of times may be disturbed; a fault shows each time.
const TRIES: usize = 5;

/// What left, by Call-ID: the status, and how long after its request.
type Answers = Arc<Mutex<Vec<(String, u16, Instant)>>>;

struct SlowDoors(Answers);

impl Effects for SlowDoors {
    fn perform(&mut self, output: Output) {
        if let Output::Transmit(transmit) = output {
            std::thread::sleep(COST);
            note(&self.0, &transmit.bytes);
        }
    }
}

fn note(answers: &Answers, bytes: &Bytes) {
    if let Ok(Message::Response(response)) = Message::parse_datagram(bytes.clone()) {
        let call_id = String::from_utf8_lossy(&response.call_id().unwrap()).into_owned();
        if response.code() == 503 {
            assert!(response.headers().get(&Name::RetryAfter).is_some());
        }
        answers.lock().unwrap().push((call_id, response.code(), Instant::now()));
    }
}

struct Bench {
    switchboard: Switchboard,
    mailbox: Mailbox,
    answers: Answers,
}

/// The phone with this number, of one of two tenants.
fn flow(tenant: u8, number: u8) -> Flow {
    let remote = SocketAddr::from(([127, 1, tenant, number], 5060));
    Flow { transport: Transport::Udp, local: "127.0.0.1:5060".parse().unwrap(), remote }
}

impl Bench {
    /// Tenants alpha (0) and beta (1), with a registered phone each, and a stranger at tenant 2.
    fn new() -> Self {
        let answers = Answers::default();
        let guard = Guard::open();
        let mailbox_of = Unopened::new(Front::new(guard.clone(), [3; 32]));
        let mailbox = mailbox_of.mailbox.clone();
        for (index, slug) in ["alpha", "beta"].into_iter().enumerate() {
            let mut snapshot = (*TenantBuilder::new(slug).with_extensions(&["1001", "1002"]).snapshot()).clone();
            snapshot.tenant.emergency_numbers = vec!["112".to_owned()];
            guard.know(&flow(u8::try_from(index).unwrap(), 1), group(snapshot.tenant.id));
            mailbox.post(Input::Snapshot(Arc::new(snapshot)));
        }
        let told = Arc::clone(&answers);
        mailbox.front().sends_through(move |transmit| note(&told, &transmit.bytes));
        let endpoint = EndpointConfig::new([1; 32], "test");
        let config = ShardConfig::new(endpoint, (Instant::now(), jiff::Timestamp::now()), [2; 32]);
        let switchboard = mailbox_of.open(config, SlowDoors(Arc::clone(&answers))).unwrap();
        Self { switchboard, mailbox, answers }
    }

    fn ask(&self, tenant: u8, method: &str, user: &str, to: &str, call_id: &str) {
        let slug = if tenant == 1 { "beta" } else { "alpha" };
        let text = format!(
            "{method} sip:{user}@{slug}.test SIP/2.0\r\nVia: SIP/2.0/UDP 127.1.{tenant}.1;branch=z9hG4bK{call_id}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:1001@{slug}.test>;tag=a\r\nTo: <sip:{user}@{slug}.test>{to}\r\n\
             Call-ID: {call_id}\r\nCSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"
        );
        let message = Message::parse_datagram(Bytes::from(text)).unwrap();
        assert!(self.mailbox.offer_sip(Input::Sip { flow: flow(tenant, 1), message }), "{call_id} is lost");
    }

    /// Asks at a rate, for a time; when each was asked.
    fn load(&self, name: &str, per_s: u32, lasts: Duration, ask: impl Fn(&str)) -> Vec<(String, Instant)> {
        let begin = Instant::now();
        let mut asked = Vec::new();
        while begin.elapsed() < lasts {
            let due = (begin.elapsed().as_secs_f64() * f64::from(per_s)) as usize;
            while asked.len() < due {
                let call_id = format!("{name}-{}", asked.len());
                let at = Instant::now();
                ask(&call_id);
                asked.push((call_id, at));
            }
            std::thread::sleep(Duration::from_micros(500));
        }
        asked
    }

    /// How each was answered, and how long that took; waits for what is still missing.
    fn outcome(&self, asked: &[(String, Instant)]) -> Vec<(u16, Duration)> {
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            let answers = self.answers.lock().unwrap().clone();
            let of = |call_id: &String| answers.iter().find(|(answered, ..)| answered == call_id);
            let found: Vec<_> =
                asked.iter().map_while(|(call_id, at)| of(call_id).map(|found| (found.1, found.2 - *at))).collect();
            if found.len() == asked.len() {
                return found;
            }
            assert!(Instant::now() < until, "{} of {} answered", found.len(), asked.len());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn stop(self) {
        self.switchboard.stop();
    }
}

fn count(outcome: &[(u16, Duration)], code: u16) -> usize {
    outcome.iter().filter(|(answered, _)| *answered == code).count()
}

/// Whether something holds, or what is so instead.
macro_rules! hold {
    ($condition:expr, $($words:tt)+) => {
        if !$condition {
            return Err(format!($($words)+));
        }
    };
}

/// Tries until it holds once.
fn holds(test: impl Fn(&Bench) -> Result<(), String>) {
    let _alone = crate::alone();
    let mut seen = Vec::new();
    for _ in 0..TRIES {
        let bench = Bench::new();
        let held = test(&bench);
        bench.stop();
        match held {
            Ok(()) => return,
            Err(words) => seen.push(words),
        }
    }
    panic!("{seen:#?}");
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[test]
fn at_ten_times_the_rate_the_work_goes_on_and_the_rest_is_told_at_once() {
    holds(ten_times_the_rate);
}

fn ten_times_the_rate(bench: &Bench) -> Result<(), String> {
    let lasts = Duration::from_secs(2);
    let calm = bench.load("calm", RATED, lasts, |call_id| bench.ask(0, "INVITE", "1002", "", call_id));
    let calm = bench.outcome(&calm);
    hold!(count(&calm, 407) == calm.len(), "at the rate it is good for, some are turned away");

    let over = AtomicBool::new(false);
    let (storm, byes, emergencies) = std::thread::scope(|scope| {
        let belonging = scope.spawn(|| {
            let mut byes = Vec::new();
            let mut emergencies = Vec::new();
            while !over.load(Ordering::Relaxed) {
                let number = byes.len();
                for (asked, name, method, user, to) in
                    [(&mut byes, "bye", "BYE", "1002", ";tag=x"), (&mut emergencies, "emergency", "INVITE", "112", "")]
                {
                    let call_id = format!("{name}-{number}");
                    let at = Instant::now();
                    bench.ask(0, method, user, to, &call_id);
                    asked.push((call_id, at));
                }
                std::thread::sleep(Duration::from_millis(100));
            }
            (byes, emergencies)
        });
        let storm = bench.load("storm", RATED * 10, lasts, |call_id| bench.ask(0, "INVITE", "1002", "", call_id));
        over.store(true, Ordering::Relaxed);
        let (byes, emergencies) = belonging.join().unwrap();
        (storm, byes, emergencies)
    });
    let storm = bench.outcome(&storm);
    let (done, turned_away) = (count(&storm, 407), count(&storm, 503));
    assert_eq!(done + turned_away, storm.len());
    let mut refused: Vec<Duration> = storm.iter().filter(|(code, _)| *code == 503).map(|(_, took)| *took).collect();
    refused.sort_unstable();
    hold!(refused[refused.len() * 99 / 100] < Duration::from_millis(50), "refused after {:?}", refused.last());
    let byes = bench.outcome(&byes);
    assert_eq!(count(&byes, 481), byes.len(), "what belongs to a dialog is never turned away");
    let emergencies = bench.outcome(&emergencies);
    assert_eq!(count(&emergencies, 407), emergencies.len(), "nor is an emergency call");
    let done = done + byes.len() + emergencies.len();
    hold!(done * 10 >= calm.len() * 8, "{done} are done, {} were at the rated load", calm.len());
    let waited = median(emergencies.iter().chain(&byes).map(|(_, took)| *took).collect());
    hold!(waited < Duration::from_millis(100), "what is urgent waits {waited:?}");
    Ok(())
}

#[test]
fn one_tenant_at_its_limits_does_not_make_another_wait() {
    holds(one_tenants_flood);
}

fn one_tenants_flood(bench: &Bench) -> Result<(), String> {
    let lasts = Duration::from_secs(2);
    let beta = |name: &str| bench.load(name, 20, lasts, |call_id| bench.ask(1, "INVITE", "1002", "", call_id));
    // Beside a tenant that keeps the switchboard busy within what it can do.
    let (busy, calm) = std::thread::scope(|scope| {
        let busy =
            scope.spawn(|| bench.load("busy", RATED, lasts, |call_id| bench.ask(0, "INVITE", "1002", "", call_id)));
        let calm = beta("calm");
        (busy.join().unwrap(), calm)
    });
    bench.outcome(&busy);
    let (flood, beside) = std::thread::scope(|scope| {
        let flood =
            scope.spawn(|| bench.load("flood", 2_000, lasts, |call_id| bench.ask(0, "INVITE", "1002", "", call_id)));
        let beside = beta("beside");
        (flood.join().unwrap(), beside)
    });
    let flood = bench.outcome(&flood);
    assert!(count(&flood, 503) > 0);
    let (calm, beside) = (bench.outcome(&calm), bench.outcome(&beside));
    hold!(count(&beside, 407) == beside.len(), "some of the other tenant are turned away");
    let wait = |outcome: &[(u16, Duration)]| median(outcome.iter().map(|(_, took)| *took).collect());
    // At most what is being done already, and one of the other's, stands before it.
    let most = COST * 2 * u32::try_from(switch::limits::BATCH).unwrap();
    hold!(wait(&beside) < most, "{:?} alone, {:?} beside the flood", wait(&calm), wait(&beside));
    Ok(())
}

#[test]
fn strangers_wait_behind_registered_phones() {
    holds(a_crowd_of_strangers);
}

fn a_crowd_of_strangers(bench: &Bench) -> Result<(), String> {
    let lasts = Duration::from_secs(2);
    let (strangers, phones) = std::thread::scope(|scope| {
        let strangers = scope
            .spawn(|| bench.load("stranger", 2_000, lasts, |call_id| bench.ask(2, "REGISTER", "1001", "", call_id)));
        let phones = bench.load("phone", 50, lasts, |call_id| bench.ask(0, "INVITE", "1002", "", call_id));
        (strangers.join().unwrap(), phones)
    });
    let phones = bench.outcome(&phones);
    hold!(count(&phones, 407) == phones.len(), "phones are turned away");
    let strangers = bench.outcome(&strangers);
    let (answered, turned_away) = (count(&strangers, 401), count(&strangers, 503));
    assert_eq!(answered + turned_away, strangers.len());
    hold!(answered > 50, "strangers are not heard: {answered}");
    Ok(())
}
