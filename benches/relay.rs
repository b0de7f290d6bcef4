//! What a relayed packet costs, beside the least it could cost.
//!
//! `cargo bench --bench relay [-- --quick] [--streams N] [--seconds N] [--runs N] [--srtp]`
//!
//! The bench starts itself again as the server, on one core, and sends from another. The server is in
//! turn the *floor* (a bare loop: epoll, one receive, one send per packet) and the *product* (the media
//! worker with a plain plan of two legs). Every stream is 50 packets a second of 172 bytes; the streams
//! are spread evenly over the 20 ms. Printed are CPU time per packet, loss and delay, and the ratio of
//! the two, as medians over the runs with their ranges. With `--srtp` calls whose second leg is encrypted
//! (AES-CM with HMAC-SHA1, then AES-GCM) take their turns too: what they cost more than plain ones is printed.
#![expect(clippy::print_stdout, reason = "a bench prints what it found")]

#[path = "relay/floor.rs"]
mod floor;
#[path = "relay/generator.rs"]
mod generator;
#[path = "relay/report.rs"]
mod report;
#[path = "relay/server.rs"]
mod server;

use std::process::ExitCode;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use report::{Report, Run, Verdict};
use server::{Kind, Server};

/// What one invocation does.
#[derive(Debug, Clone, Copy)]
struct Plan {
    streams: usize,
    length: Duration,
    runs: usize,
    /// Whether encrypted calls are measured too.
    srtp: bool,
    /// Whether the goals of a release are judged.
    judged: bool,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    raise_descriptor_limit();
    if let [word, kind] = arguments.as_slice()
        && word == "serve"
    {
        server::serve(Kind::named(kind));
        return ExitCode::SUCCESS;
    }
    let plan = plan(&arguments);
    println!("{} streams, {} s, {} runs of each", plan.streams, plan.length.as_secs_f32(), plan.runs);
    let mut report = Report::default();
    let kinds = if plan.srtp { &Kind::ALL[..] } else { &Kind::ALL[..2] };
    for round in 0..plan.runs {
        // The order changes from round to round, so that none always has the colder machine.
        for place in 0..kinds.len() {
            let run = run(kinds[(place + round) % kinds.len()], plan);
            println!("{run}");
            report.add(run);
        }
    }
    println!("{report}");
    if !plan.judged {
        return ExitCode::SUCCESS;
    }
    println!("{}", report.verdict());
    if report.verdict() == Verdict::Missed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn plan(arguments: &[String]) -> Plan {
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let number = |name: &str, usual: usize| {
        let mut rest = arguments.iter().skip_while(|argument| *argument != name).skip(1);
        rest.next().and_then(|value| value.parse().ok()).unwrap_or(usual)
    };
    let (streams, seconds, runs) = if quick { (100, 1, 1) } else { (1_000, 10, 5) };
    Plan {
        streams: number("--streams", streams).max(2) / 2 * 2,
        length: Duration::from_secs(number("--seconds", seconds) as u64),
        runs: number("--runs", runs).max(1),
        srtp: arguments.iter().any(|argument| argument == "--srtp"),
        judged: !quick,
    }
}

fn run(kind: Kind, plan: Plan) -> Run {
    let cores = cores();
    pin(cores[cores.len() - 1]);
    let generator = generator::Generator::new(plan.streams, kind.suite());
    let server = Server::start(kind, plan.streams, generator.addresses());
    let traffic = generator.run(&server.ports, plan.length, || server.cpu_time());
    Run { kind, traffic, bytes_per_call: server.bytes_per_call }
}

/// The cores this process may use; the first is the server's, the last the generator's.
fn cores() -> Vec<usize> {
    let allowed = sched_getaffinity(None).expect("the allowed cores");
    let cores: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)).collect();
    // Once pinned, a process sees one core only: the others are those of the machine.
    let all = std::fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default();
    match all.trim().rsplit(['-', ',']).next().and_then(|last| last.parse().ok()) {
        Some(last) if cores.len() == 1 => vec![0, last],
        _ => cores,
    }
}

fn pin(core: usize) {
    let mut set = CpuSet::new();
    set.set(core);
    // On a machine with one core there is nothing to choose.
    let _ = sched_setaffinity(None, &set);
}

fn raise_descriptor_limit() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}
