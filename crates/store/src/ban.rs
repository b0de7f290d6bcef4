//! Bans: written behind the switch, read back at start.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use domain::Ban;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Duration, sleep, timeout};

use crate::limits::{BANS_WAITING, RETRY_FIRST};
use crate::listener::later;
use crate::{Store, StoreError};

#[derive(Deserialize, Serialize)]
struct BanRow {
    address: IpAddr,
    reason: String,
    strikes: i32,
    since: Timestamp,
    until: Timestamp,
}

impl From<BanRow> for Ban {
    fn from(row: BanRow) -> Self {
        let BanRow { address, reason, strikes, since, until } = row;
        Self { address, reason, strikes: u32::try_from(strikes).unwrap_or(1), since, until }
    }
}

impl From<&Ban> for BanRow {
    fn from(ban: &Ban) -> Self {
        Self {
            address: ban.address,
            reason: ban.reason.clone(),
            strikes: i32::try_from(ban.strikes).unwrap_or(i32::MAX),
            since: ban.since,
            until: ban.until,
        }
    }
}

impl Store {
    /// All bans, those included that have ended and are only remembered.
    ///
    /// # Errors
    /// The database is away.
    pub async fn load_bans(&self) -> Result<Vec<Ban>, StoreError> {
        let rows: Vec<Json<BanRow>> = sqlx::query_scalar(
            "SELECT jsonb_build_object('address', host(address), 'reason', reason, 'strikes', strikes,
                                       'since', since, 'until', until) FROM bans ORDER BY address",
        )
        .fetch_all(self.switch())
        .await?;
        Ok(rows.into_iter().map(|Json(row)| row.into()).collect())
    }
}

/// Writes bans behind the switch, and never makes it wait. Of each address only the latest is kept.
#[derive(Debug)]
pub struct BanWriter {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    /// What each address has come to: a ban, or none.
    waiting: Mutex<BTreeMap<IpAddr, Option<Ban>>>,
    changed: Notify,
    written: Notify,
}

impl BanWriter {
    /// Starts the task that writes.
    #[must_use]
    pub fn start(store: Store) -> Self {
        let shared = Arc::new(Shared::default());
        let task = tokio::spawn(write_for_ever(store, Arc::clone(&shared)));
        Self { shared, task }
    }

    /// Notes a ban.
    pub fn put(&self, ban: Ban) {
        self.note(ban.address, Some(ban));
    }

    /// Notes that an address is banned no more, and that this need not be remembered.
    pub fn remove(&self, address: IpAddr) {
        self.note(address, None);
    }

    fn note(&self, address: IpAddr, ban: Option<Ban>) {
        let mut waiting = self.shared.lock();
        if waiting.len() < BANS_WAITING || waiting.contains_key(&address) {
            waiting.insert(address, ban);
        }
        drop(waiting);
        self.shared.changed.notify_one();
    }

    /// Waits until everything is written, for some time, and ends the task; false when that took too long.
    pub async fn stop(self, at_most: Duration) -> bool {
        let empty = async {
            loop {
                let written = self.shared.written.notified();
                if self.shared.lock().is_empty() {
                    return;
                }
                written.await;
            }
        };
        timeout(at_most, empty).await.is_ok()
    }
}

impl Drop for BanWriter {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<IpAddr, Option<Ban>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn write_for_ever(store: Store, shared: Arc<Shared>) {
    let mut wait = RETRY_FIRST;
    loop {
        let batch = shared.lock().clone();
        if batch.is_empty() {
            shared.written.notify_waiters();
            shared.changed.notified().await;
            continue;
        }
        match write(&store, &batch).await {
            Ok(()) => {
                wait = RETRY_FIRST;
                // What has changed meanwhile is written next time.
                shared.lock().retain(|address, ban| batch.get(address) != Some(ban));
            }
            Err(error) => {
                tracing::warn!(%error, waiting = batch.len(), "bans cannot be written; trying again");
                sleep(wait).await;
                wait = later(wait);
            }
        }
    }
}

async fn write(store: &Store, batch: &BTreeMap<IpAddr, Option<Ban>>) -> Result<(), sqlx::Error> {
    let rows: Vec<BanRow> = batch.values().flatten().map(BanRow::from).collect();
    let gone: Vec<String> =
        batch.iter().filter(|(_, ban)| ban.is_none()).map(|(address, _)| address.to_string()).collect();
    let mut transaction = store.switch().begin().await?;
    if !gone.is_empty() {
        sqlx::query("DELETE FROM bans WHERE address = ANY($1::text[]::inet[])")
            .bind(&gone)
            .execute(&mut *transaction)
            .await?;
    }
    if !rows.is_empty() {
        sqlx::query(
            "INSERT INTO bans (address, reason, strikes, since, until)
             SELECT address, reason, strikes, since, until FROM jsonb_populate_recordset(NULL::bans, $1)
                 ON CONFLICT (address) DO UPDATE SET
                    reason = excluded.reason, strikes = excluded.strikes, since = excluded.since, until = excluded.until",
        )
        .bind(Json(rows))
        .execute(&mut *transaction)
        .await?;
    }
    transaction.commit().await
}
