//! PostgreSQL, the local journal and the private database: the only SQL.
