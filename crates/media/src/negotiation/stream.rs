//! The one audio stream of a description, as far as we care for it.

use std::net::IpAddr;

use super::carriage::{self, Carriage};
use super::{Agreed, EventMap, Offered, Refusal, Usable};
use crate::dtls::{Fingerprint, Role};
use crate::ice::Credentials;
use crate::limits;
use crate::plan::Codec;
use crate::profile::{Profile, SrtpPolicy};
use crate::sdp::{Description, Direction, Host, Kind, Media, RtpMap};

/// Name, clock and channels of a payload format. Names compare without regard to case.
#[derive(Clone, Debug)]
pub(crate) struct Encoding {
    pub(crate) name: String,
    pub(crate) clock_hz: u32,
    pub(crate) channels: u8,
}

impl PartialEq for Encoding {
    fn eq(&self, other: &Self) -> bool {
        self.name.eq_ignore_ascii_case(&other.name)
            && self.clock_hz == other.clock_hz
            && self.channels == other.channels
    }
}

impl Eq for Encoding {}

impl Encoding {
    pub(crate) fn new(name: &str, clock_hz: u32) -> Self {
        Encoding { name: name.to_owned(), clock_hz, channels: 1 }
    }

    pub(crate) fn codec(&self) -> Codec {
        let is = |name: &str| self.name.eq_ignore_ascii_case(name);
        match (self.clock_hz, self.channels) {
            (8_000, 1) if is("PCMU") => Codec::Pcmu,
            (8_000, 1) if is("PCMA") => Codec::Pcma,
            (8_000, 1) if is("G722") => Codec::G722,
            // RFC 7587, 7: always two channels of 48 kHz, whatever is sent.
            (48_000, 2) if is("opus") => Codec::Opus,
            _ => Codec::Other,
        }
    }

    /// The name for records, from a closed list.
    pub(crate) fn label(&self) -> &'static str {
        const LABELS: [&str; 14] = [
            "PCMU", "PCMA", "G722", "G729", "G723", "G726-32", "GSM", "iLBC", "speex", "opus", "AMR", "AMR-WB", "EVS",
            "L16",
        ];
        LABELS.into_iter().find(|label| self.name.eq_ignore_ascii_case(label)).unwrap_or("other")
    }

    fn is_event(&self) -> bool {
        self.name.eq_ignore_ascii_case("telephone-event")
    }

    /// Formats that ride beside a codec and mean nothing without it.
    fn is_auxiliary(&self) -> bool {
        const AUXILIARY: [&str; 9] =
            ["CN", "telephone-event", "tone", "red", "rtx", "ulpfec", "parityfec", "flexfec", "flexfec-03"];
        AUXILIARY.into_iter().any(|name| self.name.eq_ignore_ascii_case(name))
    }
}

/// One codec of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Format {
    pub(crate) payload_type: u8,
    pub(crate) encoding: Encoding,
    pub(crate) fmtp: Option<String>,
}

/// The telephone events of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Events {
    pub(crate) payload_type: u8,
    pub(crate) clock_hz: u32,
    pub(crate) fmtp: Option<String>,
}

impl Events {
    /// Events of which nothing more was said.
    pub(crate) fn new(payload_type: u8, clock_hz: u32) -> Self {
        Events { payload_type, clock_hz, fmtp: None }
    }
}

/// The audio stream a peer described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stream {
    /// Which `m=` line it is.
    pub(crate) index: usize,
    /// `None` for the unspecified address: old-style hold.
    pub(crate) ip: Option<IpAddr>,
    pub(crate) port: u16,
    /// 0 when there is no room for one.
    pub(crate) rtcp_port: u16,
    /// From the peer's view; already narrowed by an unspecified address.
    pub(crate) direction: Direction,
    pub(crate) formats: Vec<Format>,
    /// For each clock at most one.
    pub(crate) events: Vec<Events>,
    pub(crate) ptime_ms: Option<u16>,
    pub(crate) maxptime_ms: Option<u16>,
    /// The transport on its `m=` line.
    pub(crate) protocol: String,
    pub(crate) carriage: Carriage,
    /// Its ICE credentials; a browser's alone are looked at.
    pub(crate) ice: Option<Credentials>,
    /// Whether RTCP travels on the RTP port: with a handshake alone, which would have to be made twice otherwise.
    pub(crate) mux: bool,
    pub(crate) mid: Option<String>,
    /// Whether it stands in a BUNDLE group.
    pub(crate) bundled: bool,
}

