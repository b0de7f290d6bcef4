//! `yakyak selftest`: calls the running server as a phone or a browser would, and tells what was heard.

mod audio;
mod call;
mod link;
mod phone;
mod report;
mod temporary;
#[cfg(feature = "selftest-webrtc")]
mod webrtc;
#[cfg(feature = "selftest-webrtc")]
mod websocket;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use domain::{CallRecord, CallStatus, Tenant};
use store::Store;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::args::SelftestArguments;
use super::extension::{chosen, tenant_named};
use super::live::must_run;
use super::output;
use crate::control::{self, Question, Status};
use crate::exit::Refusal;
use crate::settings::Settings;
use call::{Call, Kind, Target};
use link::Link;
use phone::{Login, Phone};
use report::Row;
use temporary::Temporary;

/// How long the record of a call may take to stand in the database.
const RECORDS: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(100);
/// How many of the newest records are looked through.
const NEWEST: u32 = 1_000;

/// Carries out the command.
pub(super) fn run(settings: &Settings, arguments: &SelftestArguments, json: bool) -> Result<()> {
    if arguments.webrtc && cfg!(not(feature = "selftest-webrtc")) {
        return Err(Refusal::new(
            "--webrtc: this program is built without it; build with `cargo build --release --features selftest-webrtc`",
        )
        .into());
    }
    let given = match (&arguments.extension, chosen(&arguments.password)?) {
        (Some(extension), Some(password)) => Some((extension.clone(), password)),
        (None, None) => None,
        (Some(_), None) => {
            return Err(Refusal::new("--extension: say its password with --password or --password-stdin").into());
        }
        (None, Some(_)) => return Err(Refusal::new("--password: say whose with --extension").into()),
    };
    let runs_here = control::ask::<Status>(&settings.server.data_dir, &Question::Status)?.is_some();
    let rows = match (&arguments.server, given) {
        (Some(server), Some(given)) => elsewhere(arguments, server, given)?,
        (Some(_), None) if !runs_here => {
            return Err(Refusal::new(
                "--server: no server runs on this data directory, so say --extension and --password of a phone there",
            )
            .into());
        }
        (_, given) => here(settings, arguments, given)?,
    };
    output::list(json, &rows, &Row::HEAD, Row::cells)?;
    match rows.iter().find(|row| !row.good) {
        None => Ok(()),
        Some(bad) => Err(anyhow!(
            "{} of {} calls are not good; `yakyak trace {}` shows what was said",
            rows.iter().filter(|row| !row.good).count(),
            rows.len(),
            bad.call_id()
        )),
    }
}

/// Calls a server of which nothing is known but its address.
fn elsewhere(arguments: &SelftestArguments, server: &str, (username, password): (String, String)) -> Result<Vec<Row>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut interruption = Interruption::new()?;
        let target = named(server, arguments).await?;
        let (domain, port) = host_of(server, target.server);
        let login = Login { username, password, domain, port };
        let calls = uninterrupted(&target, login, arguments.webrtc, &mut interruption).await?;
        Ok(calls.iter().map(|call| Row::new(call, None)).collect())
    })
}

/// Calls the server of this data directory, and looks into its database.
fn here(settings: &Settings, arguments: &SelftestArguments, given: Option<(String, String)>) -> Result<Vec<Row>> {
    let status: Status = must_run(settings, &Question::Status)?;
    let mut rows = Vec::new();
    super::with_store(settings, async |store| {
        let mut interruption = Interruption::new()?;
        let tenant = tenant_of(store, arguments.tenant.as_deref()).await?;
        let target = match &arguments.server {
            Some(server) => named(server, arguments).await?,
            None => on_this_machine(&status, arguments)?,
        };
        let (domain, port) = match (tenant.is_default, &arguments.server) {
            (true, Some(server)) => host_of(server, target.server),
            (true, None) => (target.server.ip().to_string(), Some(target.server.port())),
            (false, _) => (tenant.domain.clone(), None),
        };
        let calls = match given {
            Some((username, password)) => {
                let login = Login { username, password, domain, port };
                uninterrupted(&target, login, arguments.webrtc, &mut interruption).await?
            }
            None => {
                let temporary = Temporary::create(store, tenant.clone()).await?;
                let calls =
                    as_guest(settings, &temporary, &target, (domain, port), arguments.webrtc, &mut interruption).await;
                let deleted = temporary.delete().await;
                // What is left behind matters more than why the calls failed.
                deleted?;
                calls?
            }
        };
        let records = records(store, &tenant, &calls).await?;
        rows = calls.iter().zip(records).map(|(call, count)| Row::new(call, Some(count))).collect();
        Ok(())
    })?;
    Ok(rows)
}

async fn as_guest(
    settings: &Settings,
    temporary: &Temporary<'_>,
    target: &Target,
    (domain, port): (String, Option<u16>),
    webrtc: bool,
    interruption: &mut Interruption,
) -> Result<Vec<Call>> {
    tokio::select! {
        settled = temporary.settle(settings) => settled?,
        interrupted = interruption.comes() => return Err(interrupted),
    }
    let store::Login { username, password, .. } = temporary.login().clone();
    uninterrupted(target, Login { username, password, domain, port }, webrtc, interruption).await
}

