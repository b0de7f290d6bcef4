//! The durable copy of the bindings: written behind them, read back at start.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::{Registration, RegistrationChange, RegistrationId};
use jiff::Timestamp;
use sqlx::types::Json;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Duration, sleep, timeout};
use uuid::Uuid;

use crate::error::refuses_rows;
use crate::limits::{LISTING, REGISTRATIONS_BATCH, REGISTRATIONS_GATHER, REGISTRATIONS_WAITING, RETRY_FIRST};
use crate::listener::later;
use crate::row::RegistrationRow;
use crate::{Store, StoreError, Tenanted};
use kept::Kept;

mod kept;

/// When a row may have run out: a refresh that changes nothing is written only when it is due ([`Kept`]), so the phone may
/// have been there so much longer than the row says. What has come to an end in truth was deleted.
macro_rules! ends_at {
    () => {
        "r.expires_at + greatest(r.expires_at - r.updated_at, interval '0') * 0.75"
    };
}

impl Store {
    /// The bindings of all tenants that have not run out, for the start. Those that have are deleted. One that was
    /// refreshed without being written is given the time that it may have left.
    ///
    /// # Errors
    /// The database is away.
    pub async fn load_registrations(&self) -> Result<Vec<Registration>, StoreError> {
        sqlx::query(concat!("DELETE FROM registrations r WHERE ", ends_at!(), " <= now()"))
            .execute(self.switch())
            .await?;
        let rows: Vec<Json<RegistrationRow>> = sqlx::query_scalar(concat!(
            "SELECT jsonb_set(to_jsonb(r), '{expires_at}', to_jsonb(",
            ends_at!(),
            ")) FROM registrations r ORDER BY r.tenant_id, r.registered_at, r.id"
        ))
        .fetch_all(self.switch())
        .await?;
        Ok(rows.into_iter().filter_map(|Json(row)| read(row)).collect())
    }
}

impl Tenanted {
    /// The bindings that have not run out, as last written.
    ///
    /// # Errors
    /// The database is away.
    pub async fn registrations(&self) -> Result<Vec<Registration>, StoreError> {
        let mut transaction = self.begin().await?;
        let rows: Vec<Json<RegistrationRow>> = sqlx::query_scalar(concat!(
            "SELECT to_json(r) FROM registrations r WHERE ",
            ends_at!(),
            " > now() ORDER BY extension, registered_at LIMIT $1"
        ))
        .bind(LISTING)
        .fetch_all(&mut *transaction)
        .await?;
        Ok(rows.into_iter().filter_map(|Json(row)| read(row)).collect())
    }
}

fn read(row: RegistrationRow) -> Option<Registration> {
    let id = row.id;
    row.registration()
        .inspect_err(|error| tracing::error!(%id, %error, "a registration has an address that cannot be read"))
        .ok()
}

/// Writes bindings behind the switch. [`push`](Self::push) never waits for the database.
///
/// Only the latest change of each binding is kept, so a database that is away costs memory per binding and not per
/// REGISTER.
#[derive(Debug)]
pub struct RegistrationWriter {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Notify,
    written: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    changes: BTreeMap<RegistrationId, RegistrationChange>,
    in_flight: usize,
    refused: u64,
}

impl RegistrationWriter {
    /// Starts the task that writes.
    #[must_use]
    pub fn start(store: Store) -> Self {
        let shared = Arc::new(Shared::default());
        let task = tokio::spawn(write_for_ever(store, Arc::clone(&shared)));
        Self { shared, task }
    }

