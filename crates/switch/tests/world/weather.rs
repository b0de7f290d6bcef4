//! The same calls in every weather.

use std::ops::Range;
use std::time::Duration;

use testkit::Weather;

use super::flows;

fn calls() -> usize {
    if std::env::var_os("YAKYAK_SOAK").is_some() { 1_000 } else { 100 }
}

fn seed(default: u64) -> u64 {
    std::env::var("YAKYAK_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(default)
}

fn ms(range: Range<u64>) -> Range<Duration> {
    Duration::from_millis(range.start)..Duration::from_millis(range.end)
}

/// Runs the calls; at least `share` of a hundred must go as they should. Records and counts are exact whatever happens.
fn holds(default: u64, weather: Weather, share: usize) {
    let (seed, calls) = (seed(default), calls());
    let failures = flows::run(seed, weather.clone(), calls);
    let allowed = calls * (100 - share) / 100;
    assert!(
        failures.len() <= allowed,
        "seed {seed}, {weather:?}: {} of {calls} calls failed, {allowed} may:\n{}",
        failures.len(),
        failures[..failures.len().min(5)].join("\n")
    );
}

#[test]
fn calm() {
    holds(100, Weather::CALM, 100);
}

#[test]
fn ten_percent_loss() {
    holds(101, Weather { loss: 0.1, delay: ms(5..40), ..Weather::CALM }, 99);
}

#[test]
fn duplication() {
    holds(102, Weather { duplicate: 0.3, delay: ms(5..60), ..Weather::CALM }, 100);
}

#[test]
fn reordering() {
    holds(103, Weather { reorder: 0.3, delay: ms(5..60), ..Weather::CALM }, 100);
}

#[test]
fn delay() {
    holds(104, Weather { delay: ms(0..800), ..Weather::CALM }, 100);
}

#[test]
fn storm() {
    holds(105, Weather::STORM, 99);
}
