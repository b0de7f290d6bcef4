//! What can go wrong with the database: one line each, with the remedy where there is one.

use std::fmt::Write as _;

/// An error of the store. `Display` is one line.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The URL cannot be read.
    #[error("the database URL cannot be read ({reason}); it has the form postgres://user:password@host/database")]
    Url {
        /// What is wrong with it.
        reason: String,
    },
    /// No connection.
    #[error("no connection to {database}: {reason}; start it, or correct [database] url")]
    Unreachable {
        /// The database, without its password.
        database: String,
        /// What the driver said.
        reason: String,
    },
    /// Neither empty nor ours.
    #[error(
        "{database} is neither empty nor a YakYak database ({found}), so it is left alone; name another in [database] url or DATABASE_URL"
    )]
    Foreign {
        /// The database, without its password.
        database: String,
        /// Something that stands in it.
        found: String,
    },
    /// Written by a newer program.
    #[error("{database} has schema {found}, newer than {known}, the last this program knows; start a newer YakYak")]
    Newer {
        /// The database, without its password.
        database: String,
        /// Version in the database.
        found: i64,
        /// Last version known here.
        known: i64,
    },
    /// The server is too old.
    #[error("{database} is PostgreSQL {found}; YakYak needs 15 or newer")]
    TooOld {
        /// The database, without its password.
        database: String,
        /// Major version.
        found: i32,
    },
    /// The roles cannot be made.
    #[error(
        "{database}: this login may not prepare the roles yakyak_app and yakyak_switch ({reason}); let a superuser run: {remedy}"
    )]
    Roles {
        /// The database, without its password.
        database: String,
        /// What the server said.
        reason: String,
        /// The statements to run.
        remedy: String,
    },
    /// A migration failed.
    #[error("{database}: the schema could not be brought up to date: {reason}")]
    Migration {
        /// The database, without its password.
        database: String,
        /// What the server said.
        reason: String,
    },
    /// Exists already.
    #[error("{0} exists already")]
    Exists(String),
    /// Does not exist.
    #[error("there is no {0}")]
    Missing(String),
    /// A value that cannot be taken.
    #[error("{0}")]
    Invalid(String),
    /// The journal directory cannot be read.
    #[error("the journal cannot be read: {0}")]
    Journal(String),
    /// Anything else the database said.
    #[error("database: {0}")]
    Database(String),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(one_line(&error))
    }
}

/// An error with its causes, without line breaks.
pub(crate) fn one_line(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            let _ = write!(text, ": {inner_text}");
        }
        cause = inner.source();
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether the statement met a row that exists.
pub(crate) fn is_duplicate(error: &sqlx::Error, constraint: &str) -> bool {
    error.as_database_error().is_some_and(|error| error.is_unique_violation() && error.constraint() == Some(constraint))
}

/// Whether the rows themselves were refused, so that trying again cannot help.
///
/// Data exceptions, broken constraints, program limits and exceptions raised by triggers; everything else (no
/// connection, no disk, no permission, shutting down) is the database's trouble and passes.
pub(crate) fn refuses_rows(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .and_then(|error| error.code())
        .is_some_and(|code| ["22", "23", "54", "P0"].iter().any(|class| code.starts_with(class)))
}
