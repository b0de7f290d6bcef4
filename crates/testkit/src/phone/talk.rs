//! Talk: one call as a phone sees it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};

use super::audio::{Ear, Law, Sound, Speech};
use super::description::{Description, EVENTS, Hold};
use super::session::TalkTimer;

/// Keys in the order of their event codes (RFC 4733 §3.2).
const KEYS: &[u8] = b"0123456789*#ABCD";

/// Packets come every 20 ms.
const PACE: Duration = Duration::from_millis(20);

/// Which end of a call a phone is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It dialled.
    Caller,
    /// It rang.
    Callee,
}

/// Where a call stands, as the phone sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Dialled, nothing heard of it but 100.
    Calling,
    /// It rings, there or here.
    Ringing,
    /// Answered.
    Talking,
    /// Over.
    Over,
}

/// One call of a phone.
#[derive(Debug)]
pub struct Talk {
    /// Call-ID of the phone's dialog.
    pub call_id: String,
    /// Caller or callee.
    pub role: Role,
    /// Where it stands.
    pub stage: Stage,
    /// The final status of the INVITE; 408 when none came.
    pub code: Option<u16>,
    /// The Reason header of whatever ended it.
    pub reason: Option<String>,
    /// When it was dialled, or first rang.
    pub began_at: Instant,
    /// When the 200 was received or sent.
    pub answered_at: Option<Instant>,
    /// When it was over.
    pub over_at: Option<Instant>,
    /// Whether the phone itself ended it.
    pub left: bool,
    /// What was heard in it.
    pub ear: Ear,
    /// Keys the other side has pressed, once each.
    pub keys: String,
    /// Statuses of the phone's own re-INVITEs and UPDATEs, in order.
    pub changes: Vec<u16>,
    /// Type and body of everything the other side has said by INFO or MESSAGE.
    pub told: Vec<(String, String)>,
    /// Whether it was dialled to take somebody's place.
    pub replaces: bool,
    /// What it was told of its transfers.
    pub news: Vec<u16>,
    /// Statuses of what the phone itself has said so, REFER among it.
    pub said: Vec<u16>,
    /// Provisional statuses, in order; repetitions and 100 left out.
    pub progress: Vec<u16>,
    /// Provisional answers of the phone that were acknowledged.
    pub pracked: usize,
    /// Statuses of the phone's own PRACKs.
    pub pracks: Vec<u16>,
    /// Whom the display has shown as the other end: P-Asserted-Identity.
    pub named: Vec<String>,
    /// Versions of the session in the offers of the other side.
    pub versions: Vec<u64>,
    /// Its session timer.
    pub timer: TalkTimer,
    /// Whether anything got past the gate: a status other than a challenge or a refusal at the door.
    pub admitted: bool,
    pub(super) local: String,
    pub(super) remote: String,
    pub(super) remote_tag: Option<String>,
    pub(super) target: String,
    pub(super) cseq: u32,
    /// Number of its last INVITE, which the ACK repeats.
    pub(super) invite_cseq: u32,
    /// Number of the last reliable provisional answer.
    pub(super) rseq: Option<u32>,
    /// Whether its INVITE brought no description.
    pub(super) offers_late: bool,
    /// An answer that waits for a PRACK.
    pub(super) picks_up: bool,
    pub(super) remote_cseq: Option<u32>,
    pub(super) session: u64,
    pub(super) version: u64,
    /// The phone's own RTP port.
    pub(super) port: u16,
    pub(super) hold: Option<Hold>,
    /// The hold before a change that is on its way.
    pub(super) hold_before: Option<Hold>,
    pub(super) theirs: Option<Description>,
    pub(super) law: Law,
    /// A CANCEL or BYE that waits until it may be sent.
    pub(super) wants_out: bool,
    /// A change that waits until it may be sent.
    pub(super) wants_change: Option<Instant>,
    pub(super) react_at: Option<Instant>,
    pub(super) hang_up_at: Option<Instant>,
    pub(super) speak_at: Option<Instant>,
    /// The branch of the INVITE to answer, or of our own.
    pub(super) invite: String,
    /// Whether our 200 still waits for its ACK.
    pub(super) unacknowledged: bool,
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
    pub(super) ssrc: u32,
    /// Timestamp of the last key heard: its further packets are the same press.
    pub(super) last_key: Option<u32>,
}

impl Talk {
    /// Whether audio is to be sent, by what both sides have said.
    #[must_use]
    pub fn sends(&self) -> bool {
        let theirs =
            self.theirs.as_ref().is_some_and(|theirs| theirs.receives && !theirs.address.ip().is_unspecified());
        theirs && self.hold != Some(Hold::Inactive) && self.stage != Stage::Over
    }

    /// From of the other side, as the display first showed it.
    #[must_use]
    pub fn remote_party(&self) -> &str {
        &self.remote
    }

