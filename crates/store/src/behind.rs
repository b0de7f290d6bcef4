//! Behind: what the switch keeps in memory and the database follows, in batches and never waited for.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Duration, sleep, timeout};

use crate::Store;
use crate::error::refuses_rows;
use crate::limits::{BEHIND_BATCH, BEHIND_GATHER, BEHIND_WAITING, RETRY_FIRST};
use crate::listener::later;

/// A change of something that is kept.
pub trait Kept: Clone + Send + Sync + fmt::Debug + 'static {
    /// Its identity.
    type Id: Ord + Copy + fmt::Display + fmt::Debug + Send;

    /// What it is one of.
    const WHAT: &'static str;

    /// Of which one it is a change.
    fn id(&self) -> Self::Id;

    /// Writes a batch in one transaction.
    fn write(store: &Store, batch: &[Self]) -> impl Future<Output = Result<(), sqlx::Error>> + Send;
}

/// Writes changes behind the switch. [`push`](Self::push) never waits for the database.
///
/// Only the latest change of each is kept, so a database that is away costs memory per thing and not per change.
#[derive(Debug)]
pub struct Behind<C: Kept> {
    shared: Arc<Shared<C>>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared<C: Kept> {
    waiting: Mutex<Waiting<C>>,
    changed: Notify,
    written: Notify,
}

#[derive(Debug)]
struct Waiting<C: Kept> {
    changes: BTreeMap<C::Id, C>,
    in_flight: usize,
    refused: u64,
}

impl<C: Kept> Behind<C> {
    /// Starts the task that writes.
    #[must_use]
    pub fn start(store: Store) -> Self {
        let waiting = Mutex::new(Waiting { changes: BTreeMap::new(), in_flight: 0, refused: 0 });
        let shared = Arc::new(Shared { waiting, changed: Notify::new(), written: Notify::new() });
        let task = tokio::spawn(write_for_ever(store, Arc::clone(&shared)));
        Self { shared, task }
    }

    /// Notes a change. Returns false when so many wait that this one cannot be kept durably.
    pub fn push(&self, change: C) -> bool {
        let id = change.id();
        let mut waiting = self.shared.lock();
        if waiting.changes.len() >= BEHIND_WAITING && !waiting.changes.contains_key(&id) {
            waiting.refused += 1;
            return false;
        }
        let first = waiting.changes.is_empty();
        waiting.changes.insert(id, change);
        drop(waiting);
        if first {
            self.shared.changed.notify_one();
        }
        true
    }

    /// Changes waiting to be written.
    #[must_use]
    pub fn waiting(&self) -> usize {
        let waiting = self.shared.lock();
        waiting.changes.len() + waiting.in_flight
    }

    /// Waits until everything is written; false when that took too long.
    pub async fn flush(&self, at_most: Duration) -> bool {
        let empty = async {
            loop {
                let written = self.shared.written.notified();
                if self.waiting() == 0 {
                    return;
                }
                written.await;
            }
        };
        timeout(at_most, empty).await.is_ok()
    }

    /// Flushes and ends the task.
    pub async fn stop(self, at_most: Duration) -> bool {
        let flushed = self.flush(at_most).await;
        self.task.abort();
        flushed
    }
}

impl<C: Kept> Drop for Behind<C> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl<C: Kept> Shared<C> {
    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting<C>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Vec<C> {
        let mut waiting = self.lock();
        let mut batch = Vec::new();
        while batch.len() < BEHIND_BATCH {
            let Some((_, change)) = waiting.changes.pop_first() else { break };
            batch.push(change);
        }
        waiting.in_flight = batch.len();
        batch
    }

    /// What could not be written waits again, unless something newer is known of it.
    fn give_back(&self, batch: Vec<C>) {
        let mut waiting = self.lock();
        waiting.in_flight = 0;
        for change in batch {
            waiting.changes.entry(change.id()).or_insert(change);
        }
    }

    fn done(&self) {
        self.lock().in_flight = 0;
        self.written.notify_waiters();
    }
}

async fn write_for_ever<C: Kept>(store: Store, shared: Arc<Shared<C>>) {
    let mut wait = RETRY_FIRST;
    loop {
        let batch = shared.take();
        if batch.is_empty() {
            shared.changed.notified().await;
            sleep(BEHIND_GATHER).await;
            continue;
        }
        match C::write(&store, &batch).await {
            Ok(()) => {
                wait = RETRY_FIRST;
                shared.done();
                if shared.lock().changes.len() < BEHIND_BATCH {
                    sleep(BEHIND_GATHER).await;
                }
            }
            Err(error) if refuses_rows(&error) => {
                write_singly(&store, batch).await;
                shared.done();
            }
            Err(error) => {
                tracing::warn!(%error, waiting = batch.len(), "{} cannot be written; trying again", C::WHAT);
                shared.give_back(batch);
                sleep(wait).await;
                wait = later(wait);
            }
        }
    }
}

/// A batch with a row that the database refuses is written row by row, and that row is left out.
async fn write_singly<C: Kept>(store: &Store, batch: Vec<C>) {
    for change in batch {
        let id = change.id();
        if let Err(error) = C::write(store, &[change]).await {
            tracing::error!(%id, %error, "one of the {} is not kept", C::WHAT);
        }
    }
}
