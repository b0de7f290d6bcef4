//! Registrations and calls through the real program, over real sockets on loopback.
//!
//! The server runs on core 0; the generator and PostgreSQL on core 1. The generator is open-loop: it sends when the
//! clock says so, whether or not the server keeps up, and counts every loss and every retransmission it sees.
//!
//!     cargo bench --bench signalling                 the figures of docs/PERFORMANCE.md
//!     cargo bench --bench signalling -- --quick      the same, small, to see that it runs

#![expect(clippy::print_stdout, reason = "printing figures is what it is for")]

#[path = "signalling/figures.rs"]
mod figures;
#[path = "signalling/phones.rs"]
mod phones;
#[path = "signalling/server.rs"]
mod server;

use std::time::Duration;

use figures::{Figures, spread};
use phones::{Load, Phones};
use server::Server;

/// Timer J and a little more.
const TRANSACTIONS_END: Duration = Duration::from_secs(34);

/// How much of everything.
struct Size {
    extensions: usize,
    rounds: usize,
    seconds: u64,
    registrations_per_s: u32,
    call_rates: &'static [u32],
    half_load: u32,
    /// What the server must carry for long; loads are also given as shares of it.
    rated: u32,
    shares: &'static [f64],
    held: u32,
    /// Phones of each extension when the memory of many is measured.
    lines: usize,
    /// How long transactions are made before, and how long all of them take to end.
    warm: Duration,
    rest: Duration,
}

const FULL: Size = Size {
    extensions: 10_000,
    rounds: 5,
    seconds: 5,
    registrations_per_s: 4_000,
    call_rates: &[500, 1_000, 1_500, 2_000, 2_500, 3_000],
    half_load: 1_000,
    rated: 1_000,
    shares: &[0.5, 1.0, 2.0, 5.0, 10.0],
    held: 2_000,
    lines: 11,
    warm: Duration::from_secs(20),
    rest: TRANSACTIONS_END,
};

const QUICK: Size = Size {
    extensions: 100,
    rounds: 1,
    seconds: 1,
    registrations_per_s: 200,
    call_rates: &[50],
    half_load: 25,
    rated: 50,
    shares: &[1.0, 10.0],
    held: 20,
    lines: 3,
    warm: Duration::from_secs(1),
    rest: Duration::ZERO,
};

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick" || argument == "--test");
    let size = if quick { &QUICK } else { &FULL };
    figures::pin(std::process::id(), 1);
    let mut server = Server::prepare(size.extensions);
    let ready = server.start();
    println!("start with {} extensions in the database: {} ms", size.extensions, ready.as_millis());
    let mut phones = Phones::new(server.address, server.domain.clone(), size.extensions);
    warm_up(&mut phones, size, size.warm / 4);
    phones.register_all(1);
    held_calls(&server, &mut phones, size);
    registrations(&server, &mut phones, size);
    calls(&server, &mut phones, size);
    goodput(&mut phones, size);
    server.stop();
    bindings(&mut server, size);
}

/// Transactions live for 32 s. As many are made and left to end as there will be, so that what is measured is what stays.
fn warm_up(phones: &mut Phones, size: &Size, during: Duration) {
    phones.run(Load::registrations(size.registrations_per_s / 2, during).among(100.min(size.extensions)));
    std::thread::sleep(size.rest);
}

/// What a binding takes when there are very many. A server of its own, since freed memory is not given back; it has read
/// one phone of each extension from the database.
fn bindings(server: &mut Server, size: &Size) {
    server.start();
    let mut phones = Phones::new(server.address, server.domain.clone(), size.extensions);
    warm_up(&mut phones, size, size.warm);
    let before = server.memory_kb();
    let new = phones.register_all(size.lines) - size.extensions;
    std::thread::sleep(size.rest);
    println!("memory per registered phone: {:.2} kB ({new} phones)", server.memory_since(before) / new as f64);
    server.stop();
}

/// Calls that end well per second, at shares and multiples of the rated load.
fn goodput(phones: &mut Phones, size: &Size) {
    for share in size.shares {
        let rate = (f64::from(size.rated) * share) as u32;
        let during = Duration::from_secs(size.seconds);
        let figures = phones.run(Load::calls(rate, during, Duration::from_millis(50)));
        let good = figures.completed as f64 / during.as_secs_f64();
        println!("{share} × the rated {}/s: goodput {good:.0}/s; {figures}", size.rated);
    }
}

fn registrations(server: &Server, phones: &mut Phones, size: &Size) {
    let mut cost = Vec::new();
    let mut last = Figures::default();
    for _ in 0..size.rounds {
        let before = server.cpu_ms();
        last = phones.run(Load::registrations(size.registrations_per_s, Duration::from_secs(size.seconds)));
        cost.push((server.cpu_ms() - before) / last.completed as f64);
    }
    println!(
        "REGISTER with digest, both rounds, at {}/s: CPU {} ms each; {last}",
        size.registrations_per_s,
        spread(&mut cost)
    );
}

fn calls(server: &Server, phones: &mut Phones, size: &Size) {
    for &rate in size.call_rates {
        let mut cost = Vec::new();
        let mut all = Figures::default();
        let rounds = if rate == size.half_load { size.rounds } else { size.rounds.min(2) };
        for _ in 0..rounds {
            let before = server.cpu_ms();
            let figures = phones.run(Load::calls(rate, Duration::from_secs(size.seconds), Duration::from_millis(50)));
            cost.push((server.cpu_ms() - before) / figures.completed.max(1) as f64);
            all.add(figures);
        }
        println!("bridged calls at {rate}/s: CPU {} ms each; {all}", spread(&mut cost));
        if all.failed > 0 {
            println!("  calls failed at {rate}/s; higher rates are not tried");
            return;
        }
    }
}

fn held_calls(server: &Server, phones: &mut Phones, size: &Size) {
    let before = server.memory_kb();
    let rate = (size.held / 4).max(5);
    let load = Load::calls(rate, Duration::from_secs(u64::from(size.held / rate)), Duration::from_secs(8));
    let figures = phones.run_with(load, |up| {
        if up == size.held as usize {
            println!("memory per bridged call: {:.1} kB ({up} calls up)", server.memory_since(before) / up as f64);
        }
    });
    println!("held calls: {figures}");
}
