//! Messages that wait for a phone: kept, read back in order, marked once.
//!
//! One task works off the orders of the switch in the order in which they came, so that what was kept is seen by the next
//! reading. Nothing waits for it: an order that cannot be carried out in time is answered as failed.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use domain::{ExtensionId, Kept, MAX_MESSAGE_BODY, MessageId, StoredMessage, TenantId};
use jiff::Timestamp;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use crate::error::refuses_rows;
use crate::limits::{
    LISTING, MESSAGE_ORDER_AGE, MESSAGE_ORDERS, MESSAGE_PAGE, MESSAGE_PURGE, MESSAGES_PER_MAILBOX, RETRY_FIRST,
};
use crate::pool::time;
use crate::{Store, StoreError, Tenanted, text};

/// The columns that a message is read from.
macro_rules! columns {
    () => {
        "SELECT id, tenant_id, extension_id, sender, sender_name, content_type, body,
                (extract(epoch FROM sent_at) * 1000000)::bigint AS sent_us,
                (extract(epoch FROM expires_at) * 1000000)::bigint AS expires_us,
                (extract(epoch FROM delivered_at) * 1000000)::bigint AS delivered_us
           FROM messages"
    };
}
/// What the switch wants of the messages.
#[derive(Clone, Debug)]
pub enum MessageOrder {
    /// Keep one; [`MessageAnswer::Kept`] follows.
    Keep(Box<StoredMessage>),
    /// Read those that wait for an extension, from the first one after `after`; [`MessageAnswer::Waiting`] follows.
    Fetch {
        /// Tenant.
        tenant: TenantId,
        /// For whom they are.
        extension: ExtensionId,
        /// Only those after this one.
        after: Option<MessageId>,
    },
    /// A phone has taken one.
    Delivered {
        /// Tenant.
        tenant: TenantId,
        /// The message.
        id: MessageId,
        /// When.
        at: Timestamp,
    },
}

/// What the switch is told.
#[derive(Clone, Debug)]
pub enum MessageAnswer {
    /// What has become of a message that was to be kept.
    Kept {
        /// The message.
        id: MessageId,
        /// What became of it.
        kept: Kept,
    },
    /// What waits for an extension.
    Waiting {
        /// Tenant.
        tenant: TenantId,
        /// For whom they are.
        extension: ExtensionId,
        /// In order, some at a time; `None` when the database is away.
        messages: Option<Vec<StoredMessage>>,
    },
}

impl Store {
    /// For whom messages wait, for the start.
    ///
    /// # Errors
    /// The database is away.
    pub async fn messages_waiting(&self) -> Result<Vec<(TenantId, ExtensionId)>, StoreError> {
        let rows: Vec<(Uuid, Uuid)> = sqlx::query_as(
            "SELECT DISTINCT tenant_id, extension_id FROM messages WHERE delivered_at IS NULL AND expires_at > now()",
        )
        .fetch_all(self.switch())
        .await?;
        Ok(rows.into_iter().map(|(tenant, extension)| (TenantId(tenant), ExtensionId(extension))).collect())
    }

    /// Keeps a message, unless as many wait for the extension as may. One that is there already stays as it is.
    ///
    /// # Errors
    /// The database is away, or refuses the message.
    pub(crate) async fn keep_message(&self, message: &StoredMessage) -> Result<Kept, sqlx::Error> {
        if message.body.len() > MAX_MESSAGE_BODY {
            return Ok(Kept::Failed);
        }
        let inserted = sqlx::query(
            "INSERT INTO messages (id, tenant_id, extension_id, sender, sender_name, content_type, body, sent_at, expires_at)
             SELECT $1, $2, $3, $4, $5, $6, $7, $8::timestamptz, $9::timestamptz
              WHERE (SELECT count(*) FROM messages
                      WHERE tenant_id = $2 AND extension_id = $3 AND delivered_at IS NULL AND expires_at > now()) < $10
             ON CONFLICT (id) DO UPDATE SET id = excluded.id",
        )
        .bind(message.id.0)
        .bind(message.tenant_id.0)
        .bind(message.extension_id.0)
        .bind(text::short(&message.sender))
        .bind(message.sender_name.as_deref().map(text::short))
        .bind(text::short(&message.content_type))
        .bind(&message.body)
        .bind(message.sent_at.to_string())
        .bind(message.expires_at.to_string())
        .bind(MESSAGES_PER_MAILBOX)
        .execute(self.switch())
        .await?;
        Ok(if inserted.rows_affected() == 0 { Kept::Full } else { Kept::Stored })
    }

