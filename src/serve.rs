//! `yakyak serve`: everything is opened in order, runs, and is closed in the opposite order.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use domain::{TenantId, TenantSnapshot};
use jiff::Timestamp;
use media::dtls::Identity;
use media_net::recording::repair_all;
use media_net::{FetchPolicy, Worker, WorkerConfig};
use rand_core::{OsRng, TryRngCore as _};
use sip::EndpointConfig;
use store::{
    BanWriter, Change, DirectoryLock, Journal, Listener, MessageKeeper, RegistrationWriter, Store, SubscriptionWriter,
    TraceWriter, Writer,
};
use switch::guard::Notice;
use switch::{Input, SessionTerms, ShardConfig};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::live;
use crate::control::{self, Question, Status};
use crate::database::Session;
use crate::effects::{Doors, message_answer};
use crate::exit::Refusal;
use crate::front::Front;
use crate::gatehouse::{self, Gatehouse};
use crate::settings::Settings;
use crate::switchboard::{Mailbox, Switchboard, Unopened};
use crate::trace::book::Limits;
use crate::trace::{TraceConfig, Tracer};
use crate::{logging, questions, sockets, website, welcome};

/// How long queues may take to empty into the database at the end; what is left stays in the journal.
const FLUSH: Duration = Duration::from_secs(5);
/// Added to the niceness of the threads that talk to the database.
const DATABASE_NICENESS: i32 = 15;
/// How long calls that are ended at the end may take to say goodbye.
const HANG_UP: Duration = Duration::from_secs(3);
/// How long a page that is being sent at the end may take.
const LAST_PAGE: Duration = Duration::from_secs(1);
/// How often a draining server looks whether its calls are over.
const DRAIN_POLL: Duration = Duration::from_millis(100);

/// Runs until SIGINT or SIGTERM.
///
/// # Errors
/// Something is in the way: one line with the key and the remedy.
pub fn run(settings: Settings, json: bool) -> Result<()> {
    let began = Instant::now();
    sip_net::install_crypto_provider();
    logging::start(&settings.server.log)?;
    let data_dir = &settings.server.data_dir;
    std::fs::create_dir_all(data_dir).map_err(|error| {
        Refusal::new(format!("[server] data_dir: {}: {error}; name a directory you may write", data_dir.display()))
    })?;
    if let Some(status) = control::ask::<Status>(data_dir, &Question::Status).ok().flatten() {
        return Err(Refusal::new(live::running(&status, &settings)).into());
    }
    let _lock = DirectoryLock::acquire(data_dir, "yakyak", &format!("YakYak, process {}", std::process::id()))
        .map_err(|error| Refusal::new(error.to_string()))?;
    let doors = OpenDoors::open(&settings)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .on_thread_start(step_back)
        .enable_all()
        .build()?;
    let session = Session::open_for_server(&settings, &runtime)?;
    let outcome = House::open(&settings, &session, doors, &runtime).and_then(|house| {
        announce(&settings, &house, began, json)?;
        house.live(&settings, &runtime);
        Ok(())
    });
    session.close(&runtime);
    tracing::info!("stopped");
    outcome
}

/// The database can wait, a phone cannot: its threads get the processor when SIP and media leave some.
fn step_back() {
    // Without the right to do so everything works as well, only less evenly under load.
    let _ = rustix::process::nice(DATABASE_NICENESS);
}

/// Everything outside that can be refused, before anything runs.
struct OpenDoors {
    sip: sip_net::Sockets,
    website: api::Sockets,
    certificate: Option<Arc<sip_net::Certificate>>,
}

impl OpenDoors {
    fn open(settings: &Settings) -> Result<Self, Refusal> {
        let sip = sockets::bind(settings)?;
        let website = website::bind(settings)?;
        let (phones, browsers) = (sip.addresses(), website.addresses());
        let secure = [phones.tls, phones.wss, browsers.https].concat();
        let certificate = sockets::certificate(settings, &secure)?;
        Ok(Self { sip, website, certificate })
    }
}

/// Everything that runs.
struct House {
    switchboard: Switchboard,
    transport: sip_net::Transports,
    website: api::Server,
    worker: Arc<Worker>,
    journal: Arc<Journal>,
    writer: Writer,
    registrations: Arc<RegistrationWriter>,
    messages: Arc<MessageKeeper>,
    subscriptions: Arc<SubscriptionWriter>,
    traces: Arc<TraceWriter>,
    tracer: Option<Tracer>,
    bans: Arc<BanWriter>,
    demo: Option<(domain::Tenant, Vec<store::Login>)>,
    database: String,
}

