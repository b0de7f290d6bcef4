//! Our offer to a leg.

use bytes::Bytes;

use super::{Codec, MediaAddress, Negotiation, Reach};
use crate::ice::host_candidate;
use crate::limits;
use crate::negotiation::{
    Agreed, Encoding, Events, Format, Offered, OfferedCarriage, Refusal, Usable, carriage, events_format, events_of,
};
use crate::profile::Profile;
use crate::sdp::{Direction, Kind, Media, RtpMap, Secret};

/// Offers a caller's audio to a callee, for a first INVITE and for a re-INVITE alike: `caller` has an offer pending, or
/// stands agreed when a further branch is tried. The callee's earlier `m=` lines keep their places.
pub fn offer(
    caller: &Negotiation,
    callee: &mut Negotiation,
    local: MediaAddress,
    reach: Reach,
) -> Result<Bytes, Refusal> {
    let direction = caller.remote().ok_or(Refusal::OUT_OF_TURN)?.direction;
    towards(caller, callee, local, reach, direction)
}

/// Offers the audio of somebody who has been answered to somebody else, as in a transfer: both ways, whatever hold there was.
pub fn invite(
    caller: &Negotiation,
    callee: &mut Negotiation,
    local: MediaAddress,
    reach: Reach,
) -> Result<Bytes, Refusal> {
    towards(caller, callee, local, reach, Direction::SendReceive)
}

fn towards(
    caller: &Negotiation,
    callee: &mut Negotiation,
    local: MediaAddress,
    reach: Reach,
    direction: Direction,
) -> Result<Bytes, Refusal> {
    if !callee.is_stable() {
        return Err(Refusal::PENDING);
    }
    let remote = caller.remote().ok_or(Refusal::OUT_OF_TURN)?;
    let wanted = match (caller.pending_offer(), caller.agreed()) {
        // An answered caller keeps its codec: whatever else it once listed cannot be reached any more.
        (None, Some(agreed)) => wanted(&spoken(agreed), reach),
        (Some(_), _) | (None, None) => wanted(&remote.formats, reach),
    };
    if wanted.is_empty() {
        return Err(Refusal::NO_COMMON_CODEC);
    }
    let times = (remote.ptime_ms, remote.maxptime_ms);
    // What a phone without events presses in its audio, or tells by INFO, the other one may get as events.
    let events = events_of(&wanted, &remote.events, callee.profile().webrtc);
    make(callee, local, wanted, events, direction, times)
}

/// Offers what we can do ourselves, for a leg that shall hear us or for a peer that called without an offer. A leg
/// that stands agreed is offered both ways again.
pub fn propose(leg: &mut Negotiation, local: MediaAddress) -> Result<Bytes, Refusal> {
    if !leg.is_stable() {
        return Err(Refusal::PENDING);
    }
    let wanted = own().to_vec();
    let events = events_of(&wanted, &[], leg.profile().webrtc);
    make(leg, local, wanted, events, Direction::SendReceive, (None, None))
}

/// The same with one codec, for whoever wants to hear just that.
pub fn propose_only(leg: &mut Negotiation, local: MediaAddress, codec: Codec) -> Result<Bytes, Refusal> {
    if !leg.is_stable() {
        return Err(Refusal::PENDING);
    }
    let wanted: Vec<Format> = own().into_iter().filter(|format| format.encoding.codec() == codec).collect();
    if wanted.is_empty() {
        return Err(Refusal::NO_COMMON_CODEC);
    }
    let events = events_of(&wanted, &[], leg.profile().webrtc);
    make(leg, local, wanted, events, Direction::SendReceive, (None, None))
}

/// What we can do ourselves, the cheapest first: who is offered the audio of another codec is not to be led away from it.
fn own() -> [Format; 4] {
    let opus = Encoding { channels: 2, ..Encoding::new("opus", 48_000) };
    let g711 = |name| Encoding::new(name, 8_000);
    [(8, g711("PCMA")), (0, g711("PCMU")), (9, g711("G722")), (107, opus)].map(|(payload_type, encoding)| Format {
        payload_type,
        fmtp: own_fmtp(&encoding),
        encoding,
    })
}

/// What we say about a codec when we are the one who speaks it.
pub(super) fn own_fmtp(encoding: &Encoding) -> Option<String> {
    match encoding.codec() {
        Codec::Opus => Some("useinbandfec=1".to_owned()),
        Codec::Pcmu | Codec::Pcma | Codec::G722 | Codec::Other => None,
    }
}

fn spoken(agreed: &Agreed) -> Vec<Format> {
    let format = |usable: &Usable| Format {
        payload_type: usable.send,
        encoding: usable.encoding.clone(),
        fmtp: usable.fmtp.clone(),
    };
    agreed.usable.iter().map(format).collect()
}

/// The caller's codecs in its order, then those we can transcode from one of them.
fn wanted(theirs: &[Format], reach: Reach) -> Vec<Format> {
    let mut wanted: Vec<Format> = Vec::new();
    for format in theirs {
        let may_pass = format.encoding.codec().is_known() || reach == Reach::Single;
        if may_pass && !wanted.iter().any(|w| w.encoding == format.encoding) {
            wanted.push(format.clone());
        }
    }
    let known = |w: &Format| w.encoding.codec().is_known();
    if wanted.iter().any(known) {
        for format in own() {
            if !wanted.iter().any(|w| w.encoding == format.encoding) {
                wanted.push(format);
            }
        }
    }
    while wanted.len() > limits::OFFERED_FORMATS {
        let last_unknown = wanted.iter().rposition(|w| !known(w));
        wanted.remove(last_unknown.unwrap_or(wanted.len() - 1));
    }
    wanted
}

