//! Thousands of phones lose their connections at once and come back, over WSS and over TLS.
//!
//! The server runs on core 0; the phones and PostgreSQL on core 1. Each phone has a connection of its own, twenty phones
//! share an address as in an office. All connections are reset in one moment, without goodbye; each phone waits up to five
//! seconds, as phones do, opens another one with a whole TLS handshake and registers. All the while a phone on UDP
//! registers anew ten times a second: what it notices is what others notice.
//!
//!     cargo bench --bench reconnect                  the figures of docs/PERFORMANCE.md
//!     YAKYAK_BENCH_PHONES=500 cargo bench --bench reconnect
//!     cargo bench --bench reconnect -- --quick       the same, small, to see that it runs

#![expect(clippy::print_stdout, reason = "printing figures is what it is for")]

#[path = "reconnect/clients.rs"]
mod clients;
#[path = "signalling/figures.rs"]
#[expect(dead_code, reason = "the other bench counts more")]
mod figures;
#[path = "signalling/phones.rs"]
#[expect(dead_code, reason = "the other bench asks more of the phones")]
mod phones;
#[path = "signalling/server.rs"]
mod server;
#[path = "reconnect/streams.rs"]
mod streams;
#[path = "reconnect/witness.rs"]
mod witness;

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use clients::Crowd;
use server::Server;
use streams::Kind;
use witness::Witness;

/// Until when the last phone must be back.
const GOAL: Duration = Duration::from_secs(60);
/// How long phones wait before they come back, at most.
const PAUSE: Duration = Duration::from_secs(5);
/// How fast they come the first time, per second.
const FIRST_PER_S: f64 = 500.0;

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick" || argument == "--test");
    let phones = wanted("YAKYAK_BENCH_PHONES", if quick { 50 } else { 5_000 });
    let calm = Duration::from_secs(if quick { 1 } else { 5 });
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    figures::pin(std::process::id(), 1);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("load average before: {}", load.split(' ').take(3).collect::<Vec<_>>().join(" "));
    // One more for the phone that watches.
    let mut server = Server::prepare(phones + 1);
    for kind in [Kind::Wss, Kind::Tls] {
        server.start();
        round(&server, kind, phones, calm);
        server.stop();
    }
}

/// Lets all of them register, cuts them, and watches how they come back.
fn round(server: &Server, kind: Kind, phones: usize, calm: Duration) {
    let empty = server.memory_kb();
    let mut crowd = Crowd::new(server.listens(kind.listener()), &server.domain, kind, phones);
    let first = crowd.come(Duration::from_secs_f64(phones as f64 / FIRST_PER_S));
    println!("{phones} phones over {}, at first within {:.1} s: {first}", kind.name(), first.last.as_secs_f64());
    let full = server.memory_since(empty);
    let witness = Witness::start(server.address, server.domain.clone(), phones);
    crowd.rest(calm);
    let before = witness.take();

    let cpu = server.cpu_ms();
    let back = crowd.come(PAUSE);
    let cpu = server.cpu_ms() - cpu;
    let meanwhile = witness.take();
    let again = server.memory_since(empty);

    let (took, goal) = (back.last.as_secs_f64(), GOAL.as_secs());
    let verdict = if back.last <= GOAL { "met" } else { "not met" };
    println!("  cut at once, the last is back after {took:.1} s (goal {goal} s, {verdict}): {back}");
    println!("  CPU of the server: {cpu:.0} ms, {:.2} ms per phone", cpu / phones as f64);
    let each = |grown: f64| grown / phones as f64;
    println!("  memory per phone: {:.1} kB before, {:.1} kB when all are back", each(full), each(again));
    println!("  a phone on UDP before: {before}");
    println!("  a phone on UDP meanwhile: {meanwhile}");
    assert_eq!(before.failed + meanwhile.failed, 0, "nobody else is disturbed");
}

/// A number from the environment.
fn wanted(name: &str, otherwise: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}
