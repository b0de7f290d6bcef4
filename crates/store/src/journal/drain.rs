//! From the journal into the database, exactly once.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use domain::JournalEntry;
use sqlx::{Acquire as _, PgConnection};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::reader::{Stretch, read};
use super::{Journal, Position, Shared, segment};
use crate::call_record::Batch;
use crate::error::{one_line, refuses_rows};
use crate::limits::{DEAD_LETTERS, DRAIN_GATHER, PARTITION_INTERVAL, RETRY_FIRST};
use crate::listener::later;
use crate::{Store, StoreError};

/// The task that carries the journal into the database. It retries for ever.
#[derive(Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    drained: watch::Receiver<Position>,
    task: JoinHandle<()>,
}

impl Writer {
    /// Starts the task.
    #[must_use]
    pub fn start(store: Store, journal: &Journal) -> Self {
        let shared = Arc::clone(journal.shared());
        let (sender, drained) = watch::channel(Position::default());
        let task = tokio::spawn(drain_for_ever(store, Arc::clone(&shared), sender));
        Self { shared, drained, task }
    }

    /// Waits until everything appended so far is in the database; false when that took too long.
    pub async fn flush(&self, at_most: Duration) -> bool {
        let target = self.shared.queue().accepted;
        let arrived = async {
            let mut durable = self.shared.durable.subscribe();
            let Ok(position) =
                durable.wait_for(|durable| durable.count >= target).await.map(|durable| durable.position)
            else {
                return false;
            };
            let mut drained = self.drained.clone();
            drained.wait_for(|drained| *drained >= position).await.is_ok()
        };
        timeout(at_most, arrived).await.unwrap_or(false)
    }

