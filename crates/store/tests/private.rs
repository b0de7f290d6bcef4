//! The private PostgreSQL: started, stopped, killed, orphaned, refused.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use store::{DatabaseConfig, PrivateError, PrivatePostgres, Store};

/// Set in the process that the tests start to be killed.
const DATA_DIR: &str = "YAKYAK_TEST_DATA_DIR";

fn kill(process: u32, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(process).unwrap()).unwrap(), signal).unwrap();
}

fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let give_up_at = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < give_up_at, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn in_runtime<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn socket_directory(url: &str) -> PathBuf {
    let encoded = url.split_once("?host=").unwrap().1;
    PathBuf::from(encoded.replace("%2F", "/").replace("%2D", "-"))
}

fn count_tenants(url: &str) -> usize {
    in_runtime(async {
        let store = Store::open(&DatabaseConfig::new(url)).await.unwrap();
        store.seed_demo().await.unwrap();
        let count = store.tenants().await.unwrap().len();
        store.close().await;
        count
    })
}

#[test]
fn it_starts_stops_and_keeps_what_was_written() {
    let directory = tempfile::tempdir().unwrap();
    // Longer than a socket's path may be.
    let data_dir = directory.path().join("a".repeat(120));
    let postgres = PrivatePostgres::start(&data_dir).unwrap();
    assert_eq!(count_tenants(postgres.url()), 1);
    assert_eq!(PrivatePostgres::running(&data_dir).as_deref(), Some(postgres.url()));

    let Err(error @ PrivateError::Lock(_)) = PrivatePostgres::start(&data_dir) else { panic!("started twice") };
    assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");

    let process = postgres.process().unwrap();
    let url = postgres.url().to_owned();
    assert!(socket_directory(&url).exists());
    postgres.stop();
    assert!(!Path::new(&format!("/proc/{process}")).exists());
    assert!(!socket_directory(&url).exists(), "nothing is left in /tmp");
    assert_eq!(PrivatePostgres::running(&data_dir), None);
    let again = PrivatePostgres::start(&data_dir).unwrap();
    assert_eq!(count_tenants(again.url()), 1);
}

#[test]
fn it_writes_with_fsync_and_listens_on_nothing_but_its_socket() {
    let directory = tempfile::tempdir().unwrap();
    let postgres = PrivatePostgres::start(directory.path()).unwrap();
    let show = |name: &'static str| {
        in_runtime(async {
            let mut connection = store::testing::Server::superuser(postgres.url()).await;
            let value: String =
                sqlx::query_scalar("SELECT current_setting($1)").bind(name).fetch_one(&mut connection).await.unwrap();
            value
        })
    };
    assert_eq!(show("fsync"), "on");
    assert_eq!(show("full_page_writes"), "on");
    assert_eq!(show("listen_addresses"), "");
    assert_eq!(show("data_checksums"), "on");
}

#[test]
fn a_killed_server_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    let postgres = PrivatePostgres::start(directory.path()).unwrap();
    assert_eq!(count_tenants(postgres.url()), 1);
    let first = postgres.process().unwrap();
    kill(first, Signal::KILL);
    wait_for("the server is started again", || postgres.process().is_some_and(|process| process != first));
    assert_eq!(count_tenants(postgres.url()), 1);
}

/// Not a test of its own: the process that the next one kills.
#[test]
fn victim() {
    let Some(data_dir) = std::env::var_os(DATA_DIR) else { return };
    let postgres = PrivatePostgres::start(Path::new(&data_dir)).unwrap();
    std::fs::write(Path::new(&data_dir).join("ready"), postgres.process().unwrap().to_string()).unwrap();
    std::thread::sleep(Duration::from_secs(600));
}

struct Victim {
    child: Child,
    server: u32,
}

impl Victim {
    fn start(data_dir: &Path) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "victim", "--nocapture"])
            .env(DATA_DIR, data_dir)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let ready = data_dir.join("ready");
        let read = || std::fs::read_to_string(&ready).ok().and_then(|text| text.parse().ok());
        wait_for("the other process has its server", || read().is_some());
        Self { child, server: read().unwrap() }
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn the_server_ends_with_a_killed_program() {
    let directory = tempfile::tempdir().unwrap();
    let mut victim = Victim::start(directory.path());
    let Err(PrivateError::Lock(error)) = PrivatePostgres::start(directory.path()) else { panic!("started twice") };
    assert!(error.to_string().contains(&format!("process {}", victim.child.id())), "{error}");
    victim.kill();
    // At once, while the old server may still be ending.
    let postgres = PrivatePostgres::start(directory.path()).unwrap();
    assert_eq!(count_tenants(postgres.url()), 1);
    wait_for("no orphan", || !Path::new(&format!("/proc/{}", victim.server)).exists());
}

#[test]
fn a_server_that_is_stuck_is_ended_by_the_next_start() {
    let directory = tempfile::tempdir().unwrap();
    let mut victim = Victim::start(directory.path());
    // It cannot act on the signal that its parent's end sends.
    kill(victim.server, Signal::STOP);
    victim.kill();
    let server = victim.server;
    let revive = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(500));
        kill(server, Signal::CONT);
    });
    let postgres = PrivatePostgres::start(directory.path()).unwrap();
    assert_ne!(postgres.process(), Some(victim.server));
    assert_eq!(count_tenants(postgres.url()), 1);
    revive.join().unwrap();
}

#[test]
fn the_pid_file_of_a_dead_server_names_a_stranger() {
    let directory = tempfile::tempdir().unwrap();
    PrivatePostgres::start(directory.path()).unwrap().stop();
    // Process ids are used again, above all in containers: this one is the test's own.
    let pid_file = directory.path().join("postgres/postmaster.pid");
    std::fs::write(&pid_file, format!("{}\n", std::process::id())).unwrap();
    let postgres = PrivatePostgres::start(directory.path()).unwrap();
    assert_eq!(count_tenants(postgres.url()), 1);
}

#[test]
fn a_start_cut_off_half_way_is_begun_anew() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(directory.path().join("postgres.new/base")).unwrap();
    let postgres = PrivatePostgres::start(directory.path()).unwrap();
    assert_eq!(count_tenants(postgres.url()), 1);
}

#[test]
fn files_of_another_version_are_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(directory.path().join("postgres")).unwrap();
    std::fs::write(directory.path().join("postgres/PG_VERSION"), "9\n").unwrap();
    let Err(error) = PrivatePostgres::start(directory.path()) else { panic!("started on foreign files") };
    assert!(error.to_string().contains("apt-get install postgresql-9"), "{error}");
}

#[test]
fn a_broken_server_says_why() {
    let directory = tempfile::tempdir().unwrap();
    PrivatePostgres::start(directory.path()).unwrap().stop();
    let conf = directory.path().join("postgres/postgresql.conf");
    let mut text = std::fs::read_to_string(&conf).unwrap();
    text.push_str("\nno_such_setting = 1\n");
    std::fs::write(&conf, text).unwrap();
    let Err(error @ PrivateError::Start { .. }) = PrivatePostgres::start(directory.path()) else { panic!("started") };
    assert!(error.to_string().contains("FATAL") && !error.to_string().contains('\n'), "{error}");
}
