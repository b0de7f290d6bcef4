//! `yakyak tenant …`

use anyhow::Result;
use domain::Tenant;
use store::{NewTenant, Store, TenantChanges};

use super::args::{TenantCommand, TenantUpdate};
use super::{extension::tenant_named, output};

/// Carries out one command.
pub(super) async fn run(store: &Store, command: TenantCommand, json: bool) -> Result<()> {
    match command {
        TenantCommand::Create { name, domain } => {
            let tenant = store.create_tenant(NewTenant::new(name, domain)).await?;
            if json {
                return output::document(&tenant);
            }
            output::line(&format!(
                "Tenant {} is there: domain and realm {}.\nNext: yakyak extension create --tenant {} 1001",
                tenant.slug, tenant.domain, tenant.slug
            ))
        }
        TenantCommand::List => {
            let tenants = store.tenants().await?;
            output::list(json, &tenants, &["slug", "name", "domain", "status", "default"], |tenant| {
                vec![
                    tenant.slug.clone(),
                    tenant.name.clone(),
                    tenant.domain.clone(),
                    tenant.status.to_string(),
                    if tenant.is_default { "yes" } else { "" }.to_owned(),
                ]
            })
        }
        TenantCommand::Update(update) => {
            let tenant = changed(store, update).await?;
            if json {
                return output::document(&tenant);
            }
            output::line(&format!("Tenant {} is changed.", tenant.slug))
        }
    }
}

async fn changed(store: &Store, update: TenantUpdate) -> Result<Tenant> {
    let tenant = store.tenant(tenant_named(store, &update.tenant).await?.id);
    if let Some(domain) = &update.add_domain {
        tenant.add_domain(domain).await?;
    }
    let changes = TenantChanges {
        status: update.status,
        sip_login: update.sip_login,
        digest_algorithms: update.digest,
        is_default: update.default,
        max_concurrent_calls: update.max_concurrent_calls,
        ring_timeout_s: update.ring_timeout_s,
        emergency_numbers: update.emergency_numbers.map(emergency_numbers),
    };
    tenant.update(changes).await?;
    Ok(tenant.tenant().await?)
}

/// `none` is the empty list.
fn emergency_numbers(numbers: Vec<String>) -> Vec<String> {
    if numbers == ["none"] { Vec::new() } else { numbers }
}