    /// Flushes and ends the task. What did not arrive stays in the journal for the next start.
    pub async fn stop(self, at_most: Duration) -> bool {
        self.flush(at_most).await
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn drain_for_ever(store: Store, shared: Arc<Shared>, drained: watch::Sender<Position>) {
    let mut durable = shared.durable.subscribe();
    let mut partitions_at = Instant::now() + PARTITION_INTERVAL;
    let mut wait = RETRY_FIRST;
    loop {
        // Marked as seen before reading, so that what comes meanwhile wakes the wait below.
        durable.borrow_and_update();
        match drain(&store, &shared).await {
            Ok(Step::Moved(position)) => {
                wait = RETRY_FIRST;
                drained.send_replace(position);
                continue;
            }
            Ok(Step::Idle(position)) => {
                wait = RETRY_FIRST;
                drained.send_replace(position);
            }
            Err(error) => {
                tracing::warn!(%error, "call records wait in the journal; trying again");
                sleep(wait).await;
                wait = later(wait);
                continue;
            }
        }
        tokio::select! {
            changed = durable.changed() => {
                if changed.is_err() {
                    return;
                }
                // A step costs much the same for one entry as for hundreds.
                sleep(DRAIN_GATHER).await;
            }
            () = sleep_until(partitions_at) => {
                partitions_at = Instant::now() + PARTITION_INTERVAL;
                if let Err(error) = store.make_partitions().await {
                    tracing::error!(%error, "the partitions of the coming months are not made");
                }
            }
        }
    }
}

/// What a step of the drain came to.
pub(super) enum Step {
    /// Rows were stored up to here; there may be more.
    Moved(Position),
    /// Nothing more to store.
    Idle(Position),
}

/// Stores one stretch of the journal. The database's own position decides where it begins, so a step whose outcome
/// nobody learnt is neither lost nor repeated.
pub(super) async fn drain(store: &Store, shared: &Shared) -> Result<Step, StoreError> {
    let mut transaction = store.switch().begin().await?;
    let mut from = lock_position(&mut transaction, shared).await?;
    let durable = *shared.durable.borrow();
    if from > durable.position {
        // An older copy of the directory was put back. Rows that exist are left alone, so all of it can be read again.
        tracing::warn!("the database has read further than this journal reaches; all of it is read again");
        from = Position::default();
    }
    let stretch = read(&shared.directory, from, durable).map_err(|error| StoreError::Journal(one_line(&error)))?;
    if stretch.next == from {
        return Ok(Step::Idle(from));
    }
    let mut batch = Batch::default();
    let mut unreadable = Vec::new();
    for entry in &stretch.entries {
        match entry {
            Ok(entry) => batch.push(entry, shared.node),
            Err(raw) => unreadable.push(raw.as_str()),
        }
    }
    let written = {
        let mut attempt = transaction.begin().await?;
        match batch.write(&mut attempt).await {
            Ok(()) => attempt.commit().await,
            Err(error) => attempt.rollback().await.and(Err(error)),
        }
    };
    match written {
        Ok(()) => {}
        Err(error) if refuses_rows(&error) => write_singly(&mut transaction, shared, &stretch).await?,
        Err(error) => return Err(error.into()),
    }
    for raw in unreadable {
        bury(shared, raw, "this is no journal entry");
    }
    store_position(&mut transaction, shared, stretch.next).await?;
    transaction.commit().await?;
    delete_before(shared, stretch.next.segment);
    let caught_up = stretch.next == durable.position;
    Ok(if caught_up { Step::Idle(stretch.next) } else { Step::Moved(stretch.next) })
}

async fn lock_position(connection: &mut PgConnection, shared: &Shared) -> Result<Position, StoreError> {
    sqlx::query("INSERT INTO journal_positions (node, segment, byte_offset) VALUES ($1, 0, 0) ON CONFLICT DO NOTHING")
        .bind(shared.node)
        .execute(&mut *connection)
        .await?;
    let (segment, offset): (i64, i64) =
        sqlx::query_as("SELECT segment, byte_offset FROM journal_positions WHERE node = $1 FOR UPDATE")
            .bind(shared.node)
            .fetch_one(&mut *connection)
            .await?;
    let unsigned = |number: i64| u64::try_from(number).unwrap_or(0);
    Ok(Position { segment: unsigned(segment), offset: unsigned(offset) })
}

async fn store_position(connection: &mut PgConnection, shared: &Shared, position: Position) -> Result<(), sqlx::Error> {
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    sqlx::query("UPDATE journal_positions SET segment = $2, byte_offset = $3 WHERE node = $1")
        .bind(shared.node)
        .bind(signed(position.segment))
        .bind(signed(position.offset))
        .execute(connection)
        .await?;
    Ok(())
}

/// A stretch with a row that the database refuses is stored row by row; that row goes to the dead letters.
async fn write_singly(connection: &mut PgConnection, shared: &Shared, stretch: &Stretch) -> Result<(), sqlx::Error> {
    for entry in stretch.entries.iter().flatten() {
        let mut batch = Batch::default();
        batch.push(entry, shared.node);
        let mut attempt = connection.begin().await?;
        match batch.write(&mut attempt).await {
            Ok(()) => attempt.commit().await?,
            Err(error) if refuses_rows(&error) => {
                attempt.rollback().await?;
                bury(shared, &json(entry), &one_line(&error));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn json(entry: &JournalEntry) -> String {
    serde_json::to_string(entry).unwrap_or_default()
}

/// Keeps a refused entry beside the journal, one JSON object per line, and raises the alarm.
fn bury(shared: &Shared, entry: &str, reason: &str) {
    shared.dead_letters.fetch_add(1, Ordering::Relaxed);
    let path = shared.directory.join("dead-letters.jsonl");
    let letter = serde_json::json!({ "at": jiff::Timestamp::now(), "reason": reason, "entry": entry });
    let full = std::fs::metadata(&path).is_ok_and(|file| file.len() > DEAD_LETTERS);
    let kept = if full {
        Err(std::io::Error::other("the file is full"))
    } else {
        std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .and_then(|mut file| file.write_all(format!("{letter}\n").as_bytes()).and_then(|()| file.sync_data()))
    };
    match kept {
        Ok(()) => tracing::error!(reason, file = %path.display(), "the database refuses a journal entry; it is kept"),
        Err(error) => tracing::error!(reason, %error, "the database refuses a journal entry, and it cannot be kept"),
    }
}

/// Deletes the segments that have been read to their end.
fn delete_before(shared: &Shared, segment: u64) {
    let Ok(numbers) = segment::list(&shared.directory) else { return };
    for number in numbers.into_iter().filter(|&number| number < segment) {
        if let Err(error) = std::fs::remove_file(segment::path(&shared.directory, number)) {
            tracing::warn!(%error, "a journal segment that is no longer needed cannot be deleted");
        }
    }
}
