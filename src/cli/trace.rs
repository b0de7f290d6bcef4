//! `yakyak trace …`: what the running server still holds and what the store has, put together.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::{CallId, TenantId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::{Store, TraceOf};

use super::args::TraceArguments;
use super::extension::tenant_named;
use super::output;
use crate::control::{self, Question};
use crate::exit::Refusal;
use crate::settings::Settings;
use crate::trace::ladder::{Step, draw, steps};
use crate::trace::message::{Message, Way};
use crate::trace::{Piece, pcap, segment};

/// Width of a drawing where nobody says how wide the terminal is.
const USUAL_WIDTH: usize = 110;

/// A piece of a trace as the control socket shows it.
#[derive(Debug, Serialize, Deserialize)]
pub struct LivePiece {
    tenant: Option<TenantId>,
    call: Option<CallId>,
    sip_call_id: String,
    data: String,
}

impl From<Piece> for LivePiece {
    fn from(piece: Piece) -> Self {
        let Piece { tenant, call, sip_call_id, data } = piece;
        Self { tenant, call, sip_call_id, data: STANDARD.encode(data) }
    }
}

impl LivePiece {
    fn piece(self) -> Result<Piece> {
        let data = STANDARD.decode(&self.data).context("the server's answer cannot be read")?;
        Ok(Piece { tenant: self.tenant, call: self.call, sip_call_id: self.sip_call_id, data })
    }
}

/// What one trace is about. Nothing of two of them is ever shown together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    /// Messages of nobody who has proven anything.
    Stranger(String),
    Registration(TenantId, String),
    Call(TenantId, CallId),
}

/// Pieces of one subject.
type Found = BTreeMap<Subject, Vec<Piece>>;

/// Carries out the command.
pub(super) fn run(settings: &Settings, arguments: &TraceArguments, json: bool) -> Result<()> {
    let live: Option<Vec<LivePiece>> =
        control::ask(&settings.server.data_dir, &Question::Trace { id: arguments.id.clone() })?;
    let live = live.unwrap_or_default().into_iter().map(LivePiece::piece).collect::<Result<Vec<_>>>()?;
    super::with_store(settings, async |store| {
        let only = match &arguments.tenant {
            Some(slug) => Some(tenant_named(store, slug).await?.id),
            None => None,
        };
        let found = gather(store, &arguments.id, only, live).await?;
        let (subject, pieces, others) = newest(found).ok_or_else(|| {
            Refusal::new(format!(
                "{}: no trace of it; `yakyak cdr list --json` names the ids of calls, and [trace] says what is kept",
                output::printable(&arguments.id)
            ))
        })?;
        show(store, arguments, json, &subject, pieces, &others).await
    })
}

/// Everything that is called so, by what it is about.
async fn gather(store: &Store, id: &str, only: Option<TenantId>, live: Vec<Piece>) -> Result<Found> {
    let mut found = Found::new();
    for piece in live {
        let is_theirs = only.is_none_or(|only| piece.tenant == Some(only));
        if is_theirs {
            found.entry(subject(&piece)).or_default().push(piece);
        }
    }
    let mut wanted = vec![TraceOf::SipCallId(crate::trace::book::call_id_text(id.as_bytes()).into_owned())];
    // Many phones make UUIDs of their Call-IDs, so one text may be either.
    wanted.extend(id.parse().ok().map(|call| TraceOf::Call(CallId(call))));
    let mut calls: Vec<(TenantId, CallId)> = found.keys().filter_map(Subject::call).collect();
    for of in &wanted {
        let owners = match only {
            Some(tenant) => vec![tenant],
            None => store.trace_owners(of).await?,
        };
        for tenant in owners {
            for trace in store.tenant(tenant).sip_traces(of).await? {
                match trace.call_id {
                    Some(call) => calls.push((tenant, call)),
                    None => {
                        let piece = Piece::from(trace);
                        found.entry(subject(&piece)).or_default().push(piece);
                    }
                }
            }
        }
    }
    calls.sort();
    calls.dedup();
    for (tenant, call) in calls {
        let traces = store.tenant(tenant).sip_traces(&TraceOf::Call(call)).await?;
        found.entry(Subject::Call(tenant, call)).or_default().extend(traces.into_iter().map(Piece::from));
    }
    Ok(found)
}

fn subject(piece: &Piece) -> Subject {
    match (piece.tenant, piece.call) {
        (Some(tenant), Some(call)) => Subject::Call(tenant, call),
        (Some(tenant), None) => Subject::Registration(tenant, piece.sip_call_id.clone()),
        (None, _) => Subject::Stranger(piece.sip_call_id.clone()),
    }
}

impl Subject {
    fn call(&self) -> Option<(TenantId, CallId)> {
        match self {
            Subject::Call(tenant, call) => Some((*tenant, *call)),
            Subject::Registration(..) | Subject::Stranger(_) => None,
        }
    }

    fn tenant(&self) -> Option<TenantId> {
        match self {
            Subject::Call(tenant, _) | Subject::Registration(tenant, _) => Some(*tenant),
            Subject::Stranger(_) => None,
        }
    }
}

/// A subject, its messages, and the ids of others that have the same Call-ID.
type Chosen = (Subject, Vec<Step>, Vec<Subject>);