impl Stream {
    /// The first audio stream of an offer that the profile lets us take, an encrypted one before one in clear.
    pub(crate) fn offered(description: &Description, profile: &Profile) -> Result<Self, Refusal> {
        let mut why = Refusal::NO_AUDIO;
        let mut plain = None;
        for (index, media) in description.media.iter().enumerate() {
            if media.kind != Kind::Audio || media.port == 0 {
                continue;
            }
            match carriage::offered(description, media, profile) {
                Ok(Carriage::Plain) if profile.policy() == SrtpPolicy::Prefer => plain = plain.or(Some((index, media))),
                Ok(carriage) => return Stream::read(description, index, media, (&[], &[]), carriage, profile.webrtc),
                Err(refusal) => why = refusal,
            }
        }
        let (index, media) = plain.ok_or(why)?;
        Stream::read(description, index, media, (&[], &[]), Carriage::Plain, profile.webrtc)
    }

    fn read(
        description: &Description,
        index: usize,
        media: &Media,
        (known, known_events): (&[Format], &[Events]),
        carriage: Carriage,
        browser: bool,
    ) -> Result<Self, Refusal> {
        let connection = media.connection.as_ref().or(description.connection.as_ref());
        let ip = match connection.map(|c| &c.host) {
            // ICE finds the address; the one that stands here need not be one.
            _ if browser => None,
            Some(Host::Ip(ip)) => usable_address(*ip)?,
            Some(Host::Name(_)) | None => return Err(Refusal::NO_ADDRESS),
        };
        let declared = media.direction.or(description.direction).unwrap_or_default();
        let direction = Direction::of(declared.sends(), declared.receives() && (browser || ip.is_some()));
        let (formats, events) = formats(media, known, known_events);
        if formats.is_empty() {
            return Err(Refusal::NO_COMMON_CODEC);
        }
        Ok(Stream {
            index,
            ip,
            port: media.port,
            rtcp_port: media.rtcp.unwrap_or_else(|| media.port.checked_add(1).unwrap_or(0)),
            direction,
            formats,
            events,
            ptime_ms: media.ptime_ms,
            maxptime_ms: media.maxptime_ms,
            protocol: media.protocol.clone(),
            mux: media.rtcp_mux && matches!(carriage, Carriage::Dtls { .. }),
            carriage,
            ice: if browser { carriage::credentials(description, media) } else { None },
            bundled: media.mid.as_ref().is_some_and(|mid| description.bundle.contains(mid)),
            mid: media.mid.clone(),
        })
    }
}

/// `Ok(None)` for the unspecified address; no multicast, no broadcast.
fn usable_address(ip: IpAddr) -> Result<Option<IpAddr>, Refusal> {
    let ip = ip.to_canonical();
    let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    if ip.is_multicast() || broadcast {
        Err(Refusal::NO_ADDRESS)
    } else if ip.is_unspecified() {
        Ok(None)
    } else {
        Ok(Some(ip))
    }
}

/// Formats in the peer's order. A dynamic number without `a=rtpmap` means what it meant in our offer.
fn formats(media: &Media, known: &[Format], known_events: &[Events]) -> (Vec<Format>, Vec<Events>) {
    let mut formats: Vec<Format> = Vec::new();
    let mut events: Vec<Events> = Vec::new();
    for format in &media.formats {
        let Some(payload_type) = format.parse::<u8>().ok().filter(|pt| *pt < 128) else {
            continue;
        };
        let mapped = media.rtpmaps.iter().find(|m| m.payload_type == payload_type);
        let encoding = match mapped {
            Some(map) => Some(from_map(map)),
            None => fixed(payload_type)
                .or_else(|| {
                    let known = known.iter().find(|f| f.payload_type == payload_type)?;
                    Some(known.encoding.clone())
                })
                .or_else(|| {
                    let known = known_events.iter().find(|e| e.payload_type == payload_type)?;
                    Some(Encoding::new("telephone-event", known.clock_hz))
                }),
        };
        let Some(encoding) = encoding else { continue };
        let fmtp = media.fmtps.iter().find(|(pt, _)| *pt == payload_type).map(|(_, value)| value.clone());
        if encoding.is_event() {
            let clock_hz = encoding.clock_hz;
            if limits::EVENT_CLOCKS_HZ.contains(&clock_hz) && !events.iter().any(|e| e.clock_hz == clock_hz) {
                events.push(Events { payload_type, clock_hz, fmtp });
            }
        } else if !encoding.is_auxiliary() && !formats.iter().any(|f| f.payload_type == payload_type) {
            formats.push(Format { payload_type, encoding, fmtp });
        }
    }
    (formats, events)
}