    async fn fetch_messages(
        &self,
        tenant: TenantId,
        extension: ExtensionId,
        after: Option<MessageId>,
    ) -> Result<Vec<StoredMessage>, StoreError> {
        let rows = sqlx::query(concat!(
            columns!(),
            " WHERE tenant_id = $1 AND extension_id = $2 AND delivered_at IS NULL AND expires_at > now()
                AND ($3::uuid IS NULL OR id > $3) ORDER BY id LIMIT $4"
        ))
        .bind(tenant.0)
        .bind(extension.0)
        .bind(after.map(|id| id.0))
        .bind(MESSAGE_PAGE)
        .fetch_all(self.switch())
        .await?;
        rows.iter().map(|row| Ok(message_of_row(row)?.0)).collect()
    }

    /// Marks messages as delivered. One that is marked stays as it is.
    async fn mark_messages(&self, marks: &BTreeMap<MessageId, Mark>) -> Result<(), sqlx::Error> {
        let (mut ids, mut tenants, mut times) = (Vec::new(), Vec::new(), Vec::new());
        for (id, mark) in marks {
            ids.push(id.0);
            tenants.push(mark.tenant.0);
            times.push(mark.at.to_string());
        }
        sqlx::query(
            "UPDATE messages m SET delivered_at = d.at
               FROM unnest($1::uuid[], $2::uuid[], $3::text[]::timestamptz[]) AS d (id, tenant_id, at)
              WHERE m.id = d.id AND m.tenant_id = d.tenant_id AND m.delivered_at IS NULL",
        )
        .bind(ids)
        .bind(tenants)
        .bind(times)
        .execute(self.switch())
        .await?;
        Ok(())
    }

    /// Deletes what nobody waits for any more.
    ///
    /// # Errors
    /// The database is away.
    pub async fn purge_messages(&self) -> Result<u64, StoreError> {
        let deleted =
            sqlx::query("DELETE FROM messages WHERE expires_at <= now()").execute(self.switch()).await?.rows_affected();
        Ok(deleted)
    }
}

impl Tenanted {
    /// The messages that were kept for an extension, oldest first, with the time at which a phone took them.
    ///
    /// # Errors
    /// The database is away.
    pub async fn messages(
        &self,
        extension: ExtensionId,
    ) -> Result<Vec<(StoredMessage, Option<Timestamp>)>, StoreError> {
        let mut transaction = self.begin().await?;
        let rows = sqlx::query(concat!(columns!(), " WHERE extension_id = $1 ORDER BY id LIMIT $2"))
            .bind(extension.0)
            .bind(LISTING)
            .fetch_all(&mut *transaction)
            .await?;
        rows.iter().map(message_of_row).collect()
    }
}

fn message_of_row(row: &PgRow) -> Result<(StoredMessage, Option<Timestamp>), StoreError> {
    let message = StoredMessage {
        id: MessageId(row.try_get("id")?),
        tenant_id: TenantId(row.try_get("tenant_id")?),
        extension_id: ExtensionId(row.try_get("extension_id")?),
        sender: row.try_get("sender")?,
        sender_name: row.try_get("sender_name")?,
        content_type: row.try_get("content_type")?,
        body: row.try_get("body")?,
        sent_at: time(row.try_get("sent_us")?),
        expires_at: time(row.try_get("expires_us")?),
    };
    Ok((message, row.try_get::<Option<i64>, _>("delivered_us")?.map(time)))
}

/// What is worked off in order; marks go another way.
#[derive(Clone, Debug)]
enum Work {
    Keep(Box<StoredMessage>),
    Fetch { tenant: TenantId, extension: ExtensionId, after: Option<MessageId> },
}

/// A message that a phone has taken.
#[derive(Clone, Copy, Debug)]
struct Mark {
    tenant: TenantId,
    at: Timestamp,
}

/// Keeps messages behind the switch. [`push`](Self::push) never waits for the database.
#[derive(Debug)]
pub struct MessageKeeper {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    orders: Mutex<VecDeque<(Instant, Work)>>,
    /// Marks that are not written yet.
    marks: Mutex<BTreeMap<MessageId, Mark>>,
    arrived: Notify,
}

impl MessageKeeper {
    /// Starts the task; answers go to `tell`.
    #[must_use]
    pub fn start(store: Store, tell: impl Fn(MessageAnswer) + Send + Sync + 'static) -> Self {
        let shared = Arc::new(Shared::default());
        let task = tokio::spawn(work_for_ever(store, Arc::clone(&shared), tell));
        Self { shared, task }
    }

