//! What a probe hears: packets are kept with the time they came, and judged together at the end.

use std::time::{Duration, Instant};

use super::{FRAME, TONE_HZ};
use crate::codec::Decoder;
use crate::limits;
use crate::plan::Codec;
use crate::rtp::Header;
use crate::session::statistics::Inbound;
use crate::tone::{RATE_HZ, level_db, loudest, share};

/// What is louder than this is no silence, in dBov.
const LOUD_DB: f32 = -40.0;
/// From this share of the energy on a packet has the tone in it.
const OWN_SHARE: f32 = 0.5;
/// What is cut from both ends of a sound before it is judged: its rise and fall.
const EDGE: usize = RATE_HZ as usize / 5;

/// What came back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Heard {
    /// Audio packets that came, from the first to the last.
    pub packets: u64,
    /// Pitch of the strongest tone since ours began; nothing when nothing but silence came.
    pub frequency_hz: Option<u32>,
    /// Its share of the whole energy: near 1 when there is nothing beside it.
    pub purity: f32,
    /// How loud what came is, in dBov.
    pub level_db: Option<f32>,
    /// How much louder than what was sent, in dB.
    pub gain_db: Option<f32>,
    /// Share of the tone that did not come back; of a stream without our tone what its sequence numbers tell; 1 without any.
    pub lost: f64,
    /// Interarrival jitter (RFC 3550, A.8).
    pub jitter: Duration,
    /// How long our tone takes there and back; nothing when it never came.
    pub round_trip: Option<Duration>,
}

impl Heard {
    /// Whether the tone is our own.
    pub fn is_own_tone(&self) -> bool {
        self.frequency_hz.is_some_and(|hz| hz.abs_diff(TONE_HZ) <= 3)
    }
}

#[derive(Debug)]
struct Piece {
    at: Instant,
    timestamp: u32,
    samples: Vec<i16>,
}

impl Piece {
    fn is_loud(&self) -> bool {
        level_db(&self.samples).is_some_and(|level| level > LOUD_DB)
    }

    fn is_own(&self) -> bool {
        self.is_loud() && share(&self.samples, TONE_HZ) >= OWN_SHARE
    }
}

#[derive(Debug)]
pub(super) struct Ear {
    decoder: Decoder,
    payload_type: u8,
    inbound: Inbound,
    /// Since our tone began; before it only whether there is quiet matters.
    pieces: Vec<Piece>,
    listening: bool,
    /// Samples of silence since the last sound.
    quiet: usize,
    own: usize,
    /// When each packet of the tone was sent.
    spoken: Vec<Instant>,
    sent: Vec<i16>,
}

impl Ear {
    pub(super) fn new(codec: Codec, payload_type: u8) -> Option<Ear> {
        Some(Ear {
            decoder: Decoder::new(codec)?,
            payload_type,
            inbound: Inbound::default(),
            pieces: Vec::new(),
            listening: false,
            quiet: 0,
            own: 0,
            spoken: Vec::new(),
            sent: Vec::new(),
        })
    }

    /// From now on what comes is judged.
    pub(super) fn begin(&mut self) {
        self.listening = true;
    }

    pub(super) fn spoke(&mut self, now: Instant, samples: &[i16]) {
        self.spoken.push(now);
        self.sent.extend_from_slice(samples);
    }

    pub(super) fn listen(&mut self, now: Instant, packet: &[u8]) {
        let Some(header) = Header::parse(packet).filter(|header| header.payload_type == self.payload_type) else {
            return;
        };
        let mut samples = Vec::with_capacity(FRAME);
        let payload = packet.get(header.payload.clone()).unwrap_or_default();
        if self.decoder.decode(payload, &mut samples).is_err() || samples.is_empty() {
            return;
        }
        self.inbound.record(now, &header, packet.len(), Some(RATE_HZ));
        let known = self.pieces.iter().any(|piece| piece.timestamp == header.timestamp);
        let piece = Piece { at: now, timestamp: header.timestamp, samples };
        self.quiet = if piece.is_loud() { 0 } else { self.quiet + piece.samples.len() };
        if self.listening && !known && self.pieces.len() < limits::PROBE_PACKETS {
            self.own += if piece.is_own() { piece.samples.len() } else { 0 };
            self.pieces.push(piece);
        }
    }

    /// Whether nothing but silence has come for this long.
    pub(super) fn is_quiet(&self, length: Duration) -> bool {
        self.quiet as u128 * 1_000 >= length.as_millis() * u128::from(RATE_HZ)
    }

    pub(super) fn has_heard_all(&self) -> bool {
        self.own >= self.sent.len()
    }

    pub(super) fn judge(&self) -> Heard {
        let stats = self.inbound.stats();
        let sound = self.sound();
        let body = sound.get(EDGE..sound.len().saturating_sub(EDGE)).filter(|body| !body.is_empty()).unwrap_or(&sound);
        let found = loudest(body);
        let level = level_db(body);
        let sent = level_db(self.sent.get(EDGE..self.sent.len().saturating_sub(EDGE)).unwrap_or_default());
        let lost = match (self.own, stats.expected) {
            (0, 0) => 1.0,
            (0, expected) => stats.lost as f64 / expected as f64,
            (own, _) => 1.0 - (own as f64 / self.sent.len().max(1) as f64).min(1.0),
        };
        Heard {
            packets: stats.packets,
            frequency_hz: found.map(|(hz, _)| hz),
            purity: found.map_or(0.0, |(_, share)| share),
            level_db: level,
            gain_db: level.zip(sent).map(|(level, sent)| level - sent),
            lost,
            jitter: Duration::from_micros(u64::from(stats.jitter_us)),
            round_trip: self.round_trip(),
        }
    }

    /// All that was no silence, in the order of its timestamps.
    fn sound(&self) -> Vec<i16> {
        let Some(first) = self.pieces.first() else { return Vec::new() };
        let mut loud: Vec<&Piece> = self.pieces.iter().filter(|piece| piece.is_loud()).collect();
        loud.sort_by_key(|piece| piece.timestamp.wrapping_sub(first.timestamp) as i32);
        loud.into_iter().flat_map(|piece| piece.samples.iter().copied()).collect()
    }

    /// The first packet with our tone in it answers the first one that was sent with it, and the timestamps of the others follow
    /// from it: the median of all. Should the first have been lost, some would have come before they were sent.
    fn round_trip(&self) -> Option<Duration> {
        let own: Vec<&Piece> = self.pieces.iter().filter(|piece| piece.is_own()).collect();
        let first = own.first()?.timestamp;
        let pairs = |missed: usize| {
            own.iter().filter_map(move |piece| {
                let behind = usize::try_from(piece.timestamp.wrapping_sub(first) as i32).ok()?;
                Some((self.spoken.get(behind / FRAME + missed)?, piece.at))
            })
        };
        let early = |missed: &usize| pairs(*missed).any(|(sent, came)| came < *sent);
        let missed = (0..self.spoken.len()).find(|missed| !early(missed))?;
        let mut trips: Vec<Duration> =
            pairs(missed).map(|(sent, came)| came.saturating_duration_since(*sent)).collect();
        trips.sort();
        trips.get(trips.len() / 2).copied()
    }
}
