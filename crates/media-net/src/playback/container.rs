//! What kind of file it is, by its first bytes alone, and the reader for that kind.
//!
//! Nothing that a file claims about a length is believed: lengths are compared with what is there, and the texts and
//! pictures in a file are passed over before anybody reserves memory for them.

use std::io::{self, Chain, Cursor, Read, Seek, SeekFrom, Take};

use symphonia::core::codecs::audio::well_known as codec;
use symphonia::core::codecs::audio::{AudioCodecId, AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{MediaSourceStream, ReadOnlySource};
use symphonia::core::packet::Packet;
use symphonia::default::codecs::{FlacDecoder, MpaDecoder, PcmDecoder, VorbisDecoder};
use symphonia::default::formats::{FlacReader, MpaReader, OggReader, WavReader};

use super::opus::Opus;
use super::{PlaybackError, vorbis};
use crate::limits::{MAX_FILE_CHUNKS, MAX_WAV_FORMAT_BYTES};

/// Bytes that can be looked at before they are read in order.
pub(super) trait Bytes: Read + Seek + Send + Sync + 'static {}

impl<T: Read + Seek + Send + Sync + 'static> Bytes for T {}

/// A file whose packets can be read and decoded.
pub(super) struct Opened {
    pub(super) packets: Box<dyn FormatReader>,
    pub(super) decoder: Decoder,
    pub(super) track: u32,
}

/// From packets to samples.
pub(super) enum Decoder {
    Symphonia(Box<dyn AudioDecoder>),
    Opus(Opus),
}

impl Decoder {
    /// Puts the interleaved samples of a packet in place of what was there, and tells their rate and their channels.
    pub(super) fn decode(&mut self, packet: &Packet, interleaved: &mut Vec<f32>) -> Result<(u32, usize), Error> {
        match self {
            Decoder::Symphonia(decoder) => {
                let decoded = decoder.decode(packet)?;
                decoded.copy_to_vec_interleaved(interleaved);
                Ok((decoded.spec().rate(), decoded.spec().channels().count()))
            }
            Decoder::Opus(opus) => {
                opus.decode(packet, interleaved)?;
                Ok((opus.rate_hz(), 1))
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Wav,
    Mp3,
    Ogg,
    Flac,
}

pub(super) fn open(mut bytes: impl Bytes) -> Result<Opened, PlaybackError> {
    let kind = kind(&mut bytes)?;
    let known = kind != Kind::Ogg || is_known_stream(&mut bytes)?;
    let options = FormatOptions::default();
    let packets: Box<dyn FormatReader> = match kind {
        Kind::Wav => Box::new(WavReader::try_new(stream(wav(bytes)?), options).map_err(blame)?),
        Kind::Mp3 => Box::new(MpaReader::try_new(stream(bytes), options).map_err(blame)?),
        Kind::Ogg => Box::new(OggReader::try_new(stream(bytes), options).map_err(|error| match blame(error) {
            // It looks for a stream that it knows until the file ends.
            PlaybackError::Broken(_) if !known => PlaybackError::Encoding("this encoding in Ogg".into()),
            other => other,
        })?),
        Kind::Flac => Box::new(FlacReader::try_new(stream(bytes), options).map_err(blame)?),
    };
    let found = packets.default_track(TrackType::Audio).and_then(|track| {
        let parameters = track.codec_params.as_ref()?.audio()?;
        Some((track.id, parameters.clone()))
    });
    let Some((track, parameters)) = found else {
        return Err(PlaybackError::Encoding("what is inside".into()));
    };
    // Before a decoder reserves memory for hundreds of channels.
    let channels = parameters.channels.as_ref().map(|channels| channels.count());
    if let (Some(rate_hz), Some(channels)) = (parameters.sample_rate, channels)
        && !is_playable(rate_hz, channels)
    {
        return Err(PlaybackError::Format { rate_hz, channels });
    }
    let decoder = decoder(kind, &parameters)?;
    Ok(Opened { packets, decoder, track })
}

pub(super) fn is_playable(rate_hz: u32, channels: usize) -> bool {
    (8_000..=48_000).contains(&rate_hz) && matches!(channels, 1 | 2)
}

/// Read in order, never back and forth: what stands at the end of a file is not trusted to be there.
fn stream(bytes: impl Read + Send + Sync + 'static) -> MediaSourceStream<'static> {
    MediaSourceStream::new(Box::new(ReadOnlySource::new(bytes)), Default::default())
}

fn decoder(kind: Kind, parameters: &AudioCodecParameters) -> Result<Decoder, PlaybackError> {
    let options = AudioDecoderOptions::default();
    let decoder: Result<Box<dyn AudioDecoder>, Error> = match kind {
        Kind::Wav => PcmDecoder::try_new(parameters, &options).map(|decoder| Box::new(decoder) as _),
        Kind::Mp3 => MpaDecoder::try_new(parameters, &options).map(|decoder| Box::new(decoder) as _),
        Kind::Flac => FlacDecoder::try_new(parameters, &options).map(|decoder| Box::new(decoder) as _),
        Kind::Ogg => match parameters.codec {
            codec::CODEC_ID_FLAC => FlacDecoder::try_new(parameters, &options).map(|decoder| Box::new(decoder) as _),
            codec::CODEC_ID_VORBIS => {
                vorbis::check(parameters.extra_data.as_deref().unwrap_or_default())?;
                VorbisDecoder::try_new(parameters, &options).map(|decoder| Box::new(decoder) as _)
            }
            codec::CODEC_ID_OPUS => {
                return Opus::new(parameters.extra_data.as_deref().unwrap_or_default()).map(Decoder::Opus);
            }
            other => return Err(PlaybackError::Encoding(name(other))),
        },
    };
    decoder.map(Decoder::Symphonia).map_err(blame)
}

fn name(id: AudioCodecId) -> String {
    match id {
        codec::CODEC_ID_SPEEX => "Speex in Ogg".into(),
        _ => "this encoding in Ogg".into(),
    }
}

pub(super) fn blame(error: Error) -> PlaybackError {
    match error {
        Error::IoError(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            PlaybackError::Broken("it ends too early".into())
        }
        Error::IoError(error) => PlaybackError::Io(error),
        Error::Unsupported(what) => PlaybackError::Encoding(what.into()),
        Error::DecodeError(what) | Error::LimitError(what) => PlaybackError::Broken(what.into()),
        other => PlaybackError::Broken(other.to_string()),
    }
}

/// Leaves the bytes where the sound begins: behind tags of ID3v2, of which a file may have several.
fn kind(bytes: &mut impl Bytes) -> Result<Kind, PlaybackError> {
    let (mut at, mut tagged) = (0, false);
    for _ in 0..MAX_FILE_CHUNKS {
        bytes.seek(SeekFrom::Start(at))?;
        let mut start = [0; 12];
        let length = fill(bytes, &mut start)?;
        bytes.seek(SeekFrom::Start(at))?;
        let start = &start[..length];
        match start {
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E'] => return Ok(Kind::Wav),
            [b'O', b'g', b'g', b'S', ..] => return Ok(Kind::Ogg),
            [b'f', b'L', b'a', b'C', ..] => return Ok(Kind::Flac),
            [b'I', b'D', b'3', _, _, flags, a, b, c, d, ..] if [a, b, c, d].iter().all(|byte| **byte < 0x80) => {
                let size = [a, b, c, d].iter().fold(0, |size, byte| size << 7 | u64::from(**byte));
                at += 10 + size + if flags & 0x10 == 0 { 0 } else { 10 };
                tagged = true;
            }
            // Behind a tag there may be padding before the first frame; the reader looks for it.
            [_, ..] if tagged => return Ok(Kind::Mp3),
            [0xff, second, third, _, ..] if is_mp3_frame(*second, *third) => return Ok(Kind::Mp3),
            _ => return Err(PlaybackError::Unknown),
        }
    }
    Err(PlaybackError::Broken("too many tags".into()))
}

/// The header of a frame of MPEG-1, 2 or 2.5 audio, layer III, with a bit rate and a sample rate that exist
/// (ISO/IEC 11172-3, 2.4.1.3).
fn is_mp3_frame(second: u8, third: u8) -> bool {
    let (version, layer) = (second >> 3 & 3, second >> 1 & 3);
    second & 0xe0 == 0xe0 && version != 1 && layer == 1 && third >> 4 != 15 && third >> 2 & 3 != 3
}

/// What is read of a WAV file: its format and its samples, under a header of ours. Its other chunks (texts, pictures, marks)
/// may claim any length; they are passed over here.
fn wav<B: Bytes>(mut bytes: B) -> Result<Chain<Cursor<Vec<u8>>, Take<B>>, PlaybackError> {
    let broken = |what: &str| PlaybackError::Broken(what.into());
    let end = bytes.seek(SeekFrom::End(0))?;
    let mut at = 12;
    let mut format: Option<Vec<u8>> = None;
    for _ in 0..MAX_FILE_CHUNKS {
        bytes.seek(SeekFrom::Start(at))?;
        let mut head = [0; 8];
        if fill(&mut bytes, &mut head)? < head.len() {
            return Err(broken("it ends before its samples"));
        }
        let [name @ .., a, b, c, d] = head;
        let length = u32::from_le_bytes([a, b, c, d]);
        at += 8;
        match (&name, &format) {
            (b"fmt ", None) => {
                if !(16..=MAX_WAV_FORMAT_BYTES).contains(&length) {
                    return Err(broken("its format has a wrong length"));
                }
                let mut chunk = vec![0; length as usize];
                if fill(&mut bytes, &mut chunk)? < chunk.len() {
                    return Err(broken("it ends before its samples"));
                }
                format = Some(chunk);
            }
            (b"data", Some(chunk)) => {
                // Who writes to a pipe cannot know the length and claims the longest.
                let there = u32::try_from(end.saturating_sub(at)).unwrap_or(u32::MAX - 1).min(length);
                let mut header = b"RIFF\xff\xff\xff\xffWAVEfmt ".to_vec();
                header.extend((chunk.len() as u32).to_le_bytes());
                header.extend(chunk);
                header.extend(b"data");
                header.extend(there.to_le_bytes());
                return Ok(Cursor::new(header).chain(bytes.take(u64::from(there))));
            }
            (b"data", None) => return Err(broken("it does not say what its samples are")),
            _ => {}
        }
        // Chunks begin at even places.
        at += u64::from(length) + u64::from(length % 2);
    }
    Err(broken("too many chunks before its samples"))
}

/// Whether the first stream of an Ogg file is one of those that are played.
fn is_known_stream(bytes: &mut impl Bytes) -> io::Result<bool> {
    let mut page = [0; 47];
    let start = bytes.stream_position()?;
    let length = fill(bytes, &mut page)?;
    bytes.seek(SeekFrom::Start(start))?;
    Ok(match page.get(28..length) {
        Some([b'O', b'p', b'u', b's', b'H', b'e', b'a', b'd', .., family]) => *family < 2,
        Some([b'\x01', b'v', b'o', b'r', b'b', b'i', b's', ..] | [b'\x7f', b'F', b'L', b'A', b'C', ..]) => true,
        Some(_) => length < page.len(),
        None => true,
    })
}

/// Reads until the buffer is full or the file ends.
fn fill(bytes: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match bytes.read(&mut buffer[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}
