//! The end of a recording that the media thread holds.
//!
//! Each block carries its place in the file's time. The writer puts silence wherever nothing came, so that a lost block,
//! a masked one and one that was never sent look alike, and no word about them can be lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use super::Layout;
use crate::limits::{MAX_BLOCK_FRAMES, MAX_SPARE_BLOCKS, MAX_WAITING_BLOCKS};

/// Samples, and the frame of the file that they begin at.
pub(super) struct Block {
    pub(super) at: u64,
    pub(super) samples: Vec<i16>,
}

#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Frames that the file must have by now.
    pub(super) due: AtomicU64,
    /// Frames among them that were lost.
    pub(super) lost: AtomicU64,
    /// The writer takes no more.
    pub(super) over: AtomicBool,
}

/// The writer's end.
pub(super) struct Source {
    pub(super) blocks: Receiver<Block>,
    /// Emptied blocks go back, so that the media thread need not ask for memory.
    pub(super) spare: Sender<Vec<i16>>,
    pub(super) progress: Arc<Progress>,
    pub(super) max_frames: u64,
}

/// A recording on its way. Dropping it is the same as [`Recording::finish`].
pub struct Recording {
    blocks: Sender<Block>,
    spare: Receiver<Vec<i16>>,
    progress: Arc<Progress>,
    rate_hz: u32,
    layout: Layout,
    state: State,
    /// Frames of the file so far.
    at: u64,
    max_frames: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Running,
    /// Time stands still in the file.
    Paused,
    /// Silence stands in the file.
    Masked,
}

pub(super) fn pair(rate_hz: u32, layout: Layout, max_frames: u64) -> (Recording, Source) {
    let (sender, blocks) = bounded(MAX_WAITING_BLOCKS);
    let (spare, emptied) = bounded(MAX_SPARE_BLOCKS);
    let progress = Arc::new(Progress::default());
    let source = Source { blocks, spare, progress: Arc::clone(&progress), max_frames };
    let state = State::Running;
    (Recording { blocks: sender, spare: emptied, progress, rate_hz, layout, state, at: 0, max_frames }, source)
}

impl Recording {
    /// The next 20 ms of both sides, whichever of them was silent; the shorter one is silent for the rest. Never waits.
    pub fn block(&mut self, left: &[i16], right: &[i16]) {
        if self.is_over() || self.state == State::Paused {
            return;
        }
        let frames = left.len().max(right.len());
        for start in (0..frames).step_by(MAX_BLOCK_FRAMES) {
            let end = frames.min(start + MAX_BLOCK_FRAMES);
            let end = end.min(start + usize::try_from(self.max_frames - self.at).unwrap_or(usize::MAX));
            if self.state == State::Running && start < end {
                self.send(part(left, start, end), part(right, start, end), (end - start) as u64);
            }
            self.at += (end - start) as u64;
        }
        self.progress.due.store(self.at, Ordering::Release);
    }

    /// Leaves out what comes from now on: the file goes on where it stopped.
    pub fn pause(&mut self) {
        self.state = State::Paused;
    }

    /// Puts silence in place of what comes from now on: time goes on in the file.
    pub fn mask(&mut self) {
        self.state = State::Masked;
    }

    /// Ends pause and mask.
    pub fn resume(&mut self) {
        self.state = State::Running;
    }

    /// Ends the recording; the report follows.
    pub fn finish(self) {}

    /// How much is in the file, or on its way there.
    pub fn duration_ms(&self) -> u64 {
        super::milliseconds(self.at, self.rate_hz)
    }

    /// Whether it has ended by itself, at its greatest length or by a fault; the report says which.
    pub fn is_over(&self) -> bool {
        self.at >= self.max_frames || self.progress.over.load(Ordering::Relaxed)
    }

    fn send(&mut self, left: &[i16], right: &[i16], frames: u64) {
        let mut samples = self.spare.try_recv().unwrap_or_default();
        samples.clear();
        let sample = |side: &[i16], index: usize| side.get(index).copied().unwrap_or_default();
        let each = (0..frames as usize).map(|index| (sample(left, index), sample(right, index)));
        match self.layout {
            Layout::Mixed => samples.extend(each.map(|(left, right)| left.saturating_add(right))),
            Layout::Sides => samples.extend(each.flat_map(|(left, right)| [left, right])),
        }
        match self.blocks.try_send(Block { at: self.at, samples }) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                self.progress.lost.fetch_add(frames, Ordering::Relaxed);
            }
            Err(TrySendError::Disconnected(_)) => self.progress.over.store(true, Ordering::Relaxed),
        }
    }
}

impl std::fmt::Debug for Recording {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recording").field("state", &self.state).field("at", &self.at).finish_non_exhaustive()
    }
}

fn part(side: &[i16], start: usize, end: usize) -> &[i16] {
    side.get(start.min(side.len())..end.min(side.len())).unwrap_or_default()
}
