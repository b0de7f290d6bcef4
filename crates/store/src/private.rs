//! A PostgreSQL server of our own, for whoever has named none.
//!
//! It lives under the data directory, listens on a unix socket alone, runs as an unprivileged user when we are root,
//! writes with fsync, and ends with this program: the kernel signals it when the thread that started it dies, however
//! that happens. Should it die itself, it is started again.
//!
//! The data directory may stand where the unprivileged user cannot go, such as below `/root`. So the server is
//! started on an open directory (`/proc/self/fd/N`), which needs no right to the path that leads there.

mod account;
mod binaries;
mod cluster;
mod leftovers;
mod supervisor;

use std::path::{Path, PathBuf};

use crate::{DirectoryLock, LockError};
use account::Account;
use binaries::Binaries;
use cluster::Cluster;
use supervisor::Supervisor;

const LOCK: &str = "postgres.lock";

/// The private server cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum PrivateError {
    /// Another program has it.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// No server binaries.
    #[error(
        "no PostgreSQL server (15 or newer) is installed here; install it (apt-get install postgresql), or set [database] url or DATABASE_URL"
    )]
    Missing,
    /// `setpriv` is missing, without which the server could outlive us.
    #[error(
        "the command setpriv is missing; install it (apt-get install util-linux), or set [database] url or DATABASE_URL"
    )]
    NoSetpriv,
    /// The files were written by another major version.
    #[error("the database in {} was made by PostgreSQL {made_by}, which is not installed; install it (apt-get install postgresql-{made_by})", directory.display())]
    OtherVersion {
        /// Its directory.
        directory: PathBuf,
        /// The version that can read it.
        made_by: String,
    },
    /// Neither `postgres` nor `nobody` is an account here.
    #[error(
        "PostgreSQL does not run as root, and there is neither a user postgres nor a user nobody; make one (useradd --system postgres), or do not start as root"
    )]
    NoAccount,
    /// A file or directory cannot be used.
    #[error("{} cannot be used for the private database: {source}; correct owner and mode, or choose another --data-dir", path.display())]
    Unusable {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// `initdb` failed.
    #[error("the private database cannot be made in {}: {reason}", directory.display())]
    Init {
        /// Its directory.
        directory: PathBuf,
        /// What it said last.
        reason: String,
    },
    /// The server ended before it was ready.
    #[error("the private database does not start: {reason}; more in {}", log.display())]
    Start {
        /// What it said last.
        reason: String,
        /// Its log.
        log: PathBuf,
    },
    /// An earlier server on the same files does not end.
    #[error("an earlier PostgreSQL (process {process}) still runs on {} and does not end; stop it first", directory.display())]
    Leftover {
        /// Its process.
        process: i32,
        /// The directory it runs on.
        directory: PathBuf,
    },
}

/// A running private server. It ends when this is dropped.
#[derive(Debug)]
pub struct PrivatePostgres {
    supervisor: Supervisor,
    url: String,
    directory: PathBuf,
    _lock: DirectoryLock,
}

impl PrivatePostgres {
    /// Starts the server of a data directory, made when absent. Blocks until it answers.
    ///
    /// # Errors
    /// See [`PrivateError`]; each says what to do.
    pub fn start(data_dir: &Path) -> Result<Self, PrivateError> {
        Self::start_with(data_dir, &[])
    }

    /// The same with further `name=value` settings of the server.
    pub(crate) fn start_with(data_dir: &Path, settings: &[&str]) -> Result<Self, PrivateError> {
        let lock = DirectoryLock::acquire(data_dir, LOCK, "a yakyak with its private PostgreSQL")?;
        let data_dir =
            data_dir.canonicalize().map_err(|source| PrivateError::Unusable { path: data_dir.to_owned(), source })?;
        let account = Account::of_the_server()?;
        let made_by = cluster::version(&data_dir);
        let binaries = Binaries::find(made_by.as_deref()).ok_or_else(|| match made_by {
            Some(made_by) if Binaries::find(None).is_some() => {
                PrivateError::OtherVersion { directory: cluster::directory(&data_dir), made_by }
            }
            _ => PrivateError::Missing,
        })?;
        let cluster = Cluster::prepare(&data_dir, account, binaries)?;
        leftovers::end(cluster.directory(), cluster.sockets())?;
        let url = cluster.url();
        let directory = cluster.directory().to_owned();
        let settings = settings.iter().map(|&setting| setting.to_owned()).collect();
        Ok(Self { supervisor: Supervisor::start(cluster, settings)?, url, directory, _lock: lock })
    }

    /// The URL of the server that another program runs on this data directory, if one does.
    #[must_use]
    pub fn running(data_dir: &Path) -> Option<String> {
        DirectoryLock::holder(data_dir, LOCK)?;
        let account = Account::of_the_server().ok()?;
        let socket = cluster::socket_directory(&data_dir.canonicalize().ok()?, account).ok()?;
        socket.join(".s.PGSQL.5432").exists().then(|| cluster::url_of(&socket))
    }

    /// Takes away what a server of this data directory left in `/tmp` when it could not do so itself.
    #[cfg(feature = "testing")]
    pub(crate) fn tidy(data_dir: &Path) {
        let socket =
            Account::of_the_server().ok().and_then(|account| cluster::socket_directory(data_dir, account).ok());
        if let Some(socket) = socket {
            let _ = std::fs::remove_dir(socket);
        }
    }

    /// Where it listens, as [`DatabaseConfig::url`](crate::DatabaseConfig::url) wants it.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where its files are.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Process of the server, while it runs.
    #[must_use]
    pub fn process(&self) -> Option<u32> {
        self.supervisor.process()
    }

    /// Ends the server: open transactions are rolled back, everything committed is on disk. Blocks until it is done.
    pub fn stop(mut self) {
        self.supervisor.stop();
    }
}