fn make(
    leg: &mut Negotiation,
    local: MediaAddress,
    wanted: Vec<Format>,
    mut events: Vec<Events>,
    direction: Direction,
    (ptime_ms, maxptime_ms): (Option<u16>, Option<u16>),
) -> Result<Bytes, Refusal> {
    if !leg.profile().events {
        events.clear();
    }
    let (formats, events) = number(leg, wanted, events);
    let mut audio = describe(local, &formats, &events);
    audio.ptime_ms = ptime_ms;
    audio.maxptime_ms = maxptime_ms;
    audio.direction = Some(direction);
    let carriage = OfferedCarriage::of(leg.profile(), leg.agreed().map(|agreed| &agreed.remote.carriage));
    carriage::offer(&mut audio, leg.profile(), carriage);
    let restarts = leg.restarts(None);
    dress(&mut audio, leg.profile(), local, restarts)?;
    if leg.profile().webrtc {
        let mid = leg.agreed().and_then(|agreed| agreed.remote.mid.clone());
        audio.mid = Some(mid.unwrap_or_else(|| "0".to_owned()));
    }
    let mut media: Vec<Media> = leg.layout().iter().map(Media::refused).collect();
    let index = leg.agreed().map_or(0, |agreed| agreed.remote.index);
    match media.get_mut(index) {
        Some(place) => *place = audio,
        None => media.push(audio),
    }
    let index = index.min(media.len() - 1);
    let offered = Offered { index, direction, formats, events, carriage, restarts };
    Ok(leg.commit_offer(local, media, offered))
}

/// What a browser has to be told beside the audio itself: ICE, and the port that all browsers share.
pub(super) fn dress(audio: &mut Media, profile: &Profile, local: MediaAddress, restarts: u32) -> Result<(), Refusal> {
    if !profile.webrtc {
        return Ok(());
    }
    if local.shared_port == 0 {
        return Err(Refusal::NO_SHARED_PORT);
    }
    let credentials = profile.secret.credentials(restarts);
    audio.port = local.shared_port;
    audio.secure.ice_ufrag = Some(credentials.ufrag);
    audio.secure.ice_pwd = Some(Secret(credentials.password));
    audio.candidates = vec![host_candidate(local.ip, local.shared_port)];
    audio.end_of_candidates = true;
    audio.msid = Some("yakyak audio".to_owned());
    Ok(())
}

/// An audio section of ours.
pub(super) fn describe(local: MediaAddress, formats: &[Format], events: &[Events]) -> Media {
    let mut media = Media::new(Kind::Audio, local.rtp_port, "RTP/AVP");
    for format in formats {
        media.formats.push(format.payload_type.to_string());
        media.rtpmaps.push(RtpMap {
            payload_type: format.payload_type,
            encoding: format.encoding.name.clone(),
            clock_hz: format.encoding.clock_hz,
            channels: format.encoding.channels,
        });
        if let Some(fmtp) = &format.fmtp {
            media.fmtps.push((format.payload_type, fmtp.clone()));
        }
    }
    for events in events {
        let (map, fmtp) = events_format(events);
        media.formats.push(events.payload_type.to_string());
        media.rtpmaps.push(map);
        media.fmtps.extend(fmtp);
    }
    media
}

/// Gives every format its number: fixed ones theirs, others the number they had on this leg before (RFC 3264, 8.3.2),
/// else the one of the other leg, else a free one.
fn number(leg: &Negotiation, wanted: Vec<Format>, events: Vec<Events>) -> (Vec<Format>, Vec<Events>) {
    let before = leg.agreed();
    let mut used = [false; 128];
    // Numbers with a meaning on this leg may not change it.
    for usable in before.iter().flat_map(|agreed| &agreed.usable) {
        used[usize::from(usable.receive & 127)] = true;
    }
    for map in before.iter().flat_map(|agreed| &agreed.events) {
        used[usize::from(map.receive & 127)] = true;
    }
    let mut take = |kept: Option<u8>, fixed: Option<u8>, like: u8| {
        let number = fixed.or(kept).or_else(|| {
            let dynamic = std::iter::once(like).chain(96..128);
            dynamic.filter(|n| (96..128).contains(n)).find(|n| !used[usize::from(*n)])
        })?;
        used[usize::from(number & 127)] = true;
        Some(number)
    };
    let mut formats = Vec::with_capacity(wanted.len());
    for mut format in wanted {
        let fixed = match format.encoding.codec() {
            Codec::Pcmu => Some(0),
            Codec::Pcma => Some(8),
            Codec::G722 => Some(9),
            Codec::Opus => None,
            Codec::Other if format.payload_type < 96 => Some(format.payload_type),
            Codec::Other => None,
        };
        let kept = before
            .and_then(|agreed| agreed.usable.iter().find(|u| u.encoding == format.encoding))
            .map(|usable| usable.receive);
        if let Some(payload_type) = take(kept, fixed, format.payload_type) {
            format.payload_type = payload_type;
            formats.push(format);
        }
    }
    let renumbered = |mut events: Events| {
        let before = before.and_then(|agreed| agreed.events.iter().find(|map| map.clock_hz == events.clock_hz));
        events.payload_type = take(before.map(|map| map.receive), None, events.payload_type)?;
        Some(events)
    };
    let events = events.into_iter().filter_map(renumbered).collect();
    (formats, events)
}
