//! A throw-away PostgreSQL server for tests: one per test binary, one fresh database per test.
//!
//! A machine without PostgreSQL fails the tests; they are never skipped.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};

use crate::{DatabaseConfig, PrivatePostgres, Store};

/// A server in a temporary directory, gone with the process.
#[derive(Debug)]
pub struct Server {
    postgres: PrivatePostgres,
    directory: PathBuf,
    databases: AtomicU32,
}

impl Server {
    /// The server of this test binary.
    ///
    /// # Panics
    /// No server can be started, for example because PostgreSQL is not installed.
    pub fn shared() -> &'static Self {
        static SERVER: OnceLock<Server> = OnceLock::new();
        SERVER.get_or_init(Self::start)
    }

    /// A server of one test's own, to be stopped and started.
    ///
    /// # Panics
    /// No server can be started.
    #[must_use]
    pub fn start() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        remove_stale();
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("{PREFIX}{}-{number}", std::process::id()));
        let postgres = match PrivatePostgres::start_with(&directory, SETTINGS) {
            Ok(postgres) => postgres,
            Err(error) => panic!("the tests need a PostgreSQL server: {error}"),
        };
        Self { postgres, directory, databases: AtomicU32::new(0) }
    }

    /// The URL of a fresh, empty database.
    ///
    /// # Panics
    /// The server refuses.
    pub async fn database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.execute(&format!("CREATE DATABASE {name}")).await;
        self.postgres.url().replacen("/yakyak?", &format!("/{name}?"), 1)
    }

    /// A store on a fresh database.
    ///
    /// # Panics
    /// The server refuses.
    pub async fn store(&self) -> Store {
        let url = self.database().await;
        let config = DatabaseConfig { max_connections: 5, min_connections: 0, ..DatabaseConfig::new(url) };
        match Store::open(&config).await {
            Ok(store) => store,
            Err(error) => panic!("{error}"),
        }
    }

    /// A connection as superuser, past every policy.
    ///
    /// # Panics
    /// The server refuses.
    pub async fn superuser(url: &str) -> PgConnection {
        let options: PgConnectOptions = url.parse().expect("a URL of ours");
        options.disable_statement_logging().connect().await.expect("the server answers")
    }

    /// Runs a statement in the server's own database.
    ///
    /// # Panics
    /// The server refuses.
    pub async fn execute(&self, statement: &str) {
        let mut connection = Self::superuser(self.postgres.url()).await;
        sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut connection).await.expect("the statement runs");
        let _ = connection.close().await;
    }

    /// Stops the server and returns the directory, with which it can be [resumed](Self::resume).
    #[must_use]
    pub fn stop(self) -> PathBuf {
        let directory = self.directory.clone();
        self.postgres.stop();
        directory
    }

    /// Starts a stopped server again, with its databases.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn resume(directory: &Path) -> Self {
        let postgres = PrivatePostgres::start_with(directory, SETTINGS).expect("the server starts again");
        Self { postgres, directory: directory.to_owned(), databases: AtomicU32::new(1_000) }
    }
}

const PREFIX: &str = "yakyak-test-";
/// Small, and not waiting for the disk: nothing of it is worth keeping.
const SETTINGS: &[&str] = &["fsync=off", "full_page_writes=off", "shared_buffers=32MB", "max_connections=200"];

/// A process cannot tidy up after its own end, so the next one does.
fn remove_stale() {
    let entries = std::fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(PREFIX)).and_then(|rest| rest.split('-').next());
        let Some(process) = process.and_then(|digits| digits.parse::<u32>().ok()) else { continue };
        if !Path::new(&format!("/proc/{process}")).exists() {
            PrivatePostgres::tidy(&entry.path());
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}
