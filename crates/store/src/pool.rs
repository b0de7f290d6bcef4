//! The open database: two pools, each of them bound to one of the two roles.

use std::sync::Arc;
use std::time::Duration;

use domain::TenantId;
use jiff::Timestamp;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{Connection as _, Postgres, Transaction};

use crate::{DatabaseConfig, Tenanted};

/// The open database. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    database: String,
    app: PgPool,
    switch: PgPool,
    listener: PgConnectOptions,
}

impl Store {
    /// Pools for a database that has been checked and migrated.
    pub(crate) fn new(config: &DatabaseConfig, options: PgConnectOptions, database: String) -> Self {
        // One connection is the listener's.
        let shared = config.max_connections.max(3) - 1;
        let switch = shared.div_ceil(2);
        let min = config.min_connections.min(shared);
        Self {
            inner: Arc::new(Inner {
                database,
                app: pool(config, &options, "yakyak_app", shared - switch, min / 2),
                switch: pool(config, &options, "yakyak_switch", switch, min.div_ceil(2)),
                listener: options,
            }),
        }
    }

    /// The database in words, without its password.
    #[must_use]
    pub fn database(&self) -> &str {
        &self.inner.database
    }

    /// The rows of one tenant. Whether it exists shows when they are asked for.
    #[must_use]
    pub fn tenant(&self, id: TenantId) -> Tenanted {
        Tenanted::new(self.clone(), id)
    }

    /// Ends all connections.
    pub async fn close(&self) {
        self.inner.app.close().await;
        self.inner.switch.close().await;
    }

    /// A transaction that sees one tenant.
    pub(crate) async fn app(&self, tenant: TenantId) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        let mut transaction = self.inner.app.begin().await?;
        sqlx::query("SELECT set_config('app.tenant_id', $1, true)")
            .bind(tenant.to_string())
            .execute(&mut *transaction)
            .await?;
        Ok(transaction)
    }

    /// The pool of the snapshot loader and the writers.
    pub(crate) fn switch(&self) -> &PgPool {
        &self.inner.switch
    }

    /// A connection of its own for the listener.
    pub(crate) async fn listener_pool(&self) -> Result<PgPool, sqlx::Error> {
        PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(Duration::from_secs(5))
            .max_lifetime(None)
            .idle_timeout(None)
            .connect_with(self.inner.listener.clone())
            .await
    }
}

/// Nothing of the options, which hold a password.
impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("database", &self.inner.database).finish_non_exhaustive()
    }
}

fn pool(config: &DatabaseConfig, options: &PgConnectOptions, role: &'static str, max: u32, min: u32) -> PgPool {
    PgPoolOptions::new()
        .max_connections(max.max(1))
        .min_connections(min.min(max))
        .acquire_timeout(Duration::from_secs(config.connect_timeout_s.max(1)))
        .idle_timeout(Duration::from_secs(config.idle_timeout_s.max(1)))
        .max_lifetime(Duration::from_secs(config.max_lifetime_s.max(1)))
        .after_connect(move |connection, _| Box::pin(become_role(connection, role)))
        .connect_lazy_with(options.clone())
}

/// From here on the connection is neither superuser nor owner.
async fn become_role(connection: &mut PgConnection, role: &'static str) -> Result<(), sqlx::Error> {
    let statement = match role {
        "yakyak_app" => "SET search_path TO public; SET ROLE yakyak_app",
        _ => "SET search_path TO public; SET ROLE yakyak_switch",
    };
    sqlx::raw_sql(statement).execute(&mut *connection).await?;
    connection.ping().await
}

/// A time from the microseconds that every query asks for.
pub(crate) fn time(microseconds: i64) -> Timestamp {
    Timestamp::from_microsecond(microseconds).unwrap_or(Timestamp::UNIX_EPOCH)
}
