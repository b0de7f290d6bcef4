//! In time, too, whoever does not pass learns nothing: names that are there, missing, disabled and locked are refused after
//! the same work.

use std::hint::black_box;
use std::time::{Duration, Instant};

use sip::{Gate, Request, Scope};

use crate::bench::{ALICE, Bench, Draft, Signer};

/// The medians may lie this far apart.
const APART: f64 = 0.05;
/// On a machine that does other things, one measurement may be disturbed; a leak shows in each of them.
const TRIES: usize = 12;

/// What is compared, with the password that each tries.
const KINDS: [(&str, &str, &str); 5] = [
    ("there, wrong password", "1001", "wrong"),
    ("missing", "7001", "wrong"),
    ("disabled", "1003", "wrong"),
    ("disabled, right password", "1003", "secret-acme-1003"),
    ("locked, right password", "1002", "secret-acme-1002"),
];

/// An address with a phone that works, so that nobody is banned for the tries, and with one name that is locked.
fn office() -> Bench {
    let mut bench = Bench::new();
    bench.code_as(Draft::new("REGISTER"), ALICE);
    for _ in 0..8 {
        bench.code_as(Draft::new("REGISTER").to("sip:1002@acme.test"), Signer::new("1002", "guess"));
    }
    assert_eq!(
        bench.code_as(Draft::new("REGISTER").to("sip:1002@acme.test"), Signer::new("1002", "secret-acme-1002")),
        401
    );
    bench
}

fn request(bench: &mut Bench, username: &str, password: &str) -> Request {
    let draft = Draft::new("REGISTER").to(&format!("sip:{username}@acme.test"));
    let challenge = bench.refusal(&draft);
    draft.signed(&challenge, Signer::new(username, password)).build()
}

fn median(times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64()
}

#[expect(clippy::disallowed_methods, reason = "time is what is measured")]
fn medians(tries: usize) -> Vec<f64> {
    let mut bench = office();
    let mut requests = KINDS.map(|(_, username, password)| request(&mut bench, username, password));
    let mut times = vec![Vec::with_capacity(tries); KINDS.len()];
    for number in 0..tries {
        // Before the guesses at names become so many that the address is banned.
        if number % 20 == 19 {
            bench = office();
            requests = KINDS.map(|(_, username, password)| request(&mut bench, username, password));
        }
        // Interleaved, and each kind comes after each other one in its turn.
        for place in 0..KINDS.len() {
            let kind = (place * (1 + number % 4) + number) % KINDS.len();
            let mut gate = bench.admittance.gate(&bench.registrar);
            let begin = Instant::now();
            let admission = black_box(gate.admit(bench.now, &bench.flow, &requests[kind], Scope::OutOfDialog));
            let took = begin.elapsed();
            assert!(matches!(admission, sip::Admission::Refuse(reply) if reply.code == 401), "{:?}", KINDS[kind]);
            times[kind].push(took);
        }
    }
    times.iter_mut().map(|times| median(times)).collect()
}

#[test]
fn the_medians_of_all_refusals_are_alike() {
    let mut seen = Vec::new();
    for _ in 0..TRIES {
        let medians = medians(10_000);
        let (least, most) =
            medians.iter().fold((f64::MAX, 0.0_f64), |(least, most), median| (least.min(*median), most.max(*median)));
        let apart = most / least - 1.0;
        seen.push(medians.iter().map(|median| (median * 1e9).round()).collect::<Vec<_>>());
        if apart <= APART {
            return;
        }
    }
    panic!("nanoseconds of {KINDS:?}: {seen:?}");
}
