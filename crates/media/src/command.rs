//! What the brain asks of a media worker, and what the worker tells the brain. Values only.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::plan::Plan;
use crate::quality;

/// Names one media session; given by whoever opens it, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub u64);

/// Position of a leg in its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Leg(pub u8);

impl Leg {
    /// The leg that called.
    pub const CALLER: Leg = Leg(0);
    /// The leg that was called.
    pub const CALLEE: Leg = Leg(1);

    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// Which of a leg's two sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Channel {
    /// The even port: audio and telephone events.
    Rtp,
    /// The port above it: reports.
    Rtcp,
}

/// What a worker shall play.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Playback {
    /// A sine tone.
    Tone {
        /// Pitch.
        frequency_hz: u32,
        /// Length.
        duration_ms: u32,
    },
    /// What a caller hears while a phone rings, until it is stopped.
    Ringing,
    /// A sound file the worker reads.
    File(PathBuf),
    /// A sound file the worker fetches, over HTTP or HTTPS.
    Url(String),
}

/// Names one room of a worker; given by whoever has the first leg join it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoomId(pub u64);

/// What a leg does in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoomPart {
    /// Hears all, is heard by all.
    Member,
    /// Hears all, is heard by nobody.
    Listener,
    /// Hears all, is heard by one alone, who is in the room as well.
    Whisperer {
        /// The session of that one.
        session: SessionId,
        /// Its leg.
        leg: Leg,
    },
}

/// How a leg takes part in a room.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RoomSeat {
    /// Whom it hears, and who hears it.
    pub part: RoomPart,
    /// What it says is not heard.
    pub muted: bool,
    /// It hears nothing.
    pub deaf: bool,
    /// How much louder it is heard, in dB, −40 to 20.
    pub gain_db: f32,
    /// How much louder it hears the others, in dB, −40 to 20.
    pub volume_db: f32,
}

impl RoomSeat {
    /// A part as it usually is.
    pub fn new(part: RoomPart) -> Self {
        RoomSeat { part, muted: false, deaf: false, gain_db: 0.0, volume_db: 0.0 }
    }
}

/// How a session is recorded: the caller left, the callee right, 16 bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingOrder {
    /// Inside the worker's folder of recordings, without an extension that the format does not have.
    pub name: PathBuf,
    /// Samples per second: 8000, 16000 or 48000.
    pub rate_hz: u32,
    /// Both sides on one channel, instead of one channel for each.
    pub mixed: bool,
    /// Opus in Ogg with so many bits per second and channel; else WAV.
    pub opus_bps: Option<u32>,
    /// The recording ends by itself when it is so long.
    pub max_length_ms: u64,
}

/// What is to become of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordingChange {
    /// What comes is left out.
    Pause,
    /// Silence stands in place of what comes.
    Mask,
    /// Ends both of these.
    Resume,
    /// Ends the recording.
    Finish,
}

/// A recording that is finished, or why there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// Where it is; nothing when not a single sample could be kept.
    pub path: Option<PathBuf>,
    /// Its size.
    pub bytes: u64,
    /// Its length.
    pub duration_ms: u64,
    /// The SHA-256 of all its bytes.
    pub sha256: [u8; 32],
    /// How much of it is silence because the disk was too slow.
    pub lost_ms: u64,
    /// It reached its greatest length.
    pub reached_max_length: bool,
    /// Why it could not go on; nothing when it ended as it was meant to.
    pub fault: Option<String>,
}

/// An order to a media worker.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Allocate ports, one pair for each leg.
    Open {
        /// The new session.
        session: SessionId,
        /// For each leg the local address that faces its peer.
        legs: Vec<IpAddr>,
    },
    /// Carry out a negotiated plan; replaces the one before.
    Apply {
        /// The session.
        session: SessionId,
        /// The plan.
        plan: Plan,
    },
    /// Play to a leg; the relay towards it rests meanwhile.
    Play {
        /// The session.
        session: SessionId,
        /// Who hears it.
        leg: Leg,
        /// What is heard.
        source: Playback,
    },
    /// Send a leg's own audio back to it.
    Echo {
        /// The session.
        session: SessionId,
        /// The leg.
        leg: Leg,
    },
    /// End playback or echo on a leg.
    Stop {
        /// The session.
        session: SessionId,
        /// The leg.
        leg: Leg,
    },
    /// Press a key for a leg, behind those pressed before: as telephone events where it knows them, else as tones.
    Press {
        /// The session.
        session: SessionId,
        /// Who gets it.
        leg: Leg,
        /// `0`–`9`, `*`, `#`, `A`–`D`.
        key: char,
        /// How long it is held.
        duration_ms: u32,
    },
    /// Let a leg take part in a room, or change how it does. What the legs of its session say to each other meanwhile is heard in
    /// rooms alone. The first leg makes the room, at its rate; the last one that leaves ends it.
    Join {
        /// The session.
        session: SessionId,
        /// The leg.
        leg: Leg,
        /// The room.
        room: RoomId,
        /// Samples per second of a new room: 8000, 16000 or 48000.
        rate_hz: u32,
        /// How it takes part.
        seat: RoomSeat,
    },
    /// Take a leg out of its room: it hears the other leg of its session again.
    Leave {
        /// The session.
        session: SessionId,
        /// The leg.
        leg: Leg,
    },
    /// Record what the legs of a session say; ends with [`Fact::Recorded`]. One recording at a time: a new one ends the one before.
    Record {
        /// The session.
        session: SessionId,
        /// Where, and how.
        order: RecordingOrder,
    },
    /// Change the recording of a session.
    Recording {
        /// The session.
        session: SessionId,
        /// What is to become of it.
        change: RecordingChange,
    },
    /// End the session and free its ports; answered with [`Fact::Closed`].
    Close {
        /// The session.
        session: SessionId,
    },
}

