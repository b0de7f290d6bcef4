//! RTCP compound packets (RFC 3550, section 6): checked, read, and rewritten in place for the other leg.

mod write;

use crate::limits;

pub use write::{LONGEST, SenderInfo, write};

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;

const HEADER: usize = 4;
const BLOCK: usize = 24;

/// One report block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// The source it is about.
    pub ssrc: u32,
    /// Share lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Packets lost since the beginning, signed 24 bits.
    pub lost: i32,
    /// Highest sequence number received, cycles in the upper half.
    pub highest_sequence: u32,
    /// Jitter in units of the payload's clock.
    pub jitter: u32,
    /// Middle 32 bits of the NTP time of the last sender report, 0 for none.
    pub last_report: u32,
    /// Delay since that report in 1/65536 s.
    pub delay: u32,
}

/// What one report of a compound packet says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// A sender's own figures.
    Sender {
        /// The sender.
        ssrc: u32,
        /// Middle 32 bits of its NTP time.
        compact_time: u32,
    },
    /// How somebody hears somebody.
    Block(Block),
}

/// How names and counters of one leg translate into those of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Source as which we send to the other leg.
    pub ssrc: u32,
    /// The reporter's own source and what is added to its timestamps; sender reports of other sources are left out.
    pub sender: Option<(u32, u32)>,
    /// For report blocks about the first: they become about the second, whose sequence numbers are lower by the third.
    pub subject: Option<(u32, u32, u16)>,
}

/// Whether a datagram is a well-formed compound packet that starts with a report.
pub fn is_compound(packet: &[u8]) -> bool {
    if packet.len() > limits::PACKET_BYTES {
        return false;
    }
    let mut at = 0;
    let mut count = 0;
    while at < packet.len() {
        count += 1;
        let Some(part) = Part::at(packet, at).filter(|_| count <= limits::RTCP_COMPOUND) else {
            return false;
        };
        let is_report = matches!(part.kind, SENDER_REPORT | RECEIVER_REPORT);
        if (at == 0 && !is_report) || (is_report && part.blocks_end().is_none()) {
            return false;
        }
        at = part.end;
    }
    count > 0
}

/// Hands every report of a well-formed compound packet to `each`.
pub fn read(packet: &[u8], mut each: impl FnMut(Report)) {
    let mut at = 0;
    while let Some(part) = Part::at(packet, at) {
        at = part.end;
        let Some(end) = part.blocks_end() else { continue };
        if part.kind == SENDER_REPORT {
            each(Report::Sender {
                ssrc: word(packet, part.start + 4),
                compact_time: (word(packet, part.start + 8) << 16) | (word(packet, part.start + 12) >> 16),
            });
        }
        let mut block = part.blocks_start();
        while block + BLOCK <= end {
            each(Report::Block(read_block(packet, block)));
            block += BLOCK;
        }
    }
}

fn read_block(packet: &[u8], at: usize) -> Block {
    let loss = word(packet, at + 4);
    Block {
        ssrc: word(packet, at),
        fraction_lost: (loss >> 24) as u8,
        // The shift pair extends the sign of 24 bits.
        lost: ((loss << 8) as i32) >> 8,
        highest_sequence: word(packet, at + 8),
        jitter: word(packet, at + 12),
        last_report: word(packet, at + 16),
        delay: word(packet, at + 20),
    }
}

/// Rewrites a well-formed compound packet for the other leg and returns its new length; 0 when nothing is left. Sender
/// reports, receiver reports and source descriptions go on; the rest (BYE above all: our source lives on) does not.
pub fn rewrite(packet: &mut [u8], mapping: &Mapping) -> usize {
    let mut at = 0;
    let mut kept = 0;
    let mut reports = 0;
    while let Some(part) = Part::at(packet, at) {
        at = part.end;
        let keep = match part.kind {
            SENDER_REPORT => rewrite_sender(packet, &part, mapping),
            RECEIVER_REPORT => {
                put(packet, part.start + 4, mapping.ssrc);
                true
            }
            SOURCE_DESCRIPTION => reports > 0 && rewrite_description(packet, &part, mapping),
            _ => false,
        };
        if !keep {
            continue;
        }
        if part.kind != SOURCE_DESCRIPTION {
            reports += 1;
            rewrite_blocks(packet, &part, mapping);
        }
        packet.copy_within(part.start..part.end, kept);
        kept += part.end - part.start;
    }
    kept
}