/// What happened last, what belongs to somebody before what does not.
fn newest(found: Found) -> Option<Chosen> {
    let mut all: Vec<(Subject, Vec<Step>)> = found
        .into_iter()
        .map(|(subject, pieces)| {
            let mut legs: BTreeMap<String, Vec<Message>> = BTreeMap::new();
            for piece in pieces {
                legs.entry(piece.sip_call_id).or_default().extend(segment::unpack(&piece.data));
            }
            (subject, steps(legs.into_values().collect()))
        })
        .filter(|(_, steps)| !steps.is_empty())
        .collect();
    all.sort_by_key(|(subject, steps)| (subject.tenant().is_some(), steps.last().map(|step| step.message.at_us)));
    let (subject, steps) = all.pop()?;
    Some((subject, steps, all.into_iter().map(|(subject, _)| subject).collect()))
}

async fn show(
    store: &Store,
    arguments: &TraceArguments,
    json: bool,
    subject: &Subject,
    steps: Vec<Step>,
    others: &[Subject],
) -> Result<()> {
    let tenant = match subject.tenant() {
        Some(tenant) => Some(store.tenant(tenant).tenant().await?.slug),
        None => None,
    };
    if let Some(path) = &arguments.pcap {
        std::fs::write(path, pcap::file(steps.iter().map(|step| &step.message)))
            .map_err(|error| Refusal::new(format!("--pcap {}: {error}", path.display())))?;
        return match json {
            true => output::document(&json!({ "file": path, "messages": steps.len() })),
            false => output::line(&format!("{} messages are in {}.", steps.len(), path.display())),
        };
    }
    if json {
        return output::document(&document(subject, tenant.as_deref(), &steps));
    }
    output::line(&heading(subject, tenant.as_deref(), &steps))?;
    for other in others {
        output::line(&also(other))?;
    }
    if arguments.full { output::line(&in_full(&steps)) } else { output::line(draw(&steps, width()).trim_end()) }
}

fn heading(subject: &Subject, tenant: Option<&str>, steps: &[Step]) -> String {
    let legs = steps.iter().map(|step| step.leg).max().map_or(0, |leg| leg + 1);
    let began = steps.first().map(|step| time(step.message.at_us)).unwrap_or_default();
    let what = match subject {
        Subject::Call(_, call) => format!("Call {call}"),
        Subject::Registration(_, id) => format!("Registration {}", output::printable(id)),
        Subject::Stranger(id) => format!("{} (nobody's: never authenticated, in memory only)", output::printable(id)),
    };
    let tenant = tenant.map(|slug| format!(" of {slug}")).unwrap_or_default();
    let s = |number: usize| if number == 1 { "" } else { "s" };
    format!("{what}{tenant}\n{began} UTC, {} message{} on {legs} leg{}\n", steps.len(), s(steps.len()), s(legs))
}

fn also(other: &Subject) -> String {
    match other {
        Subject::Call(_, call) => format!("The same Call-ID is also in call {call}: yakyak trace {call}"),
        Subject::Registration(..) => "The same Call-ID is also that of a registration; --tenant chooses.".to_owned(),
        Subject::Stranger(_) => "Messages of others with the same Call-ID are in memory.".to_owned(),
    }
}

fn in_full(steps: &[Step]) -> String {
    let first = steps.first().map_or(0, |step| step.message.at_us);
    let mut out = String::new();
    for step in steps {
        let flow = step.message.flow;
        let (from, to) = match step.message.way {
            Way::In => (flow.remote, flow.local),
            Way::Out => (flow.local, flow.remote),
        };
        let again = if step.again { ", again" } else { "" };
        let since = step.since_ms(first);
        out.push_str(&format!("── {since:.1} ms, {} {from} → {to}{again}\n", flow.transport));
        out.push_str(step.text().trim_end_matches('\n'));
        out.push_str("\n\n");
    }
    out.trim_end().to_owned()
}

fn document(subject: &Subject, tenant: Option<&str>, steps: &[Step]) -> serde_json::Value {
    let first = steps.first().map_or(0, |step| step.message.at_us);
    let messages: Vec<_> = steps
        .iter()
        .map(|step| {
            let flow = step.message.flow;
            json!({
                "at": time(step.message.at_us),
                "since_ms": step.since_ms(first),
                "leg": step.leg,
                "way": match step.message.way { Way::In => "in", Way::Out => "out" },
                "transport": flow.transport.as_str(),
                "local": flow.local,
                "remote": flow.remote,
                "again": step.again,
                "what": step.label(),
                "text": String::from_utf8_lossy(&step.message.bytes),
            })
        })
        .collect();
    json!({ "call": subject.call().map(|(_, call)| call), "tenant": tenant, "messages": messages })
}

fn time(at_us: i64) -> String {
    let at = Timestamp::from_microsecond(at_us).unwrap_or(Timestamp::UNIX_EPOCH);
    at.strftime("%Y-%m-%d %H:%M:%S.%3f").to_string()
}

/// As wide as the terminal.
fn width() -> usize {
    let columns = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    let window = || rustix::termios::tcgetwinsize(std::io::stdout()).ok().map(|size| usize::from(size.ws_col));
    columns.or_else(window).filter(|width| *width > 0).unwrap_or(USUAL_WIDTH)
}
