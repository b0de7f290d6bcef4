//! Reports of our own: one compound packet of a sender or receiver report and our name (RFC 3550, 6.4 and 6.5).

use super::{BLOCK, Block, HEADER, RECEIVER_REPORT, SENDER_REPORT, SOURCE_DESCRIPTION};

/// What a sender says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderInfo {
    /// NTP time: seconds in the upper half, their fraction in the lower.
    pub ntp: u64,
    /// The same moment as a timestamp of the stream.
    pub timestamp: u32,
    /// Packets sent.
    pub packets: u32,
    /// Bytes of their payloads.
    pub bytes: u32,
}

/// Length of the canonical name: 96 random bits in base 32, without padding (RFC 7022, 4.2 wants so many at least).
const NAME: usize = 20;
/// Longest packet that [`write`] makes.
pub const LONGEST: usize = HEADER + 24 + BLOCK + HEADER + 4 + 2 + NAME + 4;

/// Writes a compound packet of `ssrc` and tells its length; `None` when `out` has no room for [`LONGEST`] bytes.
pub fn write(ssrc: u32, sender: Option<SenderInfo>, block: Option<Block>, name: u128, out: &mut [u8]) -> Option<usize> {
    let mut out = Writer { out: out.get_mut(..LONGEST)?, at: 0 };
    let kind = if sender.is_some() { SENDER_REPORT } else { RECEIVER_REPORT };
    let words = 1 + if sender.is_some() { 5 } else { 0 } + if block.is_some() { BLOCK / 4 } else { 0 };
    out.header(u8::from(block.is_some()), kind, words);
    out.word(ssrc);
    if let Some(SenderInfo { ntp, timestamp, packets, bytes }) = sender {
        out.word((ntp >> 32) as u32);
        out.word(ntp as u32);
        out.word(timestamp);
        out.word(packets);
        out.word(bytes);
    }
    if let Some(block) = block {
        out.word(block.ssrc);
        out.word(u32::from(block.fraction_lost) << 24 | (block.lost.clamp(-0x80_0000, 0x7f_ffff) as u32 & 0xff_ffff));
        out.word(block.highest_sequence);
        out.word(block.jitter);
        out.word(block.last_report);
        out.word(block.delay);
    }
    // Source, item and its end, filled up to whole words.
    out.header(1, SOURCE_DESCRIPTION, (4 + 2 + NAME + 2) / 4);
    out.word(ssrc);
    out.byte(1);
    out.byte(NAME as u8);
    for place in 0..NAME {
        const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
        out.byte(LETTERS[(name >> (5 * place)) as usize & 31]);
    }
    out.byte(0);
    out.byte(0);
    Some(out.at)
}

struct Writer<'a> {
    out: &'a mut [u8],
    at: usize,
}

impl Writer<'_> {
    fn header(&mut self, count: u8, kind: u8, words: usize) {
        self.word(u32::from_be_bytes([0x80 | count, kind, 0, words as u8]));
    }

    fn word(&mut self, word: u32) {
        word.to_be_bytes().into_iter().for_each(|byte| self.byte(byte));
    }

    fn byte(&mut self, byte: u8) {
        if let Some(place) = self.out.get_mut(self.at) {
            *place = byte;
        }
        self.at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Report, is_compound, read};
    use super::*;

    const BLOCK_OF: Block = Block {
        ssrc: 0x0102_0304,
        fraction_lost: 64,
        lost: -2,
        highest_sequence: 0x0001_ffff,
        jitter: 80,
        last_report: 0xabcd_ef01,
        delay: 0x0001_8000,
    };
    const SENDER_OF: SenderInfo = SenderInfo { ntp: 0x1122_3344_5566_7788, timestamp: 9, packets: 10, bytes: 1_600 };

    #[test]
    fn a_sender_report_byte_by_byte() {
        let mut out = [0xff; LONGEST];
        let len = write(0x0a0b_0c0d, Some(SENDER_OF), Some(BLOCK_OF), 1 << 5, &mut out).expect("room");
        let mut expected = vec![0x81, 200, 0, 12, 0x0a, 0x0b, 0x0c, 0x0d];
        expected.extend([0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0, 0, 0, 9, 0, 0, 0, 10, 0, 0, 6, 64]);
        expected.extend([1, 2, 3, 4, 64, 0xff, 0xff, 0xfe, 0, 1, 0xff, 0xff, 0, 0, 0, 80]);
        expected.extend([0xab, 0xcd, 0xef, 0x01, 0, 1, 0x80, 0]);
        expected.extend([0x81, 202, 0, 7, 0x0a, 0x0b, 0x0c, 0x0d, 1, 20]);
        expected.extend(b"abaaaaaaaaaaaaaaaaaa\0\0");
        assert_eq!(&out[..len], expected);
        let mut reports = Vec::new();
        read(&out[..len], |report| reports.push(report));
        let sender = Report::Sender { ssrc: 0x0a0b_0c0d, compact_time: 0x3344_5566 };
        assert_eq!(reports, [sender, Report::Block(BLOCK_OF)]);
    }

    #[test]
    fn every_kind_can_be_read_and_what_has_no_room_is_not_begun() {
        for sender in [None, Some(SENDER_OF)] {
            for block in [None, Some(BLOCK_OF)] {
                let mut out = [0; LONGEST];
                let len = write(7, sender, block, u128::MAX, &mut out).expect("room");
                assert!(is_compound(&out[..len]) && len.is_multiple_of(4), "{sender:?} {block:?}");
            }
        }
        assert_eq!(write(7, None, None, 0, &mut [0; LONGEST - 1]), None);
    }
}