fn rewrite_sender(packet: &mut [u8], part: &Part, mapping: &Mapping) -> bool {
    let Some((ssrc, timestamp_offset)) = mapping.sender else {
        return false;
    };
    if word(packet, part.start + 4) != ssrc || part.blocks_end().is_none() {
        return false;
    }
    put(packet, part.start + 4, mapping.ssrc);
    let timestamp = word(packet, part.start + 16).wrapping_add(timestamp_offset);
    put(packet, part.start + 16, timestamp);
    true
}

/// Only the usual shape is kept: one chunk, about the reporter.
fn rewrite_description(packet: &mut [u8], part: &Part, mapping: &Mapping) -> bool {
    if part.count != 1 || part.end - part.start < HEADER + 4 {
        return false;
    }
    put(packet, part.start + 4, mapping.ssrc);
    true
}

fn rewrite_blocks(packet: &mut [u8], part: &Part, mapping: &Mapping) {
    let (Some(end), Some((from, to, offset))) = (part.blocks_end(), mapping.subject) else {
        return;
    };
    let mut at = part.blocks_start();
    while at + BLOCK <= end {
        if word(packet, at) == from {
            put(packet, at, to);
            let highest = word(packet, at + 8);
            put(packet, at + 8, lower(highest, offset));
        }
        at += BLOCK;
    }
}

/// Takes `offset` from an extended sequence number, cycles and all.
fn lower(highest: u32, offset: u16) -> u32 {
    let (cycles, sequence) = (highest >> 16, highest as u16);
    let cycles = if sequence < offset { cycles.saturating_sub(1) } else { cycles };
    (cycles << 16) | u32::from(sequence.wrapping_sub(offset))
}

/// One packet of a compound, by its place.
struct Part {
    kind: u8,
    count: usize,
    start: usize,
    end: usize,
}

impl Part {
    fn at(packet: &[u8], start: usize) -> Option<Part> {
        let header = packet.get(start..start.checked_add(HEADER)?)?;
        let words = u16::from_be_bytes([header[2], header[3]]);
        let end = start + HEADER + 4 * usize::from(words);
        let fits = header[0] >> 6 == 2 && end <= packet.len() && (200..=207).contains(&header[1]);
        fits.then(|| Part { kind: header[1], count: usize::from(header[0] & 0x1f), start, end })
    }

    fn blocks_start(&self) -> usize {
        self.start + HEADER + if self.kind == SENDER_REPORT { 24 } else { 4 }
    }

    /// End of the report blocks; `None` when this is no report or they do not fit.
    fn blocks_end(&self) -> Option<usize> {
        if !matches!(self.kind, SENDER_REPORT | RECEIVER_REPORT) {
            return None;
        }
        let end = self.blocks_start() + BLOCK * self.count;
        (end <= self.end).then_some(end)
    }
}

/// A word at a place that was checked to be inside; 0 elsewhere.
fn word(packet: &[u8], at: usize) -> u32 {
    let bytes = packet.get(at..).and_then(|rest| rest.first_chunk::<4>());
    bytes.map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

fn put(packet: &mut [u8], at: usize, value: u32) {
    let place = packet.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<4>());
    if let Some(place) = place {
        *place = value.to_be_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lowered_sequence_number_takes_its_cycle_along() {
        assert_eq!(lower(0x0002_0005, 3), 0x0002_0002);
        assert_eq!(lower(0x0002_0005, 6), 0x0001_ffff);
        assert_eq!(lower(0x0000_0005, 6), 0x0000_ffff, "before the first cycle there is none");
        assert_eq!(lower(0x0002_0005, 5), 0x0002_0000);
    }
}
