//! Answers to what the command line asks over the control socket.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use domain::{Ban, TenantId};
use store::Store;
use switch::guard::Notice;
use switch::{Input, Reach};
use tokio::runtime::Handle;

use crate::cli::live::{LiveCall, LiveRegistration};
use crate::cli::trace::LivePiece;
use crate::control::{Question, Status};
use crate::switchboard::Mailbox;
use crate::trace::Recorder;

/// What does not change while the server runs.
pub struct Known {
    /// The SIP transports.
    pub transport: sip_net::Transports,
    /// Where browsers are served.
    pub website: api::Addresses,
    /// URLs of the page with a phone in it.
    pub phone_pages: Vec<String>,
    /// Which database, in words.
    pub database: String,
    /// For the names of tenants.
    pub store: Store,
    /// What keeps every message.
    pub recorder: Recorder,
    /// Where the store works.
    pub runtime: Handle,
}

/// Answers one question.
///
/// # Errors
/// The tenant is unknown, or the shard does not answer.
pub fn answer(known: &Known, mailbox: &Mailbox, question: Question) -> Result<serde_json::Value> {
    match question {
        Question::Status => {
            let counts = mailbox.ask(switch::Shard::counts).ok_or_else(no_answer)?;
            let listening = known.transport.addresses();
            let text = |addresses: &[SocketAddr]| addresses.iter().map(SocketAddr::to_string).collect();
            Ok(serde_json::to_value(Status {
                pid: std::process::id(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                sip_udp: text(&listening.udp),
                sip_tcp: text(&listening.tcp),
                sip_tls: text(&listening.tls),
                sip_ws: text(&listening.ws),
                sip_wss: text(&listening.wss),
                api_http: text(&known.website.http),
                api_https: text(&known.website.https),
                phone_pages: known.phone_pages.clone(),
                connections: known.transport.connections(),
                database: known.database.clone(),
                registrations: counts.bindings,
                calls: counts.calls,
                media_sessions: counts.media_sessions,
                sip_transactions: counts.endpoint.server_transactions + counts.endpoint.client_transactions,
                sip_dialogs: counts.endpoint.dialogs,
                sip_refused: mailbox.refused(),
            })?)
        }
        Question::Registrations { tenant } => {
            let slugs = slugs(known, tenant.as_deref())?;
            let only = only(&slugs, tenant.is_some());
            let seen = move |shard: &switch::Shard| {
                let rows = shard.registrations(only).into_iter();
                rows.map(|registration| (shard.reach(registration.id), registration)).collect::<Vec<_>>()
            };
            let rows = mailbox.ask(seen).ok_or_else(no_answer)?;
            let row = |(reach, registration): (Reach, domain::Registration)| LiveRegistration {
                rtt_ms: match reach {
                    Reach::Reachable { round_trip } => Some(round_trip.as_secs_f64() * 1_000.0),
                    Reach::Unknown | Reach::Unreachable => None,
                },
                reachable: reach != Reach::Unreachable,
                tenant: slug(&slugs, registration.tenant_id),
                registration,
            };
            let rows: Vec<_> = rows.into_iter().map(row).collect();
            Ok(serde_json::to_value(rows)?)
        }
        Question::Calls { tenant } => {
            let slugs = slugs(known, tenant.as_deref())?;
            let only = only(&slugs, tenant.is_some());
            let rows = mailbox.ask(move |shard| shard.calls(only)).ok_or_else(no_answer)?;
            let rows: Vec<_> = rows
                .into_iter()
                .map(|call| LiveCall {
                    id: call.id.to_string(),
                    tenant: slug(&slugs, call.tenant),
                    caller: call.caller,
                    callee: call.callee,
                    state: call.state.as_str().to_owned(),
                    since: call.started_at,
                })
                .collect();
            Ok(serde_json::to_value(rows)?)
        }
        Question::Trace { id } => {
            let pieces: Vec<LivePiece> = known.recorder.find(&id).into_iter().map(LivePiece::from).collect();
            Ok(serde_json::to_value(pieces)?)
        }
        Question::Knows { tenant, extension } => {
            let known = mailbox.ask(move |shard| shard.knows(tenant, &extension)).ok_or_else(no_answer)?;
            Ok(serde_json::to_value(known)?)
        }
        Question::Bans => Ok(serde_json::to_value(bans(mailbox)?)?),
        Question::Ban { address, lasts_s, reason } => {
            let allowed = mailbox.ask(move |shard| shard.is_allowed(address)).ok_or_else(no_answer)?;
            if allowed {
                return Err(anyhow!("{address} is on the list [guard] allow; take it off there and restart"));
            }
            mailbox.post(Input::Guard(Notice::Ban { address, lasts: Duration::from_secs(lasts_s), reason }));
            let ban = bans(mailbox)?.into_iter().find(|ban| ban.address == domain::source(address));
            Ok(serde_json::to_value(ban.ok_or_else(no_answer)?)?)
        }
        Question::Unban { address } => {
            let wanted = address.map(domain::source);
            let lifted: Vec<Ban> =
                bans(mailbox)?.into_iter().filter(|ban| wanted.is_none_or(|address| ban.address == address)).collect();
            mailbox.post(Input::Guard(Notice::Unban(address)));
            mailbox.ask(|_| ()).ok_or_else(no_answer)?;
            match address {
                Some(address) if lifted.is_empty() => Err(anyhow!("{address} is not banned; see `yakyak ban list`")),
                _ => Ok(serde_json::to_value(lifted)?),
            }
        }
    }
}

/// Who is banned now, by address.
fn bans(mailbox: &Mailbox) -> Result<Vec<Ban>> {
    mailbox.ask(|shard| shard.bans(Instant::now())).ok_or_else(no_answer)
}

fn no_answer() -> anyhow::Error {
    anyhow!("the switchboard is too busy to answer; try again")
}

/// Names of the tenants: all of them, or the one that was asked for.
fn slugs(known: &Known, asked: Option<&str>) -> Result<BTreeMap<TenantId, String>> {
    let tenants = known.runtime.block_on(known.store.tenants())?;
    let slugs: BTreeMap<_, _> = tenants
        .into_iter()
        .filter(|tenant| asked.is_none_or(|slug| tenant.slug == slug))
        .map(|tenant| (tenant.id, tenant.slug))
        .collect();
    match asked {
        Some(slug) if slugs.is_empty() => Err(anyhow!("--tenant {slug}: no such tenant; see `yakyak tenant list`")),
        _ => Ok(slugs),
    }
}

fn only(slugs: &BTreeMap<TenantId, String>, asked: bool) -> Option<TenantId> {
    if asked { slugs.keys().next().copied() } else { None }
}

fn slug(slugs: &BTreeMap<TenantId, String>, tenant: TenantId) -> String {
    slugs.get(&tenant).cloned().unwrap_or_else(|| tenant.to_string())
}
