//! Opus in Ogg (RFC 3533, RFC 7845, RFC 6716).
//!
//! Each side of a call has an encoder of its own. Two of them make one file of two channels: their packets travel
//! together as two uncoupled streams (RFC 7845, 5.1.1.2), the first in the self-delimiting form (RFC 6716, appendix B).
//! A page ends at least once a second, and no packet reaches over the end of its page: whatever a crash leaves is a
//! file but for its last page.

use std::io;

use super::medium::{Medium, append};
use super::{Container, Layout, PacketEncoder};

/// Opus counts time in samples of 48 kHz, whatever the rate.
pub(super) const CLOCK_HZ: u64 = 48_000;

/// One packet: 20 ms.
const PACKET_TICKS: u64 = CLOCK_HZ / 50;

/// The most lengths that a page can name; a packet takes one for each 255 bytes, and one more.
const MAX_SEGMENTS: usize = 255;

const FIRST: u8 = 2;
const LAST: u8 = 4;

pub(super) struct Ogg<M> {
    medium: M,
    rate_hz: u32,
    layout: Layout,
    encoders: Vec<Box<dyn PacketEncoder>>,
    serial: u32,
    pages: u32,
    end: u64,
    /// The page that was written last, to be marked as the last one of all when there is no other.
    written: Option<Written>,
    packets: u64,
    /// Interleaved samples that do not fill a packet yet.
    samples: Vec<i16>,
    frames: u64,
    /// The page that is being filled: lengths and packets.
    segments: Vec<u8>,
    body: Vec<u8>,
    /// The newest packet waits, for the last one must stand on the last page.
    waiting: Vec<u8>,
}

struct Written {
    at: u64,
    page: Vec<u8>,
    packets: u64,
}

impl<M: Medium> Ogg<M> {
    /// A file with its two headers.
    pub(super) fn create(
        medium: M,
        rate_hz: u32,
        layout: Layout,
        encoders: Vec<Box<dyn PacketEncoder>>,
        serial: u32,
    ) -> io::Result<Ogg<M>> {
        let mut ogg = Ogg {
            medium,
            rate_hz,
            layout,
            encoders,
            serial,
            pages: 0,
            end: 0,
            written: None,
            packets: 0,
            samples: Vec::new(),
            frames: 0,
            segments: Vec::new(),
            body: Vec::new(),
            waiting: Vec::new(),
        };
        let head = head(layout, ogg.pre_skip() as u16, rate_hz);
        ogg.add(&head);
        ogg.write_page(FIRST, 0)?;
        let mut tags = b"OpusTags\x06\0\0\0YakYak".to_vec();
        tags.extend(0_u32.to_le_bytes());
        ogg.add(&tags);
        ogg.write_page(0, 0)?;
        ogg.written = None;
        Ok(ogg)
    }

    /// What the encoders put before the first sample.
    fn pre_skip(&self) -> u64 {
        self.encoders.iter().map(|encoder| u64::from(encoder.delay())).max().unwrap_or_default()
    }

    /// Samples in a packet, of all channels.
    fn packet_samples(&self) -> usize {
        (self.rate_hz / 50) as usize * self.layout.channels()
    }

    fn encode(&mut self, samples: &[i16]) -> io::Result<()> {
        let failed = || io::Error::other("the Opus encoder failed");
        let channels = self.layout.channels();
        let mut packet = Vec::new();
        for (channel, encoder) in self.encoders.iter_mut().enumerate() {
            let side: Vec<i16> = samples.iter().skip(channel).step_by(channels).copied().collect();
            let mut own = Vec::new();
            if !encoder.encode(&side, &mut own) {
                return Err(failed());
            }
            if channel + 1 < channels {
                own = self_delimiting(&own).ok_or_else(failed)?;
            }
            packet.append(&mut own);
        }
        if self.packets > 0 {
            let before = std::mem::replace(&mut self.waiting, packet);
            if self.segments.len() + before.len() / 255 + 1 > MAX_SEGMENTS {
                self.write_page(0, (self.packets - 1) * PACKET_TICKS)?;
            }
            self.add(&before);
        } else {
            self.waiting = packet;
        }
        self.packets += 1;
        Ok(())
    }

    /// Puts a packet onto the page that is being filled.
    fn add(&mut self, packet: &[u8]) {
        self.segments.extend(std::iter::repeat_n(255, packet.len() / 255));
        self.segments.push((packet.len() % 255) as u8);
        self.body.extend_from_slice(packet);
    }

    fn write_page(&mut self, flags: u8, granule: u64) -> io::Result<()> {
        if self.segments.is_empty() {
            return Ok(());
        }
        let mut page = b"OggS\0".to_vec();
        page.push(flags);
        page.extend(granule.to_le_bytes());
        page.extend(self.serial.to_le_bytes());
        page.extend(self.pages.to_le_bytes());
        page.extend([0; 4]);
        page.push(self.segments.len() as u8);
        page.append(&mut self.segments);
        page.append(&mut self.body);
        seal(&mut page);
        let at = self.end;
        let mut end = at;
        append(&mut self.medium, &mut end, &page)?;
        self.end = end;
        self.pages += 1;
        self.written = Some(Written { at, page, packets: granule / PACKET_TICKS });
        Ok(())
    }
}

