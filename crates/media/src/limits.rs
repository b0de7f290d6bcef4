//! Every limit of this crate, and what happens when it is reached.

use std::time::Duration;

/// Longest session description that is read; a longer one is refused as unreadable.
pub const SDP_BYTES: usize = 32 * 1024;
/// Most lines in a session description; more are refused.
pub const SDP_LINES: usize = 1_000;
/// Most `m=` lines; more are refused.
pub const SDP_MEDIA: usize = 16;
/// Most formats on one `m=` line; more are refused.
pub const SDP_FORMATS: usize = 128;
/// Most `a=rtpmap` or `a=fmtp` lines kept of one stream; more are ignored.
pub const SDP_MAPPINGS: usize = 128;
/// Longest single token (media name, protocol, encoding, host name); a longer one makes its line unreadable.
pub const SDP_TOKEN: usize = 256;
/// Longest `a=fmtp` value that is kept; a longer one is ignored.
pub const SDP_FMTP: usize = 1_024;
/// Most `a=crypto` lines kept of one stream; more are ignored.
pub const SDP_CRYPTOS: usize = 16;
/// Most session parameters of an `a=crypto` line; a line with more is ignored.
pub const SDP_CRYPTO_PARAMETERS: usize = 8;
/// Most `a=fingerprint` lines kept of a session or stream; more are ignored.
pub const SDP_FINGERPRINTS: usize = 8;
/// Most `a=candidate` lines kept of one stream; more are ignored.
pub const SDP_CANDIDATES: usize = 32;
/// Most formats offered to the other side; the least preferred ones are left out.
pub const OFFERED_FORMATS: usize = 24;

/// Sources (SSRC) of one SRTP key; a further one, once authentic, takes the place of the oldest.
pub const SRTP_SOURCES: usize = 8;

/// Addresses of a peer that are believed at one time; a further one takes the place of the oldest that is not in use.
pub const ICE_PAIRS: usize = 8;
/// Time without a check after which a peer has withdrawn its consent (RFC 7675, 5.1).
pub const CONSENT: Duration = Duration::from_secs(30);
/// Time within which a DTLS handshake must be done.
pub const HANDSHAKE: Duration = Duration::from_secs(30);
/// Datagrams of a handshake that wait to be sent; further ones are lost, and repeated by DTLS itself.
pub const HANDSHAKE_DATAGRAMS: usize = 32;

/// Legs of one session; a session asked for more gets this many.
pub const LEGS: usize = 2;
/// Longest RTP or RTCP packet; a longer one is dropped as malformed.
pub const PACKET_BYTES: usize = 2_048;
/// RTCP packets in one compound packet; more make it malformed.
pub const RTCP_COMPOUND: usize = 16;
/// Facts waiting to be fetched; further ones are lost, so the worker fetches after every call.
pub const FACTS: usize = 16;
/// Silence of the current source after which another allowed address may take over.
pub const TAKEOVER: Duration = Duration::from_secs(2);
/// Longest audio of one payload in milliseconds, and longest that is concealed at once; a longer payload cannot be decoded.
pub const AUDIO_MILLISECONDS: usize = 120;
/// Step in sequence numbers beyond which a packet is no longer taken as the next of its stream (RFC 3550, A.1).
pub const DROPOUT: i16 = 3_000;
/// Time without a packet of an unfinished telephone event after which it counts as ended.
pub const EVENT_GAP: Duration = Duration::from_millis(200);
/// Time after a press in which its packets, and those of presses before it, may still come; they press nothing.
pub const EVENT_LATE: Duration = Duration::from_secs(10);
/// Clocks of telephone events that are understood: 8 kHz, and those of wideband codecs (RFC 4733, 2.1).
pub const EVENT_CLOCKS_HZ: [u32; 4] = [8_000, 16_000, 32_000, 48_000];
/// Longest press that is made; a longer one is cut.
pub const EVENT: Duration = Duration::from_secs(10);
/// Presses that wait to be made for a leg; further ones are forgotten.
pub const PRESSES: usize = 64;
/// Playback frames made at once when the worker was late; older ones are skipped.
pub const CATCH_UP: u32 = 5;
/// Least, first and longest time that the first packet of a talk waits for those behind it.
pub const JITTER_LEAST: Duration = Duration::from_millis(10);
/// See [`JITTER_LEAST`].
pub const JITTER_FIRST: Duration = Duration::from_millis(40);
/// See [`JITTER_LEAST`].
pub const JITTER_MOST: Duration = Duration::from_millis(200);
/// Beats of 20 ms over which it is watched whether packets wait for longer than they need.
pub const DELAY_WINDOW_BEATS: u32 = 100;
/// By how much they must, at least, so that something is left out.
pub const SPARE: Duration = Duration::from_millis(30);
/// Beats without a packet after which the next one is a new beginning.
pub const STARVED: u32 = 10;
/// Most parties in a room; a further one is turned away.
pub const PARTIES: usize = 1_000;
/// How many members of a room are heard at one moment: the loudest.
pub const HEARD_AT_ONCE: usize = 8;
/// Time between two reports that we make, on the whole (RFC 3550, 6.2).
pub const REPORTS: Duration = Duration::from_secs(5);
/// Rates at which samples are given out and taken.
pub const RATES_HZ: [u32; 3] = [8_000, 16_000, 48_000];
/// Time without a packet after which a leg is no longer heard as samples, unless its codec has to be changed for the other one.
pub const EAR: Duration = Duration::from_secs(2);
/// Longest tone that is played; a longer one is cut.
pub const TONE: Duration = Duration::from_secs(3_600);
/// Packets that a probe keeps to judge them; further ones are counted and not listened to.
pub const PROBE_PACKETS: usize = 1_000;