impl House {
    fn open(settings: &Settings, session: &Session, open: OpenDoors, runtime: &Runtime) -> Result<Self> {
        let store = session.store().clone();
        let data_dir = &settings.server.data_dir;
        let demo = runtime.block_on(store.seed_demo())?;
        let journal = Arc::new(Journal::open(&data_dir.join("journal"))?);
        let closed = runtime.block_on(store.recover(&journal))?;
        if closed > 0 {
            tracing::warn!(calls = closed, "calls that an earlier run left open are closed as \"system restart\"");
        }
        let _inside = runtime.enter();
        let writer = Writer::start(store.clone(), &journal);
        let registrations = Arc::new(RegistrationWriter::start(store.clone()));
        let subscriptions = Arc::new(SubscriptionWriter::start(store.clone()));
        let traces = Arc::new(TraceWriter::start(&store, retention(settings)));
        let tracer = start_tracer(settings, &traces)?;
        let recorder = tracer.as_ref().map(Tracer::recorder).unwrap_or_default();
        let bans = Arc::new(BanWriter::start(store.clone()));
        let (guard, reports) = gatehouse::guard(settings);
        let mut gatehouse = Gatehouse::new(guard.clone(), Arc::clone(&bans));
        let unopened = Unopened::new(Front::new(guard, secret()?));
        let mailbox = unopened.mailbox.clone();
        let _ = reports.set(mailbox.clone());
        let answers = mailbox.clone();
        let messages = MessageKeeper::start(store.clone(), move |answer| answers.post(message_answer(answer)));
        let messages = Arc::new(messages);
        let identity = media_net::identity()?;
        let worker = Arc::new(start_worker(settings, mailbox.clone(), &identity)?);
        load(&store, &mailbox, &mut gatehouse, runtime)?;
        if let Some(certificate) = &open.certificate {
            tokio::spawn(sockets::follow_certificate(Arc::clone(certificate)));
        }
        let website = website::start(settings, open.website, open.certificate.as_ref(), &open.sip.addresses())?;
        let sip = (open.sip, open.certificate);
        let transport = sockets::start(settings, sip, mailbox.clone(), recorder.clone())?;
        let doors = Doors {
            transport: transport.clone(),
            worker: Arc::clone(&worker),
            journal: Arc::clone(&journal),
            registrations: Arc::clone(&registrations),
            messages: Arc::clone(&messages),
            subscriptions: Arc::clone(&subscriptions),
            recorder: recorder.clone(),
            gatehouse,
            mailbox: mailbox.clone(),
        };
        let for_questions = transport.clone();
        let out = transport.clone();
        mailbox.front().sends_through(move |transmit| out.send(transmit));
        let switchboard = unopened.open(shard_config(settings, &identity)?, doors)?;
        let database = session.described(data_dir);
        let known = questions::Known {
            transport: for_questions,
            website: website.addresses().clone(),
            phone_pages: website::phone_pages(settings, website.addresses()),
            database: database.clone(),
            store,
            runtime: runtime.handle().clone(),
            recorder,
        };
        control::listen(data_dir, move |question| questions::answer(&known, &mailbox, question))?;
        Ok(Self {
            switchboard,
            transport,
            website,
            worker,
            journal,
            writer,
            registrations,
            subscriptions,
            bans,
            messages,
            traces,
            tracer,
            demo,
            database,
        })
    }

    /// Runs until a signal, lets the calls finish, and closes everything.
    fn live(self, settings: &Settings, runtime: &Runtime) {
        runtime.block_on(async {
            let mut stop = Stop::new();
            stop.wait().await;
            let limit = Duration::from_secs(settings.server.drain_timeout_s);
            tracing::info!(limit_s = limit.as_secs(), "stopping: no new calls; running ones may finish");
            let mailbox = self.switchboard.mailbox().clone();
            mailbox.post(Input::Drain);
            tokio::select! {
                () = drained(&mailbox, limit) => {}
                () = stop.wait() => tracing::info!("a second signal: stopping at once"),
            }
            mailbox.post(Input::HangUp);
            drained(&mailbox, HANG_UP).await;
            self.website.stop(LAST_PAGE).await;
        });
        self.transport.shutdown();
        self.switchboard.stop();
        self.transport.close();
        self.worker.shutdown();
        if let Some(tracer) = self.tracer {
            tracer.stop();
        }
        runtime.block_on(async {
            if !self.traces.flush(FLUSH).await {
                tracing::warn!("the database has not taken the last SIP traces; they are lost");
            }
            self.journal.sync().await;
            if !self.writer.stop(FLUSH).await {
                tracing::warn!("the database has not taken everything; the journal keeps the rest for the next start");
            }
            if let Some(messages) = Arc::into_inner(self.messages)
                && !messages.stop(FLUSH).await
            {
                tracing::warn!("the database has not taken the last marks of delivered messages; some may come twice");
            }
            if let Some(subscriptions) = Arc::into_inner(self.subscriptions)
                && !subscriptions.stop(FLUSH).await
            {
                tracing::warn!("the database has not taken the last subscriptions; phones renew them by themselves");
            }
            if let Some(registrations) = Arc::into_inner(self.registrations)
                && !registrations.stop(FLUSH).await
            {
                tracing::warn!("the database has not taken the last registrations; phones renew them by themselves");
            }
            if let Some(bans) = Arc::into_inner(self.bans)
                && !bans.stop(FLUSH).await
            {
                tracing::warn!("the database has not taken the last bans; they end with this run");
            }
        });
        if let Some(journal) = Arc::into_inner(self.journal) {
            journal.close();
        }
    }
}

