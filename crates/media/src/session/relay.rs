//! The way of one RTP packet: check, count, tap key presses, rewrite, on.

use std::net::SocketAddr;
use std::time::Instant;

use super::leg::{LegState, Role};
use super::rewrite::Origin;
use super::source::Judgement;
use super::{DropReason, Session, Verdict};
use crate::command::{Channel, Fact, Leg};
use crate::g711;
use crate::plan::{Carries, Codec, LegPlan};
use crate::rtp::{Header, Rewrite};

impl Session {
    pub(super) fn receive_rtp(
        &mut self,
        now: Instant,
        leg: Leg,
        from: SocketAddr,
        buffer: &mut [u8],
        len: usize,
    ) -> Verdict {
        let admitted = match self.admit(now, leg, from, buffer, len) {
            Ok(admitted) => admitted,
            Err(reason) => return Verdict::Drop(reason),
        };
        let (header, carries, len) = admitted;
        match carries {
            Carries::Event { clock_hz } => {
                self.read_event(now, leg, &header, &buffer[..len], clock_hz);
                if !self.passes_events(leg) {
                    return Verdict::Consume;
                }
            }
            Carries::Noise => {
                self.hear_noise(now, leg, &header, &buffer[..len]);
                return Verdict::Consume;
            }
            Carries::Audio(codec) => {
                if !self.hear(now, leg, codec, &header, &mut buffer[..len]) {
                    return Verdict::Consume;
                }
            }
        }
        self.pass(now, leg, &header, carries, (buffer, len))
    }

    /// Nothing of the leg changes before the packet has been found good.
    fn admit(
        &mut self,
        now: Instant,
        leg: Leg,
        from: SocketAddr,
        buffer: &mut [u8],
        len: usize,
    ) -> Result<(Header, Carries, usize), DropReason> {
        let state = self.legs.get_mut(leg.index()).ok_or(DropReason::NoLeg)?;
        let plan = state.plan.as_ref().ok_or(DropReason::NoPlan)?;
        let judgement = state.judge(now, Channel::Rtp, from);
        if judgement == Judgement::Stranger {
            return Err(DropReason::Stranger);
        }
        let sealed = Header::parse(buffer.get(..len).ok_or(DropReason::Malformed)?).ok_or(DropReason::Malformed)?;
        let carries = carries(plan, sealed.payload_type).ok_or(DropReason::PayloadType)?;
        // Who can prove that it is the peer need not wait until its former address has fallen silent.
        if judgement == Judgement::Other && !state.protection.authenticates() {
            return Err(DropReason::OtherSource);
        }
        let (receive, clock_hz) = (plan.receive, plan.clock_hz);
        let (header, len) = match state.protection.authenticates() {
            false => (sealed, len),
            true => {
                let len = state.protection.open_rtp(buffer, len)?;
                (Header::parse(&buffer[..len]).ok_or(DropReason::Malformed)?, len)
            }
        };
        state.rtp.accept(now, from);
        state.heard(now, self.silence_after);
        if receive {
            let audio = matches!(carries, Carries::Audio(_));
            state.inbound.record(now, &header, len, audio.then_some(clock_hz));
        }
        if matches!(judgement, Judgement::Latched | Judgement::Other) {
            let session = self.id;
            self.tell(Fact::Connected { session, leg, from });
        }
        if receive { Ok((header, carries, len)) } else { Err(DropReason::Direction) }
    }

    fn pass(
        &mut self,
        now: Instant,
        leg: Leg,
        header: &Header,
        carries: Carries,
        (buffer, len): (&mut [u8], usize),
    ) -> Verdict {
        let echo = self.legs.get(leg.index()).is_some_and(|state| matches!(state.role, Role::Echo));
        let target = if echo { Some(leg) } else { self.peer(leg) };
        let away = |leg: Leg| self.is_in_room(leg);
        if !echo && (away(leg) || target.is_some_and(away)) {
            return Verdict::Consume;
        }
        let Some(target) = target else {
            return Verdict::Consume;
        };
        let Some(state) = self.legs.get_mut(target.index()) else {
            return Verdict::Consume;
        };
        if state.keys.is_busy() && !echo {
            return Verdict::Consume;
        }
        match state.role {
            Role::Playback(_) => return Verdict::Consume,
            Role::Echo if !echo => return Verdict::Consume,
            Role::Relay | Role::Echo => {}
        }
        if let (Carries::Audio(codec), Some(plan)) = (carries, &state.plan)
            && !codec.goes_as(plan.codec)
            && codec.is_known()
            && plan.codec.is_known()
        {
            // It has been heard, and is said again in the other codec when its time comes.
            return Verdict::Consume;
        }
        let origin = Origin::Leg { leg, ssrc: header.ssrc };
        match send(state, now, origin, header, carries, (buffer, len)) {
            Ok(Some((to, len))) => Verdict::Forward { leg: target, channel: Channel::Rtp, to, len },
            Ok(None) => Verdict::Consume,
            Err(reason) => Verdict::Drop(reason),
        }
    }
}

fn carries(plan: &LegPlan, payload_type: u8) -> Option<Carries> {
    plan.accepts.iter().find(|accept| accept.payload_type == payload_type).map(|accept| accept.carries)
}

/// Rewrites a packet for a leg and protects it; `None` when the leg has no use for it.
fn send(
    state: &mut LegState,
    now: Instant,
    origin: Origin,
    header: &Header,
    carries: Carries,
    (buffer, len): (&mut [u8], usize),
) -> Result<Option<(SocketAddr, usize)>, DropReason> {
    let packet = buffer.get_mut(..len).ok_or(DropReason::Malformed)?;
    let to = state.destination(Channel::Rtp);
    let plan = state.plan.as_ref().ok_or(DropReason::NoDestination)?;
    if !plan.send {
        return Err(DropReason::Direction);
    }
    let to = to.ok_or(DropReason::NoDestination)?;
    let payload_type = match carries {
        Carries::Noise => return Ok(None),
        Carries::Event { .. } => match plan.dtmf {
            Some(payload_type) => payload_type,
            None => return Ok(None),
        },
        Carries::Audio(codec) => {
            let payload = packet.get_mut(header.payload.clone()).ok_or(DropReason::Malformed)?;
            transcode(codec, plan.codec, payload)?;
            plan.payload_type
        }
    };
    let (sequence, timestamp) = state.outbound.map(now, plan.clock_hz, origin, header.sequence, header.timestamp);
    let rewrite = Rewrite { payload_type, sequence, timestamp, ssrc: state.outbound.ssrc };
    rewrite.apply(packet);
    let len = state.protection.seal_rtp(buffer, len)?;
    state.sent(len);
    Ok(Some((to, len)))
}

fn transcode(from: Codec, to: Codec, payload: &mut [u8]) -> Result<(), DropReason> {
    match (from, to) {
        (Codec::Pcmu, Codec::Pcma) => g711::pcmu_to_pcma(payload),
        (Codec::Pcma, Codec::Pcmu) => g711::pcma_to_pcmu(payload),
        (from, to) if from == to => {}
        _ => return Err(DropReason::PayloadType),
    }
    Ok(())
}
