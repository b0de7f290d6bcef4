//! Opening a database: is it ours, is it empty, is it too new; roles and migrations.

use std::str::FromStr as _;
use std::time::Duration;

use sqlx::migrate::{Migrate as _, Migrator};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Connection as _};

use crate::error::one_line;
use crate::limits::PARTITION_MONTHS;
use crate::{DatabaseConfig, Store, StoreError};

static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations");

/// Two programs that start at once on an empty database must not both prepare it.
const LOCK: i64 = 0x79_616b_7961_6b00;

const OLDEST_SERVER: i32 = 15;

impl Store {
    /// Opens the database, and prepares it when it is empty.
    ///
    /// # Errors
    /// No connection; a database that is neither empty nor ours; a schema newer than this program; a server older than
    /// PostgreSQL 15; a login that may not make the two roles; a failing migration.
    pub async fn open(config: &DatabaseConfig) -> Result<Self, StoreError> {
        let options = options(&config.url)?;
        let database = describe(&options);
        let wait = Duration::from_secs(config.connect_timeout_s.max(1));
        let mut connection = match tokio::time::timeout(wait, options.connect()).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return Err(StoreError::Unreachable { database, reason: one_line(&error) }),
            Err(_) => {
                let reason = format!("no answer within {} s", wait.as_secs());
                return Err(StoreError::Unreachable { database, reason });
            }
        };
        prepare(&mut connection, &database).await?;
        connection.close().await?;
        let store = Self::new(config, options, database);
        store.make_partitions().await?;
        Ok(store)
    }

    /// Makes the partitions of the coming months; the writer repeats it while the program runs.
    pub(crate) async fn make_partitions(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT make_partitions($1)").bind(PARTITION_MONTHS).execute(self.switch()).await?;
        Ok(())
    }
}

fn options(url: &str) -> Result<PgConnectOptions, StoreError> {
    let scheme_known = url.starts_with("postgres://") || url.starts_with("postgresql://");
    if !scheme_known {
        return Err(StoreError::Url { reason: "it does not begin with postgres://".to_owned() });
    }
    let options = PgConnectOptions::from_str(url).map_err(|error| StoreError::Url { reason: one_line(&error) })?;
    Ok(options.application_name("yakyak").disable_statement_logging())
}

/// Host, port and name; never the password.
fn describe(options: &PgConnectOptions) -> String {
    let name = options.get_database().unwrap_or_else(|| options.get_username());
    match options.get_socket() {
        Some(socket) => format!("database {name:?} on socket {}", socket.display()),
        None if options.get_host().starts_with('/') => format!("database {name:?} on socket {}", options.get_host()),
        None => format!("database {name:?} on {}:{}", options.get_host(), options.get_port()),
    }
}

async fn prepare(connection: &mut PgConnection, database: &str) -> Result<(), StoreError> {
    let version: i32 = sqlx::query_scalar("SELECT current_setting('server_version_num')::integer / 10000")
        .fetch_one(&mut *connection)
        .await?;
    if version < OLDEST_SERVER {
        return Err(StoreError::TooOld { database: database.to_owned(), found: version });
    }
    sqlx::raw_sql("SET search_path TO public; SET client_min_messages TO warning").execute(&mut *connection).await?;
    sqlx::query("SELECT pg_advisory_lock($1)").bind(LOCK).execute(&mut *connection).await?;
    check_owner(connection, database).await?;
    prepare_roles(connection, database).await?;
    let migrated = MIGRATIONS.run_direct(None, &mut *connection, false).await;
    migrated.map_err(|error| StoreError::Migration { database: database.to_owned(), reason: one_line(&error) })?;
    sqlx::query("SELECT pg_advisory_unlock($1)").bind(LOCK).execute(&mut *connection).await?;
    Ok(())
}

/// Ours is what carries the marker; empty is what has no relation of anybody's making.
async fn check_owner(connection: &mut PgConnection, database: &str) -> Result<(), StoreError> {
    let marked: bool =
        sqlx::query_scalar("SELECT to_regclass('public.yakyak_meta') IS NOT NULL").fetch_one(&mut *connection).await?;
    let ours = marked && {
        // A stranger's table of that name may have other columns: to_jsonb asks for none.
        sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM public.yakyak_meta m
                             WHERE to_jsonb(m)->>'key' = 'product' AND to_jsonb(m)->>'value' = 'yakyak')",
        )
        .fetch_one(&mut *connection)
        .await?
    };
    if !ours {
        return check_empty(connection, database).await;
    }
    let found: Option<i64> =
        sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations").fetch_one(&mut *connection).await?;
    let known = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default();
    match found {
        Some(found) if found > known => Err(StoreError::Newer { database: database.to_owned(), found, known }),
        _ => Ok(()),
    }
}

