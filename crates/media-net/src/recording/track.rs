//! One recording on the writer's side: from blocks with their places to a file without gaps.

use std::io;
use std::sync::atomic::Ordering;
use std::time::Instant;

use crossbeam_channel::TryRecvError;

use super::handle::Source;
use super::{Container, End, Layout};
use crate::limits::SETTLE_EVERY;

/// Silence is written in pieces of this many samples.
const SILENCE: [i16; 1_024] = [0; 1_024];

pub(super) struct Track {
    source: Source,
    container: Box<dyn Container>,
    layout: Layout,
    /// Frames in the file.
    frames: u64,
    settled_at: Instant,
}

/// Whether there may be more.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    On,
    Over(End),
}

impl Track {
    pub(super) fn new(now: Instant, source: Source, container: Box<dyn Container>, layout: Layout) -> Track {
        Track { source, container, layout, frames: 0, settled_at: now }
    }

    /// Writes what has come. After [`Turn::Over`] the file is whole and nothing else may be asked of it but its figures.
    pub(super) fn turn(&mut self, now: Instant) -> Turn {
        match self.take(now) {
            Ok(turn) => turn,
            Err(error) => self.fail(&error.to_string()),
        }
    }

    /// Ends it whether or not more would come.
    pub(super) fn stop(&mut self, now: Instant) -> End {
        match self.turn(now) {
            Turn::Over(end) => end,
            Turn::On => match self.close() {
                Ok(()) => End::Finished,
                Err(error) => match self.fail(&error.to_string()) {
                    Turn::Over(end) => end,
                    Turn::On => End::Finished,
                },
            },
        }
    }

    /// Ends it with a fault; what has been written is kept.
    pub(super) fn fail(&mut self, why: &str) -> Turn {
        self.source.progress.over.store(true, Ordering::Relaxed);
        self.frames = self.container.salvage().unwrap_or_default();
        Turn::Over(End::Failed(why.to_owned()))
    }

    pub(super) fn frames(&self) -> u64 {
        self.frames
    }

    pub(super) fn lost(&self) -> u64 {
        self.source.progress.lost.load(Ordering::Relaxed)
    }

    fn take(&mut self, now: Instant) -> io::Result<Turn> {
        // Read before the queue: whatever lies before it has been sent by now, or is lost.
        let mut due = self.source.progress.due.load(Ordering::Acquire);
        let mut ended = false;
        loop {
            match self.source.blocks.try_recv() {
                Ok(block) => {
                    self.fill_up_to(block.at)?;
                    self.container.append(&block.samples)?;
                    self.frames += (block.samples.len() / self.layout.channels()) as u64;
                    let _ = self.source.spare.try_send(block.samples);
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    due = self.source.progress.due.load(Ordering::Acquire);
                    ended = true;
                    break;
                }
            }
        }
        self.fill_up_to(due)?;
        if self.frames >= self.source.max_frames {
            self.close()?;
            return Ok(Turn::Over(End::MaxLength));
        }
        if ended {
            self.close()?;
            return Ok(Turn::Over(End::Finished));
        }
        if now.saturating_duration_since(self.settled_at) >= SETTLE_EVERY {
            self.settled_at = now;
            self.container.settle()?;
        }
        Ok(Turn::On)
    }

    fn fill_up_to(&mut self, frames: u64) -> io::Result<()> {
        while self.frames < frames {
            let most = (SILENCE.len() / self.layout.channels()) as u64;
            let count = (frames - self.frames).min(most);
            let silence = SILENCE.get(..count as usize * self.layout.channels()).unwrap_or_default();
            self.container.append(silence)?;
            self.frames += count;
        }
        Ok(())
    }

    fn close(&mut self) -> io::Result<()> {
        self.source.progress.over.store(true, Ordering::Relaxed);
        self.container.close()
    }
}
