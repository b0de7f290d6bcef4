//! The thread that writes, for all recordings.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use super::finish::{Job, Part};
use super::handle::Source;
use super::ogg::Ogg;
use super::place;
use super::track::{Track, Turn};
use super::wav::Wav;
use super::{Container, End, Format, RecordingId, Shape, milliseconds};
use crate::limits::WRITE_EVERY;

/// Recordings that have begun and not ended.
pub(super) type Running = Arc<AtomicUsize>;

pub(super) enum Order {
    Record(Box<Start>),
    Stop,
}

pub(super) struct Start {
    pub(super) id: RecordingId,
    pub(super) base: Arc<Path>,
    pub(super) name: PathBuf,
    pub(super) shape: Shape,
    pub(super) source: Source,
}

struct Writer {
    orders: Receiver<Order>,
    finisher: Sender<Job>,
    running: Running,
    tracks: Vec<Open>,
}

struct Open {
    id: RecordingId,
    rate_hz: u32,
    part: PathBuf,
    track: Track,
}

enum Then {
    GoOn,
    Stop,
}

pub(super) fn spawn(orders: Receiver<Order>, finisher: Sender<Job>, running: Running) -> io::Result<JoinHandle<()>> {
    let writer = Writer { orders, finisher, running, tracks: Vec::new() };
    thread::Builder::new().name("media-record".into()).spawn(move || writer.run())
}

impl Writer {
    fn run(mut self) {
        while let Then::GoOn = self.wait() {
            let now = Instant::now();
            self.end_those(|open| open.turn(now));
        }
        let now = Instant::now();
        self.end_those(|open| Turn::Over(open.stop(now)));
    }

    /// Takes orders until it is time to write.
    fn wait(&mut self) -> Then {
        let until = Instant::now() + WRITE_EVERY;
        loop {
            let order = if self.tracks.is_empty() {
                self.orders.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                self.orders.recv_deadline(until)
            };
            match order {
                Ok(Order::Record(start)) => self.open(*start),
                Ok(Order::Stop) | Err(RecvTimeoutError::Disconnected) => return Then::Stop,
                Err(RecvTimeoutError::Timeout) => return Then::GoOn,
            }
            if Instant::now() >= until {
                return Then::GoOn;
            }
        }
    }

    fn open(&mut self, start: Start) {
        let Start { id, base, name, shape, source } = start;
        let Shape { rate_hz, layout, format, max_length: _ } = shape;
        let over = Arc::clone(&source.progress);
        let opened = place::create(&base, &name).and_then(|(file, part)| {
            let container: io::Result<Box<dyn Container>> = match format {
                Format::Wav => Wav::create(file, rate_hz, layout).map(|wav| Box::new(wav) as _),
                Format::OggOpus(encoders) => {
                    let serial = (id.0 ^ id.0 >> 32) as u32;
                    Ogg::create(file, rate_hz, layout, encoders, serial).map(|ogg| Box::new(ogg) as _)
                }
            };
            match container {
                Ok(container) => Ok((container, part)),
                Err(error) => {
                    let _ = std::fs::remove_file(&part);
                    Err(error)
                }
            }
        });
        match opened {
            Ok((container, part)) => {
                let track = Track::new(Instant::now(), source, container, layout);
                self.tracks.push(Open { id, rate_hz, part, track });
            }
            Err(error) => {
                over.over.store(true, Ordering::Relaxed);
                self.running.fetch_sub(1, Ordering::AcqRel);
                let end = End::Failed(error.to_string());
                let _ = self.finisher.send(Job { id, part: None, lost_ms: 0, end });
            }
        }
    }

    fn end_those(&mut self, mut turn: impl FnMut(&mut Track) -> Turn) {
        let (finisher, running) = (&self.finisher, &self.running);
        self.tracks.retain_mut(|open| {
            // A fault in an encoder ends this recording and no other.
            let turned = catch_unwind(AssertUnwindSafe(|| turn(&mut open.track)));
            let end = match turned.unwrap_or_else(|_| open.track.fail("an internal fault")) {
                Turn::On => return true,
                Turn::Over(end) => end,
            };
            running.fetch_sub(1, Ordering::AcqRel);
            let part = Part { path: open.part.clone(), duration_ms: milliseconds(open.track.frames(), open.rate_hz) };
            let lost_ms = milliseconds(open.track.lost(), open.rate_hz);
            let _ = finisher.send(Job { id: open.id, part: Some(part), lost_ms, end });
            false
        });
    }
}