impl<M: Medium> Container for Ogg<M> {
    fn append(&mut self, samples: &[i16]) -> io::Result<()> {
        self.frames += (samples.len() / self.layout.channels()) as u64;
        self.samples.extend_from_slice(samples);
        let length = self.packet_samples();
        while self.samples.len() >= length {
            let packet: Vec<i16> = self.samples.drain(..length).collect();
            self.encode(&packet)?;
        }
        Ok(())
    }

    fn settle(&mut self) -> io::Result<()> {
        self.write_page(0, self.packets.saturating_sub(1) * PACKET_TICKS)
    }

    /// The last packets hold what the encoders still have in them; the last page says where the sound ends (RFC 7845, 4.4).
    fn close(&mut self) -> io::Result<()> {
        let end = self.pre_skip() + self.frames * CLOCK_HZ / u64::from(self.rate_hz);
        let length = self.packet_samples();
        while self.packets == 0 || !self.samples.is_empty() || self.packets * PACKET_TICKS < end {
            let mut packet = std::mem::take(&mut self.samples);
            packet.resize(length, 0);
            self.encode(&packet)?;
        }
        let last = std::mem::take(&mut self.waiting);
        if self.segments.len() + last.len() / 255 + 1 > MAX_SEGMENTS {
            self.write_page(0, (self.packets - 1) * PACKET_TICKS)?;
        }
        self.add(&last);
        self.write_page(LAST, end)
    }

    fn salvage(&mut self) -> io::Result<u64> {
        self.medium.cut(self.end)?;
        let Some(written) = &mut self.written else { return Ok(0) };
        mark_last(&mut written.page);
        let mut at = written.at;
        append(&mut self.medium, &mut at, &written.page)?;
        let ticks = (written.packets * PACKET_TICKS).saturating_sub(self.pre_skip());
        Ok(self.frames.min(ticks * u64::from(self.rate_hz) / CLOCK_HZ))
    }
}

/// OpusHead (RFC 7845, 5.1).
fn head(layout: Layout, pre_skip: u16, rate_hz: u32) -> Vec<u8> {
    let mut head = b"OpusHead\x01".to_vec();
    head.push(layout.channels() as u8);
    head.extend(pre_skip.to_le_bytes());
    head.extend(rate_hz.to_le_bytes());
    // No gain.
    head.extend([0, 0]);
    match layout {
        Layout::Mixed => head.push(0),
        // Family 1, two streams, none coupled, left from the first and right from the second.
        Layout::Sides => head.extend([1, 2, 0, 0, 1]),
    }
    head
}

/// The packet with its own length inside (RFC 6716, appendix B): for the packets of one frame that 20 ms make.
fn self_delimiting(packet: &[u8]) -> Option<Vec<u8>> {
    let (toc, frame) = packet.split_first()?;
    if toc & 3 != 0 {
        return None;
    }
    let mut out = Vec::with_capacity(packet.len() + 2);
    out.push(*toc);
    match frame.len() {
        length @ 0..=251 => out.push(length as u8),
        length @ 252..=1_275 => {
            let first = 252 + length % 4;
            out.extend([first as u8, ((length - first) / 4) as u8]);
        }
        _ => return None,
    }
    out.extend_from_slice(frame);
    Some(out)
}

/// Says of a whole page that none follows.
pub(super) fn mark_last(page: &mut [u8]) {
    if let Some(flags) = page.get_mut(5) {
        *flags |= LAST;
    }
    seal(page);
}

fn seal(page: &mut [u8]) {
    if let Some(place) = page.get_mut(22..26) {
        place.fill(0);
    }
    let checksum = checksum(page);
    if let Some(place) = page.get_mut(22..26) {
        place.copy_from_slice(&checksum.to_le_bytes());
    }
}

/// A page at the beginning of these bytes.
pub(super) struct Page {
    pub(super) length: usize,
    pub(super) granule: u64,
}

/// Looks at a page; nothing when it is not whole, or damaged.
pub(super) fn page(bytes: &[u8]) -> Option<Page> {
    let header = bytes.first_chunk::<27>()?;
    let segments = bytes.get(27..27 + usize::from(header[26]))?;
    let body: usize = segments.iter().map(|length| usize::from(*length)).sum();
    let length = 27 + segments.len() + body;
    let mut page = bytes.get(..length)?.to_vec();
    if !page.starts_with(b"OggS\0") {
        return None;
    }
    seal(&mut page);
    let granule = u64::from_le_bytes(*header.get(6..)?.first_chunk()?);
    (bytes.get(22..26) == page.get(22..26)).then_some(Page { length, granule })
}

/// The pre-skip that the first page of a file of ours names.
pub(super) fn pre_skip(first: &[u8]) -> Option<u64> {
    let head = first.get(28..).filter(|head| head.starts_with(b"OpusHead"))?;
    Some(u64::from(u16::from_le_bytes(*head.get(10..)?.first_chunk()?)))
}

/// CRC-32 with the polynomial 0x04c11db7, not reflected, beginning at 0 (RFC 3533, 6).
fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |sum, byte| (sum << 8) ^ TABLE[usize::from((sum >> 24) as u8 ^ byte)])
}

const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut sum = (index as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum & 0x8000_0000 == 0 { sum << 1 } else { sum << 1 ^ 0x04c1_1db7 };
            bit += 1;
        }
        table[index] = sum;
        index += 1;
    }
    table
};
