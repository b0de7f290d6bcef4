//! `yakyak extension …`

use std::io::Read as _;

use anyhow::{Context as _, Result};
use domain::Tenant;
use serde_json::json;
use store::{Login, NewExtension, Store};

use super::args::{ExtensionCommand, Password};
use super::output;
use crate::exit::Refusal;

/// The longest password that is read from standard input.
const LONGEST_PASSWORD: u64 = 1_024;

/// Carries out one command.
pub(super) async fn run(store: &Store, command: ExtensionCommand, json: bool) -> Result<()> {
    match command {
        ExtensionCommand::Create { tenant, number, name, password } => {
            let tenant = tenant_named(store, &tenant).await?;
            let new = NewExtension { number, name, password: chosen(&password)? };
            let (extension, login) = store.tenant(tenant.id).create_extension(new).await?;
            show_login(&tenant, &extension.number, &login, json)
        }
        ExtensionCommand::List { tenant } => {
            let tenant = tenant_named(store, &tenant).await?;
            let extensions = store.tenant(tenant.id).extensions().await?;
            output::list(json, &extensions, &["number", "name", "context", "enabled"], |extension| {
                vec![
                    extension.number.clone(),
                    extension.display_name.clone().unwrap_or_default(),
                    extension.context.clone(),
                    if extension.enabled { "yes" } else { "no" }.to_owned(),
                ]
            })
        }
        ExtensionCommand::Delete { tenant, number } => {
            let tenant = tenant_named(store, &tenant).await?;
            store.tenant(tenant.id).delete_extension(&number).await?;
            if json {
                return output::document(&json!({ "deleted": number }));
            }
            output::line(&format!("Extension {number} of {} is deleted.", tenant.slug))
        }
        ExtensionCommand::Password { tenant, number, password } => {
            let tenant = tenant_named(store, &tenant).await?;
            let login = store.tenant(tenant.id).set_password(&number, chosen(&password)?).await?;
            show_login(&tenant, &number, &login, json)
        }
    }
}

/// The tenant with this slug.
pub(super) async fn tenant_named(store: &Store, slug: &str) -> Result<Tenant> {
    store
        .tenant_by_slug(slug)
        .await?
        .ok_or_else(|| Refusal::new(format!("--tenant {slug}: no such tenant; see `yakyak tenant list`")).into())
}

fn chosen(password: &Password) -> Result<Option<String>> {
    if !password.password_stdin {
        return Ok(password.password.clone());
    }
    let mut text = String::new();
    std::io::stdin()
        .take(LONGEST_PASSWORD)
        .read_to_string(&mut text)
        .context("--password-stdin: standard input cannot be read as text")?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(Refusal::new("--password-stdin: standard input is empty; write the password to it").into());
    }
    Ok(Some(text.to_owned()))
}

fn show_login(tenant: &Tenant, number: &str, login: &Login, json: bool) -> Result<()> {
    if json {
        return output::document(&json!({
            "extension": number,
            "domain": tenant.domain,
            "username": login.username,
            "device_username": login.device_username,
            "password": login.password,
        }));
    }
    output::line(&format!(
        "Extension {number} of {}. The password is shown this once.\n  SIP server / domain   {}\n  User name / auth ID   \
         {}\n  Password              {}",
        tenant.slug, tenant.domain, login.username, login.password
    ))?;
    match &login.device_username {
        Some(device) => output::line(&format!("  or, as the device     {device}")),
        None => Ok(()),
    }
}
