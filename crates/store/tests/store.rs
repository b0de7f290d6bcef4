//! The store on a real PostgreSQL.

#[path = "store/bans.rs"]
mod bans;
#[path = "store/catalogue.rs"]
mod catalogue;
#[path = "store/extensions.rs"]
mod extensions;
#[path = "store/isolation.rs"]
mod isolation;
#[path = "store/messages.rs"]
mod messages;
#[path = "store/opening.rs"]
mod opening;
#[path = "store/registrations.rs"]
mod registrations;
#[path = "store/settings.rs"]
mod settings;
#[path = "store/sip_traces.rs"]
mod sip_traces;
#[path = "store/snapshots.rs"]
mod snapshots;
#[path = "store/subscriptions.rs"]
mod subscriptions;

use domain::{Extension, Tenant};
use store::{Login, NewExtension, NewTenant, Store};

/// A tenant with its name as slug and domain.
async fn tenant(store: &Store, name: &str) -> Tenant {
    store.create_tenant(NewTenant::new(name, format!("{name}.example"))).await.unwrap()
}

async fn extension(store: &Store, tenant: &Tenant, number: &str) -> (Extension, Login) {
    let new = NewExtension { number: number.to_owned(), ..NewExtension::default() };
    store.tenant(tenant.id).create_extension(new).await.unwrap()
}
