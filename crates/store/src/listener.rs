//! Hearing of changes: `LISTEN`, and a look at the revisions in case a notification was lost.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use domain::TenantId;
use sqlx::postgres::PgListener;
use tokio::time::{Instant, sleep, timeout_at};

use crate::limits::{RETRY_FIRST, RETRY_LONGEST, REVISION_CHECK};
use crate::{Store, StoreError};

const CHANNEL: &str = "yakyak_tenant";

/// What has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A tenant's snapshot is out of date; [`Store::snapshot`] has the new one, or `None` when the tenant is gone.
    Tenant(TenantId),
    /// The connection was lost and is back. Whatever changed meanwhile follows as [`Change::Tenant`].
    Reconnected,
}

/// A stream of changes that never ends: when the database is away it waits until it is back.
#[derive(Debug)]
pub struct Listener {
    store: Store,
    connection: Option<PgListener>,
    known: BTreeMap<TenantId, i64>,
    waiting: VecDeque<Change>,
    check_at: Instant,
}

impl Store {
    /// Begins to listen. Snapshots loaded after this returns miss nothing.
    ///
    /// # Errors
    /// The database is away.
    pub async fn changes(&self) -> Result<Listener, StoreError> {
        let connection = listen(self).await?;
        let known = self.revisions().await?.into_iter().collect();
        Ok(Listener {
            store: self.clone(),
            connection: Some(connection),
            known,
            waiting: VecDeque::new(),
            check_at: Instant::now() + REVISION_CHECK,
        })
    }
}

impl Listener {
    /// The next change. Cancelling this future loses nothing.
    pub async fn next(&mut self) -> Change {
        loop {
            if let Some(change) = self.waiting.pop_front() {
                return change;
            }
            if self.connection.is_none() {
                self.reconnect().await;
            } else if Instant::now() >= self.check_at {
                self.compare().await;
            } else {
                self.receive().await;
            }
        }
    }

    async fn receive(&mut self) {
        let Some(connection) = &mut self.connection else { return };
        match timeout_at(self.check_at, connection.try_recv()).await {
            // Time for the check.
            Err(_) => {}
            Ok(Ok(Some(notification))) => self.note(notification.payload()),
            Ok(Ok(None)) => self.connection = None,
            Ok(Err(error)) => {
                tracing::warn!(%error, "the database connection that listens for changes is lost");
                self.connection = None;
            }
        }
    }

    /// The payload is the tenant's id and, unless the tenant is gone, its revision.
    fn note(&mut self, payload: &str) {
        let mut words = payload.split_ascii_whitespace();
        let Some(Ok(id)) = words.next().map(str::parse::<TenantId>) else { return };
        match words.next().map(str::parse::<i64>) {
            Some(Ok(revision)) => self.known.insert(id, revision),
            _ => self.known.remove(&id),
        };
        self.waiting.push_back(Change::Tenant(id));
    }

    async fn reconnect(&mut self) {
        let mut wait = RETRY_FIRST;
        let connection = loop {
            match listen(&self.store).await {
                Ok(connection) => break connection,
                Err(error) => tracing::warn!(%error, "no database to listen to; trying again"),
            }
            sleep(wait).await;
            wait = later(wait);
        };
        self.connection = Some(connection);
        self.waiting.push_back(Change::Reconnected);
        self.check_at = Instant::now();
    }

    /// Announces every tenant whose revision is not the one last heard of.
    async fn compare(&mut self) {
        let revisions: BTreeMap<TenantId, i64> = match self.store.revisions().await {
            Ok(revisions) => revisions.into_iter().collect(),
            Err(error) => {
                tracing::warn!(%error, "the revisions of the tenants cannot be read");
                self.check_at = Instant::now() + RETRY_LONGEST;
                return;
            }
        };
        let changed = revisions.iter().filter(|(id, revision)| self.known.get(id) != Some(revision)).map(|(id, _)| *id);
        let gone = self.known.keys().filter(|id| !revisions.contains_key(id)).copied();
        self.waiting.extend(changed.chain(gone).map(Change::Tenant));
        self.known = revisions;
        self.check_at = Instant::now() + REVISION_CHECK;
    }
}

/// The next wait of a back-off.
pub(crate) fn later(wait: Duration) -> Duration {
    (wait * 2).min(RETRY_LONGEST)
}

async fn listen(store: &Store) -> Result<PgListener, sqlx::Error> {
    let pool = store.listener_pool().await?;
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    Ok(listener)
}
