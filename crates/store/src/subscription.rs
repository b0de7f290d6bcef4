//! The durable copy of the subscriptions: written behind them, read back at start.

use std::net::SocketAddr;

use domain::{Subscription, SubscriptionChange, SubscriptionId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use uuid::Uuid;

use crate::behind::{Behind, Kept};
use crate::limits::LISTING;
use crate::{Store, StoreError, Tenanted, text};

impl Store {
    /// The subscriptions of all tenants that have not run out, for the start. Those that have are deleted.
    ///
    /// # Errors
    /// The database is away.
    pub async fn load_subscriptions(&self) -> Result<Vec<Subscription>, StoreError> {
        sqlx::query("DELETE FROM subscriptions WHERE expires_at <= now()").execute(self.switch()).await?;
        let rows: Vec<Json<SubscriptionRow>> =
            sqlx::query_scalar("SELECT to_json(s) FROM subscriptions s ORDER BY s.tenant_id, s.id")
                .fetch_all(self.switch())
                .await?;
        Ok(rows.into_iter().filter_map(|Json(row)| read(row)).collect())
    }
}

impl Tenanted {
    /// The subscriptions that have not run out, as last written.
    ///
    /// # Errors
    /// The database is away.
    pub async fn subscriptions(&self) -> Result<Vec<Subscription>, StoreError> {
        let mut transaction = self.begin().await?;
        let rows: Vec<Json<SubscriptionRow>> = sqlx::query_scalar(
            "SELECT to_json(s) FROM subscriptions s WHERE expires_at > now() ORDER BY extension, id LIMIT $1",
        )
        .bind(LISTING)
        .fetch_all(&mut *transaction)
        .await?;
        Ok(rows.into_iter().filter_map(|Json(row)| read(row)).collect())
    }
}

fn read(row: SubscriptionRow) -> Option<Subscription> {
    let id = row.id;
    row.subscription()
        .inspect_err(|error| tracing::error!(%id, %error, "a subscription has an address that cannot be read"))
        .ok()
}

/// Writes subscriptions behind the switch. One that cannot be kept durably is made anew by its phone when it refreshes.
pub type SubscriptionWriter = Behind<SubscriptionChange>;

impl Kept for SubscriptionChange {
    type Id = SubscriptionId;

    const WHAT: &'static str = "subscriptions";

    fn id(&self) -> SubscriptionId {
        match self {
            SubscriptionChange::Put(subscription) => subscription.id,
            SubscriptionChange::Removed { id, .. } => *id,
        }
    }

    async fn write(store: &Store, batch: &[Self]) -> Result<(), sqlx::Error> {
        let mut rows = Vec::new();
        let mut removed = Vec::<Uuid>::new();
        for change in batch {
            match change {
                SubscriptionChange::Put(subscription) => rows.push(SubscriptionRow::new(subscription)),
                SubscriptionChange::Removed { id, .. } => removed.push(id.0),
            }
        }
        let mut transaction = store.switch().begin().await?;
        if !removed.is_empty() {
            sqlx::query("DELETE FROM subscriptions WHERE id = ANY($1)")
                .bind(&removed)
                .execute(&mut *transaction)
                .await?;
        }
        if !rows.is_empty() {
            sqlx::query(UPSERT).bind(Json(rows)).execute(&mut *transaction).await?;
        }
        transaction.commit().await
    }
}

/// A subscription of an extension that was deleted meanwhile is not written.
const UPSERT: &str = "INSERT INTO subscriptions
        (id, tenant_id, extension_id, extension, package, event_id, resource, entity, version, call_id, local, remote,
         target, routes, transport, local_address, remote_address, secure, local_cseq, remote_cseq, expires_at)
 SELECT s.id, s.tenant_id, s.extension_id, s.extension, s.package, s.event_id, s.resource, s.entity, s.version,
        s.call_id, s.local, s.remote, s.target, s.routes, s.transport, s.local_address, s.remote_address, s.secure,
        s.local_cseq, s.remote_cseq, s.expires_at
   FROM jsonb_populate_recordset(NULL::subscriptions, $1) s
   JOIN extensions e ON e.tenant_id = s.tenant_id AND e.id = s.extension_id
     ON CONFLICT (id) DO UPDATE SET
        version = excluded.version, target = excluded.target, routes = excluded.routes, transport = excluded.transport,
        local_address = excluded.local_address, remote_address = excluded.remote_address, secure = excluded.secure,
        local_cseq = excluded.local_cseq, remote_cseq = excluded.remote_cseq, expires_at = excluded.expires_at";

/// A row of `subscriptions`.
#[derive(Debug, Serialize, Deserialize)]
struct SubscriptionRow {
    id: Uuid,
    tenant_id: Uuid,
    extension_id: Uuid,
    extension: String,
    package: String,
    event_id: Option<String>,
    resource: String,
    entity: String,
    version: u32,
    call_id: String,
    local: String,
    remote: String,
    target: String,
    routes: Vec<String>,
    transport: String,
    local_address: String,
    remote_address: String,
    secure: bool,
    local_cseq: u32,
    remote_cseq: Option<u32>,
    expires_at: Timestamp,
}

impl SubscriptionRow {
    fn new(subscription: &Subscription) -> Self {
        Self {
            id: subscription.id.0,
            tenant_id: subscription.tenant_id.0,
            extension_id: subscription.extension_id.0,
            extension: text::short(&subscription.extension),
            package: text::short(&subscription.package),
            event_id: subscription.event_id.as_deref().map(text::short),
            resource: text::short(&subscription.resource),
            entity: text::long(&subscription.entity),
            version: subscription.version,
            call_id: text::long(&subscription.call_id),
            local: text::long(&subscription.local),
            remote: text::long(&subscription.remote),
            target: text::long(&subscription.target),
            routes: subscription.routes.iter().map(|route| text::long(route)).collect(),
            transport: text::short(&subscription.transport),
            local_address: subscription.local_address.to_string(),
            remote_address: subscription.remote_address.to_string(),
            secure: subscription.secure,
            local_cseq: subscription.local_cseq,
            remote_cseq: subscription.remote_cseq,
            expires_at: subscription.expires_at,
        }
    }

    fn subscription(self) -> Result<Subscription, std::net::AddrParseError> {
        Ok(Subscription {
            id: self.id.into(),
            tenant_id: self.tenant_id.into(),
            extension_id: self.extension_id.into(),
            extension: self.extension,
            package: self.package,
            event_id: self.event_id,
            resource: self.resource,
            entity: self.entity,
            version: self.version,
            call_id: self.call_id,
            local: self.local,
            remote: self.remote,
            target: self.target,
            routes: self.routes,
            transport: self.transport,
            local_address: self.local_address.parse::<SocketAddr>()?,
            remote_address: self.remote_address.parse::<SocketAddr>()?,
            secure: self.secure,
            local_cseq: self.local_cseq,
            remote_cseq: self.remote_cseq,
            expires_at: self.expires_at,
        })
    }
}