/// All calls; what is going on is ended in good order also when somebody presses Ctrl-C.
async fn uninterrupted(
    target: &Target,
    login: Login,
    webrtc: bool,
    interruption: &mut Interruption,
) -> Result<Vec<Call>> {
    let link = match webrtc {
        #[cfg(feature = "selftest-webrtc")]
        true => Link::websocket(target.server).await?,
        _ => Link::udp(target.server).await?,
    };
    let mut phone = Phone::new(link, login)?;
    let calls = tokio::select! {
        calls = all(&mut phone, target, webrtc) => calls,
        interrupted = interruption.comes() => Err(interrupted),
    };
    phone.leave().await;
    calls
}

async fn all(phone: &mut Phone, target: &Target, webrtc: bool) -> Result<Vec<Call>> {
    phone.register().await?;
    let kinds: &[Kind] = if webrtc { &[Kind::WebRtc] } else { &[Kind::Plain, Kind::Sdes] };
    let mut calls = Vec::with_capacity(kinds.len());
    for kind in kinds {
        calls.push(call::place(phone, target, *kind).await?);
    }
    Ok(calls)
}

/// Ctrl-C, or a polite end. From its making on neither ends the program by itself, so that there is time to clean up.
struct Interruption {
    interrupt: Signal,
    terminate: Signal,
}

impl Interruption {
    fn new() -> Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for it.
    async fn comes(&mut self) -> anyhow::Error {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
        Refusal::new("interrupted; nothing of the test is left behind").into()
    }
}

/// How many records each call has, once every one has its own and it is closed, or none comes any more.
async fn records(store: &Store, tenant: &Tenant, calls: &[Call]) -> Result<Vec<usize>> {
    let until = Instant::now() + RECORDS;
    loop {
        let newest = store.tenant(tenant.id).call_records(NEWEST).await?;
        let of = |call: &Call| newest.iter().filter(|record| record.call_id == call.id).collect::<Vec<_>>();
        let closed = |records: &[&CallRecord]| records.iter().any(|record| record.status != CallStatus::Active);
        if calls.iter().filter(|call| call.outcome.is_ok()).all(|call| closed(&of(call))) || Instant::now() > until {
            return Ok(calls.iter().map(|call| of(call).len()).collect());
        }
        tokio::time::sleep(POLL).await;
    }
}

/// The tenant that was named, else the one to which requests to the bare address belong.
async fn tenant_of(store: &Store, slug: Option<&str>) -> Result<Tenant> {
    if let Some(slug) = slug {
        return tenant_named(store, slug).await;
    }
    store.tenants().await?.into_iter().find(|tenant| tenant.is_default).ok_or_else(|| {
        Refusal::new("no tenant is the default one; name one with --tenant (see `yakyak tenant list`)").into()
    })
}

/// Where the server of this data directory listens on this machine alone.
fn on_this_machine(status: &Status, arguments: &SelftestArguments) -> Result<Target> {
    let (addresses, key) = if arguments.webrtc { (&status.sip_ws, "[sip] ws") } else { (&status.sip_udp, "[sip] udp") };
    let near = |address: &String| {
        let address: SocketAddr = address.parse().ok()?;
        let ip = match address.ip() {
            ip if ip.is_loopback() => ip,
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            IpAddr::V4(_) | IpAddr::V6(_) => return None,
        };
        Some(SocketAddr::new(ip, address.port()))
    };
    let mut near: Vec<SocketAddr> = addresses.iter().filter_map(near).collect();
    near.sort();
    let server = near.first().copied().ok_or_else(|| {
        Refusal::new(format!(
            "{key}: the server does not listen on 127.0.0.1 or [::1]; name the address of this machine with --server"
        ))
    })?;
    Ok(Target { server, facing: server.ip(), number: arguments.number.clone(), may_leave: false })
}

/// The server that was named.
async fn named(server: &str, arguments: &SelftestArguments) -> Result<Target> {
    let unknown = |why: &dyn std::fmt::Display| {
        Refusal::new(format!("--server {server}: {why}; write it as 192.0.2.10:5060 or pbx.example:5060"))
    };
    let mut found = tokio::net::lookup_host(server).await.map_err(|error| unknown(&error))?;
    let address = found.next().ok_or_else(|| unknown(&"no address"))?;
    Ok(Target { server: address, facing: audio::facing(address)?, number: arguments.number.clone(), may_leave: true })
}

/// What a server is called in requests: a name as it was given, an address with its port.
fn host_of(server: &str, address: SocketAddr) -> (String, Option<u16>) {
    match server.rsplit_once(':') {
        Some((name, _)) if server.parse::<SocketAddr>().is_err() => (name.to_owned(), None),
        _ => (address.ip().to_string(), Some(address.port())),
    }
}
