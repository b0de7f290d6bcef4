//! Which database: the one that is named, the private one of a running server, or a private one for the moment.

use std::path::Path;

use anyhow::Result;
use store::{DatabaseConfig, PrivatePostgres, Store};
use tokio::runtime::Runtime;

use crate::settings::Settings;

/// An open database, and the private server behind it where this process runs one.
pub struct Session {
    store: Store,
    private: Option<PrivatePostgres>,
}

impl Session {
    /// Opens the database of a command: the running server's when there is one.
    ///
    /// # Errors
    /// One line with the remedy.
    pub fn open(settings: &Settings, runtime: &Runtime) -> Result<Self> {
        if settings.database.url.is_empty()
            && let Some(url) = PrivatePostgres::running(&settings.server.data_dir)
        {
            let store = runtime.block_on(Store::open(&config(settings, url)))?;
            return Ok(Self { store, private: None });
        }
        Self::open_for_server(settings, runtime)
    }

    /// Opens the named database, or starts the private one.
    ///
    /// # Errors
    /// One line with the remedy.
    pub fn open_for_server(settings: &Settings, runtime: &Runtime) -> Result<Self> {
        let named = &settings.database.url;
        if !named.is_empty() {
            return Ok(Self { store: runtime.block_on(Store::open(&config(settings, named.clone())))?, private: None });
        }
        let private = PrivatePostgres::start(&settings.server.data_dir)?;
        let opened = runtime.block_on(Store::open(&config(settings, private.url().to_owned())));
        match opened {
            Ok(store) => Ok(Self { store, private: Some(private) }),
            Err(error) => {
                private.stop();
                Err(error.into())
            }
        }
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What to tell people: which database this is, without a password.
    #[must_use]
    pub fn described(&self, data_dir: &Path) -> String {
        match self.private {
            Some(_) => format!("a private PostgreSQL under {}", data_dir.display()),
            None => self.store.database().to_owned(),
        }
    }

    /// Closes the connections, and the private server when this process runs it.
    pub fn close(self, runtime: &Runtime) {
        runtime.block_on(self.store.close());
        if let Some(private) = self.private {
            private.stop();
        }
    }
}

fn config(settings: &Settings, url: String) -> DatabaseConfig {
    let database = &settings.database;
    DatabaseConfig {
        url,
        max_connections: database.max_connections,
        min_connections: database.min_connections,
        connect_timeout_s: database.connect_timeout,
        idle_timeout_s: database.idle_timeout,
        max_lifetime_s: database.max_lifetime,
    }
}