fn from_map(map: &RtpMap) -> Encoding {
    Encoding { name: map.encoding.clone(), clock_hz: map.clock_hz, channels: map.channels.max(1) }
}

/// The static audio payload types of RFC 3551 that phones use.
fn fixed(payload_type: u8) -> Option<Encoding> {
    let name = match payload_type {
        0 => "PCMU",
        3 => "GSM",
        4 => "G723",
        8 => "PCMA",
        9 => "G722",
        13 => "CN",
        15 => "G728",
        18 => "G729",
        _ => return None,
    };
    Some(Encoding::new(name, 8_000))
}

/// Matches an answer against our offer.
pub(super) fn answered(
    description: &Description,
    offered: &Offered,
    profile: &Profile,
    before: Option<(&Fingerprint, Role)>,
) -> Result<Agreed, Refusal> {
    let media =
        description.media.get(offered.index).filter(|media| media.kind == Kind::Audio).ok_or(Refusal::NO_AUDIO)?;
    if media.port == 0 {
        return Err(Refusal::REFUSED);
    }
    let carriage = carriage::answered(description, media, offered.carriage)?;
    let role = carriage::role(&carriage, before);
    let known = (&offered.formats[..], &offered.events[..]);
    let mut remote = Stream::read(description, offered.index, media, known, carriage, profile.webrtc)?;
    if profile.webrtc && remote.ice.is_none() {
        return Err(Refusal::NO_BROWSER);
    }
    remote.direction = remote.direction.within(offered.direction.reversed());
    let mut usable: Vec<Usable> = Vec::new();
    for format in &remote.formats {
        let ours = offered.formats.iter().find(|f| f.encoding == format.encoding);
        if let Some(ours) = ours
            && !usable.iter().any(|u| u.encoding == format.encoding)
        {
            usable.push(Usable {
                encoding: format.encoding.clone(),
                fmtp: format.fmtp.clone(),
                send: format.payload_type,
                receive: ours.payload_type,
            });
        }
    }
    if usable.is_empty() {
        return Err(Refusal::NO_COMMON_CODEC);
    }
    let map = |theirs: &Events| {
        let ours = offered.events.iter().find(|ours| ours.clock_hz == theirs.clock_hz)?;
        Some(EventMap { clock_hz: theirs.clock_hz, send: theirs.payload_type, receive: ours.payload_type })
    };
    let events = remote.events.iter().filter_map(map).collect();
    Ok(Agreed { direction: offered.direction, remote, usable, events, role, restarts: offered.restarts })
}

/// The lines that describe telephone events in a description of ours.
pub(crate) fn events_format(events: &Events) -> (RtpMap, Option<(u8, String)>) {
    let map = RtpMap {
        payload_type: events.payload_type,
        encoding: "telephone-event".to_owned(),
        clock_hz: events.clock_hz,
        channels: 1,
    };
    let fmtp = events.fmtp.clone().unwrap_or_else(|| "0-15".to_owned());
    (map, Some((events.payload_type, fmtp)))
}

/// The telephone events that go with codecs (RFC 4733, 2.1: of the codec's clock): those that `like` has; those of 8 kHz, which
/// everybody knows, where we can tell keys from the audio itself; and what a browser wants. Numbers and keys are those of `like`.
pub(crate) fn events_of(formats: &[Format], like: &[Events], browser: bool) -> Vec<Events> {
    const USUAL: [(u32, u8); 2] = [(8_000, 101), (48_000, 110)];
    let of_clock = |&(clock_hz, payload_type): &(u32, u8)| {
        let known = like.iter().find(|events| events.clock_hz == clock_hz);
        let spoken = formats.iter().any(|f| f.encoding.clock_hz == clock_hz);
        let wanted = match clock_hz {
            8_000 => known.is_some() || formats.iter().any(|f| f.encoding.codec().is_known()),
            _ => spoken && (known.is_some() || browser),
        };
        wanted.then(|| known.cloned().unwrap_or_else(|| Events::new(payload_type, clock_hz)))
    };
    USUAL.iter().filter_map(of_clock).collect()
}