/// SIGINT or SIGTERM.
struct Stop {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Stop {
    fn new() -> Self {
        let listen = |kind| signal(kind).expect("SIGINT and SIGTERM can always be listened for");
        Self { interrupt: listen(SignalKind::interrupt()), terminate: listen(SignalKind::terminate()) }
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

async fn drained(mailbox: &Mailbox, limit: Duration) {
    let until = tokio::time::Instant::now() + limit;
    while tokio::time::Instant::now() < until {
        let mailbox = mailbox.clone();
        let calls = tokio::task::spawn_blocking(move || mailbox.ask(|shard| shard.counts().calls)).await;
        if !matches!(calls, Ok(Some(1..))) {
            return;
        }
        tokio::time::sleep(DRAIN_POLL).await;
    }
}

fn start_worker(settings: &Settings, mailbox: Mailbox, identity: &Arc<Identity>) -> Result<Worker> {
    let rtp = &settings.rtp;
    let recordings = settings.recordings();
    for repaired in repair_all(&recordings) {
        let (path, duration_ms) = (repaired.path.display(), repaired.duration_ms);
        tracing::warn!(%path, duration_ms, "a recording that was cut off can be played again");
    }
    let config = WorkerConfig {
        recordings: Some(recordings),
        shared_port: rtp.webrtc_port,
        identity: Some(Arc::clone(identity)),
        rest: Duration::from_secs(rtp.port_rest_s),
        silence_after: Duration::from_secs(rtp.silence_timeout_s),
        fetch: FetchPolicy { allow: settings.media.fetch_allow.clone() },
        ..WorkerConfig::new(rtp.port_range_start..=rtp.port_range_end, OsRng.try_next_u64()?)
    };
    Worker::start(config, move |fact| mailbox.post(Input::Media(fact))).context("the media worker cannot start")
}

fn retention(settings: &Settings) -> Duration {
    Duration::from_hours(24 * u64::from(settings.trace.retention_days))
}

fn start_tracer(settings: &Settings, writer: &Arc<TraceWriter>) -> Result<Option<Tracer>> {
    let trace = &settings.trace;
    if !trace.enabled {
        return Ok(None);
    }
    let limits = Limits {
        bytes: trace.memory_mb.saturating_mul(1 << 20),
        registrations_per_minute: trace.registrations_per_minute,
    };
    let config = TraceConfig { limits, keep_typed: trace.message_bodies };
    Ok(Some(Tracer::start(config, Arc::clone(writer), step_back).context("the trace cannot start")?))
}

fn shard_config(settings: &Settings, identity: &Identity) -> Result<ShardConfig> {
    let endpoint = EndpointConfig {
        advertised: settings.advertised(settings.sip.advertised_address, |network| network.sip_address),
        ..EndpointConfig::new(secret()?, concat!("YakYak/", env!("CARGO_PKG_VERSION")))
    };
    let sip = &settings.sip;
    Ok(ShardConfig {
        rtp_advertised: settings.advertised(settings.rtp.advertised_address, |network| network.rtp_address),
        media_fingerprint: Some(Arc::new(identity.fingerprint().clone())),
        default_expires: sip.default_expires_s,
        min_expires: sip.min_expires_s,
        max_expires: sip.max_expires_s,
        session: SessionTerms { expires_s: sip.session_expires_s, min_se_s: sip.min_se_s },
        max_bindings_per_extension: sip.max_bindings_per_extension,
        qualify_every: Duration::from_secs(sip.qualify_every_s),
        guard: gatehouse::config(settings),
        ..ShardConfig::new(endpoint, (Instant::now(), Timestamp::now()), secret()?)
    })
}

fn secret() -> Result<[u8; 32]> {
    let mut bytes = [0; 32];
    OsRng.try_fill_bytes(&mut bytes).context("the system gives no random bytes")?;
    Ok(bytes)
}

/// Puts every tenant and every binding into the mailbox, and a task behind it that brings what changes.
fn load(store: &Store, mailbox: &Mailbox, gatehouse: &mut Gatehouse, runtime: &Runtime) -> Result<()> {
    runtime.block_on(async {
        let listener = store.changes().await?;
        let snapshots = store.snapshots().await?;
        let bindings = store.load_registrations().await?;
        let subscriptions = store.load_subscriptions().await?;
        let bans = store.load_bans().await?;
        gatehouse.restore(&bindings, &bans);
        let waiting = store.messages_waiting().await?;
        let extensions: usize = snapshots.iter().map(|snapshot| snapshot.extensions.len()).sum();
        tracing::info!(
            tenants = snapshots.len(),
            extensions,
            registrations = bindings.len(),
            subscriptions = subscriptions.len(),
            "read from the database"
        );
        let mut revisions = BTreeMap::new();
        for snapshot in snapshots {
            revisions.insert(snapshot.tenant.id, snapshot.revision);
            post_snapshot(mailbox, snapshot);
        }
        mailbox.post(Input::MessagesWaiting(waiting));
        mailbox.post(Input::Bindings(bindings));
        mailbox.post(Input::Subscriptions(subscriptions));
        mailbox.post(Input::Guard(Notice::Restore(bans)));
        tokio::spawn(follow(store.clone(), listener, mailbox.clone(), revisions));
        Ok(())
    })
}

/// Brings changed tenants to the shard for as long as the program runs.
async fn follow(store: Store, mut listener: Listener, mailbox: Mailbox, mut revisions: BTreeMap<TenantId, i64>) {
    loop {
        let Change::Tenant(tenant) = listener.next().await else { continue };
        let mut pause = Duration::from_millis(100);
        let snapshot = loop {
            match store.snapshot(tenant).await {
                Ok(snapshot) => break snapshot,
                Err(error) => {
                    tracing::warn!(%tenant, %error, "a changed tenant cannot be read yet");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(5));
                }
            }
        };
        match snapshot {
            Some(snapshot) if revisions.get(&tenant) == Some(&snapshot.revision) => {}
            Some(snapshot) => {
                tracing::debug!(%tenant, revision = snapshot.revision, "a tenant has changed");
                revisions.insert(tenant, snapshot.revision);
                post_snapshot(&mailbox, snapshot);
            }
            None => {
                revisions.remove(&tenant);
                mailbox.post(Input::TenantGone(tenant));
            }
        }
    }
}

fn post_snapshot(mailbox: &Mailbox, snapshot: TenantSnapshot) {
    mailbox.post(Input::Snapshot(Arc::new(snapshot)));
}

/// What is printed once everything runs.
fn announce(settings: &Settings, house: &House, began: Instant, json: bool) -> Result<()> {
    use std::io::Write as _;

    let ready_ms = began.elapsed().as_millis();
    let listening = house.transport.addresses();
    let mut out = std::io::stdout().lock();
    if json {
        let ready = ready_line(settings, house, &listening, ready_ms);
        writeln!(out, "{ready}")?;
        return Ok(());
    }
    if let Some((tenant, logins)) = &house.demo {
        let web = house.website.addresses();
        writeln!(out, "{}", welcome::first_start(settings, &listening, web, &tenant.domain, logins))?;
    }
    let served = sip::Transport::ALL.iter().filter(|transport| !listening.of(**transport).is_empty());
    let served: Vec<String> = served
        .map(|transport| {
            let addresses: Vec<String> = listening.of(*transport).iter().map(SocketAddr::to_string).collect();
            format!("{transport} on {}", addresses.join(" and "))
        })
        .collect();
    let pages = website::phone_pages(settings, house.website.addresses());
    let pages =
        if pages.is_empty() { String::new() } else { format!("; a phone in the browser: {}", pages.join(" or ")) };
    writeln!(
        out,
        "YakYak {} is ready after {:.1} s: SIP over {}{pages}; database: {}. Ctrl-C stops it.",
        env!("CARGO_PKG_VERSION"),
        f64::from(u32::try_from(ready_ms).unwrap_or(u32::MAX)) / 1000.0,
        served.join(", "),
        house.database
    )?;
    out.flush()?;
    Ok(())
}

fn ready_line(settings: &Settings, house: &House, listening: &sip_net::Addresses, ready_ms: u128) -> serde_json::Value {
    let web = house.website.addresses();
    let logins: Vec<_> = house
        .demo
        .iter()
        .flat_map(|(_, logins)| logins)
        .map(|login| serde_json::json!({ "username": login.username, "password": login.password }))
        .collect();
    serde_json::json!({
        "ready_ms": ready_ms,
        "sip_udp": listening.udp,
        "sip_tcp": listening.tcp,
        "sip_tls": listening.tls,
        "sip_ws": listening.ws,
        "sip_wss": listening.wss,
        "api_http": web.http,
        "api_https": web.https,
        "phone_pages": website::phone_pages(settings, web),
        "database": house.database,
        "data_dir": settings.server.data_dir,
        "first_start": logins,
    })
}