/// The bookkeeping of migrations may be there, empty, from a start that was cut off at once.
async fn check_empty(connection: &mut PgConnection, database: &str) -> Result<(), StoreError> {
    let found: Option<String> = sqlx::query_scalar(
        "SELECT min(format('%I.%I', n.nspname, c.relname))
           FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
            AND c.oid IS DISTINCT FROM to_regclass('public._sqlx_migrations')
            AND NOT EXISTS (SELECT FROM pg_depend d
                             WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')",
    )
    .fetch_one(&mut *connection)
    .await?;
    if let Some(found) = found {
        return Err(StoreError::Foreign { database: database.to_owned(), found: format!("it has {found}") });
    }
    let foreign = |found: &str| StoreError::Foreign { database: database.to_owned(), found: found.to_owned() };
    let history: bool = sqlx::query_scalar("SELECT to_regclass('public._sqlx_migrations') IS NOT NULL")
        .fetch_one(&mut *connection)
        .await?;
    if history {
        let applied = connection.list_applied_migrations("_sqlx_migrations").await;
        if !applied.is_ok_and(|applied| applied.is_empty()) {
            return Err(foreign("it has the migrations of another program"));
        }
    }
    Ok(())
}

/// The two roles belong to the whole server, so another database may have made them already, even just now.
async fn prepare_roles(connection: &mut PgConnection, database: &str) -> Result<(), StoreError> {
    const MAKE: [&str; 2] = ["CREATE ROLE yakyak_app NOLOGIN", "CREATE ROLE yakyak_switch NOLOGIN"];
    const LEND: [&str; 2] = ["GRANT yakyak_app TO CURRENT_USER", "GRANT yakyak_switch TO CURRENT_USER"];
    for (role, (make, lend)) in ["yakyak_app", "yakyak_switch"].into_iter().zip(MAKE.into_iter().zip(LEND)) {
        let exists: bool =
            sqlx::query_scalar("SELECT to_regrole($1) IS NOT NULL").bind(role).fetch_one(&mut *connection).await?;
        if !exists {
            tolerate(sqlx::query(make).execute(&mut *connection).await.map(drop), database)?;
        }
        let member = sqlx::query("SET ROLE yakyak_app");
        let member = if role == "yakyak_app" { member } else { sqlx::query("SET ROLE yakyak_switch") };
        let usable = member.execute(&mut *connection).await.is_ok();
        sqlx::query("RESET ROLE").execute(&mut *connection).await?;
        if !usable {
            tolerate(sqlx::query(lend).execute(&mut *connection).await.map(drop), database)?;
        }
    }
    Ok(())
}

/// Somebody else doing the same at the same time is no error.
fn tolerate(result: Result<(), sqlx::Error>, database: &str) -> Result<(), StoreError> {
    let Err(error) = result else { return Ok(()) };
    let code = error.as_database_error().and_then(|error| error.code()).unwrap_or_default();
    match &*code {
        // duplicate_object, unique_violation on pg_authid, tuple concurrently updated
        "42710" | "23505" | "XX000" => Ok(()),
        _ => Err(StoreError::Roles {
            database: database.to_owned(),
            reason: one_line(&error),
            remedy: "CREATE ROLE yakyak_app NOLOGIN; CREATE ROLE yakyak_switch NOLOGIN; \
                     GRANT yakyak_app, yakyak_switch TO the_login_in_the_url;"
                .to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::{describe, options};

    #[test]
    fn a_password_is_never_described() {
        let options = options("postgres://me:secret@db.example:5433/calls").unwrap();
        assert_eq!(describe(&options), "database \"calls\" on db.example:5433");
        let socket = super::options("postgres://me@localhost/calls?host=%2Ftmp%2Fx").unwrap();
        assert_eq!(describe(&socket), "database \"calls\" on socket /tmp/x");
    }

    #[test]
    fn other_schemes_are_refused() {
        assert!(options("mysql://localhost/x").is_err());
        assert!(options("").is_err());
    }
}
