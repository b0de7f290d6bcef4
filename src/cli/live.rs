//! `yakyak status`, `registration list`, `call list`: asked of the running server.

use anyhow::Result;
use domain::Registration;
use serde::{Deserialize, Serialize};

use super::args::ListCommand;
use super::output;
use crate::control::{self, Question, Status};
use crate::exit::Refusal;
use crate::settings::Settings;

/// A call as the control socket shows it.
#[derive(Debug, Serialize, Deserialize)]
pub struct LiveCall {
    /// Call record id.
    pub id: String,
    /// Slug of the tenant.
    pub tenant: String,
    /// Who calls.
    pub caller: String,
    /// What was dialled.
    pub callee: String,
    /// How far the call is.
    pub state: String,
    /// When it began.
    pub since: jiff::Timestamp,
}

/// A registered phone as the control socket shows it.
#[derive(Debug, Serialize, Deserialize)]
pub struct LiveRegistration {
    /// Round trip of the last OPTIONS in milliseconds; absent when the phone was not asked, or did not answer.
    pub rtt_ms: Option<f64>,
    /// Whether the phone is rung: false when it does not answer OPTIONS.
    pub reachable: bool,
    /// Slug of the tenant.
    pub tenant: String,
    /// The binding.
    #[serde(flatten)]
    pub registration: Registration,
}

/// `yakyak status`
pub(super) fn status(settings: &Settings, json: bool) -> Result<()> {
    let status: Status = must_run(settings, &Question::Status)?;
    if json {
        return output::document(&status);
    }
    output::line(&running(&status, settings))
}

/// The lines that say what runs already.
pub(crate) fn running(status: &Status, settings: &Settings) -> String {
    let transports = [
        ("UDP", &status.sip_udp),
        ("TCP", &status.sip_tcp),
        ("TLS", &status.sip_tls),
        ("WS", &status.sip_ws),
        ("WSS", &status.sip_wss),
    ];
    let served = transports.iter().filter(|(_, addresses)| !addresses.is_empty());
    let served: String =
        served.map(|(name, addresses)| format!("\n  SIP over {name:<4} {}", addresses.join(", "))).collect();
    let pages: String = status.phone_pages.iter().map(|page| format!("\n  phone page    {page}")).collect();
    format!(
        "YakYak {} runs here, process {}, data in {}{served}{pages}\n  database      {}\n  now           {} registered, {} \
         calls, {} connections",
        status.version,
        status.pid,
        settings.server.data_dir.display(),
        status.database,
        status.registrations,
        status.calls,
        status.connections,
    )
}

/// `yakyak registration list`
pub(super) fn registrations(settings: &Settings, command: &ListCommand, json: bool) -> Result<()> {
    let ListCommand::List { tenant } = command;
    let rows: Vec<LiveRegistration> = must_run(settings, &Question::Registrations { tenant: tenant.clone() })?;
    output::list(json, &rows, &["tenant", "extension", "address", "contact", "expires", "answers", "phone"], |row| {
        let registration = &row.registration;
        vec![
            row.tenant.clone(),
            registration.extension.clone(),
            registration.remote.to_string(),
            registration.contact.clone(),
            second(registration.expires_at),
            match row.rtt_ms {
                Some(ms) => format!("{ms:.1} ms"),
                None if row.reachable => "-".to_owned(),
                None => "not any more".to_owned(),
            },
            registration.user_agent.clone().unwrap_or_default(),
        ]
    })
}

/// `yakyak call list`
pub(super) fn calls(settings: &Settings, command: &ListCommand, json: bool) -> Result<()> {
    let ListCommand::List { tenant } = command;
    let rows: Vec<LiveCall> = must_run(settings, &Question::Calls { tenant: tenant.clone() })?;
    output::list(json, &rows, &["tenant", "caller", "callee", "state", "since", "id"], |row| {
        vec![
            row.tenant.clone(),
            row.caller.clone(),
            row.callee.clone(),
            row.state.clone(),
            second(row.since),
            row.id.clone(),
        ]
    })
}

/// A time to the second, as tables show it.
pub(super) fn second(at: jiff::Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

pub(super) fn must_run<T: for<'de> Deserialize<'de>>(settings: &Settings, question: &Question) -> Result<T> {
    let data_dir = &settings.server.data_dir;
    control::ask(data_dir, question)?.ok_or_else(|| {
        Refusal::new(format!(
            "no server runs on {}; start one with `yakyak serve`, or name its directory with --data-dir",
            data_dir.display()
        ))
        .into()
    })
}
