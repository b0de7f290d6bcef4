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
    /// How long refusals for want of room took (503).
    pub(crate) refusals: Vec<Duration>,
}

impl Figures {
    pub(crate) fn add(&mut self, other: Figures) {
        self.begun += other.begun;
        self.completed += other.completed;
        self.failed += other.failed;
        self.resent += other.resent;
        self.delays.extend(other.delays);
        self.refusals.extend(other.refusals);
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} begun, {} completed, {} failed, {} resent; delay {}",
            self.begun,
            self.completed,
            self.failed,
            self.resent,
            Delays(&self.delays)
        )?;
        if !self.refusals.is_empty() {
            write!(f, "; {} refused (503) after {}", self.refusals.len(), Delays(&self.refusals))?;
        }
        Ok(())
    }
}

/// p50, p99 and p99.9.
pub(crate) struct Delays<'a>(pub(crate) &'a [Duration]);

impl fmt::Display for Delays<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut delays = self.0.to_vec();
        delays.sort_unstable();
        let at = |share: f64| {
            let index = ((delays.len() as f64 * share) as usize).min(delays.len().saturating_sub(1));
            delays.get(index).map_or(0.0, |delay| delay.as_secs_f64() * 1000.0)
        };
        write!(f, "p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms", at(0.5), at(0.99), at(0.999))
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

/// User and system time of a process and its children so far, in milliseconds.
pub(crate) fn cpu_ms(process: u32) -> f64 {
    family(process).into_iter().map(own_cpu_ms).sum()
}

/// What /proc counts in: USER_HZ is 100 on every Linux.
const TICK_MS: f64 = 10.0;

fn own_cpu_ms(process: u32) -> f64 {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{process}/stat")) else { return 0.0 };
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) * TICK_MS
}

/// A process and its children; a product that forks has its work there.
fn family(process: u32) -> Vec<u32> {
    let children = std::fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
    std::iter::once(process).chain(children.split_whitespace().filter_map(|child| child.parse().ok())).collect()
}

/// Binds every thread of a process to one core; on a machine with a single core nothing happens.
pub(crate) fn pin(process: u32, core: u32) {
    let _ = std::process::Command::new("taskset")
        .args(["-acp", &core.to_string(), &process.to_string()])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status();
}
