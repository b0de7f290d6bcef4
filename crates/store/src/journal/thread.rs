//! The thread that owns the segment being written.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use domain::JournalEntry;
use jiff::Timestamp;

use super::segment::{Segment, encode};
use super::{Durable, Shared, size};
use crate::limits::{DISK_RETRY, GATHER, HEARTBEAT, SEGMENT};

/// Frames written with one fsync, in bytes.
const CHUNK: usize = 1 << 20;
/// How often a closing journal tries a disk that fails.
const LAST_TRIES: u32 = 5;

pub(super) fn start(shared: Arc<Shared>, segment: Segment) -> io::Result<JoinHandle<()>> {
    let heartbeat = File::create(shared.directory.join("heartbeat"))?;
    std::thread::Builder::new().name("journal".to_owned()).spawn(move || {
        let mut thread = Thread {
            shared,
            segment,
            heartbeat,
            beat_at: Instant::now(),
            pending: VecDeque::new(),
            frames: Vec::new(),
            failing: false,
        };
        thread.run();
    })
}

/// The time in the heartbeat file, if there is one.
pub(super) fn read_heartbeat(directory: &Path) -> Option<Timestamp> {
    std::fs::read_to_string(directory.join("heartbeat")).ok()?.trim().parse().ok()
}

struct Thread {
    shared: Arc<Shared>,
    segment: Segment,
    heartbeat: File,
    beat_at: Instant,
    /// Taken from the queue and not yet on disk.
    pending: VecDeque<JournalEntry>,
    frames: Vec<u8>,
    failing: bool,
}

impl Thread {
    fn run(&mut self) {
        loop {
            self.beat();
            let closing = self.take();
            if closing {
                return self.finish();
            }
            if !self.write_pending() {
                std::thread::sleep(DISK_RETRY);
            }
        }
    }

    /// Waits for entries, gathers for a moment, and takes them. True when the journal closes.
    fn take(&mut self) -> bool {
        let until_beat = self.beat_at.saturating_duration_since(Instant::now());
        let wait = if self.pending.is_empty() { until_beat } else { Duration::ZERO };
        let queue = self.shared.queue();
        let (queue, _) = self
            .shared
            .filled
            .wait_timeout_while(queue, wait, |queue| queue.entries.is_empty() && !queue.closing)
            .unwrap_or_else(PoisonError::into_inner);
        let gather = !queue.entries.is_empty() && !queue.closing;
        drop(queue);
        if gather {
            std::thread::sleep(GATHER);
        }
        let mut queue = self.shared.queue();
        self.pending.append(&mut queue.entries);
        queue.in_flight = self.pending.len();
        queue.in_flight_bytes += std::mem::take(&mut queue.bytes);
        queue.closing
    }

    /// Writes everything pending; false when the disk refused.
    fn write_pending(&mut self) -> bool {
        while !self.pending.is_empty() {
            let count = self.encode_chunk();
            if let Err(error) = self.write_chunk() {
                self.shared.write_errors.fetch_add(1, Ordering::Relaxed);
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::error!(%error, "the journal cannot be written; entries wait in memory");
                }
                return false;
            }
            self.acknowledge(count);
            self.beat();
        }
        if std::mem::replace(&mut self.failing, false) {
            tracing::info!("the journal is written again");
        }
        true
    }

    /// Frames from the front of what is pending; how many entries they are.
    fn encode_chunk(&mut self) -> usize {
        self.frames.clear();
        let mut count = 0;
        for entry in &self.pending {
            if !encode(entry, &mut self.frames) {
                self.shared.dropped_records.fetch_add(1, Ordering::Relaxed);
                tracing::error!("an entry is too long for the journal and is lost");
            }
            count += 1;
            if self.frames.len() >= CHUNK {
                break;
            }
        }
        count
    }

    fn write_chunk(&mut self) -> io::Result<()> {
        if self.segment.position().offset >= SEGMENT {
            self.next_segment()?;
        }
        match self.segment.write(&self.frames) {
            Ok(()) => Ok(()),
            Err((error, unusable)) => {
                if unusable {
                    self.next_segment()?;
                }
                Err(error)
            }
        }
    }

    fn next_segment(&mut self) -> io::Result<()> {
        self.segment = Segment::create(&self.shared.directory, self.segment.number() + 1)?;
        Ok(())
    }

    fn acknowledge(&mut self, count: usize) {
        let written = self.pending.drain(..count).map(|entry| size(&entry)).sum::<usize>();
        let mut queue = self.shared.queue();
        queue.in_flight = self.pending.len();
        queue.in_flight_bytes = queue.in_flight_bytes.saturating_sub(written);
        drop(queue);
        let position = self.segment.position();
        let count = self.shared.durable.borrow().count + count as u64;
        self.shared.durable.send_replace(Durable { position, count });
    }

    /// Says that this program is alive. Only a failing disk makes it late, and then the entries are late as well.
    fn beat(&mut self) {
        let now = Instant::now();
        if now < self.beat_at {
            return;
        }
        self.beat_at = now + HEARTBEAT;
        let text = format!("{:<40}\n", Timestamp::now().to_string());
        let written = self.heartbeat.write_all_at(text.as_bytes(), 0).and_then(|()| self.heartbeat.sync_data());
        if let Err(error) = written {
            tracing::debug!(%error, "the heartbeat is not written");
        }
    }

    fn finish(&mut self) {
        for _ in 0..LAST_TRIES {
            if self.write_pending() {
                self.beat_at = Instant::now();
                return self.beat();
            }
            std::thread::sleep(DISK_RETRY);
        }
        tracing::error!(entries = self.pending.len(), "the journal ends with entries that the disk did not take");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;
    use std::time::{Duration, Instant};

    use domain::{CallEvent, CallEventKind, CallId, CallStatus, EventId, JournalEntry, TenantId};
    use jiff::Timestamp;
    use uuid::Uuid;

    use super::super::segment::Segment;
    use super::super::{Durable, Shared};

    fn event(id: u128) -> JournalEntry {
        JournalEntry::Event(Box::new(CallEvent {
            id: EventId(Uuid::from_u128(id)),
            tenant_id: TenantId(Uuid::nil()),
            call_id: CallId(Uuid::nil()),
            at: Timestamp::UNIX_EPOCH,
            kind: CallEventKind::Initiated,
            from_status: CallStatus::Active,
            to_status: CallStatus::Active,
            detail: None,
        }))
    }

    #[test]
    fn a_full_disk_loses_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let full = Segment::on_a_full_disk(1);
        let shared = std::sync::Arc::new(Shared::new(directory.path(), Uuid::nil(), full.position()));
        for id in 0..10 {
            let mut queue = shared.queue();
            queue.entries.push_back(event(id));
            queue.bytes += 512;
            queue.accepted += 1;
        }
        let thread = super::start(std::sync::Arc::clone(&shared), full).unwrap();
        let give_up_at = Instant::now() + Duration::from_secs(20);
        while shared.durable.borrow().count < 10 {
            assert!(Instant::now() < give_up_at, "the entries reach the disk once there is room");
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(shared.write_errors.load(Ordering::Relaxed) > 0);
        let Durable { position, .. } = *shared.durable.borrow();
        assert_eq!(position.segment, 2, "the segment that cannot be restored is left behind");
        shared.queue().closing = true;
        shared.filled.notify_one();
        thread.join().unwrap();
        let queue = shared.queue();
        assert_eq!((queue.bytes, queue.in_flight, queue.in_flight_bytes), (0, 0, 0));
    }
}