    /// Notes a change. Returns false when so many bindings wait that this one cannot be kept durably; the phone will
    /// come back by itself.
    pub fn push(&self, change: RegistrationChange) -> bool {
        let id = id_of(&change);
        let mut waiting = self.shared.lock();
        if waiting.changes.len() >= REGISTRATIONS_WAITING && !waiting.changes.contains_key(&id) {
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

    /// Bindings waiting to be written.
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

impl Drop for RegistrationWriter {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Vec<RegistrationChange> {
        let mut waiting = self.lock();
        let mut batch = Vec::new();
        while batch.len() < REGISTRATIONS_BATCH {
            let Some((_, change)) = waiting.changes.pop_first() else { break };
            batch.push(change);
        }
        waiting.in_flight = batch.len();
        batch
    }

    /// What could not be written waits again, unless something newer is known of it.
    fn give_back(&self, batch: Vec<RegistrationChange>) {
        let mut waiting = self.lock();
        waiting.in_flight = 0;
        for change in batch {
            waiting.changes.entry(id_of(&change)).or_insert(change);
        }
    }

    fn done(&self) {
        self.lock().in_flight = 0;
        self.written.notify_waiters();
    }
}

fn id_of(change: &RegistrationChange) -> RegistrationId {
    match change {
        RegistrationChange::Put(registration) => registration.id,
        RegistrationChange::Removed { id, .. } => *id,
    }
}

async fn write_for_ever(store: Store, shared: Arc<Shared>) {
    let mut wait = RETRY_FIRST;
    let mut kept = Kept::default();
    loop {
        let batch = shared.take();
        if batch.is_empty() {
            shared.changed.notified().await;
            sleep(REGISTRATIONS_GATHER).await;
            continue;
        }
        let batch = kept.due(Timestamp::now(), batch);
        match write(&store, &batch).await {
            Ok(()) => {
                wait = RETRY_FIRST;
                kept.written(&batch);
                shared.done();
                if shared.lock().changes.len() < REGISTRATIONS_BATCH {
                    sleep(REGISTRATIONS_GATHER).await;
                }
            }
            Err(error) if refuses_rows(&error) => {
                write_singly(&store, batch).await;
                shared.done();
            }
            Err(error) => {
                tracing::warn!(%error, waiting = batch.len(), "registrations cannot be written; trying again");
                shared.give_back(batch);
                sleep(wait).await;
                wait = later(wait);
            }
        }
    }
}

/// A batch with a row that the database refuses is written row by row, and that row is left out.
async fn write_singly(store: &Store, batch: Vec<RegistrationChange>) {
    for change in batch {
        let id = id_of(&change);
        if let Err(error) = write(store, &[change]).await {
            tracing::error!(%id, %error, "a registration is not kept");
        }
    }
}

async fn write(store: &Store, batch: &[RegistrationChange]) -> Result<(), sqlx::Error> {
    let mut rows = Vec::new();
    let mut removed = Vec::<Uuid>::new();
    for change in batch {
        match change {
            RegistrationChange::Put(registration) => rows.push(RegistrationRow::new(registration)),
            RegistrationChange::Removed { id, .. } => removed.push(id.0),
        }
    }
    if rows.is_empty() && removed.is_empty() {
        return Ok(());
    }
    let mut transaction = store.switch().begin().await?;
    if !removed.is_empty() {
        sqlx::query("DELETE FROM registrations WHERE id = ANY($1)").bind(&removed).execute(&mut *transaction).await?;
    }
    if !rows.is_empty() {
        sqlx::query(UPSERT).bind(Json(rows)).execute(&mut *transaction).await?;
    }
    transaction.commit().await
}

/// A binding of an extension or a device that was deleted meanwhile is not written.
const UPSERT: &str = "INSERT INTO registrations
        (id, tenant_id, extension_id, extension, device_id, contact, instance, reg_id, q, call_id, cseq, transport,
         local_address, remote_address, user_agent, path, registered_at, expires_at)
 SELECT r.id, r.tenant_id, r.extension_id, r.extension, r.device_id, r.contact, r.instance, r.reg_id, r.q, r.call_id,
        r.cseq, r.transport, r.local_address, r.remote_address, r.user_agent, r.path, r.registered_at, r.expires_at
   FROM jsonb_populate_recordset(NULL::registrations, $1) r
   JOIN extensions e ON e.tenant_id = r.tenant_id AND e.id = r.extension_id
   LEFT JOIN devices d ON d.tenant_id = r.tenant_id AND d.id = r.device_id
  WHERE r.device_id IS NULL OR d.id IS NOT NULL
     ON CONFLICT (id) DO UPDATE SET
        contact = excluded.contact, instance = excluded.instance, reg_id = excluded.reg_id, q = excluded.q,
        device_id = excluded.device_id, call_id = excluded.call_id, cseq = excluded.cseq,
        transport = excluded.transport, local_address = excluded.local_address,
        remote_address = excluded.remote_address, user_agent = excluded.user_agent, path = excluded.path,
        registered_at = excluded.registered_at, expires_at = excluded.expires_at";
