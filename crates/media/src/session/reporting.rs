//! Reports that we make ourselves for a leg whose other side sends none through us: what we send it, how we hear it (RFC 3550, 6.4).
//!
//! Between two legs whose audio is passed on, each one's own reports are passed on as well, and ours rest: a source has one
//! reporter. Where we are the other side (echo, playback, a codec that is translated, a room), or the other side reports
//! nothing, a report goes out every 2.5 to 7.5 seconds (6.2).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::leg::LegState;
use super::random::Random;
use crate::command::Channel;
use crate::limits;
use crate::rtcp::{self, Block, SenderInfo};

#[derive(Debug)]
pub(super) struct Reporting {
    random: Random,
    name: u128,
    /// NTP time of the moment at which reports began. There is no clock here that knows the time of day; what counts
    /// is how times differ (RFC 3550, 4).
    ntp: u64,
    began: Option<Instant>,
    next_at: Option<Instant>,
    /// A report is to be made, of this moment.
    due: Option<Instant>,
    /// Figures at the time of the report before.
    before: Before,
}

#[derive(Clone, Copy, Debug, Default)]
struct Before {
    expected: u64,
    received: u64,
    sent: u64,
    relayed: u64,
}

impl Reporting {
    pub(super) fn new(random: &mut Random) -> Self {
        let mut own = Random::new(random.next());
        let name = u128::from(own.next()) << 64 | u128::from(own.next());
        let ntp = own.next();
        Reporting { random: own, name, ntp, began: None, next_at: None, due: None, before: Before::default() }
    }

    /// Something is sent or heard: reports begin, if they have not.
    pub(super) fn begin(&mut self, now: Instant) {
        if self.began.is_none() {
            self.began = Some(now);
            self.next_at = Some(now + self.interval());
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.next_at
    }

    fn interval(&mut self) -> Duration {
        let millis = limits::REPORTS.as_millis() as u64;
        Duration::from_millis(millis / 2 + self.random.next() % millis)
    }

    fn ntp_at(&self, at: Instant) -> u64 {
        let passed = self.began.map_or(Duration::ZERO, |began| at.saturating_duration_since(began));
        let fraction = (u64::from(passed.subsec_nanos()) << 32) / 1_000_000_000;
        self.ntp.wrapping_add(passed.as_secs() << 32).wrapping_add(fraction)
    }
}

impl LegState {
    /// Whether it is time for a report, and there is something that nobody else reports.
    pub(super) fn advance_reporting(&mut self, now: Instant) {
        if self.reporting.next_at.is_none_or(|next_at| now < next_at) {
            return;
        }
        let interval = self.reporting.interval();
        self.reporting.next_at = Some(now + interval);
        let relayed = self.reports.packets_out - self.reports.made;
        let others_report = relayed != self.reporting.before.relayed;
        self.reporting.before.relayed = relayed;
        let (sent, received) = (self.sent_packets(), self.inbound.stats().packets);
        let before = self.reporting.before;
        if !others_report && (sent != before.sent || received != before.received) {
            self.reporting.due = Some(now);
        }
    }

    /// The report that is due.
    pub(super) fn poll_report(&mut self, out: &mut [u8]) -> Option<(SocketAddr, Channel, usize)> {
        let at = self.reporting.due.take()?;
        let plan = self.plan.as_ref()?;
        let channel = if plan.mux { Channel::Rtp } else { Channel::Rtcp };
        let clock_hz = plan.clock_hz;
        let to = self.destination(Channel::Rtcp)?;
        let before = self.reporting.before;
        let (sent, bytes) = (self.sent_packets(), self.sent_payload_bytes());
        let ntp = self.reporting.ntp_at(at);
        let sender = (sent != before.sent).then(|| SenderInfo {
            ntp,
            timestamp: self.outbound.timestamp_at(at, clock_hz),
            packets: sent as u32,
            bytes: bytes as u32,
        });
        let heard = self.inbound.stats();
        let block = self.inbound.source().map(|(ssrc, highest_sequence, jitter)| {
            let expected = heard.expected - before.expected.min(heard.expected);
            let received = heard.packets - before.received.min(heard.packets);
            let lost = expected.saturating_sub(received);
            let (last_report, delay) = self.reports.heard.map_or((0, 0), |(compact, when)| {
                let passed = at.saturating_duration_since(when);
                (compact, (passed.as_micros() * 65_536 / 1_000_000).min(u128::from(u32::MAX)) as u32)
            });
            Block {
                ssrc,
                fraction_lost: (lost * 256).checked_div(expected).unwrap_or(0).min(255) as u8,
                lost: (heard.expected as i64 - heard.packets as i64).clamp(-0x80_0000, 0x7f_ffff) as i32,
                highest_sequence,
                jitter,
                last_report,
                delay,
            }
        });
        let len = rtcp::write(self.outbound.ssrc, sender, block, self.reporting.name, out)?;
        let len = self.protection.seal_rtcp(out, len).ok()?;
        self.reporting.before =
            Before { expected: heard.expected, received: heard.packets, sent, relayed: before.relayed };
        self.reports.made(sender.map(|_| ((ntp >> 16) as u32, at)));
        Some((to, channel, len))
    }
}