    /// Whether the phone itself holds the other side.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.hold.is_some()
    }

    /// Whether the other side holds this phone.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.theirs.as_ref().is_some_and(|theirs| !theirs.receives || theirs.address.ip().is_unspecified())
    }

    /// The phone's own description at present.
    pub(super) fn description(&self, address: SocketAddr, laws: &[Law]) -> String {
        let zero: SocketAddr = SocketAddr::from(([0, 0, 0, 0], address.port()));
        let ours = Description {
            address: if self.hold == Some(Hold::ZeroAddress) { zero } else { address },
            sends: self.hold != Some(Hold::Inactive),
            receives: !matches!(self.hold, Some(Hold::SendOnly | Hold::Inactive)),
            laws: laws.to_vec(),
            events: Some(EVENTS),
        };
        ours.render(self.session, self.version)
    }

    /// The phone's answer to what the other side has offered.
    pub(super) fn answer(&self, address: SocketAddr, laws: &[Law]) -> String {
        let theirs = self.theirs.as_ref();
        let ours = Description {
            address,
            sends: self.hold != Some(Hold::Inactive) && theirs.is_none_or(|theirs| theirs.receives),
            receives: self.hold.is_none() && theirs.is_none_or(|theirs| theirs.sends),
            laws: common(theirs, laws),
            events: theirs.map_or(Some(EVENTS), |theirs| theirs.events),
        };
        ours.render(self.session, self.version)
    }

    /// Takes over what the other side says; false when nothing of it can be used.
    pub(super) fn agree(&mut self, theirs: Description, laws: &[Law]) -> bool {
        let Some(law) = common(Some(&theirs), laws).first().copied() else { return false };
        self.law = law;
        self.theirs = Some(theirs);
        true
    }

    /// Begins or goes on to speak.
    pub(super) fn speak_from(&mut self, now: Instant) {
        self.speak_at = self.sends().then(|| self.speak_at.unwrap_or(now));
    }

    /// The next RTP packet when it is due, and where it goes.
    pub(super) fn packet(&mut self, now: Instant, speech: &Speech) -> Option<(SocketAddr, Bytes)> {
        let due = self.speak_at.filter(|due| *due <= now)?;
        if !self.sends() {
            self.speak_at = None;
            return None;
        }
        self.speak_at = Some((due + PACE).max(now));
        let mut packet = BytesMut::with_capacity(172);
        packet.put_u8(0x80);
        packet.put_u8(self.law.payload_type());
        packet.put_u16(self.sequence);
        packet.put_u32(self.timestamp);
        packet.put_u32(self.ssrc);
        packet.put_slice(speech.of(self.law));
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(160);
        Some((self.theirs.as_ref()?.address, packet.freeze()))
    }

    /// The packets of a key pressed for 60 ms, the last one three times (RFC 4733 §2.5), and where they go.
    pub(super) fn press(&mut self, key: char) -> Vec<(SocketAddr, Bytes)> {
        let code = KEYS.iter().position(|known| char::from(*known) == key).and_then(|code| u8::try_from(code).ok());
        let theirs = self.theirs.as_ref().and_then(|theirs| Some((theirs.address, theirs.events?)));
        let (Some(code), Some((address, payload_type))) = (code, theirs) else { return Vec::new() };
        let mut packets = Vec::new();
        for (end, duration) in [(0, 160_u16), (0, 320), (0x80, 480), (0x80, 480), (0x80, 480)] {
            let mut packet = BytesMut::with_capacity(16);
            packet.put_u8(0x80);
            packet.put_u8(payload_type | if packets.is_empty() { 0x80 } else { 0 });
            packet.put_u16(self.sequence);
            packet.put_u32(self.timestamp);
            packet.put_u32(self.ssrc);
            packet.put_slice(&[code, end | 10]);
            packet.put_u16(duration);
            self.sequence = self.sequence.wrapping_add(1);
            packets.push((address, packet.freeze()));
        }
        self.timestamp = self.timestamp.wrapping_add(480);
        packets
    }

    /// Hears a packet; `None` when it is none that a phone would play.
    pub(super) fn hear(&mut self, now: Instant, packet: &[u8]) -> Option<Sound> {
        let (header, payload) = packet.split_at_checked(12)?;
        if self.theirs.as_ref().is_some_and(|_| header[1] & 0x7f == EVENTS) {
            let timestamp = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
            if self.last_key != Some(timestamp) {
                self.last_key = Some(timestamp);
                self.keys.push(char::from(*KEYS.get(usize::from(*payload.first()?))?));
            }
            return Some(Sound::Other);
        }
        let law = Law::of_payload_type(header[1] & 0x7f).filter(|_| header[0] == 0x80)?;
        let sound = Sound::of(law, payload);
        self.ear.hear(now, sound);
        Some(sound)
    }

    pub(super) fn end(&mut self, now: Instant, reason: Option<String>) {
        if self.stage != Stage::Over {
            self.stage = Stage::Over;
            self.over_at = Some(now);
            self.reason = reason;
        }
        self.speak_at = None;
        self.react_at = None;
        self.hang_up_at = None;
        self.wants_change = None;
        self.wants_out = false;
        self.picks_up = false;
        self.timer.refresh_at = None;
        self.timer.expires_at = None;
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let timer = [self.timer.refresh_at, self.timer.expires_at];
        [self.react_at, self.hang_up_at, self.speak_at, self.wants_change].into_iter().chain(timer).flatten().min()
    }
}

/// The codecs of both, in the order of the other side.
fn common(theirs: Option<&Description>, laws: &[Law]) -> Vec<Law> {
    match theirs {
        Some(theirs) => theirs.laws.iter().copied().filter(|law| laws.contains(law)).collect(),
        None => laws.to_vec(),
    }
}
