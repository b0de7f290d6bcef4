//! `yakyak extension …`

use std::io::Read as _;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use domain::{Extension, Tenant, TenantSnapshot};
use serde_json::json;
use store::{ExtensionChanges, Login, NewExtension, Store};
use switch::routing::{Route, Routes};

use super::args::{ExtensionChange, ExtensionCommand, ExtensionSet, Password};
use super::choice::OrOff;
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
            output::list(json, &extensions, &["number", "name", "context", "enabled", "calls"], |extension| {
                vec![
                    extension.number.clone(),
                    extension.display_name.clone().unwrap_or_default(),
                    extension.context.clone(),
                    if extension.enabled { "yes" } else { "no" }.to_owned(),
                    in_short(extension),
                ]
            })
        }
        ExtensionCommand::Show { tenant, number } => {
            let tenant = tenant_named(store, &tenant).await?;
            show(&tenant, &store.tenant(tenant.id).extension(&number).await?, json)
        }
        ExtensionCommand::Set(ExtensionSet { tenant, number, change }) => {
            let tenant = tenant_named(store, &tenant).await?;
            let rows = store.tenant(tenant.id);
            if let Some(snapshot) = store.snapshot(tenant.id).await? {
                let context = rows.extension(&number).await?.context;
                must_lead_somewhere(snapshot, &context, &change)?;
            }
            show(&tenant, &rows.set_extension(&number, changes(change)).await?, json)
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

/// Every forward can be dialled by the extension itself, and none is an emergency call.
fn must_lead_somewhere(snapshot: TenantSnapshot, context: &str, change: &ExtensionChange) -> Result<()> {
    let slug = snapshot.tenant.slug.clone();
    let routes = Routes::compile(Arc::new(snapshot));
    for (option, forward) in [
        ("--forward-always", &change.forward_always),
        ("--forward-busy", &change.forward_busy),
        ("--forward-no-answer", &change.forward_no_answer),
        ("--forward-not-registered", &change.forward_not_registered),
    ] {
        let Some(OrOff(Some(number))) = forward else { continue };
        if routes.snapshot().is_emergency(number) {
            let line = format!("{option} {number}: an emergency number is dialled by people only; name another");
            return Err(Refusal::new(line).into());
        }
        if domain::is_forward_number(number) && routes.route(context, number) == Route::Unknown {
            let line = format!(
                "{option} {number}: nothing in this tenant has that number; see `yakyak extension list --tenant {slug}`"
            );
            return Err(Refusal::new(line).into());
        }
    }
    Ok(())
}

fn changes(change: ExtensionChange) -> ExtensionChanges {
    fn value<T>(change: Option<OrOff<T>>) -> Option<Option<T>> {
        change.map(|OrOff(value)| value)
    }
    ExtensionChanges {
        forward_always: value(change.forward_always),
        forward_busy: value(change.forward_busy),
        forward_no_answer: value(change.forward_no_answer),
        forward_not_registered: value(change.forward_not_registered),
        do_not_disturb: change.dnd.map(|on| on.0),
        call_waiting: change.call_waiting.map(|on| on.0),
        max_calls: value(change.max_calls),
        no_answer_timeout_s: value(change.no_answer_timeout),
        srtp: change.srtp,
        srtp_keys: change.srtp_keys,
        webrtc: change.webrtc,
        dtmf: change.dtmf,
    }
}

/// What an extension does with its calls, as far as it is unusual.
fn in_short(extension: &Extension) -> String {
    let forwards = &extension.forwards;
    let forwards = [
        ("always", &forwards.always),
        ("busy", &forwards.busy),
        ("no answer", &forwards.no_answer),
        ("not registered", &forwards.not_registered),
    ];
    let forwards = forwards.iter().filter_map(|(when, to)| Some(format!("{when}: {}", to.as_deref()?)));
    extension
        .do_not_disturb
        .then(|| "do not disturb".to_owned())
        .into_iter()
        .chain(forwards)
        .collect::<Vec<_>>()
        .join(", ")
}

fn show(tenant: &Tenant, extension: &Extension, json: bool) -> Result<()> {
    if json {
        return output::document(extension);
    }
    let on = |on: bool| if on { "on" } else { "off" }.to_owned();
    let number = |number: &Option<String>| number.clone().unwrap_or_else(|| "off".to_owned());
    let forwards = &extension.forwards;
    output::line(&format!("Extension {} of {}", extension.number, tenant.slug))?;
    for (what, value) in [
        ("name", extension.display_name.clone().unwrap_or_default()),
        ("context", extension.context.clone()),
        ("enabled", on(extension.enabled)),
        ("forward always", number(&forwards.always)),
        ("forward busy", number(&forwards.busy)),
        ("forward no answer", number(&forwards.no_answer)),
        ("forward not registered", number(&forwards.not_registered)),
        ("do not disturb", on(extension.do_not_disturb)),
        ("call waiting", on(extension.call_waiting)),
        ("busy from", extension.max_calls.map_or_else(|| "no limit".to_owned(), |calls| format!("{calls} calls"))),
        ("rings for", format!("{} s", extension.no_answer_timeout_s.unwrap_or(tenant.ring_timeout_s))),
        ("encrypted audio", extension.audio.srtp.to_string()),
        ("keys offered by", extension.audio.srtp_keys.to_string()),
        ("browsers", extension.audio.webrtc.to_string()),
        ("key presses", extension.audio.dtmf.to_string()),
    ] {
        output::line(&format!("  {what:24}{value}"))?;
    }
    Ok(())
}

/// The tenant with this slug.
pub(super) async fn tenant_named(store: &Store, slug: &str) -> Result<Tenant> {
    store
        .tenant_by_slug(slug)
        .await?
        .ok_or_else(|| Refusal::new(format!("--tenant {slug}: no such tenant; see `yakyak tenant list`")).into())
}

pub(super) fn chosen(password: &Password) -> Result<Option<String>> {
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
