//! What an Opus packet tells without being decoded (RFC 6716, 3).

use std::time::Duration;

/// Most frames in a packet, and the longest packet in milliseconds (3.2.5).
const FRAMES: usize = 48;
const LONGEST: Duration = Duration::from_millis(120);

/// What is known of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packet<'a> {
    first: u8,
    frame: Duration,
    frames: usize,
    /// The first frame; empty in discontinuous transmission.
    payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads the head of a packet; nothing when it breaks one of the rules R1 to R7 (3.4) as far as they can be seen from there.
    pub(super) fn read(packet: &'a [u8]) -> Option<Self> {
        let (first, rest) = packet.split_first()?;
        let frame = frame(*first);
        let (frames, payload) = match first & 3 {
            0 => (1, rest),
            1 if rest.len() % 2 == 0 => (2, rest.get(..rest.len() / 2)?),
            1 => return None,
            2 => {
                let (length, rest) = length(rest)?;
                (2, rest.get(..length)?)
            }
            _ => several(rest)?,
        };
        let whole = frame.checked_mul(u32::try_from(frames).ok()?)?;
        (whole <= LONGEST).then_some(Packet { first: *first, frame, frames, payload })
    }

    /// Samples of the whole packet at 48 kHz.
    pub(super) fn samples(&self) -> usize {
        self.frame_samples() * self.frames
    }

    /// Samples of one of its frames at 48 kHz.
    pub(super) fn frame_samples(&self) -> usize {
        (self.frame.as_micros() * 48 / 1_000) as usize
    }

    /// Whether it is coded by CELT alone, which knows no redundancy.
    pub(super) fn is_celt(&self) -> bool {
        self.first & 0x80 != 0
    }

    /// Whether its first frame carries the one before it a second time (4.2.4): the bits after those for voice activity, one of
    /// each for every SILK frame, and again for the second channel.
    pub(super) fn has_redundancy(&self) -> bool {
        let Some(bits) = self.payload.first().filter(|_| !self.is_celt()) else { return false };
        let silk = match self.frame.as_millis() {
            40 => 2,
            60 => 3,
            _ => 1,
        };
        let stereo = self.first & 0x04 != 0;
        bits >> (7 - silk) & 1 != 0 || (stereo && bits >> (6 - 2 * silk) & 1 != 0)
    }
}

/// Length of a frame, from the first byte of the packet (Table 2).
fn frame(first: u8) -> Duration {
    let size = first >> 3 & 3;
    let micros = match first >> 3 {
        0..12 if size == 3 => 60_000,
        0..12 => 10_000 << size,
        12..16 => 10_000 << (size & 1),
        _ => 2_500 << size,
    };
    Duration::from_micros(micros)
}

/// Reads a frame's length (3.2.1).
fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    if *first < 252 {
        return Some((usize::from(*first), rest));
    }
    let (second, rest) = rest.split_first()?;
    Some((usize::from(*second) * 4 + usize::from(*first), rest))
}

/// Reads the head of a packet with a counted number of frames (3.2.5).
fn several(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (head, mut rest) = bytes.split_first()?;
    let frames = usize::from(head & 0x3f);
    if !(1..=FRAMES).contains(&frames) {
        return None;
    }
    if head & 0x40 != 0 {
        let mut padding = 0;
        loop {
            let (more, after) = rest.split_first()?;
            rest = after;
            padding += usize::from(*more).min(254);
            if *more < 255 {
                break;
            }
        }
        rest = rest.get(..rest.len().checked_sub(padding)?)?;
    }
    if head & 0x80 == 0 {
        return rest
            .len()
            .is_multiple_of(frames)
            .then(|| (frames, rest.get(..rest.len() / frames).unwrap_or_default()));
    }
    let mut first = None;
    let mut sum = 0;
    for _ in 1..frames {
        let (length, after) = length(rest)?;
        first.get_or_insert(length);
        sum += length;
        rest = after;
    }
    let last = rest.len().checked_sub(sum)?;
    Some((frames, rest.get(..first.unwrap_or(last))?))
}
