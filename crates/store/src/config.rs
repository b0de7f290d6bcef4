//! Where the database is and how many connections it gets.

/// `[database]` of the configuration, with its defaults.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseConfig {
    /// `postgres://user:password@host/database`, or with `?host=/directory` for a socket.
    pub url: String,
    /// Connections at most, the listener's included; at least 3 are used.
    pub max_connections: u32,
    /// Connections that are kept open.
    pub min_connections: u32,
    /// How long to wait for a connection, in seconds.
    pub connect_timeout_s: u64,
    /// After which idle time a connection is closed, in seconds.
    pub idle_timeout_s: u64,
    /// After which age a connection is replaced, in seconds.
    pub max_lifetime_s: u64,
}

impl DatabaseConfig {
    /// The defaults, for a database at this URL.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), ..Self::default() }
    }
}

impl Default for DatabaseConfig {
    fn default() -> Self {
        Self {
            url: String::new(),
            max_connections: 10,
            min_connections: 2,
            connect_timeout_s: 30,
            idle_timeout_s: 600,
            max_lifetime_s: 1_800,
        }
    }
}

/// The URL may hold a password.
impl std::fmt::Debug for DatabaseConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DatabaseConfig")
            .field("max_connections", &self.max_connections)
            .field("min_connections", &self.min_connections)
            .finish_non_exhaustive()
    }
}