/// Where a leg reaches us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LegAddress {
    /// Its own RTP address; RTCP is one port above.
    pub rtp: SocketAddr,
    /// The port of the same address that all browsers share; 0 when there is none.
    pub shared_port: u16,
}

impl LegStats {
    /// How what the leg said arrived here: the mean opinion score of G.107; nothing when nothing came.
    pub fn mean_opinion_score(&self) -> Option<f32> {
        let DirectionStats { packets, expected, lost, jitter_us, .. } = self.received;
        (packets > 0).then(|| {
            quality::mean_opinion_score(&quality::Measured {
                codec: self.codec,
                lost: lost as f64 / expected.max(1) as f64,
                jitter: Duration::from_micros(u64::from(jitter_us)),
                round_trip: self.rtt_us.map(|rtt_us| Duration::from_micros(u64::from(rtt_us))),
            })
        })
    }
}

impl LegAddress {
    /// A leg that no browser can reach.
    pub fn alone(rtp: SocketAddr) -> Self {
        LegAddress { rtp, shared_port: 0 }
    }
}

/// Something that happened on a media worker.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// Ports are allocated.
    Opened {
        /// The session.
        session: SessionId,
        /// Where each leg can be reached.
        legs: Vec<LegAddress>,
    },
    /// No ports could be had.
    OpenFailed {
        /// The session.
        session: SessionId,
        /// A plain sentence.
        why: &'static str,
    },
    /// Audio of a leg arrives from this address now (first time, or moved).
    Connected {
        /// The session.
        session: SessionId,
        /// The leg.
        leg: Leg,
        /// Where its RTP comes from.
        from: SocketAddr,
    },
    /// A leg pressed a key.
    Digit {
        /// The session.
        session: SessionId,
        /// The leg.
        leg: Leg,
        /// `0`–`9`, `*`, `#`, `A`–`D`.
        digit: char,
        /// How long it was held.
        duration_ms: u32,
        /// Whether it reaches the other leg by itself, as the events that it came in.
        passed: bool,
    },
    /// The encryption that was agreed for a leg cannot come about; it is not heard, and hears nothing.
    Unprotected {
        /// The session.
        session: SessionId,
        /// The leg.
        leg: Leg,
        /// A plain sentence.
        why: &'static str,
    },
    /// A leg that should send has not been heard.
    Silent {
        /// The session.
        session: SessionId,
        /// The leg.
        leg: Leg,
        /// Since how long.
        for_ms: u64,
    },
    /// A playback came to its end by itself.
    PlaybackEnded {
        /// The session.
        session: SessionId,
        /// The leg.
        leg: Leg,
    },
    /// A leg in a room has begun to speak, or ended.
    Speaking {
        /// The session.
        session: SessionId,
        /// The leg.
        leg: Leg,
        /// Whether it speaks now.
        speaking: bool,
    },
    /// A leg cannot join a room: there are too many, or too many are in it.
    NotJoined {
        /// The session.
        session: SessionId,
        /// The leg.
        leg: Leg,
        /// A plain sentence.
        why: &'static str,
    },
    /// A recording has ended. This may come after the session is gone.
    Recorded {
        /// The session.
        session: SessionId,
        /// What there is of it.
        recorded: Recorded,
    },
    /// The session is gone; its last figures.
    Closed {
        /// The session.
        session: SessionId,
        /// Figures of each leg.
        legs: Vec<LegStats>,
    },
    /// Figures of a running session.
    Stats {
        /// The session.
        session: SessionId,
        /// Figures of each leg.
        legs: Vec<LegStats>,
    },
}

/// Figures of one direction of one leg.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DirectionStats {
    /// RTP packets.
    pub packets: u64,
    /// Their bytes, RTP header included.
    pub bytes: u64,
    /// Packets expected from the sequence numbers (RFC 3550, A.3); for the sent direction the same as `packets`.
    pub expected: u64,
    /// Packets lost: counted by us for what we received, told by the peer's reports for what we sent.
    pub lost: u64,
    /// Packets that came out of order or twice.
    pub late: u64,
    /// Interarrival jitter (RFC 3550, A.8), in microseconds; for the sent direction as the peer reports it.
    pub jitter_us: u32,
}

/// What a peer last reported about the audio it gets from us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reported {
    /// Share lost since its report before, in 1/256.
    pub fraction_lost: u8,
    /// Lost since the beginning; negative with duplicates.
    pub lost: i32,
    /// Jitter in microseconds.
    pub jitter_us: u32,
}

/// Figures of one leg.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LegStats {
    /// What the leg sent to us.
    pub received: DirectionStats,
    /// What we sent to the leg.
    pub sent: DirectionStats,
    /// Packets from addresses that had no right to send.
    pub dropped_strangers: u64,
    /// Other packets that went no further (malformed, unknown payload type, wrong direction, second source).
    pub dropped: u64,
    /// Name of the codec, empty before the first plan.
    pub codec: &'static str,
    /// What protects it: `SDES`, `DTLS`, or nothing.
    pub encryption: &'static str,
    /// RTCP packets from the leg.
    pub rtcp_in: u64,
    /// RTCP packets to the leg.
    pub rtcp_out: u64,
    /// Round trip between us and the leg, from its reports.
    pub rtt_us: Option<u32>,
    /// The leg's last report about what it hears.
    pub reported: Option<Reported>,
}
