//! PostgreSQL, the local journal and the private database: the only SQL.
//!
//! [`Store::open`] recognises or prepares the database. Tenant rows are reached through [`Store::tenant`] alone, which
//! works as the role `yakyak_app` with `app.tenant_id` set in each transaction; the loader of the snapshots and the
//! writers work as `yakyak_switch`. Calls and registrations never wait for any of this: they read
//! [`domain::TenantSnapshot`]s and leave through [`Journal`] and [`RegistrationWriter`].
//!
//! The order at start is: [`Store::open`], [`Journal::open`], [`Store::recover`], [`Writer::start`],
//! [`Store::changes`], and only then [`Store::snapshots`], so that no change falls between the two.

#![forbid(unsafe_code)]

mod ban;
mod behind;
mod call_record;
mod config;
mod dialplan;
mod error;
mod extension;
mod journal;
mod limits;
mod listener;
mod lock;
mod message;
mod open;
mod password;
mod pool;
mod private;
mod registration;
mod row;
mod seed;
mod sip_trace;
mod snapshot;
mod subscription;
mod tenant;
#[cfg(feature = "testing")]
pub mod testing;
mod text;

pub use ban::BanWriter;
pub use config::DatabaseConfig;
pub use error::StoreError;
pub use extension::{ExtensionChanges, Login, NewExtension};
pub use journal::{Journal, JournalError, JournalStats, Writer};
pub use listener::{Change, Listener};
pub use lock::{DirectoryLock, LockError};
pub use message::{MessageAnswer, MessageKeeper, MessageOrder};
pub use pool::Store;
pub use private::{PrivateError, PrivatePostgres};
pub use registration::RegistrationWriter;
pub use sip_trace::{SipTrace, TraceOf, TraceWriter};
pub use subscription::SubscriptionWriter;
pub use tenant::{NewTenant, TenantChanges, Tenanted};
