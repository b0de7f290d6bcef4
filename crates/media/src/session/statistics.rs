//! What a leg sent us, counted as RFC 3550 counts (A.1, A.3, A.8).

use std::time::Instant;

use crate::command::DirectionStats;
use crate::limits;
use crate::rtp::Header;

/// A difference in transit beyond this (in seconds) is a restarted clock, not jitter.
const CLOCK_STEP_S: u32 = 2;

#[derive(Clone, Debug, Default)]
pub(crate) struct Inbound {
    packets: u64,
    bytes: u64,
    late: u64,
    /// Expected of sources and stretches that are over.
    expected_before: u64,
    stretch: Option<Stretch>,
    timing: Option<Timing>,
    /// In timestamp units, times 16.
    jitter: u32,
    jitter_clock_hz: u32,
}

/// Sequence numbers of one source without a restart.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    ssrc: u32,
    first: u16,
    highest: u16,
    cycles: u64,
    after_jump: Option<u16>,
}

#[derive(Clone, Copy, Debug)]
struct Timing {
    epoch: Instant,
    transit: Option<u32>,
}

impl Stretch {
    fn new(ssrc: u32, sequence: u16) -> Self {
        Stretch { ssrc, first: sequence, highest: sequence, cycles: 0, after_jump: None }
    }

    fn expected(&self) -> u64 {
        (self.cycles * 65_536 + u64::from(self.highest) + 1).saturating_sub(u64::from(self.first))
    }
}

impl Inbound {
    pub(super) fn ssrc(&self) -> Option<u32> {
        self.stretch.map(|stretch| stretch.ssrc)
    }

    /// The present source, its highest sequence number with the rounds in the upper half, and its jitter in timestamp units.
    pub(crate) fn source(&self) -> Option<(u32, u32, u32)> {
        let stretch = self.stretch?;
        Some((stretch.ssrc, (stretch.cycles as u32) << 16 | u32::from(stretch.highest), self.jitter >> 4))
    }

    /// Counts an accepted packet. `clock_hz` is given for audio, whose timestamps tell jitter.
    pub(crate) fn record(&mut self, now: Instant, header: &Header, bytes: usize, clock_hz: Option<u32>) {
        self.packets += 1;
        self.bytes += bytes as u64;
        match &mut self.stretch {
            Some(stretch) if stretch.ssrc == header.ssrc => {
                if !self.sequence(header.sequence) {
                    return;
                }
            }
            Some(_) | None => self.begin(header.ssrc, header.sequence),
        }
        if let Some(clock_hz) = clock_hz.filter(|hz| *hz != 0) {
            self.arrival(now, header.timestamp, clock_hz);
        }
    }

    fn begin(&mut self, ssrc: u32, sequence: u16) {
        self.expected_before += self.stretch.map_or(0, |stretch| stretch.expected());
        self.stretch = Some(Stretch::new(ssrc, sequence));
        if let Some(timing) = &mut self.timing {
            timing.transit = None;
        }
    }

    /// Whether the packet is the newest of its stretch.
    fn sequence(&mut self, sequence: u16) -> bool {
        let Some(stretch) = &mut self.stretch else {
            return false;
        };
        let ahead = sequence.wrapping_sub(stretch.highest) as i16;
        if (1..limits::DROPOUT).contains(&ahead) {
            if sequence < stretch.highest {
                stretch.cycles += 1;
            }
            stretch.highest = sequence;
            stretch.after_jump = None;
            return true;
        }
        if ahead.unsigned_abs() <= 100 {
            self.late += 1;
            return false;
        }
        if stretch.after_jump == Some(sequence) {
            let ssrc = stretch.ssrc;
            // Its predecessor, far away as it was, belonged to this new stretch.
            self.begin(ssrc, sequence.wrapping_sub(1));
            if let Some(stretch) = &mut self.stretch {
                stretch.cycles += u64::from(sequence == 0);
                stretch.highest = sequence;
            }
            return true;
        }
        stretch.after_jump = Some(sequence.wrapping_add(1));
        self.late += 1;
        false
    }

    fn arrival(&mut self, now: Instant, timestamp: u32, clock_hz: u32) {
        let timing = self.timing.get_or_insert(Timing { epoch: now, transit: None });
        if self.jitter_clock_hz != clock_hz {
            self.jitter_clock_hz = clock_hz;
            self.jitter = 0;
            timing.transit = None;
        }
        let micros = now.saturating_duration_since(timing.epoch).as_micros();
        let arrival = (micros * u128::from(clock_hz) / 1_000_000) as u32;
        let transit = arrival.wrapping_sub(timestamp);
        if let Some(before) = timing.transit {
            let difference = (transit.wrapping_sub(before) as i32).unsigned_abs();
            if difference < CLOCK_STEP_S.saturating_mul(clock_hz) {
                let decayed = self.jitter - ((self.jitter + 8) >> 4);
                self.jitter = decayed.saturating_add(difference);
            }
        }
        timing.transit = Some(transit);
    }

    pub(crate) fn stats(&self) -> DirectionStats {
        let expected = self.expected_before + self.stretch.map_or(0, |stretch| stretch.expected());
        DirectionStats {
            packets: self.packets,
            bytes: self.bytes,
            expected,
            lost: expected.saturating_sub(self.packets),
            late: self.late,
            jitter_us: units_to_micros(self.jitter >> 4, self.jitter_clock_hz),
        }
    }
}

pub(super) fn units_to_micros(units: u32, clock_hz: u32) -> u32 {
    if clock_hz == 0 {
        return 0;
    }
    let micros = u64::from(units) * 1_000_000 / u64::from(clock_hz);
    u32::try_from(micros).unwrap_or(u32::MAX)
}
