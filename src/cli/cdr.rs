//! `yakyak cdr …`

use anyhow::Result;
use store::Store;

use super::args::CdrCommand;
use super::live::second;
use super::{extension::tenant_named, output};

/// Carries out one command.
pub(super) async fn run(store: &Store, command: CdrCommand, json: bool) -> Result<()> {
    let CdrCommand::List { tenant, limit } = command;
    let tenants = match tenant {
        Some(slug) => vec![tenant_named(store, &slug).await?],
        None => store.tenants().await?,
    };
    let mut records = Vec::new();
    for tenant in tenants {
        records.extend(store.tenant(tenant.id).call_records(limit).await?);
    }
    records.sort_by_key(|record| std::cmp::Reverse(record.start_time));
    records.truncate(usize::try_from(limit)?);
    output::list(json, &records, &["start", "caller", "dialed", "status", "talked", "why"], |record| {
        vec![
            second(record.start_time),
            record.caller_number.clone().unwrap_or_else(|| record.caller.clone()),
            record.dialed_number.clone().unwrap_or_else(|| record.callee.clone()),
            record.status.to_string(),
            record.call_duration_ms().map(|ms| format!("{:.1} s", f64::from(ms) / 1000.0)).unwrap_or_default(),
            record.disconnect_reason.clone().unwrap_or_default(),
        ]
    })
}
