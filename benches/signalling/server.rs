//! The server under test: the release binary on core 0 with a PostgreSQL on core 1.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use store::testing;
use store::{DatabaseConfig, NewExtension, NewTenant, Store, TenantChanges};

use crate::figures::{cpu_ms, pin};
use crate::phones::{PASSWORD, number};

/// How many extensions are made at a time.
const MAKERS: usize = 4;

pub(crate) struct Server {
    directory: tempfile::TempDir,
    database: String,
    child: Option<Child>,
    ready: serde_json::Value,
    pub(crate) address: SocketAddr,
    pub(crate) domain: String,
}

impl Server {
    /// A database with one tenant and its extensions.
    pub(crate) fn prepare(extensions: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let server = testing::Server::shared();
        let domain = "bench.internal".to_owned();
        let database = runtime.block_on(async {
            let url = server.database().await;
            let store = Store::open(&DatabaseConfig::new(url.clone())).await.unwrap();
            let tenant = store.create_tenant(NewTenant::new("bench", &domain)).await.unwrap();
            let tenant = store.tenant(tenant.id);
            let limits = TenantChanges { max_concurrent_calls: Some(100_000), ..TenantChanges::default() };
            tenant.update(limits).await.unwrap();
            let makers = (0..MAKERS).map(|maker| {
                let tenant = tenant.clone();
                tokio::spawn(async move {
                    for index in (maker..extensions).step_by(MAKERS) {
                        let password = Some(PASSWORD.to_owned());
                        let new = NewExtension { number: number(index), name: None, password };
                        tenant.create_extension(new).await.unwrap();
                    }
                })
            });
            for maker in makers.collect::<Vec<_>>() {
                maker.await.unwrap();
            }
            store.close().await;
            url
        });
        let directory = tempfile::tempdir().unwrap();
        let ready = serde_json::Value::Null;
        Self { directory, database, child: None, ready, address: SocketAddr::from(([127, 0, 0, 1], 0)), domain }
    }

    /// Starts the program and says how long it took until it was ready.
    pub(crate) fn start(&mut self) -> Duration {
        let began = Instant::now();
        let mut child = Command::new("taskset")
            .args(["-c", "0", env!("CARGO_BIN_EXE_yakyak"), "serve", "--json", "--data-dir"])
            .arg(self.directory.path())
            .env("YAKYAK_SIP__UDP", "127.0.0.1:0")
            .env("YAKYAK_SIP__TCP", "127.0.0.1:0")
            .env("YAKYAK_SIP__TLS", "127.0.0.1:0")
            .env("YAKYAK_SIP__WS", "127.0.0.1:0")
            .env("YAKYAK_SIP__WSS", "127.0.0.1:0")
            .env("YAKYAK_API__LISTEN_ADDRESS", "")
            .env("YAKYAK_API__TLS_LISTEN_ADDRESS", "")
            .env("YAKYAK_SERVER__LOG", "warn")
            .env("YAKYAK_SERVER__DRAIN_TIMEOUT_S", "0")
            .env("YAKYAK_RTP__PORT_RANGE_START", "16384")
            .env("YAKYAK_RTP__PORT_RANGE_END", "65535")
            .env("YAKYAK_RTP__PORT_REST_S", "1")
            .env("YAKYAK_RTP__SILENCE_TIMEOUT_S", "600")
            .env("DATABASE_URL", &self.database)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let took = began.elapsed();
        self.ready = serde_json::from_str(&line).unwrap();
        self.address = self.listens("sip_udp");
        pin(child.id(), 0);
        self.child = Some(child);
        took
    }

    /// Where it listens for `sip_udp`, `sip_tls` and so on.
    pub(crate) fn listens(&self, name: &str) -> SocketAddr {
        self.ready[name][0].as_str().unwrap().parse().unwrap()
    }

    fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// User and system time so far, in milliseconds.
    pub(crate) fn cpu_ms(&self) -> f64 {
        cpu_ms(self.pid())
    }

    /// Resident memory, in kB.
    pub(crate) fn memory_kb(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// What came to it since, in kB.
    pub(crate) fn memory_since(&self, before: f64) -> f64 {
        self.memory_kb() - before
    }

    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            let _ = child.wait();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}
