//! What an Opus packet tells without being decoded (RFC 6716, 3).

use std::time::Duration;

use crate::limits;

/// Longest packet (3.2.5).
const LONGEST: Duration = Duration::from_millis(limits::AUDIO_MILLISECONDS as u64);

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
    if frames == 0 {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_configuration_has_its_frame_length() {
        // RFC 6716, Table 2.
        let silk = [480, 960, 1_920, 2_880];
        let hybrid = [480, 960, 480, 960];
        let celt = [120, 240, 480, 960];
        let expected: Vec<usize> = [silk, silk, silk, hybrid, celt, celt, celt, celt].concat();
        let read: Vec<usize> = (0..32).filter_map(|n| Some(Packet::read(&[n << 3])?.samples())).collect();
        assert_eq!(read, expected);
    }

    #[test]
    fn frames_are_found_in_every_framing() {
        let first = |packet: &'static [u8]| Packet::read(packet).map(|packet| (packet.frames, packet.payload));
        assert_eq!(first(&[0x08, 1, 2]), Some((1, &[1, 2][..])));
        assert_eq!(first(&[0x09, 1, 2]), Some((2, &[1][..])));
        assert_eq!(first(&[0x0a, 1, 2, 3]), Some((2, &[2][..])));
        assert_eq!(first(&[0x0b, 0x03, 1, 2, 3]), Some((3, &[1][..])));
        assert_eq!(first(&[0x0b, 0x43, 1, 1, 2, 3, 0]), Some((3, &[1][..])));
        assert_eq!(first(&[0x0b, 0x82, 2, 1, 2, 3]), Some((2, &[1, 2][..])));
        assert_eq!(first(&[0x0b, 0x81, 1, 2]), Some((1, &[1, 2][..])));
        for broken in [
            &[0x09, 1][..],
            &[0x0a, 2, 1],
            &[0x0a, 252],
            &[0x0b, 0],
            &[0x0b, 2, 1],
            &[0x0b, 0x42, 9, 1],
            &[0x0b, 0x82, 9],
        ] {
            assert_eq!(Packet::read(broken), None, "{broken:?}");
        }
    }

    #[test]
    fn redundancy_is_a_bit_after_those_for_voice_activity() {
        let redundant =
            |first: u8, bits: u8| Packet::read(&[first, bits]).is_some_and(|packet| packet.has_redundancy());
        assert!(redundant(0x08, 0b0100_0000) && !redundant(0x08, 0b1011_1111));
        // 60 ms; then 20 ms in two channels.
        assert!(redundant(0x18, 0b0001_0000) && !redundant(0x18, 0b1110_1111));
        assert!(redundant(0x0c, 0b0001_0000) && redundant(0x0c, 0b0100_0000) && !redundant(0x0c, 0b1010_1111));
        assert!(!redundant(0x88, 0xff) && Packet::read(&[0x08]).is_some_and(|packet| !packet.has_redundancy()));
    }
}
