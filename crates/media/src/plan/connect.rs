//! From two agreed legs to a plan.

use std::net::SocketAddr;

use super::{Accept, Carries, Codec, LegPlan, Plan};
use crate::ice::Pairing;
use crate::negotiation::{Agreed, Refusal, Usable, carriage};
use crate::profile::Profile;

const DEFAULT_PTIME_MS: u16 = 20;
/// The number of comfort noise at 8 kHz (RFC 3551, 6).
const NOISE: u8 = 13;

/// Joins two legs: the same codec where both have one, else transcoding.
pub(super) fn connect(first: (&Agreed, &Profile), second: (&Agreed, &Profile)) -> Result<Plan, Refusal> {
    let (one, other) = choose(&first.0.usable, &second.0.usable).ok_or(Refusal::NO_COMMON_CODEC)?;
    Ok(Plan { legs: vec![leg(first, one), leg(second, other)] })
}

/// A leg that ends here.
pub(super) fn alone(agreed: &Agreed, profile: &Profile) -> Result<Plan, Refusal> {
    let own = known(&agreed.usable).ok_or(Refusal::NO_COMMON_CODEC)?;
    Ok(Plan { legs: vec![leg((agreed, profile), own)] })
}

fn choose<'a>(first: &'a [Usable], second: &'a [Usable]) -> Option<(&'a Usable, &'a Usable)> {
    for one in first {
        if let Some(other) = second.iter().find(|u| u.encoding == one.encoding) {
            return Some((one, other));
        }
    }
    Some((known(first)?, known(second)?))
}

fn known(usable: &[Usable]) -> Option<&Usable> {
    usable.iter().find(|u| u.encoding.codec().is_known())
}

fn leg((agreed, profile): (&Agreed, &Profile), chosen: &Usable) -> LegPlan {
    let remote = &agreed.remote;
    let mut sources = Vec::with_capacity(2);
    for ip in [remote.ip, profile.signalling].into_iter().flatten() {
        let ip = ip.to_canonical();
        if !sources.contains(&ip) {
            sources.push(ip);
        }
    }
    let events = agreed.events_for(&chosen.encoding);
    let ice = remote.ice.clone().map(|remote| Pairing { local: profile.secret.credentials(agreed.restarts), remote });
    LegPlan {
        remote_rtp: remote.ip.map(|ip| SocketAddr::new(ip, remote.port)),
        remote_rtcp: remote.ip.filter(|_| remote.rtcp_port != 0).map(|ip| SocketAddr::new(ip, remote.rtcp_port)),
        send: agreed.direction.sends() && remote.direction.receives() && (remote.ip.is_some() || ice.is_some()),
        receive: agreed.direction.receives() && remote.direction.sends(),
        codec: chosen.encoding.codec(),
        codec_name: chosen.encoding.label(),
        clock_hz: chosen.encoding.clock_hz,
        payload_type: chosen.send,
        accepts: accepts(agreed, chosen),
        fmtp: remote.formats.iter().find(|f| f.encoding == chosen.encoding).and_then(|f| f.fmtp.clone()),
        dtmf: events.map(|e| e.send),
        dtmf_clock_hz: events.map_or(chosen.encoding.clock_hz, |e| e.clock_hz),
        tones: profile.tones,
        ptime_ms: remote.ptime_ms.unwrap_or(DEFAULT_PTIME_MS),
        sources,
        security: carriage::security(&remote.carriage, agreed.role, profile),
        ice,
        mux: remote.mux,
    }
}

/// What the leg may send. By RFC 3264 it uses the numbers of our description; phones that use their own are understood
/// as long as nothing else has that number.
fn accepts(agreed: &Agreed, chosen: &Usable) -> Vec<Accept> {
    let mut accepts: Vec<Accept> = Vec::new();
    let mut add = |payload_type, carries| {
        if !accepts.iter().any(|a| a.payload_type == payload_type) {
            accepts.push(Accept { payload_type, carries });
        }
    };
    let audio = |u: &Usable| match u.encoding.codec() {
        Codec::Other if u.encoding != chosen.encoding => None,
        codec => Some(Carries::Audio(codec)),
    };
    for usable in &agreed.usable {
        if let Some(carries) = audio(usable) {
            add(usable.receive, carries);
        }
    }
    for events in &agreed.events {
        add(events.receive, Carries::Event { clock_hz: events.clock_hz });
    }
    for events in &agreed.events {
        add(events.send, Carries::Event { clock_hz: events.clock_hz });
    }
    for usable in &agreed.usable {
        if let Some(carries) = audio(usable) {
            add(usable.send, carries);
        }
    }
    // Some phones send it without a word; nothing else has that number.
    if chosen.encoding.clock_hz == 8_000 {
        add(NOISE, Carries::Noise);
    }
    accepts
}
