//! The writer of traces: behind the switch, in batches, and never waited for; and what deletes them when they are old.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::{SipTrace, insert};
use crate::Store;
use crate::error::refuses_rows;
use crate::limits::{
    RETRY_FIRST, TRACES_BATCH, TRACES_DELETE_PAUSE, TRACES_DELETE_RETRY, TRACES_EXPIRY_CHECK, TRACES_GATHER,
    TRACES_WAITING_BYTES,
};
use crate::listener::later;

/// Writes traces behind the switch. [`push`](Self::push) never waits for the database; when it has been away for long,
/// further traces are lost and counted, since a call must not pay for its trace.
#[derive(Debug)]
pub struct TraceWriter {
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Notify,
    written: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    traces: VecDeque<Arc<SipTrace>>,
    bytes: usize,
    in_flight: Vec<Arc<SipTrace>>,
    lost: u64,
}

impl TraceWriter {
    /// Starts the task that writes, and the one that deletes what is older than `keep`.
    #[must_use]
    pub fn start(store: &Store, keep: Duration) -> Self {
        let shared = Arc::new(Shared::default());
        let tasks = vec![
            tokio::spawn(write_for_ever(store.clone(), Arc::clone(&shared))),
            tokio::spawn(expire_for_ever(store.clone(), keep)),
        ];
        Self { shared, tasks }
    }

    /// Hands over a trace; false when so much waits that it is lost.
    pub fn push(&self, trace: SipTrace) -> bool {
        let mut waiting = self.shared.lock();
        if waiting.bytes + trace.data.len() > TRACES_WAITING_BYTES {
            waiting.lost += 1;
            return false;
        }
        waiting.bytes += trace.data.len();
        let first = waiting.traces.is_empty();
        waiting.traces.push_back(Arc::new(trace));
        drop(waiting);
        if first {
            self.shared.changed.notify_one();
        }
        true
    }

    /// Traces handed over that cannot be read from the database yet. Goes through all that wait.
    #[must_use]
    pub fn waiting(&self, wanted: impl Fn(&SipTrace) -> bool) -> Vec<SipTrace> {
        let waiting = self.shared.lock();
        let all = waiting.in_flight.iter().chain(&waiting.traces);
        all.filter(|trace| wanted(trace)).map(|trace| SipTrace::clone(trace)).collect()
    }

    /// Traces lost since the start, because too much waited.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.shared.lock().lost
    }

    /// Waits until everything is written; false when that took too long.
    pub async fn flush(&self, at_most: Duration) -> bool {
        let empty = async {
            loop {
                let written = self.shared.written.notified();
                if self.shared.is_empty() {
                    return;
                }
                written.await;
            }
        };
        timeout(at_most, empty).await.is_ok()
    }
}

impl Drop for TraceWriter {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_empty(&self) -> bool {
        let waiting = self.lock();
        waiting.traces.is_empty() && waiting.in_flight.is_empty()
    }

    fn take(&self) -> Vec<Arc<SipTrace>> {
        let mut waiting = self.lock();
        let number = waiting.traces.len().min(TRACES_BATCH);
        let batch: Vec<_> = waiting.traces.drain(..number).collect();
        waiting.in_flight.clone_from(&batch);
        batch
    }

    fn done(&self) {
        let mut waiting = self.lock();
        let bytes: usize = waiting.in_flight.iter().map(|trace| trace.data.len()).sum();
        waiting.bytes = waiting.bytes.saturating_sub(bytes);
        waiting.in_flight.clear();
        drop(waiting);
        self.written.notify_waiters();
    }
}

async fn write_for_ever(store: Store, shared: Arc<Shared>) {
    loop {
        let batch = shared.take();
        if batch.is_empty() {
            shared.changed.notified().await;
            sleep(TRACES_GATHER).await;
            continue;
        }
        let rows: Vec<SipTrace> = batch.iter().map(|trace| SipTrace::clone(trace)).collect();
        let mut wait = RETRY_FIRST;
        while let Err(error) = write(&store, &rows).await {
            if refuses_rows(&error) {
                tracing::error!(%error, traces = rows.len(), "traces are not kept");
                break;
            }
            tracing::warn!(%error, "traces cannot be written; trying again");
            sleep(wait).await;
            wait = later(wait);
        }
        shared.done();
    }
}

async fn write(store: &Store, rows: &[SipTrace]) -> Result<(), sqlx::Error> {
    let mut connection = store.switch().acquire().await?;
    insert(&mut connection, rows).await
}

/// Old traces go a batch at a time, so that nobody waits behind a long statement.
async fn expire_for_ever(store: Store, keep: Duration) {
    loop {
        let before = Timestamp::now().checked_sub(keep).unwrap_or(Timestamp::MIN);
        let mut deleted = 0;
        let pause = loop {
            match store.delete_sip_traces(before).await {
                Ok(0) => break TRACES_EXPIRY_CHECK,
                Ok(some) => deleted += some,
                Err(error) => {
                    tracing::warn!(%error, "old traces cannot be deleted; trying again later");
                    break TRACES_DELETE_RETRY;
                }
            }
            sleep(TRACES_DELETE_PAUSE).await;
        };
        if deleted > 0 {
            tracing::info!(traces = deleted, keep_days = keep.as_secs() / 86_400, "old SIP traces are deleted");
        }
        sleep(pause).await;
    }
}
