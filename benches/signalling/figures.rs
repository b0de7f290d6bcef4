//! What is counted, and how it is printed.

use std::fmt;
use std::time::Duration;

/// What one load run saw.
#[derive(Default)]
pub(crate) struct Figures {
    /// Begun.
    pub(crate) begun: u64,
    /// Ended as they should.
    pub(crate) completed: u64,
    /// Ended otherwise, or not at all.
    pub(crate) failed: u64,
    /// Requests sent again because no answer came in time.
    pub(crate) resent: u64,
    /// Delay added by the server.
    pub(crate) delays: Vec<Duration>,
}

impl Figures {
    pub(crate) fn add(&mut self, other: Figures) {
        self.begun += other.begun;
        self.completed += other.completed;
        self.failed += other.failed;
        self.resent += other.resent;
        self.delays.extend(other.delays);
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut delays = self.delays.clone();
        delays.sort_unstable();
        let at = |share: f64| {
            let index = ((delays.len() as f64 * share) as usize).min(delays.len().saturating_sub(1));
            delays.get(index).map_or(0.0, |delay| delay.as_secs_f64() * 1000.0)
        };
        write!(
            f,
            "{} begun, {} completed, {} failed, {} resent; delay p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms",
            self.begun,
            self.completed,
            self.failed,
            self.resent,
            at(0.5),
            at(0.99),
            at(0.999)
        )
    }
}

/// Median and range.
pub(crate) fn spread(values: &mut [f64]) -> String {
    values.sort_by(f64::total_cmp);
    match values {
        [] => String::from("none"),
        [only] => format!("{only:.4}"),
        _ => format!("{:.4} ({:.4}–{:.4})", values[values.len() / 2], values[0], values[values.len() - 1]),
    }
}

/// Binds every thread of a process to one core; on a machine with a single core nothing happens.
pub(crate) fn pin(process: u32, core: u32) {
    let _ = std::process::Command::new("taskset")
        .args(["-acp", &core.to_string(), &process.to_string()])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status();
}
