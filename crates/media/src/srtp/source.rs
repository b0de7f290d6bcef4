//! Counters of one source: the packet index from 16 bits of it (RFC 3711 §3.3.1), and which were seen (§3.3.2).

use super::SrtpError;

/// Packets of one key and source (RFC 3711 §9.2).
const MOST: u64 = 1 << 48;

/// What was sent of a source.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) ssrc: u32,
    /// Highest index; nothing before the first packet.
    highest: Option<u64>,
}

impl Sent {
    pub(super) fn new(ssrc: u32) -> Sent {
        Sent { ssrc, highest: None }
    }

    /// The index of a packet that is sent now. A stream may send a little out of order, as its source did.
    pub(super) fn next(&mut self, sequence: u16) -> Result<u64, SrtpError> {
        let index = match self.highest {
            None => u64::from(sequence),
            Some(highest) => estimate(highest, sequence).ok_or(SrtpError::WornOut)?,
        };
        if index >= MOST {
            return Err(SrtpError::WornOut);
        }
        self.highest = Some(self.highest.map_or(index, |highest| highest.max(index)));
        Ok(index)
    }
}

/// What was received of a source.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) ssrc: u32,
    window: Window,
}

impl Received {
    /// A source whose first authentic packet had this index.
    pub(super) fn new(ssrc: u32, index: u64) -> Received {
        Received { ssrc, window: Window::new(index) }
    }

    /// The index that a packet must have, if it has not been seen.
    pub(super) fn index(&self, sequence: u16) -> Result<u64, SrtpError> {
        let index = estimate(self.window.highest, sequence).filter(|index| *index < MOST).ok_or(SrtpError::Replayed)?;
        if self.window.has_seen(index) { Err(SrtpError::Replayed) } else { Ok(index) }
    }

    pub(super) fn accept(&mut self, index: u64) {
        self.window.accept(index);
    }
}

/// The index nearest to the highest so far; nothing where that lies before the beginning.
fn estimate(highest: u64, sequence: u16) -> Option<u64> {
    let ahead = i64::from(sequence.wrapping_sub(highest as u16) as i16);
    highest.checked_add_signed(ahead)
}

/// The 128 newest indices, and which of them were seen.
#[derive(Debug)]
pub(super) struct Window {
    highest: u64,
    /// Bit n: the index n below the highest.
    seen: u128,
}

impl Window {
    pub(super) fn new(index: u64) -> Window {
        Window { highest: index, seen: 1 }
    }

    /// Whether it was seen, or is too old to tell.
    pub(super) fn has_seen(&self, index: u64) -> bool {
        match self.highest.checked_sub(index) {
            None => false,
            Some(below @ 0..128) => self.seen >> below & 1 == 1,
            Some(_) => true,
        }
    }

    pub(super) fn accept(&mut self, index: u64) {
        match index.checked_sub(self.highest) {
            Some(ahead @ 0..128) => {
                self.seen = self.seen.checked_shl(ahead as u32).unwrap_or(0) | 1;
                self.highest = index;
            }
            Some(_) => (self.highest, self.seen) = (index, 1),
            None => {
                let below = self.highest - index;
                if below < 128 {
                    self.seen |= 1 << below;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_is_the_nearest_one() {
        for (highest, sequence, expected) in [
            (65_530, 65_535, Some(65_535)),
            (65_535, 0, Some(65_536)),
            (65_536 + 3, 65_535, Some(65_535)),
            (3 * 65_536 + 10, 5, Some(3 * 65_536 + 5)),
            (10, 65_535, None),
            (10, 32_777, Some(32_777)),
        ] {
            assert_eq!(estimate(highest, sequence), expected, "{sequence} after {highest}");
        }
    }

    #[test]
    fn a_window_knows_each_index_once() {
        let mut window = Window::new(1_000);
        assert!(window.has_seen(1_000) && !window.has_seen(999) && !window.has_seen(1_001));
        window.accept(1_127);
        assert!(window.has_seen(1_000) && window.has_seen(1_127) && !window.has_seen(1_001));
        window.accept(1_001);
        assert!(window.has_seen(1_001));
        window.accept(1_128);
        assert!(window.has_seen(1_000), "too old to tell");
        assert!(!window.has_seen(1_126));
        window.accept(9_000);
        assert!(window.has_seen(1_126) && !window.has_seen(8_999) && window.has_seen(9_000));
    }

    #[test]
    fn a_sender_counts_its_wraps() {
        let mut sent = Sent::new(1);
        assert_eq!(sent.next(65_534), Ok(65_534));
        assert_eq!(sent.next(1), Ok(65_537));
        assert_eq!(sent.next(65_535), Ok(65_535), "out of order as its source was");
        assert_eq!(sent.next(2), Ok(65_538));
        sent.highest = Some(MOST - 1);
        assert_eq!(sent.next(0), Err(SrtpError::WornOut));
    }
}