    /// Hands over an order. Returns false when so many wait that this one cannot be taken; nothing follows then.
    pub fn push(&self, order: MessageOrder) -> bool {
        let work = match order {
            MessageOrder::Keep(message) => Work::Keep(message),
            MessageOrder::Fetch { tenant, extension, after } => Work::Fetch { tenant, extension, after },
            MessageOrder::Delivered { tenant, id, at } => return self.mark(tenant, id, at),
        };
        let mut orders = self.shared.orders();
        if orders.len() >= MESSAGE_ORDERS {
            return false;
        }
        orders.push_back((now(), work));
        drop(orders);
        self.shared.arrived.notify_one();
        true
    }

    fn mark(&self, tenant: TenantId, id: MessageId, at: Timestamp) -> bool {
        let mut marks = self.shared.marks();
        if marks.len() >= MESSAGE_ORDERS && !marks.contains_key(&id) {
            return false;
        }
        marks.entry(id).or_insert(Mark { tenant, at });
        drop(marks);
        self.shared.arrived.notify_one();
        true
    }

    /// Waits until everything is done, and ends the task; false when that took too long.
    pub async fn stop(self, at_most: Duration) -> bool {
        let done = async {
            while !self.shared.orders().is_empty() || !self.shared.marks().is_empty() {
                self.shared.arrived.notify_one();
                sleep(Duration::from_millis(10)).await;
            }
        };
        let done = timeout(at_most, done).await.is_ok();
        self.task.abort();
        done
    }
}

impl Drop for MessageKeeper {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn orders(&self) -> std::sync::MutexGuard<'_, VecDeque<(Instant, Work)>> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn marks(&self) -> std::sync::MutexGuard<'_, BTreeMap<MessageId, Mark>> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn now() -> Instant {
    Instant::now()
}

async fn work_for_ever(store: Store, shared: Arc<Shared>, tell: impl Fn(MessageAnswer)) {
    let mut purge_at = now();
    loop {
        if now() >= purge_at {
            purge_at = now() + MESSAGE_PURGE;
            if let Err(error) = store.purge_messages().await {
                tracing::warn!(%error, "messages that have expired cannot be deleted now");
            }
        }
        let first = shared.orders().front().cloned();
        let marks = shared.marks().clone();
        if first.is_none() && marks.is_empty() {
            // At least as often as something expires.
            let _ = timeout(MESSAGE_PURGE, shared.arrived.notified()).await;
            continue;
        }
        // What a phone has taken must not be read once more, so the marks come first.
        let marked = mark(&store, &shared, &marks).await;
        match first {
            Some((since, work)) => {
                let in_time = since.elapsed() < MESSAGE_ORDER_AGE;
                tell(carry_out(&store, work, marked && in_time).await);
                shared.orders().pop_front();
            }
            None if !marked => sleep(RETRY_FIRST * 5).await,
            None => {}
        }
    }
}

/// Writes the marks; false when the database is away.
async fn mark(store: &Store, shared: &Shared, marks: &BTreeMap<MessageId, Mark>) -> bool {
    if marks.is_empty() {
        return true;
    }
    match store.mark_messages(marks).await {
        Err(error) if !refuses_rows(&error) => {
            tracing::warn!(%error, waiting = marks.len(), "delivered messages cannot be marked; trying again");
            return false;
        }
        Err(error) => tracing::error!(%error, "the database refuses marks of delivered messages"),
        Ok(()) => {}
    }
    shared.marks().retain(|id, _| !marks.contains_key(id));
    true
}

/// Carries out an order, or says at once that it cannot be.
async fn carry_out(store: &Store, work: Work, can: bool) -> MessageAnswer {
    match work {
        Work::Keep(message) if can => {
            let kept = store.keep_message(&message).await.unwrap_or_else(|error| {
                tracing::warn!(%error, "a message cannot be kept");
                Kept::Failed
            });
            MessageAnswer::Kept { id: message.id, kept }
        }
        Work::Keep(message) => MessageAnswer::Kept { id: message.id, kept: Kept::Failed },
        Work::Fetch { tenant, extension, after } => {
            let messages = if can { store.fetch_messages(tenant, extension, after).await.ok() } else { None };
            MessageAnswer::Waiting { tenant, extension, messages }
        }
    }
}
