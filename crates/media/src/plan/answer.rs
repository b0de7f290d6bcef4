//! Our answer to a leg, and the plan that follows from it.

use bytes::Bytes;

use super::connect::{alone, connect};
use super::offer::{describe, dress, own_fmtp};
use super::{MediaAddress, Negotiation, Plan};
use crate::negotiation::{Agreed, EventMap, Events, Format, Refusal, Stream, Usable, carriage};
use crate::sdp::{Direction, Media};

/// Answers the caller's pending offer with what the callee answered, and joins the two. On a re-INVITE the caller is
/// whoever sent it. A caller that is already answered gets the same body again and a fresh plan.
pub fn answer(caller: &mut Negotiation, callee: &Negotiation, local: MediaAddress) -> Result<(Bytes, Plan), Refusal> {
    let theirs = callee.agreed().ok_or(Refusal::OUT_OF_TURN)?;
    let Some((offer, lines)) = caller.pending_offer() else {
        let plan = again(caller, callee)?;
        let body = caller.standing_body().ok_or(Refusal::OUT_OF_TURN)?;
        return Ok((body, plan));
    };
    let mut format = choose(offer, &theirs.usable).ok_or(Refusal::NO_COMMON_CODEC)?;
    let same = theirs.usable.iter().find(|u| u.encoding == format.encoding);
    format.fmtp = match same {
        Some(usable) => usable.fmtp.clone(),
        None => own_fmtp(&format.encoding),
    };
    let direction = theirs.remote.direction;
    let wanted = (direction, theirs.remote.ptime_ms);
    let (media, agreed) = reply(caller, offer, lines, local, format, wanted)?;
    let plan = connect((&agreed, caller.profile()), (theirs, callee.profile()))?;
    Ok((caller.commit_answer(local, media, agreed), plan))
}

/// Joins two legs that stand agreed: the caller was answered before, its codec stays, and this callee is transcoded to it.
pub fn again(caller: &Negotiation, callee: &Negotiation) -> Result<Plan, Refusal> {
    let ours = caller.agreed().ok_or(Refusal::OUT_OF_TURN)?;
    let theirs = callee.agreed().ok_or(Refusal::OUT_OF_TURN)?;
    connect((ours, caller.profile()), (theirs, callee.profile()))
}

/// Answers the caller's pending offer for a leg that ends here (echo, announcement). A caller that is already answered
/// gets the same body again.
pub fn terminate(caller: &mut Negotiation, local: MediaAddress) -> Result<(Bytes, Plan), Refusal> {
    let Some((offer, lines)) = caller.pending_offer() else {
        let agreed = caller.agreed().ok_or(Refusal::OUT_OF_TURN)?;
        let plan = alone(agreed, caller.profile())?;
        let body = caller.standing_body().ok_or(Refusal::OUT_OF_TURN)?;
        return Ok((body, plan));
    };
    let mut format =
        offer.formats.iter().find(|f| f.encoding.codec().is_known()).cloned().ok_or(Refusal::NO_COMMON_CODEC)?;
    format.fmtp = own_fmtp(&format.encoding);
    let (media, agreed) = reply(caller, offer, lines, local, format, (Direction::SendReceive, None))?;
    let plan = alone(&agreed, caller.profile())?;
    Ok((caller.commit_answer(local, media, agreed), plan))
}

/// The callee's first choice that the caller has too, else the caller's first that we can transcode.
fn choose(offer: &Stream, theirs: &[Usable]) -> Option<Format> {
    for usable in theirs {
        if let Some(format) = offer.formats.iter().find(|f| f.encoding == usable.encoding) {
            return Some(format.clone());
        }
    }
    if !theirs.iter().any(|u| u.encoding.codec().is_known()) {
        return None;
    }
    let known = offer.formats.iter().find(|f| f.encoding.codec().is_known());
    known.cloned()
}

/// The answer's sections: audio in its place with one codec and the caller's numbers, everything else refused.
fn reply(
    leg: &Negotiation,
    offer: &Stream,
    lines: &[Media],
    local: MediaAddress,
    format: Format,
    (wanted, ptime_ms): (Direction, Option<u16>),
) -> Result<(Vec<Media>, Agreed), Refusal> {
    let profile = leg.profile();
    let role = carriage::role(&offer.carriage, leg.handshake());
    let restarts = leg.restarts(Some(offer));
    let direction = wanted.within(offer.direction.reversed());
    // Those of the codec's clock, else those the caller has: one kind of events goes with one codec.
    let same = offer.events.iter().find(|events| events.clock_hz == format.encoding.clock_hz);
    let events: Vec<Events> = same.or(offer.events.first()).filter(|_| profile.events).cloned().into_iter().collect();
    let mut audio = describe(local, std::slice::from_ref(&format), &events);
    audio.ptime_ms = ptime_ms.or(offer.ptime_ms);
    audio.direction = Some(direction);
    carriage::answer(&mut audio, profile, &offer.protocol, &offer.carriage, role);
    dress(&mut audio, profile, local, restarts)?;
    audio.rtcp_mux = offer.mux;
    audio.mid = offer.mid.clone().filter(|_| offer.bundled || profile.webrtc);
    let mut media: Vec<Media> = lines.iter().map(Media::refused).collect();
    if let Some(place) = media.get_mut(offer.index) {
        *place = audio;
    }
    let agreed = Agreed {
        direction,
        remote: offer.clone(),
        usable: vec![Usable {
            encoding: format.encoding,
            fmtp: format.fmtp,
            send: format.payload_type,
            receive: format.payload_type,
        }],
        events: events
            .iter()
            .map(|e| EventMap { clock_hz: e.clock_hz, send: e.payload_type, receive: e.payload_type })
            .collect(),
        role,
        restarts,
    };
    Ok((media, agreed))
}
