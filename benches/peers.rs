//! The same registrations and the same calls through YakYak and through kamailio, side by side.
//!
//! Both run on core 0, one working while the other waits; the generator (and YakYak's PostgreSQL) on core 1. kamailio is a
//! stateful proxy: it checks the same digests and keeps bindings and transactions in memory, but it opens no media and
//! leaves no record, which YakYak does for every call.
//!
//!     make bench-peers                                    five rounds of five seconds
//!     YAKYAK_BENCH_ROUNDS=9 YAKYAK_BENCH_SECONDS=10 make bench-peers
//!     YAKYAK_BENCH_EXTENSIONS=500 make bench-peers        fewer extensions, ready sooner
//!     cargo bench --bench peers -- --quick                one small round, to see that it runs

#![expect(clippy::print_stdout, reason = "printing figures is what it is for")]

#[path = "signalling/figures.rs"]
mod figures;
#[path = "peers/kamailio.rs"]
mod kamailio;
#[path = "signalling/phones.rs"]
#[expect(dead_code, reason = "the other bench asks more of the phones")]
mod phones;
#[path = "signalling/server.rs"]
#[expect(dead_code, reason = "the other bench looks at memory too")]
mod server;

use std::time::Duration;

use figures::{Figures, spread};
use kamailio::Kamailio;
use phones::{Load, Phones};
use server::Server;

/// One of the two, with phones of its own.
struct Subject {
    name: &'static str,
    phones: Phones,
    cost: Vec<f64>,
    seen: Figures,
}

impl Subject {
    fn new(name: &'static str, phones: Phones) -> Self {
        Self { name, phones, cost: Vec::new(), seen: Figures::default() }
    }

    /// One load, and its CPU per registration or call.
    fn run(&mut self, load: Load, cpu_ms: impl Fn() -> f64) {
        let before = cpu_ms();
        let figures = self.phones.run(load);
        self.cost.push((cpu_ms() - before) / figures.completed.max(1) as f64);
        self.seen.add(figures);
    }

    fn report(&mut self) {
        println!("  {:8}  CPU {} ms each; {}", self.name, spread(&mut self.cost.clone()), self.seen);
    }

    fn clear(&mut self) {
        self.cost.clear();
        self.seen = Figures::default();
    }
}

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick" || argument == "--test");
    let (extensions, registrations, calls) = if quick { (100, 200, 50) } else { (10_000, 4_000, 1_000) };
    let extensions = wanted("YAKYAK_BENCH_EXTENSIONS", extensions) as usize;
    let rounds = wanted("YAKYAK_BENCH_ROUNDS", if quick { 1 } else { 5 });
    let during = Duration::from_secs(wanted("YAKYAK_BENCH_SECONDS", if quick { 1 } else { 5 }));
    figures::pin(std::process::id(), 1);
    let mut server = Server::prepare(extensions);
    server.start();
    let kamailio = Kamailio::start(&server.domain, extensions);
    let mut ours = Subject::new("YakYak", Phones::new(server.address, server.domain.clone(), extensions));
    let mut theirs = Subject::new("kamailio", Phones::new(kamailio.address, server.domain.clone(), extensions));
    for subject in [&mut ours, &mut theirs] {
        subject.phones.register_all(1);
    }
    let mut pair = Pair { server: &server, ours, kamailio: &kamailio, theirs, rounds };
    println!("{rounds} rounds of {} s each, in turns", during.as_secs());
    pair.compare("REGISTER with digest, both rounds", || Load::registrations(registrations, during));
    pair.compare("bridged call, INVITE to BYE", || Load::calls(calls, during, Duration::from_millis(50)));
    server.stop();
}

/// Both of them, ready to work.
struct Pair<'a> {
    server: &'a Server,
    ours: Subject,
    kamailio: &'a Kamailio,
    theirs: Subject,
    rounds: u64,
}

impl Pair<'_> {
    /// The same load for both, in turns, and what it cost.
    fn compare(&mut self, what: &str, load: impl Fn() -> Load) {
        for _ in 0..self.rounds {
            self.ours.run(load(), || self.server.cpu_ms());
            self.theirs.run(load(), || self.kamailio.cpu_ms());
        }
        println!("{what}");
        self.ours.report();
        self.theirs.report();
        let mut ratios: Vec<f64> =
            self.ours.cost.iter().zip(&self.theirs.cost).map(|(ours, theirs)| ours / theirs).collect();
        println!("  ratio     {}", spread(&mut ratios));
        self.ours.clear();
        self.theirs.clear();
    }
}

/// A number from the environment.
fn wanted(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).filter(|number| *number > 0).unwrap_or(usual)
}
