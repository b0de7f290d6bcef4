//! Medians, ranges and the ratio.

use std::fmt;

use crate::generator::Traffic;
use crate::server::Kind;

/// The goals of docs/PERFORMANCE.md for a plain relay.
const MOST_RATIO: f64 = 1.25;
const MOST_P99_US: f64 = 2_000.0;

#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) kind: Kind,
    pub(crate) traffic: Traffic,
    pub(crate) bytes_per_call: u64,
}

impl Run {
    fn cpu_us(&self) -> f64 {
        self.traffic.cpu.as_secs_f64() * 1e6 / self.traffic.received.max(1) as f64
    }

    fn lost(&self) -> u64 {
        self.traffic.sent.saturating_sub(self.traffic.received)
    }

    /// The delay that `share` of the packets stay below, in microseconds.
    fn delay_us(&self, share: f64) -> f64 {
        let delays = &self.traffic.delays_ns;
        let index = ((delays.len() as f64 * share) as usize).min(delays.len().saturating_sub(1));
        f64::from(delays.get(index).copied().unwrap_or(u32::MAX)) / 1e3
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.kind.name();
        write!(f, "{name:8} {:6.2} µs/packet  {} packets, {} lost", self.cpu_us(), self.traffic.sent, self.lost())?;
        let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|share| self.delay_us(share));
        write!(f, "  delay p50 {p50:.0} p99 {p99:.0} p99.9 {p999:.0} µs")?;
        if self.kind != Kind::Floor {
            write!(f, "  {:.1} kB/call", self.bytes_per_call as f64 / 1e3)?;
        }
        Ok(())
    }
}

#[derive(Debug, Default)]
pub(crate) struct Report {
    floor: Vec<Run>,
    product: Vec<Run>,
    encrypted: [Vec<Run>; 2],
}

impl Report {
    pub(crate) fn add(&mut self, run: Run) {
        match run.kind {
            Kind::Floor => self.floor.push(run),
            Kind::Product => self.product.push(run),
            Kind::Cm => self.encrypted[0].push(run),
            Kind::Gcm => self.encrypted[1].push(run),
        }
    }

    /// Each product run against the floor run beside it.
    fn ratios(&self) -> Vec<f64> {
        self.product.iter().zip(&self.floor).map(|(product, floor)| product.cpu_us() / floor.cpu_us()).collect()
    }

    pub(crate) fn verdict(&self) -> Verdict {
        let p99 = |runs: &[Run]| Spread::of(runs.iter().map(|run| run.delay_us(0.99))).median;
        let lost: u64 = self.product.iter().map(Run::lost).sum();
        let met = Spread::of(self.ratios()).median <= MOST_RATIO && lost == 0;
        match (met, p99(&self.product) <= MOST_P99_US, p99(&self.floor) <= MOST_P99_US) {
            (true, true, _) => Verdict::Met,
            // When the bare loop is late too, others use this machine, and delay says nothing of the product.
            (true, false, false) => Verdict::MetButBusy,
            _ => Verdict::Missed,
        }
    }
}

/// Whether the goals were reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Met,
    MetButBusy,
    Missed,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self {
            Verdict::Met => "met",
            Verdict::MetButBusy => "CPU and loss met; delay cannot be judged, the floor itself is late (busy machine)",
            Verdict::Missed => "missed",
        };
        write!(f, "goal (ratio ≤ {MOST_RATIO}, p99 ≤ {MOST_P99_US:.0} µs, no loss): {word}")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = [&self.floor, &self.product, &self.encrypted[0], &self.encrypted[1]];
        for (kind, runs) in Kind::ALL.into_iter().zip(all).filter(|(_, runs)| !runs.is_empty()) {
            let name = kind.name();
            let of = |figure: fn(&Run) -> f64| Spread::of(runs.iter().map(figure));
            writeln!(f, "\n{name}, median (range):")?;
            writeln!(f, "  CPU per packet  {} µs", of(Run::cpu_us))?;
            writeln!(f, "  delay p50       {} µs", of(|run| run.delay_us(0.5)))?;
            writeln!(f, "  delay p99       {} µs", of(|run| run.delay_us(0.99)))?;
            writeln!(f, "  delay p99.9     {} µs", of(|run| run.delay_us(0.999)))?;
            writeln!(f, "  lost            {}", of(|run| run.lost() as f64))?;
            if kind != Kind::Floor {
                writeln!(
                    f,
                    "  memory per call {} kB (the process; socket memory is the kernel's)",
                    of(|run| run.bytes_per_call as f64 / 1e3)
                )?;
            }
        }
        write!(f, "\nratio of CPU, pair by pair: {}", Spread::of(self.ratios()))?;
        for (kind, runs) in [Kind::Cm, Kind::Gcm].into_iter().zip(&self.encrypted).filter(|(_, runs)| !runs.is_empty())
        {
            let more = runs.iter().zip(&self.product).map(|(run, plain)| run.cpu_us() - plain.cpu_us());
            write!(f, "\n{} costs more than plain, pair by pair: {} µs", kind.name(), Spread::of(more))?;
        }
        Ok(())
    }
}

struct Spread {
    least: f64,
    median: f64,
    most: f64,
}

impl Spread {
    fn of(figures: impl IntoIterator<Item = f64>) -> Spread {
        let mut figures: Vec<f64> = figures.into_iter().collect();
        figures.sort_unstable_by(f64::total_cmp);
        let at = |index: usize| figures.get(index).copied().unwrap_or(f64::NAN);
        Spread { least: at(0), median: at(figures.len() / 2), most: at(figures.len().saturating_sub(1)) }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} ({:.2}–{:.2})", self.median, self.least, self.most)
    }
}
