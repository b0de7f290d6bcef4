//! The limits of this crate.

use std::time::Duration;

/// Packets are received into one buffer of the largest datagram there is.
pub(crate) const MAX_DATAGRAM_BYTES: usize = 65_535;

/// Sockets looked at by one wait. Timers are looked at in between, so this bounds their lateness.
pub(crate) const EVENTS_PER_WAIT: usize = 256;

/// Packets handled before the clock is read again: the error it puts into jitter and timers is at most
/// that many packets' work, about 50 µs.
pub(crate) const PACKETS_PER_CLOCK_READING: usize = 8;

/// Commands taken between two looks at the sockets.
pub(crate) const COMMANDS_PER_TURN: usize = 64;

/// Waiting commands above which no further session is opened. Every other command belongs to an open
/// session, so this bounds the queue as a whole.
pub(crate) const MAX_WAITING_COMMANDS: usize = 4_096;

/// Sessions of one worker, the resting ones included.
pub(crate) const MAX_SESSIONS: usize = 32_768;

/// Legs of one session.
pub(crate) const MAX_LEGS: usize = media::limits::LEGS;

/// Local addresses with a port that browsers share; legs on a further one have none.
pub(crate) const MAX_SHARED_SOCKETS: usize = 32;

/// Addresses of browsers that are believed at one moment, of all sessions of a worker; a further one is not listened to.
pub(crate) const MAX_SHARED_ADDRESSES: usize = 65_536;

/// Ports tried for one leg when other programs sit on ports of our range.
pub(crate) const MAX_PORT_TRIES: usize = 32;

/// Packets that one session may have ready at one moment; the rest wait for the next turn.
pub(crate) const PACKETS_PER_TURN: usize = 32;

/// Facts taken from one session after one input.
pub(crate) const FACTS_PER_TURN: usize = 64;

/// The longest rest of a port whose former peer never stops sending.
pub(crate) const MAX_REST: Duration = Duration::from_secs(600);

/// Files being read at one moment, each on a thread of its own.
pub(crate) const MAX_LOADERS: usize = 4;

/// Files being fetched from the web at one moment, likewise.
pub(crate) const MAX_FETCHERS: usize = 4;

/// Files waiting to be read, from disk and from the web each. A further one ends at once, as if it had been empty.
pub(crate) const MAX_WAITING_FILES: usize = 256;

/// The largest playback file: five minutes of 48 kHz stereo, and its header.
pub(crate) const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;

/// The longest playback.
pub(crate) const MAX_PLAYBACK: Duration = Duration::from_secs(300);

/// Tags, and chunks of a WAV file, that are passed over before the sound begins.
pub(crate) const MAX_FILE_CHUNKS: usize = 64;

/// The longest description of samples in a WAV file; the one of WAVE_FORMAT_EXTENSIBLE has 40 bytes.
pub(crate) const MAX_WAV_FORMAT_BYTES: u32 = 64;

/// The longest header of a Vorbis stream without its texts; usual ones have some 5 kB.
pub(crate) const MAX_VORBIS_HEADER_BYTES: usize = 128 * 1024;

/// Values in the codebooks of a Vorbis stream, 4 bytes each; usual streams have some 100 000.
pub(crate) const MAX_VORBIS_VALUES: u64 = 4 * 1024 * 1024;

/// Packets of a file that cannot be decoded, before the rest of it is left out.
pub(crate) const MAX_BAD_PACKETS: usize = 50;

/// How long decoding a file may take. Five minutes of 44.1 kHz stereo take less than a second.
pub(crate) const MAX_DECODING: Duration = Duration::from_secs(20);

/// The largest file from the web. It is held in memory until it has been decoded.
pub(crate) const MAX_FETCHED_BYTES: u64 = 16 * 1024 * 1024;

/// How long fetching a file may take in all: names, connections, redirections, and every byte.
pub(crate) const MAX_FETCHING: Duration = Duration::from_secs(15);

/// Redirections that are followed, each looked at anew.
pub(crate) const MAX_REDIRECTS: usize = 3;

/// The longest URL.
pub(crate) const MAX_URL_BYTES: usize = 2_048;

/// The longest header of an answer from the web.
pub(crate) const MAX_RESPONSE_HEADER_BYTES: usize = 16 * 1024;

/// Recordings of one recorder.
pub(crate) const MAX_RECORDINGS: usize = 4_096;

/// Samples per second that recordings may have.
pub(crate) const RECORDING_RATES_HZ: [u32; 3] = [8_000, 16_000, 48_000];

/// Blocks of 20 ms of one recording that wait for the writer: four seconds. A further one is lost and counted.
pub(crate) const MAX_WAITING_BLOCKS: usize = 200;

/// Empty blocks kept for the media thread to fill again.
pub(crate) const MAX_SPARE_BLOCKS: usize = 16;

/// The longest block, in frames: 20 ms at 48 kHz. A longer one is cut in pieces.
pub(crate) const MAX_BLOCK_FRAMES: usize = 960;

/// How often the writer looks at its recordings.
pub(crate) const WRITE_EVERY: Duration = Duration::from_millis(100);

/// How often what has come is brought to disk and counted in the file's header.
pub(crate) const SETTLE_EVERY: Duration = Duration::from_secs(1);

/// Bytes of one recording held back for a larger write.
pub(crate) const WRITE_BUFFER_BYTES: usize = 64 * 1024;

/// The longest name of a recording, folders included, and the most names in it.
pub(crate) const MAX_RECORDING_NAME_BYTES: usize = 1_024;
pub(crate) const MAX_RECORDING_FOLDERS: usize = 16;

/// Files left behind that are repaired at one start.
pub(crate) const MAX_REPAIRED_FILES: usize = 100_000;

/// Rooms at one moment; a further one cannot be made.
pub(crate) const MAX_ROOMS: usize = 10_000;

/// Beats that a room makes up for when the worker was late; older ones are left out.
pub(crate) const MAX_LATE_BEATS: u32 = 4;
