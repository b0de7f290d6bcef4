//! The way of one RTCP packet, and what its reports tell about a leg.

use std::net::SocketAddr;
use std::time::Instant;

use super::leg::Role;
use super::rewrite::Origin;
use super::source::Judgement;
use super::statistics::units_to_micros;
use super::{DropReason, Session, Verdict};
use crate::command::{Channel, Leg, Reported};
use crate::rtcp::{self, Block, Mapping, Report};

/// What the reports of and to one leg told.
#[derive(Clone, Debug, Default)]
pub(super) struct Reports {
    pub(super) packets_in: u64,
    pub(super) packets_out: u64,
    pub(super) rtt_us: Option<u32>,
    pub(super) reported: Option<Reported>,
    /// Compact time of the last sender report that went to the leg, and when: what comes back of it tells the round
    /// trip.
    sent: Option<(u32, Instant)>,
    /// Of those that went to the leg, how many we made.
    pub(super) made: u64,
    /// Compact time of the last sender report of the leg, and when it came.
    pub(super) heard: Option<(u32, Instant)>,
}

impl Reports {
    /// A report of ours goes out; of a sender report, its time.
    pub(super) fn made(&mut self, sender: Option<(u32, Instant)>) {
        self.packets_out += 1;
        self.made += 1;
        self.sent = sender.or(self.sent);
    }

    fn take(&mut self, now: Instant, block: &Block, clock_hz: u32) {
        self.reported = Some(Reported {
            fraction_lost: block.fraction_lost,
            lost: block.lost,
            jitter_us: units_to_micros(block.jitter, clock_hz),
        });
        let Some((compact_time, at)) = self.sent else {
            return;
        };
        if block.last_report == 0 || block.last_report != compact_time {
            return;
        }
        let passed = now.saturating_duration_since(at).as_micros();
        let held = u128::from(block.delay) * 1_000_000 / 65_536;
        // A peer that claims to have held it longer than it was away tells nothing.
        if let Some(trip) = passed.checked_sub(held) {
            self.rtt_us = u32::try_from(trip).ok();
        }
    }
}

impl Session {
    pub(super) fn receive_rtcp(
        &mut self,
        now: Instant,
        leg: Leg,
        channel: Channel,
        from: SocketAddr,
        buffer: &mut [u8],
        len: usize,
    ) -> Verdict {
        match self.admit_rtcp(now, leg, channel, from, (buffer, len)) {
            Ok(len) => self.pass_rtcp(now, leg, buffer, len),
            Err(reason) => Verdict::Drop(reason),
        }
    }

    fn admit_rtcp(
        &mut self,
        now: Instant,
        leg: Leg,
        channel: Channel,
        from: SocketAddr,
        (buffer, len): (&mut [u8], usize),
    ) -> Result<usize, DropReason> {
        let state = self.legs.get_mut(leg.index()).ok_or(DropReason::NoLeg)?;
        let plan = state.plan.as_ref().ok_or(DropReason::NoPlan)?;
        let judgement = state.judge(now, Channel::Rtcp, from);
        if judgement == Judgement::Stranger {
            return Err(DropReason::Stranger);
        }
        let authentic = state.protection.authenticates();
        if judgement == Judgement::Other && !authentic {
            return Err(DropReason::OtherSource);
        }
        let clock_hz = plan.clock_hz;
        let len = state.protection.open_rtcp(buffer, len)?;
        let packet = buffer.get(..len).ok_or(DropReason::Malformed)?;
        if !rtcp::is_compound(packet) {
            return Err(DropReason::Malformed);
        }
        match channel {
            Channel::Rtp => state.rtp.accept(now, from),
            Channel::Rtcp => state.rtcp.accept(now, from),
        }
        // Phones that suppress silence send no RTP while their user listens, but they report.
        state.heard(now, self.silence_after);
        state.reports.packets_in += 1;
        let ours = state.outbound.ssrc;
        let reports = &mut state.reports;
        rtcp::read(packet, |report| match report {
            Report::Block(block) if block.ssrc == ours => reports.take(now, &block, clock_hz),
            Report::Block(_) => {}
            Report::Sender { compact_time, .. } => reports.heard = Some((compact_time, now)),
        });
        Ok(len)
    }

    fn pass_rtcp(&mut self, now: Instant, leg: Leg, buffer: &mut [u8], len: usize) -> Verdict {
        let (Some(target), Some(own)) = (self.peer(leg), self.legs.get(leg.index())) else {
            return Verdict::Consume;
        };
        let Some(other) = self.legs.get(target.index()) else {
            return Verdict::Consume;
        };
        if !matches!((&own.role, &other.role), (Role::Relay, Role::Relay)) {
            return Verdict::Consume;
        }
        if other.plan.is_none() {
            return Verdict::Drop(DropReason::NoPlan);
        }
        let Some(to) = other.destination(Channel::Rtcp) else {
            return Verdict::Drop(DropReason::NoDestination);
        };
        let sender = own.inbound.ssrc().and_then(|ssrc| {
            let offset = other.outbound.timestamp_offset(Origin::Leg { leg, ssrc })?;
            Some((ssrc, offset))
        });
        let subject = other.inbound.ssrc().and_then(|ssrc| {
            let offset = own.outbound.sequence_offset(Origin::Leg { leg: target, ssrc })?;
            Some((own.outbound.ssrc, ssrc, offset))
        });
        let mapping = Mapping { ssrc: other.outbound.ssrc, sender, subject };
        let Some(packet) = buffer.get_mut(..len) else {
            return Verdict::Drop(DropReason::Malformed);
        };
        let len = rtcp::rewrite(packet, &mapping);
        if len == 0 {
            return Verdict::Consume;
        }
        let Some(other) = self.legs.get_mut(target.index()) else {
            return Verdict::Consume;
        };
        other.reports.packets_out += 1;
        rtcp::read(&packet[..len], |report| {
            if let Report::Sender { compact_time, .. } = report {
                other.reports.sent = Some((compact_time, now));
            }
        });
        let channel = if other.plan.as_ref().is_some_and(|plan| plan.mux) { Channel::Rtp } else { Channel::Rtcp };
        match other.protection.seal_rtcp(buffer, len) {
            Ok(len) => Verdict::Forward { leg: target, channel, to, len },
            Err(reason) => Verdict::Drop(reason),
        }
    }
}
